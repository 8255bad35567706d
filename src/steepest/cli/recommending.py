"""``steepest recommend`` and ``steepest similar``: what a model of ratings says."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from steepest.cli.networks import NetworkArm, OwnModel
from steepest.cli.output import console, line
from steepest.recommending import LEAST_RATINGS, MEASURE, TOP

if TYPE_CHECKING:
    import polars as pl

RunFolder = Annotated[
    Path, typer.Argument(help="Folder of a comparison of ratings, or of one of its models.", metavar="FOLDER")
]


def _shared(
    top: Annotated[int, typer.Option("--top", help="How many.", metavar="NUMBER")] = TOP,
    min_ratings: Annotated[
        int, typer.Option(help="How many ratings those in the list must have.", metavar="NUMBER")
    ] = LEAST_RATINGS,
    arm: NetworkArm = None,
    model: OwnModel = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .csv, .parquet or .feather.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print the list as JSON.")] = False,
) -> None:
    """The options of every list."""


def _listing(command: Callable[..., Any]) -> Callable[..., None]:
    """Return a command with the options of every list beside its own, which shows and writes what it returns."""
    own, shared = inspect.signature(command).parameters, inspect.signature(_shared).parameters
    hints = {**get_type_hints(command, include_extras=True), **get_type_hints(_shared, include_extras=True)}

    @functools.wraps(command)
    def run(out: Path | None, as_json: bool, **options: Any) -> None:
        if out is not None:
            from steepest.prediction.writing import check_place

            check_place(out, "a list")
        _show(command(**options), out, as_json=as_json)

    options = [
        each.replace(annotation=hints[each.name])
        for each in (*own.values(), *shared.values())
        if each.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    run.__signature__ = inspect.Signature(options)  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = {each.name: each.annotation for each in options}
    return run


@_listing
def recommend(
    folder: RunFolder,
    user: Annotated[
        str | None,
        typer.Option(help="Id of a user; without it, items are those for a new user.", metavar="ID"),
    ] = None,
    lowest: Annotated[
        bool, typer.Option("--lowest", metavar="", help="List the lowest predicted ratings instead.")
    ] = False,
    **shared: Any,
) -> Any:
    """List the items with the highest predicted ratings by a user, without those that the user has rated.

    An item's bias is shown as "liked beyond taste": how much it is liked whatever a user's taste is.
    """
    from steepest.recommending.lists import recommend as listed

    return listed(folder, user, lowest=lowest, **shared)


@_listing
def similar(
    folder: RunFolder,
    item: Annotated[
        str | None, typer.Option(help="Id of an item, its title, or a part of one title.", metavar="TEXT")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Id of a user, instead of an item.", metavar="ID")] = None,
    measure: Annotated[
        str,
        typer.Option(help="How vectors are compared: cosine, distance or product.", metavar="NAME"),
    ] = MEASURE,
    **shared: Any,
) -> Any:
    """List the items, or the users, that the network has learned to be most like one."""
    from steepest.recommending.lists import similar as listed

    return listed(folder, item=item, user=user, measure=measure, **shared)


def _show(found: pl.DataFrame, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        line(json.dumps(found.to_dicts(), indent=1, ensure_ascii=False), out=True)
    else:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name, dtype in found.schema.items():
            table.add_column(Text(name), justify="right" if dtype.is_numeric() else "left")
        for row in found.iter_rows():
            table.add_row(*(Text(_text(value)) for value in row))
        console(out=True).print(table)
    if out is not None:
        from steepest.prediction.writing import writing_tables

        with writing_tables(out) as write:
            write(found)
        line(f"wrote {out}", out=not as_json)


def _text(value: object) -> str:
    if value is None:
        return ""
    return (
        f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
