"""What to recommend and what is alike, held against the model's own predictions and vectors."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch

import steepest as st
from steepest.cli import main
from steepest.errors import OptionError, UnknownNameError
from steepest.recommending.rated import RatingsModel
from tests.ratings.conftest import ITEMS


def said(capsys, *arguments: object) -> str:
    capsys.readouterr()
    assert main([str(each) for each in arguments]) == 0
    return capsys.readouterr().out


def test_what_is_recommended_is_predicted_highest_and_not_seen(compared, ratings_csv, capsys):
    listed = json.loads(said(capsys, "recommend", compared, "--user", 503, "--top", 3, "--json"))
    rows = pl.read_csv(ratings_csv)
    model = st.load(compared / "model")
    known = set(model.pipeline.ids("movieId"))
    new = [each for each in range(1, 21) if str(each) in known]
    new = [each for each in new if each not in rows.filter(pl.col("userId") == 503)["movieId"]]
    predicted = model.predict({"userId": [503] * len(new), "movieId": new}).table.to_series(-1)
    best = sorted(zip(predicted, new, strict=True), key=lambda each: -each[0])[:3]
    assert [each["movieId"] for each in listed] == [str(item) for _, item in best]
    assert [each["predicted rating"] for each in listed] == pytest.approx(
        [value for value, _ in best], rel=1e-6
    )
    assert listed[0]["title"].startswith(("Film ", "Toy Story"))
    assert listed[0]["ratings"] == rows.filter(pl.col("movieId") == best[0][1]).height


def test_ids_are_numbers_of_any_kind_and_texts(compared):
    wanted = st.recommend(compared, user=503, top=3)
    for each in ("503", 503.0, np.int64(503), np.float32(503)):
        assert st.recommend(compared, user=each, top=3).equals(wanted)
    assert st.similar(compared, item=20.0).equals(st.similar(compared, item="20"))


def test_for_a_new_user_items_are_those_liked_beyond_taste(compared):
    found = st.recommend(compared, top=20)
    biases = found["liked beyond taste"].to_list()
    assert biases == sorted(biases, reverse=True)
    mean = st.load(compared / "model").net.mean.item()
    expected = 0.5 + 4.5 * torch.sigmoid(torch.tensor(mean + biases[0])).item()
    assert found["predicted rating"][0] == pytest.approx(expected, rel=1e-6)
    lowest = st.recommend(compared, top=20, lowest=True)
    assert lowest["movieId"].to_list() == found["movieId"].to_list()[::-1]


@pytest.mark.parametrize("measure", ["cosine", "distance", "product"])
def test_what_is_similar_has_the_nearest_vectors(compared, capsys, measure):
    found = said(
        capsys, "similar", compared, "--item", "Toy Story (1995)", "--measure", measure, "--top", 4, "--json"
    )
    model = st.load(compared / "model")
    ids = model.pipeline.ids("movieId")
    vectors = model.net.items.weight[1:].detach().double()
    one = vectors[ids.index("20")]
    values = {
        "cosine": -(vectors @ one) / vectors.norm(dim=1) / one.norm(),
        "product": -(vectors @ one),
        "distance": (vectors - one).norm(dim=1),
    }[measure]
    order = [ids[i] for i in values.argsort().tolist() if ids[i] != "20"]
    assert [each["movieId"] for each in json.loads(found)] == order[:4]


def test_a_list_is_written_to_a_file(compared, capsys, tmp_path):
    shown = said(capsys, "similar", compared, "--user", 503, "--out", tmp_path / "users.csv")
    assert "userId" in shown
    assert pl.read_csv(tmp_path / "users.csv")["userId"].is_in(range(500, 512)).all()


def test_a_part_of_one_title_is_enough_and_what_is_not_known_is_suggested(compared):
    whole, part = (st.similar(compared, item=each) for each in ("20", "toy"))
    assert whole.equals(part)
    with pytest.raises(OptionError, match="'film 1' can be ") as several:
        st.similar(compared, item="film 1")
    assert "Film 1 (1951) (1)" in several.value.hint
    with pytest.raises(UnknownNameError, match="unknown movieId 'Toy Stroy'") as near:
        st.similar(compared, item="Toy Stroy")
    assert "Toy Story (1995)" in near.value.hint
    with pytest.raises(UnknownNameError, match="unknown userId '5003'") as user:
        st.recommend(compared, user=5003)
    assert "did you mean '50" in user.value.hint


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ({}, "neither an item nor a user is given"),
        ({"item": 1, "user": 503}, "an item and a user are given"),
        ({"item": 1, "measure": "angle"}, "unknown measure 'angle'"),
        ({"item": 1, "top": 0}, "top: 0 is not at least 1"),
    ],
)
def test_what_has_no_answer_is_refused(compared, given, fact):
    with pytest.raises(OptionError) as error:
        st.similar(compared, **given)
    assert error.value.fact == fact


def test_nothing_is_left_for_a_user_who_rated_everything(compared, monkeypatch):
    everything = pl.DataFrame({"user": ["500"] * ITEMS, "item": [str(each) for each in range(1, ITEMS + 1)]})
    monkeypatch.setattr(RatingsModel, "rows", everything)
    with pytest.raises(OptionError, match="no item is left that userId 500 has not rated") as found:
        st.recommend(compared, 500, min_ratings=2)
    assert found.value.hint == "name another user."
    with pytest.raises(OptionError, match="no item with 2 ratings is left"):
        st.recommend(compared, 501, min_ratings=2)
