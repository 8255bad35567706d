"""Steps of the networks for tables: eager or as one program, densely or by rows, alone or in a stack."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from steepest.models import build_model
from steepest.train.compiled import CompiledMethod
from steepest.train.problem import table_columns
from tests.train.steps import (
    distance,
    eager,
    in_float64,
    one_program,
    problem_of,
    run,
    table,
    without_compiling,
)
from tests.train.test_stack import alone, close, stacked

MODELS = {
    "mlp": "mlp(hidden=(6, 4), norm=batch, dropout=(0.2, 0.1), activation=gelu)",
    "residual": "residual-mlp(hidden=(6, 6), norm=layer, dropout=0.2)",
    "wide": "wide-deep(hidden=(6,), crosses=(('block', 'kind'),), dropout=0.2, hidden_dropout=0.1)",
    "hashed": "wide-deep(hidden=(6,), crosses=(('block', 'kind'),), buckets=97, wide=3)",
    "cross": "deep-cross(hidden=(6,), layers=2, cross=vector, dropout=0.2)",
    "low rank": "deep-cross(hidden=(6,), layers=2, rank=3, structure=stacked)",
    "members": "tabm(k=3, hidden=(6, 4), dropout=0.2)",
}


@pytest.fixture(scope="module")
def data():
    return in_float64(table())


def tables_of(text, data):
    columns = list(data.shape.cardinalities)
    return tuple(table_columns(build_model(text, data.shape), columns))


def test_every_column_and_cross_is_a_table(data):
    assert tables_of(MODELS["wide"], data) == (
        "deep.embeddings.0.weight",
        "wide.embeddings.0.weight",
        "deep.embeddings.1.weight",
        "wide.embeddings.1.weight",
        "wide.embeddings.2.weight",
    )
    columns = table_columns(build_model(MODELS["wide"], data.shape), list(data.shape.cardinalities))
    assert [*columns.values()] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("name", MODELS)
def test_rows_and_programs_are_the_dense_run(data, monkeypatch, name):
    graphs = without_compiling(monkeypatch)
    text = MODELS[name]
    tables = tables_of(text, data)
    assert tables
    right = run(data, eager("adam", clip=0.3), model=text)
    for method in (
        eager("adam", clip=0.3, tables=tables),
        one_program("adam", clip=0.3),
        one_program("adam", clip=0.3, tables=tables),
    ):
        found = run(data, method, model=text)
        assert found.losses == pytest.approx(right.losses, abs=1e-9)
        assert distance(found.weights, right) <= 1e-8
    assert graphs
    rows = found.method.tables(found.state)
    assert rows is not None
    assert any(bool((each.last < 15).any()) for each in rows.rows.values()), "no row lags"


@pytest.mark.parametrize("name", ["wide", "cross", "members"])
def test_runs_of_a_stack_are_the_runs_alone(data, monkeypatch, name):
    without_compiling(monkeypatch)
    who = ((0, "adam(lr=0.01)"), (1, "adam(lr=0.1)"))
    tables = tables_of(MODELS[name], data)

    def model(shape):
        return build_model(MODELS[name], shape, seed=3)

    how = {"model": model, "tables": tables, "precision": "float64"}
    single = alone(data, *who, kind=CompiledMethod, **how)
    for one, other in zip(stacked(data, *who, **how), single, strict=True):
        close(one, other, 1e-7)


@pytest.mark.parametrize("weights", [None, (1.0, 3.0, 0.5)])
def test_micro_batches_of_members_are_the_batch(data, weights):
    problem = problem_of(data, model="tabm(k=3, hidden=(6,), dropout=0)", weights=weights)
    batch = data.train.take(torch.arange(15))
    batch = replace(batch, weights=torch.linspace(0.5, 2.0, 15, dtype=torch.float64))
    parts = sum(share * problem.loss(part) for part, _, share in problem.parts(batch, 4))
    assert parts.item() == pytest.approx(problem.loss(batch).item(), rel=1e-12)
