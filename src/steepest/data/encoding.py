"""Text files that are not UTF-8: read as what they are known to be, else refused with the cure."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import re
import tempfile
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO

from steepest.errors import DataError

PACKED = (".gz", ".zst")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
"""How a text begins that says what it is."""

_NOT_WESTERN = re.compile(
    rb"[\x81\x8d\x8f\x90\x9d]"  # no letters of Windows-1252
    rb"|[\x80-\xff]{3}"  # Western words have their accents one by one
    rb"|[A-Za-z\xc0-\xff][\xa1-\xa9\xab\xac\xae\xaf\xb1\xb3\xb5\xb6\xb8\xb9\xbb-\xbf]"  # nor signs within words
    rb"[A-Za-z\xc0-\xff]"
)
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_SHOWN = {
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
}


class NotUtf8Error(Exception):
    """A text file is not UTF-8 text."""


@contextlib.contextmanager
def opened(path: Path) -> Generator[BinaryIO]:
    """Open a text file, unpacked."""
    suffix = path.suffix.lower()
    with contextlib.ExitStack() as stack:
        file: Any
        if suffix == ".zst":
            import pyarrow as pa

            file = io.BufferedReader(stack.enter_context(pa.input_stream(str(path), compression="zstd")))
        else:
            open_file = gzip.open if suffix == ".gz" else open
            file = stack.enter_context(open_file(path, "rb"))
        yield file


def read_bytes(path: Path, most: int) -> bytes:
    """Return the first bytes of a text file, unpacked.

    Raises:
        DataError: it cannot be unpacked.
    """
    try:
        with opened(path) as file:
            return file.read(most)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"cannot unpack {path.name}: {str(error) or 'the file ends too early'}",
            hint="the file is damaged or cut off: download it again.",
        ) from error


def check_head(head: bytes, path: Path, *, whole: bool) -> None:
    """Look at the beginning of a text file.

    Args:
        head: its first bytes.
        path: the file.
        whole: whether these are all of them.

    Raises:
        NotUtf8Error: it is text in another encoding.
        DataError: it is no text.
    """
    if _wide(head):
        raise NotUtf8Error
    if head.startswith(b"\x80") or b"\x00" in head:
        raise DataError(
            f"{path.name} is not text: it begins with {head[:8]!r}",
            hint="give CSV, TSV, Parquet or Feather; a pickle is never opened because it can run code.",
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        raise NotUtf8Error from None


@contextlib.contextmanager
def as_utf8(path: Path, encoding: str, most: int, *, predicting: bool) -> Generator[tuple[Path, str]]:
    """Give the path of a copy in UTF-8 of a text file, and what is to be said of it.

    Args:
        path: a text file in another encoding.
        encoding: its encoding, or ``auto``.
        most: so many bytes are read at most.
        predicting: whether the file holds new rows, for which no option says the encoding.

    Raises:
        DataError: the encoding cannot be known, or is not the one that was said; or the file is too large.
    """
    data = read_bytes(path, most + 1)
    if len(data) > most:
        raise DataError(
            f"{path.name} is not UTF-8 text, and too large to be converted at once",
            hint=_convert(path, _iconv_name(_found(data) or encoding)),
        )
    codec = encoding if encoding != "auto" else _found(data)
    if encoding != "auto" and _wide(data):
        codec = _wide(data)
    if codec is None:
        raise _unknown(data, path, predicting)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"line {line} of {path.name} is not {_SHOWN.get(codec, codec)} text",
            hint="the file is damaged or cut off, or in another encoding.",
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / (path.stem if path.suffix.lower() in PACKED else path.name)
        copy.write_text(text.removeprefix("\ufeff"), encoding="utf-8", newline="")
        example = re.search(r"\w*[^\W\x00-\x7f]\w*", text)
        shown = f", such as {example.group()!r}" if example else ""
        cure = "" if _wide(data) or encoding != "auto" else "; --encoding names another"
        yield copy, f"{path.name} is not UTF-8: read as {_SHOWN.get(codec, codec)}{shown}{cure}."


def _wide(data: bytes) -> str | None:
    """Return the encoding of a text whose letters have two bytes or more, None if it has none of these."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return codec
    head = data[: 1 << 16]
    for first, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = head[first::2].count(0)
        if len(head) > 3 and zeros > len(head) // 3 and not head[1 - first :: 2].count(0):
            return codec
    return None


def _found(data: bytes) -> str | None:
    """Return the encoding of a text that is not UTF-8, None if it cannot be known."""
    wide = _wide(data)
    if wide is not None:
        return wide
    return None if _NOT_WESTERN.search(data) or _mostly_utf8(data) else "cp1252"


def _mostly_utf8(data: bytes) -> bool:
    """Whether most of the letters that are not ASCII are UTF-8."""
    letters, others = len(_UTF8_LETTER.findall(data)), len(re.findall(rb"[\x80-\xff]+", data))
    return 2 * letters > others


def _unknown(data: bytes, path: Path, predicting: bool) -> DataError:
    line = _first_bad_line(data)
    fact = f"{path.name} is not UTF-8 text: line {line} cannot be decoded"
    if _mostly_utf8(data):
        new = _new_name(path)
        return DataError(
            f"{fact}, though other lines can",
            hint=f"fix that line, or remove its invalid characters: {_unpacked(path)}"
            f"iconv -c -f UTF-8 -t UTF-8 {_name(path)} > {new}",
        )
    if predicting:
        return DataError(fact, hint=_convert(path, "CP1250").replace("CP1250", "ITS-ENCODING"))
    return DataError(
        f"{fact}, nor is it Western European text", hint="give its encoding, for example --encoding cp1250."
    )


def _first_bad_line(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data[: error.start].count(b"\n") + 1
    return 0


def _iconv_name(codec: str) -> str:
    return {"cp1252": "CP1252", "auto": "ITS-ENCODING"}.get(codec, codec.upper())


def _convert(path: Path, encoding: str) -> str:
    return f"{_unpacked(path)}convert it: iconv -f {encoding} -t UTF-8 {_name(path)} > {_new_name(path)}"


def _unpacked(path: Path) -> str:
    return "unpack it, then " if path.suffix.lower() in PACKED else ""


def _name(path: Path) -> str:
    return path.with_suffix("").name if path.suffix.lower() in PACKED else path.name


def _new_name(path: Path) -> str:
    name = Path(_name(path))
    return f"{name.stem}-utf8{name.suffix}"
