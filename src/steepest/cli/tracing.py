"""``steepest trace``: every number of the first steps of an optimizer, on the terminal and as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steepest.cli.flags import completion
from steepest.cli.output import console, line
from steepest.tracing import DIFFERENCE, STEPS

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

MOST_ROWS = 20
"""Steps that the terminal shows; of more it shows the first and the last."""
DIGITS = 5


def trace(
    optimizer: Annotated[
        str,
        typer.Argument(
            help="An optimizer: adam, 'adam(lr=0.1)', mine.py:MyOpt, torch:Adamax.",
            autocompletion=completion("optimizers"),
        ),
    ],
    problem: Annotated[
        str,
        typer.Option(
            "--problem", "-p", metavar="NAME", help="A small problem: steepest list problems, or mine.py:Valley.",
            autocompletion=completion("problems"),
        ),
    ] = "line",
    steps: Annotated[int, typer.Option(help="Number of steps.", metavar="NUMBER")] = STEPS,
    schedule: Annotated[
        str,
        typer.Option(
            help="Learning rate schedule over these steps.", metavar="NAME", autocompletion=completion("schedules")
        ),
    ] = "constant",
    difference: Annotated[
        float,
        typer.Option(help="Change of a parameter for the estimated gradient.", metavar="NUMBER"),
    ] = DIFFERENCE,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .csv, .parquet or .feather.", metavar="FILE")
    ] = None,
) -> None:  # fmt: skip
    """Show every number of an optimizer's first steps on a small problem: parameters, gradients, state, coefficients.

    Beside each gradient by the chain rule (de/da) stands its estimate by finite differences. --out writes all columns
    with all digits.
    """
    from steepest.prediction.writing import check_place, writing_tables
    from steepest.tracing.table import trace as traced

    if out is not None:
        check_place(out, "a trace")
    frame = traced(optimizer, problem, steps=steps, schedule=schedule, difference=difference)
    show(frame)
    if out is not None:
        with writing_tables(out) as write:
            write(frame)
        line(f"wrote {out}", out=True)


def show(frame: pl.DataFrame) -> None:
    """Print a trace, a few columns at a time, and what is the same in all steps in one line."""
    target = console(out=True)
    fixed = [
        name for name in frame.columns if name.startswith("coefficient ") and frame[name].n_unique() == 1
    ]
    names = [name for name in frame.columns if name not in fixed]
    for some in _blocks(frame, names, target.width):
        target.print(_table(frame, some))
        target.print()
    if fixed:
        values = (f"{name.partition(' ')[2]} {_text(frame[name][0])}" for name in fixed)
        line(f"coefficients of all steps: {', '.join(values)}", out=True)
    loss = frame["loss"]
    if not loss.is_finite().all() or loss[-1] > 1e3 * loss[0]:
        line("the loss grows without end: give a lower learning rate, such as 'sgd(lr=1e-4)'", style="yellow")


def _blocks(frame: pl.DataFrame, names: list[str], width: int) -> list[list[str]]:
    """Return groups of columns that are as wide as the terminal, each with the step first."""
    first, *rest = names
    blocks: list[list[str]] = []
    room = 0
    for name in rest:
        needs = _width(frame, name) + 2
        if needs > room:
            blocks.append([first])
            room = width - _width(frame, first)
        blocks[-1].append(name)
        room -= needs
    return blocks


def _head(name: str) -> str:
    return "\n".join(name.rsplit(" ", 1))


def _width(frame: pl.DataFrame, name: str) -> int:
    cells = [_text(value) for value in frame[name]]
    return max(len(each) for each in [*_head(name).split("\n"), *cells])


def _table(frame: pl.DataFrame, names: list[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(_head(name), justify="right", no_wrap=True, vertical="bottom")
    rows = [[_text(value) for value in row] for row in frame.select(names).rows()]
    if len(rows) > MOST_ROWS:
        half = MOST_ROWS // 2
        rows = [*rows[:half], ["…"] * len(names), *rows[-half:]]
    for row in rows:
        table.add_row(*row)
    return table


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}g}"
