"""What a comparison says of several factors, held against its own files; a failed seed in one cell leaves all."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import steepest as st
from steepest.cli import main
from steepest.models import build_model
from tests.conftest import churn_table

MODEL = "embedding-mlp(hidden=(4,), dropout=0.1)"
SIZES = (32, 128)
DIVERGES = """
import torch

class Own(torch.optim.SGD):
    \"\"\"SGD that is not a number after 12 steps where its first weight began above a threshold.\"\"\"

    def step(self, closure=None):
        self.count = getattr(self, "count", 0) + 1
        first = self.param_groups[0]["params"][0]
        if self.count == 1:
            self.bad = first.flatten()[0].item() > {threshold}
        loss = super().step(closure)
        if self.count > 12 and self.bad:
            with torch.no_grad():
                first.fill_(float("nan"))
        return loss
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    churn_table(900).write_csv("churn.csv")


BASE = ["compare", "churn.csv", "--target", "churned", "--epochs", "1", "--hidden", "4", "--threads", "1", "--seeds",
        "3", "--compile", "off", *(part for size in SIZES for part in ("--batch-size", str(size)))]  # fmt: skip


def compare(*arguments: str) -> Any:
    assert main([*BASE, *arguments, "--out", "out"]) == 0
    return st.Result.load("out").comparison


def losses(comparison: Any) -> dict[str, list[float]]:
    """Return the mean loss of the test rows of each seed's reported run, by arm; NaN where there is none."""
    found: dict[str, list[float]] = {}
    for arm in comparison.arms:
        files = [Path("out/rows", f"{run}.safetensors") for run in sorted(arm.runs, key=lambda run: run[-1])]
        found[arm.title] = [
            float(load_file(each)["loss"].astype(np.float64).mean()) if each.exists() else np.nan
            for each in files
        ]
    return found


def independent(found: dict[str, list[float]], one: str, other: str, over: tuple[str, ...]) -> np.ndarray:
    """Return, of each seed that every arm finished, the mean of one level less that of another."""
    table = {name: np.array(values) for name, values in found.items()}
    fine = np.all(np.isfinite(list(table.values())), axis=0)
    means = [
        np.mean([v[fine] for k, v in table.items() if part in k.split(", ")], axis=0) for part in (one, other)
    ]
    assert all(sum(part in k.split(", ") for k in table) == len(over) for part in (one, other))
    return means[0] - means[1]


def check(comparison: Any, optimizers: tuple[str, str], seeds: int) -> None:
    found, effects = losses(comparison), comparison.factorial
    assert effects is not None
    assert effects.seeds == seeds
    levels = {"optimizer": optimizers, "batch_size": tuple(f"batch {size}" for size in SIZES)}
    for name, over in levels.items():
        [pair] = effects[name].pairs
        assert {pair.first, pair.second} == set(over)
        by_seed = independent(found, pair.first, pair.second, over)
        assert len(by_seed) == seeds
        assert pair.mean == pytest.approx(by_seed.mean(), abs=1e-6)


def test_effects_are_those_of_the_files() -> None:
    comparison = compare("-o", "sgd(lr=0.1)", "-o", "adam(lr=0.01)")
    check(comparison, ("sgd(lr=0.1)", "adam(lr=0.01)"), 3)
    with Path("out/results.csv").open() as file:
        rows = {row["name"]: float(row["log_loss"]) for row in csv.DictReader(file) if row["kind"] == "arm"}
    for title, values in losses(comparison).items():
        assert rows[title] == pytest.approx(np.mean(values), abs=1e-6)
    [interaction] = comparison.factorial.interactions
    found = {title: np.mean(values) for title, values in losses(comparison).items()}
    cells = [[found[f"{name}, batch {size}"] for size in SIZES] for name in ("sgd(lr=0.1)", "adam(lr=0.01)")]
    assert abs(interaction.difference.mean) == pytest.approx(
        abs(cells[0][0] - cells[0][1] - cells[1][0] + cells[1][1]), abs=1e-6
    )


def test_a_seed_that_fails_in_one_cell_leaves_all_cells() -> None:
    shape = st.read_table("churn.csv", target="churned").dataset().shape
    first = sorted(
        next(build_model(MODEL, shape, seed=seed).parameters()).flatten()[0].item() for seed in range(3)
    )
    Path("mine.py").write_text(DIVERGES.format(threshold=(first[1] + first[2]) / 2))
    comparison = compare("-o", "sgd(lr=0.1)", "-o", "mine.py:Own(lr=0.1)")
    own = "mine.py:Own(lr=0.1)"
    failed = {title: int(np.isnan(values).sum()) for title, values in losses(comparison).items()}
    assert failed == {f"{name}, batch {size}": int((name, size) == (own, 32)) for name, size in
                      itertools.product(("sgd(lr=0.1)", own), SIZES)}  # fmt: skip
    check(comparison, ("sgd(lr=0.1)", own), 2)
    assert comparison.factorial.dropped == 1
    rows = {row.name: row for row in comparison.rows if row.kind == "arm"}
    assert "1 of 3" in rows[f"{own}, batch 32"].outcome
    assert rows["sgd(lr=0.1), batch 32"].seeds == 3
    assert comparison.winner != f"{own}, batch 32"
    assert main(["resume", "out"]) == 0
    assert st.Result.load("out").comparison.factorial == comparison.factorial


def test_an_arm_that_fails_altogether_leaves_no_effects() -> None:
    Path("mine.py").write_text(DIVERGES.format(threshold=-1e9))
    comparison = compare("-o", "sgd(lr=0.1)", "-o", "mine.py:Own(lr=0.1)")
    assert comparison.factorial is None
    assert comparison.winner.startswith("sgd(lr=0.1)")
    rows = {row.name: row for row in comparison.rows if row.kind == "arm"}
    assert rows["mine.py:Own(lr=0.1), batch 32"].metrics["log_loss"].n == 0
    assert "There are no main effects: no seed that every arm finished." in comparison.warnings


def test_arms_that_are_no_full_factorial_have_no_effects() -> None:
    Path("arms.toml").write_text(
        '[data]\nsource = "churn.csv"\ntarget = "churned"\n[protocol]\nseeds = 2\nepochs = 1\n'
        '[execution]\ncompile = "off"\nthreads = 1\n'
        '[[arms]]\noptimizer = "sgd(lr=0.1)"\n[[arms]]\noptimizer = "adam(lr=0.01)"\nbatch_size = 128\n'
        '[[arms]]\noptimizer = "adam(lr=0.01)"\nname = "plain"\n'
    )
    assert main(["compare", "arms.toml", "--out", "out"]) == 0
    result = st.Result.load("out")
    assert result.comparison.factorial is None
    assert any("3 arms are not all 4 combinations" in each for each in result.comparison.warnings)
    assert [arm.title for arm in result.comparison.arms] == ["sgd(lr=0.1), batch 32", "adam(lr=0.01), batch 128",
                                                             "plain"]  # fmt: skip
    assert result.difference("plain", "adam(lr=0.01), batch 128").n == 2
