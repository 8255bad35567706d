"""Make docs/images/report.png: the first screen of a report on the table of the tutorial, as a browser shows it.

``python scripts/draw_report.py`` runs the comparison of README.md in a temporary folder and needs chromium; with a
folder as its argument it only takes the picture of the report that is there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-comparison.md"
IMAGE = ROOT / "docs" / "images" / "report.png"
COMPARE = "compare deliveries.csv --target minutes -o sgd,momentum,quickprop,adam --epochs 10 --batch-size 64"
WIDTH, HEIGHT = 1280, 1000


def compare(folder: Path) -> Path:
    """Make the table and the comparison, and return its folder."""
    made = re.search(r"```python\n(import numpy.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    if made is None:
        raise SystemExit(f"{TUTORIAL} has no code that makes the table")
    subprocess.run([sys.executable, "-c", made[1]], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "steepest", *COMPARE.split()], cwd=folder, check=True)
    return folder / "runs" / "deliveries"


def take(report: Path) -> None:
    """Take the picture."""
    subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=2",
            f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={IMAGE}", report.resolve().as_uri(),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]) / "report.html")
    else:
        with tempfile.TemporaryDirectory() as name:
            take(compare(Path(name)) / "report.html")
