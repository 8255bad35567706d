"""Copies of a model's weights, and evaluation with other weights than those being trained."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping

import torch
from torch import Tensor, nn


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
