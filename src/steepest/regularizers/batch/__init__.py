"""Regularizers that change a batch before the step."""
