"""Tokenizers by name, from files, and as they are stored with a model."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steepest.components import grammar
from steepest.components.identity.weights import SAVED_DATA, is_saved
from steepest.data.texts.bpe import PAIRS, Json, configured, learned, read_json, read_pairs
from steepest.data.texts.scored import Scored, read_scored
from steepest.data.texts.tokenizer import BYTES, Bytes, Tokenizer
from steepest.errors import DataError, OptionError, unknown_name

SENTENCEPIECE = "tokenizer.model"
"""A file of the library sentencepiece."""


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
    """Return the tokenizer in a file, that of the model in a folder, or of a network that steepest has saved.

    Of a folder it is ``tokenizer.json``, ``tok*.bin``, or what ``vocab.json`` and ``merges.txt`` are together; where
    there is none of these, the file of one of the first two kinds beside the folder that has as many pieces as the
    ``config.json`` in it says.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    if path.is_dir() and is_saved(path):
        return _of_saved(path)
    if path.is_dir():
        there = _files_in(path)
        if not there and all((path / each).is_file() for each in PAIRS):
            return read_pairs(path)
        if not there:
            return _beside(path)
        path = there[0]
    if path.suffix == ".bin":
        return read_scored(path)
    if path.suffix == ".json":
        return read_json(path)
    raise DataError(
        f"{path.name} is no tokenizer that can be read",
        hint="give a tokenizer.json, or a tok*.bin of llama2.c.",
    )


def _files_in(folder: Path) -> list[Path]:
    found = [folder / "tokenizer.json", *sorted(folder.glob("tok*.bin"))]
    return [each for each in found if each.is_file()]


def _beside(folder: Path) -> Tokenizer:
    """Return the tokenizer beside the folder of a model that has the model's pieces.

    Raises:
        DataError: there is none.
    """
    pieces = configured(folder, "vocab_size")
    others = [] if pieces is None else _files_in(folder.absolute().parent)
    for each in others:
        with contextlib.suppress(DataError, OptionError):  # it is of something else
            found = load_tokenizer(each)
            if found.size == pieces:
                found.place = f" of {each.name} beside the model's folder"
                return found
    fits = "" if pieces is None else f" of {pieces:,} pieces"
    cure = f"name the tokenizer that the model was trained with, a tokenizer.json or tok*.bin{fits}: --tokenizer PATH."
    if (folder / SENTENCEPIECE).is_file():
        cure = (
            f"make one of its {SENTENCEPIECE} where sentencepiece is installed: "
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER), of the library transformers."
        )
    beside = f", and nothing beside it has its {pieces:,} pieces" if others else ""
    raise DataError(
        f"the folder {str(folder)!r} has no tokenizer (tokenizer.json or tok*.bin){beside}", hint=cure
    )


def _of_saved(folder: Path) -> Tokenizer:
    try:
        stored = json.loads((folder / SAVED_DATA).read_text(encoding="utf-8"))
        return stored_tokenizer(stored["tokenizer"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the network in {folder.as_posix()!r} has no tokenizer that can be read: {error!r}",
            hint="name the folder of a network of texts, such as RUN/model.",
        ) from None


def stored_tokenizer(stored: Mapping[str, Any]) -> Tokenizer:
    """Return what :meth:`Tokenizer.to_dict` gave."""
    kind = stored["kind"]
    if kind == Bytes.kind:
        return Bytes()
    if kind == "scored":
        return Scored.of_dict(stored)
    if kind == "json":
        return Json.of_dict(stored)
    raise ValueError(f"a tokenizer of the kind {kind!r}")
