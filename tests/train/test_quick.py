"""Rows caught up for evaluation by a traced closed form, against the eager one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from steepest.optim import make_rule
from steepest.optim.rows import Quick, RowTable
from steepest.rng import stream
from steepest.train.program import trace_closed_form

MOVING = ["adam", "adamw(lr=0.01, weight_decay=0.1)", "momentum", "nesterov", "sgd(weight_decay=0.1)"]


def lagging(text: str) -> RowTable:
    draw = stream(3, "data", 7)
    rows = RowTable(make_rule(text), torch.from_numpy(draw.standard_normal((11, 3))))
    for _ in range(40):
        ids = torch.from_numpy(np.unique(draw.integers(0, 11, 2)))
        rows.update(ids, torch.from_numpy(draw.standard_normal((len(ids), 3))))
    return rows


def quick(rows: RowTable, count: int, calls: list[int]) -> Quick:
    form = rows.past.form
    assert form is not None
    none = np.zeros(count, dtype=np.int64)
    columns = torch.from_numpy(form.columns(form.known(none), none, 0))
    traced = trace_closed_form(form, rows.weight[:1].expand(count, 3), rows.slots, columns)

    def run(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        calls.append(len(tensors[0]))
        return [traced.graph(*tensors)]

    return Quick(count, run)


@pytest.mark.parametrize("count", [1, 4, 11, 16])
@pytest.mark.parametrize("text", MOVING)
def test_pieces_of_one_size_give_what_the_eager_form_gives(text: str, count: int) -> None:
    rows, calls = lagging(text), []
    ids = torch.tensor([10, 3, 0, 7, 5])
    wanted, whole = rows.evaluation_rows(ids), rows.evaluation_weight()
    rows.quick = quick(rows, count, calls)
    assert torch.allclose(rows.evaluation_rows(ids), wanted, rtol=1e-12, atol=0)
    assert torch.allclose(rows.evaluation_weight(), whole, rtol=1e-12, atol=0)
    assert set(calls) == {count}
    assert not torch.equal(wanted, rows.weight[ids]), "nothing lagged, so nothing was tested"


def test_a_frozen_copy_is_caught_up_the_same_way() -> None:
    rows, calls = lagging("adam"), []
    rows.quick = quick(rows, 4, calls)
    copy = rows.frozen()
    calls.clear()
    assert torch.equal(copy.evaluation_weight(), rows.evaluation_weight())
    assert calls == [4] * 6
    assert dataclasses.is_dataclass(copy.quick)


def test_no_rows_need_nothing() -> None:
    rows, calls = lagging("adam"), []
    rows.quick = quick(rows, 4, calls)
    assert rows.evaluation_rows(torch.tensor([], dtype=torch.int64)).shape == (0, 3)
    assert calls == []
