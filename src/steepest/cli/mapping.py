"""``steepest map``: what a network has learned, as points in the plane."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.flags import completion
from steepest.cli.networks import NetworkArm, OpenPage, OwnModel, OwnSource
from steepest.cli.output import line, open_page


def map_(
    source: Annotated[
        str, typer.Argument(help="Folder of a comparison or of a network; or data without one.", metavar="SOURCE")
    ],
    of: Annotated[
        str | None,
        typer.Option(
            help="Field whose vectors are mapped: a categorical column; of ratings also user or item.", metavar="FIELD"
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(help="Layer whose activations are mapped (default: the last hidden one).", metavar="NAME"),
    ] = None,
    projection: Annotated[
        str,
        typer.Option(
            "--projection", "-p", help="pca, tsne, umap, or with options: 'tsne(perplexity=50)'.", metavar="NAME",
            autocompletion=completion("projections"),
        ),
    ] = "pca",
    rows: Annotated[
        str | None,
        typer.Option(
            help="Rows that are mapped (default: test; of data without a network, all).",
            metavar="test|validation|train|all",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="New rows instead of those of the comparison.", metavar="FILE")
    ] = None,
    colour: Annotated[
        str | None,
        typer.Option(
            "--colour", "--color", metavar="COLUMN",
            help="Column by whose values points are coloured (default: the target), or predicted.",
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            help="Points at most; of more rows some are drawn at random (default: 5,000; of t-SNE 2,000).",
            metavar="NUMBER",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the drawing and the projection.", metavar="NUMBER")] = 0,
    target: Annotated[
        str | None, typer.Option(help="Of data without a network: its target.", metavar="COLUMN")
    ] = None,
    arm: NetworkArm = None,
    model: OwnModel = None,
    own_source: OwnSource = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .html for a page; .csv, .parquet or .feather for places and vectors "
            "(default: map.html in the folder of the comparison).",
            metavar="FILE",
        ),
    ] = None,
    open_: OpenPage = False,
) -> None:  # fmt: skip
    """Map what a network has learned: activations of a layer, or vectors of categories, as points in the plane.

    By default the last hidden layer's activations for the test rows, coloured by the target; of ratings the items,
    coloured by genre where the titles have genres. It states how much of the vectors the map shows.
    """
    from steepest.files import check_apart
    from steepest.mapping.making import PAGES, check_out, make_map
    from steepest.mapping.opened import is_run, run_of

    if out is not None:
        check_out(out)
        check_apart(out, source if data is None else data)
    found = make_map(
        source, of=of, layer=layer, projection=projection, rows=rows, data=data, colour=colour, points=points,
        seed=seed, arm=arm, model=model, own_source=own_source, target=target,
    )  # fmt: skip
    path = found.write(out or (run_of(source) if is_run(source) else Path()) / "map.html")
    line(found.sentence, out=True)
    for each in found.lines:
        line(f"  {each}", out=True)
    line(f"map      {path}", out=True)
    if open_ and path.suffix.lower() in PAGES:
        open_page(path)
