"""``steepest show``: a page of images, or of what a comparison predicts for its test images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steepest.cli import output
from steepest.cli.output import line

Names = Annotated[
    list[str] | None,
    typer.Option("--class", help="Only images of this class; repeatable.", metavar="NAME"),
]


def show(
    source: Annotated[
        str,
        typer.Argument(
            help="Images (a folder, .zip, .npz, idx file or the name of a data set), or the folder of a comparison.",
            metavar="SOURCE",
        ),
    ],
    rows: Annotated[int | None, typer.Option(help="How many images.", metavar="INTEGER")] = None,
    classes: Names = None,
    image: Annotated[
        str | None,
        typer.Option(
            help="Enlarge an image and write its pixel values in: its number, from 0, or its file.", metavar="NUMBER"
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(help="Where images come in parts: train, validation or test.", metavar="NAME"),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Resize the images, such as 32 or 48x32 (width, height).", metavar="TEXT")
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option("--arm", help="Name, label or id of an arm of a comparison, for its network.", metavar="NAME"),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Your own model, if the comparison used one.", metavar="NAME")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "--output", help="Page to write (default: NAME-images.html; of a comparison FOLDER/images.html).",
            metavar="FILE",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", metavar="", help="Open the page in the browser.")] = False,
) -> None:  # fmt: skip
    """Show images with their labels, or a comparison's test images with what is predicted, the wrong ones first.

    The page has a choice of class; --image 17 writes the pixel values of an image in, like a spreadsheet.
    """
    from steepest.showing import show as page_of

    many = {} if rows is None else {"rows": rows}
    path = page_of(
        source, out, **many, classes=classes or (), image=image, part=part, size=size, arm=arm, model=model
    )
    line(f"page     {path}", out=True)
    if open_:
        output.open_page(path)
