"""What a piece of work costs besides wall-clock time: processor time and peak memory."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
"""Where Linux keeps a process's largest resident memory, and where it begins to count anew."""


class Meter:
    """Counts from when it is made.

    Args:
        device: where the work is done.

    Example:
        >>> meter = Meter()
        >>> _ = sum(range(100_000))
        >>> meter.cpu_seconds > 0
        True
    """

    def __init__(self, device: str = "cpu") -> None:
        self._cuda = device if device.startswith("cuda") else ""
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self._cuda)
        elif sys.platform == "linux":
            _begin_anew()
        self._started = time.process_time()

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all threads of this process since then, its own and the system's for it."""
        return time.process_time() - self._started

    @property
    def peak_memory(self) -> int | None:
        """The most memory in use at once since then, in bytes; None where the system does not say.

        On a CUDA device, what torch's allocator had given out there. Otherwise the resident memory of the process,
        with Python, torch and the data. Where the system cannot count anew (other than Linux), it is the peak since the
        process began.
        """
        return torch.cuda.max_memory_allocated(self._cuda) if self._cuda else resident_peak()


def _begin_anew() -> None:
    try:
        RESET.write_text("5")
    except OSError:  # a sandbox; then the peak is that since the process began
        return


def resident_peak() -> int | None:
    """Return the largest resident memory of this process so far, in bytes.

    Example:
        >>> resident_peak() is None or resident_peak() > 10_000_000
        True
    """
    if sys.platform == "linux":
        try:
            lines = STATUS.read_text().splitlines()
        except OSError:
            return None
        found = next((each.split() for each in lines if each.startswith("VmHWM:")), None)
        return None if found is None else int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
