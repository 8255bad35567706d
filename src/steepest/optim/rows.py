"""Exact updates of only the rows of a table that a batch touches, by replay: the definition.

A dense rule moves every row of an embedding table at every step, also those whose gradient is zero. Here a row
is left behind when it is not touched, and the steps that it missed are replayed, each with its own coefficients
and a zero gradient, when it is next needed. The result is that of the dense run, bit for bit in eager mode on a
CPU, whatever the rule: nothing is frozen or approximated.

Reading never writes. A row that is caught up in two goes rounds differently from one that is caught up in one
when a closed form is used, so evaluating more often would change the run; only an update writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from steepest.errors import OptionError
from steepest.optim.rule import Carry, Coefficients, Hyper, Rule, Slots


class Rows:
    """A table of weights [V, …] under an element-wise rule, with rows that lag behind.

    Args:
        rule: the update; its elements must not depend on each other.
        weight: the table at the start; it is copied.
        schedule: multiplier of the applied step as a function of the step (from 0).

    Raises:
        OptionError: the rule couples elements, or the weight is not a table.

    Example:
        >>> from steepest.optim import make_rule
        >>> rows = Rows(make_rule("momentum(lr=0.1)"), torch.zeros(3, 2))
        >>> rows.update(torch.tensor([1]), torch.ones(1, 2))
        >>> rows.update(torch.tensor([0]), torch.ones(1, 2))
        >>> rows.read(torch.tensor([0, 1, 2])).tolist()
        [[-0.10..., -0.10...], [-0.18..., -0.18...], [0.0, 0.0]]
    """

    def __init__(
        self,
        rule: Rule[Hyper],
        weight: torch.Tensor,
        *,
        schedule: Callable[[int], float] | None = None,
    ) -> None:
        if rule.couples != "element":
            raise OptionError(
                f"{rule.called} couples the elements of a {rule.couples}, so rows cannot be updated apart",
                hint="use it densely, or an element-wise rule such as adam for the tables.",
            )
        if weight.dim() < 2:
            raise OptionError(
                f"a weight of shape {tuple(weight.shape)} has no rows", hint="give a table of shape [V, D]."
            )
        self.rule = rule
        self.weight = weight.detach().clone(memory_format=torch.contiguous_format)
        self.slots: Slots = rule.start(self.weight)
        self.last = torch.zeros(len(weight), dtype=torch.int64)
        """The step up to which each row's stored values are right."""
        self._schedule = schedule
        self._coefficients: list[Coefficients] = []
        self._carry: Carry = dict(rule.carry)

    @property
    def step(self) -> int:
        """Steps taken."""
        return len(self._coefficients)

    def read(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the present rows for ``ids`` (any shape, repeats allowed), shape [*ids, …]; nothing is written.

        Raises:
            OptionError: an id is not a row.
        """
        self._check(ids)
        distinct, places = torch.unique(ids, return_inverse=True)
        return self._present(distinct)[0][places]

    @torch.no_grad()
    def update(self, ids: torch.Tensor, grad: torch.Tensor) -> None:
        """Take one step in which the rows ``ids`` have the gradient ``grad`` and all others have zero.

        Args:
            ids: distinct rows, shape [n]; n may be 0. Sum the gradients of repeated ids first.
            grad: their gradients, shape [n, …].

        Raises:
            OptionError: an id is repeated or not a row, or the gradient has another shape.
        """
        self._check(ids)
        if ids.dim() != 1 or len(torch.unique(ids)) != len(ids):
            raise OptionError(
                f"ids of shape {tuple(ids.shape)} are not distinct rows",
                hint="sum the gradients of repeated ids first (summed_by_row does).",
            )
        if grad.shape != (len(ids), *self.weight.shape[1:]):
            raise OptionError(
                f"a gradient of shape {tuple(grad.shape)} does not fit {len(ids)} rows of shape "
                f"{tuple(self.weight.shape[1:])}",
                hint="give one gradient row for each id.",
            )
        param, slots = self._present(ids)
        multiplier = self._schedule(self.step) if self._schedule else 1.0
        c, self._carry = self.rule.coefficients(self.step + 1, multiplier, self._carry)
        self._coefficients.append(c)
        if not len(ids):
            return
        param, slots = self.rule.update(grad, param, slots, c)
        self.weight[ids] = param
        for name, value in slots.items():
            self.slots[name][ids] = value
        self.last[ids] = self.step

    def whole(self) -> tuple[torch.Tensor, Slots]:
        """Return the whole table and its slots as the dense run has them; nothing is written."""
        return self._present(torch.arange(len(self.weight)))

    def evaluation_weight(self) -> torch.Tensor:
        """Return the whole table as it is to be evaluated, exported and saved for prediction."""
        param, slots = self.whole()
        return self.rule.evaluation_parameters(param, slots, self._coefficients[-1]) if self.step else param

    def state_dict(self) -> dict[str, Any]:
        """Return the lagging rows, their steps and the coefficients of all steps, as they are."""
        return {
            "weight": self.weight.clone(),
            "slots": {name: value.clone() for name, value in self.slots.items()},
            "last": self.last.clone(),
            "coefficients": [dict(each) for each in self._coefficients],
            "carry": dict(self._carry),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, with the bits of a run that was not interrupted."""
        self.weight = state["weight"].clone()
        self.slots = {name: value.clone() for name, value in state["slots"].items()}
        self.last = state["last"].clone()
        self._coefficients = [dict(each) for each in state["coefficients"]]
        self._carry = dict(state["carry"])

    @torch.no_grad()
    def _present(self, ids: torch.Tensor) -> tuple[torch.Tensor, Slots]:
        """Gather rows and replay, for each, the steps that it missed."""
        last = self.last[ids]
        order = torch.argsort(last, stable=True)
        last, back = last[order], torch.argsort(order)
        param = self.weight[ids][order]
        slots = {name: value[ids][order] for name, value in self.slots.items()}
        if self.rule.idle != "still" and len(ids):
            zero = torch.zeros_like(param)
            for step in range(int(last[0]), self.step):
                behind = int(torch.searchsorted(last, step, right=True))
                some = {name: value[:behind] for name, value in slots.items()}
                new, new_slots = self.rule.update(
                    zero[:behind], param[:behind], some, self._coefficients[step]
                )
                param[:behind] = new
                for name, value in new_slots.items():
                    slots[name][:behind] = value
        return param[back], {name: value[back] for name, value in slots.items()}

    def _check(self, ids: torch.Tensor) -> None:
        if ids.numel() and not (int(ids.min()) >= 0 and int(ids.max()) < len(self.weight)):
            raise OptionError(
                f"ids from {int(ids.min())} to {int(ids.max())} do not fit a table of {len(self.weight)} rows",
                hint="ids count from 0 to the number of rows less one.",
            )


def summed_by_row(ids: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return distinct ids and the sums of their gradients, in one pass however large the batch.

    Args:
        ids: rows that a batch touched, shape [B], with repeats.
        grad: a gradient for each, shape [B, …].

    Example:
        >>> ids, grad = summed_by_row(torch.tensor([2, 0, 2]), torch.tensor([[1.0], [2.0], [4.0]]))
        >>> ids.tolist(), grad.tolist()
        ([0, 2], [[2.0], [5.0]])
    """
    distinct, places = torch.unique(ids, return_inverse=True)
    return distinct, torch.zeros(len(distinct), *grad.shape[1:], dtype=grad.dtype).index_add_(0, places, grad)
