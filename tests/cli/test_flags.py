"""How the options of compare are shown, named and completed, and what the output flags do."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

import steepest as st
from steepest.cli.flags import COMMON_OPTIONS, PANELS, RANGE_TEST, completion, given, registry
from steepest.errors import OptionError
from steepest.recipe import CLEARER_NAMES


def test_the_common_options_come_first(steepest) -> None:
    said = steepest("compare", "--help")
    assert said.status == 0
    titles = re.findall(r"╭─ ([\w ]+) ─", said.out)
    assert titles == ["Arguments", *(each for each in PANELS if each != RANGE_TEST)]  # that of lr-find
    common = said.out.partition("─ Common ─")[2].partition("─ Data ─")[0]
    assert re.findall(r"│ --([\w-]+)", common) == [each.replace("_", "-") for each in COMMON_OPTIONS]


def test_the_help_names_every_group_of_optimizers(steepest) -> None:
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", steepest("compare", "--help").out).split())
    [named] = re.findall(r"groups \(([^)]*)\)", said)
    assert sorted(named.split(", ")) == sorted([*registry("optimizers").groups(), "all"])


@pytest.mark.parametrize(("clear", "stored"), CLEARER_NAMES.items())
def test_clearer_names_are_shown_and_the_old_ones_still_work(steepest, clear, stored) -> None:
    shown, hidden = (f"--{each.replace('_', '-')} " for each in (clear, stored))
    said = steepest("compare", "--help")
    assert shown in said.out
    assert hidden not in said.out
    section = "execution" if stored == "rows" else "protocol"
    assert given({clear: "3"}) == given({stored: "3"}) == {section: {stored: "3"}}
    with pytest.raises(OptionError, match="are the same option"):
        given({clear: "3", stored: "4"})


def test_files_have_flags_of_their_own() -> None:
    assert given({"test_file": "t.csv", "validation": "0.2"}) == {
        "data": {"test": "t.csv", "validation": "0.2"}
    }
    with pytest.raises(OptionError, match="test and test_file are the same option"):
        given({"test_file": "t.csv", "test": "0.2"})


def test_a_wrong_value_is_named_as_the_flag_that_is_shown(steepest, churn_csv) -> None:
    said = steepest("compare", churn_csv, "--target", "churned", "--tuning-rates", "0", "--dry-run")
    assert said.status == 2
    assert "--tuning-rates '0' is not allowed" in said.err


@pytest.mark.parametrize(
    ("kind", "typed", "expected"),
    [("optimizers", "adamw", "adamw"), ("optimizers", "sgd,qui", "sgd,quickprop"), ("optimizers", "class", "classic"),
     ("metrics", "log", "log-loss"), ("schedules", "cos", "cosine"), ("models", "lin", "linear")],
)  # fmt: skip
def test_names_are_completed(kind: str, typed: str, expected: str) -> None:
    assert expected in completion(kind)(typed)


def test_a_data_set_is_known_by_its_name(steepest) -> None:
    table = st.read_table("flights")
    assert (table.target, table.name) == ("status", "flights")
    assert st.read_table("flights", target="month").target == "month"
    said = steepest("describe", "flights", "--json")
    found = json.loads(said.out)
    assert (found["name"], found["rows"]) == ("flights.parquet", 40_000)
    assert {each["name"]: each["role"] for each in found["columns"]}["status"] == "target"


def test_version_has_a_short_flag(steepest) -> None:
    assert steepest("-V").out == steepest("--version").out == f"{st.__version__}\n"


def test_a_result_as_json_without_a_word_beside_it(steepest, copied) -> None:
    said = steepest("resume", copied, "--quiet", "--json")
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out)["winner"] == st.Result.load(copied).comparison.winner


def test_status_1_and_no_mark_where_no_run_finished(steepest, churn_csv, tmp_path) -> None:
    said = steepest(
        "compare", churn_csv, "--target", "churned", "-o", "sgd(lr=1e30)", "--seeds", "1", "--epochs", "1",
        "--hidden", "8", "--out", tmp_path / "lost", "--compile", "off",
    )  # fmt: skip
    assert said.status == 1
    marked = [line for line in said.out.splitlines() if line.startswith(("●", "○"))]
    assert not any("sgd" in line for line in marked)  # the mark is the recommended baseline's
    assert len(marked) == 1
    assert "No run of any optimizer finished" in said.out


def test_notebooks_show_what_a_person_reads(copied, churn_csv) -> None:
    result = st.Result.load(copied)
    shown = result._repr_html_()
    assert shown.count("<th>") <= 9
    assert result.sentence[:20] in shown
    plan = st.plan(st.read_table(churn_csv, target="churned"), optimizers="adam", epochs=1)
    assert repr(plan) == f"Plan({plan})"
    assert "compare adam on" in plan._repr_html_()


@pytest.mark.parametrize(
    ("given", "arms"),
    [
        (["--loss", "squared,absolute", "--loss", "huber(0.5)"], 3),
        (["--batch-size", "16,32", "--model", "linear,embedding-mlp(hidden=[4, 2])"], 4),
        (["--schedule", "constant,warmup(cosine, length=0.1)"], 2),
        (["--train-rows", "0.5,all"], 2),
    ],
)
def test_values_of_a_factor_are_repeated_or_separated_by_commas(
    steepest, tmp_path, monkeypatch, given, arms
) -> None:
    monkeypatch.chdir(tmp_path)
    x = [i % 17 for i in range(300)]
    pl.DataFrame({"x": x, "y": [1.5 * each + i % 3 / 7 for i, each in enumerate(x)]}).write_csv("t.csv")
    said = steepest("compare", "t.csv", "--target", "y", "-o", "sgd", "--epochs", "1", "--dry-run", *given)
    assert said.status == 0
    assert f"plan   {arms} " in said.out


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        (["--hidden", "16", "--hidden", "32"], "--hidden is given 2 times"),
        (["--model", "linear", "--model", "linear"], "the model 'linear' is given twice"),
        (["--batch-size", "16,16"], "the batch size 16 is given twice"),
    ],
)
def test_what_is_given_twice_is_named(steepest, churn_csv, given, fact) -> None:
    assert fact in steepest("compare", churn_csv, "--target", "churned", *given, "--dry-run").err


def test_columns_are_repeated_or_separated_by_commas(steepest, churn_csv) -> None:
    plan = ["compare", churn_csv, "--target", "churned", "-o", "sgd", "--epochs", "1", "--dry-run"]
    once, twice = (
        steepest(*plan, *given).err for given in (["--drop", "age,plan"], ["--drop", "age", "--drop", "plan"])
    )
    assert "0 categorical, 1 continuous" in once
    assert "0 categorical, 1 continuous" in twice
