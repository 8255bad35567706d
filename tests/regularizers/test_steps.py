"""Regularizers in steps: each against a slow version in plain torch, and the same in every executor."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from steepest.data.batches import BatchPlan
from steepest.regularizers import PLACES, read_regularizers
from steepest.rng import stream
from steepest.train.feed import Feed
from tests.train.steps import TABLES, distance, eager, in_float64, one_program, problem_of, run, table
from tests.train.steps import without_compiling as uncompiled
from tests.train.test_stack import alone, close, stacked

STEPS, RATE, CLIP = 30, 0.3, 0.7


@pytest.fixture(scope="module")
def data():
    return in_float64(table())


@pytest.fixture(autouse=True)
def graphs(monkeypatch):
    return uncompiled(monkeypatch)


# --- slow versions: nothing of the package's regularizers is used ---------------------------------------------------


class Slow:
    """What each place does; a case replaces one of them."""

    def batch(self, inputs: Tensor, draw: np.random.Generator) -> Tensor:
        return inputs

    def penalty(self, model: nn.Module) -> Any:
        return 0.0

    def gradient(self, model: nn.Module, draw: np.random.Generator, step: int) -> None:
        pass

    def decay(self, model: nn.Module) -> None:
        pass

    def after(self, model: nn.Module) -> None:
        pass

    def evaluated(self, history: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return history[-1]


def linear(model: nn.Module) -> list[Tensor]:
    return [each.weight for each in model.modules() if isinstance(each, nn.Linear)]


class InputNoise(Slow):
    def batch(self, inputs: Tensor, draw: np.random.Generator) -> Tensor:
        return inputs + 0.4 * torch.tensor(draw.standard_normal(inputs.shape))


class L2(Slow):
    def penalty(self, model: nn.Module) -> Any:
        return sum(0.05 * (row @ row) for each in linear(model) for row in each)


class L2Everywhere(Slow):
    def penalty(self, model: nn.Module) -> Any:
        return sum(0.05 * (each**2).sum() for each in model.parameters())


class L1(Slow):
    def penalty(self, model: nn.Module) -> Any:
        return sum(0.02 * row.abs().sum() for each in linear(model) for row in each)


class GradientNoise(Slow):
    def gradient(self, model: nn.Module, draw: np.random.Generator, step: int) -> None:
        for each in model.parameters():
            noise = draw.standard_normal(each.numel(), dtype=np.float32).reshape(each.shape)
            each.grad += math.sqrt(0.2 / (1 + step) ** 0.55) * torch.tensor(noise, dtype=torch.float64)


class MaxNorm(Slow):
    def after(self, model: nn.Module) -> None:
        for each in linear(model):
            for row in each.data:
                length = math.sqrt(sum(float(value) ** 2 for value in row))
                if length > 0.6:
                    row *= 0.6 / length


class ElasticNet(Slow):
    def penalty(self, model: nn.Module) -> Any:
        return sum(
            0.02 * (0.3 * row.abs().sum() + 0.7 * (row @ row)) for each in linear(model) for row in each
        )


class ProximalL1(Slow):
    def after(self, model: nn.Module) -> None:
        for each in linear(model):
            each.data = torch.where(
                each > 0, (each - 0.02 * RATE).clamp(0), (each + 0.02 * RATE).clamp(None, 0)
            ).data


class Decay(Slow):
    def decay(self, model: nn.Module) -> None:
        for each in linear(model):
            each.data = each.data - RATE * 0.3 * each.data


class Mean(Slow):
    def evaluated(self, history: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        last = history[STEPS // 2 :]
        return {
            name: sum(each[name] for each in last) / len(last) if value.is_floating_point() else value
            for name, value in history[-1].items()
        }


class Average(Slow):
    def evaluated(self, history: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        shares = [0.8 ** (len(history) - 1 - i) for i in range(len(history))]
        return {
            name: sum(share * each[name] for share, each in zip(shares, history, strict=True)) / sum(shares)
            if history[0][name].is_floating_point()
            else history[-1][name]
            for name in history[0]
        }


CASES: dict[str, Slow] = {
    "input-noise(0.4)": InputNoise(),
    "l2(0.05)": L2(),
    "l2(0.05, on=all)": L2Everywhere(),
    "l1(0.02)": L1(),
    "gradient-noise(0.2)": GradientNoise(),
    "elastic-net(0.02, 0.3)": ElasticNet(),
    "weight-decay(0.3)": Decay(),
    "l1(0.02, proximal=true)": ProximalL1(),
    "max-norm(0.6)": MaxNorm(),
    "swa(0.5)": Mean(),
    "ema(0.8)": Average(),
}
BY_ROWS = (
    "input-noise(0.4)",
    "l2(0.05)",
    "l1(0.02)",
    "elastic-net(0.02, 0.3)",
    "weight-decay(0.3)",
    "max-norm(0.6)",
)
"""Those that leave embedding tables alone."""
APART = ("l2(0.05, on=all)", "l1(0.02, proximal=true)", "swa(0.5)")
"""Those of which another one has the name or the place."""
ALL = " + ".join(each for each in CASES if each not in APART)


def crc(name: str) -> int:
    return zlib.crc32(name.encode())


def slowly(data: Any, cases: dict[str, Slow], steps: int = STEPS) -> tuple[dict[str, Tensor], list[float]]:
    """Train by plain gradient descent with a clipped gradient; return what is evaluated, and the losses."""
    problem = problem_of(data)
    model = problem.model
    plan = BatchPlan(len(data.train), 16, 0)
    feed = Feed(data.train, plan, 0)
    history: list[dict[str, Tensor]] = []
    losses: list[float] = []
    for step in range(steps):
        draws = {text: stream(0, "regularizer", crc(text.partition("(")[0]), step) for text in cases}
        batch = feed.batch(step)
        numbers = batch.inputs[1]
        for text, each in cases.items():
            numbers = each.batch(numbers, draws[text])
        model.zero_grad()
        with feed.randomness(step):
            loss = nn.functional.cross_entropy(model(batch.inputs[0], numbers), batch.target)
        (loss + sum(each.penalty(model) for each in cases.values())).backward()
        for text, each in cases.items():
            each.gradient(model, draws[text], step)
        norm = math.sqrt(sum(float((each.grad**2).sum()) for each in model.parameters()))
        rate = RATE * min(1.0, CLIP / (norm + 1e-6))
        for each in cases.values():
            each.decay(model)
        for each in model.parameters():
            each.data -= rate * each.grad
        for each in cases.values():
            each.after(model)
        history.append({name: each.clone() for name, each in model.state_dict().items()})
        losses.append(loss.item())
    evaluated = history[-1]
    for each in cases.values():
        evaluated = each.evaluated(history) if type(each).evaluated is not Slow.evaluated else evaluated
    return evaluated, losses


def made(
    data: Any,
    make: Callable[..., Any],
    text: str,
    tables: tuple[str, ...] = (),
    optimizer: str = f"sgd(lr={RATE})",
):
    return run(data, make(optimizer, "constant", CLIP, tables, STEPS), regularizer=text)


@pytest.mark.parametrize("text", [*CASES, ALL])
def test_each_is_its_slow_version_in_every_executor(data, text: str) -> None:
    cases = {each: CASES[each] for each in text.split(" + ")}
    expected, losses = slowly(data, cases)
    plain, _ = slowly(data, {})
    assert max(float((expected[name] - plain[name]).abs().max()) for name in plain) > 1e-3, "it does nothing"
    for make in (eager, one_program):
        found = made(data, make, text)
        assert np.allclose(found.losses, losses, rtol=0, atol=1e-9), make.__name__
        assert all(
            torch.allclose(found.weights[name], expected[name], rtol=0, atol=1e-9) for name in expected
        )


@pytest.mark.parametrize("text", [*BY_ROWS, " + ".join(BY_ROWS)])
def test_what_leaves_tables_alone_keeps_them_by_rows(data, text: str) -> None:
    right = made(data, eager, text, optimizer="adam(lr=0.01)")
    for make in (eager, one_program):
        found = made(data, make, text, TABLES, optimizer="adam(lr=0.01)")
        assert found.method.tables(found.state) is not None
        assert distance(found.weights, right) <= 1e-8


@pytest.mark.parametrize(
    "optimizer", ["adam(lr=0.01)", "adamw(lr=0.01, weight_decay=0.1)", "momentum(lr=0.1)"]
)
def test_with_other_optimizers_a_traced_step_is_the_eager_step(data, optimizer: str) -> None:
    right, found = (made(data, make, ALL, optimizer=optimizer) for make in (eager, one_program))
    assert np.allclose(found.losses, right.losses, rtol=0, atol=1e-9)
    assert distance(found.weights, right) <= 1e-8


@pytest.mark.parametrize("text", [ALL, " + ".join(BY_ROWS)])
def test_stacked_runs_are_the_runs_alone(data, graphs, text: str) -> None:
    who, tables = ((0, "adam(lr=0.01)"), (1, "adam(lr=0.1)")), () if text == ALL else TABLES
    how: dict[str, Any] = {"tables": tables, "precision": "float64", "regularizer": text}
    single, found = alone(data, *who, **how), stacked(data, *who, **how)
    for one, other in zip(found, single, strict=True):
        close(one, other, 1e-8)


def test_the_order_in_the_text_does_not_matter(data) -> None:
    backwards = " + ".join(reversed(ALL.split(" + ")))
    first, second = (made(data, eager, text) for text in (ALL, backwards))
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_penalties_are_clipped_and_weight_decay_is_not(data) -> None:
    clip = 1e-6
    start = problem_of(data).model.state_dict()
    name = next(name for name, each in start.items() if name.startswith("blocks") and each.dim() == 2)

    def moved(optimizer: str, text: str) -> Tensor:
        found = run(data, eager(optimizer, "constant", clip, (), 1), steps=1, regularizer=text)
        return found.weights[name] - start[name]

    assert float(moved("sgd(lr=1)", "l2(10)").norm()) <= clip
    for optimizer in ("adamw(lr=0.1, weight_decay=1, eps=1e6)", "sgd(lr=0.1, weight_decay=1)"):
        assert torch.allclose(moved(optimizer, ""), -0.1 * start[name], rtol=1e-4, atol=1e-6)


def test_l2_is_half_the_weight_decay_of_a_coupled_optimizer(data) -> None:
    penalty = run(data, eager("sgd(lr=0.3)"), regularizer="l2(0.01, on=all)")
    decay = run(data, eager("sgd(lr=0.3, weight_decay=0.02)"))
    assert distance(decay.weights, penalty) <= 1e-9


@pytest.mark.parametrize("make", [eager, one_program])
def test_decoupled_decay_is_what_adamw_does(data, make) -> None:
    found = run(data, make("adam(lr=0.02)"), regularizer="weight-decay(0.3, on=all)")
    right = run(data, make("adamw(lr=0.02, weight_decay=0.3)"))
    assert distance(found.weights, right) <= 1e-12
    coupled = run(data, make("adam(lr=0.02, weight_decay=0.3)"))
    assert distance(coupled.weights, right) > 1e-3


def test_a_proximal_penalty_gives_exact_zeros(data) -> None:
    near, exact = (
        run(data, eager("sgd(lr=0.3)"), regularizer=f"l1(0.02{more})") for more in ("", ", proximal=true")
    )
    zeros = [
        sum(int((each == 0).sum()) for name, each in found.weights.items() if name.startswith("blocks"))
        for found in (near, exact)
    ]
    assert zeros[0] == 0 < 20 < zeros[1]


def test_micro_batches_count_a_penalty_and_its_noise_once(data) -> None:
    text = "l2(0.1, on=all) + gradient-noise(0.1) + ema(0.8)"
    together, apart = (eager("sgd(lr=0.1)", "constant", 0.5) for _ in range(2))
    apart.accumulate = 4
    right, found = (run(data, each, model="linear", regularizer=text) for each in (together, apart))
    assert np.allclose(found.losses, right.losses, rtol=0, atol=1e-12)
    assert distance(found.weights, right) <= 1e-12


def test_held_losses_see_one_penalty_and_one_noise(data) -> None:
    """Every evaluation of a step has the same batch: L-BFGS without a line search on it is deterministic descent."""
    from steepest.optim import make_spec
    from steepest.optim.spec import MethodSettings

    method = make_spec("l-bfgs(lr=0.1, max_iter=3, line_search_fn=none)").make(
        MethodSettings(lambda step: 1.0)
    )
    problem = problem_of(data, regularizer="l2(0.05) + input-noise(0.4)")
    again = problem_of(data, regularizer="l2(0.05) + input-noise(0.4)")
    found, right = (run(data, method, steps=3, problem=each) for each in (problem, again))
    plain = run(data, method, steps=3)
    assert found.losses == right.losses
    assert found.losses[0] != plain.losses[0], "the noise is in the first loss"
    assert distance(found.weights, plain) > 1e-3


def test_every_place_in_a_step_is_here() -> None:
    here = {place for text in CASES for each in read_regularizers(text) for place in each.places}
    assert here == set(PLACES) - {"labels", "layers", "length"}, "labels and layers are in test_inside.py"
