"""Runs of some steps on a small table: eagerly, as the traced graph, or compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from torch import Tensor, nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset
from steepest.data.table import Table, read_table
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod, Method
from steepest.regularizers import read_regularizers
from steepest.regularizers.applied import attach
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.train import compiled as compiled_steps
from steepest.train.aot import Compiled
from steepest.train.compiled import CompiledMethod
from steepest.train.problem import SupervisedProblem
from steepest.train.program import Traced
from steepest.train.weights import KeptWeights

MODEL = "embedding-mlp(hidden=(6, 4), dropout=0.2, hidden_dropout=0.3)"
TABLES = ("embeddings.0.weight", "embeddings.1.weight")
STEPS = 30


def table(task: str = "classification") -> Dataset:
    """Two columns of codes, one with many rare ones, two numbers; batches hold duplicates."""
    return opened(task).dataset()


def opened(task: str) -> Table:
    """Return the table of :func:`table`."""
    draw = stream(3, "data", 78)
    rows = 900
    block = np.minimum((draw.pareto(0.8, rows) * 4).astype(int), 150)
    kind = draw.integers(0, 4, rows)
    score = draw.standard_normal(151)[block] + 0.5 * kind + draw.standard_normal(rows)
    frame = pl.DataFrame({
        "block": [f"b{each}" for each in block],
        "kind": [f"k{each}" for each in kind],
        "size": draw.standard_normal(rows),
        "age": draw.random(rows),
        "y": score if task == "regression" else np.where(score > 1.5, "high", np.where(score > 0, "some", "low")),
    })  # fmt: skip
    return read_table(frame, target="y", task=task)


def in_float64(dataset: Dataset) -> Dataset:
    """Return a dataset with all numbers in float64."""
    return dataset.wide()


@dataclass
class Run:
    """What some steps leave.

    Attributes:
        losses: one a step.
        start: weights and buffers before.
        weights: those to evaluate with, and the buffers, after.
        training: those being trained, with lagging rows.
        method: what made the steps.
        state: its state.
    """

    losses: list[float]
    start: dict[str, Tensor]
    weights: dict[str, Tensor]
    training: dict[str, Tensor]
    method: Method
    state: Any


def problem_of(
    dataset: Dataset,
    *,
    seed: int = 0,
    model: str | Callable[[Any], nn.Module] = MODEL,
    weights: tuple[float, ...] | None = None,
    loss: str = "",
    regularizer: str = "",
) -> SupervisedProblem:
    """Return a new model with its loss, in the numbers of the dataset."""
    dtype = dataset.train.inputs[1].dtype
    net = build_model(model, dataset.shape, seed=seed).to(dataset.train.target.device, dtype)
    target, regularizers = target_of(dataset), read_regularizers(regularizer)
    attach(regularizers, net, dataset.train)
    problem = SupervisedProblem(
        net,
        make_objective(loss, target),
        weights,
        tuple(dataset.shape.cardinalities),
        regularizers=regularizers,
        target=target,
        length=STEPS,
    )
    if problem.weights is not None:
        problem.weights = problem.weights.to(dtype)
    net.train()
    return problem


def run(
    dataset: Dataset,
    method: Method,
    *,
    steps: int = STEPS,
    seed: int = 0,
    batch_size: int = 16,
    problem: SupervisedProblem | None = None,
    **changes: Any,
) -> Run:
    """Make some steps, in two goes as between two evaluations."""
    problem = problem or problem_of(dataset, seed=seed, **changes)
    start = {name: each.clone() for name, each in problem.model.state_dict().items()}
    state = method.init(problem)
    plan = BatchPlan(len(dataset.train), batch_size, seed)
    feed = problem.feed(dataset.train, plan, seed)
    first = steps // 3
    losses = [info.loss for info in method.steps(problem, state, feed, 0, first)]
    losses += [info.loss for info in method.steps(problem, state, feed, first, steps - first)]
    after = {name: each.clone() for name, each in problem.model.state_dict().items()}
    return Run(losses, start, KeptWeights(problem.model, method, state).weights(), after, method, state)


def eager(
    text: str,
    schedule: str = "cosine",
    clip: float | None = None,
    tables: tuple[str, ...] = (),
    steps: int = STEPS,
) -> GradientMethod:
    """Return the eager method."""
    return GradientMethod(make_rule(text), make_schedule(schedule, steps), clip, tables)


def one_program(
    text: str,
    schedule: str = "cosine",
    clip: float | None = None,
    tables: tuple[str, ...] = (),
    steps: int = STEPS,
) -> CompiledMethod:
    """Return the method whose steps are one program."""
    return CompiledMethod(make_rule(text), make_schedule(schedule, steps), clip, tables)


def without_compiling(monkeypatch: pytest.MonkeyPatch) -> list[Traced]:
    """Make compiled steps run their graph as it was traced; return the list of graphs, which grows."""
    graphs: list[Traced] = []

    def compiled(traced: Traced, *_: Any, **__: Any) -> Compiled:
        graphs.append(traced)

        def call(tensors: list[Tensor]) -> list[Tensor]:
            pairs = zip(tensors, traced.examples, strict=True)
            assert all(alike(*each) for each in pairs), "a compiled program would read these tensors wrongly"
            return [traced.graph(*tensors)]

        return Compiled(call, 0.0)

    monkeypatch.setattr(compiled_steps, "compiled", compiled)
    return graphs


def alike(given: Tensor, example: Tensor) -> bool:
    """Return whether a program that was made for one tensor can read another."""
    steps = [
        (a, b)
        for a, b, size in zip(given.stride(), example.stride(), given.shape, strict=True)
        if size > 1 and given.numel()
    ]
    return given.shape == example.shape and given.dtype == example.dtype and all(a == b for a, b in steps)


def distance(found: dict[str, Tensor], expected: Run) -> float:
    """Return the largest ‖difference‖ of any tensor as a share of how far it has moved."""
    assert found.keys() == expected.weights.keys()
    worst = 0.0
    for name, right in expected.weights.items():
        moved = (right.double() - expected.start[name].double()).norm()
        difference = (found[name].double() - right.double()).norm()
        worst = max(worst, float(difference / moved) if moved else float(difference))
    return worst
