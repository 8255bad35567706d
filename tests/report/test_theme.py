"""The palette can be told apart with any colour vision, and read on its background."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from steepest.export import plots
from steepest.report import theme
from steepest.report.html import own

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "usual": np.eye(3),
    "no green": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "no red": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "no blue": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def luminance(colour: str) -> float:
    return float(linear(colour) @ np.array([0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_lines_of_one_pattern_differ_in_colour(vision: str, mode: int) -> None:
    seen = [lab(VISION[vision] @ linear(pair[mode])) for pair in theme.SERIES]
    for one, other in itertools.combinations(range(len(seen)), 2):
        if theme.dash(one) == theme.dash(other):
            assert np.linalg.norm(seen[one] - seen[other]) > 10, (theme.SERIES[one], theme.SERIES[other])


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_every_series_and_text_has_contrast(mode: int) -> None:
    def contrast(colour: str, ground: str) -> float:
        pair = luminance(colour), luminance(theme.SURFACES[ground][mode])
        light, dark = max(pair), min(pair)
        return (light + 0.05) / (dark + 0.05)

    assert min(contrast(pair[mode], "card") for pair in theme.SERIES) >= 3.0
    for ground in ("card", "page", "sunken"):
        for name, least in (("ink", 7.0), ("soft", 4.5), ("accent", 4.5), ("warn", 4.5), ("faint", 4.5)):
            assert contrast(theme.SURFACES[name][mode], ground) >= least, (name, ground)


def test_of_thirty_series_no_two_look_the_same() -> None:
    looks = {(theme.colour(slot), theme.dash(slot)) for slot in range(30)}
    assert len(looks) == 30
    assert {theme.Style(slot).dash for slot in range(30)} <= plots.DASHES.keys()


@pytest.mark.parametrize("pattern", theme.DASHES[1:])
def test_the_legend_of_the_page_has_every_line_pattern(pattern: str) -> None:
    assert f".stroke.{pattern} {{" in own("report.css")
