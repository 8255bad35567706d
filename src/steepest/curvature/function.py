"""A module's outputs as a function of its parameters: the same function at every call.

What is drawn at random is drawn alike at every call, and buffers begin every call as they were: batch norm normalises
by the batch and is differentiated through, but its running averages stay.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import Any

import torch
import torch.autograd.forward_ad as forward
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from steepest.replacing import Replacing
from steepest.rng import torch_stream

Call = Callable[[Mapping[str, Tensor]], Tensor]
"""Outputs as a function of parameters by name."""


@contextmanager
def forwards() -> Generator[None]:
    """Differentiate forwards inside the block."""
    _loaded()
    with forward.dual_level():
        yield


@functools.cache
def _loaded() -> None:
    """Load what torch loads at the first derivative forwards, without its warning that it uses an old compiler."""
    with warnings.catch_warnings(), forward.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        forward.make_dual(torch.zeros(1), torch.zeros(1))


class TrueLookups(Replacing):
    """Inside the block, look-ups have their true derivative both ways: padding has none, forwards or backwards.

    Of a look-up with ``padding_idx`` torch leaves out the padding's row when it differentiates backwards, but not
    forwards; the matrix would not be symmetric.

    Example:
        >>> weight, direction = torch.zeros(2, 1), torch.ones(2, 1)
        >>> with forwards(), TrueLookups():
        ...     rows = nn.functional.embedding(torch.tensor([0, 1]), forward.make_dual(weight, direction), 0)
        ...     forward.unpack_dual(rows).tangent.tolist()
        [[0.0], [1.0]]
    """

    function = staticmethod(nn.functional.embedding)
    defaults = MappingProxyType({"input": None, "weight": None, "padding_idx": None})

    def instead(self, call: Mapping[str, Any]) -> Tensor:
        """Return the rows that are looked up."""
        codes, weight, padding = call["input"], call["weight"], call["padding_idx"]
        found = nn.functional.embedding(codes, weight)
        if padding is None:
            return found
        padding = padding if padding >= 0 else len(weight) + padding
        return torch.where((codes == padding)[..., None], found.detach(), found)


@contextmanager
def twice_differentiable() -> Generator[None]:
    """Inside the block, what modules call can be differentiated forwards, and backwards twice.

    Attention is computed step by step: of its fused kernels torch has first derivatives backwards alone. Look-ups are
    those of :class:`TrueLookups`.

    Example:
        >>> attend, rows = nn.functional.scaled_dot_product_attention, torch.ones(1, 1, 2, 4, requires_grad=True)
        >>> with twice_differentiable():
        ...     [slope] = torch.autograd.grad(attend(rows, rows, rows).square().sum(), rows, create_graph=True)
        >>> torch.autograd.grad(slope.sum(), rows)[0].sum().item()
        16.0
    """
    with sdpa_kernel(SDPBackend.MATH), TrueLookups():
        yield


def held(
    model: nn.Module,
    inputs: tuple[Any, ...],
    randomness: Callable[[], AbstractContextManager[Any]] | None = None,
    seed: int = 0,
) -> Call:
    """Return a module's outputs on some inputs as a function of its parameters.

    Args:
        model: in the mode, training or evaluation, in which it is to be looked at.
        inputs: what it is called with.
        randomness: makes all draws inside its block the same every time; by default torch's, from ``seed``.
        seed: of the draws.

    Example:
        >>> call = held(nn.Dropout(0.5), (torch.ones(4),))
        >>> torch.equal(call({}), call({}))
        True
    """
    buffers = {name: each.detach().clone() for name, each in model.named_buffers()}
    draws = randomness or (lambda: torch_stream(seed, "dropout"))

    def call(parameters: Mapping[str, Tensor]) -> Tensor:
        own = {name: each.clone() for name, each in buffers.items()}
        with draws(), twice_differentiable():
            return torch.func.functional_call(model, {**parameters, **own}, inputs)

    return call


def restricted(call: Call, parameters: Mapping[str, Tensor], places: Mapping[str, Tensor]) -> Call:
    """Return outputs as a function of some numbers of parameters alone, of which the others are 0.

    Args:
        call: outputs as a function of whole parameters.
        parameters: whole ones, for their shapes.
        places: by name, which numbers of a parameter it is a function of, ``[n]``; a parameter without is whole.

    Example:
        >>> call = restricted(lambda p: p["w"].sum(1), {"w": torch.ones(2, 2)}, {"w": torch.tensor([0, 3])})
        >>> call({"w": torch.tensor([5.0, 7.0])}).tolist()
        [5.0, 7.0]
    """
    shapes = {name: parameters[name].shape for name in places}

    def restored(name: str, values: Tensor) -> Tensor:
        whole = values.new_zeros(shapes[name].numel()).index_put((places[name],), values)
        return whole.reshape(shapes[name])

    def of_some(some: Mapping[str, Tensor]) -> Tensor:
        return call({name: restored(name, each) if name in places else each for name, each in some.items()})

    return of_some if places else call
