r"""First and second derivatives of a small function as matrices, and whether they are what they have to be.

The Jacobian is :math:`J = \partial o / \partial w`, the Hessian that of the loss or of the combination
:math:`u \cdot o` that is checked. The Gauss-Newton matrix is :math:`J^\top H_L J` with the Hessian of the loss in the
outputs; without a loss on the outputs it is :math:`J^\top J`, of half their squared norm. All three come from
:mod:`steepest.curvature`.
Checked are, with random u and v, whose elements are as large as the parameters,

.. math:: u \cdot Hv = v \cdot Hu, \qquad u \cdot Gv = v \cdot Gu, \qquad v \cdot Gv \ge 0, \qquad
          u \cdot Hv = \frac{d}{ds}\, u \cdot \nabla L(w + s v).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from steepest.checking.differences import SAFETY, derivative
from steepest.checking.gradients import RELATIVE, CheckedPoint, gradients_of
from steepest.checking.subject import WithLoss
from steepest.curvature import Curvature
from steepest.curvature.dense import jacobian, matrix
from steepest.errors import OptionError
from steepest.rng import stream

MOST = 300
"""Parameters up to which matrices are formed."""
SYMMETRIC = 1e-9
"""How far a matrix may be from its transpose, and its least eigenvalue below zero, as a share of its largest number."""


@dataclass(frozen=True)
class Matrices:
    """Derivatives of a small function as matrices.

    Attributes:
        parameters: names and sizes, in the order of rows and columns.
        jacobian: of the outputs, ``[outputs, parameters]``.
        hessian, gauss_newton: ``[parameters, parameters]``.
        asymmetry: the largest difference of the Hessian from its transpose, as a share of its largest number.
        products: the largest difference between u·Gv and v·Gu, as a share of the larger.
        least, largest: eigenvalues of the Gauss-Newton matrix.
        of_hessian: the least and the largest eigenvalue of the Hessian.
        by_product, by_difference, tolerance: u·Hv by autograd and by finite differences of the gradient; the tolerance
            is infinite where the gradient jumps near the point.
    """

    parameters: tuple[tuple[str, int], ...]
    jacobian: Tensor
    hessian: Tensor
    gauss_newton: Tensor
    asymmetry: float
    products: float
    least: float
    largest: float
    of_hessian: tuple[float, float]
    by_product: float
    by_difference: float
    tolerance: float

    @property
    def first_bad(self) -> float | None:
        """The first second derivative that is not finite; None where all are."""
        for each in (self.hessian, self.gauss_newton):
            bad = each[~each.isfinite()]
            if bad.numel():
                return float(bad[0])
        return None

    @property
    def right(self) -> bool:
        """Whether the second derivatives are those of the gradient."""
        return abs(self.by_product - self.by_difference) <= self.tolerance and self.asymmetry <= SYMMETRIC

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "parameters": [list(each) for each in self.parameters],
            **{name: getattr(self, name).tolist() for name in ("jacobian", "hessian", "gauss_newton")},
            **{
                name: getattr(self, name)
                for name in (
                    "asymmetry",
                    "products",
                    "least",
                    "largest",
                    "by_product",
                    "by_difference",
                    "tolerance",
                )
            },
            "of_hessian": list(self.of_hessian),
        }

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        size = sum(each for _, each in self.parameters)
        low, high = self.of_hessian
        shape = (
            "positive definite"
            if low > SYMMETRIC * abs(high)
            else "not definite"
            if low < -SYMMETRIC * high
            else "flat"
        )
        definite = "≥ 0" if self.least >= -SYMMETRIC * self.largest else "below 0"
        differences = (
            f"{self.by_difference:.8g} ± {self.tolerance:.1g} by differences of the gradient"
            if math.isfinite(self.tolerance)
            else "not compared with differences of the gradient, which jumps near here"
        )
        return [
            f"second derivatives by {size} parameters: u·Hv = {self.by_product:.8g} by autograd, {differences}",
            f"  Hessian: symmetric to {self.asymmetry:.0e}, eigenvalues from {low:.4g} to {high:.4g} ({shape} here)",
            f"  Gauss-Newton matrix: u·Gv = v·Gu to {self.products:.0e}, eigenvalues from {self.least:.2g} to "
            f"{self.largest:.4g} (v·Gv {definite})",
        ]


def matrices_of(
    point: CheckedPoint, left_out: Mapping[str, Tensor] = MappingProxyType({})
) -> Matrices | None:
    """Return the matrices of a function; None where it has too many parameters, or no second derivatives.

    Args:
        point: the function.
        left_out: where parameters have no gradient on purpose, by name.
    """
    subject = point.subject
    names = list(subject.parameters) or list(point.base)
    parameters = {name: point.base[name] for name in names}
    size = sum(each.numel() for each in parameters.values())
    if not 0 < size <= MOST:
        return None
    call, loss = _parts(point)
    try:
        of_loss = Curvature(
            call, parameters, loss or (lambda o: (o[0] * point.cotangent).sum()), backwards=True
        )
        of_outputs = (
            of_loss if loss else Curvature(call, parameters, lambda o: o.square().sum() / 2, backwards=True)
        )
        hessian = matrix(of_loss, "hessian").detach()
        gauss_newton = matrix(of_outputs).detach()
        slopes = jacobian(of_outputs).detach()
        draw = stream(0, "data", 2)
        free = torch.cat(
            [
                (~left_out[name] if name in left_out else torch.ones_like(each, dtype=torch.bool)).reshape(-1)
                for name, each in parameters.items()
            ]
        )
        sizes = torch.cat([point.sizes(name).reshape(-1) for name in parameters])
        u, v = (torch.from_numpy(draw.normal(size=size)) * free * sizes for _ in range(2))
        left, right = float(u @ of_outputs.gauss_newton(v)), float(v @ of_outputs.gauss_newton(u))
        product = float(u @ of_loss.hessian(v))
        estimate = derivative(_slope_along(point, parameters, u, v))
    except (RuntimeError, OptionError):
        return None
    top = float(hessian.abs().max())
    terms = float((sizes[:, None] * hessian * sizes).abs().max())
    eigenvalues, bends = _eigenvalues(gauss_newton), _eigenvalues(hessian)
    return Matrices(
        tuple((name, each.numel()) for name, each in parameters.items()),
        slopes,
        hessian,
        gauss_newton,
        float((hessian - hessian.T).abs().max()) / top if top > 0 else 0.0,
        abs(left - right) / max(abs(left), abs(right), 1e-300),
        float(eigenvalues[0]),
        float(eigenvalues[-1]),
        (float(bends[0]), float(bends[-1])),
        product,
        estimate.value,
        math.inf
        if estimate.kink or estimate.edge
        else SAFETY * estimate.error + RELATIVE * max(abs(product), abs(estimate.value), terms),
    )


def _eigenvalues(of: Tensor) -> Tensor:
    """Return the eigenvalues of the symmetric part of a matrix, the least first; NaN where it is not finite."""
    if not bool(of.isfinite().all()):
        return torch.full((len(of),), torch.nan, dtype=of.dtype)
    return torch.linalg.eigvalsh((of + of.T) / 2)


def _parts(
    point: CheckedPoint,
) -> tuple[Callable[[Mapping[str, Tensor]], Tensor], Callable[[Tensor], Tensor] | None]:
    """Return the outputs as a function of parameters, ``[1, K]``, and the loss of them, where one is on them."""
    subject, module = point.subject, point.subject.module
    if not isinstance(module, WithLoss):
        return lambda named: subject.outputs({**point.base, **named})[None], None
    inputs = [point.base.get(name, each) for name, each in subject.inputs.items()]
    shape = functional_call(module, dict(subject.parameters), tuple(inputs), {"alone": True}).shape

    def call(named: Mapping[str, Tensor]) -> Tensor:
        with subject.held(torch.float64) as buffers:
            outputs = functional_call(module, {**named, **buffers}, tuple(inputs), {"alone": True})
        return outputs.reshape(1, -1)

    return call, lambda outputs: module.loss(outputs.reshape(shape))


def _slope_along(
    point: CheckedPoint, parameters: Mapping[str, Tensor], u: Tensor, v: Tensor
) -> Callable[[float], float]:
    """Return u·∇L(w + s v) as a function of s."""
    sizes = [each.numel() for each in parameters.values()]

    def parts(vector: Tensor) -> dict[str, Tensor]:
        pieces = zip(parameters.items(), vector.split(sizes), strict=True)
        return {name: piece.reshape(each.shape) for (name, each), piece in pieces}

    directions, weights = parts(v), parts(u)

    def slope(distance: float) -> float:
        leaves = {
            name: (each + distance * directions[name]).requires_grad_(True)
            for name, each in parameters.items()
        }
        outputs = point.subject.outputs(
            {**point.base, **{name: each.clone() for name, each in leaves.items()}}
        )
        found = gradients_of((outputs * point.cotangent).sum(), leaves)
        return sum(float((weights[name] * each).sum()) for name, each in found.items() if each is not None)

    return slope
