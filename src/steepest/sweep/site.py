"""Where workers run: processes of this machine, or those of a cluster. A crew leads them all in one way.

What differs is only how a worker is started, how bytes reach it and come back, where the data lies that all of them
read, and how it is ended. Planning, the journal, progress and Ctrl-C know none of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from steepest.data.dataset import Dataset
from steepest.sweep.machine import WORKER_BYTES


class Link(Protocol):
    """A worker as the process that leads it sees it."""

    @property
    def ended(self) -> str:
        """How it ended, after the word *ended*: ``with status -9``."""
        ...

    def send(self, message: bytes, data: Any) -> None:
        """Tell it what to do; if it has ended, nothing happens, as :meth:`messages` ends, too.

        Args:
            message: what :func:`~steepest.sweep.worker.work` reads.
            data: what :meth:`Site.share` returned, or None where the worker has the data.
        """
        ...

    def messages(self) -> Iterator[bytes]:
        """Yield its replies until it has ended, for whatever reason."""
        ...

    def give_way(self) -> None:
        """Let it go on at the lowest priority beside everything else; end it where there are no priorities."""
        ...

    def finish(self) -> None:
        """End it, as it has nothing more to do."""
        ...

    def kill(self) -> None:
        """End it at once, with the processes that it has started."""
        ...


class Site(Protocol):
    """Where workers can be started."""

    @property
    def near(self) -> bool:
        """Whether they share this machine, and so the cache of compiled steps."""
        ...

    def open(self) -> None:
        """Make ready; what a process left behind that was killed is removed."""
        ...

    def start(self) -> Link:
        """Start a worker.

        Raises:
            OSError, NotSendableError: none can be started.
        """
        ...

    def share(self, name: str, dataset: Dataset) -> Any:
        """Put the data where all workers read it, once.

        Args:
            name: fingerprint of the data.
            dataset: the data.

        Raises:
            NotSendableError: parts of it live in this process alone, or there is no room for it.
            OSError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Remove everything, after all workers were killed."""
        ...


@dataclass(frozen=True)
class Machine:
    """A machine on which workers run.

    Attributes:
        cores: how many cores the workers may use.
        memory: bytes that they may use; None where nobody tells.
        name: what it is called; nothing for this one.
        alike: whether its processor has the instructions of this one's, and so gives the same bits.
    """

    cores: int
    memory: int | None = None
    name: str = ""
    alike: bool = True


def room(nodes: Sequence[Machine], threads: int) -> int:
    """Return how many workers have room on some machines at the same time; a worker stays on one.

    Example:
        >>> room([Machine(3), Machine(3)], threads=2), room([Machine(64, 4 * 10**9)], threads=1)
        (2, 4)
    """
    return sum(
        min(each.cores // threads, each.cores if each.memory is None else each.memory // WORKER_BYTES)
        for each in nodes
    )
