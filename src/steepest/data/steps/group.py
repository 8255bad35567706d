"""Many labels to one."""

from __future__ import annotations

from typing import Annotated, Self

import polars as pl
from pydantic import Field, model_validator

from steepest.data.steps import Context, Step, StepReport
from steepest.data.steps._values import convert
from steepest.wording import counted

COMPONENTS = {"group": {"object": "Group", "what": "merge labels of a column into groups"}}


class Group(Step):
    """Replace labels of a column by the name of their group; other labels stay.

    Args:
        column: the column.
        groups: new label → the labels that become it.
        upper: write every label of the column, and those of ``groups``, in upper case first.

    Raises:
        PreparationError: the column is not there, or a label is in two groups.

    Example:
        >>> step = Group(column="kind", groups={"THEFT": ["BURGLARY", "ROBERY"]}, upper=True)
        >>> frame = pl.LazyFrame({"kind": ["Theft", "Burglary", "Arson"]})
        >>> step.apply(frame, Context()).collect()["kind"].to_list()
        ['THEFT', 'THEFT', 'ARSON']
        >>> step.report(step.tally(frame, Context()).collect(), Context()).text
        "kind: 3 rows relabelled, 3 labels are now 2; nothing is labelled 'ROBERY'"
    """

    use = "group"
    column: str
    groups: Annotated[dict[str, list[str]], Field(min_length=1)]
    upper: bool = False

    @model_validator(mode="after")
    def _once(self) -> Self:
        seen: dict[str, str] = {}
        for name, labels in self.groups.items():
            for label in map(self._case, labels):
                if seen.setdefault(label, name) != name:
                    raise ValueError(f"the label {label!r} is in two groups, {seen[label]!r} and {name!r}")
        return self

    def _case(self, label: str) -> str:
        return label.upper() if self.upper else label

    def mapping(self) -> dict[str, str]:
        """Return, for each label that changes, what it becomes."""
        return {self._case(each): self._case(name) for name, labels in self.groups.items() for each in labels}

    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        grouped = _text(frame, self.column).map_batches(
            self._grouped, return_dtype=pl.String, is_elementwise=True
        )
        return frame.with_columns(grouped.alias(self.column))

    def _grouped(self, values: pl.Series) -> pl.Series:
        """Change each distinct label once: rows are many, labels few."""
        labels = values.drop_nulls().unique()
        changed = (labels.str.to_uppercase() if self.upper else labels).replace(self.mapping())
        return changed.gather(values.cast(pl.Enum(labels)).to_physical()).alias(values.name)

    def tally(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.select(label=_text(frame, self.column)).group_by("label").len()

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        counts = {} if tally is None else dict(tally.drop_nulls().iter_rows())
        mapping = self.mapping()
        after = {label: mapping.get(self._case(label), self._case(label)) for label in counts}
        changed = sum(count for label, count in counts.items() if after[label] != label)
        text = f"{self.column}: {counted(changed, 'row')} relabelled, "
        text += f"{counted(len(counts), 'label')} are now {len(set(after.values())):,}"
        found = {self._case(label) for label in counts}
        unmatched = [repr(each) for each in mapping if each not in found]
        if unmatched and not context.predicting:
            text += f"; nothing is labelled {', '.join(unmatched)}"
        return StepReport(self.use, text, changed)


def _text(frame: pl.LazyFrame, column: str) -> pl.Expr:
    return convert(pl.col(column), frame.collect_schema()[column], pl.String())
