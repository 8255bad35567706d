"""The result of a comparison as pure data: everything that the table, the CSV and the report show.

It is stored as ``results.json``; figures are drawn from it and from nothing else.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steepest.record.schema import Frozen

Kind = Literal["optimizer", "default", "constant", "baseline"]


class Estimate(Frozen):
    """A mean over run seeds with its 95 % t interval (``low = high = mean`` when n = 1)."""

    mean: float
    low: float
    high: float
    n: int


class Row(Frozen):
    """One optimizer (tuned), one optimizer at its library default, or one baseline, on the test rows.

    Attributes:
        kind: ``optimizer``, ``default`` (library default rate), ``constant`` (the winner without a
            schedule) or ``baseline``.
        name: how it is called, unique within its kind.
        lr: the learning rate, or None for a baseline.
        tuned: whether the rate was tuned (a rate given by the user is not).
        seeds: number of runs.
        outcome: ``finished``, ``diverged 2 of 5``, …
        metrics: test metrics with the best-validation weights, over seeds.
        last: the same with the last weights.
        values: the metrics of each seed, in the order of the seeds (NaN for a diverged run).
        train_seconds: mean seconds of training of one run.
        settings: what it is, in words: hyperparameters, or what a baseline chose.
        trials: how many runs tuned it.
        good_range: factor between the smallest and the largest scanned rate within 1 % of the best.
        flags: ``still improving``, ``overfitting``, ``edge of the grid``, …
    """

    kind: Kind
    name: str
    lr: float | None = None
    tuned: bool = True
    seeds: int = 1
    outcome: str = "finished"
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    last: dict[str, Estimate] = Field(default_factory=dict)
    values: dict[str, list[float]] = Field(default_factory=dict)
    train_seconds: float = 0.0
    settings: str = ""
    trials: int = 0
    good_range: float | None = None
    flags: list[str] = Field(default_factory=list)


class Difference(Frozen):
    """``first - second`` on one metric.

    Attributes:
        over: ``seeds`` (paired t interval over run seeds) or ``rows`` (paired bootstrap over test rows
            of the seed-averaged loss).
        mean, low, high: the difference and its 95 % interval.
        n: pairs (seeds or rows).
        told_apart: the interval excludes zero.
        better: which of the two is better, if they are told apart.
    """

    first: str
    second: str
    metric: str
    over: Literal["seeds", "rows"]
    mean: float
    low: float
    high: float
    n: int
    told_apart: bool
    better: str | None = None


class Effect(Frozen):
    """How much one decision was worth, in units of the metric; larger is more."""

    name: str
    size: float
    text: str


class Band(Frozen):
    """A curve over seeds of one optimizer: step, epoch and seconds with mean, lowest and highest value."""

    name: str
    metric: str
    step: list[int]
    epoch: list[float]
    seconds: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


class RateCurve(Frozen):
    """The tuning of one optimizer: validation metric by learning rate.

    Attributes:
        scan: rate and metric on a quarter of the steps (NaN where it diverged).
        full: rate and metric at full length.
        chosen: the rate that was taken.
        default: the library's default rate.
    """

    name: str
    metric: str
    scan: list[tuple[float, float]]
    full: list[tuple[float, float]]
    chosen: float
    default: float | None = None


class ClassLine(Frozen):
    """One class of the winner on the test rows."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float


class Metric(Frozen):
    """How a metric is shown."""

    name: str
    title: str
    higher_is_better: bool
    percent: bool = False


class Fact(Frozen):
    """One labelled value of a listing: data, recipe or environment."""

    label: str
    value: str


class Comparison(Frozen):
    """Everything that a comparison found.

    Attributes:
        title: the experiment's name.
        sentence: who wins on which metric, by how much, what the best baseline gets; read first.
        remarks: further sentences, in the order of their importance.
        metric: the name of the metric that picked rates and the winner.
        metrics: every metric shown, the deciding one first.
        winner: name of the best optimizer's row (by validation).
        rows: all rows, best first within each kind.
        differences: the winner against every other optimizer (seeds), and against each baseline (rows).
        effects: what mattered.
        curves: validation metric during the final runs.
        rates: the tuning of each optimizer.
        classes: per-class lines of the winner; empty for regression.
        confusion: counts [true][predicted] in the order of ``classes``.
        trust: the facts of the trust strip: n, trials, test rows, smallest visible difference.
        warnings: what to be careful with.
        data, preparation, recipe, environment: listings for the end of the report.
        use: command and Python to copy, with the model's path, as (label, code).
        phases: seconds by kind of work over the whole experiment.
    """

    title: str
    sentence: str
    remarks: list[str] = Field(default_factory=list)
    task: Literal["classification", "regression"] = "classification"
    target: str = ""
    metric: str
    metrics: list[Metric]
    winner: str
    rows: list[Row]
    differences: list[Difference] = Field(default_factory=list)
    effects: list[Effect] = Field(default_factory=list)
    curves: list[Band] = Field(default_factory=list)
    rates: list[RateCurve] = Field(default_factory=list)
    classes: list[ClassLine] = Field(default_factory=list)
    confusion: list[list[int]] = Field(default_factory=list)
    trust: list[Fact] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    data: list[Fact] = Field(default_factory=list)
    preparation: list[Fact] = Field(default_factory=list)
    recipe: list[Fact] = Field(default_factory=list)
    environment: list[Fact] = Field(default_factory=list)
    use: list[Fact] = Field(default_factory=list)
    phases: dict[str, float] = Field(default_factory=dict)
