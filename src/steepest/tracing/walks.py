"""Paths of optimizers over a loss of a few numbers, several at once: the update is the rule's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from steepest.errors import OptionError
from steepest.optim.rule import Rule, stacked, table
from steepest.schedules import Schedule

Losses = Callable[[Tensor], Tensor]


def walks(
    rules: Sequence[Rule[Any]],
    losses: Losses,
    start: Sequence[float],
    steps: int,
    schedule: Schedule | None = None,
) -> Tensor:
    """Return the points at which rules that differ in numbers only would be evaluated, in float64.

    Args:
        rules: R rules with the same options but for numbers that every step reads, such as the rate or a momentum.
        losses: maps points [R, n] to their losses [R], or to the sum of these.
        start: the n numbers of the start, the same for all.
        steps: T, how many.
        schedule: multiplier of the learning rate as a function of the step, from 0.

    Returns:
        points [R, T + 1, n]; the first is the start. A path that leaves the finite numbers stays outside of them.

    Raises:
        OptionError: a rule couples the numbers of a tensor.

    Example:
        >>> from steepest.optim import make_rule
        >>> rules = [make_rule(f"sgd(lr={lr})") for lr in (0.1, 0.5)]
        >>> walks(rules, lambda w: 0.5 * (w**2).sum(1), [1.0], steps=2)[:, -1, 0].tolist()
        [0.81, 0.25]
    """
    for rule in rules:
        if rule.couples != "element":
            raise OptionError(
                f"{rule.name} couples the numbers of a tensor",
                hint="walk by a rule that updates every number alone.",
            )
    single = torch.tensor(list(start), dtype=torch.float64)
    w = single.expand(len(rules), -1).clone()
    begun = [rule.start(single) for rule in rules]
    slots = {name: torch.stack([each[name] for each in begun]) for name in begun[0]}
    tables = [table(rule, steps, schedule) for rule in rules]
    path = [w]
    for step in range(steps):
        at = w.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(losses(at).sum(), at)
        c = stacked([each[step] for each in tables], w)
        w, slots = rules[0].update(gradient, w, slots, c)
        path.append(rules[0].evaluation_parameters(w, slots, c))
    return torch.stack(path, dim=1)
