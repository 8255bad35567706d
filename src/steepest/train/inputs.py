"""What many steps need to know, prepared at once: batches, coefficients, masks, and the touched rows of tables.

The codes of all batches are known beforehand, so the steps at which a row was last updated are too. Only the
tables of a closed form grow step by step; the numbers of all rows and steps are then computed at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.optim.past import Past
from steepest.optim.rows import RowTable
from steepest.train.dropout import random_bits, source
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem
from steepest.train.program import Changing, Touched

MOST_STEPS = 64
"""Steps that are prepared at once."""
MOST_ROWS = 65_536
"""Rows of batches that are prepared at once."""
MOST_NUMBERS = 2**24
"""Random numbers for gradients that are prepared at once."""
MOST_BYTES = 1 << 26
"""Bytes of batches that are prepared at once: those of large images are many."""
ON_DEVICE = 16
"""How many times as many rows and bytes are prepared at once on a CUDA device, which has fast memory and long waits."""


def block_of(feed: Feed, runs: int = 1) -> int:
    """Return how many steps of some runs are prepared at once: fewer where a step has much."""
    numbers = 0 if feed.applied is None else feed.applied.numbers
    more = ON_DEVICE if feed.part.target.device.type == "cuda" else 1
    return block(runs * feed.plan.size, runs * numbers, feed.part.row_bytes, more)


def block(batch_size: int, numbers: int = 0, row_bytes: int = 0, more: int = 1) -> int:
    """Return how many steps with so many rows, and random numbers for gradients, are prepared at once.

    Args:
        batch_size: rows of a step.
        numbers: random numbers for the gradients of a step.
        row_bytes: bytes of a row.
        more: how many times as many rows and bytes there may be.

    Example:
        >>> block(64), block(4096), block(10**6), block(64, numbers=8_000_000), block(64, row_bytes=224 * 224 * 3)
        (64, 16, 1, 2, 6)
    """
    by_bytes = more * MOST_BYTES // max(1, batch_size * row_bytes)
    by_rows = more * MOST_ROWS // batch_size
    return max(1, min(MOST_STEPS, by_rows, MOST_NUMBERS // max(1, numbers), by_bytes))


def blocks(most: int, first: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield the first step of each block, and how many steps it has: at most ``most``.

    Example:
        >>> list(blocks(64, 10, 130))
        [(10, 64), (74, 64), (138, 2)]
    """
    for start in range(first, first + count, most):
        yield start, min(most, first + count - start)


def prepare(
    problem: SupervisedProblem,
    pasts: Sequence[Past],
    rows: Mapping[str, RowTable],
    feed: Feed,
    first: int,
    count: int,
    bits: Tensor,
    dtype: torch.dtype,
) -> Changing:
    """Return what ``count`` steps from step ``first`` on need, in tensors with the steps as first dimension.

    The pasts and the rows' steps move on.

    Args:
        problem: says which columns are codes of tables.
        pasts: extended by the steps; after the first, those of other learning rates.
        rows: the tables by name; ``last`` of the touched rows moves on.
        feed: the run's batches.
        first: the step, counted from 0.
        count: how many.
        bits: where the random 16-bit numbers go, [count, n].
        dtype: of coefficients and columns.
    """
    batches, applied = feed.batches(first, count), problem.applied
    codes = {name: each for name, each in problem.codes(batches).items() if name in rows} if rows else {}
    host: dict[str, NDArray[np.int64]] = {name: each.numpy() for name, each in codes.items()}
    known: dict[str, list[Any]] = {name: [] for name in rows}
    last: dict[str, list[Any]] = {name: [] for name in rows}
    coefficients: list[list[float]] = []
    for i in range(count):
        for name, each in rows.items():
            ids = host[name][i]
            steps = each.last.numpy()
            last[name].append(steps[ids])
            if each.past.form is not None:
                known[name].append(each.past.form.known(last[name][i]))
            steps[ids] = first + i + 1
        numbers = [
            *pasts[0].extend().values(),
            *([] if applied is None else applied.coefficients(first + i, pasts[0].rate).values()),
            *(value for past in pasts[1:] for value in past.extend().values()),
        ]
        coefficients.append([float(value) for value in numbers])
    touched: dict[str, Touched] = {}
    for name, each in rows.items():
        columns = _columns(each.past, known[name], np.stack(last[name]), first).to(dtype)
        places = torch.from_numpy(first_places(host[name]))
        touched[name] = Touched(codes[name].contiguous(), places, columns)
    for i in range(count if bits.shape[1] else 0):
        bits[i] = random_bits(source(feed.seed, feed.before + first + i), bits.shape[1])
    drawn = (
        []
        if applied is None or not applied.acts("gradient")
        else [feed.draws(first + i) for i in range(count)]
    )
    draws = {name: torch.stack([each[name] for each in drawn]) for name in (drawn[0] if drawn else ())}
    return Changing(batches, torch.tensor(coefficients, dtype=dtype), bits, touched, draws)


def _columns(past: Past, known: list[Any], last: NDArray[np.int64], first: int) -> Tensor:
    """Return the numbers of all rows, [count, width, B]."""
    count, size = last.shape
    if past.form is None:
        return torch.empty(count, 0, size, dtype=torch.float64)
    now = np.repeat(np.arange(first, first + count), size)
    found = past.form.columns(np.concatenate(known, 1), last.reshape(-1), now)
    return torch.from_numpy(np.ascontiguousarray(found.reshape(-1, count, size).transpose(1, 0, 2)))


def first_places(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each place of each batch, the first place that names the same row, [count, B].

    Example:
        >>> first_places(np.array([[7, 2, 7, 2, 5]])).tolist()
        [[0, 1, 0, 1, 4]]
    """
    order = np.argsort(ids, axis=1, kind="stable")
    ranked = np.take_along_axis(ids, order, 1)
    starts = np.zeros_like(order)
    starts[:, 1:] = np.where(ranked[:, 1:] != ranked[:, :-1], np.arange(1, ids.shape[1]), 0)
    leaders = np.take_along_axis(order, np.maximum.accumulate(starts, axis=1), 1)
    found = np.empty_like(order)
    np.put_along_axis(found, order, leaders, 1)
    return found
