"""Files that are either whole or not there: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from steepest.errors import FolderError

TEMPORARY = ".tmp"
"""How a file's temporary name ends; it begins with a full stop and the file's own name."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""An address's beginning, of whose slashes a ``Path`` keeps one; a single letter is a drive."""


def cache_folder() -> Path:
    """Return the user's folder for what can be had again: downloads, compiled steps, and what is drawn from data sets.

    It need not exist yet. The environment variable ``STEEPEST_CACHE`` puts it elsewhere.
    """
    if given := os.environ.get("STEEPEST_CACHE"):
        return local(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "steepest"


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write a file so that a crash, a full disk or an interrupt leaves the old content or the new, never a part.

    A link is followed: the file that it points at is replaced, not the link.

    Raises:
        FolderError: the folder does not exist or cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(f"{folder}/a.txt", "whole")
        ...     Path(f"{folder}/a.txt").read_text()
        'whole'
    """
    data = content.encode() if isinstance(content, str) else content
    with _new_file(Path(path)) as handle:
        write_synced(handle, data)


def write_with_folder(path: str | Path, content: bytes | str) -> Path:
    """Write a file as :func:`write_atomically` does, create its folder if need be, and return its path.

    Raises:
        FolderError: the folder cannot be created or written, or the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_with_folder(f"{folder}/site/a.html", "whole").read_text()
        'whole'
    """
    path = local(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path.parent, error) from None
    write_atomically(path, content)
    return path


@contextlib.contextmanager
def writing_atomically(path: str | Path) -> Generator[BinaryIO]:
    """Open a file to be written bit by bit, which gets its name only when the block ends without an error.

    Raises:
        FolderError: the folder does not exist or cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with writing_atomically(f"{folder}/a.txt") as file:
        ...         _ = file.write(b"wh")
        ...         before = Path(f"{folder}/a.txt").exists()
        ...         _ = file.write(b"ole")
        ...     before, Path(f"{folder}/a.txt").read_text()
        (False, 'whole')
    """
    with _new_file(Path(path)) as handle, os.fdopen(handle, "wb", closefd=False) as file:
        yield file
        file.flush()
        os.fsync(handle)


@contextlib.contextmanager
def _new_file(path: Path) -> Generator[int]:
    """Open a file beside ``path`` that takes its place when the block ends, and goes when the block fails."""
    temporary, path = "", local(path)
    try:
        real = Path(os.path.realpath(path))
        handle, temporary = tempfile.mkstemp(prefix=f".{real.name[:40]}.", suffix=TEMPORARY, dir=real.parent)
        try:
            yield handle
        finally:
            os.close(handle)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(real)
        sync_folder(real.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            if temporary:
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def write_synced(handle: int, data: bytes) -> None:
    """Write all of the bytes to an open file and wait until they are on the disk."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)


def sync_folder(path: str | Path) -> None:
    """Wait until the names in a folder are on the disk, so that a rename outlives a power loss.

    Systems that cannot open a folder (Windows) keep their own promises about renames.
    """
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(folder: str | Path) -> None:
    """Remove the temporary files that a killed process left in a folder; nobody else may be writing there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in (".a.txt.x1.tmp", "mine.tmp"):
        ...         _ = Path(folder, name).write_text("")
        ...     remove_leftovers(folder)
        ...     [each.name for each in Path(folder).iterdir()]
        ['mine.tmp']
    """
    for each in Path(folder).glob(f".*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            each.unlink()


def local(path: str | Path) -> Path:
    """Return a path of this machine's file system, which an address, as of a bucket, is not.

    Raises:
        FolderError: it is an address.

    Example:
        >>> local("runs/a"), local("C:/runs")
        (PosixPath('runs/a'), PosixPath('C:/runs'))
        >>> local("s3://bucket/run")
        Traceback (most recent call last):
        ...
        steepest.errors.FolderError: 's3://bucket/run' is an address, not a local path
        Hint: name a local one, such as a folder into which the bucket is mounted, or copy the files.
    """
    if found := _ADDRESS.match(os.fspath(path)):
        rest = os.fspath(path)[found.end() :].lstrip("/")
        raise FolderError(
            f"'{found[1]}://{rest}' is an address, not a local path",
            hint="name a local one, such as a folder into which the bucket is mounted, or copy the files.",
        )
    return Path(path)


def reachable(path: str | Path) -> Path:
    """Return a path that the system can look up, whether or not there is something.

    Raises:
        FolderError: the name is too long or no name, it is an address, or it lies in a folder that may not be entered.

    Example:
        >>> reachable("nothing/here")
        PosixPath('nothing/here')
        >>> reachable("x" * 300)
        Traceback (most recent call last):
        ...
        steepest.errors.FolderError: the name 'xxxx…xxxx' (300 letters) is too long
        Hint: choose a shorter one.
    """
    path = local(path)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.stat()
    except OSError as error:
        raise cannot_write(path, error) from None
    except ValueError as error:  # a zero byte
        raise FolderError(f"{str(path)!r} is not a path: {error}", hint="choose another name.") from None
    return path


def check_apart(out: str | Path, source: object) -> None:
    """Raise a ``FolderError`` if writing ``out`` would replace the file that is read, by whatever path or link.

    Args:
        out: the file to be written.
        source: what is read; anything but a path is no file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "rows.csv")
        ...     _ = path.write_text("x")
        ...     check_apart(Path(folder, "..", Path(folder).name, "rows.csv"), path)
        Traceback (most recent call last):
        ...
        steepest.errors.FolderError: 'rows.csv' is the input table and would be overwritten
        Hint: write to another file.
    """
    if not isinstance(source, str | Path):
        return
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        if Path(out).samefile(Path(source).expanduser()):
            raise FolderError(
                f"{Path(out).name!r} is the input table and would be overwritten",
                hint="write to another file.",
            )


def cannot_write(path: str | Path, error: OSError) -> FolderError:
    """Return the error for a path that the system refuses to write."""
    if error.errno == errno.ENAMETOOLONG:
        name = max(Path(path).parts, key=len)
        return FolderError(
            f"the name '{name[:4]}…{name[-4:]}' ({len(name)} letters) is too long",
            hint="choose a shorter one.",
        )
    if isinstance(error, FileExistsError | NotADirectoryError):
        return FolderError(
            f"cannot write into {str(path)!r}: it is a file, or inside one",
            hint="name a folder.",
        )
    return FolderError(
        f"cannot write {str(path)!r}: {(error.strerror or str(error)).lower()}",
        hint="choose an existing folder with write permission and free space.",
    )
