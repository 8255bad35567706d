"""The result of a comparison as pure data: everything that the table, the CSV and the report show.

It is stored as ``results.json``; figures are drawn from it and from nothing else.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import Field, model_validator

from steepest.record.schema import Frozen
from steepest.record.store import saved_model

Kind = Literal["optimizer", "default", "constant", "baseline"]


class Interval(Frozen):
    """A number with the ends of its 95 % interval; both are None where there is none.

    An interval without width is none: it would claim that there is no spread where none was seen.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    n: int

    @model_validator(mode="before")
    @classmethod
    def _ends_have_width(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, Any]", given)
        low, high = fields.get("low"), fields.get("high")
        if isinstance(low, int | float) and isinstance(high, int | float):
            narrow = not low < high
        else:
            narrow = low is None or high is None
        return fields | cls.lacking() if narrow else fields

    @classmethod
    def lacking(cls) -> dict[str, Any]:
        """Return the fields that have no value without an interval."""
        return {"low": None, "high": None}

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends of the interval, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


class Estimate(Interval):
    """A mean over run seeds with its 95 % t interval; there is none for one run, or where all gave the same."""


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
        reason: the error that ended most of the runs that failed.
        metrics: test metrics with the best-validation weights, over seeds.
        last: the same with the last weights.
        values: the metrics of each seed, in the order of the seeds (NaN for a diverged run).
        train_seconds: mean seconds of training of one run.
        settings: what it is, in words: hyperparameters, or what a baseline chose.
        trials: how many runs tuned it.
        good_range: factor between the smallest and the largest scanned rate within 1 % of the best.
        flags: ``still improving``, ``overfitting``, ``edge of the grid``, …
        model: of a baseline, where its model is in the folder; empty in folders of earlier versions.
    """

    kind: Kind
    name: str
    lr: float | None = None
    tuned: bool = True
    seeds: int = 1
    outcome: str = "finished"
    reason: str = ""
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    last: dict[str, Estimate] = Field(default_factory=dict)
    values: dict[str, list[float]] = Field(default_factory=dict)
    train_seconds: float = 0.0
    settings: str = ""
    trials: int = 0
    good_range: float | None = None
    flags: list[str] = Field(default_factory=list)
    model: str = ""


class Difference(Interval):
    """``first - second`` on one metric.

    Attributes:
        over: what the interval holds: ``both`` (run seeds and test rows, crossed), ``seeds`` (paired t interval
            over run seeds: the metric has no value by row) or ``rows`` (test rows alone: there is one run).
        mean, low, high: the difference and its 95 % interval, of this difference alone; without an interval
            there is no p-value either and nothing is told apart.
        n: pairs (seeds; rows where ``over`` is ``rows``).
        reason: why there is no interval, in words such as ``one seed``; None where there is one.
        told_apart: the corrected p-value is below 0.05.
        better: which of the two is better, if they are told apart.
        rows: test rows that the interval holds; 0 where it holds none.
        p: two-sided p-value of a difference of zero, consistent with the interval.
        p_adjusted: the same, corrected for the number of comparisons (Holm).
        comparisons: how many comparisons it was corrected for.
        seed_share: the seeds' share of the variance of the mean, from 0 to 1, where ``over`` is ``both``.
        by_seeds: the ends of the 95 % interval over the run seeds alone.
        by_rows: the ends of the 95 % interval over the test rows alone.
        visible: the smallest true difference that would have been told apart with probability 0.8.
    """

    first: str
    second: str
    metric: str
    over: Literal["seeds", "rows", "both"]
    reason: str | None = None
    told_apart: bool
    better: str | None = None
    rows: int = 0
    p: float | None = None
    p_adjusted: float | None = None
    comparisons: int = 1
    seed_share: float | None = None
    by_seeds: tuple[float, float] | None = None
    by_rows: tuple[float, float] | None = None
    visible: float | None = None

    def __str__(self) -> str:
        by = f"{self.n} seeds and {self.rows:,} rows" if self.over == "both" else f"{self.n:,} {self.over}"
        found = f"{self.first} - {self.second} on {self.metric}: {self.mean:.4g}"
        if self.ends is None or self.p_adjusted is None:
            return f"{found} (no interval: {self.reason or 'the spread is unknown'})"
        verdict = f"{self.better} is better" if self.told_apart else "no detectable difference"
        return f"{found} [{self.low:.4g}, {self.high:.4g}] by {by}, p = {self.p_adjusted:.2g}: {verdict}"

    def __repr__(self) -> str:
        return f"Difference({self})"

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval of this difference alone lies on one side of zero."""
        return self.ends is not None and (self.ends[0] > 0 or self.ends[1] < 0)

    @classmethod
    def lacking(cls) -> dict[str, Any]:
        """Return the fields that have no value without an interval."""
        return super().lacking() | {"p": None, "p_adjusted": None, "told_apart": False, "better": None}

    def swapped(self) -> Difference:
        """Return ``second - first``.

        Example:
            >>> found = Difference(first="a", second="b", metric="log_loss", over="seeds", mean=1.0, low=-1.0,
            ...                    high=3.0, n=5, told_apart=False, by_seeds=(-1.0, 3.0))
            >>> found.swapped().by_seeds
            (-3.0, 1.0)
        """
        low, high = _turned(self.ends) or (None, None)
        return self.model_copy(
            update={
                "first": self.second,
                "second": self.first,
                "mean": -self.mean,
                "low": low,
                "high": high,
                "by_seeds": _turned(self.by_seeds),
                "by_rows": _turned(self.by_rows),
            }
        )


def _turned(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if ends is None else (-ends[1], -ends[0])


class Standing(Frozen):
    """How often one optimizer was told apart from the others, corrected for all pairs.

    Attributes:
        wins, losses: the others that it is better, or worse, than.
        ties: the others that it was not told apart from (which does not make them equal).
        above, below: the baselines that it is better, or worse, than.
    """

    name: str
    metric: str
    wins: int
    ties: int
    losses: int
    above: list[str] = Field(default_factory=list)
    below: list[str] = Field(default_factory=list)


class Effect(Frozen):
    """How much one decision was worth, in units of the metric; larger is more.

    Attributes:
        detected: whether it is a detectable difference; None where it is no difference between two, and in folders of
            earlier versions.
    """

    name: str
    size: float
    text: str
    detected: bool | None = None


class Band(Frozen):
    """A curve over seeds of one optimizer: mean, lowest and highest value by step, epoch, seconds and gradients."""

    name: str
    metric: str
    step: list[int]
    epoch: list[float]
    seconds: list[float]
    gradients: list[float] = Field(default_factory=list)
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
        positive: label of the positive class; empty where there are not two classes.
        metrics: every metric shown, the deciding one first.
        winner: name of the best optimizer's row (by validation).
        recommended: name of the row whose model is recommended for use: the winner's, or that of a baseline that is
            ahead of it by a detectable difference on the deciding metric; empty where no model was saved, and in
            folders of earlier versions.
        rows: all rows, best first within each kind.
        differences: the winner against every other optimizer and against each baseline.
        pairs: every pair of optimizers on the deciding metric, and every optimizer against each baseline.
        standings: wins, ties and losses of each optimizer on the deciding metric, best first.
        effects: what mattered.
        curves: validation metric during the final runs.
        rates: the tuning of each optimizer.
        classes: per-class lines of the winner; empty for regression.
        confusion: counts [true][predicted] in the order of ``classes``.
        trust: the facts of the trust strip: n, trials, test rows, smallest detectable difference.
        warnings: what to be careful with.
        data, preparation, recipe, environment: listings for the end of the report.
        use: command and Python to copy, with the model's path, as (label, code).
        phases: seconds by kind of work over the whole experiment.
        results_on, curves_on: the rows that results and curves are of, in words.
        selection: how weights and winner were chosen, where results are shown.
        runs: the runs that take part, as ``recipe-seed``; empty where all in the folder do.
    """

    title: str
    sentence: str
    remarks: list[str] = Field(default_factory=list)
    task: Literal["classification", "regression"] = "classification"
    target: str = ""
    metric: str
    positive: str = ""
    metrics: list[Metric]
    winner: str
    recommended: str = ""
    rows: list[Row]
    differences: list[Difference] = Field(default_factory=list)
    pairs: list[Difference] = Field(default_factory=list)
    standings: list[Standing] = Field(default_factory=list)
    effects: list[Effect] = Field(default_factory=list)
    curves: list[Band] = Field(default_factory=list)
    rates: list[RateCurve] = Field(default_factory=list)
    classes: list[ClassLine] = Field(default_factory=list)
    confusion: list[list[int]] = Field(default_factory=list)
    trust: list[Fact] = Field(default_factory=list)
    runs: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    data: list[Fact] = Field(default_factory=list)
    preparation: list[Fact] = Field(default_factory=list)
    recipe: list[Fact] = Field(default_factory=list)
    environment: list[Fact] = Field(default_factory=list)
    use: list[Fact] = Field(default_factory=list)
    phases: dict[str, float] = Field(default_factory=dict)
    results_on: str = "the test rows"
    curves_on: str = "the validation rows"
    selection: str = (
        "Every run keeps the weights with its best validation result. The winner is chosen on the validation rows; the "
        "test rows are read once."
    )

    @property
    def saved_model(self) -> str:
        """Where in the experiment's folder the recommended model is: ``model`` for the network."""
        baselines = {row.name: row.model or "" for row in self.rows if row.kind == "baseline"}
        return saved_model(self.recommended, self.winner, baselines)
