"""The metric of calibration: how far probabilities are from the shares of rows that are predicted correctly.

It is not a proper score: a network that gives every row the frequencies of the classes is calibrated and knows
nothing. So look at it beside the log loss, and let it decide only with a reason.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steepest.evaluate.metrics._left_out import pseudo_values
from steepest.evaluate.reliability import binned
from steepest.objectives.decoded import ClassOutputs

COMPONENTS: dict[str, dict[str, Any]] = {
    "ece": {
        "object": "ece",
        "by_row": "ece_by_row",
        "range": (0.0, 1.0),
        "what": "expected calibration error, 15 bins of equal width",
        "groups": ["classification"],
        "title": "ECE",
    },
}


def ece(rows: ClassOutputs) -> Tensor:
    r"""Return the expected calibration error: the mean distance of confidence and accuracy in bins of confidence.

    :math:`\sum_b \frac{n_b}{N} |\operatorname{acc}_b - \operatorname{conf}_b|` over 15 bins of equal width, of the most
    probable class; from 0 to 1. With few rows it is too large: see :mod:`steepest.evaluate.reliability`.

    Source: Naeini, Cooper & Hauskrecht, AAAI 2015; Guo, Pleiss, Sun & Weinberger, ICML 2017.
    """
    return binned(rows, "width").error


def ece_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of the expected calibration error."""
    found = binned(rows, "width")
    apart = (found.right - found.confidence)[found.place]
    own = (rows.labels == rows.target).to(torch.float64) - rows.probabilities.max(dim=1).values.to(
        torch.float64
    )
    count = len(apart)
    whole = (found.right - found.confidence).abs().sum()
    without = (whole - apart.abs() + (apart - own).abs()) / max(count - 1, 1)
    return pseudo_values(found.error, without)
