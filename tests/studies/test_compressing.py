"""Networks made smaller after training: what they store predicts as they do, and is as exact as it can be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from steepest.data.dataset import InputField, Shape
from steepest.models import build_model
from steepest.studies.base.compressing import OnComponents, low_rank, quantised
from steepest.studies.base.found import Gap
from steepest.studies.compression import MARGIN, _group, _on_components
from steepest.train.smaller import written_sizes

PIXELS = 50
SHAPE = Shape("classification", {}, ("x",), 3, (InputField("x", "values", (PIXELS,)),))
MODEL = "mlp(hidden=(20, 12))"
LAYERS = ("layers.0.weight", "layers.2.weight", "layers.4.weight")


def net_and_rows() -> tuple[nn.Module, torch.Tensor]:
    net = build_model(MODEL, SHAPE, seed=3)
    return net, torch.randn(40, PIXELS, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("by_channel", [False, True])
def test_whole_numbers_with_scales_are_the_weights_to_half_a_step(by_channel: bool) -> None:
    net, _ = net_and_rows()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    made = quantised(net, by_channel=by_channel)
    for name in LAYERS:
        weight = before[name].double().numpy()
        whole, scale = made.stored[name].double().numpy(), made.stored[f"{name}.scale"].double().numpy()
        assert made.stored[name].dtype == torch.int8
        assert len(scale) == (len(weight) if by_channel else 1)
        largest = np.abs(weight).max(1) if by_channel else np.abs(weight).max()
        np.testing.assert_allclose(scale, np.reshape(largest / 127, -1), rtol=1e-6)
        steps = np.abs(weight / scale[:, None] - whole)
        assert 0 < steps.max() <= 0.5 + 1e-4
        restored = made.net.state_dict()[name].double().numpy()
        np.testing.assert_allclose(restored, whole * scale[:, None], rtol=1e-6)
    assert all(torch.equal(before[name], each) for name, each in net.state_dict().items())
    size, full = (written_sizes(each)[0] for each in (made.stored, before))
    assert size < full / 2  # a quarter, and the header of the file


def test_a_neuron_whose_weights_are_0_stays_so() -> None:
    net = nn.Linear(4, 2)
    with torch.no_grad():
        net.weight[0] = 0.0
    made = quantised(net, by_channel=True)
    assert made.stored["weight"][0].tolist() == [0] * 4
    assert torch.isfinite(made.net.state_dict()["weight"]).all()


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_low_rank_is_the_best_one_and_no_larger_than_its_share(share: float) -> None:
    net, rows = net_and_rows()
    made = low_rank(net, share)
    count = sum(each.numel() for each in net.state_dict().values())
    assert sum(each.numel() for each in made.stored.values()) <= share * count
    for name in LAYERS[:-1]:
        weight = net.state_dict()[name].double().numpy()
        if name in made.stored:
            continue
        place = name.removesuffix(".weight")
        first, second = (made.stored[f"{place}.{i}.weight"].double().numpy() for i in (0, 1))
        left = np.linalg.svd(weight, compute_uv=False)[len(first) :]
        assert np.linalg.norm(weight - second @ first) == pytest.approx(np.linalg.norm(left), rel=1e-4)
    assert torch.equal(made.stored[LAYERS[-1]], net.state_dict()[LAYERS[-1]])
    assert made.net(rows).shape == (40, 3)


def test_a_share_of_everything_leaves_a_network_as_it_is() -> None:
    net, rows = net_and_rows()
    made = low_rank(net, 1.0)
    assert torch.allclose(made.net(rows), net(rows), atol=1e-5)


def test_components_are_those_of_the_first_batch_and_stay() -> None:
    _, rows = net_and_rows()
    net = OnComponents(SHAPE, components=4, hidden=(8,))
    net.train()(rows)
    centred = (rows - rows.mean(0)).double().numpy()
    _, s, v = np.linalg.svd(centred, full_matrices=False)
    scores = nn.functional.linear(rows, net.directions, net.offset).double().numpy()
    right = centred @ v[:4].T / s[:4] * math.sqrt(len(rows) - 1)
    np.testing.assert_allclose(np.abs(scores), np.abs(right), atol=1e-4)
    kept = net.directions.clone()
    net(rows * 2 + 1)
    net.eval()(rows - 1)
    assert torch.equal(net.directions, kept)


def test_components_that_are_not_there_are_0() -> None:
    rows = torch.randn(3, PIXELS, generator=torch.Generator().manual_seed(0))
    net = OnComponents(SHAPE, components=6, hidden=(8,))
    assert torch.isfinite(net.train()(rows)).all()
    assert (net.directions.abs().sum(1) > 0).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("part", [4, 8, 16])
def test_a_network_on_components_has_its_part_of_the_numbers(part: int) -> None:
    shape = Shape("classification", {}, ("x",), 3, (InputField("x", "values", (784,)),))
    dense = 784 * 124 + 124 + 124 * 64 + 64 + 64 * 3 + 3
    own = build_model(_on_components(shape, part), shape)
    numbers = sum(each.numel() for each in own.state_dict().values())
    assert 0.8 * dense / part < numbers <= dense / part


def test_a_loss_is_excluded_only_by_an_interval() -> None:
    assert _group(Gap(-0.001, -0.9 * MARGIN, 0.01, 5)) == "safe"
    assert _group(Gap(-0.001, -1.1 * MARGIN, 0.01, 5)) == "open"
    assert _group(Gap(-0.05, -0.08, -0.02, 5)) == "worse"
    assert _group(Gap(0.0, math.nan, math.nan, 5)) == "safe"
