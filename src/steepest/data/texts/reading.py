"""Documents of a file, a folder of files, lines or JSON lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steepest.errors import DataError, OptionError
from steepest.files import local
from steepest.wording import counted, first_few

SUFFIXES = (".txt", ".text", ".md", ".rst", ".tokens", ".jsonl", ".ndjson")
"""Files of a folder that are read as texts."""
JSON_LINES = (".jsonl", ".ndjson")
FIELD = "text"
"""The field of JSON lines that is read where none is named."""
_HALF = re.compile("[\ud800-\udfff]")
LAYOUTS = ("packed", "lines")


@dataclass(frozen=True)
class Documents:
    """Texts in the order in which they were read.

    Attributes:
        texts: of the documents, none of them without a character that is no space.
        names: where each is from.
        empty: documents, or lines that are documents, without any such character, which are left out.
        lines: of all texts.
        empty_lines: those without such a character.
        replaced: halves of surrogate pairs, which are no characters and are read as U+FFFD.
    """

    texts: tuple[str, ...]
    names: tuple[str, ...]
    empty: int
    lines: int
    empty_lines: int
    replaced: int = 0

    def __len__(self) -> int:
        return len(self.texts)


def read_documents(source: Any, *, field: str | None, layout: str, encoding: str = "auto") -> Documents:
    """Return the documents of a source.

    Args:
        source: a file, a folder of files, which are documents each, JSON lines with a document in each, or texts in
            memory.
        field: of JSON lines, the field with the text.
        layout: with ``lines`` every line is a document.
        encoding: of files; UTF-8 with ``auto``.

    Raises:
        DataError: nothing is there, it is no text, or it is empty.
        OptionError: a field is named and there are no JSON lines.

    Example:
        >>> found = read_documents(["one\\n\\ntwo"], field=None, layout="lines")
        >>> found.texts, found.lines, found.empty_lines
        (('one', 'two'), 3, 1)
    """
    named = field is not None
    files = [*_files(source)]
    pieces: list[tuple[str, str]] = []
    records = False
    for name, content in files:
        if isinstance(content, Path) and content.suffix.lower() in JSON_LINES:
            records = True
            pieces += _records(name, _decoded(content, name, encoding), field or FIELD)
        else:
            text = _decoded(content, name, encoding) if isinstance(content, Path) else content
            pieces.append((name, text))
    if named and not records:
        raise OptionError(
            f"--field {field} has no effect: there are no JSON lines ({', '.join(JSON_LINES)})",
            hint="leave it out.",
        )
    mended = [whole(text) for _, text in pieces]
    pieces = [(name, text) for (name, _), (text, _) in zip(pieces, mended, strict=True)]
    lines = [line for _, text in pieces for line in lines_of(text)]
    if layout == "lines":
        pieces = [
            (f"{name}, line {at}", line) for name, text in pieces for at, line in enumerate(lines_of(text), 1)
        ]
    kept = [(name, text) for name, text in pieces if text.strip()]
    if not kept:
        what = files[0][0] if len(files) == 1 else counted(len(files), "file")
        raise DataError(
            f"{what} {'holds' if len(files) == 1 else 'hold'} no text: no character that is no space",
            hint="give a file with text in it.",
        )
    return Documents(
        tuple(text for _, text in kept),
        tuple(name for name, _ in kept),
        len(pieces) - len(kept),
        len(lines),
        sum(not each.strip() for each in lines),
        sum(count for _, count in mended),
    )


def lines_of(text: str) -> list[str]:
    r"""Return the lines of a text, which end with ``\r\n``, ``\r`` or ``\n`` and with no other character.

    Example:
        >>> lines_of("one\r\ntwo\x0cof two\n\n"), lines_of("")
        (['one', 'two\x0cof two', ''], [])
    """
    found = re.split(r"\r\n|\r|\n", text)
    return found if found[-1] else found[:-1]


def whole(text: str) -> tuple[str, int]:
    r"""Return a text with U+FFFD for every half of a surrogate pair, which is no character, and how many these are.

    Example:
        >>> whole("a\ud83d b"), whole("\ud83d\ude00"), whole("caf\udce9")
        (('a\ufffd b', 1), ('😀', 0), ('caf\ufffd', 1))
    """
    if not _HALF.search(text):
        return text, 0
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _HALF.subn("\ufffd", joined)


def _files(source: Any) -> Iterator[tuple[str, Path | str]]:
    """Yield the names and places, or the texts, of what is read."""
    if not isinstance(source, str | Path):
        yield from _in_memory(source)
        return
    path = local(source).expanduser()
    if path.is_dir():
        found = [each for each in _below(path) if each.suffix.lower() in SUFFIXES]
        if not found:
            other = sorted({each.suffix.lower() or each.name for each in _below(path)})
            has = f", but {first_few(other)}" if other else ""
            raise DataError(
                f"{path.name} has no text files ({', '.join(SUFFIXES)}){has}",
                hint="name the folder of the texts, or one file.",
            )
        yield from ((each.relative_to(path).as_posix(), each) for each in found)
        return
    if not path.exists():
        raise DataError(f"there is no file {str(source)!r}", hint="check the path.")
    yield path.name, path


def _in_memory(source: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(source, Sequence | Iterable) or isinstance(source, bytes | dict):
        raise DataError(
            f"a {type(source).__name__} is no text",
            hint="give a path, or a list of texts, one for each document.",
        )
    for at, each in enumerate(source, 1):
        if not isinstance(each, str):
            raise DataError(
                f"document {at} is a {type(each).__name__}, not a text",
                hint="give a list of texts: ['…', '…'].",
            )
        yield f"document {at}", each


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        found += [Path(base, each) for each in sorted(files) if not each.startswith(".")]
    return found


def _decoded(path: Path, name: str, encoding: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read {name}: {(error.strerror or str(error)).lower()}", hint="check its permissions."
        ) from None
    if b"\0" in content[: 1 << 16] and encoding == "auto" and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        start, hint = content[: 1 << 16], "images, archives and documents of a word processor are none"
        for odd, order in ((1, "le"), (0, "be")):  # letters of two bytes, one of which is 0
            if start[odd::2].count(0) > 0.8 * len(start[odd::2]) and 0 not in start[1 - odd :: 2]:
                hint = f"where it is UTF-16, say so: --encoding utf-16-{order}"
        raise DataError(
            f"{name} is no text: byte {content.index(0):,} is 0", hint=f"give a text file; {hint}."
        )
    try:
        return content.decode("utf-8-sig" if encoding == "auto" else encoding)
    except UnicodeDecodeError as error:
        known = "UTF-8" if encoding == "auto" else encoding
        raise DataError(
            f"{name} is not {known}: byte {error.start:,} is 0x{content[error.start]:02x}",
            hint="name its encoding: --encoding cp1252 for Western European files, utf-16 for some of Windows.",
        ) from None


def _records(name: str, content: str, field: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for at, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record: Any = json.loads(line)
        except ValueError:
            begun = line.lstrip()[:1] in ("[", "{") and at == 1
            raise DataError(
                f"line {at:,} of {name} is no JSON: {line.strip()[:40]!r}",
                hint=f"give one JSON object a line{', each whole in its own' if begun else ''}, or name the file .txt.",
            ) from None
        except RecursionError:
            raise DataError(
                f"line {at:,} of {name} is nested too deeply", hint=f'give lines such as {{"{FIELD}": "…"}}.'
            ) from None
        if not isinstance(record, dict):
            raise DataError(
                f"line {at:,} of {name} is a {type(record).__name__}, not an object with fields",
                hint=f'give lines such as {{"{FIELD}": "…"}}.',
            )
        if not isinstance(record.get(field), str):
            raise _no_text(f"line {at:,} of {name}", record, field)
        found.append((f"{name}, line {at}", record[field]))
    return found


def _no_text(line: str, record: dict[str, Any], field: str) -> DataError:
    """Return the error of a line of JSON whose field holds no text."""
    texts = [key for key, value in record.items() if isinstance(value, str)]
    others = f"; texts are in {first_few(texts)}" if texts else ""
    if field not in record:
        cure = f"name the field with the text: --field {texts[0]}" if texts else "give lines that have it"
        return DataError(f"{line} has no field {field!r}{others}", hint=f"{cure}.")
    value = json.dumps(record[field], ensure_ascii=False)
    shown = value if len(value) <= 40 else f"{value[:40]}…"
    return DataError(
        f"{line} has {shown} in its field {field!r}, which is no text{others}",
        hint="write a text there, or leave the line out"
        + (f"; --field {texts[0]} reads another field." if texts else "."),
    )
