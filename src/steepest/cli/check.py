"""``steepest check``: derivatives against finite differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.output import line

At = Annotated[
    list[str] | None,
    typer.Option(
        help="Values of the variables of an expression: t=1 or w=2,x=-1; repeatable.", metavar="LIST"
    ),
]
Out = Annotated[Path | None, typer.Option(help="File to draw the graph to: .svg.", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print everything as JSON.")]


def check(
    what: Annotated[
        str, typer.Argument(help="An expression, such as '(1 - log(1 + exp(t)))**2'.", metavar="WHAT")
    ],
    at: At = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Check derivatives by finite differences, and show the steps in which they come about.

    An expression is shown as a graph: values forward, local derivatives and adjoints backward, so that every step can
    be checked by hand. Exit status: 0, 1 if a derivative is wrong, 2 for a wrong option.
    """
    from steepest.checking import check as checked
    from steepest.checking.drawing import check_place, lines, svg
    from steepest.files import write_atomically

    if out is not None:
        check_place(out, ".svg", "a graph")
    found = checked(what, at=at or ())
    if out is not None:
        write_atomically(out, svg(found))
    if as_json:
        line(json.dumps(found.as_json(), indent=1, ensure_ascii=False), out=True)
    else:
        for each in lines(found):
            line(each, out=True)
    if out is not None:
        line(f"wrote {out}")
    if not found.ok:
        raise typer.Exit(1)
