"""What is prepared for many steps at once is what each step by itself would be given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.batches import BatchPlan
from steepest.optim import make_rule
from steepest.optim.past import Past
from steepest.optim.tables import RowTables
from steepest.schedules import make_schedule
from steepest.train.dropout import StepDropout
from steepest.train.feed import Feed
from steepest.train.inputs import MOST_BYTES, MOST_ROWS, MOST_STEPS, block, first_places, prepare
from steepest.train.program import Changing, flat_changing, step_of
from tests.train.steps import TABLES, in_float64, problem_of, table

SEED, BATCH = 4, 16


@pytest.fixture(scope="module")
def data():
    return in_float64(table())


@pytest.fixture
def prepared(data):
    """Prepare steps, as many at a time as are given, under a rule."""

    def make(
        text: str, cuts: list[int], tables: tuple[str, ...] = TABLES
    ) -> tuple[list[Changing], RowTables, Any]:
        problem = problem_of(data)
        rule, schedule = make_rule(text), make_schedule("cosine", 40)
        made = RowTables(problem.model, tables, rule, schedule)
        feed = Feed(data.train, BatchPlan(len(data.train), BATCH, SEED), SEED)
        found: list[Changing] = []
        for count in cuts:
            bits = torch.empty(count, 22, dtype=torch.int32)
            steps = prepare(problem, [made.past], made.rows, feed, len(found), count, bits, torch.float64)
            found += [step_of(steps, place, "cpu") for place in range(count)]
        return found, made, feed

    return make


@pytest.mark.parametrize(
    "text", ["adam", "adamw(weight_decay=0.1)", "momentum", "sgd", "rprop", "sgd(weight_decay=0.1)"]
)
@pytest.mark.parametrize("cuts", [[12] * 3, [1] * 36, [5, 31]])
def test_how_many_at_a_time_changes_nothing(prepared, text: str, cuts: list[int]) -> None:
    one, first, _ = prepared(text, [36])
    other, second, _ = prepared(text, cuts)
    for a, b in zip(one, other, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(flat_changing(a), flat_changing(b), strict=True))
    assert all(torch.equal(first.rows[name].last, second.rows[name].last) for name in TABLES)


@pytest.mark.parametrize(
    "text", ["adam", "adamw(weight_decay=0.1)", "momentum", "rmsprop", "sgd(weight_decay=0.1)"]
)
def test_the_numbers_of_a_row_are_those_of_catching_it_up_at_that_step(prepared, text: str) -> None:
    """Against the closed form asked step by step, which the row-wise executor does."""
    steps, tables, _ = prepared(text, [36])
    rule = make_rule(text)
    past = Past(rule, make_schedule("cosine", 40))
    last = {name: torch.zeros_like(rows.last) for name, rows in tables.rows.items()}
    for number, each in enumerate(steps):
        for name, touched in each.touched.items():
            form = past.form
            assert form is not None
            before = last[name][touched.ids].numpy()
            expected = form.columns(form.known(before), before, number)
            assert np.array_equal(touched.columns.numpy(), expected)
            last[name][touched.ids] = number + 1
        assert each.coefficients.tolist() == list(past.extend().values())
    assert all(torch.equal(last[name], rows.last) for name, rows in tables.rows.items())


def test_batches_and_masks_are_those_of_the_eager_step(prepared) -> None:
    steps, _, feed = prepared("adam", [36])
    for number, each in enumerate(steps):
        expected = feed.batch(number)
        assert torch.equal(each.batch.target, expected.target)
        assert all(torch.equal(a, b) for a, b in zip(each.batch.inputs, expected.inputs, strict=True))
        mode = StepDropout(SEED, number)
        assert torch.equal(each.bits[:20], mode.draw(20).int())
        for column, touched in enumerate(each.touched.values()):
            assert torch.equal(touched.ids, expected.inputs[0][:, column])


def test_a_steps_tensors_are_its_own(prepared) -> None:
    """A compiled program reads memory as its example lay: dense, and not that of the next step."""
    steps, _, _ = prepared("adam", [36])
    for each in steps:
        assert all(tensor.is_contiguous() for tensor in flat_changing(each))
    kept = [tensor.clone() for tensor in flat_changing(steps[1])]
    for tensor in flat_changing(steps[0]):
        tensor.zero_()
    assert all(torch.equal(a, b) for a, b in zip(kept, flat_changing(steps[1]), strict=True))


@pytest.mark.parametrize("row_bytes", [0, 100, 784, 224 * 224 * 3])
@pytest.mark.parametrize("batch_size", [1, 64, 1_000, 4_096, 65_536, 10**6])
def test_a_block_is_bounded(batch_size: int, row_bytes: int) -> None:
    found = block(batch_size, row_bytes=row_bytes)
    assert 1 <= found <= MOST_STEPS
    assert found == 1 or found * batch_size <= MOST_ROWS
    assert found == 1 or found * batch_size * row_bytes <= MOST_BYTES


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 9).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, 6), min_size=size, max_size=size), min_size=1, max_size=5)
))  # fmt: skip
def test_first_places(ids: list[list[int]]) -> None:
    found = first_places(np.array(ids))
    assert found.tolist() == [[each.index(value) for value in each] for each in ids]
