"""One-hot columns are found, or named, and become one column of categories, in training and at prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from steepest.data.table import read_table
from steepest.errors import OptionError, PreparationError

N = 60
SOILS = [(7 * i * i + i // 3) % 4 for i in range(N)]


def rows(**more: list[Any]) -> dict[str, list[Any]]:
    soil = {f"Soil_Type{name}": [int(each == i) for each in SOILS] for i, name in enumerate([1, 2, 10, 11])}
    return {
        "slope": [i / 7 for i in range(N)],
        **soil,
        "y": ["a" if each < 2 else "b" for each in SOILS],
        **more,
    }


def labels(table: Any) -> list[str | None]:
    return table.prepared()["Soil_Type"].to_list()


WANTED = [["1", "2", "10", "11"][each] for each in SOILS]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.Boolean, pl.Int8])
def test_a_block_is_found_by_names_and_all_values(dtype: Any) -> None:
    frame = pl.DataFrame(rows()).with_columns(pl.col("^Soil.*$").cast(dtype))
    table = read_table(frame, target="y")
    data = table.dataset()
    assert labels(table) == WANTED
    assert data.shape.cardinalities == {"Soil_Type": 5}
    said = [each.text for each in table.describe().notes]
    assert "Soil_Type: 4 categories in one column, of Soil_Type1 … Soil_Type11." in said
    assert "one-hot columns found: Soil_Type; --decode none keeps them as they are." in said
    assert {each.text for each in data.notes} >= set(said[:2])
    assert list(read_table(frame, target="y", decode="none").dataset().shape.cardinalities) == [
        each for each in frame.columns if each.startswith("Soil")
    ]


def test_a_file_is_decoded_as_a_frame_is(tmp_path: Path) -> None:
    path = tmp_path / "soils.csv"
    pl.DataFrame(rows()).write_csv(path)
    assert labels(read_table(path, target="y")) == WANTED
    assert labels(read_table(path, target="y", decode="Soil*")) == WANTED


def test_blocks_side_by_side_are_found_one_by_one() -> None:
    areas = {f"Soil_Area_{i}": [int(k % 3 == i) for k in range(N)] for i in range(3)}
    table = read_table(rows(**areas), target="y")
    assert list(table.dataset().shape.cardinalities) == ["Soil_Type", "Soil_Area"]


def test_columns_that_are_named_for_something_stay() -> None:
    found = read_table(rows(), target="y", categorical="Soil_Type2").dataset().shape
    assert "Soil_Type2" in found.cardinalities
    assert "Soil_Type" not in found.cardinalities
    steps = [{"use": "fill-mode", "columns": ["Soil_Type1"]}]
    assert "Soil_Type1" in read_table(rows(), target="y", prepare=steps).dataset().shape.cardinalities


def test_what_is_no_block_stays() -> None:
    some = {"flag_a": [i % 2 for i in range(N)], "flag_b": [i % 3 == 0 for i in range(N)]}
    table = read_table(rows(**some), target="y", drop=[each for each in rows() if each.startswith("Soil")])
    assert list(table.dataset().shape.cardinalities) == ["flag_a", "flag_b"]
    assert not [each for each in table.describe().notes if "one-hot" in each.text]


def test_one_row_that_does_not_fit_is_named_with_the_cure() -> None:
    odd = rows()
    for name in ("Soil_Type2", "Soil_Type10"):
        odd[name][16] = 1
    odd["Soil_Type1"][16] = odd["Soil_Type11"][16] = 0
    (note,) = [each for each in read_table(odd, target="y").describe().notes if each.step]
    assert "exactly one 1 in all rows but 1: row 17 has Soil_Type2 = 1, Soil_Type10 = 1" in note.text
    with pytest.raises(
        PreparationError, match=r"1 row of Soil_Type1 … Soil_Type11 .* row 17 has Soil_Type2 = 1"
    ):
        read_table(odd, target="y", decode="Soil_Type*").dataset()
    assert 'others = "missing"' in note.step
    step = {"use": "decode", "columns": ["Soil_Type*"], "others": "missing"}
    assert labels(read_table(odd, target="y", prepare=[step])) == [
        None if i == 16 else each for i, each in enumerate(WANTED)
    ]


def test_the_number_of_a_row_is_that_in_the_file_after_a_filter() -> None:
    odd = rows()
    odd["Soil_Type1"][40] = 2
    steps = [{"use": "filter", "where": "slope > 3"}, {"use": "decode", "columns": ["Soil_Type*"]}]
    with pytest.raises(PreparationError, match="row 41 has Soil_Type1 = 2"):
        read_table(odd, target="y", prepare=steps).dataset()


def test_new_rows_are_decoded_and_odd_ones_counted() -> None:
    table = read_table(rows(), target="y")
    table.dataset()
    new = {each: [0, 0, 0] for each in rows() if each.startswith("Soil")}
    new |= {"slope": [1.0, 2.0, 3.0], "Soil_Type10": [1, 1, 0], "Soil_Type2": [0, 1, 0]}
    found = table.pipeline.transform(new)
    codes = table.pipeline.encoder.vocabularies["Soil_Type"].decode(found.inputs[0][:, 0])
    assert codes == ["10", "(unknown)", "(unknown)"]
    assert (
        "2 rows without exactly one 1 (row 2 has Soil_Type2 = 1, Soil_Type10 = 1)" in found.reports[-1].text
    )


def test_a_variant_with_fewer_rows_has_the_same_columns() -> None:
    table = read_table(rows(), target="y")
    assert list(table.variant(train_rows=0.5).shape.cardinalities) == ["Soil_Type"]
    assert (
        "Soil_Type1"
        in table.variant(prepare=[{"use": "fill-mode", "columns": ["Soil_Type1"]}]).shape.cardinalities
    )


@pytest.mark.parametrize(
    ("value", "fact"),
    [("none,Soil*", "cannot be both none and 'Soil\\*'"), ("Sol*", "no column is named like 'Sol\\*'")],
)
def test_what_cannot_be_decoded_is_said(value: str, fact: str) -> None:
    with pytest.raises((OptionError, PreparationError), match=fact):
        read_table(rows(), target="y", decode=value).dataset()
