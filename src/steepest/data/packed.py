"""Files that are packed in a way that Polars does not open: unpacked for as long as they are read."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from steepest.errors import DataError

SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".ods", ".numbers")
_OPENERS: dict[bytes, Any] = {b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open, b"\x1f\x8b": gzip.open}
_ENDINGS = (".xz", ".bz2", ".gz")


@contextlib.contextmanager
def unpacked(path: Path, most: int) -> Generator[Path]:
    """Give the path of what is packed in a file, or its own where nothing is, or where Polars opens it.

    Args:
        path: the file.
        most: so many bytes are unpacked at most.

    Raises:
        DataError: an archive holds no file or several, or the content is damaged or too large.
    """
    with path.open("rb") as file:
        head = file.read(6)
    opener: Any = next((each for magic, each in _OPENERS.items() if head.startswith(magic)), None)
    suffix = path.suffix.lower()
    looks = head.startswith(b"PK") and suffix not in SPREADSHEETS
    archive = suffix == ".zip" or (looks and zipfile.is_zipfile(path))
    if not archive and (opener is None or suffix == ".gz"):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with contextlib.ExitStack() as stack:
                if archive:
                    files = stack.enter_context(zipfile.ZipFile(path))
                    name = _only(files.namelist(), path)
                    packed: IO[bytes] | None = None if name is None else stack.enter_context(files.open(name))
                else:
                    name = path.stem if suffix in _ENDINGS else path.name
                    packed = stack.enter_context(opener(path, "rb"))
                copy = path if packed is None or name is None else Path(folder) / Path(name).name
                if packed is not None:
                    _copy(packed, copy, path, most)
        except (zipfile.BadZipFile, lzma.LZMAError, zlib.error, OSError, EOFError, RuntimeError) as error:
            raise DataError(
                f"cannot unpack {path.name}: {str(error) or 'the file ends too early'}",
                hint="the file is damaged, cut off or encrypted: unpack it with the program that made it.",
            ) from error
        yield copy


def _copy(packed: IO[bytes], copy: Path, path: Path, most: int) -> None:
    content = packed.read(most + 1)
    if len(content) > most:
        raise DataError(
            f"{path.name} holds more than {most >> 20} MB",
            hint="unpack it first: a large file is read in batches, .gz and .zst of text too.",
        )
    copy.write_bytes(content)


def _only(names: list[str], path: Path) -> str | None:
    """Return the one file of an archive; None if it is a spreadsheet.

    Example:
        >>> _only(["data/", "data/t.csv", "__MACOSX/data/._t.csv"], Path("t.zip"))
        'data/t.csv'
    """
    if "[Content_Types].xml" in names or "mimetype" in names:
        return None
    files = [each for each in names if not each.endswith("/") and not Path(each).name.startswith(".")]
    if len(files) != 1:
        shown = ", ".join(files[:5]) + (", …" if len(files) > 5 else "")
        raise DataError(
            f"{path.name} holds {len(files) or 'no'} files{': ' if files else ''}{shown}",
            hint="unpack it and give one table: unzip " + path.name,
        )
    return files[0]
