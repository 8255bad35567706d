"""Options of the commands that open a network of a finished comparison."""

from __future__ import annotations

from typing import Annotated

import typer

NetworkArm = Annotated[
    str | None, typer.Option("--arm", help="Name, label or id of an arm, for its network.", metavar="NAME")
]
NetworkSeed = Annotated[
    int | None,
    typer.Option("--seed", help="Run seed (default: that whose weights are kept).", metavar="NUMBER"),
]
OwnModel = Annotated[
    str | None, typer.Option("--model", help="Your own model, if the comparison used one.", metavar="NAME")
]
OwnSource = Annotated[
    str | None, typer.Option("--source", help="Your own source, if it opened the data.", metavar="NAME")
]
OwnLoss = Annotated[
    str | None, typer.Option("--loss", help="Your own training loss, if the run had one.", metavar="NAME")
]
OpenPage = Annotated[bool, typer.Option("--open", metavar="", help="Open the page in the browser.")]
