"""The page of a suite: one file to put beside a paper."""

from __future__ import annotations

from markupsafe import Markup

from steepest.compare.across import SuiteResults, factors_above_best
from steepest.report import profiled, theme
from steepest.report.across import (
    caution,
    contest_lines,
    head,
    rank_text,
    result_lines,
    sentence,
)
from steepest.report.html import embedded_json, own, plotly_script, policy, style, template


def suite_page(results: SuiteResults) -> str:
    """Return the page, the figure and its library included.

    Args:
        results: of a suite; names may contain anything.

    Returns:
        one HTML document.

    Example:
        >>> "&lt;b&gt;" in suite_page(SuiteResults(suite="<b>", version=1, size="quick", mine=[], others=[], sets=[]))
        True
    """
    factors = factors_above_best(results)
    counted = min((len(each) for each in factors.values()), default=0)
    found = profiled.Profiles(factors, counted) if counted >= profiled.FEWEST and len(factors) > 1 else None
    drawn = {"profiles": profiled.figure(found, "data sets")} if found else {}
    library, script = plotly_script() if drawn else "", own("report.js")
    facts = list(dict.fromkeys(name for each in results.sets for name in each.facts))
    lines = result_lines(results)
    return template("suite.html.j2").render(
        title=f"suite {results.suite}",
        results=results,
        sentence=sentence(results),
        caution=caution(results),
        ranked=rank_text(results),
        heads=[head(each) for each in results.sets],
        lines=lines,
        mixed=len({cell.stored for line in lines for cell in line.cells}) > 1,
        contests=contest_lines(results),
        failures=[
            (each.name, arm.name, arm.failed) for each in results.sets for arm in each.arms if arm.failed
        ],
        profiles=found,
        within=profiled.WITHIN,
        same_data="",  # a suite refuses data that it has already
        profile_chips=profiled.chips(found) if found else [],
        facts=facts,
        style=Markup(style()),
        library=Markup(library),
        script=Markup(script),
        policy=policy([each for each in (library, script) if each]),
        data=Markup(embedded_json({"figures": drawn, "dark": theme.dark_for_light()})),
    )
