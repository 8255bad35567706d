"""A person edits an optimizer, a model or a schedule and runs the same command again in the same folder."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import steepest as st
from steepest.api import resume
from steepest.data.table import read_table
from steepest.errors import ModelError
from steepest.models import build_model
from steepest.record.store import Folder
from steepest.sweep.observer import Observer

ALONE = ["--seeds", "1", "--epochs", "1", "--batch-size", "64", "--baseline", "none"]
QUICK = [*ALONE[:-1], "majority"]

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
PLANNER = """
from dataclasses import replace
from steepest.sweep.planners.grid import Ladder

class Own(Ladder):
    name = "own"

    def points(self, setup, arm):
        return replace(super().points(setup, arm), rules=super().points(setup, arm).rules[0:][:1], extra=0)
"""
EDITS = {
    "optimizer": ("mine.py", OPTIMIZER, "-1 *", "+1 *", ["-o", "mine.py:MyOpt(lr=0.1)"]),
    "values to try": ("mine.py", OPTIMIZER, "-1 *", "+1 *", ["-o", "mine.py:MyOpt(lr=0.1)", "--tune", "beta=0.1,0.2"]),
    "model": ("mine.py", NET, "tanh", "relu", ["-o", "sgd(lr=0.1)", "--model", "mine.py:Net"]),
    "schedule": ("mine.py", SCHEDULE, "1.0", "0.7", ["-o", "sgd(lr=0.1)", "--schedule", "mine.py:waiting(wait=1)"]),
    "schedule in a schedule": ("mine.py", SCHEDULE, "1.0", "0.7",
                               ["-o", "sgd(lr=0.1)", "--schedule", "warmup('mine.py:waiting')"]),
    "planner": ("mine.py", PLANNER, "[0:]", "[5:]", ["-o", "sgd", "--planner", "mine.py:Own"]),
}  # fmt: skip


def ids(folder: str | Path) -> list[tuple[str, int]]:
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
    options = ["-o", "sgd(lr=0.1)", "--model", "nets.py:Net", *ALONE, "--out", "x"]
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


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("case", EDITS)
def test_own_code_is_found_from_another_folder(
    steepest, churn_csv, tmp_path, monkeypatch, case, gone
) -> None:
    """Where the comparison was begun, or, if it is there no longer, in the folder itself."""
    begun, elsewhere = tmp_path / "begun", tmp_path / "elsewhere"
    for folder in (begun / "code", elsewhere):
        folder.mkdir(parents=True)
    file, text, _, _, options = EDITS[case]
    options = [each.replace("mine.py", "code/mine.py") for each in options]
    monkeypatch.chdir(begun)
    (begun / "code" / file).write_text(text)
    command = ["compare", churn_csv, "--target", "churned", *QUICK, "--out", begun / "x"]
    assert steepest(*command, *options).status == 0
    before = ids("x")
    monkeypatch.chdir(elsewhere)
    if gone:
        (begun / "code" / file).unlink()
    else:  # another file of the name: where the comparison was begun goes first
        (elsewhere / "code").mkdir()
        (elsewhere / "code" / file).write_text("raise RuntimeError")
    assert steepest("resume", begun / "x").status == 0
    assert ids(str(begun / "x")) == before
    experiment = begun / "x/experiment.toml"
    experiment.write_text(experiment.read_text().replace("seeds = 1", "seeds = 2"))
    said = steepest("resume", begun / "x")
    assert said.status == 0, said.err
    assert "the code has changed" not in said.err
    assert len(ids(str(begun / "x"))) > len(before)
    (elsewhere / "code" / file).unlink(missing_ok=True)
    own = ["--model", "code/mine.py:Net"] if case == "model" else []
    said = steepest("predict", begun / "x/model", churn_csv, "--out", "p.csv", *own)
    assert said.status == 0, said.err
    if case == "model":
        assert len(st.load(begun / "x/model", model="code/mine.py:Net").predict(churn_csv)) == 600
    if gone and case == "optimizer":
        said = steepest(*command, "-o", "sgd(lr=0.1)", "--seeds", "2")
        assert "code/mine.py:MyOpt(lr=0.1): already in this folder, kept in the comparison" in said.err
        said = steepest(*command, "-o", "sgd(lr=0.1)", "--seeds", "2", "--dry-run")
        assert "code/mine.py:MyOpt(lr=0.1): already in this folder, kept in the comparison" in said.err


def test_a_copy_stands_in_for_the_file_that_was_named_only(
    steepest, churn_csv, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(OPTIMIZER)
    command = ["compare", churn_csv, "--target", "churned", *QUICK, "--out", "x", "-o"]
    assert steepest(*command, "mine.py:MyOpt(lr=0.1)").status == 0
    said = steepest(*command, "other/mine.py:MyOpt(lr=0.1)")
    assert said.status == 2
    assert "there is no file 'other/mine.py'" in said.err


def test_without_the_file_and_its_copy_one_of_the_two_has_to_come_back(
    steepest, churn_csv, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NET)
    own = ["--model", "nets.py:Net"]
    command = ["compare", churn_csv, "--target", "churned", "-o", "sgd(lr=0.1)", *own, *QUICK, "--out", "x"]
    assert steepest(*command).status == 0
    [copy] = Path("x/source").rglob("nets.py")
    shutil.rmtree("x/source")
    Path("nets.py").rename("away.py")
    predict = ["predict", "x/model", churn_csv, "--out", "p.csv", *own]
    for command in (predict, ["resume", "x"]):
        said = steepest(*command)
        assert said.status == 2
        text = " ".join(said.err.split())
        assert (
            f"there is no file 'nets.py', and its copy '{copy.as_posix()}' is gone Hint: put one of" in text
        )
    copy.parent.mkdir(parents=True)
    copy.write_text(NET)
    assert steepest(*predict).status == 0
    assert steepest("resume", "x").status == 0
    shutil.rmtree("x/source")
    Path("nets.py").write_text(NET.replace("tanh", "relu"))
    assert "is gone" in " ".join(steepest(*predict).err.split())
    Path("away.py").rename("nets.py")
    assert steepest(*predict).status == 0
    assert steepest("resume", "x").status == 0
    assert copy.read_text() == NET  # kept again


@pytest.mark.parametrize("built", [None, "nets.py:Net"])
def test_a_model_that_is_not_needed_is_refused(steepest, churn_csv, tmp_path, monkeypatch, built) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NET)
    own = ["--model", built] if built else []
    command = ["compare", churn_csv, "--target", "churned", "-o", "sgd(lr=0.1)", *own, *QUICK, "--out", "x"]
    assert steepest(*command).status == 0
    results = Path("x/results.json")
    results.write_text(
        re.sub(r'"recommended": "[^"]*"', '"recommended": "majority class"', results.read_text())
    )
    predict = ["predict", "x", churn_csv, "--out", "p.csv"]
    assert steepest(*predict).err.endswith("by majority class (baseline)\n")
    said = steepest(*predict, "--model", "nets.py:Net")
    assert said.status == 2
    assert said.err == (
        "error: the model 'nets.py:Net' is given, but the one in 'x/baselines/majority' is the baseline majority\n"
        "Hint: leave --model out, or name the network's folder: x/model.\n"
    )
    with pytest.raises(ModelError, match="is the baseline majority"):
        st.TrainedModel.load("x", model="nets.py:Net")
    assert repr(st.TrainedModel.load("x")) == repr(st.load("x")) == repr(st.Result.load("x").best)
    if built is None:
        said = steepest("predict", "x/model", churn_csv, "--out", "p.csv", "--model", "nets.py:Net")
        assert said.status == 2
        assert "the model 'nets.py:Net' is given, but the one in 'x/model' is embedding-mlp(" in said.err
        with pytest.raises(ModelError, match=r"the model 'Small' is given"):
            st.load("x/model", model=Small)


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
    assert st.load(tmp_path / "model", model=builders[2]).about.code
    assert st.load(
        tmp_path / "model", model=lambda shape: Small(shape, 4, 2.0)
    ).about.code  # however it is built
    with pytest.raises(ModelError, match="not what the model"):
        st.load(tmp_path / "model", model=builders[0])


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
    assert any("cannot be identified: the source of build cannot be read" in each for each in lines)
    assert st.load(tmp_path / "model", model=namespace["build"]).about.code


WRAPPED = """
import functools, torch

def scaled(f):
    @functools.wraps(f)
    def inner(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.mul_(0.001)
        return f(self, closure)
    return inner

class Opt(torch.optim.SGD):
    @scaled
    def step(self, closure=None):
        return super().step(closure)
"""
IMPORTING = """
import torch

class Opt(torch.optim.SGD):
    def step(self, closure=None):
        from own_helper import FACTOR
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.mul_(FACTOR)
        return super().step(closure)
"""


@pytest.mark.parametrize("text", [WRAPPED, IMPORTING], ids=["decorator", "import inside step"])
def test_edited_code_from_python_is_trained_anew(churn, tmp_path, monkeypatch, text) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = []
    for factor in ("0.001", "0.001", "1.000"):
        (tmp_path / "own_mod.py").write_text(text.replace("0.001", factor))
        (tmp_path / "own_helper.py").write_text(f"FACTOR = {factor}\n")
        for name in ("own_mod", "own_helper"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        opt = importlib.import_module("own_mod").Opt
        count, _ = compare(churn, tmp_path / "x", "linear", [opt])
        found.append((count, st.Result.load(tmp_path / "x").comparison.rows[0].metrics["log_loss"].mean))
    assert found[0] == found[1]
    assert found[0][0] < found[2][0]
    assert found[0][1] != found[2][1]


class Scaled(nn.Module):
    """A model with settings that are neither weights nor plain numbers."""

    def __init__(self, shape, factors: list[float]) -> None:
        super().__init__()
        self.layer = nn.Linear(len(shape.continuous), shape.outputs)
        self.factors = factors
        self.features = torch.randn(len(shape.continuous))

    def forward(self, codes: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return self.layer(values * self.features) * self.factors[0]


def test_a_network_with_other_settings_is_refused(churn, tmp_path) -> None:
    table = read_table(churn, target="churned")
    planned = st.plan(
        table, optimizers=["sgd(lr=0.1)"], model=lambda shape: Scaled(shape, [1.0]), seeds=1, seed=3, epochs=1
    )
    planned.run(tmp_path)
    folder = tmp_path / "model"
    right = st.load(folder, model=lambda shape: Scaled(shape, [1.0]))
    with pytest.raises(ModelError, match="or its settings differ"):
        st.load(folder, model=lambda shape: Scaled(shape, [-1.0]))
    trained = build_model(lambda shape: Scaled(shape, [1.0]), right.about.shape, seed=3)
    assert torch.equal(right.net.features, trained.features)  # drawn by the run's seed, and not saved

    path = folder / "model.json"
    about = json.loads(path.read_text())
    assert len(about["outputs_on_made_up_rows"]) == 5
    path.write_text(json.dumps({key: each for key, each in about.items() if key != "network"}))
    with pytest.raises(ModelError, match="gives other outputs than the model that was trained"):
        st.load(folder, model=lambda shape: Scaled(shape, [-1.0]))
    assert (
        st.load(folder, model=lambda shape: Scaled(shape, [1.0])).predict(churn) == right.predict(churn)
    ).all()

    old = {key: each for key, each in about.items() if key not in ("network", "outputs_on_made_up_rows")}
    path.write_text(json.dumps(old | {"code": "of an earlier version"}))
    assert len(st.load(folder, model=lambda shape: Scaled(shape, [1.0])).predict(churn)) == len(churn)


TWO = ["-o", "sgd(lr=0.1)", "--model", "one.py:Net", "--model", "two.py:Net", "--schedule", "mine.py:waiting(wait=1)",
       "--schedule", "constant"]  # fmt: skip


def by_arm(folder: str) -> dict[str, set[str]]:
    return {arm.title: set(arm.runs) for arm in st.Result.load(folder).comparison.arms}


def test_an_edit_trains_the_arms_anew_that_use_the_code(steepest, churn_csv, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in (("one.py", NET), ("two.py", NET.replace("tanh", "relu")), ("mine.py", SCHEDULE)):
        Path(file).write_text(text)
    command = ["compare", churn_csv, "--target", "churned", *TWO, *QUICK, "--out", "x"]
    assert steepest(*command).status == 0
    before = by_arm("x")
    assert len(before) == 4

    def changed(file: str, old: str, new: str) -> set[str]:
        Path(file).write_text(Path(file).read_text().replace(old, new))
        said = steepest(*command)
        assert said.status == 0, said.err
        assert "the code has changed since it was trained in this folder" in said.err
        now = by_arm("x")
        return {title for title in now if now[title] != before[title]}

    assert changed("two.py", "relu", "sigmoid") == {each for each in before if each.startswith("two.py:Net")}
    said = steepest(
        "predict", "x", churn_csv, "--arm", "two.py:Net, constant schedule", "--model", "two.py:Net"
    )
    assert said.status == 0, said.err
    Path("two.py").write_text(NET)
    said = steepest(
        "predict", "x", churn_csv, "--arm", "two.py:Net, constant schedule", "--model", "two.py:Net"
    )
    assert said.status == 2
    kept = re.search(r"--model '([^']+)'", said.err)
    assert kept
    assert "sigmoid" in Path(kept[1].rpartition(":")[0]).read_text()
    again = ["--arm", "two.py:Net, constant schedule", "--model", kept[1]]
    assert steepest("predict", "x", churn_csv, *again).status == 0
    Path("two.py").write_text(NET.replace("tanh", "relu"))
    schedule = {each for each in before if "waiting" in each}
    assert changed("mine.py", "1.0", "0.7") == schedule


def test_a_folder_with_two_own_models_resumes_and_grows(steepest, churn_csv, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in (("one.py", NET), ("two.py", NET.replace("tanh", "relu")), ("mine.py", SCHEDULE)):
        Path(file).write_text(text)
    command = ["compare", churn_csv, "--target", "churned", *QUICK, "--out", "x"]
    assert steepest(*command, *TWO).status == 0
    before = ids("x")
    assert steepest("resume", "x").status == 0
    assert ids("x") == before
    alone = ["-o", "sgd(lr=0.1)", "--schedule", "constant", "--model"]
    said = steepest(*command, *alone, "one.py:Net")  # one of its arms, the others stay
    assert said.status == 0, said.err
    assert "the code has changed" not in said.err
    assert ids("x") == before
    assert len(by_arm("x")) == 4
    Path("three.py").write_text(NET.replace("tanh", "sin"))
    said = steepest(*command, *alone, "three.py:Net")
    assert said.status == 0, said.err
    assert ids("x")[: len(before)] == before
    assert len(ids("x")) == len(before) + 1
    assert len(by_arm("x")) == 5


def test_callables_of_one_name_are_arms_of_their_own(churn_csv, tmp_path) -> None:
    widths = [3, 5]
    models = [lambda shape: Small(shape, widths[0]), lambda shape: Small(shape, widths[1])]

    def planned():
        return st.plan(
            read_table(str(churn_csv), target="churned"),
            optimizers=["sgd(lr=0.1)"], model=[*models, "linear"], seeds=1, epochs=1, batch_size=64, compile="off",
        )  # fmt: skip

    result = planned().run(tmp_path / "x", observer=Observer())
    titles = [arm.title for arm in result.comparison.arms]
    assert len(titles) == 3
    assert [result.arm(each).net.first.out_features for each in titles[:2]] == widths
    with pytest.raises(ModelError, match="which is not run unasked"):
        st.load(tmp_path / "x", arm=titles[0])
    assert st.load(tmp_path / "x", arm=titles[1], model=models[1]).net.first.out_features == 5
    done = ids(tmp_path / "x")
    assert len(done) == 3
    planned().run(tmp_path / "x", observer=Observer())
    assert ids(tmp_path / "x") == done
    resumed = resume(tmp_path / "x", observer=Observer(), model=models)
    assert ids(tmp_path / "x") == done
    assert resumed.arm(titles[0]).net.first.out_features == 3
