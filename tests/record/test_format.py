"""A folder of an earlier format opens, predicts, exports and stands beside others; nothing is added to it.

``format-1/`` was written by version 0.1's code before folders had a format number.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

import steepest as st
from steepest.cli import main
from steepest.errors import FolderError
from steepest.record.store import FORMAT, Folder
from steepest.sweep.observer import Observer
from tests.conftest import SHORT, churn_table

OLD = Path(__file__).with_name("format-1")


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old folder, with its data beside it."""
    monkeypatch.chdir(tmp_path)
    churn_table(120).write_csv("churn.csv")
    return Path(shutil.copytree(OLD, "old"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_it_opens_reports_exports_and_predicts(old: Path) -> None:
    assert Folder.open(old).format == 1
    result = st.Result.load(old)
    assert result.comparison.winner == "sgd(lr=0.1)"
    assert result.difference("sgd(lr=0.1)", "adam(lr=0.01)").n == 2
    for arguments in (["report", old], ["export", old], ["report", old, old / ".." / "twin"]):
        if len(arguments) > 2:
            shutil.copytree(OLD, "twin")
        assert main([str(each) for each in arguments]) == 0
    assert main(["predict", "old", "churn.csv", "--out", "p.csv"]) == 0
    shares = pl.read_csv("p.csv")
    assert shares.height == 120
    assert 0 < shares["p_yes"].mean() < 1
    assert shares.select(pl.sum_horizontal("p_no", "p_yes")).to_series().round(9).unique().to_list() == [1.0]


def test_nothing_is_added_to_it(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(old)
    for arguments in (["resume", "old"], [*SHORT, "--out", "old"], [*SHORT, "--out", "old", "--dry-run"]):
        assert main(arguments) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "started by an earlier version (folder format 1, now 3)" in said
        assert "steepest compare old/experiment.toml --out old-again" in said
    with pytest.raises(FolderError, match="earlier version"):
        st.plan("churn.csv", target="churned").run(old, observer=Observer())
    assert contents(old) == before
    assert main(["compare", "old/experiment.toml", "--out", "old-again"]) == 0  # the cure
    assert Folder.open("old-again").format == FORMAT
    assert main(["resume", "old-again"]) == 0


def test_a_later_format_is_refused_by_every_command(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = old / "journal.jsonl"
    journal.write_text(journal.read_text().replace('{"event":"data",', '{"event":"data","format":99,', 1))
    compare = ["compare", "churn.csv", "--target", "churned", "--out", "old"]
    for arguments in (["report", "old"], ["export", "old"], ["resume", "old"], compare):
        assert main(arguments) == 2
        assert "folder format 99" in " ".join(capsys.readouterr().err.split())


def test_a_folder_that_was_hardly_begun_has_no_earlier_format(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.format == FORMAT
    folder.journal.path.write_bytes(b'{"event":"da')  # torn
    assert folder.format == FORMAT
    folder.begin("f00", "churn")
    folder.begin("f00", "churn")
    (begun,) = folder.journal.read()
    assert begun.pop("at") == Path.cwd().as_posix()
    assert begun == {"event": "data", "format": FORMAT, "data": "f00", "name": "churn"}
