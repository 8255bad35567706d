"""Tables in memory: rows, pandas' own types, numbers as names."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from steepest.data.objects import frame_of
from steepest.data.table import read_table
from steepest.errors import DataError

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize(
    "row",
    [
        {"x": 1.5, "kind": "a", "yes": True},
        {"x": np.float64(1.5), "kind": np.str_("a"), "yes": np.bool_(True)},
        [{"x": 1.5, "kind": "a", "yes": True}],
        pd.DataFrame({"x": [0.0, 1.5], "kind": ["b", "a"], "yes": [False, True]}).iloc[1],
    ],
    ids=["values", "numpy", "rows", "series"],
)
def test_one_row_is_a_table(row) -> None:
    assert frame_of(row).collect().rows(named=True) == [{"x": 1.5, "kind": "a", "yes": True}]


@pytest.mark.parametrize("nothing", [None, float("nan"), pd.NA, pd.NaT])
def test_rows_may_lack_a_value(nothing) -> None:
    frame = frame_of([{"x": 1.5, "kind": "a"}, {"x": nothing}]).collect().fill_nan(None)
    assert frame.rows() == [(1.5, "a"), (None, None)]


PANDAS = {
    "intervals": (pd.arrays.IntervalArray.from_breaks([0, 1, 2]), ["(0, 1]", "(1, 2]"]),
    "cut": (pd.cut([0.5, np.nan], [0, 1, 2]), ["(0, 1]", None]),
    "periods": (
        pd.period_range("2020-01", periods=2, freq="M"),
        [datetime.datetime(2020, month, 1) for month in (1, 2)],
    ),
    "sparse": (pd.arrays.SparseArray([0, 3]), [0, 3]),
}


@pytest.mark.parametrize("name", PANDAS)
def test_types_that_only_pandas_has(name: str) -> None:
    values, expected = PANDAS[name]
    assert frame_of(pd.DataFrame({"v": values})).collect()["v"].to_list() == expected


def test_numbers_of_several_types_are_numbers() -> None:
    rows = {"x": [1, np.float64(2.5), None, np.int64(3)], "y": (1, 2.5, 3, 4)}
    assert frame_of(rows).collect().to_dict(as_series=False) == {
        "x": [1.0, 2.5, None, 3.0],
        "y": [1.0, 2.5, 3.0, 4.0],
    }


@pytest.mark.parametrize("values", [[1, "x"], [True, 2.5], ["x", None, 2.5]])
def test_other_types_in_one_column_are_refused_by_its_name(values) -> None:
    with pytest.raises(DataError, match="column 'kind' mixes types"):
        frame_of({"x": [1, 2.5, 3][: len(values)], "kind": values})


def test_a_word_among_numbers_is_to_be_corrected_and_not_made_a_category() -> None:
    for frame in (pd.DataFrame({"Hits": [66, 81, "many", 130]}), {"Hits": [66, None, "many", 130]}):
        with pytest.raises(DataError, match="column 'Hits' mixes types") as caught:
            frame_of(frame)
        assert caught.value.hint.startswith("correct what is no number, such as 'many', or put None there")
        assert caught.value.hint.index("None") < caught.value.hint.index("astype(str)")
    for values in (["a", "b", 3], [True, "x", "y"]):
        with pytest.raises(DataError, match="mixes types") as caught:
            frame_of(pd.DataFrame({"kind": values}))
        assert caught.value.hint == "make it one type, for example frame['kind'].astype(str)."


def test_complex_numbers_are_refused_by_the_columns_name() -> None:
    with pytest.raises(DataError, match="column 'z' holds complex numbers"):
        frame_of(pd.DataFrame({"x": [1.0], "z": [1j]}))


@pytest.mark.parametrize("wei", [10**20, -(10**20)])
def test_a_number_beyond_64_bits_makes_text_of_its_own_column_alone(wei: int) -> None:
    columns = {
        "gas": [1, 2, 3],
        "wei": [1, wei, None],
        "small": pd.Series([1, 2, 3], dtype="object"),
        "ok": [True, False, True],
    }
    frame = frame_of(pd.DataFrame(columns)).collect()
    assert frame.schema == {"gas": pl.Int64, "wei": pl.String, "small": pl.Int64, "ok": pl.Boolean}
    assert frame["wei"].to_list() == ["1", str(wei), None]
    assert frame_of(columns | {"small": [1, 2, 3]}).collect().schema == frame.schema


@pytest.mark.parametrize("number", [int, np.int64])
def test_columns_that_pandas_numbers_may_be_named_by_number(number) -> None:
    rows = np.column_stack(
        [DRAW.normal(size=60), DRAW.integers(0, 3, 60), DRAW.normal(size=60), DRAW.integers(0, 2, 60)]
    )
    table = read_table(pd.DataFrame(rows), target=number(3), categorical=[number(1)], drop=number(2))
    assert table.dataset().shape.continuous == ("0",)
    assert list(table.dataset().shape.cardinalities) == ["1"]
    assert table.dataset().target == "3"


def test_a_number_that_is_no_truth_value_was_not_seen() -> None:
    train = pl.DataFrame({"yes": [True, False] * 40, "x": DRAW.normal(size=80), "y": ["a", "b"] * 40})
    table = read_table(train, target="y")
    table.dataset()
    for new, unknown in (
        ([0, 1], {}),
        ([0.0, 1.0], {}),
        (["True", "false"], {}),
        ([1, None], {}),
        ([0, 2], {"yes": 1}),
        ([0.5, 1.0], {"yes": 1}),
        (["True", "maybe"], {"yes": 1}),
    ):
        encoded = table.pipeline.transform(pl.DataFrame({"yes": new, "x": [0.0, 0.0]}))
        assert dict(encoded.unforeseen.unknown) == unknown, new


def rows_without(missing: int) -> pl.DataFrame:
    keys = [None] * missing + [each % 20 for each in range(120 - missing)]
    return pl.DataFrame({"the key": keys, "x": DRAW.normal(size=120), "y": ["a", "b"] * 60})


def test_rows_without_a_group_are_one_and_that_is_said() -> None:
    found = read_table(rows_without(7), target="y", split="group:the key")
    parts = found.prepared().filter(pl.col("the key").is_null())["split"]
    assert parts.n_unique() == 1
    said = [note.text for note in found.dataset().notes if "count as one group" in note.text]
    assert said == ["rows without the key (7) count as one group, which is in one part only."]
    assert "count as one group" not in str(
        read_table(rows_without(0), target="y", split="group:the key").dataset().notes
    )


def test_rows_without_a_time_are_refused_with_a_cure_that_works() -> None:
    with pytest.raises(DataError, match="column 'the key' has no time in 7 rows") as caught:
        read_table(rows_without(7), target="y", split="time:the key").dataset()
    cure = caught.value.hint.split("where = ")[1].rstrip(".").strip("'")
    steps = [{"use": "filter", "where": cure}]
    assert (
        read_table(rows_without(7), target="y", split="time:the key", prepare=steps).prepared().height == 113
    )
