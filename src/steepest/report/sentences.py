"""What else may be said of a comparison, after its headline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from steepest.compare.estimates import Difference
from steepest.compare.ranges import covers_all
from steepest.compare.result import Comparison, Metric, Row
from steepest.compare.worth import families
from steepest.evaluate.rowwise import BY_ROW
from steepest.report import format as fmt
from steepest.report.claims import corrected, evidence
from steepest.report.digits import from_winner
from steepest.report.factors import subject
from steepest.report.fits import sentence as about_optima
from steepest.report.rated import sentence as about_users
from steepest.report.view import metric_of
from steepest.report.words import Subject, listed
from steepest.wording import counted

ROUNDING = 1e-6
"""Means that differ by a smaller share are the same but for rounding."""


def remarks(metric: Metric, metrics: Sequence[Metric], winner: Row, rows: Sequence[Row],
            others: dict[str, list[Difference]], what: Subject | None = None) -> list[str]:  # fmt: skip
    """Return what else there is to know: whether test agrees with validation, other metrics, runs that failed."""
    said: list[str] = []
    what = what or Subject()
    name = what.name
    arms = [row for row in rows if row.kind == "arm" and math.isfinite(row.metrics[metric.name].mean)]
    said += _chosen(metric, arms, winner.name, what)
    mine = others.get(metric.name, [])
    said += _only_corrected([each for each in mine if each.only_uncorrected], len(mine), name)
    tested = (what or Subject()).rows == "test rows"
    if tested and any(each.over == "seeds" and each.ends for each in mine) and metric.name not in BY_ROW:
        said.append(
            f"The variation of {metric.title} over test rows is not known: its intervals account for seed variation "
            "only."
        )
    for each in metrics[1:]:
        if each.name == "accuracy" and any(one.ends for one in others.get(each.name, [])):
            said.append(_accuracy(winner, [one for one in others[each.name] if one.ends], name))
    said += [*about_useless(metric, arms, what), *about_others(metric, metrics, arms)]
    for row in rows:
        if row.kind != "baseline" and row.outcome != "finished":
            at = " at its library default" if row.kind == "default" else ""
            why = f" ({row.reason})" if row.reason else ""
            said.append(f"{what.begin(row.name)}{at}: {row.outcome} runs{why}.")
    return said


MOST_NAMED = 3
"""So many arms are named in a sentence; more are counted."""


def notes(comparison: Comparison, *, intervals: bool = True) -> list[str]:
    """Return what must stand beside the table of results: weights, who was chosen if not the first, corrections.

    Args:
        comparison: the result.
        intervals: whether the table shows the intervals of differences from the winner.
    """
    metric = metric_of(comparison, comparison.metric)
    arms = [
        row
        for row in comparison.rows
        if row.kind == "arm" and metric.name in row.metrics and math.isfinite(row.metrics[metric.name].mean)
    ]
    said = [f"Metrics are weighted by {comparison.weight}."] if comparison.weight else []
    said += [f"Tokens are scored with {comparison.scoring}."] if comparison.scoring else []
    said += about_optima(comparison)
    said += about_users(comparison)
    said += _chosen(metric, arms, comparison.winner, subject(comparison))
    said += about_useless(metric, arms, subject(comparison))
    return [*said, *_corrected_away(comparison)] if intervals else said


def about_useless(metric: Metric, arms: Sequence[Row], what: Subject) -> list[str]:
    """Return for which arms the interval of a metric holds every possible value: they need more seeds."""
    names = [what.name(row.name) for row in _useless(metric, arms)]
    if not names:
        return []
    which = listed(names) if len(names) <= MOST_NAMED else f"{len(names)} of the {len(arms)} {what.many}"
    return [
        f"{what.runs(arms[0].seeds)} give no usable interval of {metric.title} for {which}: it holds every possible "
        "value."
    ]


def about_others(metric: Metric, metrics: Sequence[Metric], arms: Sequence[Row]) -> list[str]:
    """Return for which metrics other than the deciding one an interval holds every possible value, in one line."""
    found = [each.title for each in metrics if each.name != metric.name and _useless(each, arms)]
    return [f"Too few seeds for an interval of {listed(found)}."] if found else []


def _useless(metric: Metric, arms: Sequence[Row]) -> list[Row]:
    return [
        row
        for row in arms
        if metric.name in row.metrics and covers_all(row.metrics[metric.name], metric.name)
    ]


def _corrected_away(comparison: Comparison) -> list[str]:
    """Return which differences from the winner have intervals beside zero and are not detectable after correction."""
    of = subject(comparison)
    said: list[str] = []
    for kind, many in (("arm", f"other {of.many}"), ("baseline", "baselines")):
        rows = [row.name for row in comparison.rows if row.kind == kind and row.name != comparison.winner]
        found = [(name, from_winner(comparison, name, comparison.metric)) for name in rows]
        lost = [(name, each) for name, each in found if each is not None and each.only_uncorrected]
        if not lost:
            continue
        names = [of.name(name) for name, _ in lost]
        which = listed(names) if len(names) <= MOST_NAMED else f"{len(names)} of the {len(rows)} {many}"
        none = "none" if said else "there is no detectable difference"
        said.append(
            f"after correction for {counted(lost[0][1].comparisons, 'comparison')}, {none} from {which}"
        )
    return [f"An interval is of one difference alone: {'; '.join(said)}."] if said else []


def families_of(comparison: Comparison) -> str:
    """Return how many comparisons on the deciding metric are corrected for together, family by family."""
    baselines = {row.name for row in comparison.rows if row.kind == "baseline"}
    found = [each for each in comparison.differences if each.metric == comparison.metric]
    against = [each for each in found if each.second in baselines]
    rivals = [each for each in found if each.second not in baselines]
    return families(rivals, against, comparison.factorial)


def _chosen(metric: Metric, arms: Sequence[Row], winner: str, what: Subject) -> list[str]:
    """Return that validation chose another arm than the one with the best mean on the test rows, where it did."""
    if not any(row.name == winner for row in arms):
        return []
    best = (max if metric.higher_is_better else min)(arms, key=lambda row: row.metrics[metric.name].mean)
    mine = next(row for row in arms if row.name == winner).metrics[metric.name].mean
    if best.name == winner or math.isclose(best.metrics[metric.name].mean, mine, rel_tol=ROUNDING):
        return []
    chose = "Validation" if what.rows == "test rows" else "The mean of the best weights"
    return [
        f"{chose} chose {what.name(winner)}; on the {what.rows} {what.name(best.name)} has the better mean."
    ]


def about_altered_data(altered: str, ahead: Sequence[str], *, all_are: bool) -> str:
    """Return what a reader must know where arms were trained on altered data; nothing where it makes no difference.

    Args:
        altered: what the winner learned from, in words, where that is not the data as given.
        ahead: names of arms trained on altered data that are better than the winner on validation.
        all_are: whether every arm was trained on altered data.

    Example:
        >>> about_altered_data("", ["noise(0.1)"], all_are=False)
        'noise(0.1) is better on the validation rows, but not for use: it was not trained on the data as given.'
        >>> about_altered_data("labels altered by noise(0.1)", [], all_are=True)
        'No arm was trained on the data as given: the saved network learned from labels altered by noise(0.1).'
    """
    if altered:
        none = (
            "No arm was trained on the data as given"
            if all_are
            else "No arm trained on the data as given finished"
        )
        return f"{none}: the saved network learned from {altered}."
    if not ahead:
        return ""
    one = len(ahead) == 1
    return (
        f"{listed(ahead)} {'is' if one else 'are'} better on the validation rows, but not for use: "
        f"{'it was' if one else 'they were'} not trained on the data as given."
    )


def _only_corrected(found: Sequence[Difference], of: int, name: Callable[[str], str]) -> list[str]:
    """Return that the correction took differences away, with their names where they are few."""
    if len(found) > MOST_NAMED:
        first = found[0]
        return [
            f"The 95 % intervals of {len(found)} of the {of} differences from {name(first.first)} exclude zero, but "
            f"they are among {first.comparisons} comparisons, some of which do so by chance: after correction these "
            "differences are not detectable."
        ]
    if len(found) < 2 or len({each.first for each in found}) > 1:
        return [_only_corrected_one(each, name) for each in found]
    known = [
        fmt.probability(each.p_adjusted).removeprefix("= ") for each in found if each.p_adjusted is not None
    ]
    p = f" (corrected p: {listed(known)})" if len(known) == len(found) else ""
    return [
        f"The 95 % intervals of the differences of {name(found[0].first)} from "
        f"{listed([name(each.second) for each in found])} exclude zero, but they are {len(found)} of "
        f"{found[0].comparisons} comparisons, some of which do so by chance: after correction none of them is "
        f"detectable{p}."
    ]


def _only_corrected_one(found: Difference, name: Callable[[str], str]) -> str:
    p = ""
    if found.p is not None and found.p_adjusted is not None:
        p = f" (p {fmt.probability(found.p)}, corrected {fmt.probability(found.p_adjusted)})"
    both = f"{name(found.first)} − {name(found.second)}"
    return (
        f"The 95 % interval of {both} excludes zero, but it is one of {found.comparisons} comparisons, some of which "
        f"do so by chance: after correction there is no detectable difference{p}."
    )


def _accuracy(winner: Row, found: Sequence[Difference], name: Callable[[str], str]) -> str:
    apart = [one for one in found if one.told_apart]
    if not apart:
        return (
            f"On accuracy there is no detectable difference between {name(winner.name)} and the others "
            f"({evidence(found[0])}{corrected(found)})."
        )
    by_word: dict[str, list[str]] = {}
    for one in apart:
        by_word.setdefault("better" if one.better == winner.name else "worse", []).append(one.second)
    text = listed([f"{word} than {_some(some, len(found), name)}" for word, some in by_word.items()])
    rest = "" if len(apart) == len(found) else ", with no detectable difference from the others"
    return f"On accuracy {name(winner.name)} is {text}{rest}."


def _some(names: Sequence[str], of: int, name: Callable[[str], str]) -> str:
    return (
        listed([name(each) for each in names])
        if len(names) <= MOST_NAMED
        else f"{len(names)} of the {of} others"
    )
