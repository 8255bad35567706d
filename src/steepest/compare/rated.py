"""What there is to say of ratings besides the metrics: by user, of the ranking of items, and as pictures."""

from __future__ import annotations

from pydantic import Field

from steepest.record.schema import Frozen


class UserScores(Frozen):
    """Measures of an arm's saved network, or of a baseline, on the test rows that are means over users.

    Attributes:
        arm: the title of the arm or the baseline.
        baseline: whether it is a baseline.
        rmse, mae: errors by user.
        ndcg, recall: of the first k of all items that a user has not seen; None where no user likes an unseen item,
            where most have no more than k of them, and where all predictions are the same.
    """

    arm: str
    baseline: bool = False
    rmse: float
    mae: float
    ndcg: float | None
    recall: float | None


class Crosstab(Frozen):
    """The ratings of the busiest users and items.

    Attributes:
        user, item: the names of the columns.
        users, items: their ids, the busiest first.
        titles: of the items, where they have one, else the id.
        ratings: a line for each user.
    """

    user: str
    item: str
    users: list[str]
    items: list[str]
    titles: list[str]
    ratings: list[list[float | None]]

    @property
    def filled(self) -> int:
        """How many cells have a rating."""
        return sum(each is not None for line in self.ratings for each in line)

    @property
    def csv(self) -> list[list[str]]:
        """The table with a head and a first column."""
        head = [f"{self.user} \\ {self.item}", *self.items]
        return [
            head,
            *(
                [user, *("" if each is None else f"{each:g}" for each in line)]
                for user, line in zip(self.users, self.ratings, strict=True)
            ),
        ]


class Hexagons(Frozen):
    """How many test rows are in each hexagon of true rating (x) and predicted rating (y).

    Attributes:
        x, y, rows: centre of each hexagon with rows, and their number.
        width: of a hexagon.
        low, high: the range of the ratings.
        true, predicted: rows in equal bins of the range, of the two.
    """

    x: list[float]
    y: list[float]
    rows: list[int]
    width: float
    low: float
    high: float
    true: list[int]
    predicted: list[int]


class RatedComparison(Frozen):
    """What there is to say of a comparison of ratings.

    Attributes:
        k: the length of the list of recommended items that is measured: 10, or half of what users have not seen.
        liked: from which rating on an item is liked.
        users: with test rows.
        ranked: of them, those who like an item that they had not seen.
        unseen: how many items these had not seen, in the median; None in results of earlier versions.
        too_few: whether most of them had no more than k, so that there are no rankings.
        chance_ndcg, chance_recall: what items in a random order get; None without rankings.
        sampled: whether so many users were drawn for the ranking, evenly, as all were too many.
        new_users, new_items: test rows of users, and of items, that no training row has.
        scores: of each arm, then of each baseline.
        crosstab: the busiest users and items.
        hexagons: of the winner's network.
    """

    k: int
    liked: float
    users: int
    ranked: int
    unseen: float | None = None
    too_few: bool = False
    chance_ndcg: float | None = None
    chance_recall: float | None = None
    sampled: bool = False
    new_users: int
    new_items: int
    scores: list[UserScores] = Field(default_factory=list)
    crosstab: Crosstab
    hexagons: Hexagons | None = None
