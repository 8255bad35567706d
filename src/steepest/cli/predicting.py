"""``steepest predict``: new rows by a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.output import line, warn_of_outdated
from steepest.interrupts import always_raise
from steepest.wording import counted

OwnModel = Annotated[
    str | None,
    typer.Option(
        "--model", help="Your own model, as nets.py:MyNet, if the comparison used one.", metavar="NAME"
    ),
]
OwnSource = Annotated[
    str | None,
    typer.Option(
        "--source", help="Your own source, as mine.py:Arrays, if it opened the data.", metavar="NAME"
    ),
]
OneArm = Annotated[
    str | None,
    typer.Option(
        "--arm",
        help="Name, label or id of an arm, for its network instead of the recommended model.",
        metavar="NAME",
    ),
]


def predict(
    folder: Annotated[
        Path, typer.Argument(help="Folder of a comparison, or of one of its models.", metavar="FOLDER")
    ],
    rows: Annotated[
        str,
        typer.Argument(
            help="New rows: a table (CSV, TSV, Parquet or Feather); of images a folder, a .zip or an .npz file; what "
            "your own source opens; or the name of a data set, of which its official test rows are predicted if it "
            "has some.",
            metavar="FILE",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="File to write: .parquet, .csv or .feather.", metavar="FILE")
    ] = Path("predictions.csv"),
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Columns of the rows to carry into the file, such as an ID.", metavar="LIST"),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            metavar="",
            help="Scale probabilities by the temperature that was fitted on the validation rows; classes stay.",
        ),
    ] = False,
    stride: Annotated[
        int | None,
        typer.Option(
            help="Of a text: score it in windows that begin so many tokens apart (default: as in the comparison).",
            metavar="NUMBER",
        ),
    ] = None,
    arm: OneArm = None,
    model: OwnModel = None,
    source: OwnSource = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", metavar="", help="Print only the result.", rich_help_panel="Output"),
    ] = False,
) -> None:
    """Predict new rows with the model that a comparison recommends, or with one of its models.

    Where the rows have the target, the predictions are scored.
    """
    from steepest.prediction.writing import check_place

    check_place(out)
    from steepest.api import load
    from steepest.report.scores import score_lines

    loaded = load(folder, model=model, arm=arm, source=source)
    loaded = loaded.calibrated() if calibrate else loaded
    loaded = loaded if stride is None else loaded.with_stride(stride)
    names = [name.strip() for each in keep or [] for name in each.split(",") if name.strip()]
    if not quiet:
        warn_of_outdated(folder)
    always_raise()
    found = loaded.write_predictions(rows, out, keep=names)
    if not quiet:
        for note in found.notes:
            line(f"  {note}", style="dim")
        for each in found.warnings:
            line(f"  {each}", style="yellow")
        if found.left_out:
            many = counted(found.left_out, "row was", "rows were")
            line(f"  {many} left out by the preparation and not predicted")
    for each in score_lines(found.scores) if found.scores else ():
        line(each, out=True)
    if not quiet:
        at = f" at temperature {loaded.temperature:.3g}" if calibrate else ""
        line(f"{counted(found.rows, 'prediction')} in {out}, by {loaded.title}{at}")
