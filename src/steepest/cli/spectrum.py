"""``steepest spectrum``: curvature, gradient noise and steps along the path of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.output import console, line


def spectrum(
    folder: Annotated[Path, typer.Argument(help="Folder of a comparison.", metavar="RUN")],
    arm: Annotated[
        str | None, typer.Option(help="Name, label or id of an arm, for its network.", metavar="NAME")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Run seed (default: that whose weights are kept).", metavar="NUMBER")
    ] = None,
    rows: Annotated[
        int, typer.Option(help="Training rows that it is of; of more, a sample by the split seed.", metavar="NUMBER")
    ] = 1_024,
    points: Annotated[
        int | None, typer.Option(help="Kept points at most, evenly spaced (default: all).", metavar="NUMBER")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Your own model, if the comparison used one.", metavar="NAME")
    ] = None,
    own_source: Annotated[
        str | None, typer.Option("--source", help="Your own source, if it opened the data.", metavar="NAME")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="Your own training loss, if the run had one.", metavar="NAME")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Table to write: .csv, .parquet, .feather or .arrow.", metavar="FILE"),
    ] = None,
) -> None:  # fmt: skip
    """Show how curvature, gradient noise and the direction of steps change along the kept path of a run.

    Of the Hessian and the Gauss-Newton matrix of the training loss the largest eigenvalues, the trace, and beside them
    the largest eigenvalue that the optimizer bears. The run has to have kept its path (compare --keep-path 50).
    """
    from steepest.files import check_apart
    from steepest.prediction.writing import writing_tables
    from steepest.spectra.along import make_spectrum
    from steepest.spectra.told import table

    if out is not None:
        check_apart(out, folder)
    found = make_spectrum(
        folder, arm=arm, seed=seed, rows=rows, points=points, model=model, source=own_source, loss=loss
    )
    line(found.sentence, out=True)
    for each in found.lines:
        line(f"  {each}", out=True)
    console(out=True).print(table(found))
    if out is not None:
        with writing_tables(out) as write:
            write(found.frame)
        line(f"spectrum {out}", out=True)
