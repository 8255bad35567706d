"""Regularizers that act inside the network, between its layers."""
