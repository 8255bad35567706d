"""Figures on paper: there, the same bytes each time, names as they are, nothing global touched."""

from __future__ import annotations

import builtins
from typing import Any
from xml.etree import ElementTree

import pytest

from steepest.errors import MissingExtraError
from steepest.export import plots
from steepest.report import theme
from tests.report.example import EXAMPLES, arms, crimes, nasty, rent

REASON = "matplotlib is not installed: pip install '.[export]'"
matplotlib = pytest.importorskip("matplotlib", reason=REASON)
helpers = pytest.importorskip("matplotlib._pylab_helpers", reason=REASON)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_figure_is_drawn(name):
    result = EXAMPLES[name]()
    before = dict(matplotlib.rcParams)
    files = plots.draw_all(result, ["svg", "pdf"])
    assert set(files) == {f"{each}.{form}" for each in plots.captions(result) for form in ("svg", "pdf")}
    for path, content in files.items():
        if path.endswith(".svg"):
            assert ElementTree.fromstring(content).tag.endswith("svg")
        else:
            assert content.startswith(b"%PDF")
    assert dict(matplotlib.rcParams) == before
    assert not helpers.Gcf.figs, "no figure is kept by pyplot"


def test_the_same_comparison_gives_the_same_bytes():
    assert plots.draw_all(rent(), ["svg", "pdf"]) == plots.draw_all(rent(), ["svg", "pdf"])


FIGURES = {
    "curves": lambda result, figure: plots.draw_curves(result, "step", figure),
    "rates": plots.draw_rates,
    "ranking": plots.draw_ranking,
}


def drawn(name: str, result: Any) -> Any:
    with plots.drawing() as figure:
        return FIGURES[name](result, figure)


@pytest.mark.parametrize("name", ["curves", "rates"])
def test_each_optimizer_keeps_the_colour_of_the_report(name):
    made = drawn(name, crimes())
    handles, labels = made.axes[0].get_legend_handles_labels()
    styles = theme.styles(crimes())
    assert {label: handle.get_color() for handle, label in zip(handles, labels, strict=True)} == {
        each: style.colour for each, style in styles.items()
    }


def test_the_curves_are_the_results_own():
    made = drawn("curves", crimes())
    band = crimes().curves[0]
    line = made.axes[0].lines[0]
    assert line.get_xdata().tolist() == band.step
    assert line.get_ydata().tolist() == band.mean


def test_the_ranking_names_every_row_in_order():
    made = drawn("ranking", crimes())
    labels = [each.get_text() for each in made.axes[0].get_yticklabels()]
    assert labels[0] == "adam"
    assert labels[-2:] == ["majority class", "quickprop"]  # two of quickprop's seeds diverged
    assert len(labels) == 12


def test_names_are_drawn_as_they_are_and_never_as_mathematics():
    labels = drawn("curves", nasty()).axes[0].get_legend_handles_labels()[1]
    assert any("${" in each for each in labels)
    assert any("ädäm �" in each for each in labels)
    assert all("\x1b" not in each for each in labels)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError) as caught:
        plots.draw_all(crimes(), ["svg"])
    assert ".[export]" in caught.value.hint


@pytest.mark.parametrize("name", ["curves", "rates"])
def test_the_legend_of_several_factors_explains_colours_and_patterns(name):
    [shown] = drawn(name, arms()).legends
    texts = [each.get_text() for each in shown.get_texts()]
    assert texts[:4] == ["colour: optimizer", "adam", "momentum(lr=0.1)", "sgd"]
    assert texts[4] == "line: model, batch size"
    assert len(texts) == 3 + 4 + 2
