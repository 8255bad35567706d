"""The protocol says everything that a comparison was given: every factor and every option that changes results."""

from __future__ import annotations

from pathlib import Path

import pytest

from steepest.cli import main
from steepest.experiment.folder import load_comparison
from steepest.export.protocol import protocol, to_text
from steepest.recipe import FACTORS, Protocol, load_tree, validate_experiment
from steepest.record.store import Folder

CALLBACK = '''"""A callback that does nothing."""

from steepest import Callback


class Nothing(Callback):
    """Do nothing."""
'''

OPTIONS = {
    "optimizer": (["-o", "adam(lr=0.01)"], "adam(lr=0.01) 0.01"),
    "model": (["--model", "linear"], "linear, "),
    "loss": (["--loss", "absolute"], "The training loss was the absolute error."),
    "regularizer": (["--regularizer", "l2(0.001)"], "Regularizers: l2(0.001)"),
    "schedule": (["--schedule", "inverse-time(period=1)"], "inverse-time(period=1), with lengths in steps."),
    "rates": (["--rates", "head=10"], "Multipliers of the learning rate: head=10"),
    "finetune": (["--finetune", "embeddings-off"], "Part of the model that was trained: embeddings-off."),
    "freeze": (["--freeze", "embeddings"], "Parameters that are not trained: embeddings."),
    "batch_size": (["--batch-size", "32"], "Rows a step: 32"),
    "precision": (["--precision", "float64"], "Precision: float64"),
    "numbers": (["--numbers", "quantile"], "quantile"),
    "train_rows": (["--train-rows", "0.5"], "Training rows: 0.5."),
    "labels": (["--labels", "noise(0.2)"], "Labels: noise(0.2)"),
    "prepare": (["--prepare", "steps.toml"], "prepared by the steps in steps.toml"),
    "procedure": (["--procedure", "continue(0.5)"], "Procedures: continue(0.5"),
    "metric": (["--metric", "mae"], "The deciding metric was MAE."),
    "positive": (["--positive", "yes"], "The positive class was yes."),
    "seeds": (["--seeds", "3"], "3 run seeds"),
    "seed": (["--seed", "7"], "(7 to 9)"),
    "epochs": (["--epochs", "2"], "Length: 2 epochs, given"),
    "learning_rates": (["--learning-rates", "0.01,0.1"], "A scan tried 2 rates"),
    "class_weights": (["--class-weights", "balanced"], "class weights balanced"),
    "baseline": (["--baseline", "linear-regression"], "On the same rows: ridge regression"),
    "clip": (["--clip", "1.5"], "clipped to a norm of 1.5"),
    "accumulate": (["--accumulate", "2"], "Micro-batches of a batch: 2."),
    "max_seconds": (["--max-seconds", "30"], "after 30"),
    "evaluations": (["--evaluations", "3"], "Evaluations of the validation rows in a run: 3."),
    "callbacks": (["--callbacks", "callback.py:Nothing"], "Callbacks during runs: Nothing"),
    "watch": (["--watch", "gap,norms"], "Recorded at every evaluation besides: gap and norms."),
    "tune": (["--tune", "adam: eps=1e-8,1e-6"], "eps was tuned beside the learning rate"),
    "planner": (["--planner", "random"], "went on to longer runs, by the planner random."),
    "scan_rates": (["--tuning-rates", "2"], "A scan tried 4 "),
    "full_rates": (["--tuning-finalists", "2"], "the best 2 "),
    "sweep": (["--sweep"], "Every learning rate of the scan also ran with every run seed"),
    "equal": (["--equal", "gradients"], "runs of equal length in gradient evaluations"),
    "minutes": (["--minutes", "30"], "a time budget of 30 minutes"),
}  # fmt: skip
"""Every factor and option with a value other than its default, and what the protocol says of it."""

TOGETHER = {
    "number": (
        "optimizer loss regularizer schedule rates freeze finetune batch_size precision numbers train_rows prepare "
        "metric seeds seed epochs baseline clip accumulate max_seconds evaluations callbacks watch"
    ),
    "class": "model positive class_weights labels procedure epochs",
    "tuned": "learning_rates full_rates sweep epochs",
    "design": "tune planner scan_rates equal epochs",
    "budget": "minutes",
}
"""Which of them one comparison has."""


UNSAID = {"controls", "keep_path", "reach", "references"}
"""Options without a sentence: controls are arms, which the protocol names, a kept path changes no number, and of runs
at library defaults the protocol tells where there are some."""


def test_every_factor_and_option_is_tried():
    assert {*OPTIONS, *UNSAID} == {*FACTORS, *Protocol.model_fields}
    assert set(OPTIONS) == {name for each in TOGETHER.values() for name in each.split()}


@pytest.fixture
def place(tmp_path, monkeypatch, churn_csv) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("callback.py").write_text(CALLBACK)
    Path("steps.toml").write_text('[[step]]\nuse = "filter"\nwhere = "age > 0"\n')
    Path("churn.csv").write_bytes(churn_csv.read_bytes())
    return tmp_path


def said(options: list[str]) -> str:
    """Make a comparison and return its protocol on one line."""
    usual = [] if "-o" in options else ["-o", "adam(lr=0.01)" if "--tune" not in options else "adam"]
    usual += [] if "--seeds" in options else ["--seeds", "1"]
    usual += [] if "--baseline" in options else ["--baseline", "none"]
    assert main(["compare", "churn.csv", *usual, "--out", "run", "--compile", "off", *options]) == 0
    folder = Folder.open("run")
    experiment = validate_experiment(load_tree(folder.path / "experiment.toml"))
    sections = protocol(load_comparison(folder), experiment, folder.records())
    return " ".join(to_text(load_comparison(folder), sections).split())


TARGETS = {"number": "minutes"}
OPTIMIZERS = {"tuned": ["-o", "sgd"], "design": ["-o", "adam"]}


@pytest.mark.parametrize("name", TOGETHER)
def test_the_protocol_says_it(name, place):
    wanted = {each: OPTIONS[each] for each in TOGETHER[name].split()}
    options = [text for given, _ in wanted.values() for text in given]
    found = said(["--target", TARGETS.get(name, "churned"), *OPTIMIZERS.get(name, []), *options])
    lacking = {each: text for each, (_, text) in wanted.items() if text not in found}
    assert not lacking, found


def test_a_loss_that_varies_is_given_for_every_arm(place):
    found = said(
        ["--target", "minutes", "--loss", "absolute", "--loss", "huber(2.0)", "-o", "adam(lr=0.01),sgd(lr=0.01)",
         "--epochs", "1", "--model", "linear"]
    )  # fmt: skip
    assert (
        "Training losses: the absolute error: “adam(lr=0.01), absolute loss” and “sgd(lr=0.01), absolute loss”; "
        "the Huber loss, huber(2.0): “adam(lr=0.01), huber(2.0) loss” and “sgd(lr=0.01), huber(2.0) loss”."
    ) in found
