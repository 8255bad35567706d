"""--rates, --freeze, --accumulate and --max-seconds: compared, recorded, and refused where they have no effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import steepest as st
from steepest.record.store import Folder
from steepest.sweep.observer import Observer

QUICK = ["--seeds", "2", "--epochs", "1", "--batch-size", "64", "--hidden", "8", "--compile", "off"]


def command(churn_csv: Path, *options: object) -> list[object]:
    return ["compare", churn_csv, "--target", "churned", "-o", "adam(lr=0.01)", *QUICK, *options]


def test_rates_and_fixed_parameters_are_factors(steepest, churn_csv, tmp_path) -> None:
    factors = [
        "--rates",
        "none",
        "--rates",
        "embeddings=0.1, head=10",
        "--freeze",
        "none",
        "--freeze",
        "embeddings",
    ]
    said = steepest(*command(churn_csv, *factors, "--out", tmp_path / "x"))
    assert said.status == 0, said.err
    stored = json.loads((tmp_path / "x/results.json").read_text())
    found = {(arm["factors"]["rates"], arm["factors"]["freeze"]) for arm in stored["arms"]}
    rates = "embeddings=0.1, head=10.0"
    assert found == {(each, fixed) for each in ("none", rates) for fixed in ("none", "embeddings")}
    assert stored["factorial"] is not None
    [model] = [each["value"] for each in stored["recipe"] if each["label"] == "model"]
    assert "of them trained" in model
    labels = [each["label"] for each in stored["recipe"]]
    assert "learning rates" in labels
    assert "fixed parameters" in labels
    values = {arm["title"]: arm["runs"] for arm in stored["arms"]}
    assert len({tuple(each) for each in values.values()}) == 4
    again = steepest(*command(churn_csv, *factors, "--out", tmp_path / "x"))
    assert again.status == 0
    assert "nothing left to run" in again.err


def test_micro_batches_and_the_time_budget_of_a_run_are_recorded(steepest, churn_csv, tmp_path) -> None:
    said = steepest(
        *command(churn_csv, "--accumulate", "4", "--max-seconds", "1e-9", "--out", tmp_path / "x")
    )
    assert said.status == 0, said.err
    finals = [each for each in Folder(tmp_path / "x").records() if each.key.phase == "final"]
    assert {each.outcome for each in finals} == {"stopped early"}
    assert all("1e-09 seconds of training are used up, at step 1" in each.reason for each in finals)
    assert all(len(each.curve) == 2 for each in finals)
    stored = json.loads((tmp_path / "x/results.json").read_text())
    facts = {each["label"]: each["value"] for each in stored["recipe"]}
    assert facts["micro-batches"] == "4"
    assert facts["seconds of training"] == "1e-09"
    assert "out of time" in said.out
    assert any("most runs ended at --max-seconds" in each for each in stored["warnings"])


def test_a_time_budget_that_is_not_used_up_changes_no_result(steepest, finished, churn_csv, tmp_path) -> None:
    arguments = ["compare", churn_csv, "--target", "churned", "-o", "adam(lr=0.01),sgd(lr=0.1)"]
    quick = ["--seeds", "2", "--epochs", "1", "--batch-size", "64", "--hidden", "8", "--max-seconds", "1000"]
    assert steepest(*arguments, *quick, "--out", tmp_path / "x").status == 0
    curves = [
        {(each.key.name, each.key.phase, each.lr, each.key.seed): each.last for each in Folder(one).records()}
        for one in (finished, tmp_path / "x")
    ]
    assert curves[0] == curves[1]


REFUSED: list[tuple[list[object], str]] = [
    (["--freeze", "embedings"], "unknown parameter or role 'embedings'"),
    (["--freeze", "*"], "leaves nothing to train"),
    (["--rates", "body=2"], "unknown parameter or role 'body'"),
    (["--rates", "head"], "not a role or name with a multiplier above 0"),
    (["--rates", "head=2", "-o", "l-bfgs"], "--rates has no effect on l-bfgs"),
    (["--accumulate", "2", "-o", "l-bfgs"], "--accumulate has no effect on l-bfgs"),
    (["--accumulate", "65"], "--accumulate 65 divides a batch of 64 rows"),
    (["--accumulate", "0"], "accumulate"),
    (["--max-seconds", "0"], "max-seconds"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_has_no_effect_is_refused(steepest, churn_csv, tmp_path, options, said) -> None:
    found = steepest(*command(churn_csv, *options, "--out", tmp_path / "x"))
    assert found.status == 2
    assert said in found.err
    assert not (tmp_path / "x").exists()


def test_in_python_they_are_options_and_values_of_arms(churn) -> None:
    options: dict[str, Any] = {"seeds": 2, "epochs": 1, "batch_size": 64, "hidden": (8,)}
    arms = [
        st.Arm(optimizer="adam(lr=0.01)", freeze="head"),
        st.Arm(optimizer="adam(lr=0.01)", rates="head=2"),
    ]
    plan = st.plan(churn, target="churned", arms=arms, accumulate=2, **options)
    assert [(arm.freeze, arm.rates) for arm in plan.arms] == [("head", ""), ("", "head=2.0")]
    crossed = st.plan(
        churn, target="churned", optimizers=["adam(lr=0.01)"], freeze=["none", "head"], **options
    )
    assert [arm.freeze for arm in crossed.arms] == ["", "head"]
    with pytest.raises(st.SteepestError, match="unknown parameter or role"):
        st.plan(churn, target="churned", optimizers=["adam(lr=0.01)"], freeze="heads", **options).preview(
            observer=Observer()
        )
