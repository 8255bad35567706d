"""The baselines of ratings equal slow independent versions, for new users and items too."""

from __future__ import annotations

import heapq
import statistics
from dataclasses import replace

import numpy as np
import pytest
import torch

from steepest.data.dataset import Dataset, Part, Shape
from steepest.evaluate.baselines import baseline_names, ratings, restore, run_baselines
from steepest.evaluate.baselines.ratings import ItemKNN, fit_biases, fit_item_knn

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


def slow_biases(rows, of_items, of_users):
    mean = sum(rating for *_, rating in rows) / len(rows)
    users, items = dict.fromkeys(range(USERS + 1), 0.0), dict.fromkeys(range(ITEMS + 1), 0.0)
    for _ in range(10):
        for item in items:
            mine = [rating - mean - users[user] for user, other, rating in rows if other == item]
            items[item] = sum(mine) / (of_items + len(mine))
        for user in users:
            mine = [rating - mean - items[item] for other, item, rating in rows if other == user]
            users[user] = sum(mine) / (of_users + len(mine))
    return lambda user, item: cut(mean + users[user] + items[item])


def slow_knn(rows, k, kind):
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
        both = sorted(by_item[one].keys() & by_item[other].keys())
        if not both:
            return 0.0
        if kind == 1:
            x, y = ([by_item[each][user] for user in both] for each in (one, other))
            share = (len(both) - 1) / (len(both) + 99)
            return (
                max(0.0, round(share * statistics.correlation(x, y), 12))
                if len(set(x)) > 1 < len(set(y))
                else 0.0
            )
        return 1 / (1 + sum((by_item[one][user] - by_item[other][user]) ** 2 for user in both) / len(both))

    def estimate(user, item):
        if item not in by_item:
            return cut(mean(by_user.get(user, {}).values()) if item == 0 else mean([]))
        found = [(similarity(item, other), other, rating) for other, rating in by_user.get(user, {}).items()]
        nearest = [each for each in heapq.nlargest(k, found, lambda each: (each[0], -each[1])) if each[0] > 0]
        total = sum(each[0] for each in nearest)
        moved = sum(s * (rating - mean(by_item[other].values())) for s, other, rating in nearest)
        return cut(mean(by_item[item].values()) + (moved / total if total else 0.0))

    return estimate


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("k", [3, 40])
def test_predictions_equal_a_slow_version(data, monkeypatch, k, kind):
    monkeypatch.setattr(ratings, "NEIGHBOURS", (k,))
    monkeypatch.setattr(ratings, "PENALTIES", (float(k),))
    monkeypatch.setattr(ratings, "_ITEMS_AT_ONCE", 4)
    knn = fit_item_knn(data, **ASKED).model
    arrays = {**knn.state_dict(), "similarity": torch.tensor([kind])}
    slow = {
        fit_biases(data, **ASKED).model: slow_biases(triples(data), k, k),
        ItemKNN(SHAPE, arrays): slow_knn(triples(data), k, kind),
    }
    for model, wanted in slow.items():
        for each in (data.train, data.validation, data.test):
            found = model(*each.inputs)[:, 0].tolist()
            expected = [wanted(user, item) for user, item in each.inputs[0].tolist()]
            assert found == pytest.approx(expected, rel=1e-10), type(model).__name__


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_neighbours_and_their_similarity_are_chosen_on_validation(data, monkeypatch, metric):
    monkeypatch.setattr(ratings, "NEIGHBOURS", (1, 2, 4))
    costs = {}
    for k in (1, 2, 4):
        for kind in (0, 1):
            wanted = slow_knn(triples(data), k, kind)
            truth = data.validation.target.tolist()
            errors = [
                abs(wanted(*pair) - value)
                for pair, value in zip(data.validation.inputs[0].tolist(), truth, strict=True)
            ]
            power = 2 if metric == "rmse" else 1
            costs[k, kind] = sum(each**power for each in errors) / len(errors)
    k, kind = min(costs, key=costs.__getitem__)
    assert len(set(costs.values())) == 6
    found = fit_item_knn(data, **{**ASKED, "metric": metric})
    arrays = found.model.state_dict()
    assert (int(arrays["neighbours"]), int(arrays["similarity"])) == (k, kind)
    name = ("the mean squared difference", "Pearson's shrunk correlation")[kind]
    assert found.settings.startswith(f"{k} neighbours by {name}, chosen on validation (1, 2, 4; ")


def test_without_held_out_rows_neighbours_are_the_usual_ones(data):
    found = fit_item_knn(replace(data, held_out=False), **ASKED)
    told = "40 neighbours by the mean squared difference, as nothing is held out to choose them on"
    assert found.settings == told
    earlier = {name: each for name, each in found.model.state_dict().items() if name in ("pairs", "ratings")}
    again = restore("item-knn", SHAPE, earlier)
    assert torch.equal(again(*data.test.inputs), found.model(*data.test.inputs))


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
    for name, wrong in (("pairs", pairs["pairs"] + ITEMS), ("neighbours", torch.tensor([0])),
                        ("similarity", torch.tensor([2]))):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            restore("item-knn", SHAPE, {**pairs, name: wrong})


def test_penalties_of_biases_are_the_best_on_validation(data):
    """Users who differ much and rate often: little shrinkage; with nothing held out, the usual one."""
    draw = np.random.default_rng(0)
    pairs = np.array([(user, item) for user in range(1, USERS + 1) for item in range(1, ITEMS)])
    values = np.clip(
        2.75 + 1.5 * np.sign(pairs[:, 0] - USERS / 2) + 0.1 * draw.normal(size=len(pairs)), 0.5, 5.0
    )
    order = draw.permutation(len(pairs))
    parts = [part([tuple(pairs[i]) for i in each], values[each]) for each in np.array_split(order, 3)]
    found = fit_biases(Dataset("made", "rating", *parts, SHAPE), **ASKED)
    assert "1 of users, chosen on validation (1, 3, 10, 30)" in found.settings
    usual = fit_biases(replace(data, held_out=False), **ASKED)
    assert "penalties 10 of items and 15 of users, as nothing" in usual.settings
