"""The source of images: which data it opens, what it makes of them, and predictions of new images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import steepest as st
from steepest.cli import main
from steepest.data.dataset import Dataset
from steepest.data.images import read_images
from steepest.data.sources.opening import load_pipeline, open_source
from steepest.data.variants import Variant
from steepest.errors import DataError, OptionError
from steepest.experiment.folder import load_comparison
from steepest.models import build_model
from steepest.prediction.model import TrainedModel
from steepest.prediction.seen import hashed
from steepest.record.store import Folder
from tests.images.made import drawn, encoded, idx_folder, tree, write_tree, zipped

QUICK = ("--epochs", "1", "--seeds", "2", "--batch-size", "8", "--device", "cpu", "--compile", "off")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("images") / "photos", tree(60))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return idx_folder(tmp_path_factory.mktemp("images") / "digits", train=60, test=20)


def kind(source: object, **options: object) -> str:
    return type(open_source(source, **options)).__name__


def test_which_paths_are_images(photos: Path, digits: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((20, 4, 4)), labels=np.arange(20) % 2)
    assert {kind(photos), kind(digits), kind(tmp_path / "a.npz")} == {"ImageData"}
    assert kind(zipped(tmp_path / "photos.zip", tree(12))) == "ImageData"
    assert kind(digits / "train-images-idx3-ubyte.gz") == "ImageData"
    table = pl.DataFrame({"x": range(20), "y": ["a", "b"] * 10}).write_csv().encode()
    assert kind(zipped(tmp_path / "table.zip", {"t.csv": table}), target="y") == "Table"
    odd = zipped(tmp_path / "photos.bin", tree(12)).rename(tmp_path / "odd.zip")
    assert kind(odd, reader="images") == "ImageData"


def test_parts_labels_and_pixels_belong_together(digits: Path) -> None:
    source = open_source(digits)
    data, _ = source.make(0)
    assert [len(each) for each in (data.train, data.validation, data.test)] == [54, 6, 20]
    assert data.classes == ("0", "1")
    assert data.train.inputs[0].dtype == torch.uint8
    known = {drawn(i).tobytes(): i for i in [*range(60), *range(1000, 1020)]}
    for part in (data.train, data.validation, data.test):
        found = [known[each.numpy().tobytes()] % 2 for each in part.inputs[0]]
        assert found == part.target.tolist()
    assert [known[each.numpy().tobytes()] for each in data.test.inputs[0]] == [*range(1000, 1020)]
    assert source.test_rows.rows() == [(i, i % 2) for i in range(20)]


def test_a_model_gets_standard_scores_of_the_training_pixels(digits: Path) -> None:
    data, pipeline = open_source(digits).make(0)
    pixels = data.train.inputs[0].double() / 1
    [field] = data.shape.fields
    assert field.mean[0] == pytest.approx(float(pixels.mean()), rel=1e-9)
    assert field.sd[0] == pytest.approx(float(pixels.std(correction=0)), rel=1e-9)
    seen = []

    class Net(torch.nn.Module):
        def __init__(self, shape) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(64, shape.outputs)

        def forward(self, image):
            seen.append(image)
            return self.layer(image.flatten(1))

    build_model(Net, pipeline.shape)(data.train.inputs[0])
    assert seen[0].dtype == torch.float32
    torch.testing.assert_close(
        seen[0].double(), (pixels - pixels.mean()) / pixels.std(correction=0), atol=1e-5, rtol=0
    )


def test_colour_is_normalised_by_channel(tmp_path: Path) -> None:
    data, _ = open_source(write_tree(tmp_path / "photos", tree(20, channels=3))).make(0)
    pixels = data.train.inputs[0].double()
    [field] = data.shape.fields
    assert field.size == (3, 8, 8)
    assert field.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), rel=1e-9)


@pytest.mark.parametrize("split", ["folds:4", "repeats:2", "folds:3,random"])
def test_several_test_sets(photos: Path, split: str) -> None:
    source = open_source(photos, split=split)
    known = read_images(photos)
    names = dict(zip(known.names, known.pixels, strict=True))
    for fold in range(source.sets):
        data, _ = source.make(fold)
        rows = source.test_rows.filter(fold=fold)
        for image, name in zip(data.test.inputs[0].numpy(), rows["file"], strict=True):
            np.testing.assert_array_equal(image, names[name])
    if split.startswith("folds"):
        assert sorted(source.test_rows["file"]) == sorted(names)
    data, _ = source.make(None)
    assert len(data.test) == 0


def state(data: Dataset) -> list[torch.Tensor]:
    return [each for part in (data.validation, data.test) for each in part.tensors]


def test_variants(photos: Path) -> None:
    source = open_source(photos)
    base, _ = source.make(0)
    fewer, _ = source.vary(Variant(train_rows="0.5"))
    noisy, _ = source.vary(Variant(labels="noise(0.5)"))
    assert len(fewer.train) == len(base.train) // 2
    assert len({base.fingerprint, fewer.fingerprint, noisy.fingerprint}) == 3
    assert all(torch.equal(a, b) for a, b in zip(state(base), state(fewer), strict=True))
    assert torch.equal(noisy.train.inputs[0], base.train.inputs[0])
    assert not torch.equal(noisy.train.target, base.train.target)
    assert torch.equal(noisy.true_train.target, base.train.target)
    there = {each.numpy().tobytes() for each in base.train.inputs[0]}
    assert {each.numpy().tobytes() for each in fewer.train.inputs[0]} < there
    with pytest.raises(OptionError, match="prepare has no effect on images"):
        source.vary(Variant(prepare="none"))


def test_the_fingerprint_is_of_the_pixels(tmp_path: Path) -> None:
    files = tree(20)
    one, _ = open_source(write_tree(tmp_path / "a" / "photos", files)).make(0)
    same, _ = open_source(zipped(tmp_path / "photos.zip", files)).make(0)
    changed = {**files, "lying/00.png": encoded(drawn(0) + np.uint8(1))}
    other, _ = open_source(write_tree(tmp_path / "b" / "photos", changed)).make(0)
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "label"}, "target has no effect on data of the kind images"),
        ({"features": ["a"]}, "features has no effect"),
        ({"split": "time:day"}, "names a column, and images have none"),
        ({"test": "other.csv"}, "put the test images into a folder test"),
        ({"size": "huge"}, "size='huge' is no size"),
        ({"weight": "w"}, "weight has no effect"),
    ],
)
def test_options_without_effect_are_refused(photos: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        open_source(photos, reader="images", **options)


@pytest.mark.parametrize("options", [{"test": 0.2}, {"split": "folds:5"}, {"split": "none"}])
def test_official_test_images_stay(digits: Path, options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="has test images of its own"):
        open_source(digits, **options)


def test_nothing_held_out(photos: Path) -> None:
    data, _ = open_source(photos, split="none").make(0)
    assert len(data.train) == 60
    assert not data.held_out


def test_images_without_labels_and_too_few(tmp_path: Path) -> None:
    flat = {name.replace("/", "-"): content for name, content in tree(20).items()}
    with pytest.raises(DataError, match=r"have no labels\nHint: put those of each class into a folder"):
        _ = open_source(write_tree(tmp_path / "flat", flat)).target
    few = open_source(write_tree(tmp_path / "few", tree(4)))
    with pytest.raises(DataError, match="has 4 images, too few"):
        few.make(0)


def test_hashes_of_pixels_are_those_of_numbers() -> None:
    pixels = torch.randint(
        0, 256, (50, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    target = torch.arange(50)
    assert (hashed([pixels, target]) == hashed([pixels.flatten(1).long(), target])).all()


@pytest.fixture(scope="module")
def done(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("images") / "done"
    models = ("--model", "linear", "--model", "mlp(hidden=[8])")
    assert main(["compare", str(photos), *models, "-o", "adam(lr=0.01)", *QUICK, "--out", str(out)]) == 0
    return out


def test_a_comparison_of_a_folder(photos: Path, done: Path) -> None:
    results = json.loads((done / "results.json").read_text())
    assert {"label": "image", "value": "1 × 8 × 8"} in results["data"]
    rows = pl.read_parquet(done / "predictions" / "test.parquet")
    assert rows.columns[:3] == ["row", "target", "file"]
    model = TrainedModel.load(done)
    again = model.predict(photos).table.join(rows, on="file")
    assert again["prediction"].to_list() == again["prediction_right"].to_list()
    assert again["probability"].to_list() == pytest.approx(again["probability_right"].to_list(), abs=1e-6)


def test_new_images(photos: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = TrainedModel.load(done)
    whole = model.predict(photos).table
    one = model.predict(photos / "lying" / "00.png")
    assert one.table["file"].to_list() == ["00.png"]
    assert one.table["probability"][0] == pytest.approx(
        whole.filter(file="lying/00.png")["probability"][0], abs=1e-6
    )
    assert one.known is None
    assert model.predict(zipped(tmp_path / "photos.zip", tree(12))).known is not None
    coloured = write_tree(tmp_path / "colour", {"new/a.png": encoded(np.repeat(drawn(0)[..., None], 3, 2))})
    found = model.predict(coloured)
    assert found.known is None  # the folder's name is no class
    assert found.table["prediction"][0] == whole.filter(file="lying/00.png")["prediction"][0]
    with pytest.raises(DataError, match=r"9 × 6 pixels, grey, such as a.png; the model was trained on 8 × 8"):
        model.predict(write_tree(tmp_path / "other", {"a.png": encoded(drawn(1, (6, 9)))}))
    assert main(["predict", str(done), str(photos), "--out", str(tmp_path / "p.csv")]) == 0
    assert "60 predictions" in capsys.readouterr().err
    assert pl.read_csv(tmp_path / "p.csv").columns[:3] == ["file", "prediction", "probability"]


def test_the_size_of_training_is_that_of_new_images(tmp_path: Path) -> None:
    files = {**tree(30), "lying/wide.png": encoded(drawn(8, (16, 24)))}
    source = open_source(write_tree(tmp_path / "photos", files), size="6")
    _, pipeline = source.make(0)
    pipeline.save(tmp_path / "pipeline.json")
    again = load_pipeline(tmp_path / "pipeline.json")
    assert again == pipeline
    [batch] = again.transform_batches(tmp_path / "photos", 100)
    assert batch.inputs[0].shape == (31, 1, 6, 6)
    names = batch.carried["file"].to_list()
    np.testing.assert_array_equal(batch.inputs[0].numpy(), source.images.pixels[[*range(len(names))]])


def test_a_catalog_name_is_a_source(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tree(tmp_path / "afhq-32", tree(20, channels=3))
    monkeypatch.setenv("STEEPEST_DATA", str(folder.parent))
    data, _ = open_source("afhq-32").make(0)
    assert data.name == "afhq-32"
    assert data.classes == ("lying", "upright")


def test_a_catalog_name_means_its_official_test_images_in_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tree(tmp_path / "afhq-32", {**tree(30, "train/"), **tree(9, "test/")})
    monkeypatch.setenv("STEEPEST_DATA", str(tmp_path))
    arguments = ["--model", "linear", "-o", "adam(lr=0.01)", *QUICK, "--out", str(tmp_path / "done")]
    assert main(["compare", "afhq-32", *arguments]) == 0
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "done"), "afhq-32", "--out", str(tmp_path / "p.csv")]) == 0
    said = capsys.readouterr()
    assert "the 9 official test images of afhq-32" in said.err
    assert "scores on 9 rows" in said.out
    written = pl.read_csv(tmp_path / "p.csv")
    assert written["file"].to_list() == sorted(tree(9, "test/"))
    kept = pl.read_parquet(tmp_path / "done" / "predictions" / "test.parquet").sort("file")
    if load_comparison(Folder(tmp_path / "done")).saved_model == "model":
        assert kept["prediction"].to_list() == written["prediction"].to_list()
    with pytest.raises(DataError, match="'flights' is of the kind table, not images"):
        TrainedModel.load(tmp_path / "done").predict("flights")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn(channels=[4],hidden=8,dropout=0.5)", "residual-mlp(hidden=[8,8])"])
def test_compiled_steps_train_as_eager_ones_do(digits: Path, tmp_path: Path, model: str) -> None:
    losses = []
    for how in ("off", "on"):
        out = tmp_path / how
        arguments = ["compare", str(digits), "--model", model, "-o", "adam(lr=0.01)", *QUICK[:-1], how]
        assert main([*arguments, "--out", str(out)]) == 0
        records = [
            json.loads(line)["record"] for line in (out / "journal.jsonl").read_text().splitlines()[1:]
        ]
        losses += [[each["train_loss"] for each in run["curve"][1:]] for run in records if "curve" in run]
    half = len(losses) // 2
    assert half > 1
    for eager, compiled in zip(losses[:half], losses[half:], strict=True):
        assert compiled == pytest.approx(eager, rel=1e-4)


def test_images_have_a_model_and_copies_among_them_are_counted(tmp_path: Path) -> None:
    pixels = np.stack([drawn(i) for i in range(200)])
    pixels[100:150] = pixels[:50]
    pixels[150, 0, 0] ^= 1  # one bit is no copy
    source = open_source((pixels, (np.arange(200) % 2).tolist()), reader="images")
    data = source.make(0)[0]
    seen = {each.numpy().tobytes() for each in data.train.inputs[0]}
    count = sum(each.numpy().tobytes() in seen for each in data.test.inputs[0])
    [text] = [each.text for each in data.notes if "identical" in each.text]
    assert count > 1
    assert text.startswith(f"{count} of 20 test images are identical to training images")
    plan = st.plan(source, optimizers=["sgd(lr=0.1)"], epochs=1, seeds=1)
    assert [arm.model for arm in plan.arms] == ["mlp"]
    other = open_source((np.stack([drawn(i) for i in range(60)]), [0, 1] * 30), reader="images").make(0)[0]
    assert not [each.text for each in other.notes if "identical" in each.text]
