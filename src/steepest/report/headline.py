"""The headline of a comparison: verdict, number, advice. It follows from the intervals and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.compare.effects import Factorial, Interaction, MainEffect
from steepest.compare.estimates import IDENTICAL, Difference, why
from steepest.compare.limits import NO_LIMITS, Limits
from steepest.compare.result import Metric, Row, best_chosen
from steepest.recipe import SUBJECTS
from steepest.report.advice import another, best_baseline, better_but_undetected, use_baseline, use_either
from steepest.report.case import HeadlineCase, based_on, before
from steepest.report.claims import cut_short, doubted, mistuned, reserved, said_once, too_short
from steepest.report.digits import digits
from steepest.report.unbeaten import unbeaten
from steepest.report.words import Subject, capital, cell_text, listed


def headline(
    metric: Metric,
    rows: Sequence[Row],
    winner: Row,
    rivals: Sequence[Difference],
    against: Sequence[Difference] = (),
    *,
    recommended: str = "",
    reference: str = "",
    limits: Limits = NO_LIMITS,
    subject: Subject | None = None,
    factorial: Factorial | None = None,
    giveaways: Sequence[str] = (),
) -> str:
    """Return which model to use, what it reaches, by how much it is better, and whether what is compared matters.

    Where the runs can say nothing about what is compared, the headline opens with that and makes no claim about it.

    Args:
        metric: the deciding metric.
        rows: all rows.
        winner: the row of the arm that validation picked.
        rivals: the winner minus every other arm, on the deciding metric.
        against: the winner minus every baseline.
        recommended: name of the row to use, where that is a baseline.
        reference: title of the regression that is always mentioned.
        limits: what restricts the claims.
        subject: what is compared; optimizers, if left out.
        factorial: main effects, where several factors vary in all combinations.
        giveaways: columns that alone give the target away: the advice holds only where they are known.
    """
    written = digits(metric, rows, [*rivals, *against])
    baselines = [row for row in rows if row.kind == "baseline" and metric.name in row.metrics]
    known = best_chosen([row for row in baselines if math.isfinite(row.metrics[metric.name].mean)], metric)
    chosen = next((row for row in known if row.name == recommended), None)
    case = HeadlineCase(
        metric, written, winner, rivals, against, known, chosen, limits, subject or Subject(), factorial
    )
    if case.failed:
        lost = f"No run of any {case.subject.one} finished, so nothing can be said about {metric.title}."
        advice = f"Use {chosen.name}: {case.result(chosen)}." if chosen else ""
        return f"{reserved(advice, giveaways)} {lost}" if chosen else lost
    tie = better_but_undetected(case)
    if chosen is not None:
        said = [use_baseline(case, chosen), *_arms(case, lead=False)]
    elif tie is not None:
        said = [use_either(case, tie), *_arms(case, lead=False)]
    else:
        said = [*_arms(case, lead=True), *[best_baseline(case, row) for row in known[:1]]]
    said = [*_silence(case), *(reserved(each, giveaways) for each in said)]
    shown = chosen or tie or next(iter(known), None)
    said += [another(case, row) for row in known if row.name == reference and row is not shown]
    said += [f"{row.name} gave no result." for row in baselines if row not in known]
    said += cut_short(row for row in known if row in (shown, chosen) or row.name == reference)
    return said_once(" ".join(map(case.subject.sentence, said)))


def _arms(case: HeadlineCase, *, lead: bool) -> list[str]:
    """Return what may be said of what is compared.

    Args:
        case: everything that is known.
        lead: whether the winner's result has not been given yet.
    """
    if case.limits.silent:
        return [_use_network(case)] if lead else []
    return [*_claims(case, lead=lead), *_mistuned(case)]


def _claims(case: HeadlineCase, *, lead: bool) -> list[str]:
    title, result = case.winner.name, case.result(case.winner)
    name, use, finished = case.name(title), case.subject.use(title), case.compared
    if not case.rivals:
        return [f"{use}: {result}."] if lead else []
    if not finished:
        only = f"the only {case.subject.one} with a finished run"
        return [f"{use}, {only}: {result}." if lead else f"{case.subject.begin(title)} is {only}."]
    if case.factorial is not None:
        return _main_effects(case, case.factorial, lead=lead)
    known = [each for each in finished if each.ends is not None]
    beaten = [each for each in known if each.better == title]
    ahead = [each for each in known if each.told_apart and each.better != title]
    tied = [each for each in known if not each.told_apart]
    if not known:
        opening = [f"{use}: {result}."] if lead else []
        if all(each.reason == IDENTICAL for each in finished):
            return [*opening, f"The {case.subject.many} gave {IDENTICAL} on {case.metric.title}."]
        return [
            *opening,
            f"No difference between the {case.subject.many} can be established: {why(finished)}.",
        ]
    if len(beaten) == len(finished):
        nearest = case.nearest(beaten)
        more = f"{case.gap(nearest)} than {case.name(nearest.second)}{', the next best' if len(beaten) > 1 else ''}"
        return [
            f"{use}: {result}, {more}." if lead else f"Among the {case.subject.many}, {name} is best, {more}."
        ]
    said: list[str] = []
    if lead:
        said.append(f"{use}{', chosen on validation' if ahead else ''}: {result}.")
    if ahead:
        said.append(_behind(case, ahead))
    if tied and len(tied) == len(finished):
        gap = (
            f": {before(tied[0])}{name} is {case.gap(tied[0])} than {case.name(tied[0].second)}"
            if len(tied) == 1
            else ""
        )
        none = "no detectable difference"
        if case.subject.several:
            said.append(f"Between the arms there is {none} ({based_on(tied)}){gap}.")
        else:
            said.append(
                f"{capital(case.subject.choice)} {case.subject.makes} {none} ({based_on(tied)}){gap}."
            )
        return said
    if beaten:
        said.append(f"{case.subject.begin(title)} is better than {_some(case, beaten)}.")
    if tied:
        others = _some(case, tied)
        said.append(f"There is no detectable difference from {others} ({based_on(tied)}).")
    return said


def _behind(case: HeadlineCase, ahead: Sequence[Difference]) -> str:
    """Return which arms are better than the winner on the test rows."""
    worst = case.nearest(ahead)
    rest = [each for each in ahead if each is not worst]
    more = f" and worse than {_some(case, rest)}" if rest else ""
    name, best = case.name(case.winner.name), case.name(worst.second)
    return f"On the {case.subject.rows} {name} is {case.gap(worst)} than {best}{more}."


def _main_effects(case: HeadlineCase, found: Factorial, *, lead: bool) -> list[str]:
    """Return which factors matter, averaged over the others, and whether the effect of one depends on another."""
    ahead = [each for each in case.compared if each.told_apart and each.better != case.winner.name]
    said: list[str] = []
    if lead:
        chosen = ", chosen on validation" if ahead else ""
        said.append(f"{case.subject.use(case.winner.name)}{chosen}: {case.result(case.winner)}.")
    said += [_behind(case, ahead)] if ahead else []
    known = [each for each in found.effects if each.effect.ends is not None]
    if not known:
        return [*said, f"No main effect can be established: {why([each.effect for each in found.effects])}."]
    matter = sorted((each for each in known if each.told_apart), key=lambda each: -abs(each.effect.mean))
    rest = [each for each in known if not each.told_apart]
    parts: list[str] = []
    for place, each in enumerate(matter):
        first = place == 0 or len(case.subject.factors) == 2
        over = f", averaged over {_others(case, each)}" if first else ""
        best, worst = (cell_text(each.factor, level) for level in (each.effect.first, each.effect.second))
        parts.append(f"{_factor(each)} matters: {best} is {case.gap(each.effect)} than {worst}{over}")
    if rest:
        which, of = listed([_factor(each) for each in rest]), based_on([each.effect for each in rest])
        others = "factors" if len(found.effects) > 2 else "factor"
        average = "" if matter else f", each averaged over the other {others}"
        makes = "makes" if len(rest) == 1 else "make"
        parts.append(f"{which} {makes} no detectable difference ({of}){average}")
    said.append("; ".join(parts) + ".")
    if found.largest is not None and found.largest.told_apart:
        said.append(_depends(case, found.largest))
    return said


def _factor(found: MainEffect) -> str:
    return f"the {SUBJECTS[found.factor][0]}"


def _others(case: HeadlineCase, found: MainEffect) -> str:
    rest = [each for each in case.subject.factors if each != found.factor]
    return f"the {SUBJECTS[rest[0]][1]}" if len(rest) == 1 else "the other factors"


def _depends(case: HeadlineCase, found: Interaction) -> str:
    """Return that the effect of one factor depends on another."""
    one, by = (SUBJECTS[each][0] for each in found.factors)
    (a, b), (c, d) = (
        [cell_text(factor, level) for level in levels]
        for factor, levels in zip(found.factors, (found.first, found.second), strict=True)
    )
    gap = case.written.text(found.difference, sign=True)
    return f"The effect of the {one} depends on the {by}: {a} − {b} is {gap} with {c} compared to {d}."


def _use_network(case: HeadlineCase) -> str:
    """Return that the network is used, without a word about the merits of what is compared."""
    return f"Use {case.subject.network(case.winner.name)}: {case.result(case.winner)}."


def _silence(case: HeadlineCase) -> list[str]:
    """Return why the runs say nothing about what is compared, if they do not."""
    limits, nothing = case.limits, f"so this comparison says nothing about {case.subject.topics}"
    said: list[str] = []
    if limits.short is not None:
        said.append(too_short(limits.short, case.subject.topics))
    elif limits.untrained:
        said.append(f"Most runs were best before their first step, {nothing}.")
    constant = next((row for row in case.baselines if row.name == limits.unbeaten), None)
    if constant is not None:
        said += unbeaten(case, constant, so=not said)
    return said


def _mistuned(case: HeadlineCase) -> list[str]:
    """Return which of the compared optimizers were tuned badly, and what helps."""
    compared = {case.winner.name, *(each.second for each in case.compared)}
    failed, perhaps = (
        [name for name in names if name in compared] for names in (case.limits.mistuned, case.limits.doubted)
    )
    return [
        *([mistuned(failed, compared=bool(case.rivals))] if failed else []),
        *([doubted(perhaps)] if perhaps else []),
    ]


def _some(case: HeadlineCase, found: Sequence[Difference]) -> str:
    names, of = [case.name(each.second) for each in found], len(case.compared)
    if len(names) <= 3:
        return listed(names)
    return f"any of the {of} others" if len(names) == of else f"{len(names)} of the {of} others"
