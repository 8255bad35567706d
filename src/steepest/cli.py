"""The command line: ``steepest compare``, ``report``, ``export``, ``predict``, ``describe``, and others.

Nothing heavy is imported until a command runs, so that ``--help`` answers at once. The options of ``compare``
are generated from the configuration tree: their names, defaults and help are written there and nowhere else.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from steepest.data.options import TableOptions
from steepest.errors import OptionError, SteepestError
from steepest.recipe import (
    THE_FLAGS,
    ModelOptions,
    Protocol,
    execution_asked,
    load_tree,
    validate_experiment,
)
from steepest.wording import counted

app = typer.Typer(
    name="steepest",
    help="Train neural networks on your data under several optimizers, and learn which way of training won.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SECTIONS: dict[str, tuple[str, type[BaseModel], tuple[str, ...]]] = {
    "data": ("Data", TableOptions, ("source",)),
    "model": ("Model", ModelOptions, ()),
    "protocol": ("Protocol", Protocol, ()),
}
"""Sections of the configuration: panel title, record, fields that are not options."""

Out = Annotated[Path | None, typer.Option("--out", help="The folder (default: runs/NAME).", metavar="FOLDER")]


def compare(source: str, optimizers: list[str] | None, out: Path | None, verbose: bool, print_model: bool,
            dry_run: bool, device: str | None, threads: int | None, rows: str | None, compile: str | None,
            **flags: Any) -> None:  # fmt: skip
    """Compare optimizers on a table, or carry out an experiment file.

    SOURCE is a table (CSV, TSV, Parquet, Feather; .gz, .zst) or an experiment as TOML. What is not given is
    decided and said. The same folder again makes only the runs that are missing.
    """
    tree: dict[str, Any] = {"data": {"source": source}}
    if Path(source).suffix in (".toml", ".json"):
        tree = load_tree(source)
        out = out or (Path("runs") / str(tree["name"]) if "name" in tree else None)
    for section, (_, model, _) in SECTIONS.items():
        given = {name: flags[name] for name in model.model_fields if flags.get(name) is not None}
        tree[section] = {**dict(tree.get(section, {})), **given}
    if optimizers:
        tree["optimizers"] = optimizers
    asked = {"device": device, "threads": threads, "rows": rows, "compile": compile}
    asked = {name: value for name, value in asked.items() if value is not None}
    if asked:
        tree["execution"] = execution_asked(dict(tree.get("execution", {})), asked)
    tree.setdefault("name", Path(str(tree["data"].get("source") or source)).name.split(".")[0])
    experiment = validate_experiment(tree, where=source if source.endswith(".toml") else THE_FLAGS)

    from steepest.api import Plan
    from steepest.experiment import open_table

    table = open_table(experiment)
    plan = Plan(table, experiment.model_copy(update={"data": table.options}))
    if print_model:
        _print_model(plan)
    if dry_run:
        _dry_run(plan, out)
        return
    _show(lambda observer: plan.run(out, observer=observer), verbose, out or Path("runs") / experiment.name)


def _options() -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    text = str | None
    parameters = [
        inspect.Parameter("source", inspect.Parameter.POSITIONAL_OR_KEYWORD,
                          annotation=Annotated[str, typer.Argument(help="A table, or an experiment as TOML.")]),
        inspect.Parameter("optimizers", kind, default=None, annotation=Annotated[list[str] | None, typer.Option(
            "--optimizers", "-o", metavar="LIST", rich_help_panel="Protocol", show_default=False,
            help="Names, groups (default, classic, all) or specifications such as 'adam(lr=1e-3)'; repeatable.")]),
    ]  # fmt: skip
    for panel, model, hidden in SECTIONS.values():
        for name, field in model.model_fields.items():
            if name in hidden:
                continue
            default = field.get_default(call_default_factory=True)
            shown = (
                ""
                if default in (None, [], {}, ()) or name == "missing"
                else f" [dim]\\[{_plain(default)}][/dim]"
            )
            option = typer.Option(
                f"--{name.replace('_', '-')}", metavar=_metavar(field), rich_help_panel=panel,
                help=f"{(field.description or '').rstrip('.')}.{shown}", show_default=False,
            )  # fmt: skip
            annotation = (
                Annotated[list[str] | None, option]
                if name in ("embedding", "tune")
                else Annotated[text, option]
            )
            parameters.append(inspect.Parameter(name, kind, default=None, annotation=annotation))
    return [
        *parameters,
        inspect.Parameter("out", kind, default=None, annotation=Out),
        inspect.Parameter("device", kind, default=None, annotation=Annotated[
            str | None, typer.Option("--device", metavar="auto|cpu|cuda", help="Where it is trained, "
            "also as cuda:1 (default: auto, a CUDA device where there is one).")]),
        inspect.Parameter("threads", kind, default=None, annotation=Annotated[
            int | None, typer.Option("--threads", min=1, help="Threads of a step (default: measured, one or all).")]),
        inspect.Parameter("rows", kind, default=None, annotation=Annotated[
            str | None, typer.Option("--rows", metavar="auto|on|off", help="Update only the rows of embedding tables "
            "that a batch touches, with the dense run's results (default: auto, where it is faster).")]),
        inspect.Parameter("compile", kind, default=None, annotation=Annotated[
            str | None, typer.Option("--compile", metavar="auto|on|off", help="Make each step one compiled program, "
            "kept for the next time (default: auto, where it saves time; needs a C++ compiler).")]),
        inspect.Parameter("verbose", kind, default=False, annotation=Annotated[
            bool, typer.Option("--verbose", "-v", help="A line for each run.")]),
        inspect.Parameter("dry_run", kind, default=False, annotation=Annotated[
            bool, typer.Option("--dry-run", help="Print the plan and the time it will take; train nothing.")]),
        inspect.Parameter("print_model", kind, default=False, annotation=Annotated[
            bool, typer.Option("--print-model", help="Print the model and its number of parameters first.")]),
    ]  # fmt: skip


def _metavar(field: FieldInfo) -> str:
    text = str(field.annotation)
    if get_origin(field.annotation) is Literal:
        return "|".join(map(str, get_args(field.annotation)))
    if "tuple" in text or "list" in text or "dict" in text:
        return "LIST"
    return "INTEGER" if "int" in text else "NUMBER" if "float" in text else "TEXT"


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


compare.__signature__ = inspect.Signature(_options())  # pyright: ignore[reportFunctionMemberAccess]
compare.__annotations__ = {each.name: each.annotation for each in _options()}
app.command()(compare)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder.", metavar="FOLDER")] = Path("runs/demo"),
    minutes: Annotated[float, typer.Option(help="Fit lengths, trials and seeds into so many minutes.")] = 3.0,
    optimizers: Annotated[
        list[str] | None, typer.Option("--optimizers", "-o", help="As for compare.", metavar="LIST")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for each run.")] = False,
) -> None:
    """Compare four optimizers on the flights that come with the package: a few minutes, nothing else needed."""
    from steepest.api import plan
    from steepest.data.catalog import open_catalog
    from steepest.data.table import read_table

    entry = open_catalog("flights")
    table = read_table(entry.path, **entry.options)
    made = plan(table, optimizers=optimizers, minutes=minutes, name="demo")
    _show(lambda observer: made.run(out, observer=observer), verbose, out)


@app.command()
def resume(
    folder: Annotated[Path, typer.Argument(help="The folder of a comparison.")],
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for each run.")] = False,
) -> None:
    """Go on with a comparison that was interrupted: what is done is kept."""
    from steepest.api import resume as go_on

    _show(lambda observer: go_on(folder, observer=observer), verbose, folder)


@app.command()
def report(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="The folder of a comparison; of several: side by side.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Another tool's log instead: a table.", metavar="FILE")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="With --from, the metric that decides; NAME:higher says its direction.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to (default: FOLDER/report.html, side-by-side.html, LOG.html).", metavar="FILE"
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the report of a comparison again, of several side by side, or of another tool's log.

    The columns that a log needs are in docs/how-to/export.md.
    """
    if metric is not None and from_ is None:
        raise OptionError(
            "--metric goes with --from", hint="a comparison has its metric; leave --metric out."
        )
    if bool(folders) == (from_ is not None):
        raise OptionError(
            "a folder and --from exclude each other" if folders else "there is nothing to report on",
            hint="give the folder of a comparison, several folders, or --from LOG.csv.",
        )
    if from_ is not None:
        path = _report_log(from_, metric, out)
    elif folders and len(folders) > 1:
        from steepest.api import write_side_by_side

        path = write_side_by_side(folders, out or Path("side-by-side.html"))
        _console(out=True).print(f"report   {path}", markup=False, highlight=False, soft_wrap=True)
    else:
        path = _report_one((folders or [])[0], out)
    if open_:
        import webbrowser

        if not webbrowser.open(path.resolve().as_uri()):
            _console().print(
                f"no browser could be opened here: open {path} yourself",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )


def _report_one(folder: Path, out: Path | None) -> Path:
    from steepest.api import Result, write_report

    path = write_report(folder, out)
    result = Result.load(folder)
    _print_result(result, report=path)
    return path


def _report_log(log: Path, metric: str | None, out: Path | None) -> Path:
    from steepest.files import check_apart
    from steepest.report import comparison_table, write_report
    from steepest.report.log import read_log

    out = out or Path(f"{log.name.split('.')[0]}.html")
    check_apart(out, log)
    comparison = read_log(log, metric=metric)
    path = write_report(comparison, out)
    console = _console(out=True)
    console.print(comparison_table(comparison, console.width))
    console.print(f"report   {path}", markup=False, highlight=False, soft_wrap=True)
    return path


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="The folder of a comparison.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to (default: FOLDER/export).", metavar="FOLDER")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", help="Some of latex, svg, pdf, csv, text, bibtex (default: all).", metavar="LIST"
        ),
    ] = None,
) -> None:
    """Write a comparison for a paper: LaTeX, SVG and PDF figures, CSV, a protocol, BibTeX."""
    from steepest.export import export_folder

    formats = [each.strip() for each in format_.split(",") if each.strip()] if format_ is not None else None
    if formats == []:
        raise OptionError(f"--format {format_!r} names no format", hint="leave it out for all formats.")
    done = export_folder(folder, out, formats)
    console = _console(out=True)
    for path in done.files:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    for line in done.left_out:
        _console().print(f"left out: {line}", style="yellow", markup=False, soft_wrap=True)


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(help="The folder of a comparison, or a model folder.")],
    rows: Annotated[Path, typer.Argument(help="The new rows: CSV, TSV, Parquet or Feather.")],
    out: Annotated[Path, typer.Option(help="Where to: .parquet, .csv or .feather.", metavar="FILE")] = Path(
        "predictions.csv"
    ),
    model: Annotated[str | None, typer.Option(help="Your own model again, as nets.py:MyNet.")] = None,
) -> None:
    """Predict new rows with the best model of a comparison."""
    from steepest.train.writing import check_place

    check_place(out)
    from steepest.train.trained import TrainedModel

    found = TrainedModel.load(folder, model=model).write_predictions(rows, out)
    console = _console()
    for note in found.notes:
        console.print(f"  {note}", style="dim", markup=False)
    for line in found.warnings:
        console.print(f"  {line}", style="yellow", markup=False, highlight=False)
    if found.left_out:
        gone = counted(found.left_out, "row was", "rows were")
        console.print(f"  {gone} left out by the preparation and not predicted", markup=False)
    predictions = counted(found.rows, "prediction")
    console.print(f"{predictions} in {out}", markup=False, highlight=False)


@app.command()
def describe(
    source: Annotated[str, typer.Argument(help="A table.")],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    missing: Annotated[
        str | None, typer.Option(help="Texts that mean a missing value.", metavar="LIST")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write a first preparation there, as TOML.", metavar="FILE")
    ] = None,
) -> None:
    """Show the columns of a table: types, missing shares, values; and write a first preparation."""
    from steepest.data.table import read_table

    options = {} if missing is None else {"missing": missing}
    description = read_table(source, target=target, **options).describe()
    _console(out=True).print(description)
    if write is not None:
        description.to_toml(write)
        _console().print(f"wrote {write}: use it with --prepare {write}", markup=False, highlight=False)


KINDS = {
    "optimizers": "steepest.optim:registry",
    "schedules": "steepest.schedules:registry",
    "models": "steepest.models:registry",
    "steps": "steepest.data.preparation:STEPS",
    "metrics": "steepest.evaluate.metrics:registry",
    "baselines": "steepest.evaluate.baselines:registry",
    "datasets": "steepest.data.catalog:SOURCES",
}


@app.command("list")
def list_(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")] = "optimizers",
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these; with --plot also 'warmup(cosine, length=0.1)'.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the schedules.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with everything that is known.")] = False,
) -> None:
    """List what can be named: optimizers, schedules, models, preparation steps, metrics, baselines, data sets."""
    from steepest.errors import unknown_name
    from steepest.grammar import load_reference

    if kind not in KINDS:
        raise unknown_name("kind of component", kind, KINDS)
    if plot and kind != "schedules":
        raise OptionError(f"--plot draws schedules, not {kind}", hint="steepest list schedules --plot")
    from steepest.catalogue import listing

    _console(out=True).print(
        listing(load_reference(KINDS[kind]), names or [], plot=plot, as_json=as_json),
        markup=False, highlight=False, soft_wrap=as_json,
    )  # fmt: skip


@app.command()
def doctor(
    compile_: Annotated[bool, typer.Option("--compile", help="Also compile a small program, some seconds.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Forget compiled steps and measured threads first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:  # fmt: skip
    """Show what this machine has for training: devices, memory, C++ compiler, compiled steps, threads."""
    from steepest.doctor import run

    run(_console(out=True), _console(), try_compiler=compile_, clear=clear, as_json=as_json)


@app.callback(invoke_without_command=True)
def _callback(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from steepest import __version__

        _console(out=True).print(__version__, highlight=False)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 for an error the user can mend, 130 when interrupted."""
    command = typer.main.get_command(app)
    try:
        status = command.main(
            list(sys.argv[1:] if arguments is None else arguments), "steepest", standalone_mode=False
        )
        return status if isinstance(status, int) else 0
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            _console().print(error.format_message(), markup=False)
            return 2
        return _complain(_lower(error.format_message()), _usage_hint(error))
    except SteepestError as error:
        return _complain(error.fact, error.hint)
    except (KeyboardInterrupt, typer.Abort):
        _console().print("interrupted; every finished run is kept", markup=False)
        return 130


def _usage_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    possible = getattr(error, "possibilities", None)
    near = f"did you mean {' or '.join(possible)}? " if possible else ""
    return f"{near}run `{context.command_path if context else 'steepest'} --help`."


def _complain(fact: str, hint: str) -> int:
    from rich.text import Text

    console = _console()
    console.print(Text.assemble(("error: ", "bold red"), fact), soft_wrap=True)
    console.print(Text.assemble(("Hint: ", "bold"), hint), soft_wrap=True)
    return 2


def _lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")


def _console(*, out: bool = False) -> Any:
    from rich.console import Console

    return Console(stderr=not out, emoji=False)


def _show(work: Callable[[Any], Any], verbose: bool, out: Path) -> None:
    from steepest.console import ProgressObserver

    try:
        with ProgressObserver(verbose=verbose) as observer:
            result = work(observer)
    except KeyboardInterrupt:
        if (out / "experiment.toml").is_file():
            from steepest.record.store import command

            _console().print(
                f"interrupted; every finished run is kept. To go on: {command('resume', out)}", markup=False
            )
            raise typer.Exit(130) from None
        raise
    _print_result(result)


def _print_result(result: Any, report: Path | None = None) -> None:
    console = _console(out=True)
    console.print(result)
    console.print(f"report   {report or result.report}", markup=False, highlight=False, soft_wrap=True)
    for each in result.comparison.use:
        if each.label == "command":
            console.print(f"predict  {each.value}", markup=False, highlight=False, soft_wrap=True)


def _dry_run(plan: Any, out: Path | None) -> None:
    from steepest.console import ProgressObserver, hanging

    with ProgressObserver() as observer:
        text = plan.preview(out, observer=observer)
    console = _console(out=True)
    for line in text.splitlines():
        console.print(hanging(line, console, 7), markup=False, highlight=False, soft_wrap=True)


def _print_model(plan: Any) -> None:
    from steepest.models import build_model, count_parameters

    net = build_model(str(plan.experiment.model.spec), plan.table.dataset().shape)
    console = _console()
    console.print(str(net), markup=False, highlight=False)
    console.print(f"{count_parameters(net):,} parameters", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
