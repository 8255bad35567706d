"""The residuals of a curve are drawn for every arm, the winner's first."""

from __future__ import annotations

from steepest.compare.fits import Fits, FittedCurve
from steepest.report import fits
from steepest.report.html import render_html
from tests.report.example import crimes


def test_every_arm_has_its_residuals():
    result = crimes()
    names = [row.name for row in result.rows if row.kind == "arm"]
    curves = [
        FittedCurve(name=name, values=[0.0, 1.0], at_points=[0.25 * i, 1.0]) for i, name in enumerate(names)
    ]
    optimum = FittedCurve(name="optimum", exact=True, values=[0.0, 1.0], at_points=[0.0, 1.0])
    found = Fits(
        x_title="x",
        y_title="y",
        x=[0, 1],
        y=[2, 3],
        held=[False, False],
        grid=[0, 1],
        fits=[optimum, *curves],
    )
    result = result.model_copy(update={"fits": found})
    shown = fits.residual_figures(result)
    assert len(names) > 2
    assert shown[0][1] == result.winner
    assert len(shown) == min(len(names), fits.MOST_RESIDUALS)
    figures = fits.drawn(result)
    page = render_html(result)
    for figure, name in shown:
        stems = figures[figure]["data"][0]
        predicted = next(each.at_points for each in curves if each.name == name)
        assert stems["y"] == [predicted[0], 2, None, predicted[1], 3, None]
        assert f'id="figure-{figure}"' in page
    lines = [each for each in figures["fits"]["data"] if each["mode"] == "lines"]
    assert lines[-1]["name"] == "optimum"
    assert lines[-1]["line"]["dash"] == "dot"
