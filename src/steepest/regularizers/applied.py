"""The regularizers of an arm on the parameters of one model, as functions of tensors: the same in every executor."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest.data.dataset import Part
from steepest.objectives.target import Target, class_shares
from steepest.optim.roles import roles_of
from steepest.regularizers import (
    PLACES,
    WITHOUT_PARAMETERS,
    Coefficients,
    Moment,
    Penalty,
    Place,
    Regularizer,
)
from steepest.regularizers.hooks import without_hooks
from steepest.rng import stream

Source = Callable[[Regularizer], np.random.Generator]
"""Gives the random numbers of a regularizer in one step of a run."""


@dataclass(frozen=True)
class Acting:
    """A regularizer with the names of the parameters that it acts on, and how many numbers these have.

    Its numbers of a step are named by ``key``, as two penalties may have one name.
    """

    of: Regularizer
    key: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def own(self, c: Coefficients) -> dict[str, Any]:
        """Return its own numbers of a step's."""
        start = f"{self.key} "
        return {name.removeprefix(start): value for name, value in c.items() if name.startswith(start)}


class Applied:
    """The regularizers of an arm on one model.

    Args:
        regularizers: in the order of a step.
        model: whose trainable parameters they act on.
        tables: names of parameters that are tables of categories.
        target: what is predicted, for those that change it.
        length: the steps of the run, for those that depend on it.
        class_weights: of the classes ``[K]``, by which the loss multiplies shares of them; None for 1.

    Example:
        >>> from steepest.regularizers import read_regularizers
        >>> applied = Applied(read_regularizers("l2(0.1)"), nn.Linear(2, 1))
        >>> applied.penalty({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.ones(1)}).item()
        0.5
    """

    def __init__(
        self,
        regularizers: Sequence[Regularizer],
        model: nn.Module,
        tables: Sequence[str] = (),
        target: Target | None = None,
        length: int | None = None,
        class_weights: Tensor | None = None,
    ) -> None:
        self.regularizers = tuple(regularizers)
        self.target, self.length, self.class_weights = target, length, class_weights
        roles = roles_of(model, tables)
        trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
        acting = [
            Acting(each, f"{each.name} {place}", names, tuple(trained[name].numel() for name in names))
            for place, each in enumerate(regularizers)
            for names in [tuple(name for name in trained if roles[name] in each.roles)]
        ]
        self._at: dict[Place, tuple[Acting, ...]] = {
            place: tuple(
                each
                for each in acting
                if place in each.of.places and (each.names or place in WITHOUT_PARAMETERS)
            )
            for place in PLACES
        }

    def acts(self, *places: Place) -> bool:
        """Return whether any of them acts at one of some places."""
        return any(self._at[place] for place in places)

    def restates(self, step: int) -> bool:
        """Return whether what is averaged after a step needs batch norm's running statistics to be estimated anew."""
        return any(each.of.restates(Moment(step, self.length)) for each in self._at["average"])

    @property
    def watches(self) -> str:
        """The metric by which a run ends early and its best weights are kept; empty for the one that decides."""
        return next((each.of.watches() for each in self._at["length"] if each.of.watches()), "")

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
        for each in self._at["labels"]:
            if self.target is None:
                raise ValueError("the target is not given")
            before, part = part, each.of.labels(part, self.target, source(each.of))
            if self.class_weights is not None and part.target.dim() == 2:
                shares, weights = class_shares(before, self.target.classes), self.class_weights
                weights = weights.to(part.target)
                part = replace(part, target=each.of.by_class(shares, part.target, weights))
        return part

    def penalty(self, weights: Mapping[str, Tensor], c: Coefficients | None = None) -> Tensor | None:
        """Return what is added to the loss, or None.

        Args:
            weights: by name, at least those that are acted on.
            c: the step's numbers, where a program takes strengths as such.
        """
        found: list[Tensor] = []
        for each in self._at["penalty"]:
            own = {name: weights[name] for name in each.names}
            if c is None or not isinstance(each.of, Penalty):
                found.append(each.of.penalty(own))
            else:
                found.append(each.of.unscaled(own) * each.own(c)["strength"])
        return torch.stack(found).sum() if len(found) > 1 else found[0] if found else None

    def coefficients(self, step: int, rate: float = 0.0) -> dict[str, float]:
        """Return the numbers that change from step to step.

        Args:
            step: counted from 0 in the run.
            rate: the learning rate of the step.
        """
        at = Moment(step, self.length, rate)
        return {
            f"{each.name} {place} {name}": value
            for place, each in enumerate(self.regularizers)
            for name, value in each.numbers(at).items()
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

    def decayed(self, weights: Mapping[str, Tensor], c: Coefficients) -> dict[str, Tensor]:
        """Return the weights as the optimizer's update gets them."""
        return self._changed(weights, c, "decay", lambda of: of.decayed)

    def updated(self, weights: Mapping[str, Tensor], c: Coefficients) -> dict[str, Tensor]:
        """Return the weights after the optimizer's update as they are kept."""
        return self._changed(weights, c, "update", lambda of: of.updated)

    def _changed(
        self,
        weights: Mapping[str, Tensor],
        c: Coefficients,
        place: Place,
        how: Callable[[Regularizer], Callable[[Tensor, Coefficients], Tensor]],
    ) -> dict[str, Tensor]:
        """Return the weights after what acts at a place on one at a time."""
        found = dict(weights)
        for each in self._at[place]:
            for name in each.names:
                if name in found:
                    found[name] = how(each.of)(found[name], each.own(c))
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


def attach(regularizers: Sequence[Regularizer], model: nn.Module, rows: Part) -> None:
    """Put what regularizers do inside a network into its layers, in the place of what was put there before.

    Args:
        regularizers: of the arm.
        model: the module.
        rows: training rows, of which the first two are looked at.
    """
    without_hooks(model)
    inside = [each for each in regularizers if "layers" in each.places]
    if inside:
        some = rows.take(torch.arange(min(2, len(rows)), device=rows.target.device))
        for each in inside:
            each.attach(model, some)


def source_of(seed: int, step: int) -> Source:
    """Return the random numbers of a run's step: a stream for each regularizer, by its name.

    Args:
        seed: of the run.
        step: counted from 0, those of the runs that it continues included.
    """
    return lambda of: stream(seed, "regularizer", zlib.crc32(of.name.encode()), step)
