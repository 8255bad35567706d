"""The user's code that a comparison began with: it keeps to these texts however their files are edited meanwhile."""

from __future__ import annotations

import contextlib
import linecache
from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Held:
    """What was read of the user's code since a block began.

    Attributes:
        texts: of files.
        places: the files of references, by the paths that these name.
        modules: by a file and the folder that its imports are relative to, the files that it is loaded with, by the
            names of their modules.
    """

    texts: dict[Path, bytes] = field(default_factory=dict[Path, bytes])
    places: dict[str, Path] = field(default_factory=dict[str, Path])
    modules: dict[tuple[Path, Path], dict[str, Path]] = field(
        default_factory=dict[tuple[Path, Path], dict[str, Path]]
    )

    @property
    def size(self) -> int:
        """How much there is; it only grows."""
        return len(self.texts) + len(self.places) + len(self.modules)

    def hold(self, path: Path, text: bytes) -> None:
        """Keep to the text of a file; messages and whoever asks for its source see this text, too."""
        self.texts[path] = text
        lines = text.decode("utf-8", "replace").splitlines(keepends=True)
        linecache.cache[str(path)] = (len(text), None, lines, str(path))  # None: not checked against the file


_held: ContextVar[Held | None] = ContextVar("held", default=None)


def held() -> Held | None:
    """Return what is held, inside a block that holds."""
    return _held.get()


@contextlib.contextmanager
def holding() -> Generator[Held]:
    """Read no file of the user's code twice inside the block, so that edits count after it only.

    A block inside another one holds what that does.
    """
    around = _held.get()
    if around is not None:
        yield around
        return
    own = Held()
    token = _held.set(own)
    try:
        yield own
    finally:
        _held.reset(token)
        for path in own.texts:
            linecache.cache.pop(str(path), None)


def hold(what: Held) -> None:
    """Hold what another process does, from now on."""
    _held.set(what)
    for path, text in what.texts.items():
        what.hold(path, text)


def text_of(path: Path) -> bytes:
    """Return the text of a file of the user's code, as it was when it was first read inside :func:`holding`."""
    now = _held.get()
    if now is None:
        return path.read_bytes()
    if path not in now.texts:
        now.hold(path, path.read_bytes())
    return now.texts[path]
