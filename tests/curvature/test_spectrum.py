"""Eigenvalues, traces and densities by products, against those of the matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import eigsh
from torch import nn

from steepest.curvature import (
    Curvature,
    diagonal,
    estimated_diagonal,
    matrix,
    spectral_density,
    top_eigenvalues,
    trace,
)
from steepest.errors import OptionError
from tests.curvature.nets import nets

CLASSES = torch.tensor([0, 2, 1, 1, 0, 2, 2])


def at(name: str = "tabular") -> Curvature:
    net, inputs = nets()[name]
    return Curvature.of(net, nn.CrossEntropyLoss(), inputs, CLASSES)


@pytest.mark.parametrize("kind", ["gauss-newton", "hessian"])
def test_the_largest_eigenvalues_are_those_of_the_matrix(kind) -> None:
    where = at()
    wanted = torch.linalg.eigvalsh(matrix(where, kind)).flip(0).numpy()
    found = top_eigenvalues(where, kind, count=4)
    assert found.values == pytest.approx(wanted[:4], rel=1e-8)
    assert found.residuals.max() < 1e-8 * wanted[0]
    smallest = top_eigenvalues(where, kind, count=1, which="smallest")
    assert smallest.values[0] == pytest.approx(wanted[-1], abs=1e-8)
    assert found.products > 4


def test_there_are_fewer_eigenvalues_than_parameters() -> None:
    where = at("plain")
    with pytest.raises(OptionError, match=f"{where.size} eigenvalues of a matrix of {where.size} rows"):
        top_eigenvalues(where, count=where.size)


def test_trace_and_diagonal_are_within_their_errors() -> None:
    where = at()
    whole = matrix(where)
    found = trace(where, samples=400, seed=1)
    assert abs(float(found.value - whole.trace())) < 4 * float(found.error)
    assert 0 < float(found.error) < 0.1 * float(whole.trace())
    estimate = estimated_diagonal(where, samples=400, seed=1)
    off = (estimate.value - diagonal(where)).abs()
    assert bool((off <= 5 * estimate.error + 1e-12).all())
    with pytest.raises(OptionError, match="1 samples have no standard error"):
        trace(where, samples=1)


def test_the_density_has_the_moments_of_the_matrix() -> None:
    where = at("plain")
    values = torch.linalg.eigvalsh(matrix(where, "hessian")).numpy()
    found = spectral_density(where, "hessian", probes=300, steps=60)
    assert found.weights.sum() == pytest.approx(1.0)
    assert (found.weights @ found.nodes) == pytest.approx(values.mean(), abs=0.02)
    assert (found.weights @ found.nodes**2) == pytest.approx((values**2).mean(), rel=0.15)
    assert found.nodes.max() == pytest.approx(values.max(), rel=1e-6)
    assert found.nodes.min() == pytest.approx(values.min(), rel=1e-6)
    assert np.trapezoid(found.density, found.points) == pytest.approx(1.0, abs=1e-3)


def test_matrices_of_large_networks_are_refused() -> None:
    net = nn.Linear(200, 60)
    where = Curvature.of(net, nn.MSELoss(), torch.ones(1, 200), torch.zeros(1, 60))
    with pytest.raises(OptionError, match="a matrix of 12,060 × 12,060 numbers is too large"):
        matrix(where)
    assert diagonal(where).shape == (12_060,)


@pytest.mark.parametrize("kind", ["gauss-newton", "hessian"])
def test_the_spectrum_is_that_of_curvlinops(kind) -> None:
    """Its operator, through its own trace and SciPy's eigenvalues."""
    curvlinops = pytest.importorskip("curvlinops")
    net, inputs = nets()["plain"]
    where = Curvature.of(net, nn.CrossEntropyLoss(), inputs, CLASSES)
    operators = {"gauss-newton": curvlinops.GGNLinearOperator, "hessian": curvlinops.HessianLinearOperator}
    parameters = [each for each in net.parameters() if each.requires_grad]
    theirs = operators[kind](
        net, nn.CrossEntropyLoss(), parameters, [(inputs, CLASSES)], check_deterministic=False
    )
    linear = theirs.to_scipy(dtype=np.float64)
    wanted = eigsh(linear, k=3, which="LA", return_eigenvectors=False)[::-1]
    assert top_eigenvalues(where, kind, count=3).values == pytest.approx(wanted, rel=1e-8)
    exact = float(np.trace(linear @ np.eye(where.size)))
    found = trace(where, kind, samples=400, seed=1)
    assert abs(float(found.value) - exact) < 4 * float(found.error)
    assert float(matrix(where, kind).trace()) == pytest.approx(exact, rel=1e-9)
