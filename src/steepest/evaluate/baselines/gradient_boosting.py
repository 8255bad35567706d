"""Histogram gradient boosting (scikit-learn), with settings and number of trees chosen on validation.

A categorical column of up to 255 codes is split natively; one with more is replaced by its target encoding,
fitted by cross-fitting on the training rows, so that no row sees its own target. Columns whose categories are all
numbers (hours, months) are read both ways, as categories and as numbers; and the smaller columns of categories, too,
natively and by their target encoding. Which reading is best shows after a few trees on some of the rows.

Leaf values are shrunk (``l2_regularization``): without it, a class with a handful of rows among a hundred
thousand gets values so large in its first tree that the log loss never recovers.

Trees are grown for each class, so hundreds of classes would take hours. What may be spent is counted in work, which
follows from rows, features, leaves and classes, and not in time: so the same data gives the same trees on every
machine, on a slow one later.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest import rng
from steepest.data.dataset import Dataset
from steepest.evaluate.baselines._contract import (
    Array,
    Baseline,
    FittedBaseline,
    class_counts,
    is_unrated,
    loss_weights,
    validation_cost,
)
from steepest.evaluate.baselines._features import MOST_ENCODINGS, Features
from steepest.evaluate.baselines._trees import TreesModel

COMPONENTS = {
    "gradient-boosting": {
        "object": "GRADIENT_BOOSTING",
        "what": "scikit-learn's histogram gradient boosting, tuned",
        "groups": ["classification", "regression"],
    },
}

MOST_TREES = 1000
PATIENCE = 30
FEWEST_TREES = 200
"""Where the work limit allows fewer, they learn faster, up to a rate of ``FASTEST``."""

FASTEST = 0.3

PROBE_TREES, PROBE_ROWS = 25, 10_000
"""The most trees, and training rows, by which readings of the columns are compared."""

SIZE_TREES, SIZE_SHARE = 20, 1 / 4
"""How many trees show whether small ones are better, and the largest share of the work limit that these may cost."""

FREE = 1 / 8
"""Readings are compared, and further settings tried, within this share of the work limit."""


@dataclass(frozen=True)
class Candidate:
    """Settings that are tried."""

    learning_rate: float = 0.1
    max_leaf_nodes: int = 31
    min_samples_leaf: int = 20
    l2_regularization: float = 1.0
    max_features: float = 1.0

    def __str__(self) -> str:
        share = (
            "" if self.max_features == 1.0 else f", {self.max_features:.0%} of the features for each split"
        )
        return (
            f"learning rate {self.learning_rate:g}, up to {self.max_leaf_nodes} leaves of at least "
            f"{self.min_samples_leaf} rows, l2 {self.l2_regularization:g}{share}"
        )


PROBE = Candidate(learning_rate=0.2, l2_regularization=10.0, max_features=0.5)
SMALL_PROBE = replace(PROBE, max_leaf_nodes=6)

THOROUGH = Candidate(0.07, 63, 10, 3.0, 0.4)
SMALL = Candidate(0.1, 6, 20, 10.0, 0.3)
STEADY = Candidate(0.05, 63, 10, 10.0, 0.7)
"""One of these is tried first where one fit uses up what several may cost: large trees, which are good on most
tables, or small ones, where large ones fit noise: many classes that the columns hardly predict. Where large trees are
far ahead of small ones, more of them, each of which changes less, are worth their work."""

FAR_AHEAD = 0.05
"""Large trees are far ahead where small ones have a loss that is larger by this share."""

STEADY_TREES, FASTER = 600, 0.1
"""Where the work limit allows fewer of the steady trees, they learn at this rate."""

CANDIDATES = (
    Candidate(0.05, 31, 20, 1.0, 0.5),
    Candidate(0.1, 15, 20, 10.0, 1.0),
    Candidate(0.05, 63, 5, 1.0, 0.5),
    THOROUGH,
    SMALL,
)
"""What is tried elsewhere, in this order."""


def tree_seconds(rows: int, features: int, leaves: int) -> float:
    """Return about how long one core of a laptop grows one tree: what work is counted in.

    Measured from 1,000 to 100,000 rows, 5 to 200 features and 15 to 63 leaves; within a third of that. A tree that
    runs out of rows before it has all its leaves takes less.
    """
    return leaves * (20e-6 + 1.6e-6 * features) + rows * math.log2(leaves) * (5e-9 + 0.6e-9 * features)


@dataclass(frozen=True, eq=False)
class Attempt:
    """A fitted candidate, cut at its best number of trees.

    Attributes:
        candidate: its settings.
        features: the reading of the columns.
        model: with as many trees as were best on validation.
        trees: how many these are (for each class).
        cost: the deciding metric on validation, lower is better.
        work: what it took, in seconds.
        cut: whether it was still improving when it had to stop.
    """

    candidate: Candidate
    features: Features
    model: TreesModel
    trees: int
    cost: float
    work: float
    cut: bool


def fit_gradient_boosting(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return gradient boosting with the settings and the number of trees that were best on validation.

    The readings of the columns are compared by a few trees on some of the rows, and where rows or classes are many,
    large trees with small ones; where the large ones are far ahead, more of them are grown. The first settings are
    then fitted with the best reading, within the work limit, and
    others as long as they add little to it: the second-best reading with the same settings, then further settings with
    the better reading. The trees are counted by the loss that is boosted, the candidates compared by the deciding
    metric. Boosting begins at the training shares (or the mean) and the number of trees may be 0, so on validation its
    loss is never above that of the majority (or mean) baseline.
    """
    rows = CandidateRows.of(dataset, class_weights)
    readings = Features.readings(dataset, rows.target, rows.classes, seed)
    spent, stages = 0.0, sum(rows.stage_seconds(each, PROBE, PROBE_ROWS) for each in readings)
    trees = min(PROBE_TREES, int(FREE * budget / stages))
    losses = np.zeros(0)
    if len(readings) > 1 and rows.suffice and trees > 1:
        found = [probed(dataset, rows, PROBE, each, seed, trees) for each in readings]
        order = np.argsort([each.min() for each in found], kind="stable")
        readings, losses = [readings[i] for i in order], found[order[0]]
        spent = trees * stages
    first = CANDIDATES[0]
    if rows.suffice and FEWEST_TREES * rows.stage_seconds(readings[0], THOROUGH) > FREE * budget:
        first, work = _sized(dataset, rows, readings[0], seed, budget, spent, losses)
        spent += work
    others = [each for each in CANDIDATES if each != first]
    best = attempt(dataset, rows, first, readings[0], seed, metric, budget - spent)
    spent, tried = spent + best.work, 1
    waiting = [(first, each) for each in readings[1:2]]
    waiting += [(each, None) for each in others] if rows.suffice else []
    for candidate, reading in waiting:
        reading = reading or best.features
        needed = (best.trees + PATIENCE) * best.candidate.learning_rate / candidate.learning_rate
        if spent + needed * rows.stage_seconds(reading, candidate) > FREE * budget:
            continue
        found = attempt(dataset, rows, candidate, reading, seed, metric, budget - spent)
        spent, tried = spent + found.work, tried + 1
        best = min(best, found, key=lambda each: each.cost)
    planned = len(waiting) + 1
    cut = f"{tried} of {planned} settings tried" if tried < planned else ""
    return FittedBaseline(best.model, _settings(best, rows.outputs > 1, tried, planned, budget), cut=cut)


def _sized(
    dataset: Dataset,
    rows: CandidateRows,
    features: Features,
    seed: int,
    budget: float,
    spent: float,
    losses: Array,
) -> tuple[Candidate, float]:
    """Return what is tried first where one fit uses up what several may cost, and the work of finding out.

    Args:
        dataset, rows, features, seed, budget: as of :func:`attempt`.
        spent: of the budget.
        losses: of the large trees on validation, by their number, as far as these have been grown.
    """
    large, small = (
        SIZE_TREES * rows.stage_seconds(features, each, PROBE_ROWS) for each in (PROBE, SMALL_PROBE)
    )
    if large + small > SIZE_SHARE * budget:
        return SMALL, 0.0
    known = len(losses) > SIZE_TREES
    losses = losses if known else probed(dataset, rows, PROBE, features, seed, SIZE_TREES)
    work = small if known else large + small
    of_large = losses[: SIZE_TREES + 1].min()
    of_small = probed(dataset, rows, SMALL_PROBE, features, seed, SIZE_TREES).min()
    if of_small < of_large:
        return SMALL, work
    if of_small < (1.0 + FAR_AHEAD) * of_large:
        return THOROUGH, work
    enough = STEADY_TREES * rows.stage_seconds(features, STEADY) <= budget - spent - work
    return STEADY if enough else replace(STEADY, learning_rate=FASTER), work


def _settings(best: Attempt, by_class: bool, tried: int, planned: int, budget: float) -> str:
    said = [f"{best.trees} trees{' for each class' if by_class else ''}, {best.candidate}"]
    if best.features.as_numbers:
        said.append(f"{', '.join(best.features.as_numbers)} read as numbers")
    if best.features.encoded:
        said.append(f"target encoding of {', '.join(best.features.encoded)}")
    if best.cut:
        said.append(
            f"still improving at the {'largest number of trees' if best.trees == MOST_TREES else 'work limit'}"
        )
    if tried > 1:
        said.append(f"the best of {tried} settings on validation")
    if tried < planned:
        said.append(f"{planned - tried} more left out by the work limit ({FREE * budget:g} s of one core)")
    return "; ".join(said)


@dataclass(frozen=True)
class CandidateRows:
    """What all candidates are fitted on, besides the features.

    Attributes:
        target: of the training rows: classes numbered from 0 without a gap, or values.
        classes: how many classes the training rows contain; 0 for a number.
        weights: of the training rows, or None.
        held: the validation rows whose class is there, bool ``[N]``.
        held_target, held_weights: of those rows.
    """

    target: NDArray[Any]
    classes: int
    weights: Array | None
    held: NDArray[np.bool_]
    held_target: NDArray[Any]
    held_weights: Array | None

    @classmethod
    def of(cls, dataset: Dataset, class_weights: Tensor | None) -> CandidateRows:
        """Return the rows of a dataset."""
        raw, truth = dataset.train.target.numpy(), dataset.validation.target.numpy()
        weights, held_weights = (
            loss_weights(each, class_weights) for each in (dataset.train, dataset.validation)
        )
        if not dataset.shape.classes:
            every = np.ones(len(truth), bool)
            return cls(raw.astype(np.float64), 0, weights, every, truth.astype(np.float64), held_weights)
        present = np.flatnonzero(class_counts(dataset))
        held = np.isin(truth, present)
        return cls(
            np.searchsorted(present, raw),
            len(present),
            weights,
            held,
            np.searchsorted(present, truth[held]),
            None if held_weights is None else held_weights[held],
        )

    @property
    def suffice(self) -> bool:
        """Whether there is something to learn and a row to stop by."""
        return bool(self.held.any()) and self.classes != 1

    @property
    def outputs(self) -> int:
        """How many trees a stage has."""
        return self.classes if self.classes > 2 else 1

    @property
    def start(self) -> Array:
        """The outputs without a tree, ``[outputs]``: log shares (of two classes the log odds), or the mean."""
        if self.classes == 0:
            return np.array([np.average(self.target, weights=self.weights)])
        shares = np.log(
            np.bincount(self.target, self.weights)
            / (len(self.target) if self.weights is None else self.weights.sum())
        )
        return shares[1:] - shares[:1] if self.classes == 2 else shares

    def stage_seconds(self, features: Features, candidate: Candidate, most: int | None = None) -> float:
        """Return how long a tree for each output takes, on no more rows than ``most``."""
        rows, columns = features.train.shape
        rows = rows if most is None else min(rows, most)
        return self.outputs * tree_seconds(rows, columns, candidate.max_leaf_nodes)


def _estimator(
    rows: CandidateRows, candidate: Candidate, features: Features, seed: int, **options: Any
) -> Any:
    """Return scikit-learn's estimator, not fitted yet."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind: Any = HistGradientBoostingClassifier if rows.classes else HistGradientBoostingRegressor
    return kind(
        **asdict(candidate),
        categorical_features=features.native if any(features.native) else None,
        random_state=rng.seed_for(seed, "baseline") % 2**32,
        **options,
    )


def probed(
    dataset: Dataset, rows: CandidateRows, candidate: Candidate, features: Features, seed: int, trees: int
) -> Array:
    """Return the loss on validation after none, one, … of a few trees on some of the training rows, ``[trees + 1]``."""
    model = _estimator(
        rows,
        candidate,
        features,
        seed,
        max_iter=trees,
        early_stopping=True,
        n_iter_no_change=trees,
        scoring="loss",
    )
    some = rng.stream(seed, "baseline", 2).permutation(len(rows.target))[:PROBE_ROWS]
    if rows.classes:  # a class without a row would change what the outputs mean
        some = np.union1d(some, np.unique(rows.target, return_index=True)[1])
    model.fit(
        features.train[some],
        rows.target[some],
        sample_weight=None if rows.weights is None else rows.weights[some],
        X_val=features.of(dataset.validation)[rows.held],
        y_val=rows.held_target,
        sample_weight_val=rows.held_weights,
    )
    return -np.asarray(model.validation_score_)


def attempt(
    dataset: Dataset,
    rows: CandidateRows,
    candidate: Candidate,
    features: Features,
    seed: int,
    metric: str,
    budget: float,
) -> Attempt:
    """Fit on the training rows until the loss on the validation rows has not improved for some trees."""
    start, trees, grown, most = rows.start, list[Any](), 0, 0
    stage = rows.stage_seconds(features, candidate)
    if rows.suffice:
        most = max(1, min(MOST_TREES, int(budget / stage)))
        rate = max(candidate.learning_rate, min(FASTEST, candidate.learning_rate * FEWEST_TREES / most))
        candidate = replace(candidate, learning_rate=float(f"{rate:.2g}"))
        model = _estimator(
            rows,
            candidate,
            features,
            seed,
            max_iter=most,
            early_stopping=True,
            n_iter_no_change=PATIENCE,
            scoring="loss",
        )
        model.fit(
            features.train,
            rows.target,
            sample_weight=rows.weights,
            X_val=features.of(dataset.validation)[rows.held],
            y_val=rows.held_target,
            sample_weight_val=rows.held_weights,
        )
        grown, count = model.n_iter_, int(np.argmax(model.validation_score_))
        trees = [each for stage in model._predictors[:count] for each in stage]
        start = model._baseline_prediction.reshape(-1) if count else start
    arrays = features.arrays(trees) | {"start": start}
    if dataset.shape.classes:
        arrays["counts"] = class_counts(dataset)
    found = TreesModel(dataset.shape, {name: torch.from_numpy(each) for name, each in arrays.items()})
    count = len(trees) // rows.outputs
    return Attempt(
        candidate,
        features,
        found,
        count,
        validation_cost(dataset, found, metric),
        grown * stage,
        count == most > 0,
    )


_LIMITS = (
    PROBE_TREES,
    PROBE_ROWS,
    SIZE_TREES,
    SIZE_SHARE,
    MOST_TREES,
    PATIENCE,
    FEWEST_TREES,
    FASTEST,
    FREE,
    FAR_AHEAD,
    STEADY_TREES,
    FASTER,
    MOST_ENCODINGS,
)
GRADIENT_BOOSTING = Baseline(
    "gradient boosting",
    fit_gradient_boosting,
    TreesModel,
    f"{PROBE}, {CANDIDATES}, {STEADY}, {_LIMITS}",
    usual=is_unrated,
)
