"""The column that is predicted: whether it can be, as what, and its codes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data import dates
from steepest.data.columns import as_number, check_finite, kind_of
from steepest.data.dataset import Note, TargetScale, Task
from steepest.data.harmony import stored_type
from steepest.data.labels import as_label, as_text, labels_of
from steepest.data.mixed import Words
from steepest.data.options import INTEGER_CLASSES, TableOptions
from steepest.data.sizes import check_size, deviation
from steepest.data.suggestions import step_toml
from steepest.errors import DataError, OptionError, unknown_name
from steepest.wording import counted

SMALLEST_DEVIATION = 1e-150
"""The square of a smaller one would vanish."""
SMALLEST_SHARE = 1e-12
"""A target that varies by a smaller share of its size leaves a prediction fewer than four digits."""


def check_there(frame: pl.DataFrame, target: str, where: str) -> None:
    """Raise a ``DataError`` with the nearest columns if the target is not in the table."""
    if target not in frame.columns:
        several = [each.strip() for each in target.split(",")]
        if len(several) > 1 and set(several) & set(frame.columns):
            one, *others = several
            raise DataError(
                f"{len(several)} targets are named, {', '.join(map(repr, several))}: a comparison has one",
                hint=f"run one comparison per target without the others: --target {shlex.quote(one)} --drop "
                f"{shlex.quote(','.join(others))}.",
            )
        error = unknown_name("column", target, frame.columns)
        raise DataError(f"there is no column {target!r} in {where}", hint=error.hint)


def _check_no_dates(values: pl.Series, options: TableOptions) -> None:
    name, text = values.name, isinstance(values.dtype, pl.String | pl.Categorical)
    form = dates.date_format(values) if text else None
    if form is None and not isinstance(values.dtype, pl.Date | pl.Datetime | pl.Time):
        return
    first = as_text(values.head(1))[0]
    shown = repr(first) if text else str(first)
    steps = [step_toml("cast", types={name: "number"})]
    if text:
        formats = {} if form is None or form[:2] == "%Y" else {"formats": {name: form}}
        steps.insert(0, step_toml("cast", types={name: "date"}, **formats))
    below = "\n".join(steps)
    classes = "; or, if each date is a class, --task classification" if options.may_be_classes else ""
    raise DataError(
        f"the target {name!r} holds {'times of day' if values.dtype == pl.Time else 'dates'}, such as {shown}",
        hint="make it a number (days since 1970) with the steps below in a --prepare file; or "
        f"{options.another_target}{classes}.\n{below}",
    )


def decide_task(
    values: pl.Series, options: TableOptions, declared: Sequence[str] = ()
) -> tuple[Task, list[Note]]:
    """Decide what is predicted; ``values`` are the known ones, ``declared`` the classes if those were given.

    Text and true/false are classes; whole numbers are classes up to 20 different values (and at most a
    tenth of the rows), and numbers above that; other numbers are numbers.

    Raises:
        DataError: the target is constant, mixes numbers and text, holds infinities, or nearly all of its
            values differ though they are text.

    Example:
        >>> task, notes = decide_task(pl.Series("churned", ["yes", "no", "no"]), TableOptions())
        >>> task, notes[0].text
        ('classification', 'classification: churned has 2 classes.')
    """
    name, kind, n = values.name, kind_of(values), len(values)
    if declared:
        return "classification", [Note("info", f"classification: {name} has {len(declared):,} classes.")]
    distinct = values.n_unique()
    if distinct == 1:
        raise DataError(
            f"the target {name!r} has one value only, {values[0]!r}, in all {n:,} rows",
            hint=f"{options.another_target}, or give rows in which it varies: there is nothing to predict.",
        )
    if kind == "text" and options.task != "classification":
        _check_mixed(values, options)
    if kind == "other":
        raise DataError(
            f"the target {name!r} has values of type {values.dtype}",
            hint="choose a target of classes or numbers; a cast or derive step can make one.",
        )
    if options.task == "reconstruction":
        raise OptionError(
            f"--task reconstruction is for images, and {name!r} is a column of a table",
            hint="leave it out, and choose --model embedding-mlp or linear.",
        )
    if options.task != "classification":
        _check_no_dates(values, options)
    if values.dtype.is_float():
        check_finite(values, name, cure="leave those rows out with a filter step")
    task: Task
    if options.task != "auto":
        task = options.task
    elif kind in ("text", "boolean"):
        task = "classification"
    elif kind == "integer":
        task = "classification" if distinct <= min(INTEGER_CLASSES, max(2, n // 10)) else "regression"
    else:
        task = "regression"
    many = distinct > max(2, n // 2)
    read = kind == "text" and (
        task == "regression" or many
    )  # else nobody asks, and millions of texts take a while
    odd = _words(values) if read else pl.Series([], dtype=pl.String)
    if task == "regression" and len(odd):
        raise DataError(
            f"the target {name!r} should be a number but contains {odd[0]!r} ({counted(len(odd), 'such value')})",
            hint=_cure(values, options, classes=not many),
        )
    if task == "classification" and many:
        number = "" if len(odd) else ", or --task regression if it is a number"
        raise DataError(
            f"the target {name!r} has {distinct:,} different values in {n:,} rows, too many for classes",
            hint=f"choose another target{number}.",
        )
    other = "regression" if task == "classification" else "classification"
    what = (
        f"has {distinct:,} classes"
        if task == "classification"
        else f"is a number with {distinct:,} different values"
    )
    instead = "a number" if task == "classification" else "classes"
    doubt = f"; to predict {instead}: --task {other}" if kind == "integer" and options.task == "auto" else ""
    return task, [Note("info", f"{task}: {name} {what}{doubt}.")]


def class_labels(values: pl.Series) -> list[str]:
    """Return the class labels in the order of their codes: numbers by value, texts by letters.

    Example:
        >>> class_labels(pl.Series([10, 9, 10]))
        ['9', '10']
    """
    return sorted_labels(as_label(values.drop_nulls().unique()).unique().to_list())


def sorted_labels(labels: list[str]) -> list[str]:
    """Return labels in order of value if all are whole numbers, else of letters."""
    try:
        return sorted(labels, key=int)
    except ValueError:
        return sorted(labels)


def typed_labels(labels: Sequence[str], dtype: str) -> pl.Series:
    """Return labels as the values that they stand for, or as they are where that type is not known.

    Args:
        labels: as ``as_label`` gives them.
        dtype: the type of the values, as Polars prints it.

    Example:
        >>> typed_labels(["0", "1"], "Int64").to_list(), typed_labels(["false", "true"], "Boolean").to_list()
        ([0, 1], [False, True])
        >>> typed_labels(["no", "yes"], "String").to_list()
        ['no', 'yes']
    """
    texts = pl.Series("prediction", labels, dtype=pl.String)
    wanted = stored_type(dtype) or pl.String()
    values = texts == "true" if wanted == pl.Boolean else texts.cast(wanted, strict=False)
    return values if as_label(values).to_list() == texts.to_list() else texts


def known_codes(values: pl.Series, classes: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return int64 codes of class labels, -1 where there is none or it is not among ``classes``; and the odd labels.

    Example:
        >>> codes, odd = known_codes(pl.Series("y", [10, 9, None, 8]), ["9", "10"])
        >>> codes.tolist(), odd
        ([1, 0, -1, -1], ['8'])
    """
    texts = as_label(values)
    codes = texts.replace_strict(
        list(classes), list(range(len(classes))), default=-1, return_dtype=pl.Int64
    ).fill_null(-1)
    return codes.to_numpy(), texts.filter(codes == -1).drop_nulls().to_list()


def known_class(name: str, classes: Sequence[str]) -> str:
    """Return the class that a name means; true and false are recognised however they are written.

    Raises:
        UnknownNameError: there is no such class.

    Example:
        >>> known_class("True", ["false", "true"]), known_class("True", ["True", "true"])
        ('true', 'True')
    """
    for each in (name, name.lower() if name.lower() in ("true", "false") else name):
        if each in classes:
            return each
    raise unknown_name("class", name, classes)


def class_codes(values: pl.Series, classes: list[str]) -> pl.Series:
    """Return int64 codes of class labels.

    Raises:
        DataError: a label is not among ``classes``.

    Example:
        >>> class_codes(pl.Series("y", [10, 9]), ["9", "10"]).to_list()
        [1, 0]
    """
    labels = labels_of(values)
    known = labels.texts.cast(pl.Enum(classes), strict=False).to_physical().cast(pl.Int64)
    codes = labels.taken(known.fill_null(-1).to_numpy(), -1)
    if (codes < 0).any():
        odd = as_label(values.slice(int(np.argmax(codes < 0)), 1))[0]
        raise DataError(
            f"column {values.name!r} has the class {odd!r}, which is not one of the {len(classes)} known ones",
            hint=f"known: {', '.join(classes[:20])}.",
        )
    return pl.Series(values.name, codes)


def standardised(
    values: pl.Series, train: NDArray[np.bool_], scale: TargetScale | None = None
) -> tuple[TargetScale, NDArray[np.float32]]:
    """Return how a target of numbers is standardised, and its standard scores (float32 ``[N]``).

    Args:
        values: the target of all rows.
        train: which of them are training rows.
        scale: how it is standardised, if not learned from the training rows.

    Raises:
        DataError: the training rows have one value only, or numbers whose squares do not fit into floats.

    Example:
        >>> scale, scores = standardised(pl.Series([1.0, 3.0, 5.0]), np.array([True, True, False]))
        >>> scale, scores.tolist()
        (TargetScale(mean=2.0, sd=1.0), [-1.0, 1.0, 3.0])
    """
    name = values.name
    numbers = as_number(values)
    check_size(
        numbers, what="the target", cure="give it in another unit: a derive step can multiply it by 1e-100"
    )
    known = numbers.to_numpy()[train]
    mean, sd = float(known.mean()), deviation(known)
    if values.filter(pl.Series(train)).n_unique() == 1:
        raise DataError(
            f"the target {name!r} has one value only, {known[0]:g}, in the training rows",
            hint="choose another split, or another target.",
        )
    if scale is not None:
        return scale, ((numbers.to_numpy() - scale.mean) / scale.sd).astype(np.float32)
    if sd < SMALLEST_SHARE * abs(mean):
        raise DataError(
            f"the target {name!r} varies too little around {mean:g} for the precision of a float",
            hint=f"a derive step can subtract {values[0]} from it.",
        )
    if sd < SMALLEST_DEVIATION:
        raise DataError(
            f"the target {name!r} varies by {sd:.1g} only, too little to be squared",
            hint="give it in another unit: a derive step can multiply it by 1e100.",
        )
    return TargetScale(mean, sd), ((numbers.to_numpy() - mean) / sd).astype(np.float32)


def _check_mixed(values: pl.Series, options: TableOptions) -> None:
    found = Words.of(values)
    if found is not None and found.share > 0.5 and found.numbers > INTEGER_CLASSES:
        first = int((as_text(values) == found.words[0]).arg_true()[0])
        raise DataError(
            f"the target {values.name!r} mixes numbers and text: {found.words[0]!r} in row {first + 1} "
            f"while {found.share:.1%} are numbers",
            hint=_cure(values, options, classes=values.n_unique() <= len(values) // 2),
        )


def _words(values: pl.Series) -> pl.Series:
    """Return the texts that are no numbers."""
    values = as_text(values)
    return values.filter(values.cast(pl.Float64, strict=False).is_null())


def _cure(values: pl.Series, options: TableOptions, *, classes: bool) -> str:
    """Return what to do about a target that is to be a number and holds words."""
    found = Words.of(values)
    cures = [] if found is None else [found.cure]
    if classes and options.may_be_classes:
        cures.append("if these are classes: --task classification")
    below = "" if found is None else found.below
    return f"{'; '.join(cures) or f'{options.another_target}; none of its values is a number'}.{below}"
