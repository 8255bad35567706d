"""Slices of the training loss: along a line or over a plane through the weights of a run."""

from __future__ import annotations

POINTS = 51
"""So many points a side of a grid has, unless another number is asked for."""

ROWS = 8192
"""So many rows a loss is measured on at most, unless another number is asked for."""
