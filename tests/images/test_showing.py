"""Pages of images: what they show is what the data, or the predictions of a comparison, hold."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import steepest as st
from steepest.cli import main
from steepest.errors import OptionError, SteepestError
from tests.conftest import churn_table
from tests.images.made import drawn, encoded, idx_folder, tree, write_tree

FIGURE = re.compile(
    r'<figure title="(?P<name>[^"]*)"(?: data-class="\d+")?><img src="data:image/png;base64,(?P<png>[^"]*)" '
    r'alt="[^"]*"><figcaption><b><bdi>(?P<truth>[^<]*)</bdi></b>(?P<rest>.*?)</figcaption>'
)


SHORT = ["--seeds", "2", "--epochs", "1", "--compile", "off", "--device", "cpu"]


def figures(path: Path) -> list[dict[str, str]]:
    return [each.groupdict() for each in FIGURE.finditer(path.read_text(encoding="utf-8"))]


def opened(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def cells(path: Path, label: str) -> np.ndarray:
    page = path.read_text(encoding="utf-8")
    pattern = rf'<table class="pixels" aria-label="Pixel values of {re.escape(label)}">(.*?)</table>'
    [table] = re.findall(pattern, page, re.DOTALL)
    return np.array([re.findall(r">(\d+)</td>", line) for line in re.findall(r"<tr>(.*?)</tr>", table)], int)


def test_images_of_a_folder_with_their_labels(tmp_path: Path) -> None:
    photos = write_tree(tmp_path / "photos", {**tree(30), "upright/<b>.png": encoded(drawn(99))})
    path = st.show(photos, tmp_path / "page.html", rows=8)
    found = figures(path)
    assert [each["truth"] for each in found] == ["lying"] * 4 + ["upright"] * 4  # as many of every class
    assert [each["name"] for each in found[:3]] == ["lying/00.png", "lying/02.png", "lying/04.png"]
    np.testing.assert_array_equal(opened(found[1]["png"]), drawn(2))
    page = path.read_text(encoding="utf-8")
    assert "8 of 31 images" in page
    assert "Images of each class: lying: 15, upright: 16." in page
    assert "<b>.png" not in page
    one = figures(st.show(photos, tmp_path / "one.html", classes="upright"))
    assert {each["truth"] for each in one} == {"upright"}
    assert len(one) == 16
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_pixel_values_are_written_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    mnist = idx_folder(tmp_path / "bars")
    assert main(["show", str(mnist), "--image", "17"]) == 0
    assert capsys.readouterr().out == "page     bars-images.html\n"
    np.testing.assert_array_equal(cells(Path("bars-images.html"), "train 17"), drawn(17))
    tested = st.show(mnist, "t.html", part="test", image=3, rows=5)
    np.testing.assert_array_equal(cells(tested, "test 3"), drawn(1003))
    assert [each["name"] for each in figures(tested)] == [f"test {i}" for i in range(5)]
    photos = write_tree(tmp_path / "photos", tree(4, channels=3))
    coloured = st.show(photos, "c.html", image="upright/03.png")
    for channel, name in enumerate(("red", "green", "blue")):
        np.testing.assert_array_equal(
            cells(coloured, f"upright/03.png, {name}"), drawn(3, channels=3)[..., channel]
        )


def test_dark_images_are_shown_brighter_and_their_values_as_they_are(tmp_path: Path) -> None:
    images = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) // 4
    path = st.show(images, tmp_path / "page.html", image=0)
    np.testing.assert_array_equal(cells(path, "0"), images[0])
    [found] = figures(path)
    np.testing.assert_array_equal(opened(found["png"]), np.rint(images[0] * 17))  # 255 / 15
    assert "from 0 (black) to 15 (white)" in path.read_text(encoding="utf-8")


def test_large_images_have_no_values_written_in_and_are_shown_whole(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 70, 120), dtype=np.uint8)
    page = st.show(images, tmp_path / "page.html", image=1).read_text(encoding="utf-8")
    assert "pixels" not in re.findall(r'<table class="([^"]*)"', page)
    whole = re.search(r'class="pictures one"><figure><img src="data:image/png;base64,([^"]*)"', page)
    assert whole is not None
    np.testing.assert_array_equal(opened(whole[1]), images[1])
    small = st.show(images, tmp_path / "small.html", image=1, size=16)
    assert cells(small, "1").shape == (16, 16)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("shown")
    photos = write_tree(where / "photos", tree(60))
    arguments = [
        "--model",
        "linear",
        "--model",
        "mlp(hidden=[3])",
        "-o",
        "adam(lr=0.003)",
        "--test",
        "0.4",
        *SHORT,
    ]
    assert main(["compare", str(photos), *arguments, "--out", str(where / "done")]) == 0
    return where / "done"


def test_the_wrong_predictions_of_a_comparison_come_first(done: Path, capsys) -> None:
    assert main(["show", str(done)]) == 0
    assert capsys.readouterr().out == f"page     {done}/images.html\n"
    rows = pl.read_parquet(done / "predictions" / "test.parquet")
    likely = [row[f"p_{row['target']}"] for row in rows.to_dicts()]
    rows = rows.with_columns(likely=pl.Series(likely), right=pl.col("target") == pl.col("prediction"))
    rows = rows.sort("right", "likely", maintain_order=True)
    found = figures(done / "images.html")
    assert [each["name"] for each in found] == rows["file"].to_list()
    assert [each["truth"] for each in found] == rows["target"].to_list()
    for each, row in zip(found, rows.to_dicts(), strict=True):
        said = "✓" if row["right"] else f"→ <bdi>{row['prediction']}</bdi>"
        assert each["rest"] == f"<span>{said} · {100 * row['probability']:.1f} %</span>"
    wrong = rows.filter(~pl.col("right")).height
    assert f"{wrong} of {rows.height} test images are predicted wrong" in (done / "images.html").read_text()


def test_the_predictions_of_another_arm_are_those_of_its_network(done: Path, tmp_path: Path) -> None:
    arms = {each.name: each for each in sorted((done / "arms").iterdir())}
    for name, folder in arms.items():
        path = st.show(done, tmp_path / f"{name}.html", arm=name, rows=5)
        table = st.load(folder).predict(done.parent / "photos").table
        known = dict(zip(table["file"], table["prediction"], strict=True))
        found = figures(path)
        assert len(found) == 5
        for each in found:
            right = known[each["name"]] == each["truth"]
            assert each["rest"].startswith(
                "<span>✓" if right else f"<span>→ <bdi>{known[each['name']]}</bdi>"
            )
        assert figures(st.show(folder, tmp_path / "again.html", rows=5)) == found


@pytest.mark.parametrize(
    ("given", "fact", "hint"),
    [
        ({"classes": "lyin"}, "unknown class 'lyin'", "did you mean 'lying'"),
        ({"part": "test"}, "--part test has no effect", "leave it out"),
        ({"image": 12}, "there is no image 12", "numbers 0 to 11"),
        ({"image": "lying/1.png"}, "unknown image 'lying/1.png'", "did you mean"),
        ({"rows": 0}, "--rows 0 is outside 1 to 5,000", "a number of images"),
        ({"out": "page.pdf"}, "a page cannot be written as 'page.pdf'", "end it with .html"),
        ({"arm": "adam"}, "--arm has no effect", "leave it out"),
        ({"size": "0"}, "--size '0' is outside 1 to 4096", "such as 32"),
    ],
)
def test_what_cannot_be_shown_says_why(
    tmp_path: Path, given: dict[str, object], fact: str, hint: str
) -> None:
    photos = write_tree(tmp_path / "photos", tree(12))
    with pytest.raises(SteepestError) as caught:
        st.show(photos, **{"out": tmp_path / "page.html", **given})
    assert fact in caught.value.fact
    assert hint in caught.value.hint
    assert not (tmp_path / "page.html").exists()


def test_a_comparison_that_is_not_of_images_or_lacks_them(done: Path, tmp_path: Path) -> None:
    churn_table(60).write_csv(tmp_path / "churn.csv")
    arguments = ["compare", str(tmp_path / "churn.csv"), "--target", "churned", "-o", "adam(lr=0.01)", *SHORT]
    assert main([*arguments, "--out", str(tmp_path / "table")]) == 0
    with pytest.raises(OptionError, match="is not of images"):
        st.show(tmp_path / "table")
    with pytest.raises(OptionError, match="size has no effect"):
        st.show(done, size=8)
    with pytest.raises(SteepestError, match="there is no file or folder"):
        st.show(tmp_path / "nowhere")
