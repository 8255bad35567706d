"""What the authors of an optimizer advise and a comparison, which treats all alike, does not do: it is said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from steepest.data.dataset import Note
from steepest.errors import OptionError
from steepest.schedules import make_schedule
from steepest.sweep.contestants import Contestant


def advice(
    who: Sequence[Contestant], schedule: str, net: nn.Module, *, batch_size: int = 0, rows: int = 0
) -> list[Note]:
    """Return a note for each recommendation that is not followed, naming the optimizers.

    Args:
        who: the optimizers.
        schedule: the schedule of all of them.
        net: the model.
        batch_size: rows a step.
        rows: training rows.

    Example:
        >>> from steepest.sweep.contestants import contestants
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        >>> for each in advice(contestants(["sgd", "schedule-free-sgd"]), "cosine", net):
        ...     print(each.text)
        schedule-free-sgd runs under the schedule 'cosine', like all others; its authors recommend a constant rate
        (--schedule constant).
        schedule-free-sgd is evaluated at averaged weights with batch-norm statistics of the weights being trained; its
        authors recommend recomputing them.
        >>> advice(contestants(["schedule-free-sgd"]), "warmup(constant)", nn.Linear(2, 3))
        []
        >>> print(advice(contestants(["l-bfgs"]), "constant", nn.Linear(2, 3), batch_size=64, rows=900)[0].text)
        l-bfgs takes batches of 64 of the 900 training rows, so each step has another loss; it is made for all rows in
        every step (--batch-size 900).
    """
    said: list[str] = []
    constant = [each.name for each in who if each.rule.constant_rate]
    if constant and _falls(schedule):
        verb, their = ("runs", "its") if len(constant) == 1 else ("run", "their")
        others = ", like all others" if len(constant) < len(who) else ""
        said.append(
            f"{_listed(constant)} {verb} under the schedule {schedule!r}{others}; {their} authors recommend a "
            "constant rate (--schedule constant)."
        )
    averaged = [each.name for each in who if each.rule.averages]
    if averaged and any(isinstance(each, _BatchNorm) for each in net.modules()):
        verb, their = ("is", "its") if len(averaged) == 1 else ("are", "their")
        said.append(
            f"{_listed(averaged)} {verb} evaluated at averaged weights with batch-norm statistics of the weights "
            f"being trained; {their} authors recommend recomputing them."
        )
    full = [each.name for each in who if each.rule.full_batch]
    if full and batch_size < rows:
        verb, they = ("takes", "it is") if len(full) == 1 else ("take", "they are")
        said.append(
            f"{_listed(full)} {verb} batches of {batch_size} of the {rows} training rows, so each step has another "
            f"loss; {they} made for all rows in every step (--batch-size {rows})."
        )
    return [Note("warning", each) for each in said]


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _falls(schedule: str) -> bool:
    """Return whether a schedule is anything but a warm-up and a constant rate."""
    try:
        made = make_schedule(schedule, 1000)
    except OptionError:  # it has parts that fit only longer runs
        return True
    return any(made(step) < made(step - 1) for step in range(1, 1000))
