"""Updates written in place: one parameter, a large one in pieces, many small ones joined.

A rule's update is pure and makes temporaries. A large tensor is therefore cut into pieces whose temporaries
stay in the processor's cache, and the many small tensors of a group are joined into one piece, so that the
cost of a call is paid once. Both leave every bit as it was, because element-wise rules use correctly rounded
operations only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch._utils import (
    _flatten_dense_tensors,  # pyright: ignore[reportPrivateUsage]
    _unflatten_dense_tensors,  # pyright: ignore[reportPrivateUsage]
)

from steepest.optim.hyper import Hyper
from steepest.optim.loading import wide
from steepest.optim.update import Update
from steepest.optim.values import Coefficients, Slots

PIECE = 131_072
"""Elements of a piece: on a CPU its temporaries stay in the second-level cache."""
SMALL = 65_536
"""A tensor with at most so many elements is joined with others."""


class Move(NamedTuple):
    """One parameter's update in one step.

    Attributes:
        grad: the gradient of what is minimised.
        param: the parameter's values, to be written.
        slots: what is remembered of it, to be written.
        c: the scalars of the step.
        moment: what the scalars follow from: the parameter's own step and its running scalars.
    """

    grad: torch.Tensor
    param: torch.Tensor
    slots: Slots
    c: Coefficients
    moment: tuple[Any, ...]


def write(rule: Update[Hyper], move: Move) -> None:
    """Update one parameter and its slots in place."""
    new_param, new_slots = rule.update(wide(move.grad), wide(move.param), move.slots, move.c)
    move.param.copy_(new_param)
    for name, value in new_slots.items():
        if value is not move.slots[name]:
            move.slots[name].copy_(value)


def write_in_pieces(rule: Update[Hyper], move: Move, piece: int) -> None:
    """Update a large element-wise parameter, ``piece`` elements at a time."""
    param, slots = move.param, move.slots
    if not (param.is_contiguous() and all(slot.is_contiguous() for slot in slots.values())):
        write(rule, move)
        return
    cut = {name: slot.view(-1).split(piece) for name, slot in slots.items()}
    pieces = zip(
        move.grad.reshape(-1).split(piece),
        param.view(-1).split(piece),
        *cut.values(),
        strict=True,
    )
    for grad, values, *rest in pieces:
        write(rule, Move(grad, values, dict(zip(cut, rest, strict=True)), move.c, move.moment))


def write_joined(rule: Update[Hyper], members: list[Move], piece: int) -> None:
    """Update many small element-wise parameters of one moment as pieces of at most ``piece`` elements."""
    start = 0
    while start < len(members):
        stop, size = start, 0
        while stop < len(members) and (stop == start or size + members[stop].param.numel() <= piece):
            size += members[stop].param.numel()
            stop += 1
        some = members[start:stop]
        start = stop
        if len(some) == 1:
            write(rule, some[0])
            continue
        grads, params = [each.grad for each in some], [each.param for each in some]
        apart = {name: [each.slots[name] for each in some] for name in some[0].slots}
        slots = {name: flatten(each) for name, each in apart.items()}
        new_param, new_slots = rule.update(flatten(grads), flatten(params), slots, some[0].c)
        write_back(params, new_param)
        for name, value in new_slots.items():
            if value is not slots[name]:
                write_back(apart[name], value)


def flatten(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Return the elements of all tensors, one after the other."""
    return _flatten_dense_tensors(tensors)


def write_back(targets: list[torch.Tensor], joined: torch.Tensor) -> None:
    """Write the elements of ``joined`` into the tensors that it was joined from."""
    parts = _unflatten_dense_tensors(joined, targets)
    torch._foreach_copy_(targets, parts)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
