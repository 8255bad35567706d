"""What is pruned is compared with as long a training without pruning, and with a small dense network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import steepest as st
from steepest.api import resume
from steepest.errors import OptionError
from steepest.experiment.controls import with_controls
from steepest.models import build_model, count_parameters
from steepest.procedures.pruning import Pruning
from steepest.recipe import ArmOptions, load_tree
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.sweep.wanted import texts_of, wanted_arms
from steepest.train.smaller import parameters_left

SHORT: dict[str, Any] = {
    "target": "churned", "epochs": 1, "batch_size": 64, "seeds": 2, "baseline": "none", "device": "cpu",
    "compile": "off", "workers": 1,
}  # fmt: skip
MODEL = "mlp(hidden=(12, 8))"


class Lines(Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def added(data: Path, out: Path, **options: Any) -> list[tuple[str, str, str]]:
    """Return optimizer, model and procedure of the arms that a plan gets besides its own."""
    plan = st.plan(data, **SHORT, **options)
    made = with_controls(Folder(out), plan.experiment, plan.table, plan.given, Observer())
    arms = wanted_arms(*made)
    assert [texts_of(each) for each in arms[: len(plan.arms)]] == [texts_of(each) for each in plan.arms]
    assert all(arm.control for arm in arms[len(plan.arms) :])
    return [(arm.control, arm.optimizer.name, arm.procedure) for arm in arms[len(plan.arms) :]]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"procedure": "prune(0.9, 5)"}, [("length", "sgd", "train"), ("small", "sgd", "train")]),
        ({"procedure": ["train", "prune(0.9, 5)"]}, [("small", "sgd", "train")]),
        ({"procedure": ["prune(0.9, 5)", "prune(0.9)"]}, [("length", "sgd", "train"), ("small", "sgd", "train")]),
        (
            {"procedure": "lottery(0.5, 2, each=1)"},
            [("length", "sgd", "train-for(3.0)"), ("small", "sgd", "train-for(3.0)")],
        ),
        ({"procedure": "prune(0.9)", "model": "linear"}, [("length", "sgd", "train")]),
        ({"procedure": "prune(0.9)", "model": lambda shape: build_model(MODEL, shape)}, [("length", "sgd", "train")]),
        ({"procedure": "prune(0.9)", "controls": False}, []),
        ({"procedure": ["prune(0.0)", "lottery(0, 0)"]}, []),
        ({"procedure": ["train", "continue(0.5)", "distil(linear)"]}, []),
    ],
)  # fmt: skip
def test_controls_are_added_where_they_are_lacking(
    options: dict[str, Any], found: list[tuple[str, ...]], churn_csv: Path, tmp_path: Path
) -> None:
    assert added(churn_csv, tmp_path, optimizers=["sgd"], **{"model": MODEL, **options}) == found


def test_a_small_network_of_the_user_is_the_control(churn_csv: Path, tmp_path: Path) -> None:
    plan = st.plan(churn_csv, **SHORT, model=MODEL, procedure="prune(0.9)")
    shape = plan.table.make(0)[0].shape
    left = parameters_left(MODEL, shape, Pruning(0.9, 0.9))
    for width, lacks in ((2, False), (12, True)):
        small = f"mlp(hidden=({width}, 2))"
        assert (1 / 1.5 < count_parameters(build_model(small, shape)) / left < 1.5) is not lacks
        arms = [
            st.Arm(optimizer="sgd", model=MODEL, procedure="prune(0.9)"),
            st.Arm(optimizer="sgd", model=MODEL),
            st.Arm(optimizer="sgd", model=small),
        ]
        assert bool(added(churn_csv, tmp_path, arms=arms)) is lacks


def test_leaving_out_what_would_not_be_there_is_refused(churn_csv: Path) -> None:
    with pytest.raises(OptionError, match=r"controls=False has no effect: no procedure prunes\nHint: "):
        st.plan(churn_csv, **SHORT, controls=False)


def test_what_cannot_be_made_smaller_is_named(churn_csv: Path, tmp_path: Path) -> None:
    said = Lines()
    plan = st.plan(churn_csv, **SHORT, model="linear", optimizers=["sgd(lr=0.1)"], procedure="prune(0.5)")
    lines = plan.preview(tmp_path / "x", observer=said).splitlines()
    assert "       train   (added: trained as long without pruning)" in lines
    assert any("linear is pruned without a small dense network" in each for each in said.lines)


def test_the_folder_keeps_the_controls_as_arms(churn_csv: Path, tmp_path: Path) -> None:
    """They are made once, whether the folder is resumed or the command given again."""
    out = tmp_path / "x"
    options = {**SHORT, "model": MODEL, "optimizers": ["sgd(lr=0.1)"], "procedure": "prune(0.5)", "seeds": 1}
    result = st.plan(churn_csv, **options).run(out, observer=Observer())
    titles = [arm.title for arm in result.comparison.arms]
    assert titles[:2] == ["prune(0.5, 1)", "train"]
    assert titles[2].startswith("small dense (")
    assert [each["control"] for each in load_tree(out / "experiment.toml")["arms"]] == ["", "length", "small"]
    sizes = {each.arm: each for each in result.comparison.sizes}
    pruned, small = sizes["prune(0.5, 1)"], sizes[titles[2]]
    left = pruned.parameters - sum(each.zeros for each in pruned.layers)
    assert small.parameters == pytest.approx(left, rel=0.15)
    assert f"({small.parameters} parameters)" in titles[2]
    runs = {(each.key.recipe, each.key.seed) for each in result.folder.records()}
    again = [
        resume(out, observer=Observer()),
        st.plan(churn_csv, **options, controls=False).run(out, observer=Observer()),
    ]
    for each in again:
        assert sorted(arm.title for arm in each.comparison.arms) == sorted(titles)
        assert {(one.key.recipe, one.key.seed) for one in each.folder.records()} == runs


@pytest.mark.slow
def test_effects_are_of_the_others(churn_csv: Path, tmp_path: Path) -> None:
    """The small networks do not break the full factorial of optimizers and procedures."""
    said = Lines()
    options = {
        **SHORT,
        "model": MODEL,
        "optimizers": ["sgd(lr=0.1)", "adam(lr=0.01)"],
        "procedure": "prune(0.5)",
    }
    comparison = st.plan(churn_csv, **options).run(tmp_path / "x", observer=said).comparison
    small = [arm.title.partition(" (")[0] for arm in comparison.arms if arm.control == "small"]
    assert small == ["sgd(lr=0.1), small dense", "adam(lr=0.01), small dense"]
    assert any("added beside what is pruned: “sgd(lr=0.1), train”" in each for each in said.lines)
    assert comparison.factorial is not None
    assert [each.factor for each in comparison.factorial.effects] == ["optimizer", "procedure"]


def test_a_folder_of_an_earlier_version_gets_none(churn_csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    options = {**SHORT, "model": MODEL, "optimizers": ["sgd(lr=0.1)"], "procedure": "prune(0.5)", "seeds": 1}
    before = st.plan(churn_csv, **options, controls=False).run(out, observer=Observer())
    file = out / "experiment.toml"
    lines = [
        each for each in file.read_text().splitlines() if not each.startswith(("controls =", "control ="))
    ]
    file.write_text("\n".join(lines) + "\n")
    for again in (
        resume(out, observer=Observer()),
        st.plan(churn_csv, **options).run(out, observer=Observer()),
    ):
        assert [arm.id for arm in again.comparison.arms] == [arm.id for arm in before.comparison.arms]
    assert ArmOptions().control == ""
