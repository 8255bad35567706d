"""Ratings: opened by their columns, in their own units; ids of any type, new ones, and what is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from steepest.cli import main
from steepest.data.sources.opening import load_pipeline, open_source
from steepest.errors import DataError, OptionError

NAMED = {"user": "who", "item": "what", "rating": "stars"}


@pytest.fixture
def rows() -> pl.DataFrame:
    """60 ratings by 6 users, named by texts, of 20 items, named by numbers; the items come first."""
    draw = np.random.default_rng(0)
    pairs = draw.permutation(120)[:60]
    return pl.DataFrame(
        {
            "what": 1000 - pairs // 6,
            "who": [f"0{each % 6}" for each in pairs],
            "stars": draw.integers(1, 10, 60) / 2,
            "when": draw.permutation(60),
        }
    )


def test_one_line_says_how_to_test_on_new_users_or_items(ratings_csv) -> None:
    options = {"user": "userId", "item": "movieId", "rating": "rating"}
    said = [
        each.text for each in open_source(ratings_csv, **options).describe().notes if "--split " in each.text
    ]
    assert said == ["To test on new users or items: --split group:userId or group:movieId."]
    grouped = open_source(ratings_csv, split="group:userId", **options).describe().notes
    assert not [each for each in grouped if "--split " in each.text]


def test_ratings_are_in_their_own_units_and_users_come_first(rows):
    source = open_source(rows, **NAMED, validation=0.2)
    data, pipeline = source.make(0)
    assert list(data.shape.cardinalities) == ["who", "what"]
    assert data.shape.bounds == (data.train.target.min().item(), data.train.target.max().item())
    triples = {
        (pipeline.ids("who")[user - 1], pipeline.ids("what")[item - 1], rating)
        for (user, item), rating in zip(
            data.train.inputs[0].tolist(), data.train.target.tolist(), strict=True
        )
    }
    mine = source.rows.filter(pl.col("split") == "train").select(
        "who", pl.col("what").cast(pl.String), "stars"
    )
    assert triples == set(mine.iter_rows())
    assert not bool((data.train.inputs[0] == 0).any())


def test_new_rows_are_encoded_alike_and_new_ids_have_the_code_0(rows, tmp_path):
    data, pipeline = open_source(rows, **NAMED, range="0,5", validation=0.2).make(0)
    known = pipeline.ids("what")[3]
    new = pl.DataFrame({"who": ["03", "nobody"], "what": [int(known), 5]})
    pipeline.save(tmp_path / "p.json")
    again = load_pipeline(tmp_path / "p.json")
    assert again.shape == data.shape
    assert again.shape.bounds == (0.0, 5.0)
    [encoded] = again.transform_batches(new, 10)
    assert encoded.inputs[0].tolist() == [[1 + pipeline.ids("who").index("03"), 4], [0, 0]]
    assert dict(encoded.unforeseen.unknown) == {"who": 1, "what": 1}


def test_the_latest_ratings_of_each_user_are_held_out(rows):
    source = open_source(rows, **NAMED, time="when", split="user:last", validation=0.2, test=0.2)
    parts = dict(source.rows.group_by("split").len().iter_rows())
    assert parts == {"train": 36, "validation": 12, "test": 12}
    for _, mine in source.rows.group_by("who"):
        when = {part: mine.filter(pl.col("split") == part)["when"] for part in parts}
        assert when["train"].max() < when["validation"].min()
        assert when["validation"].max() < when["test"].min()


def test_titles_are_joined_by_the_text_of_an_id(rows, tmp_path):
    pl.DataFrame({"what": range(990, 1001), "Title": [f"film {i}" for i in range(11)]}).write_csv(
        tmp_path / "t.csv"
    )
    data, pipeline = open_source(rows, **NAMED, titles=tmp_path / "t.csv").make(0)
    known = next(each for each in pipeline.ids("what") if int(each) >= 990)
    assert pipeline.titles[known] == f"film {int(known) - 990}"
    lacking = sum(int(each) < 990 for each in pipeline.ids("what"))
    assert any(note.text.startswith(f"{lacking} items have no title in ") for note in data.notes)


def test_pairs_that_are_rated_again_are_counted(rows):
    data, _ = open_source(pl.concat([rows, rows.head(3)]), **NAMED).make(0)
    assert any(
        note.kind == "warning"
        and note.text.startswith("3 ratings are of an item that the same user has rated")
        for note in data.notes
    )


@pytest.mark.parametrize(
    ("change", "options", "fact"),
    [
        ({"who": pl.when(pl.col("when") < 2).then(None).otherwise("who")}, {}, "2 rows have no who"),
        ({"what": pl.lit(7)}, {}, "all ratings have the same what, 7"),
        ({"stars": pl.lit(3.0)}, {}, "the target 'stars' has one value only, 3.0"),
        ({"stars": pl.when(pl.col("when") == 5).then(11.0).otherwise(2.0)}, {"range": "0.5,5"},
         "the rating 11 of what {what} by who {who} is outside 0.5 to 5"),
        ({}, {"split": "user:last"}, "--split user:last needs to know whose the rows are"),
        ({}, {"split": "folds:5,user:last", "time": "when"}, "--split folds:5,user:last trains on later rows"),
        ({}, {"split": "user:last", "time": "when", "split_seed": 3}, "--split user:last draws nothing"),
        ({}, {"range": "5,1"}, "'5,1' is no range"),
        ({}, {"range": "1"}, "'1' is no range such as 0.5,5"),
        ({}, {"item": "who"}, "user and item are the same column, 'who'"),
        ({}, {"min_count": 2}, "--min-count has no effect on data of the kind ratings"),
        ({}, {"target": "when"}, "the target is 'when', but the ratings are in 'stars'"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_with_its_value(rows, change, options, fact):
    one = rows.filter(pl.col("when") == 5)
    fact = fact.format(what=one["what"][0], who=one["who"][0])
    with pytest.raises((DataError, OptionError)) as error:
        open_source(rows.with_columns(**change), **{**NAMED, **options}).make(0)
    assert fact in error.value.fact
    assert error.value.hint


def test_a_split_by_users_needs_ratings(rows):
    with pytest.raises(OptionError, match="needs to know whose the rows are"):
        open_source(rows, target="stars", split="user:last").make(0)


def test_a_command_trains_and_predicts_pairs_of_new_users_too(rows, tmp_path):
    rows.write_csv(tmp_path / "r.csv")
    known = str(rows["what"].value_counts(sort=True)["what"][0])
    (tmp_path / "new.csv").write_text(f"who,what\n03,{known}\nnobody,{known}\nnobody,1\n")
    arguments = ["compare", tmp_path / "r.csv", "--user", "who", "--item", "what", "--rating", "stars"]
    arguments += ["--range", "0.5,5", "--model", "dot-bias(factors=2)", "-o", "sgd(lr=0.1)", "--epochs", "2"]
    arguments += ["--seeds", "1", "--compile", "off", "--batch-size", "16", "--out", tmp_path / "run"]
    assert main([str(each) for each in arguments]) == 0
    predict = ["predict", tmp_path / "run" / "model", tmp_path / "new.csv", "--out", tmp_path / "p.csv"]
    assert main([str(each) for each in predict]) == 0
    found = pl.read_csv(tmp_path / "p.csv").to_series(-1)
    import steepest as st

    net = st.load(tmp_path / "run" / "model").net
    mean = 0.5 + 4.5 * torch.sigmoid(net.mean).item()
    assert found[2] == pytest.approx(mean, rel=1e-6)  # neither is known
    code = 1 + st.load(tmp_path / "run" / "model").pipeline.ids("what").index(known)
    alone = 0.5 + 4.5 * torch.sigmoid(net.mean + net.item_biases.weight[code]).item()
    assert found[1] == pytest.approx(alone, rel=1e-6)  # the film is
