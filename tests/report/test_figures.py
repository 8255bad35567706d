"""Figures are valid, keep one colour for each optimizer, and have a dark counterpart of every colour."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from steepest.compare.differences import standings
from steepest.compare.estimates import Difference, Estimate
from steepest.compare.limits import NO_LIMITS, Limits, Short, restricted
from steepest.compare.result import Comparison, Effect, Metric, Reported, Row
from steepest.record.schema import ReliabilityBins
from steepest.report import confused, contrasts, figures, main_effects, rate_figures, results, theme, view
from steepest.report.digits import from_winner
from steepest.report.html import render_html
from steepest.report.watched import joined
from tests.report.example import EXAMPLES, LOG_LOSS, SCORES, arms, crimes, nasty

DRAW: dict[str, Callable[[Comparison], figures.Figure]] = {
    "curves by step": lambda each: figures.curves(each, "step"),
    "curves by epoch": lambda each: figures.curves(each, "epoch"),
    "curves by second": lambda each: figures.curves(each, "seconds"),
    "rates": rate_figures.rates,
    "confusion": confused.matrix,
}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("figure", DRAW)
def test_figure_is_valid_plotly_and_strict_json(figure: str, name: str) -> None:
    drawn = DRAW[figure](EXAMPLES[name]())
    go.Figure(drawn)
    json.dumps(drawn, allow_nan=False)


@pytest.mark.parametrize("figure", DRAW)
def test_every_colour_has_a_dark_counterpart(figure: str) -> None:
    dark = theme.dark_for_light()
    colours = {each for each in strings(DRAW[figure](crimes())) if re.match(r"#[0-9a-f]{6}$|rgba\(", each)}
    assert colours - {"rgba(0,0,0,0)"}
    assert colours - set(dark) <= {"rgba(0,0,0,0)"}


def test_an_optimizer_has_one_colour_in_every_figure() -> None:
    result = crimes()
    by_figure = []
    for drawn in (figures.curves(result), rate_figures.rates(result)):
        found: dict[str, set[str]] = {}
        for trace in drawn["data"]:
            if trace.get("line", {}).get("color"):
                found.setdefault(trace["meta"]["name"], set()).add(trace["line"]["color"])
        by_figure.append(found)
    assert by_figure[0] == by_figure[1]
    assert all(len(each) == 1 for each in by_figure[0].values())
    assert len({each for one in by_figure[0].values() for each in one}) == len(by_figure[0]) == 9


def test_no_two_of_forty_series_look_the_same() -> None:
    looks = [(theme.colour(slot), theme.dash(slot)) for slot in range(20)]
    assert len(set(looks)) == len(looks)


def test_names_cannot_be_markup_or_templates_in_a_figure() -> None:
    for draw in DRAW.values():
        for trace in draw(nasty())["data"]:
            shown = {key: each for key, each in trace.items() if key not in ("meta", "legendgroup")}
            for text in strings(shown):
                plain = re.sub(
                    r"</?b>|<br>|<extra></extra>|%\{(x|y|customdata(\[\d\])?|text)(:[^}]*)?\}", "", text
                )
                assert "<" not in plain
                assert "%{" not in plain


def test_seed_bands_hold_the_mean_and_diverged_rates_are_shown() -> None:
    drawn = figures.curves(crimes())["data"]
    for band, low, high, mean in zip(crimes().curves, drawn[0:18:2], drawn[1:18:2], drawn[18:], strict=True):
        assert mean["meta"]["name"] == band.name
        assert all(a <= b <= c for a, b, c in zip(low["y"], mean["y"], high["y"], strict=True))
    crosses = [each for each in rate_figures.rates(crimes())["data"] if each["marker"]["symbol"] == "x-thin"]
    assert {each["meta"]["name"] for each in crosses} == {"sgd", "momentum", "nesterov"}


def test_a_page_says_whose_line_ends_where_the_first_run_stopped() -> None:
    result = crimes()
    first, *rest = result.curves
    assert "stopped. “Close”" not in render_html(result)
    cut = result.model_copy(update={"curves": [first.model_copy(update={"cut": True}), *rest]})
    assert f"The line of {first.name} ends where the first of its runs stopped." in render_html(cut)


def test_marks_of_a_reliability_diagram_have_enough_rows_and_lose_none() -> None:
    draw = np.random.default_rng(0)
    rows = [float(each) for each in draw.integers(0, 30, 15)]
    confidence = [(i + 0.5) / 15 if n else math.nan for i, n in enumerate(rows)]
    right = [draw.random() if n else math.nan for n in rows]
    found = joined(ReliabilityBins(rows=rows, confidence=confidence, accuracy=right), 50)
    assert min(found.rows) >= 50
    assert sum(found.rows) == sum(rows)
    assert found.confidence == sorted(found.confidence)
    for mine, values in ((found.confidence, confidence), (found.accuracy, right)):
        total = sum(n * each for n, each in zip(rows, values, strict=True) if n)
        assert sum(n * each for n, each in zip(found.rows, mine, strict=True)) == pytest.approx(total)
    few = joined(ReliabilityBins(rows=[0.0, 3.0], confidence=[math.nan, 0.8], accuracy=[math.nan, 1.0]), 50)
    assert (few.rows, few.accuracy) == ([3.0], [1.0])


def test_confusion_rows_are_shares_of_the_true_class() -> None:
    trace = confused.matrix(crimes())["data"][0]
    for row in trace["z"]:
        assert sum(row) == pytest.approx(1.0)


def test_short_classes_are_written_upright() -> None:
    assert confused.matrix(crimes())["layout"]["xaxis"]["tickangle"] == -90
    result = crimes()
    digits = [each.model_copy(update={"label": str(place)}) for place, each in enumerate(result.classes)]
    drawn = confused.matrix(result.model_copy(update={"classes": digits}))
    assert drawn["layout"]["xaxis"]["tickangle"] == 0


def test_rings_of_the_best_validation_are_within_the_axis() -> None:
    result = crimes()
    bands = [
        each.model_copy(
            update={
                "reported": [
                    Reported(step=1000, epoch=0.6, seconds=5.0, gradients=1000.0, value=min(each.mean) - 0.03)
                ]
            }
        )
        for each in result.curves
    ]
    drawn = figures.curves(result.model_copy(update={"curves": bands}))
    rings = [value for trace in drawn["data"] if trace["mode"] == "markers" for value in trace["y"]]
    assert len(rings) == len(bands)
    assert min(rings) > drawn["layout"]["yaxis"]["range"][0]


def estimate_of(mean: float, half: float = 0.001) -> Estimate:
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=5)


@pytest.mark.parametrize(
    ("means", "outside"),
    [
        ([1.464, 1.466, 1.47, 1.48], []),
        ([1.464, 1.466, 1.47, 1.48, 1.73], [1.73]),
        ([0.47, 0.471, 0.465, 0.46, 0.39], [0.39]),
        ([1.0], []),
        ([1.0, 1.0], []),
        ([1.0, 5.0], []),
    ],
)
def test_ranking_axis_leaves_only_what_is_far_off_to_an_arrow(
    means: list[float], outside: list[float]
) -> None:
    axis = view.ranking_scale([estimate_of(each) for each in means], means[0])
    assert [each for each in means if axis.beyond(each)] == outside
    assert all(0 <= axis.at(each) <= 100 for each in means)
    assert len(axis.ticks()) >= 2


def test_ranking_axis_is_no_narrower_than_the_surest_row() -> None:
    """What lies within the narrowest interval is not far off, however close the means of the others are."""
    rows = [estimate_of(0.387, 0.17), estimate_of(0.391, 0.03), estimate_of(0.391, 0.0), estimate_of(0.404, 0.0),
            estimate_of(0.69, 0.0)]  # fmt: skip
    axis = view.ranking_scale(rows, 0.387)
    assert [each.mean for each in rows if axis.beyond(each.mean)] == [0.69]
    assert not axis.beyond(0.361)
    assert not axis.beyond(0.421)


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("swapped", [True, False])
def test_the_difference_from_the_winner_is_row_minus_winner_whatever_the_order(
    higher: bool, swapped: bool
) -> None:
    metric = Metric(name="m", title="m", higher_is_better=higher)
    gap = 0.1 if higher else -0.1  # winner - other, the winner being better
    mean = -gap if swapped else gap
    pair = ("other", "best") if swapped else ("best", "other")
    found = Difference(first=pair[0], second=pair[1], metric="m", over="seeds", mean=mean, low=mean - 0.02,
                       high=mean + 0.02, n=5, told_apart=True, better="best")  # fmt: skip
    rows = [Row(kind="arm", name=each, lr=0.1) for each in ("best", "other")]
    result = Comparison(title="t", sentence="s", metric="m", metrics=[metric], winner="best", rows=rows,
                        differences=[found])  # fmt: skip
    shown = from_winner(result, "other", "m")
    assert shown is not None
    assert (shown.mean, *(shown.ends or ())) == pytest.approx((-gap, -gap - 0.02, -gap + 0.02))
    without = found.model_copy(update={**Difference.lacking(), "reason": "one seed"})
    shown = from_winner(result.model_copy(update={"differences": [without]}), "other", "m")
    assert shown is not None
    assert (shown.mean, shown.ends) == (pytest.approx(-gap), None)


@pytest.mark.parametrize("higher", [True, False])
def test_a_row_with_failed_runs_stands_below_those_with_fewer(higher: bool) -> None:
    metric = Metric(name="m", title="m", higher_is_better=higher)
    sign = -1 if higher else 1

    def row(name: str, mean: float, finished: int) -> Row:
        return Row(kind="arm", name=name, seeds=5, metrics={"m": Estimate(mean=sign * mean, n=finished)})

    rows = [row("none", math.nan, 0), row("two lost", 0.1, 3), row("worse", 0.9, 5), row("one lost", 0.2, 4),
            row("better", 0.5, 5)]  # fmt: skip
    expected = ["better", "worse", "one lost", "two lost", "none"]
    assert [each.name for each in view.better_first(rows, metric)] == expected


def test_ranking_is_sorted_and_says_who_diverged() -> None:
    dots = view.ranking(nasty()).dots
    assert dots[-1].name == "diverged"
    assert dots[-1].at is None
    assert dots[-1].note == "diverged 3 of 3"
    dots = view.ranking(crimes()).dots
    assert ["diverged" in each.note for each in dots] == [False] * (len(dots) - 1) + [True]
    shown = [each for each in dots[:-1] if each.at is not None]
    assert [each.at for each in shown] == sorted(each.at for each in shown if each.at is not None)
    higher = crimes().model_copy(update={"metric": "accuracy"})
    best = view.ranking(higher).dots[0]
    known = [row.metrics["accuracy"].mean for row in crimes().rows if row.kind in ("arm", "baseline")]
    row = next(each for each in crimes().rows if each.name == best.name)
    assert row.metrics["accuracy"].mean == max(each for each in known if math.isfinite(each))


def test_the_best_of_a_column_is_marked_once_and_is_the_best() -> None:
    result = crimes()
    lines = [line for _, group in results.table(result).groups for line in group]
    assert len(lines) == len(result.rows)
    for place, metric in ((0, LOG_LOSS), (2, SCORES[1])):
        values = [row.metrics[metric.name].mean for row in result.rows]
        best = (max if metric.higher_is_better else min)(each for each in values if math.isfinite(each))
        marked = [line for line in lines if line.cells[place].best]
        assert len(marked) == 1
        winner = next(row for row in result.rows if row.metrics[metric.name].mean == best)
        assert (marked[0].name, marked[0].kind) == (winner.name, winner.kind)


VERDICTS = [
    ({"over": "seeds", "n": 5}, "no detectable difference (5 seeds)"),
    ({"over": "rows", "n": 12559}, "no detectable difference (12,559 test rows)"),
    ({"over": "both", "n": 5, "rows": 12559}, "no detectable difference (5 seeds, 12,559 test rows)"),
    ({"over": "seeds", "n": 1, "low": None, "reason": "one seed"}, "no interval: one seed"),
    (
        {"over": "both", "n": 5, "low": 0.1, "comparisons": 6},
        "no detectable difference after correction for 6 comparisons",
    ),
    ({"over": "both", "n": 5, "low": 0.1, "told_apart": True, "better": "b"}, "b is better"),
]


@pytest.mark.parametrize(("fields", "expected"), VERDICTS)
def test_verdicts_follow_from_the_difference(fields: dict[str, object], expected: str) -> None:
    given = {
        "first": "a",
        "second": "b",
        "metric": "log_loss",
        "mean": 0.2,
        "low": -0.1,
        "high": 0.5,
        "told_apart": False,
    }
    result = crimes().model_copy(update={"differences": [Difference.model_validate({**given, **fields})]})
    [(_, [shown])] = contrasts.contrasts(result)
    assert shown.verdict == expected


def test_a_difference_far_beyond_the_others_is_an_arrow_at_the_edge() -> None:
    given = {"first": "a", "metric": "log_loss", "over": "both", "told_apart": True, "n": 3}
    found = [
        Difference.model_validate(
            {**given, "second": name, "mean": mean, "low": mean - 0.1, "high": mean + 0.1}
        )
        for name, mean in (("b", 0.2), ("c", -0.3), ("far", -9.0))
    ]
    result = crimes().model_copy(update={"differences": found})
    [(_, shown)] = contrasts.contrasts(result)
    assert [(each.second, each.beyond) for each in shown] == [("b", ""), ("c", ""), ("far", "left")]
    assert 'class="mean left"' in render_html(result)
    assert "lies beyond the scale" in render_html(result)
    assert "lies beyond the scale" not in render_html(crimes().model_copy(update={"differences": found[:2]}))


def test_differences_are_never_called_equal() -> None:
    shown = [each for _, lines in contrasts.contrasts(crimes()) for each in lines]
    assert not any("equal" in each.verdict for each in shown)
    assert all("seeds alone [" in each.alone and "test rows alone [" in each.alone for each in shown)


def test_wins_ties_and_losses_are_shown_for_every_optimizer() -> None:
    lines = contrasts.places(crimes())
    assert [each.name for each in lines] == [each.name for each in crimes().standings]
    assert all(int(each.wins) + int(each.ties) + int(each.losses) == len(lines) - 1 for each in lines)
    assert sum(int(each.wins) for each in lines) == sum(int(each.losses) for each in lines) > 0
    assert "above" in lines[0].baselines
    page = render_html(crimes())
    assert ">better</th>" in page
    assert ">worse</th>" in page
    assert "cannot be established</th>" not in page


def test_what_has_no_interval_counts_as_no_tie() -> None:
    result = crimes()
    names = [each.name for each in result.standings]
    lacking = [each.model_copy(update=Difference.lacking()) for each in result.pairs if each.second in names]
    result = result.model_copy(update={"standings": standings(names, result.metric, lacking, [])})
    shown = contrasts.places(result)
    assert {(each.wins, each.ties, each.losses) for each in shown} == {("–", "–", "–")}
    assert [each.untested for each in shown] == [len(names) - 1] * len(names)
    assert "cannot be established</th>" in render_html(result)


@pytest.mark.parametrize("higher", [True, False])
def test_one_curve_that_runs_away_does_not_set_the_close_view(higher: bool) -> None:
    """Of four curves, three end between 0.30 and 0.33; the fourth ends at 40 and the view does not follow it."""
    sign = -1.0 if higher else 1.0
    calm = [([sign * each for each in (0.6, 0.4, end)], sign * end) for end in (0.30, 0.31, 0.33)]
    gone = ([sign * each for each in (0.9, 3.0, 40.0)], sign * 40.0)
    low, high = figures.close_range([*calm, gone], higher=higher) or [0.0, 0.0]
    assert high - low < 0.5
    assert all(low <= end <= high for _, end in calm)
    without = figures.close_range(calm, higher=higher)
    assert without == pytest.approx([low, high])


def test_a_bar_says_whether_its_difference_is_detectable() -> None:
    effects = [
        Effect(name="optimizer", size=0.2, text="adam instead of sgd", detected=False),
        Effect(name="schedule", size=0.1, text="cosine", detected=True),
        Effect(name="seed", size=0.05, text="5 seeds"),
        Effect(name="network", size=0.04, text="adam instead of majority class", reason="one seed"),
        Effect(name="learning rate", size=0.03, text="of an earlier version's folder"),
    ]
    result = crimes().model_copy(update={"effects": effects})
    _, found = view.bars(result)
    assert [(bar.faint, bar.text) for bar in found] == [
        (True, "adam instead of sgd: no detectable difference"),
        (False, "cosine"),
        (False, "5 seeds"),
        (True, "adam instead of majority class: cannot be established (one seed)"),
        (False, "of an earlier version's folder"),
    ]
    assert render_html(result).count('<i class="faint"') == 2
    assert render_html(result).count('<i class="spread"') == 1


def test_nothing_is_solid_that_runs_are_too_short_to_show() -> None:
    effects = [
        Effect(name="optimizer", size=11.3, text="adam instead of sgd", detected=True),
        Effect(name="network", size=3.0, text="adam instead of mean", detected=True),
        Effect(name="seed", size=0.2, text="5 seeds"),
    ]
    short = Limits(short=Short(steps=20, epochs=0.1))
    _, found = view.bars(crimes().model_copy(update={"effects": restricted(effects, short)}))
    assert [(bar.faint, bar.text) for bar in found] == [
        (True, "adam instead of sgd: cannot be established (the runs are too short)"),
        (False, "adam instead of mean"),
        (False, "5 seeds"),
    ]
    assert restricted(effects, NO_LIMITS) == effects
    doubted = restricted(effects, short)
    panel = main_effects.panel(arms().model_copy(update={"effects": doubted}))
    assert panel is not None
    assert not any(each.detectable for each in panel.factors)
    crossed = main_effects.panel(arms(interacting=True).model_copy(update={"effects": doubted}))
    assert crossed is not None
    assert crossed.plot is None
    assert crossed.interaction.endswith("; cannot be established (the runs are too short).")


def test_all_bars_begin_at_the_same_line() -> None:
    effects = [
        Effect(name=name, size=size, text="") for name, size in [("a", 0.3), ("network", -0.1), ("seed", 0.2)]
    ]
    _, found = view.bars(crimes().model_copy(update={"effects": effects}))
    assert [bar.zero for bar in found] == [25.0] * 3
    assert [(bar.start, bar.width, bar.style) for bar in found] == [
        (25.0, 75.0, ""), (0.0, 25.0, "negative"), (25.0, 50.0, "spread"),
    ]  # fmt: skip


def test_the_label_at_the_end_of_an_axis_is_shown() -> None:
    """The last one hangs over the end of the axis, and Plotly hid it: 4000 was missing."""
    layout = figures.curves(crimes())["layout"]
    assert layout["xaxis"]["ticklabeloverflow"] == "allow"
    assert layout["margin"]["r"] >= 20


@pytest.mark.parametrize(
    ("name", "percent", "higher", "from_zero"),
    [
        ("rmse", False, False, True),  # an error cannot be below 0, whatever a t interval says
        ("accuracy", True, True, True),
        ("r2", False, True, False),
        ("loss_of_a_log", False, False, False),
    ],
)
def test_no_axis_goes_beyond_what_a_metric_can_be(
    name: str, percent: bool, higher: bool, from_zero: bool
) -> None:
    metric = Metric(name=name, title=name, higher_is_better=higher, percent=percent)
    rows = [
        Row(kind="arm", name="a", seeds=2, metrics={name: Estimate(mean=0.1, low=-0.2, high=0.4, n=2)},
            values={name: [0.05, 0.15]}),
        Row(kind="arm", name="b", seeds=2, metrics={name: Estimate(mean=0.4, low=0.38, high=0.42, n=2)},
            values={name: [0.39, 0.41]}),
    ]  # fmt: skip
    result = Comparison(title="t", sentence="s", metric=name, metrics=[metric], winner="a", rows=rows)
    axis = view.ranking_scale(
        [row.metrics[name] for row in rows], 0.4 if higher else 0.1, view.limits_of(metric)
    )
    assert (axis.low >= 0) == from_zero
    dot = next(each for each in view.ranking(result).dots if each.name == "a")
    assert dot.low == pytest.approx(axis.at(max(-0.2, view.limits_of(metric)[0])))
    shown = figures.close_range([([0.01, 0.3], 0.01)], higher=higher, limits=view.limits_of(metric))
    assert shown is not None
    assert shown[0] >= 0


def test_the_legend_of_the_ranking_names_every_mark() -> None:
    result = crimes()
    page = render_html(result)
    assert view.ranking(result).has_seeds == ("one run</span>" in page)
    assert view.ranking(result).has_beyond == ("beyond the axis</span>" in page)
    assert view.ranking(result).has_seeds
    assert view.ranking(result).has_beyond
