"""Why a gradient is wrong: patterns between the two derivatives, and what the function was seen to do."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from steepest.checking.differences import derivative
from steepest.checking.gradients import OWN_BACKWARD, Autograd, CheckedPoint, Compared
from steepest.checking.result import Fault, indexed
from steepest.checking.watching import FunctionEvent

CLOSE = 1e-6
"""Two vectors are the same pattern up to this share of the larger one."""
EXACT = 0.01
"""Differences are compared with a pattern where their errors are below this share of the largest."""
SIMPLE = 64
"""The largest denominator of a factor that is written as a fraction."""
MOST_DIAGONAL = 256


@dataclass(frozen=True)
class WrongGradient:
    """A tensor with a wrong gradient, and everything that is known.

    Attributes:
        point: the function.
        autograd: its gradients by autograd.
        compared: all its tensors, by name.
        name: of the tensor.
    """

    point: CheckedPoint
    autograd: Autograd
    compared: dict[str, Compared]
    name: str

    @property
    def mine(self) -> Compared:
        """The tensor's own derivatives."""
        return self.compared[self.name]

    @functools.cached_property
    def places(self) -> list[int]:
        """Where the function has one derivative, of the elements that were checked; all where it has none anywhere."""
        pairs = zip(self.mine.places, self.mine.elements, strict=True)
        smooth = [place for place, each in pairs if not each.kink and not each.edge]
        return smooth or self.mine.places

    @property
    def gradient(self) -> Tensor:
        """By autograd, at these places."""
        return self.mine.gradient[self.places]

    @property
    def difference(self) -> Tensor:
        """By finite differences, at these places."""
        return differences_of(self.mine, self.places)

    def explained(self, by: Tensor) -> bool:
        """Whether the finite differences are these values, each of them, up to the error that it has."""
        tolerances = {
            place: each.tolerance for place, each in zip(self.mine.places, self.mine.elements, strict=True)
        }
        error = torch.tensor([tolerances[place] for place in self.places], dtype=torch.float64)
        error = error.nan_to_num(0.0, 0.0, 0.0)
        sizes = torch.maximum(by.abs(), self.difference.abs())
        exact = float(error.max()) <= EXACT * float(sizes.max())
        return exact and bool(((self.difference - by).abs() <= CLOSE * sizes + error).all())

    @property
    def worst(self) -> str:
        """The worst element with both values, in words."""
        worst = self.mine.check.worst
        return (
            f"at {indexed(self.name, worst.index)} autograd has {worst.autograd:.6g}, finite differences "
            f"{worst.difference:.6g} ± {worst.tolerance:.1g}"
        )

    @property
    def is_function(self) -> bool:
        """Whether a person's own backward is to blame."""
        return self.point.subject.kind == OWN_BACKWARD

    def fault(self, cause: str, text: str, cure: str, where: str = "") -> Fault:
        """Return a fault of this tensor."""
        return Fault(cause, self.name, f"{text}; {self.worst}", cure, where)


def differences_of(compared: Compared, places: list[int]) -> Tensor:
    """Return the derivatives of a tensor by finite differences, at some of the places that were checked."""
    by_place = dict(zip(compared.places, compared.elements, strict=True))
    return torch.tensor([by_place[place].difference for place in places], dtype=torch.float64)


def why(case: WrongGradient) -> Fault:
    """Return the likeliest cause of a wrong gradient."""
    for rule in (
        _not_finite, _kink, _overwritten, _cut, _nothing, _swapped, _factor, _times_tensor, _transposed, _diagonal,
    ):  # fmt: skip
        found = rule(case)
        if found is not None:
            return found
    check = case.mine.check
    return case.fault(
        "wrong derivative",
        f"{check.wrong} of {check.checked} elements that were checked are wrong, by no simple rule",
        "derive the formula again, and check a part of the function; the first suspect is a term of a sum or a product "
        "that the backward pass leaves out.",
    )


def _not_finite(case: WrongGradient) -> Fault | None:
    bad = [each for each in case.mine.elements if not math.isfinite(each.autograd)]
    if not bad:
        return None
    first = bad[0]
    smooth = not (first.kink or first.edge) and first.truncation <= abs(first.difference) + first.tolerance
    slope = f" and finite differences have {first.difference:.6g}" if smooth else ""
    return Fault(
        "not a number",
        case.name,
        f"autograd has {first.autograd:g} at {indexed(case.name, first.index)}, though the value is finite{slope}",
        "a branch that is not taken, as of torch.where, has a gradient that is infinite, and 0 times infinity is NaN: "
        "give that branch arguments that it is finite for, as by torch.where(x > 0, x, 1) inside it; at a square root "
        "or a norm of 0, add a small number inside the root.",
    )


def _kink(case: WrongGradient) -> Fault | None:
    worst = case.mine.check.worst
    if not worst.kink:
        return None
    return Fault(
        "kink",
        case.name,
        f"the function is not differentiable near here: at {indexed(case.name, worst.index)} the slope is "
        f"{worst.left:.6g} from the left and {worst.right:.6g} from the right, and autograd has {worst.autograd:.6g}, "
        "which is not between them",
        "return a value between the two slopes there.",
    )


def _overwritten(case: WrongGradient) -> Fault | None:
    if not case.autograd.changed:
        return None
    names = ", ".join(case.autograd.changed)
    events = [each for each in case.autograd.events if each.kind == "in place"]
    where = events[0].where if events else ""
    what = f" by {events[0].what}" if events else ""
    return case.fault(
        "overwritten in place",
        f"the function changes {names} in place{what}, and the backward pass reads the new values",
        "write y = x * 2 instead of x.mul_(2), or save a copy for the backward pass before the change.",
        where,
    )


def _cut(case: WrongGradient) -> Fault | None:
    for event in case.autograd.events:
        found = cut_by(case, event)
        if found is not None:
            return found
    return None


def cut_by(case: WrongGradient, event: FunctionEvent) -> Fault | None:
    """Return the fault that an event of cutting a graph means."""
    updated = case.point.subject.updated() if event.kind == "no grad" else []
    if updated:
        return case.fault(
            "detached",
            f"{event.what} cuts the graph: the result depends on {updated[0]}, which every call updates there",
            "check the module after .eval(), or until the update has settled: its gradient is right only there.",
            event.where,
        )
    if event.kind in ("cut", "no grad"):
        return case.fault(
            "detached",
            f"{event.what} cuts the graph: what goes through it counts as a constant",
            "leave it out, unless the gradient is meant to stop there.",
            event.where,
        )
    if event.kind == "step":
        return case.fault(
            "not differentiable",
            f"{event.what} is constant but for jumps, so no gradient goes through it",
            "replace it by a smooth function in training, such as a sigmoid or a softmax; or give it a gradient on "
            "purpose, and check that it is the one that you want.",
            event.where,
        )
    return None


def _nothing(case: WrongGradient) -> Fault | None:
    if bool((case.gradient != 0).any()):
        return None
    none = case.autograd.gradients[case.name] is None
    if case.is_function:
        return case.fault(
            "no gradient",
            f"backward returns {'None' if none else 'zeros'} for {case.name}, on which the result depends",
            "return its gradient, in the place of the argument.",
        )
    return case.fault(
        "detached",
        f"autograd has {'no path from' if none else 'zeros for'} {case.name}, on which the result depends",
        "look for .data, NumPy, torch.tensor(…) and whatever else leaves the graph.",
    )


def _swapped(case: WrongGradient) -> Fault | None:
    for name, other in case.compared.items():
        theirs = case.autograd.gradients[name]
        if name == case.name or theirs is None or other.check.ok:
            continue
        if theirs.shape != case.point.base[case.name].shape or other.places != case.mine.places:
            continue
        back = differences_of(other, case.places)
        if case.explained(other.gradient[case.places]) and _alike(back, case.gradient):
            return case.fault(
                "swapped",
                f"the gradients of {case.name} and {name} are in each other's place",
                "return them in the order of the arguments.",
            )
    return None


def _factor(case: WrongGradient) -> Fault | None:
    g, d = case.gradient, case.difference
    if not bool((g != 0).any()):
        return None
    factor = float(d @ g / (g @ g))
    if not case.explained(g * factor):
        return None
    said = _fraction(factor)
    if len(g) == 1 and not said:
        return None
    if said == "-1":
        return case.fault("wrong sign", "the gradient has the wrong sign", "change its sign.")
    meaning = _meaning(case, factor)
    return case.fault(
        "missing factor",
        f"the gradient lacks the factor {said or f'{factor:.6g}'}{meaning}",
        f"multiply it by {said or f'{factor:.6g}'}.",
    )


def _meaning(case: WrongGradient, factor: float) -> str:
    """Return what a factor may be: the number of rows or of elements."""
    shape = case.point.base[case.name].shape
    for number, what in (
        (shape[0] if shape else 0, "the number of rows"),
        (shape.numel(), "the number of elements"),
    ):
        if number > 2:
            for value, said in ((1.0 / number, f", 1 over {what}"), (float(number), f", {what}")):
                if abs(factor - value) < CLOSE * abs(value):
                    return said
    return ""


def _fraction(value: float) -> str:
    """Return a number as a fraction of small whole numbers; empty if it is none.

    Example:
        >>> _fraction(2.0000000001), _fraction(-1 / 3), _fraction(0.1234567)
        ('2', '-1/3', '')
    """
    near = Fraction(value).limit_denominator(SIMPLE)
    return str(near) if near and abs(float(near) - value) <= CLOSE * abs(value) else ""


def _times_tensor(case: WrongGradient) -> Fault | None:
    g = case.gradient
    for what, factor in _factors(case):
        values = factor.reshape(-1)[case.places]
        if bool(values.isfinite().all()) and case.explained(g * values):
            is_chain = what == "the incoming gradient"
            return case.fault(
                "chain rule" if is_chain else "missing factor",
                "the incoming gradient (grad_output) is not multiplied in: the chain rule is missing"
                if is_chain
                else f"the gradient lacks the factor {what}",
                f"multiply it by {'grad_output' if is_chain else what}.",
            )
    return None


CHANGES: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("{}", lambda q: q),
    ("-{}", lambda q: -q),
    ("2 * {}", lambda q: 2 * q),
    ("{}**2", lambda q: q * q),
    ("1 / {}", lambda q: 1 / q),
    ("1 / {}**2", lambda q: 1 / (q * q)),
    ("(1 - {})", lambda q: 1 - q),
    ("(1 + {})", lambda q: 1 + q),
    ("(1 - {}**2)", lambda q: 1 - q * q),
)


def _factors(case: WrongGradient) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors of the shape of the gradient that may be missing as a factor."""
    shape = case.point.base[case.name].shape
    point = case.point
    if point.outputs.numel() == shape.numel():
        yield "the incoming gradient", point.cotangent.reshape(shape)
        yield "1 / grad_output", 1 / point.cotangent.reshape(shape)
    named: list[tuple[str, Tensor]] = [(name, each) for name, each in point.base.items()]
    if point.outputs.numel() == shape.numel():
        named.append(("result", point.outputs.reshape(shape)))
    for name, tensor in named:
        try:
            wide = torch.broadcast_to(tensor, shape)
        except RuntimeError:
            continue
        for text, change in CHANGES:
            yield text.format(name), change(wide)


def _transposed(case: WrongGradient) -> Fault | None:
    shape = case.point.base[case.name].shape
    if len(shape) != 2 or shape[0] != shape[1]:
        return None
    turned = case.mine.gradient.reshape(shape).T.reshape(-1)[case.places]
    if not case.explained(turned):
        return None
    return case.fault("transposed", "the gradient is transposed", "transpose it.")


def _diagonal(case: WrongGradient) -> Fault | None:
    """Whether only the diagonal of the Jacobian was multiplied with, as in a softmax without its mixed terms."""
    point, tensor = case.point, case.point.base[case.name]
    if point.outputs.numel() != tensor.numel() or tensor.numel() > MOST_DIAGONAL or tensor.numel() < 2:
        return None
    found: list[float] = []
    for place in case.places:
        alone = torch.zeros_like(point.cotangent)
        alone[place] = point.cotangent[place]
        only = CheckedPoint(point.subject, point.base, alone, point.outputs, point.changes)
        found.append(derivative(only.element(case.name, place), point.scale(case.name)).value)
    if not _alike(torch.tensor(found, dtype=torch.float64), case.gradient):
        return None
    return case.fault(
        "missing terms",
        f"an element of the result depends on other elements of {case.name}, too, and these terms are missing: "
        "only the diagonal of the Jacobian is used",
        "sum over all elements of the result: for a softmax p that is p * (grad - (grad * p).sum()).",
    )


def _alike(one: Tensor, other: Tensor) -> bool:
    size = max(float(one.abs().max()), float(other.abs().max()))
    return size > 0 and float((one - other).abs().max()) <= CLOSE * size


_MODIFIED = re.compile(r"output \d+ of (\w+)")


def of_error(error: RuntimeError, names: Iterable[str]) -> Fault:
    """Return the fault that an exception of autograd means."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    events: list[FunctionEvent] = getattr(error, "events", [])
    places = list(names)
    if "inplace operation" in text or "in-place operation" in text:
        changes = [each for each in events if each.kind == "in place"]
        made = _MODIFIED.search(text)
        named = [each for each in changes if made and each.operation == made[1]] or changes
        by = f" by {named[0].what}" if named else ""
        of = f" of {made[1]}" if made else ""
        return Fault(
            "overwritten in place",
            "",
            f"a value that the backward pass needs, the result{of}, is changed in place{by}",
            "write y = y + 1 instead of y += 1 or y.add_(1).",
            named[0].where if named else "",
        )
    shape = re.search(
        r"returned an invalid gradient at index (\d+) - got (\[.*?\]) but expected shape.*?(\[.*?\])", text
    )
    if shape:
        place = int(shape[1])
        name = places[place] if place < len(places) else ""
        if shape[2] == f"[{', '.join(reversed(shape[3][1:-1].split(', ')))}]":
            return Fault(
                "transposed",
                name,
                f"the gradient of {name} is transposed: it has the shape {shape[2]}",
                "transpose it.",
            )
        return Fault(
            "wrong shape",
            name,
            f"backward returns a gradient of shape {shape[2]} for {name or f'argument {place}'}, which has the shape "
            f"{shape[3]}",
            "give it the shape of the argument: sum over the axes that were broadcast.",
        )
    count = re.search(r"returned an incorrect number of gradients \(expected (\d+), got (\d+)\)", text)
    if count:
        return Fault(
            "no gradient",
            "",
            f"backward returns {count[2]} gradients for {count[1]} arguments of forward",
            "return one for every argument, None for those that need none.",
        )
    return Fault("backward fails", "", f"the backward pass fails: {text}", "mend the error first.")
