"""Steps compiled by processes of their own, while this one measures, fits baselines, or compiles others."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from steepest.data.dataset import Dataset
from steepest.models import ModelBuilder
from steepest.recipe import Recipe
from steepest.sweep.bench import Bench, Way
from steepest.sweep.crew import Crew, Reply
from steepest.sweep.making import Maker

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
    """Compiles steps in other processes, where there is a core for that.

    Attributes:
        crew: the processes.
        waiting: how many there may be while this process does nothing but wait, if more than else.
        took: seconds of what is done.
    """

    crew: Crew
    waiting: int = 0
    took: dict[Key, float] = field(default_factory=dict[Key, float])
    _jobs: dict[Key, Compiling] = field(default_factory=dict[Key, Compiling])
    _tried: set[Key] = field(default_factory=set[Key])

    @property
    def places(self) -> int:
        """How many processes there are that share this one's cache of compiled steps."""
        return self.crew.places if self.crew.site.near else 0

    def begin(self, bench: Bench, ways: Iterable[tuple[Key, Way]]) -> None:
        """Compile some steps, as far as that was not tried yet."""
        for key, way in ways:
            if key not in self._tried and self.places:
                self._tried.add(key)
                job = Compiling(key, bench.recipe, bench.model, bench.device, replace(way, compiled=True))
                self._jobs[key] = job
                self.crew.put(job, bench.recipe.data, bench.dataset, partial(self._heard, key), awaited=True)

    def best(self, keys: Iterable[Key]) -> Key:
        """Return that of some programs with which this process goes on: one that is done, else one not begun."""
        self.crew.hear(wait=False)
        return min(keys, key=lambda key: (key not in self.took, self._is_going(key)))

    def makes(self, key: Key) -> bool:
        """Whether a program is made there, or was."""
        return key in self.took or self._is_going(key)

    def result(self, key: Key) -> float | None:
        """Return the seconds that a program took in another process, after it is done; None if it is not done there.

        What has not begun is left to the caller.
        """
        if key in self._jobs and not self._is_going(key):
            self.crew.take_back(self._jobs.pop(key))
        while self._is_going(key):
            self.crew.hear(wait=True)
        return self.took.pop(key, None)

    def first_of(self, keys: Iterable[Key], patient: Callable[[], bool]) -> Key | None:
        """Wait for a program that is done in another process, or that none makes; return None where patience ends.

        Args:
            keys: of programs that were begun.
            patient: whether to wait on; it is asked about every second.
        """
        wanted = list(keys)
        self.crew.hear(wait=False)
        while True:
            found = next((key for key in wanted if key in self.took or key not in self._jobs), None)
            if found is not None or not patient():
                return found
            self.crew.hear(wait=True, patient=patient)

    @contextmanager
    def in_all_places(self) -> Generator[None]:
        """Let there be as many processes as while this one does nothing but wait, and afterwards as before, or one."""
        most = self.crew.most
        self.crew.allow(max(most, self.waiting))
        try:
            yield
        finally:
            self.crew.allow(max(most, min(self.waiting, 1)))

    def let_go(self) -> None:
        """Wait for no program any longer: those that are being made go on, for the next time."""
        self.crew.hear(wait=False)
        for job in self._jobs.values():
            self.crew.let_go(job)
        self._jobs.clear()

    def _is_going(self, key: Key) -> bool:
        job = self._jobs.get(key)
        return job is not None and any(each is job for each in self.crew.going)

    def _heard(self, key: Key, reply: Reply) -> None:
        if reply.kind == "finished":
            self.took[key] = reply.about
        if reply.kind in ("finished", "failed", "gone"):  # what failed is compiled here
            self._jobs.pop(key, None)
