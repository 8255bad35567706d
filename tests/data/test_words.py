"""What data is called where people read about it: what a target is predicted from, and an example of new rows."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.data.dataset import InWords
from steepest.data.sources.opening import open_source

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 6, 8), dtype=np.uint8)
NUMBERS = [i / 7 for i in range(40)]
KINDS = {
    "table": ({"t": NUMBERS, "v": NUMBERS[::-1]}, {"target": "v"}, InWords("the other columns", "new.csv")),
    "curve": ({"t": NUMBERS, "v": NUMBERS[::-1]}, {"x": "t", "y": "v"}, InWords("t", "new.csv")),
    "images": (
        (PIXELS, ["cat", "dog"] * 20),
        {"reader": "images"},
        InWords("grey images of 8 × 6 pixels", "new-images/"),
    ),
    "ratings": (
        {
            "u": [i // 8 for i in range(40)],
            "i": [i % 8 for i in range(40)],
            "r": [1 + i % 5 for i in range(40)],
        },
        {"user": "u", "item": "i", "rating": "r"},
        InWords("u and i", "new.csv"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_data_is_called_what_it_is(kind):
    source, options, expected = KINDS[kind]
    dataset, _ = open_source(source, **options).make(0)
    assert dataset.words == expected
