"""Files and folders that are not what a program expects: it works all the same, or says what to do."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from steepest.data import read
from steepest.data.names import called, plain
from steepest.errors import FolderError
from steepest.prediction.model import TrainedModel
from tests.conftest import churn_table
from tests.data.test_names import ODD, odd_table

SMALL = ["-o", "adam(lr=0.01)", "--seeds", "1", "--epochs", "1", "--batch-size", "16", "--hidden", "4"]


@pytest.mark.parametrize("target", ["y", "*"])
def test_odd_column_names_from_the_table_to_the_prediction(target: str, tmp_path: Path, steepest) -> None:
    table = odd_table()
    table.write_csv(tmp_path / "odd.csv")
    table.write_parquet(tmp_path / "odd.parquet")
    told = steepest("describe", tmp_path / "odd.parquet", "--target", target, "--write", tmp_path / "p.toml")
    assert told.status == 0, told.err
    assert all(name.split("\n")[0] in told.out for name in called(ODD))
    options = tomllib.loads((tmp_path / "p.toml").read_text())["table"]
    assert options.pop("target") == plain(target)
    found = {name for names in options.values() for name in names}
    assert found == {name for name in called(table.columns) if name != plain(target)}
    told = steepest("compare", tmp_path / "odd.parquet", "--prepare", tmp_path / "p.toml", *SMALL, "--task",
                    "classification", "--out", tmp_path / "run")  # fmt: skip
    assert told.status == 0, told.err
    told = steepest("predict", tmp_path / "run", tmp_path / "odd.parquet", "--out", tmp_path / "out.csv")
    assert told.status == 0, told.err
    by_command = pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    by_python = TrainedModel.load(tmp_path / "run").predict(table).table
    assert by_command["prediction"].to_list() == by_python["prediction"].cast(pl.String).to_list()


def test_an_unwritable_cache_folder_means_eager_steps(churn_csv, tmp_path, steepest, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "file" / "cache"))
    told = steepest(
        "compare", churn_csv, "--target", "churned", *SMALL, "--compile", "on", "--out", tmp_path / "run"
    )
    assert told.status == 0, told.err
    assert "adam(lr=0.01) runs eagerly: the cache folder" in told.err
    [cell] = tomllib.loads((tmp_path / "run" / "experiment.toml").read_text())["plan"]["cells"].values()
    assert cell["compiled"] == []


LONG = "x" * 300
TOO_LONG = [
    ("compare", "{table}", "--target", "churned", "--out", LONG),
    ("compare", "{table}", "--target", "churned", "--dry-run", "--out", LONG),
    ("predict", "{run}", "{table}", "--out", f"{LONG}.csv"),
    ("predict", "{run}", "{table}", "--out", f"{LONG}/p.csv"),
    ("predict", LONG, "{table}"),
    ("report", "{run}", "--out", f"{LONG}.html"),
    ("report", LONG),
    ("resume", LONG),
    ("export", "{run}", "--out", LONG),
    ("export", LONG),
    ("describe", "{table}", "--write", f"{LONG}.toml"),
    ("demo", "--out", LONG),
]


@pytest.mark.parametrize("arguments", TOO_LONG, ids=" ".join)
def test_a_name_that_is_too_long(
    arguments: tuple[str, ...], finished, churn_csv, steepest, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = steepest(*(each.format(run=finished, table=churn_csv) for each in arguments))
    assert told.status == 2
    assert "letters) is too long" in told.err
    assert "Hint: choose a shorter one." in told.err
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather"])
@pytest.mark.parametrize("way", ["same", "relative", "link", "hard link", "linked folder"])
def test_predictions_never_replace_their_rows(
    way: str, ending: str, finished, tmp_path, steepest, monkeypatch
) -> None:
    rows = tmp_path / f"rows.{ending}"
    table = churn_table(20)
    {"csv": table.write_csv, "parquet": table.write_parquet, "feather": table.write_ipc}[ending](rows)
    out = {
        "same": rows,
        "relative": Path(f"../{tmp_path.name}/./rows.{ending}"),
        "link": tmp_path / f"link.{ending}",
        "hard link": tmp_path / f"hard.{ending}",
        "linked folder": tmp_path / "folder" / f"rows.{ending}",
    }[way]
    if way == "link":
        out.symlink_to(rows)
    elif way == "hard link":
        out.hardlink_to(rows)
    elif way == "linked folder":
        out.parent.symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = rows.read_bytes()
    told = steepest("predict", finished, rows, "--out", out)
    assert (told.status, rows.read_bytes()) == (2, before)
    assert f"'{out.name}' is the input table" in told.err
    with pytest.raises(FolderError, match="is the input table"):
        TrainedModel.load(finished).write_predictions(rows, out)
    assert rows.read_bytes() == before


def test_a_report_never_replaces_its_log(tmp_path, steepest) -> None:
    log = tmp_path / "runs.csv"
    log.write_text("name,seed,step,split,accuracy\nadam,0,1,test,0.5\n")
    told = steepest("report", "--from", log, "--out", log)
    assert told.status == 2
    assert "'runs.csv' is the input table" in told.err
    assert log.read_text().startswith("name,seed")


@contextlib.contextmanager
def piped(content: bytes) -> Iterator[Path]:
    """Give the path of a pipe through which the content comes once."""
    reading, writing = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield Path(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        writer.join()


def in_parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


PIPED = {
    "csv": lambda table: table.write_csv().encode(),
    "long": lambda table: table.write_csv().encode() + b"30,pro,1.0,no\n" * 20_000,
    "gz": lambda table: gzip.compress(table.write_csv().encode()),
    "parquet": in_parquet,
}


@pytest.mark.parametrize("kind", PIPED)
def test_a_pipe_is_read(kind: str, finished, tmp_path, steepest) -> None:
    table = churn_table(30)
    content = PIPED[kind](table)
    with piped(content) as path:
        told = steepest("describe", path)
        assert told.status == 0, told.err
        assert f"{table.height + 20_000 * (kind == 'long'):,} rows, 4 columns" in told.out
    with piped(content) as path:
        told = steepest("predict", finished, path, "--out", tmp_path / "p.csv")
        assert told.status == 0, told.err
    expected = TrainedModel.load(finished).predict(table).table["p_yes"]
    found = pl.read_csv(tmp_path / "p.csv")["p_yes"].head(30)
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_standard_input(tmp_path) -> None:
    content = churn_table(30).write_csv().encode()
    command = [sys.executable, "-m", "steepest", "describe", "/dev/stdin"]
    told = subprocess.run(command, input=content, capture_output=True, env={**os.environ, "COLUMNS": "200"})
    assert told.returncode == 0, told.stderr.decode()
    assert "stdin: 30 rows, 4 columns" in told.stdout.decode()


def test_a_pipe_that_cannot_be_used_is_said(finished, tmp_path, steepest, monkeypatch) -> None:
    content = churn_table(60).write_csv().encode()
    with piped(content) as path:
        told = steepest("compare", path, "--target", "churned", *SMALL, "--out", tmp_path / "run")
        assert told.status == 2
        assert "can be read only once" in told.err
        assert "cat > table.csv" in told.err
        assert not (tmp_path / "run").exists()
    told = steepest("describe", "/dev/null")
    assert (told.status, "/dev/null is empty" in told.err) == (2, True)
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", 1 << 10)
    with piped(content) as path:
        told = steepest("describe", path)
    assert told.status == 2
    assert "come through" in told.err
    assert "save them in a file" in told.err
