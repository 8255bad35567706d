"""Write the tables of docs/reference from the code: `.venv/bin/python scripts/write_reference.py`.

The text between the two markers of a page is replaced; the text around them is written by hand. A test fails if a
page differs from the output of this script.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from steepest import optim, schedules
from steepest.cli import app
from steepest.components.registry import Registry
from steepest.data.catalog import SOURCES
from steepest.data.corruptions import registry as corruptions
from steepest.data.options import TableOptions
from steepest.data.preparation import STEPS
from steepest.data.sources import registry as sources
from steepest.evaluate import baselines, metrics
from steepest.finetuning import registry as finetuning
from steepest.landscape.choosing import registry as planes
from steepest.mapping.projection import registry as projections
from steepest.models import registry as models
from steepest.objectives import registry as losses
from steepest.objectives.target import TARGETS
from steepest.procedures import registry as procedures
from steepest.recipe import CLEARER_NAMES, ArmOptions, ExecutionOptions, Factors, ModelOptions, Protocol
from steepest.regularizers import PLACES
from steepest.regularizers import registry as regularizers
from steepest.report import glossary
from steepest.studies import registry as studies
from steepest.suites import registry as suites
from steepest.suites.base.suite import SIZES
from steepest.sweep.planner import registry as planners
from steepest.tracing.problem import registry as problems

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # a script of this folder knows only its own folder
from scripts.docs_hook import docstring  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
BEGIN, END = "<!-- begin: written by scripts/write_reference.py -->", "<!-- end -->"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(_cell(each) for each in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(text: str) -> str:
    """Return docstring prose as Markdown: roles and double backquotes become code, formulas MathML."""
    return docstring(inspect.cleandoc(text)).replace("``", "`")


def _sections(found: Any) -> tuple[str, dict[str, str]]:
    """Return a docstring's text before its first section, and its sections."""
    doc = _prose(found.__doc__ or "")
    parts = re.split(
        r"^(Args|Returns|Raises|Examples|Attributes|Source|Initialisation):", doc, flags=re.MULTILINE
    )
    if not parts[0].strip():
        raise SystemExit(f"{found} has no docstring")
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    kept = f"Initialisation:{sections['Initialisation']}" if "Initialisation" in sections else ""
    return f"{parts[0].strip()}\n\n{kept.strip()}".strip(), sections


def _arguments(section: str) -> list[tuple[str, str]]:
    """Return (name, text) for each argument of an ``Args:`` section."""
    body = inspect.cleandoc(section)
    found = re.findall(r"^([\w, ]+): ((?:.*\n?)(?:^[ ]+.*\n?)*)", body, flags=re.MULTILINE)
    return [(name, " ".join(text.split())) for name, text in found]


def _default(value: Any) -> str:
    if value is PydanticUndefined or value is None:
        return ""
    if isinstance(value, tuple | list):
        return f"`{', '.join(map(str, value))}`" if value else ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ({}, "") else ""


def _groups(groups: tuple[str, ...]) -> str:
    return ", ".join(groups) or "all"


def write_optimizers() -> str:
    """Return every optimizer with its hyperparameters."""
    text = [
        table(
            ("name", "group", "in `steepest.optim`", "source"),
            [
                (f"[`{e.name}`](#{e.name})", _groups(e.groups),
                 f"`{optim.class_name(e.name)}`" if e.name in optim.names() else "–",
                 optim.make_spec(e.name).citation)
                for e in optim.registry.entries.values()
            ],
        )
    ]  # fmt: skip
    for entry in optim.registry.entries.values():
        rule = optim.make_spec(entry.name)
        preset = ", ".join(f"{key}={value!r}" for key, value in entry.preset.items())
        kind = type(rule)
        lines = [
            f"## `{entry.name}`",
            _sections(kind)[0] + (f" A preset: `{rule.name}({preset})`." if preset else ""),
            f"Source: {rule.citation}.",
        ]
        if rule.divergences:
            lines.append(f"Differences from the source: {rule.divergences}")
        cost = rule.cost or (
            f"about {rule.gradients_a_step:g} gradients" if rule.gradients_a_step != 1 else ""
        )
        beside = [f"`{name}` around {centre:g}" for name, centre in rule.axes.items() if name != "lr"]
        tuned = (
            f"{' and '.join([f'Learning rates are tuned around {rule.centre:g}', *beside])}."
            if "lr" in rule.axes
            else "Nothing is tuned."
        )
        lines.append(f"{tuned} A step takes {cost}." if cost else tuned)
        fields = kind.Hyper.model_fields
        lines.append(
            table(
                ("hyperparameter", "default", "meaning"),
                [
                    (f"`{name}`", f"`{entry.preset.get(name, field.default)}`", field.description or "")
                    for name, field in fields.items()
                ],
            )
        )
        text.append("\n\n".join(lines))
    return "\n\n".join(text)


def write_schedules() -> str:
    """Return every schedule."""
    rows: list[tuple[str, ...]] = []
    for entry in schedules.registry.entries.values():
        build = entry.load()
        options = [each for each in inspect.signature(build).parameters.values() if each.name != "steps"]
        shown = ", ".join(str(each.replace(annotation=each.empty, default=each.default)) for each in options)
        about = _sections(build)[0].split("\n\n")[0].removeprefix("Return ")
        rows.append((f"`{entry.name}`", f"`{entry.name}({shown})`" if shown else "", about))
    return table(("name", "options", "shape"), rows)


def write_models() -> str:
    """Return every model with its options."""
    text: list[str] = []
    for entry in models.entries.values():
        about, sections = _sections(entry.load())
        options = [each for each in _arguments(sections.get("Args", "")) if each[0] != "shape"]
        parameters = inspect.signature(entry.load()).parameters
        text.append(f"## `{entry.name}`\n\n{about}")
        if options:
            rows = [(f"`{name}`", f"`{parameters[name].default}`", told) for name, told in options]
            text.append(table(("option", "default", "meaning"), rows))
    return "\n\n".join(text)


def write_sources() -> str:
    """Return every kind of data with what opens it."""
    rows = [
        (
            f"`{entry.name}`",
            entry.what,
            ", ".join(
                [
                    *(f"`--{each}`" for each in entry.more.get("options", ())),
                    *(f"`{each}`" for each in entry.more.get("suffixes", ())),
                    *(["folders"] if entry.more.get("folders", False) else []),
                ]
            )
            or "everything else",
        )
        for entry in sources.entries.values()
    ]
    return table(("source", "what it is", "chosen by"), rows)


def write_steps() -> str:
    """Return every preparation step with its options."""
    text: list[str] = []
    for entry in STEPS.entries.values():
        about, sections = _sections(entry.load())
        text.append(f"## `{entry.name}`\n\n{about}")
        rows = [(f"`{name}`", told) for name, told in _arguments(sections["Args"])]
        text.append(table(("option", "meaning"), rows))
    return "\n\n".join(text)


def write_labels() -> str:
    """Return every corruption of training labels with its options."""
    text: list[str] = []
    for entry in corruptions.entries.values():
        kind = entry.load()
        fields = {name: field for name, field in kind.model_fields.items() if name != "draw"}
        rows = [
            (f"`{name}`", _default(field.default), field.description or "")
            for name, field in {**fields, "draw": kind.model_fields["draw"]}.items()
        ]
        source = " ".join(_sections(kind)[1]["Source"].split())
        text.append(f"## `{entry.name}`\n\n{_sections(kind)[0]}\n\nSource: {source}")
        text.append(table(("option", "default", "meaning"), rows))
    return "\n\n".join(text)


def write_losses() -> str:
    """Return every training loss with its options."""
    text: list[str] = []
    for entry in losses.entries.values():
        kind = entry.load()
        about, sections = _sections(kind)
        serves = "classes" if kind.serves == "classification" else "numbers"
        source = f"\n\nSource: {' '.join(sections['Source'].split())}" if "Source" in sections else ""
        text.append(f"## `{entry.name}`\n\nFor {serves}. {about}{source}")
        rows = [
            (f"`{name}`", _default(field.default), field.description or "")
            for name, field in kind.model_fields.items()
        ]
        if rows:
            text.append(table(("option", "default", "meaning"), rows))
    return "\n\n".join(text)


def write_regularizers() -> str:
    """Return every regularizer with its options, in the order of a step."""
    text: list[str] = []
    for entry in sorted(
        regularizers.entries.values(), key=lambda each: (PLACES.index(each.groups[0]), each.name)
    ):
        kind = entry.load()
        about, sections = _sections(kind)
        text.append(f"## `{entry.name}`\n\nPlace: {entry.groups[0]}. {about}")
        if kind.strength_of:
            low, high = kind.strengths
            text[-1] += f"\n\nWithout `{kind.strength_of}` it is tuned, from {low:g} to {high:g}."
        text[-1] += f"\n\nSource: {' '.join(sections['Source'].split())}"
        fields = sorted(kind.model_fields.items(), key=lambda each: each[0] in kind.by_name)
        rows = [(f"`{name}`", _default(each.default), each.description or "") for name, each in fields]
        text.append(table(("option", "default", "meaning"), rows))
    return "\n\n".join(text)


def write_problems() -> str:
    """Return every small problem with its options."""
    return _components(problems)


def write_planes() -> str:
    """Return every way of choosing a plane with its options."""
    return _components(planes)


def write_planners() -> str:
    """Return every planner with its options."""
    return _components(planners)


def write_projections() -> str:
    """Return every projection with its options."""
    return _components(projections)


def _components(registry: Registry) -> str:
    """Return every component of a kind with its source and the fields that are its options."""
    text: list[str] = []
    for entry in registry.entries.values():
        kind = entry.load()
        about, sections = _sections(kind)
        source = f"\n\nSource: {' '.join(sections['Source'].split())}" if "Source" in sections else ""
        text.append(f"## `{entry.name}`\n\n{about}{source}")
        rows = [
            (f"`{name}`", _default(field.default), field.description or "")
            for name, field in kind.model_fields.items()
        ]
        if rows:
            text.append(table(("option", "default", "meaning"), rows))
    return "\n\n".join(text)


def write_finetuning() -> str:
    """Return every way of fine-tuning with its options."""
    return _components(finetuning)


def write_procedures() -> str:
    """Return every procedure with its options."""
    text: list[str] = []
    for entry in procedures.entries.values():
        about, sections = _sections(entry.load())
        parameters = inspect.signature(entry.load()).parameters
        text.append(f"## `{entry.name}`\n\n{about}")
        if parameters:
            rows = [
                (f"`{name}`", f"`{parameters[name].default}`", told)
                for name, told in _arguments(sections["Args"])
            ]
            text.append(table(("option", "default", "meaning"), rows))
    return "\n\n".join(text)


def write_metrics() -> str:
    """Return every metric with its definition."""
    rows: list[tuple[str, ...]] = []
    for entry in metrics.registry.entries.values():
        info = metrics.metric_info(entry.name)
        about = _sections(entry.load())[0].removeprefix("Return ").replace("\n\n", " ")
        rows.append(
            (
                f"`{entry.name}`",
                info.title,
                info.task,
                "higher" if info.higher_is_better else "lower",
                "sums over rows" if info.mean else "all rows at once",
                about,
            )
        )
    order = [
        *metrics.metric_names("classification", 2),
        *(name for task in TARGETS for name in metrics.metric_names(task)),
    ]
    rows.sort(key=lambda row: order.index(row[0].strip("`").replace("-", "_")))
    return table(("name", "title", "task", "better", "needs", "definition"), rows)


def write_baselines() -> str:
    """Return every baseline with what it does."""
    rows: list[tuple[str, ...]] = []
    for entry in baselines.registry.entries.values():
        fit = entry.load().fit
        about = _sections(getattr(fit, "func", fit))[0].removeprefix("Return ")  # of a partial too
        rows.append((f"`{entry.name}`", entry.load().title, ", ".join(entry.groups), about))
    return table(("name", "title", "task", "description"), rows)


def write_data_sets() -> str:
    """Return every data set of the catalog."""
    rows = [
        (f"`{s.name}`", s.title, s.kind, s.licence, f"[page]({s.page})", s.citation)
        for s in (entry.load() for entry in SOURCES.entries.values())
    ]
    return table(("name", "description", "kind", "licence", "origin", "attribution"), rows)


def write_studies() -> str:
    """Return every study with its question, its source and its budgets."""
    text: list[str] = []
    for entry in studies.entries.values():
        made = entry.load()
        budgets = [
            (size, f"{entry.more['minutes'][size]:g}", f"{entry.more['tflop'][size]:g}")
            for size in ("quick", "default", "full")
        ]
        about = (
            f"{made.question}\n\nPublished: {made.source}.\n\n"
            f"[Answer, figures and numbers](../studies/{entry.name}.md)."
        )
        text.append(f"## `{entry.name}`\n\n{about}\n\n{table(('size', 'minutes', 'Tflop'), budgets)}")
    return "\n\n".join(text)


def write_suites() -> str:
    """Return every suite with its optimizers, and the data sets and settings of each size."""
    text: list[str] = []
    for entry in suites.entries.values():
        made = entry.load()()
        minutes = entry.more["minutes"]
        about = (
            f"{_sections(type(made))[0]} Version {made.version}.\n\nOptimizers, each with {made.seeds} seeds: "
            f"{', '.join(f'`{each}`' for each in made.optimizers)}."
        )
        rows = [
            (size, f"`{each.name}`", "all" if each.rows is None else f"{each.rows:,}", f"`{each.options['model']}`",
             str(each.options["epochs"]), str(each.options["batch_size"]))
            for size in SIZES
            for each in made.sets(size)
        ]  # fmt: skip
        costs = ", ".join(f"{minutes[size]:g} ({size})" for size in SIZES)
        costs = f"Minutes at most on two cores, with all optimizers: {costs}."
        head = ("size", "data set", "rows that are drawn", "model", "epochs", "batch size")
        text.append(f"## `{entry.name}`\n\n{about}\n\n{table(head, rows)}\n\n{costs}")
    return "\n\n".join(text)


def _called(section: str, name: str) -> str:
    """Return what an option is called outside of files, where that is another name."""
    clearer = {old: new for new, old in CLEARER_NAMES.items()} if section in ("protocol", "execution") else {}
    return f"; in commands and Python `{clearer[name]}`" if name in clearer else ""


def write_configuration() -> str:
    """Return every option of an experiment's file, by section."""
    sections: dict[str, type[BaseModel]] = {
        "data": TableOptions,
        "model": ModelOptions,
        "protocol": Protocol,
        "factors": Factors,
        "execution": ExecutionOptions,
        "[arms]": ArmOptions,
    }
    text: list[str] = []
    for section, model in sections.items():
        rows = [
            (
                f"`{name}`",
                _default(field.get_default(call_default_factory=True))
                if name != "missing"
                else "the empty field, `?`, `NA`, `null` and similar",
                f"{field.description or ''}{_called(section, name)}",
            )
            for name, field in model.model_fields.items()
        ]
        text.append(f"## `[{section}]`\n\n{table(('option', 'default', 'meaning'), rows)}")
    return "\n\n".join(text)


def write_cli() -> str:
    """Return every command with its arguments and options."""
    text: list[str] = []
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [
            each
            for each in command.params
            if each.param_type_name == "option" and each.name != "help" and not each.hidden
        ]
        usage = " ".join(["steepest", name, *[each.name.upper() for each in arguments]])
        help_text = inspect.cleandoc(command.help or "")
        text.append(f"## `{usage}`\n\n{help_text}")
        if options:
            text.append(table(("option", "meaning"), [_cli_option(each) for each in options]))
    return "\n\n".join(text)


def _cli_option(option: Any) -> tuple[str, str]:
    """Return how an option is written, and what it means with its choices and its default."""
    value = option.metavar or ""
    choices = value.split("|") if "|" in value else []
    names = [
        f"`{each} {value}`" if value and not choices else f"`{each}`"
        for each in [*option.opts, *option.secondary_opts]
    ]
    text = re.sub(r"\s*\[dim\]\\?\[(.*?)\]\[/dim\]", r" (default: \1)", option.help or "")
    if option.show_default and option.default not in (None, False, ()) and "(default: " not in text:
        text += f" (default: {option.default})"
    if choices:
        text += f" One of {', '.join(f'`{each}`' for each in choices)}."
    return ", ".join(names), text


PAGES: dict[str, Callable[[], str]] = {
    "optimizers.md": write_optimizers,
    "schedules.md": write_schedules,
    "models.md": write_models,
    "preparation-steps.md": write_steps,
    "labels.md": write_labels,
    "losses.md": write_losses,
    "regularizers.md": write_regularizers,
    "procedures.md": write_procedures,
    "finetuning.md": write_finetuning,
    "metrics.md": write_metrics,
    "baselines.md": write_baselines,
    "data-sets.md": write_data_sets,
    "sources.md": write_sources,
    "problems.md": write_problems,
    "planes.md": write_planes,
    "planners.md": write_planners,
    "projections.md": write_projections,
    "studies.md": write_studies,
    "suites.md": write_suites,
    "configuration.md": write_configuration,
    "cli.md": write_cli,
    "glossary.md": glossary.page,
}


def renewed(page: str) -> str:
    """Return a page with what is between its markers written again."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"docs/reference/{page} lacks its markers")
    return f"{before}{BEGIN}\n\n{PAGES[page]()}\n\n{END}{after}"


def main() -> None:
    """Renew every page."""
    for page in PAGES:
        (REFERENCE / page).write_text(renewed(page), encoding="utf-8")


if __name__ == "__main__":
    main()
