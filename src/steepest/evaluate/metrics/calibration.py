"""Metrics of calibration: how far probabilities are from the shares of rows that are predicted correctly.

None of them is a proper score: a network that gives every row the frequencies of the classes is calibrated and knows
nothing. So look at them beside the log loss, and let them decide only with a reason.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from steepest.evaluate.reliability import binned
from steepest.objectives.decoded import ClassOutputs

COMPONENTS: dict[str, dict[str, Any]] = {
    "ece": {
        "object": "ece",
        "range": (0.0, 1.0),
        "what": "expected calibration error, 15 bins of equal width",
        "groups": ["classification"],
        "title": "ECE",
    },
    "ece-equal-mass": {
        "object": "ece_equal_mass",
        "range": (0.0, 1.0),
        "what": "expected calibration error, 15 bins of equal mass",
        "groups": ["classification"],
        "title": "ECE (equal mass)",
        "on_request": True,
    },
}


def ece(rows: ClassOutputs) -> Tensor:
    r"""Return the expected calibration error: the mean distance of confidence and accuracy in bins of confidence.

    :math:`\sum_b \frac{n_b}{N} |\operatorname{acc}_b - \operatorname{conf}_b|` over 15 bins of equal width, of the most
    probable class; from 0 to 1. With few rows it is too large: see :mod:`steepest.evaluate.reliability`.

    Source: Naeini, Cooper & Hauskrecht, AAAI 2015; Guo, Pleiss, Sun & Weinberger, ICML 2017.
    """
    return binned(rows, "width").error


def ece_equal_mass(rows: ClassOutputs) -> Tensor:
    """Return the same over 15 bins with about equally many rows, cut at quantiles of the confidences.

    Source: Nixon, Dusenberry, Zhang, Jerfel & Tran, Measuring calibration in deep learning, CVPR workshops 2019.
    """
    return binned(rows, "mass").error
