"""How a plane through a run's weights is chosen: one way a file, named as a component, such as ``filter``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry
from steepest.data.dataset import Part
from steepest.errors import ModelError, OptionError
from steepest.landscape.plane import Plane, Trail, flat
from steepest.landscape.stored import StoredRun
from steepest.optim.roles import roles_of
from steepest.rng import stream

registry = Registry("plane", "steepest.landscape.planes")


class PlaneChoice(Component):
    """A way of choosing a plane; a subclass declares its options as fields, in the order of arguments.

    Attributes:
        span: how far a slice goes to each side, unless a user says how far.
    """

    span: ClassVar[float] = 1.0

    @abstractmethod
    def choose(self, run: StoredRun, part: Part, seed: int) -> Plane:
        """Return the plane.

        Args:
            run: whose weights are the origin.
            part: the rows that losses are measured on.
            seed: of whatever is random.

        Raises:
            ModelError: the run has no such plane.
            OptionError: an option does not fit its parameters.
        """


def make_plane(text: str) -> PlaneChoice:
    """Return the way of choosing a plane that a specification names, or refers to (``mine.py:Mine``).

    Raises:
        UnknownNameError: there is none with this name.
        OptionError: an option does not exist or has a value that is not allowed.

    Example:
        >>> str(make_plane("filter"))
        'filter'
    """
    return make_component(registry, text, PlaneChoice)


def default_plane(run: StoredRun) -> str:
    """Return what is chosen where nothing is named: the two parameters if there are no more, else ``filter``."""
    return "parameters" if sum(each.numel() for each in run.parameters.values()) == 2 else "filter"


def random_direction(weights: Mapping[str, Tensor], seed: int, index: int) -> dict[str, Tensor]:
    """Return standard normal numbers in the shapes of weights, a function of seed and index."""
    draw = stream(seed, "landscape", index)
    return {
        name: torch.from_numpy(draw.standard_normal(tuple(each.shape), np.float32)).to(each.dtype)
        for name, each in weights.items()
    }


def filter_normalised(
    direction: Mapping[str, Tensor], weights: Mapping[str, Tensor], left_out: set[str]
) -> dict[str, Tensor]:
    r"""Return a direction whose every filter has the norm of the weights' filter.

    .. math:: d_{ij} \leftarrow \frac{d_{ij}}{\|d_{ij}\|}\,\|\theta_{ij}\|

    A filter *j* of the parameter *i* is what lies at one place of its first dimension: the incoming weights of a
    neuron, a convolution's filter, the vector of a category. Parameters of one dimension, and those that are left
    out, get 0.

    Args:
        direction: by parameter.
        weights: by parameter.
        left_out: names of biases and of parameters of norms.

    Source: Li, Xu, Taylor, Studer & Goldstein, Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018.

    Example:
        >>> w = {"w": torch.tensor([[3.0, 4.0], [0.0, 0.0]])}
        >>> filter_normalised({"w": torch.tensor([[1.0, 0.0], [1.0, 1.0]])}, w, set())["w"].tolist()
        [[5.0, 0.0], [0.0, 0.0]]
    """
    found: dict[str, Tensor] = {}
    for name, each in direction.items():
        weight = weights[name]
        if weight.dim() < 2 or name in left_out:
            found[name] = torch.zeros_like(weight)
            continue
        length = each.flatten(1).norm(dim=1).clamp(min=torch.finfo(each.dtype).tiny)
        share = weight.flatten(1).norm(dim=1) / length
        found[name] = each * share.reshape(-1, *[1] * (weight.dim() - 1))
    return found


def random_filters(run: StoredRun, seed: int, index: int) -> Tensor:
    """Return a random filter-normalised direction of a run, ``[P]``, in which pruned weights stay at zero.

    Raises:
        ModelError: the network has no filter, only biases and numbers.
    """
    weights = run.parameters
    direction = masked(random_direction(weights, seed, index), run.masks)
    found = flat(filter_normalised(direction, weights, without_filters(run.net)))
    if not found.any():
        raise ModelError(
            "the network has no weights with filters, or all of them are 0, so no direction can be normalised by them",
            hint="take the axes of two parameters: --plane parameters.",
        )
    return found


def masked(direction: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a direction by parameter that leaves what masks hold at zero where it is.

    Example:
        >>> masked({"w": torch.ones(2), "b": torch.ones(1)}, {"w": torch.tensor([0.0, 1.0])})
        {'w': tensor([0., 1.]), 'b': tensor([1.])}
    """
    return {name: each * masks[name].to(each) if name in masks else each for name, each in direction.items()}


def without_filters(net: nn.Module) -> set[str]:
    """Return the names of biases and of parameters of norms."""
    return {name for name, role in roles_of(net).items() if role in ("biases", "norms")}


def between(run: StoredRun, other: StoredRun) -> Plane:
    """Return the line from a run, α = 0, to another one, α = 1.

    Raises:
        OptionError: the two have other parameters or other inputs, or the same weights.
    """
    here, there = run.parameters, other.parameters
    shapes = [{name: tuple(each.shape) for name, each in some.items()} for some in (here, there)]
    if shapes[0] != shapes[1]:
        differing = next(
            name for name in (*shapes[0], *shapes[1]) if shapes[0].get(name) != shapes[1].get(name)
        )
        raise OptionError(
            f"{run.title} and {other.title} have no line between them: their parameters differ, such as {differing!r}",
            hint="take two runs of the same model on the same data.",
        )
    if run.dataset.shape != other.dataset.shape or run.dataset.classes != other.dataset.classes:
        raise OptionError(
            f"{run.title} and {other.title} have other inputs or classes",
            hint="take two runs on the same data.",
        )
    step = flat(there) - flat(here)
    if not step.any():
        raise OptionError(f"{run.title} and {other.title} have the same weights", hint="take another --to.")
    shift = {
        name: other.buffers[name].to(each.dtype) - each
        for name, each in run.buffers.items()
        if each.is_floating_point() and name in other.buffers
    }
    ends = (Trail(run.title, np.array([[0.0, 0.0]])), Trail(other.title, np.array([[1.0, 0.0]])))
    return Plane.through(
        here, step, how=f"on the straight line from {run.title} (0) to {other.title} (1)",
        axes=("share of the way", ""), shift=shift, trails=ends,
    )  # fmt: skip
