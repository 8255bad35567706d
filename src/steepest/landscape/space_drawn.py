"""The path of a run in three parameters as a figure: on a page it can be turned, on paper it is drawn by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from steepest.export.plots import SOFT, WIDTH, drawing, labelled, saved
from steepest.landscape import figures
from steepest.landscape.paper import colours, plain_axes
from steepest.landscape.path_numbers import PathNumbers
from steepest.landscape.said import value
from steepest.landscape.saving import save_as
from steepest.report import theme
from steepest.report.figures import Figure, framed, safe
from steepest.report.html import embedded_json, own, plotly_script, policy, style, template


def save_path(found: PathNumbers, *paths: str | Path) -> list[Path]:
    """Write a page, a picture or the numbers of a path, as :meth:`steepest.landscape.making.Landscape.save`."""
    return save_as(paths, lambda: render(found), lambda form: draw(found, form), found)


def space(found: PathNumbers) -> Figure:
    """Return the path as points joined in their order, coloured by step."""
    soft, grid, ink = (theme.SURFACES[name][0] for name in ("soft", "grid", "ink"))
    axis: Figure = {
        "gridcolor": grid, "zerolinecolor": grid, "showbackground": False, "color": soft, "nticks": 5,
        "tickfont": {"color": soft, "size": 11},
    }  # fmt: skip
    x, y, z = ([float(f"{each:.7g}") for each in found.points[:, k].tolist()] for k in range(3))
    texts = [
        f"step {step:,}: loss <b>{value(float(loss))}</b>"
        for step, loss in zip(found.steps, found.losses, strict=True)
    ]
    path: Figure = {
        "type": "scatter3d", "mode": "lines+markers", "x": x, "y": y, "z": z, "text": texts,
        "line": {"color": soft, "width": 2},
        "marker": {
            "size": 4.5, "color": list(found.steps), "colorscale": figures.colours(),
            "colorbar": {
                "title": {"text": "step", "side": "top", "font": {"color": soft, "size": 12}}, "thickness": 9,
                "orientation": "h", "len": 0.9, "x": 0.5, "xanchor": "center", "y": 1.0, "yanchor": "top",
                "outlinewidth": 0, "tickfont": {"color": soft, "size": 11}, "nticks": 6,
            },
        },
        "hovertemplate": "(%{x:.4~g}, %{y:.4~g}, %{z:.4~g})<br>%{text}<extra></extra>",
        "showlegend": False,
    }  # fmt: skip
    ends: Figure = {
        "type": "scatter3d", "mode": "text", "x": [x[0], x[-1]], "y": [y[0], y[-1]], "z": [z[0], z[-1]],
        "text": ["start", "end"], "textposition": "top center", "textfont": {"color": ink, "size": 12},
        "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip
    layout = framed("", "", hovermode="closest")
    layout["margin"] = {"l": 0, "r": 0, "t": 0, "b": 0}
    layout["scene"] = {
        f"{name}axis": {**axis, "title": {"text": safe(text, 30), "font": {"color": soft, "size": 12}}}
        for name, text in zip("xyz", found.names, strict=True)
    } | {
        "camera": {"eye": {"x": 1.75, "y": -1.95, "z": 1.2}, "center": {"x": 0, "y": 0, "z": -0.05}},
        "aspectmode": "cube",
        "dragmode": "turntable",
    }
    del layout["xaxis"]
    layout["yaxis"] = {"title": {"text": ""}, "visible": False}
    return {"data": [path, ends], "layout": layout}


def render(found: PathNumbers) -> str:
    """Return the path as one page that needs no network."""
    library, script = plotly_script(), own("report.js")
    drawn = {"space": space(found)}
    return template("landscape.html.j2").render(
        title=f"path of {found.title}",
        sentence=found.sentence,
        remarks=found.lines,
        drawn=drawn,
        style=Markup(style()),
        library=Markup(library),
        script=Markup(script),
        policy=policy([library, script]),
        data=Markup(embedded_json({"figures": drawn, "dark": figures.dark_for_light()})),
    )


def draw(found: PathNumbers, form: str) -> bytes:
    """Return the content of a picture: ``png``, ``svg`` or ``pdf``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with drawing() as figure:
        made = figure(figsize=(WIDTH, 0.8 * WIDTH), layout="constrained", dpi=200)
        ax: Any = made.add_subplot(projection="3d")
        x, y, z = found.points.T
        ax.plot(x, y, z, color=SOFT, linewidth=0.8)
        dots = ax.scatter(x, y, z, c=found.steps, cmap=colours(), s=14, depthshade=False)
        for text, at in (("start", 0), ("end", -1)):
            ax.text(x[at], y[at], z[at], f" {text}", fontsize=7.5)
        names = [labelled(each) for each in found.names]
        ax.set_xlabel(names[0], color=SOFT)
        ax.set_ylabel(names[1], color=SOFT)
        ax.set_zlabel(names[2], color=SOFT)
        ax.view_init(elev=28, azim=-50)
        plain_axes(ax)
        bar = made.colorbar(dots, ax=ax, shrink=0.6, aspect=30, pad=0.12, label="step")
        bar.outline.set_visible(False)
        return saved(made, form)
