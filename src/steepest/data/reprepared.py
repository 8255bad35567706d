"""A dataset with another preparation, whose validation and test rows and targets are checked to be the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data.assembly import Assembled, SourceRows, assemble, part_of, with_target
from steepest.data.columns import as_number
from steepest.data.dataset import Note
from steepest.data.given import InheritedData, row_ids
from steepest.data.labels import as_label
from steepest.data.options import TableOptions
from steepest.data.parts import PARTS, SPLIT_COLUMN, SPLIT_TYPE
from steepest.data.preparation import Preparation
from steepest.data.row_weights import row_weights
from steepest.data.steps import ROW
from steepest.errors import PreparationError, SteepestError
from steepest.wording import counted

FREE = frozenset(
    {
        "features",
        "categorical",
        "continuous",
        "drop",
        "decode",
        "text",
        "min_count",
        "missing",
        "decimal",
        "encoding",
    }
)
"""Options of a table that another preparation may set for itself."""

_SAME = (
    "all arms are judged on the same rows and targets: write the step into the preparation of every arm, or leave it "
    "out of this one."
)


@dataclass(frozen=True)
class Prepared:
    """How the rows of a variant are prepared.

    Attributes:
        preparation: the steps.
        options: the options of the table, as they are with this preparation.
        rows: returns the rows after the first so many steps, those from a learned one on not counted.
        name: what messages call it.
    """

    preparation: Preparation
    options: TableOptions
    rows: Callable[[int], SourceRows]
    name: str


def other_options(
    own: TableOptions, found: TableOptions, preparation: Preparation, name: str
) -> TableOptions:
    """Return the options of a table with another preparation: its own where that may be, else the experiment's.

    Args:
        own: the experiment's.
        found: what the table would have with this preparation alone.
        preparation: the steps, and the options that their file sets.
        name: what messages call the preparation.

    Raises:
        PreparationError: the file sets another target, split or part.
    """
    kept = {each for each in TableOptions.model_fields if each not in FREE}
    for each in (each.replace("-", "_") for each in preparation.table_options):
        if each in kept and getattr(found, each) != getattr(own, each):
            raise PreparationError(
                f"{name} sets {each} = {getattr(found, each)!r} in its [table], and the experiment has "
                f"{getattr(own, each)!r}",
                hint="leave it out there: all arms have the same target, split, validation and test rows.",
            )
    return found.model_copy(update={each: getattr(own, each) for each in kept})


def given_by(base: Assembled, options: TableOptions) -> InheritedData:
    """Return what all variants have from the experiment's own dataset."""
    dataset = base.dataset
    parts = base.frame[SPLIT_COLUMN]
    return InheritedData(ids_of(base, options), parts, dataset.task, dataset.classes, dataset.target_scale)


def ids_of(made: Assembled, options: TableOptions) -> NDArray[np.uint64]:
    """Return which rows of their files the rows of a prepared table are."""
    return row_ids(_files(made.frame[SPLIT_COLUMN], options), made.numbers)


def _files(parts: pl.Series, options: TableOptions) -> pl.Series:
    """Return the part of rows that are from a file of its own, else null."""
    own = [each for each in ("validation", "test") if isinstance(getattr(options, each), str)]
    frame = parts.alias(SPLIT_COLUMN).to_frame()
    return frame.select(
        pl.when(pl.col(SPLIT_COLUMN).cast(pl.String).is_in(own))
        .then(SPLIT_COLUMN)
        .otherwise(None)
        .cast(SPLIT_TYPE)
    ).to_series()


def is_train(given: InheritedData) -> NDArray[np.bool_]:
    """Return which of the rows are training rows."""
    return (given.parts == "train").to_numpy()


def assembled(prepared: Prepared, given: InheritedData, base: Assembled) -> Assembled:
    """Make tensors of the given rows, and check that validation and test rows and all targets are as they were."""
    target = base.dataset.target
    try:
        rows = prepared.rows(len(prepared.preparation.steps))
        test_set = base.dataset.provenance.get("test_set", 0)
        made = assemble(rows, prepared.preparation, prepared.options, target, test_set=test_set, given=given)
        found = _state(made.frame, made.numbers, prepared.options, base)
    except PreparationError:  # it names the step
        raise
    except SteepestError:
        _blame(prepared, given, base)
        raise
    wanted = _state(base.frame, base.numbers, prepared.options, base)
    if _lost(wanted, found) or _changed(wanted, found).height:
        _blame(prepared, given, base)
        raise PreparationError(
            f"{prepared.name} gives other validation or test rows, or another target, than the experiment has",
            hint=_SAME,
        )
    if prepared.options.weight is not None:
        _check_weights(wanted, found, prepared)
    return made


def _check_weights(wanted: pl.DataFrame, found: pl.DataFrame, prepared: Prepared) -> None:
    """Raise a ``PreparationError`` if rows have other weights."""
    both = wanted.join(found, on="id", how="inner", maintain_order="left")
    odd = both.filter(pl.col("weight").ne_missing(pl.col("weight_right")))
    if odd.height:
        raise PreparationError(
            f"{prepared.name} gives {counted(odd.height, 'row')} another weight ({prepared.options.weight}): "
            f"{odd['weight_right'][0]} for {odd['weight'][0]}",
            hint="all arms are judged with the same weights: write the step into the preparation of every arm.",
        )


def _state(frame: pl.DataFrame, numbers: pl.Series, options: TableOptions, base: Assembled) -> pl.DataFrame:
    """Return the ids of rows, their parts, and their targets as they are compared."""
    values = frame[base.dataset.target]
    answers = as_label(values) if base.dataset.classes else as_number(values).cast(pl.Float64)
    parts = frame[SPLIT_COLUMN]
    ids = row_ids(_files(parts, options), numbers)
    state = pl.DataFrame({"id": ids, "part": parts.cast(pl.String), "target": answers})
    weight = options.weight
    return state if weight is None else state.with_columns(pl.Series("weight", row_weights(frame, weight)))


def _lost(wanted: pl.DataFrame, found: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Return, for validation and test, how many rows are lost and how many there were, where any is."""
    lost: dict[str, tuple[int, int]] = {}
    for part in PARTS[1:]:
        mine = wanted.filter(part=part)
        n = mine.join(found, on="id", how="anti").height
        if n:
            lost[part] = n, mine.height
    return lost


def _changed(wanted: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of both with other targets."""
    both = wanted.join(found, on="id", how="inner", maintain_order="left")
    return both.filter(pl.col("target").ne_missing(pl.col("target_right")))


def _after(
    count: int, prepared: Prepared, given: InheritedData, base: Assembled
) -> pl.DataFrame | SteepestError:
    """Return the state after the first steps, or why there is none: a later one may make the target."""
    target, preparation = base.dataset.target, Preparation(prepared.preparation.steps[:count])
    try:
        frame, numbers, _ = with_target(prepared.rows(count), target)
        frame, numbers = given.restricted(frame, numbers)
        numbered = frame.with_row_index(ROW)
        fitted = preparation.fit(part_of(numbered, "train"), target=target)
        done, _ = fitted.transform(numbered.drop(SPLIT_COLUMN), target=target)
        done = done.filter(pl.col(target).is_not_null())
        parts = frame[SPLIT_COLUMN].gather(done[ROW])
        return _state(done.with_columns(parts), numbers.gather(done[ROW]), prepared.options, base)
    except SteepestError as error:
        return error


def _blame(prepared: Prepared, given: InheritedData, base: Assembled) -> None:
    """Raise a ``PreparationError`` that names the step that changes validation or test rows, if there is one.

    It is the first one after which rows are lacking, or there is no target, until the end; or the last one that gives
    targets other values.
    """
    wanted = _state(base.frame, base.numbers, prepared.options, base)
    before: pl.DataFrame | None = None
    lost = changed = ""
    for count in range(len(prepared.preparation.steps) + 1):
        step = f"step {count} ({prepared.preparation.steps[count - 1].use}) of " if count else ""
        found = _after(count, prepared, given, base)
        if isinstance(found, SteepestError):
            lost = lost or (f"after {step}{prepared.name}, {found.fact}" if before is not None else "")
            continue
        counts = _lost(wanted, found)
        if counts:
            rows = " and ".join(f"{n:,} of {total:,} {part} rows" for part, (n, total) in counts.items())
            lost = lost or f"{step}{prepared.name} leaves out {rows}"
        else:
            lost = ""
        odd = _changed(wanted, found)
        if not odd.height:
            changed = ""
        elif before is None or _changed(before, found).height:
            values = f"{odd['target_right'][0]!r} for {odd['target'][0]!r}"
            changed = (
                f"{step}{prepared.name} gives the target {base.dataset.target} other values in "
                f"{counted(odd.height, 'row')}: {values}"
            )
        before = found
    if lost or changed:
        raise PreparationError(lost or changed, hint=_SAME)


def about_rows(base: Assembled, made: Assembled, prepared: Prepared) -> list[Note]:
    """Return what a person should know about the rows of a dataset with another preparation."""
    n, before = len(made.dataset.train), len(base.dataset.train)
    notes = [Note("info", f"prepared by {prepared.name}.")]
    if n < before:
        notes.append(Note("info", f"{n:,} of {before:,} training rows are left by its steps."))
    if made.dataset.provenance["rows_read"] > base.dataset.provenance["rows_read"]:
        notes.append(Note("info", "rows that the experiment's own preparation leaves out stay out."))
    return notes
