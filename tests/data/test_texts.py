"""Columns of free text become columns of numbers, learned from training rows and replayed on new ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer

from steepest.data.preparation import FittedPreparation, Preparation
from steepest.data.table import read_table
from steepest.errors import OptionError, PreparationError, SteepestError
from steepest.evaluate.baselines import run_baselines

N = 240
GOOD, BAD = ["great", "lovely", "perfect"], ["awful", "broken", "ugly"]
MORE = ["the", "shirt", "dress", "colour", "order", "size", "arrived", "with"]


def reviews() -> dict[str, list[Any]]:
    draw = np.random.default_rng(0)
    liked = draw.random(N) < 0.5
    texts: list[str | None] = [
        " ".join(draw.permutation([*draw.choice(MORE, 6), draw.choice(GOOD if each else BAD)]))
        for each in liked
    ]
    texts[3], texts[4] = None, "!"
    return {
        "review": texts,
        "age": draw.integers(18, 80, N).tolist(),
        "liked": ["yes" if each else "no" for each in liked],
    }


@pytest.mark.parametrize("method", ["tfidf", "hashed"])
def test_the_numbers_are_scikit_learns_and_stay_when_stored(method: str) -> None:
    train, new = (
        pl.DataFrame(reviews()),
        pl.DataFrame({"review": ["Great GREAT dress", None, "unheard", "a 12"]}),
    )
    steps = Preparation.load([{"use": "text", "column": "review", "method": method, "size": 8}])
    fitted = steps.fit(train, target="liked")
    again = FittedPreparation.from_dict(json.loads(json.dumps(fitted.to_dict())))
    found, _ = again.transform(new, target=None)
    assert found.columns == [f"review {i}" for i in range(1, 9)]
    known = train["review"].fill_null("").to_list()
    peer: Any = (
        TfidfVectorizer(max_features=8, sublinear_tf=True)
        if method == "tfidf"
        else HashingVectorizer(n_features=8)
    )
    wanted = peer.fit(known).transform(new["review"].fill_null("").to_list()).toarray()
    if method == "tfidf":
        names = peer.get_feature_names_out().tolist()
        order = [names.index(each) for each in fitted.learned[0]["review"]["word"]]
        assert (np.diff(peer.idf_[order]) >= 0).all()
        wanted = wanted[:, order]
    assert np.array_equal(found.to_numpy(), wanted.astype(np.float32))
    assert wanted[0].any()


@pytest.mark.parametrize("baseline", ["logistic-regression", "gradient-boosting"])
def test_words_are_learned_from(baseline: str) -> None:
    without = read_table(reviews(), target="liked")
    table = read_table(reviews(), target="liked", text="review")
    losses = [
        run_baselines(each.dataset(), names=[baseline], seed=0)[0].test["log_loss"]
        for each in (without, table)
    ]
    assert losses[1] < 0.5 * losses[0]


def test_a_text_is_named_with_its_cure_and_described() -> None:
    (note,) = [
        each.text for each in read_table(reviews(), target="liked").describe().notes if "review" in each.text
    ]
    assert "--text review uses its words" in note
    table = read_table(reviews(), target="liked", text=["review"])
    roles = {each.name: each.role for each in table.describe().columns}
    assert roles == {"review": "text", "age": "continuous", "liked": "target"}
    assert 'text = ["review"]' in table.describe().to_toml()
    said = " ".join(each.text for each in table.dataset().notes)
    assert "review: 128 columns of its words, the 14 most frequent in training (" in said
    assert "2 texts without any of them, 1 of them missing" in said
    assert "left out" not in said


def test_words_are_numbers_in_every_variant_and_fold() -> None:
    steps = [{"use": "text", "columns": ["review"], "size": 20}]
    table = read_table(reviews(), target="liked", prepare=steps)
    shape = table.dataset().shape
    assert shape.cardinalities == {}
    assert shape.continuous == (*(f"review {i}" for i in range(1, 15)), "age")
    assert table.variant(train_rows=10).shape == shape
    folds = read_table(reviews(), target="liked", prepare=steps, split="folds:3").folds()
    assert all("review 1" in each.shape.continuous for each in folds)


def test_only_training_rows_teach_words() -> None:
    rows = reviews()
    table = read_table(rows, target="liked", text="review")
    test = table.test_rows["row"].to_list()
    learned = [*table.pipeline.preparation.learned]
    for i in test:
        rows["review"][i] = "unheard words only"
    other = read_table(rows, target="liked", text="review")
    assert other.pipeline.preparation.learned[0]["review"].equals(learned[0]["review"])


def test_new_rows_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    pl.DataFrame(reviews()).write_csv(path)
    table = read_table(path, target="liked", text="review")
    new = tmp_path / "new.csv"
    new.write_text("review,age\n123,40\n,50\n")  # numbers only, and a missing text
    found = table.pipeline.transform(new)
    assert "2 texts without any of them, 1 of them missing" in found.reports[-1].text
    with pytest.raises(SteepestError, match="review"):
        table.pipeline.transform({"age": [40]})


@pytest.mark.parametrize(
    ("change", "options", "fact", "hint"),
    [
        (
            {"review": [None] * (N - 1) + ["?"]},
            {},
            "'review' holds no word of two letters in the training",
            "--drop",
        ),
        ({"review": list(range(N))}, {}, "'review' holds Int64, not texts", "--text"),
        ({"review 7": [0.5] * N}, {}, "makes a column 'review 7', which is there already", "rename"),
        ({}, {"text": "reviews"}, "'reviews' is not in the table", "did you mean 'review'"),
        ({}, {"text": "liked"}, "--text liked has no effect: it is the target", "leave it out"),
        ({}, {"categorical": "review"}, "cannot be both categorical and text", "one of the two"),
        ({}, {"drop": "review"}, "--text review has no effect: --drop leaves review out", "one of the two"),
    ],
)
def test_what_cannot_be_used_is_said(change: Any, options: Any, fact: str, hint: str) -> None:
    with pytest.raises((OptionError, PreparationError)) as caught:
        read_table({**reviews(), **change}, **{"target": "liked", "text": "review", **options}).dataset()
    assert fact in caught.value.fact
    assert hint in caught.value.hint
