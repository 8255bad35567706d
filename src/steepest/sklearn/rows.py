"""What scikit-learn hands to an estimator, as a table of the library: frames as they are, arrays with named columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,  # pyright: ignore[reportPrivateUsage]
    validate_data,
)

from steepest.data.assembly import Assembled, assemble
from steepest.data.dataset import Dataset, Part
from steepest.data.labels import as_label
from steepest.data.objects import frame_of
from steepest.data.pipeline import TablePipeline
from steepest.data.table import Table
from steepest.data.variants import Variant
from steepest.errors import DataError

Array = NDArray[Any]

WEIGHT = "sample_weight"
LEAST_ROWS = 2
FIRST_DECIDES = "The first call of partial_fit decides how rows are prepared and scaled: give it more rows."


def is_frame(rows: Any) -> bool:
    """Whether rows come with names of their columns: a Polars, pandas or Arrow frame."""
    return isinstance(rows, pl.LazyFrame) or hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "columns")


def frame_from(estimator: Any, rows: Any, *, reset: bool) -> tuple[pl.DataFrame, list[str]]:
    """Return rows as a frame, and the columns that are numbers because they are those of an array of numbers.

    Args:
        estimator: whose ``n_features_in_`` and ``feature_names_in_`` are set or checked.
        rows: a frame, or an array ``[N, D]``.
        reset: whether the rows are those of a new fit.

    Raises:
        ValueError: the rows are not those of a table, have infinite numbers, or other columns than those of the fit.
    """
    least = LEAST_ROWS if reset else 1
    if is_frame(rows):
        rows = rows.collect() if isinstance(rows, pl.LazyFrame) else rows
        validate_data(estimator, rows, reset=reset, skip_check_array=True)
        frame, numbers = frame_of(rows).collect(), list[str]()
        if frame.height < least:
            raise DataError(
                f"the frame has {frame.height} sample(s), but a minimum of {least} is required",
                hint="give more rows.",
            )
    else:
        found: Any = validate_data(
            estimator,
            rows,
            reset=reset,
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=least,
        )
        columns = {f"x{i}": _column(found[:, i]) for i in range(found.shape[1])}
        frame = pl.DataFrame(columns)
        numbers = [name for name, dtype in frame.schema.items() if dtype.is_numeric()]
    if reset:
        estimator._columns = frame.columns
        return frame, numbers
    return frame.rename(dict(zip(frame.columns, estimator._columns, strict=True))), numbers


def _column(values: Array) -> pl.Series:
    """Return a column of an array: of objects numbers if all are numbers, else texts.

    Example:
        >>> _column(np.array([1, 2.5], object)).dtype, _column(np.array(["a", None], object)).to_list()
        (Float64, ['a', None])
    """
    if values.dtype.kind not in "OUS":
        return pl.Series(np.ascontiguousarray(values))
    try:
        return pl.Series(values.astype(np.float64))
    except ValueError:  # a TypeError says that an object is neither a text nor a number
        return pl.Series([None if each is None or each != each else str(each) for each in values])


def target_from(estimator: Any, y: Any, rows: int, *, classes: bool) -> Array:
    """Return the target ``[N]``: labels as they are, or numbers in float64.

    Raises:
        ValueError: it is not one column, has another length, misses a value, or is not of the kind that is predicted.
    """
    name = type(estimator).__name__
    if y is None:
        raise DataError(
            f"{name} requires y to be passed, but the target y is None", hint="give the target of each row."
        )
    y = column_or_1d(y.to_numpy() if isinstance(y, pl.Series) else y, warn=True)
    check_consistent_length(range(rows), y)
    y = y if classes else y.astype(np.float64)
    assert_all_finite(y, input_name="y", estimator_name=name)
    if classes:
        check_classification_targets(y)
    return y


def weights_from(sample_weight: Any, frame: pl.DataFrame) -> Array | None:
    """Return the weights of rows ``[N]`` in float64, numbers from 0; None if there are none."""
    if sample_weight is None:
        return None
    return _check_sample_weight(
        sample_weight, np.empty((frame.height, 1)), dtype=np.float64, ensure_non_negative=True
    )


def labels_of(classes: Array) -> tuple[pl.Series, tuple[str, ...]]:
    """Return classes as a column, and the texts that the library calls them by.

    Example:
        >>> labels_of(np.array([False, True]))[1], labels_of(np.array([1.0, 2.0]))[1]
        (('false', 'true'), ('1', '2'))
    """
    values = pl.Series(classes.tolist())
    return values, tuple(as_label(values).to_list())


def free_name(name: str, taken: Sequence[str]) -> str:
    """Return a name for a column that no other column has."""
    while name in taken:
        name += "_"
    return name


class TrainingTable(Table):
    """A table without test rows, whose target are codes of classes that are known beforehand.

    Attributes:
        labels: the classes in the order of their codes; empty for a target of numbers.
        first_pass: whether they are the rows of the first call of ``partial_fit``, after which others come.
    """

    labels: Array
    first_pass: bool

    @classmethod
    def of(cls, table: Table, labels: Array, *, first_pass: bool) -> TrainingTable:
        """Return the rows of a table, all of them for training but those that are held out for validation."""
        found = cls(table.options, table._source, table.preparation, table._options_for, table._cells)
        found.labels, found.first_pass = labels, first_pass
        return found

    @functools.cached_property
    def _made(self) -> Assembled:
        if not self.first_pass:
            return self._assembled(None if self.options.split_rule.held_out else 0)
        codes = [str(code) for code in range(len(self.labels))]
        try:
            return assemble(
                self._rows(self.target), self._steps[0], self.options, self.target, declared=codes
            )
        except DataError as error:
            hint = f"{error.hint}\n{FIRST_DECIDES}"
            raise DataError(
                error.fact, hint=hint, python=error.python and f"{error.python}\n{FIRST_DECIDES}"
            ) from None

    def make(self, test_set: int | None) -> tuple[Dataset, TablePipeline]:
        """Return the dataset, which has no test rows, and its pipeline."""
        del test_set
        return self._named(self._made.dataset, self._made.pipeline)

    def vary(self, variant: Variant, test_set: int | None = None) -> tuple[Dataset, TablePipeline]:
        """Return a variant of them, such as one with other encodings of numbers."""
        del test_set
        return self._named(*super().vary(variant))

    def _named(self, dataset: Dataset, pipeline: TablePipeline) -> tuple[Dataset, TablePipeline]:
        """Return them with all classes under their own names, also those without a row here."""
        if not len(self.labels):
            return dataset, pipeline
        values, texts = labels_of(self.labels)
        code_of = torch.tensor([int(each) for each in dataset.classes])
        train = _recoded(dataset.train, code_of)
        validation, test = (
            _recoded(each, code_of) if dataset.held_out else train
            for each in (dataset.validation, dataset.test)
        )
        named = replace(
            dataset,
            train=train,
            validation=validation,
            test=test,
            shape=replace(dataset.shape, outputs=len(texts)),
            classes=texts,
        )
        types = (str(values.dtype), str(values.dtype))
        return named, replace(pipeline, classes=texts, target_types=types)


def _recoded(part: Part, code_of: torch.Tensor) -> Part:
    return replace(part, target=code_of[part.target])
