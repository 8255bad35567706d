"""Histogram gradient boosting (scikit-learn), stopped on validation.

A categorical column of up to 255 codes is split natively; one with more is replaced by its target encoding,
fitted by cross-fitting on the training rows, so that no row sees its own target.

Leaf values are shrunk (``l2_regularization``): without it, a class with a handful of rows among a hundred
thousand gets values so large in its first tree that the log loss never recovers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.preprocessing import TargetEncoder
from torch import Tensor

from steepest import rng
from steepest.data.dataset import Dataset, Part
from steepest.evaluate.baselines._contract import Array, Baseline, Fitted, class_counts, with_absent_classes
from steepest.evaluate.metrics import evaluate, metric_info

COMPONENTS = {
    "gradient-boosting": {"object": "GRADIENT_BOOSTING", "groups": ["classification", "regression"]},
}

MOST_CODES = 255
MOST_TREES = 500
PATIENCE = 10
FOLDS = 5
LEARNING_RATE = 0.1

CANDIDATES: tuple[dict[str, Any], ...] = (
    {"l2_regularization": 1.0, "max_leaf_nodes": 31},
    {"l2_regularization": 10.0, "max_leaf_nodes": 15},
)
"""What is tried; the best on validation is kept."""


def fit_gradient_boosting(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None
) -> Fitted:
    """Return gradient boosting with the candidate and the number of trees that were best on validation.

    The trees are counted by the loss that is boosted, the candidates compared by the deciding metric.
    Boosting begins at the training shares (or the mean) and the number of trees may be 0, so on validation
    its loss is never above that of the majority (or mean) baseline.
    """
    classify = dataset.task == "classification"
    raw = dataset.train.target.numpy()
    counts = class_counts(dataset) if classify else np.zeros(0, np.int64)
    weights = None if class_weights is None or not classify else class_weights.double().cpu().numpy()
    classes = np.flatnonzero(counts)
    target = np.searchsorted(classes, raw) if classify else raw.astype(np.float64)
    features = Features(dataset, target, len(classes), seed)
    truth = dataset.validation.target.numpy()
    known = np.isin(truth, classes) if classify else np.ones(len(truth), bool)
    boosters = [
        Booster.fit(
            candidate,
            features,
            target,
            features.of(dataset.validation)[known],
            np.searchsorted(classes, truth[known]) if classify else truth.astype(np.float64),
            weights=None if weights is None else (weights[raw], weights[truth[known]]),
            seed=rng.seed_for(seed, "baseline") % 2**32,
        )
        for candidate in CANDIDATES
    ]

    def outputs(booster: Booster, part: Part) -> Tensor:
        found = booster.outputs(features.of(part))
        return torch.from_numpy(with_absent_classes(found, counts) if classify else found)

    def cost(booster: Booster) -> float:
        found = evaluate(
            outputs(booster, dataset.validation),
            dataset.validation.target,
            task=dataset.task,
            classes=dataset.shape.outputs,
            names=[metric],
            scale=dataset.target_scale,
            positive=dataset.positive,
        )
        value = next(iter(found.values()))
        return -value if metric_info(metric).higher_is_better else value

    best = min(boosters, key=cost)
    many = " for each class" if len(classes) > 2 else ""
    chosen = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in best.candidate.items())
    settings = f"{best.trees} trees{many}, learning rate {LEARNING_RATE}, {chosen}"
    if best.trees == MOST_TREES:
        settings += "; still improving at the most trees that are tried"
    if features.encoded:
        settings += f"; target encoding of {', '.join(features.encoded)}"
    return Fitted(lambda part: outputs(best, part), settings)


@dataclass(frozen=True)
class Booster:
    """A fitted candidate, cut at its best number of trees.

    Attributes:
        candidate: its settings.
        model: scikit-learn's model, with more trees.
        trees: how many count (for each class).
        start: outputs without a tree: log shares of the classes present, or the mean.
    """

    candidate: dict[str, Any]
    model: Any
    trees: int
    start: Array

    @classmethod
    def fit(
        cls,
        candidate: dict[str, Any],
        features: Features,
        target: NDArray[Any],
        held_features: Array,
        held_target: NDArray[Any],
        *,
        weights: tuple[Array, Array] | None,
        seed: int,
    ) -> Booster:
        """Fit on the training rows until the loss on the held rows has not improved for some trees."""
        classify = target.dtype.kind == "i"
        weight = np.ones(len(target)) if weights is None else weights[0]
        start = np.log(np.bincount(target, weight) / weight.sum()) if classify else np.array([target.mean()])
        if len(held_target) == 0 or (classify and len(start) < 2):
            return cls(candidate, None, 0, start)
        kind: Any = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
        model = kind(
            **candidate,
            learning_rate=LEARNING_RATE,
            max_iter=MOST_TREES,
            early_stopping=True,
            n_iter_no_change=PATIENCE,
            scoring="loss",
            categorical_features=features.native if any(features.native) else None,
            random_state=seed,
        )
        model.fit(
            features.train,
            target,
            sample_weight=None if weights is None else weights[0],
            X_val=held_features,
            y_val=held_target,
            sample_weight_val=None if weights is None else weights[1],
        )
        return cls(candidate, model, int(np.argmax(model.validation_score_)), start)

    def outputs(self, rows: Array) -> Array:
        """Return log-probabilities ``[N, present]`` or values ``[N]``."""
        classify = len(self.start) > 1 or isinstance(self.model, HistGradientBoostingClassifier)
        if self.trees == 0:
            return np.tile(self.start, (len(rows), 1)) if classify else np.repeat(self.start, len(rows))
        stages: Iterator[Array] = (
            self.model.staged_predict_proba(rows) if classify else self.model.staged_predict(rows)
        )
        found = next(itertools.islice(stages, self.trees - 1, None))
        return np.log(np.maximum(found, np.finfo(np.float64).tiny)) if classify else found


class Features:
    """The columns as gradient boosting wants them.

    Attributes:
        train: features of the training rows, target encodings cross-fitted, ``[N, F]``.
        native: which features are categorical codes.
        encoded: names of the columns that are replaced by their target encoding.
    """

    def __init__(self, dataset: Dataset, target: NDArray[Any], classes: int, seed: int) -> None:
        sizes = list(dataset.shape.cardinalities.items())
        self._plain = [i for i, (_, size) in enumerate(sizes) if size <= MOST_CODES]
        self._large = [i for i, (_, size) in enumerate(sizes) if size > MOST_CODES]
        self.encoded = [sizes[i][0] for i in self._large]
        self._targets = _indicators(target, classes)
        codes = dataset.train.inputs[0].numpy()[:, self._large]
        self._encoders = [self._encoder(codes, each) for each in self._targets] if self._large else []
        crossed = np.empty((len(codes), len(self._targets) * len(self._large)))
        if self._large:
            fold = rng.stream(seed, "baseline", 1).permutation(len(codes)) % FOLDS
            for each in range(FOLDS):
                rest, held = fold != each, fold == each
                crossed[held] = _encode(
                    [self._encoder(codes[rest], indicator[rest]) for indicator in self._targets], codes[held]
                )
        self.train = np.concatenate([*self._others(dataset.train), crossed], axis=1)
        self.native = [i < len(self._plain) for i in range(self.train.shape[1])]

    def of(self, part: Part) -> Array:
        """Return the features of other rows, ``[N, F]``."""
        codes = part.inputs[0].numpy()[:, self._large]
        encoded = _encode(self._encoders, codes) if self._large else np.empty((len(codes), 0))
        return np.concatenate([*self._others(part), encoded], axis=1)

    def _others(self, part: Part) -> tuple[Array, Array]:
        return part.inputs[0].numpy()[:, self._plain].astype(np.float64), part.inputs[1].double().numpy()

    @staticmethod
    def _encoder(codes: NDArray[np.int64], target: Array) -> TargetEncoder:
        return TargetEncoder(target_type="continuous").fit(codes, target)


def _indicators(target: NDArray[Any], classes: int) -> list[Array]:
    if classes == 0:
        return [target.astype(np.float64)]
    wanted = [1] if classes == 2 else range(classes)
    return [(target == each).astype(np.float64) for each in wanted]


def _encode(encoders: list[TargetEncoder], codes: NDArray[np.int64]) -> Array:
    return np.concatenate([np.asarray(each.transform(codes)) for each in encoders], axis=1)


GRADIENT_BOOSTING = Baseline("gradient boosting", fit_gradient_boosting)
