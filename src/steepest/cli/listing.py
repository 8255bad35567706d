"""What ``steepest list`` shows: optimizers as a table, schedules as small plots, the rest as names with a line each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, get_args

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steepest.cli.studying import study_facts, study_table
from steepest.cli.suiting import suite_facts, suite_table
from steepest.components.registry import Entry, Registry
from steepest.optim import make_spec
from steepest.schedules import make_schedule

SHOWN = {
    "warmup": "warmup(cosine, length=0.2)",
    "join": "join(constant, linear, at=0.5)",
    "scale": "scale(cosine, 0.5)",
    "repeat": "repeat(cosine, 2)",
}
"""How combinators, which need another schedule, are drawn."""


def optimizer_facts(name: str, registry: Registry) -> dict[str, Any]:
    """Return what is to be known of a registered optimizer, ready for JSON.

    Example:
        >>> from steepest.optim import registry
        >>> facts = optimizer_facts("momentum", registry)
        >>> facts["lr"], facts["centre"], facts["state_bytes"], facts["couples"]
        (0.001, 0.01, 4.0, 'element')
        >>> optimizer_facts("newton", registry)["cost"][:12], optimizer_facts("newton", registry)["tuned"]
        ('1 + 2n gradi', [])
    """
    rule = make_spec(name)
    return {
        "name": name,
        "title": rule.title,
        "what": registry.entry(name).what,
        "paper": rule.citation,
        "lr": rule.hyper.lr,
        "centre": rule.centre,
        "state_bytes": round(rule.state_bytes, 3),
        "couples": rule.couples,
        "gradients_a_step": None if rule.cost else rule.gradients_a_step,
        "cost": rule.cost,
        "tuned": list(rule.axes),
        "groups": list(registry.entry(name).groups),
        "preset": dict(registry.entry(name).preset),
        "hyperparameters": {
            key: {"default": getattr(rule.hyper, key), "meaning": field.description}
            for key, field in type(rule.hyper).model_fields.items()
        },
        "differs": rule.divergences,
    }


def optimizer_table(registry: Registry, names: Sequence[str]) -> RenderableType:
    """Return the optimizers as a table: what each is, its groups and its default learning rate."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("optimizer", no_wrap=True)
    table.add_column("description")
    table.add_column("lr", justify="right", no_wrap=True)
    for name in names:
        entry = registry.entry(name)
        groups = (("●", "default"), ("○", "classic"), ("△", "second-order"), ("△", "sharpness"))
        mark = next((mark for mark, group in groups if group in entry.groups), " ")
        table.add_row(
            f"{mark} {name}", Text(entry.what, style="dim"), f"{optimizer_facts(name, registry)['lr']:g}"
        )
    note = (
        "● compared by default, and in the groups classic and all · ○ in the groups classic and all · no mark: in the "
        "group all · △ several gradients a step: in the group second-order or sharpness alone · lr: library default · "
        "memory, coupling and papers: --json"
    )
    return Group(table, Text(note, style="dim"))


def schedule_plots(texts: Sequence[str], *, steps: int = 200) -> RenderableType:
    """Return a small plot of each schedule, side by side as far as the terminal is wide."""
    panels = [Group(Text(text, style="bold"), *_axes(_values(text, steps)), Text()) for text in texts]
    note = Text("From the start of the run (left) to its end (right); 1 is the learning rate.", style="dim")
    return Group(Columns(panels, padding=(0, 3), equal=True), note)


def drawn(name: str) -> str:
    """Return the specification under which a registered schedule is drawn.

    Example:
        >>> drawn("cosine"), drawn("repeat")
        ('cosine', 'repeat(cosine, 2)')
    """
    return SHOWN.get(name, name)


def braille(values: Sequence[float], *, width: int = 24, height: int = 4) -> list[str]:
    """Return numbers from 0 to 1 as a curve of braille dots, two columns and four rows of dots a letter.

    Args:
        values: any number of them, from left to right.
        width: of the plot, in letters.
        height: of the plot, in letters.

    Example:
        >>> print("\\n".join(braille([1.0, 0.75, 0.5, 0.25, 0.0], width=3, height=2)))
        ⠱⡀⠀
        ⠀⠉⢢
    """
    columns, rows = 2 * width, 4 * height
    last = len(values) - 1
    levels = [
        round((1.0 - min(max(values[round(column * last / (columns - 1))], 0.0), 1.0)) * (rows - 1))
        for column in range(columns)
    ]
    dots = [[0] * width for _ in range(height)]
    bits = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    for column, level in enumerate(levels):
        before = levels[column - 1] if column else level
        step = 1 if level >= before else -1
        for row in [*range(before + step, level, step), level]:  # a jump is a vertical line
            dots[row // 4][column // 2] |= bits[row % 4][column % 2]
    return ["".join(chr(0x2800 + each) for each in line) for line in dots]


def dataset_facts(name: str, registry: Registry) -> dict[str, Any]:
    """Return what is to be known of a data set, ready for JSON.

    Example:
        >>> from steepest.data.catalog import SOURCES
        >>> facts = dataset_facts("flights", SOURCES)
        >>> facts["kind"], facts["licence"], facts["here"], facts["files"][0]["name"]
        ('table', 'CC0-1.0', True, 'flights.parquet')
    """
    from steepest.data.catalog import places

    source = registry.load(name)
    return {
        "name": name,
        "what": registry.entry(name).what,
        "kind": source.kind,
        "title": source.title,
        "licence": source.licence,
        "citation": source.citation,
        "page": source.page,
        "download_bytes": source.bytes,
        "here": bool(places(source)),
        "files": [
            {
                "name": each.name,
                "sha256": list(each.sha256),
                "contents_md5": each.contents_md5,
                "urls": list(each.urls),
            }
            for each in source.files
        ],
    }


def dataset_table(registry: Registry, names: Sequence[str]) -> RenderableType:
    """Return the data sets as a table: what each is, its kind, how much it is, and whether it is on this machine."""
    from steepest.data.catalog import Kind

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("data set", "description", "kind", "size", "here"):
        table.add_column(title, no_wrap=title == "data set", justify="right" if title == "size" else "left")
    kinds = get_args(Kind)
    for facts in sorted(
        (dataset_facts(each, registry) for each in names), key=lambda each: kinds.index(each["kind"])
    ):
        size = f"{facts['download_bytes'] / 1e6:.1f} MB" if facts["download_bytes"] else ""
        by_hand = not facts["files"] or any(not each["urls"] for each in facts["files"])
        where = "yes" if facts["here"] else "by hand" if by_hand else ""
        table.add_row(facts["name"], Text(facts["what"], style="dim"), facts["kind"], size, where)
    note = (
        "steepest fetch NAME gets the files · here: in the folder that STEEPEST_DATA names, or downloaded · "
        "by hand: has no address · licences, addresses and checksums: --json"
    )
    return Group(table, Text(note, style="dim"))


def listing(
    registry: Registry, names: Sequence[str] = (), *, plot: bool = False, as_json: bool = False
) -> RenderableType:
    """Return what ``steepest list`` prints of one kind of component.

    Args:
        registry: of the kind.
        names: only these; schedules that are drawn may be whole specifications.
        plot: draw schedules.
        as_json: JSON text in the place of a table.

    Raises:
        UnknownNameError: there is no component of that name.
    """
    if plot:
        return schedule_plots([*names] or [drawn(name) for name in registry.names()])
    entries = [registry.entry(name) for name in names or registry.names()]
    facts, table = _SHOWN.get(registry.kind, (_facts, None))
    if as_json:
        return json.dumps([facts(each.name, registry) for each in entries], indent=1, ensure_ascii=False)
    if table is None:
        return _table(sorted(entries, key=lambda each: registry.place(each.module)))
    return table(registry, [each.name for each in entries])


def _facts(name: str, registry: Registry) -> dict[str, Any]:
    entry = registry.entry(name)
    return {"name": name, "groups": list(entry.groups), "what": entry.what}


_SHOWN: dict[str, tuple[Any, Any]] = {
    "optimizer": (optimizer_facts, optimizer_table),
    "data set": (dataset_facts, dataset_table),
    "study": (study_facts, study_table),
    "suite": (suite_facts, suite_table),
}
"""Kinds of component that have facts and a table of their own."""


def _table(entries: Sequence[Entry]) -> Table:
    """Return names with a line of description each, under a heading for every set of groups if there are several."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    sections: dict[str, list[Entry]] = {}
    for each in entries:
        sections.setdefault(", ".join(each.groups), []).append(each)
    for title, members in sections.items():
        if title and len(sections) > 1:
            table.add_row(Text(f"{title}:", style="italic"))
        for each in members:
            table.add_row(each.name, each.what)
    return table


def _values(text: str, steps: int) -> list[float]:
    schedule = make_schedule(text, steps)
    return [schedule(step) for step in range(steps)]


def _axes(values: Sequence[float]) -> list[Text]:
    lines = braille(values)
    marks = ["1", *[" "] * (len(lines) - 2), "0"]
    return [
        Text.assemble((f"{mark} ", "dim"), (line, "cyan")) for mark, line in zip(marks, lines, strict=True)
    ]
