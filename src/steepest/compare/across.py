r"""Results on several data sets: who wins on which, corrected for all comparisons; ranks; performance profiles.

On one set, two arms are paired by run seed: the same initialisation, the same order of the rows. The two-sided
p-values of the paired t tests are corrected by Holm's method for all comparisons of a page, so that with 95 %
probability none of its wins and losses is due to the seeds alone. What is not told apart is a tie, which does not make
two arms equal.

Across sets there are ranks (1 is the best mean on a set; arms that share a place share its ranks), with Friedman's
test of the hypothesis that all arms are alike (Demšar, *Statistical comparisons of classifiers over multiple data
sets*, JMLR 2006), and the performance profiles of :mod:`steepest.compare.profiles`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from steepest.compare.estimates import Estimate
from steepest.compare.intervals import holm, paired_t, smallest_visible, t_interval
from steepest.compare.profiles import cost, ratios
from steepest.compare.result import Metric
from steepest.record.schema import Frozen

LEVEL = 0.05
"""A corrected p-value below it tells two arms apart."""
FEWEST_RANKED = 3
"""Sets from which on Friedman's test is made."""

Value = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A number, NaN where a file has none."""
Verdict = Literal["win", "tie", "loss", "untested"]


class ArmOnSet(Frozen):
    """What one arm gave on one data set.

    Attributes:
        name: of the arm.
        mine: whether it is what the suite is run for.
        stored: whether its results come with the package, and were not computed here.
        why: why results that come with the package were not used; empty where they were, or there are none.
        lr: the chosen learning rate; None where no trial finished.
        tuned: whether its rate was tuned; trials: of how many settings it is the best.
        seeds: the run seeds.
        validation, test: of each metric, the value of each seed; NaN of a run that failed.
        failed: why, where a run failed or the arm could not be trained at all.
    """

    name: str
    mine: bool = False
    stored: bool = False
    why: str = ""
    lr: float | None = None
    tuned: bool = True
    trials: int = 0
    seeds: list[int] = Field(default_factory=list)
    validation: dict[str, list[Value]] = Field(default_factory=dict)
    test: dict[str, list[Value]] = Field(default_factory=dict)
    failed: str = ""


class SetResults(Frozen):
    """The results on one data set.

    Attributes:
        name: of the set.
        what: what it is and how it is trained on, in words.
        own: whether it is the user's own, for which no results come with the package.
        metric: the deciding metric.
        facts: settings by name.
        arms: what each arm gave.
        folder: the folder with the runs that were made here, relative to the page; empty where none were.
    """

    name: str
    what: str
    own: bool = False
    metric: Metric
    facts: dict[str, str] = Field(default_factory=dict)
    arms: list[ArmOnSet]
    folder: str = ""

    def arm(self, name: str) -> ArmOnSet | None:
        """Return what an arm gave, None where it was not trained on this set."""
        return next((each for each in self.arms if each.name == name), None)

    def values(self, name: str) -> list[float]:
        """Return the test values of an arm on the deciding metric, by seed; nothing where it has none."""
        found = self.arm(name)
        return [] if found is None else found.test.get(self.metric.name, [])

    def mean(self, name: str) -> Estimate | None:
        """Return the mean of an arm over its seeds with its t interval; None where one of its runs failed."""
        values = self.values(name)
        if not values or not all(map(math.isfinite, values)):
            return None
        mean, low, high = t_interval(values)
        return Estimate(mean=mean, low=low, high=high, n=len(values))


class SuiteResults(Frozen):
    """The results of a suite.

    Attributes:
        suite, version, size: which suite it is.
        mine: the arms that it is run for; others: those that they are compared with.
        sets: the results on each data set.
        protocol: how all arms are trained, in words.
        here: versions and machine of what was computed here; stored: those of what comes with the package.
        remarks: what a reader has to know.
    """

    suite: str
    version: int
    size: str
    mine: list[str]
    others: list[str]
    sets: list[SetResults]
    protocol: list[str] = Field(default_factory=list)
    here: dict[str, str] = Field(default_factory=dict)
    stored: dict[str, str] = Field(default_factory=dict)
    remarks: list[str] = Field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """All arms, those that the suite is run for first."""
        return [*self.mine, *self.others]


class Contest(Frozen):
    """One arm against another on one data set.

    Attributes:
        set, first, second: which.
        mean, low, high: ``first - second`` on the deciding metric with its own 95 % interval over seeds; NaN where
            there is none.
        sd: standard deviation of the differences; NaN of fewer than two pairs.
        n: pairs of runs.
        p, p_adjusted: two-sided p-value, and corrected for all comparisons; NaN where there is none.
        verdict: of the first: ``win``, ``tie``, ``loss``, or ``untested`` where too little is known.
        reason: why there is no p-value.
    """

    set: str
    first: str
    second: str
    mean: float
    low: float
    high: float
    sd: float = math.nan
    n: int
    p: float
    p_adjusted: float = math.nan
    verdict: Verdict = "untested"
    reason: str = ""


class Tally(Frozen):
    """How often an arm won, was not told apart, and lost; ``untested`` comparisons say nothing."""

    win: int = 0
    tie: int = 0
    loss: int = 0
    untested: int = 0

    @classmethod
    def of(cls, contests: Sequence[Contest]) -> Tally:
        """Return the numbers of verdicts.

        Example:
            >>> Tally.of([]).win
            0
        """
        verdicts = [each.verdict for each in contests]
        return cls(**{name: verdicts.count(name) for name in cls.model_fields})


def contests(results: SuiteResults) -> list[Contest]:
    """Return every arm that the suite is run for against every other, set by set, corrected for all of them.

    A run that failed loses against one that finished, without a test.
    """
    found = [
        _contest(each, first, second)
        for first in results.mine
        for second in results.others
        for each in results.sets
    ]
    corrected = holm([each.p for each in found])
    higher = {each.name: each.metric.higher_is_better for each in results.sets}
    return [
        each.model_copy(update={"p_adjusted": p, "verdict": _verdict(each, p, higher=higher[each.set])})
        for each, p in zip(found, corrected, strict=True)
    ]


def smallest_differences(results: SuiteResults) -> dict[str, float]:
    """Return by data set the difference that is told apart in 4 of 5 suites, the median over its comparisons.

    It is that of :func:`.intervals.smallest_visible` at the level that one of all comparisons has to reach. Data sets
    without a test have none.
    """
    tested = [each for each in contests(results) if math.isfinite(each.p)]
    if not tested:
        return {}
    level = 1.0 - LEVEL / len(tested)
    units = {n: smallest_visible(1.0, n=n, level=level) for n in {each.n for each in tested}}
    found: dict[str, list[float]] = {}
    for each in tested:
        found.setdefault(each.set, []).append(each.sd * units[each.n])
    return {name: float(np.median(values)) for name, values in found.items()}


def _contest(results: SetResults, first: str, second: str) -> Contest:
    common: dict[str, object] = {"set": results.name, "first": first, "second": second}
    nothing = {"mean": math.nan, "low": math.nan, "high": math.nan, "n": 0, "p": math.nan}
    one, other = results.arm(first), results.arm(second)
    lost, beaten = _failures(results, first), _failures(results, second)
    if lost or beaten or one is None or other is None:
        verdict: Verdict = "loss" if lost and not beaten else "win" if beaten and not lost else "untested"
        text = "; ".join(f"{name}: {why}" for name, why in ((first, lost), (second, beaten)) if why)
        return Contest.model_validate({**common, **nothing, "verdict": verdict, "reason": text})
    shared = [seed for seed in one.seeds if seed in other.seeds]
    a, b = (
        [results.values(name)[arm.seeds.index(seed)] for seed in shared]
        for name, arm in ((first, one), (second, other))
    )
    test = paired_t(a, b)
    reason = ""
    if math.isnan(test.p):
        same = test.mean == 0.0
        reason = "no seed in common" if not test.n else "one seed" if test.n == 1 else ""
        reason = reason or ("identical results" if same else "the same difference with every seed")
    return Contest.model_validate(
        {
            **common,
            "mean": test.mean,
            "low": test.low,
            "high": test.high,
            "sd": float(np.std(np.subtract(a, b), ddof=1)) if test.n > 1 else math.nan,
            "n": test.n,
            "p": test.p,
            "verdict": "tie" if reason == "identical results" else "untested",
            "reason": reason,
        }
    )


def _failures(results: SetResults, name: str) -> str:
    """Return why an arm has no value for one of its seeds; nothing where it has all."""
    arm, values = results.arm(name), results.values(name)
    bad = sum(not math.isfinite(each) for each in values)
    if arm is None:
        return "not trained"
    if not values:
        return "failed" if arm.failed else "not trained"
    return f"failed {bad} of {len(values)}" if bad else ""


def _verdict(found: Contest, p: float, *, higher: bool) -> Verdict:
    if math.isnan(p):
        return found.verdict
    if p >= LEVEL:
        return "tie"
    return "win" if (found.mean > 0) == higher else "loss"


def ranks(results: SuiteResults) -> dict[str, list[float]]:
    """Return the rank of each arm on each set, 1 for the best mean; arms that failed share the last places.

    Example:
        >>> metric = Metric(name="rmse", title="RMSE", higher_is_better=False)
        >>> arms = [ArmOnSet(name=name, seeds=[0], test={"rmse": [value]}) for name, value in (("a", 2.0), ("b", 1.0))]
        >>> found = SuiteResults(suite="s", version=1, size="quick", mine=["a"], others=["b"],
        ...                      sets=[SetResults(name="t", what="", metric=metric, arms=arms)])
        >>> ranks(found)
        {'a': [2.0], 'b': [1.0]}
    """
    from scipy import stats  # slow to import

    found: dict[str, list[float]] = {name: [] for name in results.names}
    for each in costs(results):
        placed = stats.rankdata([each[name] for name in results.names])
        for name, place in zip(results.names, placed, strict=True):
            found[name].append(float(place))
    return found


def costs(results: SuiteResults) -> list[Mapping[str, float]]:
    """Return the cost of each arm on each set: its mean, or what it lacks to 1; infinite where a run failed."""
    return [
        {
            name: math.inf
            if (mean := each.mean(name)) is None
            else cost(mean.mean, higher=each.metric.higher_is_better)
            for name in results.names
        }
        for each in results.sets
    ]


def friedman(results: SuiteResults) -> float:
    """Return the p-value of Friedman's test that all arms rank alike; NaN of fewer than three sets or arms."""
    placed = ranks(results)
    if len(results.sets) < FEWEST_RANKED or len(placed) < FEWEST_RANKED:
        return math.nan
    if all(len(set(column)) == 1 for column in zip(*placed.values(), strict=True)):
        return math.nan  # nothing differs
    from scipy import stats  # slow to import

    return float(stats.friedmanchisquare(*placed.values()).pvalue)


def factors_above_best(results: SuiteResults) -> dict[str, list[float]]:
    """Return by what factor each arm's cost is above the best one of each set, see :func:`.profiles.ratios`."""
    return ratios(costs(results))


def mean_rank(placed: Sequence[float]) -> float:
    """Return the mean of ranks.

    Example:
        >>> mean_rank([1.0, 2.0])
        1.5
    """
    return float(np.mean(placed)) if placed else math.nan
