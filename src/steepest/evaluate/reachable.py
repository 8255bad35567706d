"""Whether a value is one that a metric can reach, before any run is made to reach it."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.errors import OptionError
from steepest.evaluate.metrics import MetricInfo, meant, metric_info
from steepest.recipe import Reach


def reachable_target(reach: Reach, measured: Sequence[str], classes: int) -> tuple[MetricInfo, float]:
    """Return the metric and the value that runs are to reach.

    Args:
        reach: as it was asked for.
        measured: keys of the metrics that runs are evaluated by while they train, the deciding one first.
        classes: how many the target has; 0 for a number.

    Raises:
        UnknownNameError: there is no such metric.
        OptionError: runs are not evaluated by it; or it cannot have the value, or every network has it or a better one.

    Example:
        >>> found, value = reachable_target(Reach(0.95, "accuracy"), ["log_loss", "accuracy"], 3)
        >>> found.name, value
        ('accuracy', 0.95)
        >>> reachable_target(Reach(95.0, "accuracy"), ["log_loss", "accuracy"], 3)
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: the target 95 is no value of accuracy, which is from 0 to 1
        Hint: write 95 % as 0.95.
    """
    found = meant(reach.metric, classes) if reach.metric else metric_info(measured[0])
    if found.name not in measured:
        names = " or ".join(each.replace("_", "-") for each in measured)
        raise OptionError(
            f"runs are not evaluated by {found.title} while they train, so when they reach a value of it is not known",
            hint=f"choose {names}; --metric {found.name.replace('_', '-')} makes new runs that are, in another --out.",
        )
    value = reach.value
    if not found.least <= value <= found.most:
        as_share = found.percent and 1.0 < value <= 100.0
        raise OptionError(
            f"the target {value:g} is no value of {found.title}, which is {_range(found)}",
            hint=f"write {value:g} % as {value / 100:g}." if as_share else "give one in that range.",
        )
    worst = found.least if found.higher_is_better else found.most
    if value == worst:
        way = "larger" if found.higher_is_better else "smaller"
        raise OptionError(
            f"every network reaches the target {value:g} of {found.title}, of which it is the worst value",
            hint=f"give a {way} one: of {found.title}, {way} is better.",
        )
    return found, value


def _range(metric: MetricInfo) -> str:
    ends = metric.least > float("-inf"), metric.most < float("inf")
    if all(ends):
        return f"from {metric.least:g} to {metric.most:g}"
    return f"at least {metric.least:g}" if ends[0] else f"at most {metric.most:g}"
