"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


def describe_machine(*packages: str) -> str:
    """Return cores, processor, Python and the versions of ``packages`` in one line.

    Example:
        >>> "Python" in describe_machine("polars")
        True
    """
    parts = [
        f"{cores()} cores {platform.machine()} {platform.system()}",
        f"Python {platform.python_version()}",
    ]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    parts += [f"{name} {version(name)}" for name in packages]
    return ", ".join(parts) + (f", load {load:.1f}" if load is not None else "")
