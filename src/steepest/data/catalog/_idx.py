"""The four files that MNIST and its relatives consist of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steepest.data.catalog import DataFile


def idx_files(
    folder: str, addresses: Sequence[str], about: Mapping[str, tuple[Sequence[str], str, int]]
) -> tuple[DataFile, ...]:
    """Return the files of images and labels, training rows first.

    Args:
        folder: below ``STEEPEST_DATA``.
        addresses: of folders that have them.
        about: their checksums, the MD5 of what they hold, and their sizes, by name.
    """
    return tuple(
        DataFile(
            name=f"{name}-ubyte.gz",
            folder=folder,
            sha256=tuple(sha256),
            bytes=size,
            urls=tuple(f"{each}{name}-ubyte.gz" for each in addresses),
            contents_md5=md5,
        )
        for name, (sha256, md5, size) in about.items()
    )
