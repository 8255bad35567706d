"""Pages as data: what the format refuses, the published numbers, the stored numbers, the command."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts import keep_page_data
from steepest.cli import main
from steepest.data.catalog import SOURCES, places
from steepest.errors import OptionError, UnknownNameError
from steepest.pages.content import Content
from steepest.pages.page import make_content, registry, render, stored_numbers
from steepest.pages.shown import losses, momentum, one_dimension, rules
from steepest.studies.base.making import make_study
from steepest.tracing.walks import walks

MOST_BYTES = 1_000_000
KEPT_ANSWERS = Path(__file__).parents[2] / "docs" / "studies"


@pytest.fixture(scope="module")
def contents() -> dict[str, Content]:
    return {name: make_content(name) for name in registry.names()}


@pytest.mark.parametrize("name", registry.names())
def test_a_page_is_one_small_file_that_can_load_nothing(name: str, contents: dict[str, Content]) -> None:
    text = html.unescape(render(contents[name]))
    assert len(text.encode()) < MOST_BYTES
    assert re.findall(r"https?:|//cdn|@import|url\((?!#)", text.replace('clip-path="url(#', "")) == []
    assert "default-src 'none'" in text
    assert text.count("<script") == 2  # the numbers, and the one script that the policy names by its hash
    assert "\nsteepest.begin();" in text
    stored = contents[name].model_dump_json()
    assert Content.model_validate_json(stored).model_dump_json() == stored
    assert contents[name].exercises


STORED: dict[str, Any] = {
    "title": "t",
    "question": "q?",
    "controls": [
        {"name": "lr", "label": "rate", "low": -2, "high": 0, "step": 0.5, "default": -1, "log": True}
    ],
    "grid": {
        "over": {"lr": [0.01, 1.0]},
        "x": [0, 1],
        "x_title": "step",
        "y_title": "loss",
        "lines": [{"key": "sgd", "title": "SGD"}],
        "values": [[[1.0, 0.5]], [[1.0, None]]],
    },
}
EXERCISE = {"question": "how many?", "answer": "so many", "value": 3}


def changed(**more: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(STORED)), **more}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (changed(exercises=[{**EXERCISE, "show": {"beta": 1}}]), "'beta', which is not there"),
        (changed(exercises=[{**EXERCISE, "show": {"lr": -0.7}}]), "lr = -0.7, which it cannot have"),
        (changed(exercises=[{**EXERCISE, "value": None}]), "needs either a value or options"),
        (
            changed(exercises=[{**EXERCISE, "value": None, "options": [{"value": "a", "label": "a"}], "right": "b"}]),
            "is none of its options",
        ),
        (changed(grid={**STORED["grid"], "values": [[[1.0, 0.5]]]}), "2 places and values for 1"),
        (changed(grid={**STORED["grid"], "values": [[[1.0]], [[1.0]]]}), "1 lines of 2 numbers"),
        (changed(grid={**STORED["grid"], "over": {"beta": [0.1, 0.2]}}), "for which there is no control"),
        (changed(view="rules"), "grid and stored runs go together"),
        (changed(controls=[{**STORED["controls"][0], "default": -0.9}]), "does not allow its default"),
        (changed(controls=STORED["controls"] * 2), "the same name"),
        (changed(wrong=1), "wrong: Extra inputs"),
    ],
)  # fmt: skip
def test_what_is_no_page_is_refused(data: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(OptionError, match=re.escape(said)):
        make_content(str(path))


STUDIES = ("compare-optimizers", "minibatch-time", "overparameterisation", "step-cost")


@pytest.mark.parametrize("name", STUDIES)
def test_a_page_of_a_study_has_what_the_study_measures_now(name: str) -> None:
    stored = stored_numbers(name)
    size = "full" if stored["made"]["study"].endswith("--full") else "default"
    assert [*stored["measured"]] == [*make_study(name).measurements(size)]
    kept = json.loads((KEPT_ANSWERS / f"{name}.json").read_text(encoding="utf-8"))
    assert stored["made"]["data"] == kept["data"]
    if size == "default":  # the page has the numbers that the answer is of
        assert stored["made"]["date"] == kept["made"]["date"]


def test_the_published_numbers_of_momentum() -> None:
    point, (least, most) = momentum.optimum()
    assert point == pytest.approx([-1.26281, 0.028946], abs=5e-6)
    assert float(momentum.losses(torch.tensor([point], dtype=torch.float64))[0]) == pytest.approx(
        2.425684, abs=5e-7
    )
    assert (least, most) == pytest.approx((0.02412, 0.09354), abs=5e-6)
    assert most / least == pytest.approx(3.88, abs=0.005)
    plain, heavy = momentum.distances(0.1, (0.0, 0.9), 300)[:, -1].tolist()
    assert plain == pytest.approx([0.459, 0.0957], rel=2e-3)
    assert heavy == pytest.approx([5.0e-4, 1.7e-5], rel=1e-2)
    assert momentum.met(momentum.distances(5.0, (0.0, 0.5), 150)) == [116, 50]


def test_the_published_numbers_of_the_losses() -> None:
    assert losses.exact("squares", 1) == pytest.approx([-0.26650, 2.64187], abs=5e-6)
    assert losses.exact("absolute", 1) == pytest.approx([-0.272228, 3.479826], abs=5e-7)
    assert losses.exact("absolute", 2) == pytest.approx([1.070386, 3.213427, -4.036306], abs=5e-7)
    for degree, lowest in ((1, 1.2089304), (2, 0.7159873), (12, 0.4556542)):
        found = torch.from_numpy(losses.exact("absolute", degree))[None]
        assert float(losses.losses("absolute", degree, found)[0]) == pytest.approx(lowest, abs=5e-8)
    line = losses.descent("absolute", 1, 6.0, 50)[-1:]
    assert line[0].tolist() == pytest.approx([-0.27328, 3.48178], abs=5e-6)
    assert float(losses.losses("absolute", 1, line)[0]) == pytest.approx(1.20895, abs=5e-6)
    curve = losses.descent("absolute", 2, 10.0, 500)[-1:]
    assert curve[0].tolist() == pytest.approx([1.0397, 3.1892, -3.9294], abs=5e-5)
    assert float(losses.losses("absolute", 2, curve)[0]) == pytest.approx(0.71724, abs=5e-6)


def test_the_minima_of_the_curve() -> None:
    shallow, _, deep = one_dimension.turning_points()
    assert (shallow, deep) == pytest.approx((-1.232, 0.922), abs=5e-4)
    assert np.polyval(one_dimension.CURVE, deep) < np.polyval(one_dimension.CURVE, shallow)


def same(name: str, found: dict[str, list[float]]) -> None:
    stored = json.loads((keep_page_data.KEPT / f"{name}.json").read_text(encoding="utf-8"))
    assert stored.keys() == found.keys()
    for key, values in found.items():
        assert stored[key] == pytest.approx(values, rel=1e-9, abs=1e-12), key


def test_stored_points_are_those_of_the_lecture() -> None:
    same("losses", keep_page_data.losses())


@pytest.mark.skipif(not places(SOURCES.load("mnist")), reason="MNIST is not on this machine")
def test_stored_digits_are_those_of_the_tutorial() -> None:
    same("momentum", keep_page_data.momentum())


def test_walks_at_several_rates_are_walks_at_each() -> None:
    valley = rules.VALLEYS["four"]
    for name in ("adam", "rprop", "schedule-free-sgd"):
        made = [rules.make_rule(f"{name}(lr={rate})") for rate in (0.01, 0.1)]
        both = walks(made, valley.losses, (0.5, -1.0), 20)
        for rule, path in zip(made, both, strict=True):
            torch.testing.assert_close(walks([rule], valley.losses, (0.5, -1.0), 20)[0], path, rtol=0, atol=0)
    with pytest.raises(OptionError, match="muon couples the numbers of a tensor"):
        walks([rules.make_rule("muon")], valley.losses, (0.5, -1.0), 2)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page", "one-dimension", "--out", str(tmp_path / "site" / "a.html")]) == 0
    assert "a.html" in capsys.readouterr().out
    assert (tmp_path / "site" / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["list", "pages"]) == 0
    assert all(name in capsys.readouterr().out for name in ["momentum"])
    assert main(["page", "momentun"]) == 2
    said = capsys.readouterr().err
    assert "'momentun'" in said
    assert "momentum" in said.partition("Hint:")[2]
    assert main(["page", "momentum", "--out", "momentum.txt"]) == 2
    assert "end it with .html" in capsys.readouterr().err
    assert main(["page", str(tmp_path / "no.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(UnknownNameError):
        make_content("wheel")
