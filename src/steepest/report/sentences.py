"""What may be said of a comparison: sentences that follow from the intervals and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.compare.result import Difference, Metric, Row
from steepest.report import format as fmt


def first_sentence(metric: Metric, winner: Row, rivals: Sequence[Difference], rows: Sequence[Difference],
                   baselines: Sequence[Row], reference: str) -> str:  # fmt: skip
    """Return who wins on which metric and by how much, and how that compares with the simple baselines.

    Args:
        metric: the deciding metric.
        winner: the row of the optimizer that validation picked.
        rivals: the winner minus every other optimizer, paired by seed.
        rows: the winner minus each baseline, paired by test row.
        baselines: the rows of the baselines, best first.
        reference: title of the regression that is always named.
    """
    value = winner.metrics[metric.name]
    if not math.isfinite(value.mean):
        return f"Every run of every optimizer diverged: nothing can be said about {metric.title}."
    shown = fmt.estimate(value, percent=metric.percent) + ("%" if metric.percent else "")
    name = _capital(winner.name)
    lead = (
        f"{name} {_standing(winner, rivals)} {metric.title}: {shown}"
        if rivals
        else f"{name} reaches {'an' if metric.title[0] in 'AEIOURM' else 'a'} {metric.title} of {shown}"
    )
    lead += f" ({value.n} seeds)" if value.n > 1 else " (one seed, so nothing is known of its spread)"
    parts = [lead + _over_rivals(metric, rivals)]
    named = [each for each in baselines[:1] if each.name != reference] + [
        each for each in baselines if each.name == reference
    ]
    for each in named:
        found = next((one for one in rows if one.second == each.name), None)
        parts.append(_baseline(metric, each, found, best=each is baselines[0]))
    return "; ".join(parts) + "."


def _standing(winner: Row, rivals: Sequence[Difference]) -> str:
    beaten = [each for each in rivals if each.better == winner.name]
    ahead = [each for each in rivals if each.told_apart and each.better != winner.name]
    if len(beaten) == len(rivals):
        return "wins on"
    return "is picked by validation on" if ahead else "leads on"


def _over_rivals(metric: Metric, rivals: Sequence[Difference]) -> str:
    known = [each for each in rivals if math.isfinite(each.mean) and each.n > 1]
    if not known:
        return ""
    tied = [each.second for each in known if not each.told_apart]
    if tied:
        return f", not told apart from {_list(tied)} by {known[0].n} seeds"
    sign = 1 if metric.higher_is_better else -1
    nearest = min(known, key=lambda each: sign * each.mean)
    place = "the next" if len(known) > 1 else "the other"
    unit = " points" if metric.percent else ""
    better = sign * nearest.mean > 0
    verb = "better" if better else "worse"
    return f", {_amount(nearest, metric.percent)}{unit} {verb} than {nearest.second}, {place}"


def _amount(found: Difference, percent: bool = False) -> str:
    """Return the size of a difference with its interval, both counted in the direction of its mean."""
    scale = math.copysign(100.0 if percent else 1.0, found.mean)
    low, high = sorted((scale * found.low, scale * found.high))
    decimals = fmt.decimals_for(max(high - low, 1e-12) / 2)
    while found.told_apart and decimals < 9 and round(low, decimals) == 0:
        decimals += 1
    return f"{fmt.number(scale * found.mean, decimals)} {fmt.interval(low, high, decimals)}"


def _baseline(metric: Metric, row: Row, found: Difference | None, *, best: bool) -> str:
    value = row.metrics[metric.name]
    if not math.isfinite(value.mean):
        return f"{row.name} gave no result"
    shown = fmt.estimate(value, percent=metric.percent) + ("%" if metric.percent else "")
    text = f"the best baseline, {row.name}, gets" if best else f"{row.name} gets"
    text += f" {shown} in {fmt.seconds(row.train_seconds)}"
    if found is None:
        return text
    what = {"log_loss": "log loss", "mse": "squared error"}.get(found.metric, found.metric)
    unit = "" if found.metric == metric.name else f" {what}"
    ahead = f"{found.first} is {_amount(found)}{unit} {'better' if found.mean < 0 else 'worse'}"
    verdict = "" if found.told_apart else ", not told apart"
    return f"{text} ({ahead}, paired over {found.n:,} test rows{verdict})"


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
