"""Regularizers that end a run early."""
