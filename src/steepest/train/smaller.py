"""A pruned network without what was pruned: its neurons leave it, and it is counted what is left."""

from __future__ import annotations

import inspect
import statistics
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import safetensors.torch
import torch
from torch import Tensor, nn

from steepest.components import grammar
from steepest.data.dataset import Shape
from steepest.models import ModelBuilder, build_model, count_parameters, registry
from steepest.procedures.pruning import Pruning
from steepest.train.masks import masks_of, removed_neurons, zeros_by_layer
from steepest.train.neurons import by_neuron, hidden_neurons
from steepest.train.weights import once

WIDTHS = ("channels", "hidden")
"""The options of a model that are widths of its layers, in the order in which these follow each other."""


def widths_of(model: str) -> tuple[int, ...]:
    """Return the widths of a model's hidden layers, if its specification has them; else nothing.

    Example:
        >>> widths_of("mlp(hidden=(8, 4))"), widths_of("cnn(channels=(4, 6), hidden=9)"), widths_of("linear")
        ((8, 4), (4, 6, 9), ())
    """
    return tuple(width for each in _widths(model).values() for width in each)


def with_widths(model: str, widths: Sequence[int]) -> str:
    """Return the specification of a model with other widths of its hidden layers.

    Example:
        >>> with_widths("mlp(hidden=(8, 4), norm='batch')", (2, 3))
        "mlp(hidden=(2, 3), norm='batch')"
    """
    spec, rest, found = grammar.parse(model), list(widths), dict[str, Any]()
    for name, before in _widths(model).items():
        own = tuple(rest[: len(before)])
        found[name] = own[0] if before.single else own
        del rest[: len(before)]
    return str(grammar.Spec(spec.name, spec.arguments, {**spec.options, **found}))


class _Widths(tuple[int, ...]):
    """The widths that an option gives; ``single`` where it is one number and no list."""

    single = False


class _Width(_Widths):
    single = True


def _widths(model: str) -> dict[str, _Widths]:
    spec = grammar.parse(model)
    if spec.is_reference or spec.name not in registry.names():
        return {}
    known = inspect.signature(registry.entry(spec.name).load()).parameters
    found: dict[str, _Widths] = {}
    for name in WIDTHS:
        given = spec.options.get(name, known[name].default if name in known else None)
        if isinstance(given, int) and given > 0:
            found[name] = _Width([given])
        elif isinstance(given, list | tuple) and given:
            found[name] = _Widths(int(each) for each in cast("Sequence[Any]", given))
    return found


def without_neurons(
    model: str, shape: Shape, weights: Mapping[str, Tensor]
) -> tuple[str, dict[str, Tensor]] | None:
    """Return a model and its weights without the hidden neurons that were pruned; None where none can leave.

    Args:
        model: its specification.
        shape: of the dataset.
        weights: in which what leads into and out of pruned neurons is 0.

    Example:
        >>> shape = Shape("regression", {}, ("x",), 1)
        >>> weights = {name: each.clone() for name, each in build_model("mlp(hidden=(3,))", shape).state_dict().items()}
        >>> weights["layers.2.weight"][:, 1] = 0.0
        >>> found = without_neurons("mlp(hidden=(3,))", shape, weights)
        >>> found[0], found[1]["layers.0.weight"].shape
        ('mlp(hidden=(2,))', torch.Size([2, 1]))
    """
    widths = widths_of(model)
    left = removed_neurons(build_model(model, shape), weights) if widths else []
    if (
        not left
        or len(left) != len(widths)
        or all(len(stay) == n for (_, stay), n in zip(left, widths, strict=True))
    ):
        return None
    smaller, found = with_widths(model, [len(stay) for _, stay in left]), dict(weights)
    for neurons, stay in left:
        places = torch.from_numpy(stay)
        for name in (neurons.into, *neurons.own, *neurons.kept):
            found[name] = found[name][places]
        out, count = found[neurons.out], len(weights[neurons.into])
        left_of_it = by_neuron(out, count)[:, places]
        found[neurons.out] = left_of_it.reshape(len(out), out.shape[1] // count * len(stay), *out.shape[2:])
    wanted = {name: each.shape for name, each in build_model(smaller, shape).state_dict().items()}
    return (smaller, found) if wanted == {name: each.shape for name, each in found.items()} else None


def narrower(model: str, shape: Shape, sparsity: float) -> str:
    """Return a model with narrower hidden layers, which has about as many parameters as a pruned one has left.

    Args:
        model: its specification.
        shape: of the dataset.
        sparsity: the share of its weights that are pruned.

    Returns:
        The specification; empty where the model has no widths.

    Example:
        >>> narrower("mlp(hidden=(100,))", Shape("regression", {}, ("x", "y"), 1), 0.9)
        'mlp(hidden=(32,))'
    """
    return like_pruned(model, shape, Pruning(sparsity, sparsity))


def like_pruned(model: str, shape: Shape, pruning: Pruning) -> str:
    """Return a dense model, the same but narrower, with about as many parameters as a pruned one has left.

    Where hidden neurons are pruned and leave the model, it has the widths that are left.

    Args:
        model: its specification.
        shape: of the dataset.
        pruning: what is pruned.

    Returns:
        The specification; empty where the model is the user's own, or has no widths that can be made smaller.

    Example:
        >>> shape = Shape("regression", {}, ("x", "y"), 1)
        >>> like_pruned("mlp(hidden=(100,))", shape, Pruning(0.9, 0.9, unit="neuron"))
        'mlp(hidden=(10,))'
        >>> like_pruned("linear", shape, Pruning(0.9, 0.9))
        ''
    """
    if not (widths := widths_of(model)):
        return ""
    if pruning.unit == "neuron" and len(hidden_neurons(build_model(model, shape))) == len(widths):
        return with_widths(model, [max(1, width - round(pruning.sparsity * width)) for width in widths])
    left = parameters_left(model, shape, pruning)
    low, high = 0, _PARTS  # the first part of the widths with at least so many parameters, and the one before
    while high - low > 1:
        middle = (low + high) // 2
        enough = _parameters(_scaled(model, middle / _PARTS), shape) >= left
        low, high = (low, middle) if enough else (middle, high)
    some = [_scaled(model, part / _PARTS) for part in (low, high) if part]
    return min(some, key=lambda each: abs(_parameters(each, shape) - left))


def parameters_left(model: str | ModelBuilder, shape: Shape, pruning: Pruning) -> int:
    """Return how many parameters of a model are left after pruning.

    Example:
        >>> parameters_left("mlp(hidden=(10,))", Shape("regression", {}, ("x",), 1), Pruning(0.5, 0.0))
        26
    """
    net = build_model(model, shape)
    held = masks_of(net, net.state_dict(), replace(pruning, shuffled=False), 0)
    return count_parameters(net) - sum(int((each == 0).sum()) for each in held.values())


_PARTS = 200
"""The widths of a smaller model are multiples of one such part, rounded."""


def _parameters(model: str, shape: Shape) -> int:
    return count_parameters(build_model(model, shape))


def _scaled(model: str, share: float) -> str:
    """Return a model with a share of the widths of its layers."""
    return with_widths(model, [max(1, round(share * width)) for width in widths_of(model)])


def what_is_left(net: nn.Module) -> str:
    """Return in words how many weights of a network are 0, by layer, and how large its file is.

    Example:
        >>> net = nn.Linear(4, 1)
        >>> _ = net.weight.data.copy_(torch.tensor([[0.0, 0.0, 0.0, 1.0]]))
        >>> what_is_left(net).partition(";")[0]
        '3 of 4 weights are 0, 75.0 % (weight 75.0 %)'
    """
    layers = zeros_by_layer(net, net.state_dict())
    zeros, count = (sum(each[i] for each in layers.values()) for i in (0, 1))
    size, packed = file_sizes(net)
    file = f"{size / 1000:,.1f} kB, {packed / 1000:,.1f} kB compressed"
    if not zeros:
        return f"none of {count:,} weights is 0; {file}"
    shares = ", ".join(f"{name} {100 * some / every:.1f} %" for name, (some, every) in layers.items())
    whole = f"{zeros:,} of {count:,} weights are 0, {100 * zeros / count:.1f} % ({shares})"
    return f"{whole}; {file}"


def file_sizes(net: nn.Module) -> tuple[int, int]:
    """Return the bytes of a network's file of weights, and those that are left of it after compression (zlib).

    Example:
        >>> size, packed = file_sizes(nn.Linear(100, 100))
        >>> 40_000 < size < 42_000 and packed < size
        True
    """
    return written_sizes(once(net.state_dict()))


def written_sizes(weights: Mapping[str, Tensor]) -> tuple[int, int]:
    """Return the bytes of a file of tensors, and those that are left of it after compression (zlib).

    Example:
        >>> size, _ = written_sizes({"w": torch.zeros(1000, dtype=torch.int8)})
        >>> 1000 < size < 1200
        True
    """
    written = safetensors.torch.save(dict(weights))
    return len(written), len(zlib.compress(written, 6))


def prediction_milliseconds(net: nn.Module, shape: Shape, rows: int = 1000, times: int = 11) -> float:
    """Return the median time that a network takes to predict rows, in milliseconds.

    Args:
        net: the network.
        shape: of the data.
        rows: how many are predicted at once.
        times: how often.

    Example:
        >>> from steepest.models import build_model
        >>> shape = Shape("regression", {}, ("x",), 1)
        >>> prediction_milliseconds(build_model("linear", shape), shape) > 0
        True
    """
    inputs = [
        torch.zeros(
            rows, *each.size, dtype=torch.int64 if each.kind in ("codes", "tokens") else torch.float32
        )
        for each in shape.fields
    ]
    device, kind = next(((each.device, each.dtype) for each in net.parameters()), (None, torch.float32))
    inputs = [each.to(device, kind if each.is_floating_point() else each.dtype) for each in inputs]
    return milliseconds_of(net, inputs, times)


@torch.no_grad()
def milliseconds_of(net: nn.Module, inputs: Sequence[Tensor], times: int = 11) -> float:
    """Return the median time that a network takes to predict some rows, in milliseconds.

    Args:
        net: the network.
        inputs: what it is called with.
        times: how often.

    Example:
        >>> milliseconds_of(nn.Linear(1, 1), [torch.zeros(10, 1)]) > 0
        True
    """
    net.eval()(*inputs)  # the first call allocates
    taken: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        net(*inputs)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)
