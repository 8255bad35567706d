"""What a slice shows, in sentences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steepest.landscape.plane import Plane
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
