"""Processes made by fork: the threads of Polars and torch are not in them, and waiting for them never ends."""

from __future__ import annotations

import os  # and nothing that is slow to import: ``import steepest`` needs it

_used = False  # by this process or the ones that it was forked from
_child = False
_lost = False
_running = False


def watch() -> None:
    """Note every fork from here on; called once, when steepest is imported."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_note_before, after_in_child=_note_in_child)


def check() -> None:
    """Complain in a process that was forked from one in which Polars was running; called before Polars is used.

    Raises:
        SteepestError: it was.
    """
    global _used
    if _lost:
        from steepest.errors import SteepestError

        raise SteepestError(
            "this process was forked from one in which Polars was running: its threads are missing here, and waiting "
            "for them would never end",
            hint="start processes with multiprocessing.get_context('spawn') or 'forkserver', load and predict "
            "in the same process, or fork before Polars or steepest reads anything.",
        )
    _used = True


def usable_threads(threads: int) -> int:
    """Return how many threads torch can use: one in a forked process, where OpenMP may wait for those it had before."""
    return 1 if _child else threads


def _note_before() -> None:
    global _running
    _running = _lost or _used or _has_polars_threads()


def _note_in_child() -> None:
    global _child, _lost
    _child, _lost = True, _running


def _has_polars_threads() -> bool:
    """Whether Polars' pool is there, which others may have started; not known where threads have no names."""
    names: list[str] = []
    try:
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208
            with open(f"/proc/self/task/{task}/comm", encoding="utf-8") as file:  # noqa: PTH123
                names.append(file.read().strip())
    except OSError:  # another system, or a thread that has just ended
        pass
    return any(each.startswith("polars-") and each[7:].isdigit() for each in names)
