"""What a fitted preparation does with a row, as plain values that code without steepest follows.

The steps are gone through from the last one to the first: only what the features are made of is kept. The code that
follows them is ``portable/encoding.py``.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from steepest.data.columns import Column
from steepest.data.dates import DAYS, PARTS, TIMES, TIMES_OF_DAY
from steepest.data.harmony import stored_type
from steepest.data.notation import LIKE_A_NUMBER, PLAIN
from steepest.data.pipeline import TablePipeline
from steepest.data.preparation import FittedPreparation, Preparation
from steepest.data.sources.curve import CurvePipeline
from steepest.data.sources.rows import Pipeline
from steepest.data.steps import Learned, Step
from steepest.data.steps._values import DATES
from steepest.data.steps.cast import Cast
from steepest.data.steps.decode import Decode
from steepest.data.steps.derive import Derive
from steepest.data.steps.drop import Drop
from steepest.data.steps.fill_constant import FillConstant
from steepest.data.steps.fill_from import FillFrom
from steepest.data.steps.fill_mode import FillMode
from steepest.data.steps.filter import Filter
from steepest.data.steps.group import Group
from steepest.data.steps.rename import Rename
from steepest.data.steps.select import Select
from steepest.data.steps.text import Text
from steepest.errors import PreparationError
from steepest.export.portable.reading import label

_KINDS = (
    ("text", pl.String | pl.Categorical | pl.Enum),
    ("truth", pl.Boolean),
    ("number", pl.Float32 | pl.Float64),
    ("date", pl.Date | pl.Datetime | pl.Time),
)
"""What the values of a type are to the code that follows; whole numbers besides."""
_HELD = {"days": pl.Date, "times": pl.Time}
"""Dates that are not moments."""
_CURRENCIES = "".join(each for each in map(chr, range(sys.maxunicode)) if unicodedata.category(each) == "Sc")
"""The signs for which Python's patterns have no name."""


@dataclass
class _Back:
    """What is needed before a step, found from the last step backwards.

    Attributes:
        needed: the columns.
        steps: the steps from here on.
        schema: the types of the columns before and after the step that is looked at.
        learned: what that step has learned.
        derived: columns that the rows must have besides the raw ones, with their SQL and their type.
        made: columns that a step makes where the rows lack them.
        notes: what is done otherwise than steepest does, for the reader.
    """

    needed: set[str]
    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    schema: tuple[pl.Schema, pl.Schema] = field(default_factory=lambda: (pl.Schema(), pl.Schema()))
    learned: Learned = field(default_factory=dict[str, pl.DataFrame])
    derived: dict[str, tuple[str, Any]] = field(default_factory=dict[str, tuple[str, Any]])
    made: set[str] = field(default_factory=set[str])
    notes: list[str] = field(default_factory=list[str])

    def before(self, steps: list[dict[str, Any]]) -> None:
        """Put steps before those that are there."""
        self.steps = [*steps, *self.steps]


def encoders(pipeline: Pipeline) -> dict[str, Any]:
    """Return the content of ``encoders.json``, but for the network.

    Raises:
        PreparationError: the preparation does something that the code for other programs cannot follow.
    """
    if isinstance(pipeline, CurvePipeline):
        pipeline = pipeline.table
    if not isinstance(pipeline, TablePipeline):
        raise PreparationError(
            f"the rows of {pipeline.target!r} are not prepared as a table",
            hint="predict with steepest: exports for other programs are of tables.",
        )
    columns = [
        each for each in pipeline.columns.columns if each.role in ("categorical", "continuous", "date")
    ]
    back = _Back({each.name for each in columns})
    steps, learned = pipeline.preparation.preparation.steps, pipeline.preparation.learned
    types = [_types_after(pipeline, count) for count in range(len(steps) + 1)]
    for i in reversed(range(len(steps))):
        back.schema, back.learned = (types[i], types[i + 1]), learned[i] or {}
        FOLLOWED[type(steps[i])](steps[i], back)
    taken = [name for name in back.derived if name in pipeline.raw]
    if taken:
        raise PreparationError(
            f"a derive step replaces the column {taken[0]!r}, which only steepest can compute",
            hint="predict with steepest, or give what is derived a name of its own and train again.",
        )
    given = {name: stored_type(pipeline.raw[name]) for name in pipeline.raw if name in back.needed}
    given |= {name: dtype for name, (_, dtype) in back.derived.items()}
    return {
        "target": pipeline.target,
        "classes": _classes(pipeline),
        "target_mean": pipeline.target_scale.mean,
        "target_sd": pipeline.target_scale.sd,
        "missing": list(pipeline.missing),
        "missing_numbers": list(pipeline.marks),
        "like_a_number": LIKE_A_NUMBER.replace(r"\p{Sc}", f"[{_CURRENCIES}]"),
        "dates": {"days": DAYS, "clocks": TIMES, "times": TIMES_OF_DAY},
        "columns": {name: _column(name, dtype, pipeline) for name, dtype in given.items()},
        "derived": {name: sql for name, (sql, _) in back.derived.items()},
        "made": sorted(back.made - given.keys()),
        "optional": sorted(pipeline.optional & given.keys()),
        "steps": back.steps,
        "notes": back.notes,
        **_inputs(pipeline, columns, types[-1]),
    }


def _classes(pipeline: TablePipeline) -> list[Any]:
    """Return the classes as they are in the table, or as texts where JSON has no such value."""
    values = pipeline.labels.to_list()
    return values if all(isinstance(each, str | int | float) for each in values) else list(pipeline.classes)


def _types_after(pipeline: TablePipeline, count: int) -> pl.Schema:
    """Return the types of the columns after the first steps, from a table without rows."""
    fitted = pipeline.preparation
    first = FittedPreparation(Preparation(fitted.preparation.steps[:count]), fitted.learned[:count])
    raw = {name: stored_type(dtype) or pl.String() for name, dtype in pipeline.raw.items()}
    return first.replay(pl.DataFrame(schema=raw), target=pipeline.target)[0].schema


def _column(name: str, dtype: Any, pipeline: TablePipeline) -> dict[str, Any]:
    kind = "whole" if dtype is not None and dtype.is_integer() else ""
    kind = next((each for each, types in _KINDS if isinstance(dtype, types)), kind)
    if not kind:
        raise _cannot(f"the column {name!r} holds values of type {pipeline.raw.get(name, dtype)}")
    notation = pipeline.notations.get(name, PLAIN)
    form = pipeline.forms.get(name)
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else form.zone if form is not None else None
    found: dict[str, Any] = {"kind": kind, "zone": zone}
    if kind == "date" or form is not None:
        found["holds"] = next((each for each, one in _HELD.items() if isinstance(dtype, one)), "moments")
    if kind in ("whole", "number"):
        odd = notation != PLAIN
        found["pattern"] = notation.pattern if odd else None
        found["replace"] = [list(each) for each in notation.replacements] if odd else []
        found["unit"] = notation.unit
        found["written"] = f"1{notation.thousands}234{notation.decimal}5 {notation.unit}".strip()
    elif form is not None:
        found["format"] = form.format
    return found


def _inputs(pipeline: TablePipeline, columns: list[Column], schema: pl.Schema) -> dict[str, Any]:
    encoder = pipeline.encoder
    sources = {name: (each, part) for each in columns for name, part in _features(each)}
    categorical: list[dict[str, Any]] = []
    for name, vocabulary in encoder.vocabularies.items():
        column, part = sources[name]
        dtype = schema[column.name]
        if part is None and dtype.is_temporal():
            raise _cannot(f"the column {column.name!r} holds dates that are used as categories")
        texts = [_as_label(text, dtype) for text in vocabulary.labels]
        codes = {text: code for code, text in enumerate(texts, 1)}
        missing = len(vocabulary) - 1 if vocabulary.missing else 0
        categorical.append({**_feature(name, column, part), "codes": codes, "missing": missing})
    continuous: list[dict[str, Any]] = []
    for name, scale in encoder.scales.items():
        about = {"shift": scale.shift, "mean": scale.mean, "sd": scale.sd, "indicator": scale.missing}
        if scale.low is not None:
            about |= {"low": scale.low, "high": scale.high, "bounds": list(scale.bounds)}
        continuous.append({**_feature(name, *sources[name]), **about})
        if isinstance(schema[sources[name][0].name], pl.Duration):
            raise _cannot(f"the column {sources[name][0].name!r} holds durations")
    return {"categorical": categorical, "continuous": continuous}


def _features(column: Column) -> list[tuple[str, str | None]]:
    return [(f"{column.name} {part}", part) for part in column.parts] or [(column.name, None)]


def _feature(name: str, column: Column, part: str | None) -> dict[str, Any]:
    assert part is None or part in PARTS
    return {"name": name, "column": column.name, "part": part, "format": column.format, "zone": column.zone}


def _as_label(text: str, dtype: Any) -> str:
    """Return the text of a category as the other code writes it: fractions as Python does."""
    return label(float(text)) if dtype.is_float() and not text.lstrip("-").isdigit() else text


def _cannot(fact: str) -> PreparationError:
    return PreparationError(
        f"{fact}, which only steepest encodes",
        hint="predict with steepest, or leave the column out and train again.",
    )


def _plain(value: Any, column: str) -> Any:
    """Return a learned value as JSON has it."""
    if not isinstance(value, str | int | float | None):
        raise _cannot(f"a step fills {column!r} with {value!r}")
    return value


def _nothing(step: Step, back: _Back) -> None:
    """A step that only leaves columns out."""


def _filter(step: Filter, back: _Back) -> None:
    back.notes.insert(
        0, f"rows for which `{step.where}` does not hold are predicted too; steepest leaves them out"
    )


def _derive(step: Derive, back: _Back) -> None:
    after = back.schema[1]
    made = {name: (sql, after[name]) for name, sql in step.columns.items() if name in back.needed}
    back.needed -= made.keys()
    back.derived = {**made, **back.derived}


def _decode(step: Decode, back: _Back) -> None:
    if step.name in back.needed:
        back.needed = (back.needed - {step.name}) | set(step.columns)
        back.before([{"step": "decode", "columns": step.columns, "into": step.name, "labels": step.labels}])


def _text(step: Text, back: _Back) -> None:
    for column in step.columns:
        names = [name for name in step.names(column) if name in back.needed]
        if not names:
            continue
        if step.method == "hashed":
            raise _cannot(f"a text step hashes the words of {column!r}")
        about = {"column": column, **back.learned[column].to_dict(as_series=False)}
        back.before([{"step": "text", **about, "names": step.names(column)}])
        back.needed = (back.needed - set(names)) | {column}


def _rename(step: Rename, back: _Back) -> None:
    kept = {old: new for old, new in step.columns.items() if new in back.needed}
    if kept:
        back.needed = (back.needed - set(kept.values())) | kept.keys()
        back.before([{"step": "rename", "columns": kept}])


def _group(step: Group, back: _Back) -> None:
    if step.column in back.needed:
        about = {"column": step.column, "groups": step.mapping(), "upper": step.upper}
        back.before([{"step": "group", **about}])


def _fill_constant(step: FillConstant, back: _Back) -> None:
    values = {column: step.value for column in step.columns if column in back.needed}
    back.before([{"step": "fill", "column": column, "value": value} for column, value in values.items()])


def _fill_mode(step: FillMode, back: _Back) -> None:
    for column in step.columns:
        mode = back.learned[column]["value"]
        if column in back.needed and len(mode):
            back.before([{"step": "fill", "column": column, "value": _plain(mode[0], column)}])


def _fill_from(step: FillFrom, back: _Back) -> None:
    if step.column not in back.needed:
        return
    keys = [
        {
            "column": key,
            "values": {
                label(_plain(which, key)): _plain(value, step.column)
                for which, value in frame.select("key", "value").drop_nulls().iter_rows()
            },
        }
        for key, frame in back.learned.items()
    ]
    back.before([{"step": "fill-from", "column": step.column, "keys": keys}])
    back.needed |= set(step.keys)
    if step.create:
        back.made.add(step.column)


def _cast(step: Cast, back: _Back) -> None:
    for column, kind in step.types.items():
        if column in back.needed:
            if kind == "text" and back.schema[0][column].is_temporal():
                raise _cannot(f"a cast step makes texts of the dates in {column!r}")
            formats = [step.formats[column]] if column in step.formats else DATES
            about = {"formats": formats} if kind in ("date", "datetime") else {}
            back.before([{"step": "cast", "column": column, "to": kind, **about}])


FOLLOWED: Mapping[type[Step], Callable[[Any, _Back], None]] = {
    Cast: _cast, Decode: _decode, Derive: _derive, Drop: _nothing, FillConstant: _fill_constant, FillFrom: _fill_from,
    FillMode: _fill_mode, Filter: _filter, Group: _group, Rename: _rename, Select: _nothing, Text: _text,
}  # fmt: skip
"""What each step contributes; every registered step is here."""
