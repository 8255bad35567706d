"""``steepest suite``: an optimizer on several data sets, beside stored results, and ``steepest list suites``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from steepest.cli import output
from steepest.cli.flags import completion
from steepest.cli.output import console, line
from steepest.components.registry import Registry
from steepest.errors import OptionError


def _flag(*names: str, help: str, panel: str = "Output") -> Any:
    return typer.Option(*names, metavar="", help=help, rich_help_panel=panel)


def suite(
    name: Annotated[
        str,
        typer.Argument(
            help="A suite: steepest list suites. Or one of your own: mine.py:Mine.",
            metavar="[NAME]",
            autocompletion=completion("suites"),
        ),
    ] = "standard",
    optimizers: Annotated[
        list[str] | None,
        typer.Option(
            "--optimizers",
            "-o",
            metavar="LIST",
            help="Yours, as mine.py:MyOpt; or names and specifications such as 'adam(betas=(0.9, 0.99))'; repeatable.",
            autocompletion=completion("optimizers"),
        ),
    ] = None,
    quick: Annotated[
        bool, _flag("--quick", help="On small data sets that come with the package.", panel="Size")
    ] = False,
    sets: Annotated[
        str | None, typer.Option(help="Only some of its data sets.", metavar="LIST", rich_help_panel="Data")
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option(
            help="A data set of your own with its target, as my.csv:churned; the suite's optimizers are trained on it, "
            "too. Repeatable.",
            metavar="FILE:COLUMN",
            rich_help_panel="Data",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Run seeds of each arm; with more than are stored, all optimizers are trained here.",
            metavar="INTEGER",
            min=1,
        ),
    ] = None,
    again: Annotated[
        bool, _flag("--again", help="Train all optimizers here, whatever is stored.", panel="Data")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for all results (default: runs/suite-NAME, with -quick behind it).",
            metavar="FOLDER",
            rich_help_panel="Output",
        ),
    ] = None,
    list_: Annotated[bool, _flag("--list", help="List the suites with what they have.")] = False,
    dry_run: Annotated[
        bool,
        _flag(
            "--dry-run",
            help="Print what is trained and how long it takes here, from some timed steps; train nothing (data sets "
            "may be downloaded).",
        ),
    ] = False,
    as_json: Annotated[bool, _flag("--json", help="Print the numbers as JSON.")] = False,
    open_: Annotated[bool, _flag("--open", help="Open the page in the browser.")] = False,
    quiet: Annotated[bool, _flag("--quiet", "-q", help="Print only the result.")] = False,
    verbose: Annotated[bool, _flag("--verbose", "-v", help="Print a line for each run.")] = False,
) -> None:
    """Run your optimizer over several data sets, beside stored results of others that are not computed again.

    The same command goes on with a suite that was interrupted. Exit status: 0; 1 if an optimizer of yours failed on a
    data set; 2 for a wrong option or file.
    """
    if quiet and verbose:
        raise OptionError("--quiet and --verbose exclude each other", hint="leave one of the two out.")
    if list_:
        from steepest.suites import registry

        facts = [suite_facts(each, registry) for each in registry.names()] if as_json else []
        shown = (
            json.dumps(facts, indent=1, ensure_ascii=False)
            if as_json
            else suite_table(registry, registry.names())
        )
        console(out=True).print(shown, markup=False, highlight=False, soft_wrap=as_json)
        return
    if not optimizers:
        raise OptionError(
            "no optimizer is given",
            hint="name yours: steepest suite -o mine.py:MyOpt, or -o 'adam(betas=(0.9, 0.99))'.",
        )
    given = {"dry_run": dry_run, "as_json": as_json, "open_": open_, "verbose": verbose}
    if dry_run and any((wrong := each) != "dry_run" and on for each, on in given.items()):
        flag = {"as_json": "--json", "open_": "--open"}.get(wrong, "--verbose")
        raise OptionError(
            f"{flag} has no effect with --dry-run, which trains nothing", hint="leave one of the two out."
        )
    from steepest.components.grammar import split
    from steepest.suites import plan_suite

    names = None if sets is None else [each.strip() for each in sets.split(",") if each.strip()]
    if names == []:
        raise OptionError(f"--sets {sets!r} lists no data set", hint="leave it out for all of them.")
    planned = plan_suite(
        [part for each in optimizers for part in split(each)],
        name,
        size="quick" if quick else "default",
        sets=names,
        add=add or (),
        seeds=seeds,
        again=again,
    )
    if dry_run:
        console(out=True).print(planned.preview(out), markup=False, highlight=False, soft_wrap=True)
        return
    _made(planned, out, as_json=as_json, open_=open_, quiet=quiet, verbose=verbose)


def _made(planned: Any, out: Path | None, *, as_json: bool, open_: bool, quiet: bool, verbose: bool) -> None:
    """Make a suite with a progress bar, and print its result."""
    result = output.made(planned, out, "the same command", quiet=quiet, verbose=verbose)
    if as_json:
        line(result.results.model_dump_json(indent=1), out=True)
    else:
        console(out=True).print(result)
        line(f"report   {result.report}", out=True)
        line(f"tables   {result.path / 'table.md'}, table.tex, results.csv, contests.csv", out=True)
    if open_:
        output.open_page(result.report)
    if any(arm.mine and arm.failed for each in result.results.sets for arm in each.arms):
        raise typer.Exit(1)


def suite_facts(name: str, registry: Registry) -> dict[str, Any]:
    """Return what is to be known of a suite, ready for JSON.

    Example:
        >>> from steepest.suites import registry
        >>> facts = suite_facts("standard", registry)
        >>> facts["sets"]["quick"], len(facts["optimizers"])
        (['breast-cancer', 'digits', 'flights'], 8)
    """
    from steepest.suites.base.stored import read_stored
    from steepest.suites.base.suite import SIZES

    made, entry = registry.load(name)(), registry.entry(name)
    stored = {size: read_stored(name, made.version, size) for size in SIZES}
    return {
        "name": name,
        "what": entry.what,
        "version": made.version,
        "optimizers": list(made.optimizers),
        "seeds": made.seeds,
        "sets": {size: [each.name for each in made.sets(size)] for size in SIZES},
        "minutes": dict(entry.more["minutes"]),
        "stored": {size: None if each is None else each.made for size, each in stored.items()},
    }


def suite_table(registry: Registry, names: Sequence[str]) -> RenderableType:
    """Return the suites, each with its data sets by size, its optimizers, and what is stored."""
    lines: list[RenderableType] = []
    for name in names:
        facts = suite_facts(name, registry)
        lines.append(Text.assemble((name, "bold"), f"  {facts['what']}, version {facts['version']}"))
        lines.append(Text(f"  optimizers  {', '.join(facts['optimizers'])}; {facts['seeds']} seeds"))
        for size, sets in facts["sets"].items():
            made = facts["stored"][size]
            how = (
                "nothing stored"
                if made is None
                else f"stored with steepest {made['steepest']}, {made['date']}"
            )
            lines.append(Text(f"  {size:<10}  {', '.join(sets)}: {how}"))
            lines.append(
                Text(
                    f"  {'':<10}  at most {facts['minutes'][size]:g} min for all optimizers, on two cores",
                    style="dim",
                )
            )
    note = (
        "steepest suite NAME -o mine.py:MyOpt runs yours over its data sets; --dry-run shows what is trained"
    )
    return Group(*lines, Text(note, style="dim"))
