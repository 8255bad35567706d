"""Regularizers by which averaged weights are evaluated and saved."""
