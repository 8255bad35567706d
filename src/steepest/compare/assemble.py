"""From the runs to the comparison: rows, differences, effects, curves and what may be said about them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from steepest.compare.estimates import Estimate
from steepest.compare.evidence import Evidence, estimate_of, mean_of, tuning_runs_of
from steepest.compare.folds import corrected_t
from steepest.compare.intervals import t_interval
from steepest.compare.ranges import within
from steepest.compare.result import (
    AS_COMPARED,
    NOT_TUNED,
    Band,
    Kind,
    Metric,
    RateCurve,
    RateEstimate,
    RateStage,
    Reported,
    Row,
)
from steepest.compare.searched import plain_values
from steepest.compare.watching import ArmWatched, Spread, Watching, calibrated_arm, watched_arm
from steepest.data.dataset import Dataset
from steepest.evaluate.metrics import metric_info
from steepest.objectives.target import target_of
from steepest.recipe import SUBJECTS, Timings
from steepest.record.arms import ArmEntry
from steepest.record.schema import BaselineRecord, Record
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import whole_spec
from steepest.sweep.plan import defaults, finals, sweeps, tuning
from steepest.sweep.planned import PlannedRun

GOOD_RANGE = 0.01
"""A rate is good if its validation metric is within this fraction of the best."""

OUT_OF_TIME = "out of time"
"""The flag of a row most of whose runs ended because their seconds of training were used up."""
EDGE = "best rate at the edge of the grid"
"""The flag of a row whose grid may end before its best rate."""


def shown_metrics(names: Sequence[str]) -> list[Metric]:
    """Return how each metric is shown."""
    infos = [metric_info(name) for name in names]
    return [
        Metric(name=i.name, title=i.title, higher_is_better=i.higher_is_better, percent=i.percent)
        for i in infos
    ]


def arm_row(evidence: Evidence, arm: PlannedArm, kind: Kind, times: Timings) -> Row:
    """Return the row of an arm: tuned (``arm``), at its library ``default``, or with a ``constant`` rate.

    ``times`` are those that were measured for its cell.
    """
    setup = evidence.setup
    records = {
        "arm": lambda: evidence.final(arm),
        "default": lambda: evidence.default(arm),
        "constant": evidence.constant,
    }[kind]()
    stopped = sum(record.outcome == "stopped early" for record in records)
    curve = rate_curve(evidence, arm) if kind == "arm" and arm.tuned else None
    flags = [
        text
        for text, told in (
            ("still improving", [r.still_improving for r in records]),
            ("overfitting", [r.overfitting for r in records]),
            (OUT_OF_TIME, [r.out_of_time for r in records]),
        )
        if sum(told) * 2 > len(told)
    ]
    if curve and _at_edge(curve):
        flags.append(EDGE)
    if not arm.tuned and kind == "arm":
        flags.append(AS_COMPARED if setup.refit else NOT_TUNED)
    if stopped:
        flags.append(f"stopped early {stopped} of {len(records)}")
    default = arm.rule.with_lr(arm.rule.default_rate)
    rule = default if kind == "default" else evidence.chosen[arm.id]
    stages = [*(evidence.final(stage) for stage in arm.chain[:-1]), records]
    memory = [each.peak_memory for some in stages for each in some if each.peak_memory is not None]
    failed = Counter(record.outcome for record in records if record.failed)
    errors = Counter(record.reason for record in records if record.outcome == "failed")

    def a_run(cost: Callable[[Record], float | None]) -> float | None:
        return _known(sum(_mean([_or_nan(cost(each)) for each in some]) for some in stages))

    return Row(
        kind=kind,
        name=arm.title,
        lr=records[0].lr,
        tuned=arm.tuned if kind == "arm" else False,
        seeds=len(records) // setup.folds,
        outcome=", ".join(f"{how} {count} of {len(records)}" for how, count in failed.items()) or "finished",
        reason=next((reason for reason, _ in errors.most_common(1)), ""),
        metrics={
            name: evidence.estimate([r.test.get(name, math.nan) for r in records], name)
            for name in evidence.metrics
        },
        last={
            name: evidence.estimate([r.test_last.get(name, math.nan) for r in records], name)
            for name in evidence.metrics
        },
        values={name: [r.test.get(name, math.nan) for r in records] for name in evidence.metrics},
        train_seconds=sum(_mean([each.clocks.train for each in some if not each.shared]) for some in stages),
        cpu_seconds=a_run(lambda each: each.cpu_seconds),
        peak_memory=max(memory, default=None),
        gradients=a_run(lambda each: each.gradients),
        products=a_run(lambda each: each.products),
        forwards=a_run(lambda each: each.forwards),
        tokens_a_second=_known(
            _mean(
                [
                    each.tokens / each.clocks.train
                    for each in records
                    if not each.shared and each.tokens and each.clocks.train > 0
                ]
            )
        ),
        gradients_a_product=times.gradients_a_product.get(arm.method.name),
        gradients_a_forward=times.gradients_a_forward.get(arm.method.name),
        settings=", ".join([*_settings(evidence, arm), whole_spec(rule), _schedule(arm, kind)]),
        trials=tuning_runs_of(evidence, arm),
        good_range=_good_range(curve, metric_info(evidence.metric).higher_is_better) if curve else None,
        flags=flags,
        chosen_by=evidence.on_validation(records),
    )


def _settings(evidence: Evidence, arm: PlannedArm) -> list[str]:
    """Return what an arm has besides its optimizer and schedule, as far as some arms differ in it."""
    differing = [name for name in evidence.setup.differing if name not in ("optimizer", "schedule")]
    return [_setting(name, arm) for name in differing]


def _setting(factor: str, arm: PlannedArm) -> str:
    """Return one setting in words; a model with all its options."""
    if factor == "model":
        return arm.factors["model"]
    level = arm.levels[factor]
    return f"{SUBJECTS[factor][0]} {level}" if factor in ("precision", "prepare", "procedure") else level


def _schedule(arm: PlannedArm, kind: Kind) -> str:
    return f"{arm.recipe.schedule} schedule" if kind != "constant" else "no schedule"


def arm_entries(evidence: Evidence) -> list[ArmEntry]:
    """Return the arms with their factors and runs."""
    setup = evidence.setup
    found: list[ArmEntry] = []
    for arm in setup.arms:
        tuned = tuning(setup, arm, evidence.history)
        reported = finals(setup, arm, evidence.chosen)
        runs = [
            *tuned.runs,
            *sweeps(setup, arm, tuned, evidence.chosen),
            *reported,
            *defaults(setup, arm),
        ]
        found.append(
            ArmEntry(
                id=arm.id,
                title=arm.title,
                label=arm.label,
                name=arm.name,
                control=arm.control,
                factors=dict(arm.factors),
                levels=dict(arm.levels),
                runs=list(dict.fromkeys(f"{run.key.recipe}-{run.key.seed}" for run in runs)),
                reported=[f"{run.key.recipe}-{run.key.seed}" for run in reported],
            )
        )
    return found


def baseline_row(evidence: Evidence, baseline: BaselineRecord) -> Row:
    """Return the row of a baseline."""
    values = {name: baseline.test.get(name, math.nan) for name in evidence.metrics}
    return Row(
        kind="baseline",
        name=baseline.title,
        seeds=1,
        outcome=baseline.outcome,
        metrics={name: Estimate(mean=value, n=1) for name, value in values.items()},
        values={name: [value] for name, value in values.items()},
        train_seconds=baseline.seconds,
        cpu_seconds=baseline.cpu_seconds,
        peak_memory=baseline.peak_memory,
        settings=baseline.settings,
        tuned=True,
        cut=baseline.cut,
        parameter_bytes=baseline.parameter_bytes,
        model=baseline.model if baseline.saved else "",
        chosen_by=evidence.on_validation([baseline]),
    )


def rate_curve(evidence: Evidence, arm: PlannedArm) -> RateCurve:
    """Return the tuning of one optimizer: every scanned rate and every rate at full length."""
    setup, metric = evidence.setup, evidence.metric

    def value(run: PlannedRun) -> float:
        record = evidence.history[run.key.recipe, run.key.seed]
        return math.nan if record.failed else record.best.get(metric, math.nan)

    def points(runs: Sequence[PlannedRun]) -> list[tuple[float, float]]:
        return [(float(run.rule.hyper.lr), value(run)) for run in runs]

    def at(runs: Sequence[PlannedRun]) -> list[dict[str, Any]]:
        return [beside for run in runs if (beside := plain_values(arm.method.beside_rate(run.rule)))]

    def by_rate(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        return sorted(runs, key=lambda run: float(run.rule.hyper.lr))

    found, chosen = tuning(setup, arm, evidence.history), evidence.chosen[arm.id]
    scan, full = (by_rate(runs) for runs in (found.scan, found.full))
    stages: dict[float, list[PlannedRun]] = {}
    for run in (run for trial in found.trials for run in trial.runs):
        if found.scan[0].length < run.length < 1.0:
            stages.setdefault(run.length, []).append(run)
    swept: dict[float, list[float]] = {}
    for run in sweeps(setup, arm, found, evidence.chosen):
        swept.setdefault(float(run.rule.hyper.lr), []).append(value(run))
    return RateCurve(
        name=arm.title,
        metric=metric,
        scan=points(scan),
        full=points(full),
        chosen=float(chosen.hyper.lr),
        default=arm.rule.default_rate,
        scan_at=at(scan),
        full_at=at(full),
        chosen_at=plain_values(arm.method.beside_rate(chosen)),
        whole=found.scan[0].length == 1.0,
        length=found.scan[0].length,
        between=[
            RateStage(length=length, points=points(runs), at=at(runs))
            for length, runs in sorted((length, by_rate(runs)) for length, runs in stages.items())
        ],
        sweep=[
            RateEstimate(**estimate_of(values, metric).model_dump(), lr=rate, values=values)
            for rate, values in sorted(swept.items())
        ],
    )


def band(evidence: Evidence, arm: PlannedArm) -> Band:
    """Return the validation curve of one optimizer over its seeds."""
    records = [record for record in evidence.final(arm) if not record.failed] or evidence.final(arm)
    length = min(len(record.curve) for record in records)
    values = np.array(
        [[p.validation.get(evidence.metric, math.nan) for p in r.curve[:length]] for r in records]
    )
    timed = [record for record in records if not record.shared] or records
    seconds = np.array([[p.seconds for p in r.curve[:length]] for r in timed])

    def mean(what: str) -> list[float]:
        """Where runs end by their gradients, seeds differ in their steps."""
        columns = zip(*([float(getattr(p, what)) for p in r.curve[:length]] for r in records), strict=True)
        return [each[0] if len(set(each)) == 1 else sum(each) / len(each) for each in columns]

    return Band(
        name=arm.title,
        metric=evidence.metric,
        step=[round(each) for each in mean("step")],
        epoch=mean("epoch"),
        gradients=mean("gradients"),
        seconds=seconds.mean(0).tolist(),
        mean=values.mean(0).tolist(),
        low=values.min(0).tolist(),
        high=values.max(0).tolist(),
        reported=[_reported(record, evidence.metric) for record in records if not record.failed],
        cut=any(len(record.curve) > length for record in records),
    )


def _reported(record: Record, metric: str) -> Reported:
    """Return where the weights of a run are from that are reported."""
    at = next(each for each in record.curve if each.step == record.best_step)
    return Reported(
        step=at.step,
        epoch=at.epoch,
        seconds=at.seconds,
        gradients=at.gradients,
        value=at.validation.get(metric, math.nan),
    )


def watching(evidence: Evidence, asked: Sequence[str], dataset: Dataset) -> Watching:
    """Return what was watched of the reported runs, and why the rest was not.

    Args:
        evidence: the runs.
        asked: what was to be watched.
        dataset: says what is predicted.
    """
    higher = metric_info(evidence.metric).higher_is_better
    runs = {arm.title: evidence.final(arm) for arm in evidence.setup.arms}
    arms = [
        watched_arm(name, each, evidence.metric, higher, _spread(evidence)) for name, each in runs.items()
    ]
    calibrated = [calibrated_arm(name, each, _spread(evidence)) for name, each in runs.items()]
    known = [each for each in arms if each is not None]
    absent: list[str] = []
    if not asked and not known:
        absent.append(
            "The gap, norms and gradients were not watched: --watch all records them at every evaluation."
        )
    lacking = [name for name, each in zip(runs, arms, strict=True) if each is None]
    if lacking and (asked or known):
        absent.append(f"Not watched when their runs were made, or no run finished: {', '.join(lacking)}.")
    absent += [line for each in known for line in _partly(each)]
    absent += [f"{name}: no gradient norms ({why})." for name, why in _reasons(runs, "no_gradient").items()]
    absent += [f"{name}: no sharpness ({why})." for name, why in _reasons(runs, "no_sharpness").items()]
    absent += [
        f"{name}: its sharpness has no threshold: {why}."
        for name, why in _reasons(runs, "no_threshold").items()
    ]
    if not any(calibrated):
        why = f"{dataset.target} has no classes, so there are no probabilities"
        if target_of(dataset).condensed:
            why = f"of {target_of(dataset).called} only the probability of the true one is kept"
        if dataset.shape.classes:
            why = "the runs were made by an earlier version" if evidence.held_out else "nothing was held out"
        absent.append(f"Calibration is not measured: {why}.")
    return Watching(arms=known, calibrated=[each for each in calibrated if each is not None], absent=absent)


def _partly(arm: ArmWatched) -> list[str]:
    """Return what was watched in a part of an arm's runs only, and whether its curves end before its longest run."""
    said = [
        f"{arm.name}: {', '.join(names)} of {n} of {arm.finished} runs; the others were made without watching it."
        for n, names in itertools.groupby(arm.partly, key=lambda key: arm.partly[key])
    ]
    if arm.cut:
        said.append(
            f"{arm.name}: the curves end where the first of its runs stopped, at epoch {arm.epoch[-1]:.3g}."
        )
    return said


def _reasons(runs: Mapping[str, Sequence[Record]], of: str) -> dict[str, str]:
    """Return why something could not be watched, by arm."""
    found: dict[str, str] = {
        name: next((getattr(r.watched, of) for r in each if r.watched and getattr(r.watched, of)), "")
        for name, each in runs.items()
    }
    return {name: why for name, why in found.items() if why}


def _spread(evidence: Evidence) -> Spread:
    """Return what makes an estimate of a value of every run."""
    runs = evidence.setup.folds * len(evidence.setup.seeds)

    def spread(values: Sequence[float], of: str) -> Estimate:
        if evidence.setup.folds > 1 and len(values) == runs and all(map(math.isfinite, values)):
            means = [mean_of(each) for each in evidence.in_sets(values)]
            found = corrected_t(means, evidence.test_share)
            made = Estimate(mean=found.mean, low=found.low, high=found.high, n=len(means))
        else:
            made = Estimate(**t_interval(values)._asdict(), n=sum(map(math.isfinite, values)))
        if of in ("size", "free"):
            least = 0.0 if of == "size" else -math.inf
            return made if made.ends is None else made.model_copy(update={"low": max(made.ends[0], least)})
        return within(made, of)

    return spread


def _mean(values: Sequence[float]) -> float:
    """Return the mean; NaN of nothing."""
    return sum(values) / len(values) if values else math.nan


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _at_edge(curve: RateCurve) -> bool:
    rates = sorted(rate for rate, _ in curve.scan) if not curve.scan_at else []
    return len(rates) > 1 and curve.chosen in (rates[0], rates[-1])


def _good_range(curve: RateCurve, higher_is_better: bool) -> float | None:
    points = [(rate, value) for rate, value in curve.scan if math.isfinite(value)]
    if not points or curve.scan_at:
        return None
    best = (max if higher_is_better else min)(value for _, value in points)
    good = [rate for rate, value in points if abs(value - best) <= GOOD_RANGE * abs(best)]
    return max(good) / min(good)
