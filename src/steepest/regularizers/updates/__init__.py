"""Regularizers that change weights after the optimizer's update."""
