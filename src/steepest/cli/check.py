"""``steepest check``: derivatives against finite differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.flags import completion
from steepest.cli.output import line
from steepest.errors import OptionError
from steepest.interrupts import always_raise

What = Annotated[
    str,
    typer.Argument(
        help="A model or a loss with its options, FILE:NAME of a function, a module or an autograd function, or an "
        "expression such as '(1 - log(1 + exp(t)))**2'.",
        metavar="WHAT",
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        help="Values of the variables of an expression: t=1 or w=2,x=-1; repeatable.", metavar="LIST"
    ),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        help="What a function is called with: 'x=normal(4, 3)', 'target=integers(4, below=3)', 't=[0.5, 1]', or "
        "mine.py:inputs, a function that returns it; repeatable. By default inputs() in the same file, or made up.",
        metavar="LIST",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        help="The optimizer that an update of yours is meant to be: rmsprop, 'adam(lr=0.1)'.",
        metavar="NAME",
        autocompletion=completion("optimizers"),
    ),
]
Out = Annotated[Path | None, typer.Option(help="File to draw the graph to: .svg.", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print everything as JSON.")]


def check(
    what: What,
    at: At = None,
    inputs: Given = None,
    against: Against = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Check derivatives by finite differences, or an update against its rule, and say what is wrong.

    Every parameter and input of a function is compared number by number, and the likely cause of a fault is named. An
    expression is shown as a graph: values forward, local derivatives and adjoints backward, so that every step can be
    checked by hand. With --against, an update such as mine.py:rmsprop_update is run beside the rule: the first step and
    slot that differ are shown with the likely mistake. Exit status: 0, 1 for a fault, 2 for a wrong option.
    """
    from steepest.checking import check as checked
    from steepest.checking import drawing, telling
    from steepest.checking.expression import ExpressionCheck
    from steepest.checking.result import GradientCheck
    from steepest.files import write_atomically

    if out is not None:
        drawing.check_place(out, ".svg", "a graph")
    always_raise()
    found = checked(what, at=at or (), inputs=", ".join(inputs) if inputs else None, against=against)
    if not isinstance(found, ExpressionCheck) and out is not None:
        raise OptionError(f"{what} is no expression, which --out draws", hint="leave --out out.")
    if isinstance(found, ExpressionCheck):
        shown = drawing.lines(found)
    else:
        shown = telling.lines(found) if isinstance(found, GradientCheck) else found.lines()
    if as_json:
        shown = [json.dumps(found.as_json(), indent=1, ensure_ascii=False)]
    for each in shown:
        line(each, out=True)
    if isinstance(found, ExpressionCheck) and out is not None:
        write_atomically(out, drawing.svg(found))
        line(f"wrote {out}")
    if not found.ok:
        raise typer.Exit(1)
