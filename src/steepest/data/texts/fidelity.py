"""Whether the tokens of a text give it back: what a tokenizer does not know, or writes in another way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from steepest.data.dataset import Note
from steepest.data.texts.tokenizer import Tokenizer, Tokens

BY_TEXT = ("bits_per_byte", "word_perplexity")
"""The metrics that count the bytes and words of the text, which tokens must then give back."""


@dataclass(frozen=True)
class Fidelity:
    """How much of some documents their tokens give back.

    Attributes:
        documents: how many there are.
        changed: how many of them come back as another text.
        tokens: how many there are.
        unknown: how many of them are the piece of what the tokenizer does not know.
    """

    documents: int = 0
    changed: int = 0
    tokens: int = 0
    unknown: int = 0

    def __add__(self, other: Fidelity) -> Fidelity:
        """Return that of two lots of documents."""
        return Fidelity(
            self.documents + other.documents,
            self.changed + other.changed,
            self.tokens + other.tokens,
            self.unknown + other.unknown,
        )

    @property
    def exact(self) -> bool:
        """Whether every document comes back as it was."""
        return not self.changed

    def notes(self) -> list[Note]:
        """Return a warning if text is lost.

        Example:
            >>> print(Fidelity(documents=4, changed=2, tokens=200, unknown=7).notes()[0].text)
            the tokenizer gives 2 of 4 documents back as another text: 3.50 % of the tokens are of what it does not ...
            >>> Fidelity(documents=4, tokens=200).notes()
            []
        """
        if self.exact:
            return []
        what = (
            f"{self.unknown / self.tokens:.2%} of the tokens are of what it does not know".replace("%", " %")
            if self.unknown
            else "it changes characters or leaves some out, such as capitals or spaces"
        )
        text = (
            f"the tokenizer gives {self.changed:,} of {self.documents:,} documents back as another text: {what}. "
            "Bits per byte and perplexity by word would count what is left, so they are left out; --tokenizer bytes "
            "and 'bpe(2000)' lose nothing."
        )
        return [Note("warning", text)]


def fidelity_of(tokenizer: Tokenizer, texts: Sequence[str], coded: Iterable[Tokens]) -> Fidelity:
    """Return how much of some texts their tokens give back.

    Args:
        tokenizer: what cut them.
        texts: of the documents.
        coded: the tokens of each.

    Example:
        >>> from steepest.data.texts.tokenizer import Bytes
        >>> fidelity_of(Bytes(), ["to be"], [Bytes().encode("to be")])
        Fidelity(documents=1, changed=0, tokens=5, unknown=0)
    """
    changed = tokens = unknown = 0
    for text, codes in zip(texts, coded, strict=True):
        changed += tokenizer.joined(codes.tolist()) != text.encode("utf-8")
        tokens += len(codes)
        if tokenizer.unknown is not None:
            unknown += int((codes == tokenizer.unknown).sum())
    return Fidelity(len(texts), changed, tokens, unknown)
