"""Performance profiles equal a computation by their definition, written down for every factor."""

from __future__ import annotations

import math
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from steepest.compare.estimates import Estimate
from steepest.compare.profiles import cost, profile, ratios
from steepest.recipe import validate_experiment
from steepest.report import profiled, side_by_side
from steepest.report.side_by_side import Side, render_sides
from steepest.rng import stream
from tests.report.example import crimes


def test_it_is_the_share_of_experiments_within_each_factor() -> None:
    draw = stream(0, "data")
    costs = [
        {name: float(value) for name, value in zip("abcd", draw.random(4) + 0.1, strict=True)}
        for _ in range(30)
    ]
    costs[3]["b"] = math.inf
    factors = ratios(costs)
    for name, mine in factors.items():
        steps = profile(mine)
        for tau in np.linspace(1, 4, 61):
            by_definition = np.mean([each[name] <= tau * min(each.values()) for each in costs])
            drawn = max((share for at, share in steps if at <= tau), default=0.0)
            assert drawn == pytest.approx(by_definition)
    assert sum(each == 1.0 for mine in factors.values() for each in mine) == 30  # one is the best in each


def test_arms_and_experiments_that_do_not_count_are_left_out() -> None:
    assert ratios([]) == {}
    costs = [{"a": 0.0, "b": 1.0}, {"a": 2.0, "b": 1.0, "c": 0.5}, {"a": math.inf, "b": math.inf}]
    assert ratios(costs) == {"a": [2.0], "b": [1.0]}
    assert cost(0.9, higher=True) == pytest.approx(0.1)


def scaled(factor: float, name: str):
    """Return a comparison in which one arm's result is a multiple of what it was."""
    found = crimes()
    rows = []
    for row in found.rows:
        if row.name == name and row.kind == "arm":
            changed = Estimate(mean=row.metrics[found.metric].mean * factor, n=row.seeds)
            row = row.model_copy(update={"metrics": {**row.metrics, found.metric: changed}})
        rows.append(row)
    return found.model_copy(update={"rows": rows})


def test_the_page_of_several_comparisons_has_them() -> None:
    names = [row.name for row in crimes().rows if row.kind == "arm"]
    some = [crimes(), scaled(0.5, names[-1]), scaled(3.0, names[0])]
    found = profiled.profiles(some)
    assert found is not None
    go.Figure(profiled.figure(found))
    lines = dict(found.lines)
    assert lines[names[-1]][0] in ("33 %", "67 %")
    assert found.comparisons == 3
    experiment = validate_experiment({"data": {"target": "y"}})
    page = render_sides([Side(f"runs/{i}", each, experiment, str(i)) for i, each in enumerate(some)])
    assert 'id="figure-profiles"' in page
    assert re.search(r"In which share of 3 comparisons", page)
    assert profiled.profiles(some[:2]) is None


def test_comparisons_of_the_same_data_count_once_and_it_is_said() -> None:
    names = [row.name for row in crimes().rows if row.kind == "arm"]
    some = [crimes(), scaled(3.0, names[0]), scaled(0.5, names[-1]), crimes(), crimes()]
    prints = ["a", "b", "c", "a", "a"]
    found = profiled.profiles(some, prints)
    assert found == profiled.profiles(some[:3])
    assert profiled.profiles(some, ["a", "b", "a", "b", "a"]) is None
    assert profiled.profiles([crimes()] * 3, ["", "", ""]) is not None
    experiment = validate_experiment({"data": {"target": "y"}})
    sides = [
        Side(f"runs/{i}", each, experiment, of) for i, (each, of) in enumerate(zip(some, prints, strict=True))
    ]
    page = render_sides(sides)
    assert "In which share of 3 comparisons" in page
    assert "the first one counts; left out: 3 (as 0) and 4 (as 0)." in page
    assert "left out" not in side_by_side.same_data(sides[:3])
    alike = [Side(f"runs/{i}", crimes(), experiment, of) for i, of in enumerate(["a", "b", "a"])]
    assert " in all 3 comparisons of 2 data sets on " in side_by_side.sentence(alike)
    assert 'id="figure-profiles"' not in render_sides(alike)


def test_an_arm_that_failed_with_some_seeds_is_not_judged_by_the_others() -> None:
    names = [row.name for row in crimes().rows if row.kind == "arm"]
    few = scaled(0.5, names[0])
    rows = [
        row.model_copy(update={"seeds": row.seeds + 1}) if row.name == names[0] else row for row in few.rows
    ]
    found = profiled.profiles([crimes(), crimes(), few.model_copy(update={"rows": rows})])
    assert found is not None
    assert [math.isinf(each) for each in found.factors[names[0]]] == [False, False, True]


def test_an_arm_has_one_colour_on_a_page_of_several_comparisons() -> None:
    names = [row.name for row in crimes().rows if row.kind == "arm"]
    some = [crimes(), scaled(0.5, names[-1]), scaled(3.0, names[0])]
    turned = [some[0], *(each.model_copy(update={"rows": each.rows[::-1]}) for each in some[1:])]
    experiment = validate_experiment({"data": {"target": "y"}})
    page = render_sides([Side(f"runs/{i}", each, experiment, str(i)) for i, each in enumerate(turned)])
    chip = re.findall(r'data-name="([^"]+)".*?--c:var\(--(series-\d)\)', page)
    assert dict(chip).keys() == {*names}
    dots = re.findall(
        r'<div class="dot arm[^>]*--c:var\(--(series-\d)\)">\s*<div class="name"><bdi title="([^"]+)"', page
    )
    assert len(dots) == 3 * len(names)
    assert {(name, colour) for colour, name in dots} == {*chip}
