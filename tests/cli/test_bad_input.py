"""Malformed input: exit status 2, the offending value, a cure that works, and nothing half-written."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

TABLE = "a,b,y\n" + "".join(f"{i},{i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(60))

# name, file's content (or None), arguments after `compare FILE`, in the fact, in the hint
COMPARE = [
    ("missing file", None, ["--target", "y"], "table.csv", "has no table"),
    ("empty file", b"", ["--target", "y"], "empty", ""),
    ("header only", b"a,b,y\n", ["--target", "y"], "no rows", ""),
    ("not a table", bytes(range(256)) * 40, ["--target", "y"], "table.csv", ""),
    ("two columns of one name", b"a,a,y\n1,2,yes\n3,4,no\n" * 20, ["--target", "y"], "'a'", ""),
    ("target not there", TABLE, ["--target", "Y2"], "'Y2'", "did you mean 'y'"),
    ("several targets", TABLE, ["--target", "y,a"], "'y', 'a'", "--target y --drop a"),
    ("dates as a target", TABLE.replace("yes", "1/31/2018").replace("no", "2/1/2018"), ["--target", "y"],
     "holds dates, such as '2/1/2018'", '"%m/%d/%Y"'),
    ("target too large", TABLE.replace("yes", "1e200").replace("no", "2e200"),
     ["--target", "y", "--task", "regression"], "2e+200", "1e-100"),
    ("target too small", TABLE.replace("yes", "1e-200").replace("no", "2e-200"),
     ["--target", "y", "--task", "regression"], "e-201 only", "1e100"),
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
    ("width that is no number", TABLE, ["--target", "y", "--embedding", "b=wide"], "wide", "whole number"),
    ("no seeds", TABLE, ["--target", "y", "--seeds", "0"], "'0'", "greater than or equal to 1"),
    ("negative epochs", TABLE, ["--target", "y", "--epochs", "-1"], "'-1'", "greater than 0"),
    ("rates that are no numbers", TABLE, ["--target", "y", "--learning-rates", "0.1,x"], "'x'", "number"),
    ("no rates", TABLE, ["--target", "y", "--learning-rates", ""], "--learning-rates", "give at least 1"),
    ("no kind of rows", TABLE, ["--target", "y", "--rows", ""], "--embedding-rows ''", "auto"),
    ("batch larger than the table", TABLE, ["--target", "y", "--batch-size", "100"], "100", "--batch-size"),

     ("weight of no class", TABLE, ["--target", "y", "--class-weights", "maybe=2"], "'maybe'", "Known: no, yes"),
    ("unknown flag", TABLE, ["--target", "a", "--seedz", "3"], "--seedz", "--help"),
    ("unknown split", TABLE, ["--target", "y", "--split", "half"], "'half'", "stratified"),
    ("group that is no column", TABLE, ["--target", "y", "--split", "group:c"], "'c'", "Known"),
    ("share above one", TABLE, ["--target", "y", "--validation", "1.5"], "--validation '1.5'", "share"),

     ("validation file not there", TABLE, ["--target", "y", "--validation", "v.csv"], "'v.csv'", "has 'table.csv'"),
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
        "whole number",
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
    check(steepest("compare", churn_csv, "--target", "plan", "--out", copied), "'churned'", "another --out")
    check(
        steepest("compare", churn_csv, "--target", "churned", "--drop", "age", "--out", copied),
        "drop",
        "another",
    )
    longer = tmp_path / "churn.csv"
    longer.write_text(churn_csv.read_text() + "30,pro,100.0,no\n")
    check(steepest("compare", longer, "--target", "churned", "--out", copied), "other data", "another --out")
    assert (copied / "journal.jsonl").read_bytes() == before


FOLDER = [
    (["report", "nowhere"], "'nowhere'", "--out"),
    (["report", "."], "holds no experiment", "--out"),
    (["resume", "nowhere"], "'nowhere'", "--out"),
    (["predict", "nowhere", "new.csv"], "'nowhere'", "comparison"),
    (["predict", "DONE", "new.csv"], "'new.csv'", "'lacking.csv'"),
    (["predict", "DONE", "lacking.csv"], "'plan'", ""),
    (["predict", "DONE", "lacking.csv", "--out", "p.xlsx"], "'.xlsx'", ".parquet"),
    (["predict", "DONE", "lacking.csv", "--out", "no/p.csv"], "'no'", "make it"),
    (["describe", "nowhere.csv"], "'nowhere.csv'", "has 'lacking.csv'"),
    (["list", "optimisers"], "'optimisers'", "'optimizers'"),
    (["compere"], "Did you mean 'compare'", "--help"),
    (["predict"], "missing argument", "--help"),
]


@pytest.mark.parametrize(("arguments", "fact", "hint"), FOLDER, ids=[" ".join(each[0]) for each in FOLDER])
def test_folders_and_commands(steepest, finished, tmp_path, monkeypatch, arguments, fact, hint) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lacking.csv").write_text("age,minutes\n30,10\n")
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


PREPARE = [
    ("not TOML", "[[step]\n", "p.toml", "[[step]]"),
    ("unknown table", "[[stepp]]\nuse = 'drop'\n", "'stepp'", "'step'"),
    ("steps that are none", "step = 3\n", "[[step]]", "use ="),
    ("no name", "[[step]]\ncolumns = ['a']\n", "step 1", "use ="),
    ("unknown step", "[[step]]\nuse = 'fil-mode'\n", "'fil-mode'", "'fill-mode'"),
    ("unknown option", "[[step]]\nuse = 'drop'\ncolumms = ['a']\n", "'columms'", "'columns'"),
    ("column not there", "[[step]]\nuse = 'drop'\ncolumns = ['aa']\n", "'aa'", "'a'"),
    ("target dropped", "[[step]]\nuse = 'drop'\ncolumns = ['y']\n", "'y'", ""),
    ("filter that is no SQL", "[[step]]\nuse = 'filter'\nwhere = 'a <<< 3'\n", "a <<< 3", ""),
    ("filter of no column", "[[step]]\nuse = 'filter'\nwhere = 'q > 3'\n", "q", ""),
    ("filter that leaves none", "[[step]]\nuse = 'filter'\nwhere = 'a > 1000'\n", "no row", "filter"),
    ("key not there", "[[step]]\nuse = 'fill-from'\ncolumn = 'a'\nkeys = ['k']\n", "'k'", "Known"),
    ("other table not there", "[[step]]\nuse = 'fill-from'\ncolumn = 'a'\nkeys = ['b']\nlearn_from = 'o.csv'\n",
     "o.csv", ""),
    ("impossible cast", "[[step]]\nuse = 'cast'\ntypes = {a = 'whole'}\n", "'whole'", ""),
    ("option of the table misspelt", "[table]\ntargt = 'y'\n", "'targt'", "'target'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "fact", "hint"), [each[1:] for each in PREPARE], ids=[e[0] for e in PREPARE]
)
def test_preparation(steepest, tmp_path, monkeypatch, content, fact, hint) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(TABLE)
    Path("p.toml").write_text(content)
    check(
        steepest("compare", "table.csv", "--target", "y", "--prepare", "p.toml", "--out", "out"), fact, hint
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["p.toml", "table.csv"]


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Return a damage: the first ``old`` in a file becomes ``new``."""

    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return damage


def overwrite(pattern: str, content: bytes) -> Callable[[Path], None]:
    """Return a damage: a file, the first one of the pattern, has other content."""
    return lambda folder: next(folder.glob(pattern)).write_bytes(content) and None


def remove(name: str) -> Callable[[Path], None]:
    """Return a damage: a file or folder is gone."""

    def damage(folder: Path) -> None:
        shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()

    return damage


def spoil(name: str) -> Callable[[Path], None]:
    """Return a damage: what the saved model's run left in one of the folders is zeros."""

    def damage(folder: Path) -> None:
        made = json.loads((folder / "model" / "model.json").read_text())["trained"]
        (folder / name / f"{made['recipe']}-{made['seed']}.safetensors").write_bytes(bytes(40))

    return damage


def no_source(folder: Path) -> None:
    path = folder / "experiment.toml"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(True) if not line.startswith("source"))
    )


# name, damage to a finished folder, in the fact, in the hint
RESUME = [
    ("damaged line", replace("journal.jsonl", '{"event":"run"', "{event"), "line 5 of", "delete that line"),

     ("run of a newer version", replace("journal.jsonl", '"outcome":', '"mood":"good","outcome":'), "mood", "version"),
    ("run without a record", replace("journal.jsonl", '"record":', '"recorded":'), "'record'", "version"),

     ("baselines of a newer version", replace("journal.jsonl", 'line","record":{', 'line","record":{"mood":1,'),
      "mood", "version"),
    ("journal that is none", overwrite("journal.jsonl", b"\xff\xfe\n\n"), "line 1 of", "delete that line"),
    ("no experiment", remove("experiment.toml"), "holds no experiment", "--out"),
    ("experiment that is no TOML", replace("experiment.toml", "[data]", "[data"),
     "experiment.toml", "fix the line"),
    ("option of a newer version", replace("experiment.toml", "seeds = 2", "seeds = 2\nmood = 3"),
     "'mood'", "Known"),
    ("value out of range", replace("experiment.toml", "seeds = 2", "seeds = -2"), "-2", "greater than"),
    ("other torch", replace("experiment.toml", 'torch = "', 'torch = "0.4.1-'), "0.4.1-", "steepest compare"),
    ("other library", replace("experiment.toml", "[plan.libraries]", '[plan.libraries]\nscipy = "0.4.1"'),
     "scipy 0.4.1", "install scipy 0.4.1"),

     ("device that is gone", replace("experiment.toml", 'device = "cpu"', 'device = "cuda:77"'), "'cuda:77'", "--out"),

     ("device that never was", replace("experiment.toml", 'device = "cpu"', 'device = "gpu"'), "'gpu'", "--out"),
    ("data that moved", replace("experiment.toml", "churn.csv", "chrun.csv"), "chrun.csv", "source ="),
    ("data from memory", no_source, "names no data", "in Python"),

     ("another target", replace("experiment.toml", 'target = "churned"', 'target = "plan"'),
      "other data", "another --out"),
    ("damaged losses", spoil("rows"), ".safetensors", "rm "),
    ("damaged weights", spoil("checkpoints"), ".safetensors", "rm "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "fact", "hint"), [each[1:] for each in RESUME], ids=[e[0] for e in RESUME]
)
def test_resume(steepest, copied, damage, fact, hint) -> None:
    damage(copied)
    before = {each: each.read_bytes() for each in copied.rglob("*") if each.is_file()}
    said = steepest("resume", copied)
    check(said, fact, hint)
    names = {each for each in copied.rglob("*") if each.is_file()}
    assert names == set(before)
    journal = copied / "journal.jsonl"
    assert journal.read_bytes() == before[journal]
    if "rm " in hint:
        removed = re.search(r"\((rm [^)]+)\)", said.err)
        assert removed
        Path(shlex.split(removed[1])[1]).unlink()
        run_the_hint(steepest, said)
        assert journal.read_bytes() == before[journal]


def run_the_hint(steepest, said) -> None:
    """Run the command that a hint names; it must work."""
    found = re.search(r"`steepest ([^`]+)`", said.err)
    assert found, said.err
    done = steepest(*shlex.split(found[1]))
    assert done.status == 0, done.err


def test_a_version_of_what_no_arm_needs_is_no_reason_to_refuse(steepest, copied) -> None:
    """A model of an arm that was left may have been made with it: it is kept for when that comes back."""
    replace("experiment.toml", "[plan.libraries]", '[plan.libraries]\npeft = "0.0.1"')(copied)
    said = steepest("resume", copied)
    assert said.status == 0, said.err
    assert 'peft = "0.0.1"' in (copied / "experiment.toml").read_text()


def test_another_torch_names_a_command_that_works(steepest, copied) -> None:
    replace("experiment.toml", 'torch = "', 'torch = "0.4.1-')(copied)
    run_the_hint(steepest, steepest("resume", copied))
    assert 'torch = "0.4.1-' not in (copied.with_name("copied-again") / "experiment.toml").read_text()


# command's arguments after the folder, damage, in the fact, in the hint, whether the hint's command mends it
STORED = [
    (["report"], overwrite("results.json", b"{"), "results.json", "steepest resume", True),

     (["report"], replace("results.json", '"sentence"', '"mood": 1, "sentence"'), "mood", "steepest resume", True),
    (["report"], remove("results.json"), "not finished", "steepest resume", True),
    (["predict", "new.csv"], remove("model"), "no model", "finished comparison", False),

     (["predict", "new.csv"], overwrite("model/model.json", b'{"format": 1'), "model.json", "steepest resume", True),

     (["predict", "new.csv"], overwrite("model/model.json", b'{"format": 99}'), "format 99", "format 1", False),

     (["predict", "new.csv"], overwrite("model/model.safetensors", b"\x00" * 50), "model.safetensors", "resume", True),
    (["predict", "new.csv"], remove("model/model.safetensors"), "model.safetensors", "steepest resume", True),
    (["predict", "new.csv"], overwrite("model/pipeline.json", b"[]"),
     "pipeline.json", "steepest resume", True),

     (["predict", "new.csv"], replace("model/pipeline.json", '"plus"', '"silver", "gold"'),
      "pipeline.json", "resume", True),

     (["predict", "new.csv"], replace("model/pipeline.json", '"target_scale"', '"scale"'),
      "target_scale", "resume", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "damage", "fact", "hint", "mends"),
    STORED,
    ids=[f"{e[0][0]}-{i}" for i, e in enumerate(STORED)],
)
def test_damaged_results_and_models(
    steepest, copied, tmp_path, monkeypatch, arguments, damage, fact, hint, mends
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("new.csv").write_text("age,plan,minutes\n30,pro,10\n")
    damage(copied)
    name, *rest = arguments
    folder = copied / "model" if name == "predict" else copied
    said = steepest(name, folder, *rest)
    check(said, fact, hint)
    assert not Path("predictions.csv").exists()
    if mends:
        run_the_hint(steepest, said)
        assert steepest(name, folder, *rest).status == 0


# name, new rows, in the fact, in the hint
ROWS = [
    ("empty", b"", "new.csv is empty", "header"),
    ("no rows", b"age,plan,minutes\n", "no rows", ""),
    ("column missing", b"age,minutes\n30,10\n", "'plan'", ""),
    ("column misspelt", b"age,plan,minuts\n30,pro,1\n", "'minutes'", ""),
    ("binary", b"\x00\x01\x02" * 99, "not text", "CSV"),
    ("ragged", b"age,plan,minutes\n30,pro\n", "line 2", ""),
    ("text for a number", b"age,plan,minutes\nold,pro,10\n", "'old'", ""),
    ("infinity", b"age,plan,minutes\ninf,pro,10\n", "inf", ""),
]


@pytest.mark.parametrize(("content", "fact", "hint"), [each[1:] for each in ROWS], ids=[e[0] for e in ROWS])
def test_rows_to_predict(steepest, finished, tmp_path, monkeypatch, content, fact, hint) -> None:
    monkeypatch.chdir(tmp_path)
    Path("new.csv").write_bytes(content)
    check(steepest("predict", finished, "new.csv"), fact, hint)
    assert [each.name for each in tmp_path.iterdir()] == ["new.csv"]


@pytest.mark.parametrize("out", ["/dev/null/runs", "/proc/steepest/runs"])
def test_a_place_where_nothing_can_be_written(steepest, churn_csv, out) -> None:
    check(steepest("compare", churn_csv, "--target", "churned", "--out", out), out, "folder")


def test_an_output_that_is_a_folder(steepest, finished, churn_csv, tmp_path) -> None:
    (tmp_path / "p.csv").mkdir()
    check(steepest("predict", finished, churn_csv, "--out", tmp_path / "p.csv"), "p.csv", "folder")
    assert [each.name for each in tmp_path.iterdir()] == ["p.csv"]


def test_the_folder_of_the_data_is_not_taken(steepest, churn_csv, tmp_path) -> None:
    (tmp_path / "churn.csv").write_bytes(churn_csv.read_bytes())
    said = steepest("compare", tmp_path / "churn.csv", "--target", "churned", "--out", tmp_path)
    check(said, "not empty", "another folder")
    assert [each.name for each in tmp_path.iterdir()] == ["churn.csv"]


@pytest.mark.parametrize("command", [
    ["compare", "X"], ["describe", "X"], ["show", "X"], ["memory", "X"], ["lr-find", "X"],
    ["compare", "X", "--target", "y"], ["predict", "copied", "X"],
])  # fmt: skip
def test_results_are_no_data(steepest, copied, monkeypatch, command) -> None:
    """A folder of results is named as what it is, with what to type instead."""
    monkeypatch.chdir(copied.parent)
    given = [
        ("copied", "'copied' is the folder of a comparison, not data", "`steepest report copied`"),
        ("copied/model", "'copied/model' is the folder of a model, not data", "`steepest predict copied/model FILE`"),
        (".", "holds comparisons (copied), not data", "/copied`"),
    ]  # fmt: skip
    if len(command) > 2:
        given.pop()  # a folder may hold anything
    if command[0] == "show":
        del given[:2]  # it takes the folder of a comparison on images
    for source, fact, hint in given:
        said = steepest(*[source if each == "X" else each for each in command])
        assert said.status == 2
        assert fact in said.err
        assert hint in said.err
