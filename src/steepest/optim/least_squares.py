r"""Nonlinear least squares by Levenberg and Marquardt, as a pure function and as the pieces of a training method.

Levenberg, Quarterly of Applied Mathematics 2, 1944; Marquardt, SIAM Journal 11, 1963; the scaling that never shrinks is
that of Moré, *The Levenberg-Marquardt algorithm*, 1978; the damping by the gain ratio is that of Nielsen, *Damping
parameter in Marquardt's method*, IMM-REP-1999-05, Technical University of Denmark, 1999.

Around a point, the residuals :math:`r` are :math:`r + J\delta`. A step minimises

.. math:: \lVert r + J\delta \rVert^2 + \lambda \lVert D\delta \rVert^2

and is taken if the sum of squares falls. By the ratio ρ of this fall to that of the linear residuals, λ is multiplied
by :math:`\max(1/3,\ 1 - (2\rho - 1)^3)`, or where nothing falls by 2, then 4, 8, ….
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from steepest.optim.derivatives import jacobian

START = 1e-3
"""The first damping."""
HOPELESS = 1e32
"""A damping at which no step is left."""


@dataclass(frozen=True)
class Damping:
    """The damping λ and what it is multiplied by where the next step fails.

    Example:
        >>> Damping(1.0).after(1.0), Damping(1.0).after(-1.0).after(-1.0)
        (Damping(value=0.333..., growth=2.0), Damping(value=8.0, growth=8.0))
    """

    value: float = START
    growth: float = 2.0

    def after(self, ratio: float) -> Damping:
        """Return the damping after a step whose fall was this share of the expected one; NaN is a failure."""
        if ratio > 0:
            return Damping(self.value * max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3))
        return Damping(self.value * self.growth, self.growth * 2)


class LinearizedResiduals:
    """Residuals that are linear around a point, solved for any damping after one factorisation, in float64.

    Args:
        derivative: J ``[m, n]``.
        residuals: r ``[m]``.

    Attributes:
        norms: of the columns of J, ``[n]``; a number whose column is 0 does not move.
    """

    def __init__(self, derivative: Tensor, residuals: Tensor) -> None:
        derivative, residuals = derivative.double(), residuals.detach().double()
        self.norms = derivative.norm(dim=0)
        self._used = self.norms > 0
        self._derivative = derivative[:, self._used]
        self._slope = self._derivative.T @ residuals
        orthogonal, self._upper = torch.linalg.qr(self._derivative)
        self._wanted = -(orthogonal.T @ residuals)

    def step(self, damping: float, scale: Tensor) -> Tensor:
        """Return δ ``[n]`` for a damping λ and the diagonal of D ``[n]``."""
        found = torch.zeros_like(self.norms)
        added = damping**0.5 * scale[self._used]
        stacked = torch.cat([self._upper, torch.diag(added)])
        wanted = torch.cat([self._wanted, torch.zeros_like(added)])
        orthogonal, upper = torch.linalg.qr(stacked)
        right = (orthogonal.T @ wanted)[:, None]
        found[self._used] = torch.linalg.solve_triangular(upper, right, upper=True)[:, 0]
        return found

    def fall(self, step: Tensor) -> float:
        """Return by how much the sum of the squares of the linear residuals falls with a step."""
        inner = step[self._used]
        return float(-2 * (self._slope @ inner) - (self._upper @ inner).square().sum())


def widened(scale: Tensor | None, linear: LinearizedResiduals, scaling: bool) -> Tensor:
    """Return the diagonal of D after another linearisation.

    Args:
        scale: the one so far, or None before the first.
        linear: the residuals around the new point.
        scaling: whether every number has the largest norm of its column so far (Marquardt, Moré); otherwise all have
            the largest norm of any column at the first point (Levenberg).
    """
    if scale is None:
        return linear.norms if scaling else linear.norms.max().expand_as(linear.norms).clone()
    return torch.maximum(scale, linear.norms) if scaling else scale


@dataclass(frozen=True)
class Minimum:
    """What :func:`levenberg_marquardt` returns.

    Attributes:
        x: where it ended.
        value: the sum of squares there.
        steps: that were taken.
        jacobians: that were computed.
        evaluations: of the residuals, those with a Jacobian included.
        converged: whether no further fall can be expected; not where residuals or their derivative are not finite,
            which ends it, too.
    """

    x: Tensor
    value: float
    steps: int
    jacobians: int
    evaluations: int
    converged: bool


def levenberg_marquardt(
    residuals: Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    damping: float = START,
    scaling: bool = True,
    evaluations: int = 1000,
    tolerance: float = 1e-15,
) -> Minimum:
    """Minimise the sum of the squares of residuals.

    Args:
        residuals: a function of ``[n]`` with values ``[m]``, differentiable twice where m > n.
        start: ``[n]``, best in float64.
        damping: the first λ, relative to the scale.
        scaling: Marquardt's, by the norms of the columns of the Jacobian; or all numbers alike.
        evaluations: of the residuals, at most.
        tolerance: it has converged where the linear residuals promise a smaller fall, as a share of the value.

    Example:
        >>> def rosenbrock(x):
        ...     return torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])
        >>> found = levenberg_marquardt(rosenbrock, torch.tensor([-1.2, 1.0], dtype=torch.float64))
        >>> found.converged, round(found.value, 20), [round(each, 8) for each in found.x.tolist()]
        (True, 0.0, [1.0, 1.0])
    """
    x, current = start.detach().clone(), Damping(damping)
    scale: Tensor | None = None
    count = jacobians = taken = 0
    value, converged = float("inf"), False
    while count < evaluations and not converged:
        at = x.clone().requires_grad_()
        found = residuals(at)
        count, jacobians = count + 1, jacobians + 1
        value = _squares(found)
        derivative = jacobian(found, [at])
        if not bool(torch.isfinite(found).all() & torch.isfinite(derivative).all()):
            break
        linear = LinearizedResiduals(derivative, found)
        scale = widened(scale, linear, scaling)
        moved = False
        while not moved and not converged and count < evaluations:
            step = linear.step(current.value, scale)
            promised = linear.fall(step)
            if not promised > tolerance * value or current.value > HOPELESS:
                converged = True
                break
            with torch.no_grad():
                there = x + step.to(x.dtype)
                new = _squares(residuals(there))
            count += 1
            ratio = (value - new) / promised
            current = current.after(ratio)
            if ratio > 0:
                x, value, moved, taken = there, new, True, taken + 1
    return Minimum(x, value, taken, jacobians, count, converged)


def _squares(residuals: Tensor) -> float:
    return float(residuals.detach().double().square().sum())
