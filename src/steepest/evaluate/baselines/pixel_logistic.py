"""Logistic regression on the pixels of images, with C chosen on validation as that of tables is.

Large data is made smaller, so that it takes seconds: at most 10,000 training images, drawn at random, and of many
pixels their first hundred principal components. A linear model of principal components is one of pixels, and is kept as
that.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from steepest import rng
from steepest.data.dataset import Dataset, InputField, has_classes
from steepest.evaluate.baselines._contract import (
    Array,
    Baseline,
    BaselineModel,
    FittedBaseline,
    class_counts,
    require,
    train_weights,
    validation_cost,
)
from steepest.evaluate.baselines._linear import GAIN, Design, LinearSolution, cross_entropy, fit
from steepest.evaluate.baselines.regression import FIRST, HIGHEST, LEAST, LOWEST, Trial, best_of, search
from steepest.wording import two_digits

COMPONENTS = {
    "pixel-logistic": {
        "object": "PIXEL_LOGISTIC",
        "what": "logistic regression on pixels",
        "groups": ["classification"],
    },
}

MOST_IMAGES = 10_000
"""Of more training images so many are drawn."""
MOST_NUMBERS = 1 << 20
"""Pixels of all images up to which they are fitted as they are."""
COMPONENTS_KEPT = 100
"""Principal components of images with more."""
MOST_EXACT = 4096
"""Numbers of an image up to which principal components are exact, from the matrix of covariances."""


class PixelLogistic(BaselineModel):
    """A linear model of classes on the values of pixels."""

    arrays: ClassVar = {"weights": torch.float64, "intercept": torch.float64}

    def check(self) -> None:
        """Raise a ``ValueError`` if the arrays do not fit an image and the classes."""
        pixels = int(np.prod(self.shape.fields[0].size))
        require(self.array("weights").shape == (pixels, self.present), "weights", self)
        require(self.array("intercept").shape == (self.present,), "intercept", self)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return log-probabilities ``[N, K]``."""
        pixels = inputs[0].flatten(1).double()
        return self.decoded(pixels @ self.array("weights") + self.array("intercept"))


def is_classified_images(dataset: Dataset) -> bool:
    """Whether a model is called with an image and gives a class."""
    return has_classes(dataset.task) and [each.kind for each in dataset.shape.fields] == ["image"]


def fit_pixels(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return multinomial logistic regression on standardised pixels; C is the best of at least five on validation.

    Pixels are standardised as they are for networks, by the mean and the deviation of each channel. Of more than 10,000
    training images so many are drawn; where these have more than a million pixels together, the features are their
    first 100 principal components. The objective is that of scikit-learn's ``LogisticRegression``.
    """
    del budget
    rows = np.arange(len(dataset.train))
    if len(rows) > MOST_IMAGES:
        rows = np.sort(rng.stream(seed, "baseline").permutation(len(rows))[:MOST_IMAGES])
    pixels = dataset.train.inputs[0][torch.from_numpy(rows)].flatten(1).numpy().astype(np.float32)
    centre, scale = _scaling(dataset.shape.fields[0])
    features, basis, centre = _features((pixels - centre) / scale, centre, scale, seed)
    present = np.flatnonzero(class_counts(dataset))
    target = np.searchsorted(present, dataset.train.target.numpy()[rows])
    found = train_weights(dataset, class_weights)
    weights = np.ones(len(rows)) if found is None else found[rows]
    shares = (np.bincount(target, weights, minlength=len(present)) + 1.0) / (weights.sum() + len(present))
    design = Design(sparse.csr_matrix((len(rows), 0)), features)
    loss, start = cross_entropy(target, weights), np.log(shares)
    diagonal = np.append(design.squares(weights), weights.sum())[:, None] * (shares * (1 - shares))
    zero = LinearSolution(np.zeros((design.columns, len(start))), start)

    def model_of(linear: LinearSolution) -> PixelLogistic:
        of_pixels = (linear.weights if basis is None else basis.T @ linear.weights) / scale[:, None]
        arrays: dict[str, NDArray[Any]] = {
            "weights": of_pixels,
            "intercept": linear.intercept - centre @ of_pixels,
            "counts": class_counts(dataset),
        }
        return PixelLogistic(
            dataset.shape,
            {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in arrays.items()},
        )

    def attempt(power: float, begin: LinearSolution | None = None, gain: float = 10.0 * GAIN) -> Trial:
        linear = fit(design, loss, 10.0 ** (power / 2.0), begin or zero, diagonal, gain=gain)
        return Trial(power, linear, validation_cost(dataset, model_of(linear), metric))

    trials = search(attempt, FIRST, LEAST)
    chosen = best_of(trials)
    tried = ", ".join(two_digits(10.0 ** (each.power / 2)) for each in trials)
    settings = [f"C = {two_digits(10.0 ** (chosen.power / 2))}, chosen on validation among {tried}"]
    if basis is not None:
        settings.append(f"on {len(basis)} principal components of the pixels")
    if len(rows) < len(dataset.train):
        settings.append(f"of {len(rows):,} training images, drawn at random")
    if not chosen.linear.converged:
        settings.append(f"not converged after {chosen.linear.iterations} iterations")
    outcome = "finished" if chosen.linear.converged else "not converged"
    return FittedBaseline(model_of(chosen.linear), "; ".join(settings), outcome)


def _scaling(field: InputField) -> tuple[Array, Array]:
    """Return mean and deviation of every pixel, those of its channel."""
    each = int(np.prod(field.size[1:]))
    return np.repeat(np.array(field.mean), each), np.repeat(np.array(field.sd), each)


def _features(
    standardised: Array, centre: Array, scale: Array, seed: int
) -> tuple[Array, Array | None, Array]:
    """Return features, the principal components that they are of, and the pixel values where features are 0."""
    if standardised.size <= MOST_NUMBERS or standardised.shape[1] <= COMPONENTS_KEPT:
        return standardised, None, centre
    from sklearn.decomposition import PCA

    solver = "covariance_eigh" if standardised.shape[1] <= MOST_EXACT else "randomized"
    rank = min(COMPONENTS_KEPT, len(standardised) - 1)
    found: Any = PCA(rank, svd_solver=solver, random_state=seed % (1 << 32))
    features = found.fit_transform(standardised.astype(np.float32)).astype(np.float64)
    return features, found.components_.astype(np.float64), centre + scale * found.mean_


_CHOICES = f"{(FIRST, LOWEST, HIGHEST, LEAST)}, {(MOST_IMAGES, MOST_NUMBERS, COMPONENTS_KEPT)}, gain {GAIN:g}"
PIXEL_LOGISTIC = Baseline(
    "logistic regression on pixels", fit_pixels, PixelLogistic, _CHOICES, serves=is_classified_images
)
