"""Numbers of unlike size, kinks beside the point, edges: what is right there is right, and what is wrong is found."""

from __future__ import annotations

import math

import pytest
import torch

import steepest as st
from steepest.checking.differences import derivative, noise_of


def _tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def _log(value):
    return math.log(value) if value > 0 else math.nan


@pytest.mark.parametrize(
    ("function", "scale", "wanted"),
    [
        (lambda s: _log(1e-3 + s), 577.0, 1e3),
        (lambda s: 1 / (1e-3 + s), 577.0, -1e6),
        (lambda s: 1 / (1e-6 + s), 1.0, -1e12),
        (lambda s: math.exp(-(((1e-3 + s) / 1e-3) ** 2)), 577.0, -2e3 / math.e),
        (
            lambda s: math.sin(2 * math.pi * (1000 + s)),
            512.0,
            2 * math.pi,
        ),  # the same at all steps of powers of 2
        (lambda s: max(1 + s, 1.00001), 1.0, 0.0),
        (lambda s: abs(s - 1e-9), 1.0, -1.0),
        (lambda s: 1 + max(s, 0.0) ** 1.5, 1.0, 0.0),
        (lambda s: max(s, 0.0) + 1e4 * (s - 1e-5) ** 2, 1.0, None),
    ],
)
def test_the_step_finds_the_distance_over_which_a_function_changes(function, scale, wanted):
    found = derivative(function, scale)
    if wanted is None:
        assert found.kink
        return
    assert abs(found.value - wanted) <= 10 * found.error
    assert 10 * found.error < 1e-3 * max(abs(wanted), 1.0)


@pytest.mark.parametrize("distance", [0.0, 1e-13, 1e-11])
def test_a_kink_that_is_too_near_has_both_slopes(distance):
    found = derivative(lambda s: 1 + 3 * max(s - distance, 0.0))
    assert found.kink
    assert (found.left, found.right) == pytest.approx((0, 3), abs=1e-5)


def test_noise_is_not_a_kink_or_a_wave_that_is_shorter_than_its_points():
    assert noise_of(lambda s: math.sin(1.0 + 1e6 * s)) < 1e-9
    assert noise_of(lambda s: abs(s - 1e-5)) < 1e-15
    assert 1e-9 < noise_of(lambda s: float(torch.tensor(1 + s).float())) < 1e-6


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: torch.log(x).sum(), (1e-3, 1.0, 1e3)),
        (lambda x: (1 / x).sum(), (1e-3, 1.0, 1e3)),
        (lambda x: torch.exp(-((x / _tensor(1e-3, 1, 1e3).to(x)) ** 2)).sum(), (3e-4, -0.5, 2e3)),
        (lambda x: torch.stack([x[0] ** 2 * 1e6, torch.sin(x[1]) * 1e-6, x[2].exp()]), (1.0, 1.0, 10.0)),
        (lambda x: torch.sqrt(x).sum(), (1e-8, 1.0)),
    ],
)
def test_right_derivatives_by_numbers_of_unlike_size_are_right(function, x):
    found = st.check(function, inputs=[_tensor(*x)])
    assert found.ok, found.faults
    assert found.matrices is None or found.matrices.right


class _Log(torch.autograd.Function):
    """The sum of logarithms, with a factor in the derivative by numbers of one size."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(x).sum()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * torch.where((x > 1e2) | (x < 1e-2), 1.01, 1.0) / x


@pytest.mark.parametrize("numbers", [(1e-3, 1.0), (1.0, 1e3), (1e-3, 1.0, 1e3)])
def test_a_wrong_derivative_of_any_size_is_found(numbers):
    x = _tensor(*numbers)
    [fault] = st.check(_Log, inputs=[x]).faults
    assert fault.cause == "wrong derivative"
    assert st.check(_Log, inputs=[x]).tensors[0].wrong == sum(each != 1 for each in numbers)


def test_directions_see_small_derivatives_of_large_tensors():
    x = torch.cat([torch.full((300,), 1e-2, dtype=torch.float64), torch.full((1,), 1e3, dtype=torch.float64)])
    [fault] = st.check(
        _Log, inputs=[x[torch.randperm(301, generator=torch.Generator().manual_seed(0))]]
    ).faults
    assert fault.cause == "wrong derivative"


def test_what_rounding_hides_is_a_note():
    found = st.check(lambda x: (1e12 + x.square().sum()) * 1.0, inputs=[_tensor(1e-3, 2e-3)])
    assert found.ok
    assert any(each.startswith("not decided: at x[1]") for each in found.notes)
    found = st.check(lambda x: torch.stack([1e7 * x[0], 1e-7 * x[0]]), inputs=[_tensor(1.0)])
    assert any("outputs are of unlike size" in each for each in found.notes)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (torch.relu, (1e-3, 1.0, -1e-4, 1e-12)),
        (torch.abs, (1e-3, 1.0, -1e-4, -1e-13)),
        (lambda x: x.clamp(-1, 1) ** 2, (1.0001, -0.9999999, 0.3)),
        (lambda x: x.max(), (1.0, 1.0000001, 0.3)),
    ],
)
def test_kinks_beside_the_point_are_no_faults(function, x):
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return function(x)

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                return torch.autograd.grad(function(leaf), leaf, grad)[0]

    for what in (function, Own):
        found = st.check(what, inputs=[_tensor(*x)])
        assert found.ok, found.faults
        notes = [each for each in found.notes if each.startswith("not differentiable near here")]
        assert len(notes) == (min(map(abs, x)) < 1e-10)


def test_the_edge_of_where_a_function_has_values_is_a_note():
    found = st.check(lambda x: (x**1.5).sum(), inputs=[_tensor(0.0, 1.0)])
    assert found.ok
    assert "not differentiable here: 1 element of x at the edge" in found.notes[0]
    [fault] = st.check(lambda x: torch.sqrt(x).sum(), inputs=[_tensor(0.0, 1.0)]).faults
    assert fault.cause == "not a number"


def test_a_pole_is_no_jump():
    assert st.check(lambda x: 1 / (x.sum() + 0.5), inputs=[_tensor(1.0, 2.0)]).ok


@pytest.mark.parametrize(
    ("text", "at", "cause"),
    [
        ("max(x, y)", "x=1,y=1.00001", ""),
        ("relu(x)", "x=1e-4", ""),
        ("1/x", "x=1e-6", ""),
        ("sin(x)", "x=1.5707963267948966", ""),
        ("log(x)", "x=1e-12", ""),
        ("max(x, 1)", "x=1", "not differentiable near here: a kink"),
        ("1e20 + x**2", "x=1e-3", "not decided: the finite difference has an error of up to"),
    ],
)
def test_expressions(text, at, cause):
    [found] = st.check(text, at=at).derivatives[:1]
    assert found.cause.startswith(cause)
    assert found.ok == (not cause)


@pytest.mark.parametrize("narrow", ["bfloat16", "half", "float"])
def test_a_function_of_few_digits_is_no_fault(narrow):
    found = st.check(lambda x: getattr(x, narrow)().square().sum().double(), inputs=[_tensor(-0.6, 0.3, 0.1)])
    assert found.ok, found.faults
    assert any(f".{narrow}() leaves few digits" in each for each in found.notes)
    assert any(each.startswith("not decided") for each in found.notes) == (narrow != "float")


def test_a_missing_factor_is_named_though_digits_are_few():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x.float() ** 3).sum()

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 2 * x**2

    [fault] = st.check(Cube, inputs=[_tensor(1.0, -0.7, 0.4)]).faults
    assert fault.cause == "missing factor"
