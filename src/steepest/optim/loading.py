"""What a loaded state needs before a rule goes on from it: its own tensors, in the right shape and precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from steepest.errors import OptionError
from steepest.optim.hyper import Hyper
from steepest.optim.update import Update

IN_ORDER = "give the optimizer its parameters in the order in which they were saved."


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """Return what an update is computed in: float32 for float16, in which ε and squared gradients are 0.

    Example:
        >>> [wide(torch.ones(1, dtype=each)).dtype for each in (torch.float16, torch.bfloat16, torch.float64)]
        [torch.float32, torch.bfloat16, torch.float64]
    """
    return tensor.float() if tensor.dtype == torch.float16 else tensor


def adopt(rule: Update[Hyper], param: torch.Tensor, state: dict[str, Any]) -> None:
    """Complete a loaded state: numbers as numbers, and what another optimizer does not keep.

    Its slots become copies, because torch hands over the very tensors that were given: two optimizers with one
    state would move each other's averages.

    Raises:
        OptionError: a slot does not have the shape that its parameter needs.
    """
    start = rule.start(wide(param.detach()))
    for name in rule.slots():
        wanted, found = start.get(name), state.get(name)
        if found is None:
            if wanted is not None:
                state[name] = wanted
        elif wanted is None or found.shape != wanted.shape:
            raise OptionError(
                f"the loaded {name!r} has the shape {tuple(found.shape)}, which does not fit a parameter of the shape "
                f"{tuple(param.shape)}",
                hint=IN_ORDER,
            )
        else:
            state[name] = found.to(wanted.dtype, copy=True)
    state["step"] = int(scalar(state.get("step", 1)))
    for name, value in rule.carry.items():
        state[name] = scalar(state.get(name, value))


def check_order(loaded: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> None:
    """Raise an ``OptionError`` if the loaded groups have the names of the groups before in another order.

    Other names are fine: a wrapper may have put something in front of them.
    """
    saved, mine = (
        [name for group in groups for name in group.get("param_names", ())] for groups in (loaded, before)
    )
    if saved != mine and sorted(saved) == sorted(mine):
        at = next(place for place, (one, other) in enumerate(zip(saved, mine, strict=True)) if one != other)
        raise OptionError(
            f"parameter {at + 1} of the loaded state is {saved[at]!r}, and here it is {mine[at]!r}",
            hint=IN_ORDER,
        )


def in_full(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Give the slots of float16 parameters their saved digits again, which torch rounds to float16 in loading."""
    for group, was in zip(optimizer.param_groups, saved["param_groups"], strict=False):
        for param, key in zip(group["params"], was["params"], strict=False):
            if param.dtype != torch.float16:
                continue
            for name, value in saved["state"].get(key, {}).items():
                slot = optimizer.state[param].get(name)
                if isinstance(slot, torch.Tensor) and torch.equal(slot.half(), value.to(slot.device).half()):
                    slot.copy_(value)  # if it is another's, a hook has exchanged the states


def scalar(value: Any) -> Any:
    """Return a tensor of one element as a number, and anything else as it is."""
    return value.item() if isinstance(value, torch.Tensor) else value
