"""Image files in folders: the class of an image is the folder that it is in. Also as a zip archive."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl

from steepest.data.dataset import Note
from steepest.data.images.decode import SUFFIXES, decoded, quietly
from steepest.data.images.pixels import COLOUR, Images, Pixels, check_bytes, resized, with_channels
from steepest.data.read import is_table_file
from steepest.data.texts.reading import SUFFIXES as TEXTS
from steepest.errors import DataError
from steepest.wording import counted, first_few

MOST_FILE_BYTES = 1 << 28
"""One file; a larger one is refused before it is read."""
MOST_ARCHIVE_BYTES = 1 << 34
"""All files of an archive, as it declares them."""

PARTS = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What folders of parts are called."""


@dataclass(frozen=True)
class ImageFile:
    """A file in a folder or an archive.

    Attributes:
        name: its path below the folder, with slashes.
        size: its bytes, as declared.
        read: returns its bytes.
    """

    name: str
    size: int
    read: Callable[[], bytes]


def folder_members(folder: Path) -> list[ImageFile]:
    """Return the files of a folder and of those below it, in order, without hidden ones.

    Raises:
        DataError: a folder in it is empty, beside others with images.
    """
    found: list[ImageFile] = []
    empty: list[str] = []
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not _hidden(each))
        if Path(base) != folder and not folders and not files:
            empty.append(Path(base).relative_to(folder).as_posix())
        for name in sorted(files):
            path = Path(base) / name
            if not _hidden(name):
                size = path.stat().st_size if path.exists() else 0
                found.append(ImageFile(path.relative_to(folder).as_posix(), size, path.read_bytes))
    if empty and any(_is_image(each.name) for each in found):
        raise DataError(
            f"the folder {empty[0]!r} of {folder.name} is empty",
            hint="put the images of this class into it, or remove it.",
        )
    return found


@contextmanager
def archive_members(path: Path) -> Generator[list[ImageFile]]:
    """Give the files of a zip archive, without hidden ones.

    Raises:
        DataError: it is damaged or encrypted, a name leads out of the folder, or it declares more than is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield list(_members(archive, path.name))
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise DataError(
            f"cannot unpack {path.name}: {getattr(error, 'strerror', None) or str(error) or 'it ends too early'}",
            hint="the archive is damaged, cut off or encrypted: unpack it and give the folder.",
        ) from error


def _members(archive: zipfile.ZipFile, where: str) -> Iterator[ImageFile]:
    total = 0
    for info in sorted(archive.infolist(), key=lambda each: each.filename):
        name = info.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
            raise DataError(
                f"{where} holds {info.filename!r}, whose path leads out of the folder",
                hint="such an archive may be an attack: get it from its source, or unpack it with care.",
            )
        if info.is_dir() or any(_hidden(each) for each in parts):
            continue
        total += info.file_size
        if total > MOST_ARCHIVE_BYTES:
            raise DataError(
                f"{where} declares more than {MOST_ARCHIVE_BYTES >> 30} GiB of files",
                hint="unpack it and give the folder.",
            )

        def read(info: zipfile.ZipInfo = info) -> bytes:
            return archive.read(info)

        yield ImageFile(PurePosixPath(name).as_posix(), info.file_size, read)


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class _Place:
    member: ImageFile
    part: str | None
    label: str | None


def read_members(members: Sequence[ImageFile], where: str, size: tuple[int, int] | None) -> Images:
    """Return the images of files, their classes and parts by the folders that they are in.

    Args:
        members: the files.
        where: what they are from, for messages.
        size: height and width that they are resized to; None for as they are.

    Raises:
        DataError: there is no image, one is damaged, or they have several sizes.
    """
    shown = [each for each in members if _is_image(each.name)]
    notes = _about_others(members, where)
    if not shown:
        raise _no_image([each.name for each in members], where)
    places, about = _places(shown)
    notes += about
    pixels, more = _decoded([each.member for each in places], where, size)
    labels = [each.label for each in places]
    parts = [each.part for each in places]
    return Images(
        pixels,
        None if None in labels else pl.Series("label", labels, dtype=pl.String),
        pl.Series("part", parts, dtype=pl.String) if any(parts) else None,
        pl.Series("file", [each.member.name for each in places], dtype=pl.String),
        tuple(Note("info", each) for each in (*notes, *more)),
    )


def _no_image(names: Sequence[str], where: str) -> DataError:
    wanted = f"give a folder with a folder of images for each class; images end in {', '.join(SUFFIXES)}."
    tables = [each for each in names if is_table_file(each)]
    if tables and names == [where]:
        return DataError(
            f"{where} is a table, not images",
            hint=f"`steepest describe` shows its columns; for images, {wanted}",
            python=f"st.describe shows its columns; for images, {wanted}",
        )
    runs = [
        each.split("/")[0] for each in names if each.count("/") == 1 and each.endswith("/experiment.toml")
    ]
    if runs:
        return DataError(
            f"{where} holds comparisons ({first_few(runs)}), not data",
            hint=f"name data; `steepest report {where}/{runs[0]}` shows the results of one.",
            python=f"name data; st.Result.load('{where}/{runs[0]}') has the results of one.",
        )
    texts = [each for each in names if PurePosixPath(each).suffix.lower() in TEXTS]
    if texts and len(texts) == len(names):
        return DataError(
            f"{where} holds no image but texts ({first_few(names)})",
            hint=f"to train a model of texts, add --kind text; for images, {wanted}",
            python=f"to train a model of texts, use kind='text'; for images, {wanted}",
        )
    others = first_few(names) if names else "nothing"
    name = f"for a table, name its file, such as {where}/{tables[0]}; for images, " if tables else ""
    return DataError(f"{where} holds no image ({others})", hint=f"{name}{wanted}")


def _about_others(members: Iterable[ImageFile], where: str) -> list[str]:
    suffixes = Counter(
        PurePosixPath(each.name).suffix.lower() or "no suffix" for each in members if not _is_image(each.name)
    )
    if not suffixes:
        return []
    shown = ", ".join(f"{name} {count:,}" for name, count in suffixes.most_common(5))
    total = sum(suffixes.values())
    return [
        f"{counted(total, 'file')} of {where} {'is' if total == 1 else 'are'} no image and left out: {shown}."
    ]


def _places(members: Sequence[ImageFile]) -> tuple[list[_Place], list[str]]:
    """Return the part and class of files; those beside the folders of parts or classes are left out."""
    paths = [PurePosixPath(each.name).parts for each in members]
    while len({each[0] for each in paths}) == 1 and all(len(each) > 2 for each in paths):
        paths = [each[1:] for each in paths]  # one folder around all of them
    parted = any(len(each) > 1 and each[0].lower() in PARTS for each in paths)
    places: list[_Place] = []
    beside: list[str] = []
    for member, path in zip(members, paths, strict=True):
        part = PARTS.get(path[0].lower()) if parted and len(path) > 1 else None
        if parted and part is None:
            beside.append(member.name)
            continue
        rest = path[1:] if parted else path
        places.append(_Place(member, part, rest[0] if len(rest) > 1 else None))
    if any(each.label is None for each in places) and any(each.label for each in places):
        beside += [each.member.name for each in places if each.label is None]
        places = [each for each in places if each.label is not None]
    what = "parts" if parted else "classes"
    notes = [f"{counted(len(beside), 'image')} beside the folders of {what} left out: {first_few(beside)}."]
    return places, notes if beside else []


def _decoded(
    members: Sequence[ImageFile], where: str, size: tuple[int, int] | None
) -> tuple[Pixels, list[str]]:
    found: list[Pixels] = []
    clear = 0
    with quietly():
        for each in members:
            if each.size > MOST_FILE_BYTES:
                raise DataError(
                    f"{each.name} has {each.size:,} bytes",
                    hint=f"at most {MOST_FILE_BYTES >> 20} MiB are read.",
                )
            try:
                content = each.read()
            except OSError as error:
                raise DataError(
                    f"cannot read {each.name}: {(error.strerror or str(error)).lower()}",
                    hint="check the file and its permissions, or leave it out.",
                ) from error
            image, transparent = decoded(content, each.name)
            clear += transparent
            image = resized(image[None], size)[0]
            if found and image.shape[1:] != found[0].shape[1:]:
                raise _sizes_differ(members[0].name, found[0], each.name, image)
            if not found:
                check_bytes((len(members), *image.shape), where)
            found.append(image)
    coloured = sum(len(each) == COLOUR for each in found)
    notes: list[str] = []
    if 0 < coloured < len(found):
        grey = len(found) - coloured
        notes.append(
            f"{counted(grey, 'image is', 'images are')} grey and {coloured:,} in colour: all have 3 channels."
        )
        found = [with_channels(each[None], COLOUR)[0] for each in found]
    if clear:
        notes.append(f"{counted(clear, 'image has', 'images have')} transparent pixels, shown on white.")
    return np.stack(found), notes


def _sizes_differ(first: str, one: Pixels, second: str, two: Pixels) -> DataError:
    sizes = [f"{each.shape[2]} × {each.shape[1]}" for each in (one, two)]
    least = min(*one.shape[1:], *two.shape[1:])
    return DataError(
        f"images have several sizes: {first} has {sizes[0]} pixels, {second} has {sizes[1]}",
        hint=f"give a size that all are made to have, such as --size {min(least, 64)}.",
    )
