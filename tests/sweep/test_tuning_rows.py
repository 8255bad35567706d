"""Strengths of regularizers are tuned on enough validation rows, where people named no split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import steepest as st
from steepest.cli import main
from steepest.data.sources.opening import open_source
from steepest.experiment import tuning_rows
from steepest.recipe import load_tree
from steepest.record.store import Folder
from steepest.sweep.observer import Observer

FIXED = ["-o", "sgd(lr=0.1)", "--model", "linear", "--epochs", "1", "--seeds", "1", "--compile", "off",
         "--threads", "1", "--baseline", "none"]  # fmt: skip


def table(rows: int) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    x = draw.normal(size=rows)
    return pl.DataFrame({"x": x, "y": x + draw.normal(size=rows)})


class Listening(Observer):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def plan(rows: int, **options):
    listening = Listening()
    given = {"optimizers": ["sgd(lr=0.1)"], "model": "linear", "epochs": 1, "seeds": 1, "compile": "off"}
    st.plan(table(rows), target="y", **{**given, **options}).preview("new", observer=listening)
    return "\n".join(listening.said)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("rows", "options", "said", "not_said"),
    [
        (6000, {"regularizer": "l2"}, "4,398 training, 1,002 validation and 600 test", "rows alone"),
        (6000, {"regularizer": "l2(0.1)"}, "600 validation", "validation: "),
        (6000, {"regularizer": "l2", "validation": 0.1}, "600 validation rows alone", "validation: "),
        (6000, {"regularizer": "l2", "split": "random"}, "600 validation rows alone", "validation: "),
        (3000, {"regularizer": "l2"}, "300 validation rows alone", "validation: "),
        (10000, {"regularizer": "l2"}, "1,000 validation", "validation: "),
    ],
)
def test_the_default_share_grows_where_strengths_are_tuned_on_too_few_rows(rows, options, said, not_said):
    found = plan(rows, **options)
    assert said in found
    assert not_said not in found


def test_the_plan_of_a_command_says_so(capfd):
    table(6000).write_csv("t.csv")
    assert (
        main(["compare", "t.csv", "--target", "y", *FIXED, "--regularizer", "l2", "--dry-run", "--out", "n"])
        == 0
    )
    said = " ".join("".join(capfd.readouterr()).split())
    assert "validation: 0.167 of the rows instead of 0.1" in said
    assert "tuned on 1,002 rows and not on 600; --validation names another share" in said


def folder(name: str, *more: str) -> tuple[float, set[str]]:
    """Return a folder's share for validation and the recipes of its runs after a comparison."""
    assert main(["compare", "t.csv", "--target", "y", *FIXED, *more, "--out", name]) == 0
    tree = load_tree(Path(name) / "experiment.toml")
    return tree["data"]["validation"], {each.key.recipe for each in Folder(name).records()}


@pytest.fixture
def _little(monkeypatch):
    table(300).write_csv("t.csv")
    monkeypatch.setattr(tuning_rows, "FEW", 50)


@pytest.mark.usefixtures("_little")
def test_a_folder_keeps_the_share_that_it_was_begun_with():
    share, runs = folder("tuned", "--regularizer", "l2")
    assert share == 0.167
    assert folder("tuned", "--regularizer", "l2") == (share, runs)
    assert main(["resume", "tuned"]) == 0
    assert {each.key.recipe for each in Folder("tuned").records()} == runs
    again, more = folder("tuned", "--regularizer", "none")
    assert again == share
    assert more > runs


@pytest.mark.usefixtures("_little")
def test_strengths_join_a_folder_on_its_rows():
    share, runs = folder("plain", "--regularizer", "none")
    again, more = folder("plain", "--regularizer", "l2")
    assert share == again == 0.1
    assert more > runs


@pytest.mark.parametrize("kind", ["table", "curve", "images", "ratings"])
def test_data_with_another_share_is_that_data_opened_with_it(kind):
    draw = np.random.default_rng(1)
    stars = {
        "who": draw.integers(0, 5, 200),
        "what": draw.integers(0, 9, 200),
        "stars": draw.integers(1, 6, 200) / 1.0,
    }
    source, options = {
        "table": (table(200), {"target": "y"}),
        "curve": (table(200), {"x": "x", "y": "y"}),
        "images": ((draw.integers(0, 255, (60, 4, 4), dtype=np.uint8), np.arange(60) % 3), {"reader": "images"}),
        "ratings": (pl.DataFrame(stars), {"user": "who", "item": "what", "rating": "stars"}),
    }[kind]  # fmt: skip
    opened = open_source(source, **options)
    before, _ = opened.make(0)
    found, _ = opened.with_validation(0.2).make(0)
    wanted, _ = open_source(source, **options, validation=0.2).make(0)
    assert found.fingerprint == wanted.fingerprint != before.fingerprint
    assert torch.equal(found.validation.target, wanted.validation.target)
    assert opened.make(0)[0].fingerprint == before.fingerprint
