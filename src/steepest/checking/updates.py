r"""A person's own update against the rule that it is meant to be.

Both get the same gradients, which do not depend on the parameters, so that a mistake in one step does not hide in the
gradients of the next. They have several sizes and signs, some near :math:`\epsilon`. Where the two differ,
the usual mistakes are tried one by one, then in pairs: the cause is the one whose numbers are the person's, in every
step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from steepest.checking.expression import plain
from steepest.checking.student import StudentSteps, run_student
from steepest.checking.subject import load
from steepest.checking.telling import aligned
from steepest.checking.variants import UpdateVariant, run_rule, variants
from steepest.errors import OptionError
from steepest.optim import make_rule
from steepest.rng import stream

STEPS = 10
CLOSE = 1e-9
"""Two steps agree up to this share of the larger one."""
SIZES = (1.0, 0.3, 1e-3, 1e-7)
"""Of the gradients of the elements."""
START = (1.0, -2.0, 0.5, 3.0)


@dataclass(frozen=True)
class FirstDifference:
    """Where an update first differs from its rule.

    Attributes:
        step: the first step, from 1.
        slot: what differs: a slot of the rule, or ``parameter``.
        index: the element that differs most.
        theirs, right: the person's value and the rule's.
    """

    step: int
    slot: str
    index: int
    theirs: float
    right: float


@dataclass(frozen=True)
class UpdateCheck:
    """A person's update beside a rule.

    Attributes:
        title: the update.
        rule: the rule with its hyperparameters.
        steps: how many were compared.
        slots: the person's name for every slot of the rule that was recognised.
        difference: the first one; None where there is none.
        cause: the mistake that has the person's numbers; empty if there is none or none fits.
        ratio: of the person's steps to the rule's, where it is the same in all of them; else None.
        largest: the largest difference between the parameters.
    """

    title: str
    rule: str
    steps: int
    slots: dict[str, str]
    difference: FirstDifference | None
    cause: str
    ratio: float | None
    largest: float

    @property
    def ok(self) -> bool:
        """Whether the update is the rule."""
        return self.difference is None

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"kind": "update", "ok": self.ok, **plain(asdict(self))}

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        found = [f"{self.title} against {self.rule}: {self.steps} steps with the same gradients"]
        if self.slots:
            found.append(f"slots: {', '.join(f'{mine} is {name}' for name, mine in self.slots.items())}")
        first = self.difference
        if first is None:
            return [*found, "", f"no fault: every step is the rule's (largest difference {self.largest:.1g})"]
        found += [
            "",
            f"fault: step {first.step} is the first that differs, in {first.slot}",
            *aligned(
                [
                    ("", "yours", "the rule's"),
                    (f"{first.slot}[{first.index}]", f"{first.theirs:.10g}", f"{first.right:.10g}"),
                ]
            ),
        ]
        if self.cause:
            said = (
                f"likely cause: {self.cause} (with it, the rule has your numbers in all {self.steps} steps)"
            )
        elif self.ratio is not None:
            said = f"likely cause: the learning rate: every step is {self.ratio:.6g} times the rule's"
        else:
            said = "likely cause: none of the usual mistakes has these numbers; compare the step with steepest trace"
        return [*found, said]


def check_update(what: Any, against: str, steps: int = STEPS) -> UpdateCheck:
    """Return where a person's update first differs from a rule, and why.

    Args:
        what: ``FILE:NAME`` of the update, or the function or the torch optimizer itself.
        against: the rule, such as ``rmsprop`` or ``adam(lr=0.1)``.
        steps: how many are compared.

    Raises:
        OptionError: there is no such rule, or the update cannot be called.

    Example:
        >>> def update(w, g, state, lr=0.01, alpha=0.99, eps=1e-8):
        ...     state["v"] = alpha * state["v"] + g**2
        ...     return w - lr * g / (state["v"] ** 0.5 + eps)
        >>> found = check_update(update, "rmsprop")
        >>> found.difference.step, found.difference.slot, found.cause
        (1, 'square_avg', '1 − α is missing: the new value is added in full')
    """
    rule = make_rule(against)
    student, title = load(what)
    if steps < 1:
        raise OptionError(f"{steps} steps", hint="at least 1.")
    start = torch.tensor(START, dtype=torch.float64)
    draw = torch.from_numpy(stream(0, "data").normal(size=(steps, len(SIZES))))
    gradients = draw * torch.tensor(SIZES, dtype=torch.float64)
    theirs = run_student(student, title, start, gradients, rule.hyper.model_dump())
    if theirs.parameters.shape != (steps, len(SIZES)):
        raise OptionError(
            f"{title} returns a parameter of another shape",
            hint="return the new parameter, with the shape of the old.",
        )
    right = run_rule(rule, start, gradients)
    named = _named(theirs, right)
    difference = _first(theirs, right, named, start)
    cause, ratio = "", None
    if difference is not None:
        cause = _cause(variants(rule), lambda each: run_rule(rule, start, gradients, each), theirs, start)
        ratio = _ratio(theirs, right, start) if not cause else None
    largest = float((theirs.parameters - right.parameters).abs().max())
    hyper = ", ".join(f"{name}={value}" for name, value in rule.hyper.model_dump().items() if value)
    shown = f"{rule.called}({hyper})"
    return UpdateCheck(title, shown, steps, named, difference, cause, ratio, largest)


ALIASES = {
    "exp_avg": ("m", "mean", "first"),
    "exp_avg_sq": ("v", "s", "square", "second"),
    "square_avg": ("v", "s", "cache", "eg2", "r"),
    "sum": ("s", "cache", "total", "g2", "v"),
    "momentum_buffer": ("v", "velocity", "m", "b", "buf"),
    "acc_delta": ("u", "delta", "d"),
    "grad_avg": ("m", "mean", "g"),
}


def _named(theirs: StudentSteps, right: StudentSteps) -> dict[str, str]:
    """Return the person's name for every slot of a rule: the same, a usual one, or the only one that is left."""
    free = list(theirs.slots)
    found: dict[str, str] = {}
    for name in right.slots:
        wanted = (name, *ALIASES.get(name, ()))
        match = next((each for each in wanted for mine in free if mine.lower() == each), None)
        if match is not None:
            found[name] = next(mine for mine in free if mine.lower() == match)
            free.remove(found[name])
    left = [name for name in right.slots if name not in found]
    if len(left) == len(free) == 1:
        found[left[0]] = free[0]
    return found


def _first(
    theirs: StudentSteps, right: StudentSteps, named: dict[str, str], start: Tensor
) -> FirstDifference | None:
    """Return the first difference: by step, in a step the slots before the parameter, which is made of them."""
    values = [(name, theirs.slots[mine], right.slots[name]) for name, mine in named.items()]
    values.append(("parameter", theirs.parameters, right.parameters))
    if _alike(theirs.parameters, right.parameters, start):
        return None
    for step in range(len(right.parameters)):
        for name, mine, wanted in values:
            before = (
                start if name == "parameter" and step == 0 else wanted[step - 1] if step else wanted[step] * 0
            )
            size = torch.maximum((wanted[step] - before).abs(), (mine[step] - before).abs())
            gap = (mine[step] - wanted[step]).abs()
            wrong = ~(gap <= CLOSE * size + 1e-14 * wanted[step].abs())
            if bool(wrong.any()):
                index = int(torch.where(wrong, gap / (size + 1e-300), -1.0).nan_to_num(nan=2.0).argmax())
                return FirstDifference(
                    step + 1, name, index, float(mine[step][index]), float(wanted[step][index])
                )
    return None


def _moves(parameters: Tensor, start: Tensor) -> Tensor:
    return torch.diff(torch.cat([start[None], parameters]), dim=0)


def _alike(one: Tensor, other: Tensor, start: Tensor) -> bool:
    """Whether two sequences of parameters have the same steps, up to rounding."""
    a, b = _moves(one, start), _moves(other, start)
    rounding = 1e-14 * torch.maximum(one.abs(), other.abs())
    return bool(((a - b).abs() <= CLOSE * torch.maximum(a.abs(), b.abs()) + rounding).all())


def _cause(found: Iterable[UpdateVariant], run: Any, theirs: StudentSteps, start: Tensor) -> str:
    known = list(found)
    pairs = (one.with_(other) for one, other in itertools.combinations(known, 2))
    for each in itertools.chain(known, (pair for pair in pairs if pair is not None)):
        if _alike(run(each).parameters, theirs.parameters, start):
            return each.cause
    return ""


def _ratio(theirs: StudentSteps, right: StudentSteps, start: Tensor) -> float | None:
    """Return the factor between the steps of two updates, where it is the same everywhere."""
    a, b = _moves(theirs.parameters, start), _moves(right.parameters, start)
    factor = float((a * b).sum() / (b * b).sum())
    close = (a - factor * b).abs() <= 1e-6 * a.abs() + 1e-13
    return factor if bool(close.all()) and factor != 0 else None
