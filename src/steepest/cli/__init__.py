"""The command line: ``steepest compare``, ``report``, ``export``, ``predict``, ``describe``, and others.

Nothing heavy is imported until a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from steepest.cli import output
from steepest.cli.check import CheckCommand
from steepest.cli.check import check as check_command
from steepest.cli.compressing import distil, prune
from steepest.cli.describing import describe
from steepest.cli.fetching import downloads_shown, fetch
from steepest.cli.flags import KINDS, TARGET, MoreMinutes, OtherWorkers, Out, parameters, registry
from steepest.cli.generating import generate
from steepest.cli.keeping import RUNS, clean, listed_runs
from steepest.cli.landscape import landscape as landscape_command
from steepest.cli.mapping import map_
from steepest.cli.memory import memory as memory_command
from steepest.cli.output import complain, console, line
from steepest.cli.paging import page
from steepest.cli.planning import finding_code, planned
from steepest.cli.playing import play
from steepest.cli.predicting import OneArm, OwnModel, predict
from steepest.cli.rate_finding import lr_find
from steepest.cli.recommending import recommend, similar
from steepest.cli.refitting import refit
from steepest.cli.spectrum import spectrum as spectrum_command
from steepest.cli.studying import go_on_with, study
from steepest.cli.suiting import suite
from steepest.cli.tracing import trace
from steepest.cli.viewing import show
from steepest.errors import OptionError, SteepestError
from steepest.interrupts import always_raise


class _Commands(TyperGroup):
    """The commands; an interrupt of one is told to `main`, because Typer itself ends without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


app = typer.Typer(
    name="steepest",
    cls=_Commands,
    help="Train neural networks on your data in several ways: which one wins, by how much, and how surely?",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def flag(*names: str, help: str, panel: str | None = None, **more: Any) -> Any:
    """Return an option that is there or not."""
    return typer.Option(*names, metavar="", help=help, rich_help_panel=panel, **more)


def _show_help(context: typer.Context, asked: bool) -> None:
    if asked:
        typer.echo(context.get_help())
        raise typer.Exit


Verbose = Annotated[bool, flag("--verbose", "-v", help="Print a line for each run.", panel="Output")]
Quiet = Annotated[bool, flag("--quiet", "-q", help="Print only the result.", panel="Output")]
AsJson = Annotated[bool, flag("--json", help="Print the result as JSON.", panel="Output")]
Open = Annotated[bool, flag("--open", help="Open the report in the browser.", panel="Output")]
DryRun = Annotated[
    bool, flag("--dry-run", help="Print the plan and the time it will take; train nothing.", panel="Output")
]
Yes = Annotated[
    bool,
    flag("--yes", "-y", help="Begin even more than 1,000 runs; no effect on fewer.", panel="Output"),
]
PrintModel = Annotated[bool, flag("--print-model", help="Print the model first.", panel="Output")]
Help = Annotated[
    bool,
    flag("--help", "-h", help="Show this message and exit.", panel="Output", is_eager=True, callback=_show_help),
]  # fmt: skip
ComparisonFolder = Annotated[Path, typer.Argument(help="Folder of a comparison.", metavar="FOLDER")]


def compare(source: str, optimizers: list[str] | None, out: Path | None, dry_run: bool = False,
            print_model: bool = False, verbose: bool = False, quiet: bool = False, as_json: bool = False,
            open_: bool = False, yes: bool = False, **flags: Any) -> None:  # fmt: skip
    """Compare ways of training on data, or run an experiment file."""
    if dry_run and (verbose or open_):
        raise OptionError(
            f"{'--verbose' if verbose else '--open'} has no effect with --dry-run, which trains nothing",
            hint="leave one of the two out.",
        )
    with finding_code(source):
        plan = planned(source, optimizers, flags, lambda name: out or Path("runs") / name)
        if print_model:
            output.print_model(plan)
        if dry_run:
            output.dry_run(plan, out, quiet=quiet, as_json=as_json)
            return
        output.show(
            lambda observer: plan.run(out, observer=observer, yes=yes),
            out or Path("runs") / plan.experiment.name,
            verbose=verbose, quiet=quiet, as_json=as_json, open_=open_,
        )  # fmt: skip


def _option(name: str, annotation: Any, default: Any = False) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_OPTIONS = parameters([
    _option("out", Out, None), _option("dry_run", DryRun), _option("yes", Yes),
    _option("print_model", PrintModel),
    _option("as_json", AsJson), _option("open_", Open), _option("quiet", Quiet), _option("verbose", Verbose),
    _option("help", Help),
])  # fmt: skip
compare.__signature__ = inspect.Signature(_OPTIONS)  # pyright: ignore[reportFunctionMemberAccess]
compare.__annotations__ = {each.name: each.annotation for each in _OPTIONS}
app.command(
    context_settings={"help_option_names": []},
    help="Compare ways of training (optimizers, models, batch sizes, …) on a table, a curve, images, "
    "ratings or texts (--kind text), or run an experiment file.\n\nWhat you do not specify is chosen automatically "
    "and printed. The same command in the same folder makes only the runs that are missing. Exit status: 0, 1 if no "
    "run finished, 2 for a wrong option or file.",
)(compare)


app.command()(study)
app.command()(suite)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for all results.", metavar="FOLDER")] = Path("runs/demo"),
    minutes: Annotated[
        float, typer.Option(help="Time budget in minutes, which a busy machine may need.", metavar="NUMBER")
    ] = 5.0,
    optimizers: Annotated[
        list[str] | None, typer.Option("--optimizers", "-o", help="As for compare.", metavar="LIST")
    ] = None,
    open_: Open = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare four optimizers on the flights data that comes with the package; takes a few minutes."""
    from steepest.api import plan
    from steepest.data.table import read_table

    made = plan(read_table("flights"), optimizers=optimizers, minutes=minutes, name="demo")
    output.show(
        lambda observer: made.run(out, observer=observer), out, verbose=verbose, quiet=quiet, open_=open_
    )


@app.command()
def resume(
    folder: ComparisonFolder,
    minutes: MoreMinutes = None,
    workers: OtherWorkers = None,
    as_json: AsJson = False,
    open_: Open = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Continue a comparison that was interrupted or has used up its time budget; finished runs are kept."""
    from steepest.studies.base.folder import read_study

    if (kept := read_study(folder)) is not None:
        go_on_with(
            kept, folder, minutes=minutes, workers=workers, as_json=as_json, open_=open_, quiet=quiet,
            verbose=verbose,
        )  # fmt: skip
        return
    from steepest.api import resume as go_on

    output.show(
        lambda observer: go_on(folder, observer=observer, minutes=minutes, workers=workers), folder,
        verbose=verbose, quiet=quiet, as_json=as_json, open_=open_,
    )  # fmt: skip


@app.command()
def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folder of a comparison; several are shown side by side.", metavar="[FOLDER]..."),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Another tool's log as a table, instead of a folder.", metavar="FILE"),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="With --from: the deciding metric; NAME:higher if higher is better.", metavar="NAME"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write (default: FOLDER/report.html, side-by-side.html, LOG.html).", metavar="FILE"
        ),
    ] = None,
    reach: Annotated[
        str | None,
        typer.Option(
            help="Another target for how soon each arm reaches it, of the deciding metric, or as accuracy=0.95; auto: "
            "what the middle arm reaches. Makes no runs.",
            metavar=TARGET,
        ),
    ] = None,
    open_: Open = False,
) -> None:
    """Write the report of a comparison again, of several side by side, or of another tool's log.

    A log has one row per evaluation, with the columns name, seed, step, optionally split (validation or test), and a
    metric.
    """
    if metric is not None and from_ is None:
        raise OptionError(
            "--metric goes with --from", hint="a comparison has its metric; leave --metric out."
        )
    if bool(folders) == (from_ is not None):
        raise OptionError(
            "a folder and --from cannot be combined" if folders else "there is nothing to report on",
            hint="give the folder of a comparison, several folders, or --from LOG.csv.",
        )
    if reach is not None and (from_ is not None or len(folders or []) > 1):
        raise OptionError(
            f"--reach has no effect on {'a log' if from_ is not None else 'several comparisons side by side'}",
            hint="leave it out, or give the folder of one comparison.",
        )
    if from_ is not None:
        path = _report_log(from_, metric, out)
    elif folders and len(folders) > 1:
        from steepest.experiment.reports import opened_sides, write_side_by_side
        from steepest.report.side_text import sides_table

        always_raise()
        sides = opened_sides(folders)
        path = write_side_by_side(sides, out or Path("side-by-side.html"))
        target = console(out=True)
        target.print(sides_table(sides, target.width))
        line(f"report   {path}", out=True)
    else:
        path = _report_one((folders or [])[0], out, reach)
    if open_:
        output.open_page(path)


def _report_one(folder: Path, out: Path | None, reach: str | None) -> Path:
    from steepest.api import Result
    from steepest.experiment.reports import write_report
    from steepest.record.store import Folder

    always_raise()
    opened = Folder.open(folder)
    comparison, path = write_report(opened, out, reach)
    output.print_result(Result(opened, comparison), report=path)
    return path


def _report_log(log: Path, metric: str | None, out: Path | None) -> Path:
    from steepest.files import check_apart
    from steepest.report import comparison_table, write_report
    from steepest.report.log import read_log

    out = out or Path(f"{log.name.split('.')[0]}.html")
    check_apart(out, log)
    always_raise()
    comparison = read_log(log, metric=metric)
    path = write_report(comparison, out)
    target = console(out=True)
    target.print(comparison_table(comparison, target.width))
    line(f"report   {path}", out=True)
    return path


@app.command()
def export(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of a comparison; for torch and onnx, or of a model.", metavar="FOLDER"),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to (default: FOLDER/export).", metavar="FOLDER")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Some of latex, svg, pdf, csv, text, bibtex (default: all of these), torch, onnx, adapter.",
            metavar="LIST",
        ),
    ] = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", metavar="", help="Write the network's adapter: as --format adapter.")
    ] = False,
    arm: OneArm = None,
    model: OwnModel = None,
) -> None:
    """Write a comparison for a paper: LaTeX, SVG and PDF figures, CSV, a protocol, BibTeX.

    With --format torch or --format onnx, write the recommended model for programs without steepest; with --adapter,
    what lora or dora trained, for the library PEFT.
    """
    from steepest.export import export_folder

    formats = [each.strip() for each in format_.split(",") if each.strip()] if format_ is not None else None
    if formats == []:
        raise OptionError(f"--format {format_!r} lists no format", hint="leave it out for all formats.")
    if adapter:
        formats = [*(formats or []), "adapter"]
    output.warn_of_outdated(folder)
    always_raise()
    done = export_folder(folder, out, formats, model=model, arm=arm)
    for path in done.files:
        line(str(path), out=True)
    for each in done.left_out:
        line(f"left out: {each}", style="yellow")


for _each in (predict, describe, recommend, similar, generate, refit, prune, distil, show):
    app.command()(_each)
app.command("map")(map_)
for _each in (landscape_command, spectrum_command, memory_command, trace, page, play):
    app.command()(_each)
app.command(cls=CheckCommand)(check_command)
app.command()(fetch)
app.command()(clean)
app.command(
    "lr-find",
    help="Suggest a learning rate by a range test, a short run whose rate rises from step to step.\n\nEvery optimizer, "
    "or other arm, is tested. No comparison depends on it.",
)(lr_find)


@app.command("list")
def list_(
    kind: Annotated[
        str, typer.Argument(help=f"One of {', '.join(KINDS)}; or {RUNS}, the comparisons in a folder.",
                            metavar="[KIND]", autocompletion=lambda: [*KINDS, RUNS])
    ] = "optimizers",
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only these; with --plot also 'warmup(cosine, length=0.1)'; of runs, folders [runs].",
            metavar="[NAME]...",
        ),
    ] = None,
    plot: Annotated[bool, flag("--plot", help="Draw the schedules.")] = False,
    sort: Annotated[str, typer.Option("--sort", help="Order of runs: path, date, size, runs, state or value; -date "
                                      "for the latest first.", show_default=False)] = "",
    having: Annotated[str, typer.Option("--having", help="Only runs with these words in their folder, state, arms, "
                                        "models, metric or study.", show_default=False)] = "",
    as_json: Annotated[bool, flag("--json", help="Print all details as JSON.")] = False,
) -> None:  # fmt: skip
    """List components by kind: optimizers, models, losses, schedules, metrics, datasets, and others; or runs."""
    from steepest.errors import unknown_name

    if kind == RUNS:
        if plot:
            raise OptionError("--plot draws schedules, not runs", hint="steepest list schedules --plot")
        found = listed_runs(
            names or [], sort=sort, having=having, as_json=as_json, width=console(out=True).width
        )
        console(out=True).print(found, markup=False, highlight=False, soft_wrap=as_json)
        return
    if sort or having:
        raise OptionError(
            f"{'--sort' if sort else '--having'} has no effect on {kind}", hint="it is for list runs."
        )
    if kind not in KINDS:
        raise unknown_name("kind of component", kind, KINDS)
    if plot and kind != "schedules":
        raise OptionError(f"--plot draws schedules, not {kind}", hint="steepest list schedules --plot")
    from steepest.cli.listing import listing

    console(out=True).print(
        listing(registry(kind), names or [], plot=plot, as_json=as_json),
        markup=False, highlight=False, soft_wrap=as_json,
    )  # fmt: skip


@app.command()
def doctor(
    compile_: Annotated[bool, flag("--compile", help="Also compile a small program; takes seconds.")] = False,
    clear: Annotated[bool, flag("--clear", help="First delete compiled steps and measured threads.")] = False,
    as_json: Annotated[bool, flag("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what this machine has for training: devices, memory, C++ compiler, compiled steps, threads."""
    from steepest.cli.checkup import run

    run(console(out=True), console(), try_compiler=compile_, clear=clear, as_json=as_json)


@app.callback(invoke_without_command=True)
def _callback(
    version: Annotated[bool, flag("--version", "-V", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from steepest.version import version as installed

        line(installed(), out=True)
        raise typer.Exit


def _on_lines(text: str) -> str:
    """Return a docstring with every paragraph on one line: a terminal breaks it where it has to.

    Example:
        >>> _on_lines("Do it.\\n\\n    In one\\n    way.")
        'Do it.\\n\\nIn one way.'
    """
    return "\n\n".join(" ".join(each.split()) for each in inspect.cleandoc(text).split("\n\n"))


for _command in app.registered_commands:
    if _command.help is None and _command.callback is not None:
        _command.help = _on_lines(_command.callback.__doc__ or "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Returns:
        0; 1 if no run of a comparison finished; 2 for an error that the user can mend; 130 when interrupted.
    """
    command = typer.main.get_command(app)
    try:
        with downloads_shown():
            status = command.main(
                list(sys.argv[1:] if arguments is None else arguments), "steepest", standalone_mode=False
            )
        return status if isinstance(status, int) else 0
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            console().print(error.format_message(), markup=False)
            return 2
        return complain(_lower(error.format_message()), _usage_hint(error))
    except SteepestError as error:
        return complain(error.fact, error.hint)
    except (KeyboardInterrupt, typer.Abort):
        line("interrupted")
        return 130


def _usage_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    possible = getattr(error, "possibilities", None)
    near = f"did you mean {' or '.join(possible)}? " if possible else ""
    return f"{near}run `{context.command_path if context else 'steepest'} --help`."


def _lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")
