"""Measures by user and of rankings equal slow versions; the pictures show the rows that there are."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections import Counter

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import steepest as st
from steepest.cli import main
from steepest.data.sources.opening import open_source
from steepest.evaluate.ranking import rank_by_chance, rank_unseen
from steepest.experiment.rated import crosstab_of, hexagons_of, rated_by
from steepest.report.html import render_html
from steepest.report.rated import sentence as about_users
from tests.ratings.conftest import command


class Scored(nn.Module):
    """Ratings from a table of users and items."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, pairs, values):
        del values
        return self.scores[pairs[:, 0], pairs[:, 1]][:, None]


def slow_ranking(scores, users, seen, liked, k):
    gains, found = [], []
    for user, mine, wanted in zip(users, seen, liked, strict=True):
        if len(wanted) == 0:
            continue
        unseen = [item for item in range(1, scores.shape[1]) if item not in mine]
        first = sorted(unseen, key=lambda item: (-scores[user, item], item))[:k]
        gain = sum(1 / math.log2(2 + place) for place, item in enumerate(first) if item in wanted)
        best = sum(1 / math.log2(2 + place) for place in range(min(k, len(wanted))))
        gains.append(gain / best)
        found.append(sum(item in first for item in wanted) / len(wanted))
    return sum(gains) / len(gains), sum(found) / len(found), len(gains)


@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("at_once", [1, 1 << 20])
def test_rankings_equal_a_slow_version(monkeypatch, k, at_once):
    monkeypatch.setattr("steepest.evaluate.ranking.PAIRS_AT_ONCE", at_once)
    draw = np.random.default_rng(0)
    scores = draw.integers(0, 6, (8, 13)) / 2.0  # with ties
    users = np.array([3, 1, 0, 7, 0, 5])
    seen = [draw.choice(np.arange(1, 13), 4, replace=False) for _ in users]
    liked = [np.setdiff1d(draw.choice(13, 5, replace=False), mine) for mine in seen]
    liked[3] = np.zeros(0, np.int64)
    found = rank_unseen(Scored(scores), 12, users, seen, liked, k)
    ndcg, recall, count = slow_ranking(scores, users, seen, liked, k)
    assert (found.ndcg, found.recall) == pytest.approx((ndcg, recall), rel=1e-12)
    assert found.users == count == 5


def test_results_have_errors_by_user_and_rankings(compared, ratings_csv):
    found = json.loads((compared / "results.json").read_text())["rated"]
    titles = ratings_csv.with_name("movies.csv")
    named = {"user": "userId", "item": "movieId", "rating": "rating", "titles": titles, "range": "0.5,5"}
    source = open_source(ratings_csv, **named)
    rows = source.rows
    model = st.load(compared / "model")
    test = rows.filter(pl.col("split") == "test")
    predicted = np.asarray(model.predict(test.select("userId", "movieId")))
    errors: dict[int, list[float]] = {}
    for user, truth, value in zip(test["userId"], test["rating"].cast(pl.Float64), predicted, strict=True):
        errors.setdefault(user, []).append(value - truth)
    [own] = found["scores"]
    rmse = [math.sqrt(sum(each**2 for each in mine) / len(mine)) for mine in errors.values()]
    mae = [sum(map(abs, mine)) / len(mine) for mine in errors.values()]
    assert own["rmse"] == pytest.approx(sum(rmse) / len(rmse), rel=1e-5)
    assert own["mae"] == pytest.approx(sum(mae) / len(mae), rel=1e-5)
    assert found["users"] == len(errors)

    ids = model.pipeline.ids("movieId")
    users, seen, liked = [], [], []
    scores = np.zeros((len(errors), len(ids) + 1))
    before = rows.filter(pl.col("split") != "test")
    for place, user in enumerate(errors):
        scores[place, 1:] = model.predict({"userId": [user] * len(ids), "movieId": list(map(int, ids))})
        mine = before.filter(pl.col("userId") == user)["movieId"].cast(pl.String).to_list()
        theirs = test.filter(
            (pl.col("userId") == user) & (pl.col("rating").cast(pl.Float64) >= found["liked"])
        )
        wanted = theirs["movieId"].cast(pl.String).to_list()
        users.append(place)
        seen.append([1 + ids.index(each) for each in mine if each in ids])
        liked.append([1 + ids.index(each) if each in ids else 0 for each in wanted])
    ndcg, recall, ranked = slow_ranking(scores, users, seen, liked, found["k"])
    assert (own["ndcg"], own["recall"]) == pytest.approx((ndcg, recall), rel=1e-6)
    assert found["ranked"] == ranked
    assert sum(found["hexagons"]["rows"]) == test.height
    assert sum(found["hexagons"]["true"]) == sum(found["hexagons"]["predicted"]) == test.height


def test_an_item_that_a_user_rated_again_counts_once(ratings_csv, tmp_path):
    """In test rows; its last rating says whether it is liked."""
    rows = pl.read_csv(ratings_csv)
    train, test = rows.head(120), rows.tail(60)
    again = test.head(20).with_columns(rating=pl.lit(5.0))
    liked_last = pl.concat([test.head(20), again, test.tail(40)])
    known = {}
    for name, part in (("once", pl.concat([again, test.tail(40)])), ("again", liked_last)):
        train.write_csv(tmp_path / "train.csv")
        part.write_csv(tmp_path / "test.csv")
        options = {"user": "userId", "item": "movieId", "rating": "rating", "range": "0.5,5"}
        source = open_source(tmp_path / "train.csv", test=str(tmp_path / "test.csv"), **options)
        data, pipeline = source.make(0)
        scores = np.random.default_rng(0).random((13, 21))
        found = rated_by({"a": Scored(scores)}, {}, "a", data, source, pipeline)
        [own] = found.scores
        known[name] = (own.ndcg, own.recall, found.chance_ndcg, found.chance_recall, found.ranked)
    assert known["again"] == known["once"]
    assert known["once"][1] is not None


def test_baselines_are_ranked_beside_the_networks(compared, ratings_csv, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(compared, run)
    assert main(command(ratings_csv, run)) == 0
    result = st.Result.load(run)
    found = {each["arm"]: each for each in result.by_user.iter_rows(named=True)}
    own, mean, biases, knn = found.values()
    assert [each["baseline"] for each in found.values()] == [False, True, True, True]
    assert (mean["ndcg"], mean["recall"]) == (None, None)  # it ranks nothing
    assert own == st.Result.load(compared).by_user.to_dicts()[0]
    source = open_source(ratings_csv, user="userId", item="movieId", rating="rating", range="0.5,5")
    data, pipeline = source.make(0)
    items = len(pipeline.ids("movieId"))
    for name, each in (("biases", biases), ("item-knn", knn)):
        model = st.load(run / "baselines" / name).net
        users = sorted(set(data.test.inputs[0][:, 0].tolist()))
        codes = torch.cartesian_prod(torch.tensor(users), torch.arange(items + 1))
        scores = model(codes, torch.zeros(len(codes), 0)).reshape(len(users), items + 1).numpy()
        seen, liked = [], []
        for user in users:
            parts = (data.train, data.validation)
            seen.append([i for part in parts for u, i in part.inputs[0].tolist() if u == user])
            rows = zip(data.test.inputs[0].tolist(), data.test.target.tolist(), strict=True)
            liked.append(
                [i for (u, i), rating in rows if u == user and rating >= result.comparison.rated.liked]
            )
        ndcg, recall, _ = slow_ranking(scores, range(len(users)), seen, liked, result.comparison.rated.k)
        assert (each["ndcg"], each["recall"]) == pytest.approx((ndcg, recall), rel=1e-9)
    page = render_html(result.comparison)
    assert "<bdi>item k-nearest neighbours</bdi> <small>baseline</small>" in page


def test_the_crosstab_has_the_busiest_and_their_ratings(compared, ratings_csv):
    rows = pl.read_csv(ratings_csv)
    users, items = (Counter(rows[name].to_list()) for name in ("userId", "movieId"))
    with (compared / "crosstab.csv").open(newline="") as file:
        head, *lines = csv.reader(file)
    assert [users[int(line[0])] for line in lines] == sorted(users.values(), reverse=True)[:15]
    assert [items[int(each)] for each in head[1:]] == sorted(items.values(), reverse=True)[:15]
    known = {
        (user, item): rating for user, item, rating in rows.select("userId", "movieId", "rating").iter_rows()
    }
    for user, *cells in lines:
        for item, cell in zip(head[1:], cells, strict=True):
            assert known.get((int(user), int(item))) == (float(cell) if cell else None)


def test_the_report_shows_them(compared):
    comparison = st.Result.load(compared).comparison
    page = render_html(comparison)
    for each in (
        'id="figure-crosstab"',
        'id="figure-hexagons"',
        "NDCG@3</th>",
        "RMSE by user",
        "a random order",
        "and half of these have 7 such items or more",
    ):
        assert each in page
    found = comparison.rated
    assert (found.k, found.unseen, found.too_few) == (
        3,
        7.0,
        False,
    )  # of 20 films, each user has rated about 13
    [said] = about_users(comparison)
    assert f"(a random order has {found.chance_ndcg:.3f} and {found.chance_recall:.3f})" in said
    [said] = about_users(comparison.model_copy(update={"held_out": False}))
    assert "RMSE of" in said
    assert "rank" not in said  # of what users have rated, nothing is unseen


@pytest.mark.parametrize("k", [1, 3, 50])
def test_chance_is_the_mean_of_random_orders(k):
    draw = np.random.default_rng(0)
    seen = [draw.choice(np.arange(8), 3, replace=False) for _ in range(4)]
    liked = [np.setdiff1d(draw.choice(np.arange(8), 4, replace=False), mine[mine > 0]) for mine in seen]
    liked[2] = np.zeros(0, np.int64)
    orders = [slow_ranking(draw.random((1, 8)), [0] * 4, seen, liked, k) for _ in range(4000)]
    ndcg, recall, users = np.mean(orders, axis=0)
    found = rank_by_chance(7, seen, liked, k)
    assert (found.ndcg, found.recall) == pytest.approx((ndcg, recall), abs=0.015)
    assert found.users == users


def test_who_has_rated_nearly_everything_is_not_ranked(ratings_csv, tmp_path):
    pairs = pl.DataFrame({"userId": range(30)}).join(pl.DataFrame({"movieId": range(4)}), how="cross")
    rating = (pairs["userId"] * 7 + pairs["movieId"] * 3) % 5 + 1.0
    pairs.with_columns(rating=rating).write_csv(tmp_path / "ratings.csv")
    shutil.copy(ratings_csv.with_name("movies.csv"), tmp_path)
    assert main([*command(tmp_path / "ratings.csv", tmp_path / "run"), "--baseline", "none"]) == 0
    comparison = st.Result.load(tmp_path / "run").comparison
    found = comparison.rated
    assert (found.k, found.unseen, found.too_few, found.chance_recall) == (1, 1.0, True, None)
    assert [(each.ndcg, each.recall) for each in found.scores] == [(None, None)]
    [said] = about_users(comparison)
    assert said.endswith(
        "most have no more than 1 item that they had not rated, so that a ranking of these shows nothing."
    )
    page = render_html(comparison)
    assert "NDCG@1</th>" not in page
    assert "shows nothing, and there is none" in page


def test_hexagons_are_the_nearest_ones():
    draw = np.random.default_rng(0)
    x, y = draw.uniform(0.5, 5.0, (2, 400))
    found = hexagons_of(x, y, 0.5, 5.0)
    centres = np.array([found.x, found.y]).T
    assert sum(found.rows) == 400
    nearest = np.sqrt(((np.stack([x, y], 1)[:, None] - centres[None]) ** 2).sum(2)).min(1)
    assert nearest.max() <= found.width / math.sqrt(3) + 1e-9  # the radius of a hexagon


def test_the_published_counts():
    from steepest.data.catalog import SOURCES, places

    if not places(SOURCES.load("movielens-small-2016")):
        pytest.skip("movielens-small-2016 is not on this machine")
    source = open_source("movielens-small-2016")
    _, pipeline = source.make(0)
    found = crosstab_of(source, pipeline.titles)
    counts = Counter(source.rows["userId"].to_list()), Counter(source.rows["movieId"].to_list())
    assert found.users[:4] == ["547", "564", "624", "15"]
    assert found.items[:4] == ["356", "296", "318", "593"]
    assert (counts[0][547], counts[1][356]) == (2391, 341)
    assert found.filled == 204
