"""Regularizers that let weights decay before the optimizer's update."""
