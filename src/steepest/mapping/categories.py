"""The vectors of a field's categories as points, with what the training rows and the titles say of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data.dataset import Dataset
from steepest.data.labels import as_label
from steepest.data.read import scan
from steepest.data.sources.contract import Source
from steepest.data.sources.ratings import Ratings, RatingsPipeline
from steepest.errors import SteepestError, unknown_name
from steepest.mapping.opened import dataset_of
from steepest.mapping.points import Points, coloured, largest
from steepest.prediction.learned import TITLE, field_of
from steepest.prediction.model import TrainedModel

GENRES = ("genres", "genre")
"""Columns of a table of titles that hold genres, separated by ``|``."""
FIRST_GENRE = "first genre"


def categories(
    model: TrainedModel, source: Source | SteepestError, field: str, colour: str | None, most: int
) -> Points:
    """Return the vectors of a field's categories.

    Args:
        model: a network with vectors of the field.
        source: the data that it was trained on, or why that cannot be opened.
        field: the field.
        colour: the column that points are coloured by; None for the genre of items with genres, else the mean target.
        most: so many categories at most, those with the most rows.

    Raises:
        UnknownNameError: there is no such field or colour.
        SteepestError: a colour is named, and the data cannot be opened.
    """
    column = field_of(model.pipeline, field)
    frame = model.embedding(column)
    widths = [each for each in frame.columns if each not in (column, TITLE)]
    about, vectors = frame.select(pl.exclude(widths)), frame.select(widths).to_numpy().astype(np.float64)
    default: str | None = None
    notes: list[str] = []
    if isinstance(source, SteepestError):
        if colour is not None and colour not in about.columns:
            raise source
        notes.append(f"Points have no colour, because the data cannot be opened: {source.fact}.")
    else:
        about, default = _with_rows(model, source, about, column)
        more = _of_titles(source, column, about[column])
        taken = [each for each in more.columns if each not in about.columns]
        about = pl.concat([about, more.select(taken)], how="horizontal") if taken else about
        if FIRST_GENRE in about.columns:
            default = FIRST_GENRE
    count = next((each for each in ("ratings", "rows") if each in about.columns), None)
    if len(vectors) > most:
        some = largest(about[count].to_list(), most) if count else np.arange(most)
        notes.append(f"{len(some):,} of {len(vectors):,} are mapped: those with the most {count or 'rows'}.")
        about, vectors = about[some], vectors[some]
    elif count:
        some = largest(about[count].to_list(), len(vectors))
        about, vectors = about[some], vectors[some]
    names = TITLE if TITLE in about.columns else column
    points = Points(
        vectors=vectors,
        about=about,
        colour=None,
        numeric=False,
        what=_what(model, column),
        by=f"the vectors of {column} ({len(widths)} numbers)",
        notes=tuple(notes),
        named=names,
    )
    if colour is not None and colour not in about.columns:
        raise unknown_name("column", colour, about.columns)
    wanted = colour or default
    return points if wanted is None else coloured(points, wanted)


def _what(model: TrainedModel, column: str) -> str:
    pipeline = model.pipeline
    if not isinstance(pipeline, RatingsPipeline):
        return f"categories of {column}"
    return "items" if column == pipeline.item else "users"


def _with_rows(
    model: TrainedModel, source: Source, about: pl.DataFrame, column: str
) -> tuple[pl.DataFrame, str | None]:
    """Return what is known of the categories with their training rows and the mean of their target."""
    dataset = dataset_of(model, source)
    places = list(dataset.shape.cardinalities)
    train = dataset.true_train
    codes = train.inputs[0][:, places.index(column)].numpy()
    size = dataset.shape.cardinalities[column]
    if size != about.height + 1:
        return about, None  # the data has changed since
    name, values = _answers(model, dataset)
    rows = np.bincount(codes, minlength=size)[1:]
    count = "ratings" if isinstance(model.pipeline, RatingsPipeline) else "rows"
    if isinstance(values, pl.Series):
        votes = pl.DataFrame({"code": codes, "label": values}).group_by("code", "label").len()
        best = votes.sort("len", "label", descending=[True, False]).unique("code", keep="first")
        found = dict(best.select("code", "label").iter_rows())
        answers = pl.Series([found.get(code) for code in range(1, size)], dtype=pl.String)
    else:
        sums = np.bincount(codes, weights=values, minlength=size)[1:]
        answers = pl.Series(sums / np.maximum(rows, 1))
    more = {count: pl.Series(rows), name: answers}
    return about.with_columns(**{key: value for key, value in more.items() if key not in about.columns}), name


def _answers(model: TrainedModel, dataset: Dataset) -> tuple[str, pl.Series | NDArray[np.float64]]:
    """Return what the target says of a row, as a number, or a label of more than two; and what its mean is called."""
    target = dataset.true_train.target
    if not dataset.classes:
        scale = dataset.target_scale
        return f"mean {dataset.target}", target.double().numpy() * scale.sd + scale.mean
    if len(dataset.classes) == 2:
        positive = str(model.about.trained.get("positive") or dataset.classes[1])
        code = dataset.classes.index(positive) if positive in dataset.classes else 1
        name = f"share of {dataset.target} {dataset.classes[code]}"
        return name, (target.numpy() == code).astype(np.float64)
    return f"most frequent {dataset.target}", pl.Series(list(dataset.classes)).gather(target.numpy())


def _of_titles(source: Source, column: str, ids: pl.Series) -> pl.DataFrame:
    """Return further columns of the table of titles, and the first of several genres."""
    if not isinstance(source, Ratings) or column != source.item or source.options.titles is None:
        return pl.DataFrame()
    table = scan(Path(source.options.titles).expanduser()).collect()
    key = as_label(table[column]).alias("key")
    more = table.select(pl.exclude(column)).with_columns(key).unique("key", keep="first")
    found = pl.DataFrame({"key": ids}).join(more, on="key", how="left", maintain_order="left").drop("key")
    genres = next((each for each in found.columns if each.lower() in GENRES), None)
    if genres is not None:
        first = found[genres].cast(pl.String).str.split("|").list.first().alias(FIRST_GENRE)
        found = found.with_columns(first)
    return found
