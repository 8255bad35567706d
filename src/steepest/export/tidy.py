"""Tidy CSV files: one observation a line, one variable a column, what is not a number empty."""

from __future__ import annotations

import csv
import io
import json
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
    """Return a line for each trial; an empty value is one that diverged.

    ``beside`` has the values of other hyperparameters as JSON, where these were tuned. Rates that ran with every seed
    have the mean over the seeds with its 95 % interval, and ``sweep`` as their length.
    """
    rows: list[list[Any]] = []
    for curve in comparison.rates:
        for length, pairs, at in (("scan", curve.scan, curve.scan_at), ("full", curve.full, curve.full_at)):
            for (rate, value), beside in zip(pairs, at or [{}] * len(pairs), strict=True):
                chosen = math.isclose(rate, curve.chosen, rel_tol=1e-9) and beside == curve.chosen_at
                more = json.dumps(beside) if beside else ""
                rows.append([curve.name, curve.metric, length, rate, value, chosen, more, 1, None, None])
        for each in curve.sweep:
            chosen = math.isclose(each.lr, curve.chosen, rel_tol=1e-9)
            rows.append(
                [
                    curve.name,
                    curve.metric,
                    "sweep",
                    each.lr,
                    each.mean,
                    chosen,
                    "",
                    each.n,
                    each.low,
                    each.high,
                ]
            )
    head = ["name", "metric", "length", "lr", "value", "chosen", "beside", "n", "low", "high"]
    return _csv(
        head, [[str(cell).lower() if isinstance(cell, bool) else cell for cell in row] for row in rows]
    )


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
