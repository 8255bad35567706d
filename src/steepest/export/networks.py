"""A model as plain PyTorch: which module of ``portable/`` it is, what that is built from, and its weights by name."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest.evaluate.baselines import BaselineModel
from steepest.evaluate.baselines._trees import TreesModel
from steepest.evaluate.baselines.constant import Mean, Shares
from steepest.evaluate.baselines.line import StraightLine
from steepest.evaluate.baselines.regression import LinearModel
from steepest.models.columns import EmbeddedColumns
from steepest.models.deep_cross import CrossMatrix, DeepCross
from steepest.models.embedding_mlp import EmbeddingMLP
from steepest.models.linear import Linear
from steepest.models.mlp import MLP
from steepest.models.polynomial import Polynomial
from steepest.models.residual_mlp import Block, ResidualMLP
from steepest.models.tabm import Adapted, Apart, TabM
from steepest.models.wide_deep import WideDeep


@dataclass(frozen=True)
class Portable:
    """A model in plain PyTorch.

    Attributes:
        module: the module of ``portable/`` that is copied as ``model.py``.
        about: what its function ``network`` is called with, plain values.
        weights: by name, each in memory of its own.
        beside: modules of ``portable/`` that the module imports.
    """

    module: str
    about: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    beside: tuple[str, ...] = ()


def portable(net: nn.Module) -> Portable | None:
    """Return one of our models in plain PyTorch, None for a user's own.

    Example:
        >>> from steepest.data.dataset import Shape
        >>> portable(Linear(Shape("regression", {"day": 7}, ("heat",), 1))).about
        {'codes': [7], 'continuous': 1, 'outputs': 1}
    """
    described = DESCRIBED.get(type(net))
    return None if described is None else described(net)


def in_32_bits(net: nn.Module) -> nn.Module:
    """Return a network whose parameters have 64 bits as a copy with 32, and any other as it is.

    Example:
        >>> in_32_bits(nn.Linear(1, 1).double()).weight.dtype
        torch.float32
    """
    if not any(each.dtype == torch.float64 for each in net.parameters()):
        return net
    return copy.deepcopy(net).float()


def own_weights(net: nn.Module) -> dict[str, Tensor]:
    """Return all weights and buffers by name, those that are tied too."""
    named: dict[str, Tensor] = net.state_dict()
    return {name: each.detach().to("cpu", copy=True).contiguous() for name, each in named.items()}


def _embedding_mlp(net: EmbeddingMLP) -> Portable:
    linear = [each for block in net.blocks for each in block.modules() if isinstance(each, nn.Linear)]
    dropped = [each.p for block in net.blocks for each in block.modules() if isinstance(each, nn.Dropout)]
    widths = [_sizes(each) for each in net.embeddings]
    first = linear[0] if linear else net.head
    about = {
        "embeddings": widths,
        "continuous": first.in_features - sum(width for _, width in widths),
        "hidden": [each.out_features for each in linear],
        "outputs": net.head.out_features,
        "dropout": net.embedding_dropout.p,
        "hidden_dropout": dropped[0] if dropped else 0.0,
    }
    return Portable("embedding_mlp", about, own_weights(net))


def _linear(net: Linear) -> Portable:
    continuous = 0 if net.head is None else net.head.in_features
    outputs = next(net.parameters()).shape[-1] if net.head is None else net.head.out_features
    about = {
        "codes": [_sizes(each)[0] for each in net.embeddings],
        "continuous": continuous,
        "outputs": outputs,
    }
    return Portable("linear", about, own_weights(net))


def _polynomial(net: Polynomial) -> Portable:
    return Portable("polynomial", {"degree": net.degree}, own_weights(net))


def _mlp(net: MLP) -> Portable:
    layers = [each for each in net.layers if not isinstance(each, nn.Flatten)]
    about = {"embeddings": _embedded(net.columns), "layers": _layers(layers)}
    return Portable("mlp", about, own_weights(net), ("parts",))


def _residual_mlp(net: ResidualMLP) -> Portable:
    blocks = [
        {
            "first": _layers([each.first]),
            "second": _layers([each.second]),
            "inner": _layers(each.inner),
            "norm": _layers(each.norm),
            "phi": _layers([each.phi]),
            "shortcut": _layers([] if each.shortcut is None else [each.shortcut]),
        }
        for each in net.blocks
        if isinstance(each, Block)
    ]
    about = {"embeddings": _embedded(net.columns), "blocks": blocks, "head": _layers([net.head])}
    return Portable("residual_mlp", about, own_weights(net), ("parts",))


def _wide_deep(net: WideDeep) -> Portable:
    about = {
        "crosses": [each.places for each in net.crosses],
        "buckets": net.buckets,
        "codes": [_sizes(each)[0] for each in net.deep.embeddings],
        "wide": [_sizes(each) for each in net.wide.embeddings],
        "mapped": isinstance(net.wide.head, nn.Linear),
        "deep": _embedding_mlp(net.deep).about,
    }
    return Portable("wide_deep", about, own_weights(net), ("embedding_mlp",))


def _deep_cross(net: DeepCross) -> Portable:
    about = {
        "embeddings": _embedded(net.columns),
        "cross": [
            _layers(each.linear) if isinstance(each, CrossMatrix) else net.columns.width for each in net.cross
        ],
        "deep": _layers(net.deep),
        "stacked": net.stacked,
        "head": _layers([net.head]),
    }
    return Portable("deep_cross", about, own_weights(net), ("parts",))


def _tabm(net: TabM) -> Portable:
    if net.members == 1:
        return _mlp(net)
    about = {
        "embeddings": _embedded(net.columns),
        "layers": _layers(net.layers),
        "members": net.members,
        "classes": bool(net.classes),
    }
    return Portable("tabm", about, own_weights(net), ("parts",))


def _embedded(columns: EmbeddedColumns | None) -> list[tuple[int, int]]:
    return [] if columns is None else [_sizes(each) for each in columns.embeddings]


def _layers(layers: Iterable[nn.Module]) -> list[list[Any]]:
    """Return of each layer the name of its class in ``torch.nn`` and what that is called with."""
    return [[_class_of(each), *_arguments(each)] for each in layers]


def _class_of(layer: nn.Module) -> str:
    return "Linear" if isinstance(layer, Adapted | Apart) else type(layer).__name__


def _arguments(layer: nn.Module) -> list[Any]:
    if isinstance(layer, nn.Linear):
        return [layer.in_features, layer.out_features, "bias" in dict(layer.named_parameters())]
    if isinstance(layer, Adapted):
        return [*layer.weight.shape[::-1]]
    if isinstance(layer, Apart):
        return [*layer.weight.shape[1:]]
    if isinstance(layer, nn.BatchNorm1d):
        return [layer.num_features]
    if isinstance(layer, nn.LayerNorm):
        return [[*layer.normalized_shape]]
    return [layer.p] if isinstance(layer, nn.Dropout) else []


def _sizes(embedding: nn.Module) -> tuple[int, int]:
    assert isinstance(embedding, nn.Embedding)
    return embedding.num_embeddings, embedding.embedding_dim


def _trees(net: TreesModel) -> Portable:
    sizes = list(net.shape.cardinalities.values())
    columns, right, feature = (net.array(name).long() for name in ("code_columns", "right", "feature"))
    arrays = {
        "start": net.array("start"),
        "code_columns": columns,
        "code_starts": _starts([sizes[i] for i in columns.tolist()]),
        "code_bins": net.array("code_bins").long(),
        "edges": _padded(net.array("edges"), net.array("edge_counts")),
        "roots": net.array("roots"),
        "feature": feature,
        "right": right,
        "left_bins": net.array("left_bins"),
        "value": net.array("value"),
    }
    depths = np.zeros(len(feature), np.int64)
    for node in np.flatnonzero(feature.numpy() >= 0):  # every one before its subtrees
        depths[node + 1] = depths[int(right[node])] = depths[node] + 1
    about = {"kind": "trees", "depth": int(depths.max(initial=0))}
    return Portable("baselines", about, _own(arrays | _all_classes(net)))


def _regression(net: LinearModel) -> Portable:
    sizes, counts = list(net.shape.cardinalities.values()), net.array("edge_counts")
    bins = (counts[counts > 0] + 1).tolist()
    codes, binned, slopes = net.array("weights").split(
        [sum(sizes), sum(bins), len(net.shape.continuous)]
    )  # in the order in which a row's features are laid out
    arrays = {
        "intercept": net.array("intercept"),
        "slopes": slopes,
        "codes": codes,
        "code_starts": _starts(sizes),
        "bins": binned,
        "bin_starts": _starts(bins),
        "cut": torch.nonzero(counts > 0).flatten(),
        "edges": _padded(net.array("edges"), counts[counts > 0]),
    }
    return Portable("baselines", {"kind": "regression"}, _own(arrays | _all_classes(net)))


def _line(net: StraightLine) -> Portable:
    intercept, slope = net.array("coefficients").split(1)
    nothing, places = slope.new_zeros(0, 1), torch.zeros(0, dtype=torch.int64)
    arrays = {
        "intercept": intercept,
        "slopes": slope[:, None],
        "codes": nothing,
        "code_starts": places,
        "bins": nothing,
        "bin_starts": places,
        "cut": places,
        "edges": nothing,
    }
    return Portable("baselines", {"kind": "regression"}, _own(arrays))


def _constant(net: BaselineModel) -> Portable:
    output = net(torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, 0))
    return Portable("baselines", {"kind": "constant"}, {"output": output[0].contiguous()})


def _all_classes(net: BaselineModel) -> dict[str, Tensor]:
    """Return how the log-probabilities of all classes come from those with training rows."""
    if not net.shape.classes:
        return {}
    counts = net.array("counts")
    known, absent = int((counts > 0).sum()), int((counts == 0).sum())
    share = 1.0 / float(counts.sum() + len(counts))
    order = torch.full((len(counts),), known)
    order[counts > 0] = torch.arange(known)
    logs = {"absent": np.log(share), "present": np.log1p(-absent * share)}
    return {"order": order} | {
        name: torch.tensor([value], dtype=torch.float64) for name, value in logs.items()
    }


def _padded(edges: Tensor, counts: Tensor) -> Tensor:
    """Return the edges of each column ``[D, E]``, filled up with infinity."""
    sizes = counts.tolist()
    full = edges.new_full((len(sizes), max(sizes, default=0)), float("inf"))
    for row, each in zip(full, edges.split(sizes) if sizes else (), strict=True):
        row[: len(each)] = each
    return full


def _starts(sizes: list[int]) -> Tensor:
    return torch.tensor(list(itertools.accumulate(sizes, initial=0))[:-1], dtype=torch.int64)


def _own(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: each.clone().contiguous() for name, each in arrays.items()}


DESCRIBED: Mapping[type[nn.Module], Callable[[Any], Portable]] = {
    EmbeddingMLP: _embedding_mlp, Linear: _linear, Polynomial: _polynomial, MLP: _mlp, ResidualMLP: _residual_mlp,
    WideDeep: _wide_deep, DeepCross: _deep_cross, TabM: _tabm,
    LinearModel: _regression, TreesModel: _trees,
    StraightLine: _line, Mean: _constant, Shares: _constant,
}  # fmt: skip
"""How each model and baseline becomes plain PyTorch."""
