"""The export of a real folder: every file there, whole, the same each time, and nothing of the folder changed."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import shlex

import polars as pl
import pytest

from steepest.errors import FolderError, MissingExtraError
from steepest.export import FORMATS, export_folder, plots
from steepest.export.bibliography import cited
from steepest.record.store import Folder
from tests.report.example import arms, crimes

FILES = {
    "latex": {"table.tex", "protocol.tex", "document.tex"},
    "svg": {"curves-step.svg", "curves-seconds.svg", "ranking.svg"},
    "pdf": {"curves-step.pdf", "curves-seconds.pdf", "ranking.pdf"},
    "csv": {
        "results.csv",
        "runs.csv",
        "curves.csv",
        "rates.csv",
        "differences.csv",
        "calibration.csv",
        "reliability.csv",
    },
    "text": {"protocol.txt"},
    "bibtex": {"references.bib"},
}


def test_every_format_has_its_files():
    assert set(FILES) == set(FORMATS)


def test_all_of_it(steepest, copied):
    before = {each.name: each.stat().st_mtime_ns for each in copied.iterdir()}
    said = steepest("export", copied)
    assert said.status == 0, said.err
    written = {each.name: each.read_bytes() for each in (copied / "export").iterdir()}
    assert set(written) == set().union(*FILES.values())
    assert [line.rpartition("/")[2] for line in said.out.split()] == list(
        dict.fromkeys(line.rpartition("/")[2] for line in said.out.split())
    )
    assert {
        each.name: each.stat().st_mtime_ns for each in copied.iterdir() if each.name != "export"
    } == before
    assert steepest("export", copied).status == 0
    assert {each.name: each.read_bytes() for each in (copied / "export").iterdir()} == written


def test_the_document_includes_what_lies_beside_it(copied):
    done = export_folder(copied)
    text = (done.path / "document.tex").read_text()
    for name in re.findall(r"\\input\{([^}]+)\}", text):
        assert (done.path / f"{name}.tex").is_file()
    for name in re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", text):
        assert (done.path / f"{name}.pdf").is_file()
    assert r"\bibliography{references}" in text
    assert "kingma2015adam" in (done.path / "references.bib").read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_one_format_alone(steepest, finished, tmp_path, name):
    said = steepest("export", finished, "--format", name, "--out", tmp_path / "new" / "paper")
    assert said.status == 0, said.err
    assert {each.name for each in (tmp_path / "new" / "paper").iterdir()} == FILES[name]
    if name == "latex":
        text = (tmp_path / "new" / "paper" / "document.tex").read_text()
        assert "includegraphics" not in text
        assert "bibliography" not in text


def test_the_curves_are_every_evaluation_of_every_run(finished, tmp_path):
    export_folder(finished, tmp_path, ["csv"])
    stored = pl.read_ipc(finished / "curves.arrow")
    found = pl.read_csv(tmp_path / "curves.csv", schema=stored.schema)
    assert found.columns == stored.columns
    assert found["value"].to_list() == stored["value"].fill_nan(None).to_list()


def test_the_protocol_tells_this_folders_runs(finished, tmp_path):
    export_folder(finished, tmp_path, ["text"])
    text = " ".join((tmp_path / "protocol.txt").read_text().split())
    final = [each for each in Folder(finished).records() if each.key.phase == "final"]
    assert f"Each run took {final[0].steps} steps (1 epoch)" in text
    assert "3 run seeds (0 to 2)" in text
    assert "480 for training, 60 for validation and 60 for test" in text
    assert "Not tuned, with the rate that was given: " in text
    assert "embedding-mlp(hidden=(8,), dropout=0.1)" in text


def test_an_unfinished_folder_names_the_command_that_finishes_it(steepest, copied):
    (copied / "results.json").unlink()
    said = steepest("export", copied)
    assert said.status == 2
    command = re.search(r"`(steepest resume [^`]+)`", said.err)
    assert command
    assert not (copied / "export").exists()
    assert steepest(*shlex.split(command[1])[1:]).status == 0
    assert steepest("export", copied, "--format", "text").status == 0


def test_without_matplotlib_everything_else_is_made(steepest, copied, monkeypatch):
    def missing(*_):
        raise MissingExtraError("SVG and PDF figures need matplotlib", hint="pip install '.[export]'")

    monkeypatch.setattr(plots, "draw_all", missing)
    said = steepest("export", copied)
    assert said.status == 0
    assert "left out: SVG and PDF figures need matplotlib: pip install '.[export]'" in said.err
    assert {each.name for each in (copied / "export").iterdir()} == set().union(*FILES.values()) - FILES[
        "svg"
    ] - FILES["pdf"]
    said = steepest("export", copied, "--format", "svg,csv", "--out", copied / "other")
    assert said.status == 2
    assert not (copied / "other").exists()


def test_a_full_disk_leaves_no_part_of_a_file(copied, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError, match="no space left"):
        export_folder(copied, formats=["text"])
    assert list((copied / "export").iterdir()) == []


def test_results_are_those_of_the_folder(finished, tmp_path):
    export_folder(finished, tmp_path, ["csv"])
    tidy = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text())))
    with (finished / "results.csv").open() as file:
        wide = list(csv.DictReader(file))
    mean = {(row["kind"], row["name"]): row["mean"] for row in tidy if row["metric"] == "log_loss"}
    for row in wide:
        assert mean[row["kind"], row["name"]] == row["log_loss"]


def test_the_bibliography_has_the_optimizers_of_arms():
    found = cited(arms())
    assert found == ["adam", "momentum(lr=0.1)", "sgd"]
    other = [each.model_copy(update={"levels": {"model": "linear"}}) for each in arms().arms]
    given = [
        each.model_copy(update={"factors": {"optimizer": "lion(lr=0.1) with its rate tuned"}})
        for each in other
    ]
    assert cited(arms().model_copy(update={"arms": given, "factors": ["model"]})) == ["lion(lr=0.1)"]
    assert cited(crimes()) == [row.name for row in crimes().rows if row.kind == "arm"]
