"""Another tool's log as a comparison: one row for each evaluation in, the same report out.

The columns are described in ``docs/how-to/export.md``. Nothing is known of such a log but its numbers, so nothing
else is claimed: no tuning, no baselines, and the captions say which rows were measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from steepest.compare.differences import differences, standings
from steepest.compare.estimates import Difference, Estimate
from steepest.compare.intervals import t_interval
from steepest.compare.result import Band, Comparison, Effect, Fact, Metric, Row, better_first
from steepest.compare.scores import scores
from steepest.data.read import scan, source_name
from steepest.errors import OptionError, UnknownNameError, unknown_name
from steepest.evaluate.metrics import metric_info
from steepest.report import format as show
from steepest.report.headline import headline
from steepest.report.log_table import checked
from steepest.wording import two_digits

HIGHER = re.compile(
    r"acc|f1|auc|precision|recall|r2|score|bleu|rouge|map|iou|dice|ndcg|reward|return|psnr|ssim"
)
LOWER = re.compile(r"loss|error|err|mse|mae|mape|perplexity|ppl|nll|brier|distance|fid|wer|cer|regret|time")
DIRECTIONS = {"higher": True, "lower": False}


@dataclass(frozen=True)
class LoggedRun:
    """One run of the log.

    Attributes:
        rate: the first learning rate, or None.
        seconds: at its last row; 0 if the log has no clock.
        step: the step whose values are the result.
        values: the result by metric.
        chosen: the validation value of the deciding metric at the best step, or None.
    """

    rate: float | None
    seconds: float
    step: int
    values: dict[str, float]
    chosen: float | None


def read_log(source: Any, metric: str | None = None, title: str | None = None) -> Comparison:
    """Return the comparison that a log of evaluations amounts to.

    The result of a run is its test values at the step with the best validation value of the deciding metric;
    without validation rows, those of its last step.

    Args:
        source: a table (CSV, TSV, Parquet, Feather) or a frame, with the columns ``name``, ``seed``, ``step`` and
            one column for each metric, or ``metric`` and ``value``; optional ``epoch``, ``seconds``, ``lr``, ``split``.
        metric: the metric that decides, the first column of the log if left out; ``NAME:higher`` or
            ``NAME:lower`` says which direction is better where the name does not.
        title: the report's title; the file's name if left out.

    Raises:
        DataError: a column is missing or has the wrong type, a seed is missing, or an evaluation is there twice.
        OptionError: the metric is not in the log, or nobody knows its direction.

    Example:
        >>> found = read_log({"name": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "step": [9, 9, 9, 9],
        ...                   "loss": [0.5, 0.52, 0.9, 0.91]})
        >>> found.winner, found.rows[1].metrics["loss"].mean.__round__(3)
        ('a', 0.905)
    """
    where = source_name(source)
    frame = checked(scan(source).collect(), where)
    names = list(dict.fromkeys(frame["metric"].to_list()))
    wanted, _, direction = (metric or names[0]).partition(":")
    if wanted not in names:
        raise unknown_name(f"metric of {where}", wanted, names)
    if direction and direction not in DIRECTIONS:
        raise OptionError(
            f"--metric {metric!r}: {direction!r} is no direction",
            hint=f"write {wanted}:higher or {wanted}:lower.",
        )
    shown, unknown = _metrics(
        frame, [wanted, *[each for each in names if each != wanted]], DIRECTIONS.get(direction)
    )
    return _comparison(frame, shown, unknown, title or Path(where).name.split(".")[0], where)


def _metrics(
    frame: pl.DataFrame, names: Sequence[str], higher: bool | None
) -> tuple[list[Metric], list[str]]:
    """Return how the metrics are shown, the deciding one first, and those whose direction nobody knows."""
    shown: list[Metric] = []
    unknown: list[str] = []
    for name in names:
        given = higher if name == names[0] else None
        found = _direction(name) if given is None else given
        if found is None and name == names[0]:
            raise OptionError(f"the name {name!r} does not show whether higher or lower is better",
                              hint=f"say it with --metric {name}:higher or --metric {name}:lower.")  # fmt: skip
        if found is None:
            unknown.append(name)
            continue
        title, percent = name.replace("_", " "), False
        try:
            info = metric_info(name)
        except UnknownNameError:
            pass
        else:
            values = frame.filter((pl.col("metric") == name) & pl.col("value").is_finite())["value"]
            title, percent = (
                info.title.removesuffix(" (macro)"),
                info.percent and bool(values.is_between(0, 1).all()),
            )
        shown.append(Metric(name=name, title=title, higher_is_better=found, percent=percent))
    return shown, unknown


def _direction(name: str) -> bool | None:
    try:
        return metric_info(name).higher_is_better
    except UnknownNameError:
        higher, lower = bool(HIGHER.search(name.lower())), bool(LOWER.search(name.lower()))
        return None if higher == lower else higher


def _comparison(
    frame: pl.DataFrame, metrics: list[Metric], unknown: list[str], title: str, where: str
) -> Comparison:
    metric = metrics[0]
    splits = set(frame.filter(pl.col("metric") == metric.name)["split"].to_list())
    shown = "test" if "test" in splits else next(iter(splits))
    chosen_on = "validation" if "validation" in splits else None
    curves_on = chosen_on or shown
    found = _runs(frame, metrics, shown, chosen_on)
    seeds = sorted({seed for _, seed in found})
    names = list(dict.fromkeys(name for name, _ in found))
    rows = {
        name: _row(name, {seed: run for (who, seed), run in found.items() if who == name}, seeds, metrics)
        for name in names
    }
    ordered = better_first(rows.values(), metric)
    winner = rows[min(names, key=lambda name: _choice(found, name, metric))] if chosen_on else ordered[0]
    pairs = _pairs(ordered, metric)
    rivals = [
        each if each.first == winner.name else each.swapped()
        for each in pairs
        if winner.name in (each.first, each.second)
    ]
    return Comparison(
        title=title,
        sentence=headline(metric, ordered, winner, rivals),
        metric=metric.name,
        metrics=metrics,
        winner=winner.name,
        rows=ordered,
        differences=rivals,
        pairs=pairs,
        standings=standings([row.name for row in ordered], metric.name, pairs, []),
        effects=_effects(winner, ordered, metric, rivals),
        curves=[each for row in ordered if (each := _band(frame, row.name, metric, curves_on))],
        trust=_trust(found, seeds, rivals, frame),
        warnings=_warnings(rows, seeds, shown, chosen_on, unknown, len(names)),
        data=[
            Fact(label="log", value=f"{where}, {show.count(frame.height)} values"),
            Fact(label="metrics", value=", ".join(each.title for each in metrics)),
        ],
        results_on=_words(shown),
        curves_on=_words(curves_on),
        selection=_selection(shown, chosen_on, metric),
    )


def _choice(found: Mapping[tuple[str, int], LoggedRun], name: str, metric: Metric) -> tuple[float, float]:
    """Return what the winner has least of: the share of its runs that diverged, then its mean validation value."""
    values = [run.chosen for (who, _), run in found.items() if who == name and run.chosen is not None]
    return sum(not math.isfinite(each) for each in values) / len(values), _key(_mean(values), metric)


def _words(split: str) -> str:
    return "the logged rows" if split == "logged" else f"the {split} rows"


def _selection(shown: str, chosen_on: str | None, metric: Metric) -> str:
    if chosen_on is None:
        return f"The result of a run is its last step; the best mean on {_words(shown)} is named the winner."
    same = " The results use the same rows." if shown == chosen_on else ""
    return (
        f"The result of a run is taken at the step with its best validation {metric.title}; "
        f"the winner is chosen on the validation rows.{same}"
    )


def _runs(
    frame: pl.DataFrame, metrics: Sequence[Metric], shown: str, chosen_on: str | None
) -> dict[tuple[str, int], LoggedRun]:
    found: dict[tuple[str, int], LoggedRun] = {}
    for (name, seed), run in frame.group_by("name", "seed", maintain_order=True):
        deciding = run.filter(pl.col("metric") == metrics[0].name)
        finished = all(_finishes(each) for each in deciding.partition_by("split"))
        step, chosen = _chosen(deciding, metrics[0], shown, chosen_on)
        results = run.filter(pl.col("split") == shown)
        values = {
            each.name: _value_at(results.filter(pl.col("metric") == each.name), step)
            if finished
            else math.nan
            for each in metrics
        }
        rates, clock = run["lr"].drop_nulls(), run["seconds"].max()
        found[str(name), int(str(seed))] = LoggedRun(
            rate=float(rates[0]) if len(rates) else None,
            seconds=float(clock) if isinstance(clock, float) else 0.0,
            step=step,
            values=values,
            chosen=chosen if finished or chosen is None else math.nan,
        )
    order = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in found))}
    return dict(sorted(found.items(), key=lambda pair: (order[pair[0][0]], pair[0][1])))


def _chosen(
    deciding: pl.DataFrame, metric: Metric, shown: str, chosen_on: str | None
) -> tuple[int, float | None]:
    """Return the step whose values are the run's result, and its validation value.

    A step without a test value cannot be the result, unless the test was read only once.
    """
    tested: list[int] = deciding.filter(pl.col("split") == shown)["step"].to_list()
    end = max(tested, default=-1)
    if chosen_on is None:
        return end, None
    watched = deciding.filter((pl.col("split") == chosen_on) & pl.col("value").is_finite())
    if len(tested) > 1:
        watched = watched.filter(pl.col("step").is_in(tested))
    if watched.height == 0:
        return end, math.nan
    best = watched.sort("value", descending=metric.higher_is_better, maintain_order=True).row(0, named=True)
    return best["step"] if best["step"] in tested else end, float(best["value"])


def _finishes(values: pl.DataFrame) -> bool:
    """Whether the last value is a number; a run that ended otherwise diverged, as good as it may have been before."""
    last = values.sort("step")["value"][-1]
    return last is not None and math.isfinite(last)


def _value_at(results: pl.DataFrame, step: int) -> float:
    here = (
        results.filter(pl.col("step") == step)["value"].to_list()
        or results.sort("step")["value"].to_list()[-1:]
    )
    return float(here[0]) if here and here[0] is not None else math.nan


def _row(name: str, runs: Mapping[int, LoggedRun], seeds: Sequence[int], metrics: Sequence[Metric]) -> Row:
    values = {
        each.name: [runs[seed].values[each.name] if seed in runs else math.nan for seed in seeds]
        for each in metrics
    }
    deciding = [runs[seed].values[metrics[0].name] for seed in runs]
    failed = sum(not math.isfinite(each) for each in deciding)
    rates = {run.rate for run in runs.values()}
    return Row(
        kind="arm",
        name=name,
        lr=rates.pop() if len(rates) == 1 else None,
        seeds=len(runs),
        outcome=f"diverged {failed} of {len(runs)}" if failed else "finished",
        metrics={key: _estimate(each) for key, each in values.items()},
        values=values,
        train_seconds=_mean([run.seconds for run in runs.values()]),
    )


def _estimate(values: Sequence[float]) -> Estimate:
    found = t_interval(values)
    return Estimate(**found._asdict(), n=sum(map(math.isfinite, values)))


def _pairs(rows: Sequence[Row], metric: Metric) -> list[Difference]:
    """Every pair, corrected; the direction is the log's, whatever a metric of that name is here."""
    stand_in = "f1" if metric.higher_is_better else "log_loss"
    found, _ = differences([scores(row.name, stand_in, row.values[metric.name], []) for row in rows], [])
    return [each.model_copy(update={"metric": metric.name}) for each in found]


def _effects(winner: Row, rows: Sequence[Row], metric: Metric, rivals: Sequence[Difference]) -> list[Effect]:
    sign = 1 if metric.higher_is_better else -1
    values = [each for each in winner.values[metric.name] if math.isfinite(each)]
    found: list[Effect] = []
    others = [row for row in rows if row is not winner and math.isfinite(row.metrics[metric.name].mean)]
    if others and values:
        last = others[-1]
        size = sign * (winner.metrics[metric.name].mean - last.metrics[metric.name].mean)
        difference = next((each for each in rivals if each.second == last.name), None)
        text = f"{winner.name} instead of the last, {last.name}"
        found.append(Effect.of("optimizer", size, text, difference))
    if len(values) > 1:
        text = f"between the best and the worst of {len(values)} seeds of {winner.name}"
        found.append(Effect(name="seed", size=max(values) - min(values), text=text))
    return sorted(found, key=lambda each: -each.size)


def _band(frame: pl.DataFrame, name: str, metric: Metric, split: str) -> Band | None:
    mine = frame.filter(
        (pl.col("name") == name) & (pl.col("metric") == metric.name) & (pl.col("split") == split)
    )
    runs = mine["seed"].n_unique()
    points = (
        mine.group_by("step")
        .agg(
            pl.len().alias("n"),
            pl.col("epoch", "seconds").mean(),
            pl.col("value").mean().alias("mean"),
            pl.col("value").min().alias("low"),
            pl.col("value").max().alias("high"),
        )
        .filter(pl.col("n") == runs)
        .sort("step")
    )
    if points.height == 0:
        return None

    def numbers(column: str, missing: float = math.nan) -> list[float]:
        return [missing if value is None else float(value) for value in points[column]]

    return Band(
        name=name,
        metric=metric.name,
        step=points["step"].to_list(),
        epoch=numbers("epoch", 0.0),
        seconds=numbers("seconds", 0.0),
        mean=numbers("mean"),
        low=numbers("low"),
        high=numbers("high"),
        cut=bool((mine["step"] > points["step"][-1]).any()),
    )


def _trust(
    found: Mapping[tuple[str, int], LoggedRun],
    seeds: Sequence[int],
    rivals: Sequence[Difference],
    frame: pl.DataFrame,
) -> list[Fact]:
    facts = [
        Fact(label="seeds", value=str(len(seeds))),
        Fact(label="runs", value=show.count(len(found))),
    ]
    facts.append(
        Fact(label="evaluations", value=show.count(frame.select("name", "seed", "split", "step").n_unique()))
    )
    visible = sorted(
        each.visible for each in rivals if each.visible is not None and math.isfinite(each.visible)
    )
    if visible:
        facts.append(
            Fact(label="smallest detectable difference", value=two_digits(visible[len(visible) // 2]))
        )
    return facts


def _warnings(
    rows: Mapping[str, Row],
    seeds: Sequence[int],
    shown: str,
    chosen_on: str | None,
    unknown: Sequence[str],
    names: int,
) -> list[str]:
    said: list[str] = [
        "These numbers come from another tool: its log does not show how rates were tuned or rows split."
    ]
    if shown == chosen_on:
        said.append(
            "There are no test rows: the results use the rows that chose steps and winner, so they are optimistic."
        )
    if shown == "logged":
        said.append("The log does not say which rows it measured (a column split would).")
    if shown == "test" and chosen_on is None and names > 1:
        said.append(
            "There are no validation rows: the winner was chosen on the test rows, so its lead is optimistic."
        )
    fewer = [f"{row.name} ({row.seeds} of {len(seeds)})" for row in rows.values() if row.seeds < len(seeds)]
    if fewer:
        said.append(f"Some seeds are missing: {', '.join(fewer)}. Differences use the seeds that both have.")
    if unknown:
        said.append(f"Left out because their better direction is unknown: {', '.join(unknown)}.")
    return said


def _key(value: float, metric: Metric) -> float:
    if not math.isfinite(value):
        return math.inf
    return -value if metric.higher_is_better else value


def _mean(values: Sequence[float]) -> float:
    finite = [each for each in values if math.isfinite(each)]
    return sum(finite) / len(finite) if finite else math.nan
