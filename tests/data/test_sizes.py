"""A column's unit does not matter: not to what the network sees, and not to what it predicts."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from steepest.data.encode import TableEncoder
from steepest.data.pipeline import TablePipeline
from steepest.data.table import Table, read_table
from steepest.errors import DataError

N = 200
GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(size=N)
Y = np.where(X > 0, "a", "b")
FEW = GENERATOR.integers(0, 400, N)


def opened(values: Any, **options: Any) -> Table:
    frame = pl.DataFrame({"x": values, "y": Y})
    return read_table(frame, target="y", continuous=["x"], **options)


@pytest.fixture(autouse=True)
def _without_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("power", [-990, -500, -340, -43, 0, 40, 332, 330, 490])
def test_the_network_sees_the_same_whatever_the_unit(power: int) -> None:
    """From 1e-298 to 1e148."""
    unit = opened(X).dataset().train.inputs[1]
    table = opened(X * 2.0**power)
    found = table.dataset().train.inputs[1]
    assert float(found.std()) == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(found, unit, rtol=1e-6, atol=1e-6)
    again = TablePipeline.from_dict(json.loads(json.dumps(table.pipeline.to_dict())))
    inputs = again.transform(pl.DataFrame({"x": X * 2.0**power})).inputs
    torch.testing.assert_close(
        inputs[1], opened(X).pipeline.transform(pl.DataFrame({"x": X})).inputs[1], rtol=1e-6, atol=1e-6
    )
    seen = table.pipeline.encoder.decode(inputs)["x"]
    assert seen.to_numpy() == pytest.approx(X * 2.0**power, rel=1e-3, abs=2.0**power * 1e-5)


@pytest.mark.parametrize(
    ("values", "sd"),
    [
        (1e9 + 1e-3 * X, 1e-3),
        (1_700_000_000_000_000_000 + 10**6 * FEW, 10**6 * FEW.std()),
        (2**63 - 1 - FEW, FEW.std()),
        (-(2**63) + FEW, FEW.std()),
        (np.uint64(2**64 - 1) - FEW.astype(np.uint64), FEW.std()),
        ((1e6 + X).astype(np.float32), 1),
    ],
    ids=["small around 1e9", "nanoseconds", "near 2^63", "near -2^63", "near 2^64", "32 bits"],
)
def test_what_varies_little_around_much_is_kept(values: Any, sd: float) -> None:
    table = opened(values)
    scores = table.dataset().train.inputs[1][:, 0]
    assert float(scores.std()) == pytest.approx(1, abs=0.02)
    assert abs(float(scores.mean())) < 0.01
    assert table.pipeline.encoder.scales["x"].sd == pytest.approx(sd, rel=0.15)
    new = pl.DataFrame({"x": values})
    once = table.pipeline.transform(new).inputs[1]
    assert len(set(once[:, 0].tolist())) == new["x"].n_unique()
    if new["x"].dtype != pl.Float32:
        text = table.pipeline.transform(new.with_columns(pl.col("x").cast(pl.String))).inputs[1]
        assert torch.equal(once, text)
    gaps = pl.DataFrame({"x": [None, new["x"][0]]}, schema=new.schema)
    assert table.pipeline.transform(gaps).inputs[1].tolist() == [[0.0], once[0].tolist()]


def test_a_difference_between_whole_numbers_that_overflows_is_not_lost() -> None:
    train = pl.DataFrame({"x": [-(2**63), 2**63 - 1]})
    (_, scores), _ = TableEncoder.fit(train, categorical=[], continuous=["x"]).encode(train)
    assert scores[:, 0].tolist() == [-1, 1]


@pytest.mark.parametrize("value", [0.0, 3e-13, -5e8, float(2**62)])
def test_only_a_constant_is_constant(value: float) -> None:
    train = pl.DataFrame({"x": [value] * 5})
    encoder = TableEncoder.fit(train, categorical=[], continuous=["x"])
    size = abs(value) or 1.0
    (_, scores), _ = encoder.encode(pl.DataFrame({"x": [value, value + size]}))
    assert scores[:, 0].tolist() == [0, 1]
    other = np.nextafter(value, np.inf)
    encoder = TableEncoder.fit(pl.DataFrame({"x": [value, other]}), categorical=[], continuous=["x"])
    (_, scores), _ = encoder.encode(pl.DataFrame({"x": [value, other]}))
    assert scores[1, 0] > scores[0, 0]


def regression(values: Any, **options: Any) -> Any:
    return read_table(pl.DataFrame({"x": X, "y": values}), target="y", task="regression", **options).dataset()


@pytest.mark.parametrize("power", [-490, -43, 0, 40, 490])
def test_a_target_is_learned_in_any_unit(power: int) -> None:
    found = regression((X + 3) * 2.0**power)
    torch.testing.assert_close(found.train.target, regression(X + 3).train.target, rtol=1e-6, atol=1e-6)
    assert found.target_scale.sd == pytest.approx(regression(X + 3).target_scale.sd * 2.0**power)


@pytest.mark.parametrize(
    ("values", "fact", "cure"),
    [
        (
            X * 1e200,
            "the target 'y' contains a number of size 2.*e+200, too large to be standardised",
            "1e-100",
        ),
        (
            np.where(FEW[0] == FEW, 1e200, X),
            "the target 'y' contains a number of size 1e+200, too large",
            "1e-100",
        ),
        (X * 1e-200, "the target 'y' varies by 1e-200 only, too little to be squared", "1e100"),
        (1e15 + FEW % 2 / 8, "the target 'y' varies too little around 1e+15", "can subtract 10000000000"),
        (2**63 - 1 - FEW, "the target 'y' varies too little around 9.22337e+18", "subtract 92233720368547"),
        (np.full(N, 2**63 - 1), "the target 'y' has one value only, 9223372036854775807", "another target"),
    ],
    ids=["large", "one large", "small", "close", "close whole numbers", "constant"],
)
def test_a_target_that_cannot_be_used_is_refused(values: Any, fact: str, cure: str) -> None:
    pattern = fact.replace("+", r"\+").replace("2.*", r"\d\.\d+")
    with pytest.raises(DataError, match=pattern) as caught:
        regression(values)
    assert cure in caught.value.hint


def test_the_cure_works() -> None:
    steps = [{"use": "derive", "columns": {"y": "y * 1e100"}}]
    assert regression(X * 1e-200, prepare=steps).target_scale.sd == pytest.approx(1e-100, rel=0.2)
    steps = [{"use": "derive", "columns": {"y": f"y - {2**63 - 1}"}}]
    assert regression(2**63 - 1 - FEW, prepare=steps).target_scale.sd == pytest.approx(FEW.std(), rel=0.1)


def test_a_feature_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"column 'x' contains a number of size \d\.\d+e\+200, too large"
    ) as caught:
        opened(X * 1e200).dataset()
    assert "--drop x" in caught.value.hint
    table = opened(X * 1e-200)
    with pytest.raises(DataError, match=r"'x' holds 1 in row 2, 1e\+200 standard deviations"):
        table.pipeline.transform(pl.DataFrame({"x": [0.0, 1.0]}))
