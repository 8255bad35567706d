"""Runs that take their steps together are the runs that they are alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from steepest.errors import OptionError
from steepest.models import build_model
from steepest.optim import make_rule, make_spec
from steepest.optim.method import GradientMethod
from steepest.optim.spec import MethodSettings
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.train import stack
from steepest.train.callback import Callback, Hooks
from steepest.train.compiled import CompiledMethod
from steepest.train.loop import train
from steepest.train.program import NotTraceableError
from steepest.train.stack import StackedRun, train_stack
from tests.train.steps import MODEL, TABLES, table, without_compiling

STEPS = 40
TOGETHER = ((0, "adam(lr=0.01)"), (1, "adam(lr=0.1)"))


class Normed(nn.Module):
    """Embeddings, batch norm, dropout, and a parameter that the loss does not depend on."""

    def __init__(self, shape) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(count, 3) for count in shape.cardinalities.values())
        width = 3 * len(self.embeddings) + len(shape.continuous)
        self.body = nn.Sequential(
            nn.Linear(width, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, shape.outputs)
        )
        self.unused = nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.full((width,), 2.0), requires_grad=False)
        names = list(shape.cardinalities)
        self.tables = {name: f"embeddings.{i}.weight" for i, name in enumerate(names)}

    def forward(self, categorical, continuous):
        looked_up = [each(categorical[:, i]) for i, each in enumerate(self.embeddings)]
        return self.body(torch.cat([*looked_up, continuous], 1) * self.frozen)


@pytest.fixture(scope="module")
def data():
    return table()


def member(
    data, seed: int, text: str, kind: Any = GradientMethod, tables=(), schedule="cosine", **changes
) -> StackedRun:
    rule = make_rule(text)
    values = {"steps": STEPS, "batch_size": 16, "metric": "log_loss", "clip": 0.5, **changes}
    recipe = Recipe(
        data=data.fingerprint, model=MODEL, optimizer=whole_spec(rule), schedule=schedule, **values
    )
    key = RunKey(name=rule.called, recipe=recipe.id, seed=seed, phase="final")
    method = kind(rule, make_schedule(schedule, STEPS), recipe.clip, tables)
    return StackedRun(data, recipe, key, method)


HOW: dict[str, Any] = {"evaluations": 4, "metrics": ("accuracy",), "read_test": True, "keep_last": True}


def alone(data, *who, model=Normed, **how):
    members = [member(data, seed, text, **how) for seed, text in who]
    return [train(e.dataset, e.recipe, e.key, e.method, model=model, hooks=e.hooks, **HOW) for e in members]


def stacked(data, *who, model=Normed, **how):
    members = [member(data, seed, text, **how) for seed, text in who]
    return train_stack(members, model=model, compiling=False, **HOW)


def close(found, right, tolerance: float) -> None:
    a, b = found.record, right.record
    assert (a.key, a.lr, a.steps, a.outcome, a.best_step) == (b.key, b.lr, b.steps, b.outcome, b.best_step)
    assert [(p.step, p.epoch, p.gradients) for p in a.curve] == [
        (p.step, p.epoch, p.gradients) for p in b.curve
    ]
    for one, other in zip(a.curve, b.curve, strict=True):
        assert one.validation == pytest.approx(other.validation, rel=tolerance)
        assert one.train_loss == pytest.approx(other.train_loss, rel=tolerance, nan_ok=True)
    assert a.test == pytest.approx(b.test, rel=tolerance)
    assert a.test_last == pytest.approx(b.test_last, rel=tolerance)
    for mine, theirs in ((found.weights, right.weights), (found.last, right.last)):
        assert list(mine) == list(theirs)
        for name, weight in theirs.items():
            assert torch.allclose(mine[name].double(), weight.double(), rtol=tolerance, atol=tolerance), name
    assert torch.allclose(found.test_row_losses, right.test_row_losses, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("tables", [(), TABLES])
def test_two_runs_together_are_two_runs_alone(data, monkeypatch, tables) -> None:
    """With batch norm, dropout, clipping and rows; what differs is the rounding of sums, here of float64."""
    graphs = without_compiling(monkeypatch)
    single = alone(data, *TOGETHER, kind=CompiledMethod, tables=tables, precision="float64")
    found = stacked(data, *TOGETHER, tables=tables, precision="float64")
    assert graphs
    assert single[0].record.curve[-1].validation != single[1].record.curve[-1].validation
    for one, other in zip(found, single, strict=True):
        close(one, other, 1e-8)
    for name in ("unused", "frozen"):
        assert torch.equal(found[0].last[name], single[0].last[name])
    assert int(found[1].last["body.1.num_batches_tracked"]) == STEPS


class Linear(nn.Module):
    """A model without sums of many numbers."""

    def __init__(self, shape) -> None:
        super().__init__()
        self.head = nn.Linear(len(shape.continuous), shape.outputs)

    def forward(self, categorical, continuous):
        return self.head(continuous)


def test_where_no_sum_is_rounded_otherwise_the_bits_are_the_same(data, monkeypatch) -> None:
    without_compiling(monkeypatch)
    single = alone(data, *TOGETHER, kind=CompiledMethod, model=Linear, clip=None)
    for one, other in zip(stacked(data, *TOGETHER, model=Linear, clip=None), single, strict=True):
        assert all(torch.equal(one.last[name], each) for name, each in other.last.items())
        assert one.record.test == other.record.test


def test_pruned_runs_together_are_pruned_runs_alone(data) -> None:
    """Each has the zeros of its own earlier run; beside a run without zeros it is refused."""
    who = [member(data, seed, text, prune="magnitude(0.5)", precision="float64") for seed, text in TOGETHER]
    who = [
        replace(each, masked=build_model(MODEL, data.shape, seed=each.key.seed + 7).state_dict())
        for each in who
    ]
    single = [train(e.dataset, e.recipe, e.key, e.method, masked=e.masked, **HOW) for e in who]
    for one, other in zip(train_stack(who, compiling=False, **HOW), single, strict=True):
        zeros = {name: int((weight == 0).sum()) for name, weight in one.last.items() if weight.dim() == 2}
        assert any(zeros.values())
        close(one, other, 1e-8)
    with pytest.raises(OptionError, match="pruned weights"):
        train_stack([who[0], replace(who[1], masked=None)], compiling=False)


def test_the_same_stack_has_the_same_bits(data) -> None:
    first, again = (stacked(data, *TOGETHER, tables=TABLES) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(one.last[name], each) for name, each in other.last.items())


EVERYWHERE = "input-noise(0.1) + l2(0.01) + gradient-noise(0.01) + max-norm(1.5) + ema(0.9)"


def test_regularizers_of_every_place(data, monkeypatch) -> None:
    """Each run has its own noise, projection and averages."""
    without_compiling(monkeypatch)
    how = {"precision": "float64", "regularizer": EVERYWHERE}
    single = alone(data, *TOGETHER, kind=CompiledMethod, **how)
    plain = alone(data, *TOGETHER, kind=CompiledMethod, precision="float64")
    for one, other, without in zip(stacked(data, *TOGETHER, **how), single, plain, strict=True):
        close(one, other, 1e-8)
        assert other.record.test != pytest.approx(without.record.test, rel=1e-6)


@pytest.mark.parametrize(
    "text", ["sgd(lr={})", "quickprop(lr={})", "schedule-free-adamw(lr={})", "nadam(lr={})"]
)
def test_rules_of_other_kinds(data, monkeypatch, text) -> None:
    without_compiling(monkeypatch)
    who = [(seed, text.format(lr)) for seed, lr in ((3, 0.02), (4, 0.005), (4, 0.01))]
    how = {"precision": "float64", "model": Linear, "schedule": "constant"}
    for one, other in zip(
        stacked(data, *who, **how), alone(data, *who, kind=CompiledMethod, **how), strict=True
    ):
        close(one, other, 1e-9)


class Stop(Callback):
    """Stops after an evaluation."""

    def at_evaluation(self, view) -> None:
        if view.step >= 20:
            view.stop("enough")


def hooked(given: StackedRun, *callbacks) -> StackedRun:
    """Return a run with callbacks."""
    hooks = Hooks(callbacks, given.method.schedule)
    return replace(given, hooks=hooks, method=replace(given.method, schedule=hooks.control.rate))


def test_runs_that_end_do_not_touch_the_others(data, monkeypatch) -> None:
    """One diverges, one is stopped by a callback, one goes on to its end with its own schedule."""
    without_compiling(monkeypatch)
    how: dict[str, Any] = {"tables": TABLES, "precision": "float64"}

    def members(kind: Any) -> list[StackedRun]:
        return [
            member(data, 0, "sgd(lr=1e200)", kind, **how),
            hooked(member(data, 1, "sgd(lr=0.1)", kind, **how), Stop()),
            member(data, 2, "sgd(lr=0.03)", kind, schedule="linear", **how),
        ]

    single = [
        train(e.dataset, e.recipe, e.key, e.method, model=Normed, hooks=e.hooks, **HOW)
        for e in members(CompiledMethod)
    ]
    made: list[float] = []
    found = train_stack(members(GradientMethod), model=Normed, compiling=False, progress=made.append, **HOW)
    assert [each.record.outcome for each in found] == ["diverged", "stopped early", "finished"]
    assert [each.record.reason for each in found] == [each.record.reason for each in single]
    assert [each.steps for each in found] == [each.steps for each in single]
    for one, other in zip(found[1:], single[1:], strict=True):
        close(one, other, 1e-8)
    assert sum(made) == 3 * STEPS


def test_an_error_in_a_step_ends_all(data) -> None:
    class Fails(Linear):
        def forward(self, categorical, continuous):
            if self.training and torch._C._functorch.maybe_current_level():
                raise IndexError("out of range")
            return super().forward(categorical, continuous)

    with pytest.raises(NotTraceableError, match="IndexError: out of range"):
        stacked(data, *TOGETHER, model=Fails)


@pytest.mark.parametrize(
    ("others", "fact"),
    [
        ({"text": "adam(lr=0.01, eps=1e-4)"}, "differ in their rule"),
        ({"text": "sgd(lr=0.01)"}, "differ in their rule"),
        ({"batch_size": 32}, "differ in their batch size: 16 and 32"),
        ({"steps": 20}, "differ in their length"),
        ({"regularizer": "l2(0.1)"}, "differ in their loss, class weights, precision or regularizer"),
        ({"clip": None}, "differ in their clipping"),
        ({"tables": TABLES}, "differ in their tables by rows"),
        ({"class_weights": (1.0, 2.0, 1.0)}, "differ in their loss, class weights, precision or reg"),
        ({"text": "muon"}, "muon couples the elements of a tensor, so its runs cannot be stacked"),
    ],
)
def test_runs_that_are_not_one_program_are_refused(data, others, fact) -> None:
    members = [member(data, 0, "adam(lr=0.01)"), member(data, 1, **{"text": "adam(lr=0.01)", **others})]
    with pytest.raises(OptionError, match=fact):
        train_stack(members, model=Linear, compiling=False)


def test_methods_that_are_no_rule_are_refused(data) -> None:
    method = make_spec("l-bfgs").make(MethodSettings(make_schedule("constant", STEPS)))
    one = replace(member(data, 0, "adam(lr=0.01)"), method=method)
    with pytest.raises(OptionError, match="is no rule, so its runs cannot be stacked"):
        train_stack([one, one], compiling=False)


@pytest.mark.slow
def test_a_compiled_stack(data) -> None:
    found = train_stack([member(data, seed, text, tables=TABLES) for seed, text in TOGETHER], **HOW)
    for one, other in zip(found, stacked(data, *TOGETHER, model=None, tables=TABLES), strict=True):
        close(one, other, 1e-3)


def test_a_stack_that_a_device_would_replay_has_the_same_runs(data, monkeypatch) -> None:
    """Made on the CPU without capturing: the same tensors in the same places, several blocks of steps."""
    expected = stacked(data, *TOGETHER)
    monkeypatch.setattr(stack, "replays", lambda _: True)
    found = stacked(data, *TOGETHER)
    for one, other in zip(found, expected, strict=True):
        assert [(e.train_loss, e.validation) for e in one.record.curve] == [
            (e.train_loss, e.validation) for e in other.record.curve
        ]
        assert all(torch.equal(one.weights[name], each) for name, each in other.weights.items())
