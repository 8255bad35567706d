"""What a tokenizer is: from a text to the codes of its pieces and back; and the one of bytes."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from steepest.data.texts.vocabulary import Pieces

Tokens = NDArray[np.int64]
BYTES = "bytes"
"""The tokenizer where none is named: it needs no library and knows every text."""


class Tokenizer(ABC):
    """Cuts a text into pieces of a vocabulary.

    Attributes:
        kind: what it is stored as.
        title: what it is, for a reader.
        pieces: the bytes of every piece; nothing of those that are no text.
        boundary: code of the piece that stands between documents.
        dummy: whether a space is put before every document, so that its first word has the piece of a word behind a
            space.
        place: where it was found, for a reader, where that is not what was named.
        unknown: code of the piece that stands for whatever has none, whose text is lost; None where nothing is.
    """

    kind: ClassVar[str]
    title: str
    pieces: Sequence[bytes]
    boundary: int
    dummy: bool = False
    place: str = ""
    unknown: int | None = None

    @property
    def size(self) -> int:
        """V, pieces of the vocabulary."""
        return len(self.pieces)

    @property
    def ends(self) -> frozenset[int]:
        """Codes of the pieces that end a document."""
        return frozenset({self.boundary})

    @functools.cached_property
    def vocabulary(self) -> Pieces:
        """What its pieces are."""
        return Pieces.of(self.pieces, dummy=self.dummy)

    @abstractmethod
    def encode(self, text: str) -> Tokens:
        """Return the codes of a text's pieces, without a boundary."""

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of some tokens; bytes that are no character become �, boundaries of documents line ends."""
        found, at_start = bytearray(), True
        for each in tokens:
            if not 0 <= each < self.size:
                raise ValueError(f"the token {each} of a vocabulary of {self.size} pieces")
            piece = self.pieces[each]
            if each == self.boundary:
                found += b"\n" if found else b""
            found += piece[1:] if self.dummy and at_start and piece[:1] == b" " else piece
            at_start = each == self.boundary
        return bytes(found).decode("utf-8", "replace")

    def joined(self, tokens: Iterable[int]) -> bytes:
        """Return the bytes of the tokens of one document, without a boundary."""
        found = b"".join(map(self.pieces.__getitem__, tokens))
        return found[1:] if self.dummy and found[:1] == b" " else found

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; ``kind`` names it."""


class Bytes(Tokenizer):
    """The bytes of a text in UTF-8, and a 257th piece between documents.

    Example:
        >>> Bytes().encode("hé").tolist(), Bytes().decode([104, 195, 169])
        ([104, 195, 169], 'hé')
    """

    kind = BYTES
    title = "bytes"
    boundary = 256

    def __init__(self) -> None:
        self.pieces = (*(bytes([each]) for each in range(256)), b"")

    def encode(self, text: str) -> Tokens:
        """Return the bytes."""
        return np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return its kind."""
        return {"kind": self.kind}
