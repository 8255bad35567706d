"""What a slice shows, in sentences."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from steepest.landscape.numbers import Slice
from steepest.landscape.plane import Plane, Trail
from steepest.landscape.said import Said, remarks, sentence

SIDE = np.array([-1.0, 0.0, 1.0])
PLANE = Plane.through({"w": torch.zeros(3)}, torch.ones(3), torch.ones(3), how="along two directions")


@pytest.mark.parametrize(
    ("low", "says"),
    [
        (2.0, "is 1 at its weights, lower than anywhere on the grid, and rises up to 3."),
        (1.0, "is 1 at its weights, as low as anywhere on the grid, and rises up to 3."),
        (0.99999, "is 1 at its weights, as low as anywhere on the grid, and rises up to 3."),
        (0.5, "is 1 at its weights, 0.5 at the lowest point of the grid (1, −1), and rises up to 3."),
    ],
)
def test_where_the_loss_is_lowest(low, says):
    losses = np.full((3, 3), 3.0)
    losses[0, 2] = low
    said = Said("squared error", 10, 10, "train")
    found = sentence("adam, seed 0", PLANE, SIDE, SIDE, losses, 1.0, said)
    assert found == f"Around adam, seed 0 the squared error on 10 training rows {says}"


@pytest.mark.parametrize(
    ("others", "corner", "centre", "says"),
    [
        (
            np.inf,
            np.inf,
            1.0,
            "is 1 at its weights and not finite anywhere else on the grid: a smaller --span",
        ),
        (
            np.nan,
            np.nan,
            1.0,
            "is 1 at its weights and not finite anywhere else on the grid: a smaller --span",
        ),
        (np.nan, np.inf, np.inf, "is infinite at its weights and not finite anywhere else on the grid"),
        (1.0, 1.0, 1.0, "is 1 at its weights and the same anywhere on the grid: a larger --span"),
        (
            1.0,
            np.inf,
            1.0,
            "is 1 at its weights, as low as anywhere on the grid, and rises beyond all numbers.",
        ),
        (
            3.0,
            np.nan,
            np.nan,
            "is not a number at its weights, 3 at the lowest point of the grid (0, −1), and rises",
        ),
    ],
)
def test_losses_that_are_infinite_or_equal_are_said_to_be(others, corner, centre, says):
    losses = np.full((3, 3), others)
    losses[1, 1], losses[0, 0] = centre, corner
    found = sentence("adam, seed 0", PLANE, SIDE, SIDE, losses, centre, Said("loss", 10, 10, "train"))
    assert f"on 10 training rows {says}" in found


@pytest.mark.parametrize(
    ("ends", "middle", "says"),
    [
        ((1.0, 2.0), np.inf, "from 1 to 2, over a barrier beyond all numbers at 0.5 of the way."),
        ((1.0, 2.0), np.nan, "from 1 to 2, over a barrier beyond all numbers at 0.5 of the way."),
        ((np.inf, 2.0), 3.0, "from infinite to 2, so no barrier can be measured."),
        ((2.0, 2.0), 2.0, "from 2 to 2 without a barrier between them."),
    ],
)
def test_a_line_over_infinite_losses_says_so_and_can_be_written(ends, middle, says):
    trails = (Trail("a", np.zeros((1, 2))), Trail("b", np.array([[1.0, 0.0]])))
    line = Plane.through({"w": torch.zeros(3)}, torch.ones(3), trails=trails)
    along, losses = np.array([0.0, 0.5, 1.0]), np.array([[ends[0], middle, ends[1]]])
    found = Slice("a", line, along, np.zeros(1), losses, ends[0], Said("loss", 10, 10, "train"))
    assert found.sentence.endswith(says)
    json.dumps(found.as_json(), allow_nan=False)


def test_what_limits_a_slice_is_said():
    losses = np.array([[1.0, np.nan], [np.inf, 2.0]])
    said = Said("squared error", 10, 50, "validation", "held", 7, True, True, True)
    [how, lost, *_] = remarks(PLANE, losses, said)
    for part in (
        "10 of 50 validation rows, a sample by the split seed 7",
        "weighted by class",
        "held at every point",
    ):
        assert part in how
    assert "penalties are left out" in how
    assert "standard scores" in how
    assert lost.startswith("At 2 of 4 points")
