r"""Calibration after training: one temperature for all logits, and what it changes.

Temperature scaling divides the logits z of a trained network by one number T, which leaves their order, and so every
predicted class and the accuracy, as they are. T makes the log loss of the validation rows least:

.. math:: \min_{T > 0}\ \frac{1}{W} \sum_i w_i \Bigl( \log \sum_k e^{z_{ik} / T} - z_{i y_i} / T \Bigr) .

In :math:`\beta = 1 / T` this is convex, and its derivative, the mean of
:math:`\sum_k p_{ik}(\beta)\, z_{ik} - z_{i y_i}`, ascends: its root is found by Brent's method (``scipy``), to the last
digits. Class weights of the training loss do not enter; weights of rows do.

Source: Guo, Pleiss, Sun & Weinberger, *On calibration of modern neural networks*, ICML 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from steepest.data.dataset import Part
from steepest.evaluate.metrics import evaluate
from steepest.evaluate.reliability import Binned, binned
from steepest.objectives.decoded import ClassOutputs
from steepest.objectives.target import Target, diverged
from steepest.record.schema import Calibration, Reliability, ReliabilityBins

LEAST, MOST = 0.01, 100.0
"""Temperatures between which the best one is looked for."""

ALL_RIGHT = "every validation row is predicted correctly, so no finite temperature is best"
BEYOND = f"the best temperature is below {LEAST}"
NO_BETTER = "on the validation rows no probabilities are better than equal ones"
INFINITE = "a probability is 0 or not a number, which no temperature changes"


def fit_temperature(rows: ClassOutputs) -> float | str:
    """Return the temperature of the least log loss on some rows, or why there is none from 0.01 to 100.

    Args:
        rows: validation rows with the network's log-probabilities.

    Example:
        >>> sure = torch.tensor([[3.0, 0.0]] * 4)  # 95 % for the first class, which has three rows of four
        >>> rows = ClassOutputs(torch.log_softmax(sure.double(), 1), torch.tensor([0, 0, 0, 1]))
        >>> round(fit_temperature(rows), 4), round(3.0 / math.log(3.0), 4)
        (2.7307, 2.7307)
        >>> fit_temperature(ClassOutputs(rows.log_probabilities, torch.tensor([0, 0, 0, 0])))
        'every validation row is predicted correctly, so no finite temperature is best'
    """
    logits = rows.log_probabilities
    if not bool(torch.isfinite(logits).all()):
        return INFINITE
    true = logits.gather(1, rows.target[:, None]).squeeze(1)

    def slope(log_beta: float) -> float:
        shares = torch.softmax(math.exp(log_beta) * logits, dim=1)
        return float(rows.mean((shares * logits).sum(dim=1) - true))

    lowest, highest = -math.log(MOST), -math.log(LEAST)
    if slope(lowest) >= 0.0:
        return NO_BETTER
    if slope(highest) <= 0.0:
        return ALL_RIGHT if bool((rows.labels == rows.target).all()) else BEYOND
    from scipy import optimize  # slow to import

    found = optimize.brentq(slope, lowest, highest, xtol=1e-14)
    return math.exp(-float(found))  # pyright: ignore[reportArgumentType]


def calibration_of(
    validation: Tensor, test: Tensor, parts: tuple[Part, Part], target: Target
) -> Calibration | None:
    """Return how well probabilities fit the test rows, before and after temperature scaling; None if not of classes.

    Args:
        validation, test: the network's outputs ``[N, K]`` on the validation and on the test rows.
        parts: these rows.
        target: what is predicted.

    Example:
        >>> from steepest.objectives.target import ClassTarget
        >>> sure = torch.tensor([[3.0, 0.0]] * 4)
        >>> part = Part((), torch.tensor([0, 0, 0, 1]))
        >>> found = calibration_of(sure, sure, (part, part), ClassTarget(2))
        >>> round(found.before.ece, 3), round(found.after.ece, 9)
        (0.203, 0.0)
    """
    known, new = parts
    if not target.classes or diverged(validation) or diverged(test):
        return None
    before = reliability(test, new, target)
    decoded = target.decoded(validation, known.target, known.weights)
    assert isinstance(decoded, ClassOutputs)
    found = fit_temperature(decoded)
    if isinstance(found, str):
        return Calibration(before=before, reason=found)
    return Calibration(before=before, temperature=found, after=reliability(test, new, target, found))


def reliability(outputs: Tensor, part: Part, target: Target, temperature: float = 1.0) -> Reliability:
    """Return how well probabilities of outputs divided by a temperature fit some rows."""
    outputs = tempered(outputs, temperature)
    rows = target.decoded(outputs, part.target, part.weights)
    assert isinstance(rows, ClassOutputs)
    width, mass = binned(rows, "width"), binned(rows, "mass")
    values = evaluate(outputs, part.target, target, ("log-loss", "brier-score"), part.weights)
    return Reliability(
        ece=float(width.error),
        ece_equal_mass=float(mass.error),
        of_chance=float(width.of_chance),
        width=_bins(width),
        mass=_bins(mass),
        **values,
    )


def tempered(outputs: Tensor, temperature: float) -> Tensor:
    """Return logits divided by a temperature, in float64 unless that is 1.

    Example:
        >>> tempered(torch.tensor([[3.0, 1.0]]), 2.0).tolist()
        [[1.5, 0.5]]
    """
    if temperature == 1.0:
        return outputs
    return (outputs.cpu() if outputs.device.type == "mps" else outputs).to(torch.float64) / temperature


def _bins(found: Binned) -> ReliabilityBins:
    return ReliabilityBins(
        rows=found.rows.tolist(),
        confidence=(found.confidence / found.rows).tolist(),
        accuracy=(found.right / found.rows).tolist(),
    )
