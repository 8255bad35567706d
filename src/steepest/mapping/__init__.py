"""Maps: vectors that a network has learned, or rows of data, as points in the plane."""

POINTS = 5000
"""So many points a map has at most, unless more are asked for."""
