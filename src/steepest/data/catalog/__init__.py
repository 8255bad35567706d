"""Data sets by name: where they are, what they are, and how to get them once.

Each file of this package declares one data set. A file of a data set is looked for in the folder that the
environment variable ``STEEPEST_DATA`` names, then in the user's cache; else it is downloaded once, checked
and kept there. Nothing is used whose checksum is not the one written here.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal

import polars as pl

from steepest.components.registry import Registry
from steepest.data.download import DownloadError, WrongFileError, download
from steepest.errors import DataError
from steepest.files import cache_folder, writing_atomically

__all__ = [
    "SOURCES",
    "DataFile",
    "DatasetSource",
    "Kind",
    "LocalDataset",
    "Rows",
    "cache_folder",
    "is_name",
    "locate",
    "open_catalog",
    "places",
]

SOURCES = Registry("data set", "steepest.data.catalog")

Kind = Literal["table", "curve", "ratings", "images", "text"]

Rows = Callable[[Sequence[Path]], pl.DataFrame]
"""Returns rows of a data set, from the paths of its files."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Attributes:
        name: the file's name.
        sha256: the checksums of which it must have one (the same rows may be packed in several ways).
        folder: the folder it lies in below ``STEEPEST_DATA``.
        bytes: its size, to say how much a download is.
        urls: where it is downloaded from, in this order; empty if it must be fetched by hand.
        contents_md5: checksum of what a gzip file holds; a file with these contents is right, however it was packed.
        embedded: where it lies inside an installed package; None if it does not.
    """

    name: str
    sha256: tuple[str, ...]
    folder: str = ""
    bytes: int = 0
    urls: tuple[str, ...] = ()
    contents_md5: str = ""
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
        kind: what opens it.
        options: how it is read by default (target, drop, prepare, …).
        columns: names of the columns of a file that has no header.
        instead: files that hold the same rows, used where they are there and ``files`` are not.
        parts: what returns the rows of official parts: ``train``, ``test``, perhaps ``validation``; none where the
            first file is the table.
        directory: a folder below ``STEEPEST_DATA`` that the user has; it has no files that are known.
    """

    name: str
    title: str
    files: tuple[DataFile, ...]
    page: str
    licence: str
    citation: str
    kind: Kind = "table"
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    columns: tuple[str, ...] | None = None
    instead: tuple[DataFile, ...] = ()
    parts: Mapping[str, Rows] = field(default_factory=lambda: MappingProxyType({}))
    directory: str = ""

    @property
    def bytes(self) -> int:
        """How much there is to download."""
        return sum(each.bytes for each in self.files if each.embedded is None)


@dataclass(frozen=True)
class LocalDataset:
    """A data set that is on this machine.

    Attributes:
        source: what it is.
        paths: its files, checked.
        options: how it is read by default (target, drop, prepare, …).
    """

    source: DatasetSource
    paths: tuple[Path, ...]
    options: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """The table's file."""
        return self.paths[0]

    @property
    def table(self) -> Path | pl.LazyFrame:
        """The table: its file, or its rows where the file does not name its columns."""
        return self.path if self.source.columns is None else self.scan()

    def here(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return options in which files of this data set's parts, as another machine wrote them down, are those here.

        Example:
            >>> opened = LocalDataset(SOURCES.load("flights"), (), {"test": "/mine/flights-test-1.csv"})
            >>> opened.here({"test": "/theirs/flights-test-1.csv", "target": "status"})
            {'test': '/mine/flights-test-1.csv', 'target': 'status'}
        """
        names = {
            Path(str(self.options[part])).name: part
            for part in ("validation", "test")
            if part in self.options
        }
        return {
            name: self.options[name] if names.get(Path(str(value)).name) == name else value
            for name, value in given.items()
        }

    def scan(self) -> pl.LazyFrame:
        """Return the table's rows, lazily, with the names of its columns."""
        from steepest.data.read import scan

        return scan(self.path, names=self.source.columns)


def open_catalog(name: str, kind: Kind = "table") -> LocalDataset:
    """Find (or download once) the data set ``name``, for what opens a kind of data.

    Raises:
        UnknownNameError: the catalog has no such data set.
        DataError: it is of another kind, it is not on this machine and cannot be downloaded, or a file is damaged.

    Example:
        >>> flights = open_catalog("flights")
        >>> flights.options["target"], flights.path.name
        ('status', 'flights.parquet')
        >>> open_catalog("mnist")
        Traceback (most recent call last):
        ...
        steepest.errors.DataError: the data set 'mnist' is of the kind images, not table
        Hint: steepest compare mnist opens it; steepest fetch mnist gets its files.
    """
    source: DatasetSource = SOURCES.load(name)
    if source.kind != kind and (source.kind, kind) != ("curve", "table"):  # the rows of a curve are a table
        raise DataError(
            f"the data set {source.name!r} is of the kind {source.kind}, not {kind}",
            hint=f"steepest compare {source.name} opens it; steepest fetch {source.name} gets its files.",
        )
    paths = _paths(source)
    if not source.parts:
        return LocalDataset(source, paths, source.options)
    made = _parts(source, paths)
    given = {part: str(path) for part, path in made.items() if part != "train"}
    return LocalDataset(source, (made["train"],), MappingProxyType({**source.options, **given}))


def is_name(source: Any) -> bool:
    """Return whether a source is the name of a data set here, and not of a file.

    Example:
        >>> is_name("flights"), is_name("flights.csv")
        (True, False)
    """
    return isinstance(source, str) and source in SOURCES.entries and not Path(source).exists()


def rows_of(source: Any, kind: str) -> Any:
    """Return the rows to be predicted where a data set is named: its official test rows if there are some, else all.

    Anything else is returned as it is, and so are the names of images, of which their own reader does this.

    Args:
        source: the rows.
        kind: of the data that was learned from.

    Raises:
        DataError: the data set is of images and the other data is not, or the other way round; it is not on this
            machine and cannot be downloaded, or a file is damaged.

    Example:
        >>> rows_of("new.csv", "table"), rows_of("flights", "table").name
        ('new.csv', 'flights.parquet')
    """
    name = str(source)
    if not isinstance(source, str | Path) or not is_name(name):
        return source
    own = SOURCES.load(name).kind
    if own == kind == "text":
        return locate(name)[-1]
    opened = open_catalog(name, "images" if kind == "images" else "table" if own == "images" else own)
    if own == "images":
        return name
    return Path(opened.options["test"]) if "test" in opened.options else opened.table


def locate(name: str) -> tuple[Path, ...]:
    """Return the checked files of the data set ``name``, downloaded once if they are not here; the first is the table.

    Raises:
        UnknownNameError: the catalog has no such data set.
        DataError: it is not on this machine and cannot be downloaded, or a file is damaged.
    """
    return _paths(SOURCES.load(name))


def places(source: DatasetSource) -> tuple[Path, ...]:
    """Return where the files of a data set are on this machine; empty if one is missing. Nothing is checked."""
    if source.directory:
        found = [base / source.directory for base in data_folders()]
        return tuple(each for each in found if each.is_dir())[:1]
    return tuple(path for path, _ in _there(source))


def data_folders() -> list[Path]:
    """Return the folders in which files are looked for, in this order."""
    folder = os.environ.get("STEEPEST_DATA")
    return ([Path(folder).expanduser()] if folder else []) + [cache_folder()]


def _there(source: DatasetSource) -> list[tuple[Path, DataFile]]:
    """Return where the files of a data set are, or those that hold the same rows; nothing if one is missing."""
    for files in (source.files, source.instead):
        found = [(path, each) for each in files if (path := _found(each)) is not None]
        if found and len(found) == len(files):
            return found
    return []


def _found(file: DataFile) -> Path | None:
    if file.embedded is not None:
        return file.embedded
    return next((path for base in data_folders() if (path := base / file.folder / file.name).exists()), None)


def _paths(source: DatasetSource) -> tuple[Path, ...]:
    """Return the checked files of a data set, or those that hold the same rows."""
    if source.directory:
        if there := places(source):
            return there
        raise DataError(
            f"the data set {source.name!r} is a folder that is not on this machine",
            hint=f"{source.page} describes it; put it at {str(data_folders()[0] / source.directory)!r}.",
        )
    if there := _there(source):
        return tuple(_checked(path, file) for path, file in there)
    return tuple(_file(source, each) for each in source.files)


def _file(source: DatasetSource, file: DataFile) -> Path:
    path = _found(file)
    return _checked(path, file) if path is not None else _downloaded(source, file)


def _checked(path: Path, file: DataFile) -> Path:
    try:
        difference = _difference(path, file)
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {(error.strerror or str(error)).lower()}",
            hint="check its permissions, or delete it to download it again.",
        ) from None
    if difference:
        again = "delete it to download it again" if file.urls else "put the right one there"
        raise DataError(
            f"{str(path)!r} is not the expected file: {difference}",
            hint=f"{again}, or give your own file by its path, not by this name.",
        )
    return path


def _difference(path: Path, file: DataFile) -> str:
    """Say how a file differs from the expected one; empty if it is right."""
    found = _sha256(path)
    if found in file.sha256:
        return ""
    if file.contents_md5:
        try:
            with gzip.open(path) as contents:
                if _digest(contents, "md5") == file.contents_md5:
                    return ""
        except (OSError, EOFError):  # no gzip file
            pass
    return f"its sha256 is {found[:16]}…, not {file.sha256[0][:16]}…"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return _digest(file, "sha256")


def _digest(stream: BinaryIO | gzip.GzipFile, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _downloaded(source: DatasetSource, file: DataFile) -> Path:
    target = cache_folder() / file.folder / file.name
    mine = os.environ.get("STEEPEST_DATA")
    also = f", or below {mine!r}, which STEEPEST_DATA names" if mine else ""
    if not file.urls:
        raise DataError(
            f"the data set {source.name!r} is not on this machine and {file.name} cannot be downloaded",
            hint=f"{source.page} describes it; put the file at {str(target)!r}, "
            f"or at {file.folder}/{file.name} below the folder that STEEPEST_DATA names.",
        )
    try:
        download(file.urls, target, lambda path: _difference(path, file), file.bytes)
    except WrongFileError as error:
        raise DataError(
            f"{error.url} did not return {file.name}: {error}",
            hint=f"the file at that address has changed, or a proxy answered in its place; {source.page} describes the "
            f"data set; the right file belongs at {str(target)!r}.",
        ) from None
    except DownloadError as error:
        size = f" ({file.bytes / 1e6:.1f} MB)" if file.bytes else ""
        raise DataError(
            f"the data set {source.name!r} is not on this machine and cannot be fetched: {error}",
            hint=f"with a network, download {file.urls[0]}{size} and put it at {str(target)!r}{also}.",
        ) from None
    except OSError as error:
        raise DataError(
            f"the download of {file.name} cannot be kept in {str(target.parent)!r}: "
            f"{(error.strerror or str(error)).lower()}",
            hint=f"put {file.urls[0]} at {file.folder}/{file.name} in a folder of your own, and name the folder in "
            "the environment variable STEEPEST_DATA.",
        ) from None
    return target


def _parts(source: DatasetSource, paths: Sequence[Path]) -> dict[str, Path]:
    """Return a file for each part of a data set, written once from files that were checked.

    It is called by what the files of the data set must be, so it is the same file on every machine.
    """
    of = hashlib.sha256("".join(each.sha256[0] for each in source.files).encode()).hexdigest()[:12]
    folder = cache_folder() / source.name
    made = {part: folder / f"{source.name}-{part}-{of}.csv" for part in source.parts}
    for part, path in made.items():
        if not path.exists():
            with contextlib.suppress(OSError):  # writing says what is wrong
                folder.mkdir(parents=True, exist_ok=True)
            with writing_atomically(path) as file:
                source.parts[part](paths).write_csv(file)
    return made
