"""A compiled Hessian-free step is the eager one: here its graph is run as it is, without a compiler."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Part, Shape
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import ClassTarget
from steepest.optim import make_spec, shared_rows
from steepest.optim.method import GradientMethod
from steepest.optim.rule import Rule
from steepest.optim.spec import MethodSettings
from steepest.rng import torch_stream
from steepest.train import compiled_hessian_free
from steepest.train.aot import Compiled
from steepest.train.compiled import CompiledMethod, Programs
from steepest.train.compiled_hessian_free import CompiledHessianFree
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem, table_columns
from steepest.train.program import NotTraceableError
from tests.train.steps import without_compiling

COLUMNS = {"shop": 40, "day": 7}


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(traced: Any, *_: Any, **__: Any) -> Compiled:
        return Compiled(lambda tensors: [traced.graph(*tensors)], 0.0)

    monkeypatch.setattr(compiled_hessian_free, "compiled", run)


def run(spec: str, *, rows: bool, compiled: bool, steps: int = 200, rate: Any = lambda step: 1.0) -> Any:
    draw = torch.Generator().manual_seed(0)
    codes = torch.stack([torch.randint(0, n, (96,), generator=draw) for n in COLUMNS.values()], 1)
    values = torch.randn(96, 2, generator=draw, dtype=torch.float64)
    part = Part((codes, values), torch.randint(0, 3, (96,), generator=draw))
    shape = Shape("classification", COLUMNS, ("a", "b"), 3)
    net = build_model("embedding-mlp", shape, seed=0, hidden=(6,), dropout=0.2).double().train()
    columns, target = tuple(COLUMNS), ClassTarget(3)
    problem = SupervisedProblem(net, make_objective("", target), None, columns, "float64")
    tables = tuple(table_columns(net, columns)) if rows else ()
    settings = MethodSettings(rate, tables=tables)
    own = make_spec(spec)
    method = CompiledHessianFree(own, settings) if compiled else own.make(settings)
    state = method.init(problem)
    feed = Feed(part, BatchPlan(96, 8, 0), 0)
    infos = list(method.steps(problem, state, feed, 0, steps))
    weights = {name: each.detach().clone() for name, each in net.state_dict().items()}
    if rows:
        weights |= {name: each.evaluation_weight() for name, each in method.tables(state).tables.items()}
    return infos, weights


@pytest.mark.parametrize("steps", [25, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        ("hessian-free(cg_iterations=3, lr=0.1, damping=3)", True),  # some steps are shortened
        ("hessian-free(cg_iterations=3, lr=0.1, damping=3)", False),
        ("hessian-free(cg_iterations=7, lr=0.01, ratio=damped)", True),
    ],
)
def test_steps_are_the_eager_ones(spec: str, rows: bool, steps: int, interpreted: None) -> None:
    first, second = (run(spec, rows=rows, compiled=compiled, steps=steps) for compiled in (False, True))
    for a, b in zip(first[0], second[0], strict=True):
        assert (a.gradients, a.products, a.forwards) == (b.gradients, b.products, b.forwards)
        assert a.loss == pytest.approx(b.loss, rel=1e-8)
    for name, weight in first[1].items():
        torch.testing.assert_close(second[1][name], weight, rtol=1e-7, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [True, False])
def test_compiled_steps_are_the_eager_ones(rows: bool) -> None:
    spec = "hessian-free(cg_iterations=3, lr=0.1, damping=3)"
    first, second = (run(spec, rows=rows, compiled=compiled, steps=50) for compiled in (False, True))
    assert [each.loss for each in first[0]] == pytest.approx([each.loss for each in second[0]], rel=1e-10)
    for name, weight in first[1].items():
        torch.testing.assert_close(second[1][name], weight, rtol=1e-9, atol=1e-9)


def test_rows_are_the_same_after_eras_are_used_up(monkeypatch: pytest.MonkeyPatch, interpreted: None) -> None:
    spec = "hessian-free(cg_iterations=3, damping=2)"
    eager = run(spec, rows=True, compiled=False, steps=40)
    monkeypatch.setattr(shared_rows, "ERAS", 3)
    settled = list[int]()
    settle = shared_rows.SharedRows.settle

    def counted(tables: Any) -> None:
        settled.append(int(tables.eras.place))
        settle(tables)

    monkeypatch.setattr(shared_rows.SharedRows, "settle", counted)
    found = run(spec, rows=True, compiled=True, steps=40)
    assert settled.count(2) > 1
    for name, weight in eager[1].items():
        torch.testing.assert_close(found[1][name], weight, rtol=1e-6, atol=1e-8)


def test_a_step_without_length_moves_batch_norm_alone(interpreted: None) -> None:
    spec, rate = "hessian-free(cg_iterations=2)", lambda step: float(step % 3 != 1)
    eager, found = (run(spec, rows=True, compiled=each, steps=6, rate=rate) for each in (False, True))
    assert [each.gradients for each in eager[0]] == [each.gradients for each in found[0]]
    for name, weight in eager[1].items():
        torch.testing.assert_close(found[1][name], weight, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("spec", ["hessian-free(cg_iterations=3)", "sgd(lr=0.5)"])
def test_another_frozen_layer_of_the_same_shape_is_another_program(
    spec: str, interpreted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program knows its tensors by their places, and shapes alone do not tell which layer is frozen."""
    without_compiling(monkeypatch)
    draw = torch.Generator().manual_seed(0)
    part = Part((torch.randn(16, 4, generator=draw),), torch.randint(0, 4, (16,), generator=draw))
    programs, made = Programs(), make_spec(spec)

    def trained(frozen: int, compiled: bool) -> list[torch.Tensor]:
        with torch_stream(0, "init"):
            net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))
        net[frozen].requires_grad_(False)
        problem = SupervisedProblem(net, make_objective("", ClassTarget(4)))
        settings = MethodSettings(lambda step: 1.0)
        if isinstance(made, Rule):
            kind = CompiledMethod if compiled else GradientMethod
            method: Any = kind(made, settings.schedule)
        else:
            method = CompiledHessianFree(made, settings) if compiled else made.make(settings)
        if compiled:
            method.programs = programs
        list(method.steps(problem, method.init(problem), Feed(part, BatchPlan(16, 8, 0), 0), 0, 4))
        return [each.detach() for each in net.parameters()]

    for frozen in range(3):
        eager = trained(frozen, compiled=False)
        for a, b in zip(trained(frozen, compiled=True), eager, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    trained(1, compiled=True)
    assert len(programs.made) == 3


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("hessian-free", "more than 10 iterations"),
        ("hessian-free(cg_iterations=3, variant='notebook-2021')", "draws anew"),
        ("hessian-free(cg_iterations=3, curvature=0.5)", "rows of its own"),
        ("hessian-free(cg_iterations=3, preconditioner=fisher)", "is estimated"),
    ],
)
def test_what_cannot_be_compiled_says_so(spec: str, why: str) -> None:
    assert why in make_spec(spec).eager_because
    with pytest.raises(NotTraceableError, match=why):
        run(spec, rows=False, compiled=True, steps=1)
