"""What the plan of a comparison of arms says, and how baselines of several test sets are announced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

QUICK = ["--seeds", "2", "--epochs", "1", "--compile", "off", "--device", "cpu"]
PLANS = {
    "two factors": (
        ["-o", "adam", "-o", "sgd(lr=0.1)", "--batch-size", "32", "--batch-size", "64"],
        "plan   4 arms (2 optimizers × 2 batch sizes) × (7 rates at ¼ length + best 3 at full length + 2 seeds), 2 not "
        "tuned → 28 runs (up to 34: more where a best rate is at an edge of its grid)\n"
        "arms   adam, batch 32\n       adam, batch 64\n       sgd(lr=0.1), batch 32\n       sgd(lr=0.1), batch 64\n",
    ),
    "one factor": (
        ["-o", "sgd(lr=0.1)", "--model", "linear", "--model", "embedding-mlp"],
        "plan   2 models × (2 seeds) → 4 runs\narms   linear, embedding-mlp\n",
    ),
    "one arm": (
        ["-o", "sgd(lr=0.1)"],
        "plan   1 optimizer × (2 seeds + 2 at default) + 2 without schedule → 6 runs\ntime",
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_dry_run_says_what_is_compared(name: str, steepest: Any, churn_csv: str, tmp_path: Path) -> None:
    options, expected = PLANS[name]
    said = steepest(
        "compare",
        churn_csv,
        "--target",
        "churned",
        "--dry-run",
        "--out",
        str(tmp_path / "r"),
        *QUICK,
        *options,
    )
    assert said.status == 0, said.err
    assert expected in said.out


def test_baselines_of_several_test_sets_are_announced_once(
    steepest: Any, churn_csv: str, tmp_path: Path
) -> None:
    said = steepest(
        "compare", churn_csv, "--target", "churned", "--split", "folds:3", "--out", str(tmp_path / "r"), *QUICK,
        "-o", "sgd(lr=0.1)", "--model", "linear", "--model", "embedding-mlp(hidden=[4])",
    )  # fmt: skip
    assert said.status == 0, said.err
    lines = [line.strip() for line in said.err.splitlines()]
    assert lines.count("baselines on 3 test sets") == 1
    assert lines.count("baselines on all rows, for the saved models") == 1
    assert not any(line.startswith("baseline:") for line in lines)
    assert "3 test sets × 2 seeds" in " ".join(said.out.split())
