"""The baselines of ratings equal slow independent versions, for new users and items too."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
import torch

from steepest.data.dataset import Dataset, Part, Shape
from steepest.evaluate.baselines import baseline_names, restore, run_baselines
from steepest.evaluate.baselines.ratings import fit_biases, fit_item_knn

USERS, ITEMS = 9, 14
SHAPE = Shape("regression", {"user": USERS + 1, "item": ITEMS + 1}, (), 1, bounds=(0.5, 5.0))
ASKED = {"seed": 0, "metric": "rmse", "class_weights": None, "budget": 20.0}


def part(pairs, ratings) -> Part:
    codes = torch.tensor(pairs, dtype=torch.int64)
    return Part((codes, torch.zeros(len(codes), 0)), torch.tensor(ratings, dtype=torch.float32))


@pytest.fixture
def data() -> Dataset:
    """70 ratings, all different, by 9 users of 14 items; the last item has none, and test pairs may be new."""
    draw = np.random.default_rng(3)
    pairs = [
        (1 + each // (ITEMS - 1), 1 + each % (ITEMS - 1)) for each in draw.permutation(USERS * (ITEMS - 1))
    ]
    ratings = draw.uniform(0.5, 5.0, len(pairs))
    train, rest = part(pairs[:70], ratings[:70]), part(pairs[70:], ratings[70:])
    new = part([(0, 3), (2, 0), (0, 0), (4, ITEMS)], [1.0, 2.0, 3.0, 4.0])
    return Dataset("made", "rating", train, rest, new, SHAPE)


def triples(data: Dataset):
    codes, target = data.train.inputs[0].tolist(), data.train.target.double().tolist()
    return [(user, item, rating) for (user, item), rating in zip(codes, target, strict=True)]


def cut(value: float) -> float:
    return min(5.0, max(0.5, value))


def slow_biases(rows):
    mean = sum(rating for *_, rating in rows) / len(rows)
    users, items = dict.fromkeys(range(USERS + 1), 0.0), dict.fromkeys(range(ITEMS + 1), 0.0)
    for _ in range(10):
        for item in items:
            mine = [rating - mean - users[user] for user, other, rating in rows if other == item]
            items[item] = sum(mine) / (10 + len(mine))
        for user in users:
            mine = [rating - mean - items[item] for other, item, rating in rows if other == user]
            users[user] = sum(mine) / (15 + len(mine))
    return lambda user, item: cut(mean + users[user] + items[item])


def slow_knn(rows, k):
    by_item: dict[int, dict[int, float]] = {}
    by_user: dict[int, dict[int, float]] = {}
    for user, item, rating in rows:
        by_item.setdefault(item, {})[user] = rating
        by_user.setdefault(user, {})[item] = rating
    everything = [rating for *_, rating in rows]

    def mean(values):
        values = list(values)
        return sum(values) / len(values) if values else sum(everything) / len(everything)

    def similarity(one, other):
        both = by_item[one].keys() & by_item[other].keys()
        if not both:
            return 0.0
        return 1 / (1 + sum((by_item[one][user] - by_item[other][user]) ** 2 for user in both) / len(both))

    def estimate(user, item):
        if item not in by_item:
            return cut(mean(by_user.get(user, {}).values()) if item == 0 else mean([]))
        found = [(similarity(item, other), other, rating) for other, rating in by_user.get(user, {}).items()]
        nearest = [each for each in heapq.nlargest(k, found) if each[0] > 0]
        total = sum(each[0] for each in nearest)
        moved = sum(s * (rating - mean(by_item[other].values())) for s, other, rating in nearest)
        return cut(mean(by_item[item].values()) + (moved / total if total else 0.0))

    return estimate


@pytest.mark.parametrize("k", [3, 40])
def test_predictions_equal_a_slow_version(data, monkeypatch, k):
    monkeypatch.setattr("steepest.evaluate.baselines.ratings.NEIGHBOURS", k)
    monkeypatch.setattr("steepest.evaluate.baselines.ratings._ITEMS_AT_ONCE", 4)
    slow = {fit_biases: slow_biases(triples(data)), fit_item_knn: slow_knn(triples(data), k)}
    for fit, wanted in slow.items():
        model = fit(data, **ASKED).model
        for each in (data.train, data.validation, data.test):
            found = model(*each.inputs)[:, 0].tolist()
            expected = [wanted(user, item) for user, item in each.inputs[0].tolist()]
            assert found == pytest.approx(expected, rel=1e-10), fit.__name__


def test_they_serve_ratings_only_and_are_restored(data):
    names = ["mean", "biases", "item-knn"]
    assert baseline_names(data) == names
    table = Dataset(
        "made",
        "rating",
        data.train,
        data.validation,
        data.test,
        Shape("regression", SHAPE.cardinalities, (), 1),
    )
    assert not set(baseline_names(table)) & {"biases", "item-knn"}
    for each in run_baselines(data, seed=0):
        again = restore(each.name, SHAPE, each.model.state_dict())
        assert torch.equal(again(*data.test.inputs), each.test_outputs)
        assert each.test["rmse"] == pytest.approx(
            float((each.test_outputs[:, 0] - data.test.target).square().mean().sqrt())
        )


def test_damaged_arrays_are_refused(data):
    arrays = dict(fit_biases(data, **ASKED).model.state_dict())
    for name, wrong in (("users", arrays["users"][:-1]), ("items", arrays["items"] + 1.0)):
        with pytest.raises(ValueError, match=name):
            restore("biases", SHAPE, {**arrays, name: wrong})
    pairs = fit_item_knn(data, **ASKED).model.state_dict()
    with pytest.raises(ValueError, match="pairs"):
        restore("item-knn", SHAPE, {**pairs, "pairs": pairs["pairs"] + ITEMS})
