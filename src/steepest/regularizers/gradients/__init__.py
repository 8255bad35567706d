"""Regularizers that change the gradient before it is clipped."""
