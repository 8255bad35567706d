"""``steepest landscape``: the training loss around a run, or between two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.flags import completion
from steepest.cli.networks import NetworkArm, NetworkSeed, OpenPage, OwnLoss, OwnModel, OwnSource
from steepest.cli.output import line, open_page
from steepest.landscape import POINTS, ROWS


def landscape(
    folder: Annotated[Path, typer.Argument(help="Folder of a comparison, or of a network.", metavar="RUN")],
    arm: NetworkArm = None,
    seed: NetworkSeed = None,
    to: Annotated[
        Path | None, typer.Option(help="Another run: the loss on the line to it.", metavar="RUN")
    ] = None,
    to_arm: Annotated[
        str | None, typer.Option(help="Arm of the other run (without --to, of the same folder).", metavar="NAME")
    ] = None,
    to_seed: Annotated[
        int | None, typer.Option(help="Run seed of the other run.", metavar="NUMBER")
    ] = None,
    plane: Annotated[
        str | None,
        typer.Option(
            help="Directions: filter, gradient, pca (of a path that --keep-path kept), or two parameters by "
            "'parameters(\"NAME[i]\", \"NAME[j]\")'; with a third, the kept path in the three, coloured by step "
            "(default: filter; of a network with two parameters, these).",
            metavar="NAME", autocompletion=completion("planes"),
        ),
    ] = None,
    points: Annotated[
        int, typer.Option(help="Points of each side; an odd number has the run itself in the middle.", metavar="NUMBER")
    ] = POINTS,
    span: Annotated[
        float | None,
        typer.Option(
            help="How far to each side (default: 1, along a gradient 0.25); of a line, beyond its two runs (default: "
            "0.25).",
            metavar="NUMBER",
        ),
    ] = None,
    rows: Annotated[
        int, typer.Option(help="Rows that the loss is of; of more, a sample by the split seed.", metavar="NUMBER")
    ] = ROWS,
    part: Annotated[
        str, typer.Option(help="Which rows.", metavar="train|validation|test")
    ] = "train",
    statistics: Annotated[
        str | None,
        typer.Option(
            help="Of batch norm: as the run has them at every point, between those of two runs, or estimated anew at "
            "every point (default: held; on a line interpolated).",
            metavar="held|interpolated|estimated",
        ),
    ] = None,
    direction_seed: Annotated[int, typer.Option(help="Seed of random directions.", metavar="NUMBER")] = 0,
    model: OwnModel = None,
    own_source: OwnSource = None,
    loss: OwnLoss = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="File to write: .html, .png, .svg, .pdf; .csv, .parquet or .json for the numbers; repeatable "
            "(default: landscape.html in the folder of the comparison).",
            metavar="FILE",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print the numbers as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar="", help="Print only the result.")
    ] = False,
    open_: OpenPage = False,
) -> None:  # fmt: skip
    """Draw the training loss around a run's weights, over a plane; or on the line between two runs.

    The loss is the training loss on the labels, without penalties or a teacher's part, in evaluation mode. Losses are
    kept in the folder while they are measured: the same command goes on where an interrupted one ended.
    """
    from steepest.landscape.entry import landscape as made
    from steepest.landscape.making import Landscape, default_page
    from steepest.landscape.saving import PAGES, check_form
    from steepest.sweep.observer import Observer

    for path in out or []:
        check_form(path)
    found = made(
        folder, arm=arm, seed=seed, to=to, to_arm=to_arm, to_seed=to_seed, plane=plane, points=points, span=span,
        rows=rows, part=part, statistics=statistics,  # pyright: ignore[reportArgumentType]
        direction_seed=direction_seed, model=model, source=own_source, loss=loss,
        observer=Observer() if quiet or as_json else None,
    )  # fmt: skip
    written = found.save(*(out or [default_page(folder)]))
    if as_json:
        line(json.dumps(found.as_json(), indent=1, ensure_ascii=False, allow_nan=False), out=True)
    else:
        line(found.sentence, out=True)
        for each in found.lines:
            line(f"  {each}", out=True)
    for path in written:
        line(f"{'slice' if isinstance(found, Landscape) else 'path':<8} {path}", out=not as_json)
    if open_:
        open_page(next((path for path in written if path.suffix.lower() in PAGES), written[0]))
