"""A process that works for another one: what it gets comes on its input, what it leaves goes to its output.

A message is its length in eight bytes and what :mod:`steepest.sweep.transfer` makes of it. The process ends when its
input does, so that none is left behind when the one that started it is killed. It listens before it imports anything
that takes long, so that nobody waits to be heard.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
from collections.abc import Generator
from queue import SimpleQueue
from typing import IO

from steepest.collector import collect_rarely

LENGTH = struct.Struct("<Q")


def main() -> None:
    """Do what is asked for until nobody asks for more."""
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model of the user's prints is no reply
    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, jobs), daemon=True).start()

    from steepest.sweep.transfer import received, sent
    from steepest.sweep.worker import work

    work(lambda: received(jobs.get()), lambda *what: write(replies, sent(what)))


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
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with the compilers that it has started
    os._exit(0)
