"""Make the pictures of reports in docs/images, as a browser shows them.

``python scripts/draw_report.py`` makes report.png, the first screen of a report on the table of the tutorial, by the
comparison of README.md in a temporary folder; with a folder as its argument it takes the picture of the report that is
there. ``python scripts/draw_report.py --figures runs/demo`` makes the figures of docs/how-to/read-a-report.md from what
``steepest demo`` has left. It needs chromium.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.report.browser import Browser, find_browser  # noqa: E402

TUTORIAL = ROOT / "docs" / "tutorial" / "first-comparison.md"
IMAGES = ROOT / "docs" / "images"
COMPARE = "compare deliveries.csv --target minutes -o sgd,momentum,quickprop,adam --epochs 10 --batch-size 64"
WIDTH, HEIGHT = 1280, 1000
FIGURES = {
    "ranking": ".first",
    "training": "#curves",
    "rates": "#rates",
    "differences": "#differences",
    "classes": "#classes",
}
"""What each figure shows of the page."""
FIGURE_WIDTH = 1100
AROUND = 14
"""Pixels of the page around a figure."""


def compare(folder: Path) -> Path:
    """Make the table and the comparison, and return its folder."""
    made = re.search(r"```python\n(import numpy.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    if made is None:
        raise SystemExit(f"{TUTORIAL} has no code that makes the table")
    subprocess.run([sys.executable, "-c", made[1]], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "steepest", *COMPARE.split()], cwd=folder, check=True)
    return folder / "runs" / "deliveries"


def started() -> Browser:
    """Return a browser."""
    path = find_browser()
    if path is None:
        raise SystemExit("no Chromium is installed")
    return Browser(path)


def take(report: Path) -> None:
    """Take the picture of the first screen, in twice its size."""
    with started() as browser, browser.page(report, width=WIDTH, height=HEIGHT) as page:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 2, "mobile": False}
        page.send("Emulation.setDeviceMetricsOverride", size)
        page.screenshot(IMAGES / "report.png")


def take_figures(report: Path) -> None:
    """Take the picture of each figure."""
    with started() as browser:
        for name, selector in FIGURES.items():
            with browser.page(report, width=FIGURE_WIDTH) as page:
                box = page.run(f"document.querySelector('{selector}').getBoundingClientRect().toJSON()")
                clip = {
                    "x": box["x"] - AROUND,
                    "y": box["y"] + page.run("scrollY") - AROUND // 2,
                    "width": box["width"] + 2 * AROUND,
                    "height": box["height"] + AROUND,
                    "scale": 1,
                }
                taken = page.send(
                    "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
                )
                (IMAGES / f"report-{name}.png").write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--figures"]:
        take_figures(Path(sys.argv[2]) / "report.html")
    elif len(sys.argv) > 1:
        take(Path(sys.argv[1]) / "report.html")
    else:
        with tempfile.TemporaryDirectory() as name:
            take(compare(Path(name)) / "report.html")
