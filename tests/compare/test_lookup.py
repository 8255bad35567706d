"""The difference of any two rows of a finished comparison: arms, baselines, one test set and several."""

from __future__ import annotations

import pytest

from steepest.compare.estimates import Difference, Estimate
from steepest.compare.folds import corrected_t
from steepest.compare.lookup import difference_of
from steepest.compare.result import Comparison, Metric, Row
from steepest.errors import UnknownNameError

LOSS = Metric(name="log_loss", title="log loss", higher_is_better=False)
ACCURACY = Metric(name="accuracy", title="accuracy", higher_is_better=True, percent=True)
ADAM, SGD = [0.81, 0.84, 0.80, 0.85], [0.79, 0.80, 0.81, 0.80]


def _row(kind, name, values) -> Row:
    mean = Estimate(mean=sum(values) / len(values), n=len(values))
    return Row(
        kind=kind, name=name, metrics={"log_loss": mean}, values={"log_loss": values, "accuracy": values}
    )


def _comparison(**more) -> Comparison:
    rows = [
        _row("arm", "adam", ADAM),
        _row("arm", "sgd", SGD),
        _row("baseline", "logistic regression", [0.78]),
    ]
    stored = Difference(first="sgd", second="logistic regression", metric="log_loss", over="both", mean=0.02,
                        low=0.01, high=0.03, n=2, told_apart=True, p=0.01, p_adjusted=0.02, comparisons=2)  # fmt: skip
    return Comparison(title="t", sentence="s", metric="log_loss", metrics=[LOSS, ACCURACY], winner="adam", rows=rows,
                      pairs=[stored], **more)  # fmt: skip


@pytest.mark.parametrize("name", ["logistic regression", "logistic-regression"])
def test_an_arm_and_a_baseline_in_either_order(name):
    found = _comparison()
    assert difference_of(found, "sgd", name).ends == (0.01, 0.03)
    turned = difference_of(found, name, "sgd")
    assert (turned.first, turned.mean, turned.ends) == ("logistic regression", -0.02, (-0.03, -0.01))


def test_what_is_not_stored_has_the_right_mean_and_says_why_there_is_no_interval():
    found = difference_of(_comparison(), "adam", "logistic regression", "accuracy")
    assert found.mean == pytest.approx(0.825 - 0.78)
    assert found.ends is None
    assert found.reason == "its variation over test rows is not kept"
    assert not found.told_apart


def test_over_test_sets_the_interval_counts_sets_and_not_runs():
    """Two runs of each of two test sets are not four independent seeds."""
    found = difference_of(_comparison(test_sets=2, test_share=0.5), "adam", "sgd", "accuracy")
    gaps = [(0.81 + 0.84 - 0.79 - 0.80) / 2, (0.80 + 0.85 - 0.81 - 0.80) / 2]
    expected = corrected_t(gaps, 0.5)
    assert (found.over, found.sets) == ("sets", 2)
    assert (found.mean, found.low, found.high) == pytest.approx(expected[:3])
    assert difference_of(_comparison(test_sets=2), "adam", "sgd", "accuracy").ends is None


def test_unknown_names_name_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown .* 'adan'\n.*'adam'.*logistic regression"):
        difference_of(_comparison(), "adan", "logistic regression")
    with pytest.raises(UnknownNameError, match=r"unknown metric .* 'rmse'"):
        difference_of(_comparison(), "adam", "sgd", "rmse")
