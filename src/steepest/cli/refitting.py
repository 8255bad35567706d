"""``steepest refit``: the chosen way of training, once more on all rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.cli import output
from steepest.cli.compressing import Quiet, Run
from steepest.cli.networks import NetworkArm


def refit(
    folder: Run,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the network (default: FOLDER-refit).", metavar="FOLDER")
    ] = None,
    arm: NetworkArm = None,
    test_rows: Annotated[
        bool, typer.Option("--test-rows", metavar="", help="Train on the test rows, too.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train the best network of a comparison anew on its training and validation rows, as it was tuned.

    It trains for as many epochs as were best on the validation rows. There is no result on new rows: that of
    the comparison is the estimate. `steepest predict` and `steepest export` take the folder; an interrupted refit
    goes on with `steepest resume`.
    """
    from steepest.refitting import refit as again

    place = out or folder.with_name(f"{folder.name}-refit")
    output.show(
        lambda observer: again(folder, place, arm=arm, test_rows=test_rows, observer=observer),
        place,
        quiet=quiet,
    )
