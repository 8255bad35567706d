"""Equal tuning as a pure function: from the runs so far to the runs that come next.

Every arm gets seven learning rates √10 apart around its optimizer's documented centre on a quarter of the steps; a
best rate at the edge of the grid extends it, with the same allowance for everyone; the best three run at full
length; the best of them runs with every seed, in every fold. Where the arms differ in their optimizer alone, each
also runs at its library default, and the winner without a schedule. Tuning has a run seed of its own, so that the
seeds that are reported have not been selected on, and uses the first fold only.

Where further hyperparameters are tuned, everyone gets twice as many trials: a Sobol design for those with several
axes, a finer grid over the same range for those with one. Grids are then not extended, because designs are not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from steepest.optim.spec import MethodSpec
from steepest.recipe import Recipe
from steepest.record.schema import Phase, Record, RunKey
from steepest.schedules import make_schedule
from steepest.sweep.arms import Arm, varying
from steepest.sweep.contestants import Contestant, default_rate, whole_spec
from steepest.sweep.trials import first_scan

SCAN_FRACTION = 0.25
TUNING_SEED = 10_000
"""Added to the first run seed: the seed of the pilot and of tuning."""
TESTED: tuple[Phase, ...] = ("final", "default", "constant")
"""The phases whose runs read the test rows."""


@dataclass(frozen=True)
class PlannedRun:
    """A run to be made.

    Attributes:
        key: which run it is.
        recipe: everything that it depends on besides the seed.
        rule: the update, with its rate.
        read_test: whether it reads the test rows.
        arm: the arm that it belongs to.
        parent: the run whose weights it starts from, or None.
    """

    key: RunKey
    recipe: Recipe
    rule: MethodSpec[Any]
    read_test: bool
    arm: Arm
    parent: PlannedRun | None = None

    @property
    def expected_steps(self) -> int:
        """The steps that it will make, as far as is known where its length is in gradients."""
        if self.recipe.gradients is None:
            return self.recipe.steps
        return max(1, math.ceil(self.recipe.gradients / self.rule.gradients_a_step))


History = Mapping[tuple[str, int], Record]
"""Finished runs by (recipe id, seed)."""


@dataclass(frozen=True)
class Setup:
    """Everything about the comparison that is decided before the first tuned run.

    Attributes:
        arms: what is compared.
        seeds: the run seeds that are reported.
        metric: the deciding metric.
        higher_is_better: whether more of it is better.
        lengths: steps of each arm, by its id.
        grid: a grid of rates for everyone, or None for each rule's own.
        scan_rates: trials of the first scan; twice as many where an optimizer has several axes.
        full_rates: candidates that run at full length.
        sweep: whether every rate of the grid runs with every seed at full length.
        by_gradients: whether the lengths are numbers of gradients. For those whose step costs one, they are steps.
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    metric: str
    higher_is_better: bool
    lengths: Mapping[str, int]
    grid: tuple[float, ...] | None = None
    scan_rates: int = 7
    full_rates: int = 3
    sweep: bool = False
    by_gradients: bool = False

    @property
    def tuning_seed(self) -> int:
        """The run seed of pilot, scan and full runs."""
        return self.seeds[0] + TUNING_SEED

    @property
    def methods(self) -> tuple[Contestant, ...]:
        """The optimizers of the arms, each once."""
        return tuple({arm.method.name: arm.method for arm in self.arms}.values())

    @functools.cached_property
    def differing(self) -> tuple[str, ...]:
        """The factors in which the arms differ."""
        return tuple(varying([arm.factors for arm in self.arms]))

    @property
    def controls(self) -> bool:
        """Whether the library's defaults, and the winner without a schedule, run beside the arms."""
        return set(self.differing) <= {"optimizer"} and not any(arm.parent for arm in self.arms)

    @property
    def folds(self) -> int:
        """Test sets of each arm."""
        return len(self.arms[0].folds)

    @property
    def shortest(self) -> int:
        """Steps of the shortest full run."""
        return min(self.steps(arm) for arm in self.arms)

    def steps(self, arm: Arm) -> int:
        """Return the full length of an arm's runs."""
        return self.lengths[arm.id]

    def loss(self, record: Record) -> float:
        """Return the best validation value of a run, smaller being better; infinity where there is none."""
        value = record.best.get(self.metric, math.nan)
        if record.failed or math.isnan(value):
            return math.inf
        return -value if self.higher_is_better else value

    def make(
        self, arm: Arm, rule: MethodSpec[Any], phase: Phase, seed: int, *, fold: int = 0, **changes: object
    ) -> PlannedRun:
        """Return a run of ``arm`` with ``rule``, which has its rate and everything else that is tuned."""
        update = {"optimizer": whole_spec(rule), "steps": self.steps(arm), "data": arm.folds[fold], **changes}
        recipe = arm.recipe if "schedule" not in changes else arm.recipe.scheduled(str(changes["schedule"]))
        if arm.method.code:
            update["code"] = {**recipe.code, "optimizer": arm.method.code}
        recipe = recipe.model_copy(update=update)
        if self.by_gradients and rule.gradients_a_step != 1:
            recipe = recipe.model_copy(update={"gradients": float(recipe.steps)})
        key = RunKey(name=arm.title, recipe=recipe.id, seed=seed, phase=phase)
        return PlannedRun(key, recipe, rule, phase in TESTED, arm)

    def scan(self, arm: Arm, rule: MethodSpec[Any]) -> PlannedRun:
        """Return the run of a candidate on a quarter of the steps."""
        return self.make(arm, rule, "scan", self.tuning_seed, steps=self.scan_steps(arm))

    def scan_steps(self, arm: Arm) -> int:
        """Return the length of a scan."""
        return max(1, round(self.steps(arm) * SCAN_FRACTION))

    def check_schedule(self) -> None:
        """Refuse a schedule that does not fit the shortest run.

        Raises:
            OptionError: it does not, such as ``join(linear, constant, at=1000)`` in a run of 500 steps.
        """
        for arm in self.arms:
            make_schedule(arm.recipe.schedule, self.scan_steps(arm) if arm.tuned else self.steps(arm))

    def full(self, arm: Arm, rule: MethodSpec[Any]) -> PlannedRun:
        """Return the tuning run of a candidate at full length."""
        return self.make(arm, rule, "full", self.tuning_seed)


@dataclass(frozen=True)
class Tuning:
    """How far the tuning of an arm is.

    Attributes:
        rates: the rates of the scan so far, ascending.
        scan: a run for each trial.
        full: the candidates at full length; empty while the scan is not complete.
        missing: what has to run next.
        chosen: the best candidate, once nothing is missing.
    """

    rates: tuple[float, ...]
    scan: tuple[PlannedRun, ...]
    full: tuple[PlannedRun, ...]
    missing: tuple[PlannedRun, ...]
    chosen: MethodSpec[Any] | None


def tuning(setup: Setup, arm: Arm, history: History) -> Tuning:
    """Return how far the tuning of an arm is, from the finished runs alone."""
    if not arm.tuned:
        return Tuning((), (), (), (), arm.method.at({}))
    first = first_scan(arm.method, setup.methods, setup.grid, setup.scan_rates, setup.seeds[0])
    rules, allowance = list(first.rules), first.extra
    while True:
        scan = [setup.scan(arm, rule) for rule in rules]
        rates = tuple(sorted({float(rule.hyper.lr) for rule in rules}))
        missing = _missing(scan, history)
        if missing:
            return Tuning(rates, tuple(scan), (), tuple(missing), None)
        losses = [setup.loss(_of(run, history)) for run in scan]
        order = sorted(range(len(scan)), key=lambda i: losses[i])
        finite = math.isfinite(losses[order[0]])
        wider = first.beyond(arm.method, rules, rules[order[0]]) if finite else None
        if wider is None or not allowance:
            break
        allowance -= 1
        rules = sorted([*rules, wider], key=lambda rule: float(rule.hyper.lr))
    full = [setup.full(arm, rules[i]) for i in order[: setup.full_rates]]
    missing = _missing(full, history)
    if missing:
        return Tuning(rates, tuple(scan), tuple(full), tuple(missing), None)
    best_run = min(full, key=lambda run: setup.loss(_of(run, history)))
    return Tuning(rates, tuple(scan), tuple(full), (), best_run.rule)


def finals(setup: Setup, arm: Arm, rule: MethodSpec[Any]) -> list[PlannedRun]:
    """Return the reported runs of ``arm``: one for each fold and seed."""
    return [
        setup.make(arm, rule, "final", seed, fold=fold) for fold in range(setup.folds) for seed in setup.seeds
    ]


def sweeps(setup: Setup, arm: Arm, found: Tuning) -> list[PlannedRun]:
    """Return the runs of every rate with every seed, where they are wanted; those at the chosen rate are the finals."""
    if not setup.sweep:
        return []
    return [setup.make(arm, run.rule, "sweep", seed) for run in found.scan for seed in setup.seeds]


def defaults(setup: Setup, arm: Arm) -> list[PlannedRun]:
    """Return the runs of ``arm`` at its library's default rate, one for each seed; none if more than that differs."""
    if not setup.controls:
        return []
    rule = arm.rule.with_lr(default_rate(arm.rule))
    return [
        setup.make(arm, rule, "default", seed, fold=fold)
        for fold in range(setup.folds)
        for seed in setup.seeds
    ]


def constants(setup: Setup, arm: Arm, rule: MethodSpec[Any]) -> list[PlannedRun]:
    """Return the runs of the winner without a schedule, one for each seed; none if there was no schedule."""
    if not setup.controls or arm.recipe.schedule == "constant":
        return []
    return [
        setup.make(arm, rule, "constant", seed, fold=fold, schedule="constant")
        for fold in range(setup.folds)
        for seed in setup.seeds
    ]


def refits(setup: Setup, arm: Arm, rule: MethodSpec[Any]) -> list[PlannedRun]:
    """Return the run of the winner on the training rows of all folds, whose model is saved; none without folds."""
    if not arm.final:
        return []
    return [setup.make(arm, rule, "refit", setup.seeds[0], data=arm.final)]


def winner(setup: Setup, chosen: Mapping[str, MethodSpec[Any]], history: History) -> Arm:
    """Return the arm with the fewest failed runs, and of several the one with the best mean validation value."""

    def place(arm: Arm) -> tuple[int, float]:
        losses = [setup.loss(_of(run, history)) for run in finals(setup, arm, chosen[arm.id])]
        finished = [each for each in losses if math.isfinite(each)]
        return len(losses) - len(finished), sum(finished) / len(finished) if finished else math.inf

    return min(setup.arms, key=place)


def next_runs(setup: Setup, history: History) -> list[PlannedRun]:
    """Return the runs that can be made now; an empty list when the comparison is complete.

    The answer depends on the setup and on the finished runs alone, so a comparison that was interrupted, or
    that gets more arms or seeds, goes on with exactly what is missing.
    """
    found = {arm.id: tuning(setup, arm, history) for arm in setup.arms}
    missing = [run for each in found.values() for run in each.missing]
    if missing:
        return missing
    chosen = chosen_rules(setup, history)
    reported = [run for arm in setup.arms for run in finals(setup, arm, chosen[arm.id])]
    reported += [run for arm in setup.arms for run in defaults(setup, arm)]
    reported += [run for arm in setup.arms for run in sweeps(setup, arm, found[arm.id])]
    missing = _missing(reported, history)
    if missing:
        return missing
    best = winner(setup, chosen, history)
    last = [*refits(setup, best, chosen[best.id]), *constants(setup, best, chosen[best.id])]
    return _missing(last, history)


def chosen_rules(setup: Setup, history: History) -> dict[str, MethodSpec[Any]]:
    """Return the tuned rule of every arm whose tuning is complete, by its id."""
    found = {arm.id: tuning(setup, arm, history).chosen for arm in setup.arms}
    return {name: rule for name, rule in found.items() if rule is not None}


def taking_part(setup: Setup, history: History) -> dict[tuple[str, int], Record]:
    """Return the runs of a history that belong to a comparison, and the pilot; a folder may hold others."""
    chosen = chosen_rules(setup, history)
    runs: list[PlannedRun] = []
    for arm in setup.arms:
        found = tuning(setup, arm, history)
        runs += [*found.scan, *found.full, *sweeps(setup, arm, found), *defaults(setup, arm)]
        if arm.id in chosen:
            runs += finals(setup, arm, chosen[arm.id])
    if len(chosen) == len(setup.arms):
        reported = [run for arm in setup.arms for run in finals(setup, arm, chosen[arm.id])]
        if not _missing(reported, history):
            best = winner(setup, chosen, history)
            runs += [*refits(setup, best, chosen[best.id]), *constants(setup, best, chosen[best.id])]
    known = {(run.key.recipe, run.key.seed) for run in runs}
    return {each: record for each, record in history.items() if each in known or record.key.phase == "pilot"}


@dataclass(frozen=True)
class Expected:
    """A run that is to come, as far as it can be known now."""

    arm: Arm
    phase: Phase
    steps: int

    @property
    def read_test(self) -> bool:
        """Whether it will read the test rows."""
        return self.phase in TESTED


def expected_runs(setup: Setup, history: History) -> list[Expected]:
    """Return every run that is still to come: the known ones, and those that will follow from them."""
    coming: list[Expected] = []
    full_length = {arm.id: setup.full(arm, arm.rule).expected_steps for arm in setup.arms}
    reported = len(setup.seeds) * setup.folds
    phases: tuple[Phase, ...] = ("final", "default") if setup.controls else ("final",)
    for arm in setup.arms:
        found = tuning(setup, arm, history)
        coming += [Expected(arm, run.key.phase, run.expected_steps) for run in found.missing]
        steps = full_length[arm.id]
        if found.chosen is not None:
            runs = [*finals(setup, arm, found.chosen), *defaults(setup, arm), *sweeps(setup, arm, found)]
            runs = _missing(runs, history)
            coming += [Expected(arm, run.key.phase, run.expected_steps) for run in runs]
            continue
        if not found.full:
            candidates = min(setup.full_rates, len(found.scan))
            coming += [Expected(arm, "full", steps)] * candidates
        if setup.sweep:  # one of its rates will be the chosen one
            runs = _missing([*defaults(setup, arm), *sweeps(setup, arm, found)], history)
            coming += [Expected(arm, run.key.phase, steps) for run in runs]
            continue
        coming += [Expected(arm, phase, steps) for phase in phases for _ in range(reported)]
    if (has_constants(setup) or setup.folds > 1) and not _last_done(setup, history):
        longest = max(setup.arms, key=lambda arm: full_length[arm.id])  # which arm wins is not known yet
        steps = full_length[longest.id]
        coming += [Expected(longest, "refit", steps)] * (setup.folds > 1)
        coming += [Expected(longest, "constant", steps)] * (reported * has_constants(setup))
    return coming


def has_constants(setup: Setup) -> bool:
    """Return whether the winner also runs without its schedule."""
    return setup.controls and setup.arms[0].recipe.schedule != "constant"


def _last_done(setup: Setup, history: History) -> bool:
    chosen = chosen_rules(setup, history)
    if len(chosen) < len(setup.arms):
        return False
    runs = [run for arm in setup.arms for run in finals(setup, arm, chosen[arm.id])]
    if _missing(runs, history):
        return False
    best = winner(setup, chosen, history)
    last = [*refits(setup, best, chosen[best.id]), *constants(setup, best, chosen[best.id])]
    return not _missing(last, history)


def _missing(runs: Iterable[PlannedRun], history: History) -> list[PlannedRun]:
    seen: set[tuple[str, int]] = set()
    result: list[PlannedRun] = []
    for run in runs:
        identity = (run.key.recipe, run.key.seed)
        known = history.get(identity)
        if identity not in seen and (known is None or (run.read_test and not _has_test(known))):
            seen.add(identity)
            result.append(run)
    return result


def _has_test(record: Record) -> bool:
    return bool(record.test) or record.failed


def _of(run: PlannedRun, history: History) -> Record:
    return history[run.key.recipe, run.key.seed]
