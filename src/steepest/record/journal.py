"""The journal: one JSON object a line, appended and synced, never rewritten.

What is in it has happened. A line that was torn by a crash can only be the last one; it is dropped on reading
and cut off before the next line is appended.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from steepest.errors import FolderError
from steepest.files import cannot_write


class Journal:
    """An append-only file of events.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> journal = Journal(Path(folder.name) / "journal.jsonl")
        >>> journal.append({"event": "run", "seed": 0})
        >>> with journal.path.open("a") as file:
        ...     _ = file.write('{"event": "ru')
        >>> journal.read()
        [{'event': 'run', 'seed': 0}]
        >>> folder.cleanup()
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return every whole event, oldest first; a torn last line is left out.

        Raises:
            FolderError: a line before the last cannot be read.
        """
        if not self.path.is_file():
            return []
        *lines, _ = self.path.read_bytes().split(b"\n")  # what follows the last line break was torn
        events: list[dict[str, Any]] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                event = json.loads(line)
                if not isinstance(event, dict):
                    raise ValueError("not an object")
            except (ValueError, UnicodeDecodeError) as error:
                raise FolderError(
                    f"line {number} of {str(self.path)!r} cannot be read: {error}",
                    hint="the file was edited or damaged; delete that line to repeat its run.",
                ) from None
            events.append(event)
        return events

    def append(self, event: dict[str, Any]) -> None:
        """Append one event and wait until it is on the disk.

        Raises:
            FolderError: the file cannot be written.
        """
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
        try:
            with self.path.open("ab") as file:
                keep = _whole_length(self.path)
                if keep != file.tell():
                    file.truncate(keep)
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from None


def _whole_length(path: Path) -> int:
    """Return the length of the file up to and including its last line break."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        step, end = 65536, size
        while end > 0:
            start = max(0, end - step)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
