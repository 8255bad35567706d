"""Ctrl-C where its exception does harm: while modules are imported, and while what was begun is cleaned up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Generator
from types import FrameType


def exit_in_imports() -> None:
    """Let Ctrl-C end the process quietly while modules are imported; elsewhere it raises KeyboardInterrupt as before.

    Libraries turn the exception into others, print it, or lose it while they are imported. Nothing is changed where the
    program that runs this has its own way of handling it, or ignores it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit_or_raise)


def always_raise() -> None:
    """Let Ctrl-C always raise KeyboardInterrupt again, because from here on there is something to clean up."""
    if signal.getsignal(signal.SIGINT) is _exit_or_raise:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def held_back() -> Generator[None]:
    """Let Ctrl-C wait until the end of the block, which ends processes and removes files; other threads get none.

    Raises:
        KeyboardInterrupt: it came in the block, and no other exception has left it.

    Example:
        >>> done = []
        >>> try:
        ...     with held_back():
        ...         signal.raise_signal(signal.SIGINT)
        ...         done.append("all")
        ... except KeyboardInterrupt:
        ...     print(done)
        ['all']
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came = list[bool]()
    signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _exit_or_raise(number: int, frame: FrameType | None) -> None:
    del number
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, b"interrupted\n")
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt
