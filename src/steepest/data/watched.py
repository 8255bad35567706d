"""Who is told how far a download is; by default nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

Report = Callable[[str, int, int], None]
"""Called with a file's name, its bytes so far, and its size (0 where that is not known)."""

downloads: ContextVar[Report | None] = ContextVar("downloads", default=None)
