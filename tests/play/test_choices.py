"""A page offers registered names and tables of the working folder, and starts nothing else."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from steepest.errors import SteepestError
from steepest.play import choices, pages
from steepest.play.job import WatchedComparison
from steepest.play.making import make
from steepest.play.pictures import curves
from steepest.play.workplace import Workplace
from steepest.record.store import Folder

CODE = ["mine.py:MyOpt", "torch:Adamax", "adam(lr=mine.py:X)", "adam(lr='/etc/passwd')", "distil(teacher=runs/x)",
        "adam(betas=(0.9, 'a:b'))", "~/x", "os:system"]  # fmt: skip


@pytest.mark.parametrize("text", CODE)
def test_nothing_that_names_code_or_a_file_is_started(text: str, place: Workplace) -> None:
    with pytest.raises(SteepestError, match=r"names code or a file|cannot read"):
        choices.registered(text)
    for options in ({"optimizers": [text]}, {"optimizers": ["sgd"], "model": [text]}):
        with pytest.raises(SteepestError):
            place.start("a", "flights", options)
    assert place.job is None


@pytest.mark.parametrize("name", ["..", "../a", "/tmp/a", "a/b", "", ".a", "a\\b", "a" * 61, "a\0b", "a\nb"])
def test_a_name_is_no_path(name: str, place: Workplace) -> None:
    with pytest.raises(SteepestError, match="the name is"):
        place.start(name, "flights", {"optimizers": ["sgd"]})


def test_tables_of_the_working_folder_are_offered_and_no_others(place: Workplace, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside.csv"
    outside.write_text("x,y\n1,2\n")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.parquet").write_bytes(b"")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "c.csv").write_text("x\n")
    (tmp_path / "notes.md").write_text("x\n")
    (tmp_path / "link.csv").symlink_to(outside)
    assert choices.files(tmp_path) == ["a.csv", "deep/b.parquet"]
    for data in ("link.csv", str(outside), "../outside.csv", "notes.md", "nosuch.csv"):
        with pytest.raises(SteepestError, match="not offered"):
            place.start("a", data, {"optimizers": ["sgd"]})
    place.data = str(outside)  # what the command line was given may be anywhere
    assert choices.check_data(str(outside), place.base, place.data) == str(outside)


SMALL = {"target": "y", "optimizers": ["sgd(lr=0.1)", "adam(lr=0.01)"], "seeds": 2, "epochs": 2, "compile": "off",
         "workers": 1, "baseline": ["none"], "hidden": [4]}  # fmt: skip


def table(path: Path) -> str:
    rows = [f"{each % 17},{'yes' if each % 17 > 8 else 'no'}" for each in range(300)]
    path.write_text("\n".join(["x,y", *rows]))
    return path.name


def test_what_a_comparison_tells_are_its_records(place: Workplace, tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv")
    events: list[dict[str, object]] = []
    options = {**SMALL, "optimizers": ["sgd(lr=0.1)"], "seeds": 1, "epochs": 1}
    assert make({"out": "runs/play/a", "data": data, "options": options}, events.append) == 0
    job = WatchedComparison(Path("runs/play/a"))
    for each in json.loads(json.dumps(events)):
        job.heard(each)
    history = Folder(job.out).history()
    assert {which: each.values for which, each in job.curves.items()} == {
        which: [point.validation["log_loss"] for point in record.curve] for which, record in history.items()
    }
    assert {each.outcome for each in job.curves.values()} == {"finished"}
    assert (job.state, job.share) == ("done", 1.0)
    assert "/kept/a/report.html" in pages.progress(job)


@pytest.mark.slow
def test_a_comparison_is_watched_stopped_and_goes_on(place: Workplace, tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv")
    job = place.start("first", data, {**SMALL, "epochs": 200, "batch_size": 240})
    with pytest.raises(SteepestError, match="runs already"):
        place.start("second", data, SMALL)
    while job.running and not any(each.outcome for each in job.curves.values()):
        time.sleep(0.02)
    job.stop(wait=True)
    assert job.state == "stopped", job.error
    kept = Folder(Path("runs/play/first")).history()
    assert 0 < len(kept) < 8
    assert place.kept() == {"first": False}
    assert "stopped" in pages.progress(job)

    again = place.go_on("first")
    assert again.wait(120)
    assert (again.state, again.error) == ("done", "")
    assert again.sentence
    assert "/kept/first/report.html" in pages.progress(again)
    history = Folder(Path("runs/play/first")).history()
    assert kept.items() <= history.items()
    assert {which: each.values for which, each in again.curves.items()} == {
        which: [point.validation["log_loss"] for point in record.curve] for which, record in history.items()
    }
    assert len(curves(again.curves.values(), again.metric).data) == len(history)


def test_an_error_of_a_comparison_is_told_with_its_cure(place: Workplace, tmp_path: Path) -> None:
    data = table(tmp_path / "rows.csv")
    job = place.start("wrong", data, {**SMALL, "target": "z"})
    assert job.wait(120)
    assert job.state == "failed"
    assert "'z'" in job.error


def test_a_run_that_diverges_does_not_flatten_the_others() -> None:
    job = WatchedComparison(Path("nowhere"))
    for seed, values in enumerate(([1.0, 0.5], [1.0, 1e9])):
        for step, value in enumerate(values):
            key = {"name": "sgd", "recipe": "r", "seed": seed, "phase": "final"}
            point = {"step": step, "epoch": step, "train_loss": value, "validation": {"log_loss": value}}
            job.heard({"event": "point", "key": key, "rate": 0.1, "point": point})
    assert curves(job.curves.values(), job.metric).layout.yaxis.range[1] < 2
