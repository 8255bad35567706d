"""The columns of a table as gradient boosting wants them, and scikit-learn's trees on them as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from steepest import rng
from steepest.data.dataset import Dataset, Part
from steepest.evaluate.baselines._contract import Array
from steepest.evaluate.baselines._trees import BINS

Reading = Literal["categories", "numbers", "encoded"]
"""How categories are read: as they are; as numbers where all of them are numbers; so, and the others by their target
encoding."""

MOST_CODES = 255
"""A column with more is replaced by its target encoding."""

FEW_CODES = 3
"""A column with no more codes, such as unknown, yes and no, is never encoded."""

FOLDS = 5
MOST_ENCODED = 20
"""How many classes, the most frequent ones, get a target encoding."""

MOST_ENCODINGS = 64
"""With more target encodings, columns that can be split as they are stay so."""

UNKNOWN_BIN = BINS - 1


@dataclass(frozen=True)
class CodeFeature:
    """A feature that is a function of one column's code.

    Attributes:
        column: of the first input.
        values: of every code; NaN where it means nothing.
        native: whether the values are categories, numbered from 0.
    """

    column: int
    values: Array
    native: bool


class Features:
    """The columns as gradient boosting wants them: functions of codes first, then the continuous columns.

    Args:
        dataset: on the CPU.
        target: of the training rows: classes numbered from 0 without a gap, or values.
        classes: how many classes the training rows contain; 0 for a number.
        seed: of the folds.
        reading: how columns of categories are read.

    Attributes:
        code_features: the functions of codes.
        train: features of the training rows, target encodings cross-fitted, so that no row sees its own target.
        encoded: names of the columns that are replaced by their target encoding.
        as_numbers: names of the columns whose categories are read as numbers.
    """

    def __init__(
        self, dataset: Dataset, target: NDArray[Any], classes: int, seed: int, *, reading: Reading
    ) -> None:
        sizes = list(dataset.shape.cardinalities.items())
        codes = dataset.train.inputs[0].numpy()
        read = [None if reading == "categories" else dataset.numbers.get(name) for name, _ in sizes]
        most = FEW_CODES if reading == "encoded" else MOST_CODES
        plain = [i for i, (_, size) in enumerate(sizes) if read[i] is None and size <= most]
        large = [i for i, (_, size) in enumerate(sizes) if read[i] is None and size > most]
        self.encoded = [sizes[i][0] for i in large]
        self.as_numbers = [name for (name, _), values in zip(sizes, read, strict=True) if values is not None]
        self.code_features = [CodeFeature(i, _ranks(codes[:, i], sizes[i][1]), native=True) for i in plain]
        self.code_features += [
            CodeFeature(i, np.array(values), native=False)
            for i, values in enumerate(read)
            if values is not None
        ]
        crossed = np.empty((len(codes), 0))
        if large:
            indicators = _indicators(target, classes)
            fold = rng.stream(seed, "baseline", 1).permutation(len(codes)) % FOLDS
            crossed = np.empty((len(codes), len(indicators) * len(large)))
            for at, (column, indicator) in enumerate((i, each) for i in large for each in indicators):
                size = sizes[column][1]
                self.code_features.append(
                    CodeFeature(column, _encoding(codes[:, column], indicator, size), False)
                )
                for each in range(FOLDS):
                    rest, held = fold != each, fold == each
                    crossed[held, at] = _encoding(codes[rest, column], indicator[rest], size)[
                        codes[held, column]
                    ]
        self.train = self.of(dataset.train)
        first = len(self.code_features) - crossed.shape[1]
        self.train[:, first : first + crossed.shape[1]] = crossed

    @classmethod
    def readings(cls, dataset: Dataset, target: NDArray[Any], classes: int, seed: int) -> list[Features]:
        """Return the columns in every reading that differs from those before it and is not too wide."""
        sizes = dataset.shape.cardinalities
        several = [
            name
            for name, size in sizes.items()
            if FEW_CODES < size <= MOST_CODES and name not in dataset.numbers
        ]
        encoded = len(several) * (min(classes, MOST_ENCODED) if classes > 2 else 1)
        wanted: list[Reading] = ["categories"]
        if dataset.numbers:
            wanted.append("numbers")
        if 0 < encoded <= MOST_ENCODINGS:
            wanted.append("encoded")
        return [cls(dataset, target, classes, seed, reading=each) for each in wanted]

    @property
    def native(self) -> list[bool]:
        """Which features are categories."""
        return [
            *(each.native for each in self.code_features),
            *[False] * (self.train.shape[1] - len(self.code_features)),
        ]

    def of(self, part: Part) -> Array:
        """Return the features of rows, ``[N, F]``."""
        codes, continuous = part.inputs[0].numpy(), part.inputs[1].double().numpy()
        return np.concatenate(
            [*(each.values[codes[:, each.column]][:, None] for each in self.code_features), continuous],
            axis=1,
        )

    def arrays(self, trees: Sequence[Any]) -> dict[str, NDArray[Any]]:
        """Return scikit-learn's trees on these features as the arrays of a ``TreesModel``, without ``start``.

        A category that no training row has goes where a missing value goes, as in scikit-learn.
        """

        def column(name: str, dtype: str) -> NDArray[Any]:
            return np.concatenate([np.zeros(0, dtype), *(each.nodes[name] for each in trees)]).astype(dtype)

        lengths = np.array([len(each.nodes) for each in trees], np.int64)
        roots = np.cumsum(lengths) - lengths
        inner, feature, threshold = (
            column("is_leaf", "u1") == 0,
            column("feature_idx", "i4"),
            column("num_threshold", "f8"),
        )
        left = np.zeros((len(inner), BINS), bool)
        edges: list[Array] = []
        for i, native in enumerate(self.native):
            mine = np.flatnonzero(inner & (feature == i))
            edges.append(np.zeros(0) if native else np.unique(threshold[mine]))
            if not native:
                left[mine] = np.arange(BINS) <= np.searchsorted(edges[-1], threshold[mine])[:, None]
        for root, tree in zip(roots, trees, strict=True):
            words = tree.raw_left_cat_bitsets.astype("<u4").view(np.uint8)
            split = np.flatnonzero((tree.nodes["is_leaf"] == 0) & (tree.nodes["is_categorical"] == 1))
            sets = np.unpackbits(words[tree.nodes["bitset_idx"][split]], axis=1, bitorder="little")
            left[root + split] = sets
        left[:, UNKNOWN_BIN] |= column("missing_go_to_left", "u1") == 1
        coded = list(zip(self.code_features, edges, strict=False))
        cuts = edges[len(coded) :]
        return {
            "code_columns": np.array([each.column for each, _ in coded], np.int64),
            "code_bins": np.concatenate([np.zeros(0, np.uint8), *(_code_bins(*each) for each in coded)]),
            "edges": np.concatenate([np.zeros(0), *cuts]),
            "edge_counts": np.array([len(each) for each in cuts], np.int64),
            "roots": roots,
            "feature": np.where(inner, feature, -1).astype(np.int32),
            "right": np.where(inner, column("right", "i8") + np.repeat(roots, lengths), 0).astype(np.int32),
            "left_bins": np.packbits(left, axis=1, bitorder="little"),
            "value": np.where(inner, 0.0, column("value", "f8")),
        }


def _code_bins(feature: CodeFeature, edges: Array) -> NDArray[np.uint8]:
    """Return the bin of every code of a column."""
    unknown = np.isnan(feature.values)
    values = np.where(unknown, 0.0, feature.values)
    bins = values if feature.native else np.searchsorted(edges, values)
    return np.where(unknown, UNKNOWN_BIN, bins).astype(np.uint8)


def _ranks(codes: NDArray[np.int64], size: int) -> Array:
    """Return the number of every code among those that are there, NaN for the others."""
    there = np.unique(codes)
    ranks = np.full(size, np.nan)
    ranks[there] = np.arange(len(there))
    return ranks


def _indicators(target: NDArray[Any], classes: int) -> list[Array]:
    if classes == 0:
        return [target.astype(np.float64)]
    frequent = np.argsort(-np.bincount(target, minlength=classes), kind="stable")[:MOST_ENCODED]
    wanted = [1] if classes == 2 else sorted(frequent)
    return [(target == each).astype(np.float64) for each in wanted]


def _encoding(codes: NDArray[np.int64], target: Array, size: int) -> Array:
    """Return the target encoding of every code of a column."""
    from sklearn.preprocessing import TargetEncoder  # takes a moment, and prediction does not need it

    encoder = TargetEncoder(target_type="continuous").fit(codes[:, None], target)
    return np.asarray(encoder.transform(np.arange(size)[:, None]))[:, 0]
