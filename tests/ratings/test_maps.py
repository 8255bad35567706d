"""Maps of items and users."""

from __future__ import annotations

import shutil

import polars as pl
import pytest

import steepest as st


@pytest.fixture
def with_genres(compared, ratings_csv, tmp_path):
    """A copy of the comparison whose table of titles has genres."""
    folder = shutil.copytree(compared, tmp_path / "run")
    titles = pl.read_csv(ratings_csv.with_name("movies.csv"))
    genres = ["Drama|War" if each % 2 else "Comedy" for each in titles["movieId"]]
    titles.with_columns(pl.Series("genres", genres)).write_csv(tmp_path / "titles.csv")
    path = folder / "experiment.toml"
    text = path.read_text(encoding="utf-8")
    known = str(ratings_csv.with_name("movies.csv"))
    assert known in text
    path.write_text(text.replace(known, str(tmp_path / "titles.csv")), encoding="utf-8")
    return folder


def test_items_are_mapped_by_their_vectors_and_coloured_by_their_first_genre(with_genres, ratings_csv):
    found = st.map(with_genres)
    vectors = st.load(with_genres / "model").embedding("item")
    assert vectors.columns == ["movieId", "title", "0", "1", "2"]
    order = {each: i for i, each in enumerate(vectors["movieId"])}
    places = [order[each] for each in found.table["movieId"]]
    assert found.points.vectors.tolist() == vectors.drop("movieId", "title")[places].to_numpy().tolist()
    assert found.points.colour == "first genre"
    wanted = ["Drama" if int(each) % 2 else "Comedy" for each in found.table["movieId"]]
    assert found.table["first genre"].to_list() == wanted
    assert found.table["title"].to_list() == vectors["title"][places].to_list()
    train = st.open_source(ratings_csv, user="userId", item="movieId", rating="rating").make(0)[0].train
    counts = train.inputs[0][:, 1].bincount(minlength=len(order) + 1)[1:]
    assert found.table["ratings"].to_list() == [int(counts[each]) for each in places]
    assert found.table["ratings"].is_sorted(descending=True)


def test_the_items_with_most_ratings_are_mapped_where_there_are_more(compared):
    whole = st.map(compared)
    some = st.map(compared, points=12)
    assert some.table["movieId"].to_list() == whole.table["movieId"][:12].to_list()
    assert whole.points.colour == "mean rating"
    assert some.lines[-1].startswith("12 of ")


def test_users_and_rated_pairs_are_mapped_too(compared):
    users = st.map(compared, of="user")
    assert users.table.columns[:3] == ["userId", "ratings", "mean rating"]
    pairs = st.map(compared, layer="items", rows="test")
    assert pairs.table.columns[:6] == ["row", "userId", "movieId", "rating", "title", "predicted"]
    vectors = st.load(compared / "model").embedding("movieId")
    known = dict(zip(vectors["movieId"], vectors.drop("movieId", "title").rows(), strict=True))
    for item, vector in zip(pairs.table["movieId"], pairs.points.vectors.tolist(), strict=True):
        assert vector == pytest.approx(known.get(str(item), (0.0, 0.0, 0.0)))
