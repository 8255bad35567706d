"""A spectrum along a path as files: a page, a picture, a table of its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from markupsafe import Markup

from steepest.files import write_atomically
from steepest.landscape.saving import PAGES, PICTURES, check_form
from steepest.prediction.writing import writing_tables
from steepest.report import theme
from steepest.report.html import embedded_json, own, plotly_script, policy, style, template
from steepest.spectra.along import PathSpectrum
from steepest.spectra.figures import drawn
from steepest.spectra.paper import draw
from steepest.spectra.told import TITLES, captions, cells, heads

PAGE = "spectrum.html"
"""What the page is called in the folder of a comparison."""


def check_forms(paths: Iterable[Path]) -> None:
    """Raise an ``OptionError`` if a spectrum cannot be written under a name, a ``FolderError`` without its folder."""
    for each in paths:
        check_form(each, "spectrum", ())


def save(found: PathSpectrum, *paths: str | Path) -> list[Path]:
    """Write a spectrum: a page that works offline, a picture, or its numbers.

    Args:
        found: the spectrum.
        paths: files that end in .html, .png, .svg, .pdf, .csv, .parquet, .feather or .arrow.

    Raises:
        OptionError: a path ends otherwise.
        FolderError: a file cannot be written.
        MissingExtraError: matplotlib, which draws pictures, is not installed.
    """
    written = [Path(each) for each in paths]
    check_forms(written)
    for path in written:
        form = path.suffix.lower()
        if form in PAGES:
            write_atomically(path, render(found))
        elif form in PICTURES:
            write_atomically(path, draw(found, form[1:]))
        else:
            with writing_tables(path) as write:
                write(found.frame)
    return written


def render(found: PathSpectrum) -> str:
    """Return a spectrum as one page that needs no network."""
    figures = drawn(found)
    library, script = plotly_script(), own("report.js")
    said = captions(found)
    return template("spectrum.html.j2").render(
        title=f"spectrum of {found.title}",
        sentence=found.sentence,
        remarks=found.lines,
        panels=[(name, TITLES[name], said[name]) for name in figures],
        heads=heads(found),
        rows=[cells(found, each) for each in found.points],
        style=Markup(style()),
        library=Markup(library),
        script=Markup(script),
        policy=policy([library, script]),
        data=Markup(embedded_json({"figures": figures, "dark": theme.dark_for_light()})),
    )
