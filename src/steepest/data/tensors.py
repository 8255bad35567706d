"""From a prepared table to tensors: the parts, how the target is encoded, and the fingerprint of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from steepest.data import target as targets
from steepest.data.columns import Columns, as_number
from steepest.data.crowding import about_column, about_target
from steepest.data.dataset import Note, Part, TargetScale
from steepest.data.encode import TableEncoder, fit_and_encode
from steepest.data.options import TableOptions
from steepest.data.parts import PARTS, SPLIT_COLUMN
from steepest.data.row_weights import row_weights, scaled
from steepest.data.unforeseen import Unforeseen
from steepest.errors import DataError

_DIGEST_ROWS = 1 << 20


@dataclass(frozen=True)
class Tensors:
    """The table as tensors.

    Attributes:
        encoder: what was learned from the training rows.
        scale: of the target.
        parts: the rows of each part.
        unforeseen: of each part what no training row has.
        digest: of all of it.
        doubles: the parts in double precision, where numbers stay as they are.
        about: columns whose values crowd together.
    """

    encoder: TableEncoder
    scale: TargetScale
    parts: dict[str, Part]
    unforeseen: dict[str, Unforeseen]
    digest: Any
    doubles: dict[str, Part]
    about: list[Note]


def tensors(
    frame: pl.DataFrame,
    columns: Columns,
    options: TableOptions,
    target: str,
    classes: tuple[str, ...],
    scale: TargetScale | None,
    *,
    vary: bool,
) -> Tensors:
    """Return the table as tensors, encoded by what the training rows have.

    Args:
        frame: the prepared rows, with the part of each.
        columns: what each column is used as.
        options: how the rows are encoded.
        target: the column to predict.
        classes: of the target, in the order of their codes; none of a number.
        scale: of the target, where the dataset is a variant of one that has it.
        vary: whether a target with one class in the training rows is refused.
    """
    rows = {name: (frame[SPLIT_COLUMN] == name).to_numpy() for name in PARTS}
    encoder, encoded, numbers = fit_and_encode(
        columns.each_feature(frame),
        rows,
        categorical=columns.categorical,
        continuous=columns.continuous,
        min_count=options.min_count,
    )
    if options.as_they_are:
        encoder, scale = encoder.as_they_are(), TargetScale()
    train = pl.Series(rows["train"])
    crowds = {name: each.crowd(numbers[name].filter(train)) for name, each in encoder.scales.items()}
    about = [about_column(name, each) for name, each in crowds.items() if each is not None]
    scale, answers = _encoded_target(frame[target], rows["train"], classes, scale, vary=vary)
    raw = None if classes else as_number(frame[target]).to_numpy()
    if raw is not None and not options.as_they_are:
        about += about_target(raw[rows["train"]].astype(np.float64), target, scale.mean, scale.sd)
    digest = hashlib.sha256()
    parts: dict[str, Part] = {}
    doubles: dict[str, Part] = {}
    for name, mine in rows.items():
        inputs, wanted = encoded[name].inputs, answers[mine]
        if options.as_they_are:
            columns_of = [
                numbers[each].filter(pl.Series(mine)).cast(pl.Float64) for each in columns.continuous
            ]
            exact = (
                torch.from_numpy(np.stack([each.to_numpy() for each in columns_of], 1))
                if columns_of
                else torch.zeros(int(mine.sum()), 0, dtype=torch.float64)
            )
            exact = torch.cat(
                [exact, inputs[1][:, exact.shape[1] :].double()], 1
            )  # and the missing indicators
            inputs = (inputs[0], exact.float())
            values = torch.from_numpy(answers[mine] if raw is None else raw[mine].astype(np.float64))
            doubles[name] = Part((inputs[0], exact), values)
        parts[name] = Part(inputs, torch.from_numpy(wanted))
        _update(digest, inputs[0].numpy(), "<i4")
        for column in columns.continuous:
            values = numbers[column].filter(pl.Series(mine))
            if values.dtype.is_integer():
                _update(digest, values.fill_null(0).to_numpy(), "<i8")
            else:
                _update(digest, values.fill_null(float("nan")).to_numpy() + 0.0, "<f8")
        _update(digest, wanted if raw is None else raw[mine], "<f8")
    unforeseen = {name: each.unforeseen for name, each in encoded.items()}
    if not options.split_rule.held_out:
        parts = dict.fromkeys(PARTS, parts["train"])
        doubles = dict.fromkeys(PARTS, doubles["train"]) if doubles else doubles
    return Tensors(encoder, scale, parts, unforeseen, digest, doubles, about)


def rows_of(frame: pl.DataFrame, options: TableOptions) -> dict[str, NDArray[np.bool_]]:
    """Return which rows are in each part; where nothing is held out, the training rows are in all three."""
    held_out = options.split_rule.held_out
    return {name: (frame[SPLIT_COLUMN] == (name if held_out else "train")).to_numpy() for name in PARTS}


def weighted(
    frame: pl.DataFrame, numbers: pl.Series, parts: Mapping[str, Part], options: TableOptions, digest: Any
) -> tuple[dict[str, Part], Note]:
    """Return the parts with the weights of their rows, and a note of them."""
    column = options.weight or ""
    weights = row_weights(frame, column, numbers)
    rows = rows_of(frame, options)
    found, note = scaled(weights, rows, column, numbers)
    for mine in rows.values():
        _update(digest, weights[mine], "<f8")
    weighted = {name: replace(part, weights=torch.from_numpy(found[name])) for name, part in parts.items()}
    return weighted, note


def _update(digest: Any, values: np.ndarray[Any, Any], dtype: str) -> None:
    for start in range(0, len(values), _DIGEST_ROWS):
        digest.update(np.ascontiguousarray(values[start : start + _DIGEST_ROWS], dtype))


def _encoded_target(
    values: pl.Series,
    train: NDArray[np.bool_],
    classes: tuple[str, ...],
    scale: TargetScale | None,
    *,
    vary: bool,
) -> tuple[TargetScale, np.ndarray[Any, Any]]:
    if classes:
        codes = targets.class_codes(values, list(classes)).to_numpy()
        known = codes[train]
        if vary and (known == known[0]).all():
            raise DataError(
                f"the target {values.name!r} has one class only, {classes[known[0]]!r}, in the training rows",
                hint="choose another split, or another target.",
            )
        return TargetScale(), codes
    return targets.standardised(values, train, scale)
