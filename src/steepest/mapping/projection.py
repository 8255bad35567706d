"""Projections of vectors into the plane: one a file, named as a component, such as ``tsne(perplexity=50)``."""

from __future__ import annotations

import contextlib
import warnings
from abc import abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry
from steepest.mapping import POINTS

Vectors = NDArray[np.float64]
Distance = Literal["euclidean", "cosine"]

registry = Registry("projection", "steepest.mapping.projections")


@dataclass(frozen=True)
class Projected:
    """Points in the plane.

    Attributes:
        places: ``[N, 2]``.
        said: how they were found, in words.
        metric: the distance between vectors that was to be kept.
        explained: the share of the variance along each axis, where the map is linear; else empty.
    """

    places: Vectors
    said: str
    metric: Distance = "euclidean"
    explained: tuple[float, ...] = ()


class Projection(Component):
    """A projection of vectors into the plane; a subclass declares its options as fields, in the order of arguments.

    Attributes:
        title: how it is called in sentences.
        points: how many points there are at most, unless a user says how many.
    """

    title: ClassVar[str]
    points: ClassVar[int] = POINTS

    @abstractmethod
    def project(self, vectors: Vectors, seed: int) -> Projected:
        """Return a place in the plane for each vector.

        Args:
            vectors: ``[N, d]``, finite, at least three and not all the same; d is at least 2.
            seed: of whatever is random.

        Raises:
            OptionError: an option does not fit so few vectors.
        """


def make_projection(text: str) -> Projection:
    """Return the projection that a specification names, or refers to (``mine.py:Isomap``).

    Raises:
        UnknownNameError: there is none with this name.
        OptionError: an option does not exist or has a value that is not allowed.

    Example:
        >>> make_projection("tsne(50)").perplexity
        50.0
    """
    return make_component(registry, text, Projection)


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Leave out what a library warns its own callers of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
