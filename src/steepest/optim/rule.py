"""Rules: an update with its hyperparameters, sources and learning rates, usable as a torch optimizer.

To write a rule, derive from :class:`Rule`; everything that a rule's file needs can be imported from here. The
contract of its update is described in :mod:`steepest.optim.update`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import torch

from steepest.optim.dense import RuleOptimizer, optimizer_class
from steepest.optim.hyper import Beta, H, Hyper, described, validated
from steepest.optim.past import Past, has_closed_form
from steepest.optim.selection import by_rate
from steepest.optim.spec import MethodSettings
from steepest.optim.update import Update
from steepest.optim.values import Carry, Coefficients, Couples, Idle, Slots, Start
from steepest.schedules import Schedule

__all__ = [
    "Beta", "Carry", "Coefficients", "Couples", "Hyper", "Idle", "Rule", "Slots", "Start", "average", "average_square",
    "copied", "decay", "described", "filled", "stacked", "table", "validated", "zeros",
]  # fmt: skip


class Rule(Update[H]):
    """An optimizer's update with its hyperparameters.

    Args:
        called: the name that the user gave; the class's own if left out (a preset has its own).
        preset: values that the name stands for.
        options: hyperparameters by name.

    Raises:
        OptionError: a hyperparameter does not exist or is out of its range.

    Example:
        >>> from steepest.optim import make_rule
        >>> rule = make_rule("adam(lr=0.01)")
        >>> rule.hyper.betas, sorted(rule.given), rule.with_lr(0.5).hyper.lr
        ((0.9, 0.999), ['lr'], 0.5)
    """

    clips: ClassVar[bool] = True
    fixed_cost: ClassVar[bool] = True
    eager_because: ClassVar[str] = ""

    def make(self, settings: MethodSettings) -> Any:
        """Return the method under the executor that the settings have."""
        if settings.execute is None:
            raise ValueError(f"no executor is given for the rule {self}")
        return settings.execute(self, settings)

    @property
    def gradients_a_step(self) -> float:
        """A rule's step takes one gradient."""
        return 1.0

    @property
    def idle_rows(self) -> str:
        """How idle rows are made up for: ``nothing to do``, ``closed form`` or ``replay``."""
        return Past(self).executor if self.couples == "element" else ""

    @property
    def has_closed_form(self) -> bool:
        """Whether idle rows cost nothing or have a closed form, at this rate."""
        return has_closed_form(self)

    @property
    def state_bytes(self) -> float:
        """The bytes of the slots."""
        matrix = torch.zeros(64, 32)
        return (
            sum(each.numel() * each.element_size() for each in self.start(matrix).values()) / matrix.numel()
        )

    def optimizer(
        self,
        params: Iterable[Any] | torch.nn.Module,
        *,
        schedule: Schedule | None = None,
        maximize: bool = False,
        rates: Mapping[str, float] = MappingProxyType({}),
    ) -> RuleOptimizer:
        """Return a ``torch.optim.Optimizer`` that runs this rule on ``params``.

        Args:
            params: tensors, named tensors or parameter groups, as torch takes them; or a module, whose
                parameters are grouped as the rule wants them.
            schedule: multiplier of the applied step as a function of the optimizer's step (from 0).
            maximize: climb instead of descend.
            rates: of a module: multipliers of the applied step, by parameter.
        """
        made = optimizer_class(type(self))
        if isinstance(params, torch.nn.Module):
            params = by_rate(self.groups(params), params, rates) if rates else self.groups(params)
        return made(params, maximize=maximize, schedule=schedule, **self.hyper.model_dump())

    def groups(self, module: torch.nn.Module) -> list[dict[str, Any]]:
        """Return a module's trainable parameters in groups, with the hyperparameters that roles ask for."""
        return [{"params": [each for each in module.parameters() if each.requires_grad]}]


def zeros(param: torch.Tensor) -> torch.Tensor:
    """Start a slot at zero."""
    return torch.zeros_like(param, memory_format=torch.preserve_format)


def filled(value: float) -> Start:
    """Start a slot at ``value``."""
    return lambda param: torch.full_like(param, value, memory_format=torch.preserve_format)


def copied(param: torch.Tensor) -> torch.Tensor:
    """Start a slot at the parameter itself."""
    return param.detach().clone(memory_format=torch.preserve_format)


def average(old: torch.Tensor, new: torch.Tensor, beta: Any, rest: Any) -> torch.Tensor:
    """Return the moving average ``beta·old + rest·new``; ``rest`` is 1 − beta, computed in float64."""
    return (old * beta).add_(new * rest)


def average_square(old: torch.Tensor, new: torch.Tensor, beta: Any, rest: Any) -> torch.Tensor:
    """Return the moving average of squares ``beta·old + rest·new²``, with one temporary less."""
    return (new * new).mul_(rest).add_(old * beta)


def decay(
    grad: torch.Tensor, param: torch.Tensor, c: Coefficients, weight_decay: float, decoupled: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return gradient and parameter with the decay in the one (coupled) or in the other (decoupled)."""
    if not weight_decay:
        return grad, param
    return (grad, param * c["keep"]) if decoupled else (grad + param * c["weight_decay"], param)


def table(
    rule: Rule[Hyper], steps: int, schedule: Callable[[int], float] | None = None
) -> list[Coefficients]:
    """Return the coefficients of the first ``steps`` steps, evaluated one by one.

    Vectorised and scalar float64 powers differ in the last bit, so no executor evaluates them for itself.

    Example:
        >>> from steepest.optim import make_rule
        >>> [row["lr"] for row in table(make_rule("sgd(lr=2)"), 3, lambda step: 1 / (step + 1))]
        [2.0, 1.0, 0.6666666666666666]
    """
    rows: list[Coefficients] = []
    carry = dict(rule.carry)
    for step in range(steps):
        c, carry = rule.coefficients(step + 1, schedule(step) if schedule else 1.0, carry)
        rows.append(c)
    return rows


def stacked(rows: Sequence[Coefficients], like: torch.Tensor) -> Coefficients:
    """Join the coefficients of R runs at one step into tensors [R, 1, …] for parameters ``like`` [R, …]."""
    shape = [len(rows)] + [1] * (like.dim() - 1)
    return {
        name: torch.tensor([row[name] for row in rows], dtype=torch.float64).to(like).reshape(shape)
        for name in rows[0]
    }
