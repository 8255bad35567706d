"""Dropout masks: the right share is kept, steps are independent, and an eager step has those of a compiled one."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steepest.train.dropout import LEVELS, SeededDropout, StepDropout, masked, random_bits, source


@pytest.mark.parametrize("p", [0.0, 1e-4, 0.1, 0.5, 0.9, 0.9999, 1.0])
def test_every_level_of_the_bits_once_keeps_exactly_the_share(p: float) -> None:
    bits = torch.arange(-LEVELS // 2, LEVELS // 2).to(torch.int16)
    found = masked(torch.ones(LEVELS, dtype=torch.float64), bits, p)
    assert int((found == 0).sum()) == round(p * LEVELS)
    if p < 1:
        assert float(found.mean()) == pytest.approx(1.0, abs=1e-12)
        assert len(torch.unique(found[found > 0])) == 1


def test_dropping_all_gives_zeros_with_a_gradient() -> None:
    value = torch.ones(3, requires_grad=True)
    masked(value, torch.zeros(3, dtype=torch.int16), 1.0).sum().backward()
    assert value.grad is not None
    assert value.grad.tolist() == [0.0, 0.0, 0.0]


def draws(seed: int, step: int, count: int) -> torch.Tensor:
    return random_bits(source(seed, step), count).double() / LEVELS


@pytest.mark.parametrize(
    ("first", "second"), [((0, 5), (0, 6)), ((0, 5), (1, 5)), ((0, 0), (0, 1)), ((7, 1), (1, 7))]
)
def test_steps_and_seeds_are_independent(first: tuple[int, int], second: tuple[int, int]) -> None:
    n = 20_000
    a, b = draws(*first, n), draws(*second, n)
    assert float(torch.corrcoef(torch.stack([a, b]))[0, 1]) == pytest.approx(0.0, abs=4 / math.sqrt(n))
    assert not torch.equal(a, b)


def test_the_bits_are_uniform() -> None:
    found = draws(3, 11, 160_000)
    counts = torch.histc(found, bins=64, min=-0.5, max=0.5)
    chi_square = float(((counts - 2_500) ** 2 / 2_500).sum())
    assert 63 - 4.5 * math.sqrt(126) < chi_square < 63 + 4.5 * math.sqrt(126)
    shifted = torch.corrcoef(torch.stack([found[:-1], found[1:]]))[0, 1]
    assert float(shifted) == pytest.approx(0.0, abs=4 / math.sqrt(160_000))


def test_the_kept_share_over_many_steps() -> None:
    kept = sum(float((_dropped(step) != 0).double().mean()) for step in range(200)) / 200
    assert kept == pytest.approx(0.7, abs=4.5 * math.sqrt(0.21 / (200 * 500)))


def _dropped(step: int) -> torch.Tensor:
    with StepDropout(0, step):
        return F.dropout(torch.ones(500), 0.3)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 63, 64, 65])
def test_each_call_begins_at_the_next_four_numbers(count: int) -> None:
    """A compiled step cuts one stretch of numbers into the stretches of its calls."""
    whole = random_bits(source(1, 2), 4 * 40)
    one = source(1, 2)
    first, second = random_bits(one, count), random_bits(one, 8)
    assert torch.equal(first, whole[:count])
    begin = -(-count // 4) * 4
    assert torch.equal(second, whole[begin : begin + 8])


def test_only_dropout_is_replaced_and_only_in_training() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5), nn.Dropout(0.0))
    x = torch.ones(2, 3)
    with SeededDropout(lambda count: torch.full((count,), -LEVELS // 2, dtype=torch.int16)) as seen:
        assert bool((net(x) == 0).all())
        assert torch.equal(net.eval()(x), net[0](x))
        F.dropout(x, 0.5, False)
        F.dropout(input=x, p=0.25, training=True)
    assert seen.counts == [10, 6]
    assert torch.equal(net.eval()(x), net[0](x))


def test_the_default_of_the_function_is_torchs() -> None:
    with SeededDropout(lambda count: torch.zeros(count, dtype=torch.int16)):
        assert F.dropout(torch.ones(2)).tolist() == [2.0, 2.0]


def test_the_global_generator_is_not_touched() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with StepDropout(0, 1):
        F.dropout(torch.ones(100), 0.5)
    assert torch.equal(torch.rand(3), expected)


def test_gradients_go_through_the_mask() -> None:
    value = torch.ones(400, dtype=torch.float64, requires_grad=True)
    with StepDropout(0, 3):
        found = F.dropout(value, 0.25)
    found.sum().backward()
    assert value.grad is not None
    assert torch.equal(value.grad, found.detach())
