"""Spectra along a path equal the dense matrices; noise scales equal their definition."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from typer.testing import CliRunner

import steepest as st
from steepest.cli import app
from steepest.curvature import matrix
from steepest.errors import ModelError, OptionError
from steepest.landscape.planes.pca import kept_paths
from steepest.landscape.stored import open_run
from steepest.paths.kept import KeptPath
from steepest.paths.movement import turn_cosines
from steepest.rng import stream
from steepest.spectra.along import make_spectrum
from steepest.spectra.figures import drawn
from steepest.spectra.noise import NoiseScale, batch_gradients, noise_scale
from steepest.spectra.saving import save
from steepest.train.sharpness import curvature_of

OPTIONS = ["--target", "y", "--numbers", "standard", "--schedule", "constant", "--epochs", "6", "--seeds", "1",
           "--baseline", "none", "--compile", "off", "--workers", "1", "--yes"]  # fmt: skip


def _run(*arguments: str) -> str:
    found = CliRunner().invoke(app, list(arguments))
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("spectrum")
    draw = np.random.default_rng(0)
    x = draw.normal(size=(150, 3))
    y = np.tanh(x[:, 0] * x[:, 1]) + x[:, 2] ** 2 / 3 + 0.1 * draw.normal(size=150)
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y}).write_csv(home / "table.csv")
    _run(
        "compare", str(home / "table.csv"), "-o", "sgd(lr=0.1)", "--batch-size", "all", "--keep-path", "3",
        "--model", "mlp(hidden=(6,), activation=tanh, dropout=0)", "--out", str(home / "run"), *OPTIONS,
    )  # fmt: skip
    return home / "run"


def test_eigenvalues_traces_and_gradients_are_those_of_the_dense_matrices(folder: Path) -> None:
    found = make_spectrum(folder, densities=(0, 6))
    run = open_run(folder)
    [path] = kept_paths(run).values()
    assert [each.step for each in found.points] == list(path.steps) == [0, 2, 4, 6]
    for place, point in enumerate(found.points):
        run.net.load_state_dict(path.at(place))
        at = curvature_of(run.problem, run.rows("train"))
        for kind, values, residuals in (
            ("hessian", point.hessian, point.hessian_residuals),
            ("gauss-newton", point.gauss_newton, point.gauss_newton_residuals),
        ):
            dense = torch.linalg.eigvalsh(matrix(at, kind).double()).flip(0)
            assert np.allclose(values, dense[:3].numpy(), atol=2e-3 * float(dense[0]))
            assert max(residuals) < 1e-2 * float(dense[0])
        exact = float(matrix(at, "hessian").trace())
        assert abs(point.trace - exact) < 4 * point.trace_error + 1e-4
        exact = float(matrix(at, "gauss-newton").trace())
        assert abs(point.gauss_newton_trace - exact) < 4 * point.gauss_newton_trace_error + 1e-4
        assert point.gradient == pytest.approx(float(at.gradient.norm()), rel=1e-5)
    assert [each.density is not None for each in found.points] == [True, False, False, True]
    assert found.formula == "2/η"
    assert [each.threshold for each in found.points] == pytest.approx([20.0] * 4)


def test_losses_are_those_of_the_record(folder: Path) -> None:
    """On the validation rows: the squared error is the record's RMSE squared, up to the target's scale."""
    found, run = make_spectrum(folder, points=2), open_run(folder)
    [path] = kept_paths(run).values()
    record = run.record
    assert record is not None
    validation = run.rows("validation")
    for place, step in enumerate(path.steps):
        point = next((each for each in record.curve if each.step == step), None)
        if point is not None:
            run.net.load_state_dict(path.at(place))
            loss = float(curvature_of(run.problem, validation).value)
            scale = point.validation["rmse"] / math.sqrt(loss)
            assert scale == pytest.approx(
                record.curve[0].validation["rmse"] / math.sqrt(_first(run, path)), rel=1e-4
            )
    assert [each.step for each in found.points] == [0, 6]


def _first(run, path) -> float:
    run.net.load_state_dict(path.at(0))
    return float(curvature_of(run.problem, run.rows("validation")).value)


def test_a_noise_scale_is_that_of_the_rows_gradients() -> None:
    draw = np.random.default_rng(0)
    signal, spread = np.array([3.0, 0.0, 4.0]), np.array([1.0, 2.0, 0.5])
    values = []
    for _ in range(200):
        gradients = torch.from_numpy(signal + draw.normal(size=(16, 3)) * spread / math.sqrt(8))
        values.append(noise_scale(gradients, 8))
    trace, square = float((spread**2).sum()), float(signal @ signal)
    for estimates, exact in (([v.trace for v in values], trace), ([v.square for v in values], square)):
        assert abs(np.mean(estimates) - exact) < 4 * np.std(estimates) / math.sqrt(200)
    ratios = np.array([each.value for each in values])
    assert ratios.mean() == pytest.approx(trace / square, rel=0.03)
    assert np.mean([each.error for each in values]) == pytest.approx(ratios.std(), rel=0.25)


def test_where_noise_hides_the_gradient_the_scale_is_infinite() -> None:
    found = noise_scale(torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]), 5)
    assert found.value == math.inf
    assert math.isnan(found.error)
    with pytest.raises(OptionError, match="no noise scale"):
        noise_scale(torch.ones(2, 1), 1)


def test_gradients_of_batches_are_those_of_their_rows(folder: Path) -> None:
    run = open_run(folder)
    part = run.rows("train")
    gradients, rows = batch_gradients(run.problem, part, 10, split_seed=3)
    assert len(gradients) == 10
    order = torch.from_numpy(stream(3, "spectrum").permutation(len(part)))
    some = part.take(order[3 * rows : 4 * rows])
    assert torch.allclose(gradients[3], curvature_of(run.problem, some).gradient, atol=1e-6)


def test_the_order_of_the_rows_does_not_hide_the_gradient(folder: Path) -> None:
    """Sorted by the target, as a table often is, every batch would have a direction of its own."""
    run = open_run(folder)
    part = run.rows("train")
    mixed, ordered = (
        noise_scale(*batch_gradients(run.problem, rows, 20, run.split_seed))
        for rows in (part, part.take(part.target.reshape(-1).argsort()))
    )
    assert math.isfinite(ordered.value)
    assert ordered.trace == pytest.approx(mixed.trace, rel=0.5)


def test_turns_are_cosines() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    assert turn_cosines(points)[1:3] == pytest.approx([0.0, -1.0])
    assert turn_cosines(points[:2])[0] != turn_cosines(points[:2])[0]


def test_the_command_says_what_it_found_and_writes_a_table(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "spectrum.csv"
    said = _run("spectrum", str(folder), "--points", "3", "--out", str(out))
    assert "times what the optimizer bears, at step" in said
    assert "(2/η = 20)" in said
    assert pl.read_csv(out).height == 3
    said = _run("spectrum", str(folder), "--rows", "50", "--points", "2")
    assert "--rows 120 takes all" in said
    assert "No threshold line: the curvature is of 50 of 120 rows" in (folder / "spectrum.html").read_text()
    with pytest.raises(OptionError, match=r"a spectrum cannot be written as 'a\.json'"):
        save(make_spectrum(folder, points=1), tmp_path / "a.json")


def test_figures_have_the_numbers_and_no_empty_ones(folder: Path, tmp_path: Path) -> None:
    found = make_spectrum(folder, points=2, densities=(3,))
    assert [each.step for each in found.points] == [0, 2, 6]  # the nearest kept point is added
    figures = drawn(found)
    traces = {each["name"]: each for each in figures["eigenvalues"]["data"]}
    assert traces["Hessian, largest"]["y"] == [each.hessian[0] for each in found.points]
    assert traces["threshold, 2/η"]["y"] == pytest.approx([20.0] * 3)
    assert figures["trace"]["data"][1]["error_y"]["array"] == [
        each.gauss_newton_trace_error for each in found.points
    ]
    [turn] = figures["turn"]["data"]
    assert turn["y"] == [pytest.approx(math.degrees(math.acos(found.points[1].turn)))]
    [density] = figures["density"]["data"]
    assert density["name"] == "step 2"
    page, picture = save(found, tmp_path / "a.html", tmp_path / "a.svg")
    assert 'id="figure-density"' in page.read_text()
    assert "<svg" in picture.read_text()
    assert list(drawn(make_spectrum(folder, points=2)))[-1] != "density"


def test_noise_that_hides_the_gradient_is_marked_and_not_drawn(folder: Path) -> None:
    found = make_spectrum(folder, points=2)
    hidden = replace(found.points[1], noise=NoiseScale(1.0, -1.0, math.inf, math.nan))
    shown, marks = drawn(replace(found, points=(found.points[0], hidden)))["noise"]["data"]
    assert shown["x"] == [0]
    assert marks["x"] == [6]
    assert "noise" not in drawn(replace(found, points=(hidden, hidden)))


def test_the_report_shows_how_the_weights_moved_and_what_shows_more(folder: Path) -> None:
    [path] = json.loads((folder / "results.json").read_text())["paths"]
    assert path["step"] == [0, 2, 4, 6]
    assert [each["name"] for each in path["layers"]] == [
        name for name, _ in open_run(folder).net.named_parameters()
    ]
    page = (folder / "report.html").read_text()
    assert 'id="moved-layers"' in page
    for command in ("landscape", "spectrum"):
        assert f"<code>steepest {command} {folder.as_posix()}" in page


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (["--clip", "0.05"], "its gradients are clipped"),
        (["--rates", "biases=0.1"], "several learning rates"),
        (["--procedure", "prune(0.5)", "--no-controls"], "another than the training loss"),
        (["--procedure", "distil(linear, 0.5)"], "another than the training loss"),
    ],
)
def test_without_a_threshold_it_gives_the_reason_of_the_record(
    folder: Path, tmp_path: Path, option: list[str], says: str
) -> None:
    _run(
        "compare", str(folder.parent / "table.csv"), "-o", "sgd(lr=0.1)", "--batch-size", "all", "--keep-path", "2",
        "--model", "mlp(hidden=(6,), activation=tanh, dropout=0)", "--watch", "sharpness", "--out",
        str(tmp_path / "run"), *option, *OPTIONS,
    )  # fmt: skip
    record = open_run(tmp_path / "run").record
    assert record is not None
    assert record.watched is not None
    found = make_spectrum(tmp_path / "run", points=2)
    assert found.without == record.watched.no_threshold
    assert says in found.without
    assert all(math.isnan(each.threshold) for each in found.points)
    assert "bears" not in found.sentence


def test_of_a_pruned_run_what_is_held_at_zero_is_left_out(folder: Path, tmp_path: Path) -> None:
    """Its eigenvalues, traces, gradients and noise are those of the rows and columns that training can move along."""
    out = tmp_path / "pruned"
    _run(
        "compare", str(folder.parent / "table.csv"), "-o", "sgd(lr=0.1)", "--batch-size", "all", "--keep-path", "2",
        "--model", "mlp(hidden=(6,), activation=tanh, dropout=0)", "--procedure", "prune(0.6)", "--no-controls",
        "--out", str(out), *OPTIONS,
    )  # fmt: skip
    found, run = make_spectrum(out, points=2), open_run(out)
    part, own = run.rows("train"), run.parameters
    free = (
        torch.cat([run.masks.get(name, torch.ones_like(each)).flatten() for name, each in own.items()]) != 0
    )
    assert 10 < int((~free).sum()) == run.pruned
    [path] = kept_paths(run).values()
    for place, point in zip((0, 2), found.points, strict=True):
        run.net.load_state_dict(path.at(place))
        masks, run.problem.masks = run.masks, {}
        at, (gradients, rows) = curvature_of(run.problem, part), batch_gradients(run.problem, part)
        run.problem.masks = masks
        for kind, values, traced, error in (
            ("hessian", point.hessian, point.trace, point.trace_error),
            ("gauss-newton", point.gauss_newton, point.gauss_newton_trace, point.gauss_newton_trace_error),
        ):
            some = matrix(at, kind).double()[free][:, free]
            dense = torch.linalg.eigvalsh(some).flip(0)
            assert np.allclose(values, dense[:3].numpy(), atol=2e-3 * float(dense[0]))
            assert abs(traced - float(some.trace())) < 4 * error + 1e-4
        assert point.gradient == pytest.approx(float(at.gradient[free].norm()), rel=1e-5)
        assert point.gradient < 0.99 * float(at.gradient.norm())
        assert point.noise.trace == pytest.approx(noise_scale(gradients[:, free], rows).trace, rel=1e-5)
    said = f"{run.pruned} pruned weights are left out, which training holds at zero: of {int(free.sum())} directions."
    assert said in found.lines


def test_the_headline_has_the_largest_share_and_not_that_of_the_schedule_s_last_step(folder: Path) -> None:
    found = make_spectrum(folder)
    place = max(range(4), key=lambda i: found.points[i].hessian[0])
    last = replace(found.points[3], threshold=5e5)
    assert "at most" in replace(found, points=(*found.points[:3], last)).sentence
    peak = replace(found.points[1], hessian=(30.0,))
    said = replace(found, points=(found.points[0], peak, *found.points[2:3], last)).sentence
    assert "at most 1.50 times what the optimizer bears, at step 2 (2/η = 20)" in said
    assert f"step {found.points[place].step}" in found.sentence


def test_a_path_of_an_earlier_version_has_no_threshold(folder: Path) -> None:
    [path] = kept_paths(open_run(folder)).values()
    tensors, about = path.stored()
    assert KeptPath.restored(tensors, about).bounds == path.bounds
    del about["bounds"]
    assert KeptPath.restored(tensors, about).bounds == ()


def test_without_a_path_it_says_how_to_keep_one(folder: Path, tmp_path: Path) -> None:
    _run(
        "compare", str(folder.parent / "table.csv"), "-o", "adam(lr=0.01)", "--model", "linear",
        "--out", str(tmp_path / "run"), *OPTIONS,
    )  # fmt: skip
    with pytest.raises(ModelError, match="no path was kept"):
        make_spectrum(tmp_path / "run")
    assert 'id="moved"' not in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("points", [0, -3])
def test_fewer_points_than_one_are_refused(folder: Path, points: int) -> None:
    with pytest.raises(OptionError, match="is no number of kept points"):
        st.spectrum(folder, points=points)


def test_the_paths_of_folds_are_said_to_be_of_networks_that_are_not_kept(
    folder: Path, tmp_path: Path
) -> None:
    _run(
        "compare", str(folder.parent / "table.csv"), "-o", "sgd(lr=0.1)", "--model", "linear", "--split", "folds:2",
        "--keep-path", "2", "--out", str(tmp_path / "run"), *OPTIONS,
    )  # fmt: skip
    assert len(list((tmp_path / "run" / "checkpoints").glob("path-*"))) == 2
    with pytest.raises(ModelError, match="the paths are those of the folds"):
        make_spectrum(tmp_path / "run")
