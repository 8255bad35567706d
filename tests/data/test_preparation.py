"""Preparations as a whole: files, order, replay at prediction, and the published one on the real table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from examples import imputation
from steepest.data.catalog import locate
from steepest.data.preparation import FittedPreparation, Preparation
from steepest.data.read import scan
from steepest.data.table import read_table
from steepest.errors import OptionError, PreparationError

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDER = os.environ.get("STEEPEST_DATA", "")
CRIMES = Path(FOLDER) / "chicago-crimes"
needs_crimes = pytest.mark.skipif(
    not FOLDER or not CRIMES.exists(), reason="STEEPEST_DATA does not name a folder with the crimes"
)

STEPS: list[dict[str, Any]] = [
    {"use": "rename", "columns": {"Primary Type": "kind"}},
    {"use": "filter", "where": "Year <= 2020 AND kind <> 'NONE'"},
    {"use": "filter", "where": "Year > 2000"},
    {"use": "group", "column": "kind", "groups": {"T": ["a", "b"]}},
    {"use": "derive", "columns": {"target": "kind = 'T'", "late": "Hour >= 20"}},
    {"use": "select", "columns": ["target", "Block", "Ward", "late"]},
    {"use": "fill-from", "column": "Ward", "keys": ["Block"]},
    {"use": "cast", "types": {"Ward": "text", "target": "text"}},
]
RAW = pl.DataFrame(
    {
        "Primary Type": ["a", "b", "c", "NONE", "a"],
        "Year": [2019, 2020, 2018, 2020, 2022],
        "Hour": [1, 22, 23, 4, 5],
        "Block": ["x", "x", "y", "y", "y"],
        "Ward": [3, None, 4, None, 5],
    }
)


def fitted() -> tuple[FittedPreparation, pl.DataFrame]:
    preparation = Preparation.load(STEPS)
    rows, _ = preparation.collect_prefix(RAW.lazy(), target="target")
    return preparation.fit(rows, target="target"), rows


def test_the_prefix_ends_before_the_first_learned_step() -> None:
    preparation = Preparation.load(STEPS)
    assert [step.use for step in preparation.prefix] == [each["use"] for each in STEPS[:6]]
    lazy, reports = preparation.stateless_prefix(RAW.lazy(), target="target")
    assert lazy.collect_schema().names() == ["target", "Block", "Ward", "late"]
    assert [report.rows for report in reports] == [0, 2, 0, 2, 0, 0]


def test_replay_equals_prefix_and_transform() -> None:
    preparation, rows = fitted()
    prepared, _ = preparation.transform(rows, target="target")
    replayed, kept, _ = preparation.replay(RAW, target="target")
    assert_frame_equal(replayed, prepared)
    assert kept.to_list() == [0, 1, 2]
    assert prepared["Ward"].to_list() == ["3", "3", "4"]


def test_replay_without_what_only_the_target_is_made_of() -> None:
    preparation, rows = fitted()
    prepared, _ = preparation.transform(rows, target="target")
    new = RAW.drop("Primary Type")
    replayed, kept, reports = preparation.replay(new, target="target")
    # the filter names the target too, so it is skipped and the rows it would have left out stay
    assert kept.to_list() == [0, 1, 2, 3, 4]
    assert_frame_equal(replayed[:3], prepared.drop("target"))
    assert [report.step for report in reports] == ["filter", "derive", "select", "fill-from", "cast"]


def test_transform_without_the_target() -> None:
    preparation, rows = fitted()
    prepared, _ = preparation.transform(rows, target="target")
    without, _ = preparation.transform(rows.drop("target"), target="target", present_target=False)
    assert_frame_equal(without, prepared.drop("target"))


def test_replay_misses_a_feature() -> None:
    preparation, _ = fitted()
    with pytest.raises(PreparationError, match="column 'Hour' is not in the table"):
        preparation.replay(RAW.drop("Hour"), target="target")


def test_dropped_columns_need_not_be_there_at_prediction() -> None:
    preparation = Preparation.load([{"use": "drop", "columns": ["id", "leak"]}])
    raw = pl.DataFrame({"id": [1], "leak": [2], "x": [3], "y": [0]})
    rows, _, reports = preparation.fit(raw, target="y").replay(raw.select("id", "x"), target="y")
    assert rows.columns == ["x"]
    assert reports[0].text == "left out: id"


@pytest.mark.parametrize(
    "steps",
    [
        [{"use": "derive", "columns": {"y": "delay > 15", "quick": "delay < 0"}}],
        [
            {"use": "derive", "columns": {"quick": "delay < 0"}},
            {"use": "derive", "columns": {"y": "delay > 15"}},
        ],
        [
            {"use": "derive", "columns": {"y": "delay > 15"}},
            {"use": "derive", "columns": {"quick": "delay < 0"}},
        ],
        [{"use": "derive", "columns": {"quick": "delay < 0"}}, {"use": "drop", "column": "delay"}],
        [{"use": "filter", "where": "delay < 100"}, {"use": "drop", "column": "delay"}],
    ],
    ids=["one step", "feature first", "target first", "dropped later", "filtered, then dropped"],
)
def test_a_column_that_a_feature_needs_must_be_there(steps: list[dict[str, Any]]) -> None:
    preparation = Preparation.load(steps)
    fitted_steps = preparation.fit(pl.DataFrame({"x": [1], "delay": [20], "y": [True]}), target="y")
    with pytest.raises(PreparationError, match="column 'delay' is not in the table"):
        fitted_steps.replay(pl.DataFrame({"x": [1]}), target="y")


def test_a_column_that_only_the_target_is_made_of_may_be_absent() -> None:
    steps = [{"use": "derive", "columns": {"y": "delay > 15"}}, {"use": "drop", "column": "delay"}]
    fitted_steps = Preparation.load(steps).fit(pl.DataFrame({"x": [1], "delay": [20]}), target="y")
    rows, _, reports = fitted_steps.replay(pl.DataFrame({"x": [1]}), target="y")
    assert rows.columns == ["x"]
    assert reports == []


def test_select_keeps_the_column_of_the_split() -> None:
    preparation = Preparation.load([{"use": "select", "columns": ["x"]}])
    raw = pl.LazyFrame({"day": [1], "x": [3], "y": [0], "z": [9]})
    rows, _ = preparation.collect_prefix(raw, target="y", keep=["day"])
    assert rows.columns == ["x", "day", "y"]


def test_training_rows_only() -> None:
    steps = Preparation.load(
        [{"use": "fill-from", "column": "w", "keys": ["k"]}, {"use": "fill-mode", "column": "w"}]
    )
    train = pl.DataFrame({"k": ["a", "a", "b"], "w": [1, 1, 2]})
    test = pl.DataFrame({"k": ["b"] * 9 + ["c"], "w": [7] * 8 + [None, None]})
    once = steps.fit(train, target=None)
    before = json.dumps(once.to_dict())
    rows, _ = once.transform(test, target=None)
    assert rows["w"].to_list() == [7] * 8 + [2, 1]
    assert json.dumps(once.to_dict()) == before


def test_a_later_step_learns_from_what_an_earlier_one_filled() -> None:
    steps = Preparation.load(
        [{"use": "fill-mode", "column": "k"}, {"use": "fill-from", "column": "w", "keys": ["k"]}]
    )
    train = pl.DataFrame({"k": ["a", "a", None, None, None], "w": [1, 1, 2, 2, 2]})
    rows, _ = steps.fit(train, target=None).transform(pl.DataFrame({"k": ["a"], "w": [None]}), target=None)
    assert rows["w"].to_list() == [2]


def test_what_was_loaded_can_be_listed_and_loaded_again() -> None:
    preparation = Preparation.load(STEPS)
    assert Preparation.load(preparation.to_list()) == preparation
    assert Preparation.load(preparation) is preparation
    assert Preparation.load(None).steps == ()


def test_no_steps_change_nothing() -> None:
    rows, reports = Preparation().collect_prefix(RAW.lazy(), target=None)
    assert_frame_equal(rows, RAW)
    assert reports == []
    replayed, kept, _ = Preparation().fit(RAW, target=None).replay(RAW, target=None)
    assert_frame_equal(replayed, RAW)
    assert kept.to_list() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "fact", "hint"),
    [
        ("[[step]\nuse=1", "is not valid TOML", "[[step]]"),
        ("[[steps]]\nuse = 'drop'", "has an unknown table 'steps'", "did you mean 'step'?"),
        ("step = 3", "does not write its steps as [[step]]", "[[step]]"),
        ("[[step]]\nuse = 'fill-mod'", "unknown preparation step 'fill-mod'", "did you mean 'fill-mode'"),
        ("[[step]]\ncolumn = 'a'", 'step 1 has no use = "NAME"', 'use = "NAME"'),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, fact: str, hint: str) -> None:
    path = tmp_path / "steps.toml"
    path.write_text(text)
    with pytest.raises(PreparationError) as caught:
        Preparation.load(path)
    assert fact in caught.value.fact
    assert hint in caught.value.hint


@pytest.mark.parametrize("option", ["categorical", "continuous", "drop", "features"])
def test_a_list_of_columns_that_holds_a_list_is_refused_by_its_name(tmp_path: Path, option: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f"[table]\n{option} = [[]]\n")
    with pytest.raises(OptionError, match=f"{option}: "):
        read_table({"x": [1.5] * 50, "y": [1, 2] * 25}, target="y", prepare=path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match=r"nowhere\.toml.* cannot be read: no such file") as caught:
        Preparation.load(tmp_path / "nowhere.toml")
    assert "[[step]]" in caught.value.hint


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stored: stored.pop("steps"),
        lambda stored: stored["learned"].pop(),
        lambda stored: stored["learned"].__setitem__(0, {"k": {"key": {"type": "Blob", "values": []}}}),
        lambda stored: stored["learned"].__setitem__(0, None),
        lambda stored: stored.__setitem__("learned", 3),
    ],
    ids=["no steps", "too few", "unknown type", "nothing learned", "no list"],
)
def test_a_damaged_store_is_refused(spoil: Any) -> None:
    steps = Preparation.load([{"use": "fill-from", "column": "w", "keys": ["k"]}])
    stored = steps.fit(pl.DataFrame({"k": ["a"], "w": [1]}), target=None).to_dict()
    spoil(stored)
    with pytest.raises(PreparationError, match="the stored preparation"):
        FittedPreparation.from_dict(stored)


@needs_crimes
def test_the_published_preparation_of_the_crimes() -> None:
    preparation = Preparation.load(EXAMPLES / "crimes.toml")
    assert preparation.table_options["target"] == "PrimaryType"
    raw = scan(locate("crimes-2018")[0])
    rows, before = preparation.collect_prefix(raw, target="PrimaryType")
    fitted_steps = preparation.fit(rows, target="PrimaryType")
    prepared, after = fitted_steps.transform(rows, target="PrimaryType")
    counts = dict(prepared["PrimaryType"].value_counts().iter_rows())
    assert len(counts) == 13
    assert sum(counts.values()) == 125_590
    assert (counts["THEFT"], counts["BATTERY"], counts["CRIM SEXUAL ASSAULT"]) == (52_914, 24_074, 711)
    assert prepared.null_count().sum_horizontal().item() == 0
    texts = [report.text for report in (*before, *after)]
    assert "LocationDescription: 279 missing, filled with 'OTHER'" in texts
    assert "'NARCOTIC VIOLATION', 'CRIME SEXUAL ASSAULT'" in next(
        each for each in texts if "relabelled" in each
    )
    assert "Ward: 1 missing; 1 filled from Beat" in texts
    stored = json.dumps(fitted_steps.to_dict())
    assert len(stored) < 2_000_000
    new = raw.drop("PrimaryType").head(500).collect()
    replayed, kept, _ = FittedPreparation.from_dict(json.loads(stored)).replay(new, target="PrimaryType")
    assert_frame_equal(replayed, prepared.drop("PrimaryType").head(500))
    assert len(kept) == 500


@needs_crimes
@pytest.mark.parametrize("column", ["Ward", "CommunityArea"])
def test_the_finest_key_brings_back_more_than_the_coarsest(column: str) -> None:
    frame = scan(locate("crimes-2018")[0]).select(*imputation.KEYS, column).collect()
    right = imputation.recovered(frame, column)
    assert right["finest wins"] >= right["Block"] > right["Beat"] > right["District"]
    assert right["finest wins"] > right["coarsest wins"] + 0.3
    assert right == imputation.recovered(frame, column)
    assert right != imputation.recovered(frame, column, seed=1)


@needs_crimes
def test_the_crimes_of_2022_are_filled_from_those_of_2018() -> None:
    rows, reports = imputation.fill_2022()
    assert len(rows) == 215_551
    for column, report in zip(["Beat", "District", "Ward"], reports[1:], strict=True):
        assert report.text.startswith(f"{column}: 215,551 missing; ")
        assert report.rows == 215_551 - rows[column].null_count()
        assert report.rows > 200_000
    old = scan(locate("crimes-2018")[0]).select("Block", "Beat").collect()
    assert set(rows["Beat"].drop_nulls()) <= set(old["Beat"])
