"""A process that works for another one: what it gets comes on its input, what it leaves goes to its output.

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

from steepest.components.held import hold
from steepest.data.dataset import Dataset
from steepest.sweep.making import Maker
from steepest.sweep.transfer import received, sent

LENGTH = struct.Struct("<Q")
EVERY = 0.2
"""Seconds between two reports of progress."""


def main() -> None:
    """Do what is asked for until nobody asks for more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model of the user's prints is no reply
    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, jobs), daemon=True).start()
    work(jobs.get, lambda *what: write(replies, sent(what)))


def work(next_job: Callable[[], bytes], reply: Callable[..., None]) -> None:
    """Do one job after another.

    Args:
        next_job: waits for a message: the user's code that is held, if there is more of it than before, and, as bytes
            that are read with it, the fingerprint of the data, the data where it was not sent before, and a job.
        reply: called with the kind of a reply, and what it is about.
    """
    maker = Maker(lambda text: reply("say", text))
    datasets: dict[str, Dataset] = {}
    while True:
        try:
            code, message = received(next_job())
            if code is not None:
                hold(code)
            name, data, job = received(message)
            if data is not None:
                datasets[name] = data.unpacked()
            progress = _Progress(lambda used: reply("advance", used))
            result = job.perform(maker, datasets[name], progress)
            progress.tell()
            reply("finished", result)
        except Exception as error:  # it is done again where the user can see it
            reply("failed", f"{type(error).__name__}: {error}")


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


def _listen(file: IO[bytes], jobs: SimpleQueue[bytes]) -> None:
    for message in messages(file):
        jobs.put(message)
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
