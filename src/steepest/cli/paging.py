"""``steepest page``: a page to play with, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.flags import completion
from steepest.cli.output import line, open_page
from steepest.errors import OptionError

SUFFIXES = (".html", ".htm")


def page(
    name: Annotated[
        str,
        typer.Argument(
            help="A page (steepest list pages), a JSON file of stored runs, or mine.py:Page.", metavar="NAME",
            autocompletion=completion("pages"),
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write (default: NAME.html).", metavar="FILE")
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", metavar="", help="Open the page in the browser.")
    ] = False,
) -> None:  # fmt: skip
    """Write a page to play with: sliders, figures, exercises to guess, in one HTML file without a server or a network.

    Put the file on a course's site, or send it; the address of an open page holds its settings.
    """
    from steepest.interrupts import always_raise
    from steepest.pages.page import file_name, write_page

    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{out} is no name of a page", hint=f"end it with {SUFFIXES[0]}.")
    always_raise()
    written = write_page(name, out or file_name(name))
    line(f"page     {written}", out=True)
    if open_:
        open_page(written)
