"""The page of plain torch in ``examples/whole_path.py`` reaches the numbers of the public API."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import steepest as st
from steepest.components.references import load_reference
from steepest.data.catalog import open_catalog
from steepest.sweep.observer import Observer

PAGE = Path(__file__).parents[1] / "examples" / "whole_path.py"


def test_it_is_a_page_of_plain_torch() -> None:
    text = PAGE.read_text()
    assert len(text.splitlines()) <= 150
    imported = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert "torch" in imported
    assert "steepest" not in imported


# Over a whole epoch, one rectifier that opens on one side only, by the last digit, moves the third.
@pytest.mark.parametrize(
    ("epochs", "tolerance"), [(0.15, 1e-5), pytest.param(1, 1e-2, marks=pytest.mark.slow)]
)
def test_the_same_numbers(tmp_path, epochs: float, tolerance: float) -> None:
    path = open_catalog("flights").path
    whole = load_reference(f"{PAGE}:train")(path, epochs)
    names = {
        name: load_reference(f"{PAGE}:{name}")
        for name in ("CATEGORICAL", "CONTINUOUS", "TARGET", "LR", "BATCH")
    }
    table = st.read_table(
        path,
        target=names["TARGET"],
        features=names["CATEGORICAL"] + names["CONTINUOUS"],
        categorical=names["CATEGORICAL"],
        continuous=names["CONTINUOUS"],
        split="random",
    )
    plan = st.plan(table, optimizers=[f"adam(lr={names['LR']})"], seeds=1, epochs=epochs, batch_size=names["BATCH"],
                   schedule="cosine", numbers="standard")  # fmt: skip
    rows = plan.run(tmp_path / "x", observer=Observer()).comparison.rows
    found = next(row for row in rows if row.kind == "arm").last
    assert found["log_loss"].mean == pytest.approx(whole["log_loss"], rel=tolerance)
    assert found["accuracy"].mean == pytest.approx(whole["accuracy"], abs=3 / 4000 if epochs < 1 else 0.01)
