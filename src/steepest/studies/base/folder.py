"""The folder of a study: an ordinary one, with a file that says which study it is of."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from steepest.errors import FolderError
from steepest.files import reachable

FILE = "study.json"
"""What says of a folder which study it is of."""


def default_folder(name: str, size: str) -> Path:
    """Return the folder of a study where none is named.

    Example:
        >>> default_folder("memorisation", "quick").as_posix(), default_folder("dropout", "default").as_posix()
        ('runs/memorisation-quick', 'runs/dropout')
    """
    return Path("runs") / (name if size == "default" else f"{name}-{size}")


def read_study(path: Path) -> dict[str, str] | None:
    """Return which study a folder is of, and its size; None where it is of none.

    Raises:
        FolderError: the folder's name cannot be looked up, or the file that says it cannot be read.
    """
    file = reachable(path) / FILE
    if not file.is_file():
        return None
    try:
        stored: Any = json.loads(file.read_text(encoding="utf-8"))
        return {"study": str(stored["study"]), "size": str(stored["size"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(
            f"cannot read {file.as_posix()!r}: {error}",
            hint=f"remove it (rm {shlex.quote(file.as_posix())}), or restore it.",
        ) from None
