"""The source of ratings: who rated what, and how; the ids are categories, the ratings are in their own units.

Rows, parts, preparation and new rows are those of a table with these columns. Users and items that the training rows do
not have keep a code of their own, from which a model answers with what it knows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import polars as pl

from steepest.data.catalog import is_name, open_catalog
from steepest.data.dataset import Dataset, InWords, Note, Part, Shape
from steepest.data.described import DataFact, DataOverview, Listed, number, plain_numbers, span
from steepest.data.giveaway import without_giveaways
from steepest.data.labels import as_label
from steepest.data.options import TableOptions
from steepest.data.pipeline import TablePipeline
from steepest.data.read import scan, source_name
from steepest.data.sources.contract import Source
from steepest.data.sources.rows import Encoded, Pipeline
from steepest.data.table import Table, read_table
from steepest.data.variants import Variant
from steepest.errors import DataError, OptionError, unknown_name
from steepest.wording import counted

COMPONENTS = {
    "ratings": {
        "object": "Ratings",
        "what": "ratings of items by users: three columns of a table",
        "options": ["user", "item", "rating", "time", "titles", "range"],
    }
}

USED = (
    "target",
    "missing",
    "decimal",
    "encoding",
    "prepare",
    "split",
    "split_seed",
    "validation",
    "test",
)
OWN = ("user", "item", "rating", "time", "titles", "range")
TITLE = "title"
"""The column of titles, in a table of them."""
BUSIEST = 5
"""Users and items that a description lists."""


class Ratings(Source):
    """Ratings of items by users.

    Args:
        source: a table, as for :func:`steepest.read_table`, or the name of a data set of ratings.
        options: with the names of its columns ``user``, ``item`` and ``rating``.

    Raises:
        OptionError: a column is not named, or named twice.
        DataError: the table cannot be read, a row lacks its user or item, or a rating is outside the range.

    Example:
        >>> from steepest.data.sources.opening import open_source
        >>> rows = {"who": [1, 2, 3, 4] * 5, "what": list("abcde") * 4, "stars": [1.0, 2.5, 4.0, 5.0] * 5}
        >>> ratings = open_source(rows, user="who", item="what", rating="stars")
        >>> data, pipeline = ratings.make(0)
        >>> dict(data.shape.cardinalities), data.shape.bounds
        ({'who': 5, 'what': 6}, (1.0, 5.0))
    """

    uses: ClassVar = frozenset(USED)

    def __init__(self, source: Any, options: TableOptions) -> None:
        given = options.model_dump(exclude_unset=True, include={*USED, *OWN})
        if is_name(source):
            opened = open_catalog(str(source), "ratings")
            source = opened.path
            known = {**opened.options, "titles": str(opened.path.with_name(str(opened.options["titles"])))}
            given = {**known, **{name: value for name, value in given.items() if value is not None}}
            options = options.model_copy(update=given)
        _check_named(options)
        given |= {
            "target": options.rating,
            "features": [options.user, options.item],
            "categorical": [options.user, options.item],
            "task": "regression",
        }
        self._titles = None if options.titles is None else read_titles(options.titles, str(options.item))
        self._table: Table = read_table(source, **given)
        self.options = options.model_copy(update={"target": options.rating})
        self.user, self.item = str(options.user), str(options.item)
        self.name = self._table.name

    def with_validation(self, share: float) -> Self:
        """Return the same data with another share for validation, see :meth:`Source.with_validation`."""
        made = self._split_anew(share)
        made._table = self._table.with_validation(share)
        return made

    @property
    def target(self) -> str:
        """The column of ratings."""
        return self._table.target

    @functools.cached_property
    def rows(self) -> pl.DataFrame:
        """All rows after the preparation: user, item, rating, and their part in the column ``split``.

        Raises:
            DataError: a row lacks its user or item, or a rating is outside the range.
        """
        rows = self._table.prepared()
        for column in (self.user, self.item):
            if lacking := rows[column].null_count():
                raise DataError(
                    f"{counted(lacking, 'row has', 'rows have')} no {column}",
                    hint=f"remove them with a filter step in a --prepare file: where = '\"{column}\" IS NOT NULL'.",
                )
            if rows[column].n_unique() == 1:
                raise DataError(
                    f"all ratings have the same {column}, {rows[column][0]!r}",
                    hint="give ratings of several users and items, or name other columns.",
                )
        if self.options.range is not None:
            self._check_range(rows, *_ends(self.options.range))
        return rows

    def _check_range(self, rows: pl.DataFrame, low: float, high: float) -> None:
        outside = rows.filter(~pl.col(self.target).cast(pl.Float64).is_between(low, high))
        if outside.height:
            user, item, rating = outside.select(self.user, self.item, self.target).row(0)
            others = (
                f", and {counted(outside.height - 1, 'other is', 'others are')}" if outside.height > 1 else ""
            )
            raise DataError(
                f"the rating {rating:g} of {self.item} {item} by {self.user} {user} is outside {low:g} to {high:g}"
                + others,
                hint="give the range that holds with --range, or remove such rows with a filter step.",
            )

    def describe(self) -> DataOverview:
        """Return how many ratings there are, by whom and of what, see :meth:`Source.describe`.

        Raises:
            DataError: as for :attr:`rows`.
        """
        rows, table = self.rows, self._table.describe()
        told = without_giveaways(table.notes)
        ratings = rows[self.target].cast(pl.Float64)
        users, items = self._by(self.user), self._by(self.item)
        density = rows.height / (users.height * items.height)
        least, most, mean = ratings.min(), ratings.max(), ratings.mean()
        once = [int((each["ratings"] == 1).sum()) for each in (users, items)]
        shown = f"{span(least, most)}, mean {mean:.3g}"  # pyright: ignore[reportArgumentType]
        facts = (
            DataFact("ratings", rows.height),
            DataFact("users", users.height),
            DataFact("items", items.height),
            DataFact("density", density, "density", f"{density * 100:.3g} % of all pairs"),
            DataFact("range", [least, most], "ratings", f"{shown}, {ratings.n_unique():,} different"),
            DataFact("mean", mean),
            *(
                DataFact(
                    f"ratings_by_{what}",
                    {
                        "least": each["ratings"].min(),
                        "median": each["ratings"].median(),
                        "most": each["ratings"].max(),
                    },
                    f"of {'a user' if what == 'user' else 'an item'}",
                    f"{number(each['ratings'].min())} to {number(each['ratings'].max())} ratings, median "
                    f"{number(each['ratings'].median())}; {counted(single, what)} with one rating",
                )
                for what, each, single in (("user", users, once[0]), ("item", items, once[1]))
            ),
            DataFact("users_with_one_rating", once[0]),
            DataFact("items_with_one_rating", once[1]),
        )
        lists = tuple(
            Listed(
                name,
                tuple(each.columns),
                [plain_numbers(row) for row in each.head(BUSIEST).iter_rows(named=True)],
            )
            for name, each in (("busiest_users", users), ("most_rated_items", items))
        )
        by = f"by {counted(users.height, 'user')} of {counted(items.height, 'item')}"
        title = f"{counted(rows.height, 'rating')} {by}"
        known = {each.text for each in told}
        notes = (
            *told,
            *(each for each in self._about_rows if each.kind == "warning" and each.text not in known),
        )
        return DataOverview(table.name, self.kind, title, facts, lists, notes)

    def _by(self, column: str) -> pl.DataFrame:
        """Return the number of ratings and their mean for each user or item, most rated first, with titles."""
        found = (
            self.rows.group_by(column)
            .agg(
                pl.len().alias("ratings").cast(pl.Int64),
                pl.col(self.target).cast(pl.Float64).mean().alias("mean"),
            )
            .sort(["ratings", column], descending=[True, False])
        )
        if column == self.item and self._titles is not None:
            titles = [self._titles.get(str(each), "") for each in as_label(found[column])]
            found = found.insert_column(1, pl.Series(TITLE, titles))
        return found

    def make(self, test_set: int | None) -> tuple[Dataset, RatingsPipeline]:
        """Return a dataset and its pipeline, see :meth:`Source.make`."""
        return self._ratings(*self._table.make(test_set))

    def vary(self, variant: Variant, test_set: int | None = None) -> tuple[Dataset, RatingsPipeline]:
        """Return a variant of a dataset and its pipeline, see :meth:`Source.vary`."""
        return self._ratings(*self._table.vary(variant, test_set))

    def _ratings(self, dataset: Dataset, pipeline: TablePipeline) -> tuple[Dataset, RatingsPipeline]:
        notes = (*without_giveaways(dataset.notes), *self._about_rows)
        if self.options.range is not None:
            bounds = _ends(self.options.range)
        else:
            target = dataset.true_train.target
            bounds = float(target.min()), float(target.max())
            if bounds[0] == bounds[1]:
                raise DataError(
                    f"all training rows have the rating {bounds[0]:g}",
                    hint="there is nothing to learn; give more ratings.",
                )
            notes += (Note("info", f"ratings are from {bounds[0]:g} to {bounds[1]:g} in the training rows."),)
        known = pipeline.encoder.vocabularies[self.item].labels
        titles = (
            {}
            if self._titles is None
            else {each: self._titles[each] for each in known if each in self._titles}
        )
        if self._titles is not None and len(titles) < len(known):
            lacking = f"{counted(len(known) - len(titles), 'item has', 'items have')} no title"
            notes += (Note("warning" if not titles else "info", f"{lacking} in {self.options.titles}."),)
        made = RatingsPipeline(pipeline, self.user, self.item, bounds, titles)
        return replace(
            dataset,
            train=made.arranged(dataset.train),
            validation=made.arranged(dataset.validation),
            test=made.arranged(dataset.test),
            shape=made.shape,
            words=InWords(f"{self.user} and {self.item}"),
            notes=notes,
            doubles={name: made.arranged(part) for name, part in dataset.doubles.items()},
        ), made

    @functools.cached_property
    def _about_rows(self) -> tuple[Note, ...]:
        """What there is to know about users, items and pairs."""
        rows, notes = self.rows, list[Note]()
        users, items = (rows[each].value_counts()["count"] for each in (self.user, self.item))
        filled = rows.height / (len(users) * len(items))
        about = f"{rows.height:,} ratings by {len(users):,} users of {len(items):,} items, {filled:.2%} of all pairs"
        single = [(int((each == 1).sum()), what) for each, what in ((users, "user"), (items, "item"))]
        once = [f"{counted(n, what)} with one rating" for n, what in single if n]
        notes.append(Note("info", f"{about}{'; ' if once else ''}{' and '.join(once)}."))
        repeated = rows.height - rows.select(self.user, self.item).n_unique()
        if repeated:
            text = (
                f"{counted(repeated, 'rating is', 'ratings are')} of an item that the same user has rated before: "
                "all are kept, so test rows may be of pairs that were trained on"
            )
            notes.append(
                Note("warning", f"{text}; a group step in a --prepare file makes one rating of them.")
            )
        return tuple(notes)

    @property
    def test_rows(self) -> pl.DataFrame:
        """The test rows, see :attr:`Source.test_rows`."""
        return self._table.test_rows

    @property
    def sources(self) -> list[Any]:
        """Where its rows are from, and the titles."""
        return [*self._table.sources, *([] if self.options.titles is None else [self.options.titles])]

    @classmethod
    def stored_pipeline(cls, stored: Mapping[str, Any]) -> RatingsPipeline:
        """Return a stored pipeline."""
        low, high = map(float, stored["bounds"])
        titles = {str(label): str(title) for label, title in stored["titles"].items()}
        table = TablePipeline.checked(stored["table"])
        user, item = str(stored["user"]), str(stored["item"])
        if {user, item} != set(table.encoder.vocabularies):
            raise ValueError("its columns are not those of its table")
        return RatingsPipeline(table, user, item, (low, high), titles)

    def __repr__(self) -> str:
        return f"Ratings({self.name!r}, {self.target} of {self.item} by {self.user})"


def _check_named(options: TableOptions) -> None:
    named: dict[str, str] = {}
    for name in ("user", "item", "rating", "time"):
        column: str | None = getattr(options, name)
        if column is None:
            if name == "time":
                continue
            raise OptionError(f"the column of the {name} is not named", hint=f"name it: --{name} COLUMN.")
        if column in named:
            raise OptionError(
                f"{named[column]} and {name} are the same column, {column!r}", hint="name two columns."
            )
        named[column] = name
    if options.target not in (None, options.rating):
        raise OptionError(
            f"the target is {options.target!r}, but the ratings are in {options.rating!r}",
            hint="leave --target out.",
        )


def _ends(text: str) -> tuple[float, float]:
    low, high = map(float, text.split(","))
    return low, high


def read_titles(source: str, item: str) -> dict[str, str]:
    """Return the titles of items by the text of their id.

    Args:
        source: a table with the column of the items, and one that is named title, or else one further column.
        item: the column of the items.

    Raises:
        DataError: it cannot be read, lacks a column, or has an item with two titles.
    """
    table = scan(Path(source).expanduser()).collect()
    if item not in table.columns:
        raise DataError(
            f"{source_name(source)} has no column {item!r}",
            hint=unknown_name("column", item, table.columns).hint,
        )
    others = [name for name in table.columns if name != item]
    named = next((name for name in others if name.lower() == TITLE), others[0] if len(others) == 1 else None)
    if named is None:
        raise DataError(
            f"{source_name(source)} has no column named {TITLE!r}",
            hint=f"name the column of the titles so; its columns are {', '.join(table.columns[:20])}.",
        )
    found = table.select(as_label(table[item]).alias("id"), as_label(table[named]).alias(TITLE)).drop_nulls()
    twice = (
        found.unique(maintain_order=True).filter(pl.col("id").is_duplicated()).sort("id", maintain_order=True)
    )
    if twice.height:
        raise DataError(
            f"{source_name(source)} has several titles for {item} {twice['id'][0]}, {twice[TITLE][0]!r} and "
            f"{twice[TITLE][1]!r}",
            hint="leave one of them.",
        )
    return dict(found.iter_rows())


@dataclass(frozen=True)
class RatingsPipeline(Pipeline):
    """From new pairs of user and item to their codes.

    Attributes:
        table: the pipeline of the table.
        user, item: the columns.
        bounds: the least and the greatest rating.
        titles: of items, by the text of their id.
    """

    table: TablePipeline
    user: str
    item: str
    bounds: tuple[float, float]
    titles: Mapping[str, str]

    def __post_init__(self) -> None:
        for name in ("target", "task", "classes", "target_scale"):
            object.__setattr__(self, name, getattr(self.table, name))

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that new rows must have."""
        return self.user, self.item

    @property
    def labels(self) -> pl.Series:
        """There are none."""
        return self.table.labels

    @property
    def shape(self) -> Shape:
        """Two codes go in, that of the user first; a rating within bounds comes out."""
        codes = self.table.encoder.cardinalities
        return Shape("regression", {name: codes[name] for name in self.required}, (), 1, bounds=self.bounds)

    def arranged(self, part: Part) -> Part:
        """Return a part with the codes of the users before those of the items."""
        codes, values = part.inputs
        return part if self._in_order else replace(part, inputs=(codes[:, [1, 0]].contiguous(), values))

    @property
    def _in_order(self) -> bool:
        return next(iter(self.table.encoder.vocabularies)) == self.user

    def ids(self, column: str) -> tuple[str, ...]:
        """Return the texts of the ids of a column in the order of their codes, from code 1 on; 0 is for all others."""
        return self.table.encoder.vocabularies[column].labels

    def transform_batches(
        self, source: Any, rows: int, *, keep: Sequence[str] = (), sure: bool = True
    ) -> Iterator[Encoded]:
        """Yield new rows, see :meth:`Pipeline.transform_batches`."""
        for each in self.table.transform_batches(source, rows, keep=keep, sure=sure):
            if self._in_order:
                yield each
            else:
                codes, values = each.inputs
                yield replace(each, inputs=(codes[:, [1, 0]].contiguous(), values), doubles=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "source": "ratings",
            "table": self.table.to_dict(),
            "user": self.user,
            "item": self.item,
            "bounds": list(self.bounds),
            "titles": dict(self.titles),
        }
