"""A person edits an optimizer, a model or a schedule and runs the same command again in the same folder."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import steepest as st
from steepest.data.table import read_table
from steepest.errors import ModelError
from steepest.record.store import Folder
from steepest.sweep.observer import Observer

QUICK = ["--seeds", "1", "--epochs", "1", "--batch-size", "64"]

OPTIMIZER = """
import torch

class MyOpt(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, beta=0.0):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad, alpha=-1 * group["lr"])
"""
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.first = nn.Linear(len(shape.continuous), 4)
        self.out = nn.Linear(4, shape.outputs)

    def forward(self, codes, values):
        return self.out(torch.tanh(self.first(values)))
"""
SCHEDULE = """
def waiting(steps, wait=2):
    return lambda step: 0.5 if step < wait else 1.0
"""
EDITS = {
    "optimizer": ("mine.py", OPTIMIZER, "-1 *", "+1 *", ["-o", "mine.py:MyOpt(lr=0.1)"]),
    "values to try": ("mine.py", OPTIMIZER, "-1 *", "+1 *", ["-o", "mine.py:MyOpt(lr=0.1)", "--tune", "beta=0.1,0.2"]),
    "model": ("mine.py", NET, "tanh", "relu", ["-o", "sgd(lr=0.1)", "--model", "mine.py:Net"]),
    "schedule": ("mine.py", SCHEDULE, "1.0", "0.7", ["-o", "sgd(lr=0.1)", "--schedule", "mine.py:waiting(wait=1)"]),
    "schedule in a schedule": ("mine.py", SCHEDULE, "1.0", "0.7",
                               ["-o", "sgd(lr=0.1)", "--schedule", "warmup('mine.py:waiting')"]),
}  # fmt: skip


def ids(folder: str) -> list[tuple[str, int]]:
    return [(each.key.recipe, each.key.seed) for each in Folder(folder).records()]


@pytest.mark.parametrize("case", EDITS)
def test_edited_code_is_trained_anew_and_the_old_again_is_not(
    steepest, churn_csv, tmp_path, monkeypatch, case
) -> None:
    monkeypatch.chdir(tmp_path)
    file, text, old, new, options = EDITS[case]
    command = ["compare", churn_csv, "--target", "churned", *options, *QUICK, "--out", "x"]
    tests = []
    for content in (text, text, text.replace(old, new), text):
        Path(file).write_text(content)
        said = steepest(*command)
        assert said.status == 0, said.err
        tests.append(
            (len(ids("x")), st.Result.load("x").comparison.rows[0].metrics["log_loss"].mean, said.err)
        )
    counts, losses, err = zip(*tests, strict=True)
    assert counts[0] == counts[1] < counts[2] == counts[3]
    assert losses[0] == losses[1] == losses[3] != losses[2]
    assert "the code has changed since it was trained in this folder" in err[2]
    assert "the code has changed" not in err[1]
    kept = sorted(each.read_text() for each in Path("x/source").rglob(file))
    assert kept == sorted([text, text.replace(old, new)])


def test_a_changed_optimizer_does_not_stay_for_another_ones_sake(
    steepest, churn_csv, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(OPTIMIZER)
    command = ["compare", churn_csv, "--target", "churned", *QUICK, "--out", "x", "-o"]
    assert steepest(*command, "mine.py:MyOpt(lr=0.1)").status == 0
    assert "kept in the comparison" in steepest(*command, "sgd(lr=0.1)").err
    Path("mine.py").write_text(OPTIMIZER.replace("-1 *", "-2 *"))
    before = [run.key for run in Folder("x").records() if run.key.name != "sgd(lr=0.1)"]
    said = steepest(*command, "sgd(lr=0.1)")
    assert "mine.py:MyOpt(lr=0.1): in this folder, but trained with other settings" in said.err
    assert [run.key for run in Folder("x").records() if run.key.name != "sgd(lr=0.1)"] == before


def test_prediction_with_changed_code_refuses_and_names_the_kept_one(
    steepest, churn_csv, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NET)
    options = ["-o", "sgd(lr=0.1)", "--model", "nets.py:Net", *QUICK, "--out", "x"]
    assert steepest("compare", churn_csv, "--target", "churned", *options).status == 0
    predict = ["predict", "x", churn_csv, "--out", "p.csv", "--model"]
    assert steepest(*predict, "nets.py:Net").status == 0
    first = Path("p.csv").read_text()
    Path("nets.py").write_text(NET.replace("tanh", "relu"))
    said = steepest(*predict, "nets.py:Net")
    assert said.status == 2
    assert "the code of 'nets.py:Net' is not what the model in 'x/model' was trained with" in said.err
    with pytest.raises(ModelError, match="not what the model"):
        st.load("x", model="nets.py:Net")
    kept = re.search(r"--model '([^']+)'", said.err)
    assert kept
    assert steepest(*predict, kept[1]).status == 0
    assert Path("p.csv").read_text() == first
    Path("nets.py").write_text(f"# a remark\n{NET}")  # what the network does has not changed
    assert steepest(*predict, "nets.py:Net").status == 0


class Small(nn.Module):
    def __init__(self, shape, width: int, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.first, self.out = nn.Linear(len(shape.continuous), width), nn.Linear(width, shape.outputs)

    def forward(self, codes: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.gain * self.first(values)))


class Slow(torch.optim.SGD):
    """An optimizer from Python."""


class Heard(Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def compare(churn, out: Path, model, optimizers=("sgd(lr=0.1)",)) -> tuple[int, list[str]]:
    heard = Heard()
    planned = st.plan(
        read_table(churn, target="churned"),
        optimizers=list(optimizers),
        model=model,
        seeds=1,
        epochs=1,
        batch_size=64,
    )
    planned.run(out, observer=heard)
    return len(Folder(out).records()), heard.lines


def test_callables_that_differ_in_a_bound_value_are_two_models(churn, tmp_path) -> None:
    builders = [partial(Small, width=4, gain=each) for each in (1.0, 1.0, 2.0)]
    counts = [compare(churn, tmp_path, each)[0] for each in builders]
    assert counts[0] == counts[1] < counts[2]
    assert st.load(tmp_path, model=builders[2]).about.code
    assert st.load(tmp_path, model=lambda shape: Small(shape, 4, 2.0)).about.code  # however it is built
    with pytest.raises(ModelError, match="not what the model"):
        st.load(tmp_path, model=builders[0])


def test_an_optimizer_class_is_its_code(churn, tmp_path, monkeypatch) -> None:
    first, _ = compare(churn, tmp_path, None, [Slow])
    assert compare(churn, tmp_path, None, [Slow])[0] == first
    monkeypatch.setattr(Slow, "factor", 3.0, raising=False)
    assert compare(churn, tmp_path, None, [Slow])[0] > first


def test_what_cannot_be_identified_is_trained_again_and_that_is_said(churn, tmp_path) -> None:
    namespace: dict = {"Small": Small}
    exec("def build(shape): return Small(shape, 4)", namespace)
    first, lines = compare(churn, tmp_path, namespace["build"])
    second, _ = compare(churn, tmp_path, namespace["build"])
    assert second == 2 * first
    assert any(
        "warning: model cannot be identified: the source of build cannot be read" in each for each in lines
    )
    assert st.load(tmp_path, model=namespace["build"]).about.code
