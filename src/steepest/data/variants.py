"""A variant of a dataset: other training rows, training labels or features, judged on the same rows.

Row ids of validation and test, the target's unit and its classes are never changed, so that metrics of arms on
different variants compare like with like. What is learned from training rows (fills, vocabularies, standardisation
of features) is learned anew from those of the variant. Three things stay those of the experiment: how a target of
numbers is standardised, the codes of the classes (also of one that has lost its training rows), and what each column
is used for unless the preparation is another.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.assembly import Assembled, SourceRows, with_target
from steepest.data.corruptions import Corruption, make_corruption
from steepest.data.dataset import Dataset, Note, RowDraw
from steepest.data.draws import Rows, drawn_rows
from steepest.data.given import InheritedData
from steepest.data.numbers import AUTO, STANDARD, numbers_text
from steepest.data.options import TableOptions
from steepest.data.parts import SPLIT_COLUMN, moments
from steepest.data.pipeline import TablePipeline
from steepest.data.reprepared import Prepared, about_rows, assembled, given_by, ids_of, is_train
from steepest.data.split import MIN_ROWS
from steepest.errors import OptionError
from steepest.rng import stream
from steepest.wording import counted

ALL, NONE = "all", "none"
BY_RUN = "run:"
"""Before a number of training rows: they are drawn anew for each run seed."""
_COUNT = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Variant:
    """What is other than in the experiment's own dataset, in one way of writing.

    Attributes:
        train_rows: ``all``; or a share of the training rows such as ``0.1``; or a number of them such as ``250``; or
            ``run:250``: so many, drawn anew for each run seed.
        labels: a corruption of the training labels such as ``noise(0.15)``; empty, or ``none``, for the true ones.
        prepare: a TOML file of preparation steps, ``none`` for no step; or the steps, as JSON; None for the
            experiment's own preparation.
        numbers: what a network makes of numbers, such as ``piecewise``; ``standard`` for standard scores.

    Raises:
        OptionError: a value is not allowed.

    Example:
        >>> Variant(train_rows="0.10", labels="noise(level=0.15)")
        Variant(train_rows='0.1', labels='noise(0.15)', prepare=None, numbers='standard')
        >>> Variant(train_rows="1.0") == Variant(), Variant().is_neutral
        (True, True)
    """

    train_rows: str = ALL
    labels: str = ""
    prepare: str | None = None
    numbers: str = STANDARD

    def __post_init__(self) -> None:
        """Write the values in one way."""
        object.__setattr__(self, "train_rows", _train_rows(self.train_rows))
        labels = self.labels.strip()
        object.__setattr__(
            self, "labels", "" if labels.lower() in ("", NONE) else str(make_corruption(labels))
        )
        object.__setattr__(self, "numbers", numbers_text(self.numbers))

    @classmethod
    def of(
        cls,
        train_rows: str | float,
        labels: str,
        prepare: str | Path | Sequence[Mapping[str, Any]] | None,
        numbers: str = STANDARD,
    ) -> Variant:
        """Return the variant of values as they are given in Python."""
        if prepare is not None and not isinstance(prepare, str | Path):
            prepare = json.dumps([dict(each) for each in prepare])
        return cls(str(train_rows), labels, None if prepare is None else str(prepare), numbers)

    @property
    def is_neutral(self) -> bool:
        """Whether this is the experiment's own dataset."""
        return self == Variant()

    @property
    def same_rows(self) -> bool:
        """Whether its rows and labels are those of the experiment's own dataset."""
        return replace(self, numbers=STANDARD).is_neutral

    @property
    def altered(self) -> str:
        """What training learns from instead of all training rows with their true labels, in words; or nothing.

        Example:
            >>> Variant("0.1", "noise(0.15)").altered, Variant("250").altered, Variant().altered
            ('10 % of the training rows, labels altered by noise(0.15)', '250 training rows', '')
        >>> Variant("run:100").altered
        '100 training rows, drawn for each run seed'
        """
        found = [f"labels altered by {self.labels}"] if self.labels else []
        if self.by_run:
            found.insert(0, "drawn for each run seed")
        if _COUNT.fullmatch(self.amount):
            found.insert(0, counted(int(self.amount), "training row"))
        elif self.amount != ALL:
            found.insert(0, f"{100 * float(self.amount):.3g} % of the training rows")
        return ", ".join(found)

    @property
    def by_run(self) -> bool:
        """Whether the training rows are drawn anew for each run seed."""
        return self.train_rows.startswith(BY_RUN)

    @property
    def amount(self) -> str:
        """How many training rows there are: ``all``, a share or a number."""
        return self.train_rows.removeprefix(BY_RUN)

    @property
    def steps(self) -> str | list[dict[str, Any]] | None:
        """What a preparation is loaded from."""
        if self.prepare is None or not self.prepare.startswith("["):
            return [] if self.prepare == NONE else self.prepare
        return json.loads(self.prepare)

    @property
    def prepared_by(self) -> str:
        """What the preparation is called in messages."""
        return self.prepare if isinstance(self.steps, str) and self.prepare else "the variant's preparation"


def _train_rows(text: str) -> str:
    text = text.strip().lower()
    amount = text.removeprefix(BY_RUN).strip()
    written = _amount(amount, text)
    return written if written == ALL or amount == text else f"{BY_RUN}{written}"


def _amount(amount: str, text: str) -> str:
    if amount == ALL:
        return ALL
    wrong = OptionError(
        f"{text!r} is neither a share of the training rows nor a number of them",
        hint="write a share above 0 and up to 1, such as 0.1; a whole number, such as 250; or all; run:250 are "
        "drawn anew for each run seed.",
    )
    if _COUNT.fullmatch(amount):
        if int(amount) == 0:
            raise wrong
        return ALL if int(amount) == 1 else str(int(amount))  # a share: one row is never enough
    try:
        share = float(amount)
    except ValueError:
        raise wrong from None
    if not 0 < share <= 1:
        raise wrong
    return ALL if share == 1 else repr(share)


def check_varies(variant: Variant, options: TableOptions) -> None:
    """Raise an ``OptionError`` if variants could not be judged on the same rows: nothing is held out."""
    if not options.split_rule.held_out and not variant.same_rows:
        raise OptionError(
            f"{variant.altered or 'another preparation'} cannot be compared where nothing is held out",
            hint="leave --split none out: variants of the training data are judged on rows that all have in common.",
        )


def varied(
    base: Assembled,
    variant: Variant,
    options: TableOptions,
    rows: Callable[[], SourceRows],
    prepared: Prepared,
    *,
    same: bool,
) -> tuple[Dataset, TablePipeline]:
    """Return a variant of a dataset, and its own pipeline.

    Args:
        base: the experiment's own dataset.
        variant: what is other.
        options: the experiment's own options.
        rows: returns the experiment's own rows after the steps before the first learned one.
        prepared: how the variant is prepared.
        same: whether that is how the experiment is.

    Raises:
        OptionError: there are not so many training rows, or too few would be left.
        PreparationError: a step would change validation or test rows; the message names it.
    """
    given, made, notes = given_by(base, options), base, list[Note]()
    if not same:
        made = assembled(prepared, given, base)
        notes += about_rows(base, made, prepared)
    train = given.ids[is_train(given)]
    wanted = _wanted(variant.amount, base.dataset)
    draw: RowDraw | None = None
    if wanted < len(train):
        column = options.split_rule.column if options.split_rule.kind == "time" else ""
        if variant.by_run and column:
            raise OptionError(
                f"{variant.train_rows} has no effect with --split {options.split}, whose training rows are the latest",
                hint=f"write {variant.amount}, or choose another split.",
            )
        if variant.by_run:
            draw = RowDraw(
                made.dataset.train,
                _wanted(variant.amount, made.dataset),
                _places(made, options, train),
                bool(base.dataset.classes),
                made.dataset.doubles.get("train"),
            )
            made = replace(made, dataset=_first_drawn(made.dataset, draw, options.split_seed))
            notes += _about_few(variant.amount, wanted, base.dataset, made.dataset, _BY_RUN)
        else:
            if column:
                kept = _latest(given, rows(), base.dataset.target, column, wanted)
            else:
                codes = base.dataset.train.target if base.dataset.classes else None
                kept = drawn_rows(codes, len(train), wanted, options.split_seed)
            how = f", the latest by {column}" if column else ""
            _check_varies(base.dataset, kept, how)
            chosen = ~is_train(given) | np.isin(given.ids, train[kept])
            parts = given.parts.filter(pl.Series(chosen))
            fewer = replace(given, ids=given.ids[chosen], parts=parts, columns=made.pipeline.columns)
            made = assembled(prepared, fewer, base)
            notes += _about_few(variant.amount, wanted, base.dataset, made.dataset, how)
    if made is base and not variant.labels:
        return _with_numbers(base.dataset, base.pipeline, variant.numbers)
    dataset = made.dataset
    if variant.labels:
        places = _places(made, options, train) if draw is None else draw.places[draw.rows(options.split_seed)]
        corruption = make_corruption(variant.labels)
        dataset, note = _corrupted(dataset, corruption, places, len(train), options.split_seed)
        notes.append(note)
    steps = None if same else prepared.preparation.to_list()
    scale = [dataset.target_scale.mean, dataset.target_scale.sd]
    identity = [made.dataset.fingerprint, scale, variant.labels, steps]
    told = json.dumps(identity if draw is None else [*identity, variant.train_rows], sort_keys=True)
    about = {
        "train_rows": variant.train_rows,
        "labels": variant.labels,
        "prepare": steps,
        "notes": [each.text for each in notes],
    }
    dataset = replace(
        dataset,
        notes=(*dataset.notes, *notes),
        provenance={**dataset.provenance, "variant": about},
        fingerprint=hashlib.sha256(told.encode()).hexdigest()[:32],
    )
    return _with_numbers(dataset, made.pipeline, variant.numbers)


def _with_numbers(dataset: Dataset, pipeline: TablePipeline, numbers: str) -> tuple[Dataset, TablePipeline]:
    """Return a dataset and its pipeline with an encoding of numbers that is learned from its training rows."""
    if numbers == STANDARD:
        return dataset, pipeline
    kept = pipeline.made_numbers
    encoder = pipeline.encoder.with_numbers(numbers, dataset.train.inputs, kept)
    if encoder.encoding is None:
        return dataset, pipeline
    pipeline = replace(pipeline, encoder=encoder)
    told = json.dumps([dataset.fingerprint, encoder.encoding.to_dict()], sort_keys=True)
    shape = pipeline.shape
    before = len(encoder.scales.keys() - kept)
    inputs = len(shape.encoded.continuous) - len(shape.continuous) + before
    how = (
        "cut into pieces, chosen automatically; --numbers standard leaves them scores"
        if numbers == AUTO
        else numbers
    )
    note = Note("info", f"{counted(before, 'column')} of numbers as {counted(inputs, 'input')}: {how}.")
    provenance = {**dataset.provenance, "numbers": numbers}
    dataset = replace(
        dataset,
        shape=shape,
        notes=(*dataset.notes, note),
        provenance=provenance,
        fingerprint=hashlib.sha256(told.encode()).hexdigest()[:32],
    )
    return dataset, pipeline


# --- training rows ----------------------------------------------------------------------------------------


def fewer_rows(dataset: Dataset, variant: Variant, seed: int) -> Dataset:
    """Return a dataset with fewer training rows, of a source whose rows are what they are, whichever are left.

    Args:
        dataset: with all of them.
        variant: how many, and whether they are drawn for each run seed.
        seed: by which they are drawn otherwise: the split seed.

    Raises:
        OptionError: there are not so many, or too few would be left.
    """
    n, wanted = len(dataset.train), _wanted(variant.amount, dataset)
    if wanted == n:
        return dataset
    draw = RowDraw(dataset.train, wanted, np.arange(n), bool(dataset.classes))
    made = _first_drawn(dataset, draw, seed)
    how = ", drawn anew for each run seed" if variant.by_run else ""
    identity = json.dumps([dataset.fingerprint, variant.train_rows])
    return replace(
        made,
        draw=made.draw if variant.by_run else None,
        notes=(*dataset.notes, *_about_few(variant.amount, wanted, dataset, made, how)),
        fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:32],
    )


def _wanted(train_rows: str, dataset: Dataset) -> int:
    """Return how many training rows there shall be."""
    n, count = len(dataset.train), _COUNT.fullmatch(train_rows)
    if train_rows == ALL:
        return n
    wanted = int(train_rows) if count else round(float(train_rows) * n)
    if wanted > n:
        raise OptionError(
            f"{wanted:,} is more than the {counted(n, 'training row')}",
            hint=f"give at most {n:,}, a share such as 0.5, or all.",
        )
    hint = f"give at least {MIN_ROWS} rows, or a share of at least {MIN_ROWS / n:.2g} of the {n:,} training rows."
    few = "" if count else f", {train_rows} of {n:,},"
    few = f"{counted(wanted, 'training row')}{few} {'is' if wanted == 1 else 'are'} too few"
    if wanted < MIN_ROWS:
        raise OptionError(few, hint=hint)
    if dataset.classes:
        classes = len(torch.unique(dataset.train.target))
        if wanted < classes:
            raise OptionError(
                f"{few} for {classes} classes",
                hint=f"give at least {classes} rows: one of each class.",
            )
    return wanted


_BY_RUN = ", drawn anew for each run seed; scales and categories are those of all training rows"
"""What is said of rows that are drawn by the run seed."""


def _first_drawn(dataset: Dataset, draw: RowDraw, seed: int) -> Dataset:
    """Return a dataset with the training rows that a seed draws."""
    rows = torch.from_numpy(draw.rows(seed))
    _check_varies(dataset, rows.numpy(), _BY_RUN)
    doubles = {name: part.take(rows) if name == "train" else part for name, part in dataset.doubles.items()}
    numbers = {name: each[rows] if name == "train" else each for name, each in dataset.rows.items()}
    return replace(dataset, train=dataset.train.take(rows), doubles=doubles, rows=numbers, draw=draw)


def _places(made: Assembled, options: TableOptions, train: NDArray[np.uint64]) -> Rows:
    """Return where the training rows of a variant are among those of the experiment."""
    return np.searchsorted(train, ids_of(made, options)[(made.frame[SPLIT_COLUMN] == "train").to_numpy()])


def _latest(given: InheritedData, rows: SourceRows, target: str, column: str, wanted: int) -> Rows:
    """Return the latest training rows in rising order; of one moment the last in the file."""
    frame, numbers, _ = with_target(rows, target)
    frame, _ = given.restricted(frame, numbers)
    train = frame[SPLIT_COLUMN] == "train"
    return np.sort(np.argsort(moments(frame.filter(train), column), kind="stable")[-wanted:])


def _check_varies(dataset: Dataset, kept: Rows, how: str) -> None:
    """Raise an ``OptionError`` if all of the training rows that are left have one target."""
    target = dataset.train.target[torch.from_numpy(kept)]
    if bool((target == target[0]).all()):
        raise OptionError(
            f"{dataset.target} has one value only in the {len(kept):,} rows that are left{how}",
            hint="give more rows.",
        )


def _about_few(train_rows: str, wanted: int, base: Dataset, made: Dataset, how: str) -> list[Note]:
    n = len(base.train)
    if _COUNT.fullmatch(train_rows):
        text = f"{wanted:,} of {n:,} training rows{how}"
    else:
        text = f"{100 * float(train_rows):.3g} % of the training rows: {wanted:,} of {n:,}{how}"
    if len(made.train) < wanted:
        text += f"; {len(made.train):,} of them are left by the steps"
    notes = [Note("info", f"{text}.")]
    if base.classes:
        counts = torch.bincount(made.train.target, minlength=len(base.classes)).tolist()
        there = torch.bincount(base.train.target, minlength=len(base.classes)).tolist()
        lost = [name for name, n, had in zip(base.classes, counts, there, strict=True) if had and not n]
        if lost:
            shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
            notes.append(Note("warning", f"no training row is left of {shown}: it is never predicted."))
    return notes


# --- training labels --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relabel:
    """Makes other labels of true ones, as a function of a seed.

    Attributes:
        corruption: what is done to them.
        classes: number of classes, 0 for a target of numbers.
        places: where the rows are among the training rows of the experiment.
        total: number of the training rows of the experiment.
        split_seed: of the experiment, by which the labels are drawn unless the corruption goes by the run seed.
    """

    corruption: Corruption
    classes: int
    places: Rows
    total: int
    split_seed: int

    def __call__(self, true: Tensor, seed: int, places: Rows | None = None) -> Tensor:
        """Return the labels, on the device of the true ones."""
        draws = stream(seed if self.corruption.draw == "run" else self.split_seed, "label-noise")
        at = self.places if places is None else places
        found = self.corruption.corrupted(true.cpu().numpy(), self.classes, at, self.total, draws)
        return torch.from_numpy(found).to(true.device)


def _corrupted(
    dataset: Dataset, corruption: Corruption, places: Rows, total: int, seed: int
) -> tuple[Dataset, Note]:
    """Return a dataset with other training labels; those of ``train`` are drawn by the split seed in any case."""
    classes, true = len(dataset.classes), dataset.train.target
    corruption.check(len(true), classes)
    relabel = Relabel(corruption, classes, places, total, seed)
    target = relabel(true, seed)
    text = corruption.said(true.numpy(), target.numpy(), classes, dataset.target_scale.sd)
    by_run = corruption.draw == "run"
    changed = replace(
        dataset,
        train=replace(dataset.train, target=target),
        true_target=true,
        relabel=relabel if by_run or dataset.draw is not None else None,
    )
    return changed, Note("info", f"{text}{', drawn anew for each run seed' if by_run else ''}.")
