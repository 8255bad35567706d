"""The model that is recommended has the mark, whatever it is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from steepest.compare.estimates import Estimate
from steepest.compare.result import Comparison, Metric, Row
from steepest.report.html import render_html
from steepest.report.results import table
from steepest.report.text import comparison_table
from steepest.report.view import ranking

LOSS = Metric(name="log_loss", title="log loss", higher_is_better=False)


def compared(recommended: str) -> Comparison:
    """Return a comparison in which ridge is far from the others."""
    means = {"adam": 0.500, "sgd": 0.502, "adagrad": 0.504, "momentum": 0.503, "ridge": 0.9}
    rows = [
        Row(kind="baseline" if name == "ridge" else "arm", name=name,
            metrics={"log_loss": Estimate(mean=mean, low=mean - 0.001, high=mean + 0.001, n=2)})
        for name, mean in means.items()
    ]  # fmt: skip
    return Comparison(
        title="t",
        sentence="s",
        metric="log_loss",
        winner="sgd",
        recommended=recommended,
        rows=rows,
        metrics=[LOSS],
    )


@pytest.mark.parametrize(("recommended", "hollow"), [("ridge", ["sgd"]), ("sgd", []), ("", [])])
def test_the_recommended_row_has_the_mark(recommended: str, hollow: list[str]) -> None:
    found, name, file = compared(recommended), recommended or "sgd", io.StringIO()
    Console(file=file, width=80, color_system=None).print(comparison_table(found, 80))
    lines = file.getvalue().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("●")] == [name]
    assert [line.split()[1] for line in lines if line.startswith("○")] == hollow
    means = "recommended for use" if recommended else "winning optimizer, chosen on the validation rows"
    best = " · ○ winning optimizer, chosen on the validation rows" if hollow else ""
    assert lines.count(f"  ● {means}{best}") == 1
    assert [each.name for _, part in table(found).groups for each in part if each.recommended] == [name]
    dots = {each.name: each for each in ranking(found).dots}
    assert [each for each in dots if dots[each].recommended] == [name]
    assert bool(dots["ridge"].beyond) == (name != "ridge")
    page = render_html(found)
    assert ('<em class="badge good">recommended</em>' in page) == (name == "ridge")
    assert page.count('<em class="badge good">winner</em>') == 1
