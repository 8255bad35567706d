"""The steps that options add to a preparation, and those for one-hot columns that are found."""

from __future__ import annotations

from typing import Any

import polars as pl

from steepest.data.dataset import Note
from steepest.data.onehot import Blocks
from steepest.data.options import AUTO, NONE, TableOptions
from steepest.data.preparation import Preparation
from steepest.data.steps import ROW, Context
from steepest.data.steps.decode import Decode
from steepest.data.steps.text import Text

NOTHING_ADDED: dict[str, Any] = {"decode": [NONE], "text": []}
"""The options with which no step is added."""


def with_added(
    preparation: Preparation, raw: pl.LazyFrame, options: TableOptions
) -> tuple[Preparation, tuple[Note, ...]]:
    """Return the steps of a table: its preparation, with names for patterns, and what ``--decode`` and ``--text`` add.

    Args:
        preparation: as it was given.
        raw: the rows.
        options: of the table.

    Raises:
        PreparationError: a pattern matches no column, or a step does not fit the table.
    """
    keep = [options.split_rule.column, options.weight, options.time]
    context = Context(options.target, tuple(each for each in keep if each))
    named = [Decode(columns=[each]) for each in options.decode if each not in (AUTO, NONE)]
    texts = [Text(columns=options.text)] if options.text else []
    found = preparation.with_steps(named, last=texts).resolved(raw, context)
    if AUTO not in options.decode or options.as_they_are:
        return found, ()
    taken = {
        *context.keep, options.target or "", *(options.features or []), *options.categorical, *options.continuous,
        *options.drop, *(name for step in found.steps[len(found.prefix) :] for name in step.inputs()),
    }  # fmt: skip
    frame = raw.with_row_index(ROW)
    for step in found.prefix:
        frame = step.apply(frame, context)
    blocks = Blocks.of(frame, taken)
    return found.with_steps(blocks.steps), blocks.notes
