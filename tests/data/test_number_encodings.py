"""Encodings of numbers: what is learned from training rows, and what networks make of it, against plain versions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from steepest.data.numbers import HEAVY, ColumnEncoding, NumberEncoding, knots_of, numbers_text
from steepest.data.pipeline import TablePipeline
from steepest.data.table import Table, read_table
from steepest.data.variants import Variant
from steepest.errors import OptionError, SteepestError, UnknownNameError
from steepest.models import build_model
from steepest.models.encoded import with_numbers

KINDS = ("quantile", "piecewise", "piecewise(bins=4)", "periodic", "periodic(width=3, sigma=2)")


class Inputs(nn.Module):
    """A network that returns what it gets."""

    def forward(self, codes: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return values


def rows() -> pl.DataFrame:
    draw = np.random.default_rng(3)
    n = 600
    pay = np.where(draw.random(n) < 0.7, 0.0, np.exp(draw.normal(0, 2.5, n)))
    size = draw.normal(20.0, 5.0, n)
    return pl.DataFrame(
        {
            "size": [None if i % 9 == 0 else value for i, value in enumerate(size.tolist())],
            "pay": pay,
            "rooms": draw.integers(1, 7, n).astype(float) + 0.0,
            "sold": draw.integers(0, 2, n),
            "town": [f"t{each}" for each in draw.integers(0, 5, n)],
        }
    )


def opened() -> Table:
    return read_table(rows(), target="sold", continuous="rooms")


def plain(encoding: NumberEncoding, scores: np.ndarray, net: nn.Module) -> np.ndarray:
    """The inputs of a network, one column and one row at a time."""
    scores = scores.astype(np.float64)
    logged, kept, pieces, heights = [], [], [], []
    for i in range(scores.shape[1]):
        column = encoding.columns[i] if i < len(encoding.columns) else ColumnEncoding()
        if column.log:
            centre, unit, mean, sd = column.log
            away = scores[:, i] - centre
            logged.append((np.sign(away) * np.log(1 + np.abs(away) / unit) - mean) / sd)
        else:
            kept.append(scores[:, i])
        for low, high in zip(column.knots[:-1], column.knots[1:], strict=True):
            pieces.append(
                [0 if z < low else 1 if z > high else (z - low) / (high - low) for z in scores[:, i]]
            )
        if column.quantiles:
            heights.append(np.interp(scores[:, i], column.quantiles, column.scores))
    if encoding.width:
        found = dict(net.named_parameters())
        c, w, b = (
            found[f"number_columns.{name}"].detach().double().numpy()
            for name in ("frequency", "weight", "bias")
        )
        waves = []
        for q, each in enumerate(heights):
            angles = 2 * math.pi * np.outer(each, c[q])
            waves += list(np.maximum(np.hstack([np.sin(angles), np.cos(angles)]) @ w[q] + b[q], 0).T)
        heights = waves
    return np.stack([*kept, *logged, *pieces, *heights], 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_gets_what_a_plain_version_gives(kind: str) -> None:
    data = opened().variant(numbers=kind)
    encoding = data.shape.numbers
    assert encoding is not None
    assert [bool(each.log) for each in encoding.columns] == [False, True, False]
    torch.manual_seed(0)
    net = with_numbers(Inputs(), encoding, len(data.shape.continuous))
    codes, values = data.test.inputs
    far = torch.cat([values, 100 * torch.ones_like(values[:1]), -100 * torch.ones_like(values[:1])])
    found = net(torch.cat([codes, codes[:2]]), far)
    assert found.shape[1] == len(data.shape.encoded.continuous)
    assert np.allclose(found.detach().numpy(), plain(encoding, far.numpy(), net), rtol=2e-4, atol=2e-4)


def test_few_values_have_a_knot_each_and_many_share_the_rows() -> None:
    values, counts = np.unique(np.random.default_rng(0).normal(size=1000), return_counts=True)
    knots = knots_of(values, counts, 10)
    assert len(knots) == 11
    assert (knots[0], knots[-1]) == (values[0], values[-1])
    between = np.diff(np.searchsorted(values, knots))
    assert between.min() >= 95
    assert between.max() <= 105
    few, how_many = np.unique([1.0, 1.0, 2.0, 5.0], return_counts=True)
    assert knots_of(few, how_many, 3).tolist() == [1.0, 2.0, 5.0]


def test_a_value_of_many_rows_is_a_knot_and_the_others_share_the_rest() -> None:
    draw = np.random.default_rng(0)
    column = np.concatenate([np.zeros(9000), draw.uniform(1, 2, 1000)])
    values, counts = np.unique(column, return_counts=True)
    knots = knots_of(values, counts, 10)
    assert knots[0] == 0.0
    assert len(knots) == 11  # quantiles of all rows would be zero nine times
    assert np.abs(np.diff(np.searchsorted(values, knots[1:])) - 1000 / 9).max() < 2


def test_the_quantile_score_is_normal_over_the_training_rows() -> None:
    scores = np.exp(np.random.default_rng(1).normal(size=(4000, 1)))
    encoding = NumberEncoding.fit("quantile", scores)
    assert encoding is not None
    [column] = encoding.columns
    found = np.sort(np.interp(scores[:, 0], column.quantiles, column.scores))
    wanted = torch.special.ndtri(torch.arange(0.5, 4000) / 4000).numpy()
    assert np.abs(found - wanted)[100:-100].max() < 0.03
    assert column.scores[0] >= -3.5


def test_heavy_tails_alone_are_logarithms() -> None:
    scores = np.random.default_rng(1).normal(size=(500, 2))
    scores[0, 1] = HEAVY + 1
    found = NumberEncoding.fit("piecewise", scores)
    assert found is not None
    assert [len(each.log) for each in found.columns] == [0, 4]


def test_missing_values_are_no_values() -> None:
    data = opened().variant(numbers="piecewise(bins=400)")
    assert data.shape.numbers is not None
    size = data.shape.numbers.columns[0].knots
    known = data.train.inputs[1][data.train.inputs[1][:, 3] == 0, 0]
    assert 0.0 not in size
    assert set(size) <= set(known.tolist())


def test_everything_is_learned_from_the_training_rows_of_a_variant() -> None:
    table = opened()
    few = table.variant(train_rows=60, numbers="piecewise(bins=500)")
    assert few.shape.numbers is not None
    pay = few.shape.numbers.columns[1].knots
    assert set(pay) == set(few.train.inputs[1][:, 1].tolist())


def test_data_and_identity_of_standard_scores_stay() -> None:
    table = opened()
    own, same = table.dataset(), table.variant(numbers="standard")
    assert same is own
    made = {kind: table.variant(numbers=kind) for kind in KINDS}
    prints = {own.fingerprint, *(each.fingerprint for each in made.values())}
    assert len(prints) == 1 + len(KINDS)
    for each in made.values():
        assert each.train.inputs[1] is own.train.inputs[1]  # in memory once
        assert each.test.target is own.test.target
    assert made["piecewise"].notes[-1].text.startswith("3 columns of numbers as ")


def test_where_nothing_can_be_encoded_the_data_is_the_same() -> None:
    table = read_table({"flag": [0, 1] * 20, "y": [1.5, 2.5, 3.5, 4.5] * 10}, target="y", continuous="flag")
    assert table.variant(numbers="piecewise") is table.dataset()


def test_a_stored_pipeline_builds_the_same_network() -> None:
    table = opened()
    data, pipeline = table.vary(Variant(numbers="periodic"))
    again = TablePipeline.checked(pipeline.to_dict())
    assert again.shape.numbers == data.shape.numbers
    assert again == pipeline
    nets = [build_model("linear", each, seed=2) for each in (data.shape, again.shape)]
    for (name, one), other in zip(nets[0].state_dict().items(), nets[1].state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert TablePipeline.checked(table.pipeline.to_dict()).shape.numbers is None


def test_knots_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="do not rise"):
        NumberEncoding.from_dict(
            {"columns": [{"knots": [1.0, 1.0]}], "frequencies": 0, "width": 0, "sigma": 0}
        )


@pytest.mark.parametrize(
    ("text", "kind", "fact"),
    [
        ("piecwise", UnknownNameError, "unknown encoding of numbers 'piecwise'"),
        ("piecewise(8)", OptionError, "has an option without a name"),
        ("piecewise(knots=8)", OptionError, "the encoding 'piecewise' has no option 'knots'"),
        ("standard(bins=8)", OptionError, "the encoding 'standard' has no option 'bins'"),
        ("piecewise(bins=1)", OptionError, "bins = 1 of the encoding 'piecewise'"),
        ("piecewise(bins=2.5)", OptionError, "bins = 2.5 of the encoding 'piecewise'"),
        ("periodic(sigma=0)", OptionError, "sigma = 0 of the encoding 'periodic'"),
    ],
)
def test_what_is_no_encoding_is_refused(text: str, kind: type[SteepestError], fact: str) -> None:
    with pytest.raises(kind) as found:
        numbers_text(text)
    assert fact in found.value.fact
    assert found.value.hint


@pytest.mark.parametrize(("text", "same"), [("Quantile", "quantile"), ("periodic(sigma=0.1)", "periodic")])
def test_texts_that_mean_the_same_are_one(text: str, same: str) -> None:
    assert Variant(numbers=text) == Variant(numbers=same)


def test_more_rows_are_cut_into_more_pieces() -> None:
    draw = np.random.default_rng(0)
    found = [NumberEncoding.fit("piecewise", draw.normal(size=(n, 1))) for n in (500, 8000, 90_000)]
    assert [len(each.columns[0].knots) - 1 for each in found if each] == [8, 20, 64]


def test_auto_cuts_into_pieces_where_there_are_rows_for_eight() -> None:
    draw = np.random.default_rng(0).normal(size=(3200, 2))
    assert NumberEncoding.fit("auto", draw) == NumberEncoding.fit("piecewise", draw) is not None
    assert NumberEncoding.fit("auto", draw[1:]) is None


def test_few_rows_and_large_values_are_encoded() -> None:
    odd: dict[str, list[Any]] = {"x": [1e100, -1e100, 5.0, 1e-100] * 10, "y": ["a", "b"] * 20}
    data = read_table(odd, target="y", continuous="x").variant(numbers="piecewise")
    net = build_model("linear", data.shape)
    assert bool(net(*data.test.inputs).isfinite().all())


@pytest.mark.parametrize(("columns", "pieces"), [(2, 64), (6, 64), (12, 32), (100, 8)])
def test_many_columns_are_cut_into_fewer_pieces_each(columns: int, pieces: int) -> None:
    scores = np.random.default_rng(0).normal(size=(26_000, columns))
    encoding = NumberEncoding.fit("auto", scores)
    assert encoding is not None
    assert {len(each.knots) - 1 for each in encoding.columns} == {pieces}
    given = NumberEncoding.fit("piecewise(bins=40)", scores)
    assert given is not None
    assert {len(each.knots) - 1 for each in given.columns} == {40}


@pytest.mark.parametrize("numbers", ["quantile", "piecewise", "periodic", "auto"])
def test_columns_of_words_and_of_two_values_stay_scores(numbers: str) -> None:
    n, draw = 5000, np.random.default_rng(0)
    words = [" ".join(draw.choice(["red", "shirt", "long", "dress", "blue"], 3)) for _ in range(n)]
    size, two = draw.normal(size=n), draw.integers(0, 2, n).astype(float)
    rows = {"review": words, "size": size, "two": two, "y": draw.normal(size=n)}
    preparation = [{"use": "text", "column": "review", "size": 200}]
    data = read_table(rows, target="y", continuous="two", prepare=preparation).variant(numbers=numbers)
    encoding = data.shape.numbers
    assert encoding is not None
    at = data.shape.continuous.index("size")
    assert [i for i, each in enumerate(encoding.columns) if each != ColumnEncoding()] == [at]
    assert any("2 columns of numbers as" in each.text for each in data.notes)
    if numbers in ("piecewise", "auto"):  # columns that stay scores take no pieces from the others
        assert len(encoding.columns[at].knots) == 1 + len(data.train.target) // 400
