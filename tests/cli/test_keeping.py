"""``steepest list runs`` and ``steepest clean``: what is listed is there, and nothing goes that is not ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from steepest.record.current import identity
from steepest.record.lock import locked
from steepest.record.schema import Record, RunKey
from steepest.record.store import Folder
from tests.cli.conftest import QUICK


def made(
    path: Path,
    *,
    runs: int = 1,
    value: float | None = None,
    title: str = "churn",
    baseline: float | None = None,
) -> Path:
    """Make a comparison's folder; without a value it has no results, with one of a baseline that is recommended."""
    folder = Folder(path)
    folder.make()
    folder.write("experiment.toml", 'name = "churn"\n')
    folder.begin("f00", title)
    for seed in range(runs):
        key = RunKey(name="adam", recipe="abc", seed=seed, phase="final")
        folder.append_record(Record(key=key, lr=0.1, steps=9, outcome="finished"))
    for name in ("checkpoints/abc-0", "checkpoints/start-abc-0-best", "rows/abc-0"):
        (path / f"{name}.safetensors").write_bytes(bytes(100))
    if value is not None:
        row = {"kind": "arm", "name": "adam", "metrics": {"rmse": {"mean": value}}}
        stored = {
            "title": title,
            "winner": "adam",
            "metric": "rmse",
            "rows": [row],
            "arms": [{"title": "adam", "factors": {"model": "mlp(hidden=[8])"}}],
            "experiment": identity(folder),
        }
        if baseline is not None:
            metrics = {"rmse": {"mean": baseline}}
            trees = {"kind": "baseline", "name": "trees", "model": "baselines/trees", "metrics": metrics}
            stored |= {"recommended": "trees", "rows": [row, trees]}
        folder.write("results.json", json.dumps(stored))
        folder.write("report.html", "<p>")
    return path


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Folders of comparisons, and others that are not."""
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "runs/a", runs=3, value=2.0, title="rent")
    made(tmp_path / "runs/deep/b", runs=1, value=1.0)
    made(tmp_path / "runs/c", runs=2)
    (tmp_path / "runs/mine").mkdir()
    (tmp_path / "runs/mine/experiment.toml").write_text("[mine]\n")  # of another program
    (tmp_path / "runs/mine/journal.jsonl").write_text('{"kind":"mine"}\n')
    (tmp_path / "runs/mine/.a.tmp").write_text("")
    return tmp_path / "runs"


def files(path: Path) -> set[str]:
    return {each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file()}


def test_all_comparisons_below_a_folder_are_listed(steepest, place) -> None:
    found = json.loads(steepest("list", "runs", "--json").out)
    assert [(each["path"], each["state"], each["runs"], each["value"]) for each in found] == [
        ("runs/a", "finished", 3, 2.0),
        ("runs/c", "unfinished", 2, None),
        ("runs/deep/b", "finished", 1, 1.0),
    ]
    for each in found:
        path = Path(each["path"])
        assert each["bytes"] == sum((path / name).stat().st_size for name in files(path))
    table = steepest("list", "runs").out
    assert "rmse 2" in table
    assert "3 comparisons" in table


@pytest.mark.parametrize("width", [60, 80, 100, 130])
def test_nothing_is_cut_in_a_narrow_terminal(steepest, place, monkeypatch, width) -> None:
    """At 80 columns dates ended as "2026-11-27 2", and sizes were gone."""
    made(place / "a-comparison-with-a-rather-long-name/and-a-set", value=123.456, baseline=1234.5, title="x")
    monkeypatch.setenv("COLUMNS", str(width))
    table = steepest("list", "runs").out
    assert max(map(len, table.splitlines())) <= width
    shown = re.findall(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", table)
    assert len(shown) == 4
    assert all(shown) == (width >= 100)
    assert "…" not in table
    assert len(re.findall(r"\d+ kB", table)) == 5
    assert re.search(r"rmse(\s+1234| .*\n.* 1234)", table)
    assert (
        "a-comparison-with-a-rather-long-name/and-a-set" in re.sub(r"\s{2,}.*\n?", "", table) or width < 130
    )


def test_a_suite_is_listed_before_its_data_sets(steepest, place) -> None:
    made(place / "suite-mine/digits", value=0.5)
    (place / "suite-mine/suite.json").write_text('{"suite": "mine", "sets": []}')
    found = {each["path"]: each for each in json.loads(steepest("list", "runs", "--json").out)}
    assert [each for each in found if "suite" in each] == ["runs/suite-mine", "runs/suite-mine/digits"]
    assert found["runs/suite-mine"]["suite"] == "mine"
    assert found["runs/suite-mine"]["bytes"] == 29
    out = steepest("list", "runs").out
    assert "(suite mine)" in out
    assert "4 comparisons, 1 suite" in out
    before = files(place / "suite-mine")
    steepest("clean", "runs", "--unfinished", "--checkpoints", "--yes")
    assert "suite.json" in files(place / "suite-mine") < before
    (place / "suite-mine/suite.json").write_text('{"other": 1}')
    assert "1 suite" not in steepest("list", "runs").out


@pytest.mark.parametrize("command", [["list", "runs"], ["clean"]], ids=["list", "clean"])
def test_where_nothing_was_made_yet_the_hint_says_how(steepest, tmp_path, monkeypatch, command) -> None:
    monkeypatch.chdir(tmp_path)
    found = steepest(*command)
    assert found.status == 2
    assert "there is no folder 'runs' here" in found.err
    assert "steepest compare DATA --target COLUMN makes one" in " ".join(found.err.split())


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        (["--sort", "runs"], ["runs/deep/b", "runs/c", "runs/a"]),
        (["--sort", "-runs"], ["runs/a", "runs/c", "runs/deep/b"]),
        (["--sort", "value", "--having", "rmse"], ["runs/deep/b", "runs/a"]),
        (["--having", "unfinished"], ["runs/c"]),
        (["--having", "finished mlp"], ["runs/a", "runs/deep/b"]),
        (["--having", "RENT adam"], ["runs/a"]),
    ],
)
def test_they_are_sorted_and_filtered(steepest, place, options, paths) -> None:
    found = json.loads(steepest("list", "runs", "runs", "--json", *options).out)
    assert [each["path"] for each in found] == paths


def test_one_that_is_under_way_or_damaged_says_so(steepest, place) -> None:
    with (place / "a/journal.jsonl").open("a") as file:
        file.write("{\n{}\n")
    with locked(place / "c"):
        found = json.loads(steepest("list", "runs", "--json").out)
        assert [each["state"] for each in found] == ["damaged", "under way", "finished"]
        assert steepest("clean", "runs/c", "--unfinished", "--yes").out == "nothing to delete\n"
    assert (place / "c/journal.jsonl").is_file()


@pytest.mark.parametrize("lost", [b"", b"\xff\xfe", b"\0\0\0"], ids=["empty", "stray bytes", "zeros"])
def test_one_whose_journal_lost_its_beginning_is_listed_and_left_alone(steepest, place, lost) -> None:
    journal = place / "a/journal.jsonl"
    journal.write_bytes(lost + (journal.read_bytes() if len(lost) == 2 else b""))
    found = json.loads(steepest("list", "runs", "--json").out)
    assert [(each["path"], each["state"]) for each in found[:2]] == [
        ("runs/a", "damaged"),
        ("runs/c", "unfinished"),
    ]
    before = files(place / "a")
    assert steepest("clean", "runs/a", "--checkpoints", "--unfinished", "--yes").out == "nothing to delete\n"
    assert files(place / "a") == before


@pytest.mark.parametrize("more", ["experiment", "code"])
def test_one_that_was_asked_for_more_since_its_results_is_unfinished(steepest, place, more) -> None:
    folder = Folder(place / "a")
    if more == "experiment":
        folder.write("experiment.toml", 'name = "churn"\noptimizers = ["adam", "sgd"]\n')
    else:
        folder.keep_code("mine.py:Net", "mine.py", "0ff", {"mine.py": "class Net: ..."})
    [found] = json.loads(steepest("list", "runs", "runs/a", "--json").out)
    assert (found["state"], found["winner"], found["value"]) == ("unfinished", "", None)
    before = files(place / "a")
    assert steepest("clean", "runs/a", "--checkpoints", "--unfinished", "--yes").out == "nothing to delete\n"
    assert files(place / "a") == before


def test_a_finished_comparison_that_is_given_more_arms_and_interrupted_is_not_finished(
    steepest, copied, churn_csv, monkeypatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = files(copied)
    with monkeypatch.context() as patch:
        patch.setattr("steepest.experiment.run.carry_out", interrupted)
        more = ["-o", "adam(lr=0.01),sgd(lr=0.1),momentum(lr=0.1)", *QUICK, "--out", copied]
        assert steepest("compare", churn_csv, "--target", "churned", *more).status == 130
    [found] = json.loads(steepest("list", "runs", copied, "--json").out)
    assert found["state"] == "unfinished"
    assert steepest("clean", copied, "--checkpoints", "--yes").out == "nothing to delete\n"
    assert files(copied) >= before
    said = "these results are those of an earlier configuration"
    report = steepest("report", copied)
    assert said in " ".join(report.out.split())
    assert said in (copied / "report.html").read_text()
    rows = copied.parent / "rows.csv"
    rows.write_text("".join(churn_csv.read_text().splitlines(keepends=True)[:4]))
    assert said in steepest("predict", copied, rows, "--out", copied.parent / "p.csv").err
    assert steepest("resume", copied).status == 0
    [found] = json.loads(steepest("list", "runs", copied, "--json").out)
    assert (found["state"], found["arms"]) == ("finished", 3)
    assert said not in " ".join(steepest("report", copied).out.split())


def test_where_or_how_runs_are_made_changes_no_state(steepest, place) -> None:
    text = 'name = "churn"\n[execution]\nworkers = 2\n[plan]\ntorch = "9"\n'
    Folder(place / "a").write("experiment.toml", text)
    [found] = json.loads(steepest("list", "runs", "runs/a", "--json").out)
    assert found["state"] == "finished"


def test_results_of_an_earlier_version_count_as_they_did(steepest, place) -> None:
    path = place / "a/results.json"
    stored = json.loads(path.read_text())
    del stored["experiment"]
    path.write_text(json.dumps(stored))
    Folder(place / "a").write("experiment.toml", 'name = "other"\n')
    [found] = json.loads(steepest("list", "runs", "runs/a", "--json").out)
    assert found["state"] == "finished"


def test_what_is_shown_is_what_predicts(steepest, place) -> None:
    made(place / "e", value=2.0, baseline=0.5)
    [found] = json.loads(steepest("list", "runs", "runs/e", "--json").out)
    assert (found["winner"], found["value"]) == ("adam", 2.0)
    assert (found["recommended"], found["recommended_value"]) == ("trees", 0.5)
    head, line = steepest("list", "runs", "runs/e").out.splitlines()[:2]
    assert "predicts with" in head
    assert "trees" in line
    assert "rmse 0.5" in line
    assert "adam" not in line
    order = json.loads(steepest("list", "runs", "--json", "--sort", "value", "--having", "trees").out)
    assert [each["path"] for each in order] == ["runs/e"]


def test_without_yes_nothing_is_deleted(steepest, place) -> None:
    before = files(place)
    said = steepest("clean", "--checkpoints", "--unfinished")
    assert said.out.splitlines()[-1].startswith("would delete ")
    assert files(place) == before


def test_only_what_is_of_no_more_use_goes(steepest, place) -> None:
    for name in ("a/.results.json.x.tmp", "a/checkpoints/.abc.tmp", "a/.workers/data.bin"):
        path = place / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    before = files(place)
    said = steepest("clean", "--yes")
    assert said.status == 0
    gone = before - files(place)
    assert gone == {
        "a/.results.json.x.tmp",
        "a/checkpoints/.abc.tmp",
        "a/.workers/data.bin",
        "a/checkpoints/start-abc-0-best.safetensors",
        "deep/b/checkpoints/start-abc-0-best.safetensors",
    }
    assert not (place / "a/.workers").exists()
    assert steepest("clean", "--yes").out == "nothing to delete\n"


def test_weights_and_unfinished_ones_go_where_that_is_asked_for(steepest, place) -> None:
    steepest("clean", "--checkpoints", "--yes", "runs/a")
    assert files(place / "a") == {"experiment.toml", "journal.jsonl", "results.json", "report.html"}
    assert (place / "a/checkpoints").is_dir()
    (place / "c/notes.txt").write_text("mine")
    (place / "c/rows/plot.py").write_text("mine, too")
    assert steepest("clean", "--unfinished", "--yes").status == 0
    assert files(place / "c") == {"notes.txt", "rows/plot.py"}
    steepest("clean", "--yes", str(made(place / "d")), "--unfinished")
    assert not (place / "d").exists()
    assert (place / "deep/b/results.json").is_file()


def test_what_is_not_ours_and_what_links_lead_to_stays(steepest, place, tmp_path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / ".kept.tmp").write_text("")
    (other / "kept.safetensors").write_text("")
    (place / "c/arms").symlink_to(other)
    (place / "c/rows/link.safetensors").symlink_to(other / "kept.safetensors")
    (place / "linked").symlink_to(place / "a")
    steepest("clean", "--unfinished", "--checkpoints", "--yes")
    assert files(other) == {".kept.tmp", "kept.safetensors"}
    assert files(place / "mine") == {"experiment.toml", "journal.jsonl", ".a.tmp"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["list", "runs", "nowhere"], "there is no folder 'nowhere'"),
        (["list", "runs", "--sort", "age"], "--sort 'age' is no order"),
        (["list", "models", "--sort", "date"], "--sort has no effect on models"),
        (["clean", "nowhere"], "there is no folder 'nowhere'"),
    ],
)
def test_a_wrong_command_is_refused(steepest, place, command, said) -> None:
    found = steepest(*command)
    assert found.status == 2
    assert said in found.err
