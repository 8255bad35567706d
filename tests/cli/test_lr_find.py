"""``steepest lr-find``: its table, its pictures, what it refuses, and that it changes no comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import steepest as st
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from tests.cli.conftest import QUICK


def arguments(churn_csv: Path) -> list[object]:
    return ["lr-find", churn_csv, "--target", "churned", "--hidden", "8", "--batch-size", "64"]


def test_every_optimizer_gets_a_rate_and_the_pictures_are_written(steepest, churn_csv, tmp_path) -> None:
    pictures = [tmp_path / f"rates.{form}" for form in ("html", "svg", "png")]
    out = [each for path in pictures for each in ("--out", path)]
    said = steepest(*arguments(churn_csv), "-o", "adam,sgd", *out)
    assert said.status == 0
    assert "Suggested learning rate: " in said.out
    page = pictures[0].read_text()
    assert "Suggested learning rate: " in page
    assert "src=" not in page.split("<body>")[1].split("<script")[0]
    assert pictures[1].read_text().lstrip().startswith("<?xml")
    assert pictures[2].read_bytes().startswith(b"\x89PNG")


def test_numbers_as_json(steepest, churn_csv, tmp_path) -> None:
    out = ["--out", tmp_path / "x.html", "--steps", "40", "--from", "1e-5", "--to", "1"]
    said = steepest(*arguments(churn_csv), "-o", "sgd", *out, "--json")
    [test] = json.loads(said.out)
    assert test["rates"][0] == 1e-5
    assert len(test["rates"]) == len(test["losses"]) == len(test["smoothed"]) <= 40
    assert test["suggested"] == pytest.approx(min(test["lowest"] / 10, test["steepest"]))


def test_other_arms_are_tested_too(steepest, churn_csv, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = steepest(*arguments(churn_csv), "--batch-size", "128", "--steps", "20", "-q")
    assert said.status == 0
    assert "batch 64" in said.out
    assert "batch 128" in said.out
    assert Path("lr-find.html").is_file()


REFUSED = [
    (["-o", "rprop"], "the learning rate of rprop is no factor of its step"),
    (["--from", "1", "--to", "0.1"], "do not rise"),
    (["--steps", "2"], "2 steps are too few"),
    (["--out", "rates.gif"], "cannot be written as 'rates.gif'"),
    (["--out", "nowhere/rates.html"], "there is no folder"),
    (["--seeds", "3"], "no such option: --seeds"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_has_no_effect_is_refused(steepest, churn_csv, options, said) -> None:
    found = steepest(*arguments(churn_csv), *options)
    assert found.status == 2
    assert said in found.err


def test_options_of_a_comparison_are_refused_in_python() -> None:
    with pytest.raises(st.SteepestError, match="epochs has no effect on a range test"):
        st.lr_find("flights", epochs=3, observer=Observer())


def test_a_comparison_after_it_has_the_same_bits(steepest, finished, churn_csv, tmp_path) -> None:
    before = torch.get_rng_state()
    assert steepest(*arguments(churn_csv), "-q", "--out", tmp_path / "rates.html").status == 0
    assert torch.equal(torch.get_rng_state(), before)
    again = tmp_path / "again"
    optimizers = ["-o", "adam(lr=0.01),sgd(lr=0.1)"]
    assert (
        steepest("compare", churn_csv, "--target", "churned", *optimizers, *QUICK, "--out", again).status == 0
    )
    curves = [
        {
            (each.key.recipe, each.key.seed): (each.best, each.last, each.test)
            for each in Folder(one).records()
        }
        for one in (finished, again)
    ]
    assert curves[0] == curves[1]
