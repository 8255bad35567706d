"""Downloads from a server of this machine: resumed, checked, and refused where they are wrong."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import steepest.data.download as downloading
from steepest.data.download import DownloadError, WrongFileError, download
from steepest.data.watched import downloads

CONTENT = bytes(range(256)) * 40
HALF = len(CONTENT) // 2


@dataclass
class Server:
    """What the server does, and what it was asked for."""

    address: str = ""
    content: bytes = CONTENT
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    answers: list[int] = field(default_factory=list)
    """Status of the next answers, before it does as it should."""
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.address}/data.bin"


def handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            server.asked.append(wanted)
            if server.answers:
                self.send_error(server.answers.pop(0))
                return
            if not self.path.endswith("data.bin"):
                self.send_error(404)
                return
            start = int(wanted[6:].rstrip("-")) if wanted and server.ranges else 0
            body = server.content[start:]
            if start and not body:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                size = len(server.content)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloading, "PAUSE_SECONDS", 0.0)
    about = Server()
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(about))
    about.address = f"http://127.0.0.1:{serving.server_port}"
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
    thread.start()
    yield about
    serving.shutdown()
    thread.join()
    serving.server_close()


def differs(path: Path) -> str:
    right = hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
    return "" if right else "its sha256 is another"


def part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "set" / "data.bin"


def only(target: Path) -> list[str]:
    return [each.name for each in target.parent.iterdir()]


def test_a_file_arrives_and_is_reported(server: Server, target: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    token = downloads.set(lambda *each: seen.append(each))
    download([server.url], target, differs)
    downloads.reset(token)
    assert target.read_bytes() == CONTENT
    assert only(target) == ["data.bin"]
    assert seen[-1] == ("data.bin", len(CONTENT), len(CONTENT))


def test_a_broken_connection_goes_on_where_it_broke(server: Server, target: Path) -> None:
    server.breaks = [1000, 500]
    download([server.url], target, differs)
    assert target.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1000-", "bytes=1500-"]


def test_another_process_goes_on(server: Server, target: Path) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT[:HALF])
    download([server.url], target, differs)
    assert target.read_bytes() == CONTENT
    assert server.asked == [f"bytes={HALF}-"]


def test_a_complete_part_needs_nothing_more(server: Server, target: Path) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT)
    download([server.url], target, differs)  # the server answers 416
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_file_is_dropped(server: Server, target: Path) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(b"x" * HALF)
    download([server.url], target, differs)
    assert target.read_bytes() == CONTENT
    assert server.asked == [f"bytes={HALF}-", ""]


def test_a_server_without_ranges_begins_again(server: Server, target: Path) -> None:
    server.ranges = False
    server.breaks = [1000]
    download([server.url], target, differs)
    assert target.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1000-"]


def test_a_wrong_file_is_removed(server: Server, target: Path) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(WrongFileError, match="its sha256 is another") as caught:
        download([server.url], target, differs)
    assert caught.value.url == server.url
    assert only(target) == []


def test_another_address_helps(server: Server, target: Path) -> None:
    download([f"{server.address}/gone", "http://127.0.0.1:9/data.bin", server.url], target, differs)
    assert target.read_bytes() == CONTENT


def test_a_wrong_first_address_does_not_spoil_the_second(
    server: Server, target: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"an answer of a proxy")
    download([other.as_uri(), server.url], target, differs)
    assert target.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(server: Server, target: Path) -> None:
    server.answers = [503, 429]
    download([server.url], target, differs)
    assert target.read_bytes() == CONTENT


def test_a_refusal_is_final(server: Server, target: Path) -> None:
    server.answers = [403, 200]
    with pytest.raises(DownloadError, match="403 Forbidden"):
        download([server.url], target, differs)
    assert len(server.asked) == 1
    assert only(target) == []


def test_what_arrived_is_kept_when_the_server_gives_up(server: Server, target: Path) -> None:
    server.breaks = [1000, 0, 0, 0, 0]
    with pytest.raises(DownloadError, match="the connection broke off"):
        download([server.url], target, differs)
    assert part(target).read_bytes() == CONTENT[:1000]
    assert not target.exists()
    download([server.url], target, differs)
    assert target.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=1000-"


def test_nobody_answers(target: Path) -> None:
    with pytest.raises(DownloadError, match="connection refused"):
        download(["http://127.0.0.1:9/data.bin"], target, differs)
    assert only(target) == []


def test_two_at_once_download_once(server: Server, target: Path) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            download([server.url], target, differs)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert target.read_bytes() == CONTENT
    assert server.asked == [""]
    assert only(target) == ["data.bin"]


def test_a_place_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        download([server.url], tmp_path / "cache" / "data.bin", differs)
    assert server.asked == []
