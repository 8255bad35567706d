"""The regularizers of an arm on the parameters of one model, as functions of tensors: the same in every executor."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest.data.dataset import Part
from steepest.optim.roles import roles_of
from steepest.regularizers import Coefficients, Place, Regularizer
from steepest.rng import stream

Source = Callable[[Regularizer], np.random.Generator]
"""Gives the random numbers of a regularizer in one step of a run."""


@dataclass(frozen=True)
class Acting:
    """A regularizer with the names of the parameters that it acts on, and how many numbers these have."""

    of: Regularizer
    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def own(self, c: Coefficients) -> dict[str, Any]:
        """Return its own numbers of a step's."""
        start = f"{self.of.name} "
        return {name.removeprefix(start): value for name, value in c.items() if name.startswith(start)}


class Applied:
    """The regularizers of an arm on one model.

    Args:
        regularizers: in the order of a step.
        model: whose trainable parameters they act on.
        tables: names of parameters that are tables of categories.

    Example:
        >>> from steepest.regularizers import read_regularizers
        >>> applied = Applied(read_regularizers("l2(0.1)"), nn.Linear(2, 1))
        >>> applied.penalty({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.ones(1)}).item()
        0.5
    """

    def __init__(
        self, regularizers: Sequence[Regularizer], model: nn.Module, tables: Sequence[str] = ()
    ) -> None:
        self.regularizers = tuple(regularizers)
        roles = roles_of(model, tables)
        trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
        acting = [
            Acting(each, names, tuple(trained[name].numel() for name in names))
            for each in regularizers
            for names in [tuple(name for name in trained if roles[name] in each.roles)]
        ]
        self._at: dict[Place, tuple[Acting, ...]] = {
            place: tuple(
                each
                for each in acting
                if place in each.of.places and (each.names or place in ("batch", "length"))
            )
            for place in ("batch", "penalty", "gradient", "update", "average", "length")
        }

    def acts(self, *places: Place) -> bool:
        """Return whether any of them acts at one of some places."""
        return any(self._at[place] for place in places)

    @property
    def stops_after(self) -> int | None:
        """Evaluations without an improvement after which the run ends, or None."""
        found = [each.of.stops_after() for each in self._at["length"]]
        return min((each for each in found if each is not None), default=None)

    @property
    def numbers(self) -> int:
        """How many random numbers a step draws for gradients."""
        return sum(sum(each.sizes) for each in self._at["gradient"])

    def batch(self, part: Part, source: Source) -> Part:
        """Return a batch as it is trained on."""
        for each in self._at["batch"]:
            part = each.of.batch(part, source(each.of))
        return part

    def penalty(self, weights: Mapping[str, Tensor]) -> Tensor | None:
        """Return what is added to the loss, or None; parameters that are not given do not count."""
        found = [
            each.of.penalty({name: weights[name] for name in each.names}) for each in self._at["penalty"]
        ]
        return torch.stack(found).sum() if len(found) > 1 else found[0] if found else None

    def coefficients(self, step: int) -> dict[str, float]:
        """Return the numbers that change from step to step, counted from 0 in the run."""
        return {
            f"{each.name} {name}": value
            for each in self.regularizers
            for name, value in each.coefficients(step).items()
        }

    def draws(self, source: Source) -> dict[str, Tensor]:
        """Return a step's random numbers for gradients, by the name of the regularizer."""
        found = {
            each.of.name: each.of.noise(source(each.of), sum(each.sizes)) for each in self._at["gradient"]
        }
        return {name: torch.from_numpy(noise) for name, noise in found.items() if noise is not None}

    def gradients(
        self,
        gradients: Mapping[str, Tensor],
        weights: Mapping[str, Tensor],
        draws: Mapping[str, Tensor],
        c: Coefficients,
    ) -> dict[str, Tensor]:
        """Return the gradients as they are clipped and given to the optimizer; one that is not there stays so."""
        found = dict(gradients)
        for each in self._at["gradient"]:
            noise = draws.get(each.of.name)
            pieces = [None] * len(each.names) if noise is None else noise.split(each.sizes)
            for name, piece in zip(each.names, pieces, strict=True):
                if name in found:
                    own = None if piece is None else piece.to(found[name]).reshape(found[name].shape)
                    found[name] = each.of.gradient(found[name], weights[name], own, each.own(c))
        return found

    def updated(self, weights: Mapping[str, Tensor], c: Coefficients) -> dict[str, Tensor]:
        """Return the weights after the optimizer's update as they are kept."""
        found = dict(weights)
        for each in self._at["update"]:
            for name in each.names:
                if name in found:
                    found[name] = each.of.updated(found[name], each.own(c))
        return found

    def averages(self, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the averages before the first step: copies of the parameters and buffers that are averaged."""
        names = [name for each in self._at["average"] for name in each.names]
        numbers = {name: each for name, each in buffers.items() if each.is_floating_point()} if names else {}
        return {
            name: each.detach().clone()
            for name, each in {**{n: weights[n] for n in names}, **numbers}.items()
        }

    def averaged(
        self, averages: Mapping[str, Tensor], values: Mapping[str, Tensor], c: Coefficients
    ) -> dict[str, Tensor]:
        """Return the new averages.

        Args:
            averages: the old ones.
            values: weights and buffers after the step.
            c: the step's numbers.
        """
        [each] = self._at["average"]
        own = each.own(c)
        return {name: each.of.averaged(average, values[name], own) for name, average in averages.items()}


def source_of(seed: int, step: int) -> Source:
    """Return the random numbers of a run's step: a stream for each regularizer, by its name.

    Args:
        seed: of the run.
        step: counted from 0, those of the runs that it continues included.
    """
    return lambda of: stream(seed, "regularizer", zlib.crc32(of.name.encode()), step)
