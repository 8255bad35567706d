"""When a comparison may not say anything about optimizers."""

from __future__ import annotations

import polars as pl
import pytest

import steepest as st
from steepest.compare.limits import TUNING_DOUBTED, TUNING_FAILED, tuning_flag

OPTIONS = {"optimizers": ["adam", "sgd"], "seeds": 2, "device": "cpu", "compile": "off", "threads": 1}


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    x = [(index * 37 % 101) / 101 for index in range(1200)]
    return pl.DataFrame({"x": x, "y": [3 * each + 0.01 * (index % 7) for index, each in enumerate(x)]})


def compare(rows: pl.DataFrame, folder, **more: object) -> st.Result:
    return st.compare(rows, target="y", model="linear", out=folder, batch_size=32, **{**OPTIONS, **more})


def test_less_than_an_epoch_gives_no_verdict_on_optimizers(rows, tmp_path):
    found = compare(rows, tmp_path / "run", epochs=0.3).comparison
    assert found.sentence.startswith(
        "Runs have 9 steps (0.3 epochs): too short to compare optimizers; train for an epoch or more. "
    )
    assert "choice of optimizer" not in found.sentence
    assert "better than sgd" not in found.sentence


def test_a_dry_run_says_so_before_anything_is_trained(rows, tmp_path):
    options = {**OPTIONS, "target": "y", "model": "linear", "batch_size": 32}
    said = st.plan(rows, epochs=0.3, **options).preview(tmp_path / "run")
    assert "warning: Runs have 9 steps (0.3 epochs): too short to compare optimizers" in said
    assert "too short" not in st.plan(rows, epochs=1, **options).preview(tmp_path / "run")


def test_an_epoch_is_long_enough(rows, tmp_path):
    assert "too short" not in compare(rows, tmp_path / "run", epochs=1).comparison.sentence


def test_networks_that_learn_nothing_give_no_verdict(tmp_path):
    noise = pl.DataFrame({
        "x": [(index * 37 % 101) / 101 for index in range(1200)],
        "y": [float(index * index * 7919 % 1009) for index in range(1200)],
    })  # fmt: skip
    found = compare(noise, tmp_path / "run", epochs=1).comparison
    assert "beats the mean baseline" in found.sentence
    assert "says nothing about optimizers" in found.sentence
    assert "choice of optimizer" not in found.sentence
    detected = {each.name: each.detected for each in found.effects}
    assert detected["network"] is False
    assert detected["seed"] is None


def test_a_default_rate_that_beats_the_tuned_one_is_flagged(rows, tmp_path):
    """A scan of useless rates leaves the optimizer worse than its default."""
    found = compare(rows, tmp_path / "run", epochs=2, learning_rates=[1e-9, 1e-8]).comparison
    flagged = {row.name for row in found.rows if "tuning failed" in row.flags}
    assert flagged == {"adam", "sgd"}
    said = (
        "Tuning failed for adam and sgd (their default rates are better on validation): what is said of them "
    )
    assert any(each.startswith(said) for each in found.warnings)
    assert next(each.detected for each in found.effects if each.name == "learning rate")


def test_a_tie_is_no_failure_of_tuning():
    same = [0.5, 0.6, 0.7]
    assert tuning_flag(same, same) == ""
    assert tuning_flag([0.499, 0.5995, 0.6999], same) == ""
    assert tuning_flag([0.4, 0.49, 0.6], same) == TUNING_FAILED
    assert tuning_flag(same, [0.4, 0.5, 0.6]) == ""


def test_a_tuning_that_few_seeds_leave_open_is_doubted():
    assert tuning_flag([0.4, 0.58], [0.5, 0.6]) == TUNING_DOUBTED
    assert tuning_flag([0.4, 0.5], [0.5, 0.601]) == TUNING_FAILED


def test_too_few_test_rows_leave_open_what_is_detectable(rows, tmp_path):
    found = compare(rows.head(400), tmp_path / "run", epochs=1).comparison
    assert all(each.ends is None for each in found.differences)
    detected = {each.name: each.detected for each in found.effects}
    assert detected == dict.fromkeys(("optimizer", "network", "seed", "learning rate", "schedule"))
    why = {each.name: each.reason for each in found.effects}
    assert why["schedule"] == why["optimizer"] == "40 test rows, fewer than 100"
    assert [(each.wins, each.ties, each.losses, each.untested) for each in found.standings] == [
        (0, 0, 0, 1)
    ] * 2
