"""Rules: an update with its hyperparameters, sources and learning rates, usable as a torch optimizer.

To write a rule, derive from :class:`Rule`; everything that a rule's file needs can be imported from here. The
contract of its update is described in :mod:`steepest.optim.update`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import torch

from steepest.optim.dense import RuleOptimizer, optimizer_class
from steepest.optim.hyper import Beta, H, Hyper, described, validated
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

    bibtex: ClassVar[str] = ""
    """The sources as BibTeX entries, those of variants included; :meth:`references` chooses."""
    grid_centre: ClassVar[float]
    """The learning rate in the middle of the grid when the rate is tuned."""
    constant_rate: ClassVar[bool] = False
    """Whether its authors recommend a learning rate that does not fall during the run."""

    @property
    def centre(self) -> float:
        """The learning rate in the middle of the grid for these hyperparameters."""
        return self.grid_centre

    def with_options(self, **options: Any) -> Rule[H]:
        """Return this rule with other values; they do not count as given by the user."""
        other = type(self)(called=self.called, preset={**self.hyper.model_dump(), **options})
        other.given = self.given
        return other

    def with_lr(self, lr: float) -> Rule[H]:
        """Return this rule with another learning rate, which does not count as given by the user."""
        return self.with_options(lr=lr)

    def optimizer(
        self,
        params: Iterable[Any] | torch.nn.Module,
        *,
        schedule: Schedule | None = None,
        maximize: bool = False,
    ) -> RuleOptimizer:
        """Return a ``torch.optim.Optimizer`` that runs this rule on ``params``.

        Args:
            params: tensors, named tensors or parameter groups, as torch takes them; or a module, whose
                parameters are grouped as the rule wants them.
            schedule: multiplier of the applied step as a function of the optimizer's step (from 0).
            maximize: climb instead of descend.
        """
        made = optimizer_class(type(self))
        if isinstance(params, torch.nn.Module):
            params = self.groups(params)
        return made(params, maximize=maximize, schedule=schedule, **self.hyper.model_dump())

    def groups(self, module: torch.nn.Module) -> list[dict[str, Any]]:
        """Return a module's trainable parameters in groups, with the hyperparameters that roles ask for."""
        return [{"params": [each for each in module.parameters() if each.requires_grad]}]

    @property
    def cited(self) -> Sequence[str] | None:
        """The keys in ``bibtex`` of what these hyperparameters use; None for all."""
        return None

    def references(self) -> list[str]:
        """Return the BibTeX entries of what these hyperparameters use; empty where none are known.

        Example:
            >>> from steepest.optim import make_rule
            >>> [entry.split(",")[0] for entry in make_rule("momentum").references()]
            ['@article{robbins1951stochastic', '@article{polyak1964methods']
        """
        entries = [f"@{each.strip()}" for each in f"\n{self.bibtex}".split("\n@")[1:]]
        cited = self.cited
        if cited is None:
            return entries
        return [each for each in entries if each.partition("{")[2].partition(",")[0] in cited]

    def __str__(self) -> str:
        values = self.hyper.model_dump()
        inside = ", ".join(f"{name}={values[name]!r}" for name in values if name in self.given)
        return f"{self.called}({inside})" if inside else self.called

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.hyper.model_dump().items())})"


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
