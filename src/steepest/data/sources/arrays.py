"""The base of sources that read arrays: whoever has a file of arrays writes how it is read, and nothing else."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data import target as targets
from steepest.data.answers import as_series, one_each
from steepest.data.caution import about_test_rows, about_validation_rows
from steepest.data.crowding import about_array, about_target
from steepest.data.dataset import (
    Dataset,
    InputField,
    InWords,
    Note,
    Part,
    Shape,
    TargetScale,
    Task,
    has_classes,
)
from steepest.data.described import DataFact, DataOverview, Listed, span
from steepest.data.labels import as_label
from steepest.data.options import TableOptions
from steepest.data.parts import PARTS, SPLIT_COLUMN, SPLIT_TYPE, split_rows
from steepest.data.ranges import ArrayRange
from steepest.data.sizes import deviation
from steepest.data.sources.contract import Source, failed
from steepest.data.sources.rows import Encoded, Pipeline
from steepest.data.unforeseen import Unforeseen
from steepest.errors import DataError, SteepestError
from steepest.wording import counted

Array = NDArray[Any]


@dataclass(frozen=True)
class Arrays:
    """What a source reads: arrays with one row each.

    Attributes:
        inputs: what a model is called with, by name; each array ``[N, …]`` of numbers.
        target: what is predicted ``[N]``: numbers, or texts, truth values or whole numbers for classes; None where new
            rows do not have it.
        name: of the target.
        kinds: of inputs that hold something else than ``values``, by name, such as ``image``.
    """

    inputs: Mapping[str, Array]
    target: Array | None = None
    name: str = "y"
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])


class ArraySource(Source):
    """A source of arrays: a subclass says how they are read, and this splits them and makes datasets.

    Inputs are given to models as they are read; numbers to predict are standardised by the training rows.

    Args:
        source: a path, or an object that :meth:`read` takes.
        options: how rows are split.
        settings: the options of :meth:`read`.

    Raises:
        DataError: the arrays cannot be learned from; the message says which and why.
    """

    uses = frozenset({*Source.uses, "task"})

    def __init__(self, source: Any, options: TableOptions, **settings: Any) -> None:
        arrays = read_by(type(self), source, settings)
        self.options = options
        self.name = Path(source).name.split(".")[0] if isinstance(source, str | Path) else "arrays"
        self._source, self._settings = source, settings
        self._inputs = _checked(arrays)
        self._arrays = arrays
        if arrays.target is None:
            raise DataError(
                f"there is no target {arrays.name!r} in {self.name}", hint="name the array of targets."
            )
        where = Path(source).name if isinstance(source, str | Path) else "the source"
        answers = one_each(arrays.target, self._rows, what="target", of="row", where=where)
        self._answers = as_series(arrays.name, answers)
        if self._answers.dtype.is_float() and self._answers.is_nan().any():
            raise DataError(f"some rows have no {arrays.name}", hint="leave them out of the arrays.")

    @classmethod
    @abstractmethod
    def read(cls, source: Any, *given: Any, **settings: Any) -> Arrays:
        """Return the arrays of a path or an object; called for training rows, and for new ones, without their target.

        Args:
            source: where they are.
            given, settings: what stands in the brackets of ``--source NAME(…)``; every one has a default.

        Raises:
            DataError: it cannot be read, or lacks an array; the message says which.
        """

    @property
    def _rows(self) -> int:
        return len(next(iter(self._inputs.values())))

    @property
    def default_model(self) -> str:
        """The model that is trained where none is named."""
        return "mlp"

    @property
    def numbers(self) -> Mapping[str, Array]:
        """The inputs as they were read, by name."""
        return self._inputs

    @property
    def target(self) -> str:
        """The name of the target."""
        return self._arrays.name

    @property
    def sources(self) -> list[Any]:
        """Where the rows are from."""
        return [self._source]

    @functools.cached_property
    def _task(self) -> tuple[Task, list[Note]]:
        return targets.decide_task(self._answers, self.options)

    @functools.cached_property
    def _first(self) -> tuple[Dataset, ArrayPipeline]:
        return self._made(None if self.options.split_rule.several else 0)

    def describe(self) -> DataOverview:
        """Return the arrays with their shapes, types and ranges, see :meth:`Source.describe`."""
        task, about_task = self._task
        arrays = {**self._arrays.inputs, self.target: self._arrays.target}
        listed = [_about(name, np.asarray(each)) for name, each in arrays.items()]
        lists = [Listed("arrays", ("name", "shape", "type", "least", "most"), listed)]
        answers = self._answers
        if has_classes(task):
            counts = as_label(answers).alias("class").value_counts(sort=True, name="rows").sort(
                "rows", "class", descending=[True, False]
            )  # fmt: skip
            lists.append(Listed("classes", ("class", "rows"), counts.rows()))
            about = counted(len(lists[-1].rows), "class", "classes")
        else:
            about = span(answers.min(), answers.max())  # pyright: ignore[reportArgumentType]
        crowds = [note for name, each in self._inputs.items() for note in about_array(name, each)]
        if not has_classes(task):
            numbers = answers.cast(pl.Float64).to_numpy()
            crowds += about_target(numbers, self.target, float(numbers.mean()), deviation(numbers))
        facts = (
            DataFact("rows", self._rows),
            DataFact("target", self.target, "target", f"{self.target}, {task}, {about}"),
            DataFact("task", task),
        )
        return DataOverview(
            self.name, self.kind, counted(self._rows, "row"), facts, tuple(lists), (*about_task, *crowds)
        )

    def with_validation(self, share: float) -> Self:
        """Return the same data with another share for validation, see :meth:`Source.with_validation`."""
        return self._split_anew(share, keep=("_task",))

    def make(self, test_set: int | None) -> tuple[Dataset, ArrayPipeline]:
        """Return a dataset and its pipeline, see :meth:`Source.make`."""
        return self._first if test_set is None or self.sets == 1 else self._made(test_set)

    def _split(self, test_set: int | None) -> tuple[pl.Series, list[Note]]:
        empty = pl.Series(SPLIT_COLUMN, [None] * self._rows, dtype=SPLIT_TYPE)
        rows, notes = split_rows(
            pl.DataFrame([self._answers, empty]), self.target, self._task[0], self.options, test_set
        )
        return rows[SPLIT_COLUMN], notes

    def _made(self, test_set: int | None) -> tuple[Dataset, ArrayPipeline]:
        task, about_task = self._task
        part, about_parts = self._split(test_set)
        held_out = self.options.split_rule.held_out
        rows = {name: (part == (name if held_out else "train")).to_numpy() for name in PARTS}
        classes = tuple(targets.class_labels(self._answers)) if has_classes(task) else ()
        scale = TargetScale()
        crowds = [
            note for name, each in self._inputs.items() for note in about_array(name, each[rows["train"]])
        ]
        if classes:
            answers = targets.class_codes(self._answers, list(classes)).to_numpy()
            exact = answers
        else:
            scale, answers = targets.standardised(self._answers, rows["train"])
            numbers = self._answers.cast(pl.Float64).to_numpy()
            exact = (numbers - scale.mean) / scale.sd
            crowds += about_target(numbers[rows["train"]], self.target, scale.mean, scale.sd)
        parts: dict[str, Part] = {}
        doubles: dict[str, Part] = {}
        told = [self.options.said(), test_set, self.target, list(self._inputs), dict(self._arrays.kinds)]
        digest = hashlib.sha256(json.dumps(told).encode())
        for name, mine in rows.items():
            inputs, wide = tensors_of(self._inputs.values(), mine)
            parts[name] = Part(inputs, torch.from_numpy(answers[mine]))
            doubles[name] = Part(wide, torch.from_numpy(exact[mine]))
            digest.update(mine.tobytes())
        for each in (*self._inputs.values(), np.asarray(self._answers.to_list(), dtype=str)):
            digest.update(f"{each.dtype.str}{each.shape}".encode() + np.ascontiguousarray(each).tobytes())
        fields = tuple(
            InputField(name, self._arrays.kinds.get(name, "values"), each.shape[1:])
            for name, each in self._inputs.items()
        )
        shape = Shape(task, {}, (), len(classes) or 1, fields)
        tested = self._rows if self.options.split_rule.several else len(parts["test"])
        few = about_test_rows(tested, task, self.options) if held_out and test_set is not None else []
        few += about_validation_rows(len(parts["validation"]), self.options) if held_out else []
        known = len(parts["train"])
        dataset = Dataset(
            name=self.name,
            target=self.target,
            train=parts["train"],
            validation=parts["validation"],
            test=parts["test"],
            shape=shape,
            classes=classes,
            target_scale=scale,
            notes=(*about_task, *about_parts, *few, *crowds),
            provenance={
                "source": str(self._source) if isinstance(self._source, str | Path) else "arrays in memory",
                "rows_read": self._rows,
                "rows": {name: len(part) for name, part in parts.items() if held_out or name == "train"},
                "split": self.options.split,
                "split_seed": self.options.split_seed,
            },
            fingerprint=digest.hexdigest()[:32],
            doubles=doubles,
            held_out=held_out,
            words=InWords(" and ".join(self._inputs), f"new{self._suffix}"),
        )
        if known == 0:
            raise DataError("no training row is left", hint="give more rows, or smaller shares of them.")
        dtype = str(self._answers.dtype)
        ranges = {name: ArrayRange.fit(each[rows["train"]]) for name, each in self._inputs.items()}
        pipeline = ArrayPipeline(
            type(self), self._name, self._settings, shape, self.target, classes, scale, dtype, ranges
        )
        return dataset, pipeline

    @property
    def _suffix(self) -> str:
        return Path(self._source).suffix if isinstance(self._source, str | Path) else ".npz"

    @property
    def _name(self) -> str:
        """How the source is named where its pipeline is stored."""
        return (self.options.reader or "").partition("(")[0]

    @property
    def test_rows(self) -> pl.DataFrame:
        """The test rows, see :attr:`Source.test_rows`."""
        several, held_out = self.options.split_rule.several, self.options.split_rule.held_out
        found: list[pl.DataFrame] = []
        for fold in range(self.sets):
            part, _ = self._split(fold)
            mine = part == ("test" if held_out else "train")
            rows = pl.int_range(self._rows, dtype=pl.UInt32, eager=True).filter(mine)
            each = pl.DataFrame({"row": rows, "target": self._answers.filter(mine)})
            found.append(each.with_columns(pl.lit(fold, pl.UInt32).alias("fold")) if several else each)
        return pl.concat(found)

    @classmethod
    def stored_pipeline(cls, stored: Mapping[str, Any]) -> ArrayPipeline:
        """Return a stored pipeline."""
        fields = tuple(
            InputField(each["name"], each["kind"], tuple(map(int, each["size"]))) for each in stored["fields"]
        )
        classes = tuple(map(str, stored["classes"]))
        shape = Shape(stored["task"], {}, (), len(classes) or 1, fields)
        scale = TargetScale(**stored["target_scale"])
        name, settings = str(stored["source"]), dict(stored["settings"])
        target, dtype = str(stored["target"]), str(stored["target_type"])
        ranges = {key: ArrayRange.from_dict(each) for key, each in stored.get("ranges", {}).items()}
        return ArrayPipeline(cls, name, settings, shape, target, classes, scale, dtype, ranges)


class ArrayPipeline(Pipeline):
    """From new arrays to tensors; of the inputs only their ranges are learned, to say what lies far outside.

    Models of earlier versions have no ranges, and say nothing of it.
    """

    keeps: ClassVar = False

    def __init__(
        self,
        reader: type[ArraySource],
        name: str,
        settings: Mapping[str, Any],
        shape: Shape,
        target: str,
        classes: tuple[str, ...],
        scale: TargetScale,
        target_type: str,
        ranges: Mapping[str, ArrayRange],
    ) -> None:
        self._reader, self._name, self._settings, self._shape = reader, name, settings, shape
        self._target_type, self._ranges = target_type, ranges
        self.target, self.task, self.classes, self.target_scale = target, shape.task, classes, scale

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(each.name for each in self._shape.fields)

    @property
    def labels(self) -> pl.Series:
        """The classes as the values that they are in the array."""
        return targets.typed_labels(self.classes, self._target_type)

    @property
    def shape(self) -> Shape:
        """What a model must know."""
        return self._shape

    def transform_batches(
        self, source: Any, rows: int, *, keep: Sequence[str] = (), sure: bool = True
    ) -> Iterator[Encoded]:
        """Yield new rows, see :meth:`Pipeline.transform_batches`."""
        del sure
        if keep:
            raise DataError(
                f"there is no column {keep[0]!r} to keep: these are arrays", hint="leave --keep out."
            )
        arrays = read_by(self._reader, source, self._settings)
        inputs = _checked(arrays)
        for each in self._shape.fields:
            found = inputs.get(each.name)
            if found is None or found.shape[1:] != each.size:
                has = "there is none" if found is None else f"it has {list(found.shape[1:])}"
                raise DataError(
                    f"a row of {each.name!r} had the shape {list(each.size)} in training, and {has}",
                    hint="give arrays like those of training.",
                )
        count = len(inputs[self._shape.fields[0].name])
        answers = None
        if arrays.target is not None:
            known = one_each(arrays.target, count, what="target", of="row", where="the source")
            answers = as_series(self.target, known)
        for start in range(0, count, rows):
            tensors, wide = tensors_of(
                (inputs[each.name] for each in self._shape.fields), slice(start, start + rows)
            )
            size = len(tensors[0])
            kept = pl.int_range(size, dtype=pl.UInt32, eager=True)
            target = None if answers is None else answers[start : start + rows]
            some = {name: inputs[name][start : start + rows] for name in self._ranges}
            yield Encoded(tensors, kept, size, self._unforeseen(some), target=target, doubles=wide)

    def _unforeseen(self, some: Mapping[str, Array]) -> Unforeseen:
        found = {name: self._ranges[name].outside(name, each) for name, each in some.items()}
        return Unforeseen(
            outside={name: count for name, (count, _) in found.items() if count},
            farthest={name: far for name, (_, far) in found.items() if far is not None},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "source": self._name,
            "settings": dict(self._settings),
            "target": self.target,
            "task": self.task,
            "classes": list(self.classes),
            "target_scale": {"mean": self.target_scale.mean, "sd": self.target_scale.sd},
            "target_type": self._target_type,
            "ranges": {name: each.to_dict() for name, each in self._ranges.items()},
            "fields": [
                {"name": each.name, "kind": each.kind, "size": list(each.size)} for each in self._shape.fields
            ],
        }


def _about(name: str, values: Array) -> tuple[Any, ...]:
    """Return the name, shape, type, least and greatest value of an array."""
    ends = (values.min().item(), values.max().item()) if values.dtype.kind in "biuf" else (None, None)
    return name, list(values.shape), str(values.dtype), *ends


def read_by(reader: type[ArraySource], source: Any, settings: Mapping[str, Any]) -> Arrays:
    """Return what a source reads.

    Raises:
        TypeError: it does not take such settings.
        DataError: it fails, or returns something else.
    """
    inspect.signature(reader.read).bind(source, **settings)
    try:
        found: Any = reader.read(source, **settings)
    except SteepestError:
        raise
    except Exception as error:
        raise failed(reader.__name__, error) from error
    if not isinstance(found, Arrays):
        raise DataError(
            f"the source {reader.__name__} returned a {type(found).__name__}",
            hint="return steepest.data.sources.arrays.Arrays from read.",
        )
    return found


def tensors_of(
    arrays: Iterable[Array], rows: slice | NDArray[np.bool_]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return some rows of arrays as float32 tensors, and with the numbers that they hold.

    An array whose numbers 32 bits hold exactly is the same tensor in both.

    Example:
        >>> values = np.array([1e6, 1e6 + 0.001])
        >>> narrow, wide = tensors_of([values], slice(2))
        >>> narrow[0].tolist(), wide[0].tolist()
        ([1000000.0, 1000000.0], [1000000.0, 1000000.001])
    """
    narrow: list[Tensor] = []
    wide: list[Tensor] = []
    for each in arrays:
        some = each[rows]
        short = some.astype(np.float32)
        narrow.append(torch.from_numpy(short))
        same = np.array_equal(short, some)
        wide.append(narrow[-1] if same else torch.from_numpy(some.astype(np.float64)))
    return tuple(narrow), tuple(wide)


def _checked(arrays: Arrays) -> dict[str, Array]:
    """Return the inputs, with a column for an array of one number a row.

    Raises:
        DataError: there is no row, lengths differ, or an array holds something that is no finite number.
    """
    found: dict[str, Array] = {}
    for name, each in arrays.inputs.items():
        values = np.asarray(each)
        if values.dtype.kind not in "biuf":
            raise DataError(f"the array {name!r} holds {values.dtype}, not numbers", hint="give numbers.")
        if values.ndim == 0 or len(values) == 0:
            raise DataError(
                f"the array {name!r} has no rows", hint="its first dimension is that of the rows."
            )
        odd = int((~np.isfinite(values)).sum())
        if odd:
            raise DataError(
                f"{counted(odd, 'value')} of the array {name!r} {'is' if odd == 1 else 'are'} missing or infinite",
                hint="fill them in, or leave the rows out.",
            )
        if values.dtype.itemsize > 4:
            size = np.abs(values).max()
            if size > np.finfo(np.float32).max:
                first = tuple(int(each) for each in np.argwhere(np.abs(values) == size)[0])
                raise DataError(
                    f"the array {name!r} holds {values[first]:g} in row {first[0] + 1}, too large for 32 bits",
                    hint="correct it, or give the array in another unit.",
                )
        found[name] = values[:, None] if values.ndim == 1 else values
    lengths = {name: len(each) for name, each in found.items()}
    if len(set(lengths.values())) != 1:
        raise DataError(
            f"the arrays have different numbers of rows: {', '.join(f'{n} {size:,}' for n, size in lengths.items())}",
            hint="give one row of each for every target." if lengths else "give at least one array.",
        )
    return found
