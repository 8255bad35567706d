"""A model and an optimizer that are trained for a while and afterwards are as they were, bit for bit."""

from __future__ import annotations

import contextlib
import copy
from collections import defaultdict
from collections.abc import Generator, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from steepest.rng import preserved


@contextlib.contextmanager
def untouched(
    modules: Iterable[nn.Module], optimizer: torch.optim.Optimizer, *others: Any
) -> Generator[None]:
    """Undo what the block changes: weights, buffers, gradients, modes, optimizer state and random generators.

    Inside the block the optimizer works on copies of its state and its groups; a scheduler that refers to them finds
    the originals afterwards.

    Args:
        modules: what is trained, the loss too where it is a module.
        optimizer: any of torch's kind.
        others: what may have a ``torch.Generator`` of its own: loaders, their samplers.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> before = model.weight.clone()
        >>> with untouched([model], torch.optim.SGD(model.parameters())):
        ...     _ = nn.init.zeros_(model.weight)
        >>> torch.equal(model.weight, before)
        True
    """
    parts = list(dict.fromkeys(part for module in modules for part in module.modules()))
    tensors = {id(each): each for part in parts for each in [*_own(part), *_tensors(vars(part))]}
    for group in optimizer.param_groups:
        tensors.update((id(each), each) for each in group["params"])
    values = [(each, each.detach().clone(), each.grad, _copied(each.grad)) for each in tensors.values()]
    attributes = [(part, _shallow(part)) for part in parts]
    kept = dict(vars(optimizer))
    generators = list({id(each): each for each in _generators(others)}.values())
    drawn = [each.get_state() for each in generators]
    try:
        with preserved(_devices(parts)):
            optimizer.state = defaultdict(
                dict, {key: copy.deepcopy(value) for key, value in optimizer.state.items()}
            )
            optimizer.param_groups = [_group(each) for each in optimizer.param_groups]
            yield
    finally:
        vars(optimizer).clear()
        vars(optimizer).update(kept)
        for part, found in attributes:
            vars(part).clear()
            vars(part).update(found)
        with torch.no_grad():
            for tensor, value, grad, grad_value in values:
                tensor.copy_(value)
                tensor.grad = grad
                if grad is not None and grad_value is not None:
                    grad.copy_(grad_value)
        for generator, state in zip(generators, drawn, strict=True):
            generator.set_state(state)


def _own(part: nn.Module) -> list[Tensor]:
    return [*part.parameters(recurse=False), *part.buffers(recurse=False)]


def _tensors(attributes: dict[str, Any]) -> list[Tensor]:
    return [value for value in attributes.values() if isinstance(value, Tensor) and value.is_leaf]


def _shallow(part: nn.Module) -> dict[str, Any]:
    """Return a module's attributes: its own registers and plain containers copied, the rest as it is."""
    return {
        name: copy.copy(value) if isinstance(value, dict | list | set) else value
        for name, value in vars(part).items()
    }


def _group(group: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if name == "params" else copy.deepcopy(value) for name, value in group.items()}


def _copied(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().clone()


def _devices(parts: Iterable[nn.Module]) -> list[int]:
    found = {each.device for part in parts for each in _own(part) if each.device.type == "cuda"}
    return sorted(each.index or 0 for each in found)


def _generators(others: Iterable[Any]) -> Iterable[torch.Generator]:
    for each in others:
        for name in ("", "sampler", "batch_sampler", "dataset"):
            place = getattr(each, name, None) if name else each
            for holder in (place, getattr(place, "sampler", None)):
                found = getattr(cast("Any", holder), "generator", None)
                if isinstance(found, torch.Generator):
                    yield found
