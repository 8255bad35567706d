"""From the rows of a table to the inputs of the network, and from its answers to predictions.

It needs NumPy and nothing else. What it knows of the table is in ``encoders.json``.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.export.portable.dates import OFFSET, moment_of, wall
from steepest.export.portable.reading import EPOCH, Row, column_of, label, parsed, read_csv

Answer = Callable[[NDArray[np.int64], NDArray[np.float32]], NDArray[np.float64]]

LARGEST_SCORE = 1e30
"""A larger standard score would overflow in the network."""

BATCH = 1024
"""Rows that the network is called with at a time."""

UNSEEN = "not seen in training"
MISSING = "missing; none was missing in training"
ABSENT = "missing, because rows lack the column; some values were missing in training"
OUTSIDE = "outside the range of training, {} to {}, by more than its width"
UNREADABLE = "not written as a date and counted as missing"
Found = set[tuple[str, str, int]]
"""Columns, what is wrong with a value, and its row."""

_TRUE, _FALSE = ("true", "yes", "1", "t", "y"), ("false", "no", "0", "f", "n")


@dataclass(frozen=True)
class Inputs:
    """Encoded rows.

    Attributes:
        categorical: a code for each categorical input, int64 ``[N, C]``.
        continuous: standard scores and missing indicators, float32 ``[N, D]``.
        notes: how many values had no counterpart in training, a line for each column.
    """

    categorical: NDArray[np.int64]
    continuous: NDArray[np.float32]
    notes: tuple[str, ...] = ()


class Encoding:
    """What training learned about the table.

    Args:
        about: the content of ``encoders.json``.
    """

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.about = about

    @classmethod
    def load(cls, path: str | Path) -> Encoding:
        """Read ``encoders.json``."""
        return cls(json.loads(Path(path).read_text(encoding="utf-8")))

    def encode(self, rows: Iterable[Mapping[str, Any]]) -> Inputs:
        """Return the network's inputs for rows by column name.

        Values are texts as in a CSV file, numbers, truth values, dates, or None; pandas and NumPy scalars too.

        Raises:
            ValueError: a column is absent, or a value cannot be used; the message names it and its row.
        """
        found: Found = set()
        prepared = self._prepared(rows, found)
        categorical, continuous = self.about["categorical"], self.about["continuous"]
        codes = np.zeros((len(prepared), len(categorical)), np.int64)
        for i, each in enumerate(categorical):
            codes[:, i] = [_code(each, number, row, found) for number, row in enumerate(prepared, 1)]
        indicators = [each for each in continuous if each["indicator"]]
        scores = np.zeros((len(prepared), len(continuous) + len(indicators)), np.float32)
        for i, each in enumerate(continuous):
            values = [_number(each, number, row, found) for number, row in enumerate(prepared, 1)]
            scores[:, i] = [_score(each, number, value, found) for number, value in enumerate(values, 1)]
            if each["indicator"]:
                scores[:, len(continuous) + indicators.index(each)] = [value is None for value in values]
        counts = Counter((name, why) for name, why, _ in sorted(found))
        notes = [f"{name}: {n} {'value' if n == 1 else 'values'} {why}" for (name, why), n in counts.items()]
        return Inputs(codes, scores, tuple(notes))

    def predict(self, rows: Iterable[Mapping[str, Any]], answer: Answer) -> list[Row]:
        """Return a prediction for each row.

        Args:
            rows: as for ``encode``.
            answer: returns probabilities ``[N, K]``, or values ``[N]``, from categorical and continuous inputs.

        Raises:
            ValueError: there are no rows, a column is absent, or a value cannot be used.
        """
        inputs = self.encode(rows)
        count = len(inputs.categorical)
        if not count:
            raise ValueError("there are no rows")
        for note in inputs.notes:
            warnings.warn(note, stacklevel=3)
        batches = [slice(at, at + BATCH) for at in range(0, count, BATCH)]
        parts = [answer(inputs.categorical[each], inputs.continuous[each]) for each in batches]
        return self.table(np.concatenate(parts))

    def table(self, answers: NDArray[np.float64]) -> list[Row]:
        """Return a row for each answer: probabilities ``[N, K]``, or values ``[N]``, as ``steepest predict`` does."""
        classes = self.about["classes"]
        if not classes:
            return [{"prediction": value} for value in answers.tolist()]
        table: list[Row] = []
        for best, row in zip(answers.argmax(1).tolist(), answers.tolist(), strict=True):
            columns = {f"p_{label(name)}": share for name, share in zip(classes, row, strict=True)}
            table.append({"prediction": classes[best], "probability": row[best], **columns})
        return table

    def _prepared(self, rows: Iterable[Mapping[str, Any]], found: Found) -> list[Row]:
        """Return rows of what the columns hold, after the steps of the preparation."""
        raw, optional = list(rows), self.about.get("optional", ())
        for number, row in enumerate(raw, 1):
            absent = [name for name in self.about["columns"] if name not in row]
            found.update((name, ABSENT, number) for name in absent if name in optional)
            lacking = [name for name in absent if name not in optional]
            if lacking:
                raise ValueError(f"row {number} lacks the column {lacking[0]!r}")
        columns = {
            name: column_of(name, [row.get(name) for row in raw], about, self.about)
            for name, about in self.about["columns"].items()
        }
        prepared = [{name: values[i] for name, values in columns.items()} for i in range(len(raw))]
        for row in prepared:
            row |= dict.fromkeys(self.about["made"])
            for step in self.about["steps"]:
                _STEPS[step["step"]](row, step)
        return prepared


def _code(about: Mapping[str, Any], number: int, row: Row, found: Found) -> int:
    value = _part(about, number, row, found)
    if value is None:
        if not about["missing"]:
            _count_missing(about, number, found)
        return about["missing"]
    code = about["codes"].get(label(value), 0)
    if not code:
        found.add((about["name"], UNSEEN, number))
    return code


def _number(about: Mapping[str, Any], number: int, row: Row, found: Found) -> Any:
    value = _part(about, number, row, found)
    if isinstance(value, datetime):
        value = (value - EPOCH) // timedelta(milliseconds=1) / 86_400_000
    if isinstance(value, str):
        value = parsed(value)
    if isinstance(value, str) or (isinstance(value, float) and math.isinf(value)):
        raise ValueError(f"column {about['column']!r} holds {value!r} in row {number}, which is no number")
    if value is None and not about["indicator"]:
        _count_missing(about, number, found)
    return value


def _count_missing(about: Mapping[str, Any], number: int, found: Found) -> None:
    if (about["column"], UNREADABLE, number) not in found:
        found.add((about["column"], MISSING, number))


def _score(about: Mapping[str, Any], number: int, value: Any, found: Found) -> float:
    """Return a standard score; a missing value is at the mean."""
    if value is None:
        return 0.0
    moved = float(value - about["shift"] if about["shift"] else value)
    low, high = about.get("bounds", (-math.inf, math.inf))
    if not low <= moved <= high:
        ends = (f"{about[end] + about['shift']:.6g}" for end in ("low", "high"))
        found.add((about["name"], OUTSIDE.format(*ends), number))
    score = (moved - about["mean"]) / about["sd"]
    if abs(score) > LARGEST_SCORE:
        raise ValueError(
            f"column {about['column']!r} holds {value!r} in row {number}, too far from those of training"
        )
    return score


def _part(about: Mapping[str, Any], number: int, row: Row, found: Found) -> Any:
    """Return the value of a feature: of a column, or of a part of its date."""
    value = row[about["column"]]
    if about["format"] is not None and isinstance(value, str):
        moment = moment_of(value, about["format"])
        if moment is None:
            found.add((about["column"], UNREADABLE, number))
            return None
        value = wall(moment, about["zone"])
    if about["part"] is None or value is None:
        return value
    if about["part"] == "day of year":
        return value.timetuple().tm_yday
    return value.isoweekday() if about["part"] == "weekday" else getattr(value, about["part"])


def _rename(row: Row, step: Mapping[str, Any]) -> None:
    row.update({new: row.pop(old) for old, new in step["columns"].items()})


def _group(row: Row, step: Mapping[str, Any]) -> None:
    value = row[step["column"]]
    if value is not None:
        text = label(value).upper() if step["upper"] else label(value)
        row[step["column"]] = step["groups"].get(text, text)


def _decode(row: Row, step: Mapping[str, Any]) -> None:
    values = [row.pop(column) for column in step["columns"]]
    whole = None not in values and sorted(map(float, values)) == [0.0] * (len(values) - 1) + [1.0]
    row[step["into"]] = step["labels"][[float(each) for each in values].index(1.0)] if whole else None


def _text(row: Row, step: Mapping[str, Any]) -> None:
    found = Counter(re.findall(r"\b\w\w+\b", (row.pop(step["column"]) or "").lower()))
    weights = [
        (1 + math.log(found[word])) * idf if word in found else 0.0
        for word, idf in zip(step["word"], step["idf"], strict=True)
    ]
    length = math.sqrt(sum(each * each for each in weights)) or 1.0
    for i, name in enumerate(step["names"]):
        row[name] = float(np.float32(weights[i] / length)) if i < len(weights) else 0.0


def _fill(row: Row, step: Mapping[str, Any]) -> None:
    if row[step["column"]] is None:
        row[step["column"]] = step["value"]


def _fill_from(row: Row, step: Mapping[str, Any]) -> None:
    for key in step["keys"]:
        if row.get(step["column"]) is not None:
            return
        value = row[key["column"]]
        row[step["column"]] = None if value is None else key["values"].get(label(value))


def _cast(row: Row, step: Mapping[str, Any]) -> None:
    value = row[step["column"]]
    if value is not None:
        row[step["column"]] = _CAST[step["to"]](value, step)


def _to_text(value: Any, step: Mapping[str, Any]) -> Any:
    del step
    return label(value)


def _to_number(value: Any, step: Mapping[str, Any]) -> Any:
    del step
    if isinstance(value, datetime):
        return (value - EPOCH) / timedelta(days=1)
    value = parsed(value.strip()) if isinstance(value, str) else value
    return None if value is None or isinstance(value, str) else float(value)


def _to_integer(value: Any, step: Mapping[str, Any]) -> Any:
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(days=1)
    exact = parsed(value.strip()) if isinstance(value, str) else value
    if isinstance(exact, int):
        return int(exact)
    number = _to_number(exact, step)
    return int(number) if number is not None and number.is_integer() else None


def _to_boolean(value: Any, step: Mapping[str, Any]) -> Any:
    del step
    if not isinstance(value, str):
        return bool(value)
    text = value.strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _to_datetime(value: Any, step: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        text = re.sub(rf"(:\d\d(?:\.\d+)?){OFFSET}", r"\1", value.strip())
        return next((each for form in step["formats"] if (each := moment_of(text, form)) is not None), None)
    return value if isinstance(value, datetime) else EPOCH + timedelta(days=value)


def _to_date(value: Any, step: Mapping[str, Any]) -> Any:
    moment = _to_datetime(value, step)
    return None if moment is None else datetime(moment.year, moment.month, moment.day)


_CAST: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "text": _to_text, "number": _to_number, "integer": _to_integer, "boolean": _to_boolean,
    "date": _to_date, "datetime": _to_datetime,
}  # fmt: skip
_STEPS: dict[str, Callable[[Row, Mapping[str, Any]], None]] = {
    "rename": _rename, "decode": _decode, "group": _group, "fill": _fill, "fill-from": _fill_from, "cast": _cast,
    "text": _text,
}  # fmt: skip


def command_line(predict: Callable[[Iterable[Row]], Sequence[Row]]) -> None:
    """Run ``predict.py ROWS.csv [PREDICTIONS.csv]``."""
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python predict.py ROWS.csv [PREDICTIONS.csv]")
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            table = predict(read_csv(sys.argv[1]))
    except (ValueError, OSError, csv.Error) as error:
        sys.exit(f"error: {error}")
    for each in notes:
        sys.stderr.write(f"{each.message}\n")
    with contextlib.ExitStack() as stack:
        out = sys.stdout
        if len(sys.argv) == 3:
            out = stack.enter_context(Path(sys.argv[2]).open("w", encoding="utf-8", newline=""))
        writer = csv.DictWriter(out, list(table[0]))
        writer.writeheader()
        for row in table:
            answer = row["prediction"]
            writer.writerow(row | {"prediction": label(answer) if isinstance(answer, bool) else answer})
