"""Optuna's samplers and pruners: every few trials are drawn by the results of those before them.

Akiba, Sano, Yanase, Ohta & Koyama, *Optuna: A next-generation hyperparameter optimization framework*, KDD 2019.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from steepest.errors import MissingExtraError
from steepest.optim.spec import MethodSpec
from steepest.record.schema import Phase
from steepest.rng import seed_for
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import Contestant
from steepest.sweep.planned import History, PlannedRun
from steepest.sweep.planner import (
    Planner,
    Tuning,
    best_first,
    check_no_strengths,
    lacking,
    record_of,
    trial_run,
    tried_trials,
)
from steepest.sweep.setup import Setup
from steepest.sweep.space import Axis, Point, random_points
from steepest.sweep.trials import axes_of, fixed_values
from steepest.wording import share_text

COMPONENTS = {
    "optuna": {
        "object": "OptunaSearch",
        "what": "Optuna's samplers and pruners, from earlier results; extra optuna",
        "libraries": ["optuna"],
        "libraries_with": {"cma-es": ["cmaes"]},
    }
}

PRUNED_LENGTHS = (0.25, 0.5, 1.0)
"""Lengths of the runs of a trial that may be pruned."""
ONE_AXIS = (4, 5)
"""The first version of Optuna whose CMA-ES draws a single axis."""
AGAIN = 20
"""How often a point is drawn again that was drawn before."""


class OptunaSearch(Planner):
    """Trials drawn by a sampler of Optuna, ``batch`` at a time, from the validation results of all before them.

    The first trial is the centre of every axis; ``startup`` trials are random before a model of the results is used.
    Without a pruner, trials run on a quarter of the steps and the best at full length, as with ``grid``. With one, a
    trial runs on a quarter of the steps, on half of them and at full length, unless the pruner stops it after one of
    the shorter runs; the best at full length is chosen. What is drawn depends on the seed, on the results and on the
    version of Optuna, and not on the order in which runs end: resuming draws the same points. A run that diverges has
    an infinite loss, which ``gp`` takes as the largest finite one. ``cma-es`` draws axes of single values at random.

    It needs the package: ``pip install '.[optuna]'``.

    Akiba et al., KDD 2019; tpe: Bergstra et al., NeurIPS 2011; cma-es: Hansen & Ostermeier, Evolutionary Computation
    2001; successive-halving: Li et al., MLSys 2020; hyperband: Li et al., JMLR 2018.
    """

    name: ClassVar[str] = "optuna"
    by_name: ClassVar[tuple[str, ...]] = ("pruner", "batch", "startup")
    drawn_at_once: ClassVar[bool] = False

    sampler: Literal["tpe", "gp", "cma-es", "qmc", "random"] = Field(
        "tpe", description="the sampler: tpe, gp (a Gaussian process), cma-es, qmc or random"
    )
    pruner: Literal["none", "median", "successive-halving", "hyperband"] = Field(
        "none", description="what stops trials early: none, median, successive-halving or hyperband"
    )
    batch: int = Field(2, ge=1, description="trials that are drawn at a time, a whole number from 1 on")
    startup: int = Field(3, ge=1, description="trials before the results count, a whole number from 1 on")

    @property
    def takes_finalists(self) -> bool:
        """A pruner says itself what runs at full length."""
        return self.pruner == "none"

    def check(self, methods: Sequence[Contestant]) -> None:
        """Refuse to begin without the library, or to prune where strengths of regularizers are tuned."""
        version = str(library().__version__)
        if self.sampler == "cma-es":
            library("cmaes")
            if tuple(map(int, version.split(".")[:2])) < ONE_AXIS:
                raise MissingExtraError(
                    f"optuna {version} draws a single axis at random where the sampler is cma-es",
                    hint="pip install --upgrade '.[optuna]', or choose the sampler tpe.",
                )
        if self.pruner != "none":
            check_no_strengths(self, methods)

    def lengths(self, setup: Setup) -> tuple[float, ...]:
        """Return the lengths of a trial's runs."""
        if self.pruner != "none":
            return PRUNED_LENGTHS
        return (1.0,) if setup.scan_fraction == 1.0 else (setup.scan_fraction, 1.0)

    def tuning(self, setup: Setup, arm: PlannedArm, history: History, parent: PlannedRun | None) -> Tuning:
        """Return how far the search is: it is made again from its beginning, with the results that are there."""
        search = setup.memo.get(("optuna", arm.id))
        try:
            return self._tuning(setup, arm, history, parent, search or self._search(setup, arm))
        except _OtherResultsError:
            return self._tuning(setup, arm, history, parent, self._search(setup, arm))

    def _search(self, setup: Setup, arm: PlannedArm) -> _Search:
        who = arm.method
        axes = axes_of(who, setup.grid, setup.scan_rates)
        search = _Search(self, axes, setup.trial_counts[who.key], setup.seeds[0])
        setup.memo["optuna", arm.id] = search
        return search

    def _tuning(
        self, setup: Setup, arm: PlannedArm, history: History, parent: PlannedRun | None, search: _Search
    ) -> Tuning:
        single = fixed_values(arm.method, setup.grid)
        run_at = partial(trial_run, setup, arm, parent=parent)
        shortest, prunes = self.lengths(setup)[0], self.pruner != "none"
        tried: list[list[PlannedRun]] = []
        rules: list[MethodSpec[Any]] = []
        while len(tried) < search.count:
            first = len(tried)
            drawn = search.points_from(first, min(self.batch, search.count - first))
            rules += [arm.method.at({**single, **point}) for point in drawn]
            tried += [[run_at(rule, shortest)] for rule in rules[first:]]
            alive = list(range(first, len(tried)))
            for place, length in enumerate(self.lengths(setup) if prunes else (shortest,)):
                for i in alive if place else ():
                    tried[i].append(run_at(rules[i], length, last=length == 1.0))
                missing = lacking([tried[i][-1] for i in alive], history)
                if missing:
                    full = [runs[-1] for runs in tried if runs[-1].length == 1.0]
                    return Tuning(tried_trials(tried), tuple(full), missing)
                losses = {i: setup.loss(record_of(tried[i][-1], history)) for i in alive}
                alive = search.report(losses, length)
            search.end(first, len(tried))
        leader = rules[best_first(setup, [runs[0] for runs in tried], history)[0]]
        if prunes:
            full = [runs[-1] for runs in tried if runs[-1].length == 1.0]
            if not full:  # all were pruned: what was best after its longest run goes on
                longest = max(runs[-1].length for runs in tried)
                some = [i for i, runs in enumerate(tried) if runs[-1].length == longest]
                best = some[best_first(setup, [tried[i][-1] for i in some], history)[0]]
                tried[best].append(run_at(rules[best], 1.0, last=True))
                full = [tried[best][-1]]
        else:
            order = best_first(setup, [runs[0] for runs in tried], history)
            if not setup.full_rates:
                best = tried[order[0]][0]
                return Tuning(tried_trials(tried), (), (), best.rule, best, leader)
            order = order[: setup.full_rates]
            for i in order:
                tried[i].append(run_at(rules[i], 1.0, last=True))
            full = [tried[i][-1] for i in order]
        missing = lacking(full, history)
        if missing:
            return Tuning(tried_trials(tried), tuple(full), missing, leader=leader)
        chosen = full[best_first(setup, full, history)[0]]
        return Tuning(tried_trials(tried), tuple(full), (), chosen.rule, chosen, leader)

    def to_come(self, setup: Setup, arm: PlannedArm, found: Tuning) -> list[tuple[Phase, float]]:
        """Return the runs of the trials that are not drawn yet, none of them pruned, and those at full length."""
        lengths, count = self.lengths(setup), setup.trial_counts[arm.method.key]
        undrawn = count - len(found.trials)
        coming: list[tuple[Phase, float]] = []
        if self.pruner == "none":
            coming.extend(("scan", lengths[0]) for _ in range(undrawn))
            if lengths[0] < 1.0 and found.leader is None:
                coming.extend(("full", 1.0) for _ in range(min(setup.full_rates, count)))
            return coming
        missing = [run.length for run in found.missing]
        for length in lengths:
            phase: Phase = "full" if length == 1.0 else "scan"
            later = undrawn + sum(each < length for each in missing)
            coming.extend((phase, length) for _ in range(later))
        return coming

    def described(self, setup: Setup, trials: str) -> list[str]:
        """Return the search in words."""
        lengths = self.lengths(setup)
        if self.pruner != "none":
            return [f"{trials} by Optuna at {', '.join(map(share_text, lengths))}, unless pruned"]
        parts = [f"{trials} by Optuna at {share_text(lengths[0])}"]
        return (
            parts
            if lengths[0] == 1.0 or not setup.full_rates
            else [*parts, f"best {setup.full_rates} at full length"]
        )


class _OtherResultsError(Exception):
    """A search was told other results than those that the history has."""


@dataclass
class _Search:
    """A study of Optuna: what was drawn, and the results that it was told.

    It is asked in the same order whenever a tuning is computed; what is known is not computed again.
    """

    planner: OptunaSearch
    axes: tuple[Axis, ...]
    count: int
    seed: int
    points: list[Point] = field(default_factory=list[Point])
    trials: list[Any] = field(default_factory=list[Any])
    results: dict[tuple[int, float], tuple[float, bool]] = field(
        default_factory=dict[tuple[int, float], tuple[float, bool]]
    )
    ended: int = 0
    study: Any = None

    def points_from(self, first: int, count: int) -> list[Point]:
        """Return so many points from the trial ``first`` on; they are drawn together."""
        while len(self.points) < first + count:
            with _quiet():
                trial, point = self._draw()
            self.trials.append(trial)
            self.points.append(point)
        return self.points[first : first + count]

    def report(self, losses: dict[int, float], length: float) -> list[int]:
        """Tell results by trial, after runs of a length; return the trials that go on.

        Raises:
            _OtherResultsError: it was told other ones before.
        """
        for i, loss in losses.items():
            known = self.results.get((i, length))
            if known is None:
                with (
                    _quiet()
                ):  # a failed run has an infinite loss, which is worse than any, whatever comes later
                    self.trials[i].report(loss, round(4 * length))
                    stops = length < 1.0 and bool(self.trials[i].should_prune())
                self.results[i, length] = (loss, stops)
            elif known[0] != loss:
                raise _OtherResultsError
        return [i for i in losses if not self.results[i, length][1]]

    def end(self, first: int, after: int) -> None:
        """End the trials from ``first`` to the one before ``after``."""
        for i in range(max(first, self.ended), after):
            length, (loss, stops) = max(
                (length, found) for (of, length), found in self.results.items() if of == i
            )
            del length
            state = library().trial.TrialState.PRUNED if stops else None
            with _quiet():
                self.study.tell(self.trials[i], None if stops else loss, state=state)
        self.ended = max(self.ended, after)

    def _draw(self) -> tuple[Any, Point]:
        optuna = library()
        if self.study is None:
            self.study = self._begun(optuna)
        kinds = {axis.name: _distribution(optuna, axis) for axis in self.axes}
        for attempt in range(AGAIN + 1):
            if attempt == AGAIN:
                known = random_points(self.axes, self.count + len(self.points), self.seed)
                self._enqueue(next(each for each in known if each not in self.points))
            trial = self.study.ask(kinds)
            point = {axis.name: _value(axis, trial.params[axis.name]) for axis in self.axes}
            if point not in self.points:
                return trial, point
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise AssertionError("a point that was drawn again is replaced by another")

    def _begun(self, optuna: Any) -> Any:
        planner, seed = self.planner, seed_for(self.seed, "tuning", 2) % 2**32
        samplers, pruners, startup = optuna.samplers, optuna.pruners, planner.startup
        sampler = {
            "tpe": lambda: samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True),
            "gp": lambda: samplers.GPSampler(seed=seed, n_startup_trials=startup),
            "cma-es": lambda: samplers.CmaEsSampler(seed=seed, n_startup_trials=startup),
            "qmc": lambda: samplers.QMCSampler(seed=seed, scramble=True),
            "random": lambda: samplers.RandomSampler(seed=seed),
        }[planner.sampler]()
        pruner = {
            "none": pruners.NopPruner,
            "median": lambda: pruners.MedianPruner(n_startup_trials=startup),
            "successive-halving": lambda: pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
            "hyperband": lambda: pruners.HyperbandPruner(min_resource=1, max_resource=4, reduction_factor=2),
        }[planner.pruner]()
        self.study = optuna.create_study(study_name="steepest", sampler=sampler, pruner=pruner)
        self._enqueue({axis.name: axis.centre for axis in self.axes})
        return self.study

    def _enqueue(self, point: Point) -> None:
        self.study.enqueue_trial({axis.name: _share(axis, point[axis.name]) for axis in self.axes})


def library(name: str = "optuna") -> Any:
    """Return a library that is imported at its use.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        with _quiet():
            return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(
            f"this planner needs the package {name}, which is not installed",
            hint="pip install '.[optuna]', or choose --planner grid.",
        ) from None


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Leave out what Optuna warns its own callers of, and what it says of every trial."""
    logger = logging.getLogger("optuna")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def _distribution(optuna: Any, axis: Axis) -> Any:
    if axis.kind == "choice":
        return optuna.distributions.CategoricalDistribution(range(len(axis.values)))
    return optuna.distributions.FloatDistribution(0.0, 1.0)


def _value(axis: Axis, drawn: Any) -> Any:
    return axis.values[drawn] if axis.kind == "choice" else axis.at(float(drawn))


def _share(axis: Axis, value: Any) -> Any:
    """Return what is drawn for a value: the share of its axis, or its place among the values of a choice."""
    if axis.kind == "choice":
        return axis.values.index(value)
    if axis.whole:
        return (value - math.ceil(axis.low) + 0.5) / axis.size
    if axis.kind == "log":
        return math.log(value / axis.low) / math.log(axis.high / axis.low)
    return (value - axis.low) / (axis.high - axis.low)
