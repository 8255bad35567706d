"""No option is dropped silently: one that has no effect is refused with the cure, from wherever it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tomli_w
from torch import nn

import steepest as st
from steepest.errors import SteepestError
from steepest.sweep.observer import Observer

# options by section, the fact, the cure
FIXED = {"optimizers": ["adam(lr=0.01)"]}
CASES: list[tuple[dict[str, Any], str, str]] = [
    (
        {"model": {"model": "linear", "hidden": [8]}},
        "--hidden has no effect: the model 'linear'",
        "embedding-mlp",
    ),
    ({"model": {"model": "linear", "dropout": 0.2}}, "--dropout has no effect", "embedding-mlp"),
    (
        {"model": {"model": "linear", "dropout": 0.2, "hidden": [8]}},
        "--hidden and --dropout have no effect",
        "",
    ),
    ({"model": {"model": "linear", "embedding": {"plan": 3}}}, "--embedding has no effect", "embedding-mlp"),
    ({"model": {"model": "nets.py:Net", "hidden": [8]}}, "--hidden has no effect", "nets.py:Net(hidden=…)"),
    ({"model": {"model": "embedding-mlp(hidden=[4])", "hidden": [8]}}, "gives hidden too", "give it once"),
    (
        {"protocol": {"learning_rates": [0.1, 0.2]}, **FIXED},
        "--learning-rates has no effect",
        "leave the rate out",
    ),
    (
        {"protocol": {"scan_rates": 5}, **FIXED},
        "--tuning-rates has no effect",
        "leave the rate out of 'adam(lr=0.01)'",
    ),
    ({"protocol": {"full_rates": 2}, **FIXED}, "--tuning-finalists has no effect", "leave the rate out"),
    (
        {"protocol": {"scan_rates": 5, "learning_rates": [0.1]}},
        "--tuning-rates has no effect",
        "one of the two",
    ),
    (
        {"data": {"split": "time:age", "split_seed": 3}},
        "--split-seed has no effect: --split time:age",
        "leave it out",
    ),
    (
        {"data": {"validation": "FILE", "test": "FILE", "split_seed": 3}},
        "--split-seed has no effect",
        "leave it out",
    ),
    (
        {"data": {"validation": "FILE", "test": "FILE", "split": "random"}},
        "--split has no effect",
        "leave it out",
    ),
    ({"data": {"split": "folds:5", "test": 0.2}}, "--test has no effect: --split folds:5", "leave it out"),
    (
        {"data": {"split": "folds:5", "test": "FILE"}},
        "--split folds:5 takes the test rows",
        "leave out --split",
    ),
    ({"data": {"split": "folds:5,time:age"}}, "trains on later rows than it tests", "--split time:age"),
    (
        {"data": {"drop": ["age"], "continuous": ["age"]}},
        "--continuous age has no effect: --drop",
        "one of the two",
    ),
    (
        {"data": {"drop": ["age"], "categorical": ["age"]}},
        "--categorical age has no effect: --drop",
        "one of the two",
    ),
    (
        {"data": {"drop": ["age"], "features": ["age"]}},
        "--features age has no effect: --drop",
        "one of the two",
    ),
    ({"data": {"categorical": ["churned"]}}, "--categorical churned has no effect", "--task classification"),
    ({"data": {"continuous": ["churned"]}}, "--continuous churned has no effect", "--task regression"),
    ({"data": {"missing": ["!seldom"]}}, "--missing '!seldom' has no effect", "leave it out"),
]


@pytest.fixture
def files(tmp_path: Path, churn: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tables, the current one."""
    monkeypatch.chdir(tmp_path)
    churn.write_csv("churn.csv")
    churn.write_parquet("churn.parquet")
    churn.head(200).write_csv("more.csv")
    return tmp_path


def filled(tree: dict[str, Any]) -> dict[str, Any]:
    data = {key: "more.csv" if each == "FILE" else each for key, each in tree.get("data", {}).items()}
    return {**tree, "data": {"source": "churn.csv", "target": "churned", **data}}


def flags(tree: dict[str, Any]) -> list[str]:
    """Return the options as they are on the command line."""
    given: list[str] = []
    for section in ("data", "model", "protocol"):
        for name, value in tree.get(section, {}).items():
            if name == "source":
                continue
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            if isinstance(value, dict):
                text = ",".join(f"{key}={each}" for key, each in value.items())
            given += [f"--{name.replace('_', '-')}", text]
    return given + [part for each in tree.get("optimizers", []) for part in ("-o", each)]


@pytest.mark.parametrize(("tree", "fact", "cure"), CASES)
def test_on_the_command_line(steepest: Any, files: Path, tree: dict[str, Any], fact: str, cure: str) -> None:
    said = steepest("compare", "churn.csv", *flags(filled(tree)), "--out", "out")
    assert said.status == 2, said.out
    error, _, hint = said.err.partition("Hint: ")
    assert fact in error
    assert cure in hint
    assert not (files / "out").exists()


@pytest.mark.parametrize(("tree", "fact", "cure"), CASES)
def test_in_a_file(steepest: Any, files: Path, tree: dict[str, Any], fact: str, cure: str) -> None:
    Path("mine.toml").write_text(tomli_w.dumps(filled(tree)))
    said = steepest("compare", "mine.toml", "--out", "out")
    assert (said.status, fact in said.err, cure in said.err) == (2, True, True), said.err


@pytest.mark.parametrize(("tree", "fact", "cure"), CASES)
def test_in_python(files: Path, tree: dict[str, Any], fact: str, cure: str) -> None:
    tree = filled(tree)
    source, target = tree["data"].pop("source"), tree["data"].pop("target")
    options = {**tree.get("model", {}), **tree.get("protocol", {}), "optimizers": tree.get("optimizers")}
    with pytest.raises(SteepestError) as raised:
        st.plan(st.read_table(source, target=target, **tree["data"]), **options)
    assert fact in raised.value.fact + raised.value.hint
    assert cure in raised.value.fact + raised.value.hint


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        (
            ["--hidden", "128,64", "--model", "linear"],
            "--hidden has no effect",
        ),  # the default, and still given
        (["--dry-run", "--open"], "--open has no effect with --dry-run"),
        (["--dry-run", "--verbose"], "--verbose has no effect with --dry-run"),
        (["--quiet", "--verbose"], "--quiet and --verbose exclude each other"),
        (["--rows", "on", "--embedding-rows", "off"], "are the same option"),
    ],
)
def test_what_only_the_command_line_has(steepest: Any, files: Path, given: list[str], fact: str) -> None:
    said = steepest("compare", "churn.csv", "--target", "churned", *given, "--out", "out")
    assert said.status == 2
    assert fact in said.err
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"target": "plan"}, "target='plan' has no effect: the table has the target 'churned'"),
        ({"model": lambda shape: nn.Identity(), "hidden": (8,)}, "on a model that a callable builds"),
        ({"model": "linear", "hidden": (128, 64)}, "hidden has no effect"),
        ({"embedding_rows": "on", "rows": "off"}, "embedding_rows and rows are the same option"),
    ],
)
def test_what_only_python_has(churn: pl.DataFrame, options: dict[str, Any], fact: str) -> None:
    with pytest.raises(SteepestError, match=fact):
        st.plan(st.read_table(churn, target="churned"), **options)


@pytest.mark.parametrize("command", ["describe", "compare"])
def test_an_encoding_of_what_is_no_text(steepest: Any, files: Path, command: str) -> None:
    said = steepest(command, "churn.parquet", "--target", "churned", "--encoding", "cp1250")
    assert (said.status, "--encoding has no effect: the table is not a text file" in said.err) == (2, True)
    assert st.read_table("churn.parquet", test="more.csv", encoding="cp1250").options.encoding == "cp1250"


def test_what_the_data_does_not_need_is_said(churn: pl.DataFrame) -> None:
    said: list[str] = []

    class Listening(Observer):
        def say(self, text: str) -> None:
            said.append(text)

    table = st.read_table(churn.drop("plan"), target="churned", min_count=3)
    st.plan(table, optimizers="adam(lr=0.01)", dropout=0.3, epochs=1).preview(observer=Listening())
    text = "\n".join(said)
    assert "--min-count has no effect: no column holds categories" in text
    assert "--dropout has no effect" in text
    assert "hidden_dropout=0.3" in text


@pytest.mark.parametrize("command", ["predict", "export"])
def test_a_model_that_is_not_of_the_users_own(
    steepest: Any, finished: Path, churn_csv: Path, command: str
) -> None:
    rest = [churn_csv] if command == "predict" else ["--format", "torch"]
    said = steepest(command, finished / "model", *rest, "--model", "nets.py:Net")
    assert said.status == 2
    assert "the model 'nets.py:Net' is given, but the one in" in said.err


def test_a_stored_experiment_begins_anew(steepest: Any, files: Path, tmp_path: Path) -> None:
    """It names every option with its value; those with the default are not taken to be chosen."""
    begun = ["churn.csv", "--target", "churned", "--model", "linear", "-o", "adam(lr=0.01)", "--seeds", "1"]
    assert steepest("compare", *begun, "--epochs", "1", "--out", "first").status == 0
    assert steepest("compare", "first/experiment.toml", "--out", "again").status == 0


def test_what_a_data_set_suggests_gives_way_to_what_is_chosen() -> None:
    assert "month" in st.read_table("flights").options.categorical
    for options in ({"target": "month"}, {"drop": ["month"]}):
        assert "month" not in st.read_table("flights", **options).options.categorical
    dropped = st.read_table("flights").options.drop
    assert dropped == [] or dropped[0] not in st.read_table("flights", categorical=dropped[:1]).options.drop


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        (["--dropout", "0.1"], "--dropout 0.1 gives the model a dropout of its own"),
        (["--dropout", "0.3"], "--dropout 0.3 gives the model a dropout of its own"),
        (
            ["--model", "tabm(dropout=0.1)"],
            "--model 'tabm(dropout=0.1)' gives the model a dropout of its own",
        ),
        (["--dropout", "0"], ""),
        ([], "the regularizer 'dropout(0.2)' replaces the default dropout of the model, 0.1."),
    ],
)
def test_a_dropout_of_the_model_beside_the_regularizer(
    steepest: Any, files: Path, given: list[str], fact: str
) -> None:
    """One that the user gave is an error; the default is replaced, which the plan says."""
    how = ["--target", "churned", "-o", "sgd(lr=0.1)", "--regularizer", "dropout(0.2)", "--epochs", "1"]
    said = steepest("compare", "churn.csv", *how, "--dry-run", *given, "--out", "out")
    refused = "gives" in fact
    assert (said.status, fact in " ".join((said.out + said.err).split())) == (2 * refused, True)
    assert refused is ("the regularizer replaces the dropout that a model has by default" in said.err)
