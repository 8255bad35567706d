"""The hidden neurons of a model, and the channels of convolutions: what leads into them, and out of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

Named = tuple[str, nn.Module]
IN_ORDER = "layers_in_order"
"""The attribute in which a model names its layers, in the order in which they follow each other."""


@dataclass(frozen=True)
class Neurons:
    """The hidden neurons, or channels, between two layers.

    Attributes:
        into: the weight that leads into them, whose rows they are.
        own: vectors with a number for each: biases, scales, shifts.
        out: the weight that leads out of them, whose columns they are; after ``nn.Flatten`` of channels as many
            columns for each as a channel has pixels.
        kept: buffers with a number for each.
    """

    into: str
    own: tuple[str, ...]
    out: str
    kept: tuple[str, ...] = ()


def hidden_neurons(model: nn.Module) -> list[Neurons]:
    """Return the hidden neurons that can leave a model: those between layers that follow each other.

    Layers follow each other in an ``nn.Sequential``, or where a module says so: ``layers_in_order`` names its parts in
    that order. What stands between two layers has to treat every neuron alone, as activations, dropout, batch norm and
    pooling do. Frozen layers keep their neurons.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1))
        >>> [(each.into, each.own, each.out) for each in hidden_neurons(net)]
        [('0.weight', ('1.weight', '1.bias'), '3.weight')]
    """
    found: dict[str, Neurons] = {}
    for name, module in model.named_modules():
        for each in _between(list(_in_order(name, module))):
            found.setdefault(each.into, each)
    trained = {name for name, each in model.named_parameters() if each.requires_grad}
    return [each for each in found.values() if {each.into, *each.own, each.out} <= trained]


def by_neuron(out: Tensor, count: int) -> Tensor:
    """Return the weight that leads out of neurons as ``[outputs, neurons, …]``, a view of it.

    Example:
        >>> import torch
        >>> by_neuron(torch.zeros(4, 6), 3).shape, by_neuron(torch.zeros(4, 3, 5, 5), 3).shape
        (torch.Size([4, 3, 2]), torch.Size([4, 3, 25]))
    """
    return out.view(len(out), count, -1) if out.is_contiguous() else out.reshape(len(out), count, -1)


def _in_order(name: str, module: nn.Module) -> Iterator[Named]:
    """Return the layers of a module that follow each other, with their names; none of another module."""
    prefix = f"{name}." if name else ""
    parts: list[Named] = []
    if isinstance(module, nn.Sequential):
        parts = list(module.named_children())
    elif named := getattr(module, IN_ORDER, ()):
        parts = [(each, module.get_submodule(each)) for each in named]
    for key, each in parts:
        if isinstance(each, nn.Sequential):
            yield from _in_order(f"{prefix}{key}", each)
        else:
            yield f"{prefix}{key}", each


def _between(layers: Sequence[Named]) -> Iterator[Neurons]:
    places = [i for i, (_, each) in enumerate(layers) if isinstance(each, nn.Linear | nn.Conv2d)]
    for first, second in pairwise(places):
        inside = layers[first + 1 : second]
        if not all(isinstance(each, _ALONE) for _, each in inside):
            continue
        if not _fits(layers[first][1], layers[second][1], [each for _, each in inside]):
            continue
        some = [layers[first], *inside]
        own = [f"{key}.{each}" for key, one in some for each, _ in one.named_parameters()]
        kept = [f"{key}.{each}" for key, one in inside for each, value in one.named_buffers() if value.dim()]
        into = f"{layers[first][0]}.weight"
        yield Neurons(
            into, tuple(each for each in own if each != into), f"{layers[second][0]}.weight", tuple(kept)
        )


def _fits(one: nn.Module, other: nn.Module, inside: Sequence[nn.Module]) -> bool:
    """Return whether the columns of a layer are those of the neurons of another, in their order."""
    if isinstance(other, nn.Conv2d):
        return isinstance(one, nn.Conv2d) and one.groups == other.groups == 1
    flat = any(isinstance(each, nn.Flatten) and each.start_dim == 1 for each in inside)
    if isinstance(one, nn.Conv2d) and isinstance(other, nn.Linear):
        return one.groups == 1 and flat and other.in_features % one.out_channels == 0
    return True


_ALONE = (
    nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU, nn.ELU, nn.SELU, nn.LeakyReLU, nn.Softplus, nn.Sigmoid, nn.Dropout,
    nn.BatchNorm1d, nn.BatchNorm2d, nn.Identity, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten,
)  # fmt: skip
"""Layers that treat every neuron, or channel, alone, and whose parameters are vectors of them."""
