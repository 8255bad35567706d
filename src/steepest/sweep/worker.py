"""A process that makes runs for another one: what it gets comes on its input, what it leaves goes to its output.

A message is its length in eight bytes and what :mod:`steepest.sweep.transfer` makes of it. The process ends when its
input does, so that none is left behind when the one that started it is killed.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import IO, Any

from steepest.data.dataset import Dataset
from steepest.sweep.making import Maker, Task
from steepest.sweep.transfer import received, sent
from steepest.train.active import Finished

LENGTH = struct.Struct("<Q")
EVERY = 0.2
"""Seconds between two reports of progress."""


def main() -> None:
    """Make runs until nobody asks for more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model of the user's prints is no reply
    tasks: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, tasks), daemon=True).start()
    work(tasks.get, lambda *what: write(replies, sent(what)))


def work(next_task: Callable[[], bytes], reply: Callable[..., None]) -> None:
    """Make one run after another.

    Args:
        next_task: waits for a message: the fingerprint of the data, the data where it was not sent before, and a task.
        reply: called with the kind of a reply, and what it is about.
    """
    maker = Maker(lambda text: reply("say", text))
    datasets: dict[str, Dataset] = {}
    while True:
        try:
            name, data, task = received(next_task())
            if data is not None:
                datasets[name] = data.unpacked()
            progress = _Progress(lambda used: reply("advance", used))
            finished = maker.make(task, datasets[name], progress)
            progress.tell()
            reply("finished", needed(finished, task))
        except Exception as error:  # it is made again where the user can see it
            reply("failed", f"{type(error).__name__}: {error}")


def needed(finished: Finished, task: Task) -> Finished:
    """Return what a run leaves without weights that nobody will keep."""
    if task.run.key.phase not in ("final", "refit") or task.run.arm.inner:
        finished.weights = {}
    return finished


def write(file: IO[bytes], message: bytes) -> None:
    """Write a message."""
    file.write(LENGTH.pack(len(message)) + message)
    file.flush()


def messages(file: IO[bytes]) -> Generator[bytes]:
    """Yield messages until the file ends."""
    while len(length := file.read(LENGTH.size)) == LENGTH.size:
        [size] = LENGTH.unpack(length)
        message = file.read(size)
        if len(message) < size:
            return
        yield message


def _listen(file: IO[bytes], tasks: SimpleQueue[bytes]) -> None:
    for message in messages(file):
        tasks.put(message)
    os._exit(0)


class _Progress:
    """Collects what is told at every 16th step, and passes it on now and then."""

    def __init__(self, tell: Callable[[float], Any]) -> None:
        self._tell, self._used, self._told = tell, 0.0, time.monotonic()

    def __call__(self, used: float) -> None:
        self._used += used
        if time.monotonic() - self._told > EVERY:
            self.tell()

    def tell(self) -> None:
        """Pass on what was not yet."""
        self._tell(self._used)
        self._used, self._told = 0.0, time.monotonic()
