"""Tidy CSV files: one observation a line, one variable a column, what is not a number empty."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from steepest.compare.result import Comparison


def results(comparison: Comparison) -> str:
    """Return a line for each row and metric: mean over seeds, ends of the 95 % interval, number of runs."""
    head = ["kind", "name", "lr", "tuned", "outcome", "train_seconds", "metric", "n", "mean", "low", "high"]
    rows: list[list[Any]] = []
    for row in comparison.rows:
        for name, value in row.metrics.items():
            rows.append(
                [
                    row.kind,
                    row.name,
                    row.lr,
                    str(row.tuned).lower(),
                    row.outcome,
                    row.train_seconds,
                    name,
                    value.n,
                    value.mean,
                    value.low,
                    value.high,
                ]
            )
    return _csv(head, rows)


def runs(comparison: Comparison) -> str:
    """Return a line for each run and metric; ``run`` counts the seeds from 0."""
    rows = [
        [row.kind, row.name, row.lr, place, name, value]
        for row in comparison.rows
        for name, values in row.values.items()
        for place, value in enumerate(values)
    ]
    return _csv(["kind", "name", "lr", "run", "metric", "value"], rows)


def rates(comparison: Comparison) -> str:
    """Return a line for each learning rate that was tried; an empty value is a rate at which training diverged."""
    rows: list[list[Any]] = []
    for curve in comparison.rates:
        for length, pairs in (("scan", curve.scan), ("full", curve.full)):
            for rate, value in pairs:
                chosen = math.isclose(rate, curve.chosen, rel_tol=1e-9)
                rows.append([curve.name, curve.metric, length, rate, value, str(chosen).lower()])
    return _csv(["name", "metric", "length", "lr", "value", "chosen"], rows)


def differences(comparison: Comparison) -> str:
    """Return a line for each difference, first − second, with its interval and verdict, or why there is none."""
    found = list(
        {
            (d.first, d.second, d.metric, d.over): d for d in [*comparison.differences, *comparison.pairs]
        }.values()
    )
    head = [
        "first",
        "second",
        "metric",
        "over",
        "n",
        "mean",
        "low",
        "high",
        "p",
        "p_adjusted",
        "comparisons",
        "told_apart",
        "better",
        "reason",
    ]
    rows = [
        [
            d.first,
            d.second,
            d.metric,
            d.over,
            d.n,
            d.mean,
            d.low,
            d.high,
            d.p,
            d.p_adjusted,
            d.comparisons,
            str(d.told_apart).lower(),
            d.better,
            d.reason,
        ]
        for d in found
    ]
    return _csv(head, rows)


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(each) for each in row] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(value) if isinstance(value, float) else value
