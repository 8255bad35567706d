"""The section on trials: valid figures with dark colours, every trial in the table, and true sentences."""

from __future__ import annotations

import json
import math
import re

import plotly.graph_objects as go
import pytest

from steepest.compare.budgets import best_after
from steepest.compare.result import Comparison
from steepest.compare.search import ArmSearch, SearchTrial, TrialResult
from steepest.report import searches, theme
from steepest.report.html import render_html
from tests.report.example import crimes, rent
from tests.report.test_figures import strings


def searched(of: Comparison, planner: str = "halving(3, 0.1)", *, several: bool = True) -> Comparison:
    """Return a comparison with trials: in the first arm more than the rate is tuned, and the last trial failed."""
    found: list[ArmSearch] = []
    for place, curve in enumerate(of.rates):
        trials: list[SearchTrial] = []
        for i, (rate, value) in enumerate(curve.scan):
            at = {"eps": 10.0**-i, "amsgrad": bool(i % 2)} if several and place == 0 else {}
            results = [TrialResult(length=1 / 9, value=value if i < len(curve.scan) - 1 else math.nan)]
            results += [TrialResult(length=1.0, value=value - 0.01)] * (i == 3)
            trials.append(SearchTrial(lr=rate, at=at, results=results, cut=i != 3, chosen=i == 3))
        values = [trial.results[0].value for trial in trials]
        after = best_after(values, 1 / 9, 0, higher=False)
        found.append(ArmSearch(name=curve.name, trials=trials, best_after=after))
    return of.model_copy(update={"searches": found, "planner": planner})


@pytest.mark.parametrize("example", [crimes, rent])
def test_figures_are_valid_and_have_dark_colours(example) -> None:
    drawn = searches.drawn(searched(example()))
    assert {"best-after", "parallel-0"} == set(drawn)
    dark = theme.dark_for_light()
    for figure in drawn.values():
        go.Figure(figure)
        json.dumps(figure, allow_nan=False)
        colours = {each for each in strings(figure) if re.match(r"#[0-9a-f]{6}$|rgba\(", each)}
        assert colours - set(dark) <= {"rgba(0,0,0,0)"}


def test_lines_run_from_the_lowest_to_the_highest_value_and_the_best_is_on_top() -> None:
    comparison = searched(crimes())
    figure = searches.drawn(comparison)["parallel-0"]
    trials = [trial for trial in comparison.searches[0].trials if math.isfinite(trial.results[0].value)]
    assert len(figure["data"]) == len(trials)
    for axis in range(4):
        heights = [trace["y"][axis] for trace in figure["data"]]
        assert (min(heights), max(heights)) == (0.0, 1.0)
    best = min(trials, key=lambda trial: trial.results[0].value)
    assert f"learning rate {best.lr:.3g}" in figure["data"][-1]["hovertemplate"]
    assert figure["data"][-1]["y"][-1] == 0.0
    assert figure["data"][-1]["opacity"] == max(trace["opacity"] for trace in figure["data"])


def test_the_table_has_every_trial_with_its_end() -> None:
    comparison = searched(crimes())
    lines = searches.lines(comparison)
    assert len(lines) == sum(len(each.trials) for each in comparison.searches)
    assert searches.head(comparison) == ["learning rate", "eps", "amsgrad", "1/9 length", "full length"]
    first = lines[: len(comparison.searches[0].trials)]
    assert [line.end for line in first].count("chosen") == 1
    assert {line.end for line in first} == {"chosen", "cut after 1/9 length"}
    assert first[-1].cells[3] == ("failed", None)
    page = render_html(comparison)
    assert page.count("cut after 1/9 length") == sum(line.end.startswith("cut") for line in lines)
    assert 'id="figure-parallel"' in page


def test_it_is_said_how_many_were_cut_and_who_is_ahead() -> None:
    comparison = searched(crimes())
    cut, order = searches.sentences(comparison)
    whole = len(searches.lines(comparison))
    assert cut.startswith(
        f"{whole - len(comparison.searches)} trials of {whole} were cut before the full length."
    )
    assert "ahead" in order
    plain = searched(crimes(), "grid", several=False)
    assert len(searches.sentences(plain)) == 1
    assert searches.parallel_buttons(plain) == []
    assert 'id="figure-parallel"' not in render_html(plain)


def test_nothing_is_drawn_of_trials_that_all_failed() -> None:
    failed = [SearchTrial(lr=rate, at={"eps": rate}, results=[TrialResult(length=0.25, value=math.nan)])
              for rate in (0.1, 0.2)]  # fmt: skip
    found = crimes().model_copy(
        update={"searches": [ArmSearch(name="adam", trials=failed)], "planner": "grid"}
    )
    assert searches.drawn(found) == {}
    assert render_html(found).count("failed") >= 2


def test_a_folder_of_an_earlier_version_has_no_section() -> None:
    assert 'id="trials"' not in render_html(crimes())
