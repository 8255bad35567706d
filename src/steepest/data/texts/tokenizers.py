"""Tokenizers: from a text to the codes of its pieces and back, stored with a model as plain values."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from steepest.components import grammar
from steepest.data.texts.vocabulary import Vocabulary
from steepest.errors import DataError, OptionError, unknown_name

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
    """

    kind: ClassVar[str]
    title: str
    pieces: Sequence[bytes]
    boundary: int
    dummy: bool = False

    @property
    def size(self) -> int:
        """V, pieces of the vocabulary."""
        return len(self.pieces)

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """What its pieces are."""
        return Vocabulary.of(self.pieces, dummy=self.dummy)

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


def make_tokenizer(wanted: str | None, texts: Sequence[str]) -> Tokenizer:
    """Return the tokenizer that an option names.

    Args:
        wanted: ``bytes``, ``bpe(2000)``, a file (``tokenizer.json`` or llama2.c's ``tok512.bin``) or a model's folder
            with one.
        texts: of the training documents, of which a tokenizer that is learned learns.

    Raises:
        OptionError: there is no such tokenizer, or the library that it needs is not installed.
        DataError: a file cannot be read.
    """
    text = wanted or BYTES
    if Path(text).expanduser().exists():
        return load_tokenizer(Path(text).expanduser())
    spec = grammar.parse(text)
    if spec.name == BYTES and not spec.arguments and not spec.options:
        return Bytes()
    if spec.name == "bpe":
        from steepest.data.texts.bpe import learned

        try:
            return learned(texts, *spec.arguments, **spec.options)
        except TypeError:
            raise OptionError(f"the tokenizer {text!r} has other options", hint="write bpe(2000).") from None
    if "/" in text or "." in text:
        raise OptionError(
            f"there is no tokenizer at {text!r}", hint="name a file such as tokenizer.json, the folder of a "
            "model, bytes "
            "or bpe(2000).",
        )  # fmt: skip
    raise unknown_name("tokenizer", text, [BYTES, "bpe"])


def load_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in a file, or in the folder of a model.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    if path.is_dir():
        found = [path / "tokenizer.json", *sorted(path.glob("tok*.bin"))]
        there = [each for each in found if each.is_file()]
        if not there:
            raise DataError(
                f"the folder {str(path)!r} has no tokenizer (tokenizer.json or tok*.bin)",
                hint="name the file or folder of the tokenizer that the model was trained with: --tokenizer PATH.",
            )
        path = there[0]
    if path.suffix == ".bin":
        from steepest.data.texts.scored import read_scored

        return read_scored(path)
    if path.suffix == ".json":
        from steepest.data.texts.bpe import read_json

        return read_json(path)
    raise DataError(
        f"{path.name} is no tokenizer that can be read",
        hint="give a tokenizer.json, or a tok*.bin of llama2.c.",
    )


def stored_tokenizer(stored: Mapping[str, Any]) -> Tokenizer:
    """Return what :meth:`Tokenizer.to_dict` gave."""
    kind = stored["kind"]
    if kind == Bytes.kind:
        return Bytes()
    if kind == "scored":
        from steepest.data.texts.scored import Scored

        return Scored.of_dict(stored)
    if kind == "json":
        from steepest.data.texts.bpe import Json

        return Json(str(stored["json"]), str(stored["title"]))
    raise ValueError(f"a tokenizer of the kind {kind!r}")
