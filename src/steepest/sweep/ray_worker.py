"""A worker of a Ray cluster: as :mod:`steepest.sweep.process`, with messages through Ray instead of a pipe.

It is an actor, so that it keeps the data, loaded code and compiled steps from one run to the next. Ray imports this
module on every machine of the cluster; what takes long is imported once messages can arrive.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from steepest.collector import collect_rarely


@dataclass(frozen=True)
class Stored:
    """Data in the object store of a machine, which its workers read in place.

    Attributes:
        data: all but large tensors, as bytes.
        memory: those, as a NumPy array of bytes.
    """

    data: bytes
    memory: Any

    def unpacked(self) -> Any:
        """Return the data; its large tensors are in memory once for all workers of the machine."""
        import torch

        from steepest.sweep.transfer import received

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that nobody may write into the store
            return received(self.data, torch.from_numpy(self.memory) if self.memory.size else None)


class RayWorker:
    """Does the jobs that it gets, one after the other, and keeps its replies until they are asked for.

    Args:
        path: where the process that leads finds modules.
        folder: in which that process works.
    """

    def __init__(self, path: Sequence[str], folder: str) -> None:
        collect_rarely()
        sys.path.extend(each for each in path if each not in sys.path)
        with contextlib.suppress(OSError):  # of another machine
            os.chdir(folder)
        self._jobs: SimpleQueue[tuple[bytes, Stored | None]] = SimpleQueue()
        self._replies: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def tell(self, message: bytes, stored: tuple[bytes, Any] | None) -> None:
        """Take a job, and the data where it was not sent before."""
        self._jobs.put((message, None if stored is None else Stored(*stored)))

    def replies(self) -> list[bytes]:
        """Wait for replies and return them."""
        found = [self._replies.get()]
        while not self._replies.empty():
            found.append(self._replies.get())
        return found

    def _work(self) -> None:
        try:
            from steepest.sweep.transfer import sent
            from steepest.sweep.worker import work

            work(self._jobs.get, lambda *what: self._replies.put(sent(what)))
        finally:  # as by sys.exit() in a model: nobody waits for a worker that does nothing
            os._exit(1)


def about(libraries: Sequence[str]) -> dict[str, str]:
    """Return what has to be the same on all machines for runs to have the same bits; empty where it is not installed.

    Args:
        libraries: besides torch, on which the runs depend.
    """
    import torch

    from steepest.train.aot import instructions
    from steepest.version import version, version_if_installed

    found = {"steepest": version(), "torch": torch.__version__, "processor": instructions()}
    return found | {name: version_if_installed(name) for name in libraries}
