"""Encoding: learned on training rows only, and back again."""

from __future__ import annotations

import json

import polars as pl
import pytest
import torch

from steepest.data.encode import TableEncoder, Vocabulary
from steepest.errors import DataError

TRAIN = pl.DataFrame(
    {
        "c": ["b", "a", None, "b", "b"],
        "n": ["10", "9", "9", "10", "10"],
        "x": [1.0, 3.0, None, 5.0, 3.0],
        "k": [2.0] * 5,
    }
)


def fitted(train: pl.DataFrame = TRAIN, min_count: int = 1) -> TableEncoder:
    return TableEncoder.fit(train, categorical=["c", "n"], continuous=["x", "k"], min_count=min_count)


def test_codes_and_scores() -> None:
    encoder = fitted()
    assert encoder.cardinalities == {"c": 4, "n": 3}
    assert encoder.continuous == ("x", "k", "x is missing")
    (codes, scores), found = encoder.encode(TRAIN)
    assert codes.tolist() == [[2, 2], [1, 1], [3, 1], [2, 2], [2, 2]]
    assert (codes.dtype, scores.dtype, found.lines) == (torch.int64, torch.float32, ())
    torch.testing.assert_close(scores[:, 0], torch.tensor([-2, 0, 0, 2, 0]) / 2**0.5)
    assert scores[:, 1].tolist() == [0.0] * 5
    assert scores[:, 2].tolist() == [0, 0, 1, 0, 0]


def test_what_was_never_seen_or_never_missing_is_counted() -> None:
    new = pl.DataFrame(
        {"c": ["z", None, "a"], "n": [None, "11", "9"], "x": [None, 1.0, 1.0], "k": [None, 2.0, 3.0]}
    )
    (codes, scores), found = fitted().encode(new)
    assert codes.tolist() == [[0, 0], [3, 0], [1, 1]]
    assert (found.unknown, found.missing) == ({"c": 1, "n": 1}, {"n": 1, "k": 1})
    assert found.lines == (
        "1 value of n is missing; none was missing in training",
        "1 value of k is missing; none was missing in training",
        "1 value of c was not seen in training ('z')",
        "1 value of n was not seen in training ('11')",
    )
    assert scores[0].tolist() == [0, 0, 1]


def test_rare_categories_share_the_unknown_code() -> None:
    encoder = fitted(min_count=2)
    assert encoder.vocabularies["c"] == Vocabulary(("b",), missing=True)
    (codes, _), found = encoder.encode(TRAIN)
    assert codes[:, 0].tolist() == [1, 0, 2, 1, 1]
    assert found.lines == ("1 value of c was seen in training fewer than 2 times ('a')",)


def test_other_rows_teach_nothing() -> None:
    before = fitted().to_dict()
    encoder = TableEncoder.from_dict(before)
    encoder.encode(TRAIN.with_columns(pl.lit("new").alias("c"), pl.lit(100.0).alias("x")))
    assert encoder.to_dict() == before


def test_stored_as_json_it_encodes_the_same() -> None:
    encoder = fitted()
    again = TableEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    (a, b), _ = encoder.encode(TRAIN)
    (c, d), _ = again.encode(TRAIN)
    assert torch.equal(a, c)
    assert torch.equal(b, d)


def test_decoding_gives_the_rows_back() -> None:
    encoder = fitted()
    inputs, _ = encoder.encode(TRAIN)
    assert encoder.decode(inputs).to_dict(as_series=False) == {
        "c": ["b", "a", "(missing)", "b", "b"],
        "n": ["10", "9", "9", "10", "10"],
        "x": [1.0, 3.0, None, 5.0, 3.0],
        "k": [2.0] * 5,
    }


def test_whole_numbers_are_sorted_by_value() -> None:
    values = pl.DataFrame({"n": ["10", "9", "-1", "100"]})
    encoder = TableEncoder.fit(values, categorical=["n"], continuous=[])
    assert encoder.vocabularies["n"].labels == ("-1", "9", "10", "100")


def test_infinities_in_new_rows_are_refused() -> None:
    with pytest.raises(DataError, match="'x' holds 1 infinite value, the first \\(inf\\) in row 1"):
        fitted().encode(TRAIN.with_columns(pl.lit(float("inf")).alias("x")).head(1))


def test_a_value_that_does_not_fit_into_32_bits_is_refused() -> None:
    with pytest.raises(DataError, match=r"'x' holds -1e\+300 in row 2, .*e\+\d+ standard deviations"):
        fitted().encode(TRAIN.with_columns(pl.Series("x", [1.0, -1e300, 1.0, 1.0, 1.0])))


def test_a_column_without_rows_of_a_type_is_kept() -> None:
    encoder = TableEncoder.fit(TRAIN, categorical=[], continuous=[])
    (codes, scores), _ = encoder.encode(TRAIN)
    assert (codes.shape, scores.shape) == ((5, 0), (5, 0))
