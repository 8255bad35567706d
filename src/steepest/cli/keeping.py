"""``steepest list runs`` and ``steepest clean``: many comparisons in one folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steepest.cli.output import line
from steepest.errors import FolderError, OptionError
from steepest.wording import counted, memory_text

RUNS = "runs"
"""The word of ``steepest list`` for comparisons, and the folder that they are in unless another is named."""


def listed_runs(
    places: Sequence[str], *, sort: str = "", having: str = "", as_json: bool = False, width: int = 80
) -> RenderableType:
    """Return what ``steepest list runs`` prints.

    Args:
        places: the folders that are looked through.
        sort: by what, ``path`` if empty; a minus before it turns the order round.
        having: only comparisons that have each of these words in their path, title, state, study or metric, or in the
            names of their arms, optimizers, models and other factors, and of what they predict with.
        as_json: JSON text instead of a table.
        width: columns of the terminal.

    Raises:
        FolderError: a place is no folder.
        OptionError: there is no such order.
    """
    from steepest.record.inventory import look_at, run_folders

    key = _key(sort)
    where = _looked_through(places)
    found = [look_at(each) for each in run_folders(where, damaged=True, suites=True)]
    words = having.lower().split()
    found = [each for each in found if all(word in _said(each) for word in words)]
    found.sort(key=lambda each: key(each), reverse=sort.startswith("-"))
    if as_json:
        return json.dumps([_facts(each) for each in found], indent=1, ensure_ascii=False)
    if not found:
        return Text(
            f"no comparison in {', '.join(places or [RUNS])}" + (f" has {having!r}" if having else "")
        )
    return _table(found, width)


def _looked_through(places: Sequence[str]) -> list[Path]:
    """Return the folders that are looked through: those that were given, else :data:`RUNS`, which there may not be."""
    if not places and not Path(RUNS).is_dir():
        raise FolderError(
            f"there is no folder {RUNS!r} here",
            hint="no comparison was made in this folder: steepest compare DATA --target COLUMN makes one, in "
            f"{RUNS}; where --out named another folder, name that.",
        )
    return [Path(each) for each in places or [RUNS]]


ORDERS: dict[str, Callable[[Any], Any]] = {
    "path": lambda run: run.path.as_posix(),
    "date": lambda run: run.changed,
    "size": lambda run: run.size,
    "runs": lambda run: run.runs,
    "state": lambda run: (run.state, run.path.as_posix()),
    "value": lambda run: (run.metric, math.inf if run.recommended_value is None else run.recommended_value),
}


def _key(sort: str) -> Callable[[Any], Any]:
    name = sort.removeprefix("-") or "path"
    if name not in ORDERS:
        raise OptionError(
            f"--sort {sort!r} is no order", hint=f"choose one of {', '.join(ORDERS)}, or -{name} for …"
        )
    return ORDERS[name]


def _said(run: Any) -> str:
    said = [
        run.path.as_posix(),
        run.title,
        run.state,
        run.study,
        run.suite,
        run.metric,
        run.recommended,
        run.winner,
        *sorted(run.named),
    ]
    return " ".join(said).lower()


def _facts(run: Any) -> dict[str, Any]:
    return {
        "path": run.path.as_posix(),
        "state": run.state,
        "title": run.title,
        "study": run.study,
        "suite": run.suite,
        "metric": run.metric,
        "winner": run.winner,
        "value": run.value,
        "recommended": run.recommended,
        "recommended_value": run.recommended_value,
        "arms": run.arms,
        "runs": run.runs,
        "changed": datetime.fromtimestamp(run.changed).astimezone().isoformat(timespec="seconds"),
        "bytes": run.size,
    }


def _table(found: Sequence[Any], width: int) -> RenderableType:
    """Return comparisons as a table in which nothing is cut: where there is no room, folders wrap and the time goes."""
    rows = [_cells(run) for run in found]
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    widths = [max(map(len, column)) for column in zip(TITLES, *rows, strict=True)]

    def free() -> int:
        return width - 1 - sum(widths[place] + 1 for place in FIXED)

    if free() < min(widths[0], _FOLDER) + min(widths[2], _ADVICE):
        rows = [[*row[:5], row[5][:10], row[6]] for row in rows]
        widths[5] = 10
    if free() < min(widths[0], _LEAST) + min(widths[2], _LEAST):  # metrics above their values
        widths[3] = max(len(word) for row in [TITLES, *rows] for word in row[3].split() or [""])
    advice = max(min(widths[2], free() - min(widths[0], _FOLDER)), min(widths[2], _LEAST))
    widths[0] = max(min(widths[0], free() - advice), _LEAST)
    widths[2] = max(min(widths[2], free() - widths[0]), advice)
    for place, title in enumerate(TITLES):
        right = title in ("value", "runs", "size")
        table.add_column(title, justify="right" if right else "left", width=widths[place])
    for run, row in zip(found, rows, strict=True):
        cells = [Text(each, overflow="fold") for each in row]
        cells[1].stylize("" if run.state == "finished" else "yellow")
        cells[2].stylize("dim" if run.study or run.suite else "")
        table.add_row(*cells)
    suites = sum(bool(run.suite) for run in found)
    whole = counted(len(found) - suites, "comparison") + (f", {counted(suites, 'suite')}" if suites else "")
    whole += f", {memory_text(sum(run.size for run in found))}"
    return Group(table, Text(f"{whole} · steepest resume FOLDER goes on with an unfinished one", style="dim"))


TITLES = ("folder", "state", "predicts with", "value", "runs", "changed", "size")
FIXED = (1, 3, 4, 5, 6)
"""Columns that do not wrap."""
_FOLDER, _ADVICE, _LEAST = 32, 20, 9
"""Characters that folders and models have before the time of a date goes, and the least of both."""


def _cells(run: Any) -> list[str]:
    mean = run.recommended_value
    what = f"(study {run.study})" if run.study else f"(suite {run.suite})" if run.suite else run.recommended
    return [
        run.path.as_posix(),
        run.state,
        what,
        "" if mean is None else f"{run.metric} {mean:.4g}",
        "" if run.suite else str(run.runs),
        f"{datetime.fromtimestamp(run.changed):%Y-%m-%d %H:%M}",
        memory_text(run.size),
    ]


def clean(
    folders: Annotated[
        list[str] | None,
        typer.Argument(help="Folders of comparisons, or folders with such in them. [runs]", metavar="[FOLDER]..."),
    ] = None,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", metavar="", help="Also weights and rows of finished comparisons; what "
                           "needs them later makes their run again.")
    ] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", metavar="", help="Also comparisons that have no results, whole.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Delete; without it, only say what.")] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print what goes as JSON.")] = False,
) -> None:  # fmt: skip
    """Delete what comparisons do not need any more: say what, and with --yes do it. Only files of steepest go.

    Without options these are files that a killed process has left, and weights that no run starts from any more.
    """
    from steepest.record.inventory import removable, remove, run_folders
    from steepest.record.lock import locked

    places = _looked_through(folders or [])
    found = [
        each
        for path in run_folders(places)
        for each in removable(path, checkpoints=checkpoints, unfinished=unfinished)
    ]
    for each in found if yes else ():
        try:
            with locked(each.run):
                remove(each)
        except FolderError as error:
            line(f"left as it is: {error.fact}", style="yellow")
        else:
            _remove_empty(each.run)
    files, size = sum(len(each.files) for each in found), sum(each.size for each in found)
    whole = f"{counted(files, 'file')}, {memory_text(size)}"
    if as_json:
        said = [
            {"folder": each.run.as_posix(), "why": each.why, "bytes": each.size,
             "files": [file.as_posix() for file in each.files]}
            for each in found
        ]  # fmt: skip
        line(json.dumps(said, indent=1, ensure_ascii=False), out=True)
        return
    for each in found:
        line(
            f"{each.run.as_posix()}  {counted(len(each.files), 'file')}, {memory_text(each.size)}: {each.why}",
            out=True,
        )
    if not found:
        line("nothing to delete", out=True)
    elif yes:
        line(f"deleted {whole}", out=True)
    else:
        line(f"would delete {whole}; --yes deletes them", out=True)


def _remove_empty(path: Path) -> None:
    """Remove a comparison's folder whose last file is gone."""
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
