"""What the headline says of the baselines: which one may be used instead of the network, and which predict uses."""

from __future__ import annotations

import math

from steepest.compare.estimates import IDENTICAL, Estimate, why
from steepest.compare.result import Row, better_first
from steepest.evaluate.baselines import NOT_SAVED
from steepest.report.case import HeadlineCase, based_on, before
from steepest.report.claims import corrected
from steepest.report.words import capital


def better_but_undetected(case: HeadlineCase) -> Row | None:
    """Return the best baseline on validation if its mean is ahead of the winner's without a detectable difference."""
    best = next(iter(case.baselines), None)
    found = case.to(best) if best else None
    if best is None or found is None or found.ends is None or found.told_apart or found.mean == 0:
        return None
    return best if (found.mean > 0) != case.metric.higher_is_better else None


def use_baseline(case: HeadlineCase, row: Row) -> str:
    """Return that a baseline is used: because of a detectable difference, or else because of validation."""
    found, winner = case.to(row), case.winner
    if found is None:
        return f"Use {row.name}: {case.result(row)}."
    network, reached = case.subject.network(winner.name), f"({case.value(winner)}, {case.runs(winner)})"
    if found.told_apart:
        return f"Use {row.name}: {case.result(row)}, {case.gap(found.swapped())} than {network} {reached}."
    if found.ends is not None or not case.limits.unbeaten:
        return use_either(case, row)
    known = found.reason if found.reason == IDENTICAL else f"no difference can be established: {why([found])}"
    return (  # not "or the network", which has just been said to be no better than a constant
        f"Use {row.name}: {case.result(row)}, better on validation{_values(case, row)} than {network} {reached}; "
        f"on the {case.subject.rows}, {known}."
    )


def use_either(case: HeadlineCase, row: Row) -> str:
    """Return that a baseline and the network may be equally good, and which of them predict uses."""
    found = case.to(row)
    assert found is not None
    either = f"Use {row.name} or {case.subject.network(case.winner.name)}"
    if found.ends is None:
        same = found.reason == IDENTICAL
        known = IDENTICAL if same else f"no difference can be established: {why([found])}"
        return (
            f"{either}: {known}. {capital(row.name)} reaches {case.result(row)}, {case.winning} "
            f"{case.value(case.winner)} ({case.runs(case.winner)}). {predicts(case, row)}"
        )
    return (
        f"{either}: no detectable difference on "
        f"{case.metric.title} ({based_on([found])}). {capital(row.name)} reaches {case.value(row)}, "
        f"{case.winning} {case.value(case.winner)} ({case.runs(case.winner)}), "
        f"{case.gap(found)}"
        f"{' before correction' if found.only_uncorrected else ''}. {predicts(case, row)}"
    )


def predicts(case: HeadlineCase, row: Row) -> str:
    """Return whether predict uses a baseline or the network, and why, where no difference on test is detectable."""
    if case.recommended is row:
        return f"Predict uses {row.name}, which is better on validation{_values(case, row)}."
    mine, other = case.winner.chosen_by, row.chosen_by
    if NOT_SAVED in row.settings:
        because = f": {row.name} is {NOT_SAVED}"
    elif mine is None or other is None:
        because = ""
    elif mine == other:
        because = ", which is as good on validation"
    else:
        because = f", which is better on validation{_values(case, row)}"
    return f"Predict uses the network{because}."


def _values(case: HeadlineCase, row: Row) -> str:
    """Return what a baseline and the network reach on validation, the better first, where it looks different."""
    unit = "%" if case.metric.percent else ""
    sign = -1.0 if case.metric.higher_is_better else 1.0
    values = [each.chosen_by for each in (row, case.winner) if each.chosen_by is not None]
    texts = [
        f"{case.written.value(Estimate(mean=each, n=1))}{unit}"
        for each in sorted(values, key=lambda v: sign * v)
    ]
    return f" ({texts[0]} against {texts[1]})" if len(set(texts)) == 2 else ""


def best_baseline(case: HeadlineCase, row: Row) -> str:
    """Return what the best baseline on validation reaches, and how far the winner is from it."""
    tested = better_first(case.baselines, case.metric)[0]
    same = tested.metrics[case.metric.name].mean == row.metrics[case.metric.name].mean
    return _against(case, row, f"the best baseline{'' if same else ' on validation'}, {row.name},")


def another(case: HeadlineCase, row: Row) -> str:
    """Return the same of another baseline."""
    return _against(case, row, row.name)


def _against(case: HeadlineCase, row: Row, subject: str) -> str:
    found = case.to(row)
    text = f"{subject} reaches {case.value(row)}"
    if found is None or not math.isfinite(found.mean):
        return f"{text}."
    if found.ends is None:
        ahead = (found.mean > 0) != case.metric.higher_is_better and found.mean != 0
        kept = ahead and row is case.baselines[0] and case.recommended is None
        known = (
            IDENTICAL if found.reason == IDENTICAL else f"no difference can be established: {why([found])}"
        )
        return f"{text}; {known}.{f' {predicts(case, row)}' if kept else ''}"
    who = f"this run of {found.first}" if found.over == "rows" else found.first
    who = "the network" if case.subject.several and who == case.winner.name else who
    verdict = "" if found.told_apart else f": no detectable difference{corrected([found])}"
    return f"{text}{verdict} ({before(found)}{who} is {case.gap(found)})."
