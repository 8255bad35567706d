"""Tokenizers by name, from files, and as they are stored with a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steepest.components import grammar
from steepest.data.texts.bpe import Json, learned, read_json
from steepest.data.texts.scored import Scored, read_scored
from steepest.data.texts.tokenizer import BYTES, Bytes, Tokenizer
from steepest.errors import DataError, OptionError, unknown_name


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
        return read_scored(path)
    if path.suffix == ".json":
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
        return Scored.of_dict(stored)
    if kind == "json":
        return Json.of_dict(stored)
    raise ValueError(f"a tokenizer of the kind {kind!r}")
