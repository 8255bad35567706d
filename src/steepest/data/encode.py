"""From features to tensors: codes for categories, standard scores for numbers; learned on training rows only."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.labels import Labels, labels_of
from steepest.data.numbers import NumberEncoding
from steepest.data.scores import Standardization
from steepest.data.target import sorted_labels
from steepest.data.unforeseen import Far, Unforeseen, added, examples_of

UNKNOWN = "(unknown)"
MISSING = "(missing)"
INDICATOR = " is missing"
"""What the name of a missing-value indicator ends in, after that of its column."""
BLOCK_ROWS = 1 << 12
"""Rows that are encoded at a time, few enough to stay in the processor's cache."""
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True)
class Vocabulary:
    """The categories of one column; code 0 is the unknown one, then ``labels``, then missing if it was seen.

    Attributes:
        labels: category texts in the order of their codes, from 1.
        missing: whether missing values have a code of their own (they were in the training rows).
    """

    labels: tuple[str, ...]
    missing: bool = False

    def __len__(self) -> int:
        return 1 + len(self.labels) + self.missing

    @classmethod
    def fit(cls, values: Labels, rows: NDArray[np.bool_], min_count: int = 1) -> Vocabulary:
        """Learn the categories of the chosen rows (bool ``[N]``) that are there ``min_count`` times or more."""
        counts, missing = values.counts(rows)
        kept = [text for text, n in counts.items() if n >= min_count]
        return cls(tuple(sorted_labels(kept)), missing > 0)

    @property
    def numbers(self) -> tuple[float, ...] | None:
        """The number that each code means, NaN for unknown and missing; None unless all of three or more are numbers.

        Example:
            >>> Vocabulary(("7", "8", "12")).numbers, Vocabulary(("7", "8", "noon")).numbers
            ((nan, 7.0, 8.0, 12.0), None)
        """
        if len(self.labels) < 3 or not all(map(_NUMBER.fullmatch, self.labels)):
            return None
        return (math.nan, *map(float, self.labels), *([math.nan] if self.missing else []))

    def encode(self, values: pl.Series | Labels) -> NDArray[np.int64]:
        """Return int64 codes ``[N]`` of texts."""
        values = labels_of(values) if isinstance(values, pl.Series) else values
        return self.codes_of(values)[values.codes]

    def codes_of(self, values: Labels) -> NDArray[np.int64]:
        """Return the code of each of the texts of ``values``, and of a missing value as the last."""
        known = values.texts.cast(pl.Enum(list(self.labels)), strict=False).to_physical().cast(pl.Int64) + 1
        return np.append(known.fill_null(0).to_numpy(), len(self) - 1 if self.missing else 0)

    def decode(self, codes: Tensor) -> list[str]:
        """Return the texts of codes, with ``(unknown)`` and ``(missing)``."""
        texts = [UNKNOWN, *self.labels, *([MISSING] if self.missing else [])]
        return [texts[int(each)] for each in codes]


@dataclass(frozen=True)
class TableEncoder:
    """Features → tensors, fitted on the training rows.

    Attributes:
        vocabularies: of each categorical column, in the order of the first input's columns.
        scales: of each continuous column, in the order of the second input's columns; the missing
            indicators follow after all of them.
        min_count: how often a category had to be there to get a code of its own.
        encoding: what a network makes of the numbers; None where it gets standard scores.

    Example:
        >>> train = pl.DataFrame({"c": ["b", "a"], "x": [1.0, 3.0]})
        >>> encoder = TableEncoder.fit(train, categorical=["c"], continuous=["x"])
        >>> inputs, found = encoder.encode(pl.DataFrame({"c": ["a", "z"], "x": [1.0, 2.0]}))
        >>> [each.tolist() for each in inputs], found.unknown
        ([[[1], [0]], [[-1.0], [0.0]]], {'c': 1})
    """

    vocabularies: Mapping[str, Vocabulary]
    scales: Mapping[str, Standardization]
    min_count: int = 1
    encoding: NumberEncoding | None = None

    @classmethod
    def fit(
        cls, train: pl.DataFrame, *, categorical: list[str], continuous: list[str], min_count: int = 1
    ) -> TableEncoder:
        """Learn vocabularies, means and deviations from the features of the training rows."""
        return cls(
            {
                name: Vocabulary.fit(labels_of(train[name]), np.ones(train.height, dtype=bool), min_count)
                for name in categorical
            },
            {name: Standardization.fit(train[name]) for name in continuous},
            min_count,
        )

    def with_numbers(
        self, numbers: str, inputs: tuple[Tensor, ...], kept: Collection[str] = ()
    ) -> TableEncoder:
        """Return this with an encoding of numbers that is learned from the training rows as they are encoded.

        Args:
            numbers: what is wanted.
            inputs: the training rows.
            kept: names of columns that stay scores.
        """
        scores = inputs[1].numpy()
        n = len(self.scales)
        lacking = np.zeros((len(scores), n), dtype=bool)
        with_gaps = [i for i, each in enumerate(self.scales.values()) if each.missing]
        lacking[:, with_gaps] = scores[:, n:] > 0
        places = [i for i, name in enumerate(self.scales) if name in kept]
        return replace(self, encoding=NumberEncoding.fit(numbers, scores[:, :n], lacking, places))

    def as_they_are(self) -> TableEncoder:
        """Return this with numbers that are left in their units."""
        return replace(self, scales={name: each.as_it_is for name, each in self.scales.items()})

    @property
    def cardinalities(self) -> dict[str, int]:
        """Number of codes of each categorical column, the unknown code included."""
        return {name: len(each) for name, each in self.vocabularies.items()}

    @property
    def numbers(self) -> dict[str, tuple[float, ...]]:
        """The number of each code of the categorical columns whose categories are numbers."""
        found = {name: each.numbers for name, each in self.vocabularies.items()}
        return {name: values for name, values in found.items() if values is not None}

    @property
    def continuous(self) -> tuple[str, ...]:
        """Names of the second input's columns, missing indicators included."""
        indicators = [f"{name}{INDICATOR}" for name, scale in self.scales.items() if scale.missing]
        return (*self.scales, *indicators)

    def encode(self, features: pl.DataFrame) -> tuple[tuple[Tensor, Tensor], Unforeseen]:
        """Return codes (int64 ``[N, C]``) and standard scores (float32 ``[N, D]``), and what training did not have.

        Raises:
            DataError: a continuous column holds an infinity, or a value that is too far from those of training.
        """
        n = features.height
        codes = np.empty((n, len(self.vocabularies)), dtype=np.int64)
        unknown: dict[str, int] = {}
        missing: dict[str, int] = {}
        examples: dict[str, tuple[str, ...]] = {}
        for i, (name, vocabulary) in enumerate(self.vocabularies.items()):
            codes[:, i] = vocabulary.encode(features[name])
            missing[name] = 0 if vocabulary.missing else features[name].null_count()
            unknown[name] = n - int(np.count_nonzero(codes[:, i])) - missing[name]
            if unknown[name]:
                new = features[name].filter(pl.Series(codes[:, i] == 0)).drop_nulls()
                examples[name] = examples_of(new.unique(maintain_order=True))
        scores, lacking = self.scores({name: features[name] for name in self.scales}, n)
        far = self.outside(features)
        found = Unforeseen(
            added(unknown, {}),
            added(missing, lacking),
            min_count=self.min_count,
            examples=examples,
            outside={name: len(each) for name, each in far.items()},
            farthest={name: self._farthest(name, each) for name, each in far.items()},
        )
        return (torch.from_numpy(codes), torch.from_numpy(scores)), found

    def outside(self, features: pl.DataFrame) -> dict[str, pl.Series]:
        """Return the values of continuous columns that are far from those of training, by column if there are any."""
        far = {name: scale.outside(features[name]) for name, scale in self.scales.items()}
        return {name: values for name, values in far.items() if len(values)}

    def _farthest(self, name: str, values: pl.Series) -> Far:
        """Return of values far from those of training one that is farthest, with the training range."""
        low, high = self.scales[name].range or (0.0, 0.0)
        ends = values.cast(pl.Float64).drop_nulls().sort().to_list()
        return max((Far(each, low, high) for each in (ends[0], ends[-1])), key=lambda far: far.away)

    def doubles(self, features: pl.DataFrame, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        """Return what :meth:`encode` gave with numbers of 64 bits; nothing where they are standardised."""
        if any((each.mean, each.sd, each.shift) != (0.0, 1.0, 0) for each in self.scales.values()):
            return ()
        exact = inputs[1].double()
        for i, (name, scale) in enumerate(self.scales.items()):
            exact[:, i] = torch.from_numpy(scale.encode(features[name])[0])
        return inputs[0], exact

    def scores(self, values: Mapping[str, pl.Series], n: int) -> tuple[NDArray[np.float32], dict[str, int]]:
        """Return standard scores with the missing indicators (float32 ``[n, D]``), and unforeseen gaps.

        The second value counts the missing values of columns that had none in the training rows.

        Raises:
            DataError: a column holds an infinity.
        """
        unforeseen: dict[str, int] = {}
        scores = np.zeros((n, len(self.continuous)), dtype=np.float32)
        indicator = len(self.scales)
        for i, (name, scale) in enumerate(self.scales.items()):
            scores[:, i], lacking = scale.encode(values[name])
            if scale.missing:
                scores[:, indicator] = lacking
                indicator += 1
            else:
                unforeseen[name] = int(lacking.sum())
        return scores, unforeseen

    def decode(self, inputs: tuple[Tensor, ...]) -> pl.DataFrame:
        """Return rows as a person reads them, from tensors: what the network really sees."""
        codes, scores = inputs
        columns: dict[str, Any] = {}
        for i, (name, vocabulary) in enumerate(self.vocabularies.items()):
            columns[name] = vocabulary.decode(codes[:, i])
        indicator = len(self.scales)
        for i, (name, scale) in enumerate(self.scales.items()):
            values: list[float | None] = [*scale.decode(scores[:, i])]
            if scale.missing:
                lacking = scores[:, indicator].bool().tolist()
                values = [None if missing else value for value, missing in zip(values, lacking, strict=True)]
                indicator += 1
            columns[name] = pl.Series(name, values, dtype=pl.Float64)
        return pl.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "vocabularies": {
                name: {"labels": list(each.labels), "missing": each.missing}
                for name, each in self.vocabularies.items()
            },
            "scales": {name: each.to_dict() for name, each in self.scales.items()},
            "min_count": self.min_count,
            **({} if self.encoding is None else {"encoding": self.encoding.to_dict()}),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TableEncoder:
        """Return what ``to_dict`` stored."""
        return cls(
            {
                name: Vocabulary(_texts(each["labels"]), bool(each["missing"]))
                for name, each in stored["vocabularies"].items()
            },
            {name: Standardization.from_dict(each) for name, each in stored["scales"].items()},
            int(stored.get("min_count", 1)),
            NumberEncoding.from_dict(stored["encoding"]) if "encoding" in stored else None,
        )


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    if not all(isinstance(each, str) for each in values):
        raise ValueError("a label is not a text")
    return tuple(str(each) for each in values)


@dataclass(frozen=True)
class EncodedPart:
    """The rows of one part as tensors, and what training did not have.

    Attributes:
        inputs: codes (int64 ``[N, C]``) and standard scores (float32 ``[N, D]``).
        unforeseen: as ``TableEncoder.encode`` counts it.
    """

    inputs: tuple[Tensor, Tensor]
    unforeseen: Unforeseen


def fit_and_encode(
    features: Iterable[tuple[str, pl.Series]],
    parts: Mapping[str, NDArray[np.bool_]],
    *,
    categorical: list[str],
    continuous: list[str],
    min_count: int = 1,
) -> tuple[TableEncoder, dict[str, EncodedPart], dict[str, pl.Series]]:
    """Learn from the rows of the part ``train`` and encode every part, one feature after the other.

    What comes out is what ``TableEncoder.fit`` and ``encode`` make of the parts' own frames; no copy of the
    whole table is made for it.

    Args:
        features: names and values, as ``Columns.each_feature`` yields them.
        parts: which rows belong to each part, bool ``[N]``.
        categorical, continuous: the features' names in the order of the inputs' columns.
        min_count: categories with fewer training rows share the unknown code.

    Returns:
        The encoder, the parts, and the values of the continuous features.

    Raises:
        DataError: a continuous column holds an infinity.

    Example:
        >>> values = pl.Series("c", ["a", "b", "a"]), pl.Series("x", [1.0, 3.0, 5.0])
        >>> parts = {"train": np.array([True, True, False]), "test": np.array([False, False, True])}
        >>> named = [(each.name, each) for each in values]
        >>> _, encoded, _ = fit_and_encode(named, parts, categorical=["c"], continuous=["x"])
        >>> [each.tolist() for each in encoded["test"].inputs]
        [[[1]], [[3.0]]]
    """
    train = parts["train"]
    sizes = {part: int(rows.sum()) for part, rows in parts.items()}
    numbers: dict[str, pl.Series] = {}
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        coming: dict[str, Future[Labels]] = {}
        for name, values in features:
            if name in categorical:
                coming[name] = pool.submit(labels_of, values)
            else:
                numbers[name] = values.rechunk()
        labels = {name: each.result() for name, each in coming.items()}
        coming.clear()
        vocabularies = pool.map(lambda name: Vocabulary.fit(labels[name], train, min_count), categorical)
        encoder = TableEncoder(
            dict(zip(categorical, vocabularies, strict=True)),
            {name: Standardization.fit(numbers[name].filter(pl.Series(train))) for name in continuous},
            min_count,
        )
    codes, unknown = _codes(
        [(labels[name], encoder.vocabularies[name].codes_of(labels[name])) for name in categorical],
        parts,
        sizes,
    )
    gaps = {
        part: [
            _gaps(labels[name], rows, encoder.vocabularies[name], n)
            for name, n in zip(categorical, unknown[part].tolist(), strict=True)
        ]
        for part, rows in parts.items()
    }
    labels.clear()
    encoded: dict[str, EncodedPart] = {}
    for part, rows in parts.items():
        scores, lacking = encoder.scores(
            {name: numbers[name].filter(pl.Series(rows)) for name in continuous}, sizes[part]
        )
        missing = dict(zip(categorical, gaps[part], strict=True))
        unseen = dict(zip(categorical, (unknown[part] - gaps[part]).tolist(), strict=True))
        found = Unforeseen(added(unseen, {}), added(missing, lacking), min_count=min_count)
        encoded[part] = EncodedPart((torch.from_numpy(codes[part]), torch.from_numpy(scores)), found)
    return encoder, encoded, numbers


def _gaps(values: Labels, rows: NDArray[np.bool_], vocabulary: Vocabulary, unknown: int) -> int:
    """Return how many of the chosen rows' ``unknown`` values are missing ones that training did not have."""
    return int(np.count_nonzero(values.codes[rows] < 0)) if unknown and not vocabulary.missing else 0


def _codes(
    columns: list[tuple[Labels, NDArray[np.int64]]],
    parts: Mapping[str, NDArray[np.bool_]],
    sizes: Mapping[str, int],
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
    """Return the codes of each part, ``[N, C]``, and how many of a column are unknown, ``[C]``.

    Some threads make them, each for a range of the rows.
    """
    codes = {part: np.empty((size, len(columns)), dtype=np.int64) for part, size in sizes.items()}
    unknown = {part: np.zeros(len(columns), dtype=np.int64) for part in sizes}
    if not columns:
        return codes, unknown
    n, threads = sum(sizes.values()), pl.thread_pool_size()
    bounds = [n * i // threads for i in range(threads + 1)]
    at = dict.fromkeys(parts, 0)
    places: list[dict[str, int]] = []
    for start, stop in itertools.pairwise(bounds):
        places.append(dict(at))
        at = {part: at[part] + int(rows[start:stop].sum()) for part, rows in parts.items()}
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(lambda *of: _put_codes(columns, parts, codes, *of), bounds, bounds[1:], places):
            for part, count in found.items():
                unknown[part] += count
    return codes, unknown


def _put_codes(
    columns: list[tuple[Labels, NDArray[np.int64]]],
    parts: Mapping[str, NDArray[np.bool_]],
    codes: Mapping[str, NDArray[np.int64]],
    start: int,
    stop: int,
    at: dict[str, int],
) -> dict[str, NDArray[np.int64]]:
    """Write the codes of the rows from ``start`` to ``stop``, in blocks that stay in the processor's cache.

    Returns:
        How many codes of each column are unknown, by part.
    """
    found = np.empty((BLOCK_ROWS, len(columns)), dtype=np.int64)
    unknown = {part: np.zeros(len(columns), dtype=np.int64) for part in parts}
    for first in range(start, stop, BLOCK_ROWS):
        block = slice(first, min(first + BLOCK_ROWS, stop))
        for i, (labels, by_text) in enumerate(columns):
            found[: block.stop - first, i] = by_text[labels.codes[block]]
        for part, rows in parts.items():
            mine = np.flatnonzero(rows[block])
            out = codes[part][at[part] : at[part] + len(mine)]
            np.take(found, mine, axis=0, out=out, mode="clip")  # the default mode makes a copy first
            unknown[part] += len(mine) - np.count_nonzero(out, axis=0)
            at[part] += len(mine)
    return unknown
