"""The options of ``steepest compare``, generated from the configuration tree.

Their names, defaults and help are written there and nowhere else; here is only how they are shown: the panel that
each belongs to, its metavar, clearer names, and what the shell can complete.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from steepest.components.grammar import split
from steepest.components.references import load_reference
from steepest.components.registry import Registry
from steepest.data.options import COLUMNS, TableOptions
from steepest.errors import OptionError
from steepest.recipe import (
    CLEARER_NAMES,
    FACTOR,
    SHARED_FACTORS,
    ExecutionOptions,
    Factors,
    ModelOptions,
    Protocol,
    flag_of,
)

COMMON = "Common"
RANGE_TEST = "Range test"
PANELS = (COMMON, RANGE_TEST, "Data", "Model", "Training", "Tuning", "Execution", "Output")
SECTIONS: dict[str, tuple[type[BaseModel], str]] = {
    "data": (TableOptions, "Data"),
    "model": (ModelOptions, "Model"),
    "protocol": (Protocol, "Training"),
    "factors": (Factors, "Training"),
    "execution": (ExecutionOptions, "Execution"),
}
"""Sections of the configuration: their record, and the panel of their options."""

COMMON_OPTIONS = (
    "target", "x", "y", "user", "item", "rating", "optimizers", "metric", "epochs", "seeds", "minutes", "out",
)  # fmt: skip
"""What the first panel holds, in this order."""
TUNING_OPTIONS = (
    "learning_rates",
    "tune",
    "planner",
    "scan_rates",
    "full_rates",
    "sweep",
    "equal",
    "references",
)
DATA_OPTIONS = ("positive",)
"""Options of the protocol that are about the data."""
OUTPUT_OPTIONS = ("reach",)
"""Options of the protocol that change the report alone."""
REPEATABLE = ("embedding", "tune", "callbacks", "baseline", "track", *Factors.model_fields)
FILES = {"test": "test_file", "validation": "validation_file"}
"""Options that are a share of the rows, and their twins that name a file."""
WORKERS = "INTEGER|ray|ADDRESS"
TARGET = "[METRIC=]NUMBER"
WITHOUT_DEFAULT = ("missing", "device", "threads", "workers")

KINDS = {
    "optimizers": "steepest.optim:registry",
    "schedules": "steepest.schedules:registry",
    "models": "steepest.models:registry",
    "steps": "steepest.data.preparation:STEPS",
    "losses": "steepest.objectives:registry",
    "regularizers": "steepest.regularizers:registry",
    "labels": "steepest.data.corruptions:registry",
    "procedures": "steepest.procedures:registry",
    "finetuning": "steepest.finetuning:registry",
    "metrics": "steepest.evaluate.metrics:registry",
    "baselines": "steepest.evaluate.baselines:registry",
    "datasets": "steepest.data.catalog:SOURCES",
    "sources": "steepest.data.sources:registry",
    "problems": "steepest.tracing.problem:registry",
    "projections": "steepest.mapping.projection:registry",
    "planes": "steepest.landscape.choosing:registry",
    "planners": "steepest.sweep.planner:registry",
    "trackers": "steepest.sweep.tracking:registry",
    "studies": "steepest.studies:registry",
    "suites": "steepest.suites:registry",
    "pages": "steepest.pages.page:registry",
}
"""The kinds of component, and where their names are."""


def registry(kind: str) -> Registry:
    """Return the registry of a kind of component."""
    return load_reference(KINDS[kind])


def completion(kind: str) -> Callable[[str], list[str]]:
    """Return what completes a name of a kind of component in the shell, behind a comma too.

    Example:
        >>> completion("schedules")("warm")
        ['warmup']
        >>> completion("optimizers")("sgd,adamw")
        ['sgd,adamw']
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        found = registry(kind)
        return [
            f"{before}{comma}{name}" for name in [*found.names(), *found.groups()] if name.startswith(last)
        ]

    return complete


COMPLETED = {
    "metric": "metrics",
    "planner": "planners",
    "schedule": "schedules",
    "model": "models",
    "reader": "sources",
}


def parameters(extra: list[inspect.Parameter], leave_out: Collection[str] = ()) -> list[inspect.Parameter]:
    """Return the parameters of the command, panel by panel.

    Args:
        extra: further options, each in the panel that its ``typer.Option`` names.
        leave_out: stored names of options that the command does not have.
    """
    found = [
        inspect.Parameter("source", inspect.Parameter.POSITIONAL_OR_KEYWORD,
                          annotation=Annotated[str, typer.Argument(
                              metavar="SOURCE", help="A table, a folder or file of images or texts, ratings, the name "
                              "of a data set (steepest list datasets), or a TOML experiment.", show_default=False)]),
    ]  # fmt: skip
    some = (each for section in SECTIONS for each in _section(section, leave_out))
    options = [_optimizers(), *some, *extra]
    options.sort(key=_place)
    return [*found, *options]


def given(flags: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values that were given, by section of the configuration.

    Raises:
        OptionError: the same option is given under two names.
    """
    tree: dict[str, dict[str, Any]] = {}
    for section, (model, _) in SECTIONS.items():
        for name in model.model_fields:
            if section == "factors" and name in SHARED_FACTORS:  # one value has a place of its own
                continue
            names = [name, *(new for new, old in CLEARER_NAMES.items() if old == name), FILES.get(name, "")]
            values = {each: flags[each] for each in names if flags.get(each) is not None}
            if len(values) > 1:
                first, second = (f"--{each.replace('_', '-')}" for each in list(values)[:2])
                raise OptionError(f"{first} and {second} are the same option", hint="give one of the two.")
            if not values:
                continue
            value = next(iter(values.values()))
            if isinstance(value, list):
                value = _joined(name, value)
            if name in Factors.model_fields and section != "factors":
                if len(value) > 1:  # compared
                    tree.setdefault("factors", {})[name] = value
                    if name == "prepare" and value[0] != "none":  # the experiment's own
                        tree.setdefault(section, {})[name] = value[0]
                    continue
                [value] = value
            tree.setdefault(section, {}).setdefault(name, value)
    return tree


def _joined(name: str, values: list[str]) -> str | list[str]:
    """Return what a repeated option means: its values, those in comma lists too, or one comma list.

    Raises:
        OptionError: the option can be given once only.

    Example:
        >>> _joined("loss", ["squared,huber(0.5)", "absolute"]), _joined("drop", ["a,b", "c"])
        (['squared', 'huber(0.5)', 'absolute'], 'a,b,c')
    """
    if name == "hidden" and len(values) > 1:
        raise OptionError(
            f"--hidden is given {len(values)} times",
            hint="widths of one network are written as 64,32; networks are compared by --model "
            "'embedding-mlp(hidden=[64])' --model 'embedding-mlp(hidden=[32])'.",
        )
    if name in Factors.model_fields and not FACTOR[name].lists:
        return [part for value in values for part in split(value) or [value]]
    return values if name in REPEATABLE else ",".join(values)


def _optimizers() -> inspect.Parameter:
    option = typer.Option(
        "--optimizers", "-o", metavar="LIST", rich_help_panel=COMMON, show_default=False,
        autocompletion=completion("optimizers"),
        help="Names, groups (default, classic, second-order, sharpness, all) or specifications such as "
        "'adam(lr=1e-3)' or 'adam; eps=1e-8..1e-4', which tunes eps as --tune does; repeatable.",
    )  # fmt: skip
    return _parameter("optimizers", Annotated[list[str] | None, option])


def _section(section: str, leave_out: Collection[str]) -> list[inspect.Parameter]:
    model, panel = SECTIONS[section]
    found: list[inspect.Parameter] = []
    for name, field in model.model_fields.items():
        if name in ("source", *leave_out) or (section == "factors" and name in SHARED_FACTORS):
            continue
        shown = next((new for new, old in CLEARER_NAMES.items() if old == name), name)
        place = COMMON if name in COMMON_OPTIONS else "Tuning" if name in TUNING_OPTIONS else panel
        place = "Data" if name in DATA_OPTIONS else "Output" if name in OUTPUT_OPTIONS else place
        found.append(_option(shown, field, place, name))
        if shown != name:
            found.append(_option(name, field, place, name, hidden=True))
        if name in FILES:
            text = f"file with the {name} rows, instead of a share"
            found.append(_option(FILES[name], FieldInfo(annotation=str, description=text), place, name))
    return found


def _option(
    shown: str, field: FieldInfo, panel: str, name: str, *, hidden: bool = False
) -> inspect.Parameter:
    default = field.get_default(call_default_factory=True)
    none = (
        default in (None, "", [], {}, (), ...)
        or isinstance(default, bool)
        or repr(default) == "PydanticUndefined"
        or name in WITHOUT_DEFAULT
    )
    text = (field.description or "").rstrip(".")
    if name in Factors.model_fields and "repeatable" not in text:
        text += "; repeatable"
    shown_default = "" if none else f" [dim]\\[{_plain(default)}][/dim]"
    flags = [f"--{name.replace('_', '-')}" if hidden else flag_of(shown)]
    if default is True:
        flags = [f"{flags[0]}/--no-{flags[0].removeprefix('--')}"]
    flags += ["--kind"] if name == "reader" and not hidden else []
    option = typer.Option(
        *flags, metavar=_metavar(field, shown), rich_help_panel=panel, hidden=hidden,
        help=f"{text[:1].upper()}{text[1:]}.{shown_default}", show_default=False,
        autocompletion=completion(COMPLETED[name]) if name in COMPLETED else None,
    )  # fmt: skip
    kind = bool if field.annotation is bool else list[str] if name in REPEATABLE or _is_list(field) else str
    return _parameter(shown, Annotated[kind | None, option])


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _place(parameter: inspect.Parameter) -> tuple[int, int]:
    option = get_args(parameter.annotation)[1]
    panel = PANELS.index(option.rich_help_panel)
    common = COMMON_OPTIONS.index(parameter.name) if parameter.name in COMMON_OPTIONS else len(COMMON_OPTIONS)
    return panel, common


def _metavar(field: FieldInfo, name: str) -> str | None:
    if get_origin(field.annotation) is Literal:
        return "|".join(map(str, get_args(field.annotation)))
    if field.annotation is bool:
        return None
    if name == "positive":
        return "CLASS"
    if name in ("target", "weight", *COLUMNS):
        return "COLUMN"
    if name == "reader":
        return "NAME"
    if name in ("prepare", "titles", "test_file", "validation_file"):
        return "FILE"
    if name in ("test", "validation"):
        return "SHARE"
    if name == "batch_size":
        return "INTEGER|all"
    if name == "workers":
        return WORKERS
    if name == "reach":
        return TARGET
    if _is_list(field):
        return "LIST"
    text = str(field.annotation)
    if name in COMPLETED:
        return "NAME"
    return "INTEGER" if "int" in text else "NUMBER" if "float" in text else "TEXT"


def _is_list(field: FieldInfo) -> bool:
    """Whether an option takes several values: separated by commas, or the option repeated."""
    return any(kind in str(field.annotation) for kind in ("tuple", "list[", "dict["))


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


MoreMinutes = Annotated[
    float | None,
    typer.Option(
        "--minutes", help="Time budget from now on (default: as long again).", metavar="NUMBER", min=0.01
    ),
]
OtherWorkers = Annotated[
    str | None,
    typer.Option(
        "--workers",
        help="Runs at a time from now on, ray, or ray://HOST:PORT (default: as before).",
        metavar=WORKERS,
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for all results. [dim]\\[runs/NAME][/dim]", metavar="FOLDER",
                 rich_help_panel=COMMON, show_default=False),
]  # fmt: skip
