"""Every task and source can be mapped; what cannot be a colour is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.cli import main
from steepest.data.sources.arrays import Arrays, ArraySource
from steepest.errors import OptionError, UnknownNameError

ROWS = 60
HERE = f"{Path(__file__).as_posix()}:Waves"


class Waves(ArraySource):
    """Two arrays of a file."""

    @classmethod
    def read(cls, source):
        found = np.load(source)
        return Arrays({"x": found["x"]}, found.get("y", None))


def photos(where: Path, name: str, **more) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (ROWS, 8, 8)).astype("uint8")
    np.savez(where / name, images=pixels, **more)
    return where / name


def labels() -> np.ndarray:
    return np.array(["cat", "dog"] * (ROWS // 2))


def made(where: Path, kind: str) -> list[object]:
    """Write data of a kind; return it with the options by which it is compared."""
    draw = np.random.default_rng(0)
    x, path = draw.normal(size=ROWS), where / f"{kind}.csv"
    table = {"x": x, "c": draw.choice(["a", "b", "c"], ROWS), "y": 2 * x + draw.normal(size=ROWS)}
    if kind == "regression":
        pl.DataFrame(table).write_csv(path)
        return [path, "--target", "y"]
    if kind == "classes that are numbers":
        pl.DataFrame({**table, "y": np.arange(ROWS) % 15}).write_csv(path)
        return [path, "--target", "y", "--task", "classification", "--min-count", "1"]
    if kind == "curve":
        pl.DataFrame(table).write_csv(path)
        return [path, "--x", "x", "--y", "y"]
    if kind == "ratings":
        pairs = pl.DataFrame({"user": range(8)}).join(pl.DataFrame({"item": range(9)}), how="cross")
        pairs.with_columns(rating=pl.Series(draw.integers(1, 6, 72))).write_csv(path)
        return [path, "--user", "user", "--item", "item", "--rating", "rating"]
    if kind == "arrays":
        np.savez(where / "waves.npz", x=draw.normal(size=(ROWS, 3)), y=x)
        return [where / "waves.npz", "--source", HERE]
    if kind == "images":
        return [photos(where, "photos.npz", labels=labels())]
    known = {} if kind == "reconstruction" else {"labels": labels()}
    return [photos(where, "photos.npz", **known), "--task", "reconstruction"]


KINDS = {
    "regression": ("y", True, True),
    "classes that are numbers": ("y", False, True),
    "curve": ("y", True, True),
    "ratings": ("rating", True, True),
    "arrays": ("y", True, True),
    "images": ("label", False, True),
    "reconstruction": (None, False, False),
    "reconstruction with labels": ("label", False, False),
}


@pytest.fixture(scope="module", params=list(KINDS))
def compared(request, tmp_path_factory) -> tuple[str, Path, Path]:
    where = tmp_path_factory.mktemp("kind")
    arguments = [
        *made(where, request.param),
        "-o",
        "sgd(lr=0.01)",
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--workers",
        "1",
    ]
    arguments += ["--batch-size", "8", "--compile", "off", "--baseline", "none", "--out", where / "run"]
    assert main(["compare", *map(str, arguments)]) == 0
    return request.param, where / "run", Path(str(arguments[0]))


def mapped(kind: str, run: Path, **options):
    own = {"own_source": HERE} if kind == "arrays" else {}
    return st.map(run, **own, **options)


def test_rows_of_every_kind_are_coloured_by_their_target(compared, tmp_path):
    kind, run, data = compared
    target, numeric, has_prediction = KINDS[kind]
    for options in ({"rows": "test"}, {"rows": "all"}, {"data": data}):
        found = mapped(kind, run, **options)
        assert (found.points.colour, found.points.numeric) == (target, numeric)
        assert ("predicted" in found.table.columns) == has_prediction
        assert "image" not in found.table.columns
        assert found.write(tmp_path / "map.csv").is_file()
        assert found.write(tmp_path / "map.html").is_file()
    if target == "label":
        assert found.table["label"].to_list() == labels().tolist()
        everything = mapped(kind, run, rows="all")
        parts = [mapped(kind, run, rows=each).table["label"] for each in ("test", "validation", "train")]
        assert sorted(pl.concat(parts)) == sorted(everything.table["label"]) == sorted(labels())


def test_the_prediction_is_a_colour_where_it_is_a_label_or_a_number(compared):
    kind, run, _ = compared
    _, numeric, has_prediction = KINDS[kind]
    if has_prediction:
        points = mapped(kind, run, rows="all", colour="predicted").points
        assert (points.colour, points.numeric) == ("predicted", numeric)
        return
    for colour in ("predicted", "image"):
        for options in ({}, {"data": compared[2]}):
            with pytest.raises(
                OptionError, match=f"colour {colour} has no effect: an image is reconstructed"
            ):
                mapped(kind, run, colour=colour, **options)


def test_labels_are_those_of_the_images(tmp_path):
    """The label of each image is also its brightness, so that a wrong order shows."""
    bright = np.arange(ROWS) % 3
    pixels = np.zeros((ROWS, 4, 4), np.uint8) + 100 * bright[:, None, None].astype(np.uint8)
    np.savez(tmp_path / "grey.npz", images=pixels, labels=bright)
    arguments = [
        "compare",
        tmp_path / "grey.npz",
        "--task",
        "reconstruction",
        "-o",
        "sgd(lr=0.01)",
        "--epochs",
        "1",
    ]
    arguments += [
        "--seeds",
        "1",
        "--compile",
        "off",
        "--baseline",
        "none",
        "--workers",
        "1",
        "--out",
        tmp_path / "run",
    ]
    assert main([str(each) for each in arguments]) == 0
    for rows in ("test", "train", "all"):
        found = st.map(tmp_path / "run", rows=rows, colour="label")
        shown = found.points.pictures[:, 0, 0, 0] // 100
        assert found.table["label"].to_list() == [str(each) for each in shown]
        assert not found.points.numeric


def test_an_unknown_colour_of_new_images_or_arrays_is_answered_with_the_columns_that_they_have(compared):
    kind, run, data = compared
    if kind in ("regression", "classes that are numbers", "curve", "ratings"):
        with pytest.raises(st.SteepestError, match="there is no column 'nope' in"):
            mapped(kind, run, data=data, colour="nope")
        return
    with pytest.raises(UnknownNameError, match="unknown column 'nope'") as error:
        mapped(kind, run, data=data, colour="nope")
    assert error.value.hint.endswith("Name one of them with --colour.")
    assert ("label" in error.value.hint) == (KINDS[kind][0] == "label")


def test_new_images_in_other_classes_are_coloured_by_their_labels(tmp_path):
    data = photos(tmp_path, "photos.npz", labels=labels())
    arguments = ["compare", data, "-o", "sgd(lr=0.01)", "--epochs", "1", "--seeds", "1", "--workers", "1"]
    arguments += ["--compile", "off", "--baseline", "none", "--out", tmp_path / "run"]
    assert main([str(each) for each in arguments]) == 0
    others = np.array(["hen", "owl"] * (ROWS // 2))
    found = st.map(tmp_path / "run", data=photos(tmp_path, "birds.npz", labels=others), colour="label")
    assert found.table["label"].to_list() == others.tolist()
    assert st.map(tmp_path / "run", data=tmp_path / "birds.npz").points.colour == "predicted"


def test_images_without_labels_are_described_and_mapped_but_not_trained_on(tmp_path, capsys):
    data = photos(tmp_path, "photos.npz")
    said = st.describe(data)
    assert said.title == "60 images without labels"
    assert said.lists == ()
    assert main(["describe", str(data)]) == 0
    found = st.map(data)
    assert (found.points.colour, len(found.table), found.points.vectors.shape) == (None, ROWS, (ROWS, 64))
    assert main(["map", str(data), "--out", str(tmp_path / "map.html")]) == 0
    assert main(["compare", str(data), "--out", str(tmp_path / "run")]) == 2
    assert "the images of photos have no labels" in capsys.readouterr().err
