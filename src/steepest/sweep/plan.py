"""Equal tuning as a pure function: from the runs so far to the runs that come next.

Every optimizer gets seven learning rates √10 apart around its documented centre on a quarter of the steps; a
best rate at the edge of the grid extends it, with the same allowance for everyone; the best three run at full
length; the best of them runs with every seed. Beside it each optimizer runs at its library default, and the
winner without a schedule. Tuning has a run seed of its own, so that the seeds that are reported have not been
selected on.

Where further hyperparameters are tuned, everyone gets twice as many trials: a Sobol design for those with several
axes, a finer grid over the same range for those with one. Grids are then not extended, because designs are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from steepest.optim.spec import MethodSpec
from steepest.recipe import Recipe
from steepest.record.schema import Phase, Record, RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import Contestant, default_rate, whole_spec
from steepest.sweep.trials import first_scan

SCAN_FRACTION = 0.25
TUNING_SEED = 10_000
"""Added to the first run seed: the seed of the pilot and of tuning."""


@dataclass(frozen=True)
class PlannedRun:
    """A run to be made."""

    key: RunKey
    recipe: Recipe
    rule: MethodSpec[Any]
    read_test: bool

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
        contestants: the optimizers.
        recipe: a recipe whose optimizer, schedule and length are replaced for each run.
        seeds: the run seeds that are reported.
        grid: a grid of rates for everyone, or None for each rule's own.
        higher_is_better: of the deciding metric, which is ``recipe.metric``.
        lengths: steps of those optimizers whose length is not ``recipe.steps``.
        scan_rates: trials of the first scan; twice as many where an optimizer has several axes.
        full_rates: candidates that run at full length.
        sweep: whether every rate of the grid runs with every seed at full length.
        by_gradients: whether the lengths are numbers of gradients. For those whose step costs one, they are steps.
    """

    contestants: tuple[Contestant, ...]
    recipe: Recipe
    seeds: tuple[int, ...]
    grid: tuple[float, ...] | None
    higher_is_better: bool
    lengths: Mapping[str, int] = field(default_factory=dict)
    scan_rates: int = 7
    full_rates: int = 3
    sweep: bool = False
    by_gradients: bool = False

    @property
    def tuning_seed(self) -> int:
        """The run seed of pilot, scan and full runs."""
        return self.seeds[0] + TUNING_SEED

    def steps(self, who: Contestant) -> int:
        """Return the full length of an optimizer's runs."""
        return self.lengths.get(who.name, self.recipe.steps)

    def loss(self, record: Record) -> float:
        """Return the best validation value of a run, smaller being better; infinity where there is none."""
        value = record.best.get(self.recipe.metric, math.nan)
        if record.failed or math.isnan(value):
            return math.inf
        return -value if self.higher_is_better else value

    def make(
        self, who: Contestant, rule: MethodSpec[Any], phase: Phase, seed: int, **changes: object
    ) -> PlannedRun:
        """Return a run of ``who`` with ``rule``, which has its rate and everything else that is tuned."""
        update = {"optimizer": whole_spec(rule), "steps": self.steps(who), **changes}
        recipe = self.recipe if "schedule" not in changes else self.recipe.scheduled(str(changes["schedule"]))
        if who.code:
            update["code"] = {**recipe.code, "optimizer": who.code}
        recipe = recipe.model_copy(update=update)
        if self.by_gradients and rule.gradients_a_step != 1:
            recipe = recipe.model_copy(update={"gradients": float(recipe.steps)})
        key = RunKey(name=who.name, recipe=recipe.id, seed=seed, phase=phase)
        return PlannedRun(key, recipe, rule, read_test=phase in ("final", "default", "constant"))

    def scan(self, who: Contestant, rule: MethodSpec[Any]) -> PlannedRun:
        """Return the run of a candidate on a quarter of the steps."""
        return self.make(who, rule, "scan", self.tuning_seed, steps=self.scan_steps(who))

    def scan_steps(self, who: Contestant) -> int:
        """Return the length of a scan."""
        return max(1, round(self.steps(who) * SCAN_FRACTION))

    def check_schedule(self) -> None:
        """Refuse a schedule that does not fit the shortest run.

        Raises:
            OptionError: it does not, such as ``join(linear, constant, at=1000)`` in a run of 500 steps.
        """
        lengths = [self.scan_steps(who) if who.tuned else self.steps(who) for who in self.contestants]
        make_schedule(self.recipe.schedule, min(lengths))

    def full(self, who: Contestant, rule: MethodSpec[Any]) -> PlannedRun:
        """Return the tuning run of a candidate at full length."""
        return self.make(who, rule, "full", self.tuning_seed)


@dataclass(frozen=True)
class Tuning:
    """How far the tuning of one optimizer is.

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


def tuning(setup: Setup, who: Contestant, history: History) -> Tuning:
    """Return how far the tuning of one optimizer is, from the finished runs alone."""
    if not who.tuned:
        return Tuning((), (), (), (), who.at({}))
    first = first_scan(who, setup.contestants, setup.grid, setup.scan_rates, setup.seeds[0])
    rules, allowance = list(first.rules), first.extra
    while True:
        scan = [setup.scan(who, rule) for rule in rules]
        rates = tuple(sorted({float(rule.hyper.lr) for rule in rules}))
        missing = _missing(scan, history)
        if missing:
            return Tuning(rates, tuple(scan), (), tuple(missing), None)
        losses = [setup.loss(_of(run, history)) for run in scan]
        order = sorted(range(len(scan)), key=lambda i: losses[i])
        wider = first.beyond(who, rules, rules[order[0]]) if math.isfinite(losses[order[0]]) else None
        if wider is None or not allowance:
            break
        allowance -= 1
        rules = sorted([*rules, wider], key=lambda rule: float(rule.hyper.lr))
    full = [setup.full(who, rules[i]) for i in order[: setup.full_rates]]
    missing = _missing(full, history)
    if missing:
        return Tuning(rates, tuple(scan), tuple(full), tuple(missing), None)
    best_run = min(full, key=lambda run: setup.loss(_of(run, history)))
    return Tuning(rates, tuple(scan), tuple(full), (), best_run.rule)


def finals(setup: Setup, who: Contestant, rule: MethodSpec[Any]) -> list[PlannedRun]:
    """Return the reported runs of ``who``: one for each seed."""
    return [setup.make(who, rule, "final", seed) for seed in setup.seeds]


def sweeps(setup: Setup, who: Contestant, found: Tuning) -> list[PlannedRun]:
    """Return the runs of every rate with every seed, where they are wanted; those at the chosen rate are the finals."""
    if not setup.sweep:
        return []
    return [setup.make(who, run.rule, "sweep", seed) for run in found.scan for seed in setup.seeds]


def defaults(setup: Setup, who: Contestant) -> list[PlannedRun]:
    """Return the runs of ``who`` at its library's default rate, one for each seed."""
    rule = who.rule.with_lr(default_rate(who.rule))
    return [setup.make(who, rule, "default", seed) for seed in setup.seeds]


def constants(setup: Setup, who: Contestant, rule: MethodSpec[Any]) -> list[PlannedRun]:
    """Return the runs of the winner without a schedule, one for each seed; none if there was no schedule."""
    if setup.recipe.schedule == "constant":
        return []
    return [setup.make(who, rule, "constant", seed, schedule="constant") for seed in setup.seeds]


def winner(setup: Setup, chosen: Mapping[str, MethodSpec[Any]], history: History) -> Contestant:
    """Return the optimizer with the fewest failed seeds, and of several the one with the best mean validation value."""

    def place(who: Contestant) -> tuple[int, float]:
        losses = [setup.loss(_of(run, history)) for run in finals(setup, who, chosen[who.name])]
        finished = [each for each in losses if math.isfinite(each)]
        return len(losses) - len(finished), sum(finished) / len(finished) if finished else math.inf

    return min(setup.contestants, key=place)


def next_runs(setup: Setup, history: History) -> list[PlannedRun]:
    """Return the runs that can be made now; an empty list when the comparison is complete.

    The answer depends on the setup and on the finished runs alone, so a comparison that was interrupted, or
    that gets more optimizers or seeds, goes on with exactly what is missing.
    """
    found = {who.name: tuning(setup, who, history) for who in setup.contestants}
    missing = [run for each in found.values() for run in each.missing]
    if missing:
        return missing
    chosen = chosen_rules(setup, history)
    reported = [run for who in setup.contestants for run in finals(setup, who, chosen[who.name])]
    reported += [run for who in setup.contestants for run in defaults(setup, who)]
    reported += [run for who in setup.contestants for run in sweeps(setup, who, found[who.name])]
    missing = _missing(reported, history)
    if missing:
        return missing
    best = winner(setup, chosen, history)
    return _missing(constants(setup, best, chosen[best.name]), history)


def chosen_rules(setup: Setup, history: History) -> dict[str, MethodSpec[Any]]:
    """Return the tuned rule of every optimizer whose tuning is complete."""
    found = {who.name: tuning(setup, who, history).chosen for who in setup.contestants}
    return {name: rule for name, rule in found.items() if rule is not None}


def taking_part(setup: Setup, history: History) -> dict[tuple[str, int], Record]:
    """Return the runs of a history that belong to a comparison, and the pilot; a folder may hold others."""
    chosen = chosen_rules(setup, history)
    runs: list[PlannedRun] = []
    for who in setup.contestants:
        found = tuning(setup, who, history)
        runs += [*found.scan, *found.full, *sweeps(setup, who, found), *defaults(setup, who)]
        if who.name in chosen:
            runs += finals(setup, who, chosen[who.name])
    if len(chosen) == len(setup.contestants):
        reported = [run for who in setup.contestants for run in finals(setup, who, chosen[who.name])]
        if not _missing(reported, history):
            best = winner(setup, chosen, history)
            runs += constants(setup, best, chosen[best.name])
    known = {(run.key.recipe, run.key.seed) for run in runs}
    return {each: record for each, record in history.items() if each in known or record.key.phase == "pilot"}


@dataclass(frozen=True)
class Expected:
    """A run that is to come, as far as it can be known now."""

    name: str
    phase: Phase
    steps: int

    @property
    def read_test(self) -> bool:
        """Whether it will read the test rows."""
        return self.phase in ("final", "default", "constant")


def expected_runs(setup: Setup, history: History) -> list[Expected]:
    """Return every run that is still to come: the known ones, and those that will follow from them."""
    coming: list[Expected] = []
    full_length = {who.name: setup.full(who, who.rule).expected_steps for who in setup.contestants}
    for who in setup.contestants:
        found = tuning(setup, who, history)
        coming += [Expected(who.name, run.key.phase, run.expected_steps) for run in found.missing]
        steps = full_length[who.name]
        if found.chosen is not None:
            runs = [*finals(setup, who, found.chosen), *defaults(setup, who), *sweeps(setup, who, found)]
            runs = _missing(runs, history)
            coming += [Expected(who.name, run.key.phase, run.expected_steps) for run in runs]
            continue
        if not found.full:
            candidates = min(setup.full_rates, len(found.scan))
            coming += [Expected(who.name, "full", steps)] * candidates
        if setup.sweep:  # one of its rates will be the chosen one
            runs = _missing([*defaults(setup, who), *sweeps(setup, who, found)], history)
            coming += [Expected(who.name, run.key.phase, steps) for run in runs]
            continue
        coming += [Expected(who.name, phase, steps) for phase in ("final", "default") for _ in setup.seeds]
    if setup.recipe.schedule != "constant" and not _constants_done(setup, history):
        longest = max(full_length, key=lambda name: full_length[name])  # who wins is not known yet
        coming += [Expected(longest, "constant", full_length[longest])] * len(setup.seeds)
    return coming


def _constants_done(setup: Setup, history: History) -> bool:
    chosen = chosen_rules(setup, history)
    if len(chosen) < len(setup.contestants):
        return False
    runs = [run for who in setup.contestants for run in finals(setup, who, chosen[who.name])]
    if _missing(runs, history):
        return False
    best = winner(setup, chosen, history)
    return not _missing(constants(setup, best, chosen[best.name]), history)


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
