"""What the studies of a lecture on training measure: ranges of good rates, gradients, sparse features, schedules."""

from __future__ import annotations

import math
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from steepest.data.dataset import InputField, Part, Shape
from steepest.models import build_model
from steepest.schedules import make_schedule
from steepest.studies.annealing import SCHEDULES
from steepest.studies.base.found import Gap, times
from steepest.studies.base.gradients import (
    END,
    START,
    BatchScatter,
    GradientByBlock,
    bias_of,
    norm_of,
    variance_of,
)
from steepest.studies.base.lecture import (
    cut_off,
    decades,
    highest,
    known,
    lowest,
    net_text,
)
from steepest.studies.base.rates import GUESS, by_rate, good_range
from steepest.studies.batch_size_time import crossing
from steepest.studies.optimizers import PatchPatterns

IMAGE = Shape("classification", {}, (), 3, (InputField("image", "image", (1, 7, 7)),))


def test_a_good_range_ends_where_the_line_between_two_rates_does():
    losses = {0.001: 2.0, 0.01: 0.4, 0.1: 0.2, 1.0: 0.25, 10.0: math.inf}
    found = good_range(losses, 0.3)
    assert found is not None
    fine = np.linspace(-3, 1, 400_001)
    line = np.interp(fine, [-3, -2, -1, 0, 1], [2.0, 0.4, 0.2, 0.25, GUESS])
    good = fine[line <= 0.3]
    assert found == pytest.approx((good[0], good[-1]), abs=1e-4)
    assert good_range(losses, 0.1) is None
    assert good_range({0.1: 0.2, 1.0: 1.0, 10.0: 0.2}, 0.3) == pytest.approx(
        (-1.0, -0.875)
    )  # around the best


def _swept(**losses: dict[float, list[float]]) -> Any:
    """Return what looks like the numbers of a study, with the losses of every seed by arm and rate."""
    rates = [
        SimpleNamespace(
            name=arm, sweep=[SimpleNamespace(lr=lr, values=values) for lr, values in some.items()]
        )
        for arm, some in losses.items()
    ]
    return SimpleNamespace(comparisons={"": SimpleNamespace(rates=rates)})


def test_a_net_that_has_not_learned_has_no_good_rate_and_another_may_set_the_standard():
    flat = [2.2, 2.3]
    found = _swept(
        stuck={0.01: flat, 0.1: flat, 1.0: flat},
        worse={0.01: [0.8, 0.9], 0.1: [0.8, 0.8], 1.0: [0.8, math.nan]},
        best={0.01: [0.4, 0.4], 0.1: [0.2, 0.2], 1.0: [math.nan, 2.0]},
    )
    assert decades(found, "stuck") == [0.0, 0.0]
    assert all(map(math.isnan, highest(found, "stuck")))
    assert decades(found, "worse")[0] == 2.0
    assert 1.0 < decades(found, "worse")[1] < 1.3
    assert decades(found, "worse", ["best"]) == [0.0, 0.0]
    assert lowest(found, "best") == [0.2, 0.2]
    assert cut_off(found, "worse")
    assert not cut_off(found, "best")


def test_a_figure_by_rate_leaves_out_rates_at_which_a_seed_failed():
    found = _swept(net={0.01: [0.5, 0.7], 0.1: [0.2, math.nan], 1.0: [0.3, math.inf]})
    for each in found.comparisons[""].rates[0].sweep:
        each.mean = min(each.values)
    [line] = by_rate(found, ["net"]).lines
    assert (line.x, line.low, line.high) == ([0.01], [0.5], [0.7])


def test_a_difference_that_no_seed_has_is_not_known():
    assert known([math.nan, 1.0], [1.0, 2.0]) == ([1.0], [2.0])
    none = Gap(math.nan, math.nan, math.nan, 0)
    assert none.text() == times(none) == "not known, as runs failed"
    assert Gap(0.01, math.nan, math.nan, 1).text() == "1.0 points with one seed"


def test_a_scaled_start_is_torchs_times_the_scale():
    for norm in (False, True):
        one, three = (
            build_model(net_text((5, 4), norm=norm, dropout=0.5, scale=scale), IMAGE, seed=2)
            for scale in (1, 3)
        )
        plain = build_model(
            f"mlp(hidden=[5,4]{', norm=batch' if norm else ''}, activation=relu)", IMAGE, seed=2
        )
        for (name, first), second, third in zip(
            plain.named_parameters(), one.parameters(), three.parameters(), strict=True
        ):
            assert torch.equal(first, second)
            scaled = first.dim() == 2
            assert torch.equal(first * (3 if scaled else 1), third), name


class Seen:
    """What a callback sees of the end of a reported run."""

    def __init__(self, model: torch.nn.Module, rows: Part, phase: str = "final") -> None:
        self._model, self._rows = model, rows
        self.key = SimpleNamespace(phase=phase, seed=1)
        self.logged: dict[str, float] = {}

    def model(self) -> torch.nn.Module:
        return self._model

    def training_rows(self) -> Part:
        return self._rows

    def log(self, name: str, value: float) -> None:
        self.logged[name] = value


def _rows(count: int = 200) -> Part:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(count, 1, 7, 7, generator=draw)
    return Part((x,), (x.flatten(1)[:, :3] + torch.randn(count, 3, generator=draw)).argmax(1))


@pytest.mark.parametrize("norm", [False, True])
def test_gradients_of_batches_are_unbiased_without_batch_norm_and_scatter_as_one_over_the_size(norm: bool):
    sizes = [4, 16, 50]
    seen = Seen(build_model(net_text((20,), norm=norm, dropout=0.5), IMAGE, seed=0), _rows())
    BatchScatter(sizes).at_end(seen)  # type: ignore[arg-type]
    variance = [seen.logged[variance_of(each)] for each in sizes]
    bias = [seen.logged[bias_of(each)] for each in sizes]
    if norm:
        assert bias[0] > 2
    else:
        assert np.mean(bias) == pytest.approx(1, abs=0.35)
        assert np.polyfit(np.log(sizes), np.log(variance), 1)[0] == pytest.approx(-1, abs=0.15)
    trial = Seen(seen.model(), _rows(), "scan")
    BatchScatter(sizes).at_end(trial)  # type: ignore[arg-type]
    assert not trial.logged


def test_gradients_by_block_are_those_of_backward():
    net, rows = build_model("residual-mlp(hidden=[6,6,6])", IMAGE, seed=0), _rows(40)
    torch.nn.functional.cross_entropy(net(*rows.inputs), rows.target).backward()
    right = [float(each.second.weight.grad.norm()) for each in net.blocks]  # type: ignore[union-attr, operator]
    seen = Seen(net, rows)
    GradientByBlock().at_begin(seen)  # type: ignore[arg-type]
    assert [seen.logged[norm_of(block, START)] for block in (1, 2, 3)] == pytest.approx(right)
    GradientByBlock().at_end(seen)  # type: ignore[arg-type]
    assert norm_of(3, END) in seen.logged


@pytest.mark.parametrize("stride", [1, 3])
def test_features_are_the_patterns_of_patches(stride: int):
    net = PatchPatterns(IMAGE, stride=stride)
    images = torch.randn(5, 1, 7, 7, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        net.weight.copy_(torch.randn(net.weight.shape, generator=torch.Generator().manual_seed(4)))
    for image, found in zip(images, net(images), strict=True):
        assert torch.allclose(found, _by_patch(net, image[0], stride), atol=1e-5)


def _by_patch(net: PatchPatterns, image: Tensor, stride: int) -> Tensor:
    places = [*product(range(0, 5, stride), repeat=2)]
    total = torch.zeros(3)
    for place, (top, left) in enumerate(places):
        code = sum(
            2 ** (3 * i + j) for i, j in product(range(3), repeat=2) if float(image[top + i, left + j]) > 0
        )
        total = total + net.weight[512 * place + code]
    return total


def test_schedules_are_the_published_ones_by_epoch():
    published = (
        lambda e: 1.0,
        lambda e: max(1e-7, 1 - 0.1 * e),
        lambda e: (e + 1) ** -0.5,
        lambda e: 0.1**e,
    )
    steps = 7 * 10
    for text, formula in zip(SCHEDULES.values(), published, strict=True):
        made = make_schedule(text, steps)
        assert [made(step) for step in range(steps)] == pytest.approx(
            [formula(step // 7) for step in range(steps)]
        )


def test_time_to_a_value_is_between_evaluations():
    assert crossing([(0, 0.95)], 0.9) == 0.0
    assert crossing([(0, 0.0), (4, 0.5), (8, 1.0)], 0.75) == 6.0
    assert math.isnan(crossing([], 0.5))
