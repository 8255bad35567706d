"""Byte-level byte pair encoding by the tokenizers library: learned from texts, or read from a model's file."""

from __future__ import annotations

import functools
import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data.texts.tokenizer import Tokenizer, Tokens
from steepest.errors import DataError, OptionError, first_line

BOUNDARY = "<|endoftext|>"
_BEGINNINGS = (BOUNDARY, "<s>", "<|begin_of_text|>", "<bos>")
"""What pieces that begin documents are called, in the files of models."""
_ENDS = (BOUNDARY, "</s>", "<|end_of_text|>", "<eos>")
"""What pieces that end them are called."""
LEAST = 257
PAIRS = ("vocab.json", "merges.txt")
"""The files of pieces and of the pairs that are joined, where a model has no ``tokenizer.json``."""
_SPACE = "▁"
"""What stands for a space in pieces that are characters."""
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def library() -> Any:
    """Return the tokenizers library.

    Raises:
        OptionError: it is not installed.
    """
    try:
        return importlib.import_module("tokenizers")
    except ImportError as error:
        raise OptionError(
            "this tokenizer needs the library tokenizers, which is not installed",
            hint="pip install '.[language]', or leave --tokenizer out: bytes need no library.",
        ) from error


class Json(Tokenizer):
    """A tokenizer as the library stores it, in JSON.

    Pieces are what their tokenizer as a whole says: letters that stand for bytes, as GPT-2 has them, or characters
    with ``▁`` for a space, as SentencePiece has them, where ``<0x0A>`` is a byte. The names of special pieces are
    plain characters where a text holds them. What has no piece and what is written in another way, such as in lower
    case, is lost: see :mod:`steepest.data.texts.fidelity`.

    Args:
        stored: the JSON.
        title: what it is, for a reader.
        beginning: code of the piece that documents begin with, where no template in the JSON says it.
        size: pieces of the model's vocabulary, where it has more than the JSON; those beyond are no text.

    Raises:
        ValueError: it is none, or has no piece that can stand between documents.
    """

    kind = "json"

    def __init__(
        self, stored: str, title: str, *, beginning: int | None = None, size: int | None = None
    ) -> None:
        self.stored, self.title, self.beginning, self._size = stored, title, beginning, size
        try:
            self._made: Any = library().Tokenizer.from_str(stored)
        except OptionError:
            raise
        except Exception as error:
            raise ValueError(str(error)) from None
        self._made.encode_special_tokens = True
        self._made.no_truncation()
        self._made.no_padding()
        content: Any = json.loads(stored)
        codes: dict[str, int] = self._made.get_vocab(with_added_tokens=True)
        added = {each["id"]: each for each in content.get("added_tokens") or ()}
        special = {code for code, each in added.items() if each.get("special")}
        self.boundary = self._between(special, codes)
        self._ends = frozenset({self.boundary, *(codes[each] for each in _ENDS if each in codes)})
        self.unknown = _unknown(content, codes)
        means = _alphabet(content)
        pieces = [b""] * max(size or 0, 1 + max(codes.values()))
        for piece, code in codes.items():
            if code in added:
                pieces[code] = piece.encode("utf-8")
            else:
                pieces[code] = means(piece)
        for code in (*special, self.boundary, *([] if self.unknown is None else [self.unknown])):
            pieces[code] = b""
        self.pieces = pieces
        self.dummy = self._prepared("a")[:1] in _SPACES
        self._takes = self.dummy and self._prepared(" a") == self._prepared("a")

    def _between(self, special: set[int], codes: Mapping[str, int]) -> int:
        """Return the code of the piece that documents begin with; where none is known, of one that ends them."""
        template: list[int] = [each for each in self._made.encode("").ids if each in special]
        if template:
            return template[0]
        if self.beginning is not None and self.beginning in codes.values():
            return self.beginning
        named = [codes[each] for each in (*_BEGINNINGS, *_ENDS) if each in codes]
        if not named:
            known = ", ".join(dict.fromkeys((*_BEGINNINGS, *_ENDS)))
            raise ValueError(f"it has none of the pieces {known}, of which one stands between documents")
        return named[0]

    def _prepared(self, text: str) -> str:
        """Return a text as it is before it is cut into pieces."""
        if self._made.normalizer is not None:
            text = self._made.normalizer.normalize_str(text)
        if self._made.pre_tokenizer is not None:
            text = "".join(part for part, _ in self._made.pre_tokenizer.pre_tokenize_str(text))
        return text

    @property
    def ends(self) -> frozenset[int]:
        """Codes of the pieces that end a document."""
        return self._ends

    def encode(self, text: str) -> Tokens:
        """Return the codes of a text's pieces."""
        if self._takes and text[:1] == " ":  # else the text's own space were taken for the one put before it
            text = f" {text}"
        return np.array(self._made.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON, the title, and what its model's configuration adds."""
        more = {"beginning": self.beginning, "size": self._size}
        known = {name: each for name, each in more.items() if each is not None}
        return {"kind": self.kind, "json": self.stored, "title": self.title, **known}

    @classmethod
    def of_dict(cls, stored: Mapping[str, Any]) -> Json:
        """Return what :meth:`to_dict` gave."""
        more = {name: int(stored[name]) for name in ("beginning", "size") if name in stored}
        return cls(str(stored["json"]), str(stored["title"]), **more)


@functools.cache
def _letters() -> dict[str, int]:
    """Return the bytes by the printable letters that stand for them, as GPT-2 chose them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [each for each in range(256) if each not in plain]
    return {chr(each): each for each in plain} | {chr(256 + at): each for at, each in enumerate(others)}


_SPACES = (_SPACE, " ", chr(256 + 32))
"""How a space is written in what is cut into pieces; the last one among the letters that stand for bytes."""


def _alphabet(content: Mapping[str, Any]) -> Callable[[str], bytes]:
    """Return what gives the bytes of a piece of a tokenizer, by its decoder, pre-tokenizer and model."""
    steps = [*_steps(content.get("decoder")), *_steps(content.get("pre_tokenizer"))]
    if any(each.get("type") == "ByteLevel" for each in steps):
        letters = _letters()

        def of_letters(piece: str) -> bytes:
            known = all(each in letters for each in piece)
            return bytes(letters[each] for each in piece) if known else piece.encode("utf-8")

        return of_letters
    fallback = bool((content.get("model") or {}).get("byte_fallback"))

    def of_characters(piece: str) -> bytes:
        single = _BYTE.fullmatch(piece) if fallback else None
        return bytes([int(single[1], 16)]) if single else piece.replace(_SPACE, " ").encode("utf-8")

    return of_characters


def _unknown(content: Mapping[str, Any], codes: Mapping[str, int]) -> int | None:
    """Return the code of the piece that stands for what has none, by the names that kinds of models have for it."""
    model = content.get("model") or {}
    code, named = model.get("unk_id"), model.get("unk_token")
    return int(code) if code is not None else codes.get(named) if isinstance(named, str) else None


def _steps(part: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yield a decoder or pre-tokenizer, or those of which it is a sequence."""
    if part is None:
        return
    yield part
    for each in (*part.get("decoders", ()), *part.get("pretokenizers", ())):
        yield from _steps(each)


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
    """Read a ``tokenizer.json``, and from a ``config.json`` beside it how many pieces its model has, and which begins
    documents.

    Raises:
        DataError: it is none.
        OptionError: the library is not installed.
    """
    library()
    try:
        stored, title = path.read_text(encoding="utf-8"), f"the tokenizer {path.name}"
        return _of_folder(stored, title, path.parent)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{str(path)!r} cannot be used as a tokenizer: {error}",
            hint="give the tokenizer.json of a model.",
        ) from None


def read_pairs(folder: Path) -> Json:
    """Read the ``vocab.json`` and ``merges.txt`` of a model, as GPT-2 has them, by the library transformers.

    Raises:
        DataError: they are none.
        OptionError: the library is not installed.
    """
    library()
    try:
        auto: Any = importlib.import_module("transformers").AutoTokenizer
    except ImportError as error:
        raise OptionError(
            f"{' and '.join(PAIRS)} are read by the library transformers, which is not installed",
            hint="pip install '.[language]', or name a tokenizer.json: --tokenizer PATH.",
        ) from error
    try:
        made = auto.from_pretrained(folder.as_posix(), local_files_only=True, trust_remote_code=False)
        return _of_folder(made.backend_tokenizer.to_str(), f"the tokenizer of {' and '.join(PAIRS)}", folder)
    except Exception as error:  # whatever the library says of damaged files
        raise DataError(
            f"{' and '.join(PAIRS)} in {str(folder)!r} cannot be used as a tokenizer: {first_line(error)}",
            hint="give the tokenizer.json of the model: --tokenizer PATH.",
        ) from None


def _of_folder(stored: str, title: str, folder: Path) -> Json:
    """Return a tokenizer with what the ``config.json`` in a folder says.

    Raises:
        ValueError: it is none, or has no piece that can stand between documents.
    """
    alone = Json(stored, title, beginning=configured(folder, "bos_token_id"))
    size = configured(folder, "vocab_size") or 0
    if size <= alone.size:
        return alone
    unused = f"{title}, {size - alone.size:,} of whose pieces are empty"
    return Json(stored, unused, beginning=alone.beginning, size=size)


def configured(folder: Path, name: str) -> int | None:
    """Return a whole number of the ``config.json`` in a model's folder, None where there is none."""
    try:
        found: Any = json.loads((folder / "config.json").read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) else None
