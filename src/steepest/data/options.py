"""What can be said about a table: the one place where these defaults are written."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from steepest.components.comma_lists import names_in
from steepest.data.names import plain_in
from steepest.data.split_rule import BY_TIME, SplitRule
from steepest.errors import OptionError, hint_of, unknown_name

MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "Null")

NUMBER_MARKS = (
    "None", "none", "NONE", "nil", "-", "--", "---", "–", "—", ".", "..", "...", "*", "**", "na", "Na", "n.a.", "N.A.",
    "n.d.", "N.D.", "nd", "ND", "NAN", "-nan", "-NaN", "missing", "Missing", "MISSING", "unknown", "Unknown", "UNKNOWN",
    "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
)  # fmt: skip
"""Texts that mean a missing value where all others of the column are numbers."""

INTEGER_CLASSES = 20
"""A target of whole numbers with at most so many different values is a class; with more it is a number."""

Decimal = Literal["auto", "point", "comma"]

COLUMNS = ("x", "y", "user", "item", "rating", "time")
"""Options that name a column of a kind of data."""

AUTO, NONE = "auto", "none"

NOT_SAID = {"source", "also", "validation", "test", "prepare", "reader", "titles", "decode", "text"}
"""Options that the fingerprint of the data does not depend on, but by its rows."""

SAID_IF_GIVEN = (
    "x", "y", "weight", "size", "user", "item", "rating", "time", "range", "tokenizer", "block", "stride", "layout",
    "field",
)  # fmt: skip
"""Options that came later than data sets with fingerprints."""


class TableOptions(BaseModel):
    """How a table is read, split and encoded.

    The descriptions are the command line's help texts. A text given for a list is split at its commas.

    Example:
        >>> TableOptions(target="churned", drop="id, name").drop
        ['id', 'name']
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str | None = Field(
        None, description="the table: CSV, TSV, Parquet or Feather; also as .gz, .zst, .xz, .bz2, .zip"
    )
    target: str | None = Field(None, description="the column to predict")
    features: list[str] | None = Field(None, description="use only these columns (the target is added)")
    categorical: list[str] = Field([], description="columns to treat as categories")
    continuous: list[str] = Field([], description="columns to treat as numbers")
    drop: list[str] = Field([], description="columns to leave out")
    weight: str | None = Field(
        None,
        description="a column of weights of rows, numbers from 0: how much each row counts in losses, metrics and "
        "baselines",
    )
    decode: list[str] = Field(
        [AUTO],
        description="one-hot columns to make one column of categories of, by a pattern such as 'Soil_Type_*'; auto: "
        "all that are found; none",
    )
    text: list[str] = Field(
        [], description="columns of free text, of whose words columns of numbers are made (the step text)"
    )
    missing: list[str] = Field(
        [],
        description="further texts that mean a missing value, besides the empty field, ?, NA, N/A, NaN and "
        "null, and among numbers also -, . and None; !NA removes NA from that list",
    )
    decimal: Decimal = Field(
        "auto",
        description="the decimal sign of numbers that can be read in two ways, such as 1,234: auto, point or comma",
    )
    encoding: str = Field(
        "auto",
        description="the encoding of a text file that is not UTF-8, such as cp1250; auto detects Western European ones",
    )
    prepare: str | list[dict[str, Any]] | None = Field(
        None, description="a TOML file of preparation steps, or none; from Python also a list of steps"
    )
    split: str = Field(
        "auto",
        description="how rows are split: auto (stratified for classes, random for numbers), random, stratified, "
        "group:COLUMN (no group in two parts) or time:COLUMN (the latest rows are the test rows); of ratings user:last "
        "(the latest of each user); folds:5 (five test sets, each row is tested once) or repeats:10 (ten splits), also "
        "as folds:5,group:COLUMN; none (nothing is held out: results are on the training rows); refit:RULE (trains on "
        "the training and validation rows of another rule, see steepest refit)",
    )
    split_seed: int = Field(0, description="random seed of the split")
    validation: float | str = Field(
        0.1,
        description="share of the rows for validation; by default more, up to 0.2, where strengths of regularizers "
        "would be tuned on fewer than 1,000 rows",
    )
    test: float | str = Field(0.1, description="share of the rows for the final test")
    min_count: int = Field(
        1, ge=1, description="treat categories with fewer training rows than this as unknown"
    )
    task: Literal["auto", "classification", "regression", "reconstruction"] = Field(
        "auto",
        description="kind of prediction; auto: from the target's type and values; reconstruction, of images: the input "
        "itself, as the model autoencoder does",
    )
    x: str | None = Field(None, description="of a curve, the column along which it runs")
    y: str | None = Field(None, description="of a curve, the column with its values")
    size: str | None = Field(
        None,
        description="of images, the size that all are made to have: the side in pixels, or WIDTHxHEIGHT",
    )
    user: str | None = Field(None, description="of ratings, the column of who rates")
    item: str | None = Field(None, description="of ratings, the column of what is rated")
    rating: str | None = Field(None, description="of ratings, the column of the ratings, numbers")
    time: str | None = Field(
        None, description="of ratings, the column of when they were given, for --split user:last"
    )
    titles: str | None = Field(
        None,
        description="of ratings, a table with the titles of the items: their column, and one named title",
    )
    range: str | None = Field(
        None,
        description="of ratings, the least and the greatest possible one, as 0.5,5 (default: those of the training "
        "rows)",
    )
    tokenizer: str | None = Field(
        None,
        description="of texts, what cuts them into tokens: bytes (default), bpe(2000) learned from the training "
        "documents, or a model's tokenizer: a file or its folder",
    )
    block: int | None = Field(
        None, ge=2, le=65_536, description="of texts, the tokens of a row (default: 128)"
    )
    stride: int | None = Field(
        None,
        ge=1,
        description="of texts, by how many tokens the windows of an evaluation are apart, up to --block (default: "
        "--block, so that they do not overlap); every token is scored once, from at least block - stride before it",
    )
    layout: Literal["packed", "lines"] | None = Field(
        None,
        description="of texts, packed (default: documents one behind the other, cut into full rows) or lines (every "
        "line is a document and begins a padded row)",
    )
    also: str | None = Field(
        None,
        description="of texts, another one, on which networks are measured before and after training: what they forget",
    )
    field: str | None = Field(
        None, description="of texts in JSON lines, the field with the text (default: text)"
    )
    reader: str | None = Field(
        None,
        description="kind of the data: table, curve, images, ratings, text, or your own as mine.py:Arrays (default: by "
        "what is given)",
    )

    @property
    def as_they_are(self) -> bool:
        """Whether numbers stay in their units, as those of curves and ratings do."""
        return self.x is not None or self.rating is not None

    @property
    def may_be_classes(self) -> bool:
        """Whether the target can be told to be classes; ratings are numbers."""
        return self.rating is None

    @property
    def another_target(self) -> str:
        """How a user names another column to be predicted.

        Example:
            >>> TableOptions().another_target, TableOptions(rating="stars").another_target
            ('choose another target', 'name another column: --rating COLUMN')
        """
        return "choose another target" if self.rating is None else "name another column: --rating COLUMN"

    def said(self) -> dict[str, Any]:
        """Return what the fingerprint of the data depends on, besides the rows."""
        said = self.model_dump(mode="json", exclude=NOT_SAID)
        return {name: value for name, value in said.items() if name not in SAID_IF_GIVEN or value is not None}

    @property
    def markers(self) -> list[str]:
        """Every text that means a missing value.

        Example:
            >>> TableOptions(missing=["-999", "!?"]).markers[:3]
            ['', 'NA', 'N/A']
        """
        removed = {each[1:] for each in self.missing if each.startswith("!")}
        added = [each for each in self.missing if not each.startswith("!")]
        return [each for each in dict.fromkeys([*MISSING, *added]) if each not in removed]

    @property
    def number_marks(self) -> list[str]:
        """The further texts that mean a missing value among numbers."""
        return [each for each in NUMBER_MARKS if f"!{each}" not in self.missing]

    @property
    def split_rule(self) -> SplitRule:
        """What ``split`` says."""
        return SplitRule.parse(self.split)

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            codecs.lookup(value if value != "auto" else "utf-8")
        except LookupError:
            raise ValueError(f"{value!r} is not a known encoding") from None
        return value

    @field_validator(
        "features", "categorical", "continuous", "drop", "decode", "text", "missing", mode="before"
    )
    @classmethod
    def _listed(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) and info.field_name == "missing":  # a mark may be a quotation mark
            return [each.strip() for each in value.split(",") if each.strip()]
        if isinstance(value, str):
            return names_in(value)
        value = [value] if isinstance(value, Integral) else value
        names = list(value) if isinstance(value, list | tuple | set | frozenset) else value
        return [_named(each) for each in names] if isinstance(names, list) else names

    @field_validator("target", "features", "categorical", "continuous", "drop", "text", "weight", *COLUMNS)
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return plain_in(value)

    @field_validator("target", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        """Join several targets, which are refused by name where the columns are known."""
        return (
            ",".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else _named(value)
        )

    @field_validator("weight", *COLUMNS, mode="before")
    @classmethod
    def _column(cls, value: Any) -> Any:
        return _named(value)

    @field_validator("range", mode="before")
    @classmethod
    def _range(cls, value: Any) -> Any:
        """Write a range as it is written on the command line."""
        if value is None:
            return None
        ends = value.split(",") if isinstance(value, str) else list(value)
        try:
            low, high = map(float, ends)
        except (TypeError, ValueError):
            raise ValueError(f"{value!r} is no range such as 0.5,5") from None
        if not -float("inf") < low < high < float("inf"):
            raise ValueError(f"{value!r} is no range: the first number must be less than the second")
        return f"{low:g},{high:g}"

    @field_validator("source", "prepare", "titles", mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    @field_validator("prepare", mode="after")
    @classmethod
    def _no_steps(cls, value: Any) -> Any:
        return None if value == NONE else value

    @field_validator("validation", "test", mode="before")
    @classmethod
    def _share(cls, value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                return value
        if isinstance(value, int | float) and not 0 < value < 1:
            raise ValueError(f"{value:g} is not a share between 0 and 1 (nor a file)")
        return value

    @field_validator("split")
    @classmethod
    def _split(cls, value: str) -> str:
        return str(SplitRule.parse(value))

    @model_validator(mode="after")
    def _consistent(self) -> TableOptions:
        rule = self.split_rule
        folds = rule.several == "folds"
        shares = [
            each
            for each in (self.validation, 1 / rule.sets if folds else self.test)
            if isinstance(each, float)
        ]
        if sum(shares) >= 1:
            tested = f"a test on one of {rule.sets} folds" if folds else f"test {self.test}"
            raise ValueError(f"validation {self.validation} and {tested} leave no training rows")
        both = sorted(set(self.categorical) & set(self.continuous))
        if both:
            raise ValueError(f"column {both[0]!r} cannot be both categorical and continuous")
        for name in ("categorical", "continuous"):
            both = sorted(set(self.text) & set(getattr(self, name)))
            if both:
                raise ValueError(f"column {both[0]!r} cannot be both {name} and text")
        if NONE in self.decode and len(self.decode) > 1:
            raise ValueError(
                f"decode cannot be both {NONE} and {next(e for e in self.decode if e != NONE)!r}"
            )
        if self.weight is not None and self.weight == self.target:
            raise ValueError(f"column {self.weight!r} cannot be both the target and the weight of rows")
        return self


def _named(value: Any) -> Any:
    """Return a column that pandas numbers as it is called here: by the text of its number."""
    return str(value) if isinstance(value, Integral) else value


def check_used(options: TableOptions, *, text: bool) -> None:
    """Complain about an option that has no effect on a table.

    Args:
        options: the options.
        text: whether the table, or a file of its own with validation or test rows, is a text file.

    Raises:
        OptionError: an option has no effect; the message names it and what makes it useless.

    Example:
        >>> check_used(TableOptions(split="time:day", split_seed=3), text=True)
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: split_seed has no effect: split='time:day' draws nothing
        Hint: leave it out.
    """
    rule = options.split_rule.refits or options.split_rule
    if rule.several:
        _check_several(options, rule)
    if not rule.held_out:
        for name in ("validation", "test", "split_seed"):
            if (
                name in options.model_fields_set
                and getattr(options, name) != TableOptions.model_fields[name].default
            ):
                raise _no_effect(f"--{name.replace('_', '-')}", "--split none holds nothing out")
    own = isinstance(options.validation, str) and isinstance(options.test, str)
    if own and str(rule) != "auto":
        raise _no_effect("--split", "validation and test rows have files of their own")
    if options.split_seed and (own or rule.kind in BY_TIME):
        why = (
            "validation and test rows have files of their own"
            if own
            else f"--split {options.split} draws nothing"
        )
        raise _no_effect("--split-seed", why)
    for name in ("features", "categorical", "continuous", "text", "drop"):
        for column in getattr(options, name) or []:
            if column == options.weight:
                raise _no_effect(f"--{name} {column}", f"it holds the weights of rows: --weight {column}")
            if name != "drop" and column in options.drop:
                raise _no_effect(
                    f"--{name} {column}", f"--drop leaves {column} out", "name it in one of the two"
                )
            if column == options.target and name == "text":
                raise _no_effect(f"--text {column}", "it is the target")
            if column == options.target and name in ("categorical", "continuous"):
                task = "classification" if name == "categorical" else "regression"
                raise _no_effect(f"--{name} {column}", "it is the target", f"write --task {task}")
    for each in options.missing:
        if each.startswith("!") and each[1:] not in (*MISSING, *NUMBER_MARKS):
            raise _no_effect(f"--missing '{each}'", f"{each[1:]!r} does not mean a missing value anyway")
    if options.encoding != "auto" and not text:
        raise _no_effect("--encoding", "the table is not a text file")


def _check_several(options: TableOptions, rule: SplitRule) -> None:
    """Raise an ``OptionError`` if there cannot be several test sets, or an option has no effect on them."""
    split = f"--split {options.split}"
    for part in ("validation", "test"):
        if isinstance(getattr(options, part), str):
            raise OptionError(
                f"{split} takes the {part} rows from the table, but they have a file of their own",
                hint=f"leave out --split, or --{part} and its file.",
            )
    if rule.kind in BY_TIME:
        why = (
            "trains on later rows than it tests"
            if rule.several == "folds"
            else "would test the same rows each time"
        )
        raise OptionError(
            f"{split} {why}", hint=f"test once, on the latest rows: --split {replace(rule, several='')}."
        )
    if rule.several == "folds" and "test" in options.model_fields_set:
        raise _no_effect("--test", f"{split} tests every row once")


def _no_effect(option: str, why: str, cure: str = "leave it out") -> OptionError:
    return OptionError(f"{option} has no effect: {why}", hint=f"{cure}.")


def suggested_beside(suggested: Mapping[str, Any], given: TableOptions) -> dict[str, Any]:
    """Return options of a catalog or a preparation file that are not given, but for columns given otherwise."""
    kept = {name: value for name, value in suggested.items() if name not in given.model_fields_set}
    gone = [given.target, given.weight, *given.drop]
    used = [given.weight, *(given.features or []), *given.categorical, *given.continuous, *given.text]
    if "split" in given.model_fields_set and given.split_rule.several == "folds":
        kept.pop("test", None)  # a share for one split
    others = {"drop": used, "features": gone, "categorical": gone, "continuous": gone, "text": gone}
    for name, taken in others.items():
        if isinstance(kept.get(name), list | tuple):
            kept[name] = [each for each in kept[name] if each not in taken]
    return kept


def table_options(**values: Any) -> TableOptions:
    """Return the options after checking them.

    Raises:
        UnknownNameError: there is no such option.
        OptionError: a value is not allowed; the message has the value.

    Example:
        >>> table_options(test=1.5)
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: test: 1.5 is not a share between 0 and 1 (nor a file)
        Hint: test is: share of the rows for the final test.
    """
    for name in values:
        if name not in TableOptions.model_fields:
            raise unknown_name("table option", name, TableOptions.model_fields)
    try:
        return TableOptions(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] in _LIMITS or first["type"].startswith("int_"):
            raise _no_number(name, first["input"], first["type"], first.get("ctx", {})) from None
        text = str(first["msg"]).removeprefix("Value error, ")
        if first["type"] != "value_error":
            text = f"{first['input']!r}: {text[:1].lower()}{text[1:]}"
        hint = "remove it from one of the two." if "both" in text else "give smaller shares."
        if "both the target" in text:
            hint = "name another column of weights."
        if name:
            hint = hint_of(first) or f"{name} is: {TableOptions.model_fields[name].description}."
        raise OptionError(f"{name}: {text}" if name else text, hint=hint) from None


_LIMITS = {"greater_than_equal": ("ge", "below", "least"), "less_than_equal": ("le", "above", "most")}


def _no_number(name: str, value: Any, kind: str, limits: Mapping[str, Any]) -> OptionError:
    """Return the error of a number that is out of its range, or of what is no whole number."""
    if kind not in _LIMITS:
        return OptionError(f"{name}: {value!r} is no whole number", hint=f"give a whole number for {name}.")
    limit, where, end = _LIMITS[kind]
    return OptionError(
        f"{name}: {value} is {where} {limits[limit]:,}",
        hint=f"give a whole number of at {end} {limits[limit]:,}.",
    )
