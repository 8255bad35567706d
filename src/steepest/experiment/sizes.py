"""Measure how large the saved networks are; what was measured is kept, so that a resumed folder shows the same.

Where a network is new, all are measured anew: times of another day or load cannot be compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from torch import nn

from steepest.compare.sizes import LayerZeros, NetworkSize
from steepest.data.dataset import Shape
from steepest.models import count_parameters
from steepest.record.store import Folder
from steepest.train.masks import zeros_by_layer
from steepest.train.smaller import file_sizes, prediction_milliseconds

FILE = "sizes.json"
"""What was measured, by recipe and seed."""


def sizes_of(folder: Folder, networks: Mapping[str, tuple[str, nn.Module, Shape]]) -> list[NetworkSize]:
    """Return the sizes of networks, and keep them in the folder.

    Args:
        folder: of the comparison.
        networks: by the title of the arm: the run that it is of, as ``recipe-seed``, the network, and its data's shape.
    """
    found = _kept(folder)
    if any(run not in found for run, *_ in networks.values()):
        found = {run: measured(title, net, shape) for title, (run, net, shape) in networks.items()}
        stored = {run: each.model_dump(mode="json") for run, each in found.items()}
        folder.write(FILE, json.dumps(stored, indent=1) + "\n")
    return [found[run].model_copy(update={"arm": title}) for title, (run, *_) in networks.items()]


def _kept(folder: Folder) -> dict[str, NetworkSize]:
    try:
        stored = json.loads((folder.path / FILE).read_text(encoding="utf-8"))
        return {run: NetworkSize.model_validate(each) for run, each in stored.items()}
    except (OSError, ValueError, AttributeError):  # not there, or torn: it is measured anew
        return {}


def measured(title: str, net: nn.Module, shape: Shape) -> NetworkSize:
    """Return the size of a network."""
    layers = zeros_by_layer(net, net.state_dict())
    size, packed = file_sizes(net)
    return NetworkSize(
        arm=title,
        parameters=count_parameters(net),
        layers=[LayerZeros(name=name, zeros=zeros, count=count) for name, (zeros, count) in layers.items()],
        size=size,
        packed=packed,
        milliseconds=prediction_milliseconds(net, shape),
    )
