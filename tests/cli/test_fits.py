"""Published numbers of curves: exact optima and full-batch descents, by plain commands, and what the report shows."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch

import steepest as st
from steepest.data.sources.opening import open_source
from steepest.evaluate.baselines import run_baselines
from steepest.export import networks
from steepest.export.portable import baselines
from steepest.models import build_model
from steepest.objectives import read_objective
from steepest.objectives.exact import least_quantile, least_squares

WHOLE = ["--x", "x", "--y", "y", "--split", "none", "--batch-size", "all", "--precision", "float64", "--seeds", "1",
         "--compile", "off", "--schedule", "inverse-time(period=1)"]  # fmt: skip


def whole(points, degree):
    """Return the design of a polynomial on all points, and their targets."""
    data = open_source(points, x="x", y="y", split="none").make(0)[0]
    train = data.wide().train
    net = build_model(f"polynomial({degree})", data.shape).double()
    return net.design(*train.inputs).numpy(), train.target.numpy()


def descent(x, y, degree, lr, steps):
    """Full-batch subgradient descent on the mean absolute error, step lr/(i+1), from zero: NumPy, nothing of ours."""
    powers = np.vander(x, degree + 1, increasing=True)
    c = np.zeros(degree + 1)
    for i in range(steps):
        c -= lr / (i + 1) * (np.sign(powers @ c - y) @ powers) / len(y)
    return c, np.abs(powers @ c - y).mean()


def test_least_squares(points):
    design, target = whole(points, 1)
    found = read_objective("squared").optimum(design, target)
    assert found == pytest.approx([-0.26649881, 2.64187294], abs=1e-8)
    assert np.square(design @ found - target).mean() == pytest.approx(3.91816, abs=5e-6)
    assert np.abs(design @ found - target).mean() == pytest.approx(1.27320, abs=5e-6)


def test_the_lines_are_baselines_of_a_curve(points):
    data = open_source(points, x="x", y="y", split="none").make(0)[0]
    found = {each.name: each for each in run_baselines(data, seed=0, metrics=["mae", "mse"])}
    assert list(found) == ["mean", "least-squares", "least-absolute"]
    squares, absolute = found["least-squares"], found["least-absolute"]
    assert squares.model.array("coefficients").tolist() == pytest.approx([-0.26649881, 2.64187294], abs=1e-8)
    assert squares.test["mse"] == pytest.approx(3.91816, abs=5e-6)
    assert absolute.test["mae"] == pytest.approx(1.2089304, abs=1e-6)
    assert absolute.settings.startswith("-0.27222799 + 3.479826")


def test_weights_of_points_count_in_the_lines(points):
    weighted = points.with_columns(w=pl.int_range(pl.len()) % 3)
    repeated = weighted.select(pl.all().repeat_by("w").explode()).drop("w").drop_nulls()
    for one, two in zip(
        run_baselines(open_source(weighted, x="x", y="y", weight="w", split="none").make(0)[0], seed=0),
        run_baselines(open_source(repeated, x="x", y="y", split="none").make(0)[0], seed=0),
        strict=True,
    ):
        for (name, mine), (_, theirs) in zip(
            one.model.named_buffers(), two.model.named_buffers(), strict=True
        ):
            assert torch.allclose(mine, theirs, rtol=1e-6), f"{one.name}: {name} {mine} {theirs}"


def test_an_exported_line_is_the_same(points):
    data = open_source(points, x="x", y="y", split="none").make(0)[0]
    for each in run_baselines(data, names=["least-squares", "least-absolute"], seed=0):
        found = networks.portable(each.model)
        assert found is not None
        values = torch.linspace(-2, 2, 7)[:, None]
        alone = baselines.network(found.about, found.weights)(torch.zeros(7, 0, dtype=torch.long), values)
        assert torch.allclose(alone, each.model(values), rtol=1e-14)


@pytest.mark.parametrize(("degree", "least"), [(1, 1.2089304), (2, 0.7159873), (12, 0.4556542)])
def test_least_absolute_deviations(points, degree, least):
    design, target = whole(points, degree)
    found = read_objective("absolute").optimum(design, target)
    assert np.abs(design @ found - target).mean() == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize(
    ("degree", "lr", "steps", "loss", "coefficients"),
    [(1, 6, 50, 1.20895, (-0.27328, 3.48178)), (2, 10, 500, 0.71724, (1.0397, 3.1892, -3.9294))],
)
def test_full_batch_descent_by_a_plain_command(
    steepest, points, curve_csv, tmp_path, degree, lr, steps, loss, coefficients
):
    said = steepest(
        "compare", curve_csv, *WHOLE, "--model", f"polynomial({degree})", "--loss", "absolute",
        "-o", f"sgd(lr={lr})", "--epochs", steps, "--out", tmp_path / "run",
    )  # fmt: skip
    assert said.status == 0, said.err
    stored = json.loads((tmp_path / "run" / "results.json").read_text())
    [found] = stored["optima"]
    digits = 5 if degree == 1 else 4
    assert round(found["value"], 5) == loss
    assert tuple(round(each, digits) for each in found["coefficients"]) == coefficients
    exact, value = descent(points["x"].to_numpy(), points["y"].to_numpy(), degree, lr, steps)
    assert found["value"] == pytest.approx(value, abs=1e-6)
    assert found["coefficients"] == pytest.approx(exact.tolist(), abs=1e-6)
    assert found["least"] == pytest.approx(1.2089304 if degree == 1 else 0.7159873, abs=1e-6)
    assert st.load(tmp_path / "run" / "model").net.coefficients.tolist() == found["coefficients"]
    shown = {1: "1.6e-5", 2: "0.00125"}[degree]
    assert f"Above the exact optimum of the training loss: sgd(lr={lr:.1f}) {shown}." in said.out
    assert f'<td class="n">{shown}</td>' in (tmp_path / "run" / "report.html").read_text()


def test_ten_lines_of_python(points, tmp_path):
    result = st.compare(
        st.open_source(points, x="x", y="y", split="none"), tmp_path / "run", model=["linear", "polynomial(1)"],
        optimizers=["sgd(lr=0.3)"], schedule="constant", batch_size="all", precision="float64", epochs=400, seeds=1,
    )  # fmt: skip
    optima = {each.arm: each for each in result.comparison.optima}
    assert set(optima) == {"linear", "polynomial(1)"}
    for each in optima.values():
        assert each.exact == pytest.approx([-0.26649881, 2.64187294], abs=1e-8)
        assert each.coefficients == pytest.approx(each.exact, abs=1e-6)
        assert abs(each.gap) < 1e-10
    fits = result.comparison.fits
    assert len(fits.grid) == 1000
    assert fits.x == sorted(points["x"])
    assert not any(fits.held)
    [exact] = [each for each in fits.fits if each.exact and "polynomial" in each.name]
    wanted = [-0.26649881 + 2.64187294 * x for x in fits.grid]
    assert exact.values == pytest.approx(wanted, abs=1e-7)
    for each in fits.fits:
        assert each.values == pytest.approx(wanted, abs=1e-4)


def test_a_table_without_categories_has_exact_optima_too(tmp_path):
    draw = np.random.default_rng(0)
    rows = {"a": draw.normal(size=90).tolist(), "b": draw.normal(size=90).tolist()}
    rows["y"] = [2 * a - b + e for a, b, e in zip(rows["a"], rows["b"], draw.normal(size=90), strict=True)]
    result = st.compare(
        st.read_table(rows, target="y"), tmp_path / "run", model=["linear", "embedding-mlp"],
        optimizers=["adam(lr=0.01)"], epochs=1, seeds=1,
    )  # fmt: skip
    [found] = result.comparison.optima
    assert found.arm == "linear"
    assert found.gap > 0
    assert len(found.exact) == 3
    assert result.comparison.fits is None


@pytest.mark.parametrize("q", [0.5, 0.2, 0.9])
def test_the_least_pinball_loss_is_not_beaten_nearby(q):
    draw = np.random.default_rng(1)
    design = np.stack([np.ones(40), draw.normal(size=40)], 1)
    target, weights = draw.normal(size=40), draw.uniform(0.2, 3.0, 40)
    loss = read_objective(f"quantile({q})")

    def total(c):
        outputs = torch.from_numpy(design @ c)[:, None]
        return float(loss.loss(outputs, torch.from_numpy(target), torch.from_numpy(weights)))

    found = least_quantile(design, target, weights, q)
    near = [total(found + draw.normal(size=2) * size) for size in (1e-4, 1e-2, 0.5) for _ in range(200)]
    assert total(found) <= min(near) + 1e-12
    assert found == pytest.approx(loss.optimum(design, target, weights))


def test_weighted_least_squares_are_those_of_repeated_rows():
    draw = np.random.default_rng(2)
    design, target = draw.normal(size=(30, 3)), draw.normal(size=30)
    times = draw.integers(1, 4, 30)
    wanted = least_squares(np.repeat(design, times, 0), np.repeat(target, times))
    assert least_squares(design, target, times.astype(float)) == pytest.approx(wanted, abs=1e-12)
    assert least_squares(np.ones((5, 2)), np.arange(5.0)) is None  # not unique
