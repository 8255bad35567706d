"""Calibration equals scikit-learn's bins and an independent temperature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.calibration import calibration_curve

from steepest.data.dataset import Part
from steepest.evaluate.calibration import ALL_RIGHT, INFINITE, NO_BETTER, calibration_of, fit_temperature
from steepest.evaluate.metrics import evaluate
from steepest.evaluate.reliability import binned
from steepest.objectives.decoded import ClassOutputs
from steepest.objectives.target import ClassTarget, NumberTarget


def _drawn(rows: int = 600, classes: int = 4, seed: int = 0):
    """Return logits that are twice too sure, and labels drawn from what they should be."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(rows, classes)) * 2
    shares = np.exp(log_softmax(logits / 2, axis=1))
    labels = (shares.cumsum(1) > draw.random((rows, 1))).argmax(1)
    return torch.tensor(logits), torch.tensor(labels)


@pytest.mark.parametrize(("name", "strategy"), [("ece", "uniform"), ("ece_equal_mass", "quantile")])
@pytest.mark.parametrize("classes", [2, 4])
def test_errors_equal_those_of_scikit_learns_bins(name: str, strategy: str, classes: int) -> None:
    logits, labels = _drawn(classes=classes)
    shares = np.exp(log_softmax(logits.numpy(), axis=1))
    confidence, right = shares.max(1), shares.argmax(1) == labels.numpy()
    accuracy, mean = calibration_curve(right, confidence, n_bins=15, strategy=strategy)
    by = "width" if name == "ece" else "mass"
    outputs = ClassOutputs(torch.log_softmax(logits, 1), labels)
    rows = binned(outputs, by).rows
    weights = rows[rows > 0].numpy() / len(labels)
    assert len(weights) == len(accuracy)
    found = float(binned(outputs, by).error)
    if name == "ece":
        assert found == evaluate(logits, labels, ClassTarget(classes), [name])[name]
    assert found == pytest.approx(float(weights @ np.abs(accuracy - mean)), abs=1e-13)


def test_a_row_at_the_end_of_a_bin_is_in_it() -> None:
    confidence = torch.linspace(0.51, 0.99, 601, dtype=torch.float64)  # every 40th is a quantile
    logs = torch.stack([confidence, 1 - confidence], 1).log()
    rows = binned(ClassOutputs(logs, torch.zeros(601, dtype=torch.int64)), "mass").rows
    assert rows.tolist() == [41.0] + [40.0] * 14


def test_a_weight_of_two_is_the_row_twice() -> None:
    logits, labels = _drawn(200)
    twice = torch.arange(200) % 3 == 0
    weights = 1.0 + twice.double()
    longer = torch.cat([logits, logits[twice]]), torch.cat([labels, labels[twice]])
    weighed = ClassOutputs(torch.log_softmax(logits, 1), labels, weights=weights)
    repeated = ClassOutputs(torch.log_softmax(longer[0], 1), longer[1])
    assert float(binned(weighed).error) == pytest.approx(float(binned(repeated).error), abs=1e-13)
    assert fit_temperature(weighed) == pytest.approx(fit_temperature(repeated), rel=1e-10)


def test_the_error_by_chance_is_that_of_labels_drawn_from_the_probabilities() -> None:
    logits, _ = _drawn(300)
    logs = torch.log_softmax(logits, 1)
    draw = np.random.default_rng(1)
    drawn = [(logs.exp().numpy().cumsum(1) > draw.random((300, 1))).argmax(1) for _ in range(400)]
    errors = [float(binned(ClassOutputs(logs, torch.tensor(each))).error) for each in drawn]
    expected = float(binned(ClassOutputs(logs, torch.tensor(drawn[0]))).of_chance)
    assert expected == pytest.approx(np.mean(errors), rel=0.05)


def test_the_temperature_is_that_of_the_least_log_loss() -> None:
    logits, labels = _drawn(2000)
    found = fit_temperature(ClassOutputs(torch.log_softmax(logits, 1), labels))
    assert isinstance(found, float)

    def loss(log_t: float) -> float:
        logs = log_softmax(logits.numpy() / math.exp(log_t), axis=1)
        return -float(logs[np.arange(len(labels)), labels.numpy()].mean())

    least = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-12})
    assert math.log(found) == pytest.approx(least.x, abs=1e-6)
    assert loss(math.log(found)) <= least.fun + 1e-14
    logs = log_softmax(logits.numpy() / found, axis=1)
    true = logits.numpy()[np.arange(len(labels)), labels.numpy()]
    assert abs(float(((np.exp(logs) * logits.numpy()).sum(1) - true).mean())) < 1e-12  # the derivative is 0
    assert found == pytest.approx(2.0, rel=0.1)


def test_scaling_lowers_errors_and_keeps_classes() -> None:
    known, new = _drawn(1500), _drawn(1500, seed=7)
    parts = Part((), known[1]), Part((), new[1])
    found = calibration_of(known[0], new[0], parts, ClassTarget(4))
    assert found is not None
    assert found.after is not None
    assert found.after.ece < found.before.ece / 2
    assert found.after.ece_equal_mass < found.before.ece_equal_mass / 2
    assert found.after.log_loss < found.before.log_loss
    assert found.after.brier_score < found.before.brier_score
    accuracy = [sum(n * a for n, a in zip(b.rows, b.accuracy, strict=True) if n)
                for b in (found.before.width, found.after.width, found.before.mass, found.after.mass)]  # fmt: skip
    assert accuracy == pytest.approx([accuracy[0]] * 4)


def test_why_there_is_no_temperature() -> None:
    logs = torch.log_softmax(torch.tensor([[3.0, 0.0], [0.0, 2.0]], dtype=torch.float64), 1)
    assert fit_temperature(ClassOutputs(logs, torch.tensor([0, 1]))) == ALL_RIGHT
    assert fit_temperature(ClassOutputs(logs, torch.tensor([1, 0]))) == NO_BETTER
    impossible = torch.tensor([[0.0, -math.inf]], dtype=torch.float64)
    assert fit_temperature(ClassOutputs(impossible, torch.tensor([0]))) == INFINITE


def test_numbers_and_diverged_runs_have_no_calibration() -> None:
    outputs, part = torch.zeros(3, 1), Part((), torch.zeros(3))
    assert calibration_of(outputs, outputs, (part, part), NumberTarget()) is None
    labels = Part((), torch.tensor([0, 1]))
    broken = torch.full((2, 2), math.nan)
    assert calibration_of(broken, broken, (labels, labels), ClassTarget(2)) is None
