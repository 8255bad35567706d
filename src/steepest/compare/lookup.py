"""The difference of any two rows of a finished comparison, found by their names."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.compare.differences import between, difference
from steepest.compare.estimates import Difference
from steepest.compare.result import Comparison, Row
from steepest.compare.scores import Scores, over_sets, scores
from steepest.errors import UnknownNameError, unknown_name
from steepest.evaluate.metrics import meant, metric_info
from steepest.record.arms import find_arm


def difference_of(comparison: Comparison, first: str, second: str, metric: str | None = None) -> Difference:
    """Return ``first - second`` on a test metric, as it is shown or else from the values of the seeds.

    Args:
        comparison: a finished one.
        first: title, label or id of an arm, or the name of a baseline.
        second: that of another.
        metric: by default the deciding one; with two classes, ``f1`` is that of the positive class.

    Raises:
        UnknownNameError: a name or the metric is not in the table.
    """
    rows = [_row(comparison, each) for each in (first, second)]
    chosen = comparison.metric
    if metric is not None:
        chosen = (meant(metric, 2) if comparison.positive else metric_info(metric)).name
    known = [each.name for each in comparison.metrics]
    if chosen not in known:
        raise unknown_name("metric of this comparison", chosen, known)
    one, other = rows
    stored = between([*comparison.pairs, *comparison.differences], one.name, other.name, chosen)
    if stored is not None:
        return stored
    unknown = comparison.test_sets > 1 and not comparison.test_share  # a folder of an earlier version
    if unknown or "baseline" in (one.kind, other.kind):
        found = difference(_mean(one, chosen), _mean(other, chosen))
        return found.model_copy(update={"reason": "its variation over test rows is not kept"})
    return difference(_scores(comparison, one, chosen), _scores(comparison, other, chosen))


def _row(comparison: Comparison, name: str) -> Row:
    """Return the row of an arm or a baseline."""
    baselines = [row for row in comparison.rows if row.kind == "baseline"]
    arms = {row.name: row for row in comparison.rows if row.kind == "arm"}
    for row in baselines:
        if name in (row.name, row.name.replace(" ", "-")):
            return row
    if not comparison.arms:  # a folder of an earlier version
        if name not in arms:
            raise unknown_name("optimizer or baseline of this comparison", name, [*arms, *_names(baselines)])
        return arms[name]
    try:
        return arms[find_arm(name, comparison.arms).title]
    except UnknownNameError as error:
        if not baselines:
            raise
        raise UnknownNameError(
            error.fact, hint=f"{error.hint} The baselines: {', '.join(map(repr, _names(baselines)))}."
        ) from None


def _names(rows: Sequence[Row]) -> list[str]:
    return [row.name for row in rows]


def _scores(comparison: Comparison, row: Row, metric: str) -> Scores:
    """Return what the runs of a row gave."""
    values, sets = row.values.get(metric, [math.nan]), comparison.test_sets
    if sets == 1:
        return scores(row.name, metric, values, [], seeded=row.kind != "baseline")
    size = len(values) // sets
    each = [scores(row.name, metric, values[i * size : (i + 1) * size], []) for i in range(sets)]
    return over_sets(each, comparison.test_kind, comparison.test_share)


def _mean(row: Row, metric: str) -> Scores:
    known = [value for value in row.values.get(metric, []) if math.isfinite(value)]
    return scores(row.name, metric, [sum(known) / len(known) if known else math.nan], [], seeded=False)
