"""Whose steps are compiled, decided and carried out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import steepest as st
from steepest.errors import FolderError, OptionError
from steepest.recipe import load_tree
from steepest.record.store import Folder
from steepest.sweep.methods import difference
from steepest.sweep.observer import Observer
from steepest.train.aot import compiler

needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")


def test_losses_that_are_not_numbers_are_far_apart() -> None:
    assert difference([1.0, 2.0], [1.0, 2.0]) == 0.0
    assert difference([4.0], [3.0]) == 0.25
    assert difference([1.0], [float("nan")]) == float("inf")


class Lines(Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def stage(self, title: str) -> None:
        self.lines.append(title)


def compiled_in(folder: Path) -> list[str]:
    """Return whose steps are compiled in a folder."""
    [cell] = load_tree(folder / "experiment.toml")["plan"]["cells"].values()
    return cell["compiled"]


@needs_compiler
def test_a_comparison_with_compiled_steps(churn_csv: Path, tmp_path: Path) -> None:
    table = st.read_table(churn_csv, target="churned")
    options = {"seeds": 2, "epochs": 2, "batch_size": 32, "hidden": (8,), "threads": 1}
    optimizers = ["adam(lr=0.01)", "muon(lr=0.01)"]
    seen = Lines()
    made = st.plan(table, optimizers=optimizers, compile="on", **options).run(tmp_path / "a", observer=seen)
    eager = st.plan(table, optimizers=optimizers, compile="off", **options).run(
        tmp_path / "b", observer=Lines()
    )
    assert compiled_in(tmp_path / "a") == ["adam(lr=0.01)"]
    assert "compiling the step of adam, once for this machine" in seen.lines
    assert any(line.startswith("steps  muon(lr=0.01) runs eagerly: ") for line in seen.lines)
    assert compiled_in(tmp_path / "b") == []
    for one, other in zip(made.comparison.rows, eager.comparison.rows, strict=True):
        assert one.metrics["log_loss"].mean == pytest.approx(other.metrics["log_loss"].mean, rel=1e-3)

    # Again from a copy without half of the journal: the same bits.
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    journal = tmp_path / "c" / "journal.jsonl"
    journal.write_text("".join(line + "\n" for line in journal.read_text().splitlines()[:4]))
    again = st.plan(table, optimizers=optimizers, compile="on", **options).run(
        tmp_path / "c", observer=Lines()
    )
    records = [Folder(tmp_path / name).records() for name in ("a", "c")]
    kept = [{(each.key.recipe, each.key.seed): each.best for each in some} for some in records]
    assert kept[0] == kept[1]
    assert [row.metrics for row in again.comparison.rows] == [row.metrics for row in made.comparison.rows]
    with pytest.raises(FolderError, match="compile on, not off"):
        st.plan(table, optimizers=optimizers, compile="off", **options).run(tmp_path / "a", observer=Lines())


@needs_compiler
def test_a_rate_at_which_a_compiled_step_does_not_hold_runs_eagerly(churn_csv: Path, tmp_path: Path) -> None:
    table = st.read_table(churn_csv, target="churned")
    options = {
        "seeds": 1,
        "epochs": 1,
        "batch_size": 32,
        "hidden": (8,),
        "rows": "on",
        "schedule": "constant",
    }
    optimizers = [
        "sgd(lr=2.0, weight_decay=0.4)"
    ]  # its decay is too strong for the closed form, but not at 1e-4
    seen = Lines()
    made = st.plan(table, optimizers=optimizers, compile="on", **options).run(tmp_path / "a", observer=seen)
    assert compiled_in(tmp_path / "a") == ["sgd(lr=2.0, weight_decay=0.4)"]
    assert any(
        "sgd(lr=2.0, weight_decay=0.4) at 2 runs eagerly: the schedule takes" in line for line in seen.lines
    )
    eager = st.plan(table, optimizers=optimizers, compile="off", **options).run(
        tmp_path / "b", observer=Lines()
    )
    for one, other in zip(made.comparison.rows[:1], eager.comparison.rows[:1], strict=True):
        assert one.metrics == other.metrics


def test_a_wrong_value_is_named(churn_csv: Path) -> None:
    with pytest.raises(OptionError, match="sometimes"):
        st.plan(st.read_table(churn_csv, target="churned"), compile="sometimes")
