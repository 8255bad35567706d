"""Lists of items and users: those to recommend, and those that are most alike."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch

from steepest.errors import OptionError, unknown_name
from steepest.models import ModelBuilder
from steepest.recommending import LEAST_RATINGS, MEASURE, TOP
from steepest.recommending.rated import RatingsModel, check_number
from steepest.wording import counted

MEASURES = ("cosine", "distance", "product")
"""How alike two vectors are: by their angle, how far they are apart, or their product."""

BIAS = "liked beyond taste"
"""The column of an item's bias: how much it is liked whatever a user's taste is."""


def recommend(
    folder: str | Path,
    user: object = None,
    *,
    top: int = TOP,
    lowest: bool = False,
    min_ratings: int = LEAST_RATINGS,
    arm: str | None = None,
    model: str | ModelBuilder | None = None,
) -> pl.DataFrame:
    """Return the items with the highest predicted ratings by a user, without those that the user has rated.

    Args:
        folder: the folder of a comparison of ratings, or of one of its models.
        user: the id of a user; None for a new one, for whom only what is known of the items counts.
        top: how many items.
        lowest: whether those with the lowest predicted ratings are returned instead.
        min_ratings: how many ratings an item must have.
        arm, model: as for :func:`steepest.load`.

    Returns:
        the item's id, its title if there are titles, the predicted rating, and the number of its ratings; the bias
        as ``liked beyond taste``, where the model has biases.

    Raises:
        UnknownNameError: the training rows do not have the user.
        OptionError: a number is not positive, or no item is left.
        SteepestError: there is no model of ratings, or the ratings are not where they were.
    """
    check_number("top", top)
    check_number("min-ratings", min_ratings)
    rated = RatingsModel(folder, arm=arm, model=model)
    pipeline = rated.pipeline
    code = 0 if user is None else rated.user(user)
    found = rated.items.with_columns(predicted=pl.Series(rated.predicted(code)))
    biases = rated.biases(pipeline.item)
    if biases is not None:
        found = found.with_columns(pl.Series(BIAS, biases))
    if user is not None:
        seen = rated.rows.filter(pl.col("user") == pipeline.ids(pipeline.user)[code - 1])["item"]
        found = found.filter(~pl.col("item").is_in(seen.implode()))
        if not found.height:
            raise OptionError(
                f"no item is left that {pipeline.user} {user} has not rated", hint="name another user."
            )
    found = found.filter(pl.col("ratings") >= min_ratings)
    if not found.height:
        raise OptionError(f"no item with {min_ratings} ratings is left", hint="lower --min-ratings.")
    found = found.sort("predicted", descending=not lowest, maintain_order=True).head(top)
    order = ["item", *(["title"] if "title" in found.columns else []), "predicted", "ratings"]
    found = found.select([*order, *([BIAS] if biases is not None else [])])
    return rated.listed(found.rename({"predicted": f"predicted {pipeline.target}"}), "item", pipeline.item)


def similar(
    folder: str | Path,
    *,
    item: object = None,
    user: object = None,
    top: int = TOP,
    measure: str = MEASURE,
    min_ratings: int = LEAST_RATINGS,
    arm: str | None = None,
    model: str | ModelBuilder | None = None,
) -> pl.DataFrame:
    """Return the items, or the users, whose vectors are most like those of one.

    Args:
        folder: the folder of a comparison of ratings, of which its best network is used; or of one of its models.
        item: the id of an item, its title, or a part of one title.
        user: the id of a user, instead of an item.
        top: how many.
        measure: ``cosine`` of the angle between vectors, ``distance`` between them, or their ``product``.
        min_ratings: how many ratings the others must have.
        arm, model: as for :func:`steepest.load`.

    Returns:
        the id, its title if there are titles, how alike it is by the measure, and the number of ratings.

    Raises:
        UnknownNameError: there is no such item or user, or no such measure.
        OptionError: not one of item and user is given, a title is one of several items, a number is not positive, or
            no item or user is left.
        ModelError: the model has no vectors.
        SteepestError: there is no model of ratings, or the ratings are not where they were.
    """
    if (item is None) == (user is None):
        raise OptionError(
            "neither an item nor a user is given" if item is None else "an item and a user are given",
            hint="give one of --item and --user.",
        )
    if measure not in MEASURES:
        raise unknown_name("measure", measure, MEASURES)
    check_number("top", top)
    check_number("min-ratings", min_ratings)
    own = Path(folder).expanduser() / "model"
    rated = RatingsModel(own if arm is None and own.is_dir() else folder, arm=arm, model=model)
    column = rated.pipeline.item if user is None else rated.pipeline.user
    code = rated.item(item) if user is None else rated.user(user)
    vectors = rated.vectors(column)
    one = vectors[code - 1]
    if measure == "cosine":
        values = torch.cosine_similarity(vectors, one[None])
    elif measure == "product":
        values = vectors @ one
    else:
        values = (vectors - one).norm(dim=1)
    found = rated.items if user is None else _users(rated)
    kind = found.columns[0]
    found = (
        found.with_columns(pl.Series(measure, values.tolist()))
        .filter((pl.int_range(pl.len()) != code - 1) & (pl.col("ratings") >= min_ratings))
        .sort(measure, descending=measure != "distance", maintain_order=True)
        .head(top)
    )
    if not found.height:
        raise OptionError(
            f"no other {column} has {counted(min_ratings, 'rating')}", hint="lower --min-ratings."
        )
    titled = ["title"] if "title" in found.columns else []
    return rated.listed(found.select(kind, *titled, measure, "ratings"), kind, column)


def _users(rated: RatingsModel) -> pl.DataFrame:
    ids = pl.DataFrame({"user": list(rated.pipeline.ids(rated.pipeline.user))}, schema={"user": pl.String})
    return ids.join(rated.rows.group_by("user").len("ratings"), on="user", how="left", maintain_order="left")
