"""Curvature, gradient noise and steps along the path of a run."""

from __future__ import annotations

ROWS = 1_024
"""So many rows a spectrum is of at most, unless another number is asked for."""
