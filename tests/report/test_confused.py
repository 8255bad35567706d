"""A confusion matrix is small and readable, and many classes have their most confused pairs instead."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.compare.result import Comparison
from steepest.report import confused
from steepest.report.html import embedded_json, render_html
from tests.report.example import classes, crimes


def result_of(size: int) -> Comparison:
    """A comparison with so many classes."""
    labels = [f"Northern sparrow hawk {i}" for i in range(size)]
    lines, matrix = classes(np.random.default_rng(1), labels, 60 * size)
    return crimes().model_copy(update={"classes": lines, "confusion": matrix})


@pytest.mark.parametrize("size", [3, 40, confused.MOST_IN_MATRIX])
def test_a_matrix_is_small_and_says_its_counts_on_hover(size: int) -> None:
    result = result_of(size)
    drawn = confused.drawn(result)["confusion"]
    assert len(embedded_json(drawn)) < 130 * size**2 + 5000
    assert confused.pairs(result) == confused.worst(result) == []
    cells = drawn["data"][0]["customdata"]
    labels = [each.label for each in result.classes]
    assert cells[1][0][:3] == [labels[1], labels[0], f"{result.confusion[1][0]:,}"]
    assert cells[1][0][3] == f"{sum(result.confusion[1]):,}"


def test_many_classes_have_their_most_confused_pairs_and_a_small_page() -> None:
    result = result_of(250)
    page = render_html(result)
    assert 'id="figure-confusion"' not in page
    assert len(page) - len(render_html(result_of(3))) < 400_000
    found = confused.pairs(result)
    assert len(found) == confused.MOST_PAIRS
    counts = np.array(result.confusion)
    apart = counts - np.diag(np.diag(counts))
    true, predicted = np.unravel_index(int(apart.argmax()), apart.shape)
    first = found[0]
    assert (first.true, first.predicted) == (result.classes[true].label, result.classes[predicted].label)
    assert first.rows == f"{apart.max():,}"
    assert first.share == pytest.approx(100 * apart.max() / counts[true].sum())
    shown = sum(int(each.rows.replace(",", "")) for each in found)
    assert f"{apart.sum():,} rows were predicted as another class" in confused.caption(result)
    assert f"have {100 * shown / apart.sum():.0f} % of them" in confused.caption(result)
    assert page.count(result.classes[-1].label) >= 1


def test_the_classes_in_sight_have_the_lowest_f1() -> None:
    result = result_of(100)
    found = [each.f1 for each in confused.worst(result)]
    assert found == sorted(found)
    assert len(found) == confused.MOST_CLASSES_SHOWN
    assert (
        max(found)
        <= sorted(each.f1 for each in result.classes if each.f1 == each.f1)[confused.MOST_CLASSES_SHOWN]
    )


def test_many_classes_without_an_error_have_no_pairs() -> None:
    result = result_of(100)
    right = np.diag([7] * 100).tolist()
    assert confused.pairs(result.model_copy(update={"confusion": right})) == []
    assert "Most confused pairs" not in render_html(result.model_copy(update={"confusion": right}))
