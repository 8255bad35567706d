"""Curvature of a loss: products with matrices that are never formed, and what can be learned from them.

``Curvature.of(model, loss, inputs, target)`` works with any module; see :mod:`steepest.curvature.products`.
"""

from __future__ import annotations

from steepest.curvature.dense import (
    HutchinsonEstimate,
    blocks,
    diagonal,
    estimated_diagonal,
    jacobian,
    matrix,
    output_hessian,
    trace,
)
from steepest.curvature.products import Curvature, Kind
from steepest.curvature.spectrum import Density, Eigenpairs, spectral_density, top_eigenvalues

__all__ = [
    "Curvature",
    "Density",
    "Eigenpairs",
    "HutchinsonEstimate",
    "Kind",
    "blocks",
    "diagonal",
    "estimated_diagonal",
    "jacobian",
    "matrix",
    "output_hessian",
    "spectral_density",
    "top_eigenvalues",
    "trace",
]
