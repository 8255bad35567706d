"""What a split by time tests on later rows: columns whose values there all lie beyond those of training.

A network learns nothing of a number where it has never been, and a tree has one value there: a day index, a timestamp
or a year by which rows are split only misleads a model of later rows. What comes again (month, weekday, hour) does not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.components.comma_lists import shell_name
from steepest.data import dates
from steepest.data.columns import Column, as_number
from steepest.data.dataset import Note
from steepest.data.labels import as_text
from steepest.data.options import TableOptions
from steepest.data.parts import moments
from steepest.data.split import time_split
from steepest.errors import DataError
from steepest.wording import first_few

SPLIT_TIME = "the time by which rows are split, whose test values all lie beyond those of training"


@dataclass(frozen=True)
class Later:
    """The training rows and the test rows of a split by time.

    Attributes:
        column: by which rows are split.
        train, test: which rows they are, ``[N]``.

    Example:
        >>> days = pl.DataFrame({"day": range(20), "weekday": [i % 3 for i in range(20)]})
        >>> later = Later.of(days, TableOptions(split="time:day"))
        >>> later.beyond(days["day"]), later.beyond(days["weekday"])
        (True, False)
    """

    column: str
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]

    @classmethod
    def of(cls, frame: pl.DataFrame, options: TableOptions, parts: pl.Series | None = None) -> Later | None:
        """Return those of a table, or None where it is not split by time, or its parts have files of their own.

        Args:
            frame: the rows.
            options: how they are split.
            parts: of each row its part, if it is known and of this rule.
        """
        rule = options.split_rule.refits or options.split_rule
        shares = options.validation, options.test
        if rule.kind != "time" or not all(isinstance(each, float) for each in shares):
            return None
        if parts is not None and options.split_rule.refits is None:
            train, test = ((parts == each).to_numpy() for each in ("train", "test"))
            return cls(rule.column, train, test)
        with contextlib.suppress(DataError):  # what cannot be split is refused where it is split
            split = time_split(moments(frame, rule.column), *map(float, shares))
            return cls(rule.column, split.part == 0, split.part == 2)
        return None

    def beyond(self, values: pl.Series) -> bool:
        """Whether all test values lie beyond all those of training.

        Args:
            values: numbers, ``[N]``.
        """
        train, test = (values.filter(pl.Series(each)).drop_nulls() for each in (self.train, self.test))
        if not len(train) or not len(test):
            return False
        return bool(as_number(test).min() > as_number(train).max())  # pyright: ignore[reportOperatorIssue]

    def parts_beyond(self, values: pl.Series, column: Column) -> list[str]:
        """Return the parts of a date whose test values all lie beyond those of training."""
        found = dates.as_datetime(as_text(values), column.format, column.zone)
        return [each for each in column.parts if self.beyond(dates.part(found, each))]

    def about_others(
        self, frame: pl.DataFrame, columns: Sequence[Column], named: Collection[str]
    ) -> list[Note]:
        """Return a warning of other columns that have the same fault.

        Args:
            frame: the rows.
            columns: with their roles.
            named: columns that are inputs as asked.
        """
        found: list[tuple[str, str]] = []
        for each in columns:
            if each.name in {self.column, *named}:
                continue
            if each.role == "date":
                found += [
                    (f"{each.name} {one}", each.name) for one in self.parts_beyond(frame[each.name], each)
                ]
            elif each.role in ("continuous", "categorical") and frame[each.name].dtype.is_numeric():
                found += [(each.name, each.name)] if self.beyond(frame[each.name]) else []
        if not found:
            return []
        drop = ",".join(dict.fromkeys(shell_name(name) for _, name in found))
        text = (
            f"all test values of {first_few([shown for shown, _ in found])} lie beyond those of training, as rows are "
            f"split by {self.column}: nothing is learned of them there; leave out what only counts time: --drop {drop}."
        )
        return [Note("warning", text)]
