"""Images that are reconstructed: the target is the image itself, and principal components are the best linear code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.decomposition import PCA

import steepest as st
from steepest.cli import main
from steepest.data.dataset import TargetScale
from steepest.data.sources.opening import load_pipeline, open_source
from steepest.errors import ModelError, OptionError, SteepestError
from steepest.evaluate.baselines import baseline_names, run_baselines
from steepest.evaluate.metrics import evaluate
from steepest.evaluate.outputs import predict
from steepest.experiment.folder import load_comparison
from steepest.models import build_model
from steepest.objectives.target import ImageTarget, target_of
from steepest.recipe import Recipe
from steepest.record.store import Folder
from steepest.report.view import metric_of
from steepest.train.problem import problem_of
from tests.conftest import churn_table
from tests.images.made import drawn, encoded, idx_folder, write_tree

SHORT = ["--seeds", "2", "--epochs", "2", "--batch-size", "16", "--compile", "off", "--device", "cpu"]


def images(count: int = 60, channels: int = 3) -> np.ndarray:
    return np.stack([drawn(i, (6, 9), channels) for i in range(count)])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of two autoencoders on images without labels."""
    where = tmp_path_factory.mktemp("reconstructed")
    files = {f"{i:02}.png": encoded(each) for i, each in enumerate(images())}
    photos = write_tree(where / "photos", files)
    models = ["--model", "autoencoder(width=2)", "--model", "autoencoder(width=3, channels=[4])"]
    assert (
        main(["compare", str(photos), *models, "-o", "adam(lr=0.01)", *SHORT, "--out", str(where / "done")])
        == 0
    )
    return where / "done"


def test_the_target_is_the_image_itself() -> None:
    source = open_source(images(), reader="images", task="reconstruction")
    data, pipeline = source.make(0)
    assert data.classes == ()
    for part in (data.train, data.validation, data.test):
        assert part.target is part.inputs[0]
        assert part.target.dtype == torch.uint8
    pixels = data.train.inputs[0].double()
    # channels are normalised by their own statistics, and so is what stands for all: equal for every part of an image
    assert data.target_scale.mean == pytest.approx(float(pixels.mean()))
    assert data.target_scale.sd == pytest.approx(float(pixels.std(correction=0)))
    target = target_of(data)
    wanted = target.wanted(data.train.target)
    assert float(wanted.mean()) == pytest.approx(0, abs=1e-5)
    assert float(wanted.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert torch.equal(target.guess(wanted), data.train.target)
    assert float(target.row_losses(wanted, data.train.target).max()) < 1e-12
    assert pipeline.target_scale == data.target_scale


def test_a_stored_pipeline_is_the_same(tmp_path: Path) -> None:
    _, pipeline = open_source(images(), reader="images", task="reconstruction").make(0)
    pipeline.save(tmp_path / "pipeline.json")
    again = load_pipeline(tmp_path / "pipeline.json")
    assert again == pipeline
    assert (again.shape, again.target_scale, again.target) == (pipeline.shape, pipeline.target_scale, "image")


@pytest.mark.parametrize("options", [{}, {"split": "folds:4"}, {"split": "none"}])
def test_test_rows_are_those_of_the_dataset(options: dict[str, str]) -> None:
    pixels = images(60, 1)
    source = open_source((pixels, ["a", "b"] * 30), reader="images", task="reconstruction", **options)
    known = source.test_rows
    tested = torch.cat([source.make(each)[0].test.inputs[0] for each in range(source.sets)])
    assert known.columns[:2] == ["row", "label"]
    np.testing.assert_array_equal(tested.numpy()[:, 0], pixels[known["row"].to_numpy()])
    assert known["label"].to_list() == [["a", "b"][row % 2] for row in known["row"]]


def test_official_test_images_are_the_test_set(tmp_path: Path) -> None:
    source = open_source(idx_folder(tmp_path / "bars"), task="reconstruction")
    data, _ = source.make(0)
    np.testing.assert_array_equal(
        data.test.target.numpy()[:, 0], np.stack([drawn(i) for i in range(1000, 1020)])
    )


@pytest.mark.parametrize("width", [1, 4, 500])
def test_principal_components_are_scikit_learns(width: int) -> None:
    data, _ = open_source(images(), reader="images", task="reconstruction").make(0)
    assert baseline_names(data) == ["mean-image", "pca"]
    mean, found = run_baselines(data, names=["mean-image", f"pca(width={width})"], seed=0)
    train, test = (each.inputs[0].flatten(1).double().numpy() for each in (data.train, data.test))
    pca = PCA(min(width, len(train) - 1), svd_solver="full").fit(train)
    again = pca.inverse_transform(pca.transform(test))
    assert found.test["pixel_mse"] == pytest.approx(np.square(again - test).mean() / 255**2, rel=1e-4)
    assert mean.test["pixel_mse"] == pytest.approx(np.square(train.mean(0) - test).mean() / 255**2, rel=1e-6)
    assert found.test["pixel_mse"] < mean.test["pixel_mse"]


def test_a_linear_autoencoder_comes_close_to_principal_components_and_is_never_better() -> None:
    source = open_source(images(120, 1), reader="images", split="none", task="reconstruction")
    data, _ = source.make(0)
    [best] = run_baselines(data, names=["pca(width=3)"], seed=0)
    net = build_model("autoencoder(width=3, hidden=[])", data.shape)
    recipe = Recipe(data="d", model="m", optimizer="adam", schedule="constant", steps=400, batch_size=120)
    problem = problem_of(net, data, recipe)
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(400):
        adam.zero_grad()
        loss = problem.loss(data.train)
        loss.backward()
        adam.step()
        in_pixels = (
            float(loss.detach()) * (data.target_scale.sd / 255) ** 2
        )  # the loss is of standardised pixels
        assert in_pixels > best.test["pixel_mse"] * (1 - 1e-5)
    assert in_pixels < best.test["pixel_mse"] * 1.02
    found = evaluate(predict(net, data.test.inputs), data.test.target, target_of(data), ["pixel_mse"])
    assert found["pixel_mse"] == pytest.approx(in_pixels, rel=0.01)


def test_baselines_have_the_width_of_the_models(done: Path) -> None:
    rows = {row.name: row for row in load_comparison(Folder(done)).rows if row.kind == "baseline"}
    assert set(rows) == {"mean image", "PCA, 2", "PCA, 3"}
    assert rows["PCA, 3"].metrics["pixel_mse"].mean < rows["PCA, 2"].metrics["pixel_mse"].mean


def test_the_report_shows_images_beside_their_reconstructions(done: Path) -> None:
    comparison = load_comparison(Folder(done))
    assert comparison.pictures is not None
    again = comparison.pictures.again
    assert len(again) == 6
    assert [each.error for each in again] == sorted((each.error for each in again), reverse=True)
    assert metric_of(comparison, "pixel_mse").title == "MSE of pixels"
    winner = next(row for row in comparison.rows if row.name == comparison.winner)
    assert np.mean([each.error for each in again]) == pytest.approx(winner.metrics["pixel_mse"].mean, rel=0.3)
    page = (done / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section class="card" id="images">') :]
    section = section[: section.index("</section>")]
    assert section.count("<img src=") == 12


def test_new_images_are_reconstructed_and_scored_without_labels(done: Path, tmp_path: Path) -> None:
    model = st.load(done / "model")
    found = model.predict(done.parent / "photos")
    assert found.shape == (60, 3, 6, 9)
    assert found.dtype == np.uint8
    assert found.scores is not None
    assert found.scores.metrics[0].name == "pixel_mse"
    kept = pl.read_parquet(done / "predictions" / "test.parquet")
    assert kept.columns == ["row", "file", "prediction"]
    if load_comparison(Folder(done)).saved_model == "model":
        np.testing.assert_array_equal(kept["prediction"].to_numpy(), found[kept["row"].to_numpy()])
    assert (
        main(["predict", str(done / "model"), str(done.parent / "photos"), "--out", str(tmp_path / "p.csv")])
        == 0
    )
    written = pl.read_csv(tmp_path / "p.csv")
    assert written.columns[:2] == ["file", "prediction_0"]
    np.testing.assert_array_equal(written.drop("file").to_numpy().reshape(60, 3, 6, 9), found)


def test_show_has_them_side_by_side_the_worst_first(done: Path) -> None:
    assert main(["show", str(done)]) == 0
    page = (done / "images.html").read_text(encoding="utf-8")
    assert page.count("<img src=") == 12
    assert "6 test images and their reconstructions" in page


def test_a_run_can_be_resumed_and_extended(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = load_comparison(Folder(done))
    assert main(["resume", str(done)]) == 0
    assert load_comparison(Folder(done)).rows == before.rows


@pytest.mark.parametrize(
    ("options", "fact", "hint"),
    [
        ({"labels": "noise(0.1)"}, "labels noise.0.1. has no effect", "leave it out"),
        ({"split": "stratified"}, "split='stratified' has no effect|split stratified has no effect", "random"),
        ({"metric": "accuracy"}, "the metric 'accuracy' is for classification", "pixel_mse"),
        ({"baseline": "majority"}, "the baseline 'majority' does not serve", "mean-image, pca"),
        ({"baseline": "pca(width=0)"}, "pca has a width of 0", "at least 1"),
        ({"baseline": "pca(wide=3)"}, "cannot be made", "steepest list baselines"),
        ({"loss": "squared"}, "'squared' is for regression", "choose from reconstruction"),
        ({"class_weights": "balanced"}, "'image' is the image itself", "leave"),
        ({"positive": "a"}, "'image' is the image itself", "two classes"),
        ({"task": "classification"}, "is for reconstruction, but the data is opened for classification", "task"),
        ({"task": "regression"}, "task regression has no effect|task='regression' has no effect", "reconstruction"),
        ({"model": "autoencoder(width=0)"}, "a width of 0", "at least 1"),
        ({"model": "autoencoder(channels=[4, 4, 4, 4])"}, "cannot be halved 4 times", "fewer"),
        ({"model": "autoencoder(activation=step)"}, "no activation 'step'", "relu"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_refused(options: dict[str, str], fact: str, hint: str) -> None:
    given = {"model": "autoencoder", "optimizers": "adam", "epochs": 1, "seeds": 2, **options}
    with pytest.raises(SteepestError, match=fact) as caught:
        st.plan((images(), ["a", "b"] * 30), reader="images", **given).preview()
    assert hint in str(caught.value)


def test_tables_are_not_reconstructed() -> None:
    with pytest.raises(OptionError, match="reconstruction"):
        st.plan(churn_table(60), target="churned", model="autoencoder").preview()
    with pytest.raises((OptionError, ModelError)):
        st.plan(churn_table(60), target="churned", task="reconstruction").preview()


def test_other_models_reconstruct_where_the_task_says_so() -> None:
    made = st.plan(
        images(), reader="images", task="reconstruction", model="mlp(hidden=[4])", optimizers="adam"
    )
    assert made.table.make(0)[0].task == "reconstruction"
    assert target_of(made.table.make(0)[0]) == ImageTarget((3, 6, 9), made.table.make(0)[0].target_scale)
    assert made.table.make(0)[0].target_scale != TargetScale()
