"""``steepest memory``: what a training step needs memory for."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from steepest.cli.flags import COMMON, parameters
from steepest.cli.output import console, line
from steepest.cli.planning import EXPERIMENTS, finding_code, planned
from steepest.footprint import TAKEN
from steepest.recipe import CLEARER_NAMES

Limit = Annotated[
    str | None,
    typer.Option(
        "--limit", metavar="SIZE", rich_help_panel=COMMON, show_default=False,
        help="Memory that there is, as 8GiB. [dim]\\[what is free][/dim]",
    ),
]  # fmt: skip
AsJson = Annotated[
    bool, typer.Option("--json", metavar="", help="Print the result as JSON.", rich_help_panel="Output")
]


def memory(source: str, optimizers: list[str] | None, limit: str | None, as_json: bool, **flags: Any) -> None:
    """Show what a training step needs memory for, and the largest batch that fits.

    Parameters, gradients, optimizer state, activations, error signals: every tensor of some steps is counted. Several
    optimizers, models or batch sizes are shown side by side.
    """
    from steepest.footprint.memory import memory_of

    with finding_code(source):
        found = memory_of(
            planned(source, optimizers or (None if Path(source).suffix in EXPERIMENTS else ["adam"]), flags),
            limit,
        )
    if as_json:
        line(found.to_json(), out=True)
    else:
        console(out=True).print(found)


def _takes(parameter: inspect.Parameter) -> bool:
    shared = ("source", "optimizers", "target", "limit", "as_json", "test_file", "validation_file")
    return parameter.name in shared or CLEARER_NAMES.get(parameter.name, parameter.name) in TAKEN


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_OPTIONS = [
    each
    for each in parameters([_option("limit", Limit, None), _option("as_json", AsJson, False)])
    if _takes(each)
]
memory.__signature__ = inspect.Signature(_OPTIONS)  # pyright: ignore[reportFunctionMemberAccess]
memory.__annotations__ = {each.name: each.annotation for each in _OPTIONS}
