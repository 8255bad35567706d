"""The datasets of a comparison: of each data variant and test set, held in memory as far as they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from steepest.components import grammar
from steepest.data.dataset import Dataset
from steepest.data.numbers import AUTO, STANDARD
from steepest.data.sources.contract import Source, failed
from steepest.data.sources.rows import Pipeline
from steepest.data.variants import Variant
from steepest.errors import OptionError, SteepestError
from steepest.experiment.teachers import LoadedTeacher
from steepest.experiment.unlabelled import with_unlabelled
from steepest.procedures import make_procedure
from steepest.procedures.teaching import SavedTeacher
from steepest.recipe import WHOLE_BATCH
from steepest.sweep.defaults import default_batch_size
from steepest.sweep.wanted import UNPREPARED, Wanted, whole_path

Made = tuple[Dataset, Pipeline]

MOST_BYTES = 1 << 28
"""So much memory datasets besides the first one are kept in."""


class Datasets(Mapping[str, Dataset]):
    """The datasets by fingerprint: that of the experiment's own data, of its first test set, comes first.

    That one is kept, and of the others those used last, as many as ``MOST_BYTES`` hold, at least one; those that were
    dropped are made again when they are asked for.

    Args:
        source: the data.
        positive: code of the positive class, or None.
    """

    def __init__(self, source: Source, positive: int | None = None) -> None:
        self.source = source
        self.positive = positive
        self._makers: dict[str, Callable[[], Made]] = {}
        self._kept: dict[str, Dataset] = {}
        self._pipelines: dict[str, Pipeline] = {}
        self._rows: dict[str, int] = {}
        self._variants: dict[str, Variant] = {}
        self._of: dict[tuple[Variant, int | None, SavedTeacher | None, str], str] = {}
        self._teachers: dict[SavedTeacher, LoadedTeacher] = {}
        self.first = self[self.fingerprint(Variant(), 0)]

    @property
    def sets(self) -> int:
        """The number of test sets."""
        return self.source.sets

    def fingerprint(
        self, variant: Variant, fold: int | None, teacher: SavedTeacher | None = None, unlabelled: str = ""
    ) -> str:
        """Return the fingerprint of a variant in one test set, or (None) of the data of the saved model.

        Args:
            variant: of the data.
            fold: the test set.
            teacher: the saved network whose answers the training rows have, too.
            unlabelled: a file of rows that a student learns of its teacher, too; empty for none.

        Raises:
            SteepestError: the variant cannot be made.
        """
        key = (variant, None if self.sets == 1 else fold, teacher, unlabelled)
        if key not in self._of:

            def make() -> Made:
                data, pipeline = self._make(variant, fold)
                if unlabelled:
                    data = with_unlabelled(data, pipeline, self.source, unlabelled)
                if teacher is None:
                    return data, pipeline
                if teacher not in self._teachers:
                    self._teachers[teacher] = LoadedTeacher(teacher)
                return self._teachers[teacher].teach(data, pipeline, self.source), pipeline

            data, pipeline = make()
            self._of[key] = data.fingerprint
            self._makers[data.fingerprint] = make
            self._pipelines[data.fingerprint] = pipeline
            self._rows[data.fingerprint] = len(data.train)
            self._variants.setdefault(data.fingerprint, variant)
            self._keep(data)
        return self._of[key]

    def of(self, arm: Wanted) -> tuple[tuple[str, ...], str]:
        """Return the fingerprints of an arm's data in each test set, and that of the saved model's (or nothing)."""
        variant, procedure = self.variant(arm), make_procedure(arm.procedure)
        more = procedure.teacher, procedure.unlabelled
        folds = tuple(self.fingerprint(variant, fold, *more) for fold in range(self.sets))
        return folds, "" if self.sets == 1 else self.fingerprint(variant, None, *more)

    def variant(self, arm: Wanted) -> Variant:
        """Return the data variant of an arm."""
        return variant_of(self.source, *arm.variant)

    def pipeline(self, fingerprint: str) -> Pipeline:
        """Return what was learned from the training rows of a dataset."""
        return self._pipelines[fingerprint]

    def training_rows(self, fingerprint: str) -> int:
        """Return the number of training rows of a dataset."""
        return self._rows[fingerprint]

    def sizes(self) -> dict[str, list[int]]:
        """Return the rows of each part of the experiment's own data for each test set."""
        found = [self[self.fingerprint(Variant(), fold)] for fold in range(self.sets)]
        parts = {"training": "train", "validation": "validation", "test": "test"}
        return {name: [len(getattr(each, part)) for each in found] for name, part in parts.items()}

    def lacks_rows(self, fingerprint: str) -> bool:
        """Whether a dataset may lack rows of the table: its variant has fewer training rows, or other steps."""
        return not replace(self._variants[fingerprint], labels="").same_rows

    def default_batch_size(self, arm: Wanted) -> int:
        """Return the batch size of an arm that names none: it fits the smallest training rows of all test sets."""
        rows = min(self.training_rows(each) for each in self.of(arm)[0])
        return min(default_batch_size(rows), rows)

    def batch_size(self, arm: Wanted) -> int:
        """Return the batch size of an arm; where that is all rows, those of its largest training set.

        A batch never has more rows than there are, so every test set has all of its own.
        """
        if arm.batch_size != WHOLE_BATCH:
            return arm.batch_size or self.default_batch_size(arm)
        folds, final = self.of(arm)
        return max(self.training_rows(each) for each in (*folds, *([final] if final else [])))

    def _make(self, variant: Variant, fold: int | None) -> Made:
        source = self.source
        try:
            return source.make(fold) if variant.is_neutral else source.vary(variant, fold)
        except SteepestError:
            raise
        except Exception as error:
            if not grammar.parse(source.options.reader or "table").is_reference:
                raise
            raise failed(type(source).__name__, error) from error

    def _keep(self, data: Dataset) -> Dataset:
        kept = replace(data, positive=self.positive)
        first = next(iter(self._makers), None)
        self._kept[data.fingerprint] = kept
        others = [
            name for name in self._kept if name not in (first, data.fingerprint)
        ]  # the one used last comes last
        size = sum(_bytes(self._kept[name]) for name in [*others, data.fingerprint])
        for name in others:
            if size <= MOST_BYTES:
                break
            size -= _bytes(self._kept.pop(name))
        return kept

    def __getitem__(self, fingerprint: str) -> Dataset:
        if fingerprint not in self._kept:
            return self._keep(self._makers[fingerprint]()[0])
        self._kept[fingerprint] = found = self._kept.pop(fingerprint)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def with_positive(self, positive: int | None) -> None:
        """Set the positive class of all datasets."""
        self.positive = positive
        self._kept = {name: replace(each, positive=positive) for name, each in self._kept.items()}
        self.first = replace(self.first, positive=positive)


def variant_of(source: Source, train_rows: str, labels: str, prepare: str, numbers: str) -> Variant:
    """Return the data variant of an arm from its values of these factors."""
    own = source.options.prepare
    mine = ("", UNPREPARED if own is None else whole_path(str(own)))
    if not source.encodes_numbers:
        numbers = STANDARD
    return Variant(train_rows, labels, None if prepare in mine else prepare, numbers)


def check_encodes(source: Source, arms: Iterable[Wanted]) -> None:
    """Raise an ``OptionError`` if numbers are to be encoded where there are no columns of them."""
    asked = next((arm.numbers for arm in arms if arm.numbers not in (AUTO, STANDARD)), None)
    if asked is not None and not source.encodes_numbers:
        raise OptionError(
            f"--numbers {asked} has no effect on {source.name!r}, which is no table with columns of numbers",
            hint="leave it out.",
        )


def _bytes(data: Dataset) -> int:
    parts = (data.train, data.validation, data.test, data.unlabelled)
    return sum(each.nbytes for part in parts if part is not None for each in part.tensors)
