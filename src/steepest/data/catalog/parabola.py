"""A noisy parabola with an outlier: the curve on which losses and descents are compared by hand."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "parabola": {
        "object": "PARABOLA",
        "what": "100 points of a noisy parabola, one far off",
        "groups": ["curve"],
    }
}

PARABOLA = DatasetSource(
    name="parabola",
    title="100 points of y = 1 + 3x − 4x² with noise, of which the first is an outlier: a curve",
    kind="curve",
    files=(
        DataFile(
            name="parabola.csv",
            sha256=("958cae14e6df7e0378e43421cbb86a7733323a7bd3a0727708b7844fb05b327f",),
            bytes=3867,
            embedded=Path(__file__).parents[1] / "demo" / "parabola.csv",
        ),
    ),
    page="https://numpy.org/doc/stable/reference/random/legacy.html",
    licence="CC0-1.0",
    citation="made by NumPy's RandomState(42): x = sort(2·rand − 1), y = 1 + 3x − 4x² + 0.7·randn; x₀ = −1.5, y₀ = 10.",
    options=MappingProxyType({"target": "y", "continuous": ["x"]}),
)
