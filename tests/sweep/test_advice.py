"""What authors recommend and a comparison does not do is said: in the plan, in the report, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import steepest as st
from steepest.cli import main
from steepest.errors import OptionError
from steepest.sweep.advice import advice
from steepest.sweep.contestants import contestants

SCHEDULE = "run under the schedule 'cosine', like all others"
STATISTICS = "batch-norm statistics of the weights being trained"
PAIR = "schedule-free-sgd(lr=0.1),schedule-free-adamw(lr=0.01),adam(lr=0.01)"
QUICK = ["--seeds", "1", "--epochs", "1", "--batch-size", "64", "--hidden", "8"]


def said(what: list[Any], schedule: str, net: torch.nn.Module) -> list[str]:
    return [note.text for note in advice(contestants(what), schedule, net)]


@pytest.mark.parametrize(
    ("schedule", "falls"),
    [
        ("cosine", True),
        ("step(period=5000)", False),  # it does not fall in a run that is shorter
        ("step", True),
        ("join(constant, linear, at=5000)", True),  # it does not fit a short run at all
        ("constant", False),
        ("warmup(constant, length=0.1)", False),
        ("scale(constant, 0.5)", False),
        ("one-cycle", True),
    ],
)
def test_a_rate_that_falls_is_not_what_the_authors_recommend(schedule: str, falls: bool) -> None:
    found = said(["adam", "schedule-free-sgd"], schedule, torch.nn.Linear(2, 2))
    assert bool(found) == falls
    assert all("schedule-free-sgd" in each and "adam" not in each for each in found)
    assert said(["adam", "sgd"], schedule, torch.nn.Linear(2, 2)) == []


def test_statistics_of_batch_norm_matter_to_averaged_weights_alone() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    assert said(["adam", "momentum"], "constant", net) == []
    (found,) = said(["adam", "schedule-free-adamw"], "constant", net)
    assert STATISTICS in found


class Moded(torch.optim.SGD):
    """A foreign optimizer with modes, as the Schedule-Free package's are."""

    def train(self) -> None: ...

    def eval(self) -> None: ...


def test_a_foreign_optimizer_with_modes_is_one_of_them() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    found = said([Moded, torch.optim.SGD], "cosine", net)
    assert [STATISTICS in each for each in found] == [True]


def test_the_plan_and_the_report_say_it(churn_csv: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    arguments = [
        "compare",
        str(churn_csv),
        "--target",
        "churned",
        "-o",
        PAIR,
        *QUICK,
        "--out",
        str(tmp_path / "a"),
    ]
    assert main([*arguments, "--dry-run"]) == 0
    seen = capsys.readouterr()
    assert SCHEDULE in seen.err
    assert STATISTICS in seen.err
    assert main(arguments) == 0
    assert SCHEDULE in capsys.readouterr().err
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "like all others; their authors recommend a constant rate" in page
    assert STATISTICS in page
    assert main([*arguments[:-1], str(tmp_path / "b"), "--schedule", "constant", "--dry-run"]) == 0
    seen = capsys.readouterr()
    assert "recommend a constant rate" not in seen.err


def test_python_says_it(churn, tmp_path: Path) -> None:
    data = st.read_table(churn, target="churned")
    options = {"seeds": 1, "epochs": 1, "batch_size": 64, "model": "linear"}
    result = st.compare(
        data, tmp_path / "run", optimizers=["schedule-free-sgd(lr=0.1)", "sgd(lr=0.1)"], **options
    )
    (found,) = [each for each in result.comparison.warnings if "recommend" in each]
    assert found.startswith("schedule-free-sgd")
    assert found.endswith("its authors recommend a constant rate (--schedule constant).")


@pytest.mark.parametrize(
    "schedule", ["repeat(cosine, 2)", "join(constant, linear)", "join(linear, constant, at=4)"]
)
def test_a_schedule_of_parts_can_be_compared_under(churn_csv: Path, tmp_path: Path, schedule: str) -> None:
    arguments = ["compare", str(churn_csv), "--target", "churned", "-o", "sgd(lr=0.1)", *QUICK]
    assert main([*arguments, "--schedule", schedule, "--out", str(tmp_path / "a")]) == 0


@pytest.mark.parametrize("dry", [True, False])
def test_a_schedule_that_fits_no_scan_is_refused_before_training(churn, tmp_path: Path, dry: bool) -> None:
    data = st.read_table(churn, target="churned")
    options = {"epochs": 1, "batch_size": 64, "schedule": "join(linear, constant, at=4)"}
    plan = st.plan(data, optimizers=["sgd"], **options)
    with pytest.raises(OptionError, match="does not divide 2 steps"):
        plan.preview(tmp_path / "run") if dry else plan.run(tmp_path / "run")
    assert not (tmp_path / "run" / "journal.jsonl").exists()
