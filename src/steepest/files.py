"""Files that are either whole or not there: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from steepest.errors import FolderError


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write a file so that a crash, a full disk or an interrupt leaves the old content or the new, never a part.

    Raises:
        FolderError: the folder does not exist or cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(f"{folder}/a.txt", "whole")
        ...     Path(f"{folder}/a.txt").read_text()
        'whole'
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            if temporary:
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def cannot_write(path: str | Path, error: OSError) -> FolderError:
    """Return the error for a path that the system refuses to write."""
    return FolderError(
        f"cannot write {str(path)!r}: {error.strerror or error}",
        hint="choose a folder that exists, that you may write to and that has space left.",
    )
