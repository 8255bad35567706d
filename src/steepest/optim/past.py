"""The steps that a run has taken, as every row-wise table of it needs them: coefficients and a closed form."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from steepest.optim.hyper import Hyper
from steepest.optim.idle import ClosedForm, Series
from steepest.optim.update import Update
from steepest.optim.values import Carry, Coefficients


class Past:
    """The coefficients of all steps so far; several tables under the same rule share one.

    Args:
        rule: the update.
        schedule: multiplier of the applied step as a function of the step (from 0).
        closed_form: take the rule's closed form where it has one; otherwise missed steps are replayed.

    Example:
        >>> from steepest.optim import make_rule
        >>> past = Past(make_rule("sgd(lr=0.5)"))
        >>> past.extend()["lr"], past.step, past.executor
        (0.5, 1, 'nothing to do')
    """

    def __init__(
        self, rule: Update[Hyper], schedule: Callable[[int], float] | None = None, *, closed_form: bool = True
    ) -> None:
        self.rule = rule
        self.step = 0
        self.form: ClosedForm | None = rule.closed_form() if closed_form or rule.idle == "still" else None
        self._schedule = schedule
        self._names: tuple[str, ...] = ()
        self._table = Series(0)
        self._carry: Carry = dict(rule.carry)

    @property
    def executor(self) -> str:
        """How a row catches up on its idle steps: ``nothing to do``, ``closed form`` or ``replay``."""
        if self.rule.idle == "still":
            return "nothing to do"
        return "replay" if self.form is None else "closed form"

    def extend(self) -> Coefficients:
        """Take one step and return its coefficients."""
        multiplier = self._schedule(self.step) if self._schedule else 1.0
        c, self._carry = self.rule.coefficients(self.step + 1, multiplier, self._carry)
        if not self.step:
            self._names, self._table = tuple(c), Series(len(c))
        self.step += 1
        self._table.begin(self.step, tuple(float(c[name]) for name in self._names))
        if self.form is not None and not self.form.extend(self.step, c):
            self.form = None  # from here on by replay, for which the coefficients of all steps are kept
        return c

    @property
    def rate(self) -> float:
        """The learning rate of the last step taken, with the schedule's multiplier."""
        multiplier = self._schedule(self.step - 1) if self._schedule else 1.0
        return float(getattr(self.rule.hyper, "lr", 0.0)) * multiplier

    def coefficients(self, step: int) -> Coefficients:
        """Return the coefficients of a step taken, counted from 1."""
        return dict(zip(self._names, self._table.values[:, step].tolist(), strict=True))

    def frozen(self) -> Past:
        """Return a copy that later steps do not change."""
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Past:
        """Copy what steps change; the rule and the schedule are values."""
        other = copy.copy(self)
        other._table, other.form = copy.deepcopy((self._table, self.form), memo)
        other._carry = dict(self._carry)
        return other

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as tensors and numbers."""
        return {
            "step": self.step,
            "coefficients": {
                name: torch.from_numpy(self._table.kept()[i]) for i, name in enumerate(self._names)
            },
            "carry": dict(self._carry),
            "executor": self.executor,
            "form": {} if self.form is None else _tensors(self.form.arrays()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.step = int(state["step"])
        self._carry = dict(state["carry"])
        self._names = tuple(state["coefficients"])
        self._table = Series(len(self._names))
        if self._names:
            self._table.put(np.stack([each.numpy() for each in state["coefficients"].values()]), self.step)
        if state["executor"] == "replay":
            self.form = None
        elif self.form is not None and self.step:
            self.form.restore({name: each.numpy() for name, each in state["form"].items()}, self.step)


def has_closed_form(rule: Update[Hyper]) -> bool:
    """Return whether a rule's idle steps cost nothing or have a closed form, at its rate.

    Example:
        >>> from steepest.optim import make_rule
        >>> [has_closed_form(make_rule(text)) for text in ("adam", "sgd", "nadam", "muon")]
        [True, True, False, False]
        >>> [has_closed_form(make_rule(f"sgd(lr={lr}, weight_decay=0.5)")) for lr in (0.1, 2.0)]
        [True, False]
    """
    if rule.couples != "element":
        return False
    past = Past(rule)
    past.extend()
    return past.form is not None


def _tensors(arrays: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(each) for name, each in arrays.items()}
