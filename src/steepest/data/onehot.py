"""Blocks of one-hot columns, found by their names and then by all of their values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import polars as pl

from steepest.data.dataset import Note
from steepest.data.steps import ROW
from steepest.data.steps.decode import (
    SEPARATORS,
    Decode,
    OddRows,
    beginning,
    is_one_hot,
    odd_rows,
    pattern,
    shown,
)
from steepest.wording import counted

FIRST_ROWS = (20, 1000)
"""Rows by which most columns are found to be something else, before all rows are looked at."""

NEARLY = 0.01
"""A warning names a block of which one row, or no more than this share of the rows, is not one-hot."""

_ENDS = re.compile(rf"[{re.escape(SEPARATORS)}]+|(?<![0-9])(?=[0-9]+$)")


@dataclass(frozen=True)
class Blocks:
    """The one-hot blocks of a table.

    Attributes:
        steps: that decode them.
        notes: what a person should know.
    """

    steps: tuple[Decode, ...] = ()
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, frame: pl.LazyFrame, taken: Collection[str]) -> Blocks:
        """Return the blocks of at least two columns with 0 and 1 of which all rows, 20 or more, have exactly one 1.

        Args:
            frame: the rows; numbered by ``ROW``, so that a note can name one.
            taken: columns that belong to no block, because they are named for something else.

        Example:
            >>> rows = {"kind_a": [1, 0] * 10, "kind_b": [0, 1] * 10, "size": list(range(20))}
            >>> [each.name for each in Blocks.of(pl.LazyFrame(rows).with_row_index(ROW), ()).steps]
            ['kind']
        """
        schema = frame.collect_schema()
        names = [
            name
            for name, dtype in schema.items()
            if name not in taken and name != ROW and (dtype.is_numeric() or dtype == pl.Boolean)
        ]
        groups = list(_groups(names))
        for rows in FIRST_ROWS:
            if not groups:
                return cls()
            names = list(dict.fromkeys(name for group in groups for name in group))
            first = frame.select(names).head(rows).collect()
            if first.height < FIRST_ROWS[0]:
                return cls()
            binary = first.select(pl.all().cast(pl.Float64).is_in([0.0, 1.0]).all()).row(0, named=True)
            groups = list(_groups([name for name in names if binary[name]]))
            groups = [each for each in groups if _nearly_all(first.lazy(), each)]
        return cls._checked(frame, groups, schema)

    @classmethod
    def _checked(cls, frame: pl.LazyFrame, groups: list[list[str]], schema: pl.Schema) -> Blocks:
        asked = {f"{i}": is_one_hot(each, schema).not_().sum() for i, each in enumerate(groups)}
        asked |= {
            f"{i} used": pl.sum_horizontal(pl.col(each).cast(pl.Float64).max())
            for i, each in enumerate(groups)
        }
        found = frame.select(**asked, rows=pl.len()).collect(engine="streaming").row(0, named=True)
        steps: list[Decode] = []
        notes: list[Note] = []
        used: set[str] = set()
        for i, group in sorted(enumerate(groups), key=lambda each: -len(each[1])):
            name, odd = beginning(group), found[f"{i}"]
            if (
                used & set(group)
                or found[f"{i} used"] < 2
                or not name
                or (name in schema and name not in group)
            ):
                continue
            if odd == 0:
                used |= set(group)
                steps.append(Decode(columns=group))
            elif odd <= max(1, NEARLY * found["rows"]):
                first = OddRows.of(odd_rows(frame, group).collect())
                assert first is not None
                text = f"{shown(group)} have exactly one 1 in all rows but {odd:,}: {first.first}"
                text += f". With exactly one, or with this step, {counted(len(group), 'column')} become one."
                notes.append(Note("warning", text, _forgiving(group)))
        steps.sort(key=lambda each: list(schema).index(each.columns[0]))
        if steps:
            names = ", ".join(each.name for each in steps)
            notes.append(
                Note("info", f"one-hot columns found: {names}; --decode none keeps them as they are.")
            )
        return cls(tuple(steps), tuple(notes))


def _groups(names: list[str]) -> Iterator[list[str]]:
    """Yield the sets of columns that have a beginning in common, each once."""
    found: dict[str, list[str]] = {}
    for name in names:
        for end in {each.start() for each in _ENDS.finditer(name)} - {0}:
            found.setdefault(name[:end], []).append(name)
    seen: set[tuple[str, ...]] = set()
    for group in found.values():
        if len(group) > 1 and tuple(group) not in seen:
            seen.add(tuple(group))
            yield group


def _nearly_all(frame: pl.LazyFrame, group: list[str]) -> bool:
    """Whether nearly all rows have exactly one 1."""
    odd = is_one_hot(group, frame.collect_schema()).not_().sum()
    found = frame.select(odd=odd, rows=pl.len()).collect().row(0, named=True)
    return found["odd"] <= max(1, NEARLY * found["rows"])


def _forgiving(group: list[str]) -> str:
    return f'[[step]]\nuse = "decode"\ncolumns = ["{pattern(group)}"]\nothers = "missing"'
