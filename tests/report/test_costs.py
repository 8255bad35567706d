"""What runs evaluate: gradients, curvature products and forward passes, from their records to the report."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import steepest as st
from steepest.compare.result import Comparison
from steepest.data.table import read_table
from steepest.experiment.folder import Folder
from steepest.export import tidy
from steepest.optim import make_spec
from steepest.optim.derivatives import size_of
from steepest.optim.held import HeldLoss
from steepest.optim.methods import levenberg_marquardt, newton
from steepest.recipe import Execution, Recipe
from steepest.report import render_html
from steepest.report.text import COSTS
from steepest.sweep import bench

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


def test_what_products_and_forward_passes_take_stands_beside_their_counts(folder: Path) -> None:
    comparison = st.Result.load(folder).comparison
    rows = {row.name: row for row in comparison.rows if row.kind == "arm"}
    assert rows["sgd(lr=0.1)"].gradients_a_product is rows["sam(sgd, lr=0.1)"].gradients_a_forward is None
    product, forward = rows["newton"].gradients_a_product, rows["newton"].gradients_a_forward
    assert product
    assert forward
    assert (
        f"newton: a product is 2 gradients by count, {product:.2g} by time; "
        f"a forward pass is 0.33 gradients by count, {forward:.2g} by time." in render_html(comparison)
    )


@pytest.mark.parametrize(
    ("name", "task", "product"), [("newton", "classification", 2), ("levenberg-marquardt", "regression", 2)]
)
def test_the_time_of_a_product_is_that_of_one(
    name: str, task: str, product: float, churn: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock on which a forward pass, with or without a gradient, takes a second, and a row of a matrix two."""
    now = [0.0]
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def slow(owner: Any, what: str, seconds: Callable[..., float]) -> None:
        usual = getattr(owner, what)

        def called(*given: Any) -> Any:
            now[0] += seconds(*given)
            return usual(*given)

        monkeypatch.setattr(owner, what, called)

    slow(HeldLoss, "__call__", lambda held: 1.0)
    slow(HeldLoss, "residuals", lambda held: 1.0)
    slow(newton, "hessian", lambda first, params: 2.0 * len(first))
    slow(levenberg_marquardt, "jacobian", lambda found, params: float(min(len(found), size_of(params))))
    target = "churned" if task == "classification" else "age"
    data = read_table(churn.select("age", "plan", "churned"), target=target, task=task).dataset()
    recipe = Recipe(
        data=data.fingerprint, model="linear", optimizer=name, schedule="constant", steps=1, batch_size=32,
        metric="log_loss" if task == "classification" else "rmse",
    )  # fmt: skip
    found = bench.Bench(data, recipe, None, "cpu").evaluations(bench.Way(make_spec(name), Execution()))
    assert found == {"product": pytest.approx(product), "forward": pytest.approx(1.0)}


def test_hessian_free_says_what_its_evaluations_take(churn: pl.DataFrame) -> None:
    data = read_table(churn.select("age", "plan", "churned"), target="churned").dataset()
    recipe = Recipe(
        data=data.fingerprint, model="embedding-mlp(hidden=(4,))", optimizer="hessian-free", schedule="constant",
        steps=1, batch_size=32, metric="log_loss",
    )  # fmt: skip
    for text in ("hessian-free", "hessian-free(variant='notebook-2021')"):
        found = bench.Bench(data, recipe, None, "cpu").evaluations(bench.Way(make_spec(text), Execution()))
        assert found.keys() == {"product", "forward"}
        assert all(each > 0 for each in found.values())
    assert not bench.Bench(data, recipe, None, "cpu").evaluations(bench.Way(make_spec("adam"), Execution()))


@pytest.mark.parametrize(
    ("equal", "unit"),
    [("gradients", "gradient evaluations"), ("seconds", "seconds of training"), ("epochs", None)],
)
def test_the_report_says_in_which_unit_runs_are_equal(
    equal: str, unit: str | None, churn: pl.DataFrame, tmp_path: Path
) -> None:
    options = {**OPTIONS, "epochs": 1, "seeds": 1}
    found = st.compare(
        churn, target="churned", optimizers=["sgd(lr=0.1)"], equal=equal, out=tmp_path / "run", **options
    )
    assert {each.label: each.value for each in found.comparison.recipe}.get("runs are equal in") == unit
    assert ("runs are equal in" in (tmp_path / "run" / "report.html").read_text()) == bool(unit)
