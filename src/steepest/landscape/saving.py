"""A slice as files: a page, a picture, a table of its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from markupsafe import Markup

from steepest.errors import FolderError, OptionError
from steepest.files import local, write_atomically
from steepest.landscape import figures
from steepest.landscape.numbers import Slice
from steepest.landscape.paper import draw
from steepest.prediction.writing import writing_tables
from steepest.report.html import embedded_json, own, plotly_script, policy, style, template

PAGES, PICTURES, TABLES = (
    (".html", ".htm"),
    (".png", ".svg", ".pdf"),
    (".csv", ".parquet", ".feather", ".arrow"),
)


def check_form(path: Path, what: str = "slice", more: tuple[str, ...] = (".json",)) -> None:
    """Raise an ``OptionError`` if nothing can be written under a name, a ``FolderError`` if there is no folder.

    Args:
        path: the file.
        what: is written.
        more: endings besides those of pages, pictures and tables.
    """
    known = (*PAGES, *PICTURES, *TABLES, *more)
    if path.suffix.lower() not in known:
        raise OptionError(
            f"a {what} cannot be written as {path.name!r}", hint=f"end it with {', '.join(known)}."
        )
    if not local(path).absolute().parent.is_dir():
        raise FolderError(f"there is no folder {path.absolute().parent.as_posix()!r}", hint="make it first.")


def save(found: Slice, *paths: str | Path) -> list[Path]:
    """Write a slice to files; see :meth:`steepest.landscape.making.Landscape.save`."""
    return save_as(paths, lambda: render(found), lambda form: draw(found, form), found)


class Numbers(Protocol):
    """What is written as a table or as JSON."""

    @property
    def frame(self) -> pl.DataFrame:
        """The table."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        ...


def save_as(
    paths: Sequence[str | Path], page: Callable[[], str], picture: Callable[[str], bytes], numbers: Numbers
) -> list[Path]:
    """Write a page, pictures and numbers to files, by how their names end.

    Args:
        paths: the files.
        page: returns the page.
        picture: returns a picture in a form, such as ``svg``.
        numbers: what is in tables.

    Raises:
        OptionError, FolderError: as for :func:`check_form`.
    """
    written = [Path(each) for each in paths]
    for path in written:
        check_form(path)
    for path in written:
        form = path.suffix.lower()
        if form in PAGES:
            write_atomically(path, page())
        elif form in PICTURES:
            write_atomically(path, picture(form[1:]))
        elif form == ".json":
            write_atomically(path, json.dumps(numbers.as_json(), indent=1, ensure_ascii=False) + "\n")
        else:
            with writing_tables(path) as write:
                write(numbers.frame)
    return written


def render(found: Slice) -> str:
    """Return a slice as one page that needs no network."""
    drawn = (
        {"line": figures.line(found)}
        if found.plane.is_line
        else {"contours": figures.contours(found), "surface": figures.surface(found)}
    )
    data = {"figures": drawn, "dark": figures.dark_for_light()}
    library, script = plotly_script(), own("report.js")
    return template("landscape.html.j2").render(
        title=f"training loss of {found.title}",
        sentence=found.sentence,
        remarks=found.lines,
        drawn=drawn,
        trails=[] if found.plane.is_line else [each.name for each in found.plane.trails],
        log=figures.heights(found.losses).log,
        loss=found.said.loss,
        style=Markup(style()),
        library=Markup(library),
        script=Markup(script),
        policy=policy([library, script]),
        data=Markup(embedded_json(data)),
    )
