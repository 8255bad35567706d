"""Closed forms for idle steps against dense execution: every form, schedule and size of gradient."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.optim import make_rule
from steepest.optim.interpolation import TOLERANCE, error, sizes_for
from steepest.optim.rows import RowTable
from steepest.rng import stream
from steepest.schedules import make_schedule

CLOSED = [
    "adam",
    "adam(betas=(0.9, 0.99))",
    "adam(betas=(0.0, 0.999))",
    "adamw(weight_decay=0.1)",
    "adamw(lr=0.01, weight_decay=0.1)",
    "momentum",
    "sgd(momentum=0.99, dampening=0.5)",
    "nesterov",
    "heavy-ball",
    "sgd(weight_decay=0.1)",
    "rmsprop",
    "rmsprop(centered=True)",
    "adadelta",
    "quickprop",
    "rprop",
    "rprop(step_sizes=(0.02, 1.0))",
    "delta-bar-delta",
    "delta-bar-delta(theta=0.7, max_lr=0.02)",
]
STILL = ["sgd", "adagrad"]
REPLAYED = [
    "amsgrad",
    "nadam",
    "radam",
    "lion",
    "adamax",
    "adam(betas=(0.9, 0.95))",
    "adam(betas=(0.999, 0.99))",
    "adam(eps=0)",
    "adam(weight_decay=0.1)",
    "adamw(lr=1.0, weight_decay=0.1)",
    "sgd(momentum=0.9, weight_decay=0.1)",
    "sgd(momentum=1.0)",
    "rmsprop(momentum=0.9)",
    "adadelta(weight_decay=0.1)",
    "schedule-free-sgd",
]
SIZES = [1.0, 1e-4, 1e-8, 1e-10, 1e-12]


@dataclass
class Outcome:
    """A row-wise run beside dense ones on the same gradients."""

    start: torch.Tensor
    rows: RowTable
    dense: torch.Tensor
    exact: torch.Tensor

    def error(self, found: torch.Tensor) -> float:
        """The distance from dense execution in float64 as a share of what that moved."""
        moved = (self.exact - self.start.double()).norm()
        return float((found.double() - self.exact).norm() / moved) if moved else float(found.double().norm())


def side_by_side(text: str, size: float, schedule: str, *, dtype=torch.float64, steps=700, V=400, seed=0):
    """Run rows with Zipf's frequencies, most of them idle for long."""
    rule, D, B = make_rule(text), 3, 6
    draw = stream(seed, "data", 41)
    often = 1.0 / (1.0 + torch.arange(V).numpy()) ** 1.1
    # Where steps are as small as the gradients, the weights are too, or rounding would be all there is to see.
    small = 0.01 if text.startswith("adam") else min(0.01, size)
    start = (torch.from_numpy(draw.standard_normal((V, D))) * small).to(dtype)
    runs = [torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone().double())]
    multiplier = make_schedule(schedule, steps)
    optimizers = [rule.optimizer([each], schedule=multiplier) for each in runs]
    rows = RowTable(rule, start, schedule=multiplier)
    for _ in range(steps):
        ids = torch.unique(torch.from_numpy(draw.choice(V, B, p=often / often.sum())))
        grad = (torch.from_numpy(draw.standard_normal((len(ids), D))) * size).to(dtype)
        for run, optimizer in zip(runs, optimizers, strict=True):
            run.grad = torch.zeros_like(run).index_copy(0, ids, grad.to(run.dtype))
            optimizer.step()
        rows.update(ids, grad)
    assert bool((rows.last < steps - 200).any()), "no row lags for long, so nothing was tested"
    return Outcome(start, rows, runs[0].detach(), runs[1].detach())


# One size each where the step is in proportion to the gradient or does not depend on it.
FLOAT64 = [
    (text, size, schedule)
    for text in CLOSED
    for size, schedule in (
        zip(SIZES, ["constant", "cosine", "cosine", "constant", "cosine"], strict=True)
        if text in ("adam", "adamw(weight_decay=0.1)")
        else [(1e-8, "cosine")]
    )
]


@pytest.mark.parametrize(("text", "size", "schedule"), FLOAT64)
def test_closed_forms_are_the_dense_run_in_float64(text: str, size: float, schedule: str) -> None:
    found = side_by_side(text, size, schedule)
    assert found.rows.executor == "closed form"
    assert found.error(found.rows.whole()[0]) <= 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("text", CLOSED)
def test_closed_forms_are_the_dense_run_over_5000_steps(text: str, size: float, schedule: str) -> None:
    found = side_by_side(text, size, schedule, steps=5_000)
    assert found.rows.executor == "closed form"
    assert found.error(found.rows.whole()[0]) <= 1e-8


@pytest.mark.parametrize("size", [1.0, 1e-8, 1e-12])
@pytest.mark.parametrize("text", ["adam", "adamw(weight_decay=0.1)", "momentum", "delta-bar-delta"])
def test_float32_is_no_farther_from_exact_than_the_dense_run(text: str, size: float) -> None:
    found = side_by_side(text, size, "cosine", dtype=torch.float32, steps=700)
    assert found.rows.executor == "closed form"
    assert found.error(found.rows.whole()[0]) <= 1.02 * found.error(found.dense) + 1e-9


@pytest.mark.parametrize("text", STILL)
def test_rules_that_stand_still_are_the_dense_run_bit_for_bit(text: str) -> None:
    found = side_by_side(text, 1.0, "cosine", dtype=torch.float32, steps=500)
    assert found.rows.executor == "nothing to do"
    assert torch.equal(found.rows.whole()[0], found.dense)


@pytest.mark.parametrize("text", REPLAYED)
def test_where_no_closed_form_is_right_there_is_replay(text: str) -> None:
    assert RowTable(make_rule(text), torch.zeros(3, 2)).executor == "replay"


def test_a_rate_that_a_form_cannot_follow_goes_on_by_replay() -> None:
    given = {"schedule": lambda step: 1.0 if step < 3 else 100.0}
    rule = make_rule("adamw(lr=0.01, weight_decay=0.1)")
    rows = RowTable(rule, torch.ones(3, 2), **given)
    dense = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = rule.optimizer([dense], **given)
    for step in range(6):
        rows.update(torch.tensor([step % 2]), torch.ones(1, 2))
        dense.grad = torch.zeros(3, 2)
        dense.grad[step % 2] = 1.0
        optimizer.step()
    assert rows.executor == "replay"
    assert torch.allclose(rows.whole()[0], dense, rtol=1e-6)


def test_the_plan_of_terms_and_nodes_holds_what_it_says() -> None:
    for betas in ((0.9, 0.999), (0.9, 0.99), (0.95, 0.999), (0.5, 0.95)):
        found = sizes_for(*betas)
        assert found is not None
        for step in (1, 2, 5, 20, 100):
            assert error(*betas, step, found) <= TOLERANCE
    assert sizes_for(0.9, 0.95) is None
    assert sizes_for(0.99, 0.95) is None


def test_the_signs_of_averages_outlive_their_digits() -> None:
    """Repeated multiplication leaves a float32 average at a denormal, whose sign still moves Delta-Bar-Delta."""
    rule = make_rule("delta-bar-delta(kappa=0.5)")
    rows, dense = RowTable(rule, torch.zeros(2, 1)), torch.nn.Parameter(torch.zeros(2, 1))
    optimizer = rule.optimizer([dense])
    for step in range(1_300):
        row = 0 if step in (0, 1_299) else 1
        rows.update(torch.tensor([row]), torch.ones(1, 1))
        dense.grad = torch.zeros(2, 1)
        dense.grad[row] = 1.0
        optimizer.step()
    assert float(optimizer.state[dense]["rate"][0]) > 0.5
    assert torch.allclose(rows.whole()[0], dense)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    text=st.sampled_from([*CLOSED, *STILL, "amsgrad", "nadam", "lion"]),
    schedule=st.sampled_from(["constant", "cosine", "warmup(cosine, length=5)", "sgdr"]),
    touched=st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=60),
    size=st.sampled_from(SIZES),
    seed=st.integers(0, 100),
)
def test_any_rule_schedule_skips_and_repeats(text, schedule, touched, size, seed) -> None:
    rule, V, D = make_rule(text), 7, 2
    draw = stream(seed, "data", 2)
    start = torch.from_numpy(draw.standard_normal((V, D))) * size
    table = torch.nn.Embedding(V, D, dtype=torch.float64)
    with torch.no_grad():
        table.weight.copy_(start)
    multiplier = make_schedule(schedule, len(touched))
    optimizer = rule.optimizer([table.weight], schedule=multiplier)
    rows = RowTable(rule, start, schedule=multiplier)
    for each in touched:
        ids = torch.tensor(each, dtype=torch.long)
        weights = torch.from_numpy(draw.standard_normal((len(ids), D))) * size
        optimizer.zero_grad()
        (table(ids) * weights).sum().backward()
        optimizer.step()
        distinct, places = torch.unique(ids, return_inverse=True)
        rows.update(
            distinct, torch.zeros(len(distinct), D, dtype=torch.float64).index_add_(0, places, weights)
        )
    dense = table.weight.detach()
    moved = (dense - start).norm()
    tolerance = 1e-8 * float(moved) + 1e-14 * float(start.norm())
    assert float((rows.whole()[0] - dense).norm()) <= tolerance
