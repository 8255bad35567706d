"""What is given to a comparison in Python is used or refused, in the words of Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import steepest as st
from steepest.errors import OptionError, SteepestError
from steepest.recipe import validate_experiment

ROWS = {"x": [index % 7 / 7 for index in range(120)], "y": ["a", "b", "b"] * 40}
STEPS = '[[step]]\nuse = "derive"\ncolumns = {double = "x * 2"}\n'


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    path = tmp_path / "steps.toml"
    path.write_text(STEPS)
    return path


def planned(data: Any, **options: Any) -> Any:
    return st.plan(data, **{"epochs": 1, "seeds": 1, **options})


def test_a_frame_is_opened_with_the_options_of_reading(steps: Path) -> None:
    frame = pl.DataFrame(ROWS)
    made = planned(frame, target="y", split="folds:3", prepare=steps)
    assert made.table.options.split == "folds:3"
    assert "double" in made.table.prepared().columns
    assert made.experiment.data == made.table.options
    steps_given = [{"use": "derive", "columns": {"double": "x * 2"}}]
    assert "double" in planned(frame, target="y", prepare=steps_given).table.prepared().columns


def test_several_preparations_may_have_the_tables_own(steps: Path) -> None:
    table = st.read_table(ROWS, target="y", prepare=steps)
    for given in (["none", None], [None, "none"], ["none", steps]):
        arms = planned(table, prepare=given).arms
        assert {arm.prepare for arm in arms} == {"none", str(steps)}
    arms = planned(ROWS, target="y", prepare=["none", steps]).arms
    assert {arm.prepare for arm in arms} == {"none", str(steps)}


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"prepare": "none"}, "prepare='none' has no effect: the table is open already, prepared by "),
        ({"prepare": ["none"]}, "prepare='none' has no effect: the table is open already, prepared by "),
        ({"test": 0.3}, "test=0.3 has no effect: the data is open already"),
        ({"target": "x"}, "target='x' has no effect: the table has the target 'y'"),
    ],
)
def test_what_an_open_table_cannot_follow_is_refused(steps: Path, options: dict[str, Any], fact: str) -> None:
    table = st.read_table(ROWS, target="y", prepare=steps)
    with pytest.raises(OptionError) as raised:
        planned(table, **options)
    assert fact in raised.value.fact
    assert "read_table" in raised.value.hint


def test_an_open_table_takes_its_own_preparation_again(steps: Path) -> None:
    table = st.read_table(ROWS, target="y", prepare=steps)
    assert {arm.prepare for arm in planned(table, prepare=steps).arms} == {str(steps)}


@pytest.mark.parametrize(
    ("arms", "fact"),
    [
        ([], "the list of arms is empty"),
        ([1], "1 is no arm"),
        ([[st.Arm()]], " is no arm"),
        (True, "arms=True is no list of arms"),
        (st.Arm(), " is no list of arms"),
        ({"optimizer": "adam"}, " is no list of arms"),
        ("adam", "arms='adam' is no list of arms"),
    ],
)
def test_what_is_no_list_of_arms_is_refused(arms: Any, fact: str) -> None:
    with pytest.raises(OptionError) as raised:
        planned(ROWS, target="y", arms=arms)
    assert fact in raised.value.fact


def test_a_file_with_an_empty_list_of_arms_is_refused() -> None:
    with pytest.raises(OptionError, match=r"the list of arms in arms\.toml is empty"):
        validate_experiment({"data": {}, "arms": []}, where="arms.toml")
    assert validate_experiment({"data": {}, "arms": [], "optimizers": ["sgd"]}).arms == ()


def test_no_option_is_listed_twice() -> None:
    with pytest.raises(OptionError) as raised:
        planned(ROWS, target="y", nonsense=1)
    known = raised.value.hint.partition("Known: ")[2].rstrip(".").split(", ")
    assert len(known) == len(set(known))
    assert {"batch_size", "model"} <= set(known)


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"model": "linear", "hidden": [8]}, "hidden has no effect"),
        ({"optimizers": "sgd(lr=0.1)", "tuning_rates": 3}, "tuning_rates has no effect"),
        ({"split": "folds:3", "test": 0.3}, "test"),
    ],
)
def test_errors_in_python_name_keywords_not_flags(options: dict[str, Any], fact: str) -> None:
    with pytest.raises(SteepestError) as raised:
        planned(ROWS, target="y", **options)
    assert fact in str(raised.value)
    assert "--" not in str(raised.value)
