"""Looks at the networks and baselines of a comparison of ratings: by user, their rankings, the winner's errors."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor, nn

from steepest.compare.rated import Crosstab, Hexagons, RatedComparison, UserScores
from steepest.data.dataset import Dataset
from steepest.data.labels import as_label
from steepest.data.sources.contract import Source
from steepest.data.sources.ratings import Ratings, RatingsPipeline
from steepest.evaluate.outputs import predict
from steepest.evaluate.ranking import errors_by_user, rank_by_chance, rank_unseen, unseen_items

K = 10
"""So many items are looked at for each user, or half of those that the user had not seen, where they are fewer."""
LIKED = 0.75
"""An item is liked from so much of the range of the ratings on."""
BUSIEST = 15
MOST_USERS, MOST_PAIRS = 2000, 20_000_000
"""So many users are ranked for at most, and so many pairs of users and items are predicted."""
HEXAGONS = 18
"""Hexagons along the range."""
BINS = 36

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


def rated_by(
    networks: Mapping[str, nn.Module],
    baselines: Mapping[str, nn.Module],
    winner: str,
    dataset: Dataset,
    source: Source,
    pipeline: object,
) -> RatedComparison | None:
    """Return what there is to say of a comparison of ratings; None for other data.

    Args:
        networks: the saved network of each arm, by its title.
        baselines: the baselines by their title.
        winner: the title of the winner.
        dataset: the data.
        source: where it is from.
        pipeline: of the data.
    """
    if not isinstance(source, Ratings) or not isinstance(pipeline, RatingsPipeline) or not networks:
        return None
    test = dataset.test.to("cpu")
    rows = source.rows
    held_out = rows.filter(pl.col("split") == ("test" if dataset.held_out else "train"))
    ids, users = np.unique(as_label(held_out[source.user]).to_numpy(), return_inverse=True)
    low, high = pipeline.bounds
    liked = low + LIKED * (high - low)
    truth = _ratings(test.target, dataset)
    codes, items = test.inputs[0].numpy().T
    who = np.zeros(len(ids), dtype=np.int64)
    who[users] = codes
    known = len(pipeline.ids(source.item))
    most = min(len(ids), MOST_USERS, max(1, MOST_PAIRS // known))
    some = np.unique(np.linspace(0, len(ids) - 1, most).astype(np.int64))
    seen = [np.zeros(0, np.int64)] * len(some)
    if dataset.held_out:
        before = np.concatenate(
            [each.inputs[0].cpu().numpy() for each in (dataset.train, dataset.validation)]
        )
        seen = _items_of(before[:, 0], before[:, 1], who[some])
        seen = [each if user else each[:0] for user, each in zip(who[some], seen, strict=True)]
    things = np.unique(as_label(held_out[source.item]).to_numpy(), return_inverse=True)[1]
    once = last_of_pairs(users, things)
    wanted = once[truth[once] >= liked]
    found = _items_of(users[wanted], items[wanted], some)
    found = [each[~np.isin(each, mine) | (each == 0)] for each, mine in zip(found, seen, strict=True)]
    unseen = np.array(
        [unseen_items(known, mine) for mine, wants in zip(seen, found, strict=True) if len(wants)]
    )
    k = length(unseen)
    enough = bool(np.mean(unseen > k) > 0.5) if len(unseen) else False
    chance = rank_by_chance(known, seen, found, k)
    scores: list[UserScores] = []
    hexagons = None
    for title, net in [*networks.items(), *baselines.items()]:
        predicted = _ratings(predict(net, test.inputs)[:, 0], dataset)
        rmse, mae = errors_by_user(users, predicted - truth)
        ranking = None
        if enough and np.ptp(predicted) > 0:  # else there is no order
            ranking = rank_unseen(net, known, who[some], seen, found, k)
        scores.append(
            UserScores(
                arm=title,
                baseline=title not in networks,
                rmse=rmse,
                mae=mae,
                ndcg=ranking.ndcg if ranking is not None else None,
                recall=ranking.recall if ranking is not None else None,
            )
        )
        if title == winner:
            hexagons = hexagons_of(truth, predicted, low, high)
    return RatedComparison(
        k=k,
        liked=liked,
        users=len(ids),
        ranked=chance.users,
        unseen=float(np.median(unseen)) if len(unseen) else None,
        too_few=len(unseen) > 0 and not enough,
        chance_ndcg=chance.ndcg if enough else None,
        chance_recall=chance.recall if enough else None,
        sampled=len(some) < len(ids),
        new_users=int((codes == 0).sum()),
        new_items=int((items == 0).sum()),
        scores=scores,
        crosstab=crosstab_of(source, pipeline.titles),
        hexagons=hexagons,
    )


def length(unseen: NDArray[np.int64]) -> int:
    """Return how many of the first items of a ranking are looked at.

    Args:
        unseen: how many items each user has not seen.

    Example:
        >>> length(np.array([9000, 9100])), length(np.array([3, 8, 8])), length(np.array([1, 1]))
        (10, 4, 1)
    """
    return max(1, min(K, int(np.median(unseen)) // 2)) if len(unseen) else K


def last_of_pairs(users: Codes, items: Codes) -> Codes:
    """Return the rows of pairs of users and items, of one that was rated again the last one.

    Example:
        >>> last_of_pairs(np.array([0, 1, 0, 0]), np.array([5, 5, 5, 6])).tolist()
        [1, 2, 3]
    """
    pairs = np.stack([users, items], 1)[::-1]
    _, first = np.unique(pairs, axis=0, return_index=True)
    return np.sort(len(users) - 1 - first)


def _ratings(encoded: Tensor, dataset: Dataset) -> Array:
    values: Array = encoded.double().cpu().numpy()
    return values * dataset.target_scale.sd + dataset.target_scale.mean


def _items_of(users: Codes, items: Codes, some: Codes) -> list[Codes]:
    """Return the items of some users, given rows of users and items."""
    order = np.argsort(users, kind="stable")
    users, items = users[order], items[order]
    starts, ends = np.searchsorted(users, some, side="left"), np.searchsorted(users, some, side="right")
    return [items[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def crosstab_of(source: Ratings, titles: Mapping[str, str]) -> Crosstab:
    """Return the ratings of the busiest users and items, of a pair that was rated again the last one."""
    rows = source.rows.select(
        user=as_label(source.rows[source.user]),
        item=as_label(source.rows[source.item]),
        rating=pl.col(source.target).cast(pl.Float64),
    )
    users, items = (
        rows.group_by(name, maintain_order=True)
        .len()
        .sort("len", descending=True, maintain_order=True)
        .head(BUSIEST)[name]
        .to_list()
        for name in ("user", "item")
    )
    some = rows.filter(pl.col("user").is_in(users) & pl.col("item").is_in(items))
    ratings = {(user, item): rating for user, item, rating in some.iter_rows()}
    return Crosstab(
        user=source.user,
        item=source.item,
        users=users,
        items=items,
        titles=[titles.get(each, each) for each in items],
        ratings=[[ratings.get((user, item)) for item in items] for user in users],
    )


def hexagons_of(truth: Array, predicted: Array, low: float, high: float) -> Hexagons:
    """Return how many rows are in each hexagon, whose flat sides are upright; each row is in the nearest one.

    Predictions outside the range are counted at its ends.

    Example:
        >>> one = np.array([1.0, 1.0, 4.0])
        >>> hexagons_of(one, one, 0.5, 5.0).rows
        [2, 1]
    """
    width = (high - low) / HEXAGONS
    height = width * math.sqrt(3)
    x, y = ((np.clip(each, low, high) - low) for each in (truth, predicted))
    even = np.stack([np.round(x / width) * width, np.round(y / height) * height], 1)
    odd = np.stack([(np.floor(x / width) + 0.5) * width, (np.floor(y / height) + 0.5) * height], 1)
    places = np.stack([x, y], 1)
    nearer = ((places - odd) ** 2).sum(1) < ((places - even) ** 2).sum(1)
    centres, rows = np.unique(
        np.round(np.where(nearer[:, None], odd, even) + low, 9), axis=0, return_counts=True
    )
    bins = np.linspace(low, high, BINS + 1)
    return Hexagons(
        x=centres[:, 0].tolist(),
        y=centres[:, 1].tolist(),
        rows=rows.tolist(),
        width=width,
        low=low,
        high=high,
        true=np.histogram(np.clip(truth, low, high), bins)[0].tolist(),
        predicted=np.histogram(np.clip(predicted, low, high), bins)[0].tolist(),
    )
