"""Row-wise execution by replay is the dense run, bit for bit, for every element-wise rule of the table."""

from __future__ import annotations

import io

import pytest
import torch

from steepest.errors import OptionError
from steepest.optim import make_rule
from steepest.optim.rows import RowTable, summed_by_row
from steepest.rng import stream
from tests.optim.cases import CASES, Case

ELEMENTWISE = [case for case in CASES if case.rule.couples == "element"]
V, D, STEPS = 11, 5, 24


def schedule(step: int) -> float:
    return 1.0 / (1.0 + 0.1 * step)


def batches(dtype: torch.dtype) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
    """Return a table and, for each step, the rows that are touched and their gradients; row 10 never is."""
    draw = stream(5, "data", 12)
    found = []
    for step in range(STEPS):
        count = 0 if step == 7 else int(draw.integers(1, 4))
        ids = torch.from_numpy(draw.choice(V - 1, count, replace=False))
        found.append((ids, torch.from_numpy(draw.standard_normal((count, D))).to(dtype)))
    return torch.from_numpy(draw.standard_normal((V, D))).to(dtype), found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", ELEMENTWISE, ids=lambda case: case.id)
def test_rows_are_the_dense_run(case: Case, dtype: torch.dtype) -> None:
    start, given = batches(dtype)
    dense = torch.nn.Parameter(start.clone())
    optimizer = case.rule.optimizer([dense], schedule=schedule)
    rows = RowTable(case.rule, start, schedule=schedule, closed_form=False)
    assert rows.executor == ("nothing to do" if case.rule.idle == "still" else "replay")
    for ids, grad in given:
        assert torch.equal(rows.read(ids), dense.detach()[ids])
        dense.grad = torch.zeros_like(dense).index_copy(0, ids, grad).detach()
        optimizer.step()
        rows.update(ids, grad)
    param, slots = rows.whole()
    assert torch.equal(param, dense)
    for name, value in slots.items():
        assert torch.equal(value, optimizer.state[dense][name]), name
    assert torch.equal(rows.evaluation_weight(), optimizer.evaluation_parameters()[dense])
    if case.rule.idle == "moves":
        assert bool((rows.last < STEPS).any()), "no row lags, so nothing was tested"


@pytest.mark.parametrize(
    "text",
    ["adam", "adamw", "momentum", "sgd(weight_decay=0.1)", "nadam", "schedule-free-adamw", "quickprop"],
)
def test_reading_writes_nothing_and_a_saved_run_goes_on(text: str) -> None:
    start, given = batches(torch.float32)
    plain, curious = (RowTable(make_rule(text), start, schedule=schedule) for _ in range(2))
    for number, (ids, grad) in enumerate(given):
        plain.update(ids, grad)
        curious.update(ids, grad)
        curious.whole()
        curious.read(torch.arange(V))
        if number == STEPS // 2:
            file = io.BytesIO()
            torch.save(curious.state_dict(), file)
            file.seek(0)
            curious = RowTable(make_rule(text), start, schedule=schedule)
            curious.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(plain.weight, curious.weight)
    assert torch.equal(plain.last, curious.last)
    assert torch.equal(plain.whole()[0], curious.whole()[0])


def test_repeated_ids_are_summed_as_the_embedding_does() -> None:
    table = torch.nn.Embedding(6, 3)
    ids = torch.tensor([4, 1, 4, 4, 0, 1])
    weights = torch.arange(18.0).reshape(6, 3)
    (table(ids) * weights).sum().backward()
    distinct, grad = summed_by_row(ids, weights)
    assert torch.equal(table.weight.grad[distinct], grad)
    assert distinct.tolist() == [0, 1, 4]


@pytest.mark.parametrize(
    ("make", "fact", "hint"),
    [
        (lambda rows: RowTable(make_rule("muon"), torch.zeros(3, 2)), "muon couples", "element-wise"),
        (lambda rows: RowTable(make_rule("adam"), torch.zeros(3)), "(3,)", "[V, D]"),
        (lambda rows: rows.update(torch.tensor([1, 1]), torch.zeros(2, 2)), "not distinct", "summed_by_row"),
        (lambda rows: rows.update(torch.tensor([1]), torch.zeros(2, 2)), "(2, 2)", "for each id"),
        (lambda rows: rows.update(torch.tensor([3]), torch.zeros(1, 2)), "3 rows", "from 0"),
        (lambda rows: rows.read(torch.tensor([-1])), "-1", "from 0"),
    ],
)
def test_mistakes_are_named_with_their_cure(make, fact: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        make(RowTable(make_rule("adam"), torch.zeros(3, 2)))
    assert fact in caught.value.fact
    assert hint in caught.value.hint
