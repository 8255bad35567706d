"""Whatever the numbers are, not a number and infinite among them, the page, the table and the CSV are made."""

from __future__ import annotations

import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from steepest.compare.result import (
    Band,
    ClassLine,
    Comparison,
    Difference,
    Effect,
    Estimate,
    Metric,
    RateCurve,
    Row,
)
from steepest.report import comparison_table, confused, figures, rate_figures, to_csv, view
from steepest.report.html import render_html

NUMBERS = st.one_of(st.floats(), st.floats(-10, 10), st.sampled_from([0.0, 1.0, 1e-12]))
NAMES = ["adam", "sgd", "mine"]


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    return Estimate(mean=draw(NUMBERS), low=draw(NUMBERS), high=draw(NUMBERS), n=draw(st.integers(0, 5)))


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    metrics = [
        Metric(name="m", title="m", higher_is_better=draw(st.booleans()), percent=draw(st.booleans())),
        Metric(name="k", title="k", higher_is_better=True),
    ]
    shown = st.dictionaries(st.sampled_from(["m", "k"]), estimates())
    values = st.dictionaries(st.just("m"), st.lists(NUMBERS, max_size=3))
    numbers = st.lists(NUMBERS, min_size=3, max_size=3)
    kinds = [("arm", name) for name in NAMES] + [("default", "adam"), ("baseline", "mean")]
    rows = [
        Row(
            kind=kind,
            name=name,
            lr=draw(st.one_of(st.none(), NUMBERS)),
            seeds=draw(st.integers(0, 5)),
            metrics=draw(shown),
            last=draw(shown),
            values=draw(values),
            train_seconds=draw(NUMBERS),
            good_range=draw(st.one_of(st.none(), NUMBERS)),
        )
        for kind, name in kinds
        if draw(st.booleans())
    ]
    return Comparison(
        title="t",
        sentence="s",
        metric="m",
        metrics=metrics,
        winner=draw(st.sampled_from(NAMES)),
        rows=rows,
        differences=[
            Difference(
                first="adam",
                second=other,
                metric=draw(st.sampled_from(["m", "unknown"])),
                over="seeds",
                mean=draw(NUMBERS),
                low=draw(NUMBERS),
                high=draw(NUMBERS),
                n=2,
                told_apart=draw(st.booleans()),
            )
            for other in ("sgd", "mean")
        ],
        effects=[Effect(name=each, size=draw(NUMBERS), text="") for each in ("one", "two")],
        curves=[
            Band(
                name=name,
                metric="m",
                step=[0, 1, 2],
                epoch=draw(numbers),
                seconds=draw(numbers),
                mean=draw(numbers),
                low=draw(numbers),
                high=draw(numbers),
            )
            for name in NAMES
            if draw(st.booleans())
        ],
        rates=[
            RateCurve(
                name=name,
                metric="m",
                scan=draw(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3)),
                full=draw(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=2)),
                chosen=draw(NUMBERS),
                default=draw(st.one_of(st.none(), NUMBERS)),
            )
            for name in NAMES
            if draw(st.booleans())
        ],
        classes=[
            ClassLine(label=each, rows=0, precision=draw(NUMBERS), recall=draw(NUMBERS), f1=draw(NUMBERS))
            for each in ("a", "b")
        ],
        confusion=[[0, 0], [draw(st.integers(0, 10**12)), 1]],
    )


@settings(max_examples=40, deadline=None)
@given(result=comparisons())
def test_any_numbers_can_be_shown(result: Comparison) -> None:
    text = render_html(result)
    assert "nan%" not in text
    assert "inf%" not in text
    for figure in (figures.curves(result, "seconds"), rate_figures.rates(result), confused.matrix(result)):
        json.dumps(figure, allow_nan=False)
    for dot in view.ranking(result).dots:
        assert all(0 <= each <= 100 for each in (dot.at, dot.low, dot.high, *dot.seeds) if each is not None)
    for bar in view.bars(result)[1]:
        assert 0 <= bar.start <= bar.start + bar.width <= 100.01
    Console(file=io.StringIO(), width=80).print(comparison_table(result))
    to_csv(result)
