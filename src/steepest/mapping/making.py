"""Maps of what a network has learned, and of data."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from steepest import forks
from steepest.data.sources.images import ImageData
from steepest.data.sources.opening import open_source
from steepest.data.sources.ratings import RatingsPipeline
from steepest.errors import OptionError
from steepest.files import local, write_atomically
from steepest.mapping.categories import categories
from steepest.mapping.opened import is_run, opened
from steepest.mapping.page import render
from steepest.mapping.points import Points, check_number
from steepest.mapping.projection import Projected, make_projection
from steepest.mapping.quality import Quality, quality_of
from steepest.mapping.rows import activations, features, new_rows, of_run, rows_of
from steepest.mapping.said import headline, measures, notes, title
from steepest.models import ModelBuilder
from steepest.prediction.learned import numbered
from steepest.prediction.writing import check_place, writing_tables
from steepest.rng import stream
from steepest.threads import library_threads

PAGES = (".html", ".htm")


@dataclass(frozen=True)
class Map:
    """Vectors as points in the plane, and how much of the vectors the plane shows.

    Attributes:
        points: the vectors, and what is known of each.
        projected: their places.
        quality: explained variance, trustworthiness, and what the nearest neighbours say.
        seed: of whatever is random.

    Example:
        >>> import steepest as st
        >>> rows = {"x": [0.1, 0.9, 0.2, 0.8] * 5, "z": [1.0, 2.0, 1.5, 3.0] * 5, "y": ["a", "b"] * 10}
        >>> found = st.map(rows, target="y")
        >>> found.table.columns, len(found.table), found.quality.neighbours
        (['place', 'y', 'x', 'y (place)'], 20, Neighbours(original=1.0, map=1.0, chance=0.5))
    """

    points: Points
    projected: Projected
    quality: Quality
    seed: int

    @property
    def table(self) -> pl.DataFrame:
        """What is known of each point, and its place in the columns ``x`` and ``y``."""
        about = self.points.about
        places = {
            name if name not in about.columns else f"{name} (place)": self.projected.places[:, i]
            for i, name in enumerate(("x", "y"))
        }
        return about.with_columns(**{name: pl.Series(values) for name, values in places.items()})

    @property
    def frame(self) -> pl.DataFrame:
        """The table, and the vector of each point in the columns ``0`` to ``d-1``."""
        vectors = numbered(self.points.vectors)
        free = vectors.rename(
            {each: f"{each} (number)" for each in vectors.columns if each in self.table.columns}
        )
        return pl.concat([self.table, free], how="horizontal")

    @property
    def sentence(self) -> str:
        """What is mapped, and how."""
        return headline(self.points, self.projected)

    @property
    def lines(self) -> list[str]:
        """How much of the vectors the map shows, and what limits it."""
        return [*map(str, measures(self.points, self.quality)), *notes(self.points, self.quality)]

    def write(self, path: str | Path) -> Path:
        """Write the map as a page, or its frame as a table, and return the path.

        Args:
            path: a file that ends in .html, or in .csv, .parquet, .feather or .arrow.

        Raises:
            OptionError: it has another ending, or its folder is not there.
            FolderError: it cannot be written.
        """
        path = Path(path)
        check_out(path)
        if path.suffix.lower() not in PAGES:
            with writing_tables(path) as write:
                write(self.frame)
            return path
        write_atomically(path, self.to_html())
        return path

    def to_html(self) -> str:
        """Return the map as one page that needs no network."""
        measured = measures(self.points, self.quality)
        said = notes(self.points, self.quality)
        return render(self.points, self.projected, title(self.points), self.sentence, measured, said)

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self.lines])

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(each)}</p>" for each in [self.sentence, *self.lines])


def check_out(path: Path) -> None:
    """Raise an ``OptionError`` if a map cannot be written to a file."""
    if path.suffix.lower() in PAGES:
        if not local(path).parent.is_dir():
            raise OptionError(
                f"there is no folder {str(path.parent)!r}", hint="make it first, or name another --out."
            )
        return
    try:
        check_place(path, "a map")
    except OptionError as error:
        raise OptionError(
            error.fact, hint=error.hint.replace("a file with ", "a file with .html, ")
        ) from None


def make_map(
    source: Any,
    *,
    of: str | None = None,
    layer: str | None = None,
    projection: str = "pca",
    rows: str | None = None,
    data: Any = None,
    colour: str | None = None,
    points: int | None = None,
    seed: int = 0,
    arm: str | None = None,
    model: str | ModelBuilder | None = None,
    own_source: str | None = None,
    target: str | None = None,
) -> Map:
    """Return what a network has learned as points in the plane.

    By default the activations of the last hidden layer for the test rows, coloured by the target; of ratings the
    vectors of the items, coloured by genre where the table of titles has genres.

    Args:
        source: the folder of a comparison, for its best network, or of one of its networks; or data as for
            :func:`steepest.compare`, whose features or pixels are mapped.
        of: a field whose vectors are mapped: a categorical column; of ratings also ``user`` or ``item``.
        layer: a layer whose activations are mapped, see :attr:`TrainedModel.layers`.
        projection: ``pca``, ``tsne``, ``umap``, each with options in brackets: ``tsne(perplexity=50)``; or your own, as
            ``mine.py:Isomap``.
        rows: ``test``, ``validation``, ``train`` or ``all``. Of data without a network, all by default.
        data: new rows instead of those of the comparison: a path or a frame.
        colour: a column by whose values points are coloured, or ``predicted``.
        points: how many points there are at most, by default 5,000, of t-SNE 2,000; of more rows some are drawn at
            random, of more categories those with the most rows are taken.
        seed: of the drawing and the projection.
        arm, model: as for :func:`steepest.load`.
        own_source: the source of the user's own, again, if the data was opened by one.
        target: of data without a network, the column to colour by.

    Raises:
        UnknownNameError: a layer, field, column or projection does not exist.
        OptionError: options exclude each other, or do not fit so few points.
        ModelError: there is nothing to map: no hidden layer, one number, or the same numbers for all points.
        DataError: rows cannot be read, or are too few.
        MissingExtraError: UMAP is not installed.
    """
    forks.check()
    made = make_projection(projection)
    points = made.points if points is None else points
    check_number(points)
    if is_run(source):
        if target is not None:
            raise OptionError("--target has no effect on a network", hint="name the column with --colour.")
        found = _of_network(source, of, layer, rows, data, colour, points, seed, arm, model, own_source)
        found = replace(found, learned=True)
    else:
        given = {"--of": of, "--layer": layer, "--data": data, "--arm": arm, "--model": model}
        for name, value in given.items():
            if value is not None:
                raise OptionError(
                    f"{name} has no effect on data: it is for the network of a comparison",
                    hint="leave it out, or name the folder of a comparison.",
                )
        opened_source = open_source(source, target=target, reader=own_source)
        if isinstance(opened_source, ImageData):
            opened_source = opened_source.without_target()
        _ = opened_source.target
        dataset, _ = opened_source.make(0 if opened_source.sets == 1 else None)
        chosen = rows_of(opened_source, dataset, rows, colour, "all")
        found = features(chosen, dataset.shape, colour, points, seed)
    found = found.checked()
    with library_threads(forks.usable_threads(torch.get_num_threads())):
        projected = made.project(found.vectors, seed)
        quality = quality_of(found.vectors, projected, found.values, found.numeric, stream(seed, "map", 1))
    return Map(found, projected, quality, seed)


def _of_network(
    folder: Any, of: str | None, layer: str | None, rows: str | None, data: Any, colour: str | None, points: int,
    seed: int, arm: str | None, model: str | ModelBuilder | None, own_source: str | None,
) -> Points:  # fmt: skip
    if of is not None and layer is not None:
        raise OptionError("--of and --layer are both given", hint="give one of the two.")
    if data is not None and rows is not None:
        raise OptionError(f"--rows {rows} has no effect with --data", hint="leave one of the two out.")
    network = opened(folder, arm, model, own_source)
    is_ratings = isinstance(network.model.pipeline, RatingsPipeline)
    if of is None and layer is None and is_ratings and rows is None and data is None:
        of = network.model.pipeline.item if isinstance(network.model.pipeline, RatingsPipeline) else None
    if of is not None:
        for name, value in (("--rows", rows), ("--data", data)):
            if value is not None:
                raise OptionError(
                    f"{name} has no effect with --of: vectors of categories do not depend on rows",
                    hint="leave it out, or map a layer with --layer.",
                )
        return categories(network.model, network.source, of, colour, points)
    chosen = (
        of_run(network.model, network.source, rows, colour)
        if data is None
        else new_rows(network.model.pipeline, data, colour)
    )
    return activations(network.model, layer, chosen, colour, points, seed)
