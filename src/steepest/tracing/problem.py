"""Small problems on which an optimizer is traced: one a file, named as a component, such as ``quadratic((1, 10))``.

A problem is a loss of a few parameters in float64. A trace has a column for every element of every parameter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry

Parameters = dict[str, Tensor]

registry = Registry("small problem", "steepest.tracing.problems")


class SmallProblem(Component):
    """A loss of a few parameters; a subclass declares its options as fields, in the order of its arguments."""

    def begin(self) -> Parameters:
        """Return the parameters before the first step, by name; scalars, vectors or matrices."""
        raise NotImplementedError

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the loss that a step (counted from 0) makes smaller, a scalar."""
        raise NotImplementedError

    def shown(self, parameters: Parameters, step: int) -> dict[str, float]:
        """Return further columns of a step, such as the row of data that it uses."""
        del parameters, step
        return {}


def numbers(*values: float) -> Tensor:
    """Return a vector in float64."""
    return torch.tensor(values, dtype=torch.float64)


def make_problem(text: str) -> SmallProblem:
    """Return the small problem that a specification names, or refers to (``mine.py:Valley``).

    Raises:
        UnknownNameError: there is none with this name.
        OptionError: an option does not exist or has a value that is not allowed.

    Example:
        >>> make_problem("rosenbrock(start=(0, 0))").start
        (0.0, 0.0)
    """
    return make_component(registry, text, SmallProblem)
