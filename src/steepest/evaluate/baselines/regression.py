"""Logistic and linear (ridge) regression on one-hot codes, with C chosen on validation.

C runs upward by factors of √10, each fit starting from the last; it begins at 0.01 and goes on until the
validation metric has not improved for two values or is more than 1 % worse (at least five are tried), and
downward as well if the first value was the best. So the best C is at an edge only at 1e-6 or 1e4, where
the penalty is everything or nothing.

The continuous columns are then also cut into up to 32 bins at their quantiles, as codes beside the columns,
with C searched around the best so far, starting from its weights; validation decides whether that is kept. Last, half
a step to both sides of the best C is tried, and the best is fitted a hundred times more closely.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.evaluate.baselines._contract import (
    Array,
    Baseline,
    BaselineModel,
    FittedBaseline,
    class_counts,
    is_unrated,
    require,
    train_weights,
    validation_cost,
)
from steepest.evaluate.baselines._linear import (
    GAIN,
    Design,
    LinearSolution,
    Loss,
    QuantileBins,
    cross_entropy,
    fit,
    half_squares,
)
from steepest.wording import two_digits

COMPONENTS = {
    "logistic-regression": {
        "object": "LOGISTIC",
        "what": "logistic regression with a tuned penalty",
        "groups": ["classification"],
    },
    "linear-regression": {
        "object": "RIDGE",
        "what": "ridge regression with a tuned penalty",
        "groups": ["regression"],
    },
}

FIRST = -4
"""C begins at 10 to the power of half of this."""

LOWEST, HIGHEST, LEAST = -12, 8, 5

ROUGH = 100
"""How much sooner than at the end a fit stops while C is searched."""

MOST_BINS = 32
"""Into how many bins a continuous column is cut."""


class LinearModel(BaselineModel):
    """A linear model on one-hot codes (and bins) and continuous columns."""

    arrays: ClassVar = {
        "weights": torch.float64,  # of the one-hot codes, the bins and the continuous columns, [features, K]
        "intercept": torch.float64,  # [K]
        "edges": torch.float64,  # of the bins, one column after the other
        "edge_counts": torch.int64,  # [D], or none
    }

    def check(self) -> None:
        """Raise a ``ValueError`` if the arrays do not fit the columns and classes."""
        counts, edges = self.array("edge_counts"), self.array("edges")
        columns = len(self.shape.continuous)
        fits = counts.shape == (0,) or counts.shape == (columns,)
        require(fits and bool((counts >= 0).all()), "edge_counts", self)
        require(edges.shape == (int(counts.sum()),), "edges", self)
        features = sum(self.shape.cardinalities.values()) + columns
        features += int((counts[counts > 0] + 1).sum())
        require(self.array("weights").shape == (features, self.present), "weights", self)
        require(self.array("intercept").shape == (self.present,), "intercept", self)

    @classmethod
    def of(cls, dataset: Dataset, linear: LinearSolution, bins: QuantileBins | None) -> LinearModel:
        """Return a fit as a model."""
        arrays: dict[str, NDArray[np.generic]] = {
            "weights": linear.weights,
            "intercept": linear.intercept,
            "edges": np.zeros(0) if bins is None else bins.edges,
            "edge_counts": np.zeros(0, np.int64) if bins is None else bins.counts,
        }
        if dataset.shape.classes:
            arrays["counts"] = class_counts(dataset)
        return cls(dataset.shape, {name: torch.from_numpy(each) for name, each in arrays.items()})

    def forward(self, codes: Tensor, continuous: Tensor) -> Tensor:
        """Return log-probabilities ``[N, K]`` or standardised values ``[N, 1]``."""
        counts = self.array("edge_counts").numpy()
        bins = QuantileBins(self.array("edges").numpy(), counts) if len(counts) else None
        linear = LinearSolution(self.array("weights").numpy(), self.array("intercept").numpy())
        design = Design.of((codes, continuous), self.shape, bins)
        return self.decoded(torch.from_numpy(linear.outputs(design)))


def fit_logistic(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return multinomial logistic regression; C is the best of at least five on validation.

    The same objective as scikit-learn's ``LogisticRegression`` (with ``sample_weight`` for weights of rows and
    classes), over the classes that the training rows contain.
    """
    del seed, budget
    present = np.flatnonzero(class_counts(dataset))
    target = np.searchsorted(present, dataset.train.target.numpy())
    weights = train_weights(dataset, class_weights)
    weights = np.ones(len(target)) if weights is None else weights
    shares = np.bincount(target, weights) / weights.sum()
    return _choose(
        dataset, metric, cross_entropy(target, weights), np.log(shares), weights, shares * (1 - shares)
    )


def fit_ridge(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return ridge regression; C = 1/α is the best of at least five on validation.

    The same objective as scikit-learn's ``Ridge`` (with ``sample_weight`` for weights of rows).
    """
    del seed, class_weights, budget
    target = dataset.train.target.double().numpy()
    given = train_weights(dataset)
    weights = np.ones(len(target)) if given is None else given
    start = np.array([np.average(target, weights=given)])
    return _choose(dataset, metric, half_squares(target, given), start, weights, np.ones(1))


@dataclass(frozen=True, eq=False)
class Trial:
    """One C = 10^(power/2), the fit, and the validation metric as a cost (lower is better)."""

    power: float
    linear: LinearSolution
    cost: float


Try = Callable[..., Trial]


def _choose(
    dataset: Dataset, metric: str, loss: Loss, intercept: Array, weights: Array, curvature: Array
) -> FittedBaseline:
    """Return the best on validation.

    Args:
        dataset: what is fitted.
        metric: what decides.
        loss: of the training rows.
        intercept: where it begins, ``[K]``.
        weights: of the training rows, ``[N]``.
        curvature: of a row's loss at the start, ``[K]``.
    """

    def trials_on(bins: QuantileBins | None, begin: LinearSolution | None = None) -> Try:
        design = Design.of(dataset.train.inputs, dataset.shape, bins)
        diagonal = np.append(design.squares(weights), weights.sum())[:, None] * curvature
        zero = LinearSolution(np.zeros((design.columns, len(intercept))), intercept)
        first = zero if begin is None else begin.widened(design)

        def attempt(power: float, begin: LinearSolution | None = None, gain: float = ROUGH * GAIN) -> Trial:
            linear = fit(design, loss, 10.0 ** (power / 2.0), begin or first, diagonal, gain=gain)
            return Trial(
                power, linear, validation_cost(dataset, LinearModel.of(dataset, linear, bins), metric)
            )

        return attempt

    bins, attempt = None, trials_on(None)
    trials = search(attempt, FIRST, LEAST)
    powers = {each.power for each in trials}
    cut = QuantileBins.of(dataset.train.inputs[1].double().numpy(), MOST_BINS)
    if len(cut.edges):
        straight = best_of(trials)
        attempt_cut = trials_on(cut, straight.linear)
        bent = search(attempt_cut, round(straight.power) - 1, 2, patience=1)
        powers |= {each.power for each in bent}
        if best_of(bent).cost < best_of(trials).cost:
            bins, attempt, trials = cut, attempt_cut, bent
    middle = best_of(trials)
    best = best_of([middle, *(attempt(middle.power + step, middle.linear) for step in (-0.5, 0.5))])
    chosen = attempt(best.power, best.linear, GAIN)
    powers |= {middle.power - 0.5, middle.power + 0.5}
    tried = ", ".join(two_digits(10.0 ** (each / 2)) for each in sorted(powers))
    settings = f"C = {two_digits(10.0 ** (chosen.power / 2))}, chosen on validation among {tried}"
    if len(cut.edges):
        settings += f"; continuous columns {'also as' if bins else 'better without'} bins at their quantiles"
    if not chosen.linear.converged:
        settings += f"; not converged after {chosen.linear.iterations} iterations"
    return FittedBaseline(
        LinearModel.of(dataset, chosen.linear, bins),
        settings,
        "finished" if chosen.linear.converged else "not converged",
    )


def search(attempt: Try, first: int, least: int, patience: int = 2) -> list[Trial]:
    """Return trials by power, around the best one: upward from the first, then downward if that was the best.

    It ends after so many values (``patience``) beyond the best one on either side.
    """
    trials = [attempt(first)]
    for power in range(first + 1, HIGHEST + 1):
        trials.append(attempt(power, trials[-1].linear))
        best = min(range(len(trials)), key=lambda i: trials[i].cost)
        worse = trials[-1].cost - trials[best].cost > 0.01 * abs(trials[best].cost)
        if len(trials) >= least and (worse or len(trials) - best > patience):
            break
    for power in range(first - 1, LOWEST - 1, -1):
        if best_of(trials) not in trials[:patience]:
            break
        trials.insert(0, attempt(power, trials[0].linear))
    return trials


def best_of(trials: list[Trial]) -> Trial:
    return min(trials, key=lambda each: each.cost)


_CHOICES = (
    f"{(FIRST, LOWEST, HIGHEST, LEAST, ROUGH)}, {MOST_BINS} bins at knots from the lines, gain {GAIN:g}"
)
LOGISTIC = Baseline("logistic regression", fit_logistic, LinearModel, _CHOICES, usual=is_unrated)
RIDGE = Baseline("ridge regression", fit_ridge, LinearModel, _CHOICES, usual=is_unrated)
