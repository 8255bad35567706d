"""What was watched, as tidy CSV files: a line for each run, evaluation, quantity and parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steepest.compare.result import Comparison
from steepest.export.tidy import as_csv
from steepest.record.schema import Record

RUN = ("name", "phase", "recipe", "seed")
"""The columns that say which run it is."""


def files(comparison: Comparison, records: Sequence[Record]) -> dict[str, str]:
    """Return the files by name, those without a line left out.

    ``watching.csv`` has ``quantity`` ``training_METRIC``, ``l1``, ``l2`` and ``gradient``, the latter three of a
    ``parameter``, ``sharpness``, ``preconditioned`` and ``threshold``; ``calibration.csv`` the measures of every run
    before and after temperature scaling, and ``reliability.csv`` its bins.
    """
    titles = {run: arm.title for arm in comparison.arms for run in arm.runs}
    found = {
        "watching.csv": (
            ["step", "epoch", "quantity", "parameter", "value"],
            [line for each in records for line in _watched(each, titles)],
        ),
        "calibration.csv": (
            ["when", "temperature", "ece", "ece_equal_mass", "of_chance", "log_loss", "brier_score"],
            [line for each in records for line in _calibrated(each, titles)],
        ),
        "reliability.csv": (
            ["when", "binning", "bin", "rows", "confidence", "accuracy"],
            [line for each in records for line in _bins(each, titles)],
        ),
    }
    return {name: as_csv([*RUN, *head], rows) for name, (head, rows) in found.items() if rows}


def _run(record: Record, titles: Mapping[str, str]) -> list[Any]:
    key = record.key
    return [titles.get(f"{key.recipe}-{key.seed}", key.name), key.phase, key.recipe, key.seed]


def _watched(record: Record, titles: Mapping[str, str]) -> list[list[Any]]:
    watched = record.watched
    if watched is None:
        return []
    lines: list[list[Any]] = []
    for place, point in enumerate(record.curve):
        at = [*_run(record, titles), point.step, point.epoch]
        if watched.training:
            lines += [[*at, f"training_{name}", "", value] for name, value in watched.training[place].items()]
        for quantity in ("l1", "l2", "gradient"):
            table: list[list[float]] = getattr(watched, quantity)
            if table:
                named = zip(watched.parameters, table[place], strict=True)
                lines += [[*at, quantity, name, value] for name, value in named]
        for quantity in ("sharpness", "preconditioned", "threshold"):
            values: list[float] = getattr(watched, quantity)
            if values:
                lines.append([*at, quantity, "", values[place]])
    return lines


def _calibrated(record: Record, titles: Mapping[str, str]) -> list[list[Any]]:
    found = record.calibration
    if found is None:
        return []
    lines: list[list[Any]] = []
    for when, each in (("before", found.before), ("after", found.after)):
        if each is not None:
            temperature = found.temperature if when == "after" else 1.0
            values = [each.ece, each.ece_equal_mass, each.of_chance, each.log_loss, each.brier_score]
            lines.append([*_run(record, titles), when, temperature, *values])
    return lines


def _bins(record: Record, titles: Mapping[str, str]) -> list[list[Any]]:
    found = record.calibration
    if found is None:
        return []
    return [
        [*_run(record, titles), when, binning, place, *values]
        for when, each in (("before", found.before), ("after", found.after))
        if each is not None
        for binning, bins in (("width", each.width), ("mass", each.mass))
        for place, values in enumerate(zip(bins.rows, bins.confidence, bins.accuracy, strict=True))
    ]
