"""The report of a study that trains nothing: its answer, figures and checks, without a comparison behind them."""

from __future__ import annotations

from markupsafe import Markup

from steepest.compare.studied import Studied
from steepest.report import theme
from steepest.report.html import embedded_json, own, plotly_script, policy, style, template
from steepest.report.studied import WORDS, figures_of


def study_page(found: Studied) -> str:
    """Return the page of a study, figures and their library included.

    Args:
        found: the answer; its names and labels may contain anything.

    Returns:
        one HTML document.

    Example:
        >>> empty = Studied(name="s", size="quick", question="?", answer="<b>", source="", data="", columns=[], rows=[])
        >>> "&lt;b&gt;" in study_page(empty)
        True
    """
    drawn = figures_of(found)
    library, script = plotly_script() if drawn else "", own("report.js")
    return template("study_page.html.j2").render(
        title=found.name,
        study=found,
        study_words=WORDS,
        style=Markup(style()),
        library=Markup(library),
        script=Markup(script),
        policy=policy([each for each in (library, script) if each]),
        data=Markup(embedded_json({"figures": drawn, "dark": theme.dark_for_light()})),
    )
