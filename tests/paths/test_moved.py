"""How weights moved: ratios, angles and distances are those of the kept points, and what is not known is not drawn."""

from __future__ import annotations

import math

import pytest
import torch

from steepest.compare.moved import arm_path
from steepest.compare.result import Comparison
from steepest.paths.kept import KeptPath
from steepest.report import render_html
from steepest.report.moved import sentences
from tests.report.example import smallest

STEPS = (0, 5, 15, 20)
W = torch.tensor(
    [[[3.0, 0.0], [0.0, 4.0]], [[3.0, 1.0], [0.0, 4.0]], [[3.0, 1.0], [2.0, 4.0]], [[3.0, 0.0], [2.0, 4.0]]]
)
B = torch.tensor([[0.0], [1.0], [2.0], [2.0]])
PATH = KeptPath(STEPS, ("w", "b"), ((2, 2), (1,)), {"w": W, "b": B})


def comparison(*paths) -> Comparison:
    """A comparison whose arm is called sgd."""
    return smallest().model_copy(update={"paths": list(paths)})


def test_ratios_angles_and_distances_are_those_of_the_points() -> None:
    found = arm_path("sgd", 3, PATH)
    assert found is not None
    weight, bias = found.layers
    assert weight.ratio == pytest.approx([1 / 5 / 5, 2 / 10 / math.sqrt(26), 1 / 5 / math.sqrt(30)])
    assert math.isnan(bias.ratio[0])  # its norm was 0
    assert bias.ratio[1:] == pytest.approx([1 / 10 / 1, 0])
    assert found.distance == pytest.approx([0, math.sqrt(2), math.sqrt(9), math.sqrt(8)])
    assert found.start == 5
    # ways (1 of w, 1 of b), (2 of w, 1 of b), (−1 of w)
    assert found.turn[1] == pytest.approx(math.degrees(math.acos(1 / math.sqrt(10))))
    assert found.turn[2] == pytest.approx(90)
    assert 0 < found.explained <= 1
    assert 0 < found.walk <= 1


def test_paths_that_show_nothing_have_no_card() -> None:
    still = KeptPath(STEPS, ("b",), ((1,),), {"b": torch.ones(4, 1)})
    lost = KeptPath(STEPS, ("b",), ((1,),), {"b": torch.tensor([[0.0], [1.0], [math.nan], [2.0]])})
    short = KeptPath(STEPS[:2], ("b",), ((1,),), {"b": B[:2]})
    assert [arm_path("sgd", 0, each) for each in (still, lost, short)] == [None, None, None]
    page = render_html(comparison())
    assert 'id="moved"' not in page
    assert 'href="#moved"' not in page


def test_a_projected_path_has_lengths_and_angles_and_no_layers() -> None:
    path = KeptPath(STEPS, ("w",), ((50_000,),), coordinates=torch.eye(4, 2_000, dtype=torch.float64))
    found = arm_path("sgd", 0, path)
    assert found is not None
    assert not found.layers
    assert not found.exact
    assert "layers" not in sentences(comparison(found))
    page = render_html(comparison(found))
    assert 'id="moved"' in page
    assert 'id="moved-layers"' not in page
    assert "right within some percent" in page


def test_sentences_say_what_the_figures_show() -> None:
    found = arm_path("sgd", 0, PATH)
    assert found is not None
    said = sentences(comparison(found))
    assert (
        said["layers"] == "At the end a step moves w by 3.7 % of its norm, the most, and b by 0 %, the least."
    )
    assert said["distance"].startswith(
        "sgd ended 2.83 from where it began, 0.566 times the norm of its first weights"
    )
    assert "turned by 81° in the median" in said["turn"]
    hidden = found.model_copy(update={"explained": 0.5, "walk": 0.76})
    assert sentences(comparison(hidden))["distance"].endswith(
        "of a random walk 76%: most of the path is in no plane."
    )
