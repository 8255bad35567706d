"""What a process that works for another one does: the jobs that it gets, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from steepest.components.held import hold
from steepest.data.dataset import Dataset
from steepest.sweep.making import Maker
from steepest.sweep.transfer import received

EVERY = 0.2
"""Seconds between two reports of progress."""


class Shared(Protocol):
    """Data that lies where all workers of a machine read it."""

    def unpacked(self) -> Any:
        """Return it."""
        ...


def work(next_job: Callable[[], tuple[bytes, Shared | None]], reply: Callable[..., None]) -> None:
    """Do one job after another.

    Args:
        next_job: waits for a message, and the data where it was not sent before. The message has the user's code that
            is held, if there is more of it than before, and, as bytes that are read with it, the fingerprint of the
            data and a job.
        reply: called with the kind of a reply, and what it is about.
    """
    maker = Maker(lambda text: reply("say", text), looked=lambda *about: reply("looked", about))
    datasets: dict[str, Dataset] = {}
    while True:
        try:
            message, data = next_job()
            code, message = received(message)
            if code is not None:
                hold(code)
            name, job = received(message)
            if data is not None:
                datasets[name] = data.unpacked()
            progress = _Progress(lambda used: reply("advance", used))
            result = job.perform(maker, datasets[name], progress)
            progress.tell()
            reply("finished", result)
        except Exception as error:  # it is done again where the user can see it
            reply("failed", f"{type(error).__name__}: {error}")


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
