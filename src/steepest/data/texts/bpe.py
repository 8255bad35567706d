"""Byte-level byte pair encoding by the tokenizers library: learned from texts, or read from a model's file."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data.texts.tokenizer import Tokenizer, Tokens
from steepest.errors import DataError, OptionError

BOUNDARY = "<|endoftext|>"
_BOUNDARIES = (BOUNDARY, "</s>", "<|end_of_text|>", "<eos>", "<s>")
"""What pieces between documents are called, in the files of models."""
LEAST = 257


def library() -> Any:
    """Return the tokenizers library.

    Raises:
        OptionError: it is not installed.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise OptionError(
            "this tokenizer needs the library tokenizers, which is not installed",
            hint="pip install '.[language]', or leave --tokenizer out: bytes need no library.",
        ) from error
    return tokenizers


class Json(Tokenizer):
    """A tokenizer as the library stores it, in JSON.

    Args:
        stored: the JSON.
        title: what it is, for a reader.

    Raises:
        ValueError: it is none, or has no piece that can stand between documents.
    """

    kind = "json"

    def __init__(self, stored: str, title: str) -> None:
        self.stored, self.title = stored, title
        try:
            self._made: Any = library().Tokenizer.from_str(stored)
        except OptionError:
            raise
        except Exception as error:
            raise ValueError(str(error)) from None
        codes = [self._made.token_to_id(each) for each in _BOUNDARIES]
        known = [each for each in codes if each is not None]
        if not known:
            raise ValueError(
                f"it has none of the pieces {', '.join(_BOUNDARIES)}, of which one ends a document"
            )
        self.boundary = known[0]
        special = {each["id"] for each in json.loads(stored).get("added_tokens", ()) if each.get("special")}
        names: list[str | None] = [
            self._made.id_to_token(each) for each in range(self._made.get_vocab_size())
        ]
        self.pieces = [
            b"" if each is None or at in {self.boundary, *special} else _bytes_of(each)
            for at, each in enumerate(names)
        ]

    def encode(self, text: str) -> Tokens:
        """Return the codes of a text's pieces."""
        return np.array(self._made.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON and the title."""
        return {"kind": self.kind, "json": self.stored, "title": self.title}


@functools.cache
def _letters() -> dict[str, int]:
    """Return the bytes by the printable letters that stand for them, as GPT-2 chose them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [each for each in range(256) if each not in plain]
    return {chr(each): each for each in plain} | {chr(256 + at): each for at, each in enumerate(others)}


def _bytes_of(piece: str) -> bytes:
    letters = _letters()
    if all(each in letters for each in piece):
        return bytes(letters[each] for each in piece)
    return piece.replace("▁", " ").encode("utf-8")  # of a tokenizer whose pieces are no bytes


def learned(texts: Sequence[str], size: int = 2000) -> Json:
    """Return byte-level byte pair encoding with so many pieces, learned from texts.

    Raises:
        OptionError: the size is too small, or the library is not installed.

    Source: Sennrich, Haddow & Birch, Neural machine translation of rare words with subword units, ACL 2016.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < LEAST:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"bpe has a size of {size!r}", hint=f"give a whole number of at least {LEAST}.")
    tokenizers = library()
    made: Any = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[BOUNDARY],
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return Json(made.to_str(), "byte pair encoding learned from the training documents")


def read_json(path: Path) -> Json:
    """Read a ``tokenizer.json``.

    Raises:
        DataError: it is none.
        OptionError: the library is not installed.
    """
    library()
    try:
        return Json(path.read_text(encoding="utf-8"), f"the tokenizer {path.name}")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{str(path)!r} cannot be used as a tokenizer: {error}",
            hint="give the tokenizer.json of a model.",
        ) from None
