"""The weights of a run at evenly spaced steps, as they are kept in the folder of a comparison.

A path is kept exactly, with the buffers, where that is small or wanted; else as the coordinates of a random
projection of its trained parameters, from which distances and angles are known, but not the weights.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from steepest.errors import OptionError
from steepest.optim.stability import Stability
from steepest.paths.option import KeepPath
from steepest.paths.projection import RandomProjection

EXACT_NUMBERS = 10_000_000
"""Numbers of a path, points × weights, up to which it is kept exactly: 40 MB a run, as of the 79,510 weights of a
784-100-10 network at 100 steps."""


@dataclass(frozen=True)
class KeptPath:
    """The path of a run.

    Attributes:
        steps: taken until each point, ``[n]``.
        names: of the trained parameters, in the order of a point's numbers.
        shapes: theirs.
        weights: parameters and buffers by name, ``[n, …]``; none where the path is projected.
        coordinates: of the projected points, ``[n, m]``; None where the weights are there.
        bounds: the curvature that the next step bears at each point, or why none is known; nothing in the files of
            earlier versions.
    """

    steps: tuple[int, ...]
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    weights: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    coordinates: Tensor | None = None
    bounds: tuple[Stability | str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the weights are there."""
        return self.coordinates is None

    @property
    def numbers(self) -> int:
        """How many numbers are trained, P."""
        return sum(math.prod(each) for each in self.shapes)

    def points(self) -> Tensor:
        """Return the trained parameters of every point ``[n, P]``, or their coordinates ``[n, m]``, in 64 bits."""
        if self.coordinates is not None:
            return self.coordinates
        return torch.cat([self.weights[name].flatten(1).to(torch.float64) for name in self.names], 1)

    def at(self, place: int) -> dict[str, Tensor]:
        """Return the weights and buffers of a point, counted from 0.

        Raises:
            OptionError: the path is projected.
        """
        if not self.exact:
            raise OptionError(
                f"the path of {self.numbers:,} weights was kept as {len(self.points()[0]):,} coordinates of a random "
                "projection, which do not give the weights",
                hint=f"compare again with --keep-path exact:{len(self.steps) - 1} and another --out.",
            )
        return {name: each[place] for name, each in self.weights.items()}

    def stored(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the path as tensors by name, and what they are about."""
        bounds = [each if isinstance(each, str) else asdict(each) for each in self.bounds]
        about = {
            "names": json.dumps(self.names),
            "shapes": json.dumps(self.shapes),
            "bounds": json.dumps(bounds),
        }
        tensors = {"steps": torch.tensor(self.steps, dtype=torch.int64)}
        if self.coordinates is not None:
            return tensors | {"coordinates": self.coordinates}, about
        return tensors | {f"{WEIGHT}{name}": each for name, each in self.weights.items()}, about

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> KeptPath:
        """Return the path that :meth:`stored` returned.

        Raises:
            KeyError, ValueError: the tensors are those of no path.
        """
        names: list[str] = json.loads(about["names"])
        shapes: list[list[int]] = json.loads(about["shapes"])
        bounds: list[Any] = json.loads(about.get("bounds", "[]"))
        return cls(
            steps=tuple(tensors["steps"].tolist()),
            names=tuple(names),
            shapes=tuple(tuple(each) for each in shapes),
            weights={
                name.removeprefix(WEIGHT): each for name, each in tensors.items() if name.startswith(WEIGHT)
            },
            coordinates=tensors.get("coordinates"),
            bounds=tuple(each if isinstance(each, str) else Stability(**each) for each in bounds),
        )


WEIGHT = "weight:"
"""How names of tensors begin that are weights."""


class PathKeeper:
    """Keeps the path of a run while it is trained.

    Args:
        wanted: how many steps.
        length: of the run.
        trained: the trained parameters by name.
    """

    def __init__(self, wanted: KeepPath, length: int, trained: Mapping[str, Tensor]) -> None:
        self._due = wanted.places(length)
        self._shapes = {name: tuple(each.shape) for name, each in trained.items()}
        numbers = sum(each.numel() for each in trained.values())
        exact = wanted.exact or numbers * len(self._due) <= EXACT_NUMBERS
        self._projection = None if exact else RandomProjection(numbers)
        self._steps: list[int] = []
        self._points: list[Any] = []
        self._bounds: list[Stability | str] = []

    @classmethod
    def of(cls, wanted: KeepPath | None, length: int, net: nn.Module) -> PathKeeper | None:
        """Return what keeps the path of a network, None where nothing is wanted."""
        trained = {name: each for name, each in net.named_parameters() if each.requires_grad}
        return None if wanted is None else cls(wanted, length, trained)

    @property
    def due(self) -> list[int]:
        """How much of the length is used at the points that are still to be kept."""
        return self._due

    def keep(self, step: int, used: float, weights: Mapping[str, Tensor], bound: Stability | str) -> None:
        """Keep the weights and buffers after a step, and the curvature that the next one bears."""
        self._due = [each for each in self._due if each > used]
        self._steps.append(step)
        self._bounds.append(bound)
        if self._projection is None:
            self._points.append({name: each.cpu() for name, each in weights.items()})
        else:
            self._points.append(self._projection(_joined([weights[name] for name in self._shapes])))

    def kept(self) -> KeptPath:
        """Return the path so far."""
        names, shapes = tuple(self._shapes), tuple(self._shapes.values())
        steps, bounds = tuple(self._steps), tuple(self._bounds)
        if self._projection is not None:
            return KeptPath(steps, names, shapes, coordinates=torch.stack(self._points), bounds=bounds)
        together = {name: torch.stack([each[name] for each in self._points]) for name in self._points[0]}
        return KeptPath(steps, names, shapes, together, bounds=bounds)


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([each.detach().reshape(-1).to("cpu", torch.float64) for each in tensors])
