"""``steepest landscape`` from the command to its files."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.cli import main
from steepest.errors import FolderError, OptionError
from steepest.landscape import losses as losses_module
from steepest.landscape.said import barrier
from steepest.sweep.observer import Observer
from tests.landscape.conftest import fitted


def quiet(folder, **options):
    return st.landscape(folder, observer=Observer(), **options)


def test_the_command_writes_page_picture_and_numbers(churned, tmp_path, capsys):
    names = [str(tmp_path / f"slice{each}") for each in (".html", ".svg", ".csv", ".json")]
    outs = [each for name in names for each in ("--out", name)]
    assert main(["landscape", str(churned), "--points", "5", "--rows", "100", "-q", *outs]) == 0
    said = capsys.readouterr().out
    assert "a sample by the split seed 0" in said
    assert "held at every point" in said
    page = (tmp_path / "slice.html").read_text()
    assert "figure-contours" in page
    assert "figure-surface" in page
    frame, stored = pl.read_csv(names[2]), json.loads((tmp_path / "slice.json").read_text())
    assert frame.shape == (25, 3)
    assert frame["loss"].to_numpy().reshape(5, 5) == pytest.approx(np.array(stored["losses"]))
    assert stored["losses"][2][2] == pytest.approx(stored["centre"], rel=1e-6)


def test_a_line_between_two_arms_states_its_barrier(churned, capsys):
    options = ["--arm", "sgd(lr=0.1)", "--to-arm", "adam(lr=0.01)", "--points", "7", "--json"]
    assert main(["landscape", str(churned), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {0.0, 1.0} <= set(found["alpha"])
    assert found["statistics"] == "interpolated"
    assert found["barrier"] == barrier(np.array(found["alpha"]), np.array(found["losses"][0]))[0]
    assert "figure-line" in (churned / "landscape.html").read_text()


def test_an_interrupted_slice_goes_on_and_gives_the_same_file(churned, tmp_path, monkeypatch):
    options = {"points": 9, "rows": 64, "direction_seed": 3}
    whole = quiet(churned, **options).save(tmp_path / "whole.html")[0].read_bytes()
    [kept] = [each for each in (churned / "landscapes").iterdir() if '"first":64' in each.read_text()]
    first, second = kept.read_text().splitlines()
    kept.write_text(first + "\n" + second[: len(second) // 2])  # as a kill leaves it
    measured = []
    many = losses_module.PlaneLosses.many
    monkeypatch.setattr(
        losses_module.PlaneLosses,
        "many",
        lambda self, points: measured.append(len(points)) or many(self, points),
    )
    again = quiet(churned, **options).save(tmp_path / "again.html")[0].read_bytes()
    assert again == whole
    assert measured == [82 - 64]
    quiet(churned, **options)
    assert measured == [82 - 64], "nothing is measured twice"
    quiet(churned, **{**options, "direction_seed": 4})
    assert sum(measured) == 82 - 64 + 82, "another slice is"


def test_the_published_surfaces(curve, line):
    """Grids of 50 × 50 within ± 1 of a line through the curve with its outlier."""
    found = quiet(line, points=50)
    intercept, slope = found.plane.origin.tolist()
    assert (intercept, slope) == pytest.approx((-0.27327734, 3.4817758), rel=1e-7)  # in 32 bits
    assert found.losses.shape == (50, 50)
    assert found.centre == pytest.approx(1.20895, abs=5e-6)
    x, y = pl.read_csv(curve).to_numpy().T
    a, b = np.meshgrid(intercept + found.alphas, slope + found.betas)
    grid = np.abs(a[..., None] + b[..., None] * x - y).mean(-1)
    assert found.losses == pytest.approx(grid, rel=1e-12)
    assert 1.2 < found.losses.min() < 1.25
    assert 1.6 < found.losses.max() < 1.7
    squared = fitted(curve, curve.parent / "least", "-o", "l-bfgs", "--schedule", "constant")
    found = quiet(squared, points=50)
    assert found.plane.origin.tolist() == pytest.approx([-0.26650, 2.64187], abs=1e-4)
    intercept, slope = found.plane.origin.tolist()
    a, b = np.meshgrid(intercept + found.alphas, slope + found.betas)
    assert found.losses == pytest.approx(((a[..., None] + b[..., None] * x - y) ** 2).mean(-1), rel=1e-9)
    assert 3.9 < found.losses.min() < 4.0
    assert 5.0 < found.losses.max() < 5.6


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"points": 2}, "points=2"),
        ({"span": -1.0}, "span=.-1"),
        ({"span": 0.0}, "span=0 is"),
        ({"statistics": "batch"}, "no 'batch' statistics"),
        ({"plane": "filter", "to_arm": "sgd(lr=0.1)"}, "no effect on a line"),
        ({"rows": 0}, "a sample of 0 rows"),
        ({"part": "training"}, "no 'training' rows"),
    ],
)
def test_wrong_options_are_refused(churned, options, match):
    with pytest.raises(OptionError, match=match):
        quiet(churned, **options)


def test_data_that_has_changed_since_is_refused(churned, tmp_path):
    """Its losses, spectra and rows are not those of what the network learned."""
    table = tmp_path / "t.csv"
    lines = ["x,y", *(f"{0.1 * each},{each % 7}" for each in range(40))]
    table.write_text("\n".join(lines) + "\n")
    text = "--target y --task regression -o sgd(lr=0.1) --epochs 1 --seeds 1 --compile off --baseline none"
    text += " --model linear"
    assert main(["compare", str(table), *text.split(), "--out", str(tmp_path / "run")]) == 0
    quiet(tmp_path / "run", rows=8, points=3)
    table.write_text("\n".join([*lines[:-1], "3.9,6.5"]) + "\n")
    with pytest.raises(FolderError, match="not what its networks were trained on"):
        quiet(tmp_path / "run", rows=8, points=3)
