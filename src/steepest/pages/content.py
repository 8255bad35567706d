"""What a page is made of, as data: text, controls, numbers, exercises and table columns, in one small JSON format.

A page needs either a view of its own, a script that computes what its controls ask for, or :class:`StoredRuns`, which
the view ``grid`` shows. Stored results of a study become a page by writing this format.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from steepest.errors import FolderError, OptionError, first_line

Value = FiniteFloat | str


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(_Record):
    """One value of a control or an exercise that is chosen from a list."""

    value: str
    label: str


class PageControl(_Record):
    """One setting: a slider, a list, or a value that only the figure and the address set.

    Attributes:
        name: its key in the page's address.
        label: what the reader sees.
        kind: ``range`` is a slider, ``choice`` a list, ``hidden`` a text that a figure sets.
        low, high, step: the ends of a slider and the distance of its stops.
        log: the slider is the base-10 logarithm of the value; low, high, step and default are logarithms too.
        default: what the page begins with.
        unit: stands behind the value.
        options: the values of a list.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    label: str
    kind: Literal["range", "choice", "hidden"] = "range"
    low: FiniteFloat = 0.0
    high: FiniteFloat = 1.0
    step: FiniteFloat = Field(default=1.0, gt=0.0)
    log: bool = False
    default: Value
    unit: str = ""
    options: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Self:
        if not self.allows(self.default):
            raise ValueError(f"the control {self.name} does not allow its default {self.default!r}")
        return self

    def allows(self, value: Value) -> bool:
        """Return whether this is one of its values; of a slider, a stop between its ends."""
        if self.kind == "hidden":
            return isinstance(value, str)
        if self.kind == "choice":
            return value in {each.value for each in self.options}
        if isinstance(value, str) or not self.low <= value <= self.high:
            return False
        stops = (value - self.low) / self.step
        return math.isclose(stops, round(stops), abs_tol=1e-6)


class TableColumn(_Record):
    """One column of the table: the key of its numbers, its title, and how many digits are shown."""

    key: str
    title: str
    digits: int = Field(default=4, ge=1, le=12)


class Exercise(_Record):
    """A question that is answered after the reader has guessed.

    Attributes:
        question: ends with a question mark.
        answer: what is found, in a sentence or two.
        value: the number that is guessed; None where one of ``options`` is.
        unit: of the number.
        within: a guess this near counts as right: a share of the value.
        options: what can be guessed.
        right: the ``value`` of the right option.
        show: settings that show the answer.
    """

    question: str
    answer: str
    value: FiniteFloat | None = None
    unit: str = ""
    within: FiniteFloat = Field(default=0.1, ge=0.0)
    options: tuple[Choice, ...] = ()
    right: str = ""
    show: dict[str, Value] = {}

    @model_validator(mode="after")
    def _can_be_guessed(self) -> Self:
        if (self.value is None) == (not self.options):
            raise ValueError(f"the exercise {self.question!r} needs either a value or options")
        if self.options and self.right not in {each.value for each in self.options}:
            raise ValueError(f"the right answer {self.right!r} of {self.question!r} is none of its options")
        return self


class StoredLine(_Record):
    """One line of stored runs: an arm of a comparison, for example."""

    key: str
    title: str


class StoredRuns(_Record):
    """Stored runs: for each place of the grid, each line's numbers at the points of ``x``.

    Attributes:
        over: the stored values of each control that the runs differ in, by its name; of a logarithmic control, the
            values themselves. Other values of the control are shown as the nearest of these.
        x: the points of a run, such as steps.
        x_title, y_title: of the axes, with their units.
        log: y is shown on a logarithmic axis.
        lines: what is drawn.
        values: one list for each place, the last control of ``over`` changing fastest; in it a list for each line,
            in it a number for each point; None where a run has none, because it diverged.
    """

    over: dict[str, tuple[Value, ...]]
    x: tuple[FiniteFloat, ...]
    x_title: str
    y_title: str
    log: bool = False
    lines: tuple[StoredLine, ...] = Field(min_length=1)
    values: tuple[tuple[tuple[FiniteFloat | None, ...], ...], ...]

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        places = math.prod(len(each) for each in self.over.values())
        if len(self.values) != places:
            raise ValueError(f"the grid has {places} places and values for {len(self.values)}")
        for place in self.values:
            if [len(each) for each in place] != [len(self.x)] * len(self.lines):
                raise ValueError(f"every place needs {len(self.lines)} lines of {len(self.x)} numbers")
        return self


class Content(_Record):
    """A page.

    Attributes:
        title: a few words.
        question: what the page asks, in one sentence.
        about: paragraphs under it.
        controls: its settings.
        view: the script that draws it: a file ``NAME.js`` beside the pages' Python files, or ``grid``.
        data: what that script computes with.
        grid: stored runs, for the view ``grid``.
        columns: of the table.
        exercises: to be guessed.
        source: where the numbers come from.

    Raises:
        ValueError: an exercise shows a value that its control does not have, or a grid has no control.
    """

    title: str
    question: str
    about: tuple[str, ...] = ()
    controls: tuple[PageControl, ...]
    view: str = Field(default="grid", pattern=r"^[a-z][a-z0-9-]*$")
    data: dict[str, Any] = {}
    grid: StoredRuns | None = None
    columns: tuple[TableColumn, ...] = ()
    exercises: tuple[Exercise, ...] = ()
    source: str = ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        by_name = {each.name: each for each in self.controls}
        if len(by_name) != len(self.controls):
            raise ValueError("two controls have the same name")
        for exercise in self.exercises:
            for name, value in exercise.show.items():
                if name not in by_name:
                    raise ValueError(f"{exercise.question!r} shows a control {name!r}, which is not there")
                if not by_name[name].allows(value):
                    raise ValueError(f"{exercise.question!r} shows {name} = {value!r}, which it cannot have")
        if (self.view == "grid") != (self.grid is not None):
            raise ValueError("the view grid and stored runs go together")
        for name in self.grid.over if self.grid else ():
            if name not in by_name:
                raise ValueError(f"the grid has runs over {name!r}, for which there is no control")
        return self


def read_content(path: Path) -> Content:
    """Return a page that is stored as JSON.

    Raises:
        FolderError: the file cannot be read.
        OptionError: it is no page.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(
            f"{path} cannot be read: {first_line(error)}", hint="name a JSON file of a page."
        ) from error
    try:
        return Content.model_validate_json(text)
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        raise OptionError(
            f"{path.name} is no page: {f'{where}: ' if where else ''}{first['msg']}",
            hint="the format is in docs/how-to/pages.md.",
        ) from None
