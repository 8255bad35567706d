"""How soon a target is reached that is given to a finished comparison, against a plain loop over its stored curves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest

import steepest as st
from steepest.report.reached import caption


def soonest(folder: Path, metric: str, reached) -> dict[str, tuple[int, int, float]]:
    """Return by arm how many runs there are, how many reached it, and the step at the middle of them, or infinity."""
    steps: dict[tuple[str, int], float] = {}
    for row in pl.read_ipc(folder / "curves.arrow").to_dicts():
        if row["phase"] != "final" or row["metric"] != metric:
            continue
        key = row["name"], row["seed"]
        steps.setdefault(key, math.inf)
        if reached(row["value"]):
            steps[key] = min(steps[key], row["step"])
    found = {}
    for name in {name for name, _ in steps}:
        some = sorted(each for (of, _), each in steps.items() if of == name)
        low, high = some[(len(some) - 1) // 2], some[len(some) // 2]
        found[name] = len(some), sum(each < math.inf for each in some), (low + high) / 2
    return found


@pytest.mark.parametrize("text", ["0.6", "log-loss=0.5", "accuracy=0.7", "accuracy=0.8", "accuracy=1"])
def test_it_is_what_a_plain_loop_over_the_curves_finds(copied: Path, steepest, text: str) -> None:
    made = (copied / "journal.jsonl").read_bytes()
    said = steepest("report", copied, "--reach", text)
    assert said.status == 0, said.err
    assert (copied / "journal.jsonl").read_bytes() == made, "it makes no runs"
    stored = json.loads((copied / "results.json").read_text())["reached"]
    value = float(text.rpartition("=")[2])
    accuracy = text.startswith("accuracy")
    expected = soonest(
        copied,
        "accuracy" if accuracy else "log_loss",
        (lambda found: found >= value) if accuracy else lambda found: found <= value,
    )
    assert {
        each["name"]: (each["runs"], each["reached"], math.inf if each["step"] is None else each["step"])
        for each in stored["arms"]
    } == expected
    assert (stored["given"], stored["target"]) == (True, value)
    shown = f"accuracy ≥ {100 * value:g} %" if accuracy else f"log loss ≤ {value:g}"
    assert shown in said.out
    assert shown in (copied / "report.html").read_text()
    assert st.Result.load(copied).reached().rows() == st.Result.load(copied).reached(text).rows()


def test_another_file_leaves_the_results_and_auto_brings_the_first_target_back(
    copied: Path, steepest, tmp_path: Path
) -> None:
    results = copied / "results.json"
    steepest("report", copied, "--reach", "auto")  # the folder has another name by now
    before = json.loads(results.read_text())
    page = tmp_path / "other.html"
    assert steepest("report", copied, "--reach", "0.6", "--out", page).status == 0
    assert json.loads(results.read_text()) == before
    assert "log loss ≤ 0.6 on" in page.read_text()
    steepest("report", copied, "--reach", "0.6")
    assert json.loads(results.read_text()) != before
    steepest("report", copied, "--reach", "auto")
    assert json.loads(results.read_text()) == before


def test_a_comparison_is_asked_for_it_without_new_runs(copied: Path, steepest) -> None:
    text = (copied / "experiment.toml").read_text()
    (copied / "experiment.toml").write_text(text.replace('reach = ""', 'reach = "accuracy=0.7"'))
    said = steepest("resume", copied)
    assert said.status == 0, said.err
    assert "nothing left to run" in said.err
    assert json.loads((copied / "results.json").read_text())["reached"]["metric"] == "accuracy"


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["accuracy=95"], "the target 95 is no value of accuracy, which is from 0 to 1"),
        (["soon"], "--reach 'soon' is no value of a metric"),
        (["roc-auc=0.9"], "runs are not evaluated by ROC AUC"),
    ],
)
def test_what_is_no_target_is_refused(copied: Path, steepest, arguments: list[str], fact: str) -> None:
    said = steepest("report", copied, "--reach", *arguments)
    assert said.status == 2
    assert fact in said.err
    assert "Hint:" in said.err


def test_it_is_refused_where_there_is_no_one_comparison(finished: Path, steepest, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    for where in ([finished, finished], ["--from", log]):
        said = steepest("report", *where, "--reach", "0.5")
        assert said.status == 2
        assert "--reach has no effect" in said.err


def test_results_of_an_earlier_version_are_written_again_first(copied: Path, steepest) -> None:
    stored = json.loads((copied / "results.json").read_text())
    for arm in stored["arms"]:
        del arm["reported"]
    (copied / "results.json").write_text(json.dumps(stored))
    said = steepest("report", copied, "--reach", "0.6")
    assert said.status == 2
    assert "steepest resume" in said.err


def test_of_procedures_it_is_said_what_is_counted(finished: Path) -> None:
    found = st.Result.load(finished).comparison
    arms = [
        each.model_copy(update={"factors": {**each.factors, "procedure": "continue(0.5)"}})
        for each in found.arms
    ]
    assert "last stage" not in caption(found)
    assert "last stage" in caption(found.model_copy(update={"arms": arms}))
