"""``steepest lr-find``: a range test of the learning rate for each arm, on the terminal and as a picture."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from steepest.cli import output
from steepest.cli.flags import RANGE_TEST, parameters
from steepest.cli.output import console, line
from steepest.cli.planning import EXPERIMENTS, finding_code, planned
from steepest.range_test import unused
from steepest.train.range_test import START, STEPS, STOP

PICTURE = "lr-find.html"


def lr_find(source: str, optimizers: list[str] | None, start: float, stop: float, steps: int,
            out: list[Path] | None, as_json: bool, open_: bool, quiet: bool, **flags: Any) -> None:  # fmt: skip
    """Run a range test for each arm, print what it suggests, and draw it."""
    from steepest.range_test.find import check_form, tests_of
    from steepest.report.console import ProgressObserver
    from steepest.sweep.observer import Observer
    from steepest.train.range_test import geometric

    paths = out or [Path(PICTURE)]
    for path in paths:
        check_form(path)
    rates = geometric(start, stop, steps)
    file = Path(source).suffix in EXPERIMENTS
    with finding_code(source):
        plan = planned(
            source, optimizers or (None if file else ["adam"]), {**flags, **dict.fromkeys(unused())}
        )
        if quiet or as_json:
            found = tests_of(plan, rates, Observer())
        else:
            with ProgressObserver() as observer:
                found = tests_of(plan, rates, observer)
    if as_json:
        line(json.dumps(found.as_json(), indent=1, ensure_ascii=False, allow_nan=False), out=True)
    else:
        console(out=True).print(found, markup=False, highlight=False)
    for path in found.save(*paths):
        line(f"picture  {path}", out=not as_json)
    if open_:
        output.open_page(next((path for path in paths if path.suffix == ".html"), paths[0]))


def _option(name: str, annotation: Any, default: Any = False) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _typed(kind: Any, *names: str, help: str, metavar: str = "", panel: str = RANGE_TEST) -> Any:
    return Annotated[kind, typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel)]


_OPTIONS = parameters(
    [
        _option("start", _typed(float, "--from", help="The lowest learning rate.", metavar="RATE"), START),
        _option("stop", _typed(float, "--to", help="The highest learning rate.", metavar="RATE"), STOP),
        _option("steps", _typed(int, "--steps", help="Steps from one to the other.", metavar="INTEGER"), STEPS),
        _option("out", _typed(list[Path] | None, "--out", "--output", metavar="FILE", panel="Output",
                help=f"Picture to write: .html, .png, .svg or .pdf; repeatable. [dim]\\[{PICTURE}][/dim]"), None),
        _option("as_json", _typed(bool, "--json", help="Print the result as JSON.", panel="Output")),
        _option("open_", _typed(bool, "--open", help="Open the picture in the browser.", panel="Output")),
        _option("quiet", _typed(bool, "--quiet", "-q", help="Print only the result.", panel="Output")),
    ],
    unused(),
)  # fmt: skip
lr_find.__signature__ = inspect.Signature(_OPTIONS)  # pyright: ignore[reportFunctionMemberAccess]
lr_find.__annotations__ = {each.name: each.annotation for each in _OPTIONS}
