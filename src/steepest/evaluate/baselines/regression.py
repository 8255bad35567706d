"""Logistic and linear (ridge) regression on one-hot codes, with C chosen on validation.

C runs upward by factors of √10, each fit starting from the last; it begins at 0.01 and goes on until the
validation metric has not improved for two values or is more than 1 % worse (at least five are tried), and
downward as well if the first value was the best. So the best C is at an edge only at 1e-6 or 1e4, where
the penalty is everything or nothing. Then half a step to both sides of the best is tried, and the best is
fitted ten times more closely.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import Dataset, Part
from steepest.evaluate.baselines._contract import Array, Baseline, Fitted, class_counts, with_absent_classes
from steepest.evaluate.baselines._linear import (
    GAIN,
    Design,
    Linear,
    Loss,
    cross_entropy,
    fit,
    half_squares,
    log_softmax,
)
from steepest.evaluate.metrics import evaluate, metric_info

COMPONENTS = {
    "logistic-regression": {"object": "LOGISTIC", "groups": ["classification"]},
    "linear-regression": {"object": "RIDGE", "groups": ["regression"]},
}

FIRST = -4
"""C begins at 10 to the power of half of this."""

LOWEST, HIGHEST, LEAST = -12, 8, 5


@dataclass(frozen=True, eq=False)
class Trial:
    """One C = 10^(power/2), the fit, and the validation metric as a cost (lower is better)."""

    power: float
    model: Linear
    cost: float

    @property
    def c(self) -> float:
        """The inverse strength of the penalty."""
        return 10.0 ** (self.power / 2.0)


def fit_logistic(dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None) -> Fitted:
    """Return multinomial logistic regression; C is the best of at least five on validation.

    The same objective as scikit-learn's ``LogisticRegression`` (with ``sample_weight`` for class weights),
    over the classes that the training rows contain.
    """
    del seed
    counts = class_counts(dataset)
    present = np.flatnonzero(counts)
    target = np.searchsorted(present, dataset.train.target.numpy())
    weights = np.ones(len(target))
    if class_weights is not None:
        weights = class_weights.double().cpu().numpy()[dataset.train.target.numpy()]
    shares = np.bincount(target, weights) / weights.sum()
    design = Design.of(dataset.train, dataset.shape)
    curvature = np.append(design.squares(weights), weights.sum())[:, None] * (shares * (1.0 - shares))

    def outputs(model: Linear, part: Part) -> Tensor:
        logits = model.outputs(Design.of(part, dataset.shape))
        return torch.from_numpy(with_absent_classes(log_softmax(logits), counts))

    start = Linear(np.zeros((design.columns, len(present))), np.log(shares))
    return _choose(dataset, metric, design, cross_entropy(target, weights), start, curvature, outputs)


def fit_ridge(dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None) -> Fitted:
    """Return ridge regression; C = 1/α is the best of at least five on validation.

    The same objective as scikit-learn's ``Ridge``.
    """
    del seed, class_weights
    target = dataset.train.target.double().numpy()
    design = Design.of(dataset.train, dataset.shape)
    curvature = np.append(design.squares(np.ones(len(target))), len(target))[:, None]

    def outputs(model: Linear, part: Part) -> Tensor:
        return torch.from_numpy(model.outputs(Design.of(part, dataset.shape))[:, 0])

    start = Linear(np.zeros((design.columns, 1)), np.array([target.mean()]))
    return _choose(dataset, metric, design, half_squares(target), start, curvature, outputs)


def _choose(
    dataset: Dataset,
    metric: str,
    design: Design,
    loss: Loss,
    start: Linear,
    curvature: Array,
    outputs: Callable[[Linear, Part], Tensor],
) -> Fitted:
    sign = -1.0 if metric_info(metric).higher_is_better else 1.0

    def trial(power: float, begin: Linear, gain: float = 10.0 * GAIN) -> Trial:
        model = fit(design, loss, 10.0 ** (power / 2.0), begin, curvature, gain=gain)
        found = evaluate(
            outputs(model, dataset.validation),
            dataset.validation.target,
            task=dataset.task,
            classes=dataset.shape.outputs,
            names=[metric],
            scale=dataset.target_scale,
            positive=dataset.positive,
        )
        return Trial(power, model, sign * next(iter(found.values())))

    trials = [trial(FIRST, start)]
    for power in range(FIRST + 1, HIGHEST + 1):
        trials.append(trial(power, trials[-1].model))
        best = min(range(len(trials)), key=lambda i: trials[i].cost)
        worse = trials[-1].cost - trials[best].cost > 0.01 * abs(trials[best].cost)
        if len(trials) >= LEAST and (worse or len(trials) - best > 2):
            break
    for power in range(FIRST - 1, LOWEST - 1, -1):
        if min(trials, key=lambda each: each.cost) not in trials[:2]:
            break
        trials.insert(0, trial(power, trials[0].model))
    middle = min(trials, key=lambda each: each.cost)
    trials += [trial(middle.power + step, middle.model) for step in (-0.5, 0.5)]
    trials.sort(key=lambda each: each.power)
    best = min(trials, key=lambda each: each.cost)
    chosen = trial(best.power, best.model, GAIN)
    tried = ", ".join(f"{each.c:.2g}" for each in trials)
    settings = f"C = {chosen.c:.2g}, the best on validation of {tried}"
    if not chosen.model.converged:
        settings += f"; not converged after {chosen.model.iterations} iterations"
    return Fitted(
        lambda part: outputs(chosen.model, part),
        settings,
        "finished" if chosen.model.converged else "not converged",
    )


LOGISTIC = Baseline("logistic regression", fit_logistic)
RIDGE = Baseline("linear regression (ridge)", fit_ridge)
