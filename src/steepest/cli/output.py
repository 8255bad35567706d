"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from steepest.errors import OptionError
from steepest.interrupts import always_raise


def console(*, out: bool = False) -> Console:
    """Return a console for results (``out``) or for messages."""
    return Console(stderr=not out, emoji=False)


def line(text: str, *, out: bool = False, style: str | None = None) -> None:
    """Print one line as it is, never wrapped."""
    console(out=out).print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def complain(fact: str, hint: str) -> int:
    """Print an error with its cure and return the exit status."""
    target = console()
    target.print(Text.assemble(("error: ", "bold red"), fact), soft_wrap=True)
    target.print(Text.assemble(("Hint: ", "bold"), hint), soft_wrap=True)
    return 2


def show(
    work: Callable[[Any], Any],
    out: Path,
    *,
    verbose: bool = False,
    quiet: bool = False,
    as_json: bool = False,
    open_: bool = False,
) -> None:
    """Make a comparison with a progress bar and print its result; exit with 1 if no run finished.

    Args:
        work: makes the comparison, given an observer.
        out: its folder, named after an interrupt.
        verbose: a line for each run.
        quiet: no progress and no notes.
        as_json: the result as JSON.
        open_: open the report in the browser.
    """
    if quiet and verbose:
        raise OptionError("--quiet and --verbose exclude each other", hint="leave one of the two out.")

    from steepest.report.console import ProgressObserver
    from steepest.sweep.observer import Observer

    always_raise()
    try:
        if quiet:
            result = work(Observer())
        else:
            with ProgressObserver(verbose=verbose) as observer:
                result = work(observer)
    except KeyboardInterrupt:
        if (out / "experiment.toml").is_file():
            from steepest.record.store import command

            line(f"interrupted; finished runs are kept. To continue: {command('resume', out)}")
            raise typer.Exit(130) from None
        raise
    print_result(result, as_json=as_json)
    if open_:
        open_page(result.report)
    if not any(_finished(row, result.comparison.metric) for row in result.comparison.rows):
        raise typer.Exit(1)


def _finished(row: Any, metric: str) -> bool:
    return row.kind == "arm" and math.isfinite(row.metrics[metric].mean)


def print_result(result: Any, report: Path | None = None, *, as_json: bool = False) -> None:
    """Print a finished comparison."""
    from steepest.report.usage import commands

    if as_json:
        line(result.comparison.model_dump_json(indent=1), out=True)
        return
    console(out=True).print(result)
    line(f"report   {report or result.report}", out=True)
    for each in commands(result.comparison):
        line(each, out=True)


def made(planned: Any, out: Path | None, again: str, *, quiet: bool, verbose: bool) -> Any:
    """Return what a plan of several comparisons gives, made with a progress bar.

    Args:
        planned: a study or a suite.
        out: its folder, or None for its own.
        again: what goes on with it after an interruption.
        quiet, verbose: how much is shown.
    """
    from steepest.interrupts import always_raise
    from steepest.report.console import ProgressObserver
    from steepest.sweep.observer import Observer

    always_raise()
    try:
        if quiet:
            return planned.run(out, observer=Observer())
        with ProgressObserver(verbose=verbose) as observer:
            return planned.run(out, observer=observer)
    except KeyboardInterrupt:
        line(f"interrupted; finished runs are kept. To continue: {again}")
        raise typer.Exit(130) from None


def warn_of_outdated(folder: Path) -> None:
    """Say it where a comparison, or that of a model, was asked for something else since it had its results."""
    from steepest.record.current import warning_of
    from steepest.record.store import Folder

    try:
        whole = (folder / "experiment.toml").is_file()
        said = warning_of(Folder(folder) if whole else Folder.of_model(folder))
    except OSError:  # such as of an impossible name: what cannot be read is told by what reads it
        return
    if said:
        line(f"warning: {said}", style="yellow")


def open_page(path: Path) -> None:
    """Open a page in the browser, or say that there is none."""
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        line(f"no browser could be opened here: open {path} yourself", style="yellow")


def dry_run(plan: Any, out: Path | None, *, quiet: bool, as_json: bool) -> None:
    """Print what a comparison would do."""
    from steepest.report.console import ProgressObserver, hanging
    from steepest.sweep.observer import Observer

    if quiet:
        text = plan.preview(out, observer=Observer())
    else:
        with ProgressObserver() as observer:
            text = plan.preview(out, observer=observer)
    if as_json:
        facts = (each.partition(" ") for each in text.splitlines())
        line(
            json.dumps({name: value.strip() for name, _, value in facts}, indent=1, ensure_ascii=False),
            out=True,
        )
        return
    target = console(out=True)
    for each in text.splitlines():
        line(hanging(each, target, 7), out=True)


def print_model(plan: Any) -> None:
    """Print the network and its number of parameters."""
    from steepest.data.variants import ALL, NONE
    from steepest.experiment.data import variant_of
    from steepest.models import build_model, count_parameters

    variant = variant_of(plan.table, ALL, NONE, "", plan.experiment.model.numbers)
    data = plan.table.dataset() if variant.is_neutral else plan.table.vary(variant)[0]
    net = build_model(str(plan.experiment.model.spec), data.shape)
    line(str(net))
    line(f"{count_parameters(net):,} parameters")
