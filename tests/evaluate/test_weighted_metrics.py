"""Metrics of weighted rows equal scikit-learn's with ``sample_weight``, and those of rows that are repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from steepest import rng
from steepest.data.dataset import TargetScale
from steepest.evaluate.metrics import evaluate, metric_info, metric_names, registry, values_by_row
from steepest.evaluate.metrics._names import by_row_function, mean_of
from steepest.evaluate.rowwise import BY_ROW, RAREST, by_row, other_values
from steepest.objectives.target import ClassTarget, NumberTarget, Target


def _over_present(function):
    def mean(y, p, w):
        present = np.unique(y[w > 0])
        return np.mean([function(y == each, p[:, each], sample_weight=w) for each in present])

    return mean


def _macro(function):
    return lambda y, p, w: function(
        y, p.argmax(1), labels=np.unique(y[w > 0]), average="macro", zero_division=0, sample_weight=w
    )


def _positive(function):
    return lambda y, p, w: function(y, p.argmax(1), zero_division=0, sample_weight=w)


def _hits(y, p, w):
    return reference.accuracy_score(y, p.argmax(1), sample_weight=w)


def _top(k):
    return lambda y, p, w: (
        1.0
        if k >= p.shape[1]
        else reference.top_k_accuracy_score(y, p, k=k, labels=range(p.shape[1]), sample_weight=w)
    )


def _brier(y, p, w):
    scores = p[:, 1] if p.shape[1] == 2 else p
    return reference.brier_score_loss(y, scores, labels=range(p.shape[1]), sample_weight=w)


def _ece(y, p, w=None):
    """Fifteen bins of equal width, each with its upper end."""
    w = np.ones(len(y)) if w is None else w
    confidence, right = p.max(1), p.argmax(1) == y
    bins = np.digitize(confidence, np.arange(1, 15) / 15, right=True)
    apart = [abs((w * (right - confidence))[bins == each].sum()) for each in range(15)]
    return sum(apart) / w.sum()


SLOW: dict[str, Any] = {
    "ece": _ece,
    "log_loss": lambda y, p, w: reference.log_loss(y, p, labels=range(p.shape[1]), sample_weight=w),
    "accuracy": _hits,
    "balanced_accuracy": _macro(reference.recall_score),
    "precision": _macro(reference.precision_score),
    "recall": _macro(reference.recall_score),
    "f1": _macro(reference.f1_score),
    "top_3": _top(3),
    "top_2": _top(2),
    "roc_auc": _over_present(reference.roc_auc_score),
    "average_precision": _over_present(reference.average_precision_score),
    "brier_score": _brier,
    "positive_precision": _positive(reference.precision_score),
    "positive_recall": _positive(reference.recall_score),
    "positive_f1": _positive(reference.f1_score),
    "positive_average_precision": lambda y, p, w: reference.average_precision_score(
        y, p[:, 1], sample_weight=w
    ),
    "rmse": lambda y, p, w: reference.root_mean_squared_error(y, p, sample_weight=w),
    "mse": lambda y, p, w: reference.mean_squared_error(y, p, sample_weight=w),
    "mae": lambda y, p, w: reference.mean_absolute_error(y, p, sample_weight=w),
    "r2": lambda y, p, w: reference.r2_score(y, p, sample_weight=w),
}

HALVES = slice(0, 50), slice(50, 120)
CASES = ["two", "five", "five, tied", "number"]


def rows(case: str) -> tuple[Target, torch.Tensor, torch.Tensor]:
    """Return a target with outputs for some rows and their truth."""
    draw = rng.stream(3, "data", len(case))
    if case == "number":
        truth = draw.standard_normal(120)
        return (
            NumberTarget(TargetScale(3.0, 2.0)),
            torch.tensor(truth + draw.standard_normal(120)),
            torch.tensor(truth),
        )
    classes = 2 if case == "two" else 5
    truth = draw.integers(0, classes - (classes > 2), 120)
    logits = draw.standard_normal((120, classes))
    logits[np.arange(120), truth] += 1.0
    logits = np.round(logits, 1) if "tied" in case else logits
    logits[:, 0] += 1e-9  # one most probable class
    return ClassTarget(classes, 1 if classes == 2 else None), torch.tensor(logits), torch.tensor(truth)


def names(of: Target) -> list[str]:
    """Return all metrics of a target."""
    extra = ["top_2"] if of.classes == 5 else []
    return [*metric_names(of.task, of.classes), *extra]


def weights_of(kind: str) -> torch.Tensor:
    """Return weights of rows: numbers, or counts with zeros among them."""
    draw = rng.stream(4, "data", len(kind))
    return torch.tensor(draw.integers(0, 4, 120) if kind == "counts" else draw.pareto(2.0, 120)).double()


def slow(name: str, of: Target, outputs: torch.Tensor, truth: torch.Tensor, weights: np.ndarray) -> float:
    """Return scikit-learn's value."""
    if isinstance(of, NumberTarget):
        scale = of.scale
        pair = (truth.numpy() * scale.sd + scale.mean, outputs.numpy() * scale.sd + scale.mean)
    else:
        pair = (truth.numpy(), torch.log_softmax(outputs, 1).exp().numpy())
    return float(SLOW[name](*pair, weights))


@pytest.mark.parametrize("kind", ["counts", "numbers"])
@pytest.mark.parametrize("case", CASES)
def test_every_metric_equals_scikit_learn(case: str, kind: str) -> None:
    of, outputs, truth = rows(case)
    weights = weights_of(kind)
    found = evaluate(outputs, truth, of, names(of), weights)
    for name, value in found.items():
        assert value == pytest.approx(slow(name, of, outputs, truth, weights.numpy()), rel=1e-9), name
    assert evaluate(outputs, truth, of, names(of), 7.0 * weights) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_a_whole_weight_is_so_many_rows(case: str) -> None:
    of, outputs, truth = rows(case)
    weights = weights_of("counts")
    again = torch.arange(120).repeat_interleave(weights.long())
    found = evaluate(outputs, truth, of, names(of), weights)
    repeated = evaluate(outputs[again], truth[again], of, names(of))
    assert found == pytest.approx(repeated, rel=1e-9)
    assert found != pytest.approx(evaluate(outputs, truth, of, names(of)), rel=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_equal_weights_change_nothing(case: str) -> None:
    of, outputs, truth = rows(case)
    same = torch.full((120,), 0.3)
    assert evaluate(outputs, truth, of, names(of), same) == pytest.approx(
        evaluate(outputs, truth, of, names(of)), rel=1e-9
    )


@pytest.mark.parametrize("case", CASES)
def test_values_by_row_say_how_a_metric_changes_with_a_weight(case: str) -> None:
    """A row's value is the metric plus N times its weight times a finite difference of scikit-learn's metric."""
    of, outputs, truth = rows(case)
    weights = weights_of("numbers")
    found = values_by_row(outputs, truth, of, names(of), weights)
    kept = kept_rows(of, outputs, truth, weights)
    for name in names(of):
        whole = slow(name, of, outputs, truth, weights.numpy())
        values = by_row(name, kept)
        assert values is not None
        assert values.mean() == pytest.approx(whole, rel=1e-9), name
        if name in found:
            assert found[name].numpy() == pytest.approx(values, rel=1e-9, abs=1e-12), name
        for row in (0, 17, 90):
            step = np.zeros(120)
            step[row] = 1e-5 * weights[row]
            up, down = (slow(name, of, outputs, truth, weights.numpy() + each) for each in (step, -step))
            slope = (up - down) / 2e-5  # already times the weight
            assert values[row] == pytest.approx(whole + 120 * slope, abs=1e-5), (name, row)


def kept_rows(
    of: Target, outputs: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor
) -> dict[str, Any]:
    """Return what a folder keeps of the test rows."""
    correct = of.row_correct(outputs, truth)
    kept = {
        "loss": of.row_losses(outputs, truth),
        "weights": weights,
        **({} if correct is None else {"correct": correct}),
        **other_values(outputs, truth, of, names(of), weights),
    }
    return {name: each.numpy() for name, each in kept.items()}


def test_classes_whose_rows_have_no_weight_are_not_there() -> None:
    of, outputs, truth = rows("five")
    weights = torch.ones(120).double()
    weights[truth == 2] = 0.0
    rest = truth != 2
    found = evaluate(outputs, truth, of, names(of), weights)
    assert found == pytest.approx(evaluate(outputs[rest], truth[rest], of, names(of)), rel=1e-9)
    fewest = int(torch.bincount(truth[rest])[[0, 1, 3]].min())
    assert int(other_values(outputs, truth, of, ["f1"], weights)[RAREST]) == fewest


@pytest.mark.parametrize("case", CASES)
def test_means_add_up_over_parts_of_the_rows_and_the_others_do_not(case: str) -> None:
    of, outputs, truth = rows(case)
    weights = weights_of("numbers")
    decoded = of.decoded(outputs, truth, weights)
    for name in metric_names(of.task, of.classes):
        registered = name.replace("_", "-")
        values_of = mean_of(registered)
        assert metric_info(name).mean == (values_of is not None)
        if values_of is None:
            continue
        parts = [of.decoded(*(each[some] for each in (outputs, truth, weights))) for some in HALVES]
        sums = [(float(part.total(values_of(part))), float(part.weights.sum())) for part in parts]
        value = sum(each for each, _ in sums) / sum(total for _, total in sums)
        value = value**0.5 if name == "rmse" else value
        assert value == pytest.approx(float(registry.load(registered)(decoded)), rel=1e-12), name
        plain = replace(decoded, weights=None)
        mean = float(values_of(plain).mean())
        assert (mean**0.5 if name == "rmse" else mean) == pytest.approx(
            float(registry.load(registered)(plain))
        )


def test_every_metric_has_values_by_row() -> None:
    for name in registry.names():
        assert mean_of(name) is not None or by_row_function(name) is not None, name
    assert {name for name in registry.names() if by_row_function(name) is None} == {"rmse", "pixel-rmse"}
    assert set(BY_ROW) == {
        "log_loss",
        "accuracy",
        "rmse",
        "mse",
        "mae",
        "pixel_mse",
        "pixel_rmse",
        "token_loss",
    }
