"""A line or a plane through the space of a network's trainable parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Points = NDArray[np.float64]
"""Places in a plane, ``[n, 2]``; of a line the second number is 0."""


@dataclass(frozen=True)
class Trail:
    """Weights drawn on a slice: an end, or where a run came along.

    Attributes:
        name: whose they are.
        points: their places, ``[n, 2]``, in the order of the steps.
        off: their distances from the plane, ``[n]``, in the units of the parameters; None where they lie in it.
        texts: what each is called, such as its step; empty for nothing.
    """

    name: str
    points: Points
    off: NDArray[np.float64] | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plane:
    r"""The points :math:`\theta(\alpha, \beta) = \theta_0 + \alpha\,d_1 + \beta\,d_2`.

    Attributes:
        names: the trainable parameters, tied ones once, in the order of the flat tensors.
        shapes: their shapes.
        origin: :math:`\theta_0`, ``[P]``.
        first, second: the directions ``[P]``; without the second it is a line.
        how: how they were chosen, as a clause for captions.
        axes: what α and β are, for the figure's axes.
        shift: by how much buffers, such as batch norm's running statistics, differ between α = 1 and the origin, for a
            line between two runs; empty where they have no other end.
        trails: weights that are drawn on it.

    Example:
        >>> net = torch.nn.Linear(2, 1)
        >>> plane = Plane.through(dict(net.named_parameters()), torch.tensor([1.0, 0.0, 0.0]))
        >>> plane.names, plane.is_line, plane.at(1.0).sub(plane.origin).round().tolist()
        (('weight', 'bias'), True, [1.0, 0.0, 0.0])
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    origin: Tensor
    first: Tensor
    second: Tensor | None = None
    how: str = ""
    axes: tuple[str, str] = ("α", "β")
    shift: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    trails: tuple[Trail, ...] = ()

    @classmethod
    def through(
        cls,
        weights: Mapping[str, Tensor],
        first: Tensor,
        second: Tensor | None = None,
        *,
        how: str = "",
        axes: tuple[str, str] = ("α", "β"),
        shift: Mapping[str, Tensor] | None = None,
        trails: Sequence[Trail] = (),
    ) -> Plane:
        """Return the plane through weights by name, along flat directions; see the attributes."""
        shapes = tuple(tuple(each.shape) for each in weights.values())
        return cls(
            tuple(weights), shapes, flat(weights), first, second, how, axes, dict(shift or {}), tuple(trails)
        )

    @property
    def is_line(self) -> bool:
        """Whether there is one direction."""
        return self.second is None

    @property
    def directions(self) -> tuple[Tensor, ...]:
        """The directions."""
        return (self.first,) if self.second is None else (self.first, self.second)

    def at(self, alpha: float, beta: float = 0.0) -> Tensor:
        """Return the parameters at a point, ``[P]``."""
        found = self.origin + alpha * self.first
        return found if self.second is None else found + beta * self.second

    def by_name(self, values: Tensor) -> dict[str, Tensor]:
        """Return the parts of a flat tensor ``[P]`` by the names of the parameters, in their shapes."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        parts = values.split(sizes)
        return {
            name: part.view(shape) for name, shape, part in zip(self.names, self.shapes, parts, strict=True)
        }


def flat(weights: Mapping[str, Tensor]) -> Tensor:
    """Return weights by name as one tensor ``[P]``.

    Example:
        >>> flat({"w": torch.ones(2, 1), "b": torch.zeros(1)}).tolist()
        [1.0, 1.0, 0.0]
    """
    return torch.cat([each.detach().flatten() for each in weights.values()])
