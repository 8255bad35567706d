"""Columns of repeated texts held as codes: the memory of a number a row, however long the texts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

SAMPLE_ROWS = 100_000
"""The first rows, which tell whether the texts of a column repeat."""

FEW = 0.5
"""A column of texts is held as codes if at most this share of the sampled ones differ."""

WIDEST = 1 << 16
"""Whole numbers within so many of each other are looked up in a table."""

COUNTED_ROWS = 1 << 17
"""Rows that are counted at a time, few enough to stay in the processor's cache."""

_COMPACT = hasattr(pl, "Categories")  # before, Polars numbered the texts of each batch anew
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Labels:
    """A column of categories as codes of its different texts.

    Attributes:
        texts: the texts by code; a text may be there twice (``"0"`` of 0.0 and of -0.0).
        codes: int32 ``[N]``, -1 where the value is missing.
    """

    texts: pl.Series
    codes: NDArray[np.int32]

    def counts(self, rows: NDArray[np.bool_]) -> tuple[dict[str, int], int]:
        """Return how often each text is there in the chosen rows (bool ``[N]``), if at all; and how many lack one."""
        found = np.zeros(len(self.texts) + 1, dtype=np.int64)
        rows_at_a_time = max(COUNTED_ROWS, 4 * len(found))
        for start in range(0, len(rows), rows_at_a_time):
            block = slice(start, start + rows_at_a_time)
            found += np.bincount(self.codes[block][rows[block]] + 1, minlength=len(found))
        missing, *known = found.tolist()
        counts: dict[str, int] = {}
        for text, n in zip(self.texts.to_list(), known, strict=True):
            if n:
                counts[text] = counts.get(text, 0) + n
        return counts, missing

    def taken(self, by_text: Codes, missing: int) -> Codes:
        """Return a number for each row (int64 ``[N]``) from one for each of ``texts`` and one for missing."""
        return np.append(by_text, missing)[self.codes]


def labels_of(values: pl.Series) -> Labels:
    """Return a column as codes of its label texts, in time and memory that do not grow with the texts.

    Example:
        >>> labels = labels_of(pl.Series(["b", None, "a", "b"]))
        >>> [labels.texts[code] if code >= 0 else None for code in labels.codes.tolist()]
        ['b', None, 'a', 'b']
    """
    dtype = values.dtype
    if not (dtype.is_numeric() or dtype == pl.Boolean or isinstance(dtype, pl.String | pl.Categorical)):
        values = as_label(values)
    if dtype.is_integer():
        near = _near_integers(values)
        if near is not None:
            return near
    distinct = values.drop_nulls().unique()
    texts = as_label(distinct)
    numbers = np.arange(len(distinct), dtype=np.int32)
    if isinstance(dtype, pl.Categorical):
        by_code = np.full(int(_physical(distinct).max(initial=0)) + 2, -1, dtype=np.int32)
        by_code[_physical(distinct)] = numbers
        codes = by_code[values.to_physical().fill_null(len(by_code) - 1).to_numpy()]
    else:
        found = values.replace_strict(distinct, numbers, default=None, return_dtype=pl.Int32)
        codes = found.fill_null(-1).to_numpy()
    return Labels(texts, codes)


def distinct_values(values: pl.Series) -> int:
    """Return how many different values a column has, without the missing one.

    Example:
        >>> distinct_values(pl.Series([3, None, 5, 3])), distinct_values(pl.Series(["b", "a"]))
        (2, 2)
    """
    if isinstance(values.dtype, pl.Categorical):
        values = values.to_physical()
    near = _range_if_near(values) if values.dtype.is_integer() else None
    if near is None:
        return values.n_unique() - (values.null_count() > 0)
    least, most = near
    there = np.zeros(most - least + 2, dtype=np.bool_)
    for start in range(0, len(values), COUNTED_ROWS):  # a hash table takes several times as long
        there[_places(values[start : start + COUNTED_ROWS], least, most)] = True
    return int(np.count_nonzero(there[:-1]))


def _range_if_near(values: pl.Series) -> tuple[int, int] | None:
    """Return the least and the most of whole numbers that lie near each other, else None."""
    least, most = (int(each or 0) for each in (values.min(), values.max()))  # pyright: ignore[reportArgumentType]
    return None if most - least >= WIDEST or max(-least, most) >= 1 << 62 else (least, most)


def _places(values: pl.Series, least: int, most: int) -> NDArray[np.int64]:
    return (values.cast(pl.Int64) - least).fill_null(most - least + 1).to_numpy()


def _near_integers(values: pl.Series) -> Labels | None:
    """Do it for whole numbers that lie near each other: they number a table by themselves. None if they do not."""
    near = _range_if_near(values)
    if near is None:
        return None
    least, most = near
    places = _places(values, least, most)
    there = np.flatnonzero(np.bincount(places, minlength=most - least + 2)[:-1])
    by_place = np.full(most - least + 2, -1, dtype=np.int32)
    by_place[there] = np.arange(len(there), dtype=np.int32)
    return Labels(as_label(pl.Series(there + least)), by_place[places])


def _physical(values: pl.Series) -> NDArray[Any]:
    return values.to_physical().to_numpy()


def as_label(values: pl.Series) -> pl.Series:
    """Return values as category texts that do not depend on how the numbers were stored.

    Example:
        >>> as_label(pl.Series([1.0, 2.5, None])).to_list()
        ['1', '2.5', None]
    """
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        return pl.select(
            pl.when(whole.cast(pl.Float64) == values)
            .then(whole.cast(pl.String))
            .otherwise(values.cast(pl.String))
        ).to_series()
    return values.cast(pl.String)


def as_text(values: pl.Series) -> pl.Series:
    """Return a column that is held as codes as text, and any other as it is.

    Example:
        >>> as_text(pl.Series(["a"]).cast(pl.Categorical)).dtype, as_text(pl.Series([1])).dtype
        (String, Int64)
    """
    return values.cast(pl.String) if isinstance(values.dtype, pl.Categorical) else values


def repeating(frame: pl.LazyFrame) -> list[str]:
    """Return the columns of texts that repeat, which are better held as codes; the first rows are looked at.

    Example:
        >>> repeating(pl.LazyFrame({"kind": ["a", "a", "b"] * 9, "id": [str(i) for i in range(27)]}))
        ['kind']
    """
    names = [name for name, dtype in frame.collect_schema().items() if dtype == pl.String]
    if not names or not _COMPACT:
        return []
    sample = frame.select(names).head(SAMPLE_ROWS).collect(engine="streaming")
    return [name for name in names if sample[name].drop_nulls().n_unique() <= FEW * sample.height]


def with_text(frame: pl.DataFrame, names: list[str] | None = None) -> pl.DataFrame:
    """Return the rows with the named columns (or all) as text where they are held as codes.

    Example:
        >>> with_text(pl.DataFrame({"kind": ["a", "a"]}, schema={"kind": pl.Categorical})).schema
        Schema([('kind', String)])
    """
    held = [each for each, dtype in frame.schema.items() if isinstance(dtype, pl.Categorical)]
    chosen = [each for each in held if names is None or each in names]
    return frame.with_columns(pl.col(chosen).cast(pl.String)) if chosen else frame
