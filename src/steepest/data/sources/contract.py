"""What data has to be able to do, whatever it is: give datasets, and a pipeline that prepares new rows alike."""

from __future__ import annotations

import copy
import functools
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

import polars as pl

from steepest.data.dataset import Dataset
from steepest.data.described import DataFact, DataOverview, Described
from steepest.data.options import TableOptions
from steepest.data.read import check_lasting
from steepest.data.sources.rows import Pipeline
from steepest.data.variants import Variant
from steepest.errors import DataError, OptionError, first_line
from steepest.wording import counted


class Source(ABC):
    """Data that can be learned from: datasets for each test set, and the pipeline of new rows.

    Attributes:
        name: a short name of the data.
        options: how it is read and split; ``options.split_rule`` says how many test sets there are.
        uses: names of the options that it uses besides ``source`` and those that chose it; others are refused.
        encodes_numbers: whether it has columns of numbers that can be encoded in front of a network.
    """

    name: str
    options: TableOptions
    uses: ClassVar[frozenset[str]] = frozenset({"split", "split_seed", "validation", "test"})
    encodes_numbers: ClassVar[bool] = False

    @property
    @abstractmethod
    def target(self) -> str:
        """What is predicted, by name."""

    @property
    def default_model(self) -> str:
        """The model that is trained where none is named; empty for that of tables."""
        return ""

    @abstractmethod
    def make(self, test_set: int | None) -> tuple[Dataset, Pipeline]:
        """Return the dataset of a test set, from 0, and what was learned from its training rows.

        Of data with one test set it is the same for 0 and None; with several, None is the dataset of the saved model,
        which has no test rows.
        """

    @property
    def kind(self) -> str:
        """The kind of the data, as ``--kind`` names it."""
        return self.options.reader or "table"

    def with_validation(self, share: float) -> Self:
        """Return the same data with another share of the rows for validation.

        Of a source that does not split rows by ``options.validation`` it is the data as it is.
        """
        del share
        return self

    def _split_anew(self, share: float, keep: Collection[str] = ()) -> Self:
        """Return a copy with another share for validation; of what was cached it has what is to be kept."""
        made = copy.copy(self)
        made.options = self.options.model_copy(update={"validation": share})
        for name in [*vars(made)]:
            if name not in keep and isinstance(getattr(type(made), name, None), functools.cached_property):
                del vars(made)[name]
        return made

    def describe(self) -> Described:
        """Return what there is to know of the data before training.

        Of a source that does not say more: its target, the rows of its parts, and what a model is called with.
        """
        data, _ = self.make(None if self.options.split_rule.several else 0)
        parts = {"train": data.train, "validation": data.validation, "test": data.test}
        sizes = {name: len(part) for name, part in parts.items() if data.held_out or name == "train"}
        fields = [f"{each.name} ({each.kind} {list(each.size)})" for each in data.shape.fields]
        return DataOverview(
            self.name,
            self.kind,
            counted(sum(sizes.values()), "row"),
            (
                DataFact(
                    "rows", sizes, "rows", ", ".join(f"{size:,} {name}" for name, size in sizes.items())
                ),
                DataFact("target", self.target, "target", f"{self.target}, {data.task}"),
                DataFact("task", data.task),
                DataFact("inputs", fields, "inputs", ", ".join(fields)),
            ),
            notes=data.notes,
        )

    def vary(self, variant: Variant, test_set: int | None = None) -> tuple[Dataset, Pipeline]:
        """Return a variant of a dataset: other training rows, training labels or features, the same other rows.

        Raises:
            OptionError: there are no such variants of this data.
        """
        del test_set
        changed = {"--train-rows": variant.train_rows != "all", "--labels": bool(variant.labels)}
        option = next((name for name, given in changed.items() if given), "--prepare")
        raise OptionError(
            f"{option} has no effect on {self.name!r}: a {type(self).__name__} has no variants",
            hint="leave it out; tables have variants.",
        )

    @property
    @abstractmethod
    def test_rows(self) -> pl.DataFrame:
        """The test rows in the dataset's order: ``row``, the number in the data, from 0; and their ``target``.

        Of several test sets those of all, one after the other, with the number of the ``fold``, from 0.
        """

    @property
    @abstractmethod
    def sources(self) -> list[Any]:
        """Where its rows are from: paths, or objects in memory."""

    @classmethod
    @abstractmethod
    def stored_pipeline(cls, stored: Mapping[str, Any]) -> Pipeline:
        """Return the pipeline that :meth:`Pipeline.to_dict` stored."""

    @property
    def sets(self) -> int:
        """The number of test sets."""
        return self.options.split_rule.sets

    def check_lasting(self) -> None:
        """Raise a ``DataError`` if a file of it is a pipe: it could not be read again."""
        for each in self.sources:
            check_lasting(each)


def failed(name: str, error: Exception) -> DataError:
    """Return the error of a source of the user's own whose code fails."""
    return DataError(
        f"the source {name} fails: {type(error).__name__}: {first_line(error)}",
        hint="mend it, or raise a DataError that says what is wrong with the data.",
    )
