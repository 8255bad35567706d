"""The kept path of a run in three of its parameters."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.cli import main
from steepest.errors import OptionError
from steepest.landscape.choosing import make_plane
from steepest.landscape.planes.pca import kept_paths
from steepest.landscape.space import make_parameter_path, three_parameters
from steepest.landscape.space_drawn import save_path
from steepest.landscape.stored import open_run
from steepest.sweep.observer import Observer
from steepest.train.sharpness import curvature_of

THREE = "parameters('head.bias[0]', 'head.bias[1]', 'head.weight[0,1]')"


def test_it_has_the_kept_values_and_their_losses(churned, tmp_path):
    three = three_parameters(THREE)
    assert three is not None
    found, run = make_parameter_path(churned, three), open_run(churned)
    [path] = kept_paths(run).values()
    part = run.rows("train")
    assert found.steps == path.steps
    for place in (0, 2, len(path.steps) - 1):
        weights = path.at(place)
        wanted = [*weights["head.bias"][:2].tolist(), float(weights["head.weight"][0, 1])]
        assert found.points[place].tolist() == wanted
        run.net.load_state_dict(weights)
        assert found.losses[place] == pytest.approx(float(curvature_of(run.problem, part).value), rel=1e-5)
    moved = path.points()[-1] - path.points()[0]
    assert found.share == pytest.approx(
        float(np.square(found.points[-1] - found.points[0]).sum()) / float(moved.square().sum())
    )
    assert 0 < found.share < 1
    assert f"Three of {path.numbers:,} parameters, along which {found.share:.1%}" in found.lines[1]
    page, picture, table, numbers = save_path(
        found, *(tmp_path / f"a.{each}" for each in ("html", "svg", "csv", "json"))
    )
    assert 'id="figure-space"' in page.read_text()
    assert "<svg" in picture.read_text()
    assert pl.read_csv(table).columns == ["step", "head.bias[0]", "head.bias[1]", "head.weight[0,1]", "loss"]
    assert json.loads(numbers.read_text())["step"] == list(path.steps)


def test_the_command_writes_it_and_refuses_what_has_no_effect(churned, tmp_path, capsys):
    out = tmp_path / "path.html"
    assert main(["landscape", str(churned), "--plane", THREE, "--out", str(out), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "in head.bias[0], head.bias[1] and head.weight[0,1]: the loss goes from" in said
    assert out.is_file()
    for option in (["--points", "9"], ["--span", "2"], ["--to-seed", "1"], ["--statistics", "held"]):
        assert main(["landscape", str(churned), "--plane", THREE, *option]) == 2
        assert f"{option[0]} has no effect on a path in three parameters" in capsys.readouterr().err
    run = open_run(churned)
    with pytest.raises(OptionError, match="three parameters span no plane"):
        make_plane(THREE).choose(run, run.rows(), 0)
    twice = three_parameters("parameters('head.bias[0]', 'head.bias[0]', 'head.bias[1]')")
    assert twice is not None
    with pytest.raises(OptionError, match="three different parameters are needed"):
        make_parameter_path(churned, twice)


def test_python_has_what_the_command_has(churned, tmp_path):
    found = st.landscape(churned, plane=THREE, observer=Observer())
    assert isinstance(found, st.ParameterPath)
    out = tmp_path / "path.json"
    assert main(["landscape", str(churned), "--plane", THREE, "--out", str(out), "--quiet"]) == 0
    assert json.loads(out.read_text()) == found.as_json()
    assert [each.name for each in found.save(tmp_path / "path.html", tmp_path / "path.csv")] == [
        "path.html",
        "path.csv",
    ]
    assert found.sentence in found._repr_html_()
    with pytest.raises(OptionError, match="span has no effect on a path in three parameters"):
        st.landscape(churned, plane=THREE, span=2.0)
