"""Whether a function is continuous: lines through the point are searched for jumps."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch

from steepest.checking.differences import noise_of
from steepest.checking.gradients import CheckedPoint
from steepest.checking.result import Fault
from steepest.checking.watching import FunctionEvent
from steepest.rng import stream

LINES = 3
"""Lines through the point that are searched: a branch that one of them misses is seldom missed by three."""
PIECES = 64
"""A line is searched in so many pieces: a jump that is larger than what the function changes within one is found."""
HALVINGS = 45
"""Of a piece: what is then left is 2⁻⁵⁰ of the line, within which a continuous function does not change."""
JUMP = 1e-3
"""A jump is at least this share of what the function varies along the line."""
NOISY = 1e6
"""And at least so many times its rounding errors."""
STEPS = 16.0
"""A jump is more than so many steps of the type that the function computes in, which all its values jump by."""
POLE = 10.0
"""Values on both sides that differ by more than so many times the values elsewhere on the line are those of a pole."""


def jumps(point: CheckedPoint, events: list[FunctionEvent]) -> list[Fault]:
    """Return the fault that the function is not continuous, where a line through the point crosses a jump.

    Args:
        point: the function.
        events: what it was seen to do, which may name the operation that jumps.
    """
    draw = stream(0, "data", 1)
    for _ in range(LINES):
        normal = {
            name: torch.from_numpy(draw.normal(size=tuple(each.shape))) for name, each in point.base.items()
        }
        # By the size of the tensor, or of each number where the function has no values so far away.
        wide = {name: each * point.scale(name) for name, each in normal.items()}
        near = {name: each * point.sizes(name) / 2 for name, each in normal.items()}
        found = _jump(partial(_along, point, wide), point.precision) or _jump(
            partial(_along, point, near), point.precision
        )
        if found is None:
            continue
        at, before, after = found
        steps = [each for each in events if each.kind == "step"]
        by = f"; {steps[0].what} is constant but for jumps" if steps else ""
        return [
            Fault(
                "not differentiable",
                "",
                f"the function jumps from {before:.6g} to {after:.6g} on a line through the point, at {at:.3g} of "
                f"the tensors' size{by}: no gradient sees that",
                "make the branch or the rounding continuous in training, as by a sigmoid in place of a comparison.",
                steps[0].where if steps else "",
            )
        ]
    return []


def _along(point: CheckedPoint, directions: dict[str, torch.Tensor], t: float) -> float:
    return point.value({name: point.base[name] + each * t for name, each in directions.items()})


def _jump(along: Callable[[float], float], precision: float = 0.0) -> tuple[float, float, float] | None:
    """Return where a function of one number jumps between -1 and 1, and the values on both sides."""
    places = [-1 + 2 * i / PIECES for i in range(PIECES + 1)]
    values = [along(t) for t in places]
    if not all(map(math.isfinite, values)):
        return None
    first = max(range(PIECES), key=lambda i: abs(values[i + 1] - values[i]))
    low, high, below, above = places[first], places[first + 1], values[first], values[first + 1]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        value = along(middle)
        if abs(value - below) > abs(above - value):
            high, above = middle, value
        else:
            low, below = middle, value
    height = abs(above - below)
    if height <= STEPS * precision * max(map(abs, values)):
        return None
    if height > POLE * max(map(abs, values)):  # it has no limits on the two sides
        return None
    if height <= JUMP * (max(values) - min(values)) or height <= NOISY * noise_of(along):
        return None
    return low, below, above
