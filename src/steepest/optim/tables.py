"""The embedding tables of a model that are executed by rows, in the model's own parameters.

The lagging rows stand in the parameter itself. A step gathers the rows that the batch names, calls the model
with them in the parameter's place and with their places in the codes' place, and writes the rows back updated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from steepest.errors import OptionError
from steepest.optim.past import Past
from steepest.optim.rows import GatheredRows, RowTable
from steepest.optim.rule import Hyper, Rule
from steepest.schedules import Schedule

Codes = Mapping[str, Tensor]
"""For each table, by its parameter's name, the rows that a batch names, [B]."""


class LaggingTable(Protocol):
    """A copy of one table whose rows lag."""

    def evaluation_weight(self) -> Tensor:
        """Return the whole table as it is to be evaluated."""
        ...


class LaggingTables(Protocol):
    """Tables of a model whose rows lag."""

    @property
    def modules(self) -> Mapping[str, nn.Embedding]:
        """The look-ups by the names of their parameters."""
        ...

    def evaluating(self, codes: Codes) -> contextlib.AbstractContextManager[None]:
        """Put the rows that the codes name in place as they are to be evaluated, and the lagging ones back after."""
        ...

    def frozen(self, older: Any = None) -> Mapping[str, LaggingTable]:
        """Return a copy of the present state, in the memory of an older copy where that can be."""
        ...

    def pieces(self) -> Mapping[str, Iterator[Tensor]]:
        """Return the rows of each table in order, as they are to be evaluated, some at a time."""
        ...


class RowTables:
    """Tables of one model under one rule.

    Args:
        model: the module that holds them; its parameters will lag.
        names: their parameters' names.
        rule: the update.
        schedule: multiplier of the applied step, by step.
        closed_form: take the rule's closed form where it has one; otherwise replay.
        rates: multipliers of the applied step of some tables, by name.

    Raises:
        OptionError: a table cannot be executed by rows.

    Example:
        >>> from steepest.optim import make_rule
        >>> model = nn.Sequential(nn.Embedding(5, 2))
        >>> tables = RowTables(model, ["0.weight"], make_rule("adam"), lambda step: 1.0)
        >>> rows, codes = tables.begin({"0.weight": torch.tensor([3, 1, 3])})
        >>> rows["0.weight"].shape, codes["0.weight"].tolist()
        (torch.Size([2, 2]), [1, 0, 1])
    """

    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        rule: Rule[Hyper],
        schedule: Schedule,
        *,
        closed_form: bool = True,
        rates: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.modules = {name: embedding(model, name) for name in names}
        factors = {name: rates.get(name, 1.0) for name in names}
        self.pasts = {
            factor: Past(rule, multiplied(schedule, factor), closed_form=closed_form)
            for factor in dict.fromkeys(factors.values())
        }
        self.past = next(iter(self.pasts.values()))
        weights = dict(model.named_parameters())
        self.rows = {
            name: RowTable(rule, weights[name], past=self.pasts[factor], copy=False)
            for name, factor in factors.items()
        }
        self._gathered: dict[str, GatheredRows] = {}

    def begin(self, codes: Codes) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the present rows that the codes name, as leaves of a graph, and the codes' places in them."""
        leaves: dict[str, Tensor] = {}
        places: dict[str, Tensor] = {}
        for name, rows in self.rows.items():
            distinct, places[name] = torch.unique(codes[name], return_inverse=True)
            self._gathered[name] = rows.gather(distinct)
            leaves[name] = self._gathered[name].weight.detach().requires_grad_()
        return leaves, places

    def end(self, leaves: Mapping[str, Tensor]) -> None:
        """Make the step with the gradients of the leaves."""
        for past in self.pasts.values():
            past.extend()
        for name, rows in self.rows.items():
            grad = leaves[name].grad
            rows.write(self._gathered[name], torch.zeros_like(leaves[name]) if grad is None else grad)

    def mask_padding(self, leaves: Mapping[str, Tensor]) -> None:
        """Take the gradient off the padding rows, as ``nn.Embedding`` does."""
        for name, module in self.modules.items():
            grad = leaves[name].grad
            if grad is not None and module.padding_idx is not None:
                grad[self._gathered[name].ids == module.padding_idx] = 0.0

    @contextlib.contextmanager
    def evaluating(self, codes: Codes) -> Generator[None]:
        """Put the rows that the codes name in place as they are to be evaluated, and the lagging ones back after."""
        kept: list[tuple[RowTable, Tensor, Tensor]] = []
        try:
            for name, rows in self.rows.items():
                ids = torch.unique(codes[name])
                kept.append((rows, ids, rows.weight[ids]))
                rows.weight[ids] = rows.evaluation_rows(ids)
            yield
        finally:
            for rows, ids, lagging in kept:
                rows.weight[ids] = lagging

    def pieces(self) -> dict[str, Iterator[Tensor]]:
        """Return the rows of each table in order, as they are to be evaluated, some at a time."""
        return {name: rows.evaluation_pieces() for name, rows in self.rows.items()}

    def frozen(self, older: Mapping[str, RowTable] | None = None) -> dict[str, RowTable]:
        """Return a copy of the present state, in the memory of an older copy where there is one."""
        pasts = {id(past): past.frozen() for past in self.pasts.values()}
        return {
            name: rows.frozen(older[name] if older else None, pasts[id(rows.past)])
            for name, rows in self.rows.items()
        }


def multiplied(schedule: Schedule, factor: float) -> Schedule:
    """Return a schedule times a number; the schedule itself for 1."""
    return schedule if factor == 1.0 else lambda step: factor * schedule(step)


@contextlib.contextmanager
def unpadded(modules: Iterable[nn.Embedding]) -> Generator[None]:
    """Let modules look up places inside the block, which are not the codes that their padding means."""
    kept = [(module, module.padding_idx) for module in modules]
    try:
        for module, _ in kept:
            module.padding_idx = None
        yield
    finally:
        for module, row in kept:
            module.padding_idx = row


def embedding(model: nn.Module, name: str) -> nn.Embedding:
    """Return the embedding whose weight has this name, if it can be executed by rows.

    Raises:
        OptionError: there is none, or it is of a kind that needs all rows at every step.
    """
    place = name.rpartition(".")[0]
    module = dict(model.named_modules()).get(place)
    if not isinstance(module, nn.Embedding) or not name.endswith("weight"):
        raise OptionError(
            f"the table {name!r} is not the weight of an nn.Embedding",
            hint="declare only those in the model's tables.",
        )
    shared = [
        other
        for other, each in model.named_parameters(remove_duplicate=False)
        if each is module.weight and other != name
    ]
    faults = {
        "has a max_norm, which changes rows when they are read": module.max_norm is not None,
        "has scale_grad_by_freq": module.scale_grad_by_freq,
        "has sparse gradients": module.sparse,
        f"is tied to {shared[0] if shared else ''!r}": bool(shared),
        "is frozen": not module.weight.requires_grad,
        "is not on the CPU": module.weight.device.type != "cpu",
    }
    for fault, is_so in faults.items():
        if is_so:
            raise OptionError(f"the table {name!r} {fault}", hint="execute it densely: --embedding-rows off.")
    return module
