"""Make runs and keep what they leave: the journal, the losses by row, and the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.evaluate.metrics import metric_info
from steepest.paths.option import KeepPath
from steepest.recipe import Execution
from steepest.record.schema import Record
from steepest.record.store import Folder
from steepest.sweep.estimate import run_seconds
from steepest.sweep.expected import Expected
from steepest.sweep.making import Maker, Task
from steepest.sweep.observer import Observer
from steepest.sweep.paths import path_file
from steepest.sweep.plan import starts
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.setup import Setup
from steepest.sweep.stages import Use
from steepest.train.compiled import Programs
from steepest.train.finished import Finished


@dataclass
class Runner:
    """Makes runs and keeps them in a folder.

    Attributes:
        datasets: the data by fingerprint.
        folder: where records, losses by row and weights go.
        metrics: what the test rows are measured by.
        observer: who is told.
        device: where model and data are put.
        cells: how steps are computed, by the arms' cells.
        programs: the compiled steps of each cell on each dataset.
        watch: what is recorded at evaluations of the reported runs besides.
        keep_path: which steps' weights are kept of the final runs.
        seconds_a_step: what a step of the present run, or a gradient of its length, counts for in the
            progress.
        meanwhile: called now and then while a run is made.
    """

    datasets: Mapping[str, Dataset]
    folder: Folder
    metrics: tuple[str, ...]
    observer: Observer
    device: str = "cpu"
    cells: Mapping[str, Execution] = field(default_factory=dict[str, Execution])
    programs: dict[tuple[str, str], Programs] = field(default_factory=dict[tuple[str, str], Programs])
    watch: tuple[str, ...] = ()
    keep_path: KeepPath | None = None
    seconds_a_step: float = 0.0
    meanwhile: Callable[[], object] = lambda: None
    _there: dict[str, Dataset] = field(default_factory=dict[str, Dataset])

    def seconds_of(self, run: PlannedRun, setup: Setup) -> float:
        """Return what a run adds to the time of the comparison."""
        expected = Expected(run.arm, run.key.phase, run.expected_steps, setup.is_timed(run), run.length)
        return run_seconds(self.cells, expected)

    def make_timed(self, run: PlannedRun, history: History, setup: Setup) -> Record:
        """Make a run of a comparison in this process; the work that it tells of is its part of the comparison's."""
        self.seconds_a_step = self.seconds_of(run, setup) / run.recipe.length
        return self.make(run, history, setup=setup)

    def make(
        self,
        run: PlannedRun,
        history: History,
        *,
        evaluations: int | None = None,
        setup: Setup | None = None,
    ) -> Record:
        """Make one run, keep what it leaves, and return its record.

        A run that starts from one that failed fails without being made.

        Args:
            run: the run.
            history: the runs before it.
            evaluations: how often it reads the validation rows; None for as often as its recipe says.
            setup: says which of its weights later runs start from; None if there are none.
        """
        finished = failed_before(run, history) or self._train(run, evaluations)
        return self.keep(run, finished, history, setup)

    def keep(self, run: PlannedRun, finished: Finished, history: History, setup: Setup | None) -> Record:
        """Keep what a run leaves, in whatever process it was made, and return its record.

        One Ctrl-C does not lose it: what was begun is done again, and then the exception goes on.
        """
        try:
            self._keep(run, finished, history, setup)
        except KeyboardInterrupt:
            self._keep(run, finished, history, setup)
            raise
        self.observer.run(finished.record)
        return finished.record

    def _keep(self, run: PlannedRun, finished: Finished, history: History, setup: Setup | None) -> None:
        if run.read_test:
            self._keep_rows(run, finished)
        if finished.path is not None:
            self.folder.write_tensors(path_file(run.key), *finished.path.stored())
        if run.key.phase in ("final", "refit") and not run.arm.inner and not finished.record.failed:
            self._keep_weights(run, finished, history)
        if setup is not None and run.hands_on:
            needed = starts(setup, {**history, identity(run): finished.record})
            self._keep_starts(
                run, finished, [point for *whose, point in needed if (*whose,) == identity(run)]
            )
        self.folder.append_record(finished.record)

    def weights(self, run: PlannedRun) -> dict[str, Tensor]:
        """Return the best-validation weights of a reported run; if the file is gone, the run is made again."""
        if not self.folder.has_tensors(_checkpoint(run)):
            self._keep_weights(run, self._train(run), {})
        return self.folder.read_tensors(_checkpoint(run))

    def test_rows(self, run: PlannedRun) -> dict[str, Tensor]:
        """Return what each test row gave in a reported run; if the file is gone, the run is made again.

        ``loss`` is the log loss or squared error; for classes, ``correct`` says which rows were right. The values of
        other metrics are under their names.
        """
        if not self.folder.has_tensors(_rows(run)):
            self._keep_rows(run, self._train(run))
        return self.folder.read_tensors(_rows(run))

    def dataset(self, run: PlannedRun) -> Dataset:
        """Return the data of a run on the device; only that of the present one is kept there."""
        name = run.recipe.data
        if name not in self._there:
            self._there.clear()
            self._there[name] = self.datasets[name].to(self.device)
        return self._there[name]

    def _weights(self, run: PlannedRun) -> dict[Use, dict[str, Tensor]]:
        """Return what a run needs of earlier ones; if a file is gone, the run that gave it is made again."""
        found: dict[Use, dict[str, Tensor]] = {}
        for use, (source, point) in run.sources.items():
            if not self.folder.has_tensors(_start_file(source, point)):
                self._keep_starts(source, self._train(source), [point])
            found[use] = self.folder.read_tensors(_start_file(source, point))
        return found

    def _keep_starts(self, run: PlannedRun, finished: Finished, points: Iterable[str]) -> None:
        for point in points:
            weights = finished.at(point)
            if weights is not None:
                kept = {name: value.cpu() for name, value in weights.items()}
                self.folder.write_tensors(_start_file(run, point), kept, held=finished.held)

    def forget(self, needed: set[tuple[str, int, str]]) -> None:
        """Remove weights that no later run starts from."""
        names = {f"{_start_name(*each)}.safetensors" for each in needed}
        for path in self.folder.path.glob(f"{STARTS}*.safetensors"):
            name = path.relative_to(self.folder.path).as_posix()
            if name not in names:
                self.folder.remove(name)
        self.folder.forget_unused()

    def task(self, run: PlannedRun, evaluations: int | None = None) -> Task:
        """Return a run as any process can make it."""
        known = self.programs.get((run.arm.cell, run.recipe.data))
        names = {} if known is None else known.names
        cell = self.cells[run.arm.cell]
        evaluations = run.recipe.evaluations if evaluations is None else evaluations
        return Task(
            run, cell, self.metrics, evaluations, self._weights(run), names, self.watch, self.keep_path,
            self.observer.live,
        )  # fmt: skip

    def _train(self, run: PlannedRun, evaluations: int | None = None) -> Finished:
        made = Maker(self.observer.say, self.programs, self.observer.looked)
        return made.make(
            self.task(run, evaluations),
            self.dataset(run),
            self._advance,
        )

    def _advance(self, used: float) -> None:
        self.observer.advance(used * self.seconds_a_step)
        self.meanwhile()

    def _keep_rows(self, run: PlannedRun, finished: Finished) -> None:
        kept = {
            "loss": finished.test_row_losses,
            "correct": finished.test_row_correct,
            **finished.test_values,
            "weights": self.dataset(run).test.weights,
        }
        rows = {name: each.cpu() for name, each in kept.items() if each is not None}
        if rows:
            self.folder.write_tensors(_rows(run), rows)

    def _keep_weights(self, run: PlannedRun, finished: Finished, history: History) -> None:
        """Keep the weights of the best seed of a recipe, and of no other: they can be large."""
        higher = metric_info(run.recipe.metric).higher_is_better

        def rank(record: Record) -> tuple[float, int]:
            value = record.best.get(run.recipe.metric, math.nan)
            return math.inf if math.isnan(value) else -value if higher else value, record.key.seed

        others = [each for (recipe, _), each in history.items() if recipe == run.key.recipe and each.test]
        if all(rank(finished.record) < rank(each) for each in others):
            about = {"name": run.key.name, "seed": str(run.key.seed), "recipe": run.key.recipe}
            weights = {name: value.cpu() for name, value in finished.weights.items()}
            self.folder.write_tensors(_checkpoint(run), weights, about, finished.held)
            for each in others:
                self.folder.remove(f"checkpoints/{run.key.recipe}-{each.key.seed}.safetensors")
            self.folder.forget_unused()


def failed_before(run: PlannedRun, history: History) -> Finished | None:
    """Return what a run leaves that cannot be made because the one whose weights it starts from failed."""
    before = None if run.parent is None else history.get((run.parent.key.recipe, run.parent.key.seed))
    if before is None or not before.failed:
        return None
    why = f"the run that it starts from ended as {before.outcome!r}: {before.reason}"
    rate = float(run.rule.hyper.lr)
    return Finished(Record(key=run.key, lr=rate, steps=run.recipe.steps, outcome="failed", reason=why), {})


STARTS = "checkpoints/start-"
"""How files of weights begin that later runs start from."""


def _start_file(run: PlannedRun, point: str) -> str:
    return _start_name(run.key.recipe, run.key.seed, point)


def _start_name(recipe: str, seed: int, point: str) -> str:
    return f"{STARTS}{recipe}-{seed}-{point.replace(' ', '-')}"


def _checkpoint(run: PlannedRun) -> str:
    return f"checkpoints/{run.key.recipe}-{run.key.seed}"


def _rows(run: PlannedRun) -> str:
    return f"rows/{run.key.recipe}-{run.key.seed}"
