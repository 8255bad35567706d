"""The result of a comparison as pure data: everything that the table, the CSV and the report show.

It is stored as ``results.json``; figures are drawn from it and from nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, cast

from pydantic import Field, JsonValue, model_validator

from steepest.compare.effects import Factorial
from steepest.compare.estimates import Difference, Estimate
from steepest.compare.fits import Fits, Optimum
from steepest.compare.moved import ArmPath
from steepest.compare.rated import RatedComparison
from steepest.compare.reaching import Reached
from steepest.compare.search import ArmSearch
from steepest.compare.sizes import NetworkSize
from steepest.compare.studied import Studied
from steepest.compare.watching import Watching
from steepest.compare.written import WrittenTexts
from steepest.data.dataset import Task
from steepest.record.arms import ArmEntry
from steepest.record.schema import Frozen
from steepest.record.store import saved_model

MOST = 1e100
"""A value beyond this is as good as infinite: it is neither ranked nor drawn."""

SELECTION = (
    "Every run keeps the weights with its best validation result. The winner is chosen on the validation rows; the "
    "test rows are read once."
)
"""How weights and the winner are chosen."""

INPUTS = "predicted from"
"""The label of the fact of what the target is predicted from."""

Kind = Literal["arm", "default", "constant", "baseline"]


class Row(Frozen):
    """One arm (tuned), one optimizer at its library default, or one baseline, on the test rows.

    Attributes:
        kind: ``arm``, ``default`` (library default rate), ``constant`` (the winner without a schedule) or
            ``baseline``.
        name: how it is called, unique within its kind.
        lr: the learning rate, or None for a baseline.
        tuned: whether the rate was tuned (a rate given by the user is not).
        seeds: number of runs.
        outcome: ``finished``, ``diverged 2 of 5``, …
        reason: the error that ended most of the runs that failed.
        metrics: test metrics with the best-validation weights, over seeds.
        last: the same with the last weights.
        values: the metrics of each seed, in the order of the seeds (NaN for a diverged run).
        train_seconds: mean seconds of training of those runs that were made while no other was; NaN where none was.
        cpu_seconds: mean processor time of one run, evaluation included; None where it was not measured.
        peak_memory: the most memory that one of its runs had in use at once, in bytes; None as above.
        gradients: mean gradient evaluations of one run, in which a product counts 2 and a forward pass without a
            gradient ⅓; None for a baseline and in folders of earlier versions.
        products: mean products of a curvature matrix with a vector; None as above.
        forwards: mean forward passes without a gradient; None as above.
        tokens_a_second: of a text, the mean scored tokens for a second of training, of the runs that were made while no
            other was; None where none was, of other data, and in folders of earlier versions.
        gradients_a_product: the seconds of a product as a multiple of a gradient's, measured in this comparison; None
            where the method makes none, and as above.
        gradients_a_forward: the same of a forward pass.
        settings: what it is, in words: hyperparameters, or what a baseline chose.
        trials: how many runs tuned it.
        good_range: factor between the smallest and the largest scanned rate within 1 % of the best.
        flags: ``still improving``, ``overfitting``, ``edge of the grid``, …
        model: of a baseline, where its model is in the folder; empty in folders of earlier versions.
        cut: of a baseline, how much of its tuning was made, where its work limit left some out; else empty.
        parameter_bytes: of a baseline that is a network, what its parameters take; else None.
        chosen_by: the deciding metric on the validation rows, of an arm the mean of the runs that finished; None where
            there are no such rows or no such run, and in folders of earlier versions.
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
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    gradients: float | None = None
    products: float | None = None
    forwards: float | None = None
    tokens_a_second: float | None = None
    gradients_a_product: float | None = None
    gradients_a_forward: float | None = None
    settings: str = ""
    trials: int = 0
    good_range: float | None = None
    flags: list[str] = Field(default_factory=list)
    model: str = ""
    cut: str = ""
    parameter_bytes: int | None = None
    chosen_by: float | None = None

    @property
    def untuned(self) -> str:
        """What is said of a rate that was not tuned here; nothing of one that was."""
        return "" if self.tuned else AS_COMPARED if AS_COMPARED in self.flags else NOT_TUNED

    @model_validator(mode="before")
    @classmethod
    def _earlier_kind(cls, given: Any) -> Any:
        """Read what folders of earlier formats call an optimizer."""
        if isinstance(given, dict) and cast("dict[str, Any]", given).get("kind") == "optimizer":
            return {**cast("dict[str, Any]", given), "kind": "arm"}
        return given


class Standing(Frozen):
    """How often one optimizer was told apart from the others, corrected for all pairs.

    Attributes:
        wins, losses: the others that it is better, or worse, than.
        ties: the others that it was not told apart from (which does not make them equal).
        untested: the others from which its difference has no interval: too few runs or test rows.
        above, below: the baselines that it is better, or worse, than.
    """

    name: str
    metric: str
    wins: int
    ties: int
    losses: int
    untested: int = 0
    above: list[str] = Field(default_factory=list)
    below: list[str] = Field(default_factory=list)


SPREADS = ("seed", "seed and test set")
"""The effects that are no difference between two decisions."""


NOT_TUNED, AS_COMPARED = "not tuned", "as in the comparison"
"""What is said of an arm whose rate was not tuned here; the second where it was chosen by an earlier comparison."""
TOO_SHORT = "the runs are too short"
"""Why nothing is said of what was compared, whatever its difference is."""


class Effect(Frozen):
    """How much one decision was worth, in units of the metric; larger is better, below zero the other is better.

    Attributes:
        detected: whether it is a detectable difference; None where it is no difference between two, where there are too
            few runs or test rows for an interval, and in folders of earlier versions.
        reason: why that cannot be established; empty where it can, and in folders of earlier versions.
    """

    name: str
    size: float
    text: str
    detected: bool | None = None
    reason: str = ""

    @classmethod
    def of(cls, name: str, size: float, text: str, found: Difference | None = None) -> Effect:
        """Return an effect with what is known of its difference, if it is one."""
        if found is None:
            return cls(name=name, size=size, text=text)
        reason = "" if found.ends is not None else found.reason or "no interval"
        return cls(name=name, size=size, text=text, detected=found.detected, reason=reason)


class Reported(Frozen):
    """The evaluation of one run whose weights are reported: where it is on the axes, and the metric there."""

    step: float
    epoch: float
    seconds: float
    gradients: float
    value: float


class Band(Frozen):
    """A curve over seeds of one optimizer: mean, lowest and highest value by step, epoch, seconds and gradients.

    ``reported`` are the evaluations whose weights its runs report, which are the best on validation where rows are held
    out; empty in folders of earlier versions. ``cut`` says whether the curve ends where the first of its runs stopped,
    before others.
    """

    name: str
    metric: str
    step: list[int]
    epoch: list[float]
    seconds: list[float]
    gradients: list[float] = Field(default_factory=list)
    mean: list[float]
    low: list[float]
    high: list[float]
    reported: list[Reported] = Field(default_factory=list)
    cut: bool = False


class RateEstimate(Estimate):
    """The validation metric at one learning rate, over the run seeds.

    Attributes:
        lr: the rate.
        values: the metric of each seed, NaN where the run failed.
    """

    lr: float
    values: list[float] = Field(default_factory=list)


class RateStage(Frozen):
    """The runs of a tuning that have one length between the shortest and the full one.

    Attributes:
        length: in full lengths.
        points: rate and metric of each (NaN where it diverged).
        at: the other values of each point, where more than the rate was tuned; otherwise empty.
    """

    length: float
    points: list[tuple[float, float]]
    at: list[dict[str, JsonValue]] = Field(default_factory=list)


class RateCurve(Frozen):
    """The tuning of one optimizer: validation metric by learning rate.

    Attributes:
        scan: rate and metric of the shortest run of each trial (NaN where it diverged).
        full: rate and metric at full length.
        chosen: the rate that was taken.
        default: the library's default rate.
        scan_at, full_at: the other values of each point, where more than the rate was tuned; otherwise empty.
        chosen_at: the other values that were taken.
        sweep: every rate with every seed at full length, where that was wanted.
        whole: whether the scan has the full length, so that ``full`` are the best of it.
        length: of the runs of the scan, in full lengths.
        between: the runs of lengths between these, ascending, of planners that have several stages.
    """

    name: str
    metric: str
    scan: list[tuple[float, float]]
    full: list[tuple[float, float]]
    chosen: float
    default: float | None = None
    scan_at: list[dict[str, JsonValue]] = Field(default_factory=list)
    full_at: list[dict[str, JsonValue]] = Field(default_factory=list)
    chosen_at: dict[str, JsonValue] = Field(default_factory=dict)
    sweep: list[RateEstimate] = Field(default_factory=list)
    whole: bool = False
    length: float = 0.25
    between: list[RateStage] = Field(default_factory=list)


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


class Picture(Frozen):
    """An image and what is said of it.

    Attributes:
        png: the image as a PNG file, in base64.
        name: its file, or its number in the data; of weights, the class.
        truth, predicted: labels; empty for weights.
        probability: of the predicted class.
        values: the pixel values, by row, where they are shown.
        again: what a network makes of the image, likewise; empty where it is not reconstructed.
        error: the metric that decides, of this image alone.
    """

    png: str
    name: str
    truth: str = ""
    predicted: str = ""
    probability: float = 0.0
    values: list[list[int]] = Field(default_factory=list)
    again: str = ""
    error: float = 0.0


class Pictures(Frozen):
    """What a comparison on images shows.

    Attributes:
        wrong, rows: how many test images the winner's saved network predicts wrongly, and of how many.
        wrongest: those with the largest log loss.
        again: test images beside their reconstructions, from the worst to the best.
        white: the pixel value that is shown as white.
        filters: the weights of each class, if the network is linear.
    """

    wrong: int
    rows: int
    white: int = 255
    wrongest: list[Picture] = Field(default_factory=list)
    again: list[Picture] = Field(default_factory=list)
    filters: list[Picture] = Field(default_factory=list)


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
            ahead of it by a detectable difference on the deciding metric or, where none is detectable, on validation;
            empty where no model was saved, and in folders of earlier versions.
        rows: all rows, best first within each kind.
        differences: the winner against every other optimizer and against each baseline.
        pairs: every pair of optimizers on the deciding metric, and every optimizer against each baseline.
        standings: wins, ties and losses of each optimizer on the deciding metric, best first.
        effects: what mattered.
        curves: validation metric during the final runs.
        rates: the tuning of each optimizer.
        classes: per-class lines of the winner; empty for regression.
        confusion: counts [true][predicted] in the order of ``classes``; sums of weights where rows have weights.
        weight: the column of the rows' weights; empty where all count the same.
        trust: the facts of the trust strip: n, tuning runs, test rows, smallest detectable difference.
        warnings: what to be careful with.
        data, preparation, recipe, environment: listings for the end of the report.
        new_rows: an example of a path of new rows, as ``use`` has it.
        scoring: how test rows are scored where that is a choice, such as ``window 128, stride 128``; else nothing.
        own_source: what opens the data, where that is the user's own.
        see: commands to copy that show why a run went as it did, as (label, command).
        use: command and Python to copy, with the model's path, as (label, code).
        phases: seconds by kind of work over the whole experiment.
        results_on, curves_on: the rows that results and curves are of, in words.
        optima: how far each arm's network is above the exact optimum of its training loss, where that is known.
        fits: the points of a curve, and the curves fitted to them.
        pictures: of images, what the winner gets wrong.
        rated: of ratings, measures by user and of rankings, and what is drawn of them.
        texts: of texts, what networks write before and after training, and measures on another text.
        paths: how the weights of every arm moved in one of its runs, where that kept its path.
        watching: the gap, norms, gradients and calibration; None in folders of earlier versions.
        held_out: whether there are test rows; else results are on the training rows.
        selection: how weights and winner were chosen, where results are shown.
        runs: the runs that take part, as ``recipe-seed``; empty where all in the folder do.
        arms: what was compared; empty in folders of earlier formats.
        factors: the factors in which the arms differ.
        factorial: main effects and interactions, where several factors vary in all combinations.
        test_sets: test sets of each arm, and how they came about: ``folds`` or ``repeats``.
        study: what the study found that the comparison was made for; None where it is no study's.
        sizes: how large the saved network of every arm is, where one of them is pruned.
        planner: how trials were drawn; empty in folders of earlier versions.
        searches: the trials of every arm that was tuned; empty in folders of earlier versions.
        reached: when the arms reached a target on validation; None of a single arm, and in folders of earlier versions.
        test_share: the share of the rows that one of several test sets has; 0 where there is one.
        experiment: the identity of what was asked for; empty in folders of earlier versions.
        outdated: a warning where something else was asked for since then; not stored.
    """

    title: str
    sentence: str
    remarks: list[str] = Field(default_factory=list)
    task: Task = "classification"
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
    confusion: list[list[int | float]] = Field(default_factory=list)
    weight: str = ""
    trust: list[Fact] = Field(default_factory=list)
    runs: list[str] = Field(default_factory=list)
    arms: list[ArmEntry] = Field(default_factory=list)
    factors: list[str] = Field(default_factory=lambda: ["optimizer"])
    factorial: Factorial | None = None
    test_sets: int = 1
    test_kind: Literal["folds", "repeats"] = "folds"
    test_share: float = 0.0
    warnings: list[str] = Field(default_factory=list)
    data: list[Fact] = Field(default_factory=list)
    preparation: list[Fact] = Field(default_factory=list)
    recipe: list[Fact] = Field(default_factory=list)
    environment: list[Fact] = Field(default_factory=list)
    new_rows: str = "new.csv"
    scoring: str = ""
    own_source: str = ""
    use: list[Fact] = Field(default_factory=list)
    phases: dict[str, float] = Field(default_factory=dict)
    held_out: bool = True
    optima: list[Optimum] = Field(default_factory=list)
    fits: Fits | None = None
    pictures: Pictures | None = None
    rated: RatedComparison | None = None
    texts: WrittenTexts | None = None
    study: Studied | None = None
    watching: Watching | None = None
    paths: list[ArmPath] = Field(default_factory=list)
    see: list[Fact] = Field(default_factory=list)
    sizes: list[NetworkSize] = Field(default_factory=list)
    planner: str = ""
    searches: list[ArmSearch] = Field(default_factory=list)
    reached: Reached | None = None
    results_on: str = "the test rows"
    curves_on: str = "the validation rows"
    selection: str = SELECTION
    experiment: str = ""
    outdated: str = Field(default="", exclude=True)

    @property
    def saved_model(self) -> str:
        """Where in the experiment's folder the recommended model is: ``model`` for the network."""
        baselines = {row.name: row.model or "" for row in self.rows if row.kind == "baseline"}
        return saved_model(self.recommended, self.winner, baselines)


def better_first(rows: Iterable[Row], metric: Metric) -> list[Row]:
    """Return the rows by the share of their runs that failed, then by the mean; those without a number last."""

    def place(row: Row) -> tuple[float, float]:
        value = row.metrics.get(metric.name)
        if value is None or not abs(value.mean) < MOST:
            return 1.0, 0.0
        return max(
            1.0 - value.n / max(row.seeds, 1), 0.0
        ), -value.mean if metric.higher_is_better else value.mean

    return sorted(rows, key=place)


def best_chosen(rows: Iterable[Row], metric: Metric) -> list[Row]:
    """Return the rows by their value on validation, as test rows choose nothing; those without one last, by mean."""
    sign = -1.0 if metric.higher_is_better else 1.0

    def place(row: Row) -> float:
        known = row.chosen_by is not None and abs(row.chosen_by) < MOST
        return sign * row.chosen_by if known and row.chosen_by is not None else math.inf

    return sorted(better_first(rows, metric), key=place)
