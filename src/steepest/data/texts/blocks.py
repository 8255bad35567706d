"""Rows of equal length, of the tokens of documents: packed or padded, side by side or as windows that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from steepest.data.dataset import Part
from steepest.data.texts.tokenizer import Tokens
from steepest.data.texts.vocabulary import IGNORE


@dataclass(frozen=True)
class TextRows:
    """Rows of a text.

    Attributes:
        inputs: int64 ``[N, T]``, padded with the boundary.
        target: the next token at every position, int64 ``[N, T]``; ``IGNORE`` where none is scored.
    """

    inputs: Tokens
    target: Tokens

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def tokens(self) -> Tokens:
        """How many tokens of each row are scored, ``[N]``."""
        return (self.target != IGNORE).sum(1)

    def part(self, mean: float) -> Part:
        """Return the rows as tensors, each with its scored tokens in units of a mean as its weight."""
        weights = torch.from_numpy((self.tokens / mean).astype(np.float32))
        return Part((torch.from_numpy(self.inputs),), torch.from_numpy(self.target), weights)


def blocks_of(
    documents: Sequence[Tokens], boundary: int, length: int, layout: str, stride: int | None = None
) -> TextRows:
    """Return documents as rows of a length; a boundary stands before the first, between all and behind the last one.

    Packed, row i holds the tokens from i T on, so that every token but the first boundary is scored once, and sees the
    tokens of its row before it. In lines, every document begins a row, and a longer one goes on in further rows.

    With a stride, rows are windows that begin so many tokens apart. A window scores the tokens that no window before it
    has scored: the first one all, the others their last ``stride``, each of which sees ``T - stride`` tokens and more.

    Args:
        documents: the tokens of each.
        boundary: code of the piece between them.
        length: T, tokens of a row.
        layout: ``packed`` or ``lines``.
        stride: from 1 to T; T where it is left out, so that windows do not overlap.

    Example:
        >>> found = blocks_of([np.array([5, 6, 7]), np.array([8])], 0, 4, "packed")
        >>> found.inputs.tolist(), found.target.tolist()
        ([[0, 5, 6, 7], [0, 8, 0, 0]], [[5, 6, 7, 0], [8, 0, -100, -100]])
        >>> found = blocks_of([np.array([5, 6, 7]), np.array([8])], 0, 3, "lines")
        >>> found.inputs.tolist(), found.target.tolist()
        ([[0, 5, 6], [7, 0, 0], [0, 8, 0]], [[5, 6, 7], [0, -100, -100], [8, 0, -100]])
        >>> found = blocks_of([np.array([5, 6, 7, 8])], 0, 3, "packed", stride=1)
        >>> found.inputs.tolist(), found.target.tolist()
        ([[0, 5, 6], [5, 6, 7], [6, 7, 8]], [[5, 6, 7], [-100, -100, 8], [-100, -100, 0]])

    Source: Baevski & Auli, Adaptive input representations for neural language modeling, ICLR 2019, section 4.
    """
    stride = length if stride is None else stride
    if not documents:
        return TextRows(*(np.zeros((0, length), dtype=np.int64) for _ in range(2)))
    edge = np.array([boundary], dtype=np.int64)
    if layout == "lines":
        rows = [_cut(np.concatenate([edge, each, edge]), boundary, length, stride) for each in documents]
    else:
        joined = [part for each in documents for part in (edge, each)]
        rows = [_cut(np.concatenate([*joined, edge]), boundary, length, stride)]
    return TextRows(
        np.concatenate([each.inputs for each in rows]), np.concatenate([each.target for each in rows])
    )


def _cut(stream: Tokens, boundary: int, length: int, stride: int) -> TextRows:
    scored = len(stream) - 1
    rows = 1 + -(-max(scored - length, 0) // stride)
    place = stride * np.arange(rows)[:, None] + np.arange(length)
    new = place < scored
    inputs = np.where(new, stream[np.minimum(place, scored - 1)], boundary)
    new[1:, : length - stride] = False
    return TextRows(inputs, np.where(new, stream[np.minimum(place + 1, scored)], IGNORE))


def without_overlap(inputs: Tokens, target: Tokens) -> tuple[TextRows, Tokens]:
    """Return overlapping windows as the rows that do not overlap, and the row in which each window first scores.

    By these rows a text is recognised, whatever the stride. Rows that do not overlap are returned as they are.

    Args:
        inputs, target: of one text, as :class:`TextRows` has them.

    Example:
        >>> documents = [np.array([5, 6, 7, 8])]
        >>> windows = blocks_of(documents, 0, 3, "packed", stride=1)
        >>> found, place = without_overlap(windows.inputs, windows.target)
        >>> found.inputs.tolist(), found.target.tolist(), place.tolist()
        ([[0, 5, 6], [7, 8, 0]], [[5, 6, 7], [8, 0, -100]], [0, 1, 1])
    """
    length, scored = inputs.shape[1], target != IGNORE
    begins = scored[:, 0]
    if begins.all():
        return TextRows(inputs, target), np.arange(len(inputs))
    document = (
        np.cumsum(begins) - 1
    )  # windows after the first one of a document do not score their first token
    counts = np.bincount(document, weights=scored.sum(1)).astype(np.int64)
    rows = -(-counts // length)
    first = np.cumsum(rows) - rows
    every = np.repeat(document, scored.sum(1))
    within = np.arange(len(every)) - np.repeat(np.cumsum(counts) - counts, counts)
    row, column = first[every] + within // length, within % length
    found = TextRows(
        np.full((rows.sum(), length), inputs[0, 0], dtype=np.int64),
        np.full((rows.sum(), length), IGNORE, dtype=np.int64),
    )
    found.inputs[row, column], found.target[row, column] = inputs[scored], target[scored]
    return found, row[np.cumsum(scored.sum(1)) - scored.sum(1)]
