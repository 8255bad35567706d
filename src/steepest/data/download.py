"""Files from the network: taken up again where a connection broke, and checked before they get their name.

What has arrived is kept beside the target in a file that ends in ``.part``. The next attempt, also that of another
process, asks the server for the rest only. A file that is not the expected one is removed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from steepest.data.watched import downloads

try:
    import fcntl
except ImportError:  # Windows: two processes that download the same file are not kept apart
    fcntl = None

CHUNK = 1 << 20
TIMEOUT_SECONDS = 30
ATTEMPTS = 4
"""Attempts in a row that bring nothing, after which an address is given up."""
PAUSE_SECONDS = 0.5
"""The pause after the first such attempt; it doubles with every further one."""
NOBODY = (socket.gaierror, ConnectionRefusedError)
"""Errors that a second attempt does not mend: no network, no server."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that may be other ones a moment later."""


class DownloadError(Exception):
    """No address gave the file; the text is the last one's reason."""


class WrongFileError(Exception):
    """What an address gave is not the expected file, and has been removed; the text is how it differs."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(reason)
        self.url = url


def download(urls: Sequence[str], target: Path, differs: Callable[[Path], str], size: int = 0) -> None:
    """Download a file from the first address that has it.

    Args:
        urls: where it is, in the order in which they are tried.
        target: where it is kept; nothing is there before it is complete and right.
        differs: says how a file differs from the expected one; empty if it does not.
        size: its bytes, if they are known, to say how far the download is.

    Raises:
        DownloadError: no address could be reached or had it; what has arrived is kept for the next time.
        WrongFileError: it is not the expected file.
        OSError: it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    with _held(part) as file:
        if target.exists():  # another process was faster
            part.unlink()
            return
        wrong: WrongFileError | None = None
        reason = "no address is known"
        for url in urls:
            begun = file.tell()
            try:
                _fetch(url, file, target.name, size)
            except DownloadError as error:
                reason = str(error)
                continue
            if begun and differs(part):  # the beginning was of another file: once more from there
                _restart(file)
                try:
                    _fetch(url, file, target.name, size)
                except DownloadError as error:
                    reason = str(error)
                    continue
            if not (difference := differs(part)):
                part.chmod(0o644)
                part.replace(target)
                return
            wrong = WrongFileError(url, difference)
            _restart(file)
        if wrong is not None or not file.tell():
            part.unlink()
        raise wrong or DownloadError(reason)


@contextlib.contextmanager
def _held(path: Path) -> Generator[BinaryIO]:
    """Open a file to append to, for this process alone; others wait."""
    while True:
        with path.open("ab") as file:
            if fcntl is not None:
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(file, fcntl.LOCK_EX)
            if fcntl is None or _is_still(path, file):
                yield file
                return


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Return whether a file has this name still; whoever had it before may have renamed or removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _fetch(url: str, file: BinaryIO, name: str, size: int) -> None:
    """Append to a file what it lacks of the one at an address.

    Raises:
        DownloadError: the address cannot be reached, does not have it, or breaks off again and again.
    """
    fruitless = 0
    while True:
        before = file.tell()
        try:
            if _append(url, file, name, size):
                return
            reason = "the connection broke off"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                return  # there is no rest
            reason = f"{error.code} {error.reason}"
            if error.code not in PASSING:
                raise DownloadError(reason) from None
        except _Disk as error:
            raise error.error from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", None), NOBODY):
                raise DownloadError(_said(error)) from None
            reason = _said(error)
        fruitless = 0 if file.tell() > before else fruitless + 1
        if fruitless == ATTEMPTS:
            raise DownloadError(reason)
        if fruitless:
            time.sleep(PAUSE_SECONDS * 2 ** (fruitless - 1))


class _Disk(Exception):  # noqa: N818
    """The disk refuses, not the network."""

    def __init__(self, error: OSError) -> None:
        self.error = error


def _append(url: str, file: BinaryIO, name: str, size: int) -> bool:
    """Append the rest of a file; return whether it is complete as far as the server says."""
    start = file.tell()
    request = urllib.request.Request(url, headers={"User-Agent": "steepest"})
    if start and url.startswith("http"):
        request.add_header("Range", f"bytes={start}-")
    report = downloads.get()
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        if start and not _continues(answer, start):
            _restart(file)
            start = 0
        length = answer.headers.get("Content-Length")
        end = start + int(length) if length is not None else None
        while chunk := answer.read(CHUNK):
            try:
                file.write(chunk)
                file.flush()
            except OSError as error:
                raise _Disk(error) from None
            if report is not None:
                report(name, file.tell(), end or size)
    return end is None or file.tell() >= end


def _continues(answer: Any, start: int) -> bool:
    """Return whether an answer is the rest from ``start``; a server may send the file from its beginning instead."""
    return answer.status == http.HTTPStatus.PARTIAL_CONTENT and str(
        answer.headers.get("Content-Range", "")
    ).startswith(f"bytes {start}-")


def _said(error: Exception) -> str:
    inner: Any = getattr(error, "reason", None) or error
    return str(getattr(inner, "strerror", None) or inner).lower() or type(inner).__name__


def _restart(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()
