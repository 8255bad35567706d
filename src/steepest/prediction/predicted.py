"""What a model says of new rows: an array of values, with a table and what is worth knowing beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data.preparation import StepReport
from steepest.data.unforeseen import Unforeseen
from steepest.prediction.known import Known, KnownScores


class _About:
    """What is read off what a model says of new rows, or what was written of it."""

    unforeseen: Unforeseen
    known: Known | None

    @property
    def unknown(self) -> Mapping[str, int]:
        """How many values of each column were not seen in training; they got the unknown code."""
        return self.unforeseen.unknown

    @property
    def missing(self) -> Mapping[str, int]:
        """How many values are missing of each column that had all of them in training."""
        return self.unforeseen.missing

    @property
    def unreadable(self) -> Mapping[str, int]:
        """How many texts of each column of dates are no dates; they count as missing."""
        return self.unforeseen.unreadable

    @property
    def outside(self) -> Mapping[str, int]:
        """How many numbers of each column lie outside those of training by more than the width of their range."""
        return self.unforeseen.outside

    @property
    def warnings(self) -> tuple[str, ...]:
        """The same as lines."""
        return self.unforeseen.lines

    @property
    def scores(self) -> KnownScores | None:
        """How well the predictions fit the target, if the rows have it."""
        return None if self.known is None else self.known.scores


class Predictions(np.ndarray[Any, Any], _About):
    """What a model says of new rows: an array of the predicted values, a row for each row of the input.

    The values are class labels as they are in the table (texts, whole numbers, …), or numbers in the target's unit.
    A row that the preparation filters out has None, or NaN among numbers. What is taken or computed from it is an
    ordinary array.

    Attributes:
        table: the columns that were kept, then ``prediction``, for classes also ``probability`` and one column
            ``p_CLASS`` for each class.
        unforeseen: values that had no counterpart in training.
        left_out: rows that preparation filtered out.
        reports: what each step of the preparation did.
        known: the rows whose target is known, if the input has it.

    Example:
        >>> found = Predictions(pl.DataFrame({"prediction": ["no", "yes", "no"]}), Unforeseen(), 0)
        >>> len(found), found[1], found[:2].tolist(), (found == "no").mean().round(2)
        (3, 'yes', ['no', 'yes'], np.float64(0.67))
    """

    table: pl.DataFrame
    left_out: int
    reports: tuple[StepReport, ...]

    def __new__(
        cls,
        table: pl.DataFrame,
        unforeseen: Unforeseen,
        left_out: int,
        reports: tuple[StepReport, ...] = (),
        known: Known | None = None,
    ) -> Predictions:
        """Return the column ``prediction`` of a table, of texts its last one, as an array."""
        column = "prediction" if "prediction" in table.columns else table.columns[-1]
        made = table[column].to_numpy(writable=True).view(cls)
        made.table, made.unforeseen, made.left_out = table, unforeseen, left_out
        made.reports, made.known = reports, known
        return made

    @property
    def values(self) -> NDArray[Any]:
        """The predicted values as an ordinary array."""
        return self.view(np.ndarray)

    @property
    def notes(self) -> tuple[str, ...]:
        """What preparation did, as lines."""
        return tuple(report.text for report in self.reports)

    def __getitem__(self, key: Any) -> Any:
        """Return a value, or some of them as an ordinary array."""
        return self.values[key]

    def __iter__(self) -> Iterator[Any]:
        """Yield the values."""
        return iter(self.values)

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, **options: Any) -> Any:
        """Compute with the values as an ordinary array."""
        plain = [
            each.values
            if isinstance(each, Predictions)
            else each.to_numpy()
            if isinstance(each, pl.Series)
            else each
            for each in inputs
        ]
        return getattr(ufunc, method)(*plain, **options)

    def __reduce__(self) -> Any:
        """Return how a copy in another process is built: with everything that is beside the array."""
        if "table" not in vars(self):
            return self.values.__reduce__()
        return Predictions, (self.table, self.unforeseen, self.left_out, self.reports, self.known)

    def _repr_html_(self) -> str | None:
        """Return the table for a notebook."""
        return self.table._repr_html_() if "table" in vars(self) else None  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True)
class Written(_About):
    """What was written of the predictions of new rows.

    Attributes:
        rows: how many.
        unforeseen, left_out, notes, known: as in ``Predictions``.
    """

    rows: int
    unforeseen: Unforeseen
    left_out: int
    notes: tuple[str, ...]
    known: Known | None = None


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Return the predictions of batches as one.

    Example:
        >>> one = Predictions(pl.DataFrame({"prediction": [0.5]}), Unforeseen({"plan": 1}), 0)
        >>> joined([one, one]).tolist(), joined([one, one]).unknown
        ([0.5, 0.5], {'plan': 2})
    """
    if len(parts) == 1:
        return parts[0]
    tables = pl.concat([each.table for each in parts])
    return Predictions(tables, *beside(parts))


def beside(
    parts: Sequence[Predictions],
) -> tuple[Unforeseen, int, tuple[StepReport, ...], Known | None]:
    """Return what is beside the tables of batches, as that of one."""
    if len(parts) == 1:
        return parts[0].unforeseen, parts[0].left_out, parts[0].reports, parts[0].known
    unforeseen = sum((each.unforeseen for each in parts), Unforeseen())
    reports: list[StepReport] = []
    for same in zip(*(each.reports for each in parts), strict=False):
        rows = sum(each.rows for each in same)
        reports.append(
            StepReport(same[0].step, f"{same[0].step}: {rows:,} changed, filled or left out", rows)
        )
    known = [each.known for each in parts if each.known is not None]
    left_out = sum(each.left_out for each in parts)
    return unforeseen, left_out, tuple(reports), Known.joined(known) if known else None
