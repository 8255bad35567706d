"""Faults of the published networks of tables and ratings: a softmax before the loss, and dropout that is left on."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from steepest.data.dataset import Shape
from steepest.rng import torch_stream
from steepest.studies.covertype import FLOOR, NUMBERS, TutorialNet
from steepest.studies.movielens import LeftOn

COVERTYPE = Shape("classification", {"Wilderness_Area": 5, "Soil_Type": 41}, tuple(NUMBERS), 7)
RATINGS = Shape("regression", {"user": 6, "film": 9}, (), 1, bounds=(0.5, 5.0))


def _trained(*, softmax: bool) -> float:
    """Return the loss after 300 steps on 32 rows, which are soon known by heart."""
    with torch_stream(0, "init"):
        net = TutorialNet(COVERTYPE, softmax=softmax)
        codes = torch.stack([torch.randint(1, 5, (32,)), torch.randint(1, 41, (32,))], 1)
        values, target = torch.randn(32, len(NUMBERS)), torch.randint(0, 7, (32,))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(300):
            optimizer.zero_grad()
            cross_entropy(net(codes, values), target).backward()
            optimizer.step()
        net.eval()
        return float(cross_entropy(net(codes, values), target).detach())


def test_a_softmax_before_cross_entropy_stalls_at_its_floor() -> None:
    assert math.log(1 + 6 / math.e) == pytest.approx(FLOOR)
    assert FLOOR <= _trained(softmax=True) < FLOOR + 0.2
    assert _trained(softmax=False) < 0.2


def test_numbers_as_they_are_have_their_units() -> None:
    scaled, raw = (TutorialNet(COVERTYPE, raw=each) for each in (False, True))
    score = torch.ones(len(NUMBERS))
    assert torch.equal(score * scaled.sd + scaled.mean, score)
    assert torch.allclose(score * raw.sd + raw.mean, torch.tensor([sum(each) for each in NUMBERS.values()]))


@pytest.mark.parametrize("beside", ["none", "wide-one-hot", "wide-embedded", "cross"])
def test_every_published_network_gives_probabilities(beside: str) -> None:
    net = TutorialNet(COVERTYPE, beside=beside, softmax=True).eval()
    found = net(torch.tensor([[1, 40], [4, 1]]), torch.zeros(2, len(NUMBERS)))
    assert torch.allclose(found.sum(1), torch.ones(2))


def test_dropout_that_is_left_on_changes_predictions_the_same_way_every_time() -> None:
    with torch_stream(0, "init"):
        net = LeftOn(RATINGS).eval()
        torch.nn.init.normal_(net.users.weight)
        torch.nn.init.normal_(net.items.weight)
    pairs, none = torch.tensor([[1, 2], [3, 4], [5, 8]]), torch.zeros(3, 0)
    once = net(pairs, none)
    assert torch.equal(once, net(pairs, none))
    assert not torch.equal(once, super(LeftOn, net).forward(pairs, none))
