"""A folder of an earlier format opens, predicts, exports and stands beside others; nothing is added to it.

``format-1/`` was written by version 0.1's code before folders had a format number, ``format-2/`` before a comparison
was of arms (without its report, curves, checkpoints and two of its baselines).
"""

from __future__ import annotations

import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.cli import main
from steepest.data.table import read_table
from steepest.errors import FolderError
from steepest.experiment.folder import check_folder, check_unchanged
from steepest.recipe import load_tree, validate_experiment
from steepest.record.store import ENCODING, FORMAT, Folder
from steepest.sweep.observer import Observer
from tests.conftest import SHORT, churn_table

EARLIER = range(1, FORMAT)


@pytest.fixture(params=EARLIER)
def old(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of an old folder, with its data beside it."""
    monkeypatch.chdir(tmp_path)
    churn_table(120).write_csv("churn.csv")
    return Path(shutil.copytree(Path(__file__).with_name(f"format-{request.param}"), "old"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_it_opens_reports_exports_and_predicts(old: Path) -> None:
    assert Folder.open(old).format in EARLIER
    result = st.Result.load(old)
    assert result.comparison.winner == "sgd(lr=0.1)"
    assert result.difference("sgd(lr=0.1)", "adam(lr=0.01)").n == 2
    for arguments in (["report", old], ["export", old], ["report", old, old / ".." / "twin"]):
        if len(arguments) > 2:
            shutil.copytree(old, "twin")
        assert main([str(each) for each in arguments]) == 0
    assert main(["predict", "old", "churn.csv", "--out", "p.csv"]) == 0
    shares = pl.read_csv("p.csv")
    assert shares.height == 120
    assert 0 < shares["p_yes"].mean() < 1
    assert shares.select(pl.sum_horizontal("p_no", "p_yes")).to_series().round(9).unique().to_list() == [1.0]


def test_its_rows_are_the_optimizers_and_stand_beside_a_new_folder(old: Path) -> None:
    comparison = st.Result.load(old).comparison
    assert [row.name for row in comparison.rows if row.kind == "arm"] == ["sgd(lr=0.1)", "adam(lr=0.01)"]
    assert [arm.title for arm in comparison.arms] in ([], ["sgd(lr=0.1)", "adam(lr=0.01)"])
    assert main([*SHORT, "--hidden", "4", "--out", "new"]) == 0
    assert main(["report", "old", "new", "--out", "both.html"]) == 0
    both = Path("both.html").read_text()
    assert "adam(lr=0.01)" in both  # in the old one alone
    assert "earlier version" not in both


def test_recipes_keep_their_identity_and_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What recipes got since then has neutral values: the same comparison has the same runs."""
    monkeypatch.chdir(tmp_path)
    churn_table(120).write_csv("churn.csv")
    old = Folder(Path(__file__).with_name("format-2"))
    assert (
        main(
            [
                "compare",
                str(old.path / "experiment.toml"),
                "--compile",
                "off",
                "--threads",
                "1",
                "--out",
                "new",
            ]
        )
        == 0
    )
    before, now = ({(r.key.recipe, r.key.seed): r for r in each.records()} for each in (old, Folder("new")))
    assert set(before) == set(now)
    for key, record in before.items():
        test = {name: now[key].test[name] for name in record.test}  # there may be more metrics now
        assert test == pytest.approx(record.test, rel=1e-5)
        assert now[key].best == pytest.approx(record.best, rel=1e-5)


def test_nothing_is_added_to_it(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, number = contents(old), Folder(old).format
    for arguments in (["resume", "old"], [*SHORT, "--out", "old"], [*SHORT, "--out", "old", "--dry-run"]):
        assert main(arguments) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"started by an earlier version (folder format {number}, now {FORMAT})" in said
        assert "steepest compare old/experiment.toml --out old-again" in said
    with pytest.raises(FolderError, match="earlier version"):
        st.plan("churn.csv", target="churned").run(old, observer=Observer())
    assert contents(old) == before
    assert main(["compare", "old/experiment.toml", "--out", "old-again"]) == 0  # the cure
    assert Folder.open("old-again").format == FORMAT
    assert main(["resume", "old-again"]) == 0


def test_a_later_format_is_refused_by_every_command(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = old / "journal.jsonl"
    journal.write_text(
        re.sub(r'"event":"data",("format":\d+,)?', '"event":"data","format":99,', journal.read_text())
    )
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
    known = {"format": FORMAT, "encoding": ENCODING}
    assert begun == {"event": "data", **known, "data": "f00", "name": "churn"}


def test_a_split_by_time_of_an_earlier_version_is_no_changed_file(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {"day": np.repeat(range(25), 4), "y": ["a", "b"] * 50, "x": [7.5, 1.0, 2.0, 4.0, 0.0] * 20}
    )
    for split, encoding, why in (
        ("time:day", 2, "which split by time inside a moment"),
        ("time:day", ENCODING, "has changed"),
        ("random", 2, "has changed"),
    ):
        folder = Folder(tmp_path)
        begun = {"event": "data", "format": FORMAT, "data": "f00", "name": "rows", "encoding": encoding}
        folder.journal.path.write_text(json.dumps(begun) + "\n")
        with pytest.raises(FolderError, match=why):
            check_unchanged(folder, read_table(rows, target="y", split=split))


def test_dates_without_their_day_of_the_year_are_those_of_an_earlier_version(tmp_path: Path) -> None:
    """The data of such a folder is not said to have changed, and that of another one is."""
    days = [date(2020, 1, 1) + timedelta(days=9 * i) for i in range(100)]
    source = read_table(pl.DataFrame({"day": days, "y": ["a", "b"] * 50}), target="y")
    (tmp_path / "experiment.toml").write_text('[data]\nsource = "rows.csv"\ntarget = "y"\n')
    experiment = validate_experiment(load_tree(tmp_path / "experiment.toml"), where="")
    begun = {"event": "data", "format": FORMAT, "data": "f00", "name": "rows"}
    for encoding, why in (({}, "without their day of year"), ({"encoding": ENCODING}, "has changed")):
        folder = Folder(tmp_path)
        folder.journal.path.write_text(json.dumps(begun | encoding) + "\n")
        with pytest.raises(FolderError, match=why):
            check_unchanged(folder, source)
        with pytest.raises(FolderError, match=why):
            check_folder(folder, experiment, source.dataset())
        shorter = read_table(pl.DataFrame({"day": days[:40], "y": ["a", "b"] * 20}), target="y")
        with pytest.raises(FolderError, match="has changed"):
            check_unchanged(folder, shorter)
