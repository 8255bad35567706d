"""A headless Chromium, spoken to over its DevTools pipe: no port, no socket library."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]

# The browser reads descriptor 3 and writes descriptor 4: move ours there (out of each other's way first).
_CONNECT = """
import fcntl, os, sys
reader, writer = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 20) for each in sys.argv[1:3])
os.dup2(reader, 3)
os.dup2(writer, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One Chromium process; ``with Browser(path) as browser`` ends it, whatever happens."""

    def __init__(self, path: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="steepest-browser-", ignore_cleanup_errors=True)
        command_read, self._out = os.pipe()
        self._in, answer_write = os.pipe()

        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _CONNECT, str(command_read), str(answer_write)),
                *(path, *OPTIONS, f"--user-data-dir={self._folder.name}", "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(command_read, answer_write),
        )
        os.close(command_read)
        os.close(answer_write)
        self._buffer = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            self.send("Browser.close", timeout=10)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        os.close(self._out)
        os.close(self._in)
        self._folder.cleanup()

    def send(
        self, method: str, params: dict[str, Any] | None = None, session: str = "", timeout: float = 120
    ) -> dict[str, Any]:
        """Send a command and return its result; events that come meanwhile are kept in ``events``."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        number, end = self._count, time.monotonic() + timeout
        while True:
            answer = self._receive(end)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def _receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser does not answer")
            more = os.read(self._in, 1 << 20)
            if not more:
                raise OSError("the browser has gone")
            self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    @contextlib.contextmanager
    def page(self, path: Path, *, width: int, height: int = 900, dark: bool = False) -> Generator[Page]:
        """Open a file in a tab of exactly this size and wait until it has drawn itself."""
        self.events.clear()
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        try:
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.send(f"{domain}.enable")
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            page.send("Emulation.setEmulatedMedia", {"features": [scheme]})
            phone = width < 600
            size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
            page.send("Emulation.setDeviceMetricsOverride", size)
            if phone:
                page.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
            page.send("Page.navigate", {"url": path.resolve().as_uri()})
            end = time.monotonic() + 120
            while page.run("document.documentElement?.dataset.ready") != "yes":
                if time.monotonic() > end:
                    raise TimeoutError(f"{path.name} did not become ready: {page.complaints()}")
                time.sleep(0.05)
            page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            yield page
        finally:
            self.send("Target.closeTarget", {"targetId": target})


class Page:
    """One open tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a command to this tab."""
        return self._browser.send(method, params, self._session)

    def run(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; a promise is waited for."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.send("Runtime.evaluate", asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def _events(self, name: str) -> list[dict[str, Any]]:
        return [
            each["params"]
            for each in self._browser.events
            if each["method"] == name and each.get("sessionId") == self._session
        ]

    def complaints(self) -> list[str]:
        """Return every exception, every console error or warning and every entry of the browser's log."""
        thrown = [str(each["exceptionDetails"]) for each in self._events("Runtime.exceptionThrown")]
        called = [
            str(each["args"])
            for each in self._events("Runtime.consoleAPICalled")
            if each["type"] in ("error", "warning", "assert")
        ]
        logged = [str(each["entry"]) for each in self._events("Log.entryAdded")]
        return thrown + called + logged

    def requests(self) -> list[str]:
        """Return every address that was asked for, the file's own and data in the page left out."""
        asked = [each["request"]["url"] for each in self._events("Network.requestWillBeSent")]
        own = self.run("location.href.split('#')[0]")
        return [each for each in asked if not each.startswith(("data:", "blob:")) and each != own]

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as PNG."""
        asked: dict[str, Any] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.send("Page.getLayoutMetrics")["cssContentSize"]
            asked["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", asked)["data"]))
