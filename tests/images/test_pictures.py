"""The pictures of a report: the wrongest predictions, and the weights of linear models as images."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from steepest.cli import main
from steepest.compare.result import Pictures
from steepest.data.images import read_images
from steepest.data.images.png import png
from steepest.experiment.folder import load_comparison
from steepest.prediction.model import TrainedModel
from steepest.record.store import Folder
from tests.images.made import tree, write_tree


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_png_files_hold_the_pixels() -> None:
    draw = np.random.default_rng(0)
    grey, colour = (draw.integers(0, 256, (each, 5, 7), dtype=np.uint8) for each in (1, 3))
    np.testing.assert_array_equal(opened(png(grey)), grey[0])
    np.testing.assert_array_equal(opened(png(colour)), colour.transpose(1, 2, 0))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    where = tmp_path_factory.mktemp("pictures")
    files = {f"<b>{name}" if name.startswith("lying") else name: each for name, each in tree(80).items()}
    photos = write_tree(where / "photos", files)
    arguments = ["compare", str(photos), "--model", "linear", "-o", "adam(lr=0.001)", "--epochs", "1", "--seeds", "1",
                 "--batch-size", "8", "--test", "0.4", "--compile", "off", "--device", "cpu"]  # fmt: skip
    assert main([*arguments, "--out", str(where / "done")]) == 0
    return photos, where / "done"


def pictures(folder: Path) -> Pictures:
    found = load_comparison(Folder(folder)).pictures
    assert found is not None
    return found


def test_the_wrongest_predictions(done: tuple[Path, Path]) -> None:
    photos, folder = done
    found = pictures(folder)
    rows = pl.read_parquet(folder / "predictions" / "test.parquet")
    if load_comparison(Folder(folder)).saved_model != "model":
        rows = (
            TrainedModel.load(folder / "model")
            .predict(photos)
            .table.join(rows.select("file", "target"), on="file")
        )
    wrong = rows.filter(pl.col("prediction") != pl.col("target"))
    assert (found.wrong, found.rows) == (wrong.height, 32)
    assert 0 < wrong.height <= 24
    right = wrong.with_columns(p=1 - pl.col("probability")).sort("p", "file")  # of two classes
    assert sorted((each.truth, each.predicted, each.name) for each in found.wrongest) == sorted(
        right.select("target", "prediction", "file").rows()
    )
    assert [each.probability for each in found.wrongest] == pytest.approx(
        sorted(wrong["probability"], reverse=True), abs=1e-6
    )
    known = read_images(photos)
    of = dict(zip(known.names, known.pixels, strict=True))
    for each in found.wrongest:
        np.testing.assert_array_equal(opened(base64.b64decode(each.png)), of[each.name][0])
    assert found.wrongest[0].values == of[found.wrongest[0].name][0].tolist()


def test_the_weights_of_a_linear_model_are_images(done: tuple[Path, Path]) -> None:
    _, folder = done
    found = pictures(folder).filters
    assert [each.name for each in found] == ["<b>lying", "upright"]
    weights = TrainedModel.load(folder / "model").net.net.head.weight.detach().numpy().reshape(2, 8, 8)
    for values, each in zip(weights, found, strict=True):
        colour = opened(base64.b64decode(each.png)).astype(int)
        strong = np.abs(values) > 0.1 * np.abs(weights).max()
        np.testing.assert_array_equal((colour[..., 0] > colour[..., 2])[strong], (values > 0)[strong])


def test_the_report_has_them_with_names_escaped(done: tuple[Path, Path]) -> None:
    _, folder = done
    page = (folder / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section class="card" id="images">') :]
    section = section[: section.index("</section>")]
    assert section.count("<img src=") == len(pictures(folder).wrongest) + 2
    assert "&lt;b&gt;lying" in section
    assert "<b>lying" not in section
