"""What there is to know of texts before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from steepest.data.dataset import Dataset, Note
from steepest.data.described import DataFact, DataOverview, Listed
from steepest.data.parts import KNOWN_ROWS, PARTS
from steepest.data.texts.reading import Documents
from steepest.data.texts.tokenizer import Tokenizer
from steepest.data.texts.vocabulary import IGNORE
from steepest.wording import counted, one_line

SHOWN, BEGINNING = 3, 40
"""So many repeated documents are named, and so many characters of those that have no names of their own."""


def overview(
    name: str,
    kind: str,
    documents: Documents,
    others: Mapping[str, Documents],
    data: Dataset,
    tokenizer: Tokenizer,
) -> DataOverview:
    """Return counts of documents, lines, words and tokens, and how much of the vocabulary is used.

    Args:
        name, kind: of the data.
        documents: as they were read.
        others: those of parts that have texts of their own.
        data: their rows.
        tokenizer: what cut them into tokens.
    """
    read = [documents, *others.values()]
    texts = [text for each in read for text in each.texts]
    characters, size = sum(map(len, texts)), sum(len(each.encode()) for each in texts)
    words = sum(len(each.encode().split()) for each in texts)
    lines, empty = sum(each.lines for each in read), sum(each.empty_lines for each in read)
    parts = {part: getattr(data, part) for part in PARTS if data.held_out or part == "train"}
    rows = {part: len(each) for part, each in parts.items()}
    counts = {
        part: torch.bincount(each.target[each.target != IGNORE], minlength=tokenizer.size)
        for part, each in parts.items()
    }
    tokens = {part: int(each.sum()) for part, each in counts.items()}
    used = int((counts["train"] > 0).sum())
    new = {
        part: float(each[counts["train"] == 0].sum() / max(1, tokens[part]))
        for part, each in counts.items()
        if part != "train"
    }
    every = sum(tokens.values())
    facts = [
        DataFact("documents", sum(map(len, read))),
        DataFact(
            "characters",
            characters,
            "characters",
            f"{characters:,} ({counted(size, 'byte')}, {counted(words, 'word')})",
        ),
        DataFact("bytes", size),
        DataFact("words", words),
        DataFact("lines", lines, "lines", f"{lines:,}, {empty / max(1, lines):.1%} of them empty"),
        DataFact("empty_lines", empty),
        DataFact(
            "vocabulary",
            tokenizer.size,
            "vocabulary",
            f"{tokenizer.size:,} pieces, {tokenizer.title}; {used:,} ({used / tokenizer.size:.0%}) are in the training "
            "text",
        ),
        DataFact("vocabulary_used", used),
        DataFact("bytes_a_token", size / max(1, every), "bytes a token", f"{size / max(1, every):.2f}"),
        DataFact(
            "block", data.shape.fields[0].size[0], "rows", f"of {data.shape.fields[0].size[0]:,} tokens"
        ),
    ]
    if new:
        shown = ", ".join(f"{share:.2%} of the {part} tokens" for part, share in new.items())
        facts.append(DataFact("unseen", new, "not in training", shown))
    listed = Listed("parts", ("part", "rows", "tokens"), [(part, rows[part], tokens[part]) for part in parts])
    title = f"{counted(sum(map(len, read)), 'document')} of {every:,} tokens"
    return DataOverview(name, kind, title, tuple(facts), (listed,), data.notes)


def about_replaced(count: int) -> str:
    """Return a sentence on characters that are none.

    Example:
        >>> about_replaced(1)
        '1 half of a surrogate pair, which is no character, is read as U+FFFD (�).'
    """
    which, verb = ("is no character", "is") if count == 1 else ("are no characters", "are")
    halves = counted(count, "half of a surrogate pair", "halves of surrogate pairs")
    return f"{halves}, which {which}, {verb} read as U+FFFD (�)."


def about_equal(
    texts: Mapping[str, Sequence[str]], layout: str, read: Sequence[Documents] = ()
) -> list[Note]:
    """Return a note of documents that are in an earlier part, too, but for blanks at their ends.

    Single lines come again in any text, so that a few of them are no warning.

    Args:
        texts: of the parts.
        layout: whether documents are lines.
        read: the documents as they were read, whose names say where equal ones are.
    """
    what = "line" if layout == "lines" else "document"
    before: set[str] = set()
    found: list[str] = []
    again: dict[str, None] = {}
    count, most = 0, 0.0
    for part in PARTS:
        own = [each.strip() for each in texts[part]]
        equal = sum(each in before for each in own)
        if equal:
            again |= dict.fromkeys(each for each in own if each in before)
            found.append(f"{equal:,} of {counted(len(own), f'{part} {what}')}")
            count, most = count + equal, max(most, equal / len(own))
        before.update(own)
    if not found:
        return []
    kind = "warning" if layout != "lines" or most >= KNOWN_ROWS else "info"
    verb, them = ("equals", "it") if count == 1 else ("equal", "them")
    text = f"{' and '.join(found)} {verb} one of an earlier part: what is measured on {them} says nothing of others"
    if kind == "info":
        return [Note(kind, f"{text}.")]
    shown = "; ".join(_pair(each, read) for each in [*again][:SHOWN])
    more = ", …" if len(again) > SHOWN else ""
    return [Note(kind, f"{text}; remove repeated {what}s: {shown}{more}.")]


def _pair(text: str, read: Sequence[Documents]) -> str:
    """Return the names of two equal documents, or how they begin where names do not say which they are."""
    places = [
        name for each in read for name, one in zip(each.names, each.texts, strict=True) if one.strip() == text
    ]
    if len(dict.fromkeys(places)) > 1:
        return " and ".join([*dict.fromkeys(places)][:2])
    begun = one_line(text[: 2 * BEGINNING])
    return repr(begun if len(begun) <= BEGINNING else f"{begun[:BEGINNING]}…")
