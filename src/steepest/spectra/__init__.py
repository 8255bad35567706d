"""Curvature, gradient noise and steps along the path of a run."""
