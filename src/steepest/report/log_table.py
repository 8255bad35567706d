"""The table of another tool's log: checked, with errors that say what to write instead."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from steepest.errors import DataError

NEEDED = ("name", "seed", "step")
KNOWN = (*NEEDED, "epoch", "seconds", "lr", "split")
SPLITS = {
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "train": "train",
}
EXAMPLE = "name,seed,step,log_loss"


def checked(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """Return the log in long form with checked types: KNOWN columns, metric, value."""
    lowered = {each: each.strip().lower() for each in frame.columns}
    same = [each for each in KNOWN if list(lowered.values()).count(each) > 1]
    if same:
        raise DataError(f"{where} has two columns {same[0]!r}", hint="keep one of them.")
    frame = frame.rename({old: new for old, new in lowered.items() if new in (*KNOWN, "metric", "value")})
    for each in NEEDED:
        if each not in frame.columns:
            advice = (
                "write 0 everywhere if there was one run each"
                if each == "seed"
                else f"it begins like {EXAMPLE}"
            )
            raise DataError(
                f"{where} has no column {each!r}",
                hint=f"its columns are {', '.join(frame.columns)}; {advice}.",
            )
    if frame.height == 0:
        raise DataError(f"{where} has no rows", hint="write one row per evaluation.")
    frame = frame.with_columns(pl.col("name").cast(pl.String).str.strip_chars())
    for each in NEEDED:
        place = frame[each].is_null().arg_true()
        if len(place):
            raise DataError(f"row {place[0] + 2} of {where} has no {each}", hint=f"every row needs a {each}.")
    frame = _numbers(frame, where, ("seed", "step"), whole=True)
    frame = _numbers(frame, where, [each for each in ("epoch", "seconds", "lr") if each in frame.columns])
    frame = _long(_splits(frame, where), where)
    keys = ["name", "seed", "split", "metric", "step"]
    twice = frame.filter(frame.select(keys).is_duplicated())
    if twice.height:
        one = twice.row(0, named=True)
        raise DataError(
            f"{where} has two rows for {one['name']!r}, seed {one['seed']}, step {one['step']}, {one['metric']}",
            hint="write one row per evaluation; runs with different rates need different names, such as 'sgd 0.1'.",
        )
    return frame.sort("step", maintain_order=True)


def _numbers(frame: pl.DataFrame, where: str, names: Sequence[str], *, whole: bool = False) -> pl.DataFrame:
    for name in names:
        column = frame[name]
        number = column.cast(pl.Float64, strict=False)
        bad = column.is_not_null() & (number.is_null() | (number.is_infinite() if whole else False))
        if whole:
            bad = (
                bad | (number.floor() != number).fill_null(value=False) | (number < 0).fill_null(value=False)
            )
        if bad.any():
            kind = "a whole number from 0" if whole else "a number"
            raise DataError(
                f"{name} {column.filter(bad)[0]!r} in row {bad.arg_true()[0] + 2} of {where} is not {kind}",
                hint=f"write the {name} as {kind}.",
            )
        frame = frame.with_columns(number.cast(pl.Int64) if whole else number)
    return frame


def _splits(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    if "split" not in frame.columns:
        return frame.with_columns(split=pl.lit("logged"))
    found = frame["split"].cast(pl.String).str.strip_chars().str.to_lowercase()
    wrong = frame["split"].filter(~found.is_in(list(SPLITS)).fill_null(value=False))
    if len(wrong):
        raise DataError(
            f"split {wrong[0]!r} in {where} is neither test nor validation",
            hint="write test or validation in every row, or leave the column out.",
        )
    kept = frame.with_columns(split=found.replace_strict(SPLITS)).filter(pl.col("split") != "train")
    if kept.height == 0:
        raise DataError(f"{where} has training rows only", hint="log the test rows as well: split = test.")
    return kept


def _long(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    frame = frame.with_columns(
        [
            pl.lit(None, pl.Float64).alias(each)
            for each in ("epoch", "seconds", "lr")
            if each not in frame.columns
        ]
    )
    if "metric" in frame.columns or "value" in frame.columns:
        lacks = [each for each in ("metric", "value") if each not in frame.columns]
        if lacks:
            raise DataError(
                f"{where} has no column {lacks[0]!r}", hint="the long format needs both metric and value."
            )
        if frame["metric"].is_null().any():
            raise DataError(f"a row of {where} has no metric", hint="name the metric in every row.")
        return (
            _numbers(frame, where, ["value"])
            .with_columns(pl.col("metric").cast(pl.String))
            .select(*KNOWN, "metric", "value")
        )
    names = [each for each in frame.columns if each not in KNOWN]
    texts = [each for each in names if frame[each].dtype == pl.String and frame[each].is_not_null().any()]
    numbers = [each for each in names if each not in texts and frame[each].dtype != pl.Boolean]
    for each in texts:
        values = frame[each].cast(pl.Float64, strict=False)
        if (
            values.is_not_null().any()
        ):  # a number among others is a mistake; a column of words is another thing
            _numbers(frame, where, [each])
    if not numbers:
        raise DataError(
            f"{where} has no metric",
            hint=f"add a column of numbers for each metric; it begins like {EXAMPLE}.",
        )
    return (
        _numbers(frame, where, numbers)
        .unpivot(numbers, index=list(KNOWN), variable_name="metric")
        .select(*KNOWN, "metric", "value")
    )
