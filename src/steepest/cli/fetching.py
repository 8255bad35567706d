"""``steepest fetch``, and the progress of downloads on the terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any

import typer

from steepest.cli.flags import completion
from steepest.cli.output import console, line
from steepest.data.watched import downloads


def fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Names of data sets: steepest list datasets.", metavar="NAME...", autocompletion=completion("datasets")
        ),
    ],
) -> None:  # fmt: skip
    """Get the files of data sets of the catalog, check them and print where they are.

    A download that was interrupted is taken up again. Files that you have are looked for in the folder that the
    environment variable STEEPEST_DATA names.
    """
    from steepest.data.catalog import SOURCES, locate

    for name in names:
        SOURCES.entry(name)  # a wrong name before anything long
    for name in names:
        for path in locate(name):
            line(f"{name:<12} {path}  {_size(path)}", out=True)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB, checked" if path.is_file() else "a folder, not checked"


@contextlib.contextmanager
def downloads_shown() -> Generator[None]:
    """Show how far downloads inside the block are: a bar on a terminal, else a line for each file."""
    bars: dict[str, Any] = {}
    shown: list[Any] = []

    def report(name: str, done: int, size: int) -> None:
        if not shown:
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            target = console()
            text = TextColumn("{task.description}", markup=False)
            columns = (text, BarColumn(24), DownloadColumn(), TransferSpeedColumn())
            shown.append(Progress(*columns, console=target, transient=True, disable=not target.is_terminal))
            shown[0].start()
        if name not in bars:
            if not shown[0].console.is_terminal:
                line(f"downloading {name}{f' ({size / 1e6:.1f} MB)' if size else ''}")
            bars[name] = shown[0].add_task(name, total=size or None)
        shown[0].update(bars[name], completed=done, total=size or None)

    token = downloads.set(report)
    try:
        yield
    finally:
        downloads.reset(token)
        for each in shown:
            each.stop()
