"""Values by row of metrics equal those of scikit-learn computed again without each row."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from steepest import rng
from steepest.data.dataset import TargetScale
from steepest.evaluate.metrics import evaluate, metric_names, values_by_row
from steepest.evaluate.rowwise import BY_ROW
from steepest.objectives.target import ClassTarget, NumberTarget


def _present(function):
    def mean(y, p):
        return np.mean([function(y == each, p[:, each]) for each in np.unique(y)])

    return mean


def _macro(function):
    return lambda y, p: function(y, p.argmax(1), labels=np.unique(y), average="macro", zero_division=0)


def _positive(function):
    return lambda y, p: function(y, p.argmax(1), zero_division=0)


def _area(y, p):
    if len(np.unique(y)) < 2:
        return 0.5
    return reference.roc_auc_score(y, p[:, 1]) if p.shape[1] == 2 else _present(reference.roc_auc_score)(y, p)


def _brier(y, p):
    return reference.brier_score_loss(y, p[:, 1] if p.shape[1] == 2 else p, labels=range(p.shape[1]))


def _ece(y, p, w=None):
    """Fifteen bins of equal width, each with its upper end."""
    w = np.ones(len(y)) if w is None else w
    confidence, right = p.max(1), p.argmax(1) == y
    bins = np.digitize(confidence, np.arange(1, 15) / 15, right=True)
    apart = [abs((w * (right - confidence))[bins == each].sum()) for each in range(15)]
    return sum(apart) / w.sum()


REFERENCE: dict[str, Any] = {
    "ece": _ece,
    "balanced_accuracy": _macro(reference.recall_score),
    "recall": _macro(reference.recall_score),
    "precision": _macro(reference.precision_score),
    "f1": _macro(reference.f1_score),
    "roc_auc": _area,
    "average_precision": _present(reference.average_precision_score),
    "brier_score": _brier,
    "top_3": lambda y, p: np.mean([y[i] in np.argsort(p[i], kind="stable")[-3:] for i in range(len(y))]),
    "positive_precision": _positive(reference.precision_score),
    "positive_recall": _positive(reference.recall_score),
    "positive_f1": _positive(reference.f1_score),
    "positive_average_precision": lambda y, p: reference.average_precision_score(y, p[:, 1]),
    "r2": reference.r2_score,
}


def _slow(name: str, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the pseudo-values by their definition, shifted to the metric."""
    n = len(truth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = REFERENCE[name](truth, predicted)
        rest = np.array(
            [REFERENCE[name](np.delete(truth, i), np.delete(predicted, i, axis=0)) for i in range(n)]
        )
    values = n * whole - (n - 1) * rest
    return values - values.mean() + whole


def _classes(rows: int, counts: list[int], classes: int, *, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    draw = rng.stream(0, "data", rows, classes)
    rare = np.repeat(np.arange(len(counts)), counts)
    truth = np.concatenate([rare, np.full(rows - len(rare), len(counts))])
    logits = draw.normal(size=(rows, classes))
    logits[np.arange(rows), truth] += 1.0
    return draw.permutation(truth), np.round(logits) if ties else logits


CASES = {  # rows, rows of the first classes (the next one gets the rest), classes
    "two": (60, [20], 2),
    "two, one positive": (40, [39], 2),
    "two, one only": (30, [30], 2),
    "five": (80, [20, 20, 10, 10], 5),
    "six, one row of one, one missing": (60, [1, 2, 20, 20], 6),
}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_classes_equal_scikit_learn_without_each_row(case, ties):
    rows, counts, classes = CASES[case]
    truth, logits = _classes(rows, counts, classes, ties=ties)
    logits[:, 0] += 1e-9  # one most probable class
    names = [name for name in metric_names("classification", classes) if name not in BY_ROW]
    given = {"of": ClassTarget(classes, 1), "names": names}
    found = values_by_row(torch.tensor(logits), torch.tensor(truth), **given)
    assert set(found) == set(names)
    values = evaluate(torch.tensor(logits), torch.tensor(truth), **given)
    probability = torch.log_softmax(torch.tensor(logits), 1).exp().numpy()
    for name in names:
        assert found[name].numpy() == pytest.approx(_slow(name, truth, probability), abs=1e-9), name
        assert float(found[name].mean()) == pytest.approx(values[name], abs=1e-12)


@pytest.mark.parametrize("scale", [TargetScale(), TargetScale(1e3, 5.0)])
def test_r2_equals_scikit_learn_without_each_row(scale):
    draw = rng.stream(1, "data")
    truth = draw.normal(size=50)
    outputs = truth + draw.normal(size=50)
    found = values_by_row(
        torch.tensor(outputs)[:, None], torch.tensor(truth), NumberTarget(scale), ["rmse", "r2"]
    )
    assert list(found) == ["r2"]
    assert found["r2"].numpy() == pytest.approx(_slow("r2", truth, outputs), abs=1e-9)


def test_a_constant_target_and_a_diverged_run_have_no_spread_and_no_values():
    truth, given = torch.ones(9), {"of": NumberTarget(), "names": ["r2"]}
    assert values_by_row(torch.arange(9.0), truth, **given)["r2"].tolist() == [0.0] * 9
    assert values_by_row(torch.full((9,), torch.nan), truth, **given) == {}
