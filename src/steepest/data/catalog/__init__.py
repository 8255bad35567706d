"""Data sets by name: where they are, what they are, and how to get them once.

Each file of this package declares one data set. A file of a data set is looked for in the folder that the
environment variable ``STEEPEST_DATA`` names, then in the user's cache; else it is downloaded once, checked
and kept there. Nothing is used whose checksum is not the one written here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from steepest.components.registry import Registry
from steepest.errors import DataError

__all__ = [
    "SOURCES",
    "DataFile",
    "DatasetSource",
    "Opened",
    "cache_folder",
    "is_name",
    "locate",
    "open_catalog",
]

SOURCES = Registry("data set", "steepest.data.catalog")

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Attributes:
        name: the file's name.
        sha256: the checksums of which it must have one (the same rows may be packed in several ways).
        folder: the folder it lies in below ``STEEPEST_DATA``.
        bytes: its size, to say how much a download is.
        url: where it is downloaded from; None if it must be fetched by hand.
        embedded: where it lies inside this package; None if it does not.
    """

    name: str
    sha256: tuple[str, ...]
    folder: str = ""
    bytes: int = 0
    url: str | None = None
    embedded: Path | None = None


@dataclass(frozen=True)
class DatasetSource:
    """A data set that has a name.

    Attributes:
        name: its name in the catalog.
        title: one line on what it is.
        files: its files; the first is the table.
        page: the address of the page that describes it.
        licence: under what terms it may be used.
        citation: whom to name.
        options: how the table is read by default (target, drop, prepare, …).
        columns: names of the columns of a file that has no header.
    """

    name: str
    title: str
    files: tuple[DataFile, ...]
    page: str
    licence: str
    citation: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Opened:
    """A data set that is on this machine.

    Attributes:
        source: what it is.
        paths: its files, checked.
    """

    source: DatasetSource
    paths: tuple[Path, ...]

    @property
    def path(self) -> Path:
        """The table's file."""
        return self.paths[0]

    @property
    def options(self) -> Mapping[str, Any]:
        """How the table is read by default (target, drop, prepare, …)."""
        return self.source.options

    def scan(self) -> pl.LazyFrame:
        """Return the table's rows, lazily, with the names of its columns."""
        from steepest.data.read import scan

        return scan(self.path, names=self.source.columns)


def open_catalog(name: str) -> Opened:
    """Find (or download once) the data set ``name``.

    Raises:
        UnknownNameError: the catalog has no such data set.
        DataError: it is not on this machine and cannot be downloaded, or a file is damaged.

    Example:
        >>> flights = open_catalog("flights")
        >>> flights.options["target"], flights.path.name
        ('status', 'flights.parquet')
    """
    source: DatasetSource = SOURCES.load(name)
    return Opened(source, tuple(_file(source, each) for each in source.files))


def is_name(source: Any) -> bool:
    """Return whether a source is the name of a data set here, and not of a file.

    Example:
        >>> is_name("flights"), is_name("flights.csv")
        (True, False)
    """
    return isinstance(source, str) and source in SOURCES.entries and not Path(source).exists()


def locate(name: str) -> tuple[Path, ...]:
    """Return the checked files of the data set ``name``; the first is the table.

    Raises:
        UnknownNameError: the catalog has no such data set.
        DataError: it is not on this machine and cannot be downloaded, or a file is damaged.
    """
    return open_catalog(name).paths


def cache_folder() -> Path:
    """Return the folder in which downloads are kept; it need not exist yet."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "steepest"


def _file(source: DatasetSource, file: DataFile) -> Path:
    if file.embedded is not None:
        return _checked(file.embedded, file)
    folder = os.environ.get("STEEPEST_DATA")
    for base in ([Path(folder).expanduser()] if folder else []) + [cache_folder()]:
        path = base / file.folder / file.name
        if path.exists():
            return _checked(path, file)
    target = cache_folder() / file.folder / file.name
    if file.url is None:
        raise DataError(
            f"the data set {source.name!r} is not on this machine and {file.name} cannot be downloaded",
            hint=f"{source.page} describes it; put the file into {str(target.parent)!r}, "
            "or into the same folder below the one that STEEPEST_DATA names.",
        )
    return _download(source, file, file.url, target)


def _checked(path: Path, file: DataFile) -> Path:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {(error.strerror or str(error)).lower()}",
            hint="check its permissions, or delete it to download it again.",
        ) from None
    if digest.hexdigest() not in file.sha256:
        raise DataError(
            f"{str(path)!r} is not the expected file: its sha256 is {digest.hexdigest()[:16]}…,"
            f" not {file.sha256[0][:16]}…",
            hint="delete it to download it again, or give your own file by its path, not by this name.",
        )
    return path


def _download(source: DatasetSource, file: DataFile, url: str, target: Path) -> Path:
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=target.parent)
        with (
            os.fdopen(handle, "wb") as out,
            urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer,
        ):
            while chunk := answer.read(_CHUNK):
                out.write(chunk)
        digest = hashlib.sha256(Path(temporary).read_bytes()).hexdigest()
        if digest not in file.sha256:
            raise DataError(
                f"{url} did not return {file.name}: its sha256 is {digest[:16]}…, not {file.sha256[0][:16]}…",
                hint=f"the file at that address has changed; {source.page} describes the data set.",
            )
        Path(temporary).chmod(0o644)
        return Path(temporary).replace(target)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        size = f" ({file.bytes / 1e6:.1f} MB)" if file.bytes else ""
        raise DataError(
            f"the data set {source.name!r} is not on this machine and cannot be fetched: {reason}",
            hint=f"with a network, download {url}{size} and put it at {str(target)!r}.",
        ) from None
    finally:
        if temporary:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
