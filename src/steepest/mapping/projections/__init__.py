"""Projections of vectors into the plane, one a file."""
