"""Several test sets on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from steepest.data.table import read_table


def test_describe_says_how_many_rows_are_tested(
    steepest: Any, churn: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    churn.head(403).write_csv("rows.csv")
    n = len(pl.read_csv("rows.csv"))
    said = steepest("describe", "rows.csv", "--target", "churned", "--split", "folds:5", "--write", "p.toml")
    assert said.status == 0, said.err
    assert "5 folds; each row is tested once; " in " ".join(said.out.split())
    assert f"{n // 5:,}" in said.out
    assert read_table("rows.csv", prepare="p.toml").options.split == "folds:5"  # what is written keeps it
    for command in ("describe", "compare"):
        said = " ".join(
            steepest(command, "rows.csv", "--target", "churned", "--split", "folds:1").err.split()
        )
        assert (
            "split: 'folds:1' has fewer than 2 folds Hint: give at least 2, such as --split folds:5;" in said
        )


def test_test_sets_that_leave_other_numbers_of_rows_say_so(steepest, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shops = [f"s{i}" for i, rows in enumerate((300, 100, 60, 60, 50, 30)) for _ in range(rows)]
    pl.DataFrame({"shop": shops, "x": [i % 7 for i in range(600)], "y": ["a", "b", "b"] * 200}).write_csv(
        "s.csv"
    )
    plan = [
        "compare",
        "s.csv",
        "--target",
        "y",
        "-o",
        "sgd(lr=0.1)",
        "--epochs",
        "1",
        "--compile",
        "off",
        "--dry-run",
    ]
    said = " ".join(steepest(*plan, "--split", "folds:3,group:shop").err.split())
    assert "the test sets leave 200 to 390 training rows, and every one gets as many steps: an epoch" in said
    assert "the test sets leave" not in steepest(*plan, "--split", "folds:3").err
