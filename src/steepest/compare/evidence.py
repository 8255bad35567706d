"""Everything that was measured, and the scores of arms and baselines on the test rows."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from steepest.compare.differences import differences, family
from steepest.compare.effects import Factorial
from steepest.compare.estimates import Difference, Estimate
from steepest.compare.factorial import factorial
from steepest.compare.folds import SetKind, corrected_t
from steepest.compare.intervals import t_interval
from steepest.compare.ranges import difference_within, exponentiated, within
from steepest.compare.scores import Scores, over_sets, scores
from steepest.evaluate.metrics import metric_info
from steepest.optim.spec import MethodSpec
from steepest.recipe import varying
from steepest.record.schema import BaselineRecord, Record
from steepest.sweep.arms import PlannedArm
from steepest.sweep.plan import constants, defaults, finals, on_validation, tuning, winner
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.setup import Setup

RunRows = Sequence[Mapping[str, ArrayLike] | None]
"""Of each test set and seed, what each test row gave (``loss``, ``correct``), None if the run failed."""

Control = Literal["default", "constant"]
"""What the winner is compared with besides other arms: its library's default rate, and no schedule."""


@dataclass(frozen=True)
class Evidence:
    """Everything that was measured, by optimizer and by baseline.

    Attributes:
        setup: the comparison's setup.
        history: finished runs.
        chosen: the tuned rule of each optimizer.
        fitted: what the baselines got: of each test set, the record of each baseline.
        metrics: names of the test metrics, the deciding one first.
        kind: how several test sets came about.
        test_share: the share of the rows that one of several test sets has.
        held_out: whether there are test rows; else results are on the training rows.
    """

    setup: Setup
    history: History
    chosen: Mapping[str, MethodSpec[Any]]
    fitted: Sequence[Sequence[BaselineRecord]]
    metrics: tuple[str, ...]
    kind: SetKind = "folds"
    test_share: float = 0.0
    held_out: bool = True

    @property
    def tested_on(self) -> str:
        """The rows that results are on, in words."""
        return "test rows" if self.held_out else "training rows"

    @functools.cached_property
    def baselines(self) -> list[BaselineRecord]:
        """One record for each baseline: the means over the test sets."""
        return [_mean_record(each) for each in zip(*self.fitted, strict=True)]

    def in_sets(self, each: Sequence[Any]) -> list[Sequence[Any]]:
        """Return what runs of all test sets and seeds gave, set by set."""
        count = len(each) // self.setup.folds
        return [each[i * count : (i + 1) * count] for i in range(self.setup.folds)]

    def together(self, each: Sequence[Scores]) -> Scores:
        """Return the scores of one arm or baseline on each test set as one."""
        return over_sets(each, self.kind, self.test_share)

    def estimate(self, values: Sequence[float], metric: str) -> Estimate:
        """Return the mean of what runs of all test sets and seeds gave of a metric, with its interval."""
        if self.setup.folds == 1:
            return estimate_of(values, metric)
        means = [mean_of(each) for each in self.in_sets(values)]
        if not all(map(math.isfinite, means)):
            return Estimate(mean=mean_of(means), n=sum(map(math.isfinite, means)))
        found = corrected_t(means, self.test_share)
        return within(Estimate(mean=found.mean, low=found.low, high=found.high, n=len(means)), metric)

    @property
    def metric(self) -> str:
        """The deciding metric."""
        return self.setup.metric

    @property
    def winner(self) -> PlannedArm:
        """The arm whose network is for use, see :func:`steepest.sweep.plan.winner`."""
        return winner(self.setup, self.chosen, self.history)

    @property
    def ahead_of_winner(self) -> list[PlannedArm]:
        """The arms that are better than the winner on validation but trained on altered data, the best first."""
        ranks = {arm.id: on_validation(self.setup, arm, self.chosen, self.history) for arm in self.setup.arms}
        best = sorted(self.setup.arms, key=lambda arm: ranks[arm.id])
        return [arm for arm in best if ranks[arm.id] < ranks[self.winner.id]]

    def final(self, arm: PlannedArm) -> list[Record]:
        """The records of the tuned optimizer, one for each seed."""
        return self.of(finals(self.setup, arm, self.chosen))

    def default(self, arm: PlannedArm) -> list[Record]:
        """The records at the library's default rate, one for each seed."""
        return self.of(defaults(self.setup, arm))

    def constant(self) -> list[Record]:
        """The winner's records without a schedule."""
        arm = self.winner
        return self.of(constants(self.setup, arm, self.chosen[arm.id]))

    @property
    def controls(self) -> dict[Control, list[PlannedRun]]:
        """The runs of the winner's controls."""
        arm = self.winner
        return {
            "default": defaults(self.setup, arm) if arm.tuned and self.setup.has_references else [],
            "constant": constants(self.setup, arm, self.chosen[arm.id]),
        }

    def of(self, runs: Sequence[PlannedRun]) -> list[Record]:
        """The records of runs, in their order."""
        return [self.history[run.key.recipe, run.key.seed] for run in runs]

    def on_validation(self, records: Sequence[Record | BaselineRecord]) -> float | None:
        """Return the mean of the deciding metric on validation, over runs that finished or baselines.

        None where no rows are held out, or none of these has a finite value.
        """
        values = [
            (each.validation if isinstance(each, BaselineRecord) else {} if each.failed else each.best).get(
                self.metric, math.nan
            )
            for each in records
        ]
        mean = mean_of(values)
        return mean if self.held_out and math.isfinite(mean) else None

    def value(self, record: Record) -> float:
        """The deciding test metric of a run; NaN if it diverged."""
        return record.test.get(self.metric, math.nan)


def tuning_runs_of(evidence: Evidence, arm: PlannedArm) -> int:
    """Return the number of runs that an arm was tuned with; of a procedure, those of all its stages."""
    found = [tuning(evidence.setup, stage, evidence.history) for stage in arm.chain]
    return sum(len({identity(run) for run in each.runs}) for each in found)


def compared(
    evidence: Evidence,
    rows: Mapping[str, RunRows],
    baseline_rows: Mapping[str, Sequence[Mapping[str, ArrayLike]]],
    metric: str,
) -> tuple[list[Difference], list[Difference]]:
    """Return every pair of arms on a test metric, and every arm against every baseline.

    Args:
        evidence: the runs.
        rows: of each arm, test set and seed, what each test row gave (``loss``, ``correct``), None if it diverged.
        baseline_rows: the same of each baseline, by title and test set.
        metric: name of the metric.
    """
    seed = evidence.setup.seeds[0]
    arms = [arm_scores(evidence, arm, rows[arm.id], metric) for arm in evidence.setup.arms]
    baselines = [
        evidence.together(
            [
                scores(one.title, metric, [one.test.get(metric, math.nan)], [kept], seeded=False)
                for one, kept in zip(each, baseline_rows[each[0].title], strict=True)
            ]
        )
        for each in zip(*evidence.fitted, strict=True)
    ]
    pairs, against = differences(arms, baselines, seed)
    return [difference_within(each) for each in pairs], [difference_within(each) for each in against]


def arm_scores(evidence: Evidence, arm: PlannedArm, rows: RunRows, metric: str) -> Scores:
    """Return what an arm gets on the test rows of each test set.

    Args:
        evidence: the runs.
        arm: the arm.
        rows: what each test row gave.
        metric: name of the metric.
    """
    return _scores(evidence, arm.title, evidence.final(arm), rows, metric)


def against_controls(
    evidence: Evidence, rows: RunRows, controls: Mapping[Control, RunRows], metric: str
) -> dict[Control, Difference]:
    """Return the winner minus itself at the library's default rate and without a schedule, corrected together.

    Args:
        evidence: the runs.
        rows: what each test row gave in the winner's runs.
        controls: the same of its controls, as far as there are any.
        metric: name of the metric.
    """
    arm = evidence.winner
    mine = arm_scores(evidence, arm, rows, metric)
    runs = evidence.controls
    pairs = [
        (mine, _scores(evidence, f"{arm.title} ({name})", evidence.of(runs[name]), some, metric))
        for name, some in controls.items()
    ]
    found = map(difference_within, family(pairs, evidence.setup.seeds[0]))
    return dict(zip(controls, found, strict=True))


def _scores(evidence: Evidence, name: str, records: Sequence[Record], rows: RunRows, metric: str) -> Scores:
    values = [record.test.get(metric, math.nan) for record in records]
    return evidence.together(
        [
            scores(name, metric, some, kept)
            for some, kept in zip(evidence.in_sets(values), evidence.in_sets(rows), strict=True)
        ]
    )


def main_effects(
    evidence: Evidence, rows: Mapping[str, RunRows], metric: str
) -> tuple[Factorial | None, str]:
    """Return main effects and interactions where several factors vary, or None and why there are none."""
    setup = evidence.setup
    crossed = [arm for arm in setup.arms if arm.control != "small"]  # which have a model of their own
    differing = varying([arm.factors for arm in crossed])
    if len(differing) < 2:
        return None, ""
    arms = [
        ({name: arm.levels[name] for name in differing}, arm_scores(evidence, arm, rows[arm.id], metric))
        for arm in crossed
    ]
    return factorial(arms, setup.seeds[0])


def _mean_record(each: Sequence[BaselineRecord]) -> BaselineRecord:
    """Return one record for the fits of a baseline on several test sets."""
    first = each[0]
    if len(each) == 1:
        return first
    return first.model_copy(
        update={
            "validation": {
                name: mean_of([one.validation.get(name, math.nan) for one in each])
                for name in first.validation
            },
            "test": {name: mean_of([one.test.get(name, math.nan) for one in each]) for name in first.test},
            "seconds": sum(one.seconds for one in each) / len(each),
            "outcome": next((one.outcome for one in each if one.outcome != "finished"), "finished"),
        }
    )


def estimate_of(values: Sequence[float], metric: str) -> Estimate:
    """Return the mean of a metric over seeds with its t interval, as far as it is within the metric's range.

    Of the exponential of a mean, such as perplexity, both are exponentials of those of its logarithm.

    Example:
        >>> one, other = estimate_of([6.06, 6.89], "token_loss"), estimate_of([428.4, 982.4], "perplexity")
        >>> [round(math.log(each), 1) for each in (other.mean, *other.ends)] == [
        ...     round(each, 1) for each in (one.mean, *one.ends)
        ... ]
        True
    """
    exponential = metric_info(metric).exponential
    found = t_interval([_logarithm(each) for each in values] if exponential else values)
    made = Estimate(**found._asdict(), n=sum(map(math.isfinite, values)))
    return within(exponentiated(made) if exponential else made, metric)


def _logarithm(value: float) -> float:
    return math.log(value) if value > 0 else math.nan


def mean_of(values: Sequence[float]) -> float:
    """Return the mean of the finite values, NaN if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
