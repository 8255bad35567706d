"""A folder of arms grows by values, optimizers and seeds: only what is missing runs, and every bit is a fresh one's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steepest.cli import main
from steepest.record.schema import Record
from steepest.record.store import Folder
from steepest.regularizers.averages.swa import SWA
from tests.conftest import churn_table

BASE = ["compare", "churn.csv", "--target", "churned", "--epochs", "1", "--hidden", "4", "--threads", "1",
        "--compile", "off", "--baseline", "none"]  # fmt: skip
SGD, ADAM, MOMENTUM = (["-o", text] for text in ("sgd(lr=0.1)", "adam(lr=0.01)", "momentum(lr=0.1)"))
SEEDS = ["--seeds", "2"]
STEPS = "[[step]]\nuse = 'fill-mode'\ncolumns = ['minutes']\n"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    churn_table(200).write_csv("churn.csv")
    Path("steps.toml").write_text(STEPS)


def some(flag: str, *values: object) -> list[str]:
    return [part for value in values for part in (flag, str(value))]


def compare(out: str, *arguments: str) -> dict[tuple[str, int], Record]:
    """Return the runs of a folder after a comparison, each of which was made once."""
    assert main([*BASE, *arguments, "--out", out]) == 0
    records = Folder(out).records()
    found = {(each.key.recipe, each.key.seed): each for each in records}
    assert len(found) == len(records)
    return found


def numbers(records: dict[tuple[str, int], Record]) -> dict[tuple[str, int], Any]:
    return {
        key: (each.best, each.test, [point.validation for point in each.curve])
        for key, each in records.items()
    }


def titles(out: str) -> list[str]:
    return [arm["title"] for arm in json.loads(Path(out, "results.json").read_text())["arms"]]


@pytest.mark.parametrize(
    ("first", "more", "new"),
    [
        ([*SGD, *ADAM, *some("--batch-size", 32, 64)], some("--batch-size", 16), 4),
        ([*SGD, *some("--schedule", "constant", "linear")], ADAM, 4),
        ([*SGD, *some("--train-rows", "0.5", "all")], some("--train-rows", 100), 2),
        ([*SGD, *some("--labels", "none", "noise(0.2)")], some("--labels", "noise(0.4)"), 2),
        ([*SGD, *some("--prepare", "none", "steps.toml")], ADAM, 4),
        ([*SGD, *some("--model", "linear", "embedding-mlp")], ["--seeds", "3"], 2),
        ([*SGD, "--split", "folds:2", *some("--batch-size", 32, 64)], ["--seeds", "3"], 4),
    ],
    ids=["batch size", "optimizer", "rows", "labels", "prepared", "seeds", "seeds in folds"],
)
def test_only_what_is_missing_runs(first: list[str], more: list[str], new: int) -> None:
    before = compare("grown", *SEEDS, *first)
    grown = compare("grown", *SEEDS, *first, *more)
    fresh = compare("fresh", *SEEDS, *first, *more)
    refits = [key for key in {**grown, **fresh} if (grown.get(key) or fresh[key]).key.phase == "refit"]
    assert len([key for key in grown if key not in before and key not in refits]) == new
    here, there = ({k: v for k, v in numbers(each).items() if k not in refits} for each in (grown, fresh))
    assert here == there
    assert Path("grown/results.csv").read_text().count("\n") == Path("fresh/results.csv").read_text().count(
        "\n"
    )
    assert titles("grown") == titles("fresh")
    again = compare("grown", *SEEDS, *first, *more)
    assert len(again) == len(grown)


def test_folds_give_one_more_run_of_the_winner_alone() -> None:
    first = [*SGD, *SEEDS, "--split", "folds:2", *some("--batch-size", 32, 64)]
    phases = [each.key.phase for each in compare("out", *first).values()]
    assert phases.count("final") == 2 * 2 * 2
    assert phases.count("refit") == 1
    assert len(phases) == 9
    assert main(["resume", "out"]) == 0  # its file has the default share of test rows, which nobody gave
    assert len(Folder("out").records()) == 9


def test_a_narrower_command_keeps_the_other_arms(capsys: pytest.CaptureFixture[str]) -> None:
    before = compare("out", *SGD, *ADAM, *SEEDS, *some("--batch-size", 32, 64))
    capsys.readouterr()
    assert numbers(compare("out", *SGD, *SEEDS, "--batch-size", "32")) == numbers(before)
    assert set(titles("out")) == {f"{name}, batch {size}" for name in ("sgd(lr=0.1)", "adam(lr=0.01)") for size in
                                  (32, 64)}  # fmt: skip
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "sgd(lr=0.1), batch 64; adam(lr=0.01), batch 32; adam(lr=0.01), batch 64: already in this folder"
        in said
    )
    assert main(["resume", "out"]) == 0
    assert len(Folder("out").records()) == len(before)


def test_other_settings_leave_the_other_arms_out_and_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    compare("out", *SGD, *SEEDS, *some("--batch-size", 32, 64))
    capsys.readouterr()
    compare("out", *SGD, *SEEDS, "--batch-size", "32", "--clip", "1")
    assert titles("out") == ["sgd(lr=0.1)"]
    said = " ".join(capsys.readouterr().err.split())
    assert "warning: sgd(lr=0.1), batch 64: in this folder, but trained with other settings" in said


def test_the_default_batch_size_and_the_same_by_name_are_one_arm(capsys: pytest.CaptureFixture[str]) -> None:
    before = compare("out", *SGD, *SEEDS)
    after = compare("out", *SGD, *SEEDS, *some("--batch-size", 32, 64))
    finals = [each for key, each in after.items() if key not in before]
    assert [each.key.name for each in finals] == ["batch 64"] * 2
    assert titles("out") == ["batch 32", "batch 64"]
    compare("fresh", *SGD, *SEEDS, *some("--schedule", "cosine", "cosine()"), "--train-rows", "all")
    said = " ".join(capsys.readouterr().err.split())
    assert "sgd(lr=0.1): schedule 'cosine' and 'cosine()' mean the same, so two of its arms are one" in said
    assert titles("fresh") == ["sgd(lr=0.1)"]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([], ["--batch-size", "32"]),
        (["--batch-size", "32"], []),
        ([], ["--schedule", "cosine()"]),
        (["--schedule", "warmup(cosine)"], ["--schedule", "warmup(cosine(final=0.0), length=0.05)"]),
        ([], ["--model", "embedding-mlp(hidden=[4], hidden_dropout=0.0)"]),
        (["--model", "linear"], ["--model", "linear()"]),
        ([], ["--train-rows", "160"]),
        (["--train-rows", "0.5"], ["--train-rows", "80"]),
        ([], ["--labels", "none", "--precision", "float32", "--procedure", "train", "--prepare", "none"]),
        (["--procedure", "continue(0.5)"], ["--procedure", "continue(0.5, point=best)"]),
        (["--rates", "embeddings=0.1, head=10"], ["--rates", "head=10.0, embeddings=.1"]),
        (["--freeze", "embeddings"], ["--freeze", "embeddings.*"]),
        ([], ["--rates", "embeddings=1", "--regularizer", "none", "--loss", "cross-entropy"]),
    ],
    ids=" ".join,
)
def test_the_same_in_other_words_is_the_same(
    before: list[str], now: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    base = [each for each in BASE if "--model" not in before or each not in ("--hidden", "4")]
    first = [*base, *SEEDS, *SGD, *before, "--out", "out"]
    assert main(first) == 0
    runs = {(each.key.recipe, each.key.seed) for each in Folder("out").records()}
    base = base if "--model" not in now else [each for each in base if each not in ("--hidden", "4")]
    assert main([*base, *SEEDS, *ADAM, *now, "--out", "out"]) == 0
    assert "sgd(lr=0.1): already in this folder" in " ".join(capsys.readouterr().err.split())
    assert titles("out") == ["sgd(lr=0.1)", "adam(lr=0.01)"]
    assert main([*first[:-2], *ADAM, "--out", "fresh"]) == 0
    records = Folder("out").records()
    assert runs <= {(each.key.recipe, each.key.seed) for each in records}
    finals = ({(r.key.recipe, r.key.seed) for r in Folder(out).records() if r.key.phase == "final"}
              for out in ("out", "fresh"))  # fmt: skip
    assert next(finals) == next(finals)


ALIKE = [
    ("--rates", "none", "embeddings=1"),
    ("--rates", "embeddings=0.1, head=10", "head=10, embeddings=0.1"),
    ("--freeze", "embeddings", "embeddings.*"),
    ("--regularizer", "l2(1e-4, on=(weights, biases))", "l2(1e-4, on=(biases, weights))"),
]


@pytest.mark.parametrize(("option", "one", "other"), ALIKE)
def test_arms_that_mean_the_same_are_one(
    option: str, one: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*BASE, *SEEDS, *SGD, option, one, option, other, "--dry-run", "--out", "alike"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "mean the same, so two of its arms are one" in said


def test_arms_that_mean_something_else_are_two(capsys: pytest.CaptureFixture[str]) -> None:
    """Of two multipliers that select a parameter, the later counts."""
    rates = ["--rates", "weights=2, head=3", "--rates", "head=3, weights=2"]
    assert main([*BASE, *SEEDS, *SGD, *rates, "--dry-run", "--out", "two"]) == 0
    said = capsys.readouterr()
    assert "mean the same" not in said.err
    assert "rates weights=2, head=3" in " ".join(said.out.split())


def test_trials_of_the_arms_in_a_folder_are_no_option_without_effect(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing that is asked for is tuned, but what stays beside it is."""
    trials = ["--tuning-rates", "2", "--tuning-finalists", "1"]
    assert main([*BASE, *SEEDS, "-o", "adam", *trials, "--out", "tuned"]) == 0
    fixed = [*BASE, *SEEDS, *SGD, *trials]
    assert main([*fixed, "--dry-run", "--out", "tuned"]) == 0
    assert "adam, sgd(lr=0.1)" in " ".join(capsys.readouterr().out.split())
    assert main([*fixed, "--dry-run", "--out", "another"]) == 2
    assert "--tuning-rates has no effect" in capsys.readouterr().err


def test_two_names_for_the_same_arm_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    data = '[data]\nsource = "churn.csv"\ntarget = "churned"\n'
    Path("two.toml").write_text(data + '[[arms]]\nname = "a"\n[[arms]]\nname = "b"\nbatch_size = 32\n')
    assert main(["compare", "two.toml", "--out", "out"]) == 2
    assert "the arms 'a' and 'b' are the same" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("order", [["none", "steps.toml"], ["steps.toml", "none"]], ids=" then ".join)
def test_preparations_are_found_from_any_folder(
    order: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compare("out", *SGD, *SEEDS, *some("--prepare", *order))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["resume", "../out"]) == 0
    assert len(Folder("../out").records()) == len(before)
    monkeypatch.chdir(tmp_path)
    assert sorted(titles("out")) == ["not prepared", "steps.toml"]


def test_files_of_the_same_name_are_distinguished(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Path(name, "steps.toml").write_text(STEPS * (1 + (name == "two")))
    compare("out", *SGD, *SEEDS, *some("--prepare", "one/steps.toml", "two/steps.toml"))
    assert titles("out") == [str(tmp_path / name / "steps.toml") for name in ("one", "two")]


def test_values_are_written_in_one_way() -> None:
    before = compare("out", *SGD, *SEEDS, *some("--train-rows", "0.50", "all"))
    after = compare("out", *SGD, *SEEDS, *some("--train-rows", "0.5", "1.0"))
    assert len(after) == len(before)
    assert titles("out") == ["50 % of the rows", "all rows"]


def test_the_time_of_a_run_stays_when_an_optimizer_of_other_cost_joins() -> None:
    options = [*SEEDS, "--equal", "seconds", "--epochs", "4"]
    before = compare("run", *SGD, *some("--batch-size", 16, 64), *options)
    grown = compare("run", *SGD, "-o", "muon(lr=0.01)", *some("--batch-size", 16, 64), *options)
    assert set(before) < set(grown)
    assert {each.key.name.split(",")[0] for key, each in grown.items() if key not in before} == {
        "muon(lr=0.01)"
    }


def test_an_arm_with_another_value_is_named_where_it_leaves_the_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare("run", *SGD, *SEEDS, "--train-rows", "all")
    capsys.readouterr()
    compare("run", *SGD, *SEEDS, "--train-rows", "0.5")
    said = " ".join(capsys.readouterr().err.split())
    assert "sgd(lr=0.1) with number of training rows all: in this folder, not in this report" in said
    compare("run", *SGD, *SEEDS, "--train-rows", "0.5")
    assert titles("run") == ["sgd(lr=0.1)"]


def test_a_folder_whose_default_dropout_was_replaced_goes_on_with_the_same_runs():
    arguments = [*SGD, *SEEDS, "--regularizer", "dropout(0.4)"]
    begun = compare("x", *arguments)
    assert main(["resume", "x"]) == 0
    assert {(each.key.recipe, each.key.seed) for each in Folder("x").records()} == begun.keys()
    assert numbers(compare("x", *arguments)) == numbers(begun) == numbers(compare("y", *arguments))


@pytest.mark.parametrize("procedure", ["prune(0.5)", "lottery(0.5, 2)", "distil(linear)", "train-for(2)"])
def test_an_average_begins_after_its_share_of_each_stage(procedure, monkeypatch):
    began: dict[int, int] = {}
    numbers_of = SWA.numbers

    def seen(self, at):
        found = numbers_of(self, at)
        if found["share"] < 1:
            began[at.length] = min(at.step, began.get(at.length, at.step))
        return found

    monkeypatch.setattr(SWA, "numbers", seen)
    arguments = ["-o", "sgd(lr=0.1)", "--model", "linear", "--seeds", "1", "--regularizer", "swa(0.6)"]
    base = [each for each in BASE if each not in ("--hidden", "4")]
    assert main([*base, *arguments, "--batch-size", "8", "--procedure", procedure, "--out", "x"]) == 0
    runs = Folder("x").records()
    # of T steps, numbered from 0, those after the first floor(0.6 T) are averaged; one alone is no mean
    lengths = {each.steps for each in runs}
    assert {length: began[length] for length in lengths} == {each: 6 * each // 10 + 1 for each in lengths}
    assert len(runs) > (procedure != "train-for(2)")
