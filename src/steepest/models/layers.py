"""What networks of hidden layers share: activations, norms and dropout, written once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from steepest.errors import ModelError, unknown_name

AUTO = "auto"
NONE = "none"
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "leaky-relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
}
NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def activation_of(name: str) -> nn.Module:
    """Return an activation by its name.

    Raises:
        ModelError: there is none with this name.

    Example:
        >>> activation_of("gelu")
        GELU(approximate='none')
    """
    if name not in ACTIVATIONS:
        raise ModelError(f"there is no activation {name!r}", hint=f"choose from {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]()


def norm_of(name: str, width: int) -> list[nn.Module]:
    """Return the norm of a layer in a list, which is empty for ``none``.

    Raises:
        UnknownNameError: there is none with this name.

    Example:
        >>> norm_of("batch", 8)[0].num_features, norm_of("none", 8)
        (8, [])
    """
    if name not in (NONE, *NORMS):
        raise unknown_name("norm", name, (NONE, *NORMS))
    return [] if name == NONE else [NORMS[name](width)]


def check_widths(hidden: Sequence[int]) -> None:
    """Raise a ``ModelError`` if a width is below 1.

    Example:
        >>> check_widths((128, 64))
    """
    if any(width < 1 for width in hidden):
        raise ModelError(f"a layer's width is {min(hidden)}", hint="widths are at least 1.")


def dropout_by_layer(dropout: float | Sequence[float], layers: int) -> list[float]:
    """Return the dropout of every hidden layer.

    Args:
        dropout: a share for all layers, or one for each.
        layers: how many there are.

    Raises:
        ModelError: a share is out of range, or there are not as many as layers.

    Example:
        >>> dropout_by_layer(0.1, 2), dropout_by_layer((0.5, 0.3), 2)
        ([0.1, 0.1], [0.5, 0.3])
    """
    found: list[float] = [*dropout] if isinstance(dropout, Sequence) else [dropout] * layers
    for each in found if isinstance(dropout, Sequence) else [dropout]:
        if not 0 <= each < 1:
            raise ModelError(f"a dropout of {each:g}", hint="give a share from 0 to below 1.")
    if len(found) != layers:
        raise ModelError(
            f"dropout has {len(found)} shares for {layers} hidden layers",
            hint="give one number, or one for each hidden layer.",
        )
    return found


def hidden_layers(
    inputs: int,
    hidden: Sequence[int],
    activation: str,
    norm: str = NONE,
    dropout: float | Sequence[float] = 0.0,
) -> list[nn.Module]:
    """Return hidden layers in order: each a linear layer, its norm, the activation, and dropout.

    A linear layer before batch norm has no bias, because batch norm takes its mean away.

    Args:
        inputs: width of what comes in.
        hidden: widths.
        activation: its name.
        norm: its name.
        dropout: for all layers, or for each.

    Example:
        >>> [type(each).__name__ for each in hidden_layers(4, (3,), "relu", "batch", 0.1)]
        ['Linear', 'BatchNorm1d', 'ReLU', 'Dropout']
    """
    check_widths(hidden)
    layers: list[nn.Module] = []
    for (before, width), share in zip(
        pairwise((inputs, *hidden)), dropout_by_layer(dropout, len(hidden)), strict=True
    ):
        layers += [nn.Linear(before, width, bias=norm != "batch"), *norm_of(norm, width)]
        layers += [activation_of(activation), *([nn.Dropout(share)] if share else [])]
    return layers
