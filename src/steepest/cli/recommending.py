"""``steepest recommend`` and ``steepest similar``: what a model of ratings says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steepest.cli.output import console, line

if TYPE_CHECKING:
    import polars as pl

RunFolder = Annotated[
    Path, typer.Argument(help="Folder of a comparison of ratings, or of one of its models.", metavar="FOLDER")
]
Top = Annotated[int, typer.Option("--top", help="How many.", metavar="NUMBER")]
MinRatings = Annotated[
    int, typer.Option(help="How many ratings those in the list must have.", metavar="NUMBER")
]
OneArm = Annotated[
    str | None, typer.Option("--arm", help="Name, label or id of an arm, for its network.", metavar="NAME")
]
OwnModel = Annotated[
    str | None, typer.Option("--model", help="Your own model, if the comparison used one.", metavar="NAME")
]
Out = Annotated[Path | None, typer.Option(help="File to write: .csv, .parquet or .feather.", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print the list as JSON.")]


def recommend(
    folder: RunFolder,
    user: Annotated[
        str | None,
        typer.Option(help="Id of a user; without it, items are those for a new user.", metavar="ID"),
    ] = None,
    top: Top = 10,
    lowest: Annotated[
        bool, typer.Option("--lowest", metavar="", help="List the lowest predicted ratings instead.")
    ] = False,
    min_ratings: MinRatings = 1,
    arm: OneArm = None,
    model: OwnModel = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """List the items with the highest predicted ratings by a user, without those that the user has rated.

    An item's bias is shown as "liked beyond taste": how much it is liked whatever a user's taste is.
    """
    _check(out)
    from steepest.recommending.lists import recommend as listed

    found = listed(folder, user, top=top, lowest=lowest, min_ratings=min_ratings, arm=arm, model=model)
    _show(found, out, as_json=as_json)


def similar(
    folder: RunFolder,
    item: Annotated[
        str | None, typer.Option(help="Id of an item, its title, or a part of one title.", metavar="TEXT")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Id of a user, instead of an item.", metavar="ID")] = None,
    top: Top = 10,
    measure: Annotated[
        str,
        typer.Option(help="How vectors are compared: cosine, distance or product.", metavar="NAME"),
    ] = "cosine",
    min_ratings: MinRatings = 1,
    arm: OneArm = None,
    model: OwnModel = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """List the items, or the users, that the network has learned to be most like one."""
    _check(out)
    from steepest.recommending.lists import similar as listed

    found = listed(
        folder, item=item, user=user, top=top, measure=measure, min_ratings=min_ratings, arm=arm, model=model
    )
    _show(found, out, as_json=as_json)


def _check(out: Path | None) -> None:
    if out is not None:
        from steepest.prediction.writing import check_place

        check_place(out, "a list")


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
