"""Ctrl-C while modules are imported: libraries turn its exception into others, print it, or lose it."""

from __future__ import annotations

import os
import signal
from types import FrameType


def exit_in_imports() -> None:
    """Let Ctrl-C end the process quietly while modules are imported; elsewhere it raises KeyboardInterrupt as before.

    Nothing is changed where the program that runs this has its own way of handling it, or ignores it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit_or_raise)


def always_raise() -> None:
    """Let Ctrl-C always raise KeyboardInterrupt again, because from here on there is something to clean up."""
    if signal.getsignal(signal.SIGINT) is _exit_or_raise:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit_or_raise(number: int, frame: FrameType | None) -> None:
    del number
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, b"interrupted\n")
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt
