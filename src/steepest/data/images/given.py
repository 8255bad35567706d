"""Images as they are given: a path, arrays, or the name of a data set of the catalog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from steepest.data.catalog import is_name, open_catalog
from steepest.data.images import read_images
from steepest.data.images.idx import is_idx, read_idx_files
from steepest.data.images.pixels import Images, parse_size, resized, with_classes
from steepest.errors import DataError
from steepest.wording import counted

LABEL = "label"


def read_source(source: Any, size: str | None) -> tuple[Images, str]:
    """Return the images of a path, of arrays or of a data set of the catalog, and their name."""
    resize = parse_size(size)
    if isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], np.ndarray):
        found, labels = read_images(source[0], resize), pl.Series(LABEL, source[1])
        if len(labels) != len(found):
            raise DataError(
                f"{counted(len(found), 'image')} and {counted(len(labels), 'label')} are given",
                hint="give one label for each image.",
            )
        return replace(found, labels=labels), "images"
    if not is_name(source):
        found = read_images(source, resize)
        return found, Path(source).expanduser().resolve().stem if isinstance(source, str | Path) else "images"
    opened = open_catalog(str(source), "images")
    if all(is_idx(each.name) for each in opened.paths):
        found = read_idx_files(opened.paths, str(source))
        found = replace(found, pixels=resized(found.pixels, resize))
    else:
        found = read_images(opened.path, resize)
    return with_classes(found, opened.options.get("classes")), str(source)
