"""Conjugate gradients and the step of Hessian-free optimization, on quadratics and on functions that are none."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from steepest.curvature import notebook_2021
from steepest.curvature.cg import Path, conjugate_gradients
from steepest.curvature.hessian_free import CarriedState, StepOptions, descend
from steepest.rng import torch_stream


def system(size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return a positive definite matrix and a gradient."""
    with torch_stream(seed, "data"):
        half, g = torch.randn(size, size, dtype=torch.float64), torch.randn(size, dtype=torch.float64)
    return half @ half.T + 0.1 * torch.eye(size, dtype=torch.float64), g


def solved(a: Tensor, g: Tensor, **options: Any) -> Path:
    return conjugate_gradients(lambda v: a @ v, g, **{"most": 400, **options})


def phi(a: Tensor, g: Tensor, x: Tensor) -> float:
    return float(0.5 * x @ a @ x + g @ x)


@pytest.mark.parametrize("size", [1, 5, 12])
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("preconditioned", [False, True])
def test_a_quadratic_is_solved_in_as_many_steps_as_it_has_dimensions(
    size: int, warm: bool, preconditioned: bool
) -> None:
    a, g = system(size)
    path = solved(
        a,
        g,
        most=size,
        start=torch.ones(size, dtype=torch.float64) if warm else None,
        inverse=1 / a.diagonal() if preconditioned else None,
    )
    wanted = torch.linalg.solve(a, -g)
    assert (path.iterates[-1] - wanted).norm() < 1e-8 * wanted.norm()
    assert path.places[-1] == size
    assert path.products == size + warm


def test_values_are_those_of_the_quadratic_and_fall() -> None:
    a, g = system(40)
    path = solved(a, g, start=torch.ones(40, dtype=torch.float64))
    assert path.values == pytest.approx([phi(a, g, x) for x in path.iterates])
    assert path.values == sorted(path.values, reverse=True)
    assert path.places[:8] == [0, 1, 2, 3, 4, 5, 7, 9]  # about the powers of 1.3


def test_it_stops_by_the_progress_of_the_last_iterations() -> None:
    bend = torch.logspace(-4, 2, 200, dtype=torch.float64)
    a, g = torch.diag(bend), torch.ones(200, dtype=torch.float64)
    values = [phi(a, g, solved(a, g, most=i, progress=0.0).iterates[-1]) for i in range(1, 200)]
    values.insert(0, 0.0)
    stops = [
        i
        for i in range(1, 200)
        for k in [max(10, i // 10)]
        if i > k and values[i] < 0 and (values[i] - values[i - k]) / values[i] < k * 5e-3
    ]
    path = solved(a, g, progress=5e-3)
    assert path.places[-1] == stops[0] > 11
    assert solved(a, g, most=150, progress=0.0).places[-1] == 150


class Quartic:
    """A function whose curvature is known, which falls less than its quadratic promises."""

    def __init__(self, fourth: float) -> None:
        self.fourth = fourth
        self.bend = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
        self.at = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64)
        self.moves: list[Tensor] = []

    def value(self, w: Tensor) -> float:
        return float((0.5 * self.bend * w**2 + self.fourth * w**4).sum())

    def step(self, memory: CarriedState, way: Any = descend, **options: Any) -> Any:
        g = self.bend * self.at + 4 * self.fourth * self.at**3
        chosen = StepOptions(**{"rate": 1.0, "iterations": 20, "decay": 0.95, "ratio": "undamped", **options})

        def moved(move: Tensor) -> float:
            self.moves.append(move)
            return self.value(self.at + move)

        self.g = g
        return way(self.value(self.at), g, lambda v: self.bend * v, moved, memory, chosen)


@pytest.mark.parametrize("rate", [1.0, 0.3])
@pytest.mark.parametrize("fourth", [0.0, 3.0, 50.0])
def test_all_losses_are_those_of_steps_that_may_be_taken(rate: float, fourth: float) -> None:
    function, memory = Quartic(fourth), CarriedState(0.1)
    step = function.step(memory, rate=rate)
    assert step.value == function.value(function.at + step.move)
    assert step.forwards == len(function.moves)
    assert any(torch.equal(step.move, each) for each in function.moves)
    slope = float(function.g @ step.move)
    assert step.value <= function.value(function.at) + 0.01 * slope < function.value(function.at)
    longest = rate * memory.direction.norm()  # type: ignore[union-attr]
    assert max(each.norm() for each in function.moves) <= 1.0001 * longest


@pytest.mark.parametrize("ratio", ["undamped", "damped"])
def test_damping_follows_the_decrease_that_was_promised(ratio: str) -> None:
    function = Quartic(0.0)
    memory = CarriedState(30.0)
    step = function.step(memory, ratio=ratio)
    g, d = function.g, step.move
    promised = float(0.5 * d @ (function.bend * d) + g @ d)
    if ratio == "damped":
        promised += float(0.5 * 30.0 * d @ d)
    assert step.ratio == pytest.approx((step.value - function.value(function.at)) / promised)
    assert step.ratio > 0.75
    assert memory.damping == pytest.approx(20.0)
    if ratio == "undamped":
        assert step.ratio == pytest.approx(1.0)


@pytest.mark.parametrize(("share", "factor"), [(1.0, 2 / 3), (0.6, 1.0), (0.55, 3 / 2), (0.4, 3 / 2)])
def test_damping_grows_where_the_quadratic_promises_too_much(share: float, factor: float) -> None:
    function, memory = Quartic(0.0), CarriedState(1e-12)
    bend = function.bend
    function.bend = bend * share  # of the true curvature, so that ρ = 2 - 1/share
    step = descend(
        function.value(function.at) / share,
        bend * function.at,
        lambda v: share * bend * v,
        lambda move: function.value(function.at + move) / share,
        memory,
        StepOptions(1.0, 20, 0.95, "undamped"),
    )
    assert step.ratio == pytest.approx(2 - 1 / share)
    assert memory.damping == pytest.approx(factor * 1e-12)


def test_a_bad_proposal_raises_damping_and_moves_nothing_uphill() -> None:
    function, memory = Quartic(0.0), CarriedState(1e-9)
    function.value = lambda w: float("nan") if w is not function.at else 1.0  # type: ignore[method-assign]
    step = function.step(memory)
    assert not step.move.any()
    assert step.value == 1.0
    assert memory.damping == pytest.approx(1.5e-9)
    assert step.ratio == -math.inf


@pytest.mark.parametrize("way", [descend, notebook_2021.descend])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("warm", [False, True])
def test_a_product_that_is_not_finite_is_no_step(way: Any, bad: float, warm: bool) -> None:
    function = Quartic(0.0)
    g, before = function.bend * function.at, torch.ones(3, dtype=torch.float64) if warm else None
    memory = CarriedState(1.0, before)
    chosen = StepOptions(1.0, 5, 0.95, "undamped")
    step = way(function.value(function.at), g, lambda v: v * bad, lambda move: 0.0, memory, chosen)
    assert step.broken == "a product with the Gauss-Newton matrix holds NaN or infinite values"
    assert not step.move.any()
    assert memory == CarriedState(1.0, before)


def test_an_overflow_on_the_way_ends_it_where_it_is() -> None:
    made: list[Tensor] = []

    def product(v: Tensor) -> Tensor:
        made.append(v)
        return function.bend * v * (math.inf if len(made) > 1 else 1.0)

    function = Quartic(0.0)
    step = descend(
        function.value(function.at),
        function.bend * function.at,
        product,
        lambda move: function.value(function.at + move),
        CarriedState(1.0),
        StepOptions(1.0, 5, 0.95, "undamped"),
    )
    assert not step.broken
    assert step.iterations == 1
    assert step.value < function.value(function.at)


def test_the_next_step_starts_from_the_last_proposal() -> None:
    function, memory = Quartic(0.0), CarriedState(1.0)
    function.step(memory, iterations=1)
    proposal = memory.direction.clone()  # type: ignore[union-attr]
    seen: list[Tensor] = []
    descend(
        1.0,
        function.g,
        lambda v: seen.append(v) or function.bend * v,
        lambda move: 0.5,
        memory,
        StepOptions(1.0, 1, 0.6, "undamped"),
    )
    assert torch.allclose(seen[0], 0.6 * proposal)


def published(
    function: Quartic, memory: CarriedState, rate: float, most: int, decay: float
) -> tuple[Tensor, float]:
    """The published step again, in the order of its description."""
    a = torch.diag(function.bend + memory.damping)
    b, value = function.g, function.value(function.at)
    start = torch.zeros_like(b) if memory.direction is None else decay * memory.direction
    xs = [start]
    r = a @ start + b
    p = -r
    for _ in range(most):
        length = float(r @ r) / float(p @ a @ p)
        xs.append(xs[-1] + length * p)
        new = r + length * (a @ p)
        p = -new + float(new @ new) / float(r @ r) * p
        r = new
    losses = [function.value(function.at + x) for x in xs]
    chosen = 3
    for place in (2, 0):
        if losses[place] > losses[chosen]:
            break
        chosen = place
    slope = min(0.01 * float(b @ xs[chosen]), 0.0)
    reported, length = losses[chosen], rate
    while reported > value + length * slope:
        length *= 0.8
        reported = function.value(function.at + length * xs[chosen])
    rho = (losses[chosen] - value) / phi(a, b, xs[chosen])
    memory.damping *= 1.5 if rho < 0.25 else 2 / 3 if rho > 0.75 else 1.0
    memory.direction = xs[-1]
    return length * xs[chosen], reported


def test_the_published_step_reports_a_loss_of_a_step_that_it_does_not_take() -> None:
    function, memory, again = Quartic(0.3), CarriedState(0.5), CarriedState(0.5)
    for _ in range(4):
        step = function.step(memory, notebook_2021.descend, rate=5e-3, iterations=3)
        move, reported = published(function, again, 5e-3, 3, 0.95)
        assert torch.allclose(step.move, move, rtol=1e-9)
        assert step.value == pytest.approx(reported, rel=1e-9)
        assert memory.damping == pytest.approx(again.damping)
        function.at = function.at + step.move
        assert step.value < 0.7 * function.value(function.at)
    assert len(function.moves) >= 8
