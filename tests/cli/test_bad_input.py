"""Malformed input: exit status 2, the offending value, a cure that works, and nothing half-written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import polars as pl
import pytest

TABLE = "a,b,y\n" + "".join(f"{i},{i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(60))

# name, file's content (or None), arguments after `compare FILE`, in the fact, in the hint
COMPARE = [
    ("missing file", None, ["--target", "y"], "table.csv", "look at what is in"),
    ("empty file", b"", ["--target", "y"], "empty", ""),
    ("header only", b"a,b,y\n", ["--target", "y"], "no rows", ""),
    ("not a table", bytes(range(256)) * 40, ["--target", "y"], "table.csv", ""),
    ("two columns of one name", b"a,a,y\n1,2,yes\n3,4,no\n" * 20, ["--target", "y"], "'a'", ""),
    ("target not there", TABLE, ["--target", "Y2"], "'Y2'", "did you mean 'y'"),
    ("no target", TABLE, [], "target", "--target"),
    ("constant target", TABLE.replace("no", "yes"), ["--target", "y"], "'y'", ""),
    ("all-missing target", TABLE.replace("yes", "NA").replace("no", "NA"), ["--target", "y"], "'y'", ""),
    ("infinite values", TABLE.replace("\n5,", "\n1e999,").replace("\n6,", "\ninf,"), ["--target", "y"], "'a'", ""),
    ("too few rows", "a,y\n1,yes\n2,no\n3,yes\n", ["--target", "y"], "3 rows", "10"),
    ("feature not there", TABLE, ["--target", "y", "--features", "a,c"], "'c'", "Known"),
    ("dropped column not there", TABLE, ["--target", "y", "--drop", "bb"], "'bb'", "did you mean 'b'"),
    ("unknown optimizer", TABLE, ["--target", "y", "-o", "adma"], "'adma'", "'adam'"),
    ("unknown hyperparameter", TABLE, ["--target", "y", "-o", "adam(lrr=1)"], "'lrr'", "lr"),
    ("hyperparameter out of range", TABLE, ["--target", "y", "-o", "adam(betas=(2, 0.9))"], "(2, 0.9)", "betas"),
    ("unreadable specification", TABLE, ["--target", "y", "-o", "adam(lr="], "'adam(lr='", "name(key=value"),
    ("unknown metric", TABLE, ["--target", "y", "--metric", "acuracy"], "'acuracy'", "'accuracy'"),
    ("metric of another task", TABLE, ["--target", "y", "--metric", "rmse"], "'rmse'", "log_loss"),
    ("unknown schedule", TABLE, ["--target", "y", "--schedule", "cosin"], "'cosin'", "'cosine'"),
    ("schedule out of range", TABLE, ["--target", "y", "--schedule", "cosine(final=2)"], "final=2", "0 to 1"),
    ("unknown model", TABLE, ["--target", "y", "--model", "mpl"], "'mpl'", "Known"),
    ("own model not there", TABLE, ["--target", "y", "--model", "nowhere.py:Net"], "nowhere.py", "path"),
    ("width of no column", TABLE, ["--target", "y", "--categorical", "b", "--embedding", "B2=8"], "'B2'", "Known: b"),
    ("width that is no number", TABLE, ["--target", "y", "--embedding", "b=wide"], "wide", "integer"),
    ("no seeds", TABLE, ["--target", "y", "--seeds", "0"], "'0'", "greater than or equal to 1"),
    ("negative epochs", TABLE, ["--target", "y", "--epochs", "-1"], "'-1'", "greater than 0"),
    ("rates that are no numbers", TABLE, ["--target", "y", "--learning-rates", "0.1,x"], "'x'", "number"),
    ("batch larger than the table", TABLE, ["--target", "y", "--batch-size", "100"], "100", "--batch-size"),
    ("weight of no class", TABLE, ["--target", "y", "--class-weights", "maybe=2"], "'maybe'", "Known: no, yes"),
    ("unknown flag", TABLE, ["--target", "a", "--seedz", "3"], "--seedz", "--help"),
    ("unknown split", TABLE, ["--target", "y", "--split", "half"], "'half'", "stratified"),
    ("group that is no column", TABLE, ["--target", "y", "--split", "group:c"], "'c'", "Known"),
    ("share above one", TABLE, ["--target", "y", "--validation", "1.5"], "validation = '1.5'", "share"),
    ("validation file not there", TABLE, ["--target", "y", "--validation", "v.csv"], "'v.csv'", "did you mean"),
    ("preparation not there", TABLE, ["--target", "y", "--prepare", "p.toml"], "p.toml", ""),
]  # fmt: skip


def check(said, fact: str, hint: str) -> None:
    assert said.status == 2, said
    error, _, cure = said.err.partition("\nHint: ")
    error = error[error.index("error: ") :]
    assert fact in error, error
    assert cure.strip(), said.err
    assert hint.lower() in cure.lower(), cure
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("content", "arguments", "fact", "hint"), [each[1:] for each in COMPARE], ids=[e[0] for e in COMPARE]
)
def test_compare(steepest, tmp_path, monkeypatch, content, arguments, fact, hint) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("table.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    check(steepest("compare", "table.csv", *arguments, "--out", "out"), fact, hint)
    assert not Path("out").exists()


def test_corrupt_parquet(steepest, tmp_path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"x": range(1000)}).write_parquet(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = b"\xff" * (len(data) // 2 - len(data) // 3)
    path.write_bytes(bytes(data))
    check(steepest("compare", path, "--target", "x"), "t.parquet", "")


CONFIG = [
    ("not TOML", "optimizers = [", "cannot be read", "line"),
    ("unknown section", '[date]\nsource = "t.csv"\n', "'date'", "did you mean 'data'"),
    (
        "unknown option",
        '[data]\nsource = "t.csv"\ntarget = "y"\n[protocol]\nseedz = 3\n',
        "'seedz'",
        "'seeds'",
    ),
    (
        "value of the wrong type",
        '[data]\nsource = "t.csv"\n[protocol]\nseeds = "many"\n',
        "'many'",
        "integer",
    ),
    ("no data", 'optimizers = ["adam"]\n[data]\n', "names no data", "source ="),
]


@pytest.mark.parametrize(
    ("content", "fact", "hint"), [each[1:] for each in CONFIG], ids=[e[0] for e in CONFIG]
)
def test_experiment_file(steepest, tmp_path, content, fact, hint) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(content)
    check(steepest("compare", path), fact, hint)


def test_a_file_in_the_way(steepest, churn_csv, tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    check(steepest("compare", churn_csv, "--target", "churned", "--out", tmp_path / "file"), "file", "folder")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("x")
    check(
        steepest("compare", churn_csv, "--target", "churned", "--out", tmp_path / "full"),
        "not empty",
        "another folder",
    )
    assert (tmp_path / "full" / "thesis.doc").read_text() == "x"


def test_other_data_in_the_same_folder(steepest, copied, churn_csv, tmp_path) -> None:
    before = (copied / "journal.jsonl").read_bytes()
    check(steepest("compare", churn_csv, "--target", "plan", "--out", copied), "'churned'", "another folder")
    check(
        steepest("compare", churn_csv, "--target", "churned", "--drop", "age", "--out", copied),
        "drop",
        "another",
    )
    longer = tmp_path / "churn.csv"
    longer.write_text(churn_csv.read_text() + "30,pro,100.0,no\n")
    check(steepest("compare", longer, "--target", "churned", "--out", copied), "other data", "another folder")
    assert (copied / "journal.jsonl").read_bytes() == before


FOLDER = [
    (["report", "nowhere"], "'nowhere'", "--out"),
    (["report", "."], "holds no experiment", "--out"),
    (["resume", "nowhere"], "'nowhere'", "--out"),
    (["predict", "nowhere", "new.csv"], "'nowhere'", "comparison"),
    (["predict", "DONE", "new.csv"], "'new.csv'", "did you mean 'lacking.csv'"),
    (["predict", "DONE", "lacking.csv"], "'minutes'", ""),
    (["predict", "DONE", "lacking.csv", "--out", "p.xlsx"], "'.xlsx'", ".parquet"),
    (["predict", "DONE", "lacking.csv", "--out", "no/p.csv"], "'no'", "make it"),
    (["describe", "nowhere.csv"], "'nowhere.csv'", "look at"),
    (["list", "optimisers"], "'optimisers'", "'optimizers'"),
    (["compere"], "Did you mean 'compare'", "--help"),
    (["predict"], "missing argument", "--help"),
]


@pytest.mark.parametrize(("arguments", "fact", "hint"), FOLDER, ids=[" ".join(each[0]) for each in FOLDER])
def test_folders_and_commands(steepest, finished, tmp_path, monkeypatch, arguments, fact, hint) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lacking.csv").write_text("age,plan\n30,pro\n")
    check(steepest(*[str(finished) if each == "DONE" else each for each in arguments]), fact, hint)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lacking.csv"]


def test_an_unfinished_comparison_names_the_command_that_finishes_it(steepest, copied) -> None:
    (copied / "results.json").unlink()
    said = steepest("report", copied)
    check(said, "not finished", "steepest resume")
    command = re.search(r"`(steepest [^`]+)`", said.err)
    assert command
    assert steepest(*shlex.split(command[1])[1:]).status == 0
    assert steepest("report", copied).status == 0


DAMAGE = [("model.json", b'{"format": 1'), ("model.json", b'{"format": 99}'), ("model.safetensors", b"\x00" * 50),
          ("pipeline.json", b"[]")]  # fmt: skip


@pytest.mark.parametrize(("name", "content"), DAMAGE)
def test_a_damaged_model(steepest, copied, churn_csv, name, content) -> None:
    (copied / "model" / name).write_bytes(content)
    check(steepest("predict", copied, churn_csv, "--out", copied / "p.csv"), name, "")
    assert not (copied / "p.csv").exists()
