"""What a source says of its data before training: facts, lists and notes, to be shown or read as plain values."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from steepest.data.dataset import Note
from steepest.errors import OptionError
from steepest.wording import one_line, plain_text, significant

MOST_SHOWN = 12
"""Rows of a list that are shown; all of them are in the plain values."""


class Described(ABC):
    """A description of data of any kind, which shows itself in a terminal and in a notebook.

    Attributes:
        name: of the data.
        notes: what was decided or looks odd.
    """

    name: str
    kind: str
    notes: tuple[Note, ...]

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """Return everything in plain values."""

    @abstractmethod
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult: ...

    @abstractmethod
    def _repr_html_(self) -> str: ...

    def __repr__(self) -> str:
        return plain_text(self)

    def to_toml(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """Return (and write) a first preparation file; only tables have one.

        Raises:
            OptionError: the data is no table.
        """
        del path, overwrite
        raise OptionError(
            f"--write has no effect on data of the kind {self.kind}",
            hint="leave it out: a first preparation is written for tables.",
        )


@dataclass(frozen=True)
class DataFact:
    """One thing to know of data.

    Attributes:
        name: of the plain value.
        value: the plain value, as JSON has it.
        label: what the line is called; a fact without one is not shown.
        text: the value as it is shown.
    """

    name: str
    value: Any
    label: str = ""
    text: str = ""


@dataclass(frozen=True)
class Listed:
    """A list in a description, such as the classes with their counts.

    Attributes:
        name: of the plain value.
        columns: of the list; the first one holds names or ids.
        rows: plain values, one for each column.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def as_json(self) -> list[dict[str, Any]]:
        """Return a mapping for each row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def shown(self) -> list[tuple[str, ...]]:
        """Return the texts of the first rows, and what stands for the others."""
        some = [(one_line(str(row[0])), *map(_short, row[1:])) for row in self.rows[:MOST_SHOWN]]
        more = len(self.rows) - len(some)
        return [*some, (f"and {more:,} more", *[""] * (len(self.columns) - 1))] if more else some


@dataclass(frozen=True)
class DataOverview(Described):
    """A description of data that is not shown column by column.

    Attributes:
        name: of the data.
        kind: of the data, as ``--kind`` names it.
        title: how much of what there is.
        facts, lists: what is known of it.
        notes: what was decided or looks odd.
    """

    name: str
    kind: str
    title: str
    facts: tuple[DataFact, ...] = ()
    lists: tuple[Listed, ...] = ()
    notes: tuple[Note, ...] = ()

    __repr__ = Described.__repr__

    def as_json(self) -> dict[str, Any]:
        """Return everything in plain values."""
        return {
            "name": self.name,
            "kind": self.kind,
            **{each.name: each.value for each in self.facts},
            **{each.name: each.as_json() for each in self.lists},
            "notes": [asdict(each) for each in self.notes],
        }

    @property
    def _lines(self) -> list[tuple[str, str]]:
        return [(each.label, each.text) for each in self.facts if each.label]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(one_line(f"{self.name}: {self.title}"), style="bold")
        table = RichTable(box=None, pad_edge=False, show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
        for label, text in self._lines:
            table.add_row(label, Text(one_line(text)))
        yield table
        for each in self.lists:
            yield Text("")
            yield _listed(each)
        if self.lists and self.notes:
            yield Text("")
        for note in self.notes:
            mark, style = ("!", "yellow") if note.kind == "warning" else ("·", "dim")
            yield Text.assemble((f"{mark} ", style), one_line(note.text))

    def _repr_html_(self) -> str:
        def row(cells: Sequence[str], tag: str = "td") -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(each)}</{tag}>" for each in cells) + "</tr>"

        facts = "".join(map(row, self._lines))
        lists = "".join(
            f"<table><thead>{row(_heads(each), 'th')}</thead><tbody>{''.join(map(row, each.shown()))}</tbody></table>"
            for each in self.lists
        )
        notes = "".join(
            f"<li>{'⚠ ' if each.kind == 'warning' else ''}{html.escape(each.text)}</li>"
            for each in self.notes
        )
        return (
            f"<p><b>{html.escape(self.name)}</b>: {html.escape(self.title)}</p>"
            f"<table><tbody>{facts}</tbody></table>{lists}<ul>{notes}</ul>"
        )


def number(value: Any) -> str:
    """Return a plain value as it is shown.

    Example:
        >>> number(70000), number(1.23456789), number([28, 28]), number(None), number("cat")
        ('70,000', '1.23457', '28 × 28', '', 'cat')
    """
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " × ".join(map(number, value))
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else significant(value, 6)


def _short(value: Any) -> str:
    return significant(value, 4) if isinstance(value, float) else number(value)


def span(least: float, most: float) -> str:
    """Return from where to where numbers go.

    Example:
        >>> span(0, 255), span(-1.5, 1234.5)
        ('0 … 255', '-1.5 … 1,234.5')
    """
    return f"{number(least)} … {number(most)}"


def plain_numbers(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of a row with dates and the like as texts, so that they are JSON."""
    return tuple(
        value if isinstance(value, int | float | str | None) else str(value) for value in row.values()
    )


def _heads(listed: Listed) -> tuple[str, ...]:
    return tuple(each.replace("_", " ") for each in listed.columns)


def _listed(listed: Listed) -> RichTable:
    table = RichTable(box=None, pad_edge=False, header_style="dim", title=None)
    for at, head in enumerate(_heads(listed)):
        right = any(isinstance(row[at], int | float) for row in listed.rows) and at > 0
        table.add_column(
            head, justify="right" if right else "left", no_wrap=at > 0, overflow="ellipsis" if at else "fold"
        )
    for row in listed.shown():
        table.add_row(*(Text(each) for each in row))
    return table
