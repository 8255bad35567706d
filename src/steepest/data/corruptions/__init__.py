"""What is done to training labels on purpose: one corruption a file, named as a component, such as ``noise(0.15)``.

The labels of validation and test rows are never touched, and a dataset keeps the true labels of its training rows.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steepest.components import grammar
from steepest.components.registry import Registry
from steepest.errors import OptionError, unknown_name

Labels = NDArray[np.int64] | NDArray[np.float32]
"""Class codes, or a target of numbers in its standard deviations."""
Rows = NDArray[np.int64]

registry = Registry("corruption of labels", "steepest.data.corruptions")


class Corruption(BaseModel):
    """A change of the training labels; a subclass declares its options as fields, in the order of its arguments.

    Attributes:
        draw: what the draws depend on: ``split``, the split seed, so that all runs get the same labels; ``run``, the
            run seed, so that only runs with the same seed do, whatever the arm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]

    draw: Literal["split", "run"] = Field(
        "split",
        description="split (the same labels in every run) or run (by the run seed, the same in every arm)",
    )

    def check(self, rows: int, classes: int) -> None:
        """Raise an ``OptionError`` if this does nothing to so many rows of so many classes (0 for numbers)."""

    def corrupted(
        self, labels: Labels, classes: int, places: Rows, total: int, draws: np.random.Generator
    ) -> Labels:
        """Return other labels, ``[n]``.

        Whatever is drawn is drawn for all training rows of the experiment and then taken at ``places``, so that arms
        with other training rows, or with another level, differ as little as possible in their common rows.

        Args:
            labels: the true ones, ``[n]``.
            classes: number of classes, 0 for a target of numbers.
            places: where these rows are among the training rows of the experiment, ``[n]``.
            total: number of the training rows of the experiment.
            draws: where random numbers come from.
        """
        raise NotImplementedError

    def said(self, true: Labels, labels: Labels, classes: int, sd: float) -> str:
        """Return what was done in words, for instance ``labels of 87 of 581 training rows replaced``.

        Args:
            true, labels: before and after.
            classes: number of classes, 0 for a target of numbers.
            sd: the target's standard deviation, for a target of numbers.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the specification as it is written; what is at its default is left out."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name != "draw"}
        further = {"draw": self.draw} if self.draw != "split" else {}
        return str(grammar.Spec(self.name, tuple(given.values()), further))


def make_corruption(text: str) -> Corruption:
    """Return the corruption that a specification names.

    Raises:
        UnknownNameError: there is none with this name.
        OptionError: an option does not exist, is missing or has a value that is not allowed.

    Example:
        >>> str(make_corruption("noise(level=0.150)")), make_corruption("shuffle(draw=run)").draw
        ('noise(0.15)', 'run')
    """
    spec = grammar.parse(text)
    entry = registry.entry(spec.name)
    kind: type[Corruption] = entry.load()
    known = [*(each for each in kind.model_fields if each != "draw"), "draw"]
    if len(spec.arguments) > len(known):
        raise OptionError(
            f"{text}: {entry.name} has {len(known)} options", hint=f"they are {', '.join(known)}."
        )
    by_place = dict(zip(known, spec.arguments, strict=False))
    twice = sorted(by_place.keys() & spec.options.keys())
    if twice:
        raise OptionError(f"{text}: {twice[0]} is given twice", hint="give it once.")
    for name in spec.options:
        if name not in known:
            raise unknown_name(f"option of {entry.name}", name, known)
    try:
        return kind.model_validate({**entry.preset, **by_place, **spec.options})
    except ValidationError as error:
        raise _explained(text, kind, error) from None


def _explained(text: str, kind: type[Corruption], error: ValidationError) -> OptionError:
    first: Any = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    about = kind.model_fields[name].description
    if first["type"] == "missing":
        return OptionError(f"{text} lacks its {name}", hint=f"{name} is: {about}.")
    return OptionError(f"{text}: {name} is {first['input']!r}", hint=f"{name} is: {about}.")
