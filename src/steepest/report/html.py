"""The report: one HTML file that asks nothing of the network.

The page's policy allows only its own scripts, by their hashes: a name that slipped through the escaping
still could not run code or load anything.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from steepest.compare.result import Comparison
from steepest.files import write_with_folder
from steepest.report import (
    confused,
    contrasts,
    figures,
    fits,
    glossary,
    main_effects,
    moved,
    parallel,
    rate_figures,
    rated,
    reached,
    results,
    searches,
    studied,
    theme,
    view,
    watched,
    written,
)
from steepest.report import format as show
from steepest.report.factors import subject
from steepest.report.legend import legend
from steepest.report.sentences import families_of, notes


def render_html(comparison: Comparison) -> str:
    """Return the page of a comparison, figures and their library included.

    Args:
        comparison: the result; its names and labels may contain anything.

    Returns:
        one HTML document, about 5 MB, most of it plotly.js.

    Example:
        >>> from steepest.compare.result import Metric
        >>> result = Comparison(title="t", sentence="<b>", metric="rmse", winner="adam", rows=[],
        ...                     metrics=[Metric(name="rmse", title="RMSE", higher_is_better=False)])
        >>> "&lt;b&gt;" in render_html(result)
        True
    """
    parts = (
        fits.drawn(comparison),
        rated.drawn(comparison),
        studied.drawn(comparison),
        watched.drawn(comparison),
        moved.drawn(comparison),
        searches.drawn(comparison),
        confused.drawn(comparison),
    )
    drawn: dict[str, figures.Figure] = {name: each for part in parts for name, each in part.items()}
    if comparison.curves:
        axes: tuple[figures.Axis, ...] = ("step", "epoch", "seconds", "gradients")
        for axis in axes:
            if all(getattr(band, axis) for band in comparison.curves):
                drawn[f"curves-{axis}"] = figures.curves(comparison, axis)
    if comparison.rates:
        drawn["rates"] = rate_figures.rates(comparison)
    data = {"figures": drawn, "dark": theme.dark_for_light()}
    library, script = plotly_script() if drawn else "", own("report.js")
    unit, bars = view.bars(comparison)
    watched_head, watched_lines = watched.watched_table(comparison)
    calibrated_head, calibrated_lines = watched.calibrated_table(comparison)
    return template("report.html.j2").render(
        comparison=comparison,
        title=comparison.title,
        show=show,
        study=comparison.study,
        study_words=studied.WORDS,
        style=Markup(style()),
        library=Markup(library),
        script=Markup(script),
        policy=policy([each for each in (library, script) if each]),
        data=Markup(embedded_json(data)),
        drawn=drawn,
        ranking=(ranking := view.ranking(comparison)),
        ranking_id="ranking-title",
        heading=f"{ranking.title} on {comparison.results_on}",
        by_row=not comparison.differences
        or any(each.over in ("both", "rows") for each in comparison.differences),
        subject=subject(comparison).one,
        sets=comparison.test_sets > 1,
        unit=unit,
        bars=bars,
        table=results.table(comparison),
        evaluations=results.evaluations_note(comparison),
        optima=fits.lines(comparison.optima),
        residuals=(residuals := fits.residual_figures(comparison)),
        more_fits=fits.number(comparison) - len(residuals),
        by_user=rated.lines(comparison),
        confused_pairs=confused.pairs(comparison),
        confused_caption=confused.caption(comparison),
        worst_classes=confused.worst(comparison),
        watched_buttons=[(key, text) for key, text in watched.TITLES.items() if f"watched-{key}" in drawn],
        watched_head=watched_head,
        mark_rows=watched.MARK_ROWS,
        watched_lines=watched_lines,
        bounds=watched.bounds(comparison),
        layer_buttons=[(key, text) for key, text in watched.TITLES.items() if f"layers-{key}" in drawn],
        layered=watched.winner_of(comparison),
        most_layers=watched.MOST_LAYERS,
        moved_buttons=[(key, text) for key, text in moved.TITLES.items() if f"moved-{key}" in drawn],
        moved_said=moved.sentences(comparison),
        moved_heads=moved.HEADS,
        moved_lines=moved.lines(comparison),
        moved_path=moved.path_of(comparison),
        calibrated_head=calibrated_head,
        calibrated_lines=calibrated_lines,
        without_temperature=watched.without_temperature(comparison),
        written=written.samples(comparison),
        other=written.other_lines(comparison),
        forgotten=written.forgotten(comparison),
        notes=notes(comparison),
        families=families_of(comparison),
        effects=main_effects.panel(comparison),
        terms=glossary.terms(comparison)
        if comparison.environment
        else (),  # another tool's log has a protocol of its own
        paired=bool(comparison.differences),
        contrasts=contrasts.contrasts(comparison),
        most_contrasts=contrasts.MOST_SHOWN,
        places=contrasts.places(comparison),
        metric=view.metric_of(comparison, comparison.metric),
        chips=_chips(comparison),
        rates_caption=rate_figures.caption(comparison) if "rates" in drawn else "",
        reached_heads=reached.HEADS,
        reached_lines=reached.lines(comparison),
        reached_caption=reached.caption(comparison),
        parallel_buttons=parallel.buttons(comparison),
        searched_head=searches.head(comparison),
        searched_lines=searches.lines(comparison),
        most_trials=searches.MOST_OPEN,
        searched_said=searches.sentences(comparison),
        searched_caption=searches.caption(comparison) if "best-after" in drawn else "",
        phases=[(name, show.seconds(each)) for name, each in comparison.phases.items() if each > 0],
        runs=comparison.test_sets * max((row.seeds for row in comparison.rows), default=1),
    )


def _chips(comparison: Comparison) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    """Return the buttons of a figure in groups: (title, [(name, text, colour, pattern)])."""
    groups = legend(comparison)
    if not groups:
        styles = theme.styles(comparison).items()
        return [("", [(name, name, each.css, each.dash) for name, each in styles])]
    return [
        (
            f"{group.what}: {group.title}",
            [(key.id, key.text, *_drawn(group.what, key.style)) for key in group.keys],
        )
        for group in groups
    ]


def _drawn(what: str, style: theme.Style) -> tuple[str, str]:
    return (style.css, "solid") if what == "colour" else ("soft", style.dash)


def _linked(label: str) -> Markup:
    """Return a label with a link to its term at the end of the page."""
    found = glossary.term(label)
    if found is None:
        return escape(label)
    link = Markup('<a class="term" href="#{}" title="{}">{}</a>')
    return link.format(found.anchor, found.meaning, label)


_OPTION = r"--[a-z][a-z-]*"
_VALUE = r"[−+<]?[\d.,]*\d(?:e-?\d+)?%?"
_NUMBER = re.compile(
    rf"{_OPTION}|\[[−+]?[\d.][^\[\]a-z]*\]|(?:\bp|corrected) [=<] {_VALUE}|{_VALUE}(?: ± <?{_VALUE})?"
)


def unbroken(text: str) -> Markup:
    """Return a text in which numbers with their powers of ten and intervals, p-values and options never break.

    Example:
        >>> unbroken("better by 30.4 [25.1, 35.7] (p = 0.03)")
        Markup('better by 30.4 <span class="number">[25.1, 35.7]</span> (<span class="number">p = 0.03</span>)')
        >>> unbroken("most runs ended at --max-seconds")
        Markup('most runs ended at <span class="number">--max-seconds</span>')
        >>> unbroken("log loss 4e-9 ± 5e-8 <best> (2 seeds)")
        Markup('log loss <span class="number">4e-9 ± 5e-8</span> &lt;best&gt; (2 seeds)')
    """
    parts: list[Markup] = []
    end = 0
    for found in _NUMBER.finditer(text):
        if re.search(r"[e±\[=]|^--|< ", found[0]):
            span = Markup('<span class="number">{}</span>').format(found[0])
            parts += [escape(text[end : found.start()]), span]
            end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def write_report(comparison: Comparison, path: str | Path) -> Path:
    """Write the report atomically: under a temporary name first, then renamed.

    Args:
        comparison: the result.
        path: the file to write; its folder is created if need be.

    Returns:
        the path.

    Raises:
        FolderError: the file cannot be written.
    """
    return write_with_folder(path, render_html(comparison))


def embedded_json(data: Any) -> str:
    """Return JSON that is safe inside ``<script>``: no ``<``, ``>``, ``&`` or line separator as it is.

    Example:
        >>> embedded_json({"a": "</script>"})
        '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def policy(scripts: list[str]) -> str:
    """Return the page's policy: these scripts may run, styles may stand in the page, and that is all."""
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


@functools.cache
def plotly_script() -> str:
    """Return plotly.js as it stands in a page."""
    from plotly.offline import get_plotlyjs

    # The parser of HTML turns \r\n into \n before the policy's hash is taken.
    return str(get_plotlyjs()).replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script")


@functools.cache
def own(name: str) -> str:
    """Return a file from beside the templates."""
    return resources.files("steepest.report").joinpath("templates", name).read_text(encoding="utf-8")


def style() -> str:
    """Return the style sheet with the colours of both modes."""
    dark = theme.css_variables(1)
    return (
        f":root{{color-scheme:light;{theme.css_variables(0)}}}"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n{own('report.css')}"
    )


@functools.cache
def template(name: str, package: str = "steepest.report") -> jinja2.Template:
    """Return one of the templates of a package, which may include the report's; what is undefined in it is an error."""
    places = dict.fromkeys((package, "steepest.report"))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(each, "templates") for each in places]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = show.printable
    environment.filters["term"] = _linked
    environment.filters["unbroken"] = unbroken
    return environment.get_template(name)
