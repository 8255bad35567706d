"""Columns held as codes: the codes stand for the texts that the values have, whatever type they are of."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.labels import WIDEST, as_label, labels_of

COLUMNS = [
    pl.Series([], dtype=pl.Int64),
    pl.Series([None, None], dtype=pl.Int32),
    pl.Series([3, None, -2, 3], dtype=pl.Int8),
    pl.Series([-128, 127, None], dtype=pl.Int8),
    pl.Series([0, WIDEST - 1]),
    pl.Series([0, WIDEST]),
    pl.Series([-(2**63), 2**63 - 1]),
    pl.Series([2**63 - 2, 2**63 - 1]),
    pl.Series([2**64 - 1, 2**64 - 2, None], dtype=pl.UInt64),
    pl.Series([-(2**63), -(2**63) + 1, None]),
    pl.Series([True, None, False]),
    pl.Series([1.0, 2.5, None, -0.0]),
    pl.Series(["b", None, "", "a", "b"]),
    pl.Series(["b", None, "", "a", "b"], dtype=pl.Categorical),
]


def _decoded(values: pl.Series) -> list[str | None]:
    found = labels_of(values)
    return [found.texts[code] if code >= 0 else None for code in found.codes.tolist()]


@pytest.mark.parametrize("values", COLUMNS, ids=lambda values: f"{values.dtype} {values.to_list()}")
def test_codes_stand_for_the_texts(values: pl.Series) -> None:
    found = labels_of(values)
    assert _decoded(values) == as_label(values).to_list()
    assert found.texts.null_count() == 0
    assert str(found.codes.dtype) == "int32"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)) | st.lists(st.none() | st.integers(-300, 300)),
    st.integers(0, 3),
)
def test_any_whole_numbers(numbers: list[int | None], cut: int) -> None:
    values = pl.concat([pl.Series(numbers[:cut], dtype=pl.Int64), pl.Series(numbers[cut:], dtype=pl.Int64)])
    assert _decoded(values) == as_label(values).to_list()
