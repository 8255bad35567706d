"""Which rows a number of training rows are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from steepest.rng import stream

Rows = NDArray[np.int64]


def drawn_rows(codes: Tensor | None, n: int, wanted: int, seed: int) -> Rows:
    """Return so many of n rows in rising order: those of a smaller number are among those of a larger one.

    For classes, the i-th of a class's n rows has its turn at (i − ½)/n, but the first of each before all others:
    Sainte-Laguë's method with at least one seat for each. Rounding by largest remainder differs from it by a row at
    most as a rule, and can take a row back when the number grows, so that rows would not be nested.

    Args:
        codes: the class of each row, int64 ``[n]``; None where the target is no class.
        n: how many rows there are.
        wanted: how many are drawn, at most n.
        seed: of the draw.

    Example:
        >>> import torch
        >>> codes = torch.tensor([0, 0, 0, 0, 1, 1])
        >>> rows = drawn_rows(codes, 6, 3, seed=0)
        >>> codes[torch.from_numpy(rows)].tolist(), set(rows) <= set(drawn_rows(codes, 6, 4, seed=0))
        ([0, 0, 1], True)
    """
    order = stream(seed, "train-rows").permutation(n)
    if codes is not None:
        values = codes.cpu().numpy()
        order = order[np.argsort(values[order], kind="stable")]
        counts = np.bincount(values)
        at = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        turn = np.where(at == 0, -1.0, (at + 0.5) / np.repeat(counts, counts))
        order = order[np.argsort(turn, kind="stable")]
    return np.sort(order[:wanted])
