"""Weights of rows from a column of the table: what they may be, and where they go."""

from __future__ import annotations

import json
import shlex
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
        "rows are weighted by people (1 to 3) in losses, metrics and baselines; for training, weights are divided by "
        f"their mean over the training rows. A mean over the {len(data.test)} test rows is as precise as one over "
        f"{worth:.0f} of equal weight."
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
        (dict.fromkeys(range(ROWS), 0.0), "no row has a weight above 0 in column 'people'"),
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


def test_a_part_of_its_own_file_needs_a_weight(tmp_path) -> None:
    pl.DataFrame(columns(people=[0] * ROWS)).write_csv(tmp_path / "test.csv")
    with pytest.raises(DataError, match="no test row has a weight above 0"):
        read_table(columns(), target="y", weight="people", test=str(tmp_path / "test.csv")).dataset()


def with_outliers(target: str) -> dict[str, Any]:
    """Return the columns with 40 more rows among them that have no weight and values like no other row."""
    made = pl.DataFrame(columns(people=[1 + each % 3 for each in range(ROWS)]))
    odd = made.head(40).with_columns(
        pl.lit(1e6).alias("x"),
        pl.lit("never").alias("kind"),
        pl.lit(0, pl.Int64).alias("people"),
        pl.lit("maybe").alias("y"),
        pl.lit(1e7).alias("amount"),
    )
    table = pl.concat([made.head(100), odd, made.tail(ROWS - 100)])
    return table.drop("amount" if target == "y" else "y").to_dict(as_series=False)


@pytest.mark.parametrize("target", ["y", "amount"])
@pytest.mark.parametrize("split", ["auto", "folds:3"])
def test_rows_without_weight_are_as_if_they_were_not_there(target: str, split: str) -> None:
    """Nothing is learned from them: no class, category, mean, deviation or split."""
    rows = with_outliers(target)
    plain = {name: [*each[:100], *each[140:]] for name, each in rows.items()}
    one, two = (read_table(each, target=target, weight="people", split=split) for each in (rows, plain))
    found, wanted = one.final(), two.final()
    assert found.classes == wanted.classes
    assert found.target_scale == wanted.target_scale
    assert one.pipeline.encoder == two.pipeline.encoder
    for name in ("train", "validation", "test"):
        pairs = zip(getattr(found, name).tensors, getattr(wanted, name).tensors, strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    numbers = [row if row < 100 else row + 40 for row in two.test_rows["row"]]
    assert one.test_rows["row"].to_list() == numbers
    assert "40 of 340 rows have the weight 0 in people and are left out." in [
        each.text for each in found.notes
    ]
    assert not [each.text for each in found.notes if "alone" in each.text]


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        (
            {9: 1e60},
            r"the weight of row 1 is 1 in column 'people', too small beside the largest of training, 1e\+60",
        ),
        ({9: 1e-60}, "the weight of row 10 is 1e-60 in column 'people', too small .*, 1 "),
        ({3: 0.0, 9: -1.0}, "the weight of row 10 is -1.0 in column 'people'"),
    ],
)
def test_weights_that_32_bits_cannot_hold_beside_the_others_are_refused(
    changes: dict[int, float], fact: str
) -> None:
    people = [1.0] * ROWS
    for row, value in changes.items():
        people[row] = value
    with pytest.raises(DataError, match=fact):
        read_table(columns(people=people), target="y", weight="people", split_seed=1).dataset()


@pytest.mark.parametrize("size", [1e308, 1e-320, 5.0])
def test_weights_of_any_size_are_divided_by_their_mean(size: float) -> None:
    data = read_table(columns(people=[size] * ROWS), target="y", weight="people").dataset()
    assert data.train.weights.tolist() == [1.0] * len(data.train)


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
    more = [each + 1 for each in columns()["people"]]
    weighted = one_less(
        read_table(columns(people=more), target=target, drop=[left], weight="people").dataset()
    )
    three = [
        run_baselines(data, seed=0) for data in (weighted, repeated_rows(weighted), without_weights(weighted))
    ]
    for one, repeated, plain in zip(*three, strict=True):
        found, wanted, other = (predict(each.model, weighted.test.inputs) for each in (one, repeated, plain))
        moved = float((found - other).abs().max())
        assert moved > 5e-3, f"{one.name} does not use the weights"
        if one.name != "gradient-boosting":
            assert float((found - wanted).abs().max()) < 0.2 * moved, one.name


def one_less(data: Any) -> Any:
    """Return a dataset whose rows have a weight of 1 less each, so that some have none, as sources of one's own may."""
    mean = float((data.train.weights / data.train.weights.min()).round().sub(1).double().mean())

    def less(part: Any) -> Any:
        return replace(part, weights=(part.weights / part.weights.min()).round().sub(1) / mean)

    return replace(data, **{name: less(getattr(data, name)) for name in ("train", "validation", "test")})


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


@pytest.mark.parametrize(
    ("name", "values", "hinted"),
    [
        ("weight", [0.5, 1.5], True),
        ("Weights", [3, 40], True),
        ("sample weight", [0.0, 1.5], True),
        ("survey_wt", [0.5, 1.5], True),
        ("WGT", ["0,5", "1,5"], True),
        ("pweight", [0.5, 1.5], True),
        ("fnlwgt", [77516, 83311], True),
        ("weight", [-0.5, 1.5], False),
        ("weight", ["light", "heavy"], False),
        ("weight", [0.5, None], False),
        ("wt", [2.62, 2.875], False),
        ("body weight", [60.5, 70.5], False),
    ],
)
def test_a_column_named_like_weights_has_a_hint(name, values, hinted):
    draw = np.random.default_rng(0)
    rows = {name: (values * 60)[:100], "x": draw.normal(size=100), "y": draw.normal(size=100)}
    if isinstance(values[0], int):
        rows[name] = draw.integers(*values, 100)
    hint = f"--weight {shlex.quote(name)}."
    table = read_table(rows, target="y")
    for notes in (table.describe().notes, table.dataset().notes):
        assert any(hint in each.text for each in notes) is hinted
    if hinted:
        for options in ({"weight": name}, {"drop": [name]}):
            assert not any(
                hint in each.text for each in read_table(rows, target="y", **options).describe().notes
            )
