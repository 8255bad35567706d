"""The journal: one JSON object a line, appended and synced, never rewritten.

What is in it has happened. A line that was torn by a crash can only be the last one; it is dropped on reading
and cut off before the next line is appended. Torn is what has no line break, and, since a power loss can leave
zeros in place of what was not yet on the disk, a last line with a zero byte.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from steepest.errors import FolderError
from steepest.files import cannot_write, sync_folder, write_synced


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
        """Return every complete event, oldest first; a torn last line is left out.

        Raises:
            FolderError: a line before the last cannot be read.
        """
        try:
            data = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise FolderError(
                f"cannot read {str(self.path)!r}: {(error.strerror or str(error)).lower()}",
                hint="give yourself the right to read it, or give --out another folder.",
            ) from None
        events: list[dict[str, Any]] = []
        for number, line in enumerate(data[: _whole_length(data)].split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                event = json.loads(line)
                if not isinstance(event, dict):
                    raise ValueError("not an object")
            except (ValueError, RecursionError) as error:
                raise FolderError(
                    f"line {number} of {str(self.path)!r} cannot be read: {error}",
                    hint="the file was edited or damaged; delete that line to repeat its run.",
                ) from None
            events.append(event)
        return events

    def append(self, event: dict[str, Any]) -> None:
        """Append one event and wait until it is on the disk.

        Raises:
            FolderError: the file cannot be written; then it is as it was.
        """
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
        try:
            new = not self.path.exists()
            with self.path.open("ab", buffering=0) as file:
                keep = _whole_length(self.path.read_bytes())
                if keep != file.tell():
                    file.truncate(keep)
                try:
                    write_synced(file.fileno(), line.encode())
                except BaseException:
                    with contextlib.suppress(OSError):
                        file.truncate(keep)
                    raise
            if new:
                sync_folder(self.path.parent)
        except OSError as error:
            raise cannot_write(self.path, error) from None


def _whole_length(data: bytes) -> int:
    """Return the length of the complete lines: up to and including the last line break, without a torn line.

    Example:
        >>> _whole_length(b'{"a":1}\\n{"b"'), _whole_length(b'{"a":1}\\n\\0\\0\\0\\n'), _whole_length(b"")
        (8, 8, 0)
    """
    end = data.rfind(b"\n") + 1
    start = data.rfind(b"\n", 0, max(0, end - 1)) + 1
    return start if b"\0" in data[start:end] else end
