"""The source of curves: one number along which a curve runs, and one that it predicts, both in their own units.

Neither is standardised: the coefficients of a fit, the learning rates and the losses are those of a textbook, and a
fitted formula can be written down. Rows, parts, preparation and new rows are those of a table with these two columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import polars as pl
import torch

from steepest.data.catalog import SOURCES, is_name
from steepest.data.caution import about_curve, about_offset
from steepest.data.dataset import Dataset, InputField, InWords, Part, Shape
from steepest.data.described import DataFact, DataOverview, span
from steepest.data.giveaway import without_giveaways
from steepest.data.options import TableOptions
from steepest.data.parts import PARTS
from steepest.data.pipeline import TablePipeline
from steepest.data.sources.contract import Source
from steepest.data.sources.rows import Encoded, Pipeline
from steepest.data.table import Table, read_table
from steepest.data.variants import Variant
from steepest.errors import DataError, OptionError
from steepest.wording import counted

COMPONENTS = {
    "curve": {
        "object": "Curve",
        "what": "a curve y(x): two columns of numbers, in their own units",
        "options": ["x", "y"],
    }
}

USED = (
    "target",
    "weight",
    "missing",
    "decimal",
    "encoding",
    "prepare",
    "split",
    "split_seed",
    "validation",
    "test",
)


class Curve(Source):
    """A curve.

    Args:
        source: a table, as for :func:`steepest.read_table`.
        options: with the names of its columns ``x`` and ``y``.

    Raises:
        OptionError: a column is not named, or another option is given that a curve does not use.
        DataError: the table cannot be read, or has no such columns of numbers.

    Example:
        >>> from steepest.data.sources.opening import open_source
        >>> curve = open_source({"t": [i / 7 for i in range(20)], "v": [i * 0.5 for i in range(20)]}, x="t", y="v")
        >>> data, pipeline = curve.make(0)
        >>> data.shape.call, len(data.train), data.train.inputs[0].shape
        ('model(t)', 16, torch.Size([16, 1]))
    """

    uses: ClassVar = frozenset(USED)

    def __init__(self, source: Any, options: TableOptions) -> None:
        if is_name(source):
            options = _of_catalog(source, options)
        for name, value in (("x", options.x), ("y", options.y)):
            if value is None:
                raise OptionError(
                    f"the curve's {name} is not named", hint=f"name a column of numbers: --{name} COLUMN."
                )
        if options.x == options.y:
            raise OptionError(f"x and y are the same column, {options.x!r}", hint="name two columns.")
        if options.target not in (None, options.y):
            raise OptionError(
                f"the target is {options.target!r}, but the curve's y is {options.y!r}",
                hint="leave --target out.",
            )
        given = options.model_dump(exclude_unset=True, include={*USED, "x", "y"})
        given |= {
            "target": options.y,
            "features": [options.x],
            "continuous": [options.x],
            "task": "regression",
        }
        self._table: Table = read_table(source, **given)
        self.options = options.model_copy(update={"target": options.y})
        self.name = self._table.name

    def with_validation(self, share: float) -> Self:
        """Return the same data with another share for validation, see :meth:`Source.with_validation`."""
        made = self._split_anew(share)
        made._table = self._table.with_validation(share)
        return made

    @property
    def target(self) -> str:
        """The column of values."""
        return self._table.target

    def describe(self) -> DataOverview:
        """Return the number of points, where they lie, and how many lie at the same place, see :meth:`Source.describe`.

        Raises:
            DataError: x or y is no column of numbers.
        """
        table = self._table.describe()
        rows = self._table.prepared()
        facts = [DataFact("points", rows.height)]
        for name, column in (("x", self.options.x), ("y", self.options.y)):
            values = rows[str(column)]
            if not values.dtype.is_numeric():
                raise DataError(
                    f"the curve's {name} {column!r} is no column of numbers", hint="name another column."
                )
            known = values.drop_nulls()
            least, most = known.min(), known.max()
            text = span(least, most) if len(known) else "no value"  # pyright: ignore[reportArgumentType]
            lacking = f", {values.null_count():,} missing" if values.null_count() else ""
            ends = {"name": column, "least": least, "most": most}
            facts.append(DataFact(name, ends, name, f"{column}, {text}{lacking}"))
        x = rows[str(self.options.x)].drop_nulls()
        different, sharing = x.n_unique(), int(x.is_duplicated().sum())
        shared = (
            counted(sharing, "point shares its", "points share their") + f" {self.options.x} with another"
        )
        facts += [
            DataFact(
                "different_x",
                different,
                "places",
                f"{different:,} different" + (f"; {shared}" if sharing else ""),
            ),
            DataFact("points_that_share_x", sharing),
        ]
        title = f"{counted(rows.height, 'point')}, {self.options.y} along {self.options.x}"
        named = [rows[str(each)].drop_nulls() for each in (self.options.x, self.options.y)]
        notes = [
            note
            for note in (about_offset(each) for each in named if each.dtype.is_numeric() and len(each))
            if note is not None
        ]
        return DataOverview(
            table.name, self.kind, title, tuple(facts), notes=(*without_giveaways(table.notes), *notes)
        )

    @property
    def default_model(self) -> str:
        """The model that is trained where none is named."""
        return "mlp"

    def make(self, test_set: int | None) -> tuple[Dataset, CurvePipeline]:
        """Return a dataset and its pipeline, see :meth:`Source.make`."""
        dataset, pipeline = self._curve(*self._table.make(test_set))
        both = [dataset.doubles[name] for name in (PARTS if dataset.held_out else PARTS[:1])]
        x, y = (
            pl.Series(name, torch.cat(each).numpy())
            for name, each in (
                (pipeline.shape.fields[0].name, [part.inputs[0][:, 0] for part in both]),
                (self.target, [part.target for part in both]),
            )
        )
        said = any(f"time:{x.name}" in each.text for each in dataset.notes)
        [column] = [each for each in pipeline.table.columns.columns if each.name == x.name]
        notes = about_curve(x, y, self.options, column=column, split=dataset.held_out and not said)
        return replace(dataset, notes=(*dataset.notes, *notes)), pipeline

    def vary(self, variant: Variant, test_set: int | None = None) -> tuple[Dataset, CurvePipeline]:
        """Return a variant of a dataset and its pipeline, see :meth:`Source.vary`."""
        return self._curve(*self._table.vary(variant, test_set))

    def _curve(self, dataset: Dataset, pipeline: TablePipeline) -> tuple[Dataset, CurvePipeline]:
        parts = (dataset.train, dataset.validation, dataset.test)
        lacking = sum(int(torch.isnan(part.inputs[1][:, 0]).sum()) for part in parts)
        if lacking:
            raise DataError(
                f"{counted(lacking, 'row has', 'rows have')} no {self.options.x}",
                hint="remove such rows with a filter step, or fill them in.",
            )
        made = CurvePipeline(pipeline)
        return replace(
            dataset,
            train=_along(dataset.train),
            validation=_along(dataset.validation),
            test=_along(dataset.test),
            shape=made.shape,
            notes=without_giveaways(dataset.notes),
            words=InWords(made.shape.fields[0].name),
            doubles={name: _along(part) for name, part in dataset.doubles.items()},
        ), made

    @property
    def test_rows(self) -> pl.DataFrame:
        """The test rows, see :attr:`Source.test_rows`."""
        return self._table.test_rows

    @property
    def sources(self) -> list[Any]:
        """Where its rows are from."""
        return self._table.sources

    @classmethod
    def stored_pipeline(cls, stored: Mapping[str, Any]) -> CurvePipeline:
        """Return a stored pipeline."""
        return CurvePipeline(TablePipeline.checked(stored["table"]))

    def __repr__(self) -> str:
        return f"Curve({self.name!r}, {self.options.y} along {self.options.x})"


def _of_catalog(name: str, options: TableOptions) -> TableOptions:
    """Return options with the columns of a curve that has a name, unless others are given."""
    known = SOURCES.load(name)
    if known.kind != "curve":
        return options
    columns = {"x": known.options["continuous"][0], "y": known.options["target"]}
    given = {each: getattr(options, each) or column for each, column in columns.items()}
    return options.model_copy(update=given)


def _along(part: Part) -> Part:
    return replace(part, inputs=part.inputs[1:])


class CurvePipeline(Pipeline):
    """From new rows to the numbers along which a curve runs.

    Args:
        table: the pipeline of the table.
    """

    def __init__(self, table: TablePipeline) -> None:
        self.table = table
        self.target, self.task = table.target, table.task
        self.classes, self.target_scale = table.classes, table.target_scale

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that new rows must have."""
        return self.table.required

    @property
    def labels(self) -> pl.Series:
        """There are none."""
        return self.table.labels

    @property
    def shape(self) -> Shape:
        """One number goes in, one comes out."""
        [name] = self.table.encoder.continuous
        return Shape("regression", {}, (name,), 1, (InputField(name, "values", (1,), (name,)),))

    def transform_batches(
        self, source: Any, rows: int, *, keep: Sequence[str] = (), sure: bool = True
    ) -> Iterator[Encoded]:
        """Yield new rows, see :meth:`Pipeline.transform_batches`."""
        for each in self.table.transform_batches(source, rows, keep=keep, sure=sure):
            lacking = sum(each.unforeseen.missing.values())
            if lacking:
                raise DataError(
                    f"{counted(lacking, 'row has', 'rows have')} no {self.shape.fields[0].name}",
                    hint="a curve has a value only where it is known where: remove these rows.",
                )
            yield replace(each, inputs=each.inputs[1:], doubles=each.doubles[1:])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"source": "curve", "table": self.table.to_dict()}
