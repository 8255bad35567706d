r"""Modules that change at a call: parameters that are made at the first one, and spectral norms, which iterate.

A spectral norm divides a weight by :math:`\sigma = u^\top W v` and improves u and v by a step of the power method at
every call in training, without a gradient: torch differentiates as if they were constant, which is right where the
iteration has settled. It is settled here, and then held.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from steepest.rng import torch_stream

ITERATIONS = 200
"""Steps of the power method: the error falls by (σ₂/σ₁)² in each, so that values 5 % apart settle to 1e-9."""


def is_unmade(module: nn.Module) -> bool:
    """Whether a module has parameters or buffers that are made at its first call.

    Example:
        >>> is_unmade(nn.LazyLinear(3)), is_unmade(nn.Linear(2, 3))
        (True, False)
    """
    return any(is_lazy(each) for each in (*module.parameters(), *module.buffers()))


def made(module: nn.Module, inputs: Sequence[Any], by_name: dict[str, Any] | None = None) -> nn.Module:
    """Return a module with all its parameters, a copy after its first call where they are made then.

    Example:
        >>> made(nn.LazyLinear(3), [torch.ones(2, 5)]).weight.shape
        torch.Size([3, 5])
    """
    if not is_unmade(module):
        return module
    module = copy.deepcopy(module)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch_stream(0, "init"), torch.no_grad():
            module(*inputs, **(by_name or {}))
    finally:
        torch.set_default_dtype(before)
    return module.double()


def settle(module: nn.Module) -> list[str]:
    """Let the power iterations of a module's spectral norms settle and hold them; return the names of their weights.

    Example:
        >>> settle(nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2))))
        ['0.weight']
    """
    found: list[str] = []
    for path, each in module.named_modules():
        names = [*_by_hooks(each), *_by_parametrizations(each)]
        found += [f"{path}.{name}" if path else name for name in names]
    return found


def _by_hooks(module: nn.Module) -> list[str]:
    """Settle what ``torch.nn.utils.spectral_norm`` made."""
    from torch.nn.utils.spectral_norm import SpectralNorm

    before: Any = module._forward_pre_hooks.values()  # pyright: ignore[reportPrivateUsage]
    hooks = [each for each in before if isinstance(each, SpectralNorm)]
    if not hooks or not module.training:
        return []
    with torch.no_grad():
        for each in hooks * ITERATIONS:
            each(module, None)
    module.training = False  # of this layer alone: it has nothing else that depends on it
    return [each.name for each in hooks]


def _by_parametrizations(module: nn.Module) -> list[str]:
    """Settle what ``torch.nn.utils.parametrizations.spectral_norm`` made."""
    found: list[str] = []
    parametrizations: Any = getattr(module, "parametrizations", {})
    for name, some in parametrizations.items():
        norms = [each for each in some if type(each).__name__ == "_SpectralNorm" and each.training]
        if not norms:
            continue
        with torch.no_grad():
            for _ in range(ITERATIONS):
                getattr(module, name)
        for each in norms:
            each.eval()
        found.append(name)
    return found
