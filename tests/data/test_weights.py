"""Weights of rows from a column of the table: what they may be, and where they go."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from typer.testing import CliRunner

import steepest as st
from steepest import rng
from steepest.cli import app
from steepest.data.row_weights import effective_rows
from steepest.data.table import read_table
from steepest.errors import DataError, OptionError, PreparationError, UnknownNameError
from steepest.evaluate.baselines import run_baselines
from steepest.evaluate.metrics import evaluate
from steepest.evaluate.outputs import predict
from steepest.objectives.target import ClassTarget
from steepest.sweep.defaults import class_weights

ROWS = 300


def columns(**changes: Any) -> dict[str, Any]:
    """Return the columns of a small table, with counts of people."""
    draw = rng.stream(11, "data")
    x, kind = draw.standard_normal(ROWS).round(3), draw.integers(0, 4, ROWS)
    people = draw.integers(0, 4, ROWS)
    y = np.where(x + (kind == 2) + draw.standard_normal(ROWS) > 0.6, "yes", "no")
    return {
        "x": x.tolist(),
        "kind": [f"k{each}" for each in kind],
        "people": people.tolist(),
        "y": y.tolist(),
        "amount": (3.0 * x + kind + draw.standard_normal(ROWS)).tolist(),
        **changes,
    }


def test_weights_have_mean_one_over_the_training_rows_and_are_no_feature() -> None:
    table = read_table(columns(), target="y", drop=["amount"], weight="people")
    data, made = table.dataset(), table.prepared()
    assert data.shape.continuous == ("x",)
    assert list(data.shape.cardinalities) == ["kind"]
    assert float(data.train.weights.double().mean()) == pytest.approx(1.0, rel=1e-6)
    for name in ("train", "validation", "test"):
        wanted = made.filter(made["split"] == name)["people"].to_numpy()
        found = getattr(data, name).weights
        assert found.dtype == torch.float32
        mean = made.filter(made["split"] == "train")["people"].mean()
        assert found.numpy() == pytest.approx(wanted / mean, rel=1e-6)
    [note] = [each.text for each in data.notes if "weighted" in each.text]
    worth = effective_rows(data.test.weights.numpy())
    assert note == (
        "rows are weighted by people (0 to 3) in losses, metrics and baselines; for training, weights are divided by "
        f"their mean over the training rows. A mean over the 30 test rows is as precise as one over {worth:.0f} of "
        "equal weight."
    )
    [column] = [each for each in table.describe().columns if each.name == "people"]
    assert column.role == "weight"
    assert 'weight = "people"' in table.describe().to_toml()


def test_the_fingerprint_has_the_weights_only_where_there_are_some() -> None:
    plain, weighted = (
        read_table(columns(), target="y", drop=["amount", *drop], weight=weight).dataset().fingerprint
        for drop, weight in ((["people"], None), ([], "people"))
    )
    assert plain == "b9603e85c1023c118e5a614ed74de312"  # that of versions without weights
    other = read_table(columns(people=[1] * ROWS), target="y", drop=["amount"], weight="people").dataset()
    assert len({plain, weighted, other.fingerprint}) == 3


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({5: -2.0}, r"the weight of row 6 is -2.0 in column 'people' \(1 such row\)"),
        ({7: None, 9: None}, r"column 'people' has no weight in row 8 \(2 such rows\)"),
        ({0: float("inf")}, "the weight of row 1 is inf"),
        (dict.fromkeys(range(ROWS), 0.0), "no training row has a weight above 0 in column 'people'"),
    ],
)
def test_what_no_weights_are(changes: dict[int, Any], fact: str) -> None:
    people: list[Any] = [1.0] * ROWS
    for row, value in changes.items():
        people[row] = value
    with pytest.raises(DataError, match=fact):
        read_table(columns(people=people), target="y", weight="people").dataset()


def test_weights_of_texts_and_of_no_column_are_refused() -> None:
    with pytest.raises(DataError, match="the weight of row 1 is 'k"):
        read_table(columns(), target="y", weight="kind").dataset()
    with pytest.raises(UnknownNameError, match="people"):
        read_table(columns(), target="y", weight="peple").dataset()
    with pytest.raises(OptionError, match="both the target and the weight"):
        read_table(columns(), target="y", weight="y")
    for option in ("features", "continuous", "categorical", "drop"):
        with pytest.raises(OptionError, match=f"{option} people has no effect: it holds the weights of rows"):
            read_table(columns(), target="y", weight="people", **{option: ["people"]})


def test_a_zero_weight_in_a_part_that_needs_one_is_an_error() -> None:
    table = read_table(columns(), target="y", weight="people")
    made = table.prepared()
    tested = set(table.test_rows["row"].to_list())
    people = [0 if row in tested else 1 for row in range(ROWS)]
    assert made.height == ROWS
    with pytest.raises(DataError, match="no test row has a weight above 0"):
        read_table(columns(people=people), target="y", weight="people").dataset()


def test_fewer_training_rows_keep_their_own_weights() -> None:
    table = read_table(columns(), target="y", drop=["amount"], weight="people")
    base, few = table.dataset(), table.variant(train_rows=0.5, labels="noise(0.2)")
    assert float(few.train.weights.double().mean()) == pytest.approx(1.0, rel=1e-6)
    ratio = few.test.weights / base.test.weights
    known = ~ratio.isnan()
    assert torch.allclose(ratio[known], ratio[known][0])
    assert few.training(3).weights is few.train.weights
    assert few.true_train.weights is few.train.weights


def test_a_preparation_that_changes_weights_is_refused() -> None:
    table = read_table(columns(), target="y", drop=["amount"], weight="people")
    step = {"use": "derive", "columns": {"people": "people + 1"}}
    with pytest.raises(PreparationError, match=r"another weight \(people\)"):
        table.variant(prepare=[step])


@pytest.mark.parametrize(("target", "left"), [("y", "amount"), ("amount", "y")])
def test_baselines_take_a_weight_of_k_for_k_rows(target: str, left: str) -> None:
    """Shares, mean and regressions are those of repeated rows, however the penalty is scaled; trees count rows."""
    weighted = read_table(columns(), target=target, drop=[left], weight="people").dataset()
    three = [
        run_baselines(data, seed=0) for data in (weighted, repeated_rows(weighted), without_weights(weighted))
    ]
    for one, repeated, plain in zip(*three, strict=True):
        found, wanted, other = (predict(each.model, weighted.test.inputs) for each in (one, repeated, plain))
        moved = float((found - other).abs().max())
        assert moved > 5e-3, f"{one.name} does not use the weights"
        if one.name != "gradient-boosting":
            assert float((found - wanted).abs().max()) < 0.2 * moved, one.name


def repeated_rows(data: Any) -> Any:
    """Return a dataset with each row as often as it has people, without weights."""

    def again(part: Any) -> Any:
        smallest = part.weights[part.weights > 0].min()
        times = (part.weights / smallest).round().long()
        return replace(part, weights=None).take(torch.arange(len(part)).repeat_interleave(times))

    return replace(data, **{name: again(getattr(data, name)) for name in ("train", "validation", "test")})


def without_weights(data: Any) -> Any:
    """Return a dataset whose rows count the same."""
    parts = ("train", "validation", "test")
    return replace(data, **{name: replace(getattr(data, name), weights=None) for name in parts})


def test_balanced_class_weights_count_rows_by_their_weights() -> None:
    data = read_table(columns(), target="y", drop=["amount"], weight="people").dataset()
    found = class_weights(data, "balanced")
    sums = [float(data.train.weights[data.train.target == code].sum()) for code in range(2)]
    assert found == pytest.approx([len(data.train) / 2 / each for each in sums], rel=1e-6)


def test_a_comparison_is_judged_by_weighted_rows(tmp_path) -> None:
    table = read_table(columns(), target="y", drop=["amount"], weight="people")
    result = st.compare(
        table, tmp_path / "one", optimizers=["adam(lr=0.01)"], epochs=1, seeds=2, device="cpu"
    )
    test, model = table.dataset().test, st.load(tmp_path / "one" / "model")
    outputs = predict(model.net, test.inputs)
    metrics = ["log_loss", "accuracy", "roc_auc"]
    judged = evaluate(outputs, test.target, ClassTarget(2, 1), metrics, test.weights)
    assert {name: model.about.trained["test"][name] for name in metrics} == pytest.approx(judged, rel=1e-6)
    assert judged != pytest.approx(evaluate(outputs, test.target, ClassTarget(2, 1), metrics), rel=1e-3)
    assert "Metrics are weighted by people." in str(result)
    assert "the test rows, weighted by people" in result.report.read_text()
    assert sum(map(sum, result.comparison.confusion)) == pytest.approx(float(test.weights.sum()), rel=1e-6)
    assert sum(each.rows for each in result.comparison.classes) == len(test)
    new = columns()
    del new["people"], new["amount"], new["y"]
    assert len(model.predict(new)) == ROWS


def test_describe_shows_what_the_column_is_for(tmp_path) -> None:
    pl.DataFrame(columns()).write_csv(tmp_path / "survey.csv")
    ran = CliRunner().invoke(
        app, ["describe", str(tmp_path / "survey.csv"), "--target", "y", "--weight", "people", "--json"]
    )
    roles = {each["name"]: each["role"] for each in json.loads(ran.stdout)["columns"]}
    assert roles["people"] == "weight"
