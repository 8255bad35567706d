"""The baselines of reconstructions: the mean image, and the best linear ones."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.dataset import Dataset, has_classes
from steepest.errors import OptionError
from steepest.evaluate.baselines._contract import Baseline, BaselineModel, FittedBaseline, require
from steepest.rng import stream
from steepest.wording import counted

COMPONENTS = {
    "mean-image": {
        "object": "MEAN_IMAGE",
        "what": "the mean of the training images, for each",
        "groups": ["reconstruction"],
    },
    "pca": {
        "object": "PRINCIPAL",
        "what": "the best linear code (width=32)",
        "groups": ["reconstruction"],
    },
}

MOST_NUMBERS = 1 << 28
"""Of more numbers, principal components are those of a random part of the training images."""
MOST_EXACT = 4096
"""Numbers of an image up to which principal components are exact, from the matrix of covariances."""


class Principal(BaselineModel):
    """The mean image plus so many principal components, which may be none; arrays are in values of a pixel."""

    arrays: ClassVar = {"mean": torch.float32, "components": torch.float32, "scale": torch.float64}

    def check(self) -> None:
        """Raise a ``ValueError`` if the arrays do not fit an image."""
        require(self.array("mean").shape == (self.shape.outputs,), "mean", self)
        require(self.array("components").shape[1:] == (self.shape.outputs,), "components", self)
        require(self.array("scale").shape == (2,) and float(self.array("scale")[1]) > 0, "scale", self)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return standardised pixels, ``[N, D]``."""
        mean, components = self.array("mean"), self.array("components")
        code = (inputs[0].flatten(1).float() - mean) @ components.T
        centre, sd = self.array("scale")
        return (mean + code @ components - centre.float()) / sd.float()


def fit_principal(
    width: int, dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return the mean image and the first principal components of the training images, by scikit-learn.

    No linear code of as many numbers has a smaller squared error on these images; ``pca(width=8)`` says how many.
    """
    del metric, class_weights, budget
    pixels: NDArray[np.uint8] = dataset.train.inputs[0].flatten(1).numpy()
    of = "the training images"
    most = max(1, MOST_NUMBERS // pixels.shape[1])
    if width and len(pixels) > most:
        pixels = pixels[np.sort(stream(seed, "data").permutation(len(pixels))[:most])]
        of = f"{most:,} training images, drawn at random"
    components = np.zeros((0, pixels.shape[1]), dtype=np.float32)
    settings = "always the mean of the training images"
    if width:
        from sklearn.decomposition import PCA  # slow to import

        rank = max(1, min(width, len(pixels) - 1, pixels.shape[1]))
        exact = pixels.shape[1] <= MOST_EXACT
        solver = "covariance_eigh" if exact else "randomized"
        found: Any = PCA(rank, svd_solver=solver, random_state=seed % (1 << 32))
        found.fit(pixels.astype(np.float32))
        mean, components = found.mean_, found.components_.astype(np.float32)
        settings = (
            f"{counted(rank, 'principal component')} of {of}{'' if exact else ', by a randomized method'}; "
            f"{float(found.explained_variance_ratio_.sum()):.1%} of their variance"
        )
    else:
        mean = pixels.mean(0)
    scale = torch.tensor([dataset.target_scale.mean, dataset.target_scale.sd], dtype=torch.float64)
    arrays = {
        "mean": torch.from_numpy(np.asarray(mean, dtype=np.float32)),
        "components": torch.from_numpy(np.ascontiguousarray(components)),
        "scale": scale,
    }
    return FittedBaseline(Principal(dataset.shape, arrays), settings)


def is_images(dataset: Dataset) -> bool:
    """Whether the target is the input itself, an image."""
    [*fields] = dataset.shape.fields
    return not has_classes(dataset.task) and [each.kind for each in fields] == ["image"]


def principal(width: int = 32) -> Baseline:
    """Return the baseline of so many principal components.

    Raises:
        OptionError: their number is not at least 1.
    """
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"pca has a width of {width!r}", hint="give a whole number of at least 1.")
    return Baseline(
        f"PCA, {width}", partial(fit_principal, width), Principal, serves=is_images, configured=principal
    )


def fit_mean_image(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return the mean of the training images, for each image."""
    how: Any = {"seed": seed, "metric": metric, "class_weights": class_weights, "budget": budget}
    return fit_principal(0, dataset, **how)


MEAN_IMAGE = Baseline("mean image", fit_mean_image, Principal, serves=is_images)
PRINCIPAL = principal()
