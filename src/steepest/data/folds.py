"""The datasets of a table with several test sets, of which no more need be in memory than are used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload
from weakref import WeakValueDictionary

import polars as pl

from steepest.data.assembly import Assembled
from steepest.data.dataset import Dataset
from steepest.data.pipeline import TablePipeline
from steepest.data.preparation import StepReport
from steepest.errors import DataError, SteepestError


@dataclass(frozen=True)
class FoldFacts:
    """What is kept of a fold whose dataset may be gone.

    Attributes:
        pipeline: what was learned from the fold's training rows.
        reports: what the preparation steps did.
        test_rows: as ``Table.test_rows``.
        classes: the classes of the dataset.
    """

    pipeline: TablePipeline
    reports: tuple[StepReport, ...]
    test_rows: pl.DataFrame
    classes: tuple[str, ...]


class Folds(Sequence[Dataset]):
    """The datasets of the test sets of a table, in order.

    A dataset is made when it is asked for, and is the same object as long as somebody holds it. After that it is made
    again, with the same bits and fingerprint.

    Example:
        >>> from steepest.data.table import read_table
        >>> folds = read_table({"x": [1.5, 2.5] * 20, "y": ["a", "b"] * 20}, target="y", split="folds:4").folds()
        >>> len(folds), len(folds[0].test), folds.test_rows(0).height
        (4, 10, 10)
    """

    def __init__(self, make: Callable[[int], Assembled], count: int) -> None:
        self._make = make
        self._count = count
        self._datasets: WeakValueDictionary[int, Dataset] = WeakValueDictionary()
        self._facts: dict[int, FoldFacts] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Dataset: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Dataset, ...]: ...
    def __getitem__(self, index: int | slice) -> Dataset | tuple[Dataset, ...]:
        if isinstance(index, slice):
            return tuple(self[each] for each in range(self._count)[index])
        fold = range(self._count)[index]
        found = self._datasets.get(fold)
        return self._made(fold) if found is None else found

    def pipeline(self, fold: int) -> TablePipeline:
        """Return what was learned from the training rows of a fold."""
        return self._known(fold).pipeline

    def reports(self, fold: int) -> tuple[StepReport, ...]:
        """Return what the preparation steps did in a fold."""
        return self._known(fold).reports

    def test_rows(self, fold: int) -> pl.DataFrame:
        """Return the test rows of a fold in its dataset's order: ``row``, the number in their file, and ``target``."""
        return self._known(fold).test_rows

    def _known(self, fold: int) -> FoldFacts:
        fold = range(self._count)[fold]
        if fold not in self._facts:
            self._made(fold)
        return self._facts[fold]

    def _made(self, fold: int) -> Dataset:
        try:
            made = self._make(fold)
        except SteepestError as error:
            if self._count == 1:
                raise
            raise type(error)(
                f"{error.fact} (test set {fold + 1} of {self._count})", hint=error.hint
            ) from error
        data = made.dataset
        for other, facts in self._facts.items():
            if facts.classes != data.classes:
                raise DataError(
                    f"the steps make other classes in test set {fold + 1} than in {other + 1} of {self._count}",
                    hint="make the target before the first learned step.",
                )
        self._facts[fold] = FoldFacts(made.pipeline, made.reports, made.test, data.classes)
        self._datasets[fold] = data
        return data
