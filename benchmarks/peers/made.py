"""Made rows, start weights, batches and masks: what steepest would draw, written down for everybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers.network import TableNetwork
from benchmarks.peers.task import Array, Network, Task
from steepest import rng
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Part, Shape
from steepest.models import build_model
from steepest.train.dropout import masked, random_bits, source

SEED = 0
CRIMES = Network(
    cardinalities=(61385, 215, 305, 25, 51, 79, 21),
    widths=(128, 32, 39, 10, 14, 18, 9),
    classes=17,
    hidden=(128, 64),
    dropout=0.1,
)
"""The crimes network of the published notebook."""
COVERTYPE = Network(continuous=54, classes=7, hidden=(128, 64))
"""10 continuous and 44 binary columns."""
MNIST = Network(continuous=784, classes=10, hidden=(128,), batch_norm=False, optimizer="momentum", lr=1e-2)
_FLAT = 20
"""The frequency of the k-th most frequent code is proportional to 1/(k + this)."""


def made_rows(network: Network, rows: int) -> tuple[Array, Array, Array]:
    """Return codes, continuous values and targets.

    Codes of the first column follow Zipf's law from the 20th place on, and frequent codes lie anywhere in the
    table; the others are uniform. Half of the targets are the class of the row's first code or of its nearest
    of ``classes`` centres; the others are uniform.
    """
    draw = rng.stream(SEED, "data", rows)
    codes = np.zeros((rows, len(network.cardinalities)), np.int64)
    for column, count in enumerate(network.cardinalities):
        if column:
            codes[:, column] = draw.integers(0, count, rows)
        else:
            share = 1.0 / (np.arange(count) + _FLAT)
            ranks = np.searchsorted(np.cumsum(share / share.sum()), draw.random(rows))
            codes[:, 0] = draw.permutation(count)[np.minimum(ranks, count - 1)]
    kind = draw.integers(0, network.classes, rows)
    if network.cardinalities:
        kind = draw.integers(0, network.classes, network.cardinalities[0])[codes[:, 0]]
    centres = draw.standard_normal((network.classes, network.continuous), np.float32)
    continuous = draw.standard_normal((rows, network.continuous), np.float32)
    continuous += 0.5 * centres[kind]
    target = np.where(draw.random(rows) < 0.5, kind, draw.integers(0, network.classes, rows))
    return codes, continuous, target


def shape_of(network: Network) -> Shape:
    """Return what a model's builder must know."""
    cardinalities = dict(zip(network.columns, network.cardinalities, strict=True))
    values = tuple(f"x{i}" for i in range(network.continuous))
    return Shape("classification", cardinalities, values, network.classes)


def build(network: Network, shape: Shape) -> nn.Module:
    """Return the network with its start weights: steepest's own where it has batch norm, else a plain module."""
    if not network.batch_norm:
        return build_model(lambda _: TableNetwork(network), shape, seed=SEED)
    options: dict[str, Any] = {"hidden": network.hidden, "dropout": network.dropout}
    widths = dict(zip(network.columns, network.widths, strict=True))
    return build_model("embedding-mlp", shape, seed=SEED, embedding=widths, **options)


def make_task(network: Network, rows: int, steps: int) -> Task:
    """Return a network with made rows, and the batches and masks of its first steps."""
    codes, continuous, target = made_rows(network, rows)
    weights = tuple(
        each.detach().numpy() for each in build(network, shape_of(network)).parameters() if each.requires_grad
    )
    plan = BatchPlan(rows, network.batch, SEED)
    order = np.stack([plan.indices(step).numpy() for step in range(steps)])
    size = (network.batch, sum(network.widths))
    masks = [_mask(step, size, network.dropout) for step in range(steps)] if network.dropout else []
    check = np.stack(masks) if masks else np.ones((steps, 0, 0), np.float32)
    return Task(network, weights, codes, continuous, target, order, check)


def _mask(step: int, size: tuple[int, int], dropout: float) -> Array:
    bits = random_bits(source(SEED, step), size[0] * size[1])
    return masked(torch.ones(size), bits, dropout).numpy()


def dataset_of(task: Task) -> Dataset:
    """Return the rows as steepest's own dataset."""
    part = Part(
        (torch.from_numpy(task.codes), torch.from_numpy(task.continuous)), torch.from_numpy(task.target)
    )
    none = part.take(torch.arange(0))
    return Dataset("made", "y", part, none, none, shape_of(task.network))


def with_codes(network: Network, codes: int) -> Network:
    """Return the network with another number of codes of its first column."""
    return replace(network, cardinalities=(codes, *network.cardinalities[1:]))
