"""``steepest check``: derivatives against finite differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from steepest.cli.flags import completion
from steepest.cli.output import console, line
from steepest.errors import OptionError
from steepest.interrupts import always_raise


class CheckCommand(TyperCommand):
    """The command line of ``check``: an expression may begin with a minus, and a list go on after a comma and a space.

    Example:
        >>> CheckCommand.joined(["-x**2 + y", "--at", "x=1,", "y=2", "--json"])
        [' -x**2 + y', '--at', 'x=1,y=2', '--json']
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments."""
        return super().parse_args(ctx, self.joined(args))

    @staticmethod
    def joined(args: list[str]) -> list[str]:
        """Return arguments in which an expression is not taken for an option, nor a part of a list for an argument."""
        found: list[str] = []
        for each in args:
            if found and found[-1].endswith(",") and found[-2:-1] in (["--at"], ["--inputs"]):
                found[-1] += each
            elif each.startswith("-") and not each.startswith("--") and each not in ("-h", "-"):
                found.append(f" {each}")
            else:
                found.append(each)
        return found


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
Timing = Annotated[
    bool,
    typer.Option(
        "--timing",
        metavar="",
        help="Also measure the time of a gradient, by autograd and by finite differences.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="File to draw to: the graph of an expression as .svg, Jacobian and Hessian of a small function as .html.",
        metavar="FILE",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print everything as JSON.")]


def check(
    what: What,
    at: At = None,
    inputs: Given = None,
    against: Against = None,
    timing: Timing = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Check derivatives by finite differences, or an update against its rule, and say what is wrong.

    Every parameter and input of a function is compared number by number, and the likely cause of a fault is named. An
    expression is shown as a graph: values forward, local derivatives and adjoints backward, so that every step can be
    checked by hand. With --against, an update such as mine.py:rmsprop_update is run beside the rule: the first step and
    slot that differ are shown with the likely mistake. Exit status: 0, 1 for a fault or an
    expression without a derivative, 2 for a wrong option.
    """
    from steepest.checking import check as checked
    from steepest.checking import drawing, telling
    from steepest.checking.expression import ExpressionCheck
    from steepest.checking.result import GradientCheck
    from steepest.files import write_atomically
    from steepest.report.console import hanging

    if out is not None:
        drawing.check_place(out)
    always_raise()
    given = ", ".join(inputs) if inputs else None
    found = checked(what.strip(), at=at or (), inputs=given, against=against, timing=timing)
    if out is not None:  # before what is printed, whose reader may stop reading
        write_atomically(out, _picture(found, out))
    if isinstance(found, ExpressionCheck):
        shown = drawing.lines(found)
    else:
        shown = telling.lines(found) if isinstance(found, GradientCheck) else found.lines()
    if as_json:
        shown = [json.dumps(found.as_json(), indent=1, ensure_ascii=False)]
    target = console(out=True)
    for each in shown:
        table = as_json or "  " in each.strip()
        line(each if table else hanging(each, target, len(each) - len(each.lstrip()) + 2), out=True)
    if out is not None:
        line(f"wrote {out}")
    if not found.ok:
        raise typer.Exit(1)


def _picture(found: Any, out: Path) -> str:
    """Return what is drawn: a graph, or heat maps."""
    from steepest.checking.drawing import svg
    from steepest.checking.expression import ExpressionCheck
    from steepest.checking.result import GradientCheck

    if isinstance(found, ExpressionCheck) and out.suffix == ".svg":
        return svg(found)
    if isinstance(found, GradientCheck) and out.suffix == ".html":
        from steepest.checking.page import render

        return render(found)
    kinds = {ExpressionCheck: "an expression is drawn as .svg", GradientCheck: "a function is drawn as .html"}
    raise OptionError(
        f"cannot draw {getattr(found, 'title', 'an expression')} as {out.suffix!r}",
        hint=f"{kinds.get(type(found), 'an update has no picture: leave --out out')}.",
    )
