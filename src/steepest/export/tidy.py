"""Tidy CSV files: one observation a line, one variable a column, what is not a number empty."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from steepest.compare.estimates import Difference
from steepest.compare.result import Comparison
from steepest.report.factors import factor_cells


def results(comparison: Comparison) -> str:
    """Return a line for each row and metric: mean over seeds, ends of the 95 % interval, number of runs.

    Where something else than the optimizer varies, ``name`` is followed by a column for each factor that does.
    """
    factors = factor_cells(comparison)
    head = [
        "kind",
        "name",
        *factors.names,
        "lr",
        "tuned",
        "outcome",
        "train_seconds",
        "cpu_seconds",
        "peak_memory",
        "gradients",
        "products",
        "forwards",
        "metric",
        "n",
        "mean",
        "low",
        "high",
    ]
    rows: list[list[Any]] = []
    for row in comparison.rows:
        for name, value in row.metrics.items():
            rows.append(
                [
                    row.kind,
                    row.name,
                    *factors.of(row.kind, row.name),
                    row.lr,
                    str(row.tuned).lower(),
                    row.outcome,
                    row.train_seconds,
                    row.cpu_seconds,
                    row.peak_memory,
                    row.gradients,
                    row.products,
                    row.forwards,
                    name,
                    value.n,
                    value.mean,
                    value.low,
                    value.high,
                ]
            )
    return as_csv(head, rows)


def runs(comparison: Comparison) -> str:
    """Return a line for each run and metric; ``run`` counts the seeds from 0, ``test_set`` the test sets."""
    factors, several = factor_cells(comparison), comparison.test_sets > 1
    rows: list[list[Any]] = []
    for row in comparison.rows:
        for name, values in row.values.items():
            seeds = max(len(values) // comparison.test_sets, 1)
            for place, value in enumerate(values):
                test_set = [place // seeds] if several and len(values) > 1 else [None] if several else []
                own = factors.of(row.kind, row.name)
                rows.append([row.kind, row.name, *own, row.lr, *test_set, place % seeds, name, value])
    head = [
        "kind",
        "name",
        *factors.names,
        "lr",
        *(["test_set"] if several else []),
        "run",
        "metric",
        "value",
    ]
    return as_csv(head, rows)


def effects(comparison: Comparison) -> str:
    """Return a line for each pair of levels of each factor, then one for each interaction, largest first.

    ``first`` and ``second`` of an interaction are the two differences that it is the difference of.
    """
    found = comparison.factorial
    rows: list[list[Any]] = []
    if found is not None:
        rows += [["main", effect.factor, *_line(pair)] for effect in found.effects for pair in effect.pairs]
        rows += [
            ["interaction", " × ".join(each.factors), *_line(each.difference)] for each in found.interactions
        ]
    head = [
        "kind", "factor", "first", "second", "metric", "over", "n", "mean", "low", "high", "p", "p_adjusted",
        "comparisons", "told_apart", "better", "reason",
    ]  # fmt: skip
    return as_csv(head, rows)


def levels(comparison: Comparison) -> str:
    """Return a line for each level of each factor: its mean over all arms that have it, and the 95 % interval."""
    found = comparison.factorial
    rows: list[list[Any]] = []
    if found is not None:
        rows = [
            [effect.factor, each.level, found.metric, each.n, each.mean, each.low, each.high]
            for effect in found.effects
            for each in effect.levels
        ]
    return as_csv(["factor", "level", "metric", "n", "mean", "low", "high"], rows)


def rates(comparison: Comparison) -> str:
    """Return a line for each trial; an empty value is one that diverged.

    ``beside`` has the values of other hyperparameters as JSON, where these were tuned. Rates that ran with every seed
    have the mean over the seeds with its 95 % interval, and ``sweep`` as their length; runs of stages between ``scan``
    and ``full`` have theirs in full lengths.
    """
    factors = factor_cells(comparison)
    rows: list[list[Any]] = []
    for curve in comparison.rates:
        between = [(f"{stage.length:.4g}", stage.points, stage.at) for stage in curve.between]
        for length, pairs, at in (
            ("scan", curve.scan, curve.scan_at),
            *between,
            ("full", curve.full, curve.full_at),
        ):
            for (rate, value), beside in zip(pairs, at or [{}] * len(pairs), strict=True):
                chosen = math.isclose(rate, curve.chosen, rel_tol=1e-9) and beside == curve.chosen_at
                more = json.dumps(beside) if beside else ""
                own = factors.of("arm", curve.name)
                rows.append(
                    [curve.name, *own, curve.metric, length, rate, value, chosen, more, 1, None, None]
                )
        for each in curve.sweep:
            chosen = math.isclose(each.lr, curve.chosen, rel_tol=1e-9)
            rows.append(
                [
                    curve.name,
                    *factors.of("arm", curve.name),
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
    head = ["name", *factors.names, "metric", "length", "lr", "value", "chosen", "beside", "n", "low", "high"]
    return as_csv(
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
    return as_csv(head, map(_line, found))


def _line(d: Difference) -> list[Any]:
    return [
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


def as_csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table with its head; what is not a number is empty, floats have all their digits."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(each) for each in row] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(value) if isinstance(value, float) else value
