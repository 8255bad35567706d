"""The positive class, the deciding metric as a user names it, and what is shown beside it."""

from __future__ import annotations

import pytest

import steepest as st
from steepest.errors import OptionError, UnknownNameError
from steepest.evaluate.judging import judge
from steepest.recipe import Recipe


def data(labels: list[object], **options):
    rows = {"x": [float(i % 7) for i in range(len(labels))], "y": labels}
    return st.read_table(rows, target="y", **options).dataset()


SPAM = ["ham", "ham", "spam", "ham"] * 30
CLASSES = {
    "the rarer": (SPAM, None, "spam", "spam, the rarer one (25.0% of the training rows"),
    "the first": (["a"] * 20 + ["b"] * 60, None, "a", "a, the rarer one (25.0%"),
    "named": (SPAM, "ham", "ham", "ham, given (75.0%"),
    "equal": (["no", "yes"] * 40, None, "yes", "yes, the last of two equally frequent ones (50.0%"),
    "numbers": ([0, 1, 1, 1] * 30, None, "0", "0, the rarer one (25.0%"),
    "true or false": ([True, False, False, False] * 30, None, "true", "true, the rarer one (25.0%"),
    "as a file has it": ([True, False, False, False] * 30, "False", "false", "false, given (75.0%"),
    "text": (["True", "False", "False", "False"] * 30, "False", "False", "False, given (75.0%"),
}


@pytest.mark.parametrize("case", CLASSES)
def test_the_positive_class(case):
    labels, wanted, label, how = CLASSES[case]
    dataset = data(labels)
    found = judge(dataset, positive=wanted)
    assert dataset.classes[found.positive] == label
    assert dict(found.decided)["positive class"].startswith(how)


@pytest.mark.parametrize(("given", "label"), [(1, "1"), (1.0, "1"), ("1", "1"), (True, "true")])
def test_a_class_may_be_given_as_it_is_in_the_table(given, label):
    rows = {"x": [0.5] * 80, "y": [0, 1] * 40}
    assert st.plan(rows, target="y", positive=given).experiment.protocol.positive == label


WRONG = {
    "no such class": (SPAM, {"positive": "spma"}, UnknownNameError, "unknown class 'spma'"),
    "three classes": (["a", "b", "c"] * 30, {"positive": "a"}, OptionError, "'y' has 3 classes"),
    "a number": ([0.5 * i for i in range(90)], {"positive": "a"}, OptionError, "'y' is a number"),
    "metric of three": (["a", "b", "c"] * 30, {"metric": "positive-f1"}, OptionError, "the target has 3"),
    "metric of a number": (
        [0.5 * i for i in range(90)],
        {"metric": "positive-f1"},
        OptionError,
        "the target is a number",
    ),
    "other task": (SPAM, {"metric": "rmse"}, OptionError, "'rmse' is for regression"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_judged_by(case):
    labels, options, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        judge(data(labels), **options)


SECOND = {
    "two classes": (SPAM, None, "accuracy"),
    "two, one above 80 %": (["no"] * 90 + ["yes"] * 10, None, "positive_average_precision"),
    "two, one at 80 %": (["no"] * 80 + ["yes"] * 20, None, "accuracy"),
    "three classes": (["a", "b", "c"] * 30, None, "accuracy"),
    "three, one above 80 %": (["a"] * 270 + ["b", "c"] * 15, None, "balanced_accuracy"),
    "decided by it": (["no"] * 90 + ["yes"] * 10, "average-precision", "log_loss"),
    "a number": ([0.5 * i for i in range(90)], None, "r2"),
}


@pytest.mark.parametrize("case", SECOND)
def test_the_metric_beside_the_deciding_one_shows_what_was_learned(case):
    labels, metric, second = SECOND[case]
    found = judge(data(labels), metric)
    assert found.metrics[0] == found.metric.name
    assert found.metrics[1] == second
    assert len(set(found.metrics)) == len(found.metrics)
    assert bool(found.notes) == ("above" in case or case == "decided by it")
    for note in found.notes:
        assert note.text.startswith("90.0% of the training rows are ")


def test_what_f1_means_is_said():
    said = dict(judge(data(SPAM), "f1").decided)
    assert said["metric"].startswith(
        "positive F1: with two classes, f1 is that of the positive class and macro-f1 the mean"
    )
    assert "metric" not in dict(judge(data(SPAM), "positive-f1").decided)
    assert "metric" not in dict(judge(data(SPAM), "macro-f1").decided)
    assert judge(data(["a", "b", "c"] * 30), "f1").decided == ()


def test_the_positive_class_is_part_of_what_a_run_is():
    recipe = Recipe(data="d", model="m", optimizer="o", schedule="cosine", steps=1, batch_size=2)
    ids = {recipe.model_copy(update={"positive": each}).id for each in (None, "yes", "no")}
    assert len(ids) == 3
