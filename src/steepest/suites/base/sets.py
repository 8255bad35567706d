"""The data of a suite: rows drawn once and for all from a data set of the catalog, or a table of the user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from steepest.data.catalog import SOURCES, open_catalog
from steepest.data.images.given import read_source
from steepest.data.images.pixels import Images
from steepest.data.options import TableOptions
from steepest.data.sources.contract import Source
from steepest.errors import OptionError, unknown_name
from steepest.experiment.given import opened
from steepest.files import cache_folder, write_with_folder
from steepest.rng import stream
from steepest.studies.base.data import kept_images
from steepest.suites.base.suite import Size, Suite, SuiteSet

OWN_BATCH = 64
"""Rows of a step on a table of the user's own."""


def open_set(chosen: SuiteSet) -> Source:
    """Return the data of a set, opened.

    Raises:
        DataError: it is not on this machine and cannot be downloaded, or cannot be read.
    """
    if isinstance(chosen.data, Source):
        return chosen.data
    given = dict(chosen.options)
    source: str | Path = chosen.source
    if not chosen.own and chosen.rows is not None:
        if SOURCES.load(chosen.source).kind == "images":
            source = _drawn_images(chosen.source, chosen.rows, chosen.test_rows or chosen.rows)
            given = {**given, "reader": "images"}
        else:
            source, options = _drawn(chosen.source, chosen.rows)
            given = {**options, **given}
    reading = {name: value for name, value in given.items() if name in TableOptions.model_fields}
    return opened(str(source), reading.pop("target", None), reading)


def training(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a set's options that do not say how it is read.

    Example:
        >>> training({"validation": 0.2, "epochs": 3})
        {'epochs': 3}
    """
    return {name: value for name, value in options.items() if name not in TableOptions.model_fields}


def _drawn(name: str, rows: int) -> tuple[Path, dict[str, Any]]:
    """Return a file with some rows of a table of the catalog, in their order, and how it is read.

    Official test rows of the table are left out: all are drawn from the rest, and split.
    """
    found = open_catalog(name)
    frame = found.scan().collect()
    order = stream(0, "data").permutation(frame.height)[:rows]
    frame = frame[sorted(order.tolist())]
    text = frame.write_csv()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = cache_folder() / "suites" / f"{name}-{len(frame)}-{digest}.csv"
    if not path.is_file():
        write_with_folder(path, text)
    options = {key: value for key, value in found.options.items() if key not in ("validation", "test")}
    return path, options


def _drawn_images(name: str, rows: int, test_rows: int) -> Path:
    """Return a file with some of the training and test images of a data set of the catalog, in their order."""
    found: Images = read_source(name, None)[0]
    assert found.labels is not None
    assert found.parts is not None
    labels = found.labels.cast(pl.String).to_numpy().astype(np.str_)
    test = (found.parts == "test").fill_null(value=False).to_numpy()
    order = stream(0, "data").permutation(len(labels))
    mine = np.sort(np.concatenate([order[~test[order]][:rows], order[test[order]][:test_rows]]))
    return kept_images(name, name, f"images of {name}", found.pixels[mine], labels[mine], test[mine]).path


def own_set(text: str | tuple[Any, str], size: Size, suite: Suite, taken: Sequence[str]) -> SuiteSet:
    """Return a data set of the user's own: ``my.csv:target``, or a table in memory with its target.

    Its runs have the suite's number of steps for such sets, in batches of 64 rows, whatever its rows.

    Args:
        text: what is given.
        size: of the suite.
        suite: says how many steps a run has.
        taken: names that other sets have.

    Raises:
        OptionError: no target is given.
        DataError: there is no such file.
    """
    options: dict[str, Any] = {}
    if isinstance(text, str):
        source, colon, target = text.rpartition(":")
        if not colon or not target or "/" in target or "\\" in target:
            raise OptionError(
                f"{text!r} names no target", hint="write FILE:COLUMN, such as --add my.csv:churned."
            )
        name, data = Path(source).name.split(".")[0], None
    else:
        data, target = text
        source, name = "", target
    options["target"] = target
    found = SuiteSet(name, source, data=data, options=options, own=True)
    table = opened(source if data is None else data, target, {})
    rows = len(table.make(0)[0].train)
    batch = min(OWN_BATCH, rows)
    epochs = suite.steps(size) * batch / rows
    number = 2
    while found.name in taken:
        found = SuiteSet(f"{name}-{number}", source, data=data, options=options, own=True)
        number += 1
    settings = {"epochs": epochs if epochs < 1 else float(round(epochs)), "batch_size": batch}
    return SuiteSet(
        found.name, source, options=MappingProxyType({**options, **settings}), data=table, own=True
    )


def chosen_sets(suite: Suite, size: Size, names: Sequence[str] | None) -> list[SuiteSet]:
    """Return the data sets of a suite, or those that are named.

    Raises:
        UnknownNameError: the suite has no set of that name.
    """
    known = {each.name: each for each in suite.sets(size)}
    if names is None:
        return [*known.values()]
    for name in names:
        if name not in known:
            raise unknown_name(f"data set of the suite {suite.name} in the size {size}", name, known)
    return [known[name] for name in dict.fromkeys(names)]
