"""The traced step is the eager step: every rule, in float64, with masks, buffers, duplicates, clipping and rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as tree

from steepest import optim
from steepest.components.grammar import parse
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Shape
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.train.compiled import Programs
from steepest.train.feed import Feed
from steepest.train.program import (
    Changing,
    NotTraceableError,
    Program,
    StepState,
    changed,
    flat_changing,
    step_of,
)
from tests.optim.cases import CASES
from tests.train.steps import (
    MODEL,
    TABLES,
    distance,
    eager,
    in_float64,
    one_program,
    problem_of,
    run,
    table,
    without_compiling,
)

REFUSED = {"muon": "treats parameters differently"}
"""Registered rules whose step is not one program, with the reason that is given."""
TRACED = [case.text for case in CASES if parse(case.text).name not in REFUSED]
BY_ROWS = [text for text in TRACED if make_rule(text).has_closed_form]
WEIGHTS = (1.0, 2.0, 0.5)


@pytest.fixture(scope="module")
def data():
    return in_float64(table())


@pytest.fixture(autouse=True)
def graphs(monkeypatch):
    """Graphs run as they were traced; they are collected here."""
    return without_compiling(monkeypatch)


def both(data, text: str, *, schedule: str = "cosine", clip: float | None = None, tables=(), **changes: Any):
    """Return how far the traced steps are from the eager ones, in weights and in losses."""
    right = run(data, eager(text, schedule, clip, tables), **changes)
    found = run(data, one_program(text, schedule, clip, tables), **changes)
    losses = max(abs(a - b) for a, b in zip(found.losses, right.losses, strict=True))
    assert any(not torch.equal(right.weights[name], right.start[name]) for name in right.start)
    assert right.losses[0] != right.losses[1]
    return distance(found.weights, right), losses


def test_every_registered_rule_is_traced_or_refused() -> None:
    assert {parse(text).name for text in TRACED} | set(REFUSED) == set(optim.names())
    assert not {parse(text).name for text in TRACED} & set(REFUSED)


@pytest.mark.parametrize("text", TRACED)
def test_a_traced_step_is_the_eager_step(data, graphs, text: str) -> None:
    weights, losses = both(data, text, clip=0.3, weights=WEIGHTS)
    assert len(graphs) == 1, "one program serves all steps"
    assert weights <= 1e-10
    assert losses <= 1e-10


@pytest.mark.parametrize("text", BY_ROWS)
def test_with_tables_by_rows(data, graphs, text: str) -> None:
    right = run(data, eager(text, clip=0.3), weights=WEIGHTS)
    found = run(data, one_program(text, clip=0.3, tables=TABLES), weights=WEIGHTS)
    tables = found.method.tables(found.state)
    assert tables is not None
    assert tables.past.executor in ("closed form", "nothing to do")
    assert set(tables.rows) == set(TABLES)
    assert any(bool((rows.last < 15).any()) for rows in tables.rows.values()), "no row lags"
    # Closed forms are interpolated to 1e-9 of the idle movement; the rest is rounding.
    assert distance(found.weights, right) <= (1e-9 if tables.past.executor == "closed form" else 1e-10)
    assert max(abs(a - b) for a, b in zip(found.losses, right.losses, strict=True)) <= 1e-10


@pytest.mark.parametrize(
    "text", [text for text in TRACED if text not in BY_ROWS and not make_rule(text).given]
)
def test_rules_without_a_closed_form_are_not_traced_by_rows(data, text: str) -> None:
    rule = make_rule(text)
    expected = (
        "couples" if rule.couples != "element" else "no closed form for the rows of embeddings.0.weight"
    )
    with pytest.raises(Exception, match=expected):
        run(data, one_program(text, tables=TABLES))


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("adam", {}),
        ("adam", {"schedule": "constant"}),
        ("adamw(weight_decay=0.1)", {"schedule": "warmup(cosine, length=5)", "tables": TABLES}),
        ("adam", {"schedule": "sgdr", "tables": TABLES[1:]}),
        ("sgd(lr=0.1)", {"clip": 1e-3, "tables": TABLES}),
        ("sgd(lr=0.1)", {"clip": 1e3}),
        ("momentum", {"batch_size": 1_000}),
        ("adam", {"batch_size": 2, "tables": TABLES}),
        ("adam", {"seed": 5, "tables": TABLES}),
        ("adam", {"model": "embedding-mlp(hidden=(), dropout=0)"}),
        ("adam", {"model": "linear"}),
    ],
)
def test_options(data, text: str, changes: dict[str, Any]) -> None:
    weights, losses = both(data, text, **changes)
    assert weights <= 1e-9
    assert losses <= 1e-10


@pytest.mark.parametrize("text", ["adam", "momentum", "quickprop", "schedule-free-adamw"])
def test_regression(text: str) -> None:
    weights, losses = both(in_float64(table("regression")), text, clip=1.0)
    assert weights <= 1e-10
    assert losses <= 1e-10


def test_regression_by_rows() -> None:
    assert both(in_float64(table("regression")), "adam", tables=TABLES)[0] <= 1e-9


# --- models -----------------------------------------------------------------------------------------------------


class Own(nn.Module):
    """A model with something of its own after the network."""

    def __init__(self, shape: Shape, after: Callable[[Own, Tensor], Tensor], seed: int = 0) -> None:
        super().__init__()
        self.inside = build_model("embedding-mlp(hidden=(6,), dropout=0.2)", shape)
        self.tables = {column: f"inside.{name}" for column, name in self.inside.tables.items()}  # pyright: ignore
        self.after = after
        self.scale = nn.Parameter(torch.ones(3))
        self.unused = nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(()))
        self.own = torch.arange(3.0, dtype=torch.float64) + seed  # neither parameter nor buffer
        self.calls = 0

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        self.calls += 1
        return self.after(self, self.inside(categorical, continuous))


def counted(net: Own, h: Tensor) -> Tensor:
    net.seen += h.detach().abs().mean()  # pyright: ignore
    return h * net.scale * (1 + 1 / (1 + net.seen))  # pyright: ignore


def reassigned(net: Own, h: Tensor) -> Tensor:
    net.seen = 0.9 * net.seen + 0.1 * h.detach().abs().mean()  # pyright: ignore
    return h


class Features(nn.Module):
    """Random features in a plain tensor, drawn at construction."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.inside = build_model("embedding-mlp(hidden=(6,), dropout=0)", shape)
        self.drawn = torch.randn(3)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        return self.inside(categorical, continuous) * self.drawn


def test_programs_are_not_shared_by_models_that_differ(data, monkeypatch) -> None:
    graphs = without_compiling(monkeypatch)
    programs = Programs()
    for seed in (0, 1, 1):
        method = one_program("adam")
        method.programs = programs
        found = run(data, method, seed=seed, model=Features)
        assert distance(found.weights, run(data, eager("adam"), seed=seed, model=Features)) <= 1e-10
    assert len(graphs) == 2


def test_programs_are_shared_by_all_seeds_and_rates_of_a_model(data, monkeypatch) -> None:
    graphs = without_compiling(monkeypatch)
    programs = Programs()
    for seed, rate in ((0, 0.01), (1, 0.01), (1, 0.1)):
        method = one_program(f"adam(lr={rate})", tables=TABLES)
        method.programs = programs
        run(data, method, seed=seed)
    assert len(graphs) == 3  # the step, and what catches up the rows of each of the two widths


def padded(shape: Shape) -> nn.Module:
    net: Any = build_model(MODEL, shape)
    net.embeddings[0].padding_idx, net.embeddings[1].padding_idx = 2, 1
    return net


def frozen(shape: Shape) -> nn.Module:
    net: Any = build_model(MODEL, shape)
    net.blocks[0][1].weight.requires_grad_(False)
    net.embeddings[1].weight.requires_grad_(False)
    return net


FINE: dict[str, Callable[[Shape], nn.Module]] = {
    "a buffer of its own": lambda shape: Own(shape, counted),
    "a buffer that is assigned anew": lambda shape: Own(shape, reassigned),
    "a plain tensor": lambda shape: Own(shape, lambda net, h: h * net.own),
    "a parameter without a gradient": lambda shape: Own(shape, lambda net, h: h * net.scale),
    "selection by values": lambda shape: Own(shape, lambda net, h: torch.where(h > 0, h, 0.1 * h)),
    "a branch on the shape": lambda shape: Own(shape, lambda net, h: h if len(h) > 3 else -h),
    "a branch on the mode": lambda shape: Own(shape, lambda net, h: 2 * h if net.training else h),
    "padding rows": padded,
    "frozen parameters": frozen,
}


@pytest.mark.parametrize("which", FINE)
@pytest.mark.parametrize("tables", [False, True])
def test_ordinary_models(data, which: str, tables: bool) -> None:
    net = FINE[which](data.shape)
    declared = [*net.tables.values()] if tables else []  # pyright: ignore
    names = tuple(name for name in declared if dict(net.named_parameters())[name].requires_grad)
    assert both(data, "adam", model=FINE[which], tables=names)[0] <= 1e-9


def changing(net: Own, h: Tensor) -> Tensor:
    net.own += 1
    return h * net.own


UNTRACEABLE: dict[str, tuple[str, Callable[[Own, Tensor], Tensor]]] = {
    "a branch on values": ("cannot be traced: .*data-dependent", lambda net, h: h if h.sum() > 0 else -h),
    "a number out of a tensor": ("cannot be traced: .*data-dependent", lambda net, h: h * float(h.max().item())),
    "numpy": (r"cannot be traced: .*\.numpy\(\)", lambda net, h: h + torch.from_numpy(h.detach().numpy())),
    "rand": ("draws random numbers by aten.rand", lambda net, h: h + torch.rand(h.shape)),
    "rand_like": ("draws random numbers by aten.rand_like", lambda net, h: h + torch.rand_like(h)),
    "normal_": ("draws random numbers by aten.normal_", lambda net, h: h + torch.empty_like(h).normal_()),
    "own generator": ("draws random numbers by aten.rand",
                      lambda net, h: h + torch.rand(3, generator=torch.Generator().manual_seed(1))),
    "randperm": ("draws random numbers by aten.randperm", lambda net, h: h[torch.randperm(len(h))]),
    "dropout2d": ("draws random numbers by aten.bernoulli", lambda net, h: F.dropout2d(h[..., None, None])[..., 0, 0]),
    "alpha dropout": ("draws random numbers by aten.bernoulli", lambda net, h: F.alpha_dropout(h, 0.5, True)),
    "gumbel": ("draws random numbers by aten.exponential_", lambda net, h: F.gumbel_softmax(h)),
    "a plain tensor that changes": ("cannot be traced: .*would mutate a captured Tensor", changing),
    "rrelu": ("draws random numbers by aten.rrelu", lambda net, h: F.rrelu(h, training=True)),
}  # fmt: skip


@pytest.mark.parametrize("which", UNTRACEABLE)
def test_models_that_cannot_be_one_program_are_told(data, which: str) -> None:
    fact, after = UNTRACEABLE[which]
    with pytest.raises(NotTraceableError, match=fact) as caught:
        run(data, one_program("adam"), model=lambda shape: Own(shape, after))
    assert "eagerly" in caught.value.hint
    assert "\n" not in caught.value.fact


# --- several runs in one call -----------------------------------------------------------------------------------


def test_all_between_reading_and_writing_can_be_mapped_over_runs(data) -> None:
    """Batch norm, dropout, duplicates, clipping and rows; two stacked runs move as each of them alone does."""
    method = one_program("adam", clip=0.3, tables=TABLES)
    runs: list[tuple[Program, StepState, Changing]] = []
    for seed in (0, 1):
        problem = problem_of(data, seed=seed, weights=WEIGHTS)
        state = method.init(problem)
        feed = Feed(data.train, BatchPlan(len(data.train), 16, seed), seed)
        runs.append(
            (state.program, state.state, step_of(method.prepared(problem, state, feed, 0, 4), 3, "cpu"))
        )
    program, _, example = runs[0]
    assert any("running_mean" in name for name in runs[0][1].buffers)

    def moved(state: Any, changing: list[Tensor]) -> tuple[Any, ...]:
        there, then = StepState(**state), changed(example, changing)
        found = program.moved(there, *program.gathered(there, then), then)
        return tuple(vars(found).values())

    with torch.no_grad():
        inputs = [(vars(state), flat_changing(changing)) for _, state, changing in runs]
        stacked = tree.tree_map(lambda *each: torch.stack(each), *inputs)
        together = torch.func.vmap(moved)(*stacked)
        for i, alone in enumerate(moved(*each) for each in inputs):
            pairs = list(zip(tree.tree_leaves(together), tree.tree_leaves(alone), strict=True))
            assert len(pairs) > 20
            for found, right in pairs:
                assert torch.allclose(found[i], right, rtol=1e-10, atol=1e-12)


def tied(shape: Shape) -> nn.Module:
    net: Any = Own(shape, lambda net, h: h * net.again).double()
    net.again = nn.Parameter(net.scale.data)
    return net


@pytest.mark.parametrize(
    ("text", "model", "fact"),
    [
        *[(name, MODEL, fact) for name, fact in REFUSED.items()],
        ("muon(matrices=False)", MODEL, "treats parameters differently"),
        ("torch:LBFGS", MODEL, "takes several gradients a step"),
        ("torch:Adamax", MODEL, "couples all parameters"),
        ("adam", tied, "share memory"),
    ],
)
def test_what_is_refused(data, text: str, model: Any, fact: str) -> None:
    with pytest.raises(NotTraceableError, match=fact):
        one_program(text).init(problem_of(data, model=model))


def test_tracing_changes_nothing(data, graphs, monkeypatch) -> None:
    problem = problem_of(data)
    before = {name: each.clone() for name, each in problem.model.state_dict().items()}
    changed: list[str] = []

    def compiled(*_: Any, **__: Any):
        now = problem.model.state_dict()
        changed.extend(name for name in before if not torch.equal(before[name], now[name]))
        raise NotTraceableError("stop", hint="")

    from steepest.train import compiled as module

    monkeypatch.setattr(module, "compiled", compiled)
    with pytest.raises(NotTraceableError, match="stop"):
        run(data, one_program("adam", tables=TABLES), problem=problem)
    assert changed == []


# --- what tracing cannot see ------------------------------------------------------------------------------------


def disagreement(found: list[float], right: list[float]) -> float:
    """Return the largest difference of two runs' losses as a share of them; not a number counts as infinite."""
    worst = 0.0
    for a, b in zip(found, right, strict=True):
        share = abs(a - b) / max(abs(a), abs(b), 1e-3)
        worst = max(worst, share if math.isfinite(share) else math.inf)
    return worst


UNSEEN: dict[str, Callable[[Own, Tensor], Tensor]] = {
    "a counter": lambda net, h: h * (1.0 + 0.1 * net.calls),
    "every other call": lambda net, h: h if net.calls % 2 else 0.5 * h,
    "random numbers from elsewhere": lambda net, h: h * float(np.random.default_rng(net.calls).random()),
}


@pytest.mark.parametrize("which", UNSEEN)
def test_a_model_that_changes_from_call_to_call_is_found_out_by_its_losses(data, which: str) -> None:
    """Python that runs only while tracing leaves nothing in the graph that could be refused."""
    found, right = (
        run(data, make("adam"), model=lambda shape: Own(shape, UNSEEN[which]), steps=6).losses
        for make in (one_program, eager)
    )
    assert disagreement(found, right) > 1e-2


@pytest.mark.parametrize("which", FINE)
def test_an_honest_model_is_not_accused_in_float32(which: str) -> None:
    def narrow(shape: Shape) -> nn.Module:
        net: Any = FINE[which](shape)
        if isinstance(net, Own):
            net.own = net.own.float()
        return net

    small = table()
    found, right = (run(small, make("adam"), model=narrow, steps=6).losses for make in (one_program, eager))
    assert disagreement(found, right) < 1e-4
