"""The figures that the documentation keeps of a study are small, and look as those of its report."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from steepest.compare.studied import Drawing, FigureLine, FigureSurface
from steepest.studies.base.keeping import POINTS, SIDE, kept_text, small_drawing


def drawing(lines: int, points: int, **more: Any) -> Drawing:
    x = np.linspace(0, 10, points).tolist()
    drawn = [FigureLine(name=str(each), x=x, y=[math.sin(one) for one in x]) for each in range(lines)]
    return Drawing(title="t", x="x", y="y", lines=drawn, **more)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_lines_keep_their_ends_and_their_course(logarithmic: bool) -> None:
    whole = drawing(5, 4000, logarithmic=logarithmic)
    small = small_drawing(whole)
    assert sum(len(each.x) for each in small.lines) <= POINTS
    for line, before in zip(small.lines, whole.lines, strict=True):
        assert (line.x[0], line.x[-1]) == (before.x[0], before.x[-1])
        late = [place for place, each in enumerate(before.x) if each >= 0.1]
        x, y = (np.array(some)[late] for some in (before.x, before.y))
        assert np.abs(np.interp(x, line.x, line.y) - y).max() < 0.01
    assert small_drawing(small) == small


def test_ends_of_intervals_stay_with_their_points() -> None:
    line = FigureLine(
        name="a", x=[1.0, 2.0, 3.0], y=[1.0, math.inf, 3.0], low=[0.5, math.nan, 2.5], high=[1.5, 2.0, 3.5]
    )
    [small] = small_drawing(Drawing(title="", x="", y="", lines=[line])).lines
    assert (small.x, small.y, small.low, small.high) == ([1.0, 3.0], [1.0, 3.0], [0.5, 2.5], [1.5, 3.5])


@pytest.mark.parametrize("ends", [(math.nan, 2.5), (1.5, math.inf)])
def test_a_line_with_an_endless_interval_has_none(ends: tuple[float, float]) -> None:
    """An interval of width 0 would say that the value is known exactly."""
    line = FigureLine(name="a", x=[1.0, 2.0], y=[1.0, 2.0], low=[0.5, ends[0]], high=[1.5, ends[1]])
    [small] = small_drawing(Drawing(title="", x="", y="", lines=[line])).lines
    assert (small.x, small.y, small.low, small.high) == ([1.0, 2.0], [1.0, 2.0], [], [])


def test_surfaces_lose_places_and_images_keep_their_pixels() -> None:
    x = np.linspace(-1, 1, 70)
    z = np.add.outer(x**2, x**3)
    whole = FigureSurface(name="z", x=x.tolist(), y=x.tolist(), z=z.tolist())
    contours, pixels = (
        small_drawing(drawing(1, 2, surface=whole.model_copy(update={"pixels": each}))).surface
        for each in (False, True)
    )
    assert contours is not None
    assert pixels is not None
    assert len(contours.z) == len(contours.z[0]) == len(contours.x) == SIDE
    expected = np.add.outer(np.array(contours.y) ** 2, np.array(contours.x) ** 3)
    assert np.array(contours.z) == pytest.approx(expected, abs=1e-3)
    assert np.abs(np.array(pixels.z) / 100 * np.abs(z).max() - z).max() <= np.abs(z).max() / 200 + 1e-12
    assert pixels.name == "z, % of the largest"


def test_lists_of_numbers_stand_in_one_line_and_text_stays() -> None:
    kept = {"answer": "−1.0 [−2.0, 3.0], [4.0, 5.0]", "x": [[1.0, 2.5e-7], [-3.0, 10.0]], "empty": []}
    text = kept_text(kept)
    assert json.loads(text) == kept
    assert "[1,2.5e-07]" in text
    assert "[-3,10]" in text
