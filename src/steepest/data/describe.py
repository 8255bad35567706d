"""What a person sees of a table before training."""

from __future__ import annotations

import html
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from steepest.data import scores
from steepest.data.columns import Columns
from steepest.data.dataset import Note, has_classes
from steepest.data.described import Described
from steepest.data.labels import as_label, as_text, distinct_values
from steepest.data.options import TableOptions
from steepest.data.suggestions import quoted
from steepest.errors import FolderError
from steepest.files import reachable, write_atomically
from steepest.wording import counted, one_line, plain_text, significant

_TYPES = {
    "text": "text",
    "integer": "whole",
    "float": "number",
    "boolean": "yes/no",
    "date": "date",
    "other": "?",
}


@dataclass(frozen=True)
class ColumnDescription:
    """One column, as it is shown.

    Attributes:
        name, kind, role: as in ``Column``; ``reason`` says why it is left out.
        missing: share of missing values, 0…1.
        distinct: number of different known values.
        values: the most frequent values with their shares, or the range of numbers and dates.
    """

    name: str
    kind: str
    role: str
    reason: str
    missing: float
    distinct: int
    values: str


@dataclass(frozen=True)
class Description(Described):
    """The columns of a table, what they are for, and what was noticed.

    Attributes:
        name: the file's name.
        rows: number of rows.
        columns: one entry for each column, in the order of the table.
        notes: what was decided or looks odd.
    """

    name: str
    rows: int
    columns: tuple[ColumnDescription, ...]
    notes: tuple[Note, ...]
    options: TableOptions
    kind: str = "table"

    __repr__ = Described.__repr__

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(
            f"{self.name}: {counted(self.rows, 'row')}, {counted(len(self.columns), 'column')}", style="bold"
        )
        table = RichTable(box=None, pad_edge=False, header_style="dim", expand=True)
        longest = max((len(one_line(each.name)) for each in self.columns), default=6)
        table.add_column("column", no_wrap=True, overflow="ellipsis", width=max(6, min(longest, 24)))
        table.add_column("type", no_wrap=True, width=6)
        table.add_column("used as", no_wrap=True, width=11)
        table.add_column("missing", justify="right", no_wrap=True, width=7)
        table.add_column("distinct", justify="right", no_wrap=True, width=9)
        table.add_column("values", no_wrap=True, overflow="ellipsis", ratio=1)
        for each in self.columns:
            style = {"target": "bold", "weight": "bold", "left out": "dim"}.get(each.role, "")
            table.add_row(
                Text(one_line(each.name)), each.kind, each.role, share(each.missing), f"{each.distinct:,}",
                Text(each.values), style=style,
            )  # fmt: skip
        yield table
        for note in self.notes:
            mark, style = ("!", "yellow") if note.kind == "warning" else ("·", "dim")
            yield Text.assemble((f"{mark} ", style), one_line(note.text))
            if note.step:
                yield Text(note.step)

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th>{each}</th>" for each in ("column", "type", "used as", "missing", "distinct", "values")
        )
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(each)}</td>"
                for each in (c.name, c.kind, c.role, share(c.missing), f"{c.distinct:,}", c.values)
            )
            + "</tr>"
            for c in self.columns
        )
        notes = "".join(
            f"<li>{'⚠ ' if each.kind == 'warning' else ''}{html.escape(each.text)}"
            + (f"<pre>{html.escape(each.step)}</pre>" if each.step else "")
            + "</li>"
            for each in self.notes
        )
        return (
            f"<p><b>{html.escape(self.name)}</b>: {counted(self.rows, 'row')}, "
            f"{counted(len(self.columns), 'column')}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><ul>{notes}</ul>"
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything in plain values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "rows": self.rows,
            "columns": [asdict(each) for each in self.columns],
            "notes": [asdict(each) for each in self.notes],
        }

    def to_toml(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """Return (and write) a first preparation file, to be edited and given as ``--prepare``.

        Raises:
            FolderError: the file already exists and ``overwrite`` is false, or it cannot be written.
        """
        text = _toml(self)
        if path is not None:
            path = reachable(path)
            if path.exists() and not overwrite:
                raise FolderError(
                    f"{str(path)!r} already exists",
                    hint="give another name, or replace it with overwrite=True.",
                )
            write_atomically(path, text)
        return text


@dataclass(frozen=True)
class ShownRows:
    """A few rows, displayed with a line for each column, so that wide tables fit.

    Attributes:
        frame: the rows.

    Example:
        >>> ShownRows(pl.DataFrame({"x": [0.5, 1.25], "c": ["a", "b"]}))
        x  0.5  1.25
        c  a    b
    """

    frame: pl.DataFrame

    def _lines(self) -> list[list[str]]:
        return [
            [one_line(each.name), *(_cell(value) for value in each)] for each in self.frame.iter_columns()
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = RichTable(box=None, pad_edge=False, show_header=False)
        longest = max((len(one_line(each)) for each in self.frame.columns), default=1)
        table.add_column(style="dim", no_wrap=True, overflow="ellipsis", width=min(longest, 28))
        for _ in range(self.frame.height):
            table.add_column(no_wrap=True, overflow="ellipsis")
        for line in self._lines():
            table.add_row(*(Text(each) for each in line))
        yield table

    def __repr__(self) -> str:
        return plain_text(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(each)}</td>" for each in line) + "</tr>"
            for line in self._lines()
        )
        return f"<table><tbody>{rows}</tbody></table>"


def about_crowds(frame: pl.DataFrame, columns: Columns, options: TableOptions) -> list[Note]:
    """Return warnings about columns of numbers that few far values press together."""
    answers = None if options.target is None else frame[options.target]
    classes = options.task != "auto" and has_classes(options.task)
    if answers is not None and (classes or not answers.dtype.is_numeric()):
        answers = None
    wanted = set(columns.continuous)
    return scores.about_crowds(
        ((name, values) for name, values in columns.each_feature(frame) if name in wanted), answers
    )


def describe_columns(
    frame: pl.DataFrame, columns: Columns, notes: tuple[Note, ...], *, name: str, options: TableOptions
) -> Description:
    """Return the description of a prepared table whose roles are decided."""
    described = [
        ColumnDescription(
            each.name,
            _TYPES[each.kind],
            each.role,
            each.reason,
            frame[each.name].null_count() / max(1, frame.height),
            0 if each.kind == "other" else distinct_values(frame[each.name]),
            "" if each.kind == "other" else _values(as_text(frame[each.name]), each.role, each.kind),
        )
        for each in columns.columns
    ]
    return Description(name, frame.height, tuple(described), notes, options)


def share(value: float) -> str:
    """Return a share of missing values as a short text.

    Example:
        >>> share(0), share(0.00002), share(0.0847)
        ('', '<0.1 %', '8.5 %')
    """
    if value == 0:
        return ""
    return f"{value:.1%}".replace("%", " %") if value >= 0.0005 else "<0.1 %"


def _values(values: pl.Series, role: str, kind: str) -> str:
    known = values.drop_nulls()
    if len(known) == 0:
        return ""
    if kind == "date" or (kind in ("integer", "float") and role != "categorical" and known.n_unique() > 20):
        low, high = known.min(), known.max()
        if kind == "date":
            return f"{str(low)[:16].removesuffix(' 00:00')} … {str(high)[:16]}"
        middle: Any = known.median()
        return f"{_number(low)} … {_number(high)}, median {_number(middle)}"
    counts = as_label(known).alias("value").value_counts(sort=True, name="count").head(3)
    return ", ".join(f"{one_line(value)[:30]} {_percent(n / len(values))}" for value, n in counts.iter_rows())


def _percent(part: float) -> str:
    return f"{part:.0%}" if part >= 0.005 else "<1%"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else significant(value, 6)


def _cell(value: Any) -> str:
    if value is None:
        return "(missing)"
    return significant(value, 6) if isinstance(value, float) else one_line(str(value))


def _toml(description: Description) -> str:
    named = {
        role: [c.name for c in description.columns if c.role == role]
        for role in ("categorical", "continuous")
    }
    dropped = [c for c in description.columns if c.role == "left out"]
    lines = [
        f"# What steepest found in {description.name} ({counted(description.rows, 'row')}). Edit it and give it to",
        "# steepest compare … --prepare FILE",
        "",
        "[table]",
    ]
    target = description.options.target
    lines.append(f"target = {quoted(target)}" if target else '# target = "…"')
    said = {
        name: getattr(description.options, name)
        for name in ("weight", "decode", "text", "missing", "decimal", "encoding", "split")
    }
    for name, value in said.items():
        if value != type(description.options).model_fields[name].default:
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    for role, names in named.items():
        lines += _list(role, [(each, "") for each in names])
    lines += _list("drop", [(c.name, c.reason) for c in dropped])
    lacking = [c for c in description.columns if c.missing and c.role in ("categorical", "continuous")]
    if lacking:
        lines += [
            "",
            "# Missing values need no step: a category has a code for them, a number gets the mean and an",
            "# indicator. To fill them with the most frequent value of the training rows, remove the # below.",
            "# [[step]]",
            '# use = "fill-mode"',
            *(
                f"# {line}"
                for line in _list("columns", [(c.name, f"{share(c.missing)} missing") for c in lacking])
            ),
        ]
    for note in description.notes:
        if note.step:
            lines += ["", f"# {one_line(note.text)}", *(f"# {line}" for line in note.step.split("\n"))]
    return "\n".join(lines) + "\n"


def _list(name: str, entries: list[tuple[str, str]]) -> list[str]:
    if not entries:
        return [f"{name} = []"]
    inside = [f"  {quoted(entry)}," + (f"  # {one_line(about)}" if about else "") for entry, about in entries]
    return [f"{name} = [", *inside, "]"]
