"""Vectors and biases of users and items, updated by rows, are those of dense steps; what is new stays at zero."""

from __future__ import annotations

import pytest
import torch

from steepest.data.sources.opening import open_source
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.train.loop import train
from steepest.train.problem import table_columns

STEPS = 40


@pytest.fixture(scope="module")
def data(ratings_csv):
    named = {"user": "userId", "item": "movieId", "rating": "rating"}
    return open_source(ratings_csv, **named, validation=0.2).make(0)[0]


def run(data, model: str, text: str, tables: tuple[str, ...]):
    rule = make_rule(text)
    recipe = Recipe(data=data.fingerprint, model=model, optimizer=whole_spec(rule), schedule="cosine", steps=STEPS,
                    batch_size=16, metric="rmse")  # fmt: skip
    key = RunKey(name=rule.called, recipe=recipe.id, seed=0, phase="final")
    method = GradientMethod(rule, make_schedule("cosine", STEPS), recipe.clip, tables)
    return train(data, recipe, key, method, evaluations=4, metrics=("mae",), read_test=True,
                 keep_last=True)  # fmt: skip


@pytest.mark.parametrize("text", ["sgd(lr=0.3)", "momentum(lr=0.1, weight_decay=2e-4)", "adam(lr=0.01)"])
@pytest.mark.parametrize(
    "model", ["dot(factors=3)", "dot-bias(factors=3)", "embedding-net(factors=(3, 2), dropout=0)"]
)
def test_steps_by_rows_are_dense_steps(data, model: str, text: str) -> None:
    start = build_model(model, data.shape)
    tables = tuple(table_columns(start, tuple(data.shape.cardinalities)))
    assert len(tables) == (4 if "bias" in model else 2)
    dense, rows = (run(data, model, text, each) for each in ((), tables))
    begun = start.state_dict()
    assert dense.last is not None
    assert rows.last is not None
    for name, weight in dense.last.items():
        assert not torch.equal(weight, begun[name]), name
        assert torch.allclose(rows.last[name], weight, atol=1e-5, rtol=1e-3), name
        if name in tables:
            for each in (dense.last, rows.last):
                assert not bool(each[name][0].any()), name
    assert rows.record.test == pytest.approx(dense.record.test, abs=1e-4)
