"""Parts that teach or show little: one class, one file for two parts, groups that are features."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from steepest.data.table import Table, read_table
from steepest.errors import DataError

N = 200


def rows(seed: int = 0) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "when": np.arange(N),
            "shop": [f"s{each % 20}" for each in range(N)],
            "x": draw.normal(size=N),
            "kind": ["early" if each < 150 else "late" for each in range(N)],
            "y": draw.choice(["a", "b"], N),
        }
    )


def texts(table: Table) -> str:
    return "\n".join(note.text for note in table.dataset().notes)


def test_training_rows_of_one_class_are_refused() -> None:
    with pytest.raises(DataError, match="'kind' has one class only, 'early', in the training rows") as caught:
        read_table(rows(), target="kind", split="time:when", test=0.2).dataset()
    assert "another split" in caught.value.hint


def test_a_class_that_is_not_in_every_part_is_named() -> None:
    table = rows().with_columns(y=pl.when(pl.col("when") > 190).then(pl.lit("new")).otherwise("y"))
    found = texts(read_table(table, target="y", split="time:when"))
    assert "1 class is not in every part: new (9, none to train or choose)." in found


@pytest.mark.parametrize("kept", [{}, {"categorical": "shop"}, {"features": ["shop", "x"]}])
def test_what_a_split_keeps_apart_is_no_feature_unless_it_is_named(kept: dict[str, Any]) -> None:
    table = read_table(rows(), target="y", split="group:shop", **kept)
    data = table.dataset()
    assert ("shop" in data.shape.cardinalities) == bool(kept)
    assert (
        "left out: shop: the groups that the split keeps apart (--categorical shop keeps it)" in texts(table)
    ) != bool(kept)
    new = rows(1) if kept else rows(1).drop("shop")
    assert len(table.pipeline.transform(new).inputs[0]) == N


DAYS = pl.Series([date(2018, 7, 1) + timedelta(days=10 * i) for i in range(N)])
"""The latest 20 are of 2023, when none of the first 160 is."""
NOW = pl.int_range(N, eager=True)


@pytest.mark.parametrize("values", [NOW, NOW * 86_400.5, NOW // 40], ids=["day", "seconds", "few"])
@pytest.mark.parametrize("kept", [{}, {"continuous": "time"}, {"features": ["time", "x"]}])
def test_the_time_of_a_split_is_no_feature_where_all_test_values_are_later(
    values, kept: dict[str, Any]
) -> None:
    frame = rows().with_columns(values.alias("time"), again=NOW % 7)
    table = read_table(frame, target="y", split="time:time", **kept)
    shape = table.dataset().shape
    assert ("time" in {*shape.cardinalities, *shape.continuous}) == bool(kept)
    why = (
        "left out: time: the time by which rows are split, whose test values all lie beyond those of training "
        "(--continuous time keeps it)"
    )
    assert [why in texts(table), why in [each.text.rstrip(".") for each in table.describe().notes]] == [
        not kept,
        not kept,
    ]
    if not kept:
        assert "again" in shape.cardinalities
        refit = read_table(frame, target="y", split="refit:time:time").dataset().shape
        assert (refit.cardinalities.keys(), refit.continuous) == (
            shape.cardinalities.keys(),
            shape.continuous,
        )


@pytest.mark.parametrize("kept", [{}, {"features": ["when", "x"]}])
@pytest.mark.parametrize("text", [False, True])
def test_of_a_date_that_splits_only_what_comes_again_is_a_feature(kept: dict[str, Any], text: bool) -> None:
    when = DAYS.cast(pl.String) if text else DAYS
    table = read_table(rows().with_columns(when.alias("when")), target="y", split="time:when", **kept)
    shape = table.dataset().shape
    assert {"when month", "when weekday"} <= shape.cardinalities.keys()
    assert ("when year" in shape.continuous) == bool(kept)
    assert ("its year left out, as rows are split by it" in texts(table)) != bool(kept)


def test_a_split_by_time_says_that_rows_of_one_moment_stay_together() -> None:
    for when, said in ((NOW // 13, True), (NOW, False)):
        found = texts(read_table(rows().with_columns(when.alias("when")), target="y", split="time:when"))
        assert ("latest rows for the test; rows of one moment are in one part)" in found) == said


def test_other_columns_that_only_count_time_are_named() -> None:
    frame = rows().with_columns(DAYS.alias("when"), number=NOW * 1.5, again=NOW % 7)
    found = texts(read_table(frame, target="y", split="time:when"))
    assert "all test values of number lie beyond those of training, as rows are split by when" in found
    assert "leave out what only counts time: --drop number." in found
    assert "all test values of" not in texts(read_table(frame, target="y"))
    assert "all test values of" not in texts(read_table(frame, target="y", split="time:when", drop="number"))
    assert "all test values of" not in texts(
        read_table(frame, target="y", split="time:when", continuous="number")
    )


@pytest.mark.parametrize("part", ["validation", "test"])
def test_one_file_for_two_parts_is_refused(part: str, tmp_path: Path) -> None:
    for name, seed in (("train", 0), ("other", 1)):
        rows(seed).write_csv(tmp_path / f"{name}.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "train.csv")
    for given in ("train.csv", "link.csv"):
        with pytest.raises(DataError, match=f"the {part} rows and the training rows are one file"):
            read_table(tmp_path / "train.csv", target="y", **{part: str(tmp_path / given)}).dataset()
    both = dict.fromkeys(("validation", "test"), str(tmp_path / "other.csv"))
    with pytest.raises(DataError, match="the test rows and the validation rows are one file"):
        read_table(tmp_path / "train.csv", target="y", **both).dataset()


def test_rows_of_a_file_that_are_training_rows_are_counted(tmp_path: Path) -> None:
    rows().write_csv(tmp_path / "train.csv")
    rows(2).write_csv(tmp_path / "chosen.csv")
    pl.concat([rows().head(80), rows(1).tail(20)]).write_csv(tmp_path / "copied.csv")
    rows(1).write_csv(tmp_path / "other.csv")
    for name, expected in (("copied", True), ("other", False)):
        files = {"validation": str(tmp_path / "chosen.csv"), "test": str(tmp_path / f"{name}.csv")}
        found = texts(read_table(tmp_path / "train.csv", target="y", **files))
        assert ("80% of the test rows are identical to training rows" in found) == expected
