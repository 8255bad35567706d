"""What a person sees of a table before training."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from steepest.data.columns import Columns
from steepest.data.dataset import Note
from steepest.data.options import TableOptions
from steepest.errors import FolderError

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
class Description:
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

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(f"{self.name}: {self.rows:,} rows, {len(self.columns)} columns", style="bold")
        table = RichTable(box=None, pad_edge=False, header_style="dim")
        table.add_column("column", no_wrap=True, overflow="ellipsis", max_width=28)
        table.add_column("type", no_wrap=True)
        table.add_column("used as", no_wrap=True)
        table.add_column("missing", justify="right", no_wrap=True)
        table.add_column("distinct", justify="right", no_wrap=True)
        table.add_column("values", no_wrap=True, overflow="ellipsis", ratio=1)
        for each in self.columns:
            style = {"target": "bold", "left out": "dim"}.get(each.role, "")
            table.add_row(
                Text(each.name), each.kind, each.role, share(each.missing), f"{each.distinct:,}",
                Text(each.values), style=style,
            )  # fmt: skip
        yield table
        for note in self.notes:
            mark, style = ("!", "yellow") if note.kind == "warning" else ("·", "dim")
            yield Text.assemble((f"{mark} ", style), note.text)

    def __repr__(self) -> str:
        return _plain(self)

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
            f"<li>{'⚠ ' if each.kind == 'warning' else ''}{html.escape(each.text)}</li>"
            for each in self.notes
        )
        return (
            f"<p><b>{html.escape(self.name)}</b>: {self.rows:,} rows, {len(self.columns)} columns</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><ul>{notes}</ul>"
        )

    def to_toml(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """Return (and write) a first preparation file, to be edited and given as ``--prepare``.

        Raises:
            FolderError: the file is there already and ``overwrite`` is false, or it cannot be written.
        """
        from steepest.data.pipeline import write_atomically

        text = _toml(self)
        if path is not None:
            path = Path(path)
            if path.exists() and not overwrite:
                raise FolderError(
                    f"{str(path)!r} is there already",
                    hint="give another name, or say that it may be replaced.",
                )
            write_atomically(path, text)
        return text


@dataclass(frozen=True)
class ShownRows:
    """A few rows that show themselves whole.

    Attributes:
        frame: the rows.
    """

    frame: pl.DataFrame

    def __repr__(self) -> str:
        with pl.Config(
            tbl_cols=-1, tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
            fmt_str_lengths=30, tbl_width_chars=200, float_precision=4,
        ):  # fmt: skip
            return repr(self.frame)

    def _repr_html_(self) -> str:
        with pl.Config(tbl_cols=-1, tbl_rows=-1, tbl_hide_dataframe_shape=True, fmt_str_lengths=60):
            return str(self.frame._repr_html_())


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
            0 if each.kind == "other" else frame[each.name].drop_nulls().n_unique(),
            "" if each.kind == "other" else _values(frame[each.name], each.role, each.kind),
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
            return f"{low} … {high}"
        middle: Any = known.median()
        return f"{_number(low)} … {_number(high)}, median {_number(middle)}"
    counts = known.value_counts(sort=True, name="__count").head(3)
    top = [
        f"{str(value)[:30]} {n / len(values):.0%}".replace("0%", "<1%" if n < 0.005 * len(values) else "0%")
        for value, n in counts.iter_rows()
    ]
    return ", ".join(top)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _plain(description: Description) -> str:
    console = Console(width=110, no_color=True, legacy_windows=False)
    with console.capture() as capture:
        console.print(description)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _toml(description: Description) -> str:
    named = {
        role: [c.name for c in description.columns if c.role == role]
        for role in ("categorical", "continuous")
    }
    dropped = [c for c in description.columns if c.role == "left out"]
    lines = [
        f"# What steepest found in {description.name} ({description.rows:,} rows). Edit it and give it to",
        "# steepest compare … --prepare FILE",
        "",
        "[table]",
    ]
    target = description.options.target
    lines.append(f"target = {_text(target)}" if target else '# target = "…"')
    for role, names in named.items():
        lines += [f"{role} = [", *(f"  {_text(each)}," for each in names), "]"]
    lines += ["drop = [", *(f"  {_text(c.name)},  # {_comment(c.reason)}" for c in dropped), "]"]
    lacking = [c for c in description.columns if c.missing and c.role in ("categorical", "continuous")]
    if lacking:
        lines += [
            "",
            "# Missing values need no step: a category has a code for them, a number gets the mean and an",
            "# indicator. To fill them from the training rows instead, remove the # below.",
        ]
    for each in lacking:
        lines += [
            "# [[step]]",
            '# use = "fill-mode"',
            f"# columns = [{_text(each.name)}]  # {share(each.missing)} missing",
        ]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return " ".join(text.split())
