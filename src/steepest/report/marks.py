"""Which rows of a comparison are marked: the winner, and the one whose model is recommended for use."""

from __future__ import annotations

import math

from steepest.compare.result import Comparison, Row


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
