"""The baselines that look at no column: shares of the classes, and the mean."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import Dataset, Part
from steepest.evaluate.baselines._contract import Baseline, Fitted, class_counts

COMPONENTS = {
    "majority": {"object": "MAJORITY", "groups": ["classification"]},
    "mean": {"object": "MEAN", "groups": ["regression"]},
}


def fit_majority(dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None) -> Fitted:
    """Return the baseline that gives every row the training shares of the classes (one row added to each).

    Its accuracy is the share of the most frequent class; its log loss is the entropy of the shares.
    """
    del seed, metric, class_weights
    counts = class_counts(dataset) + 1
    shares = torch.from_numpy(np.log(counts / counts.sum()))
    label = dataset.classes[int(counts.argmax())] if dataset.classes else str(int(counts.argmax()))
    return Fitted(lambda part: shares.repeat(len(part), 1), f"always {label!r}, with the training shares")


def fit_mean(dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None) -> Fitted:
    """Return the baseline that gives every row the mean of the training target."""
    del seed, metric, class_weights
    mean = dataset.train.target.double().mean()
    scale = dataset.target_scale

    def predict(part: Part) -> Tensor:
        return mean.repeat(len(part))

    return Fitted(predict, f"always {float(mean) * scale.sd + scale.mean:.6g}")


MAJORITY = Baseline("majority class", fit_majority, table=False)
MEAN = Baseline("mean", fit_mean, table=False)
