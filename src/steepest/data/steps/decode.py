"""One-hot columns to one column of categories."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import Field

from steepest.data.steps import ROW, Context, Step, StepReport, require
from steepest.data.steps._values import convert
from steepest.errors import PreparationError, unknown_name
from steepest.wording import counted, first_few

COMPONENTS = {
    "decode": {"object": "Decode", "what": "make one column of categories of one-hot columns"},
}

SEPARATORS = " _-.:=/"
"""What stands between the name of a one-hot block and that of a category."""


class Decode(Step):
    """Make one column of categories of columns with 0 and 1, of which one has the 1 in every row.

    The category of a row is what distinguishes the name of the column with the 1: ``Soil_Type_7`` becomes 7. A row with
    several ones, with none, or with another value is an error in training, which names the first one; at prediction
    it is counted and has no category.

    Args:
        columns: names, or patterns such as ``Soil_Type_*``.
        into: the name of the new column; by default the common beginning of the names.
        others: ``error``, or ``missing``: rows without exactly one 1 have no category.

    Raises:
        PreparationError: a column is not there, is the target or holds something else, or the names have no common
            beginning.

    Example:
        >>> step = Decode(columns=["soil_1", "soil_2"])
        >>> frame = pl.LazyFrame({"soil_1": [1, 0], "soil_2": [0, 1], "slope": [3, 4]})
        >>> step.apply(frame, Context()).collect().to_dict(as_series=False)
        {'soil': ['1', '2'], 'slope': [3, 4]}
    """

    use = "decode"
    numbers_rows = True
    columns: Annotated[list[str], Field(min_length=1)]
    into: str = ""
    others: Literal["error", "missing"] = "error"

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def sources(self, names: frozenset[str]) -> frozenset[str]:
        return (names - {self.name}) | set(self.columns) if self.name in names else names

    def roles(self) -> dict[str, str]:
        return {self.name: "categorical"}

    def resolved(self, schema: pl.Schema) -> Self:
        """Return this step with the names that its patterns mean in a table."""
        return self.model_copy(update={"columns": named_by(self.columns, schema)})

    @property
    def name(self) -> str:
        """What the new column is called."""
        return self.into or beginning(self.columns)

    @property
    def labels(self) -> list[str]:
        """The category of each column."""
        cut = len(beginning(self.columns))
        found = [each[cut:].lstrip(SEPARATORS) or each for each in self.columns]
        return found if len(set(found)) == len(found) else list(self.columns)

    def check(self, schema: pl.Schema, context: Context) -> None:
        absent = [each for each in self.columns if each not in schema]
        if absent and context.predicting and len(absent) < len(self.columns):
            raise PreparationError(
                f"step 'decode': {counted(len(absent), 'column')} of {shown(self.columns)} "
                f"{'is' if len(absent) == 1 else 'are'} not in the table: {first_few(absent)}",
                hint="add it, with 0 in every row, if that category does not occur."
                if len(absent) == 1
                else "add them, with 0 in every row, if these categories do not occur.",
            )
        require(self.use, self.columns, schema)
        if context.target in self.columns:
            raise PreparationError(
                f"step 'decode' takes the target {context.target!r} for one of {counted(len(self.columns), 'column')}",
                hint="leave it out of the step's columns.",
            )
        if len(self.columns) < 2:
            raise PreparationError(
                f"step 'decode' has one column only, {self.columns[0]!r}",
                hint="name all columns of the block, or a pattern that matches them: 'soil_*'.",
            )
        for each in self.columns:
            if not (schema[each].is_numeric() or schema[each] == pl.Boolean):
                raise PreparationError(
                    f"step 'decode': column {each!r} holds {schema[each]}, not 0 and 1",
                    hint="leave it out of the step's columns.",
                )
        if not self.name:
            raise PreparationError(
                f"step 'decode': the names {shown(self.columns)} have no common beginning",
                hint='name the new column: into = "…".',
            )
        if self.name in schema and self.name not in self.columns:
            raise PreparationError(
                f"step 'decode' makes a column {self.name!r}, which is there already",
                hint='give the new column another name: into = "…".',
            )

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        schema = frame.collect_schema()
        names = list(schema)
        place = pl.sum_horizontal(_number(each, schema) * i for i, each in enumerate(self.columns))
        number = pl.when(is_one_hot(self.columns, schema)).then(place).cast(pl.UInt32)
        places = range(len(self.columns))
        made = number.replace_strict(places, self.labels, default=None, return_dtype=pl.String).alias(
            self.name
        )
        at = min(names.index(each) for each in self.columns)
        kept = [pl.col(each) for each in names if each not in self.columns]
        return frame.select(*kept[:at], made, *kept[at:])

    def tally(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return odd_rows(frame, self.columns)

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        text = f"{self.name}: {len(self.columns)} categories in one column, of {shown(self.columns)}"
        found = OddRows.of(tally)
        if found is None:
            return StepReport(self.use, text)
        if self.others == "error" and not context.predicting:
            raise PreparationError(
                f"step 'decode': {counted(found.count, 'row')} of {shown(self.columns)} "
                f"{'does' if found.count == 1 else 'do'} not have exactly one 1: {found.first}",
                hint="correct them in the table; or let such rows have no category, with the step "
                f'use = "decode", columns = ["{pattern(self.columns)}"], others = "missing" in a --prepare file; '
                "or keep the columns: --decode none.",
            )
        text += f"; {counted(found.count, 'row')} without exactly one 1 ({found.first}) counted as missing"
        return StepReport(self.use, text, found.count)


@dataclass(frozen=True)
class OddRows:
    """Rows that do not have exactly one 1.

    Attributes:
        count: how many there are.
        first: the first one, in words.
    """

    count: int
    first: str

    @classmethod
    def of(cls, tally: pl.DataFrame | None) -> OddRows | None:
        """Return what ``odd_rows`` has counted; None if all rows have exactly one 1."""
        if tally is None or tally.height == 0:
            return None
        first = tally.sort(pl.col("row").cast(pl.Int64), nulls_last=True).row(0, named=True)
        where = "one" if first["row"] is None else f"row {int(first['row']) + 1:,}"
        return cls(int(tally["count"].sum()), f"{where} has {first['values'] or 'none'}")


def is_one_hot(columns: Sequence[str], schema: pl.Schema) -> pl.Expr:
    """Return whether a row has 1 in one of the columns and 0 in all others."""
    values = [_number(each, schema) for each in columns]
    bounded = (pl.max_horizontal(values) == 1) & (pl.min_horizontal(values) == 0)
    return (bounded & (pl.sum_horizontal(values, ignore_nulls=False) == 1)).fill_null(False)


def _number(column: str, schema: pl.Schema) -> pl.Expr:
    """Return a column in a type in which ones can be added up."""
    small = isinstance(schema[column], pl.Boolean | pl.Int8 | pl.UInt8)
    return pl.col(column).cast(pl.Int32) if small else pl.col(column)


def odd_rows(frame: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """Return how many rows have which values besides 0, and the number of the first, where they are not one-hot."""

    def value(column: str) -> pl.Expr:
        number = pl.col(column).cast(pl.Float64)
        text = convert(number, pl.Float64(), pl.String()).fill_null("(missing)")
        return pl.when((number == 0).fill_null(False).not_()).then(pl.lit(f"{column} = ") + text)

    schema = frame.collect_schema()
    values = pl.concat_str([value(each) for each in columns], separator=", ", ignore_nulls=True)
    row = pl.col(ROW) if ROW in schema else pl.lit(None, pl.UInt32)
    return (
        frame.filter(is_one_hot(columns, schema).not_())
        .select(values.alias("values"), row.alias("row"))
        .group_by("values")
        .agg(pl.col("row").min().cast(pl.String), pl.len().alias("count"))
    )


def named_by(columns: Sequence[str], schema: Collection[str]) -> list[str]:
    """Return the names that names and patterns mean, in the order of the table for a pattern.

    Raises:
        PreparationError: a pattern matches no column.

    Example:
        >>> named_by(["soil_*", "x"], ["soil_1", "x", "soil_2"])
        ['soil_1', 'soil_2', 'x']
    """
    found: list[str] = []
    for each in columns:
        if each in schema or not set(each) & set("*?["):
            found.append(each)
            continue
        matched = [name for name in schema if name != ROW and fnmatch.fnmatchcase(name, each)]
        if not matched:
            names = [name for name in schema if name != ROW]
            raise PreparationError(
                f"step 'decode': no column is named like {each!r}",
                hint=unknown_name("column", each, names).hint,
            )
        found += matched
    return list(dict.fromkeys(found))


def beginning(columns: Sequence[str]) -> str:
    """Return the common beginning of names, without separators and digits that only happen to be in all.

    Example:
        >>> beginning(["Soil_Type_1", "Soil_Type_12"]), beginning(["colour=red", "colour=rose"])
        ('Soil_Type', 'colour')
    """
    same = [len(set(each)) == 1 for each in zip(*columns, strict=False)]
    common = columns[0][: [*same, False].index(False)]
    if any(each != common and (each[len(common)] not in SEPARATORS) for each in columns):
        cut = max((common.rfind(each) for each in SEPARATORS), default=-1)
        digits = len(common) - len(common.rstrip("0123456789"))
        rest = [each[len(common) - digits :] for each in columns]
        common = common[: len(common) - digits] if all(map(str.isdigit, rest)) else common[: cut + 1]
    return common.rstrip(SEPARATORS)


def pattern(columns: Sequence[str]) -> str:
    """Return the pattern by which a block is named.

    Example:
        >>> pattern(["Soil_Type_1", "Soil_Type_12"]), pattern(["soil1", "soil2"])
        ('Soil_Type_*', 'soil*')
    """
    first = beginning(columns)
    after = columns[-1][len(first) : len(first) + 1]
    return f"{first}{after if after in SEPARATORS else ''}*"


def shown(columns: Sequence[str]) -> str:
    """Return a block's columns as a person names them.

    Example:
        >>> shown(["soil_1", "soil_2"]), shown(["soil_1", "soil_2", "soil_3"])
        ('soil_1, soil_2', 'soil_1 … soil_3')
    """
    return ", ".join(columns) if len(columns) == 2 else f"{columns[0]} … {columns[-1]}"
