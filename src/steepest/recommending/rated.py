"""A trained model of ratings together with the ratings: who has rated what, and what items are called."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from steepest.data.labels import as_label
from steepest.data.sources.ratings import Ratings, RatingsPipeline
from steepest.errors import ModelError, OptionError, unknown_name
from steepest.evaluate.outputs import predict
from steepest.experiment.run import open_data
from steepest.files import reachable
from steepest.models import ModelBuilder
from steepest.prediction.learned import tables_of
from steepest.prediction.model import TrainedModel
from steepest.recipe import load_tree, validate_experiment
from steepest.record.store import Folder

MOST_NAMED = 8
"""So many titles or ids are named where a text is part of several, or of none."""


class RatingsModel:
    """A model of ratings, and the ratings that it was trained, chosen and tested on.

    Args:
        folder: of a comparison, or of one of its models.
        arm: as for :func:`steepest.load`.
        model: the user's own model again, if it was built by one.

    Raises:
        FolderError: there is no model in it.
        ModelError: the model is not of ratings.
        DataError: the ratings are not where they were.

    Attributes:
        model: the model.
        pipeline: from ids to codes.
    """

    def __init__(
        self, folder: str | Path, *, arm: str | None = None, model: str | ModelBuilder | None = None
    ) -> None:
        self.folder = reachable(folder)
        self.model = TrainedModel.load(self.folder, arm=arm, model=model)
        if not isinstance(self.model.pipeline, RatingsPipeline):
            raise ModelError(
                f"the model in {self.folder.as_posix()!r} is not of ratings",
                hint="train one with --user, --item and --rating.",
            )
        self.pipeline: RatingsPipeline = self.model.pipeline

    @functools.cached_property
    def rows(self) -> pl.DataFrame:
        """Who has rated what: the texts of the ids in the columns ``user`` and ``item``, of all parts."""
        is_run = (self.folder / "experiment.toml").is_file()
        path = (self.folder if is_run else Folder.of_model(self.folder).path) / "experiment.toml"
        source = open_data(validate_experiment(load_tree(path), where=str(path)))
        assert isinstance(source, Ratings)
        found = source.rows
        return pl.DataFrame({"user": as_label(found[source.user]), "item": as_label(found[source.item])})

    @functools.cached_property
    def items(self) -> pl.DataFrame:
        """The known items in the order of their codes: id, title if there are titles, and the number of ratings."""
        ids = pl.DataFrame({"item": list(self.pipeline.ids(self.pipeline.item))}, schema={"item": pl.String})
        titles = self.pipeline.titles
        if titles:
            ids = ids.with_columns(
                title=pl.Series([titles.get(each) for each in ids["item"]], dtype=pl.String)
            )
        counts = self.rows.group_by("item").len("ratings")
        return ids.join(counts, on="item", how="left", maintain_order="left")

    def user(self, user: object) -> int:
        """Return the code of a user.

        Raises:
            OptionError: the id is empty.
            UnknownNameError: the training rows do not have the user; the nearest ids are in the hint.
        """
        return self._code(self.pipeline.user, user, {})

    def item(self, item: object) -> int:
        """Return the code of an item, by its id, its title, or a part of one title.

        Raises:
            UnknownNameError: there is no such item; the nearest titles or ids are in the hint.
            OptionError: the text is empty; or it is, or is part of, the title of several items.
        """
        return self._code(self.pipeline.item, item, self.pipeline.titles)

    def _code(self, column: str, given: object, titles: Mapping[str, str]) -> int:
        text = given if isinstance(given, str) else str(as_label(pl.Series([given]))[0])  # 547.0 is 547
        ids = self.pipeline.ids(column)
        if not text.strip():
            raise OptionError(f"the {column} is empty", hint=f"give its id{' or title' if titles else ''}.")
        if text in ids:
            return 1 + ids.index(text)
        folded = text.casefold()
        for found in (
            [each for each, title in titles.items() if title == text],
            [each for each, title in titles.items() if title.casefold() == folded],
            [each for each, title in titles.items() if folded in title.casefold()],
        ):
            if len(found) == 1:
                return 1 + ids.index(found[0])
            if found:
                shown = ", ".join(f"{titles[each]} ({each})" for each in found[:MOST_NAMED])
                more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
                raise OptionError(
                    f"{text!r} can be {len(found)} of {column}", hint=f"give the id of one: {shown}{more}."
                )
        raise unknown_name(column, text, titles.values() or ids, most=MOST_NAMED)

    def predicted(self, user: int) -> list[float]:
        """Return the predicted ratings of all known items by a user, in the order of the items' codes.

        Args:
            user: a code; 0 for a new user.
        """
        count = len(self.pipeline.ids(self.pipeline.item))
        pairs = torch.stack([torch.full((count,), user), torch.arange(1, count + 1)], 1)
        outputs = predict(self.model.net, (pairs, torch.zeros(count, 0)))[:, 0].double()
        scale = self.pipeline.target_scale
        return (outputs * scale.sd + scale.mean).tolist()

    def listed(self, found: pl.DataFrame, kind: str, column: str) -> pl.DataFrame:
        """Return a list with its first column named as in the data, unless another one is called so."""
        return found if column in found.columns else found.rename({kind: column})

    def vectors(self, column: str) -> Tensor:
        """Return what the network learned about the ids of a column, ``[N, width]``, from code 1 on.

        Raises:
            ModelError: it has no vectors of them.
        """
        weights = [each for each in self._tables(column) if each.shape[1] > 1]
        if not weights:
            raise ModelError(
                f"{self.model.title} has no vectors of {column}",
                hint="name an arm whose model has: --arm NAME, with a model such as dot-bias.",
            )
        return max(weights, key=lambda each: each.shape[1])[1:]

    def biases(self, column: str) -> list[float] | None:
        """Return the biases of the ids of a column, from code 1 on, where the network has them."""
        found = [each for each in self._tables(column) if each.shape[1] == 1]
        return found[0][1:, 0].tolist() if found else None

    def _tables(self, column: str) -> list[Tensor]:
        return [each.double().cpu() for each in tables_of(self.model.net, column)]


def check_number(name: str, number: int) -> None:
    """Raise an ``OptionError`` if a number is not at least 1.

    Example:
        >>> check_number("top", 10)
    """
    if number < 1:
        raise OptionError(f"{name}: {number} is not at least 1", hint="give a whole number from 1.")
