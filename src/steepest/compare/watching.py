"""What was watched of the reported runs, over their seeds: the gap, norms of weights and gradients, and calibration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pydantic import Field

from steepest.compare.estimates import Estimate
from steepest.record.schema import Frozen, Record, Reliability, ReliabilityBins, WatchedCurves


class WatchedCurve(Frozen):
    """A quantity at every evaluation: its mean over the runs, and the ends of its 95 % interval, NaN without one."""

    mean: list[float]
    low: list[float]
    high: list[float]


class ParameterNorms(Frozen):
    """The norms of one parameter at every evaluation, means over the runs.

    Attributes:
        size: how many numbers it has.
        l1, l2, gradient: empty where they were not watched.
    """

    name: str
    size: int
    l1: list[float] = Field(default_factory=list)
    l2: list[float] = Field(default_factory=list)
    gradient: list[float] = Field(default_factory=list)


class ArmWatched(Frozen):
    """What was watched of the runs of one arm.

    Attributes:
        step, epoch: of the evaluations.
        curves: the deciding metric on the ``training`` sample and on the ``validation`` rows, their ``gap`` (above 0
            where validation is worse), ``l1`` and ``l2`` norm of all weights, the 2-norm of the ``gradient``, the
            ``sharpness`` (the Hessian's largest eigenvalue), and ``edge``, the share that it, or that of the
            preconditioned Hessian, is of the largest that the optimizer bears.
        reported: the same quantities, and the ``epoch``, at the evaluation whose weights are reported.
        layers: by parameter.
        training_rows, gradient_rows: rows that the sample and the gradient are of.
        sharpness_rows: rows that the sharpness is of.
        threshold: how the largest bearable eigenvalue follows from the hyperparameters; empty where none applies.
        finished: how many runs finished; a quantity of fewer, as its estimate's ``n`` says, was not watched in all.
        cut: whether the curves end where the first run stopped, before others.
    """

    name: str
    step: list[float]
    epoch: list[float]
    curves: dict[str, WatchedCurve]
    reported: dict[str, Estimate]
    layers: list[ParameterNorms] = Field(default_factory=list)
    training_rows: int = 0
    gradient_rows: int = 0
    sharpness_rows: int = 0
    threshold: str = ""
    finished: int = 0
    cut: bool = False

    @property
    def partly(self) -> dict[str, int]:
        """How many runs a quantity is of, where these are not all that finished."""
        return {
            key: each.n for key, each in self.reported.items() if key != "epoch" and each.n < self.finished
        }


class ArmCalibrated(Frozen):
    """Calibration of the runs of one arm on the test rows.

    Attributes:
        temperature: over the runs that have one.
        before, after: ``ece``, ``ece_equal_mass``, ``of_chance``, ``log_loss`` and ``brier_score``; nothing after where
            no run has a temperature.
        bins_before, bins_after: the bins of equal width, rows of all runs together.
        mass_before, mass_after: those of equal mass.
        reason: why runs have no temperature, and how many of them, which are left out if others have one.
    """

    name: str
    temperature: Estimate | None = None
    before: dict[str, Estimate]
    after: dict[str, Estimate] = Field(default_factory=dict)
    bins_before: ReliabilityBins
    bins_after: ReliabilityBins | None = None
    mass_before: ReliabilityBins
    mass_after: ReliabilityBins | None = None
    reason: str = ""


class Watching(Frozen):
    """What was watched in a comparison.

    Attributes:
        arms: norms, gradients and the gap, as far as they were watched.
        calibrated: calibration, of classes.
        absent: what is not there, and why, a sentence each.
    """

    arms: list[ArmWatched] = Field(default_factory=list)
    calibrated: list[ArmCalibrated] = Field(default_factory=list)
    absent: list[str] = Field(default_factory=list)


Spread = Callable[[Sequence[float], str], Estimate]
"""The mean of a value of each run, with its interval, within the range of a metric; a ``size`` is at least 0, and
what is ``free`` may be anything."""

SIZES = ("l1", "l2", "gradient")
"""Quantities that are at least 0."""


def watched_arm(
    name: str, records: Sequence[Record], metric: str, higher: bool, spread: Spread
) -> ArmWatched | None:
    """Return what was watched of an arm's finished runs, None where nothing was.

    Args:
        name: of the arm.
        records: its runs.
        metric: the deciding metric.
        higher: whether higher is better.
        spread: the estimate of values of runs.
    """
    finished = [each for each in records if not each.failed]
    runs = [(each, each.watched) for each in finished if each.watched is not None]
    if not runs:
        return None
    lengths = [len(record.curve) for record, _ in runs]
    length = min(lengths)
    compares = any(watched.training for _, watched in runs)
    columns: dict[str, list[list[float]]] = {}
    epochs: list[float] = []
    reported: dict[str, list[float]] = {}
    for record, watched in runs:
        values = {key: each for key, each in _values(record, watched, metric, higher).items() if each}
        if compares and not watched.training:
            del values["validation"]  # it stands beside the training sample's: of the same runs
        place = next(i for i, point in enumerate(record.curve) if point.step == record.best_step)
        epochs.append(record.curve[place].epoch)
        for key, each in values.items():
            columns.setdefault(key, []).append(each[:length])
            reported.setdefault(key, []).append(each[place])
    ranges = {**dict.fromkeys(("gap", "sharpness", "edge"), "free"), **dict.fromkeys(SIZES, "size")}
    curves = {key: _curve(each, spread, ranges.get(key, metric)) for key, each in columns.items()}
    return ArmWatched(
        name=name,
        step=_mean([[float(p.step) for p in record.curve[:length]] for record, _ in runs]),
        epoch=_mean([[p.epoch for p in record.curve[:length]] for record, _ in runs]),
        curves=curves,
        reported={
            "epoch": spread(epochs, "size"),
            **{key: spread(each, ranges.get(key, metric)) for key, each in reported.items()},
        },
        layers=_layers([watched for _, watched in runs], length),
        training_rows=max(watched.training_rows for _, watched in runs),
        gradient_rows=max(watched.gradient_rows for _, watched in runs),
        sharpness_rows=max(watched.sharpness_rows for _, watched in runs),
        threshold=next((watched.threshold_formula for _, watched in runs if watched.threshold_formula), ""),
        finished=len(finished),
        cut=length < max(lengths),
    )


def _layers(runs: Sequence[WatchedCurves], length: int) -> list[ParameterNorms]:
    """Return the norms by parameter, each over the runs in which they were watched; none if the parameters differ."""
    known = [each for each in runs if each.parameters]
    if len({tuple(each.parameters) for each in known}) != 1:
        return []
    of = {key: [each for each in known if getattr(each, key)] for key in ("l1", "l2", "gradient")}
    return [
        ParameterNorms(
            name=parameter,
            size=size,
            **{
                key: _mean([[row[i] for row in getattr(each, key)[:length]] for each in those])
                for key, those in of.items()
                if those
            },
        )
        for i, (parameter, size) in enumerate(zip(known[0].parameters, known[0].sizes, strict=True))
    ]


def calibrated_arm(name: str, records: Sequence[Record], spread: Spread) -> ArmCalibrated | None:
    """Return the calibration of an arm's runs, None where there is none.

    What is before and after is of the same runs: of those that have a temperature, or of all where none has one.
    """
    known = [each.calibration for each in records if each.calibration is not None]
    if not known:
        return None
    scaled = [(each, each.after) for each in known if each.after is not None]
    found = [each for each, _ in scaled] or known
    before, after = [each.before for each in found], [each for _, each in scaled]
    temperatures = [each.temperature for each in found if each.temperature is not None]
    reason = next((each.reason for each in known if each.reason), "")
    lacking = (
        f"{len(known) - len(scaled)} of {len(known)} runs, left out here, without a temperature: {reason}"
    )
    return ArmCalibrated(
        name=name,
        temperature=spread(temperatures, "size") if temperatures else None,
        before=_estimates(before, spread),
        after=_estimates(after, spread) if after else {},
        bins_before=pooled([each.width for each in before]),
        bins_after=pooled([each.width for each in after]) if after else None,
        mass_before=pooled([each.mass for each in before]),
        mass_after=pooled([each.mass for each in after]) if after else None,
        reason=lacking if reason and scaled else reason,
    )


def pooled(bins: Sequence[ReliabilityBins]) -> ReliabilityBins:
    """Return the bins of several runs as those of all their rows together.

    Example:
        >>> one = ReliabilityBins(rows=[1.0, 0.0], confidence=[0.25, math.nan], accuracy=[1.0, math.nan])
        >>> two = ReliabilityBins(rows=[3.0, 0.0], confidence=[0.25, math.nan], accuracy=[0.0, math.nan])
        >>> found = pooled([one, two])
        >>> found.rows, found.accuracy[0]
        ([4.0, 0.0], 0.25)
    """

    def total(values: Sequence[float], rows: Sequence[float]) -> float:
        whole = sum(rows)
        return sum(v * n for v, n in zip(values, rows, strict=True) if n) / whole if whole else math.nan

    rows = list(zip(*(each.rows for each in bins), strict=True))
    return ReliabilityBins(
        rows=[sum(each) for each in rows],
        confidence=[
            total(v, n) for v, n in zip(zip(*(b.confidence for b in bins), strict=True), rows, strict=True)
        ],
        accuracy=[
            total(v, n) for v, n in zip(zip(*(b.accuracy for b in bins), strict=True), rows, strict=True)
        ],
    )


def _values(record: Record, watched: WatchedCurves, metric: str, higher: bool) -> dict[str, list[float]]:
    """Return each quantity of a run at its evaluations; empty where it was not watched."""
    validation = [each.validation.get(metric, math.nan) for each in record.curve]
    training = [each.get(metric, math.nan) for each in watched.training]
    sign = -1.0 if higher else 1.0
    return {
        "training": training,
        "validation": validation,
        "gap": [sign * (v - t) for v, t in zip(validation, training, strict=False)],
        "l1": [sum(each) for each in watched.l1],
        "l2": [math.hypot(*each) for each in watched.l2],
        "gradient": [math.hypot(*(one for one in each if not math.isnan(one))) for each in watched.gradient],
        "sharpness": watched.sharpness,
        "edge": [
            value / most
            for value, most in zip(
                watched.preconditioned or watched.sharpness, watched.threshold, strict=False
            )
        ],
    }


def _curve(runs: Sequence[Sequence[float]], spread: Spread, within: str) -> WatchedCurve:
    found = [spread(each, within) for each in zip(*runs, strict=True)]
    ends = [each.ends or (math.nan, math.nan) for each in found]
    return WatchedCurve(
        mean=[each.mean for each in found], low=[each[0] for each in ends], high=[each[1] for each in ends]
    )


def _mean(runs: Sequence[Sequence[float]]) -> list[float]:
    return [sum(each) / len(each) for each in zip(*runs, strict=True)]


def _estimates(some: Sequence[Reliability], spread: Spread) -> dict[str, Estimate]:
    names = {"ece": "ece", "ece_equal_mass": "ece", "of_chance": "ece"}
    names |= {"log_loss": "log_loss", "brier_score": "brier_score"}
    return {name: spread([getattr(each, name) for each in some], of) for name, of in names.items()}
