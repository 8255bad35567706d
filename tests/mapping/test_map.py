"""Maps from a folder, from data, and of new rows: what they hold, what they say, and the page."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image

import steepest as st
from steepest.cli import main
from steepest.errors import DataError, ModelError, OptionError, SteepestError, UnknownNameError
from steepest.mapping.points import Points
from steepest.mapping.projection import make_projection
from steepest.mapping.projections.tsne import TSNE


def embedding_arm(churned):
    arms = st.Result.load(churned).comparison.arms
    return next(arm.id for arm in arms if arm.factors["model"].startswith("embedding"))


def data_of(page: str):
    return json.loads(re.search(r'id="map-data">(.*?)</script>', page)[1])


def test_test_rows_are_mapped_by_their_last_hidden_activations(churned, churn_csv):
    arm = embedding_arm(churned)
    found = st.map(churned, arm=arm)
    tested, rows = st.read_table(churn_csv, target="churned").test_rows, pl.read_csv(churn_csv)
    assert found.table["row"].to_list() == tested["row"].to_list()
    assert found.table["churned"].to_list() == rows["churned"].gather(tested["row"]).to_list()
    model = st.load(churned, arm=arm)
    expected = model.activations(rows[tested["row"]])
    assert found.table["predicted"].to_list() == model.predict(rows[tested["row"]]).tolist()
    np.testing.assert_allclose(found.points.vectors, expected.drop("row").to_numpy(), rtol=1e-5, atol=1e-6)
    assert found.sentence == (
        f"{len(tested)} test rows of churn: principal components of the activations of layer blocks.1 (6 numbers)."
    )
    assert [each.split(":")[0] for each in found.lines] == [
        "explained variance", "trustworthiness", "5-nearest-neighbour accuracy of churned",
    ]  # fmt: skip


def test_columns_of_the_table_colour_any_part_of_the_rows(churned, churn_csv):
    found = st.map(churned, arm=embedding_arm(churned), rows="all", colour="age", points=50, seed=3)
    assert len(found.table) == 50
    rows = pl.read_csv(churn_csv)
    counts = rows.group_by("age", "churned").len()
    assert found.table.join(counts, on=["age", "churned"], how="anti").height == 0
    assert found.points.numeric
    assert "50 of 600 rows of churn are mapped, drawn at random with seed 3." in found.lines
    assert not found.table.equals(st.map(churned, arm=embedding_arm(churned), rows="all", points=50).table)


def test_of_tsne_fewer_points_are_mapped_unless_more_are_wanted(churn_csv, monkeypatch):
    assert make_projection("tsne").points == 2000 < make_projection("pca").points == 5000
    monkeypatch.setattr(TSNE, "points", 60)
    few = st.map(churn_csv, projection="tsne(iterations=250)", target="churned")
    assert len(few.table) == 60
    assert any(each.startswith("60 of 600") for each in few.lines)
    assert len(st.map(churn_csv, projection="tsne(iterations=250)", target="churned", points=70).table) == 70


def test_new_rows_are_mapped_by_what_is_known_of_them(churned, churn_csv):
    rows = pl.read_csv(churn_csv)[:30]
    found = st.map(churned, arm=embedding_arm(churned), data=rows, colour="plan")
    assert found.table["plan"].to_list() == rows["plan"].to_list()
    unknown = st.map(churned, arm=embedding_arm(churned), data=rows.drop("churned"))
    assert (unknown.points.colour, "churned" in unknown.table.columns) == ("predicted", False)
    np.testing.assert_array_equal(unknown.points.vectors, found.points.vectors)


def test_categories_are_coloured_by_the_mean_target_of_their_training_rows(churned, churn_csv):
    found = st.map(churned, of="plan", arm=embedding_arm(churned))
    data = st.read_table(churn_csv, target="churned").dataset().train
    codes, answers = data.inputs[0][:, 0].numpy(), data.target.numpy()
    table = found.table.sort("plan")
    assert table["plan"].to_list() == ["basic", "plus", "pro"]
    assert table["rows"].to_list() == [int((codes == i).sum()) for i in (1, 2, 3)]
    assert table["share of churned yes"].to_list() == pytest.approx(
        [answers[codes == i].mean() for i in (1, 2, 3)]
    )
    assert found.table["rows"].is_sorted(descending=True)


def test_a_map_of_data_without_a_network_is_of_its_features(churn_csv, tmp_path, seen_images):
    table = st.map(churn_csv, target="churned", rows="test")
    plans = pl.read_csv(churn_csv)["plan"].gather(table.table["row"])
    hot = table.points.vectors[:, :4]
    assert hot.argmax(1).tolist() == [["basic", "plus", "pro"].index(each) + 1 for each in plans]
    assert hot.sum(1).tolist() == [1.0] * len(plans)
    pictures = st.map(seen_images.parent / "bars", rows="test")
    assert pictures.points.by == "the pixels (64 numbers)"
    assert pictures.points.vectors.max() <= 1.0
    assert pictures.points.vectors[0].reshape(8, 8) == pytest.approx(pictures.points.pictures[0, 0] / 255.0)


WRONG = [
    ({"layer": "nope"}, UnknownNameError, "no layer 'nope'"),
    ({"of": "age"}, UnknownNameError, "unknown field with vectors 'age'"),
    ({"of": "plan", "layer": "head"}, OptionError, "both given"),
    ({"of": "plan", "rows": "test"}, OptionError, "--rows has no effect with --of"),
    ({"data": {"age": [30, 4], "plan": ["pro", "pro"], "minutes": [1.0, 2.0]}}, DataError, "2 points cannot be mapped"),
    ({"data": {"age": [30] * 4, "plan": ["pro"] * 4, "minutes": [1.0] * 4}}, ModelError, "the same values"),
    ({"colour": "nope"}, UnknownNameError, "unknown column 'nope'"),
    ({"rows": "tset"}, UnknownNameError, "unknown part of the rows 'tset'"),
    ({"projection": "tsne(perplexity=60)"}, OptionError, "not below the number of points, 60"),
    ({"points": 2}, OptionError, "points: 2 is below 3"),
    ({"target": "churned"}, OptionError, "--target has no effect"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "text"), WRONG)
def test_what_cannot_be_mapped_is_refused_with_a_cure(churned, options, error, text):
    with pytest.raises(error) as found:
        st.map(churned, arm=embedding_arm(churned), **options)
    assert text in found.value.fact
    assert found.value.hint


def test_one_number_and_numbers_that_are_not_finite_are_refused():
    about = pl.DataFrame({"row": range(4)})
    for vectors, text in (
        (np.zeros((4, 1)), "one number"),
        (np.array([[1.0, np.nan]] * 4), "4 points have values"),
    ):
        with pytest.raises(ModelError, match=text):
            Points(vectors, about, None, False, "rows", "layer").checked()


def test_a_map_is_written_as_a_page_or_a_table(churned, tmp_path, capsys):
    arm = embedding_arm(churned)
    for name in ("map.csv", "map.parquet"):
        assert main(["map", str(churned), "--arm", arm, "--out", str(tmp_path / name)]) == 0
    written = pl.read_parquet(tmp_path / "map.parquet")
    assert written.columns == ["row", "churned", "predicted", "x", "y", *map(str, range(6))]
    assert written.equals(st.map(churned, arm=arm).frame)
    assert pl.read_csv(tmp_path / "map.csv").shape == written.shape
    assert main(["map", str(churned), "--arm", arm, "--out", str(tmp_path / "map.pdf")]) == 2
    assert ".html, .parquet" in capsys.readouterr().err
    assert main(["map", str(churned), "--arm", arm]) == 0
    assert "trustworthiness" in capsys.readouterr().out
    page = (churned / "map.html").read_text(encoding="utf-8")
    drawn = data_of(page)
    assert [each["name"] for each in drawn["groups"]] == ["no", "yes"]
    assert [drawn["groups"][i]["name"] for i in drawn["group"]] == written["churned"].to_list()
    assert np.ptp(np.array(drawn["x"]) - written["x"].to_numpy()) < 1e-3 * np.ptp(drawn["x"])
    assert [(each["colour"], each["shape"]) for each in drawn["groups"]] == [("series-0", 0), ("series-1", 1)]
    assert re.search(r"<h1>(.*?)</h1>", page)[1] == "What the network sees in 60 test rows of churn"
    assert st.map(churned, arm=arm).sentence in page
    share = max(written["churned"].value_counts()["count"]) / len(written)
    assert f"always guessing the most frequent label: {100 * share:.1f} %" in page
    assert "chance" not in page
    assert not re.search(r"https?://", page)


def test_names_of_classes_cannot_run_in_the_page(tmp_path):
    rows = {
        "x": [i / 7 for i in range(60)],
        "z": [i % 7 for i in range(60)],
        "y": ["<img src=x>", "</script>"] * 30,
    }
    page = st.map(rows, target="y").to_html()
    assert "<img src=x>" not in page
    assert {each["name"] for each in data_of(page)["groups"]} == {"<img src=x>", "</script>"}


def test_more_labels_than_colours_share_one_group_and_numbers_have_a_scale():
    draw = np.random.default_rng(0)
    rows = {"x": draw.random(300), "z": draw.random(300), "y": [f"class {i % 25}" for i in range(300)]}
    groups = data_of(st.map(rows, target="y").to_html())["groups"]
    assert len(groups) == 20
    assert groups[-1]["name"] == "other (6 more)"
    assert sum(each["count"] for each in groups) == 300
    assert len({(each["colour"], each["shape"]) for each in groups}) == 20
    assert all(one["shape"] != other["shape"] for one, other in itertools.pairwise(groups[:19]))
    scale = data_of(st.map({**rows, "y": np.arange(300.0)}, target="y").to_html())["scale"]
    assert scale["text"] == ["≤ 2.99", "≥ 296"]
    assert sorted(scale["values"]) == list(range(300))


def test_images_are_in_the_page_in_the_order_of_the_points(seen_images):
    found = st.map(seen_images)
    sprite = data_of(found.to_html())["sprite"]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(sprite["source"].partition(",")[2]))))
    for i, picture in enumerate(found.points.pictures):
        top, left = i // sprite["across"] * 8, i % sprite["across"] * 8
        assert np.array_equal(sheet[top : top + 8, left : left + 8], picture[0])


def test_a_comparison_whose_data_is_gone_still_has_vectors(churned, churn_csv, tmp_path):
    import shutil

    copied = shutil.copytree(churned, tmp_path / "moved")
    text = (copied / "experiment.toml").read_text(encoding="utf-8")
    (copied / "experiment.toml").write_text(text.replace(str(churn_csv), "gone.csv"), encoding="utf-8")
    found = st.map(copied, of="plan", arm=embedding_arm(churned))
    assert found.points.colour is None
    assert any("gone.csv" in each for each in found.lines)
    with pytest.raises(SteepestError, match=r"gone\.csv"):
        st.map(copied, arm=embedding_arm(churned))
