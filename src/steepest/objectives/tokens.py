"""The next token of a text as a target: outputs for every position, of which evaluations keep a few numbers a row."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import Part, Shape
from steepest.data.texts.blocks import without_overlap
from steepest.data.texts.fidelity import BY_TEXT
from steepest.data.texts.vocabulary import IGNORE, Pieces
from steepest.objectives.decoded import TokenOutputs
from steepest.objectives.predicted import Target, float64
from steepest.wording import counted

LARGEST = math.log(torch.finfo(torch.float64).max)
"""The nats whose exponential is the largest number of 64 bits."""


@dataclass(frozen=True)
class TokenTarget(Target):
    """The next token: outputs are logits ``[N, T, V]``, targets codes ``[N, T]``, or ``IGNORE`` where none is scored.

    Evaluations never hold the outputs of all rows. They keep float64 ``[N, 5]``: the mean negative log-probability of a
    row's scored tokens, the share of them that are the most probable token, and how many tokens, words and bytes they
    are.

    Args:
        length: T, tokens of a row.
        size: V, pieces of the vocabulary.
        vocabulary: how many words and bytes tokens are; every token is one of both where it is not known.

    Example:
        >>> target = TokenTarget(2, 3)
        >>> rows = Part((torch.tensor([[0, 1]]),), torch.tensor([[1, IGNORE]]))
        >>> kept = target.condense(torch.zeros(1, 2, 3), rows)
        >>> kept.tolist(), target.row_losses(kept, rows.target).exp()
        ([[1.0986123085021973, 0.0, 1.0, 1.0, 1.0]], tensor([3.0000], dtype=torch.float64))
    """

    task = "language"
    metric = "token_loss"
    watched = ("token_loss", "perplexity")
    loss = "next-token"
    column = "piece of the vocabulary (logits)"
    called = "the next token"
    predicted = "loss_per_token"
    is_input: ClassVar[bool] = True
    dims: ClassVar[int] = 3
    causal: ClassVar[bool] = True
    condensed: ClassVar[bool] = True

    length: int
    size: int
    vocabulary: Pieces | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, shape: Shape) -> TokenTarget:
        """Return the target of texts of a shape."""
        return cls(shape.fields[0].size[0], shape.outputs, shape.vocabulary)

    @property
    def outputs(self) -> int:
        """V, pieces of the vocabulary."""
        return self.size

    def shape(self, rows: int) -> tuple[int, ...]:
        """Return the shape of a model's outputs for so many rows."""
        return (rows, self.length, self.size)

    def condense(self, outputs: Tensor, rows: Part) -> Tensor:
        """Return what is kept of outputs ``[n, T, V]``, float64 ``[n, 5]``; sums over tokens are in 64 bits."""
        [inputs], target = rows.inputs, rows.target
        scored = target != IGNORE
        logits = outputs.gather(-1, target.clamp(min=0)[..., None])[..., 0]
        losses = torch.logsumexp(outputs, -1) - logits
        right = (outputs.argmax(-1) == target) & scored
        tokens = float64(scored).sum(1)
        if self.vocabulary is None:
            words = size = tokens
        else:
            counts = self.vocabulary.counted(inputs, target)
            words, size = (float64(each).to(tokens.device) for each in counts)
        every = tokens.clamp(min=1.0)
        mean = torch.where(scored, float64(losses), 0.0).sum(1) / every
        return torch.stack([mean, float64(right).sum(1) / every, tokens, words, size], 1)

    def decoded(self, outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> TokenOutputs:
        """Return what outputs mean; rows weigh as they have scored tokens, to the last bit, as their weights say."""
        del weights
        with torch.no_grad():
            return self._decoded(outputs, target)

    def whole_rows(self, part: Part) -> tuple[Tensor, ...]:
        """Return the rows that do not overlap, whatever the stride of those of the part."""
        inputs, target = super().whole_rows(part)
        found, _ = without_overlap(inputs.numpy(), target.numpy())
        return torch.from_numpy(found.inputs), torch.from_numpy(found.target)

    def tokens(self, rows: Part) -> int:
        """Return how many there are, padding and context apart."""
        return int((rows.target != IGNORE).sum())

    def undefined(self, metric: str, rows: Part) -> str:
        """Return that there are no words, or hardly any, for a metric by word, or that text is lost; else nothing."""
        if metric in self.unmeasured:
            return "its tokens do not give the text back"
        if metric != "word_perplexity" or self.vocabulary is None:
            return ""
        scored = self.tokens(rows)
        words = int(self.vocabulary.counted(rows.inputs[0], rows.target)[0].sum())
        if words and scored / words * math.log(self.size) < LARGEST:
            return ""
        return f"{counted(words, 'word begins', 'words begin')} in its {counted(scored, 'token')}"

    @property
    def unmeasured(self) -> frozenset[str]:
        """Those that count the words and bytes of the text, where tokens do not give it back."""
        lost = self.vocabulary is not None and not self.vocabulary.exact
        return frozenset(BY_TEXT) if lost else frozenset()

    def made_up(self, rows: int, draw: np.random.Generator) -> Tensor:
        """Return tokens, all of them scored."""
        return torch.from_numpy(draw.integers(0, self.size, (rows, self.length)))

    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the mean negative log-probability of each row's scored tokens, float64 ``[N]``."""
        del target
        return outputs[:, 0].double()

    def guess(self, outputs: Tensor) -> Tensor:
        """Return the mean negative log-probability of each row's scored tokens: a row has no single token."""
        return outputs[:, 0]

    def _fits(self, shape: tuple[int, ...], rows: int) -> bool:
        return shape == (rows, 5)

    def _shapes(self, rows: int) -> str:
        return f"({rows}, 5) when they are condensed"

    def _decoded(self, outputs: Tensor, target: Tensor) -> TokenOutputs:
        del target
        kept = float64(outputs)
        losses, right, tokens, words, size = kept.unbind(1)
        return TokenOutputs(losses, right, tokens, words, size, weights=tokens)
