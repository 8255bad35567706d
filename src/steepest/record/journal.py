"""The journal: one JSON object a line, appended and synced, never rewritten.

What is in it has happened. A line that was torn by a crash can only be the last one; it is dropped on reading
and cut off before the next line is appended. Torn is what has no line break, and, since a power loss can leave
zeros in place of what was not yet on the disk, a last line with a zero byte.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from steepest.errors import FolderError
from steepest.files import cannot_write, sync_folder, write_synced

RUN = "run"
"""The kind of the event of a run."""
_RUN_LINE = b'{"event":"run",'


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

    def read(self, kind: str = "") -> list[dict[str, Any]]:
        """Return every complete event, oldest first; a torn last line is left out.

        Args:
            kind: only events of this kind; runs, which are nearly all there is, are then not even parsed for others.

        Raises:
            FolderError: a line before the last cannot be read.
        """
        return list(self._events(kind))

    def first(self, kind: str) -> dict[str, Any] | None:
        """Return the first event of a kind, or None; what stands behind it is not read.

        Raises:
            FolderError: a line before it cannot be read.
        """
        return next(self._events(kind), None)

    @property
    def is_empty(self) -> bool:
        """Whether there is no complete event."""
        return next(self._events(""), None) is None

    def _events(self, kind: str) -> Iterator[dict[str, Any]]:
        for number, line in self._lines():
            if not line.strip() or (kind not in ("", RUN) and line.startswith(_RUN_LINE)):
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
            if not kind or event.get("event") == kind:
                yield event

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the complete lines with their numbers."""
        try:
            with self.path.open("rb") as file:
                left = whole_length(file)
                file.seek(0)
                for number, line in enumerate(file, start=1):
                    if left <= 0:
                        return
                    left -= len(line)
                    yield number, line
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise FolderError(
                f"cannot read {str(self.path)!r}: {(error.strerror or str(error)).lower()}",
                hint="give yourself the right to read it, or give --out another folder.",
            ) from None

    def append(self, event: dict[str, Any]) -> None:
        """Append one event and wait until it is on the disk.

        Raises:
            FolderError: the file cannot be written; then it is as it was.
        """
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n"
        try:
            new = not self.path.exists()
            with self.path.open("a+b", buffering=0) as file:
                keep = whole_length(file)
                file.seek(0, io.SEEK_END)
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


def whole_length(file: IO[bytes]) -> int:
    """Return the length of the complete lines: up to and including the last line break, without a torn line.

    Only the end of the file is read, so that it does not matter how long a journal is.

    Example:
        >>> import io
        >>> [whole_length(io.BytesIO(each)) for each in (b'{"a":1}\\n{"b"', b'{"a":1}\\n\\0\\0\\0\\n', b"")]
        [8, 8, 0]
    """
    size = file.seek(0, io.SEEK_END)
    block = _BLOCK
    while True:
        before = max(0, size - block)
        file.seek(before)
        data = file.read(size - before)
        end = data.rfind(b"\n") + 1
        start = data.rfind(b"\n", 0, max(0, end - 1)) + 1
        if start or not before:  # the last complete line is there from its beginning
            return before + (start if b"\0" in data[start:end] else end)
        block *= 4


_BLOCK = 1 << 16
