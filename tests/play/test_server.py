"""The server: nothing without the token, no file but reports, no code from visitors, and Ctrl-C ends it."""

from __future__ import annotations

import http.client
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

import steepest
from steepest.cli import main
from steepest.errors import OptionError
from steepest.play import PAGES, server
from tests.report.browser import Browser, Page

APPS = Path(steepest.__file__).parent / "play" / "apps"
needs_marimo = pytest.mark.skipif(
    importlib.util.find_spec("marimo") is None, reason="marimo is not installed: pip install '.[play]'"
)


def test_a_missing_extra_is_named_with_its_cure(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "marimo", None)
    assert main(["play", "compare", "--no-open"]) == 2
    assert "pip install '.[play]'" in capsys.readouterr().err


def test_wrong_options_are_refused_before_anything_listens(capsys) -> None:
    for arguments, part in [
        (["compar"], "did you mean 'compare'?"), (["--port", "70000"], "70000"), (["--data", "no.csv"], "no.csv"),
    ]:  # fmt: skip
        assert main(["play", *arguments, "--no-open"]) == 2
        assert part in capsys.readouterr().err


def test_a_port_in_use_is_said() -> None:
    with server.listen("127.0.0.1", 0) as taken, pytest.raises(OptionError, match="cannot be listened on"):
        server.listen("127.0.0.1", taken.getsockname()[1])


@needs_marimo
@pytest.mark.parametrize("page", PAGES)
def test_the_cells_of_a_page_run_as_a_script(page: str, place) -> None:
    spec = importlib.util.spec_from_file_location(page, APPS / f"{page}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outputs, defined = module.app.run()
    text = " ".join(each.text for each in outputs if hasattr(each, "text"))
    wanted = {
        "compare": ("Compare ways of training", "Start", "Stop"),
        "landscape": ("Write it down", "hypothesis"),
    }
    assert all(each in text for each in wanted[page])
    assert defined["place"] is place


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    folder = tmp_path_factory.mktemp("served")
    kept = folder / "runs" / "play"
    (kept / "mine").mkdir(parents=True)
    (kept / "mine" / "report.html").write_text("the report")
    (kept / "mine" / "journal.jsonl").write_text("secret")
    (folder / "secret.html").write_text("secret")
    (kept / "linked").mkdir()
    (kept / "linked" / "report.html").symlink_to(folder / "secret.html")
    (kept / "away").symlink_to(folder)
    (folder / "report.html").write_text("secret")
    process = subprocess.Popen(
        [sys.executable, "-m", "steepest", "play", "compare", "--no-open"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    yield process, address, folder
    if process.poll() is None:
        process.kill()
    process.communicate()


def ask(
    address: str, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, str, dict]:
    """Send a request as it is, without tidying the path, and return status, body and headers."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.putrequest(method, path, skip_accept_encoding=True, skip_host="Host" in headers)
    content = (body or "").encode()
    for name, value in {**headers, **({"Content-Length": str(len(content))} if body else {})}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(content or None)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode("utf-8", "replace"), dict(answer.getheaders())
    connection.close()
    return found


def cookies(address: str) -> str:
    """Return the cookies that the printed address gives."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request("GET", f"/?{urlsplit(address).query}")
    answer = connection.getresponse()
    assert answer.status == 303
    answer.read()
    given = [value.partition(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
    connection.close()
    assert len(given) == 2
    return "; ".join(given)


ASSETS = ["/", "/assets/", "/index.html", "/favicon.ico", "/auth/login", "/api/version", "/health",
          "/kept/mine/report.html", "/ws", "/api/kernel/run", "/?access_token=", "/?access_token=wrong"]  # fmt: skip


@needs_marimo
def test_nothing_is_served_without_the_token(served) -> None:
    _, address, _ = served
    for path in ASSETS:
        for headers in ({}, {"Cookie": "session=x; steepest_play_0=y"}, {"Authorization": "Bearer x"}):
            status, text, _ = ask(address, path, **headers)
            assert status == 401, path
            assert "needs its token" in text
            assert "marimo" not in text


@needs_marimo
def test_only_reports_in_the_folder_are_served(served) -> None:
    _, address, folder = served
    known = {"Cookie": cookies(address)}
    assert ask(address, "/kept/mine/report.html", **known)[:2] == (200, "the report")
    outside = ["mine/journal.jsonl", "linked/report.html", "away/report.html", "mine/../mine/report.html",
               "../secret.html",
               "..%2fsecret.html", "%2e%2e/%2e%2e/report.html", "..%252f..%252freport.html",
               "mine%2f..%2f..%2freport.html",
               f"{quote(str(folder))}/report.html", "%2fetc%2fpasswd", "mine%00/report.html", "./report.html",
               "m%C3%AFne/report.html", "%ff%fe/report.html", "﹒﹒/report.html".encode().hex(), "mine/report.html/",
               f"{'a' * 3000}/report.html", "mine\\..\\report.html", "/mine/report.html"]  # fmt: skip
    for path in [f"/kept/{each}" for each in outside] + [
        "/secret.html", "/../secret.html", "/..%2f..%2fsecret.html", "//etc/passwd", "/%2fetc/passwd",
        "/public/secret.html", "/public/..%2f..%2fsecret.html", "/assets/../../../pages.py",
        "/assets/..%2f..%2findex.html", "/files/../index.html",
        "/@file/1-..%2fsecret.html", "/@file/../../secret.html", "/runs/play/mine/journal.jsonl",
    ]:  # fmt: skip
        status, text, _ = ask(address, path, **known)
        assert status in (400, 401, 403, 404, 414), (path, status)
        assert "secret" not in text
        assert "the report" not in text


@needs_marimo
def test_a_visitor_runs_no_code_and_other_sites_reach_nothing(served) -> None:
    _, address, folder = served
    known = {"Cookie": cookies(address)}
    status, page, headers = ask(address, "/", **known)
    assert status == 200
    token = re.search(r'"serverToken":\s*"([^"]+)"', page)
    known["Marimo_Server_Token"] = token[1] if token else ""
    code = '{"cellIds": ["a"], "codes": ["open(\'made\', \'w\')"], "code": "open(\'made\', \'w\')"}'
    for path in ("/api/kernel/run", "/api/kernel/execute", "/api/kernel/scratchpad/run", "/api/kernel/instantiate",
                 "/api/kernel/save", "/api/files/create", "/api/files/list_files", "/api/packages/add", "/terminal/ws",
                 "/api/kernel/read_code", "/api/kernel/shutdown", "/api/export/script"):  # fmt: skip
        assert ask(address, path, "POST", code, **known)[0] in (401, 403, 404, 405), path
        assert ask(address, path, "DELETE", **known)[0] == 404
    assert not (folder / "made").exists()
    assert ask(address, "/", Host="evil.example", **known)[0] == 400
    assert ask(address, "/", Origin="http://evil.example", **known)[0] == 403
    assert ask(address, "/", Origin="http://127.0.0.1:1", **known)[0] == 403
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13",
               "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}  # fmt: skip
    assert ask(address, "/ws?session_id=s1", Origin="http://evil.example", **upgrade, **known)[0] == 403
    assert ask(address, "/ws?session_id=s1", **upgrade)[0] == 403  # without the token
    assert ask(address, "/terminal/ws", **upgrade, **known)[0] == 403
    policy = {name.lower(): value for name, value in headers.items()}["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    links = re.findall(r"(?:src|href)=[\"'](?:https?:)?//[^\"']+", page)
    assert links == []


@needs_marimo
def test_ctrl_c_ends_it_with_the_status_of_other_commands(served) -> None:
    process, _, _ = served
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "interrupted"


SHOWN = """
(function text(node) {
  return [...node.childNodes].map(each => each.nodeType === 3 ? each.data : each.nodeType !== 1 ? "" :
    (each.shadowRoot ? text(each.shadowRoot) : "") + text(each)).join("");
})(document)
"""


@needs_marimo
@pytest.mark.browser
def test_ctrl_c_ends_it_while_a_browser_shows_the_page(browser: Browser, tmp_path: Path) -> None:
    """An open page holds a connection and a session, which must not keep the process alive."""
    process = subprocess.Popen(
        [sys.executable, "-m", "steepest", "play", "landscape", "--no-open"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        target = browser.send("Target.createTarget", {"url": address})["targetId"]
        attached = browser.send("Target.attachToTarget", {"targetId": target, "flatten": True})
        page, end = Page(browser, attached["sessionId"]), time.monotonic() + 120
        while "hypothesis" not in page.run(SHOWN):
            assert time.monotonic() < end, "the page did not appear"
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "interrupted"
