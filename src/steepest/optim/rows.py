"""Exact updates of only the rows of a table that a batch touches.

A dense rule moves every row of an embedding table at every step, also those whose gradient is zero. Here a row
is left behind when it is not touched, and the steps that it missed are made up for when it is next needed. The
definition is replay: each missed step with its own coefficients and a zero gradient, which gives the bits of the
dense run in eager mode on a CPU, whatever the rule. Where a rule has a closed form for many idle steps at once,
that is taken: the same sum in another order. Nothing is frozen or approximated otherwise.

Reading never writes. A row that is caught up in two goes rounds differently from one that is caught up in one
when a closed form is used, so evaluating more often would change the run; only an update writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from steepest.errors import OptionError
from steepest.optim.past import Past
from steepest.optim.rule import Hyper, Rule, Slots
from steepest.optim.spec import MethodSpec

CHUNK = 131_072
"""Elements that are caught up at a time, so that temporaries stay in the processor's cache."""


@dataclass(frozen=True)
class Quick:
    """A compiled closed form.

    Attributes:
        rows: how many it takes at a time.
        run: takes weights [rows, …], the slots in order, and the columns [width, rows]; returns the weights.
    """

    rows: int
    run: Callable[[list[torch.Tensor]], list[torch.Tensor]]


@dataclass(frozen=True)
class GatheredRows:
    """Rows as they are now.

    Attributes:
        ids: distinct rows, [n].
        weight: their weights, [n, …].
        slots: their slots.
    """

    ids: torch.Tensor
    weight: torch.Tensor
    slots: Slots


class RowTable:
    """A table of weights [V, …] under an element-wise rule, with rows that lag behind.

    Args:
        rule: the update; its elements must not depend on each other.
        weight: the table at the start.
        schedule: multiplier of the applied step as a function of the step (from 0).
        closed_form: take the rule's closed form where it has one; otherwise replay.
        past: the steps of the run, where several tables share them; then ``schedule`` and ``closed_form``
            are those of the past, and whoever shares it extends it.
        copy: work on a copy of the weight; otherwise the lagging rows stand in the weight itself.

    Raises:
        OptionError: the rule couples elements, or the weight is not a table.

    Example:
        >>> from steepest.optim import make_rule
        >>> rows = RowTable(make_rule("momentum(lr=0.1)"), torch.zeros(3, 2))
        >>> rows.update(torch.tensor([1]), torch.ones(1, 2))
        >>> rows.update(torch.tensor([0]), torch.ones(1, 2))
        >>> rows.read(torch.tensor([0, 1, 2])).tolist()
        [[-0.10..., -0.10...], [-0.18..., -0.18...], [0.0, 0.0]]
        >>> rows.executor
        'closed form'
    """

    def __init__(
        self,
        rule: Rule[Hyper],
        weight: torch.Tensor,
        *,
        schedule: Callable[[int], float] | None = None,
        closed_form: bool = True,
        past: Past | None = None,
        copy: bool = True,
    ) -> None:
        check_rule(rule)
        if weight.dim() < 2:
            raise OptionError(
                f"a weight of shape {tuple(weight.shape)} has no rows", hint="give a table of shape [V, D]."
            )
        self.rule = rule
        weight = weight.detach()
        self.weight = weight.clone(memory_format=torch.contiguous_format) if copy else weight
        self.slots: Slots = rule.start(self.weight)
        self.last = torch.zeros(len(weight), dtype=torch.int64)
        """The step up to which each row's stored values are right."""
        self.past = past or Past(rule, schedule, closed_form=closed_form)
        self.quick: Quick | None = None
        """What catches rows up for evaluation, where that is compiled."""

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.past.step

    @property
    def executor(self) -> str:
        """How a row catches up on the steps that it missed: ``nothing to do``, ``closed form`` or ``replay``."""
        return self.past.executor

    @torch.no_grad()
    def read(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the present rows for ``ids`` (any shape, repeats allowed), shape [*ids, …]; nothing is written.

        Raises:
            OptionError: an id is not a row.
        """
        self._check(ids)
        distinct, places = torch.unique(ids, return_inverse=True)
        return self.gather(distinct).weight[places]

    @torch.no_grad()
    def gather(self, ids: torch.Tensor) -> GatheredRows:
        """Return distinct rows with their slots as they are now, for a step; nothing is written."""
        weight = self.weight.index_select(0, ids)
        slots = {name: value.index_select(0, ids) for name, value in self.slots.items()}
        last = self.last.index_select(0, ids)
        if self.rule.idle == "still" or not len(ids):
            return GatheredRows(ids, weight, slots)
        if self.past.form is not None:
            return GatheredRows(ids, *self.past.form.advance(weight, slots, last.numpy(), self.step))
        return GatheredRows(ids, *self._replayed(weight, slots, last))

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
        gathered = self.gather(ids)
        self.past.extend()
        self.write(gathered, grad)

    @torch.no_grad()
    def write(self, gathered: GatheredRows, grad: torch.Tensor) -> None:
        """Make the last step of the past on rows that were gathered before it, and store them."""
        if not len(gathered.ids):
            return
        c = self.past.coefficients(self.step)
        weight, slots = self.rule.update(grad, gathered.weight, gathered.slots, c)
        self.weight.index_copy_(0, gathered.ids, weight)
        for name, value in slots.items():
            self.slots[name].index_copy_(0, gathered.ids, value)
        self.last[gathered.ids] = self.step

    @torch.no_grad()
    def whole(self) -> tuple[torch.Tensor, Slots]:
        """Return all rows of the table and its slots as the dense run has them; nothing is written."""
        if self.executor == "replay":
            found = self.gather(torch.arange(len(self.weight)))
            return found.weight, found.slots
        weight = torch.empty_like(self.weight)
        slots = {name: torch.empty_like(value) for name, value in self.slots.items()}
        for ids in self._chunks():
            found = self.gather(ids)
            weight[ids[0] : ids[-1] + 1] = found.weight
            for name, value in found.slots.items():
                slots[name][ids[0] : ids[-1] + 1] = value
        return weight, slots

    @torch.no_grad()
    def evaluation_rows(self, ids: torch.Tensor) -> torch.Tensor:
        """Return distinct rows as they are to be evaluated, [n, …]."""
        each = self.quick.rows if self.quick and self.step else self._chunk
        if len(ids) > each and self.past.form is not None:
            return torch.cat([self.evaluation_rows(some) for some in ids.split(each)])
        if self.quick and self.step and len(ids):
            return self._quickly(self.quick, ids)
        found = self.gather(ids)
        if not self.step:
            return found.weight
        return self.rule.evaluation_parameters(found.weight, found.slots, self.past.coefficients(self.step))

    def _quickly(self, quick: Quick, ids: torch.Tensor) -> torch.Tensor:
        """Return at most ``quick.rows`` rows as they are now, by the compiled form."""
        form, all_ids = self.past.form, ids
        if form is None or quick.rows < len(ids):
            raise ValueError(f"{len(ids)} rows for a compiled form of {quick.rows}")
        if len(ids) < quick.rows:
            all_ids = torch.cat([ids, ids[-1:].expand(quick.rows - len(ids))])
        last = self.last.index_select(0, all_ids).numpy()
        columns = torch.from_numpy(form.columns(form.known(last), last, self.step)).to(self.weight.dtype)
        given = [each.index_select(0, all_ids) for each in (self.weight, *self.slots.values())]
        return quick.run([*given, columns])[0][: len(ids)]

    def evaluation_weight(self) -> torch.Tensor:
        """Return all rows of the table, to be evaluated, exported and saved for prediction."""
        weight = torch.empty_like(self.weight)
        start = 0
        for piece in self.evaluation_pieces():
            weight[start : start + len(piece)] = piece
            start += len(piece)
        return weight

    def evaluation_pieces(self) -> Iterator[torch.Tensor]:
        """Yield the rows of the table in order, to be evaluated, some at a time, so that nothing large is made."""
        ids = torch.arange(len(self.weight))
        most = self.quick.rows if self.quick else self._chunk
        for some in [ids] if self.executor == "replay" else ids.split(most):
            yield self.evaluation_rows(some)

    def frozen(self, older: RowTable | None = None, past: Past | None = None) -> RowTable:
        """Return a copy of the present state, lagging as it is, that later steps do not change.

        Args:
            older: an earlier copy of the same table; its memory is used again, and only rows that were
                updated since are copied.
            past: a copy of the past, where several tables share one.
        """
        past = past or self.past.frozen()
        if older is None:
            other = RowTable(self.rule, self.weight, past=past)
            other.quick = self.quick
            other.slots = {name: value.clone() for name, value in self.slots.items()}
            other.last = self.last.clone()
            return other
        changed = torch.nonzero(self.last > older.last).squeeze(1)
        older.weight[changed] = self.weight[changed]
        for name, value in self.slots.items():
            older.slots[name][changed] = value[changed]
        older.last[changed] = self.last[changed]
        older.past, older.quick = past, self.quick
        return older

    def state_dict(self) -> dict[str, Any]:
        """Return the lagging rows, their steps, and the past with its tables, as they are."""
        return {
            "weight": self.weight.clone(),
            "slots": {name: value.clone() for name, value in self.slots.items()},
            "last": self.last.clone(),
            "past": self.past.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, with the bits of a run that was not interrupted."""
        self.weight.copy_(state["weight"])
        self.slots = {name: value.clone() for name, value in state["slots"].items()}
        self.last = state["last"].clone()
        self.past.load_state_dict(state["past"])

    @property
    def _chunk(self) -> int:
        """Rows whose temporaries stay in the processor's cache."""
        return max(1, CHUNK // max(1, self.weight[0].numel()))

    def _chunks(self) -> tuple[torch.Tensor, ...]:
        return torch.arange(len(self.weight)).split(self._chunk)

    def _replayed(self, weight: torch.Tensor, slots: Slots, last: torch.Tensor) -> tuple[torch.Tensor, Slots]:
        """Make, for each row, the steps that it missed, one after the other."""
        order = torch.argsort(last, stable=True)
        last, back = last[order], torch.argsort(order)
        param = weight[order]
        slots = {name: value[order] for name, value in slots.items()}
        zero = torch.zeros_like(param)
        for step in range(int(last[0]), self.step):
            behind = int(torch.searchsorted(last, step, right=True))
            some = {name: value[:behind] for name, value in slots.items()}
            c = self.past.coefficients(step + 1)
            new, new_slots = self.rule.update(zero[:behind], param[:behind], some, c)
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


def check_rule(rule: MethodSpec[Hyper]) -> None:
    """Refuse a rule whose elements depend on each other.

    Raises:
        OptionError: it is one.
    """
    if rule.couples != "element":
        raise OptionError(
            f"{rule.called} couples the elements of a {rule.couples}, so rows cannot be updated apart",
            hint="use it densely, or an element-wise rule such as adam for the tables.",
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
