"""What may be said of a comparison: sentences that follow from the intervals and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.compare.result import Difference, Metric, Row
from steepest.report import format as fmt


def first_sentence(metric: Metric, winner: Row, rivals: Sequence[Difference], rows: Sequence[Difference],
                   baselines: Sequence[Row], reference: str, test_rows: int) -> str:  # fmt: skip
    """Return who wins on which metric and by how much, and how that compares with the simple baselines.

    Args:
        metric: the deciding metric.
        winner: the row of the optimizer that validation picked.
        rivals: the winner minus every other optimizer, paired by seed.
        rows: the winner minus each baseline, paired by test row.
        baselines: the rows of the baselines, best first.
        reference: title of the regression that is always named.
        test_rows: number of test rows.
    """
    value = winner.metrics[metric.name]
    if not math.isfinite(value.mean):
        return f"Every run of every optimizer diverged: nothing can be said about {metric.title}."
    shown = fmt.estimate(value, percent=metric.percent) + ("%" if metric.percent else "")
    lead = f"{_capital(winner.name)} {_standing(winner, rivals)} {metric.title}: {shown}"
    lead += f" ({value.n} seeds)" if value.n > 1 else " (one seed, so nothing is known of its spread)"
    parts = [lead + _over_rivals(metric, rivals)]
    named = [each for each in baselines[:1] if each.name != reference] + [
        each for each in baselines if each.name == reference
    ]
    for each in named:
        text = _baseline(metric, each, best=each is baselines[0])
        found = next((one for one in rows if one.second == each.name), None)
        parts.append(text + (f", {_against(found, test_rows)}" if found else ""))
    return "; ".join(parts) + "."


def _standing(winner: Row, rivals: Sequence[Difference]) -> str:
    if not rivals:
        return "reaches this"
    beaten = [each for each in rivals if each.better == winner.name]
    ahead = [each for each in rivals if each.told_apart and each.better != winner.name]
    if len(beaten) == len(rivals):
        return "wins on"
    return "is picked by validation on" if ahead else "leads on"


def _over_rivals(metric: Metric, rivals: Sequence[Difference]) -> str:
    known = [each for each in rivals if math.isfinite(each.mean) and each.n > 1]
    if not known:
        return ""
    sign = 1 if metric.higher_is_better else -1
    nearest = min(known, key=lambda each: sign * each.mean)
    scale = 100.0 if metric.percent else 1.0
    size, low, high = (scale * sign * each for each in (nearest.mean, nearest.low, nearest.high))
    low, high = min(low, high), max(low, high)
    decimals = fmt.decimals_for(max(high - low, 1e-12) / 2)
    unit = " points" if metric.percent else ""
    tied = [each.second for each in known if not each.told_apart]
    amount = f"{fmt.number(abs(size), decimals)}{unit} {fmt.interval(low, high, decimals)}"
    if not tied:
        direction = "better" if size > 0 else "worse"
        return f", {amount} {direction} than {nearest.second}, the {'next' if len(known) > 1 else 'other'}"
    return f", not told apart from {_list(tied)} by {known[0].n} seeds"


def _baseline(metric: Metric, row: Row, *, best: bool) -> str:
    value = row.metrics[metric.name].mean
    shown = fmt.estimate(row.metrics[metric.name], percent=metric.percent) + ("%" if metric.percent else "")
    if not math.isfinite(value):
        return f"{row.name} gave no result"
    role = "the best baseline, " if best else ""
    return f"{role}{row.name}, gets {shown} in {fmt.seconds(row.train_seconds)}" if best else (
        f"{row.name} gets {shown} in {fmt.seconds(row.train_seconds)}"
    )  # fmt: skip


def _against(found: Difference, test_rows: int) -> str:
    decimals = fmt.decimals_for(max(found.high - found.low, 1e-12) / 2)
    what = (
        "log loss"
        if found.metric == "log_loss"
        else "squared error"
        if found.metric == "mse"
        else found.metric
    )
    amount = f"{fmt.number(found.mean, decimals, sign=True)} {fmt.interval(found.low, found.high, decimals)} {what}"
    verdict = f"so {found.better} is better" if found.better else "so the two are not told apart"
    return f"{found.first} minus it is {amount} paired over {test_rows:,} test rows, {verdict}"


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
    for each in metrics[1:]:
        if each.name != "accuracy" or not others.get(each.name):
            continue
        apart = [one for one in others[each.name] if one.told_apart]
        n = max(one.n for one in others[each.name])
        if not apart:
            said.append(f"Accuracy does not tell {winner.name} apart from the others by {n} seeds.")
        else:
            text = _list(
                [f"{'above' if one.better == winner.name else 'below'} {one.second}" for one in apart]
            )
            said.append(f"On accuracy {winner.name} is {text}.")
    diverged = [row for row in rows if row.kind != "baseline" and row.outcome != "finished"]
    for row in diverged:
        at = " at its library default" if row.kind == "default" else ""
        said.append(f"{_capital(row.name)}{at} {row.outcome} runs.")
    return said


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str | None) -> str:
    text = text or ""
    return text[:1].upper() + text[1:]
