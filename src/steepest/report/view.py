"""What the page shows, as plain values: positions in percent, texts, marks. No drawing, no HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from pydantic import JsonValue

from steepest.compare.estimates import IDENTICAL, Estimate
from steepest.compare.result import (
    MOST,
    SPREADS,
    Comparison,
    Effect,
    Metric,
    RateCurve,
    Row,
    better_first,
)
from steepest.evaluate.metrics import registry as metrics
from steepest.report import format as show
from steepest.report.digits import Digits, digits_of
from steepest.report.factors import short_names, subject
from steepest.report.marks import is_recommended
from steepest.report.theme import Style, styles

UNBROKEN = "\u00a0"
LONG_NAME = 30
"""Characters of a name beyond which the ranking takes the page's width."""
ONE_LINE = 16
"""Characters of a name beyond which names in the ranking are wrapped, beside their rates."""


@dataclass(frozen=True)
class ValueAxis:
    """A linear axis from ``low`` to ``high``, positions in percent of its width."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return the position, kept between 0 and 100.

        Example:
            >>> ValueAxis(1.0, 3.0).at(2.0), ValueAxis(1.0, 3.0).at(9.0)
            (50.0, 100.0)
        """
        share = (value - self.low) / (self.high - self.low)
        return 0.0 if math.isnan(share) else round(min(max(share, 0.0), 1.0) * 100, 3)

    def beyond(self, value: float) -> str:
        """Return ``left`` or ``right`` if the value lies outside, else nothing."""
        return "left" if value < self.low else "right" if value > self.high else ""

    def ticks(self, about: int = 4) -> list[tuple[float, float]]:
        """Return round values on the axis with their positions.

        Example:
            >>> ValueAxis(0.0, 1.0).ticks()
            [(0.0, 0.0), (0.2, 20.0), (0.4, 40.0), (0.6, 60.0), (0.8, 80.0), (1.0, 100.0)]
        """
        rough = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough * 0.8)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(round(index * step, 12), self.at(index * step)) for index in range(first, last + 1)]


@dataclass(frozen=True)
class RankedDot:
    """One line of the ranking: a dot, its interval, its seeds, and the library default as a hollow dot."""

    name: str
    kind: str
    value: str
    note: str
    short: str
    recommended: bool = False
    style: Style | None = None
    at: float | None = None
    low: float | None = None
    high: float | None = None
    beyond: str = ""
    seeds: tuple[float, ...] = ()
    default_at: float | None = None
    default_beyond: str = ""
    default_value: str = ""


@dataclass(frozen=True)
class RankingFigure:
    """The rows of the first figure, best first, on one axis."""

    title: str
    better: str
    dots: list[RankedDot]
    ticks: list[tuple[str, float]]
    runs: int
    over: str
    has_default: bool
    has_baseline: bool
    wide: bool = False

    @property
    def has_long_names(self) -> bool:
        """Whether names leave no room for another figure beside this one."""
        return max((len(dot.short) for dot in self.dots), default=0) > LONG_NAME

    @property
    def has_seeds(self) -> bool:
        """Whether there are small dots of single runs."""
        return any(dot.seeds for dot in self.dots)

    @property
    def has_recommended(self) -> bool:
        """Whether a row is marked as recommended."""
        return any(dot.recommended for dot in self.dots)

    @property
    def has_beyond(self) -> bool:
        """Whether an arrow stands for a value beyond the axis."""
        return any(dot.beyond or dot.default_beyond for dot in self.dots)


@dataclass(frozen=True)
class Bar:
    """One bar of what mattered: from ``start``, so wide, in percent of all.

    Attributes:
        zero: where no difference is.
        spread: whether it is how far runs spread, which is neither better nor worse.
        faint: whether no difference is detectable.
    """

    name: str
    text: str
    value: str
    start: float
    width: float
    negative: bool
    faint: bool = False
    spread: bool = False
    zero: float = 0.0

    @property
    def style(self) -> str:
        """The classes that say what the bar means."""
        on = {"faint": self.faint, "negative": self.negative, "spread": self.spread}
        return " ".join(name for name, each in on.items() if each)


def limits_of(metric: Metric) -> tuple[float, float]:
    """Return what no value of a metric lies beyond: 0 and 1 for shares, 0 for losses and errors.

    A metric of another tool's log may be anything, unless it is a share.

    Example:
        >>> limits_of(Metric(name="rmse", title="RMSE", higher_is_better=False))
        (0.0, inf)
        >>> limits_of(Metric(name="r2", title="R²", higher_is_better=True))
        (-inf, inf)
    """
    if metric.percent:
        return 0.0, 1.0
    known = metric.name.replace("_", "-") in metrics.entries
    return (0.0 if known and not metric.higher_is_better else -math.inf), math.inf


def ends_of(value: Estimate, metric: Metric) -> tuple[float, float] | None:
    """Return the interval of a value within what the metric can be, which a t interval does not know."""
    if value.ends is None:
        return None
    lowest, highest = limits_of(metric)
    return max(value.ends[0], lowest), min(value.ends[1], highest)


def padded(
    low: float, high: float, pad: float, limits: tuple[float, float] = (-math.inf, math.inf)
) -> ValueAxis:
    """Return an axis that is wider than its values, but does not begin below 0 or beyond a metric's limits for that.

    Example:
        >>> padded(0.25, 0.75, 0.5), padded(-0.25, 0.75, 0.5), padded(0.25, 0.75, 0.5, (0.0, 1.0))
        (ValueAxis(low=0.0, high=1.25), ValueAxis(low=-0.75, high=1.25), ValueAxis(low=0.0, high=1.0))
    """
    start = max(low - pad, limits[0], 0.0 if low >= 0 else -math.inf)
    return ValueAxis(min(start, low), max(min(high + pad, limits[1]), high))


def finite(value: float) -> bool:
    """Return whether a value can be placed on an axis.

    Example:
        >>> finite(1.5), finite(float("nan")), finite(1e300)
        (True, False, False)
    """
    return abs(value) < MOST


def metric_of(comparison: Comparison, name: str) -> Metric:
    """Return how the metric is shown; one that is not listed is shown by its name."""
    for each in comparison.metrics:
        if each.name == name:
            return each
    return Metric(name=name, title=name.replace("_", " "), higher_is_better=False)


def deciding_first(comparison: Comparison) -> list[Metric]:
    """Return the metrics in the order of their columns: the deciding one, then one that the headline advises.

    Example:
        >>> metrics = [Metric(name=each, title=each, higher_is_better=True) for each in ("accuracy", "f1", "roc_auc")]
        >>> said = "By ROC AUC, it does predict: try --metric roc-auc."
        >>> found = Comparison(title="t", sentence=said, metric="accuracy", winner="", rows=[], metrics=metrics)
        >>> [each.name for each in deciding_first(found)], advises(found, metrics[2]), advises(found, metrics[1])
        (['accuracy', 'roc_auc', 'f1'], True, False)
    """
    deciding = metric_of(comparison, comparison.metric)
    others = [each for each in comparison.metrics if each.name != deciding.name]
    return [deciding, *sorted(others, key=lambda each: not advises(comparison, each))]


def advises(comparison: Comparison, metric: Metric) -> bool:
    """Whether the headline advises to decide by a metric."""
    asked = re.findall(r"--metric ([\w-]+)", comparison.sentence)
    return metric.name.replace("_", "-") in asked


def ranking_scale(
    estimates: Sequence[Estimate],
    best: float,
    limits: tuple[float, float] = (-math.inf, math.inf),
    shown: Sequence[Estimate] = (),
) -> ValueAxis:
    """Return an axis that separates close values: one that lies far off gets an arrow.

    A row is far off if its distance from the best is more than 3.5 times that of the row before it, and more than
    that of the narrowest interval's half width, and at least half of the rows are nearer, unless it is one that has to
    be ``shown``.
    """
    distances = sorted(abs(each.mean - best) for each in estimates if finite(each.mean))
    known = [each.ends for each in estimates if each.ends is not None and all(map(finite, each.ends))]
    widths = [(high - low) / 2 for low, high in known]
    reach = min((each for each in widths if each > 0), default=0.0)
    for index, distance in enumerate(distances):
        if index >= 3 and index >= len(distances) // 2 and reach > 0 and distance > 3.5 * reach:
            break
        reach = max(reach, distance)
    reach = max([reach, *(abs(each.mean - best) for each in shown if finite(each.mean))])
    kept = [each for each in estimates if abs(each.mean - best) <= reach]
    placed = [
        min(max(value, limits[0]), limits[1])
        for each in kept
        for value in (each.mean, *(each.ends or ()))
        if finite(value)
    ]
    low, high = min([best, *placed]), max([best, *placed])
    low, high = (
        max(low, best - 1.5 * reach) if reach else low,
        min(high, best + 1.5 * reach) if reach else high,
    )
    return padded(low, high, (high - low) * 0.05 or abs(best) * 0.05 or 1.0, limits)


def ranking(comparison: Comparison, look: Mapping[str, Style] | None = None) -> RankingFigure:
    """Return one dot for each optimizer and baseline, sorted by the deciding metric on the test rows, drawn by look."""
    metric = metric_of(comparison, comparison.metric)
    scale_by = 100.0 if metric.percent else 1.0
    defaults = {row.name: row for row in comparison.rows if row.kind == "default"}
    rows = better_first((row for row in comparison.rows if row.kind in ("arm", "baseline")), metric)
    known = [row.metrics[metric.name] for row in rows if metric.name in row.metrics]
    placed = [each for each in known if finite(each.mean)]
    written = digits_of(comparison, metric)
    look, short = look or styles(comparison), short_names(comparison)
    used = [row.metrics[metric.name] for row in rows if is_recommended(comparison, row)]
    axis = ranking_scale(placed, placed[0].mean, limits_of(metric), used) if placed else ValueAxis(0.0, 1.0)
    seeds = max((row.seeds for row in rows), default=1)
    dots: list[RankedDot] = []
    for row in rows:
        estimate = row.metrics.get(metric.name)
        default = defaults.get(row.name) if row.kind == "arm" else None
        shown = default.metrics.get(metric.name) if default else None
        has = estimate is not None and finite(estimate.mean)
        interval = ends_of(estimate, metric) if estimate is not None and has else None
        default_known = shown is not None and finite(shown.mean)
        dots.append(
            RankedDot(
                name=row.name,
                kind=row.kind,
                value=written.value(estimate),
                note=_note(row),
                short=short.get(row.name, row.name) if row.kind == "arm" else row.name,
                recommended=is_recommended(comparison, row),
                style=look[row.name] if row.kind == "arm" else None,
                at=axis.at(estimate.mean) if estimate is not None and has else None,
                low=axis.at(interval[0]) if interval else None,
                high=axis.at(interval[1]) if interval else None,
                beyond=axis.beyond(estimate.mean) if estimate is not None and has else "",
                seeds=tuple(
                    axis.at(each)
                    for each in row.values.get(metric.name, [])
                    if finite(each) and not axis.beyond(each) and len(row.values[metric.name]) > 1
                ),
                default_at=axis.at(shown.mean) if shown is not None and default_known else None,
                default_beyond=axis.beyond(shown.mean) if shown is not None and default_known else "",
                default_value=_default_text(default, shown, written),
            )
        )
    ticks = axis.ticks()
    step = decimals_of_ticks([value * scale_by for value, _ in ticks])
    return RankingFigure(
        title=metric.title + (", %" if metric.percent else ""),
        better="right" if metric.higher_is_better else "left",
        dots=dots,
        ticks=[(show.number(value * scale_by, step), at) for value, at in ticks] if placed else [],
        runs=seeds * comparison.test_sets,
        over=subject(comparison).runs(seeds),
        has_default=any(dot.default_at is not None for dot in dots),
        has_baseline=any(dot.kind == "baseline" for dot in dots),
        wide=bool(short) or any(dot.kind == "arm" and len(dot.short) > ONE_LINE for dot in dots),
    )


def decimals_of_ticks(values: Sequence[float]) -> int:
    """Return the fewest decimals that tell neighbouring ticks apart.

    Example:
        >>> decimals_of_ticks([1.46, 1.465, 1.47])
        3
    """
    return next(
        (each for each in range(9) if all(abs(round(value, each) - value) < 1e-9 for value in values)), 9
    )


def _default_text(row: Row | None, value: Estimate | None, written: Digits) -> str:
    if row is None or value is None:
        return ""
    return f"library default {show.rate(row.lr)}: {written.value(value)}" + _unless_finished(row)


def _unless_finished(row: Row) -> str:
    return "" if row.outcome == "finished" else f" ({row.outcome})"


def _note(row: Row) -> str:
    if row.outcome != "finished":
        return row.outcome
    if row.kind == "baseline":
        return show.seconds(row.train_seconds)
    parts = [f"rate {show.rate(row.lr)}"] if row.lr is not None and "lr=" not in row.name else []
    parts += [row.untuned] if row.untuned else []
    return ", ".join(parts)


def bars(comparison: Comparison) -> tuple[str, list[Bar]]:
    """Return the unit and the bars of what mattered; a negative one goes to the left of the others' start."""
    metric = metric_of(comparison, comparison.metric)
    effects = [each for each in comparison.effects if finite(each.size)]
    low = min([0.0, *(each.size for each in effects)])
    span = max([0.0, *(each.size for each in effects)]) - low or 1.0
    written = digits_of(comparison, metric)
    unit = "in percentage points of" if metric.percent else "in"
    return f"{unit} {metric.title}", [
        Bar(
            name=each.name,
            text=each.text + _detection(each),
            value=_worth(each, written),
            start=round((min(each.size, 0.0) - low) / span * 100, 3),
            width=round(abs(each.size) / span * 100, 3),
            negative=each.size < 0,
            faint=bool(_detection(each)),
            spread=each.name in SPREADS,
            zero=round(-low / span * 100, 3),
        )
        for each in effects
    ]


def _detection(found: Effect) -> str:
    """Return what to add to an effect that is not known to be a difference; nothing in folders that do not say it."""
    if found.detected or found.name in SPREADS:
        return ""
    if found.detected is False:
        return ": no detectable difference"
    if found.reason == IDENTICAL:
        return f": {IDENTICAL}"
    return f": cannot be established ({found.reason})" if found.reason else ""


def _worth(found: Effect, written: Digits) -> str:
    """Return a size in words, which have no sign; the spread of seeds is neither better nor worse."""
    amount = abs(found.size) * written.scale
    size = show.number(amount, show.own_decimals(amount, written.decimals), leading_zero=False)
    if found.name in SPREADS or not found.size:
        return size
    return f"{'better' if found.size > 0 else 'worse'} by {size}"


def is_rate(value: float | None) -> TypeGuard[float]:
    """Return whether a value can stand on a logarithmic axis of rates."""
    return value is not None and finite(value) and value > 1e-100


def sizes(
    curve: RateCurve, points: Sequence[Mapping[str, JsonValue]], small: float, large: float
) -> list[float]:
    """Return a marker's size for each point of a tuning, larger for larger values of the first other hyperparameter.

    Example:
        >>> curve = RateCurve(name="adam", metric="rmse", chosen=0.1, scan=[(0.1, 1.0), (0.2, 1.0)], full=[],
        ...                   scan_at=[{"eps": 1e-4}, {"eps": 1e-8}])
        >>> sizes(curve, curve.scan_at, 4, 8)
        [8.0, 4.0]
    """
    first = next((name for each in curve.scan_at for name in each), "")

    def order(each: Mapping[str, JsonValue]) -> tuple[float, str]:
        value = each.get(first)
        return (float(value), "") if isinstance(value, int | float) else (0.0, str(value))

    places = sorted({order(each) for each in curve.scan_at})
    step = (large - small) / max(len(places) - 1, 1)
    return [small + step * places.index(order(each)) if order(each) in places else small for each in points]


def taken_of(curve: RateCurve) -> list[tuple[float, float]]:
    """Return the chosen trial, as far as there is: the mean of its seeds, its run at full length, that of the scan.

    Example:
        >>> scan = [(0.1, 3.0), (0.2, 4.0)]
        >>> taken_of(RateCurve(name="adam", metric="rmse", chosen=0.1, scan=scan, full=[(0.1, 2.0)]))
        [(0.1, 2.0), (0.1, 3.0)]
    """
    full_at, scan_at = (curve.full_at or [{}] * len(curve.full)), (curve.scan_at or [{}] * len(curve.scan))
    pairs = [((each.lr, each.mean), {}) for each in curve.sweep]
    pairs += [*zip(curve.full, full_at, strict=True), *zip(curve.scan, scan_at, strict=True)]
    return [
        pair
        for pair, at in pairs
        if math.isclose(pair[0], curve.chosen, rel_tol=1e-6) and at == curve.chosen_at
    ]


def beside_text(values: Mapping[str, JsonValue]) -> str:
    """Return the values of other hyperparameters in words.

    Example:
        >>> beside_text({"eps": 1e-6, "betas": [0.9, 0.99]})
        'eps 1e-06, betas [0.9, 0.99]'
    """
    return ", ".join(f"{name} {value}" for name, value in values.items())


Mark = tuple[float, int]
"""A rate, and how many marks of the same kind stand at about the same rate already."""


def edge_marks(
    curves: Sequence[RateCurve], optimizers: Mapping[str, str] | None = None
) -> list[tuple[list[Mark], list[Mark]]]:
    """Return, for each curve, the rates that diverged and the library's default, as marks that do not hide each other.

    Args:
        curves: the tuning of each arm.
        optimizers: the optimizer of each arm, where several arms share one: then its default is marked once.

    Example:
        >>> one, two = (RateCurve(name=name, metric="log_loss", chosen=0.1, default=0.01,
        ...             scan=[(1.0, math.nan)], full=[])
        ...             for name in ("sgd", "momentum"))
        >>> edge_marks([one, two])
        [([(1.0, 0)], [(0.01, 0)]), ([(1.0, 1)], [(0.01, 1)])]
    """
    seen: tuple[list[float], list[float]] = [], []
    marked: set[str] = set()
    found: list[tuple[list[Mark], list[Mark]]] = []
    for curve in curves:
        between = [point for stage in curve.between for point in stage.points]
        gone = {rate for rate, value in [*curve.scan, *between, *curve.full] if not finite(value)}
        optimizer = (optimizers or {}).get(curve.name, curve.name)
        default = [] if optimizer in marked else [curve.default]
        marked.add(optimizer)
        kinds = sorted(filter(is_rate, gone)), list(filter(is_rate, default))
        placed = [
            [(rate, sum(math.isclose(rate, each, rel_tol=0.1) for each in before)) for rate in rates]
            for rates, before in zip(kinds, seen, strict=True)
        ]
        for rates, before in zip(kinds, seen, strict=True):
            before += rates
        found.append((placed[0], placed[1]))
    return found
