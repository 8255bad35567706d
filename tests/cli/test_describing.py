"""``steepest describe`` and ``st.describe``: what data is, whatever kind it is of."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.data.sources.arrays import Arrays, ArraySource
from steepest.errors import OptionError
from tests.images.made import idx_folder, tree, write_tree


def said_of(steepest: Any, *arguments: object) -> dict[str, Any]:
    found = steepest("describe", *arguments, "--json")
    assert found.status == 0, found.err
    return json.loads(found.out)


def test_images_are_counted_by_class_and_part(steepest, tmp_path):
    digits = idx_folder(tmp_path / "digits", train=60, test=20)
    said = said_of(steepest, digits)
    assert (said["kind"], said["images"], said["size"]) == ("images", 80, [8, 8])
    assert (said["channels"], said["parts"]) == (1, {"train": 60, "test": 20})
    assert sum(each["images"] for each in said["classes"]) == 80
    assert sum(each["test"] for each in said["classes"]) == 20
    low, high = said["values"]
    pixels = st.open_source(digits).images.pixels
    assert (low, high) == (pixels.min(), pixels.max())
    shown = steepest("describe", digits).out
    assert "digits: 80 images in" in shown
    assert "20 test images of its own" in " ".join(shown.split())


def test_folders_by_class_are_described(steepest, tmp_path):
    photos = write_tree(tmp_path / "photos", tree(60))
    shown = steepest("describe", photos)
    assert shown.status == 0
    assert "photos: 60 images in 2 classes" in shown.out
    counts = {each["class"]: each["images"] for each in said_of(steepest, photos)["classes"]}
    assert counts == {"lying": 30, "upright": 30}
    assert said_of(steepest, photos, "--size", "4")["size"] == [4, 4]


@pytest.mark.parametrize(("files", "title"), [
    (tree(6), "photos: 6 images in 2 classes"),
    (tree(1), "photos: 1 image in 1 class"),
    ({f"{i}/a.png": each for i, each in enumerate(tree(8).values())}, "photos: 8 images in 8 classes"),
    ({"a.png": tree(1)["lying/00.png"]}, "photos: 1 image without labels"),
])  # fmt: skip
def test_images_that_are_too_few_to_train_are_described(steepest, tmp_path, files, title):
    photos = write_tree(tmp_path / "photos", files)
    shown = steepest("describe", photos)
    assert (shown.status, shown.err) == (0, "")
    assert title in shown.out
    assert steepest("compare", photos, "--out", tmp_path / "x").status == 2


def test_ratings_are_counted(steepest, tmp_path):
    path = tmp_path / "r.csv"
    users = ["u1"] * 5 + ["u2"] * 4 + ["u3"]
    items = [f"i{k}" for k in (0, 1, 2, 3, 4, 0, 1, 2, 3, 0)]
    pl.DataFrame({"s": users, "d": items, "y": [1.0, 2, 3, 4, 5, 2, 2, 3, 3, 1]}).write_csv(path)
    said = said_of(steepest, path, "--user", "s", "--item", "d", "--rating", "y")
    assert (said["ratings"], said["users"], said["items"]) == (10, 3, 5)
    assert said["density"] == pytest.approx(10 / 15)
    assert said["range"] == [1, 5]
    assert said["mean"] == pytest.approx(2.6)
    assert (said["users_with_one_rating"], said["items_with_one_rating"]) == (1, 1)
    assert said["busiest_users"][0] == {"s": "u1", "ratings": 5, "mean": 3.0}
    assert said["most_rated_items"][0] == {"d": "i0", "ratings": 3, "mean": pytest.approx(4 / 3)}
    shown = steepest("describe", path, "--user", "s", "--item", "d", "--rating", "y").out
    assert "r.csv: 10 ratings by 3 users of 5 items" in shown
    assert "66.7 % of all pairs" in " ".join(shown.split())


def test_the_points_of_a_curve_are_described(steepest, tmp_path):
    path = tmp_path / "c.csv"
    pl.DataFrame({"t": [0.0, 1, 1, 2, 4, 4, 4, 5, 6, 7], "v": [float(k) for k in range(10)]}).write_csv(path)
    said = said_of(steepest, path, "--x", "t", "--y", "v")
    assert (said["kind"], said["points"]) == ("curve", 10)
    assert (said["x"], said["y"]) == (
        {"name": "t", "least": 0, "most": 7},
        {"name": "v", "least": 0, "most": 9},
    )
    assert (said["different_x"], said["points_that_share_x"]) == (7, 5)
    shown = " ".join(steepest("describe", path, "--x", "t", "--y", "v").out.split())
    assert "c.csv: 10 points, v along t" in shown
    assert "5 points share their t with another" in shown


class Memory(ArraySource):
    """Arrays in memory."""

    @classmethod
    def read(cls, source):
        return Arrays({"a": source["a"], "b": source["b"]}, source.get("y"), "y")


HERE = f"{__file__}:Memory"


def test_arrays_are_described_in_python():
    draw = np.random.default_rng(0)
    rows = {
        "a": draw.integers(0, 9, (40, 3, 2)),
        "b": draw.normal(size=40),
        "y": np.array(["no", "yes"] * 20),
    }
    said = st.describe(rows, reader=HERE)
    assert said.as_json()["arrays"] == [
        {"name": "a", "shape": [40, 3, 2], "type": "int64", "least": 0, "most": 8},
        {"name": "b", "shape": [40], "type": "float64", "least": rows["b"].min(), "most": rows["b"].max()},
        {"name": "y", "shape": [40], "type": "<U3", "least": None, "most": None},
    ]
    assert said.as_json()["classes"] == [{"class": "no", "rows": 20}, {"class": "yes", "rows": 20}]
    assert "40 × 3 × 2" in repr(said)
    numbers = st.describe({**rows, "y": draw.normal(size=40)}, reader=HERE).as_json()
    assert "classes" not in numbers


def test_a_source_that_says_nothing_of_itself_says_what_it_is():
    from steepest.data.sources.contract import Source

    class Quiet(Memory):
        describe = Source.describe

    rows = {"a": np.zeros((40, 2)), "b": np.zeros(40), "y": np.array(["no", "yes"] * 20)}
    from steepest.data.options import table_options

    said = Quiet(rows, table_options(reader="mine.py:Quiet")).describe()
    assert said.as_json()["inputs"] == ["a (values [2])", "b (values [1])"]
    assert "model(a, b)" not in repr(said)
    assert "y, classification" in repr(said)
    assert "32 train" in repr(said)


def test_a_table_is_described_as_before(steepest, churn_csv):
    said = said_of(steepest, churn_csv, "--target", "churned", "--drop", "plan")
    assert said["kind"] == "table"
    assert {each["name"]: each["role"] for each in said["columns"]}["plan"] == "left out"
    assert repr(st.describe(churn_csv)) == repr(st.read_table(churn_csv).describe())


def test_only_tables_have_a_first_preparation(steepest, tmp_path):
    photos = write_tree(tmp_path / "photos", tree(60))
    said = steepest("describe", photos, "--write", tmp_path / "p.toml")
    assert said.status == 2
    assert "--write has no effect on data of the kind images" in said.err
    with pytest.raises(OptionError, match="has no effect on data of the kind images"):
        st.describe(photos).to_toml()


def test_names_of_the_catalog_are_described(steepest):
    said = said_of(steepest, "parabola", "--x", "x", "--y", "y")
    assert said["kind"] == "curve"
    assert said_of(steepest, "flights")["kind"] == "table"
