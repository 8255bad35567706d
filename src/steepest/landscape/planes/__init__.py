"""Planes through the weights of a run, one way of choosing them a file."""
