"""What pieces of a vocabulary are: how many bytes, and where words begin in them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORE = -100
"""The code of a position in a target that is not scored, as torch's losses have it."""
BEFORE = "tokens before it"
"""What the next token of a text is predicted from; how many these are stands before it."""
SPACES = b" \t\n\r\v\f"


@dataclass(frozen=True, eq=False)
class Pieces:
    r"""How many words and bytes tokens are. A word is a run of bytes without spaces, tabs and line ends.

    A word begins inside a piece behind a space, or with a piece that begins without one where the token before it
    ends with a space or is no text, such as the boundary of documents.

    Attributes:
        bytes: of each piece, int64 ``[V]``; 0 of those that are no text.
        inner: words that begin inside each, behind a space, int64 ``[V]``.
        opens: whether it begins without a space, bool ``[V]``.
        closes: whether it ends with a space or is no text, bool ``[V]``.
        dummy: whether a space stands before every document that is not in the text, and which pieces begin with one,
            bool ``[V]``.
        exact: whether tokens give the text back, so that its words and bytes can be counted; else there are none.

    Example:
        >>> known = Pieces.of([b"", b" the", b"the", b" ", b"re\nis"])
        >>> words, size = known.counted(torch.tensor([[0, 2, 4]]), torch.tensor([[2, 4, 1]]))
        >>> words.tolist(), size.tolist()  # "there\nis the"
        ([3], [12])
    """

    bytes: Tensor
    inner: Tensor
    opens: Tensor
    closes: Tensor
    dummy: Tensor
    exact: bool = True

    @classmethod
    def of(cls, pieces: Sequence[bytes], *, dummy: bool = False) -> Pieces:
        """Return what is known of pieces; ``dummy`` as a tokenizer's of the same name."""
        inner = [sum(a in SPACES and b not in SPACES for a, b in itertools.pairwise(each)) for each in pieces]
        return cls(
            torch.tensor([len(each) for each in pieces]),
            torch.tensor(inner),
            torch.tensor([bool(each) and each[0] not in SPACES for each in pieces]),
            torch.tensor([not each or each[-1] in SPACES for each in pieces]),
            torch.tensor([dummy and each[:1] == b" " for each in pieces]),
        )

    def counted(self, inputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return how many words begin in the scored tokens of each row, and their bytes, int64 ``[N]`` each.

        Args:
            inputs: the token before each, int64 ``[N, T]``.
            target: int64 ``[N, T]``, ``IGNORE`` where none is scored.
        """
        scored, token = target != IGNORE, target.clamp(min=0).cpu()
        scored, before = scored.cpu(), inputs.cpu()
        if not self.exact:
            none = torch.zeros(len(target), dtype=torch.int64)
            return none, none
        words = self.inner[token] + (self.opens[token] & self.closes[before])
        size = self.bytes[token] - (self.dummy[token] & (self.bytes[before] == 0)).long()
        return (words * scored).sum(1), (size * scored).sum(1)
