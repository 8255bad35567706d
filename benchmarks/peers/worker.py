"""The peers' side of the protocol: one JSON object a line on standard input, one answer a line on standard output.

``setup`` (folder, options) → versions; ``check`` → the loss of every step of the check, which starts from the
task's weights; ``steps`` (count) → seconds and the last loss of so many more steps of the training that the first
``steps`` began; further commands of the peer's own; ``stop``. A framework's loop calls ``tick`` after every batch
and never ends: inside ``tick`` the clock is stopped, the answer given and the next command awaited.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from benchmarks.peers.task import Phase, Task

Tick = Callable[[Any], None]
"""Called after every step with its loss, anything that ``float`` understands."""


class Train(Protocol):
    """Trains the task's network from its start weights, for the rows of a phase, and ticks after every step.

    ``check``: the rows in order, the given masks, then returns. ``timed``: shuffled rows, its own masks, forever.
    """

    def __call__(self, task: Task, phase: Phase, tick: Tick, **options: Any) -> None:
        """Train."""
        ...


class Around(Protocol):
    """Watches so many steps."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> dict[str, Any]:
        """Return what was seen."""
        ...


def serve(
    train: Train,
    packages: tuple[str, ...] = (),
    asked: Mapping[str, Callable[[], dict[str, Any]]] | None = None,
    around: Mapping[str, Callable[[], Around]] | None = None,
) -> None:
    """Answer commands until ``stop`` or the end of the input.

    Args:
        train: the peer's training.
        packages: whose versions are told.
        asked: further commands that are answered at once.
        around: further commands (with ``count``) that watch steps.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a framework prints goes to standard error
    session = _Session(train, packages, asked or {}, around or {}, answers)
    try:
        session.wait()
    except Exception as error:
        session.answer({"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()})
        sys.exit(1)


class _Session:
    def __init__(
        self,
        train: Train,
        packages: tuple[str, ...],
        asked: Mapping[str, Callable[[], dict[str, Any]]],
        around: Mapping[str, Callable[[], Around]],
        answers: Any,
    ) -> None:
        self.train, self.packages, self.asked, self.around = train, packages, asked, around
        self.answers = answers
        self.options: dict[str, Any] = {}
        self.task: Task | None = None
        self.left = 0
        self.started = 0.0
        self.watch: Around | None = None
        self.training = False

    def answer(self, what: Mapping[str, Any]) -> None:
        self.answers.write(json.dumps(what) + "\n")
        self.answers.flush()

    def wait(self) -> None:
        """Answer commands until one of them wants steps, then return, or begin the training."""
        for line in iter(sys.stdin.readline, ""):
            command = json.loads(line)
            do = command["do"]
            if do == "stop":
                break
            if do == "setup":
                self.task = Task.load(Path(command["folder"]))
                self.options = command["options"]
                self.answer({"versions": {name: version(name) for name in self.packages}})
            elif do == "check":
                self.answer({"losses": self._check()})
            elif do in self.asked:
                self.answer(self.asked[do]())
            else:
                self.left = command["count"]
                self.watch = self.around[do]() if do != "steps" else None
                if self.watch:
                    self.watch.start()
                self.started = time.perf_counter()
                if self.training:
                    return
                self.training = True
                self._train("timed", self.tick)
        os._exit(0)  # a framework may catch what would end it otherwise

    def _check(self) -> list[float]:
        losses: list[float] = []
        self._train("check", lambda loss: losses.append(float(loss)))
        return losses

    def _train(self, phase: Phase, tick: Tick) -> None:
        if self.task is None:
            raise ValueError("setup comes first")
        self.train(self.task, phase, tick, **self.options)

    def tick(self, loss: Any) -> None:
        """Count a step; after the last one answer, and wait for what comes next."""
        self.left -= 1
        if self.left:
            return
        value = float(loss)
        seconds = time.perf_counter() - self.started
        seen = self.watch.stop() if self.watch else {}
        self.answer({"seconds": seconds, "loss": value, **seen})
        self.wait()
        self.started = time.perf_counter()
