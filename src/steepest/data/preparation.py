"""What is done to a table before it is split and encoded, and again, identically, at prediction."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import polars as pl
from pydantic import ValidationError

from steepest.components.registry import Registry
from steepest.data.labels import repeating, with_text
from steepest.data.steps import ROW, Context, Learned, LearnedStep, Step, StepReport, require
from steepest.data.steps._values import pack, unpack
from steepest.errors import PreparationError, UnknownNameError, unknown_name
from steepest.files import local
from steepest.wording import counted

__all__ = ["STEPS", "FittedPreparation", "Preparation", "StepReport"]

BATCH_ROWS = 200_000
"""Rows that run through the steps before the first learned one at a time, where memory counts."""

STEPS = Registry("preparation step", "steepest.data.steps")


@dataclass(frozen=True)
class Preparation:
    """An ordered list of steps.

    The steps before the first learned one run on all rows before the split (they look at one row at a
    time); the others are fitted on the training rows and replayed on the rest.

    Attributes:
        steps: the steps in order.
        table_options: what the file's ``[table]`` says (target, drop, categorical, …), for the reader of
            the table to merge with its own options.

    Example:
        >>> preparation = Preparation.load([{"use": "filter", "where": "Year <= 2020"}])
        >>> frame, reports = preparation.stateless_prefix(pl.LazyFrame({"Year": [2019, 2021]}), target=None)
        >>> frame.collect()["Year"].to_list(), reports[0].text
        ([2019], 'Year <= 2020: 1 of 2 rows left out')
    """

    steps: tuple[Step, ...] = ()
    table_options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def load(cls, source: str | Path | Sequence[Mapping[str, Any]] | Preparation | None) -> Preparation:
        """Read steps from a TOML file, or take them from a list of tables such as ``{"use": "drop", …}``.

        Raises:
            PreparationError: the file cannot be read, a step does not exist, or an option is wrong.
        """
        if source is None:
            return cls()
        if isinstance(source, Preparation):
            return source
        if isinstance(source, str | Path):
            return cls._from_file(Path(source).expanduser())
        return cls(tuple(_step(number, about, Path()) for number, about in enumerate(source, 1)))

    @classmethod
    def _from_file(cls, path: Path) -> Preparation:
        try:
            text = local(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise PreparationError(
                f"the preparation {str(path)!r} cannot be read: {str(reason).lower()}",
                hint="name a TOML file with [[step]] tables; steepest describe DATA --write FILE writes one.",
            ) from None
        try:
            content = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise PreparationError(
                f"{str(path)!r} is not valid TOML: {error}",
                hint='each step is a [[step]] table with use = "NAME" and its options.',
            ) from None
        for name in content:
            if name not in ("step", "table"):
                raise PreparationError(
                    f"{str(path)!r} has an unknown table {name!r}",
                    hint=unknown_name("table", name, ["step", "table"]).hint,
                )
        steps, options = content.get("step", []), content.get("table", {})
        if not isinstance(steps, list) or not isinstance(options, dict):
            raise PreparationError(
                f"{str(path)!r} does not write its steps as [[step]] and its options as [table]",
                hint='begin each step with the line [[step]], then use = "NAME".',
            )
        listed = cast("list[Any]", steps)
        return cls(
            tuple(_step(number, about, path.parent) for number, about in enumerate(listed, 1)),
            cast("dict[str, Any]", options),
        )

    def to_list(self) -> list[dict[str, Any]]:
        """Return the steps as plain tables, which ``load`` reads again."""
        return [
            {"use": step.use, **step.model_dump(mode="json", exclude_defaults=True)} for step in self.steps
        ]

    @property
    def roles(self) -> dict[str, str]:
        """What columns that steps make are used for, where a step says it."""
        return {name: role for step in self.steps for name, role in step.roles().items()}

    @property
    def roles_before(self) -> dict[str, str]:
        """The same before the first learned step, where texts of which steps will make numbers are still there."""
        learned = self.steps[len(self.prefix) :]
        texts = {name: "text" for step in learned for name in (step.inputs() if step.roles() else ())}
        return {**Preparation(self.prefix).roles, **texts}

    @property
    def prefix(self) -> tuple[Step, ...]:
        """The steps before the first learned one."""
        first = next((i for i, step in enumerate(self.steps) if isinstance(step, LearnedStep)), None)
        return self.steps if first is None else self.steps[:first]

    def resolved(self, frame: pl.LazyFrame, context: Context) -> Preparation:
        """Return the steps with the columns that patterns mean in a table.

        Raises:
            PreparationError: a pattern matches no column, or a step does not fit the table.
        """
        steps: list[Step] = []
        for i, step in enumerate(self.steps):
            steps.append(step.resolved(frame.collect_schema()))
            if i < len(self.prefix):
                frame, _ = _plan(steps[-1:], frame, context)
        return Preparation(tuple(steps), self.table_options)

    def with_steps(self, prefix: Sequence[Step] = (), last: Sequence[Step] = ()) -> Preparation:
        """Return more steps: the first ones before the first learned step, the others last."""
        count = len(self.prefix)
        steps = (*self.steps[:count], *prefix, *self.steps[count:], *last)
        return Preparation(steps, self.table_options)

    def stateless_prefix(
        self, frame: pl.LazyFrame, *, target: str | None, keep: Sequence[str] = ()
    ) -> tuple[pl.LazyFrame, list[StepReport]]:
        """Plan the steps before the first learned one; the rows stay lazy.

        The counts of the reports are collected here, streaming, in a pass of their own over the columns
        that they need. Whoever collects the rows anyway saves that pass with ``collect_prefix``.

        Args:
            frame: the raw rows.
            target: the column that is predicted.
            keep: columns that ``select`` keeps though it does not name them, such as the split's.

        Raises:
            PreparationError: a step does not fit the table.
        """
        context = Context(target, tuple(keep))
        frame, tallies = _plan(self.prefix, frame, context)
        wanted = [each for each in tallies if each is not None]
        collected = pl.collect_all(wanted, engine="streaming") if wanted else []
        return frame, _reports(self.prefix, tallies, collected, context)

    def collect_prefix(
        self, frame: pl.LazyFrame, *, target: str | None, keep: Sequence[str] = (), compact: bool = False
    ) -> tuple[pl.DataFrame, list[StepReport]]:
        """Run the steps before the first learned one: rows and reports in one pass over the source.

        Args:
            frame, target, keep: as for ``stateless_prefix``.
            compact: hold texts that repeat as codes (Categorical), batch by batch, which takes a fraction of
                the memory.
        """
        context = Context(target, tuple(keep))
        if compact and hasattr(frame, "collect_batches"):
            return self._collect_batches(frame, context)
        used, restored = self._used(frame, context)
        rows = frame.select(used).collect(engine="streaming")
        frame, tallies = _plan(self.prefix, restored(rows), context)
        wanted = [each for each in tallies if each is not None]
        rows, *collected = pl.collect_all([frame, *wanted], engine="streaming")
        return rows, _reports(self.prefix, tallies, collected, context)

    def _used(
        self, source: pl.LazyFrame, context: Context
    ) -> tuple[list[str], Callable[[pl.DataFrame], pl.LazyFrame]]:
        """Return the columns that the steps read or leave in, and what puts the others back, without values."""
        schema = source.collect_schema()
        planned, _ = _plan(self.prefix, source, context)
        used = {*planned.collect_schema(), *(name for step in self.prefix for name in step.inputs())}
        there = [name for name in schema if name in used] or list(schema)
        unused = [pl.lit(None, schema[name]).alias(name) for name in schema if name not in there]
        return there, lambda rows: rows.lazy().with_columns(unused).select(list(schema))

    def _collect_batches(
        self, source: pl.LazyFrame, context: Context
    ) -> tuple[pl.DataFrame, list[StepReport]]:
        """Go through the source once, in batches that run through the steps one by one."""
        planned, tallies = _plan(self.prefix, source, context)
        used, restored = self._used(source, context)
        texts: pl.Expr | None = None
        rows: list[pl.DataFrame] = []
        counts: list[list[pl.DataFrame]] = [[] for each in tallies if each is not None]
        for batch in source.select(used).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            done, tallies = _plan(self.prefix, restored(batch), context)
            if texts is None:
                texts = pl.col(repeating(done)).cast(pl.Categorical)
            wanted = [each for each in tallies if each is not None]
            made, *found = pl.collect_all([done.with_columns(texts), *wanted])
            rows.append(made)
            for all_of_it, each in zip(counts, found, strict=True):
                all_of_it.append(each)
        if not rows:
            return planned.collect(), _reports(
                self.prefix, tallies, pl.collect_all([each for each in tallies if each is not None]), context
            )
        whole = pl.concat(rows)
        rows.clear()
        return whole.rechunk(), _reports(self.prefix, tallies, [_added(each) for each in counts], context)

    def fit(self, train: pl.DataFrame, *, target: str | None) -> FittedPreparation:
        """Learn from the training rows, which have been through the steps before the first learned one.

        Raises:
            PreparationError: a step does not fit the table.
        """
        context = Context(target)
        learned: list[Learned | None] = [None] * len(self.steps)
        for places in _together(self.steps, range(len(self.prefix), len(self.steps))):
            steps = [self.steps[i] for i in places]
            for step in steps:
                train = _readable(step, train)
                step.check(train.schema, context)
            for i, each in zip(places, _learn(steps, train, context), strict=True):
                learned[i] = each
            again = [i for i in places if _matters(self.steps[i], self.steps[i + 1 :], train)]
            if again:
                train, _ = _run([self.steps[i] for i in again], train, [learned[i] for i in again], context)
        return FittedPreparation(self, tuple(learned))


@dataclass(frozen=True)
class FittedPreparation:
    """Steps with what they learned from the training rows.

    Attributes:
        preparation: the steps.
        learned: for each step what it learned, None for a stateless one.

    Example:
        >>> train = pl.DataFrame({"Block": ["a", "a", "b"], "Ward": [1, 1, 2]})
        >>> steps = [{"use": "fill-from", "column": "Ward", "keys": ["Block"]}]
        >>> fitted = Preparation.load(steps).fit(train, target=None)
        >>> new = pl.DataFrame({"Block": ["b", "c"], "Ward": [None, None]})
        >>> rows, reports = fitted.transform(new, target=None)
        >>> rows["Ward"].to_list(), reports[0].text
        ([2, None], 'Ward: 2 missing; 1 filled from Block, 1 left missing')
    """

    preparation: Preparation
    learned: tuple[Learned | None, ...] = ()

    def transform(
        self, frame: pl.DataFrame, *, target: str | None, present_target: bool = True
    ) -> tuple[pl.DataFrame, list[StepReport]]:
        """Run the steps from the first learned one on, on rows that have been through those before it.

        Args:
            frame: the rows of one split.
            target: the column that is predicted.
            present_target: whether it is there; if not, steps about it are skipped.
        """
        first = len(self.preparation.prefix)
        return self._run(frame, range(first, len(self.learned)), target, may_be_absent=not present_target)

    def replay(
        self, frame: pl.DataFrame | pl.LazyFrame, *, target: str | None
    ) -> tuple[pl.DataFrame, pl.Series, list[StepReport]]:
        """Run every step on raw rows, as at prediction; the target may be absent.

        Returns:
            The prepared rows; the numbers (from 0) of the raw rows that they are, since a ``filter`` may
            have left some out; and what each step did.
        """
        rows = frame.lazy().with_row_index(ROW).collect(engine="streaming")
        rows, reports = self._run(rows, range(len(self.learned)), target, may_be_absent=True)
        return rows.drop(ROW), rows[ROW].alias("row"), reports

    def _run(
        self, frame: pl.DataFrame, which: range, target: str | None, *, may_be_absent: bool
    ) -> tuple[pl.DataFrame, list[StepReport]]:
        reports: list[StepReport] = []
        steps = self.preparation.steps
        absent = _made_for(steps, target) if may_be_absent else [frozenset[str]()] * len(steps)
        for places in _together(steps, which):
            fitting: dict[int, Step] = {}
            for i in places:
                context = Context(target, absent=absent[i], predicting=may_be_absent)
                step = _fitting(steps[i], frame.schema, context)
                if step is not None:
                    frame = _readable(step, frame)
                    step.check(frame.schema, context)
                    fitting[i] = step
            if fitting:
                context = Context(target, absent=absent[places[0]], predicting=may_be_absent)
                known = [self.learned[i] for i in fitting]
                frame, said = _run(list(fitting.values()), frame, known, context)
                reports += said
        return frame, reports

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; what was learned is kept in columns."""
        return {
            "steps": self.preparation.to_list(),
            "learned": [
                None if each is None else {name: pack(frame) for name, frame in each.items()}
                for each in self.learned
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> FittedPreparation:
        """Return what ``to_dict`` stored.

        Raises:
            PreparationError: it is not what ``to_dict`` makes.
        """
        try:
            preparation = Preparation.load(stored["steps"])
            learned = tuple(
                None if each is None else {name: unpack(frame) for name, frame in each.items()}
                for each in stored["learned"]
            )
        except (KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
            raise PreparationError(
                f"the stored preparation cannot be read: {error!r}",
                hint="the model's folder is damaged or from another version; train again.",
            ) from None
        if len(learned) != len(preparation.steps) or any(
            isinstance(step, LearnedStep) != (each is not None)
            for step, each in zip(preparation.steps, learned, strict=True)
        ):
            raise PreparationError(
                f"the stored preparation has {counted(len(preparation.steps), 'step')} "
                f"but learned values for {len(learned)}",
                hint="the model's folder is damaged; train again.",
            )
        return cls(preparation, learned)


def _readable(step: Step, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the step's columns as text, where they are held as codes and it wants none."""
    return frame if step.reads_codes else with_text(frame, list(step.inputs()))


def _matters(step: Step, later: Sequence[Step], train: pl.DataFrame) -> bool:
    """Whether any later step looks at what this one changes."""
    changed = step.outputs()
    if changed is None or not changed <= set(train.columns):
        return bool(later)
    return any(each.outputs() is None or changed & set(each.inputs()) for each in later)


def _plan(
    steps: Sequence[Step], frame: pl.LazyFrame, context: Context
) -> tuple[pl.LazyFrame, list[pl.LazyFrame | None]]:
    tallies: list[pl.LazyFrame | None] = []
    for step in steps:
        step.check(frame.collect_schema(), context)
        tallies.append(step.tally(frame, context))
        frame = step.apply(frame, context)
    return frame, tallies


def _added(tallies: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the counts of all rows from those of each batch."""
    whole = pl.concat(tallies)
    numbers = [name for name, dtype in whole.schema.items() if dtype.is_numeric()]
    names = [name for name in whole.columns if name not in numbers]
    if not names:
        return whole.sum()
    return whole.group_by(names, maintain_order=True).agg(pl.col(numbers).sum()).select(whole.columns)


def _reports(
    steps: Sequence[Step],
    tallies: Sequence[pl.LazyFrame | None],
    collected: Sequence[pl.DataFrame],
    context: Context,
) -> list[StepReport]:
    counts = iter(collected)
    return [
        step.report(None if tally is None else next(counts), context)
        for step, tally in zip(steps, tallies, strict=True)
    ]


def _together(steps: Sequence[Step], places: range) -> Iterator[range]:
    """Yield the places in order, in one range those of learned steps of one class that are independent."""
    first = places.start
    for i in places:
        if i + 1 not in places or not _independent(steps[first : i + 1], steps[i + 1]):
            yield range(first, i + 1)
            first = i + 1


def _independent(steps: Sequence[Step], step: Step) -> bool:
    """Whether a step is of the same learned class as those before it, and touches nothing that they change."""
    changed, own = [each.outputs() for each in steps], step.outputs()
    if (
        own is None
        or not isinstance(step, LearnedStep)
        or any(type(each) is not type(step) for each in steps)
    ):
        return False
    return all(each is not None and not each & (own | set(step.inputs())) for each in changed)


def _learn(steps: Sequence[Step], train: pl.DataFrame, context: Context) -> Sequence[Learned | None]:
    learning = [each for each in steps if isinstance(each, LearnedStep)]
    return type(learning[0]).learn_all(learning, train, context) if learning else [None] * len(steps)


def _run(
    steps: Sequence[Step], frame: pl.DataFrame, learned: Sequence[Learned | None], context: Context
) -> tuple[pl.DataFrame, list[StepReport]]:
    """Run steps that belong together: one stateless step, or learned ones that are independent."""
    learning = [each for each in steps if isinstance(each, LearnedStep)]
    if learning:
        held = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Categorical)]
        known = [each or {} for each in learned]
        rows, reports = type(learning[0]).fill_all(learning, frame, known, context)
        grown = [name for name in held if rows.schema.get(name) == pl.String and learning[0].reads_codes]
        return rows.with_columns(pl.col(grown).cast(pl.Categorical)) if grown else rows, reports
    (step,) = steps
    lazy = frame.lazy()
    tally = step.tally(lazy, context)
    rows, *counts = pl.collect_all([step.apply(lazy, context), *([] if tally is None else [tally])])
    return rows, [step.report(counts[0] if counts else None, context)]


def _made_for(steps: Sequence[Step], target: str | None) -> list[frozenset[str]]:
    """Return, for each step, the columns before it that may be absent because only the target needs them."""
    names = frozenset[str]() if target is None else frozenset({target})
    before: list[frozenset[str]] = []
    for step in reversed(steps):
        names = step.sources(names) | (names & {target})
        before.append(names)
    return before[::-1]


def _fitting(step: Step, schema: pl.Schema, context: Context) -> Step | None:
    absent = {each for each in step.inputs() if each not in schema}
    tolerated = absent if step.forgiving and context.predicting else absent & context.absent
    require(step.use, [each for each in step.inputs() if each in absent - tolerated], schema)
    return step.without(tolerated) if tolerated else step


def _step(number: int, about: Any, folder: Path) -> Step:
    if not isinstance(about, Mapping) or not isinstance(cast("Mapping[str, Any]", about).get("use"), str):
        raise PreparationError(
            f'step {number} has no use = "NAME": {about!r}',
            hint=f'give it use = "NAME"; names: {", ".join(STEPS.names())}.',
        )
    options = {str(key).replace("-", "_"): value for key, value in cast("Mapping[str, Any]", about).items()}
    use = options.pop("use")
    try:
        kind: type[Step] = STEPS.load(use)
    except UnknownNameError as error:
        raise PreparationError(f"step {number}: {error.fact}", hint=error.hint) from None
    try:
        return kind.model_validate(options, context={"folder": folder})
    except ValidationError as error:
        raise _explained(number, use, kind, error) from None


def _explained(number: int, use: str, kind: type[Step], error: ValidationError) -> PreparationError:
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    option = ".".join(str(each) for each in first["loc"])
    where = f"step {number} ({use})"
    if first["type"] == "extra_forbidden":
        known = unknown_name("option", option, kind.model_fields)
        return PreparationError(f"{where}: unknown option {option!r}", hint=known.hint)
    if first["type"] == "missing":
        fields = ", ".join(kind.model_fields)
        return PreparationError(f"{where} lacks the option {option!r}", hint=f"its options are {fields}.")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    subject = f"option {option!r} is {first['input']!r}" if option else "its options do not fit"
    return PreparationError(f"{where}: {subject}", hint=f"{message[0].lower()}{message[1:]}.")
