"""Copies of a model's weights, and evaluation with other weights than those being trained."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Generator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from steepest.optim.method import Method
from steepest.optim.tables import Codes, LaggingTable


def owners(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return for each name the first one with the very same memory: of tied weights one, of others itself.

    Example:
        >>> one, two = nn.Linear(2, 2), nn.Linear(2, 2)
        >>> two.weight = one.weight
        >>> owners(nn.Sequential(one, two).state_dict())
        {'0.weight': '0.weight', '0.bias': '0.bias', '1.weight': '0.weight', '1.bias': '1.bias'}
    """
    first: dict[Any, str] = {}
    return {
        name: first.setdefault((each.device, each.data_ptr(), each.shape, each.stride(), each.dtype), name)
        if each.numel()
        else name
        for name, each in weights.items()
    }


def held_names(model: nn.Module, names: Collection[str] | None = None) -> dict[str, str]:
    """Return the names of parameters that are not trained, each with the first name of the very same one.

    Args:
        model: the module.
        names: of those parameters; by default those that need no gradient.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
        >>> net[1].weight = net[0].weight
        >>> held_names(net, ["0.weight"])
        {'0.weight': '0.weight', '1.weight': '0.weight'}
    """
    fixed = {name for name, each in model.named_parameters() if not each.requires_grad}
    chosen = fixed if names is None else {*names}
    return {name: owner for name, owner in owners(model.state_dict()).items() if owner in chosen}


def once(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights without the further names of tied ones, each in memory of its own on the CPU."""
    names = dict.fromkeys(owners(weights).values())
    return {name: weights[name].detach().to("cpu", copy=True).contiguous() for name in names}


def as_precise(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return a new model in 64 bits if weights that it is to load have them, else as it is.

    Example:
        >>> as_precise(nn.Linear(1, 1), {"weight": torch.zeros(1, 1, dtype=torch.float64)}).weight.dtype
        torch.float64
    """
    own = dict(model.named_parameters())
    wide = any(name in own and each.dtype == torch.float64 for name, each in weights.items())
    return model.double() if wide else model


def load_once(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load what :func:`once` returned into a model that ties its weights in the same way.

    Raises:
        RuntimeError: the weights do not fit the model; what torch says.
    """
    named: dict[str, Tensor] = as_precise(model, weights).state_dict()
    tied = {
        name: weights[owner]
        for name, owner in owners(named).items()
        if name not in weights and owner in weights
    }
    model.load_state_dict({**weights, **tied})


@contextlib.contextmanager
def evaluation_weights(model: nn.Module, weights: Mapping[str, Tensor] | None) -> Generator[None]:
    """Put ``weights`` in the model's place inside the block (averaged weights, say), and the own ones back after."""
    if not weights:
        yield
        return
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    kept = {name: own[name].detach().clone() for name in weights}
    try:
        with torch.no_grad():
            for name, value in weights.items():
                own[name].copy_(value)
        yield
    finally:
        with torch.no_grad():
            for name, value in kept.items():
                own[name].copy_(value)


@contextlib.contextmanager
def evaluating(model: nn.Module, method: Method, state: Any, codes: Codes) -> Generator[None]:
    """Put the weights to evaluate with in the model's place: of tables that lag, the rows that ``codes`` name."""
    tables = method.tables(state)
    with contextlib.ExitStack() as stack:
        if tables is not None:
            stack.enter_context(tables.evaluating(codes))
        stack.enter_context(evaluation_weights(model, method.evaluation_parameters(state)))
        yield


class KeptWeights:
    """The weights to evaluate with at some moment of a run; the tables that lag are kept as they lag.

    Args:
        model: whose weights.
        method: how it is trained.
        state: the method's state.
        older: what was kept before and is no longer wanted; its tables' memory is used again.
        more: buffers with other values, by name.
    """

    def __init__(
        self,
        model: nn.Module,
        method: Method,
        state: Any,
        older: KeptWeights | None = None,
        more: Mapping[str, Tensor] | None = None,
    ) -> None:
        tables = method.tables(state)
        self._rows: Mapping[str, LaggingTable] = (
            {} if tables is None else tables.frozen(older._rows if older else None)
        )
        named: dict[str, Tensor] = model.state_dict()
        owner = owners(named)
        other = {**(method.evaluation_parameters(state) or {}), **(more or {})}
        instead = {
            owner.get(name, name): value for name, value in other.items()
        }  # tied weights are parameters once
        self._order = list(named)
        self._rest = {
            name: instead.get(owner[name], value).detach().clone()
            for name, value in named.items()
            if name not in self._rows
        }

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of all weights and buffers by name, with the tables brought up to date."""
        found = dict(self._rest)
        found.update({name: rows.evaluation_weight() for name, rows in self._rows.items()})
        return {name: found[name] for name in self._order}
