"""Copies of a model's weights, and evaluation with other weights than those being trained."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from steepest.optim.method import Method
from steepest.optim.rows import Rows
from steepest.optim.tables import Codes


def snapshot(model: nn.Module, instead: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Return a copy of all weights and buffers by name, parameters in ``instead`` taking the place of the model's."""
    other = instead or {}
    weights: dict[str, Tensor] = model.state_dict()
    return {name: other.get(name, value).detach().clone() for name, value in weights.items()}


@contextlib.contextmanager
def evaluation_weights(model: nn.Module, weights: Mapping[str, Tensor] | None) -> Generator[None]:
    """Put ``weights`` in the model's place inside the block (averaged weights, say), and the own ones back after."""
    if not weights:
        yield
        return
    own = dict(model.named_parameters())
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


class Kept:
    """The weights to evaluate with at some moment of a run; the tables that lag are kept as they lag.

    Args:
        model: whose weights.
        method: how it is trained.
        state: the method's state.
        older: what was kept before and is no longer wanted; its tables' memory is used again.
    """

    def __init__(self, model: nn.Module, method: Method, state: Any, older: Kept | None = None) -> None:
        tables = method.tables(state)
        self._rows: dict[str, Rows] = {} if tables is None else tables.frozen(older._rows if older else None)
        instead = method.evaluation_parameters(state) or {}
        named: dict[str, Tensor] = model.state_dict()
        self._order = list(named)
        self._rest = {
            name: instead.get(name, value).detach().clone()
            for name, value in named.items()
            if name not in self._rows
        }

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of all weights and buffers by name, with the tables made up to date."""
        found = dict(self._rest)
        found.update({name: rows.evaluation_weight() for name, rows in self._rows.items()})
        return {name: found[name] for name in self._order}
