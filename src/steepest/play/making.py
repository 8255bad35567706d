"""A comparison in a process of its own, for a page: it gets a request, tells what happens, and stops when told to.

The request is one line of JSON on standard input, and events are lines of JSON on standard output. The end of standard
input interrupts the comparison as Ctrl-C does, so that it stops with the process that started it, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from steepest.errors import SteepestError, first_line
from steepest.record.schema import CurvePoint, Record, RunKey
from steepest.sweep.observer import Observer, Tried

EVERY = 0.5
"""Seconds between two events about the work done."""

Tell = Callable[[dict[str, Any]], None]


class Telling(Observer):
    """Tells everything as events.

    Args:
        tell: called with each event.
    """

    live = True

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._done, self._left, self._told = 0.0, 0.0, -EVERY

    def stage(self, title: str) -> None:
        """Tell what is being done."""
        self._tell({"event": "stage", "title": title})

    def advance(self, work: float) -> None:
        """Tell how much is done, now and then."""
        self._done += work
        if time.monotonic() - self._told > EVERY:
            self._work()

    def remaining(self, work: float) -> None:
        """Tell how much is left."""
        self._left = self._done + work
        self._work()

    def _work(self) -> None:
        self._told = time.monotonic()
        self._tell({"event": "work", "done": self._done, "all": self._left})

    def looked(self, key: RunKey, rate: float, point: CurvePoint) -> None:
        """Tell an evaluation."""
        about = {"key": key.model_dump(), "rate": rate, "point": point.model_dump()}
        self._tell({"event": "point", **about})

    def run(self, record: Record) -> None:
        """Tell how a run ended."""
        about = {"key": record.key.model_dump(), "rate": record.lr}
        self._tell({"event": "run", **about, "outcome": record.outcome, "reason": record.reason})

    def tuned(self, name: str, rate: float, tried: Tried, trials: int, beside: Mapping[str, Any]) -> None:
        """Tell the rate that an optimizer got."""
        del tried, beside
        self.say(f"{name}: rate {rate:g} is the best of {trials} trials on validation")

    def say(self, text: str) -> None:
        """Tell a line."""
        self._tell({"event": "say", "text": " ".join(text.split())})


def make(request: Mapping[str, Any], tell: Tell) -> int:
    """Carry out a request and return the exit status.

    Args:
        request: ``out``, the folder; and ``data`` with the ``options`` of :func:`steepest.plan`, or nothing else where
            the folder is to go on.
        tell: called with each event; the last one is ``done``, ``stopped`` or ``error``.
    """
    from steepest.api import plan, resume

    observer, out = Telling(tell), str(request["out"])
    try:
        if "data" in request:
            result = plan(request["data"], **request["options"]).run(out, observer=observer)
        else:
            result = resume(out, observer=observer)
    except KeyboardInterrupt:
        tell({"event": "stopped"})
        return 130
    except SteepestError as error:
        tell({"event": "error", "fact": error.fact, "hint": error.hint})
        return 2
    except Exception as error:  # a page shows what a terminal would
        tell({"event": "error", "fact": f"{type(error).__name__}: {first_line(error)}", "hint": ""})
        return 1
    tell({"event": "done", "sentence": result.sentence})
    return 0


def interrupt_at_the_end(stream: IO[str]) -> None:
    """Press Ctrl-C when a stream ends, from a thread."""

    def wait() -> None:
        while stream.read(4096):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """Read a request from standard input, carry it out, and return the exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")  # what libraries print is no event
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lock = threading.Lock()

    def tell(event: dict[str, Any]) -> None:
        with lock:
            out.write(f"{json.dumps(event)}\n")
            out.flush()

    try:
        request = json.loads(sys.stdin.readline())
        interrupt_at_the_end(sys.stdin)
        return make(request, tell)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
