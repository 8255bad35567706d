"""The baselines that look at no column: shares of the classes, and the mean."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.evaluate.baselines._contract import (
    Baseline,
    BaselineModel,
    FittedBaseline,
    always,
    class_counts,
    require,
    train_weights,
)
from steepest.wording import significant

COMPONENTS = {
    "majority": {
        "object": "MAJORITY",
        "what": "the class shares of the training rows",
        "groups": ["classification"],
    },
    "mean": {"object": "MEAN", "what": "the mean of the training target", "groups": ["regression"]},
}


class Shares(BaselineModel):
    """The training shares of the classes for every row, with one row added to each class."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the same log-probabilities for every row, ``[N, K]``."""
        counts = self.array("counts").double() + 1.0
        return (counts / counts.sum()).log().repeat(len(inputs[0]), 1)


class Mean(BaselineModel):
    """The training mean for every row."""

    arrays: ClassVar = {"mean": torch.float64}

    def check(self) -> None:
        """Raise a ``ValueError`` if there is not one mean."""
        require(self.array("mean").shape == (1,), "mean", self)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the same value for every row, ``[N, 1]``."""
        return self.array("mean").repeat(len(inputs[0]), 1)


def fit_majority(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return the baseline that gives every row the training shares of the classes (one row added to each).

    Its accuracy is the share of the most frequent class; its log loss is the entropy of the shares.
    """
    del seed, metric, class_weights, budget
    counts = class_counts(dataset)
    most = int(counts.argmax())
    label = dataset.classes[most] if dataset.classes else str(most)
    model = Shares(dataset.shape, {"counts": torch.from_numpy(counts)})
    return FittedBaseline(model, f"always {label!r}, with the training shares")


def fit_mean(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return the baseline that gives every row the mean of the training target."""
    del seed, metric, class_weights, budget
    mean = float(np.average(dataset.train.target.double().numpy(), weights=train_weights(dataset)))
    model = Mean(dataset.shape, {"mean": torch.tensor([mean], dtype=torch.float64)})
    return FittedBaseline(
        model, f"always {significant(mean * dataset.target_scale.sd + dataset.target_scale.mean, 6)}"
    )


MAJORITY = Baseline("majority class", fit_majority, Shares, serves=always)
MEAN = Baseline("mean", fit_mean, Mean, serves=always)
