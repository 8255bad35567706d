"""What runs evaluate: gradients, curvature products and forward passes, from their records to the report."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import steepest as st
from steepest.compare.result import Comparison
from steepest.experiment.folder import Folder
from steepest.export import tidy
from steepest.report import render_html
from steepest.report.text import COSTS

OPTIONS: dict[str, Any] = {
    "model": "linear", "batch_size": "all", "epochs": 6, "seeds": 2, "device": "cpu", "schedule": "constant",
    "baseline": "none",
}  # fmt: skip
COUNTS = ("gradients", "products", "forwards")


@pytest.fixture(scope="module")
def folder(churn: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("costs") / "run"
    st.compare(
        churn, target="churned", optimizers=["newton", "sam(sgd, lr=0.1)", "sgd(lr=0.1)"], out=out, **OPTIONS
    )
    return out


def test_records_count_gradients_products_and_forward_passes(folder: Path) -> None:
    n = 0.0
    for each in Folder(folder).records():
        assert each.gradients is not None
        assert each.gradients == pytest.approx(each.curve[-1].gradients)
        if each.key.name == "newton":
            assert each.products
            assert each.forwards
            n = each.products / each.steps
            assert n == int(n) > 1
            assert each.gradients == pytest.approx(each.steps * (1 + 2 * n) + each.forwards / 3)
        else:
            assert (each.products, each.forwards) == (0, 0)
            assert each.gradients == each.steps * (2 if each.key.name.startswith("sam") else 1)
    assert n


def test_results_have_the_means_of_a_run(folder: Path) -> None:
    records = Folder(folder).records()
    with (folder / "results.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file) if row["kind"] == "arm"}
    assert len(rows) == 3
    for name, row in rows.items():
        assert list(row)[-len(COSTS) :] == list(COSTS)
        runs = [each for each in records if each.key.name == name and each.key.phase == "final"]
        assert len(runs) == 2
        for count in COUNTS:
            assert float(row[count]) == pytest.approx(sum(getattr(each, count) for each in runs) / 2)
    lines = list(csv.DictReader(tidy.results(st.Result.load(folder).comparison).splitlines()))
    assert (
        float(next(each for each in lines if each["name"] == "newton" and each["kind"] == "arm")["products"])
        > 0
    )


def test_the_report_shows_them_where_a_step_takes_several_gradients(folder: Path) -> None:
    comparison = st.Result.load(folder).comparison
    page = render_html(comparison)
    assert "processor time, memory and gradient evaluations</summary>" in page
    further = page.partition("gradient evaluations</summary>")[2].partition("</details>")[0]
    assert all(each in further for each in ("gradient evaluations", "curvature products", "forward passes"))
    (newton,) = [row for row in comparison.rows if row.name == "newton" and row.kind == "arm"]
    assert newton.products
    assert re.search(rf">\s*{newton.products:,.0f}\s*<", further)

    rules = comparison.model_copy(
        update={"curves": [each for each in comparison.curves if each.name == "sgd(lr=0.1)"]}
    )
    assert "curvature products" not in render_html(Comparison.model_validate(rules.model_dump()))
