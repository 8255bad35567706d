"""What a model is trained on: named parts as tensors, and what a model must know about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from steepest.data.draws import Rows, drawn_rows
from steepest.data.numbers import NumberEncoding
from steepest.data.texts.vocabulary import Pieces

Task = Literal["classification", "regression", "reconstruction", "language"]


def has_classes(task: Task) -> bool:
    """Whether the target of a task is one of several classes.

    Example:
        >>> has_classes("classification"), has_classes("regression")
        (True, False)
    """
    return task == "classification"


@dataclass(frozen=True)
class Part:
    """One split as tensors that stay in memory.

    Attributes:
        inputs: what the model is called with, each of length N. For a table: categorical codes
            (int64 ``[N, C]``) and continuous columns (float32 ``[N, D]``); either may have no columns.
        target: class codes (int64 ``[N]``) or standardised values (float32 ``[N]``); where the input is reconstructed,
            the input itself; of a text the next token at every position (int64 ``[N, T]``).
        weights: how much each row counts (float32 ``[N]``, at least 0, with mean 1 over the training rows); None where
            all count the same.
        answers: a teacher's outputs for each row (float32 ``[N, K]``); None where there is no teacher.
        labelled: whether the target of each row is known (bool ``[N]``); None where all are.

    Example:
        >>> part = Part((torch.zeros(3, 1),), torch.tensor([0, 1, 1]), weights=torch.tensor([0.5, 2.0, 0.5]))
        >>> part.take(torch.tensor([1, 0])).weights.tolist()
        [2.0, 0.5]
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    weights: Tensor | None = None
    answers: Tensor | None = None
    labelled: Tensor | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors: the inputs, the target, and the weights, answers and known labels where there are any."""
        further = (each for each in (self.weights, self.answers, self.labelled) if each is not None)
        return (*self.inputs, self.target, *further)

    @property
    def row_bytes(self) -> int:
        """The memory of one row."""
        return sum(each[:1].nbytes for each in self.tensors)

    def holding(self, tensors: Sequence[Tensor]) -> Part:
        """Return a part that has other tensors, in the order of :attr:`tensors`."""
        inputs = len(self.inputs)
        target, *rest = tensors[inputs:]
        further = iter(rest)
        weights, answers, labelled = (
            None if each is None else next(further) for each in (self.weights, self.answers, self.labelled)
        )
        return Part(tuple(tensors[:inputs]), target, weights, answers, labelled)

    def map(self, change: Callable[[Tensor], Tensor]) -> Part:
        """Return this part with every tensor changed in the same way."""
        return self.holding([change(each) for each in self.tensors])

    def take(self, index: Tensor) -> Part:
        """Return the rows at ``index`` (int64 ``[B]``) in that order."""
        return self.map(lambda each: each.index_select(0, index))

    def followed_by(self, unlabelled: Part) -> Part:
        """Return this part with rows of unknown target behind its own; they weigh 1, as the mean training row does.

        Args:
            unlabelled: the rows, with answers if this part has some; their target is a placeholder.

        Example:
            >>> part = Part((torch.zeros(2, 1),), torch.tensor([0, 1]))
            >>> part.followed_by(part.take(torch.tensor([0]))).labelled.tolist()
            [True, True, False]
        """
        weights, answers = self.weights, self.answers
        if weights is not None:
            weights = torch.cat([weights, weights.new_ones(len(unlabelled))])
        if answers is not None and unlabelled.answers is not None:
            answers = torch.cat([answers, unlabelled.answers])
        inputs = tuple(map(torch.cat, zip(self.inputs, unlabelled.inputs, strict=True)))
        target = torch.cat([self.target, unlabelled.target])
        place = torch.arange(len(target), device=target.device)
        return Part(inputs, target, weights, answers, place < len(self))

    def to(self, device: torch.device | str) -> Part:
        """Return this part on ``device``."""
        return self.map(lambda each: each.to(device))

    def wide(self) -> Part:
        """Return this part with its numbers in 64 bits."""
        return self.map(_wide)


@dataclass(frozen=True)
class RowDraw:
    """Draws the training rows of a run by its seed.

    Attributes:
        pool: all rows that they are drawn from, with their true target.
        wanted: how many are drawn.
        places: where the rows of the pool are among the training rows of the experiment, int64 ``[n]``.
        classes: whether the target is a class, of which every one keeps its share.
        doubles: the pool with the numbers as they were read, where they are kept.
    """

    pool: Part
    wanted: int
    places: Rows
    classes: bool
    doubles: Part | None = None

    def rows(self, seed: int) -> Rows:
        """Return which rows of the pool a run with a seed has, in rising order."""
        return drawn_rows(self.pool.target if self.classes else None, len(self.pool), self.wanted, seed)

    def part(self, seed: int) -> Part:
        """Return the training rows of a run with a seed, with their true target."""
        return self.pool.take(torch.from_numpy(self.rows(seed)).to(self.pool.target.device))


class Relabelling(Protocol):
    """Makes of the true target of training rows the one of a run with a seed."""

    def __call__(self, true: Tensor, seed: int, places: Rows | None = None) -> Tensor:
        """Return the target.

        Args:
            true: the true one.
            seed: the run seed.
            places: where the rows are among the training rows of the experiment; None for the rows that it is of.
        """
        ...


def class_totals(part: Part, classes: int) -> Tensor:
    """Return how many rows of each class there are (int64 ``[K]``), or the sum of their weights (float64 ``[K]``).

    Example:
        >>> class_totals(Part((), torch.tensor([0, 1, 1]), torch.tensor([0.5, 2.0, 0.5])), 3).tolist()
        [0.5, 2.5, 0.0]
    """
    weights = None if part.weights is None else part.weights.double().cpu()
    return torch.bincount(part.target.cpu(), weights, minlength=classes)


@dataclass(frozen=True)
class InputField:
    """One of the tensors that a model is called with.

    Attributes:
        name: what it is called in messages.
        kind: what it holds: ``codes`` of categories (int64), ``values`` (float32), ``tokens`` of a text (int64), or
            something that some models take.
        size: the shape of one row: ``(3,)`` for three columns.
        columns: the names of its columns, where they have names.
        mean, sd: of each channel over the training rows, where the data holds raw values: a model is called with
            standard scores, which are computed on the way to it.
    """

    name: str
    kind: str
    size: tuple[int, ...]
    columns: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()


@dataclass(frozen=True)
class Shape:
    """What a model's builder must know of a dataset.

    Attributes:
        task: what is predicted.
        cardinalities: number of codes of each categorical column, the unknown code included, in the
            order of the columns of the first input.
        continuous: names of the columns of the second input (missing indicators included).
        outputs: number of classes, or 1 for regression; of a reconstruction the numbers of one input; of a text the
            pieces of its vocabulary.
        others: what a model is called with where that is not a table's codes and values.
        bounds: the least and the greatest value of the target, where both are known.
        numbers: what becomes of the columns of numbers in front of the model; None where they stay standard scores.
        vocabulary: of a text, how many words and bytes its tokens are.

    Example:
        >>> [each.kind for each in Shape("regression", {"day": 7}, ("heat",), 1).fields]
        ['codes', 'values']
    """

    task: Task
    cardinalities: Mapping[str, int]
    continuous: tuple[str, ...]
    outputs: int
    others: tuple[InputField, ...] = field(default=(), repr=False)
    bounds: tuple[float, float] | None = field(default=None, repr=False)
    numbers: NumberEncoding | None = field(default=None, repr=False, compare=False)
    vocabulary: Pieces | None = field(default=None, repr=False, compare=False)

    @property
    def fields(self) -> tuple[InputField, ...]:
        """What a model is called with, in this order."""
        return self.others or (
            InputField("categorical", "codes", (len(self.cardinalities),), tuple(self.cardinalities)),
            InputField("continuous", "values", (len(self.continuous),), self.continuous),
        )

    @property
    def takes(self) -> str:
        """The kinds of its fields, as models declare which ones they take.

        Example:
            >>> Shape("regression", {}, ("heat",), 1).takes
            'codes, values'
        """
        return ", ".join(each.kind for each in self.fields)

    @property
    def call(self) -> str:
        """How a model is called.

        Example:
            >>> Shape("regression", {}, ("heat",), 1).call
            'model(categorical, continuous)'
        """
        return f"model({', '.join(each.name for each in self.fields)})"

    @property
    def encoded(self) -> Shape:
        """What a model itself is called with, behind the encoding of numbers.

        Example:
            >>> found = NumberEncoding.fit("piecewise(bins=2)", torch.arange(5.0)[:, None].numpy())
            >>> Shape("regression", {"day": 7}, ("heat",), 1, numbers=found).encoded.continuous
            ('heat', 'heat from 0', 'heat from 2')
        """
        if self.numbers is None:
            return self
        return replace(self, continuous=self.numbers.names(self.continuous), numbers=None)

    @property
    def classes(self) -> int:
        """How many classes the target has; 0 for a number."""
        return self.outputs if has_classes(self.task) else 0


@dataclass(frozen=True)
class TargetScale:
    """How a target of numbers was standardised: ``encoded = (value - mean) / sd``."""

    mean: float = 0.0
    sd: float = 1.0


@dataclass(frozen=True)
class Note:
    """One line that a person should read about their data.

    Attributes:
        kind: ``"info"`` for what was decided, ``"warning"`` for what may be wrong.
        text: a sentence with the column and the numbers.
        step: the preparation steps that it advises, as they are written in a file for ``--prepare``.
        giveaway: the column that it warns of because it alone gives the target away.
    """

    kind: Literal["info", "warning"]
    text: str
    step: str = ""
    giveaway: str = ""


@dataclass(frozen=True)
class InWords:
    """What data is called where people read about it.

    Attributes:
        inputs: what the target is predicted from.
        new_rows: an example of a path of new rows, for commands to copy.
        scoring: how rows are scored where that is a choice, such as ``window 128, stride 128``; else nothing.
    """

    inputs: str = "the other columns"
    new_rows: str = "new.csv"
    scoring: str = ""


@dataclass(frozen=True)
class Dataset:
    """Train, validation and test as tensors, with the task and where it all came from.

    Attributes:
        name: a short name, usually the file's.
        target: the target column's name.
        train, validation, test: the parts.
        shape: what a model must know.
        classes: class labels in the order of their codes; empty for regression.
        positive: code of the positive class, where one of two is decided on.
        target_scale: how a regression target was standardised.
        notes: what reading, preparation, split and encoding decided or found.
        provenance: source, row counts, seeds and a fingerprint, as plain values.
        fingerprint: a hash of the source's content and of everything that was done to it.
        numbers: of every categorical column with more than two categories, all numbers: the number of each code,
            NaN where it means none.
        true_target: the true target of the training rows, where they are trained with another one; else None.
        relabel: makes of the true target the one of a run with a seed, where every seed has its own; else None.
        draw: draws the training rows of a run by its seed, where every seed has its own; else None. ``train`` has those
            of the split seed.
        held_out: whether validation and test rows are held out; else they are the training rows.
        words: what it is called where people read about it.
        rows: of every row of a part its number in its file, counted from 0 (int64 ``[N]``), by the part's name, where
            they are known.
        doubles: parts with the numbers as they were read, where they are kept; by the part's name. They
            have 64 bits, or 32 where these hold them exactly.
        unlabelled: rows of which a student learns its teacher's answers alone, with a placeholder for the target; None
            where there are none.
        also: rows of another text, on which networks are measured before and after training; None where there is none.
    """

    name: str
    target: str
    train: Part
    validation: Part
    test: Part
    shape: Shape
    classes: tuple[str, ...] = ()
    positive: int | None = None
    target_scale: TargetScale = TargetScale()
    notes: tuple[Note, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    numbers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    true_target: Tensor | None = None
    relabel: Relabelling | None = None
    draw: RowDraw | None = None
    doubles: Mapping[str, Part] = field(default_factory=dict[str, Part])
    rows: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    held_out: bool = True
    words: InWords = InWords()
    unlabelled: Part | None = None
    also: Part | None = None

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.shape.task

    @property
    def true_train(self) -> Part:
        """The training rows as they are in the table, with their true target."""
        return self.train if self.true_target is None else replace(self.train, target=self.true_target)

    def training(self, seed: int) -> Part:
        """Return the training rows of a run: for most datasets the same for every seed.

        Args:
            seed: the run seed, on which rows and labels depend where they are drawn by it.
        """
        if self.draw is not None:
            part = self.draw.part(seed)
            if self.relabel is None:
                return part
            places = self.draw.places[self.draw.rows(seed)]
            return replace(part, target=self.relabel(part.target, seed, places).to(part.target.dtype))
        if self.relabel is None or self.true_target is None:
            return self.train
        relabelled = self.relabel(self.true_target, seed)
        return replace(self.train, target=relabelled.to(self.true_target.dtype))

    def true_training(self, seed: int) -> Part:
        """Return the training rows of a run with their true target.

        Args:
            seed: the run seed.
        """
        return self.true_train if self.draw is None else self.draw.part(seed)

    def wide(self) -> Dataset:
        """Return this dataset with its numbers in 64 bits."""
        true = self.true_target
        return replace(
            self,
            train=self._wide("train"),
            validation=self._wide("validation"),
            test=self._wide("test"),
            true_target=None if true is None else _wide(true),
            unlabelled=None if self.unlabelled is None else self._wide("unlabelled"),
            also=None if self.also is None else self._wide("also"),
            draw=None
            if self.draw is None
            else replace(self.draw, pool=(self.draw.doubles or self.draw.pool).wide()),
        )

    def _wide(self, name: str) -> Part:
        part: Part = getattr(self, name)
        exact = None if name == "train" and self.true_target is not None else self.doubles.get(name)
        wide = part.wide()
        if exact is None:
            return wide
        exact = exact.wide().to(part.target.device)
        return replace(wide, inputs=exact.inputs, target=exact.target)

    def to(self, device: torch.device | str) -> Dataset:
        """Return this dataset with every part on ``device``."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
            true_target=None if self.true_target is None else self.true_target.to(device),
            unlabelled=None if self.unlabelled is None else self.unlabelled.to(device),
            also=None if self.also is None else self.also.to(device),
            draw=None if self.draw is None else replace(self.draw, pool=self.draw.pool.to(device)),
        )


def _wide(values: Tensor) -> Tensor:
    return values.double() if values.is_floating_point() else values
