"""Encodings of numbers on the command line and in Python: compared, predicted with, resumed, refused."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tomli_w

import steepest as st
from steepest.cli import main
from steepest.errors import OptionError
from steepest.experiment.settings import decide
from steepest.recipe import validate_experiment
from steepest.sweep.observer import Observer
from steepest.sweep.wanted import NOTHING_GIVEN

QUICK = ["-o", "adam(lr=0.01)", "--seeds", "2", "--epochs", "1", "--compile", "off", "--hidden", "8",
         "--baseline", "none"]  # fmt: skip


@pytest.fixture(scope="module")
def three(churn_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of three encodings."""
    out = tmp_path_factory.mktemp("numbers") / "three"
    command = ["compare", churn_csv, "--target", "churned", "--numbers", "standard,piecewise(bins=8)",
               "--numbers", "periodic", *QUICK, "--out", out]  # fmt: skip
    assert main([str(each) for each in command]) == 0
    return out


def titles(folder: Path) -> list[str]:
    return sorted(arm["title"] for arm in json.loads((folder / "results.json").read_text())["arms"])


def test_encodings_are_arms_and_their_networks_predict(steepest, three, churn_csv, tmp_path) -> None:
    assert titles(three) == ["periodic numbers", "piecewise(bins=8) numbers", "standard numbers"]
    texts = set()
    for title in titles(three):
        out = tmp_path / "p.csv"
        said = steepest("predict", three, churn_csv, "--arm", title, "--out", out)
        assert said.status == 0, said.err
        texts.add(out.read_text())
    assert len(texts) == 3
    model = st.load(three, arm="piecewise(bins=8) numbers")
    rows = pl.read_csv(churn_csv).head(7)
    assert model.predict_proba(rows).shape == (7, 2)
    assert model.pipeline.shape.numbers is not None


def test_a_folder_goes_on_with_another_encoding(steepest, three, churn_csv) -> None:
    said = steepest(
        "compare", churn_csv, "--target", "churned", "--numbers", "quantile", *QUICK, "--out", three
    )
    assert said.status == 0, said.err
    assert "quantile numbers" in titles(three)
    assert len(titles(three)) == 4


def test_arms_of_standard_scores_are_those_of_older_folders(churn_csv) -> None:
    tree = {"data": {"source": str(churn_csv), "target": "churned"}, "optimizers": ["adam(lr=0.01)"],
            "model": {"numbers": "standard"}, "protocol": {"epochs": 1}}  # fmt: skip
    source = st.read_table(churn_csv, target="churned")
    [arm] = decide(validate_experiment(tree), source, NOTHING_GIVEN, Observer()).arms
    older = {name: value for name, value in arm.factors.items() if name != "numbers"}
    assert dataclasses.replace(arm, factors=older).id == arm.id
    assert arm.recipe.data == source.dataset().fingerprint
    assert not hasattr(arm.recipe, "numbers")


def test_an_older_folder_has_standard_scores(three) -> None:
    tree = tomllib.loads((three / "experiment.toml").read_text())
    assert "plan" in tree
    assert validate_experiment(tree).model.numbers == tree["model"].pop("numbers")
    assert validate_experiment(tomllib.loads(tomli_w.dumps(tree))).model.numbers == "standard"


def test_encodings_in_python_and_in_a_list_of_arms(churn_csv, tmp_path) -> None:
    table = st.read_table(churn_csv, target="churned")
    options = {"epochs": 1, "seeds": 1, "compile": "off", "baseline": ["none"], "hidden": [4]}
    several = st.compare(table, optimizers="adam(lr=0.01)", numbers=["standard", "quantile"],
                         out=tmp_path / "a", **options)  # fmt: skip
    listed = st.compare(
        table,
        arms=[
            st.Arm(numbers="standard", optimizer="adam(lr=0.01)"),
            st.Arm(numbers="quantile", optimizer="adam(lr=0.01)"),
        ],
        out=tmp_path / "b",
        **options,
    )
    found = [{arm.title: arm.id for arm in each.comparison.arms} for each in (several, listed)]
    assert found[0] == found[1]
    assert sorted(found[0]) == ["quantile numbers", "standard numbers"]


def test_two_texts_of_one_encoding_are_one_arm(steepest, churn_csv, tmp_path) -> None:
    said = steepest("compare", churn_csv, "--target", "churned", "--numbers", "periodic,periodic(sigma=0.1)",
                    *QUICK, "--out", tmp_path / "x")  # fmt: skip
    assert said.status != 0
    assert "is given twice" in said.err


@pytest.mark.parametrize(
    ("value", "fact"),
    [("quantil", "unknown encoding of numbers 'quantil'"), ("piecewise(bins=1)", "bins = 1 of the encoding")],
)
def test_a_wrong_encoding_is_refused_before_the_data_is_read(steepest, value, fact, tmp_path) -> None:
    said = steepest("compare", tmp_path / "no.csv", "--target", "y", "--numbers", value)
    assert said.status != 0
    assert fact in said.err
    assert "Hint" in said.err


def test_data_without_columns_of_numbers_refuses_an_encoding() -> None:
    with pytest.raises(OptionError, match="numbers piecewise has no effect on 'parabola'"):
        st.compare("parabola", numbers="piecewise", epochs=1, seeds=1)


def test_an_exact_optimum_is_that_of_scores(tmp_path) -> None:
    x = np.random.default_rng(0).normal(size=300)
    found = st.compare(
        st.read_table({"x": x, "y": np.abs(x)}, target="y"), optimizers="adam(lr=0.01)", model="linear",
        numbers=["standard", "piecewise"], epochs=1, seeds=1, compile="off", baseline=["none"], out=tmp_path / "x",
    )  # fmt: skip
    assert [each.arm for each in found.comparison.optima] == ["standard numbers"]


def test_print_model_shows_the_network_that_is_trained(steepest, churn_csv) -> None:
    shown = ["--target", "churned", "--model", "linear", "--print-model", "--dry-run", "--epochs", "1"]
    said = [
        steepest("compare", churn_csv, *shown, "--numbers", each)
        for each in ("standard", "piecewise(bins=8)")
    ]
    assert [each.status for each in said] == [0, 0]
    assert "NumberColumns()" in said[1].out + said[1].err
    assert "NumberColumns()" not in said[0].out + said[0].err
