"""Steps compiled by a process of its own, while this one reads on, fits baselines, or compiles others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from steepest.data.dataset import Dataset
from steepest.models import ModelBuilder
from steepest.recipe import Recipe
from steepest.sweep.bench import Bench, Way
from steepest.sweep.crew import Crew
from steepest.sweep.machine import cores
from steepest.sweep.making import Maker
from steepest.sweep.transfer import NotSendableError

PLACE = ".compiling"
"""Folder with the data for the process, while it runs."""

Key = tuple[int, str]
"""Of whose steps a program is, and the optimizer."""


@dataclass(frozen=True)
class Compiling:
    """A step to be compiled; it is in the cache afterwards.

    Attributes:
        key: what it is found by.
        recipe, model, device: of the bench that its steps are timed on.
        way: the optimizer and the execution plan.
    """

    key: Key
    recipe: Recipe
    model: ModelBuilder | None
    device: str
    way: Way

    def perform(self, maker: Maker, dataset: Dataset, progress: Callable[[float], None]) -> float:
        """Compile it and return the seconds that this took."""
        del maker, progress
        return Bench(dataset, self.recipe, self.model, self.device).ready(self.way)


@dataclass
class Ahead:
    """Compiles one step after the other in another process, where there is a core for it.

    Attributes:
        crew: the process.
        waiting: what it will do next.
        took: seconds of what it has done.
    """

    crew: Crew
    waiting: dict[Key, tuple[Compiling, Dataset]] = field(default_factory=dict[Key, Any])
    took: dict[Key, float] = field(default_factory=dict[Key, float])
    _tried: set[Key] = field(default_factory=set[Key])

    @classmethod
    def beside(cls, folder: Path) -> Ahead:
        """Return one that has its data in a folder of a comparison."""
        return cls(Crew(1 if cores() > 1 else 0, folder / PLACE))

    def __enter__(self) -> Ahead:
        self.crew.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.waiting.clear()
        self.crew.__exit__(*error)

    def begin(self, bench: Bench, ways: Iterable[tuple[Key, Way]]) -> None:
        """Compile some steps, as far as that was not tried yet."""
        for key, way in ways:
            if key not in self._tried and self.crew.most:
                self._tried.add(key)
                job = Compiling(key, bench.recipe, bench.model, bench.device, replace(way, compiled=True))
                self.waiting[key] = job, bench.dataset
        self._next()

    def best(self, keys: Iterable[Key]) -> Key:
        """Return that of some programs with which this process goes on: one that is done, else one not begun."""
        self._hear(wait=False)
        going = {each.job.key for each in self.crew.busy}
        return min(keys, key=lambda key: (key not in self.took, key in going))

    def makes(self, key: Key) -> bool:
        """Whether a program is made there, or was."""
        return key in self.took or any(each.job.key == key for each in self.crew.busy)

    def result(self, key: Key) -> float | None:
        """Return the seconds that a program took in the other process, after it is done; None if it is not done there.

        What has not begun is left to the caller.
        """
        self.waiting.pop(key, None)
        while any(each.job.key == key for each in self.crew.busy):
            self._hear(wait=True)
        return self.took.pop(key, None)

    def _hear(self, *, wait: bool) -> None:
        for reply in [self.crew.next_reply()] if wait else self.crew.replies():
            if reply.kind == "finished":
                self.took[reply.member.job.key] = reply.about
            if reply.kind in ("finished", "failed", "gone"):
                reply.member.job = None
            if reply.kind == "gone":
                self.crew.most = 0  # it was killed: whatever the reason, this process goes on alone
        self._next()

    def _next(self) -> None:
        while self.waiting and self.crew.has_room:
            job, dataset = self.waiting.pop(next(iter(self.waiting)))
            try:
                self.crew.begin(job, job.recipe.data, dataset)
            except (NotSendableError, OSError):  # then it is compiled here
                continue
