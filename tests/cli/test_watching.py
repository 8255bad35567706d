"""Watching and calibration from the command line to the report, the export and new predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from steepest.cli import app
from steepest.recipe import load_tree
from steepest.record.schema import Record
from steepest.sweep.tracking import Tracker

SHORT = ["--model", "linear", "--epochs", "2", "--learning-rates", "0.01", "--baseline", "none", "--compile", "off",
         "--workers", "1", "--seeds", "2", "--yes"]  # fmt: skip


def _run(*arguments: str) -> str:
    found = CliRunner().invoke(app, list(arguments))
    assert found.exit_code == 0, found.output
    return found.output


def _table(path: Path, target: str) -> str:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 2))
    y = x[:, 0] + draw.normal(size=300)
    column = y if target == "number" else np.where(y > 0, "yes", "no")
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], target: column}).write_csv(path)
    return str(path)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("watched")
    out = home / "run"
    table = _table(home / "table.csv", "class")
    output = _run(
        "compare",
        table,
        "--target",
        "class",
        "-o",
        "adam",
        "-o",
        "sgd",
        "--watch",
        "all",
        "--out",
        str(out),
        *SHORT,
    )
    assert "Weights come from epoch" in output
    return out


def test_results_and_report_have_what_was_watched(watched: Path) -> None:
    found = json.loads((watched / "results.json").read_text())["watching"]
    assert [each["name"] for each in found["arms"]] == ["adam", "sgd"]
    assert {*found["arms"][0]["curves"]} == {"training", "validation", "gap", "l1", "l2", "gradient"}
    assert [each["name"] for each in found["calibrated"]] == ["adam", "sgd"]
    assert found["absent"] == []
    page = (watched / "report.html").read_text()
    for part in ('id="watching"', 'id="layers"', 'id="calibration"', "watched-gap", "reliability-after"):
        assert part in page


def test_an_export_has_every_run(watched: Path) -> None:
    _run("export", str(watched), "--format", "csv")
    lines = pl.read_csv(watched / "export" / "watching.csv").to_dicts()
    assert {each["quantity"] for each in lines} == {
        "training_log_loss",
        "training_accuracy",
        "l1",
        "l2",
        "gradient",
    }
    records = [json.loads(each) for each in (watched / "journal.jsonl").read_text().splitlines()]
    runs = [each["record"] for each in records if each["event"] == "run" and each["record"]["watched"]]
    counted = sum(len(each["curve"]) * (2 + 3 * len(each["watched"]["parameters"])) for each in runs)
    assert len(lines) == counted
    calibration = pl.read_csv(watched / "export" / "calibration.csv").to_dicts()
    assert {each["when"] for each in calibration} == {"before", "after"}
    bins = pl.read_csv(watched / "export" / "reliability.csv").to_dicts()
    assert len(bins) == len(calibration) * 2 * 15


def test_calibrated_predictions_have_the_same_classes(watched: Path, tmp_path: Path) -> None:
    table, plain, scaled = str(watched.parent / "table.csv"), tmp_path / "plain.csv", tmp_path / "scaled.csv"
    _run("predict", str(watched / "model"), table, "--out", str(plain))
    said = _run("predict", str(watched / "model"), table, "--out", str(scaled), "--calibrate")
    temperature = json.loads((watched / "model" / "model.json").read_text())["trained"]["temperature"]
    assert f"at temperature {temperature:.3g}" in said
    before, after = pl.read_csv(plain), pl.read_csv(scaled)
    assert before["prediction"].equals(after["prediction"])
    odds = [np.log(each["p_yes"].to_numpy() / each["p_no"].to_numpy()) for each in (before, after)]
    assert np.allclose(odds[0] / temperature, odds[1], rtol=1e-4, atol=1e-5)


def test_numbers_have_no_calibration_and_the_report_says_why(tmp_path: Path) -> None:
    out = tmp_path / "run"
    table = _table(tmp_path / "table.csv", "number")
    _run("compare", table, "--target", "number", "-o", "adam", "--out", str(out), *SHORT)
    found = json.loads((out / "results.json").read_text())["watching"]
    assert found["calibrated"] == found["arms"] == []
    page = (out / "report.html").read_text()
    assert "Calibration is not measured: number has no classes" in page
    assert "--watch</span> all records them" in page
    assert 'id="watching"' not in page  # nothing was watched: a line, and no card
    assert 'href="#watching"' not in page
    failed = CliRunner().invoke(
        app, ["predict", str(out / "model"), str(tmp_path / "table.csv"), "--calibrate"]
    )
    assert failed.exit_code != 0


def test_what_was_watched_in_some_runs_only_is_told(tmp_path: Path) -> None:
    """Of a folder that grows: training, validation and gap are of the same runs, and how many is said."""
    table, out = _table(tmp_path / "table.csv", "class"), tmp_path / "run"
    place = SHORT.index("--seeds")
    short = SHORT[:place] + SHORT[place + 2 :]
    begin = ["compare", table, "--target", "class", "-o", "adam", "--out", str(out), *short]
    _run(*begin, "--seeds", "2", "--watch", "norms")
    said = " ".join(_run(*begin, "--seeds", "4", "--watch", "gap").split())
    assert "--watch gap has no effect on finished runs, but on those to come" in said
    assert load_tree(out / "experiment.toml")["protocol"]["watch"] == ["gap"]
    found = json.loads((out / "results.json").read_text())["watching"]
    (arm,) = found["arms"]
    means = {key: each["mean"] for key, each in arm["reported"].items()}
    assert {key: each["n"] for key, each in arm["reported"].items()} == {
        "epoch": 4, "l1": 2, "l2": 2, "training": 2, "validation": 2, "gap": 2,
    }  # fmt: skip
    assert means["gap"] == pytest.approx(means["validation"] - means["training"])
    assert arm["training_rows"] > 0
    assert any(each["l2"] for each in arm["layers"])
    said = " ".join(found["absent"])
    assert "2 of 4 runs; the others were made without watching it" in said
    assert "gap" in said


def test_what_finished_runs_did_not_record_is_not_claimed_by_their_folder(steepest, churn_csv, tmp_path):
    text = ["compare", str(churn_csv), "--target", "churned", "-o", "sgd(lr=0.1)", "--epochs", "1", "--seeds", "1",
            "--model", "linear", "--compile", "off", "--baseline", "none", "--out", str(tmp_path / "run")]  # fmt: skip
    assert steepest(*text, "--watch", "gap").status == 0
    found = steepest(*text, "--watch", "sharpness", "--keep-path", "8")
    assert found.status == 0
    said = " ".join((found.out + found.err).split())
    assert "warning: --watch sharpness and --keep-path 8 have no effect on finished runs;" in said
    stored = load_tree(tmp_path / "run" / "experiment.toml")["protocol"]
    assert stored["watch"] == ["gap"]
    assert not stored.get("keep_path")
    found = steepest(*text)
    assert "no effect" not in found.out + found.err
    assert load_tree(tmp_path / "run" / "experiment.toml")["protocol"]["watch"] == ["gap"]


def test_runs_that_are_added_watch_and_keep_what_those_of_the_folder_have(steepest, churn_csv, tmp_path):
    out = tmp_path / "run"
    text = ["compare", str(churn_csv), "--target", "churned", "--epochs", "1", "--model", "linear", "--compile", "off",
            "--baseline", "none", "--out", str(out)]  # fmt: skip
    given = ["--watch", "gap", "--keep-path", "3"]
    assert steepest(*text, "-o", "sgd(lr=0.1)", "--seeds", "1", *given).status == 0
    for optimizer, seeds, runs in (("sgd(lr=0.1)", "2", 2), ("adam(lr=0.01)", "2", 4)):
        found = steepest(*text, "-o", optimizer, "--seeds", seeds)
        assert (
            "--watch gap and --keep-path 3: as in the finished runs of this folder" in found.out + found.err
        )
        stored = load_tree(out / "experiment.toml")["protocol"]
        assert (stored["watch"], stored["keep_path"]) == (["gap"], "3")
        assert len(list((out / "checkpoints").glob("path-*"))) == runs
        assert not json.loads((out / "results.json").read_text())["watching"]["absent"]


class Heard(Tracker):
    """Is told and forgets."""

    def run(self, experiment: str, record: Record) -> None:
        del experiment, record


def test_trackers_and_callbacks_that_finished_runs_lack_are_said(steepest, churn_csv, tmp_path, monkeypatch):
    for module in ("steepest.sweep.tracking", "steepest.experiment.settings"):
        monkeypatch.setattr(f"{module}.make_tracker", Heard)
    (tmp_path / "mine.py").write_text(
        "import steepest as st\n\n\nclass Log(st.Callback):\n    only_watches = True\n\n    def at_end(self, view):\n"
        "        pass\n"
    )
    text = ["compare", str(churn_csv), "--target", "churned", "--epochs", "1", "--seeds", "1", "--model", "linear",
            "--compile", "off", "--baseline", "none", "--no-references", "--out", str(tmp_path / "run")]  # fmt: skip
    log = f"{tmp_path / 'mine.py'}:Log"
    assert steepest(*text, "-o", "sgd(lr=0.1)").status == 0
    before = load_tree(tmp_path / "run" / "experiment.toml")
    track = f"tensorboard:{tmp_path / 'logs'}"
    found = steepest(*text, "-o", "sgd(lr=0.1)", "--track", track, "--callbacks", log)
    said = " ".join((found.out + found.err).split())
    assert (
        f"warning: --track {track} and --callbacks {log} have no effect on finished runs; give another"
        in said
    )
    stored = load_tree(tmp_path / "run" / "experiment.toml")
    assert stored["protocol"].get("callbacks") == before["protocol"].get("callbacks")
    assert stored["execution"].get("track") == before["execution"].get("track")
    more = steepest(*text, "-o", "adam(lr=0.1)", "--track", track)
    said = " ".join((more.out + more.err).split())
    assert f"warning: --track {track} has no effect on finished runs, but on those to come;" in said
    assert load_tree(tmp_path / "run" / "experiment.toml")["execution"]["track"] == [track]
    again = steepest("resume", str(tmp_path / "run"))
    assert "no effect" not in again.out + again.err
