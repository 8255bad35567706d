"""Closed forms on gradients that were recorded from the network on the crimes of Chicago, trained densely and eagerly.

Drawn gradients (:mod:`tests.optim.test_rows_closed_forms`) choose sizes; these have what a real run has: rows that
are named together, sizes that fall while it learns, batch norm behind the table, duplicates in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from steepest.data.batches import BatchPlan
from steepest.data.table import read_table
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.optim.rows import RowTable
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem
from tests.optim.test_rows_closed_forms import CLOSED, STILL, Outcome

FILE = "chicago-crimes/crimes-2018-H1.snappy.parquet"
PREPARE = Path(__file__).parents[2] / "examples" / "crimes.toml"
MODEL = "embedding-mlp(embedding={'Block': 16})"
COLUMNS = 3
"""Of the table's numbers; the others go the same way."""
BITWISE = [*STILL, "nadam", "amsgrad", "adam(betas=(0.9, 0.95))", "schedule-free-sgd"]


@dataclass(frozen=True)
class Recorded:
    """What happened to some rows of the table in a run.

    Attributes:
        start: their weights before the first step, float32 [n, D].
        touched: for each step, which of the rows the batch named.
        grads: their gradients, float32 [touched, D].
    """

    start: Tensor
    touched: list[Tensor]
    grads: list[Tensor]


@pytest.fixture(scope="session")
def record(real_data) -> Callable[[int], Recorded]:
    """Train densely for so many steps and return what happened to some rows; once for each length."""
    path = real_data / FILE
    if not path.is_file():
        pytest.skip(f"STEEPEST_DATA has no {FILE}")
    data = read_table(path, target="PrimaryType", prepare=PREPARE).dataset()
    kept: dict[int, Recorded] = {}

    def recorded(steps: int) -> Recorded:
        if steps not in kept:
            kept[steps] = record_run(data, steps)
        return kept[steps]

    return recorded


def record_run(data, steps: int) -> Recorded:
    net = build_model(MODEL, data.shape, seed=0)
    columns = list(data.shape.cardinalities)
    problem = SupervisedProblem(net, make_objective("", target_of(data)), columns=tuple(columns))
    table = dict(net.named_parameters())[net.tables["Block"]]
    method = GradientMethod(make_rule("adam"), make_schedule("cosine", steps))
    state = method.init(problem)
    assert state.tables is None, "the gradients are those of a dense run"
    feed = Feed(data.train, BatchPlan(len(data.train), 64, 0), 0)
    ids = [torch.unique(feed.batch(step).inputs[0][:, columns.index("Block")]) for step in range(steps)]
    rows = some_rows(torch.bincount(torch.cat(ids), minlength=len(table)))
    start = table.detach()[rows, :COLUMNS].clone()
    touched: list[Tensor] = []
    grads: list[Tensor] = []
    for step in range(steps):
        with feed.randomness(step):
            method.step(problem, state, feed.batch(step))
        assert table.grad is not None
        here = torch.isin(rows, ids[step]).nonzero().squeeze(1)
        touched.append(here)
        grads.append(table.grad[rows[here], :COLUMNS].clone())
    return Recorded(start, touched, grads)


def some_rows(counts: Tensor) -> Tensor:
    """Return the rows that are named most, some that are named, and some that are not."""
    draw = stream(0, "data", 40)
    often = torch.argsort(counts, descending=True)[:60].tolist()
    named = draw.choice(counts.nonzero().squeeze(1).numpy(), 300, replace=False).tolist()
    never = (counts == 0).nonzero().squeeze(1)[:40].tolist()
    return torch.tensor(sorted({*often, *named, *never}))


def again(recorded: Recorded, text: str, schedule: str, dtype: torch.dtype = torch.float64) -> Outcome:
    """Feed a rule with the recorded gradients, by rows, densely, and densely in float64."""
    rule, steps = make_rule(text), len(recorded.touched)
    multiplier = make_schedule(schedule, steps)
    start = recorded.start.to(dtype)
    runs = [torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone().double())]
    optimizers = [rule.optimizer([each], schedule=multiplier) for each in runs]
    rows = RowTable(rule, start, schedule=multiplier)
    for ids, grad in zip(recorded.touched, recorded.grads, strict=True):
        for run, optimizer in zip(runs, optimizers, strict=True):
            run.grad = torch.zeros_like(run).index_copy(0, ids, grad.to(run.dtype))
            optimizer.step()
        rows.update(ids, grad.to(dtype))
    assert bool((rows.last == 0).any()), "a row that is never named"
    assert bool(((rows.last > 0) & (rows.last < steps - 150)).any()), "a row that lags for long"
    return Outcome(start, rows, runs[0].detach(), runs[1].detach())


def test_what_is_recorded_is_a_real_run(record) -> None:
    found = record(300)
    sizes = torch.cat(found.grads).abs()
    assert len(found.touched) == 300
    assert 0 < float(sizes.median()) < 1
    assert float(sizes.max() / sizes[sizes > 0].min()) > 1e3
    counts = torch.bincount(torch.cat(found.touched), minlength=len(found.start))
    assert int(counts.max()) > 10 * float(counts.double().median())


def float64_agrees(found: Outcome) -> None:
    assert found.rows.executor == "closed form"
    assert found.error(found.rows.whole()[0]) <= 1e-8


def float32_is_no_farther(found: Outcome) -> None:
    assert found.rows.executor == "closed form"
    assert found.error(found.rows.whole()[0]) <= 1.02 * found.error(found.dense) + 1e-9


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("text", CLOSED)
def test_closed_forms_are_the_dense_run(record, text: str, schedule: str) -> None:
    float64_agrees(again(record(300), text, schedule))


@pytest.mark.parametrize("text", CLOSED)
def test_float32_is_no_farther_from_exact_than_the_dense_run(record, text: str) -> None:
    float32_is_no_farther(again(record(300), text, "cosine", torch.float32))


@pytest.mark.parametrize("text", BITWISE[:3])
def test_still_rules_and_replay_are_the_dense_run_bit_for_bit(record, text: str) -> None:
    found = again(record(300), text, "cosine", torch.float32)
    assert found.rows.executor == ("nothing to do" if text in STILL else "replay")
    assert torch.equal(found.rows.whole()[0], found.dense)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("text", CLOSED)
def test_closed_forms_are_the_dense_run_over_5000_steps(record, text: str, schedule: str) -> None:
    float64_agrees(again(record(5_000), text, schedule))


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("text", CLOSED)
def test_float32_is_no_farther_from_exact_over_5000_steps(record, text: str, schedule: str) -> None:
    float32_is_no_farther(again(record(5_000), text, schedule, torch.float32))


@pytest.mark.slow
@pytest.mark.parametrize("text", BITWISE)
def test_still_rules_and_replay_bit_for_bit_over_an_epoch(record, text: str) -> None:
    """Fewer steps, because replay makes every missed one."""
    found = again(record(1_500), text, "cosine", torch.float32)
    assert found.rows.executor == ("nothing to do" if text in STILL else "replay")
    assert torch.equal(found.rows.whole()[0], found.dense)
