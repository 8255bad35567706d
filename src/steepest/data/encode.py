"""From features to tensors: codes for categories, standard scores for numbers; learned on training rows only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from steepest.data.columns import check_finite
from steepest.data.target import sorted_labels

UNKNOWN = "(unknown)"
MISSING = "(missing)"


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

    def encode(self, values: pl.Series) -> np.ndarray[Any, Any]:
        """Return int64 codes ``[N]`` of texts."""
        codes = values.cast(pl.Enum(list(self.labels)), strict=False).to_physical().cast(pl.Int64) + 1
        found = codes.fill_null(0).to_numpy(writable=True)
        if self.missing:
            found[values.is_null().to_numpy()] = len(self) - 1
        return found

    def decode(self, codes: Tensor) -> list[str]:
        """Return the texts of codes, with ``(unknown)`` and ``(missing)``."""
        texts = [UNKNOWN, *self.labels, *([MISSING] if self.missing else [])]
        return [texts[int(each)] for each in codes]


@dataclass(frozen=True)
class Scale:
    """How one continuous column is standardised: ``(value - mean) / sd``, missing values at the mean.

    Attributes:
        mean, sd: of the known training values; the sd of a constant counts as 1.
        missing: whether training rows had missing values, so that an indicator column is added.
    """

    mean: float
    sd: float
    missing: bool = False


@dataclass(frozen=True)
class TableEncoder:
    """Features → tensors, fitted on the training rows.

    Attributes:
        vocabularies: of each categorical column, in the order of the first input's columns.
        scales: of each continuous column, in the order of the second input's columns; the missing
            indicators follow after all of them.

    Example:
        >>> train = pl.DataFrame({"c": ["b", "a"], "x": [1.0, 3.0]})
        >>> encoder = TableEncoder.fit(train, categorical=["c"], continuous=["x"])
        >>> inputs, unseen = encoder.encode(pl.DataFrame({"c": ["a", "z"], "x": [1.0, 2.0]}))
        >>> [each.tolist() for each in inputs], unseen
        ([[[1], [0]], [[-1.0], [0.0]]], {'c': 1})
    """

    vocabularies: Mapping[str, Vocabulary]
    scales: Mapping[str, Scale]

    @classmethod
    def fit(
        cls, train: pl.DataFrame, *, categorical: list[str], continuous: list[str], min_count: int = 1
    ) -> TableEncoder:
        """Learn vocabularies, means and deviations from the features of the training rows."""
        return cls(
            {name: _vocabulary(train[name], min_count) for name in categorical},
            {name: _scale(train[name]) for name in continuous},
        )

    @property
    def cardinalities(self) -> dict[str, int]:
        """Number of codes of each categorical column, the unknown code included."""
        return {name: len(each) for name, each in self.vocabularies.items()}

    @property
    def continuous(self) -> tuple[str, ...]:
        """Names of the second input's columns, missing indicators included."""
        indicators = [f"{name} is missing" for name, scale in self.scales.items() if scale.missing]
        return (*self.scales, *indicators)

    def encode(self, features: pl.DataFrame) -> tuple[tuple[Tensor, Tensor], dict[str, int]]:
        """Return codes (int64 ``[N, C]``) and standard scores (float32 ``[N, D]``), and what was never seen.

        The second value counts, for each column that has any, the values that no training row had: unseen
        categories (code 0), and missing values of a continuous column that had none (set to the mean).

        Raises:
            DataError: a continuous column holds an infinity.
        """
        n = features.height
        unseen: dict[str, int] = {}
        codes = np.empty((n, len(self.vocabularies)), dtype=np.int64)
        for i, (name, vocabulary) in enumerate(self.vocabularies.items()):
            codes[:, i] = vocabulary.encode(features[name])
            unseen[name] = int((codes[:, i] == 0).sum())
        scores = np.zeros((n, len(self.continuous)), dtype=np.float32)
        indicator = len(self.scales)
        for i, (name, scale) in enumerate(self.scales.items()):
            values = features[name].to_numpy(writable=True)
            if np.isinf(values).any():
                check_finite(features[name], name, cure="leave those rows out")
            lacking = np.isnan(values)
            values[lacking] = scale.mean
            scores[:, i] = (values - scale.mean) / scale.sd
            if scale.missing:
                scores[:, indicator] = lacking
                indicator += 1
            else:
                unseen[name] = int(lacking.sum())
        return (torch.from_numpy(codes), torch.from_numpy(scores)), {k: v for k, v in unseen.items() if v}

    def decode(self, inputs: tuple[Tensor, ...]) -> pl.DataFrame:
        """Return rows as a person reads them, from tensors: what the network really sees."""
        codes, scores = inputs
        columns: dict[str, Any] = {}
        for i, (name, vocabulary) in enumerate(self.vocabularies.items()):
            columns[name] = vocabulary.decode(codes[:, i])
        indicator = len(self.scales)
        for i, (name, scale) in enumerate(self.scales.items()):
            digits = 6 - math.ceil(math.log10(scale.sd))  # a float32 score holds no more
            values: list[float | None] = [
                round(value, digits) + 0.0
                for value in (scores[:, i].double() * scale.sd + scale.mean).tolist()
            ]
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
            "scales": {name: asdict(each) for name, each in self.scales.items()},
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TableEncoder:
        """Return what ``to_dict`` stored."""
        return cls(
            {
                name: Vocabulary(_texts(each["labels"]), bool(each["missing"]))
                for name, each in stored["vocabularies"].items()
            },
            {name: _stored_scale(**each) for name, each in stored["scales"].items()},
        )


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    if not all(isinstance(each, str) for each in values):
        raise ValueError("a label is not a text")
    return tuple(str(each) for each in values)


def _stored_scale(mean: float, sd: float, missing: bool) -> Scale:
    if not (math.isfinite(mean) and math.isfinite(sd) and sd > 0):
        raise ValueError(f"a column cannot have the mean {mean} and the standard deviation {sd}")
    return Scale(float(mean), float(sd), bool(missing))


def _vocabulary(values: pl.Series, min_count: int) -> Vocabulary:
    name = values.name
    counts = values.drop_nulls().value_counts(name="count" if name != "count" else "n")
    kept = counts.filter(pl.nth(1) >= min_count)[name].to_list()
    return Vocabulary(tuple(sorted_labels(kept)), values.null_count() > 0)


def _scale(values: pl.Series) -> Scale:
    known = values.drop_nulls().rechunk().to_numpy()
    mean, sd = (float(known.mean()), float(known.std())) if len(known) else (0.0, 1.0)
    constant = not sd > 1e-12 * max(1.0, abs(mean))
    return Scale(mean, 1.0 if constant else sd, bool(values.null_count()))
