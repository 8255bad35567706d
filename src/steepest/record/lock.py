"""One process at a time in an experiment's folder; a process that has died holds nothing."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Generator
from pathlib import Path

from steepest.errors import FolderError
from steepest.files import cannot_write

try:
    import fcntl
except ImportError:  # Windows has no such locks; two processes in one folder are then not noticed
    fcntl = None

NAME = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold a folder inside the block.

    The lock is the operating system's (``flock``) on a file with the holder's process number; it ends with the
    process, however that ends. The file is removed afterwards.

    Raises:
        FolderError: another process holds the folder, or it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
        ...     with locked(Path(folder)):
        ...         pass
        Traceback (most recent call last):
        ...
        steepest.errors.FolderError: process ... is working in '...'
        Hint: wait until it ends, or use another out folder.
    """
    if fcntl is None:
        yield
        return
    path = folder / NAME
    handle = _taken(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # before the lock ends, so that whoever gets this file knows that it is gone
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Return whether a process is working in a folder; nothing is written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     before = is_held(Path(folder))
        ...     with locked(Path(folder)):
        ...         before, is_held(Path(folder))
        (False, True)
    """
    if fcntl is None:
        return (folder / NAME).exists()
    try:
        handle = os.open(folder / NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
    finally:
        os.close(handle)
    return False


def _taken(path: Path) -> int:
    assert fcntl is not None
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise cannot_write(path.parent, error) from None
        try:
            _lock(handle, path)
            if _is_still(path, handle):
                with contextlib.suppress(OSError):  # a full disk: the number is for the message alone
                    os.truncate(handle, 0)
                    os.write(handle, str(os.getpid()).encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    assert fcntl is not None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN):
            return  # a file system without locks
        holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
        who = f"process {holder}" if holder.isdigit() else "another process"
        raise FolderError(
            f"{who} is working in {path.parent.as_posix()!r}",
            hint="wait until it ends, or use another --out folder.",
        ) from None


def _is_still(path: Path, handle: int) -> bool:
    """Return whether the file that was locked is the one with that name; its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
