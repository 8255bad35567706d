"""Which rows of a comparison are marked: the winner, and the one whose model is recommended for use."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.compare.result import Comparison, Row
from steepest.report.factors import subject

RECOMMENDED, WINNER = "●", "○"
"""The marks of rows where there is text alone."""


def is_winner(comparison: Comparison, row: Row) -> bool:
    """Return whether a row is the winner's: an optimizer without a finished run is none."""
    value = row.metrics.get(comparison.metric)
    known = value is not None and math.isfinite(value.mean)
    return known and row.kind == "arm" and row.name == comparison.winner


def is_recommended(comparison: Comparison, row: Row) -> bool:
    """Return whether a row's model is the one that is recommended for use, a baseline's or the winner's network."""
    use = comparison.recommended
    if not use or use == comparison.winner:
        return is_winner(comparison, row)
    value = row.metrics.get(comparison.metric)
    return row.kind == "baseline" and row.name == use and value is not None and math.isfinite(value.mean)


def mark(comparison: Comparison, row: Row) -> str:
    """Return the mark of a row, a blank where it has none."""
    return RECOMMENDED if is_recommended(comparison, row) else WINNER if is_winner(comparison, row) else " "


def key(comparison: Comparison, rows: Sequence[Row]) -> str:
    """Return what the marks mean that rows have, as one line; nothing where none has one.

    Example:
        >>> from steepest.compare.estimates import Estimate
        >>> from steepest.compare.result import Metric
        >>> values = {"rmse": Estimate(mean=1.0, n=1)}
        >>> rows = [Row(kind="arm", name="adam", metrics=values), Row(kind="baseline", name="mean", metrics=values)]
        >>> shown = Metric(name="rmse", title="RMSE", higher_is_better=False)
        >>> found = Comparison(title="t", sentence="", metric="rmse", winner="adam", rows=rows, metrics=[shown])
        >>> for recommended in ("adam", "mean"):
        ...     print(key(found.model_copy(update={"recommended": recommended}), rows))
        ● recommended for use
        ● recommended for use · ○ winning optimizer, chosen on the validation rows
    """
    used = {mark(comparison, row) for row in rows}
    best = f"winning {subject(comparison).one}, chosen on {comparison.curves_on}"
    meanings = {
        RECOMMENDED: "recommended for use" if comparison.recommended else best,
        WINNER: best,
    }
    return " · ".join(f"{each} {meaning}" for each, meaning in meanings.items() if each in used)
