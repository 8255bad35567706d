"""How a text table is laid out: what separates its columns, and where its header is."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steepest.data.encoding import check_head, read_bytes
from steepest.data.names import called
from steepest.errors import DataError
from steepest.wording import counted

DELIMITERS = ",;\t|"
SHOWN = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}

LOOKED_AT = 100
"""So many lines are looked at for what separates the columns."""
FEW = 0.5
"""Where fewer of them have as many fields as the first line, this may not belong to the table."""

_HEAD_BYTES = 1 << 16
_FIGURES = re.compile(r"[^a-zA-Z]*\d[^a-zA-Z]*")
"""A number or a date in some way of writing."""


@dataclass(frozen=True)
class Layout:
    """How a text table is laid out.

    Attributes:
        delimiter: what separates the columns.
        names: the column names, stripped.
        header: whether the first line holds the names.
        above: lines up to the first row, which are the header, and lines without any value before and after it.
        unquoted: columns whose first values have quotation marks that quote nothing, because blanks stand before them.
    """

    delimiter: str
    names: list[str]
    header: bool = True
    above: int = 0
    unquoted: tuple[str, ...] = ()


def find_layout(path: Path, names: Sequence[str] | None = None) -> Layout:
    """Look at the beginning of a text file.

    Raises:
        NotUtf8Error: the file is text in another encoding.
        DataError: the file is not text, or its header cannot serve.
    """
    head = read_bytes(path, _HEAD_BYTES)
    check_head(head, path, whole=len(head) < _HEAD_BYTES)
    text = head.decode("utf-8-sig", errors="replace")
    lines = text.splitlines()
    if len(head) == _HEAD_BYTES and len(lines) > 1:
        lines = lines[:-1]
    numbers = [i for i, each in enumerate(lines, 1) if each.strip()]
    lines = [each for each in lines if each.strip()]
    if not lines:
        raise DataError(f"{path.name} is empty", hint="give a file with a header line and rows.")
    _check_table(lines, path)
    delimiter = _delimiter(lines)
    rows = list(csv.reader(io.StringIO("\n".join(lines[:LOOKED_AT])), delimiter=delimiter))
    first = rows[0]
    if names is None:
        _check_header(rows[:20], numbers, path)
        later = _begins(lines, delimiter)
        if later >= 20:
            _check_header(
                [*csv.reader(io.StringIO("\n".join(lines[: later + 20])), delimiter=delimiter)], numbers, path
            )
    if len(first) == 1 and names is None:
        _check_one_column(lines, path)
    if names is not None:
        if len(names) != len(first):
            raise DataError(
                f"{path.name} has {len(first)} columns but {counted(len(names), 'name')} given",
                hint="give one name for each column.",
            )
        return Layout(delimiter, list(names), header=False)
    found = called(each.strip() for each in first)
    if all(is_number(each) for each in first) and first != [str(i) for i in range(len(first))]:
        raise DataError(
            f"the first line of {path.name} holds numbers, not column names: {', '.join(first[:5])}",
            hint="write a first line with the names of the columns.",
        )
    check_names(found, path.name)
    header = csv.reader(io.StringIO("\n".join(lines[:LOOKED_AT])), delimiter=delimiter)
    next(header)
    last = header.line_num
    above = numbers[last] - 1 if last < len(numbers) else numbers[last - 1]
    return Layout(delimiter, found, above=above, unquoted=_unquoted(found, rows[1:21]))


def _unquoted(names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the columns whose values in some rows begin with a blank and are in quotation marks."""
    quoted = re.compile(r' +".*" *')
    values = {
        name: [row[i] for row in rows if i < len(row) and row[i].strip()] for i, name in enumerate(names)
    }
    return tuple(name for name, each in values.items() if each and all(map(quoted.fullmatch, each)))


def check_names(names: Sequence[str], where: str) -> None:
    """Raise a ``DataError`` if two columns have the same name.

    Example:
        >>> check_names(["age", "b", "age"], "d.csv")
        Traceback (most recent call last):
        ...
        steepest.errors.DataError: d.csv has 2 columns named 'age' (columns 1, 3)
        Hint: rename them so that every name occurs once.
    """
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        places = ", ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        raise DataError(
            f"{where} has {names.count(twice[0])} columns named {twice[0]!r} (columns {places})",
            hint="rename them so that every name occurs once.",
        )


def _delimiter(lines: Sequence[str]) -> str:
    """Return what separates the columns: what does so in the first lines, or in the last ones if not in the first.

    Example:
        >>> _delimiter(["a,b", "1,2"]), _delimiter(["a report, by me", *["1;2;3"] * 9]), _delimiter(["a", "b"])
        (',', ';', ',')
    """
    best, best_score = ",", (0.0, 0)
    for each in DELIMITERS:
        counts = _fields(lines[:LOOKED_AT], each)
        if counts[0] < 2:
            continue
        same = sum(n == counts[0] for n in counts) / len(counts)
        score = (round(same, 1), counts[0])
        if score > best_score:
            best, best_score = each, score
    if best_score[0] >= FEW:
        return best
    usual = {each: Counter(_fields(lines[-LOOKED_AT:], each)).most_common(1)[0] for each in DELIMITERS}
    found = {each: rows for each, (fields, rows) in usual.items() if fields > 1}
    return max(found, key=lambda each: found[each], default=best)


def _fields(lines: Sequence[str], delimiter: str) -> list[int]:
    return [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)]


def _begins(lines: Sequence[str], delimiter: str) -> int:
    """Return the first line that has as many fields as most of the last ones; 0 if that is one field.

    Example:
        >>> _begins([*["a remark"] * 25, "x,y", *["1,2"] * 20], ",")
        25
    """
    usual = Counter(_fields(lines[-20:], delimiter)).most_common(1)[0][0]
    return next((i for i, n in enumerate(_fields(lines, delimiter)) if n == usual > 1), 0)


def _check_table(lines: list[str], path: Path) -> None:
    """Raise a ``DataError`` if a text is something else than a table."""
    start = lines[0].lstrip().lower()
    what = "a web page" if re.match(r"<(!doctype html|html|head|\?xml)", start) else ""
    if re.match(r'[\[{]\s*(["{\[]|$)', start):
        what = "JSON"
    if what:
        raise DataError(
            f"{path.name} is {what}, not a table: {lines[0][:60]!r}",
            hint="write it as CSV or Parquet, for example with polars.read_json(…).write_csv(…)."
            if what == "JSON"
            else "download the table itself: the page may be an error message or a form to log in.",
        )


def _check_header(rows: list[list[str]], numbers: list[int], path: Path) -> None:
    """Raise a ``DataError`` if the first line is a title above the header, or a row without a header.

    Args:
        rows: the first lines that are not blank.
        numbers: which lines of the file these are.
        path: the file.
    """
    first, *others = ([each.strip() for each in row] for row in rows)
    filled = [sum(map(bool, row)) for row in (first, *others)]
    at = next((i for i, n in enumerate(filled) if n == max(filled)), 0)
    names, below = others[at - 1] if at else [], others[at:]
    new = len(set(names)) == len(names) and not any(map(is_number, names))
    new = new and not any(set(names) & set(row) for row in below)
    if (
        at
        and max(filled) > 1
        and new
        and (max(filled[:at]) == 1 or _stands_above((first, *others), at, filled))
    ):
        raise DataError(
            f"{path.name} does not begin with its header: the first line is {first[0]!r}, and the first one with "
            f"{max(filled)} fields is {', '.join(names[:5])}",
            hint=f"delete the lines above that: tail -n +{numbers[at]} {path.name} > {path.stem}-clean{path.suffix}",
        )
    words = [i for i, each in enumerate(first) if not is_number(each)]
    columns = [{row[i] for row in others if i < len(row)} for i in range(len(first))]
    alike = [i for i in range(len(first)) if i not in words and all(map(is_number, columns[i] - {""}))]
    if alike and words and len(others) > 2 and all(first[i] and first[i] in columns[i] for i in words):
        raise DataError(
            f"the first line of {path.name} is a row, not a header: {', '.join(first[:5])}",
            hint="write a first line with the names of the columns.",
        )


def _stands_above(rows: Sequence[list[str]], at: int, filled: Sequence[int]) -> bool:
    """Whether the lines before a header are no rows: of another length or half empty, unlike those with numbers below.

    Args:
        rows: the first rows.
        at: the place of what may be the header.
        filled: how many fields of each row have a value.
    """
    width = len(rows[at])
    above = all(len(rows[i]) != width or 2 * filled[i] <= width for i in range(at))
    below = [row for row in rows[at + 1 :] if len(row) == width]
    values = [{row[i] for row in below} - {""} for i in range(width)]
    figures = any(each and all(_FIGURES.fullmatch(value) for value in each) for each in values)
    return above and len(below) > 1 and figures


def _check_one_column(lines: list[str], path: Path) -> None:
    inside = next((each for each in DELIMITERS if lines[0].count(each)), None)
    if inside and len(lines) > 1 and all(each[:1] == each[-1:] == '"' for each in lines[:20]):
        raise DataError(
            f"the lines of {path.name} stand in quotes as a whole: {lines[0][:60]}",
            hint=f'take the outer ones away: sed \'s/^"//; s/"$//; s/""/"/g\' {path.name} > '
            f"{path.stem}-clean{path.suffix}",
        )
    words = {len(each.split()) for each in lines[:20]}
    if len(lines) > 1 and len(words) == 1 and words != {1} and any("  " in each for each in lines[:20]):
        raise DataError(
            f"the columns of {path.name} seem to be separated by blanks: {lines[0][:60]!r}",
            hint=f"separate them by commas: sed 's/^ *//; s/  */,/g' {path.name} > {path.stem}-commas{path.suffix}",
        )
    for mark, shown in ((":", "a colon"), ("^", "a caret"), ("~", "a tilde"), (" ", "a blank")):
        counts = {line.count(mark) for line in lines[:20]}
        if len(lines) > 1 and len(counts) == 1 and counts != {0}:
            raise DataError(
                f"the columns of {path.name} seem to be separated by {shown}: {lines[0][:60]!r}",
                hint=f"separate them by a comma, semicolon, tab or bar: "
                f"tr '{mark}' ',' < {path.name} > {path.stem}-commas{path.suffix}",
            )


def is_number(text: str) -> bool:
    """Whether a text can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
