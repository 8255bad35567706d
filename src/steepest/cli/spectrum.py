"""``steepest spectrum``: curvature, gradient noise and steps along the path of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.networks import NetworkArm, NetworkSeed, OpenPage, OwnLoss, OwnModel, OwnSource
from steepest.cli.output import console, line, open_page
from steepest.spectra import ROWS


def spectrum(
    folder: Annotated[Path, typer.Argument(help="Folder of a comparison.", metavar="RUN")],
    arm: NetworkArm = None,
    seed: NetworkSeed = None,
    rows: Annotated[
        int, typer.Option(help="Training rows that it is of; of more, a sample by the split seed.", metavar="NUMBER")
    ] = ROWS,
    points: Annotated[
        int | None, typer.Option(help="Kept points at most, evenly spaced (default: all).", metavar="NUMBER")
    ] = None,
    density: Annotated[
        list[int] | None,
        typer.Option(
            help="Step at whose nearest kept point the density of all eigenvalues is drawn, too; repeatable.",
            metavar="STEP", min=0,
        ),
    ] = None,
    model: OwnModel = None,
    own_source: OwnSource = None,
    loss: OwnLoss = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="File to write: .html, .png, .svg, .pdf; .csv, .parquet, .feather or .arrow for the numbers; "
            "repeatable (default: spectrum.html in the folder of the comparison).",
            metavar="FILE",
        ),
    ] = None,
    open_: OpenPage = False,
) -> None:  # fmt: skip
    """Show how curvature, gradient noise and the direction of steps change along the kept path of a run.

    Of the Hessian and the Gauss-Newton matrix of the training loss the largest eigenvalues, the trace, and beside them
    the largest eigenvalue that the optimizer bears. The run has to have kept its path (compare --keep-path 50).
    """
    from steepest.landscape.making import default_page
    from steepest.landscape.saving import PAGES
    from steepest.spectra.along import make_spectrum
    from steepest.spectra.saving import PAGE, check_forms, save
    from steepest.spectra.told import table

    check_forms(out or [])
    found = make_spectrum(
        folder, arm=arm, seed=seed, rows=rows, points=points, densities=density or (), model=model,
        source=own_source, loss=loss,
    )  # fmt: skip
    line(found.sentence, out=True)
    for each in found.lines:
        line(f"  {each}", out=True)
    console(out=True).print(table(found))
    written = save(found, *(out or [default_page(folder, PAGE)]))
    for path in written:
        line(f"spectrum {path}", out=True)
    if open_:
        open_page(next((path for path in written if path.suffix.lower() in PAGES), written[0]))
