"""What the headline says where no network beats the prediction of one class, or of the mean, for every row."""

from __future__ import annotations

from steepest.compare.assemble import shown_metrics
from steepest.compare.limits import ENOUGH_SEEDS
from steepest.compare.result import Row
from steepest.report.case import HeadlineCase
from steepest.report.claims import corrected
from steepest.report.digits import digits
from steepest.wording import counted

OF_RANKS = ("roc_auc", "average_precision")
"""Metrics that a constant prediction cannot raise, however frequent a class is: they are of the order of the rows."""


def unbeaten(case: HeadlineCase, constant: Row, *, so: bool) -> list[str]:
    """Return that no network beats a constant baseline, or that too few seeds can tell, and whether ranks are known.

    Where one class is frequent, accuracy and log loss of a network that knows much are hardly better than those of the
    constant; a metric of ranks shows it.

    Args:
        case: everything that is known.
        constant: the row of the baseline.
        so: whether it is the first reason why nothing is said about what is compared.
    """
    found = case.to(constant)
    name, value = _called(constant), f"{case.metric.title} {case.value(constant)}"
    nothing = f"this comparison says nothing about {case.subject.topics}"
    known = _ranks(case, constant)
    by = f" by {case.metric.title}" if known else ""
    ahead = found is not None and found.mean != 0 and (found.mean > 0) == case.metric.higher_is_better
    after = corrected([found]) if found else ""
    if found is not None and ahead and found.n < ENOUGH_SEEDS and found.over != "rows":
        so_far = f", so{by} {nothing} yet" if so and case.rivals else ""
        seeds = counted(found.n, "seed")
        return [
            f"{seeds} cannot tell{after} whether a network beats the {name} ({value}){so_far}: try more --seeds.",
            *known,
        ]
    none, is_better = ("No network", "beats") if case.rivals else ("The network", "does not beat")
    why = f", so{by} {nothing}" if so and case.rivals else ""
    return [f"{none} {is_better} the {name} ({value}) by a detectable difference{after}{why}.", *known]


def _ranks(case: HeadlineCase, constant: Row) -> list[str]:
    """Return by which metric of ranks the winner predicts all the same, if its interval is above the constant's."""
    for metric in shown_metrics(OF_RANKS):
        mine, other = (row.metrics.get(metric.name) for row in (case.winner, constant))
        if metric.name == case.metric.name or mine is None or other is None or mine.ends is None:
            continue
        if mine.ends[0] > other.mean:
            written = digits(metric, [case.winner, constant])
            return [
                f"By {metric.title}, {case.name(case.winner.name)} does predict ({written.value(mine)}, "
                f"{_called(constant)} {written.value(other)}): try --metric {metric.name.replace('_', '-')}."
            ]
    return []


def _called(row: Row) -> str:
    return f"{row.name} baseline" if row.name == "mean" else row.name
