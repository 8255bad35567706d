"""How large the networks of a comparison are, as pure data."""

from __future__ import annotations

from pydantic import Field

from steepest.record.schema import Frozen


class LayerZeros(Frozen):
    """How many weights of a layer are 0.

    Attributes:
        name: of the weight.
        zeros, count: how many are 0, and how many there are.
    """

    name: str
    zeros: int
    count: int


class NetworkSize(Frozen):
    """The size of an arm's saved network.

    Attributes:
        arm: its title.
        parameters: how many there are, those that are 0 included.
        layers: the weights that can be pruned.
        size: bytes of its file of weights.
        packed: bytes that are left of it after compression (zlib).
        milliseconds: what it takes to predict 1,000 rows, the median of 11 times; no other run is made meanwhile.
    """

    arm: str
    parameters: int
    layers: list[LayerZeros] = Field(default_factory=list)
    size: int
    packed: int
    milliseconds: float

    @property
    def sparsity(self) -> float:
        """The share of the weights that are 0."""
        count = sum(each.count for each in self.layers)
        return sum(each.zeros for each in self.layers) / count if count else 0.0
