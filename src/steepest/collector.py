"""Python's collector of cyclic garbage, in processes of our own.

While libraries are imported it finds nothing, in a fifth of the time that importing takes, and at the end of a process
it looks through everything once more before the system takes the memory back anyway.
"""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 50)
"""New objects before the youngest are looked through, and how often that is before the older ones are."""


def collect_rarely() -> None:
    """Let the collector look for garbage less often than Python does by itself."""
    gc.set_threshold(*THRESHOLDS)


def leave_to_the_system() -> None:
    """Collect nothing of what there is any more, because the process ends."""
    gc.freeze()
