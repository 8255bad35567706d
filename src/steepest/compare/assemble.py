"""From the runs to the comparison: rows, differences, effects, curves and what may be said about them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from steepest.compare.differences import difference, differences
from steepest.compare.estimates import Difference, Estimate
from steepest.compare.intervals import paired_t, t_interval
from steepest.compare.result import Band, Effect, Fact, Metric, RateCurve, RateEstimate, Row
from steepest.compare.scores import scores
from steepest.evaluate.metrics import MetricInfo, metric_info
from steepest.optim.spec import MethodSpec
from steepest.record.schema import BaselineRecord, Record
from steepest.sweep.contestants import Contestant, default_rate, whole_spec
from steepest.sweep.plan import (
    History,
    PlannedRun,
    Setup,
    constants,
    defaults,
    finals,
    sweeps,
    tuning,
    winner,
)

GOOD_RANGE = 0.01
"""A rate is good if its validation metric is within this fraction of the best."""


@dataclass(frozen=True)
class Evidence:
    """Everything that was measured, by optimizer and by baseline.

    Attributes:
        setup: the comparison's setup.
        history: finished runs.
        chosen: the tuned rule of each optimizer.
        baselines: what the baselines got.
        metrics: names of the test metrics, the deciding one first.
    """

    setup: Setup
    history: History
    chosen: Mapping[str, MethodSpec[Any]]
    baselines: Sequence[BaselineRecord]
    metrics: tuple[str, ...]

    @property
    def metric(self) -> str:
        """The deciding metric."""
        return self.setup.recipe.metric

    @property
    def winner(self) -> Contestant:
        """The optimizer with the fewest failed seeds and, of several, the best mean validation value."""
        return winner(self.setup, self.chosen, self.history)

    def final(self, who: Contestant) -> list[Record]:
        """The records of the tuned optimizer, one for each seed."""
        return self.of(finals(self.setup, who, self.chosen[who.name]))

    def default(self, who: Contestant) -> list[Record]:
        """The records at the library's default rate, one for each seed."""
        return self.of(defaults(self.setup, who))

    def constant(self) -> list[Record]:
        """The winner's records without a schedule."""
        who = self.winner
        return self.of(constants(self.setup, who, self.chosen[who.name]))

    def of(self, runs: Sequence[PlannedRun]) -> list[Record]:
        """The records of runs, in their order."""
        return [self.history[run.key.recipe, run.key.seed] for run in runs]

    def value(self, record: Record) -> float:
        """The deciding test metric of a run; NaN if it diverged."""
        return record.test.get(self.metric, math.nan)


def shown_metrics(names: Sequence[str]) -> list[Metric]:
    """Return how each metric is shown."""
    infos = [metric_info(name) for name in names]
    return [
        Metric(name=i.name, title=i.title, higher_is_better=i.higher_is_better, percent=i.percent)
        for i in infos
    ]


def optimizer_row(evidence: Evidence, who: Contestant, kind: str) -> Row:
    """Return the row of one optimizer: tuned (``optimizer``), at its ``default``, or ``constant``."""
    setup = evidence.setup
    records = {
        "optimizer": lambda: evidence.final(who),
        "default": lambda: evidence.default(who),
        "constant": evidence.constant,
    }[kind]()
    curve = rate_curve(evidence, who) if kind == "optimizer" and who.tuned else None
    flags = [
        text
        for text, told in (
            ("still improving", [r.still_improving for r in records]),
            ("overfitting", [r.overfitting for r in records]),
        )
        if sum(told) * 2 > len(told)
    ]
    if curve and _at_edge(curve):
        flags.append("best rate at the edge of the grid")
    if not who.tuned and kind == "optimizer":
        flags.append("not tuned")
    default = who.rule.with_lr(default_rate(who.rule))
    rule = default if kind == "default" else evidence.chosen[who.name]
    found = tuning(setup, who, evidence.history)
    failed = Counter(record.outcome for record in records if record.failed)
    errors = Counter(record.reason for record in records if record.outcome == "failed")
    return Row(
        kind=kind,  # pyright: ignore[reportArgumentType]
        name=who.name,
        lr=records[0].lr,
        tuned=who.tuned if kind == "optimizer" else False,
        seeds=len(records),
        outcome=", ".join(f"{how} {count} of {len(records)}" for how, count in failed.items()) or "finished",
        reason=next((reason for reason, _ in errors.most_common(1)), ""),
        metrics={name: _estimate([r.test.get(name, math.nan) for r in records]) for name in evidence.metrics},
        last={
            name: _estimate([r.test_last.get(name, math.nan) for r in records]) for name in evidence.metrics
        },
        values={name: [r.test.get(name, math.nan) for r in records] for name in evidence.metrics},
        train_seconds=sum(record.clocks.train for record in records) / len(records),
        settings=whole_spec(rule)
        + (f", {setup.recipe.schedule} schedule" if kind != "constant" else ", no schedule"),
        trials=len(found.scan) + len(found.full),
        good_range=_good_range(curve, metric_info(evidence.metric).higher_is_better) if curve else None,
        flags=flags,
    )


def baseline_row(baseline: BaselineRecord, metrics: Sequence[str]) -> Row:
    """Return the row of a baseline."""
    values = {name: baseline.test.get(name, math.nan) for name in metrics}
    return Row(
        kind="baseline",
        name=baseline.title,
        seeds=1,
        outcome=baseline.outcome,
        metrics={name: Estimate(mean=value, n=1) for name, value in values.items()},
        values={name: [value] for name, value in values.items()},
        train_seconds=baseline.seconds,
        settings=baseline.settings,
        tuned=True,
        model=baseline.model,
    )


def compared(
    evidence: Evidence,
    rows: Mapping[str, Sequence[Mapping[str, ArrayLike] | None]],
    baseline_rows: Mapping[str, Mapping[str, ArrayLike]],
    metric: str,
) -> tuple[list[Difference], list[Difference]]:
    """Return every pair of optimizers on a test metric, and every optimizer against every baseline.

    Args:
        evidence: the runs.
        rows: of each optimizer and seed, what each test row gave (``loss``, ``correct``), None if it diverged.
        baseline_rows: the same of each baseline, by title.
        metric: name of the metric.
    """
    optimizers = [
        scores(
            who.name,
            metric,
            [record.test.get(metric, math.nan) for record in evidence.final(who)],
            rows[who.name],
        )
        for who in evidence.setup.contestants
    ]
    baselines = [
        scores(
            each.title,
            metric,
            [each.test.get(metric, math.nan)],
            [baseline_rows.get(each.title)],
            seeded=False,
        )
        for each in evidence.baselines
    ]
    return differences(optimizers, baselines, evidence.setup.seeds[0])


def paired_difference(
    first: str, second: str, metric: str, a: Sequence[float], b: Sequence[float]
) -> Difference:
    """Return ``a - b`` with its paired t interval over seeds alone; one pair tells nothing apart.

    Example:
        >>> paired_difference("adam", "sgd", "log_loss", [1.0, 1.1, 1.2], [1.5, 1.6, 1.71]).better
        'adam'
    """
    return difference(scores(first, metric, a, []), scores(second, metric, b, []))


def rate_curve(evidence: Evidence, who: Contestant) -> RateCurve:
    """Return the tuning of one optimizer: every scanned rate and every rate at full length."""
    setup, metric = evidence.setup, evidence.metric

    def value(run: PlannedRun) -> float:
        record = evidence.history[run.key.recipe, run.key.seed]
        return math.nan if record.failed else record.best.get(metric, math.nan)

    def points(runs: Sequence[PlannedRun]) -> list[tuple[float, float]]:
        return [(float(run.rule.hyper.lr), value(run)) for run in runs]

    def at(runs: Sequence[PlannedRun]) -> list[dict[str, Any]]:
        return [beside for run in runs if (beside := _plain(who.beside_rate(run.rule)))]

    found, chosen = tuning(setup, who, evidence.history), evidence.chosen[who.name]
    scan, full = (sorted(runs, key=lambda run: float(run.rule.hyper.lr)) for runs in (found.scan, found.full))
    swept: dict[float, list[float]] = {}
    for run in sweeps(setup, who, found):
        swept.setdefault(float(run.rule.hyper.lr), []).append(value(run))
    return RateCurve(
        name=who.name,
        metric=metric,
        scan=points(scan),
        full=points(full),
        chosen=float(chosen.hyper.lr),
        default=default_rate(who.rule),
        scan_at=at(scan),
        full_at=at(full),
        chosen_at=_plain(who.beside_rate(chosen)),
        sweep=[
            RateEstimate(**_estimate(values).model_dump(), lr=rate, values=values)
            for rate, values in sorted(swept.items())
        ],
    )


def band(evidence: Evidence, who: Contestant) -> Band:
    """Return the validation curve of one optimizer over its seeds."""
    records = [record for record in evidence.final(who) if not record.failed] or evidence.final(who)
    length = min(len(record.curve) for record in records)
    values = np.array(
        [[p.validation.get(evidence.metric, math.nan) for p in r.curve[:length]] for r in records]
    )
    seconds = np.array([[p.seconds for p in r.curve[:length]] for r in records])

    def mean(what: str) -> list[float]:
        """Where runs end by their gradients, seeds differ in their steps."""
        columns = zip(*([float(getattr(p, what)) for p in r.curve[:length]] for r in records), strict=True)
        return [each[0] if len(set(each)) == 1 else sum(each) / len(each) for each in columns]

    return Band(
        name=who.name,
        metric=evidence.metric,
        step=[round(each) for each in mean("step")],
        epoch=mean("epoch"),
        gradients=mean("gradients"),
        seconds=seconds.mean(0).tolist(),
        mean=values.mean(0).tolist(),
        low=values.min(0).tolist(),
        high=values.max(0).tolist(),
    )


def effects(
    evidence: Evidence, rivals: Sequence[Difference] = (), against: Sequence[Difference] = ()
) -> list[Effect]:
    """Return how much each decision was worth on the deciding test metric, largest first.

    Args:
        evidence: the runs and the baselines.
        rivals: the winner minus every other optimizer on the deciding metric.
        against: the winner minus every baseline.
    """
    who, metric = evidence.winner, metric_info(evidence.metric)
    sign = -1 if metric.higher_is_better else 1
    mine = _mean([evidence.value(record) for record in evidence.final(who)])
    others = [(_mean([evidence.value(r) for r in evidence.final(each)]), each.name)
              for each in evidence.setup.contestants if each is not who]  # fmt: skip
    found: list[Effect] = []

    def add(name: str, size: float, text: str, detected: bool | None) -> None:
        if math.isfinite(size):
            found.append(Effect(name=name, size=size, text=text, detected=detected))

    apart = {each.second: each.told_apart for each in (*rivals, *against)}

    def differ(records: Sequence[Record]) -> bool:
        a, b = ([evidence.value(each) for each in some] for some in (records, evidence.final(who)))
        return paired_t(a, b).p < 0.05

    gained = sign * (_mean([evidence.value(r) for r in evidence.default(who)]) - mine)
    if who.tuned:
        default = default_rate(who.rule)
        chosen = float(evidence.chosen[who.name].hyper.lr)
        more = who.beside_rate(evidence.chosen[who.name])
        with_them = "".join(f", {name}={value}" for name, value in more.items())
        add(
            "tuning" if more else "learning rate",
            gained,
            f"{who.name} at {chosen:g}{with_them} instead of its library's {default:g}",
            differ(evidence.default(who)),
        )
    if evidence.constant():
        size = sign * (_mean([evidence.value(r) for r in evidence.constant()]) - mine)
        add(
            "schedule",
            size,
            f"{evidence.setup.recipe.schedule} instead of a constant rate",
            differ(evidence.constant()),
        )
    finite = [(sign * (value - mine), name) for value, name in others if math.isfinite(value)]
    if finite:
        size, name = max(finite)
        add("optimizer", size, f"{who.name} instead of the last, {name}, both tuned", apart.get(name))
    values = [value for record in evidence.final(who) if math.isfinite(value := evidence.value(record))]
    if len(values) > 1:
        add(
            "seed",
            max(values) - min(values),
            f"between the best and the worst of {len(values)} seeds of {who.name}",
            None,
        )
    scores = [(sign * each.test.get(metric.name, math.nan), each) for each in evidence.baselines]
    scores = [(value, each) for value, each in scores if math.isfinite(value)]
    if scores:
        value, best = min(scores, key=lambda pair: pair[0])
        text = f"{who.name} instead of the best baseline, {best.title}"
        add("network", value - sign * mine, text, apart.get(best.title))
    return sorted(found, key=lambda effect: -effect.size)


def trust(evidence: Evidence, test_rows: int, rivals: Sequence[Difference] = ()) -> list[Fact]:
    """Return what a reader needs to judge the numbers by.

    Args:
        evidence: the runs.
        test_rows: how many there are.
        rivals: the winner against every other optimizer on the deciding metric.
    """
    facts = [Fact(label="seeds", value=str(len(evidence.setup.seeds)))]
    tuned = [len(c.scan) + len(c.full) for who in evidence.setup.contestants if who.tuned
             for c in [tuning(evidence.setup, who, evidence.history)]]  # fmt: skip
    if tuned:
        spread = f"{min(tuned)}" if min(tuned) == max(tuned) else f"{min(tuned)} to {max(tuned)}"
        facts.append(Fact(label="tuning runs per optimizer", value=spread))
    facts.append(Fact(label="runs", value=f"{len(evidence.history):,}"))
    facts.append(Fact(label="test rows", value=f"{test_rows:,}"))
    return facts + how_sure(metric_info(evidence.metric), rivals)


def how_sure(metric: MetricInfo, rivals: Sequence[Difference]) -> list[Fact]:
    """Return the smallest difference that would have been seen, how many comparisons, and what is uncertain.

    The median over the rivals; corrected for the number of comparisons, with probability 0.8.

    Example:
        >>> found = Difference(first="a", second="b", metric="log_loss", over="both", mean=1.0, low=0.0, high=2.0,
        ...                    n=5, told_apart=False, visible=1.5, seed_share=0.25)
        >>> [(each.label, each.value) for each in how_sure(metric_info("log_loss"), [found])]
        [('smallest detectable difference', '1.5'), ('comparisons corrected for', '1'),
         ('share of variance', 'seeds 25 %, test rows 75 %')]
    """
    facts: list[Fact] = []
    sizes = [each.visible for each in rivals if each.visible is not None and math.isfinite(each.visible)]
    if sizes:
        scale, unit = (100.0, " points") if metric.percent else (1.0, "")
        value = f"{float(f'{float(np.median(sizes)) * scale:.2g}'):,g}{unit}"
        facts.append(Fact(label="smallest detectable difference", value=value))
        facts.append(Fact(label="comparisons corrected for", value=f"{rivals[0].comparisons:,}"))
    shares = [each.seed_share for each in rivals if each.seed_share is not None]
    if shares:
        share = round(100 * float(np.median(shares)))
        facts.append(Fact(label="share of variance", value=f"seeds {share} %, test rows {100 - share} %"))
    return facts


def _estimate(values: Sequence[float]) -> Estimate:
    found = t_interval(values)
    return Estimate(**found._asdict(), n=sum(map(math.isfinite, values)))


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


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
