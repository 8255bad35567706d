"""What a check of gradients finds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from steepest.checking.expression import plain


@dataclass(frozen=True)
class Element:
    """One number of a tensor: its derivative by autograd and by finite differences.

    Attributes:
        index: its place in the tensor; empty for a tensor of one number, or where a direction was checked.
        autograd, difference: the derivative, twice.
        truncation, rounding: the estimated errors of the finite difference.
        tolerance: how far the two may lie apart.
        why: how the tolerance comes about.
        left, right: the slopes from one side alone.
        step: the distance over which the differences were taken.
        kink: whether the slopes stay apart however small the step.
        edge: whether the function has no value on one side, however small the step.
    """

    index: tuple[int, ...]
    autograd: float
    difference: float
    truncation: float
    rounding: float
    tolerance: float
    why: str
    left: float
    right: float
    step: float
    kink: bool = False
    edge: bool = False

    @property
    def gap(self) -> float:
        """How far the two derivatives lie apart; at a kink, how far autograd lies outside the two slopes."""
        if self.edge and math.isfinite(self.autograd):
            return 0.0
        if self.kink:
            low, high = sorted((self.left, self.right))
            return max(low - self.autograd, self.autograd - high, 0.0)
        return abs(self.autograd - self.difference)

    @property
    def ok(self) -> bool:
        """Whether the two agree."""
        return self.gap <= self.tolerance  # not where one is NaN


@dataclass(frozen=True)
class TensorCheck:
    """A parameter or an input.

    Attributes:
        name: its name.
        shape: its shape.
        checked: how many of its elements were checked one by one; if not all, directions cover the others.
        wrong: how many of these are wrong.
        worst: the element with the largest gap, as a share of its tolerance.
        largest: the largest derivative by autograd, in absolute value.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    wrong: int
    worst: Element
    largest: float

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.wrong == 0


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a derivative.

    Attributes:
        cause: its name: ``wrong sign``, ``missing factor``, ``detached``, ….
        tensor: whose derivative; empty where it is the function's.
        text: what is the case, with the numbers.
        cure: what to do.
        where: file and line of the person's code, where one is to blame.
    """

    cause: str
    tensor: str
    text: str
    cure: str
    where: str = ""


@dataclass(frozen=True)
class GradientCheck:
    """The derivatives of a function by all of its parameters and inputs.

    Attributes:
        title: what was checked.
        kind: ``loss``, ``module``, ``autograd function`` or ``function``.
        inputs: what it was called with, for a reader.
        outputs: how many numbers it returns; of several, a random combination is differentiated.
        value: what it returns, or the combination.
        tensors: parameters and inputs.
        faults: what is wrong.
        notes: what else is worth knowing.
        matrices: Jacobian, Hessian and Gauss-Newton matrix of a small function without faults, as
            :class:`~steepest.checking.matrices.Matrices`; else None.
        timing: the time of a gradient both ways, as :class:`~steepest.checking.timing.CheckTimings`, where it is
            wanted.
    """

    title: str
    kind: str
    inputs: str
    outputs: int
    value: float
    tensors: tuple[TensorCheck, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    matrices: Any = None
    timing: Any = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values; a number that is not finite as a text."""
        found = plain(asdict(replace(self, matrices=None, timing=None)))
        for each, kept in zip(found["tensors"], self.tensors, strict=True):
            each["ok"] = kept.ok
            each["worst"]["gap"] = plain(kept.worst.gap)
        if self.matrices is not None:
            found["matrices"] = plain(self.matrices.as_json())
        if self.timing is not None:
            found["timing"] = plain(asdict(self.timing))
        return {"ok": self.ok, **found}

    def to_json(self) -> str:
        """Return :meth:`as_json` as text."""
        return json.dumps(self.as_json(), indent=1, ensure_ascii=False)


def indexed(name: str, index: Sequence[int]) -> str:
    """Return the name of an element.

    Example:
        >>> indexed("weight", (0, 2)), indexed("bias", ())
        ('weight[0, 2]', 'bias')
    """
    return f"{name}[{', '.join(map(str, index))}]" if index else name
