"""Metrics of the next token: of all tokens of all rows together, never means over batches or rows."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from steepest.objectives.decoded import TokenOutputs

COMPONENTS: dict[str, dict[str, Any]] = {
    "token-loss": {
        "object": "token_loss",
        "mean_of": "token_losses",
        "range": (0.0, None),
        "what": "nats a token",
        "groups": ["language"],
        "title": "loss per token",
    },
    "perplexity": {
        "object": "perplexity",
        "by_row": "perplexity_by_row",
        "exponential": True,
        "range": (1.0, None),
        "what": "exp of the loss per token",
        "groups": ["language"],
        "title": "perplexity",
    },
    "word-perplexity": {
        "object": "word_perplexity",
        "by_row": "word_perplexity_by_row",
        "exponential": True,
        "range": (1.0, None),
        "what": "exp of the loss per word",
        "groups": ["language"],
        "title": "perplexity by word",
    },
    "bits-per-byte": {
        "object": "bits_per_byte",
        "by_row": "bits_per_byte_by_row",
        "range": (0.0, None),
        "what": "bits for a byte of text, whatever the tokens",
        "groups": ["language"],
        "title": "bits per byte",
    },
    "token-accuracy": {
        "object": "token_accuracy",
        "mean_of": "right_tokens",
        "range": (0.0, 1.0),
        "what": "tokens that are the most probable one",
        "groups": ["language"],
        "title": "token accuracy",
        "percent": True,
    },
}


def token_loss(rows: TokenOutputs) -> Tensor:
    """Return the mean negative log-probability of a token, in nats: a mean over all tokens together."""
    return rows.mean(rows.losses)


def perplexity(rows: TokenOutputs) -> Tensor:
    """Return the exponential of the loss per token: of all tokens together, no mean of perplexities.

    Source: Jelinek, Mercer, Bahl & Baker, Perplexity, a measure of the difficulty of speech recognition tasks, 1977.
    """
    return token_loss(rows).exp()


def word_perplexity(rows: TokenOutputs) -> Tensor:
    """Return the exponential of the nats for a word; a word is what stands between spaces, tabs and line ends.

    Boundaries of documents, spaces and line ends are scored and belong to the words. So it can be compared between
    tokenizers. NaN of a text in which no word begins, or whose words are so long that it is no number of 64 bits: then
    there is nothing to be said by word.
    """
    return _exponential(rows.over(rows.words))


def bits_per_byte(rows: TokenOutputs) -> Tensor:
    """Return the bits for a byte of the text: how far a code by this model would compress it. NaN without bytes."""
    found = rows.over(rows.bytes) / math.log(2.0)
    return torch.where(found.isfinite(), found, math.nan)


def token_accuracy(rows: TokenOutputs) -> Tensor:
    """Return the share of tokens that are the most probable one; from 0 to 1."""
    return rows.mean(rows.right)


def token_losses(rows: TokenOutputs) -> Tensor:
    """Return the mean of every row's tokens."""
    return rows.losses


def right_tokens(rows: TokenOutputs) -> Tensor:
    """Return the share of right ones among every row's tokens."""
    return rows.right


def perplexity_by_row(rows: TokenOutputs) -> Tensor:
    """Return the perplexity, linearised about it: P + P n w (ℓ - L) / Σ w for row losses ℓ with mean L."""
    return _linearised(rows, perplexity(rows), perplexity(rows), rows.losses - token_loss(rows))


def word_perplexity_by_row(rows: TokenOutputs) -> Tensor:
    """Return the perplexity by word, linearised about it."""
    nats = rows.over(rows.words)
    words = rows.words / rows.tokens
    value = _exponential(nats)
    return _linearised(rows, value, value / rows.mean(words), rows.losses - nats * words)


def bits_per_byte_by_row(rows: TokenOutputs) -> Tensor:
    """Return the bits per byte, linearised about them."""
    nats = rows.over(rows.bytes)
    size = rows.bytes / rows.tokens
    slope = 1.0 / (rows.mean(size) * math.log(2.0))
    return _linearised(rows, bits_per_byte(rows), slope, rows.losses - nats * size)


def _exponential(nats: Tensor) -> Tensor:
    """Return an exponential, NaN where it is beyond the largest number."""
    return torch.where(nats < math.log(torch.finfo(nats.dtype).max), nats.exp(), math.nan)


def _linearised(rows: TokenOutputs, value: Tensor, slope: Tensor, away: Tensor) -> Tensor:
    """Return values by row whose mean is a smooth function of weighted means, with its variance."""
    weights = rows.tokens if rows.weights is None else rows.weights
    return value + slope * away * weights / weights.mean()
