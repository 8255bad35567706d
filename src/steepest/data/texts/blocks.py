"""Rows of equal length, of the tokens of documents: packed one behind the other, or padded."""

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


def blocks_of(documents: Sequence[Tokens], boundary: int, length: int, layout: str) -> TextRows:
    """Return documents as rows of a length; a boundary stands before the first, between all and behind the last one.

    Packed, row i holds the tokens from i T on, so that every token but the first boundary is scored once, and sees the
    tokens of its row before it. In lines, every document begins a row, and a longer one goes on in further rows.

    Args:
        documents: the tokens of each.
        boundary: code of the piece between them.
        length: T, tokens of a row.
        layout: ``packed`` or ``lines``.

    Example:
        >>> found = blocks_of([np.array([5, 6, 7]), np.array([8])], 0, 4, "packed")
        >>> found.inputs.tolist(), found.target.tolist()
        ([[0, 5, 6, 7], [0, 8, 0, 0]], [[5, 6, 7, 0], [8, 0, -100, -100]])
        >>> found = blocks_of([np.array([5, 6, 7]), np.array([8])], 0, 3, "lines")
        >>> found.inputs.tolist(), found.target.tolist()
        ([[0, 5, 6], [7, 0, 0], [0, 8, 0]], [[5, 6, 7], [0, -100, -100], [8, 0, -100]])
    """
    if not documents:
        return TextRows(*(np.zeros((0, length), dtype=np.int64) for _ in range(2)))
    edge = np.array([boundary], dtype=np.int64)
    if layout == "lines":
        rows = [_cut(np.concatenate([edge, each, edge]), boundary, length) for each in documents]
    else:
        joined = [part for each in documents for part in (edge, each)]
        rows = [_cut(np.concatenate([*joined, edge]), boundary, length)]
    return TextRows(
        np.concatenate([each.inputs for each in rows]), np.concatenate([each.target for each in rows])
    )


def _cut(stream: Tokens, boundary: int, length: int) -> TextRows:
    scored = len(stream) - 1
    rows = -(-scored // length)
    inputs = np.full(rows * length, boundary, dtype=np.int64)
    target = np.full(rows * length, IGNORE, dtype=np.int64)
    inputs[:scored], target[:scored] = stream[:-1], stream[1:]
    return TextRows(inputs.reshape(rows, length), target.reshape(rows, length))
