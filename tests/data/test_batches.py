"""Batches: pure in (seed, step), full, and every row equally often in the long run."""

from __future__ import annotations

import pytest
import torch

from steepest.data.batches import BatchPlan, epoch_order
from steepest.errors import OptionError

PLANS = [(10, 4), (64, 64), (5, 64), (1000, 32), (1, 1), (7, 2)]


@pytest.mark.parametrize(("rows", "size"), PLANS)
def test_an_epoch_has_full_batches_of_different_rows(rows: int, size: int) -> None:
    plan = BatchPlan(rows, size, seed=1)
    for epoch in range(3):
        steps = range(epoch * plan.batches_per_epoch, (epoch + 1) * plan.batches_per_epoch)
        batches = [plan.indices(step) for step in steps]
        assert {len(each) for each in batches} == {min(rows, size)}
        seen = torch.cat(batches)
        assert len(seen.unique()) == len(seen) > rows - size
        assert 0 <= int(seen.min()) <= int(seen.max()) < rows


def test_a_step_does_not_depend_on_what_was_asked_before() -> None:
    one, other = BatchPlan(100, 8, seed=2), BatchPlan(100, 8, seed=2)
    forward = [one.indices(step) for step in range(40)]
    backward = [other.indices(step) for step in reversed(range(40))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forward, backward, strict=True))
    assert not torch.equal(BatchPlan(100, 8, seed=3).indices(0), forward[0])


def test_the_rows_left_out_differ_between_epochs() -> None:
    plan = BatchPlan(10, 4, seed=0)
    left_out = set()
    for epoch in range(20):
        seen = torch.cat([plan.indices(2 * epoch), plan.indices(2 * epoch + 1)])
        left_out |= set(range(10)) - set(seen.tolist())
    assert left_out == set(range(10))


def test_the_order_is_a_permutation() -> None:
    assert torch.equal(epoch_order(50, 0, 3).sort().values, torch.arange(50))
    assert epoch_order(50, 0, 3).dtype == torch.int64


@pytest.mark.parametrize("make", [lambda: BatchPlan(10, 0, 0), lambda: BatchPlan(0, 4, 0)])
def test_no_empty_batches(make: object) -> None:
    with pytest.raises(OptionError, match="0"):
        make()  # type: ignore[operator]
