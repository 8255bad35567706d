"""Equal tuning as a pure function: from the runs so far to the runs that come next.

Every optimizer gets seven learning rates √10 apart around its documented centre on a quarter of the steps; a
best rate at the edge of the grid extends it, with the same allowance for everyone; the best three run at full
length; the best of them runs with every seed. Beside it each optimizer runs at its library default, and the
winner without a schedule. Tuning has a run seed of its own, so that the seeds that are reported have not been
selected on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from steepest import grammar
from steepest.optim.rule import Rule
from steepest.recipe import Recipe
from steepest.record.schema import Phase, Record, RunKey

SCAN_FRACTION = 0.25
GRID_POINTS = 7
FULL_RATES = 3
EXTRA_RATES = 3
TUNING_SEED = 10_000
"""Added to the first run seed: the seed of the pilot and of tuning."""


@dataclass(frozen=True)
class Contestant:
    """An optimizer in the comparison.

    Attributes:
        name: what it is called in tables, the user's own words.
        rule: its rule, at its default or given rate.
        tuned: whether its rate is tuned; a rate that was given is not.
    """

    name: str
    rule: Rule[Any]
    tuned: bool


@dataclass(frozen=True)
class Run:
    """A run to be made."""

    key: RunKey
    recipe: Recipe
    rule: Rule[Any]
    read_test: bool


History = Mapping[tuple[str, int], Record]
"""Finished runs by (recipe id, seed)."""


@dataclass(frozen=True)
class Setup:
    """Everything about the comparison that is decided before the first tuned run.

    Attributes:
        contestants: the optimizers.
        recipe: a recipe whose optimizer and schedule are replaced for each run.
        seeds: the run seeds that are reported.
        grid: a grid of rates for everyone, or None for each rule's own.
        higher_is_better: of the deciding metric, which is ``recipe.metric``.
    """

    contestants: tuple[Contestant, ...]
    recipe: Recipe
    seeds: tuple[int, ...]
    grid: tuple[float, ...] | None
    higher_is_better: bool

    @property
    def tuning_seed(self) -> int:
        """The run seed of pilot, scan and full runs."""
        return self.seeds[0] + TUNING_SEED

    def loss(self, record: Record) -> float:
        """Return the best validation value of a run, signed so that smaller is better; NaN and diverged are last."""
        value = record.best.get(self.recipe.metric, math.nan)
        if record.outcome == "diverged" or math.isnan(value):
            return math.inf
        return -value if self.higher_is_better else value

    def make(self, who: Contestant, lr: float, phase: Phase, seed: int, **changes: object) -> Run:
        """Return the run of ``who`` at a rate."""
        rule = who.rule.with_lr(lr)
        recipe = self.recipe.model_copy(update={"optimizer": whole_spec(rule), **changes})
        key = RunKey(name=who.name, recipe=recipe.id, seed=seed, phase=phase)
        return Run(key, recipe, rule, read_test=phase in ("final", "default", "constant"))

    def scan(self, who: Contestant, lr: float) -> Run:
        """Return the run of ``who`` at a rate on a quarter of the steps."""
        steps = max(1, round(self.recipe.steps * SCAN_FRACTION))
        return self.make(who, lr, "scan", self.tuning_seed, steps=steps)

    def full(self, who: Contestant, lr: float) -> Run:
        """Return the tuning run of ``who`` at a rate at full length."""
        return self.make(who, lr, "full", self.tuning_seed)


def default_rate(rule: Rule[Any]) -> float:
    """Return the learning rate that the rule's library would use."""
    return float(type(rule).Hyper.model_fields["lr"].default)


def whole_spec(rule: Rule[Any]) -> str:
    """Return the rule's specification with every hyperparameter, so that a changed default is another recipe.

    Example:
        >>> from steepest.optim import make_rule
        >>> whole_spec(make_rule("momentum").with_lr(0.1)).startswith("momentum(lr=0.1, momentum=0.9, ")
        True
    """
    return str(grammar.Spec(rule.called, (), rule.hyper.model_dump()))


def tidy(rate: float) -> float:
    """Return a rate with three digits.

    Example:
        >>> tidy(1e-3 * 10**0.5)
        0.00316
    """
    return float(f"{rate:.3g}")


def rate_grid(centre: float, points: int = GRID_POINTS) -> list[float]:
    """Return rates √10 apart around a centre.

    Example:
        >>> rate_grid(1e-3, 5)
        [0.0001, 0.000316, 0.001, 0.00316, 0.01]
    """
    middle = points // 2
    return [tidy(centre * 10 ** ((i - middle) / 2)) for i in range(points)]


def tuning(setup: Setup, who: Contestant, history: History) -> tuple[list[Run], float | None]:
    """Return the tuning runs of one optimizer that are missing now, and its rate once none is."""
    if not who.tuned:
        return [], float(who.rule.hyper.lr)
    rates = sorted(setup.grid or rate_grid(who.rule.centre))
    allowance = EXTRA_RATES
    while True:
        runs = [setup.scan(who, rate) for rate in rates]
        missing = _missing(runs, history)
        if missing:
            return missing, None
        losses = [setup.loss(_of(run, history)) for run in runs]
        best = min(range(len(rates)), key=lambda i: losses[i])
        at_edge = len(rates) > 1 and best in (0, len(rates) - 1) and math.isfinite(losses[best])
        if not at_edge or not allowance:
            break
        allowance -= 1
        rates = sorted([*rates, tidy(rates[best] * 10 ** (0.5 if best else -0.5))])
    order = sorted(range(len(rates)), key=lambda i: losses[i])
    candidates = [setup.full(who, rates[i]) for i in order[:FULL_RATES]]
    missing = _missing(candidates, history)
    if missing:
        return missing, None
    best_run = min(candidates, key=lambda run: setup.loss(_of(run, history)))
    return [], _of(best_run, history).lr


def finals(setup: Setup, who: Contestant, lr: float) -> list[Run]:
    """Return the reported runs of ``who``: one for each seed."""
    return [setup.make(who, lr, "final", seed) for seed in setup.seeds]


def defaults(setup: Setup, who: Contestant) -> list[Run]:
    """Return the runs of ``who`` at its library's default rate, one for each seed."""
    return [setup.make(who, default_rate(who.rule), "default", seed) for seed in setup.seeds]


def constants(setup: Setup, who: Contestant, lr: float) -> list[Run]:
    """Return the runs of the winner without a schedule, one for each seed; none if there was no schedule."""
    if setup.recipe.schedule == "constant":
        return []
    return [setup.make(who, lr, "constant", seed, schedule="constant") for seed in setup.seeds]


def winner(setup: Setup, chosen: Mapping[str, float], history: History) -> Contestant:
    """Return the optimizer with the best mean validation value over the seeds; a diverged seed counts as worst."""

    def mean(who: Contestant) -> float:
        runs = finals(setup, who, chosen[who.name])
        return sum(setup.loss(_of(run, history)) for run in runs) / len(runs)

    return min(setup.contestants, key=mean)


def next_runs(setup: Setup, history: History) -> list[Run]:
    """Return the runs that can be made now; an empty list when the comparison is complete.

    The answer depends on the setup and on the finished runs alone, so a comparison that was interrupted, or
    that gets more optimizers or seeds, goes on with exactly what is missing.
    """
    found = [tuning(setup, who, history) for who in setup.contestants]
    missing = [run for runs, _ in found for run in runs]
    if missing:
        return missing
    chosen = {who.name: lr for who, (_, lr) in zip(setup.contestants, found, strict=True) if lr is not None}
    missing = _missing(
        (run for who in setup.contestants for run in finals(setup, who, chosen[who.name])), history
    )
    missing += _missing((run for who in setup.contestants for run in defaults(setup, who)), history, missing)
    if missing:
        return missing
    best = winner(setup, chosen, history)
    return _missing(constants(setup, best, chosen[best.name]), history)


def chosen_rates(setup: Setup, history: History) -> dict[str, float]:
    """Return the rate of every optimizer whose tuning is complete."""
    found = {who.name: tuning(setup, who, history)[1] for who in setup.contestants}
    return {name: lr for name, lr in found.items() if lr is not None}


def expected_steps(setup: Setup, history: History) -> int:
    """Return how many steps are still to be made, as far as that can be known now."""
    full = setup.recipe.steps
    quarter = max(1, round(full * SCAN_FRACTION))
    total = 0
    for who in setup.contestants:
        missing, lr = tuning(setup, who, history)
        total += sum(run.recipe.steps for run in missing)
        if lr is None:
            if missing and missing[0].key.phase == "scan":
                total += FULL_RATES * full
            total += 2 * len(setup.seeds) * full
        else:
            runs = _missing([*finals(setup, who, lr), *defaults(setup, who)], history)
            total += sum(run.recipe.steps for run in runs)
    constant = 0 if setup.recipe.schedule == "constant" else len(setup.seeds) * full
    return total + constant if quarter else total


def _missing(runs: Iterable[Run], history: History, besides: Iterable[Run] = ()) -> list[Run]:
    seen = {(run.key.recipe, run.key.seed) for run in besides}
    result: list[Run] = []
    for run in runs:
        identity = (run.key.recipe, run.key.seed)
        known = history.get(identity)
        if identity not in seen and (known is None or (run.read_test and not _has_test(known))):
            seen.add(identity)
            result.append(run)
    return result


def _has_test(record: Record) -> bool:
    return bool(record.test) or record.outcome == "diverged"


def _of(run: Run, history: History) -> Record:
    return history[run.key.recipe, run.key.seed]
