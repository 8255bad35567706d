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
from steepest.report import contrasts, parallel, searches, theme
from steepest.report import format as show
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
    assert f"learning rate {show.setting(best.lr)}" in figure["data"][-1]["hovertemplate"]
    assert figure["data"][-1]["y"][-1] == 0.0
    assert figure["data"][-1]["opacity"] == max(trace["opacity"] for trace in figure["data"])


def test_the_table_has_every_trial_with_its_end() -> None:
    comparison = searched(crimes())
    lines = searches.lines(comparison)
    assert len(lines) == sum(len(each.trials) for each in comparison.searches)
    assert searches.head(comparison) == ["learning rate", "eps", "amsgrad", "1/9 length", "full length"]
    first = lines[: len(comparison.searches[0].trials)]
    assert [line.end for line in first].count("chosen") == 1
    assert {line.end for line in first} == {"chosen", "cut after 1/9 length", "failed"}
    assert first[-1].cells[3] == ("failed", None)
    assert first[1].cells[1:3] == [("0.1", 0.1), ("true", "true")]
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
    assert parallel.buttons(plain) == []
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


def test_intervals_are_drawn_of_the_two_ahead_alone_and_the_caption_names_them() -> None:
    comparison = searched(crimes())
    assert len(comparison.searches) > 2
    figure = searches.drawn(comparison)["best-after"]
    bands = [trace["legendgroup"] for trace in figure["data"] if trace.get("fill")]
    known = {each.name: each.best_after for each in comparison.searches if each.best_after}
    least = min(len(after.mean) for after in known.values())
    ahead = sorted(known, key=lambda name: known[name].mean[least - 1])[:2]
    assert sorted(bands) == sorted(ahead)
    assert f"of the two ahead after {least} trials, {ahead[0]} and {ahead[1]}" in searches.caption(comparison)
    for trace in figure["data"]:
        if trace["mode"] == "lines+markers":
            after = known[trace["legendgroup"]]
            assert trace["customdata"] == [[*pair] for pair in zip(after.low, after.high, strict=True)]
    two = comparison.model_copy(update={"searches": comparison.searches[:2]})
    assert sum(trace.get("fill") is not None for trace in searches.drawn(two)["best-after"]["data"]) == 2
    assert "hide" not in searches.caption(two)


def test_titles_of_axes_are_above_and_short_and_the_last_says_which_way_is_better() -> None:
    figure = searches.drawn(searched(crimes()))["parallel-0"]
    titles = [each["text"] for each in figure["layout"]["annotations"] if each["yanchor"] == "bottom"]
    assert titles == ["learning<br>rate", "eps", "amsgrad", "validation<br>log loss ↓"]


def test_a_thousand_trials_are_folded_and_their_marks_do_not_touch() -> None:
    few = searched(crimes())
    [first, *_] = few.searches
    values = [trial.results[0].value for trial in first.trials][:3]
    after = best_after(values * 100, 1 / 9, 0, higher=False)
    many = first.model_copy(update={"trials": first.trials[:3] * 334, "best_after": after})
    result = few.model_copy(update={"searches": [many]})
    page = render_html(result)
    assert '<details class="further"><summary>All 1,002 trials' in page
    assert '<details class="further" open><summary>All' in render_html(few)
    drawn = searches.drawn(result)["best-after"]
    assert drawn["data"][-1]["mode"] == "lines"
    assert drawn["layout"]["xaxis"]["dtick"] == 50
    assert searches.drawn(few)["best-after"]["data"][-1]["mode"] == "lines+markers"


def test_of_many_differences_the_others_are_folded() -> None:
    result = crimes()
    first = result.differences[0]
    many = [first.model_copy(update={"second": f"arm {i}"}) for i in range(contrasts.MOST_SHOWN + 7)]
    page = render_html(result.model_copy(update={"differences": many}))
    assert page.count("<summary>7 more</summary>") == 1
    assert page.count('<div class="contrast"') + page.count('<div class="contrast apart"') == len(many)
    assert "more</summary>" not in render_html(result)
