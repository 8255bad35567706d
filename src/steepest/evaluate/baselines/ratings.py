r"""Two baselines of ratings: biases of users and items, and the ratings of an item's nearest neighbours.

Both are as Surprise defines them (``BaselineOnly`` by alternating least squares, whose penalties are chosen on
validation, and ``KNNWithMeans`` between items, whose number of neighbours and similarity are); predictions are cut
to the range of the ratings. A new user or item has no bias and no
neighbours: it is answered from the mean and what is known of the other.

Source: Koren, Factor in the Neighbors, TKDD 4(1), 2010, section 2.1; Hug, Surprise, JOSS 5(52), 2020.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from steepest.data.dataset import Dataset, Shape
from steepest.evaluate.baselines._contract import (
    Array,
    Baseline,
    BaselineModel,
    FittedBaseline,
    cost_of,
    require,
)

COMPONENTS = {
    "biases": {
        "object": "BIASES",
        "what": "ratings: the mean and biases of users and items",
        "groups": ["regression"],
    },
    "item-knn": {
        "object": "ITEM_KNN",
        "what": "ratings: how a user rated similar items",
        "groups": ["regression"],
    },
}

PASSES = 10
"""Of the alternating least squares."""
PENALTIES = (1.0, 3.0, 10.0, 30.0)
"""What is chosen from on validation, for items and for users: a bias is shrunk as by so many ratings at the mean."""
USUAL_PENALTIES = (10.0, 15.0)
"""Surprise's defaults for items and users, where nothing is held out to choose on."""
NEIGHBOURS = (10, 20, 40, 80)
SIMILARITIES = ("the mean squared difference", "Pearson's shrunk correlation")
"""What is chosen from on validation."""
USUAL = {"neighbours": 40, "similarity": 0}
"""Surprise's defaults, where nothing is held out to choose on; fits of earlier versions have no others."""
_ITEMS_AT_ONCE = 256
SHRINKAGE = 100.0
ROUNDING = 1e-12
"""Ratings vary if their variance is more than this share of their mean square."""

Codes = NDArray[np.int64]


class Biases(BaselineModel):
    r"""The mean, a user's bias and an item's bias: :math:`\hat r_{ui} = \mu + b_u + b_i`, within the range."""

    arrays: ClassVar = {"mean": torch.float64, "users": torch.float64, "items": torch.float64}

    def check(self) -> None:
        """Raise a ``ValueError`` if there is not a bias for each code, that of code 0 being 0."""
        require(self.array("mean").shape == (1,), "mean", self)
        for name, codes in zip(("users", "items"), self.shape.cardinalities.values(), strict=True):
            found = self.array(name)
            require(found.shape == (codes,) and float(found[0]) == 0.0, name, self)

    def forward(self, codes: Tensor, values: Tensor) -> Tensor:
        """Return ratings ``[N, 1]`` for codes of users and items ``[N, 2]``."""
        del values
        found = self.array("mean") + self.array("users")[codes[:, 0]] + self.array("items")[codes[:, 1]]
        return _cut(found, self)


class ItemKNN(BaselineModel):
    r"""The mean of an item's ratings, and how far a user's ratings of its k nearest neighbours are from their means.

    .. math::
        \hat r_{ui} = \mu_i + \frac{\sum_{j} s_{ij} (r_{uj} - \mu_j)}{\sum_{j} s_{ij}}, \qquad
        s_{ij} = \frac{1}{1 + \mathrm{msd}_{ij}} \quad\text{or}\quad
        s_{ij} = \max(\rho_{ij}, 0)\, \frac{n_{ij} - 1}{n_{ij} - 1 + 100}

    over the k items j that are most similar to i among those that the user has rated. The mean squared difference and
    Pearson's correlation ρ are over the n users who have rated both; ρ is shrunk, since that of few users is high by
    chance. Items that no user has both rated are not similar. Of equally similar items those with the lower code come
    first.
    """

    arrays: ClassVar = {
        "pairs": torch.int64, "ratings": torch.float64, "neighbours": torch.int64, "similarity": torch.int64,
    }  # fmt: skip

    def __init__(self, shape: Shape, arrays: Mapping[str, Tensor]) -> None:
        super().__init__(shape, {**{name: torch.tensor([each]) for name, each in USUAL.items()}, **arrays})

    def check(self) -> None:
        """Raise a ``ValueError`` if there is not a rating for each pair, or a pair or setting is impossible."""
        for name, most in (("neighbours", None), ("similarity", len(SIMILARITIES))):
            found = self.array(name)
            require(found.shape == (1,) and int(found) >= (most is None), name, self)
            require(most is None or int(found) < most, name, self)
        pairs, ratings = self.array("pairs"), self.array("ratings")
        require(ratings.dim() == 1 and pairs.shape == (len(ratings), 2) and len(ratings) > 0, "pairs", self)
        limits = torch.tensor(list(self.shape.cardinalities.values()))
        require(bool((pairs > 0).all()) and bool((pairs < limits).all()), "pairs", self)
        require(bool(ratings.isfinite().all()), "ratings", self)

    def forward(self, codes: Tensor, values: Tensor) -> Tensor:
        """Return ratings ``[N, 1]`` for codes of users and items ``[N, 2]``."""
        del values
        return self.estimates(codes, [int(self.array("neighbours"))])[0]

    def estimates(self, codes: Tensor, counts: Sequence[int]) -> list[Tensor]:
        """Return ratings ``[N, 1]`` by several numbers of neighbours.

        Args:
            codes: of users and items, ``[N, 2]``.
            counts: the numbers of neighbours.
        """
        users, items = codes[:, 0].numpy(), codes[:, 1].numpy()
        known, similarity = self._known, int(self.array("similarity"))
        means = np.where(items > 0, known.item_means[items], known.user_means[users])
        found = np.tile(means, (len(counts), 1))
        distinct, groups = np.unique(items, return_inverse=True)
        order = np.lexsort((users, groups // _ITEMS_AT_ONCE))
        keys = np.stack([groups // _ITEMS_AT_ONCE, users])[:, order]
        starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(0)])
        block, similar = -1, np.zeros((0, 0))
        for places in np.split(order, starts[1:]):  # of one user and one block of items
            first = groups[places[0]] // _ITEMS_AT_ONCE
            if first != block:
                block = first
                some = distinct[block * _ITEMS_AT_ONCE : (block + 1) * _ITEMS_AT_ONCE]
                similar = known.similarities(some, similarity)
            found[:, places] += known.moved(
                int(users[places[0]]), similar, groups[places] - block * _ITEMS_AT_ONCE, counts
            )
        return [_cut(torch.from_numpy(each), self) for each in found]

    @functools.cached_property
    def _known(self) -> _Ratings:
        users, items = self.shape.cardinalities.values()
        pairs: Any = self.numpy("pairs")
        ratings: Any = self.numpy("ratings")
        return _Ratings(pairs, ratings, users, items)


class _Ratings:
    """The training ratings as a matrix of users and items; of a pair that is there twice the last one.

    Attributes:
        item_means, user_means: of each code, the mean of all ratings where it has none.
    """

    def __init__(self, pairs: Codes, ratings: Array, users: int, items: int) -> None:
        _, first = np.unique(pairs[::-1] @ np.array([items, 1]), return_index=True)
        last = len(pairs) - 1 - first
        where, kept = (pairs[last, 0], pairs[last, 1]), ratings[last]
        shape = (users, items)
        self._there = sparse.csr_array((np.ones(len(kept)), where), shape=shape)
        self._values = sparse.csr_array((kept, where), shape=shape)
        self._values.sort_indices()
        self._squares = sparse.csr_array((kept**2, where), shape=shape)
        self.user_means, self.item_means = (
            _means(each, kept, n) for each, n in zip(where, shape, strict=True)
        )

    def similarities(self, items: Codes, kind: int) -> Array:
        """Return how similar some items are to all, ``[n, items]``, by the kind with a place in ``SIMILARITIES``."""
        there, values, squares = (each[:, items].T for each in (self._there, self._values, self._squares))
        both: Array = (there @ self._there).toarray()
        of_one, of_other = (squares @ self._there).toarray(), (there @ self._squares).toarray()
        products = (values @ self._values).toarray()
        similar = np.zeros_like(both)
        if kind == 0:
            shared = both > 0
            apart = (of_one + of_other - 2 * products)[shared]
            similar[shared] = 1.0 / (1.0 + np.maximum(apart, 0.0) / both[shared])
            return similar
        sum_one, sum_other = (values @ self._there).toarray(), (there @ self._values).toarray()
        varies_one, varies_other = both * of_one - sum_one**2, both * of_other - sum_other**2
        varies = (varies_one > ROUNDING * both * of_one) & (varies_other > ROUNDING * both * of_other)
        together = (both * products - sum_one * sum_other)[varies]
        similar[varies] = together / np.sqrt(varies_one[varies] * varies_other[varies])
        similar[varies] *= (both[varies] - 1) / (both[varies] - 1 + SHRINKAGE)
        return np.maximum(np.round(similar, 12), 0.0)  # ρ of two users is 1, up to rounding

    def moved(self, user: int, similar: Array, places: Codes, counts: Sequence[int]) -> Array:
        """Return how far a user's ratings of the nearest neighbours of items are from their means, 0 without any.

        Args:
            user: the code of a user.
            similar: how similar items are to all, ``[n, items]``.
            places: the rows of the items.
            counts: numbers of neighbours; there is a row for each.
        """
        mine = slice(self._values.indptr[user], self._values.indptr[user + 1])
        rated = self._values.indices[mine]
        ratings: Any = self._values.data[mine]
        apart, near = ratings - self.item_means[rated], similar[places[:, None], rated]
        found = np.zeros((len(counts), len(places)))
        for row, count in zip(found, counts, strict=True):
            weights = _largest(near, count)
            total = weights.sum(1)
            np.divide(weights @ apart, total, out=row, where=total > 0)
        return found


def _largest(values: Array, count: int) -> Array:
    """Return values that are not negative with all but the largest of each row set to 0; of equal ones the first stay.

    Example:
        >>> _largest(np.array([[1.0, 3.0, 1.0, 2.0]]), 3).tolist()
        [[1.0, 3.0, 0.0, 2.0]]
    """
    if values.shape[1] <= count:
        return values
    least = np.partition(values, -count, axis=1)[:, -count, None]
    kept = values >= least
    tied = (kept.sum(1) > count) & (least[:, 0] > 0)
    if tied.any():
        some, equal = values[tied], values[tied] == least[tied]
        more = count - (some > least[tied]).sum(1, keepdims=True)
        kept[tied] = (some > least[tied]) | (equal & (equal.cumsum(1) <= more))
    return np.where(kept, values, 0.0)


def _means(codes: Codes, ratings: Array, count: int) -> Array:
    counts = np.bincount(codes, minlength=count)
    sums = np.bincount(codes, ratings, minlength=count)
    return np.where(counts > 0, sums / np.maximum(counts, 1), ratings.mean())


def _cut(ratings: Tensor, model: BaselineModel) -> Tensor:
    assert model.shape.bounds is not None
    return ratings.clamp(*model.shape.bounds)[:, None]


def _training(dataset: Dataset) -> tuple[Codes, Array]:
    return dataset.train.inputs[0].numpy(), dataset.train.target.double().numpy()


def fit_biases(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    r"""Return the biases of users and items by alternating least squares, with penalties chosen on validation.

    .. math::
        b_i = \frac{\sum_u r_{ui} - \mu - b_u}{\lambda_1 + n_i}, \qquad
        b_u = \frac{\sum_i r_{ui} - \mu - b_i}{\lambda_2 + n_u}

    ten times in turn, from zero on; both penalties are the best of 1, 3, 10 and 30.
    """
    del seed, class_weights, budget
    if not dataset.held_out or not len(dataset.validation):
        settings = "penalties {:g} of items and {:g} of users, as nothing is held out to choose them on"
        return FittedBaseline(_biases(dataset, *USUAL_PENALTIES), settings.format(*USUAL_PENALTIES))
    costs: dict[tuple[float, float], float] = {}
    for pair in itertools.product(PENALTIES, PENALTIES):
        outputs = _biases(dataset, *pair)(*dataset.validation.inputs)
        costs[pair] = cost_of(outputs, dataset, metric)
    of_items, of_users = min(costs, key=lambda each: costs[each])
    tried = ", ".join(f"{each:g}" for each in PENALTIES)
    settings = f"penalties {of_items:g} of items and {of_users:g} of users, chosen on validation ({tried})"
    return FittedBaseline(_biases(dataset, of_items, of_users), settings)


def _biases(dataset: Dataset, item_penalty: float, user_penalty: float) -> Biases:
    pairs, ratings = _training(dataset)
    user, item = pairs.T
    users, items = dataset.shape.cardinalities.values()
    mean = float(ratings.mean())
    of_users, of_items = np.zeros(users), np.zeros(items)
    for _ in range(PASSES):
        of_items = np.bincount(item, ratings - mean - of_users[user], minlength=items)
        of_items /= item_penalty + np.bincount(item, minlength=items)
        of_users = np.bincount(user, ratings - mean - of_items[item], minlength=users)
        of_users /= user_penalty + np.bincount(user, minlength=users)
    arrays = {"mean": np.array([mean]), "users": of_users, "items": of_items}
    return Biases(dataset.shape, {name: torch.from_numpy(each) for name, each in arrays.items()})


def fit_item_knn(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return the k nearest neighbours between items, with means; k and the similarity are chosen on validation."""
    del seed, class_weights, budget
    pairs, ratings = map(torch.from_numpy, _training(dataset))

    def made(neighbours: int, similarity: int) -> ItemKNN:
        chosen = {"neighbours": torch.tensor([neighbours]), "similarity": torch.tensor([similarity])}
        return ItemKNN(dataset.shape, {"pairs": pairs, "ratings": ratings, **chosen})

    if not dataset.held_out or not len(dataset.validation):
        usual = f"{USUAL['neighbours']} neighbours by {SIMILARITIES[USUAL['similarity']]}"
        return FittedBaseline(made(**USUAL), f"{usual}, as nothing is held out to choose them on")
    costs: dict[tuple[int, int], float] = {}
    for kind in range(len(SIMILARITIES)):
        found = made(NEIGHBOURS[0], kind).estimates(dataset.validation.inputs[0], NEIGHBOURS)
        for neighbours, outputs in zip(NEIGHBOURS, found, strict=True):
            costs[neighbours, kind] = cost_of(outputs, dataset, metric)
    neighbours, kind = min(costs, key=lambda each: costs[each])
    tried = f"{', '.join(map(str, NEIGHBOURS))}; {' or '.join(SIMILARITIES)}"
    settings = f"{neighbours} neighbours by {SIMILARITIES[kind]}, chosen on validation ({tried})"
    return FittedBaseline(made(neighbours, kind), settings)


def is_rated(dataset: Dataset) -> bool:
    """Whether a dataset holds ratings, which have a range."""
    return dataset.shape.bounds is not None


BIASES = Baseline("biases", fit_biases, Biases, f"{PENALTIES}", serves=is_rated)
ITEM_KNN = Baseline(
    "item k-nearest neighbours", fit_item_knn, ItemKNN, f"{NEIGHBOURS} {SIMILARITIES}", serves=is_rated
)
