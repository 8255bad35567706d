"""From a CSV file, or the values of a column, to texts, numbers, truth values and times, as training read them.

How a column is written is decided by all of its values at once.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from steepest.export.portable.dates import format_of, moment_of, wall, written, zone_of

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1)
_NUMBER = re.compile(
    r"[-+]?((\d+\.?\d*|\.\d+)(e[-+]?\d+|d[-+]\d+)?|(\d+\.\d*|\.\d+)d\d+|nan|inf|infinity)",
    re.ASCII | re.I,
)
_WORDS = {"true": True, "false": False}


def read_csv(path: str | Path) -> Iterator[Row]:
    """Yield the rows of a CSV file in UTF-8; the separator is what its first line has most of.

    Lines without any value are skipped, and so is the header where it is repeated.

    Raises:
        ValueError: the file is in another encoding, two columns have one name, or a line has too few or many fields.
    """
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from _rows(file)
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not in UTF-8") from None


def _rows(file: Iterator[str]) -> Iterator[Row]:
    head = last = next(file, "")

    def lines() -> Iterator[str]:
        nonlocal last
        for line in itertools.chain([head], file):
            last = line
            yield line

    separator = max(",;\t|", key=head.count)
    rows = csv.reader(lines(), delimiter=separator)
    names = next(rows, [])
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise ValueError(f"the header has two columns {twice!r}")
    blank, skipped = re.compile(rf"[\s{re.escape(separator)}]*"), 0
    for row in rows:
        if blank.fullmatch(last):
            skipped += 1
        elif len(row) != len(names):
            raise ValueError(f"line {rows.line_num} has {len(row)} fields, the header has {len(names)}")
        elif len(row) == 1 or [each.strip() for each in row] != names:
            yield dict(zip(names, row, strict=True))
    if skipped:
        what = "line" if skipped == 1 else "lines"
        warnings.warn(f"{skipped} {what} without any value skipped", stacklevel=2)


def column_of(
    name: str, values: Sequence[Any], about: Mapping[str, Any], known: Mapping[str, Any]
) -> list[Any]:
    """Return the values of a column as what it holds: text, numbers, truth values, or times; None if missing.

    Args:
        name: of the column.
        values: texts as in a CSV file, numbers, truth values, dates, or None.
        about: the column in ``encoders.json``.
        known: the content of ``encoders.json``.

    Raises:
        ValueError: the column is not written as in training, nor in another way that can be read without a guess.
    """
    found = [_as_python(each) for each in values]
    found = [each.strip() if isinstance(each, str) else each for each in found]
    found = [None if isinstance(each, str) and each in known["missing"] else each for each in found]
    if about["kind"] == "date" or about.get("format") is not None:
        return _dates(name, found, about, known["dates"])
    number = next((i for i, each in enumerate(found, 1) if isinstance(each, datetime)), 0)
    if number:
        raise ValueError(f"column {name!r} holds a date in row {number}, and held none in training")
    if about["kind"] in ("whole", "number"):
        return _numbers(name, found, about, known)
    return _truths(name, found, known) if about["kind"] == "truth" else found


def _numbers(name: str, values: list[Any], about: Mapping[str, Any], known: Mapping[str, Any]) -> list[Any]:
    """Return numbers; all texts as they are where some do not look like numbers, which then are categories."""
    cleared = [
        None if isinstance(each, str) and each in known["missing_numbers"] else each for each in values
    ]
    read = [_number_of(each, about) if isinstance(each, str) else each for each in cleared]
    read = [int(each) if isinstance(each, bool) else each for each in read]
    odd = next((i for i, each in enumerate(read) if isinstance(each, str)), None)
    if odd is None:
        if about["unit"] == "%":
            _check_percent(name, cleared, read)
        return read
    if about["pattern"] is None and not _like_numbers(cleared, known):
        return values
    raise ValueError(
        f"column {name!r} holds {read[odd]!r} in row {odd + 1}, which is no number written as in training, "
        f"such as {about['written']}"
    )


def _check_percent(name: str, values: Sequence[Any], read: Sequence[Any]) -> None:
    """Raise an error where a number lacks its %: 0.05 can be 0.05 % or 5 %."""
    for number, (value, found) in enumerate(zip(values, read, strict=True), 1):
        if found and not (isinstance(value, str) and "%" in value):
            raise ValueError(
                f"column {name!r} holds {value!r} in row {number} without a %, and its numbers had one in training; "
                "give it as a text such as '5 %'"
            )


def _like_numbers(values: Sequence[Any], known: Mapping[str, Any]) -> bool:
    """Whether all texts look like numbers, written in some way."""
    texts = [each for each in values if isinstance(each, str)]
    return all(re.match(known["like_a_number"], each) or not isinstance(parsed(each), str) for each in texts)


def _number_of(text: str, about: Mapping[str, Any]) -> Any:
    """Return the number that a text is, as the training table wrote them; the text if it is none."""
    number = text
    if about["pattern"] is not None:
        if not re.match(about["pattern"], text):
            return text
        for old, new in about["replace"]:
            number = number.replace(old, new)
    return parsed(number)


def parsed(text: str) -> Any:
    """Return the number that a text is to Python, None for NaN; the text if it is none."""
    if not _NUMBER.fullmatch(text):
        return text
    text = re.sub(r"(?<=[\d.])[dD](?=[-+\d])", "e", text)  # as Fortran writes exponents
    try:
        return int(text)
    except ValueError:
        return None if math.isnan(float(text)) else float(text)


def _truths(name: str, values: list[Any], known: Mapping[str, Any]) -> list[Any]:
    """Return truth values, and texts that are none as they are."""
    cleared = [
        None if isinstance(each, str) and each in known["missing_numbers"] else each for each in values
    ]
    texts = [each for each in cleared if isinstance(each, str)]
    if all(each.lower() in _WORDS for each in texts):
        values = cleared
    elif _like_numbers(texts, known):
        values = [parsed(each) if isinstance(each, str) else each for each in cleared]
        odd = next((i for i, each in enumerate(values) if isinstance(each, str)), None)
        if odd is not None:
            raise ValueError(
                f"column {name!r} holds {values[odd]!r} in row {odd + 1}, which is not true or false"
            )
    return [each if each is None else _truth_of(each) for each in values]


def _truth_of(value: Any) -> Any:
    text = label(value).lower()
    return _WORDS.get(text, {"1": True, "0": False}.get(text, label(value)))


def _dates(name: str, values: list[Any], about: Mapping[str, Any], known: Mapping[str, Any]) -> list[Any]:
    """Return wall times, or texts in the format of training where it had texts; one that is no date stays there."""
    trained, zone = about.get("format"), about["zone"]
    texts = [each for each in values if isinstance(each, str)]
    form = format_of(name, texts, trained, known, times=about["holds"] == "times")
    found = list[Any]()
    for number, value in enumerate(values, 1):
        moment = moment_of(value, form) if isinstance(value, str) and form is not None else value
        if not isinstance(moment, datetime):
            if value is not None and (trained is None or not isinstance(value, str)):
                raise ValueError(
                    f"column {name!r} holds {value!r} in row {number}, which is no date such as 2018-01-31 22:05"
                )
            found.append(value)
        elif isinstance(value, str) and form == trained and moment.tzinfo == (zone and zone_of(zone)):
            found.append(value)
        else:
            found.append(_as_trained(value, wall(moment, zone), about))
    return found


def _as_trained(value: Any, moment: datetime, about: Mapping[str, Any]) -> Any:
    """Return what a value would have been in the training table, given its wall time."""
    trained = about.get("format")
    if trained is not None and "%y" in trained and not 1969 <= moment.year <= 2068:
        return value if isinstance(value, str) else None
    if trained is not None:
        return written(moment, trained, about["zone"])
    if about["holds"] == "times":
        return datetime.combine(EPOCH, moment.time())
    return datetime(moment.year, moment.month, moment.day) if about["holds"] == "days" else moment


def _as_python(value: Any) -> Any:
    """Return a value of NumPy or pandas as Python has it; None if it is missing."""
    kind = type(value).__name__
    if value is None or kind in ("NAType", "NaTType"):
        return None
    if kind == "datetime64":
        value = value.astype("datetime64[us]")
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, time):
        return datetime.combine(EPOCH, value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


def label(value: Any) -> str:
    """Return a value as the text of its category: 25.0 and 25 are ``25``, True is ``true``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
