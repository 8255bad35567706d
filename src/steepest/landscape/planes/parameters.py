"""The axes of two parameters."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from steepest.data.dataset import Part
from steepest.errors import OptionError, unknown_name
from steepest.landscape.choosing import PlaneChoice
from steepest.landscape.plane import Plane
from steepest.landscape.stored import StoredRun

COMPONENTS = {"parameters": {"object": "ParameterPlane", "what": "the axes of two single parameters"}}

_PLACE = re.compile(r"(.+?)(?:\[([\d,\s]*)\])?")


class ParameterPlane(PlaneChoice):
    """The axes of two single parameters; all others stay as they are.

    α and β are added to their values. Of a network with two parameters, such as a line, they need no names, and the
    slice is the whole loss.
    """

    name: ClassVar[str] = "parameters"
    by_name: ClassVar[tuple[str, ...]] = ("first", "second", "third")

    first: str = Field(default="", description="a parameter and a place in it, as 'head.weight[0,3]'")
    second: str = Field(default="", description="another one")
    third: str = Field(default="", description="a third: the kept path in the three, instead of a plane")

    def choose(self, run: StoredRun, part: Part, seed: int) -> Plane:
        """Return the plane."""
        del part, seed
        if self.third:
            raise OptionError(f"{self}: three parameters span no plane", hint="leave the third out.")
        weights = run.parameters
        wanted = [self.first, self.second]
        if not any(wanted):
            every = [
                f"{name}[{place}]" for name, each in weights.items() for place in _places(tuple(each.shape))
            ]
            if len(every) != 2:
                size = sum(each.numel() for each in weights.values())
                raise OptionError(
                    f"the network has {size:,} parameters, and two of them are not named",
                    hint=f"name two: --plane 'parameters({_quoted(every)})', or take --plane filter.",
                )
            wanted = every
        if not all(wanted) or wanted[0] == wanted[1]:
            raise OptionError(f"{self}: two different parameters are needed", hint="name two.")
        directions = [_direction(run, text) for text in wanted]
        return Plane.through(
            weights,
            *directions,
            how=f"along the parameters {wanted[0]} and {wanted[1]}",
            axes=(wanted[0], wanted[1]),
        )


def place_of(run: StoredRun, text: str) -> tuple[str, tuple[int, ...]]:
    """Return the parameter that a text names, and the place in it.

    Args:
        run: whose parameter it is.
        text: such as ``head.weight[0,3]``.

    Raises:
        UnknownNameError: there is no such parameter.
        OptionError: there is no such place in it, or pruning holds it at zero.
    """
    weights = run.parameters
    found = _PLACE.fullmatch(text.strip())
    name = found[1] if found else text
    if found is None or name not in weights:
        raise unknown_name("parameter", name, tuple(weights))
    shape = tuple(weights[name].shape)
    place = tuple(int(each) for each in (found[2] or "").split(",") if each.strip())
    if len(place) != len(shape) or any(at >= size for at, size in zip(place, shape, strict=True)):
        raise OptionError(
            f"{text!r} is no place in {name!r}, which has the shape {list(shape)}",
            hint=f"give one, such as {name}[{', '.join('0' for _ in shape)}].",
        )
    if name in run.masks and not run.masks[name][place]:
        raise OptionError(f"{text} was pruned and held at zero in training", hint="name another place.")
    return name, place


def _direction(run: StoredRun, text: str) -> torch.Tensor:
    name, place = place_of(run, text)
    direction = {each: torch.zeros_like(value) for each, value in run.parameters.items()}
    direction[name][place] = 1.0
    return torch.cat([each.flatten() for each in direction.values()])


def _quoted(names: list[str]) -> str:
    """Return the first two names in quotes."""
    return ", ".join(f'"{each}"' for each in names[:2])


def _places(shape: tuple[int, ...]) -> list[str]:
    """Return the first places of a tensor, at most three."""
    size = int(np.prod(shape))
    return [",".join(map(str, np.unravel_index(i, shape))) for i in range(min(size, 3))]
