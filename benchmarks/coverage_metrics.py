"""Coverage of intervals of metrics that are not a mean over rows, from jackknife pseudo-values by seed and row.

Two classes are normal in four directions. A model is a direction and an offset: its score is normal in each class, so
the value of every metric in the population is known by integration, and rows are new in every draw (rows drawn
from a table would repeat, and the ties would improve rankings). A network's direction and offset vary with the seed; a
second network and a baseline look in other directions, and are exactly as good on the metric.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, special

from steepest import rng
from steepest.evaluate import crossed
from steepest.evaluate.metrics import values_by_row
from steepest.objectives.target import ClassTarget

Values = NDArray[np.float64]

METRICS = ("roc_auc", "positive_average_precision", "positive_f1", "balanced_accuracy")
APART, TILT = 2.0, 0.45
"""Distance of the classes, and the angle between a network and the best direction."""
SPREAD = 0.1
"""How much a network's direction and offset vary with the seed."""


class Model(NamedTuple):
    """Weights ``[…, 4]`` and offsets ``[…]`` of linear scores; a positive score predicts the positive class."""

    weights: Values
    offset: Values


def population(metric: str, model: Model, share: float) -> Values:
    """Return a metric's value in the population, where a share of the rows is positive."""
    size = np.linalg.norm(model.weights, axis=-1)
    apart = APART * model.weights[..., 0] / size
    hit = special.ndtr(apart / 2 + model.offset / size)
    wrong = special.ndtr(-apart / 2 + model.offset / size)
    if metric == "roc_auc":
        return special.ndtr(apart / np.sqrt(2))
    if metric == "balanced_accuracy":
        return (hit + 1 - wrong) / 2
    if metric == "positive_f1":
        return 2 * share * hit / (share * hit + (1 - share) * wrong + share)
    grid = np.linspace(apart.min(), apart.max() + 1e-9, 200)
    level = special.ndtri((np.arange(4000) + 0.5) / 4000)  # of the positive scores, about their mean
    above = special.ndtr(-level)
    precision = share * above / (share * above + (1 - share) * special.ndtr(-level - grid[:, None]))
    return np.interp(apart, grid, precision.mean(1))


def networks(share: float, spread: float, count: int, draw: np.random.Generator, which: int) -> Model:
    """Return a network with so many seeds; ``which`` is its direction besides the best one, from 1."""
    weights = np.zeros(4)
    weights[0], weights[which] = np.cos(TILT), np.sin(TILT)
    offset = special.logit(share) / APART
    return Model(weights + spread * draw.normal(size=(count, 4)), offset + spread * draw.normal(size=count))


@functools.cache
def equal_baseline(metric: str, share: float, spread: float) -> Model:
    """Return a baseline that is as good as a network is on average over seeds."""
    many = networks(share, spread, 20_000, rng.stream(0, "data"), 1)
    wanted = population(metric, many, share).mean()

    def baseline(angle: float) -> Model:
        return Model(
            np.array([[np.cos(angle), 0, 0, np.sin(angle)]]), np.array([special.logit(share) / APART])
        )

    angle = optimize.brentq(lambda a: population(metric, baseline(a), share)[0] - wanted, 0.01, 1.5)
    return baseline(float(angle))


def values(model: Model, rows: Values, target: Values, metrics: Sequence[str]) -> dict[str, Values]:
    """Return the values by seed and row ``[S, N]`` of a model."""
    found: list[dict[str, torch.Tensor]] = []
    truth = torch.from_numpy(target.astype(np.int64))
    for weights, offset in zip(*model, strict=True):
        score = torch.from_numpy(rows @ weights + offset)
        outputs = torch.stack([torch.zeros_like(score), score], 1)
        found.append(values_by_row(outputs, truth, ClassTarget(2, 1), metrics))
    return {name: torch.stack([each[name] for each in found]).numpy() for name in metrics}


class Tally(NamedTuple):
    """How often intervals cover: of a network and a baseline, of two networks; and how often a claim is false.

    The claims are those of two networks against a baseline, corrected together; of two networks, one in
    twenty at most is what the coverage leaves.
    """

    baseline: float
    network: float
    false: float


def tried(
    share: float, rows: int, seeds: int, times: int, spread: float = SPREAD, metrics: Sequence[str] = METRICS
) -> dict[str, Tally]:
    """Return what comes out on so many test rows, split by class, by metric.

    Two networks are compared with each other, and both with a baseline; all are equally good.
    """
    draw = rng.stream(2, "data", rows, seeds, round(100 * share))
    target = np.arange(rows) < round(share * rows)
    baselines = {metric: equal_baseline(metric, share, spread) for metric in metrics}
    counts = {metric: np.zeros(3) for metric in metrics}
    for _ in range(times):
        inputs = draw.normal(size=(rows, 4))
        inputs[:, 0] += (target - 0.5) * APART
        both = [
            values(networks(share, spread, seeds, draw, which), inputs, target, metrics) for which in (1, 2)
        ]
        for metric in metrics:
            base = values(baselines[metric], inputs, target, [metric])[metric]
            against = crossed.pool([crossed.parts(each[metric] - base) for each in both], 2)
            pair = crossed.parts(both[0][metric] - both[1][metric])
            single = [bool(abs(each.mean) <= crossed.half_width(each)) for each in (*against, pair)]
            smallest = min(float(crossed.p_value(each)) for each in against)
            counts[metric] += [np.mean(single[:2]), single[2], smallest < 0.05 / 2]
    return {metric: Tally(*(count / times)) for metric, count in counts.items()}
