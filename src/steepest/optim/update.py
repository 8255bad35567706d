"""The contract of an update: one step of an optimizer, written once, as pure functions of tensors and scalars.

A rule is a small immutable value: its hyperparameters (``rule.hyper``) and what follows from them. It holds
no tensors. An executor (``dense``, and later ``rows`` and ``stacked``) owns the tensors and calls

1. ``slots()`` once, for the start value of everything that the rule remembers about a parameter;
2. ``coefficients(step, multiplier, carry)`` at every step: all scalars of the update, in Python's float64;
3. ``update(gradient, parameter, slots, c)``: the new parameter and the new slots, nothing changed in place.

Every number reaches ``update`` through ``c``; only the structure (whether there is a momentum, say) may
depend on ``rule.hyper``. So one function serves a single run, where ``c`` holds floats, and R runs at once,
where ``c`` holds tensors of shape [R, 1, …]. The updates of element-wise rules use correctly rounded
operations only (+, −, ×, ÷, √, comparison, selection), which is why cutting a tensor into pieces, or joining
many into one, leaves every bit as it was.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch

from steepest.optim.hyper import H
from steepest.optim.idle import ClosedForm, Still
from steepest.optim.spec import MethodSpec
from steepest.optim.stability import Stability
from steepest.optim.values import Carry, Coefficients, Couples, Idle, Slots, Start


class Update(MethodSpec[H]):
    """The part of a :class:`~steepest.optim.rule.Rule` that executors run, and what they need to know of it."""

    is_rule: ClassVar[bool] = True
    couples: ClassVar[Couples] = "element"
    lr_is_a_factor: ClassVar[bool] = True
    """Whether the step is the learning rate times something that does not depend on it. Where it is not, another
    ``lr`` in a parameter group, set by a torch ``lr_scheduler`` or by hand, is read as a multiple of the one that
    the group was made with: the applied step is multiplied by ``lr / reference_lr``."""
    carry: ClassVar[Mapping[str, float]] = {}
    """Start values of the running scalars."""

    @abc.abstractmethod
    def slots(self) -> dict[str, Start]:
        """Return what is remembered of a parameter: stable public names, each with its start value."""

    @abc.abstractmethod
    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Return every scalar of one step, and the carry for the next.

        Args:
            step: the parameter's own step, counted from 1.
            multiplier: the schedule's factor of the applied step.
            carry: the running scalars before this step.
        """

    @abc.abstractmethod
    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """Return the new parameter and the new slots; the arguments are left as they are."""

    def refuses(self, place: str) -> str:
        """Return why no regularizer can act at a place of its steps; empty where one can."""
        if place in ("decay", "update", "average") and self.averages:
            return "it averages itself"
        if place in ("gradient", "decay") and self.gradients_a_step != 1.0:
            return "it takes several gradients a step"
        return ""

    @property
    def idle(self) -> Idle:
        """What a zero gradient does: ``still`` (nothing changes), ``param_still`` (only slots), ``moves``."""
        return "moves"

    def advance(
        self, param: torch.Tensor, slots: Slots, c: Sequence[Coefficients]
    ) -> tuple[torch.Tensor, Slots]:
        """Return parameter and slots after ``len(c)`` steps with a zero gradient.

        This is the definition, step by step; a rule may override it with a closed form.
        """
        if self.idle == "still":
            return param, dict(slots)
        zero = torch.zeros_like(param)
        for each in c:
            param, slots = self.update(zero, param, slots, each)
        return param, dict(slots)

    def closed_form(self) -> ClosedForm | None:
        """Return what carries rows over many idle steps at once for these hyperparameters; None where only
        replay is right."""
        if self.idle != "still":
            return None
        return Still()

    def stability(self, multiplier: float = 1.0) -> Stability | None:
        """Return the curvature that its steps on a quadratic bear, None where no such bound is known.

        Args:
            multiplier: the schedule's, of the rate.
        """
        del multiplier
        return None

    def divisor(self, slots: Slots, step: int) -> torch.Tensor | None:
        """Return by what it divides the step of each element, of a rule whose stability is preconditioned.

        Args:
            slots: of one parameter, after ``step`` steps.
            step: at least 1.
        """
        del slots, step
        return None

    @property
    def averages(self) -> bool:
        """Whether it is evaluated at other parameters than those that it trains."""
        return type(self).evaluation_parameters is not Update.evaluation_parameters

    def evaluation_parameters(self, param: torch.Tensor, slots: Slots, c: Coefficients) -> torch.Tensor:
        """Return the parameter to evaluate and to save; most rules evaluate where they train."""
        del slots, c
        return param

    def start(self, param: torch.Tensor) -> Slots:
        """Return the start values of all slots of one parameter."""
        made = {name: make(param) for name, make in self.slots().items()}
        return {name: value for name, value in made.items() if value is not None}
