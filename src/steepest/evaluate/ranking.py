"""Measures of ratings that are means over users: errors, and how a model ranks all items that a user has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from steepest.evaluate.outputs import predict

Codes = NDArray[np.int64]
PAIRS_AT_ONCE = 1 << 22
"""Pairs of users and items whose ratings are predicted at once."""


@dataclass(frozen=True)
class RankingScores:
    """How items are ranked, as means over users.

    Attributes:
        ndcg: normalised discounted cumulative gain of the first k items, a liked one being worth 1.
        recall: the share of a user's liked items that are among the first k.
        users: who like an item that they had not seen; the others have nothing to be found.
    """

    ndcg: float
    recall: float
    users: int


def errors_by_user(users: Codes, errors: NDArray[np.float64]) -> tuple[float, float]:
    """Return the root of the mean squared error, and the mean absolute error, as means over users.

    Args:
        users: who each row is of, ``[N]``, from 0.
        errors: of each row, ``[N]``.

    Example:
        >>> errors_by_user(np.array([0, 0, 0, 1]), np.array([1.0, -1.0, 1.0, 3.0]))
        (2.0, 2.0)
    """
    counts = np.bincount(users)
    there = counts > 0
    squares, sizes = (np.bincount(users, each)[there] / counts[there] for each in (errors**2, np.abs(errors)))
    return float(np.sqrt(squares).mean()), float(sizes.mean())


def unseen_items(items: int, seen: Codes) -> int:
    """Return how many items are ranked for a user, who has seen some; 0 stands for unknown ones.

    Example:
        >>> unseen_items(4, np.array([0, 2, 2]))
        3
    """
    return items - len(np.unique(seen[seen > 0]))


def rank_by_chance(items: int, seen: Sequence[Codes], liked: Sequence[Codes], k: int) -> RankingScores:
    """Return what :func:`rank_unseen` gives on average if the order of the items is random.

    Args:
        items, seen, liked, k: as there.

    Example:
        >>> rank_by_chance(4, [np.array([1])], [np.array([3])], k=1)
        RankingScores(ndcg=0.3333333333333333, recall=0.3333333333333333, users=1)
    """
    worth = 1.0 / np.log2(np.arange(2, k + 2))
    gains: list[float] = []
    found: list[float] = []
    for mine, wanted in zip(seen, liked, strict=True):
        if not len(wanted):
            continue
        unseen = unseen_items(items, mine)
        share = len(np.unique(wanted[wanted > 0])) / unseen if unseen else 0.0
        gains.append(share * float(worth[: min(k, unseen)].sum() / worth[: min(k, len(wanted))].sum()))
        found.append(share * min(k, unseen) / len(wanted))
    if not gains:
        return RankingScores(float("nan"), float("nan"), 0)
    return RankingScores(float(np.mean(gains)), float(np.mean(found)), len(gains))


def rank_unseen(
    net: nn.Module, items: int, users: Codes, seen: Sequence[Codes], liked: Sequence[Codes], k: int
) -> RankingScores:
    """Rank all items that users have not seen by their predicted ratings; of equal ones the lower code comes first.

    Args:
        net: predicts ratings of codes of users and items ``[B, 2]``.
        items: how many items there are; their codes are from 1 on.
        users: the code of each user; 0 for a new one.
        seen: of each user the codes of items that are not ranked.
        liked: of each user the codes of the items to be found; 0 for a new item, which cannot be.
        k: how many items are looked at.

    Example:
        >>> class Falling(nn.Module):
        ...     def forward(self, pairs, values):
        ...         return -pairs[:, 1:].float()
        >>> rank_unseen(Falling(), 4, np.array([1]), [np.array([1])], [np.array([3, 0])], k=2)
        RankingScores(ndcg=0.38685280723454163, recall=0.5, users=1)
    """
    chosen = [i for i, each in enumerate(liked) if len(each)]
    if not chosen:
        return RankingScores(float("nan"), float("nan"), 0)
    worth = 1.0 / np.log2(np.arange(2, k + 2))
    block = max(1, PAIRS_AT_ONCE // items)
    codes = torch.arange(1, items + 1)
    gains: list[float] = []
    found: list[float] = []
    for start in range(0, len(chosen), block):
        some = chosen[start : start + block]
        user = torch.from_numpy(users[some])
        pairs = torch.stack(
            [user.repeat(items), codes.repeat_interleave(len(some))], 1
        )  # a batch has few items
        predicted: Any = predict(net, (pairs, torch.zeros(len(pairs), 0)))[:, 0]
        scores = predicted.double().reshape(items, len(some)).T.numpy().copy()
        for i, row in zip(some, scores, strict=True):
            row[seen[i][seen[i] > 0] - 1] = -np.inf
            first = 1 + np.argsort(-row, kind="stable")[:k]
            hits = np.isin(first, liked[i][liked[i] > 0])
            gains.append(float(worth[: len(first)][hits].sum() / worth[: min(k, len(liked[i]))].sum()))
            found.append(float(hits.sum() / len(liked[i])))
    return RankingScores(float(np.mean(gains)), float(np.mean(found)), len(chosen))
