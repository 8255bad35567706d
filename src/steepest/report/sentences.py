"""What may be said of a comparison: sentences that follow from the intervals and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.compare.differences import BY_ROW
from steepest.compare.result import Difference, Metric, Row
from steepest.report import format as fmt
from steepest.report.words import capital, named


def first_sentence(metric: Metric, winner: Row, rivals: Sequence[Difference], rows: Sequence[Difference],
                   baselines: Sequence[Row], reference: str) -> str:  # fmt: skip
    """Return who wins on which metric and by how much, and how that compares with the simple baselines.

    Args:
        metric: the deciding metric.
        winner: the row of the optimizer that validation picked.
        rivals: the winner minus every other optimizer, on the deciding metric.
        rows: the winner minus each baseline.
        baselines: the rows of the baselines, best first.
        reference: title of the regression that is always named.
    """
    value = winner.metrics[metric.name]
    if not math.isfinite(value.mean):
        return f"Every run of every optimizer diverged: nothing can be said about {metric.title}."
    parts = [_lead(metric, winner, rivals)]
    named = [each for each in baselines[:1] if each.name != reference]
    named += [each for each in baselines if each.name == reference]
    for each in named:
        found = next((one for one in rows if one.second == each.name and one.metric == metric.name), None)
        parts.append(_baseline(metric, each, found, best=each is baselines[0]))
    return "; ".join(parts) + "."


def _lead(metric: Metric, winner: Row, rivals: Sequence[Difference]) -> str:
    value, name = winner.metrics[metric.name], named(winner.name)
    shown = fmt.estimate(value, percent=metric.percent) + ("%" if metric.percent else "")
    article = "an" if metric.title[0] in "aeioAEIOFMR" else "a"  # an accuracy, an F1, an MAE, an R²
    gets = f"{article} {metric.title} of {shown}"
    seeds = f" ({value.n} seeds)" if value.n > 1 else " (one seed, so nothing is known of its spread)"
    finished = [each for each in rivals if math.isfinite(each.mean)]
    known = [each for each in finished if each.ends is not None]
    beaten = [each for each in known if each.better == winner.name]
    tied = [each for each in known if not each.told_apart]
    ahead = [each for each in known if each.told_apart and each.better != winner.name]
    if not rivals:
        return f"{name} reaches {gets}{seeds}"
    if not finished:
        return f"{name} is the only optimizer that finished, with {gets}{seeds}"
    sign = 1 if metric.higher_is_better else -1
    if len(beaten) == len(finished):
        nearest = min(beaten, key=lambda each: sign * each.mean)
        place = ", the next" if len(beaten) > 1 else ""
        return (
            f"{name} wins on {metric.title}: {shown}{seeds}, "
            f"{_gap(metric, nearest)} than {nearest.second}{place}"
        )
    first = all(sign * each.mean >= 0 for each in finished)
    lead = (
        f"{name} leads on {metric.title}: {shown}" if first else f"{name}, picked by validation, gets {gets}"
    )
    if not known:
        return lead + (
            f"{seeds}, with no interval of the difference ({finished[0].reason})" if value.n > 1 else seeds
        )
    said: list[str] = []
    if ahead:
        best = min(ahead, key=lambda each: sign * each.mean)
        more = f" and worse than {_names(ahead, finished, best)}" if len(ahead) > 1 else ""
        said.append(f"{_gap(metric, best)} than {best.second}{more}")
    if beaten:
        said.append(f"better than {_names(beaten, finished)}")
    if tied:
        said += _ties(metric, tied, finished)
    if not tied:
        lead += seeds
    return f"{lead}, {', '.join(said)}"


def _ties(metric: Metric, tied: Sequence[Difference], finished: Sequence[Difference]) -> list[str]:
    """Return from whom the winner is not told apart: by the runs and rows that there are, or only after correction."""
    plain = [each for each in tied if not each.excludes_zero]
    corrected = [each for each in tied if each.excludes_zero]
    said: list[str] = []
    if plain:
        amount = f" ({_gap(metric, plain[0])})" if len(tied) == 1 else ""
        said.append(f"not told apart from {_names(plain, finished)} by {evidence(plain[0])}{amount}")
    if corrected:
        amount = f" ({_gap(metric, corrected[0])})" if len(tied) == 1 else ""
        said.append(
            f"{'nor' if plain else 'not told apart'} from {_names(corrected, finished)} after correction for "
            f"{corrected[0].comparisons} comparisons{amount}"
        )
    return said


def evidence(found: Difference) -> str:
    """Return what a difference was measured on.

    Example:
        >>> evidence(Difference(first="a", second="b", metric="log_loss", over="both", mean=0.1, low=0.0, high=0.2,
        ...                     n=5, rows=12559, told_apart=False))
        '5 seeds and 12,559 test rows'
    """
    rows = f"{found.rows or found.n:,} test row{'' if (found.rows or found.n) == 1 else 's'}"
    if found.over == "rows":
        return rows
    seeds = f"{found.n} seed{'' if found.n == 1 else 's'}"
    return f"{seeds} and {rows}" if found.over == "both" else seeds


def _names(
    chosen: Sequence[Difference], finished: Sequence[Difference], besides: Difference | None = None
) -> str:
    names = [each.second for each in chosen if each is not besides]
    if len(names) <= 3:
        return _list(names)
    return (
        f"any of the {len(names)} others"
        if len(names) == len(finished)
        else f"{len(names)} of {len(finished)}"
    )


def _gap(metric: Metric, found: Difference) -> str:
    """Return by how much the first is better or worse, with its interval, counted in the direction of the mean."""
    worse = (found.mean > 0) != metric.higher_is_better and found.mean != 0
    scale = math.copysign(100.0 if metric.percent else 1.0, found.mean)
    decimals = fmt.difference_decimals(found, percent=metric.percent)
    unit = " points" if metric.percent else ""
    size = fmt.number(scale * found.mean, decimals, leading_zero=False)
    if found.ends is not None:
        low, high = sorted(scale * each for each in found.ends)
        size += f" {fmt.interval(low, high, decimals)}"
    return f"{size}{unit} {'worse' if worse else 'better'}"


def _baseline(metric: Metric, row: Row, found: Difference | None, *, best: bool) -> str:
    value = row.metrics[metric.name]
    if not math.isfinite(value.mean):
        return f"{row.name} gave no result"
    shown = fmt.estimate(value, percent=metric.percent) + ("%" if metric.percent else "")
    text = f"the best baseline, {row.name}, gets" if best else f"{row.name} gets"
    text += f" {shown} in {fmt.seconds(row.train_seconds)}"
    if found is None or not math.isfinite(found.mean):
        return text
    if found.ends is None:
        return f"{text} (no interval of the difference: {found.reason or 'no spread is known'})"
    who = f"this run of {found.first}" if found.over == "rows" else found.first
    verdict = ""
    if not found.told_apart:
        verdict = ", not told apart"
        if found.excludes_zero:
            verdict += f" after correction for {found.comparisons} comparisons"
    return f"{text} ({who} is {_gap(metric, found)}{verdict})"


def remarks(metric: Metric, metrics: Sequence[Metric], winner: Row, rows: Sequence[Row],
            others: dict[str, list[Difference]]) -> list[str]:  # fmt: skip
    """Return further sentences: what other metrics tell apart, whether test agrees with validation, divergence."""
    said: list[str] = []
    optimizers = [
        row for row in rows if row.kind == "optimizer" and math.isfinite(row.metrics[metric.name].mean)
    ]
    if optimizers:
        best = (max if metric.higher_is_better else min)(
            optimizers, key=lambda row: row.metrics[metric.name].mean
        )
        if best.name != winner.name:
            said.append(f"Validation picked {winner.name}; on the test rows {best.name} has the better mean.")
    mine = others.get(metric.name, [])
    said += [_only_corrected(each) for each in mine if each.excludes_zero and not each.told_apart]
    if any(each.over == "seeds" and each.ends for each in mine) and metric.name not in BY_ROW:
        said.append(
            f"{capital(metric.title)} has no value by row: its intervals hold the run seeds alone, "
            "as if there were no other test rows."
        )
    for each in metrics[1:]:
        if each.name == "accuracy" and any(one.ends for one in others.get(each.name, [])):
            said.append(_accuracy(winner, [one for one in others[each.name] if one.ends]))
    diverged = [row for row in rows if row.kind != "baseline" and row.outcome != "finished"]
    for row in diverged:
        at = " at its library default" if row.kind == "default" else ""
        outcome = row.outcome.replace("out of memory", "ran out of memory in")
        said.append(f"{named(row.name)}{at} {outcome} runs.")
    return said


def _only_corrected(found: Difference) -> str:
    p = ""
    if found.p is not None and found.p_adjusted is not None:
        p = f" (p {fmt.probability(found.p)}, corrected {fmt.probability(found.p_adjusted)})"
    return (
        f"The interval of {found.first} − {found.second} alone excludes zero, but {found.comparisons} comparisons were "
        f"made and one may do that by luck: corrected for their number, the two are not told apart{p}."
    )


def _accuracy(winner: Row, found: Sequence[Difference]) -> str:
    apart = [one for one in found if one.told_apart]
    if not apart:
        return f"Accuracy does not tell {winner.name} apart from the others by {evidence(found[0])}."
    text = _list([f"{'above' if one.better == winner.name else 'below'} {one.second}" for one in apart])
    rest = "" if len(apart) == len(found) else " and not told apart from the others"
    return f"On accuracy {winner.name} is {text}{rest}."


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
