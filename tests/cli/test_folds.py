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
    assert "has fewer than 2 folds" in steepest("describe", "rows.csv", "--split", "folds:1").err
