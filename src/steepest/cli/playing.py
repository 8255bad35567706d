"""``steepest play``: live pages in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.output import line
from steepest.errors import DataError, OptionError, unknown_name
from steepest.interrupts import always_raise
from steepest.play import PAGES


def play(
    page: Annotated[
        str,
        typer.Argument(
            help="compare: choose data, optimizers and rates, and watch runs; landscape: write down what an optimizer "
            "will do on a small problem, then run it.",
            metavar="compare|landscape",
            autocompletion=lambda: list(PAGES),
        ),
    ] = "compare",
    data: Annotated[
        str | None,
        typer.Option(
            help="A table to offer besides those of the working folder; for landscape, points x and y.", metavar="FILE"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for comparisons and hypotheses (default: runs/play).", metavar="FOLDER"),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is this machine alone.", metavar="ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for a free one.", metavar="NUMBER")] = 0,
    no_open: Annotated[
        bool, typer.Option("--no-open", metavar="", help="Do not open the browser.")
    ] = False,
) -> None:  # fmt: skip
    """Open a live page in the browser: compare and watch, or predict what an optimizer does. Ctrl-C ends it.

    The page needs the token in the printed address, and offers data sets, tables of the working folder and registered
    components: no other files, and no code. Needs the extra play.
    """
    if page not in PAGES:
        raise unknown_name("page", page, PAGES)
    if not 0 <= port <= 65535:
        raise OptionError(f"the port is {port}", hint="give a number from 0 to 65535; 0 is a free one.")
    from steepest.data.catalog import is_name
    from steepest.play.server import is_loopback, serve
    from steepest.play.workplace import FOLDER, Workplace

    if data is not None and not is_name(data) and not Path(data).is_file():
        raise DataError(
            f"there is no file {data!r}", hint="give a table, or a name of `steepest list datasets`."
        )
    place = Workplace(out or FOLDER, data)

    def ready(address: str) -> None:
        if not is_loopback(host):
            line(
                "warning: other machines can reach this page, and what it sends is not encrypted",
                style="yellow",
            )
        line(f"page     {address}", out=True)
        line(f"folder   {place.folder}")
        line("Ctrl-C ends it")
        if not no_open:
            _open(address)

    always_raise()
    serve(page, place, host=host, port=port, ready=ready)


def _open(address: str) -> None:
    import threading
    import webbrowser

    # a browser that is started in the foreground would hold the page up
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
