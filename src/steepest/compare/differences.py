"""Which arms are told apart, from what each seed and each test row gave, corrected for all comparisons made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from steepest.compare import folds
from steepest.compare.estimates import IDENTICAL, Difference
from steepest.compare.intervals import ROUNDING, holm, paired_t, row_bootstrap, smallest_visible
from steepest.compare.pairing import finite
from steepest.compare.result import Standing
from steepest.compare.scores import Scores, Values
from steepest.evaluate import crossed
from steepest.evaluate.metrics import metric_info
from steepest.evaluate.rowwise import too_few

LEVEL = 0.95


@dataclass(frozen=True)
class _Draft:
    """A difference before it is corrected, and what is needed to finish it."""

    found: Difference
    parts: crossed.Parts | None = None
    gaps: Values | None = None
    column: Values | None = None


def difference(first: Scores, second: Scores) -> Difference:
    """Return ``first - second``, as the only comparison made.

    Where there is a value for each row and there are two seeds or more, the interval holds both uncertainties;
    between two optimizers otherwise the seeds alone; and with a single run against a baseline, the test rows alone.
    There is no interval, and nothing is told apart, where a single run stands against a single run (nothing is known
    of what another seed would give), where a baseline has no value for each row (it has no seeds either), with
    fewer than 100 test rows (20 of the rarest class for metrics that weigh classes), and where nothing varies.

    With several test sets it is the mean of their differences, and one run for each test set is enough; what the
    interval holds then is written in :mod:`steepest.compare.folds`.

    Example:
        >>> from steepest.compare.scores import scores
        >>> one = scores("adam", "f1", [0.5, 0.52, 0.51], [None, None, None])
        >>> other = scores("sgd", "f1", [0.4, 0.41, 0.42], [None, None, None])
        >>> found = difference(one, other)
        >>> found.over, found.better, round(found.mean, 3)
        ('seeds', 'adam', 0.1)
    """
    return family([(first, second)])[0]


def differences(
    optimizers: Sequence[Scores], baselines: Sequence[Scores], seed: int = 0
) -> tuple[list[Difference], list[Difference]]:
    """Return every pair of optimizers, and every optimizer against every baseline, each family corrected.

    All pairs are corrected for, though a reader may look at the winner's only: the winner was picked with the help
    of the same runs, and the best of many is best by luck as well.

    Args:
        optimizers: scores on one metric.
        baselines: scores on the same metric.
        seed: of the bootstrap over rows.
    """
    pairs = list(itertools.combinations(optimizers, 2))
    against = [(a, b) for a in optimizers for b in baselines]
    return family(pairs, seed), family(against, seed)


def family(pairs: Sequence[tuple[Scores, Scores]], seed: int = 0) -> list[Difference]:
    """Return first − second of each pair: the seeds' part of the intervals pooled, the p-values corrected (Holm).

    Args:
        pairs: which are compared, on one metric.
        seed: of the bootstrap over rows.
    """
    drafts = [_draft(first, second) for first, second in pairs]
    known = [place for place, each in enumerate(drafts) if each.parts is not None]
    weights = _coefficients([pairs[place] for place in known])
    pooled = crossed.pool(
        [each.parts for each in drafts if each.parts],
        int(np.linalg.matrix_rank(weights)) if weights.size else 0,
        (weights**2).sum(1).tolist(),
    )
    for place, parts in zip(known, pooled, strict=True):
        drafts[place] = _with_interval(drafts[place], parts)
    return _corrected(drafts, seed)


def between(found: Sequence[Difference], first: str, second: str, metric: str) -> Difference | None:
    """Return ``first - second`` out of differences that hold it in either direction, or None."""
    for each in found:
        if each.metric == metric and (each.first, each.second) == (first, second):
            return each
        if each.metric == metric and (each.first, each.second) == (second, first):
            return each.swapped()
    return None


def standings(
    names: Sequence[str], metric: str, pairs: Sequence[Difference], against: Sequence[Difference]
) -> list[Standing]:
    """Return wins, ties and losses of each optimizer, most wins over losses first; equals keep their order.

    Example:
        >>> found = Difference(first="a", second="b", metric="log_loss", over="seeds", mean=-1.0, low=-2.0,
        ...                    high=-0.5, n=5, told_apart=True, better="a")
        >>> [(each.name, each.wins, each.ties, each.losses) for each in standings("ab", "log_loss", [found], [])]
        [('a', 1, 0, 0), ('b', 0, 0, 1)]
    """
    lines: list[Standing] = []
    for name in names:
        mine = [each for each in pairs if name in (each.first, each.second) and each.metric == metric]
        outer = [each for each in against if each.first == name and each.metric == metric and each.told_apart]
        lines.append(
            Standing(
                name=name,
                metric=metric,
                wins=sum(each.better == name for each in mine),
                ties=sum(each.detected is False for each in mine),
                losses=sum(each.told_apart and each.better != name for each in mine),
                untested=sum(each.detected is None for each in mine),
                above=[each.second for each in outer if each.better == name],
                below=[each.second for each in outer if each.better != name],
            )
        )
    return sorted(lines, key=lambda each: each.losses - each.wins)


def _draft(first: Scores, second: Scores) -> _Draft:
    if first.sets:
        return _draft_of_sets(first, second)
    a, b, known = _paired(first, second)
    a, b, n = a[known], b[known], int(known.sum())
    table = _table(first, second, known)
    against_baseline = not (first.seeded and second.seeded)
    one_run = n == 1 and table is not None and against_baseline
    alone = paired_t(a, b, LEVEL)
    made = Difference(
        first=first.name,
        second=second.name,
        metric=first.metric,
        over="seeds" if table is None or (n == 1 and not one_run) else "rows" if one_run else "both",
        mean=alone.mean if n else _mean(first) - _mean(second),
        low=alone.low,
        high=alone.high,
        n=first.n_rows if one_run else n,
        reason=_lacking(first, second, known, table),
        told_apart=False,
        rows=0 if table is None else first.n_rows,
        p=alone.p,
        by_seeds=None
        if math.isnan(alone.low) or (table is None and against_baseline)
        else (alone.low, alone.high),
    )
    if made.reason is not None:
        return _Draft(made.model_copy(update=Difference.lacking()))
    if table is None:
        return _Draft(made, gaps=a - b)
    parts = crossed.parts(table)._replace(mean=np.asarray(made.mean))
    return _Draft(made, parts, column=table.mean(0) - table.mean())


def _draft_of_sets(first: Scores, second: Scores) -> _Draft:
    both = list(zip(first.sets, second.sets, strict=True))
    paired = [_paired(one, other) for one, other in both]
    tables = [_table(*pair, known) for pair, (_, _, known) in zip(both, paired, strict=True)]
    rows = [table for table in tables if table is not None]
    by_row = len(rows) == len(both)
    gaps = np.array([float((a - b)[known].mean()) if known.any() else math.nan for a, b, known in paired])
    alone = folds.corrected_t(gaps, first.test_share)
    made = Difference(
        first=first.name,
        second=second.name,
        metric=first.metric,
        over="both" if by_row else "sets",
        mean=alone.mean if np.isfinite(gaps).all() else _mean(first) - _mean(second),
        low=alone.low,
        high=alone.high,
        n=min(int(known.sum()) for _, _, known in paired),
        sets=len(both),
        reason=_lacking_of_sets(first, second, gaps, rows if by_row else [gaps]),
        told_apart=False,
        rows=first.n_rows if by_row else 0,
        p=alone.p,
    )
    if made.reason is not None:
        return _Draft(made.model_copy(update=Difference.lacking()))
    if not by_row:
        wider = math.sqrt(1.0 + folds.overlap(len(both), first.test_share))
        return _Draft(made, gaps=(gaps - gaps.mean()) * wider)
    parts = folds.parts(rows, first.kind, first.test_share)._replace(mean=np.asarray(made.mean))
    if first.kind == "repeats":  # which rows come again is not known, so they are not drawn again
        return _Draft(made, parts)
    count = sum(table.shape[1] for table in rows)
    column = [(table.mean(0) - table.mean()) * (count / len(rows) / table.shape[1]) for table in rows]
    return _Draft(made, parts, column=np.concatenate(column))


def _lacking_of_sets(first: Scores, second: Scores, gaps: Values, values: Sequence[Values]) -> str | None:
    """Return why there can be no interval over several test sets, or None if there can."""
    for place, (one, other) in enumerate(zip(first.sets, second.sets, strict=True), start=1):
        for each in (one, other):
            if not np.isfinite(each.values).any():
                return f"no run of {each.name} finished on test set {place}"
        if math.isnan(gaps[place - 1]):
            return f"no seed in common on test set {place}"
    rarest = [each.rarest for each in (first, second) if each.rarest is not None]
    n_rows = min(first.n_rows, second.n_rows)
    reason = too_few(first.metric, n_rows, min(rarest, default=None), "test row") if n_rows else None
    if reason is not None:
        return reason
    size = max(float(np.abs(each.values).max()) for each in (first, second))
    return _without_spread(np.concatenate([each.ravel() for each in values]), size)


def _paired(first: Scores, second: Scores) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Return both values by seed, a baseline's repeated, and which seeds both have."""
    seeds = max(len(first.values), len(second.values))
    a, b = (np.broadcast_to(each.values, seeds) for each in (first, second))
    return a, b, np.isfinite(a) & np.isfinite(b)


def _mean(each: Scores) -> float:
    known = finite(each.values)
    return float(known.mean()) if len(known) else math.nan


def _coefficients(pairs: Sequence[tuple[Scores, Scores]]) -> Values:
    """Return the weight of every arm in each difference ``[pairs, arms]``; a baseline has no seeds and is left out."""
    sides = [[each.made_of if each.seeded else () for each in pair] for pair in pairs]
    names = sorted({name for pair in sides for side in pair for name, _ in side})
    found = np.zeros((len(pairs), len(names)))
    for row, pair in zip(found, sides, strict=True):
        for side, sign in zip(pair, (1.0, -1.0), strict=True):
            for name, weight in side:
                row[names.index(name)] += sign * weight
    return found


def _with_interval(draft: _Draft, parts: crossed.Parts) -> _Draft:
    mean, half, share = draft.found.mean, float(crossed.half_width(parts, LEVEL)), float(parts.share)
    update = {
        "low": mean - half,
        "high": mean + half,
        "p": float(crossed.p_value(parts)),
        "seed_share": share if math.isfinite(share) else None,
    }
    return replace(draft, found=draft.found.model_copy(update=update), parts=parts)


def _table(first: Scores, second: Scores, known: NDArray[np.bool_]) -> Values | None:
    """Return the differences by seed and row, for the seeds that both have; None if there is no value by row."""
    one, other = first.rows, second.rows
    if one is None or other is None or one.shape[1] != other.shape[1] or not known.any():
        return None
    shape = (len(known), one.shape[1])
    return np.broadcast_to(one, shape)[known] - np.broadcast_to(other, shape)[known]


def _lacking(first: Scores, second: Scores, known: NDArray[np.bool_], table: Values | None) -> str | None:
    """Return why there can be no interval, or None if there can."""
    n, rows = int(known.sum()), min(first.n_rows, second.n_rows)
    for each in (first, second):
        if not np.isfinite(each.values).any():
            return f"no run of {each.name} finished"
    if n == 0:
        return "no seed in common"
    if n == 1 and (table is None or (first.seeded and second.seeded)):
        return "one seed" if max(len(first.values), len(second.values)) == 1 else "one seed in common"
    reason = too_few(first.metric, rows, first.rarest, "test row") if rows else None
    if reason is not None:
        return reason
    if table is None and not (first.seeded and second.seeded):
        return f"the variation of {metric_info(first.metric).title} over test rows is not known"
    values = (first.values - second.values)[known] if table is None else table
    size = max(float(np.abs(each.values[np.isfinite(each.values)]).max()) for each in (first, second))
    return _without_spread(values, size)


def _without_spread(values: Values, size: float) -> str | None:
    """Return what differences are that do not vary beyond the rounding of numbers of a size, or None if they vary."""
    if not values.any():
        return IDENTICAL
    return "no spread" if float(np.ptp(values)) <= ROUNDING * size else None


def _corrected(drafts: Sequence[_Draft], seed: int) -> list[Difference]:
    """Correct one family, and add what a test rows' bootstrap and the power calculation say."""
    given = [math.nan if each.found.p is None else each.found.p for each in drafts]
    corrected = holm(given)
    made = sum(not math.isnan(p) for p in given)
    level = 1.0 - (1.0 - LEVEL) / max(made, 1)
    by_rows = _row_ends(drafts, seed)
    found: list[Difference] = []
    for draft, p, ends in zip(drafts, corrected, by_rows, strict=True):
        one = draft.found
        apart = p < 1.0 - LEVEL
        up = metric_info(one.metric).higher_is_better
        better = (one.first if (one.mean > 0) == up else one.second) if apart else None
        visible = None
        if draft.parts is not None and draft.parts.n_seeds > 1:
            visible = crossed.smallest_visible(draft.parts, level)
        elif draft.gaps is not None:
            visible = smallest_visible(draft.gaps, level=level)
        found.append(
            one.model_copy(
                update={
                    "p_adjusted": None if math.isnan(p) else p,
                    "comparisons": max(made, 1),
                    "told_apart": apart,
                    "better": better,
                    "by_rows": ends,
                    "visible": visible,
                }
            )
        )
    return found


def _row_ends(drafts: Sequence[_Draft], seed: int) -> list[tuple[float, float] | None]:
    columns = [each.column for each in drafts if each.column is not None]
    if not columns:
        return [None] * len(drafts)
    ends = iter(row_bootstrap(np.stack(columns), seed, level=LEVEL))
    return [
        None
        if each.column is None
        else (each.found.mean + float((one := next(ends))[0]), each.found.mean + float(one[1]))
        for each in drafts
    ]
