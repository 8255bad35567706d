"""What a baseline is: fitted on the training rows, chosen on validation, asked for outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.dataset import Dataset, Part

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A fitted baseline.

    Attributes:
        predict: outputs for a part: log-probabilities ``[N, K]`` or standardised values ``[N]``, float64.
        settings: what was chosen, and from what, in words.
        outcome: ``finished`` or ``not converged``.
    """

    predict: Callable[[Part], Tensor]
    settings: str
    outcome: str = "finished"


class Fit(Protocol):
    """Fits a baseline.

    Args:
        dataset: on the CPU; settings are chosen on its validation part, its test part is not touched.
        seed: for what is random in it.
        metric: the metric on validation that decides.
        class_weights: weight of each class in the loss ``[K]``, or None.
    """

    def __call__(
        self, dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None
    ) -> Fitted: ...


@dataclass(frozen=True)
class Baseline:
    """A baseline by name.

    Attributes:
        title: how it is written for a reader.
        fit: fits it.
        table: whether it needs a table's inputs (codes and continuous columns).
    """

    title: str
    fit: Fit
    table: bool = True


def class_counts(dataset: Dataset) -> NDArray[np.int64]:
    """Return the number of training rows of each class, ``[K]``."""
    return np.bincount(dataset.train.target.numpy(), minlength=dataset.shape.outputs)


def with_absent_classes(log_probabilities: Array, counts: NDArray[np.int64]) -> Array:
    """Return log-probabilities of all classes, given those of the classes that the training rows contain.

    A class without a training row gets the probability 1 / (N + K), as by adding one row to every class;
    without it one test row of such a class would make the log loss infinite.

    Args:
        log_probabilities: of the classes present ``[rows, present]``.
        counts: training rows of each class ``[K]``.

    Returns:
        ``[rows, K]``.
    """
    present = np.flatnonzero(counts)
    absent = len(counts) - len(present)
    share = 1.0 / (counts.sum() + len(counts))
    full = np.full((len(log_probabilities), len(counts)), np.log(share))
    full[:, present] = log_probabilities + np.log1p(-absent * share)
    return full
