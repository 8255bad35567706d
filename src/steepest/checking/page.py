"""Jacobian, Hessian and Gauss-Newton matrix of a small function as heat maps on one page."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from torch import Tensor

from steepest.checking.matrices import MOST, Matrices
from steepest.checking.result import GradientCheck
from steepest.errors import OptionError
from steepest.report import figures, theme
from steepest.report.html import embedded_json, own, plotly_script, policy, style, template
from steepest.wording import counted

SHOWN = (
    ("jacobian", "Jacobian", "A row for each output, a column for each parameter."),
    ("hessian", "Hessian", "Second derivatives of what is checked, by every pair of parameters."),
    (
        "gauss_newton",
        "Gauss-Newton matrix",
        "JᵀHJ with the Hessian H of the loss in the outputs; without a loss on the outputs, JᵀJ.",
    ),
)
ROOM = 0.02
"""The least share of an axis that a parameter's name needs."""


def render(check: GradientCheck) -> str:
    """Return the page.

    Raises:
        OptionError: the function has no matrices.
    """
    found = check.matrices
    if found is None:
        raise OptionError(
            f"{check.title} has no matrices to draw",
            hint=f"they are made of functions without faults, with at most {MOST} parameters and with second "
            "derivatives; leave --out out.",
        )
    drawn = {name: _heat(getattr(found, name), found, square=name != "jacobian") for name, _, _ in SHOWN}
    library, script = plotly_script(), own("report.js")
    size = sum(each for _, each in found.parameters)
    return template("check.html.j2").render(
        title=f"derivatives of {check.title}",
        sentence=f"Derivatives of {check.title} by {counted(size, 'parameter')}",
        remarks=[each.strip() for each in found.lines()],
        matrices=[(*each, each[0] != "jacobian") for each in SHOWN],
        style=Markup(style()),
        library=Markup(library),
        script=Markup(script),
        policy=policy([library, script]),
        data=Markup(embedded_json({"figures": drawn, "dark": theme.dark_for_light()})),
    )


def _heat(values: Tensor, found: Matrices, *, square: bool) -> dict[str, Any]:
    """Return a matrix as a figure: blue above zero, the other colour below, blocks by parameter on the axes."""
    top = float(values.abs().max()) or 1.0
    columns = _labels(found)
    rows = columns if square else [f"output {i}" for i in range(len(values))]
    layout = figures.framed("", "", hovermode="closest")
    centres, names = _ticks(found)
    ticks = {"tickmode": "array", "tickvals": centres, "ticktext": names, "showgrid": False, "ticks": ""}
    layout["xaxis"] |= {**ticks, "side": "top", "range": [-0.5, values.shape[1] - 0.5]}
    layout["xaxis"] |= {"ticklabeloverflow": "allow"}
    layout["yaxis"] |= {"showgrid": False, "ticks": "", "range": [values.shape[0] - 0.5, -0.5]}
    if square:
        layout["yaxis"] |= ticks
    else:
        layout["yaxis"] |= {"title": {"text": "outputs"}, "tickformat": "d"}
    ends = [0]
    for _, each in found.parameters:
        ends.append(ends[-1] + each)
    line = {"color": theme.SURFACES["line"][0], "width": 1}
    inner = [each - 0.5 for each in ends[1:-1]]
    layout["shapes"] = [
        {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line} for x in inner
    ] + [
        {"type": "line", "y0": y, "y1": y, "xref": "paper", "x0": 0, "x1": 1, "line": line}
        for y in inner
        if square
    ]
    trace = {
        "type": "heatmap",
        "x": list(range(values.shape[1])),
        "y": list(range(values.shape[0])),
        "z": values.tolist(),
        "zmin": -top,
        "zmax": top,
        "hovertext": [
            [f"{row}, {column}<br><b>{value:.6g}</b>" for column, value in zip(columns, line, strict=True)]
            for row, line in zip(rows, values.tolist(), strict=True)
        ],
        "hoverinfo": "text",
        "colorscale": [[0, theme.SERIES[1][0]], [0.5, theme.HEAT[0][1]], [1, theme.SERIES[0][0]]],
        "colorbar": {"thickness": 12, "outlinewidth": 0, "tickfont": {"size": 12}},
    }
    return {"data": [trace], "layout": layout}


def _labels(found: Matrices) -> list[str]:
    return [
        figures.safe(f"{name}[{i}]" if size > 1 else name)
        for name, size in found.parameters
        for i in range(size)
    ]


def _ticks(found: Matrices) -> tuple[list[float], list[str]]:
    """Return the middles and the names of the parameters that have room for one."""
    total = sum(size for _, size in found.parameters)
    centres: list[float] = []
    names: list[str] = []
    begin = 0
    for name, size in found.parameters:
        if size >= ROOM * total:
            centres.append(begin + (size - 1) / 2)
            names.append(figures.safe(name.removeprefix("network."), 24))
        begin += size
    return centres, names
