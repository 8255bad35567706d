"""Preparation steps, one a file, and the contract that each of them keeps.

A stateless step is a pure function of the rows that it is given; it runs before the split, lazily. A
learned step is fitted on the training rows only and replayed on every other row. A step is a validated
record of its options, so what is stored in a model's folder is what was written in the TOML file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, model_validator

from steepest.data.names import plain_in
from steepest.errors import PreparationError, unknown_name

ROW = "__steepest_row__"
"""The column that carries the number of the raw row while steps are replayed at prediction."""

Learned = dict[str, pl.DataFrame]
"""What a learned step knows: small frames by name."""


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        step: the step's name.
        text: a line for a person, with the column and the numbers.
        rows: how many rows it changed, filled or left out.
    """

    step: str
    text: str
    rows: int = 0


@dataclass(frozen=True)
class Context:
    """Where a step is run.

    Attributes:
        target: the column that is predicted, if there is one.
        keep: columns that ``select`` keeps though it does not name them (the split's column).
        absent: columns that may be absent at prediction, because only the target is made of them.
        predicting: whether steps are replayed on new rows.
    """

    target: str | None = None
    keep: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()
    predicting: bool = False


class Step(BaseModel):
    """A stateless step; a subclass declares its options as fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    use: ClassVar[str]
    forgiving: ClassVar[bool] = False
    """Whether any of the inputs may be absent at prediction, because the step only removes them."""
    numbers_rows: ClassVar[bool] = False
    """Whether the step looks at the numbers of rows, or leaves rows out, so that they are to be numbered."""
    reads_codes: ClassVar[bool] = False
    """Whether the step takes texts that are held as codes (Categorical) as they are; else it gets text."""

    @model_validator(mode="before")
    @classmethod
    def _one_column(cls, options: Any) -> Any:
        """Read ``column = "a"`` as ``columns = ["a"]`` where a step takes several columns."""
        if isinstance(options, dict) and "columns" in cls.model_fields and "column" in options:
            options = dict(options)
            options.setdefault("columns", [options.pop("column")])
        return options

    @model_validator(mode="before")
    @classmethod
    def _plain_names(cls, options: Any) -> Any:
        """Call columns as the reader does."""
        if isinstance(options, dict):
            named = {
                name: plain_in(options[name])
                for name in ("column", "columns", "keys", "types", "formats")
                if name in options
            }
            return {**options, **named}
        return options  # pyright: ignore[reportUnknownVariableType]

    def inputs(self) -> tuple[str, ...]:
        """Return the columns that must be there."""
        raise NotImplementedError

    def outputs(self) -> frozenset[str] | None:
        """Return the only columns whose values this step changes; None if it may change rows or more."""
        return None

    def sources(self, names: frozenset[str]) -> frozenset[str]:
        """Return the columns before this step that serve only to make the columns ``names`` after it."""
        return names

    def without(self, columns: Collection[str]) -> Self | None:
        """Return this step for a table that lacks ``columns``, or None if nothing of it is left."""
        return None

    def roles(self) -> dict[str, str]:
        """Return what columns that this step makes are used for, where their values do not show it."""
        return {}

    def resolved(self, schema: pl.Schema) -> Self:
        """Return this step with the columns that it means in a table, where it may name them by a pattern."""
        del schema
        return self

    def check(self, schema: pl.Schema, context: Context) -> None:
        """Raise a PreparationError if the step does not fit a table with this schema."""
        require(self.use, self.inputs(), schema)

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        """Return the rows after this step."""
        raise NotImplementedError

    def tally(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame | None:
        """Return the counts that the report needs, a small frame of the rows *before* this step.

        A large table is counted batch by batch: the numbers of rows with the same other columns are added up.
        """
        return None

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        """Say what was done, given the collected ``tally``."""
        raise NotImplementedError


class LearnedStep(Step):
    """A step that learns from training rows."""

    def learn(self, train: pl.DataFrame, context: Context) -> Learned:
        """Return what the training rows teach; JSON-able columns only."""
        raise NotImplementedError

    def fill(
        self, frame: pl.DataFrame, learned: Learned, context: Context
    ) -> tuple[pl.DataFrame, StepReport]:
        """Return the rows with what was learned put in, in the same order, and what was done."""
        raise NotImplementedError

    @classmethod
    def learn_all(cls, steps: Sequence[Any], train: pl.DataFrame, context: Context) -> list[Learned]:
        """Return what each of several steps of this class learns; none of them reads what another one fills.

        A class whose steps can share the work does it here.
        """
        return [step.learn(train, context) for step in steps]

    @classmethod
    def fill_all(
        cls, steps: Sequence[Any], frame: pl.DataFrame, learned: Sequence[Learned], context: Context
    ) -> tuple[pl.DataFrame, list[StepReport]]:
        """Return the rows after several such steps, and what each of them did."""
        reports: list[StepReport] = []
        for step, each in zip(steps, learned, strict=True):
            frame, report = step.fill(frame, each, context)
            reports.append(report)
        return frame, reports


def require(step: str, columns: Iterable[str], schema: Collection[str]) -> None:
    """Raise a PreparationError for the first of ``columns`` that the table has not; the others are not what was meant.

    Example:
        >>> require("drop", ["Wrad"], {"Ward": pl.Int64})
        Traceback (most recent call last):
        ...
        steepest.errors.PreparationError: step 'drop': column 'Wrad' is not in the table
        Hint: did you mean 'Ward'? Known: Ward.
    """
    columns = list(columns)
    for column in columns:
        if column not in schema:
            known = [each for each in schema if each != ROW and each not in columns]
            raise PreparationError(
                f"step {step!r}: column {column!r} is not in the table",
                hint=unknown_name("column", column, known).hint,
            )
