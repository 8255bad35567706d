"""Every metric equals scikit-learn's, also where classes are absent."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from steepest import rng
from steepest.data.dataset import Part, TargetScale
from steepest.data.texts.vocabulary import IGNORE, Pieces
from steepest.errors import OptionError, UnknownNameError
from steepest.evaluate.metrics import (
    default_metric,
    evaluate,
    meant,
    metric_info,
    metric_names,
    registry,
)
from steepest.evaluate.rowwise import by_row, other_values
from steepest.objectives.target import ClassTarget, ImageTarget, NumberTarget, TokenTarget


def _rows(rows: int, classes: int, present: int, seed: int = 0):
    """Return logits that know something of the truth, the truth, and the probabilities."""
    generator = rng.stream(seed, "data", rows, classes)
    truth = np.concatenate([np.arange(present), generator.integers(0, present, rows - present)])
    logits = generator.normal(size=(rows, classes))
    logits[np.arange(rows), truth] += 1.0
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return logits, truth, shifted / shifted.sum(1, keepdims=True)


def _over_present(function, truth, probabilities):
    return np.mean([function(truth == each, probabilities[:, each]) for each in np.unique(truth)])


def _macro(function):
    return lambda y, p: function(y, p.argmax(1), labels=np.unique(y), average="macro", zero_division=0)


def _top(k):
    def share(y, p):
        return 1.0 if k >= p.shape[1] else reference.top_k_accuracy_score(y, p, k=k, labels=range(p.shape[1]))

    return share


CLASSIFICATION = {
    "log_loss": lambda y, p: reference.log_loss(y, p, labels=range(p.shape[1])),
    "accuracy": lambda y, p: reference.accuracy_score(y, p.argmax(1)),
    "balanced_accuracy": lambda y, p: reference.recall_score(
        y, p.argmax(1), labels=np.unique(y), average="macro"
    ),
    "precision": _macro(reference.precision_score),
    "recall": _macro(reference.recall_score),
    "f1": _macro(reference.f1_score),
    "top_3": _top(3),
    "top_2": _top(2),
    "top_1": lambda y, p: reference.accuracy_score(y, p.argmax(1)),
    "top_50": lambda y, p: 1.0,
    "roc_auc": lambda y, p: _over_present(reference.roc_auc_score, y, p),
    "average_precision": lambda y, p: _over_present(reference.average_precision_score, y, p),
    "brier_score": lambda y, p: reference.brier_score_loss(
        y, p[:, 1] if p.shape[1] == 2 else p, labels=range(p.shape[1])
    ),
}


def _ece(strategy):
    def error(y, p):
        confidence, right = p.max(1), p.argmax(1) == y
        ends = np.linspace(0, 1, 16)
        ends = ends if strategy == "uniform" else np.quantile(confidence, ends)
        place = np.searchsorted(ends[1:-1], confidence)
        bins = [place == each for each in range(15)]
        return sum(abs((right[each] - confidence[each]).sum()) for each in bins) / len(y)

    return error


CLASSIFICATION |= {"ece": _ece("uniform")}

POSITIVE = {
    "positive_precision": lambda y, p: reference.precision_score(y, p[:, 1] > 0.5, zero_division=0),
    "positive_recall": lambda y, p: reference.recall_score(y, p[:, 1] > 0.5, zero_division=0),
    "positive_f1": lambda y, p: reference.f1_score(y, p[:, 1] > 0.5, zero_division=0),
    "positive_average_precision": lambda y, p: reference.average_precision_score(y, p[:, 1]),
}

REGRESSION = {
    "rmse": reference.root_mean_squared_error,
    "mae": reference.mean_absolute_error,
    "mse": reference.mean_squared_error,
    "r2": reference.r2_score,
}

PIXELS = {
    "pixel_mse": lambda y, p: reference.mean_squared_error(y / 255, p / 255),
    "pixel_rmse": lambda y, p: math.sqrt(reference.mean_squared_error(y, p)),
    "pixel_mae": reference.mean_absolute_error,
}


def _nats(y, p):
    return reference.log_loss(y, p, labels=range(p.shape[1])) * len(y)


TOKENS = {  # of a vocabulary of pieces with 1, 2 and 3 bytes, of which the last one alone begins a word
    "token_loss": lambda y, p: _nats(y, p) / len(y),
    "perplexity": lambda y, p: math.exp(_nats(y, p) / len(y)),
    "bits_per_byte": lambda y, p: _nats(y, p) / math.log(2) / (y + 1).sum(),
    "word_perplexity": lambda y, p: math.exp(_nats(y, p) / (y == 2).sum()),
    "token_accuracy": lambda y, p: reference.accuracy_score(y, p.argmax(1)),
}

SHAPES = [(400, 4, 4), (300, 2, 2), (200, 6, 3), (30, 12, 9), (500, 5, 5)]


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize(("rows", "classes", "present"), SHAPES)
def test_classification_equals_scikit_learn(name, rows, classes, present):
    logits, truth, probabilities = _rows(rows, classes, present)
    found = evaluate(torch.tensor(logits), torch.tensor(truth), ClassTarget(classes), [name])
    assert found[name] == pytest.approx(CLASSIFICATION[name](truth, probabilities), rel=1e-9)


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("name", POSITIVE)
def test_the_positive_class_is_the_one_that_is_named(name, positive):
    logits, truth, probabilities = _rows(300, 2, 2)
    found = evaluate(torch.tensor(logits), torch.tensor(truth), ClassTarget(2, positive), [name])
    order = [1 - positive, positive]
    wanted = POSITIVE[name]((truth == positive).astype(int), probabilities[:, order])
    assert found[name] == pytest.approx(wanted, rel=1e-9)
    macro = evaluate(
        torch.tensor(logits), torch.tensor(truth), ClassTarget(2), [name.replace("positive", "macro")]
    )
    key = name.removeprefix("positive_")
    assert macro == {key: pytest.approx(CLASSIFICATION[key](truth, probabilities), rel=1e-9)}
    assert abs(macro[key] - found[name]) > 1e-3


@pytest.mark.parametrize("guess", [0, 1])
@pytest.mark.parametrize("only", [0, 1])
@pytest.mark.parametrize("name", POSITIVE)
def test_the_positive_class_without_rows_or_predictions_follows_scikit_learn(name, only, guess):
    truth = np.full(9, only)
    logits = np.zeros((9, 2))
    logits[:, guess] = np.linspace(1.0, 2.0, 9)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = evaluate(torch.tensor(logits), torch.tensor(truth), ClassTarget(2, 1), [name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns that no row is positive
        assert found[name] == pytest.approx(POSITIVE[name](truth, probabilities), rel=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_equally_probable_classes_count_as_in_scikit_learn(k):
    generator = rng.stream(0, "data")
    logits = generator.integers(0, 3, size=(200, 5)).astype(float)
    truth = generator.integers(0, 5, 200)
    names = [f"top-{k}", "roc-auc", "average-precision"]
    found = evaluate(torch.tensor(logits), torch.tensor(truth), ClassTarget(5), names)
    assert found[f"top_{k}"] == reference.top_k_accuracy_score(truth, logits, k=k)
    scaled = torch.log_softmax(torch.tensor(logits), 1).exp().numpy()
    for name in ("roc_auc", "average_precision"):
        assert found[name] == pytest.approx(CLASSIFICATION[name](truth, scaled), rel=1e-9)


@pytest.mark.parametrize("name", PIXELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_reconstructions_are_measured_in_pixels(name, weighted):
    generator = rng.stream(0, "data")
    truth = generator.integers(0, 256, (1100, 3, 2, 5), dtype=np.uint8)
    guess = truth.reshape(1100, 30) + generator.normal(0.0, 25.0, (1100, 30))
    repeats = generator.integers(0, 3, 1100) if weighted else np.ones(1100, int)
    target = ImageTarget((3, 2, 5), TargetScale(90.0, 12.0))
    outputs = torch.tensor((guess - 90.0) / 12.0)
    weights = torch.tensor(repeats, dtype=torch.float64) if weighted else None
    found = evaluate(outputs, torch.tensor(truth), target, [name], weights)
    some = [np.repeat(each, repeats, 0) for each in (truth.reshape(1100, 30).astype(float), guess)]
    assert found[name] == pytest.approx(PIXELS[name](*some), rel=1e-9)
    pixels = torch.tensor(truth)
    kept = {"loss": target.row_losses(outputs, pixels), **other_values(outputs, pixels, target, [name])}
    by, exact = by_row(name, kept), evaluate(outputs, pixels, target, [name])[name]
    assert by is not None
    assert by.mean() == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_are_those_of_all_rows_together(name):
    logits, truth, probabilities = _rows(120, 3, 3)
    scored = np.arange(120) % 40 < np.repeat([40, 25, 3], 40)
    target = TokenTarget(40, 3, Pieces.of([b"a", b"bb", b"c d"]))
    codes = torch.tensor(np.where(scored, truth, IGNORE)).reshape(3, 40)
    rows = Part((torch.tensor(truth).reshape(3, 40),), codes)
    kept = target.condense(torch.tensor(logits).reshape(3, 40, 3), rows)
    found = evaluate(kept, codes, target, [name], torch.tensor([40.0, 25.0, 3.0]) / 7)
    assert found[name] == pytest.approx(TOKENS[name](truth[scored], probabilities[scored]), rel=1e-9)


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize("columns", [(), (1,)])
def test_regression_is_on_the_original_scale(name, columns):
    generator = rng.stream(0, "data")
    truth = generator.normal(100.0, 20.0, 200)
    guess = truth + generator.normal(0.0, 5.0, 200)
    encode = lambda values: torch.tensor((values - 90.0) / 12.0)  # noqa: E731
    found = evaluate(
        encode(guess).reshape(200, *columns), encode(truth), NumberTarget(TargetScale(90.0, 12.0)), [name]
    )
    assert found[name] == pytest.approx(REGRESSION[name](truth, guess), rel=1e-9)


def test_every_registered_metric_is_compared_with_a_reference():
    assert {name.replace("-", "_") for name in registry.names()} <= {
        *CLASSIFICATION,
        *POSITIVE,
        *REGRESSION,
        *PIXELS,
        *TOKENS,
    }


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", ["f1", "precision", "recall", "average-precision", "average_precision"])
def test_of_two_classes_the_positive_one_is_meant(name, classes):
    plain = name.replace("-", "_")
    assert meant(name, classes).name == (f"positive_{plain}" if classes == 2 else plain)
    assert meant(f"macro-{name}", classes).name == meant(f"macro_{name}", classes).name == plain
    if classes == 2:
        assert meant(f"positive-{name}", classes).name == f"positive_{plain}"
        return
    for other, instead in ((classes, f"macro-{plain.replace('_', '-')}"), (0, "rmse")):
        with pytest.raises(OptionError, match="the positive one of two classes") as caught:
            meant(f"positive-{name}", other)
        assert caught.value.hint == f"use {instead}."


def test_the_brier_score_of_before_is_known_and_no_longer_computed():
    assert not metric_info("brier").higher_is_better
    with pytest.raises(OptionError, match="no longer computed") as caught:
        meant("brier", 2)
    assert caught.value.hint == "use brier-score."
    logits, truth, _ = _rows(9, 2, 2)
    with pytest.raises(OptionError, match="no longer computed"):
        evaluate(torch.tensor(logits), torch.tensor(truth), ClassTarget(2), ["brier"])


@pytest.mark.parametrize(
    ("task", "classes"), [("classification", 2), ("classification", 4), ("regression", 0)]
)
def test_names_and_information_agree(task, classes):
    names = metric_names(task, classes)
    assert names[0] == default_metric(task)
    for name in names:
        info = metric_info(name)
        assert info == metric_info(name.replace("_", "-"))
        assert info.name == name
        assert info.task == task
        perfect, poor = _best_and_worst(task, name, classes)
        assert (perfect > poor) == info.higher_is_better


def _best_and_worst(task, name, classes):
    if task == "classification":
        truth = torch.arange(8) % classes
        perfect = 9.0 * torch.nn.functional.one_hot(truth, classes).float()
        outputs = [perfect, -perfect]
        arguments = {"of": ClassTarget(classes, 0), "names": [name]}
    else:
        truth = torch.arange(8.0)
        outputs = [truth, -truth]
        arguments = {"of": NumberTarget(), "names": [name]}
    return [evaluate(each, truth, **arguments)[name] for each in outputs]


def test_top_3_is_left_out_where_it_says_nothing():
    assert "top_3" not in metric_names("classification", classes=3)
    assert "top_3" in metric_names("classification", classes=4)


def test_of_two_classes_the_positive_one_comes_before_the_means():
    names = metric_names("classification", classes=2)
    assert names.index("positive_f1") < names.index("f1")
    assert names.index("positive_average_precision") < names.index("average_precision")
    assert not [name for name in metric_names("classification", classes=3) if name.startswith("positive")]


def test_one_evaluation_leaves_nothing_for_the_next():
    logits, truth, _ = _rows(200, 4, 4)
    arguments = {"of": ClassTarget(4), "names": metric_names("classification")}
    first = evaluate(torch.tensor(logits), torch.tensor(truth), **arguments)
    other, other_truth, _ = _rows(90, 4, 4, seed=1)
    evaluate(torch.tensor(other), torch.tensor(other_truth), **arguments)
    assert evaluate(torch.tensor(logits), torch.tensor(truth), **arguments) == first


def test_a_single_class_gives_numbers_without_a_warning():
    logits, _, _ = _rows(20, 3, 3)
    names = metric_names("classification")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate(torch.tensor(logits), torch.full((20,), 1), ClassTarget(3), names)
    assert all(math.isfinite(value) for value in found.values())
    assert found["roc_auc"] == 0.5


@pytest.mark.parametrize(
    ("guess", "expected"), [([2.0, 2.0, 2.0], 1.0), ([2.0, 2.0, 1.0], 0.0), ([2.0], 1.0), ([1.0], 0.0)]
)
def test_r2_of_a_constant_target_follows_scikit_learn(guess, expected):
    truth = torch.full((len(guess),), 2.0)
    found = evaluate(torch.tensor(guess), truth, NumberTarget(), ["r2"])
    assert found["r2"] == expected


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_model_has_no_metrics(bad):
    logits, truth, _ = _rows(20, 3, 3)
    logits[7, 1] = bad
    found = evaluate(
        torch.tensor(logits), torch.tensor(truth), ClassTarget(3), metric_names("classification")
    )
    assert all(math.isnan(value) for value in found.values())


def test_logits_far_apart_keep_their_loss():
    """In float32 probabilities, exp(-200) is 0 and the loss would be infinite."""
    found = evaluate(torch.tensor([[200.0, 0.0]]), torch.tensor([1]), ClassTarget(2), ["log-loss"])
    assert found["log_loss"] == pytest.approx(200.0)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_row_losses_average_to_the_metric(task):
    if task == "classification":
        logits, truth, _ = _rows(60, 4, 4)
        losses = ClassTarget(4).row_losses(torch.tensor(logits), torch.tensor(truth))
        found = evaluate(torch.tensor(logits), torch.tensor(truth), ClassTarget(4), ["log_loss"])["log_loss"]
    else:
        scale, truth = TargetScale(3.0, 2.0), torch.arange(9.0)
        losses = NumberTarget(scale).row_losses(truth.square()[:, None], truth)
        found = evaluate(truth.square(), truth, NumberTarget(scale), ["rmse"])["rmse"] ** 2
    assert losses.dtype == torch.float64
    assert float(losses.mean()) == pytest.approx(found, rel=1e-12)


ERRORS = {
    "unknown": (["acuracy"], (4, 3), UnknownNameError, "did you mean 'accuracy'"),
    "other task": (["rmse"], (4, 3), OptionError, "'rmse' measures regression"),
    "shape": (["accuracy"], (4, 2), OptionError, r"shape \(4, 2\) for 4 rows"),
    "top-0": (["top-0"], (4, 3), UnknownNameError, "unknown metric 'top-0'"),
    "macro of nothing": (["macro-accuracy"], (4, 3), UnknownNameError, "unknown metric 'macro-accuracy'"),
    "positive of three": (
        ["positive-f1"],
        (4, 3),
        OptionError,
        "'positive_f1' describes the positive one of two",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_the_value(case):
    names, shape, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        evaluate(torch.zeros(shape), torch.zeros(4, dtype=torch.int64), ClassTarget(3), names)


def test_no_rows_is_an_error():
    with pytest.raises(OptionError, match="0 rows"):
        evaluate(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), ClassTarget(3), ["accuracy"])
