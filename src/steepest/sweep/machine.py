"""What is known of this machine: its processor and memory, the thread counts and compile times measured on it.

Which number of threads makes a step fastest is measured once and kept in a small JSON file in the user's cache
folder, and what the last compilations took in another. It is a convenience: a file that is torn, or a folder that
cannot be written, costs a measurement and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import nn

from steepest.errors import FolderError
from steepest.files import cache_folder, write_atomically
from steepest.train.aot import cpu_entry

WORKER_BYTES = 1_000_000_000
"""Memory that a process takes that makes runs, about, besides the data."""
MOST_KEPT = 200
"""Thread counts that are kept; the oldest go first."""
MOST_WAITS = 7
"""Compile times that are kept, for each kind of compiler."""


def processor() -> str:
    """Return the processor's name, as the system tells it.

    Example:
        >>> bool(processor())
        True
    """
    return (
        cpu_entry("model name", "Model", "Hardware")
        or platform.processor()
        or platform.machine()
        or "unknown"
    )


def cores() -> int:
    """Return how many cores this process may use: those of its affinity, quota and SLURM task, whichever are fewest.

    A quota of one and a half cores counts as one.

    Example:
        >>> cores() >= 1
        True
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [float(own), cpu_quota()]
    with contextlib.suppress(ValueError):
        limits.append(float(os.environ.get("SLURM_CPUS_PER_TASK", "inf")))
    return max(1, int(min(limits)))


def cpu_quota(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Return how many cores a container or batch system lets this process keep busy; infinity where nothing limits it.

    Args:
        groups: where control groups are, of version 1 or 2.
        own: the file that says in which of them this process is.
    """
    found = [math.inf]
    for line in _lines(own):
        _, controllers, place = (*line.split(":", 2), "", "")[:3]
        version_2 = not controllers
        if not version_2 and "cpu" not in controllers.split(","):
            continue
        top = groups if version_2 else groups / "cpu"
        inside = top / place.strip().lstrip("/")
        for folder in (inside, *inside.parents):  # each limits what is in it
            if version_2:
                quota, _, period = " ".join(_lines(folder / "cpu.max")).partition(" ")
            else:
                quota, period = (
                    " ".join(_lines(folder / f"cpu.cfs_{what}_us")) for what in ("quota", "period")
                )
            with contextlib.suppress(ValueError):  # "max", or no such file
                found += [float(quota) / float(period)] if float(quota) > 0 else []
            if folder == top:
                break
    return min(found)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []


def memory() -> tuple[int, int] | None:
    """Return total and available memory in bytes, a container's limit regarded; None where the system does not tell."""
    total = available = 0
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "MemTotal":
                total = int(value.split()[0]) * 1024
            elif name == "MemAvailable":
                available = int(value.split()[0]) * 1024
    if not total:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            page = os.sysconf("SC_PAGE_SIZE")
            total = page * os.sysconf("SC_PHYS_PAGES")
            available = page * os.sysconf("SC_AVPHYS_PAGES")
    if not total:
        return None
    for limit, used in LIMITS:
        with contextlib.suppress(OSError, ValueError):
            most = int(Path(limit).read_text(encoding="ascii"))
            if most < total:
                total = most
                available = min(available, max(0, most - int(Path(used).read_text(encoding="ascii"))))
    return total, available or total


def with_room(workers: int) -> int:
    """Return how many of some processes that make runs there is memory for, at least one.

    Example:
        >>> 1 <= with_room(2) <= 2
        True
    """
    known = memory()
    return workers if known is None else min(workers, max(1, known[1] // WORKER_BYTES))


LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where a container's limit stands and what of it is used."""


def key_of(model: nn.Module, batch_size: int, executor: str, *more: str) -> str:
    """Return the name under which a thread count is kept: this machine, this model's shapes, this way of a step.

    Args:
        model: its parameters' names and shapes count, their values do not.
        batch_size: rows a step.
        executor: ``rows`` or ``dense``.
        more: whatever else the speed depends on, such as ``compiled``.

    Example:
        >>> one, two = (key_of(nn.Linear(3, 2), size, "dense") for size in (32, 64))
        >>> one == key_of(nn.Linear(3, 2), 32, "dense") != two
        True
    """
    shapes = [f"{name} {tuple(each.shape)}" for name, each in model.named_parameters()]
    parts: Iterable[str] = (
        processor(), str(cores()), torch.__version__, *shapes, f"batch {batch_size}", executor, *more,
    )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def remembered(key: str) -> int | None:
    """Return the number of threads that was measured to be best, or None where nothing is known."""
    found = known().get(key)
    return None if found is None else found["threads"]


def remember(key: str, threads: int, **facts: Any) -> None:
    """Keep a number of threads; where the cache folder cannot be written, nothing is kept and nothing is said.

    Args:
        key: from :func:`key_of`.
        threads: that many, at least 1.
        facts: what a person wants to know of it, such as ``model="embedding-mlp"``, ``batch_size=64``; JSON values.
    """
    everything = known()
    everything.pop(key, None)
    everything[key] = {**facts, "threads": threads, "measured": date.today().isoformat()}
    kept = dict(list(everything.items())[-MOST_KEPT:])
    path = threads_file()
    with contextlib.suppress(OSError, FolderError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, json.dumps({"threads": kept}, indent=1) + "\n")


def known() -> dict[str, dict[str, Any]]:
    """Return all that is kept, by key, oldest first; what cannot be read is as if it were not there."""
    try:
        found = json.loads(threads_file().read_text(encoding="utf-8"))["threads"]
        return {str(key): dict(each) for key, each in found.items() if _is_sound(each)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def compile_seconds(kind: str) -> list[float]:
    """Return what the last compilations of a kind took on this machine, oldest first.

    Args:
        kind: ``cpu`` or ``cuda``; ``first cpu`` of a process, which also imports the compiler.
    """
    try:
        found = json.loads(waits_file().read_text(encoding="utf-8"))["seconds"][kind]
        return [float(each) for each in found if math.isfinite(each) and each > 0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def remember_compiling(kind: str, seconds: float) -> None:
    """Keep what a compilation took; where the cache folder cannot be written, nothing is kept and nothing is said."""
    kinds = ("cpu", "first cpu", "cuda", "first cuda")
    kept = {each: compile_seconds(each) for each in kinds}
    kept[kind] = [*kept[kind], round(seconds, 2)][-MOST_WAITS:]
    path = waits_file()
    with contextlib.suppress(OSError, FolderError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, json.dumps({"seconds": kept}) + "\n")


def waits_file() -> Path:
    """Return where the compile times are kept."""
    return cache_folder() / "compiling.json"


def threads_file() -> Path:
    """Return where the thread counts are kept."""
    return cache_folder() / "threads.json"


def _is_sound(each: Any) -> bool:
    threads = each.get("threads") if isinstance(each, dict) else None
    return isinstance(threads, int) and not isinstance(threads, bool) and 1 <= threads <= 4096
