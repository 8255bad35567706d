"""``steepest describe``: what data is before training, opened as ``compare`` opens it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from steepest.cli.flags import FILES, given, parameters
from steepest.cli.output import console, line
from steepest.data.options import TableOptions
from steepest.errors import OptionError
from steepest.recipe import flag_of

Write = Annotated[
    Path | None,
    typer.Option(
        help="Write a first preparation of a table there, as TOML.", metavar="FILE", rich_help_panel="Output"
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", metavar="", help="Print the result as JSON.", rich_help_panel="Output")
]


def describe(source: str, write: Path | None, as_json: bool, **flags: Any) -> None:
    """Show what data is: columns of a table, classes of images, users and items of ratings, points of a curve,
    documents and tokens of texts (--kind text).

    It is opened as compare opens it, with the same options; nothing is trained. Of a table a first preparation can be
    written.
    """
    from steepest.data.sources.opening import describe as described

    found = given(flags)
    several = next(iter(found.get("factors", {})), None)
    if several is not None:
        raise OptionError(f"{flag_of(several)} is given several times", hint="describe the data of one.")
    description = described(source, **found.get("data", {}))
    if write is not None:
        description.to_toml(write)
    if as_json:
        line(json.dumps(description.as_json(), indent=1, ensure_ascii=False), out=True)
    else:
        console(out=True).print(description)
    if write is not None:
        line(f"wrote {write}: use it with --prepare {write}")


def _takes(parameter: inspect.Parameter) -> bool:
    return parameter.name in (*TableOptions.model_fields, *FILES.values(), "write", "as_json")


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_OPTIONS = [
    each
    for each in parameters([_option("write", Write, None), _option("as_json", AsJson, False)])
    if _takes(each)
]
describe.__signature__ = inspect.Signature(_OPTIONS)  # pyright: ignore[reportFunctionMemberAccess]
describe.__annotations__ = {each.name: each.annotation for each in _OPTIONS}
