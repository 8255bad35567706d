"""Which site the workers of a comparison run on: processes of this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from steepest.sweep.processes import Processes
from steepest.sweep.site import Machine, Site
from steepest.wording import counted


def nodes_of(workers: int | str | None, libraries: Sequence[str] = ()) -> list[Machine] | None:
    """Return the machines of a cluster; None where workers are processes of this machine.

    Args:
        workers: how many were asked for, or in which cluster.
        libraries: besides torch, on which the runs depend.

    Raises:
        MissingExtraError: what a cluster needs is not installed.
        OptionError: the cluster cannot be reached, or one of its machines lacks what runs need.
    """
    if not isinstance(workers, str):
        return None
    from steepest.sweep import ray_cluster  # imports an extra when it is used

    return ray_cluster.nodes_of(workers, libraries)


def described(nodes: Sequence[Machine] | None, together: int) -> Iterator[str]:
    """Yield what a person has to know of a cluster, as lines.

    Args:
        nodes: its machines; None without one.
        together: how many runs it can make at the same time.

    Example:
        >>> list(described([Machine(8), Machine(8, name="node7", alike=False)], 16))
        ['workers  16 cores of 2 machines in a Ray cluster', "warning: the processor of the machine 'node7' has other
        instructions than this one's: the last digits of its runs may be others"]
    """
    if nodes is None:
        return
    total = counted(sum(each.cores for each in nodes), "core")
    yield f"workers  {total} of {counted(len(nodes), 'machine')} in a Ray cluster"
    if together == 1:
        yield "workers  there is room for one run at a time, which is made in this process"
    for each in nodes:
        if not each.alike:
            yield (
                f"warning: the processor of the machine {each.name!r} has other instructions than this one's: "
                "the last digits of its runs may be others"
            )


def site_of(workers: int | str | None, folder: Path, threads: int) -> Site:
    """Return where workers are started.

    Args:
        workers: how many were asked for, or in which cluster.
        folder: for what they share on this machine; it is removed in the end.
        threads: threads of a training step.
    """
    if not isinstance(workers, str):
        return Processes(folder)
    from steepest.sweep.ray_cluster import RayCluster

    return RayCluster(workers, threads, folder)
