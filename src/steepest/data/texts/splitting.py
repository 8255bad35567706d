"""Which documents train, which choose and which are read once at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steepest.data.parts import PARTS
from steepest.data.split import MIN_ROWS, random_split

Texts = tuple[str, ...]


def split_documents(
    texts: Sequence[str], validation: float, test: float, seed: int
) -> tuple[dict[str, Texts], str]:
    """Return the documents of each part, and how they were split, for a reader.

    No document is in two parts. Fewer than ten documents are cut instead: the first part of each trains, the next one
    validates, the last one tests; a cut is made at a line end or space near its place.

    Args:
        texts: the documents.
        validation, test: shares, 0 for a part that has texts of its own.
        seed: of the split.

    Example:
        >>> found, how = split_documents(["one two three four five six seven eight nine ten"], 0.2, 0.2, 0)
        >>> found["validation"], found["test"], how
        ((' seven',), (' eight nine ten',), 'cut from start to end, as there is a single document')
    """
    if not validation and not test:
        return {part: tuple(texts) if part == PARTS[0] else () for part in PARTS}, "separate texts"
    if len(texts) >= MIN_ROWS:
        part = random_split(len(texts), validation, test, seed).part
        found = {
            name: tuple(texts[at] for at in np.flatnonzero(part == code).tolist())
            for code, name in enumerate(PARTS)
        }
        return found, f"by document, split seed {seed}"
    cut: dict[str, list[str]] = {part: [] for part in PARTS}
    for text in texts:
        first = _near(text, round(len(text) * (1 - validation - test)))
        second = _near(text, round(len(text) * (1 - test))) if test else len(text)
        for part, piece in zip(PARTS, (text[:first], text[first:second], text[second:]), strict=True):
            if piece.strip():
                cut[part].append(piece)
    few = "a single document" if len(texts) == 1 else f"{len(texts)} documents only"
    each, verb = ("", "is") if len(texts) == 1 else ("each ", "are")
    how = f"{each}cut from start to end, as there {verb} {few}"
    return {part: tuple(pieces) for part, pieces in cut.items()}, how


def _near(text: str, place: int, most: int = 500) -> int:
    """Return a place before which a text is cut, at a line end or space not far before a place, else the place."""
    low = max(0, place - most)
    for mark in ("\n", " "):
        found = text.rfind(mark, low, place + 1)
        if found > low:
            return found
    return place
