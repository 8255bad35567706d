"""Intervals end where a metric does, where they are stored and where they are shown."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from steepest.compare.estimates import Estimate
from steepest.compare.evidence import estimate_of
from steepest.compare.ranges import covers_all, difference_within
from steepest.compare.result import Comparison, Difference, Metric, Row
from steepest.evaluate.metrics import metric_info, registry
from steepest.report.digits import digits
from steepest.report.sentences import about_others, about_useless
from steepest.report.text import comparison_table
from steepest.report.words import Subject


@pytest.mark.parametrize("name", registry.names())
def test_every_metric_says_where_its_values_end(name):
    about = metric_info(name)
    assert about.least < about.most
    if about.percent:
        assert (about.least, about.most) == (0.0, 1.0)
    assert math.isfinite(about.most if about.higher_is_better else about.least), "its best value"


@pytest.mark.parametrize(
    ("metric", "values", "low", "high"),
    [
        ("accuracy", [0.5, 0.9], 0.0, 1.0),
        ("accuracy", [0.8125, 0.875], 0.4466811, 1.0),
        ("log_loss", [1e-5, 2.2e-4], 0.0, 0.00144916),
        ("rmse", [1.0, 9.0], 0.0, 55.824819),
        ("r2", [0.98, 0.99], 0.92146898, 1.0),
        ("brier_score", [0.2, 0.3], 0.0, 0.88531),
        ("log_loss", [0.50, 0.52], 0.38293795, 0.63706205),  # as it is
    ],
)
def test_the_interval_of_a_mean_ends_with_the_metric(metric, values, low, high):
    found = estimate_of(values, metric)
    assert found.ends == pytest.approx((low, high), rel=1e-5)
    assert found.mean == pytest.approx(sum(values) / 2)


def test_a_difference_of_accuracies_is_at_most_a_hundred_points():
    wide = {"mean": 0.3, "low": -2.0, "high": 2.6, "by_seeds": (-2.0, 2.6), "by_rows": (0.1, 0.5)}
    found = Difference(first="a", second="b", metric="accuracy", over="both", n=2, told_apart=False, **wide)
    made = difference_within(found)
    assert (made.ends, made.by_seeds, made.by_rows) == ((-1.0, 1.0), (-1.0, 1.0), (0.1, 0.5))
    assert difference_within(found.model_copy(update={"metric": "rmse"})).ends == (-2.0, 2.6)


def test_an_interval_that_ends_with_the_metric_is_shown_by_its_ends():
    metric = Metric(name="accuracy", title="accuracy", higher_is_better=True, percent=True)
    values = [estimate_of(each, "accuracy") for each in ([0.8125, 0.875], [0.5, 0.9], [0.80, 0.82])]
    rows = [
        Row(kind="arm", name=name, seeds=2, metrics={"accuracy": each})
        for name, each in zip("abc", values, strict=True)
    ]
    written = digits(metric, rows)
    assert [written.value(each) for each in values] == [
        "84.4 [44.7, 100.0]",
        "70.0 [0, 100.0]",
        "81.0 ± 12.7",
    ]
    assert [covers_all(each, "accuracy") for each in values] == [False, True, False]
    assert about_useless(metric, rows, Subject()) == [
        "2 seeds give no usable interval of accuracy for b: it holds every possible value."
    ]
    deciding = Metric(name="log_loss", title="log loss", higher_is_better=False)
    f1 = Metric(name="f1", title="F1", higher_is_better=True)
    rows = [row.model_copy(update={"metrics": row.metrics | {"f1": values[1]}}) for row in rows]
    assert about_others(deciding, [deciding, metric, f1], rows) == [
        "Too few seeds for an interval of accuracy and F1."
    ]
    assert about_others(metric, [metric], rows) == []
    result = Comparison(
        title="t", sentence="Use a.", metric="log_loss", winner="a", metrics=[deciding, metric],
        rows=[each.model_copy(update={"metrics": each.metrics | {"log_loss": values[2]}}) for each in rows],
    )  # fmt: skip
    console = Console(width=80, force_terminal=False, record=True, file=io.StringIO())
    console.print(comparison_table(result))
    assert console.export_text().splitlines()[-2:] == ["Use a.", "Too few seeds for an interval of accuracy."]


def test_metrics_of_other_tools_have_no_range():
    metric = Metric(name="bleu", title="BLEU", higher_is_better=True)
    arm = Row(kind="arm", name="a", seeds=2, metrics={"bleu": Estimate(mean=30.0, low=-5.0, high=65.0, n=2)})
    assert about_useless(metric, [arm], Subject()) == []
