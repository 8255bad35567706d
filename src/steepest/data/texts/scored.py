"""llama2.c's tokenizer files: pieces with scores, of which the best pair is joined again and again."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data.texts.tokenizer import Tokenizer, Tokens
from steepest.errors import DataError

UNKNOWN, START, STOP = 0, 1, 2
FIRST_BYTE = 3
_BYTE = re.compile(rb"<0x([0-9A-F]{2})>")


class Scored(Tokenizer):
    """Pieces with scores: a text's characters are joined, the pair whose piece has the highest score first.

    Characters without a piece are their bytes. Documents begin with the piece 1, which stands for the boundary.

    Args:
        pieces: as the file has them.
        scores: of each.

    Source: Sennrich, Haddow & Birch, Neural machine translation of rare words with subword units, ACL 2016, as in
    Karpathy's llama2.c.
    """

    kind = "scored"
    boundary = START
    dummy = True

    def __init__(self, pieces: Sequence[bytes], scores: Sequence[float]) -> None:
        self.written, self.scores = tuple(pieces), tuple(scores)
        self.title = f"{len(pieces):,} scored pieces"
        self.pieces = [_of(each) if at > STOP else b"" for at, each in enumerate(pieces)]
        self._words: dict[str, list[int]] = {}
        self._codes = {each: at for at, each in enumerate(pieces) if at >= FIRST_BYTE + 256}

    def encode(self, text: str) -> Tokens:
        """Return the codes of a text's pieces; a space is put before it."""
        found: list[int] = []
        for word in re.findall(r" ?[^ ]+| (?= )| +", f" {text}"):  # no piece goes on behind a space
            found += self._word(word) if len(word) < 32 else self._joined(word)
        return np.array(found, dtype=np.int64)

    def _word(self, word: str) -> list[int]:
        known = self._words.get(word)
        if known is None:
            known = self._words[word] = self._joined(word)
        return known

    def _joined(self, text: str) -> list[int]:
        codes: list[int] = []
        for character in text:
            content = character.encode("utf-8")
            own = self._codes.get(content)
            codes += [each + FIRST_BYTE for each in content] if own is None else [own]
        while True:
            best, at, joined = -np.inf, -1, -1
            for place in range(len(codes) - 1):
                pair = self._codes.get(self.pieces[codes[place]] + self.pieces[codes[place + 1]])
                if pair is not None and self.scores[pair] > best:
                    best, at, joined = self.scores[pair], place, pair
            if at < 0:
                return codes
            codes[at : at + 2] = [joined]

    def to_dict(self) -> dict[str, Any]:
        """Return pieces, as texts of a character a byte, and scores."""
        pieces = [each.decode("latin-1") for each in self.written]
        return {"kind": self.kind, "pieces": pieces, "scores": list(self.scores)}

    @classmethod
    def of_dict(cls, stored: Mapping[str, Any]) -> Scored:
        """Return what :meth:`to_dict` gave."""
        pieces, scores = (
            [each.encode("latin-1") for each in stored["pieces"]],
            [*map(float, stored["scores"])],
        )
        if len(pieces) != len(scores) or len(pieces) < FIRST_BYTE + 256:
            raise ValueError(f"{len(pieces)} pieces with {len(scores)} scores")
        return cls(pieces, scores)


def _of(piece: bytes) -> bytes:
    """Return the bytes that a piece stands for."""
    single = _BYTE.fullmatch(piece)
    return bytes([int(single[1], 16)]) if single else piece


def read_scored(path: Path) -> Scored:
    """Read a tokenizer file: the longest piece (int32), then of each a score (float32), a length (int32) and bytes.

    Raises:
        DataError: it is no such file.
    """
    try:
        content, at = path.read_bytes(), 4
        pieces: list[bytes] = []
        scores: list[float] = []
        while at < len(content):
            score, length = struct.unpack_from("<fi", content, at)
            at += 8
            if not 0 <= length <= len(content) - at:
                raise ValueError(f"a piece of {length} bytes")
            pieces.append(content[at : at + length])
            scores.append(score)
            at += length
        if len(pieces) < FIRST_BYTE + 256:
            raise ValueError(f"{len(pieces)} pieces")
    except (OSError, ValueError, struct.error) as error:
        raise DataError(
            f"{path.name} is no tokenizer of llama2.c: {error}",
            hint="name its tok*.bin, not the checkpoint of the model.",
        ) from None
    return Scored(pieces, scores)
