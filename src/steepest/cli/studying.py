"""``steepest study``: a named experiment, and what ``steepest list studies`` shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from steepest.cli import output
from steepest.cli.flags import completion
from steepest.cli.output import console, line
from steepest.components.registry import Registry
from steepest.errors import OptionError

if TYPE_CHECKING:
    from steepest.studies.base.folder import StoredStudy

SIZES = ("quick", "default", "full")


def _flag(*names: str, help: str, panel: str = "Output") -> Any:
    return typer.Option(*names, metavar="", help=help, rich_help_panel=panel)


def study(
    name: Annotated[
        str,
        typer.Argument(
            help="A study: steepest list studies. Or one of your own: mine.py:Widths.",
            metavar="NAME",
            autocompletion=completion("studies"),
        ),
    ],
    quick: Annotated[
        bool,
        _flag("--quick", help="Half a minute, on images that come with the package.", panel="Size"),
    ] = False,
    full: Annotated[
        bool,
        _flag("--full", help="The published size, with tuned rates beside the published ones.", panel="Size"),
    ] = False,
    larger: Annotated[
        bool,
        _flag(
            "--larger", help="The study's networks of other sizes, where it has them: crimes.", panel="Size"
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for all results (default: runs/NAME, with -quick or -full behind it).",
            metavar="FOLDER",
            rich_help_panel="Output",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        _flag(
            "--dry-run",
            help="Print what is compared, how much work it is and how long it takes here, from some timed steps; train "
            "nothing (images may be downloaded).",
        ),
    ] = False,
    notebook: Annotated[
        Path | None,
        typer.Option(
            help="Write the study as a notebook that can be run, and train nothing.",
            metavar="FILE",
            rich_help_panel="Output",
        ),
    ] = None,
    worksheet: Annotated[
        Path | None,
        typer.Option(
            help="Write the study as a worksheet for a class (.md or .html), with its answers in a second file, and "
            "train nothing. Numbers are those of --out, else of the answer that comes with the package.",
            metavar="FILE",
            rich_help_panel="Output",
        ),
    ] = None,
    as_json: Annotated[bool, _flag("--json", help="Print the answer as JSON.")] = False,
    open_: Annotated[bool, _flag("--open", help="Open the report in the browser.")] = False,
    quiet: Annotated[bool, _flag("--quiet", "-q", help="Print only the result.")] = False,
    verbose: Annotated[bool, _flag("--verbose", "-v", help="Print a line for each run.")] = False,
) -> None:
    """Make a study: a named experiment that asks one question and is compared with a published one.

    The same command goes on with a study that was interrupted. Exit status: 0; 1 if a check fails; 2 for a
    wrong option.
    """
    if quick and full:
        raise OptionError("--quick and --full exclude each other", hint="leave one of the two out.")
    if quiet and verbose:
        raise OptionError("--quiet and --verbose exclude each other", hint="leave one of the two out.")
    size = "quick" if quick else "full" if full else "default"
    if larger:
        name = _larger(name)
    if notebook is not None:
        _check_alone(
            "--notebook",
            dry_run=dry_run,
            worksheet=worksheet is not None,
            as_json=as_json,
            open_=open_,
            verbose=verbose,
        )
        from steepest.studies import write_notebook
        from steepest.studies.base.making import make_study

        path = write_notebook(make_study(name), size, notebook, None if out is None else str(out), name)
        line(f"notebook {path}", out=True)
        return
    if worksheet is not None:
        _check_alone("--worksheet", dry_run=dry_run, as_json=as_json, open_=open_, verbose=verbose)
        from steepest.studies import write_worksheet

        path, answers, origin = write_worksheet(name, worksheet, size, out)
        line(f"worksheet {path}", out=True)
        line(
            f"answers   {answers} ({f'numbers of {origin}' if origin else 'none yet: run the study'})",
            out=True,
        )
        return
    from steepest.studies import plan_study

    planned = plan_study(name, size, out)
    if dry_run:
        _check_alone("--dry-run", as_json=as_json, open_=open_, verbose=verbose)
        console(out=True).print(planned.preview(out), markup=False, highlight=False)
        return
    _made(planned, out, as_json=as_json, open_=open_, quiet=quiet, verbose=verbose)


def _larger(name: str) -> str:
    """Return the study of networks of other sizes that belongs to a study.

    Example:
        >>> _larger("crimes")
        'crimes-larger'
    """
    from steepest.studies import registry

    behind = "-larger"
    has = [each.removesuffix(behind) for each in registry.names() if each.endswith(behind)]
    if name not in has:
        raise OptionError(
            f"--larger has no effect on the study {name}, which has no networks of other sizes",
            hint=f"leave it out; these have some: {', '.join(has)}.",
        )
    return f"{name}{behind}"


def go_on_with(
    kept: StoredStudy,
    folder: Path,
    *,
    minutes: float | None,
    workers: str | None,
    as_json: bool,
    open_: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Go on with the study of a folder.

    Args:
        kept: which study it is.
        folder: where.
        minutes, workers: a time budget and workers, which a study sets itself.
        as_json, open_, quiet, verbose: as for :func:`study`.
    """
    if minutes is not None:
        raise OptionError(f"--minutes {minutes:g} has no effect on a study", hint="leave it out.")
    if workers is not None:
        raise OptionError(f"--workers {workers} has no effect on a study", hint="leave it out.")
    if quiet and verbose:
        raise OptionError("--quiet and --verbose exclude each other", hint="leave one of the two out.")
    from steepest.components.references import looking
    from steepest.record.store import Folder
    from steepest.studies import plan_study

    with looking(Folder(folder).sources_of, home=kept.home, first=True):
        planned = plan_study(kept.study, kept.size, folder)
        _made(planned, folder, as_json=as_json, open_=open_, quiet=quiet, verbose=verbose)


def _check_alone(what: str, **beside: bool) -> None:
    """Refuse options that have no effect where nothing is trained."""
    given = next((name for name, value in beside.items() if value), None)
    if given is not None:
        flag = {"as_json": "--json", "open_": "--open"}.get(given, f"--{given.replace('_', '-')}")
        raise OptionError(
            f"{flag} has no effect with {what}, which trains nothing", hint="leave one of the two out."
        )


def _made(planned: Any, out: Path | None, *, as_json: bool, open_: bool, quiet: bool, verbose: bool) -> None:
    """Make a study with a progress bar, and print its answer."""
    from steepest.record.store import command

    size = () if planned.size == "default" else (f"--{planned.size}",)
    where = () if out is None else ("--out", str(out))
    again = command("study", planned.reference or planned.study.name, *size, *where)
    result = output.made(planned, out, again, quiet=quiet, verbose=verbose)
    if as_json:
        line(result.studied.model_dump_json(indent=1), out=True)
    else:
        console(out=True).print(result)
        line(f"report   {result.report}", out=True)
    if open_:
        output.open_page(result.report)
    if not result.passed:
        raise typer.Exit(1)


def study_facts(name: str, registry: Registry) -> dict[str, Any]:
    """Return what is to be known of a study, ready for JSON.

    Example:
        >>> from steepest.studies import registry
        >>> facts = study_facts("memorisation", registry)
        >>> facts["question"][:23], sorted(facts["minutes"])
        ('Does a network memorise', ['default', 'full', 'quick'])
    """
    made, entry = registry.load(name), registry.entry(name)
    return {
        "name": name,
        "what": entry.what,
        "question": made.question,
        "published": made.source,
        "minutes": dict(entry.more["minutes"]),
        "tflop": dict(entry.more["tflop"]),
        "yours": f"steepest {entry.more['yours']}",
    }


def study_table(registry: Registry, names: Sequence[str]) -> RenderableType:
    """Return the studies with the budgets of their default size, and the question of each on a line of its own."""
    longest = max(map(len, names))
    lines: list[RenderableType] = []
    for name in names:
        entry = registry.entry(name)
        minutes, tflop = (f"{entry.more[of]['default']:g}" for of in ("minutes", "tflop"))
        lines += [
            Text.assemble((f"{name:<{longest}}", "bold"), (f"{minutes:>6} min{tflop:>6} Tflop", "dim")),
            Text(f"  {entry.what}"),
        ]
    note = (
        "min and Tflop: at most, by default, on two cores; --quick takes half a minute, all sizes: --json · "
        "steepest study NAME makes it, --dry-run shows what is compared"
    )
    return Group(*lines, Text(note, style="dim"))
