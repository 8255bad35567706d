"""Two random directions, normalised by filter."""

from __future__ import annotations

from typing import ClassVar

from steepest.data.dataset import Part
from steepest.landscape.choosing import PlaneChoice, random_filters
from steepest.landscape.plane import Plane
from steepest.landscape.stored import StoredRun

COMPONENTS = {
    "filter": {
        "object": "FilterPlane",
        "what": "two random directions with the norms of the weights' filters",
    }
}


class FilterPlane(PlaneChoice):
    r"""Two random directions whose every filter has the norm of the weights' filter.

    .. math:: d_{ij} \leftarrow \frac{d_{ij}}{\|d_{ij}\|}\,\|\theta_{ij}\|

    A filter *j* of the parameter *i* is a neuron's incoming weights, a convolution's filter, or a category's vector;
    biases and the parameters of norms stay as they are. So one unit along an axis changes every filter by as much as
    it is long, and slices of networks of different scale can be compared: a network whose layers are multiplied by
    factors that cancel is the same function, and looks the same here, while it would look flatter or sharper along
    directions without the normalisation.

    Source: Li, Xu, Taylor, Studer & Goldstein, Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018.
    """

    name: ClassVar[str] = "filter"

    def choose(self, run: StoredRun, part: Part, seed: int) -> Plane:
        """Return the plane of two independent directions."""
        del part
        first, second = (random_filters(run, seed, index) for index in (0, 1))
        how = f"along two random directions with the norms of the weights' filters (seed {seed})"
        axes = ("first random direction, in filter norms", "second random direction, in filter norms")
        return Plane.through(run.parameters, first, second, how=how, axes=axes)
