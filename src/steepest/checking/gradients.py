r"""The gradient of a function by autograd against finite differences, number by number.

A function that returns several numbers :math:`o` is checked through :math:`s = u \cdot o` with a random :math:`u`,
whose gradient is :math:`J^\top u`: an error in any row of the Jacobian shows. Of a large tensor some elements are
checked one by one, and all together along random directions :math:`v`, by :math:`\nabla s \cdot v`; where a direction
disagrees, halving it finds an element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.checking.differences import SAFETY, FiniteDifference, derivative, noise_of
from steepest.checking.result import Element, TensorCheck
from steepest.checking.subject import CheckedFunction
from steepest.checking.watching import FunctionEvent, watched
from steepest.rng import stream

MOST = 32
"""Elements of a tensor that are checked one by one: enough for every number of a small layer, few enough that a network
takes seconds."""
RELATIVE = 1e-9
"""What autograd itself may round of a derivative, as a share of it: a million times the rounding of one operation, and
far below any mistake in a formula."""
OF_LARGEST = 1e-12
"""The same as a share of the tensor's largest derivative, of which a small one may be what is left after terms cancel.
It is smaller, so that a small derivative is still checked beside a large one."""
AT_ZERO = 0.1
"""The size of a tensor of zeros: biases begin as zeros, and what they are added to is rarely smaller."""
UNDECIDED = 0.1
"""A comparison says nothing where its tolerance is above this share of the tensor's largest derivative."""
OWN_BACKWARD = "autograd function"
"""The kind of what has a backward pass that a person wrote."""


@dataclass
class CheckedPoint:
    """A function at the tensors where it is checked.

    Attributes:
        subject: the function.
        base: the tensors.
        cotangent: what the outputs are multiplied with; 1 where there is one.
        outputs: what it returns there.
        changes: whether it changes tensors that it is given.
        precision: of the coarsest type that it computes in; 0 where that is the one of the tensors.
    """

    subject: CheckedFunction
    base: dict[str, Tensor]
    cotangent: Tensor
    outputs: Tensor
    changes: bool = False
    precision: float = 0.0

    @classmethod
    def of(cls, subject: CheckedFunction) -> CheckedPoint:
        """Return a function at its own tensors."""
        outputs = subject.outputs({name: each.clone() for name, each in subject.tensors.items()})
        outputs = outputs.detach().double()
        count = outputs.numel()
        draw = stream(0, "data").normal(size=count)
        cotangent = torch.ones(1, dtype=torch.float64) if count == 1 else torch.from_numpy(draw)
        return cls(subject, dict(subject.tensors), cotangent, outputs)

    def value(self, moved: Mapping[str, Tensor]) -> float:
        """Return the function where some tensors are others."""
        tensors = {**self.base, **moved}
        if self.changes:
            tensors = {name: each.clone() for name, each in tensors.items()}
        return float(self.cotangent @ self.subject.outputs(tensors).detach().double())

    def along(self, name: str, direction: Tensor) -> Callable[[float], float]:
        """Return the function of the distance by which a tensor is moved in a direction."""
        start = self.base[name]
        return lambda distance: self.value({name: start + direction * distance})

    def element(self, name: str, place: int) -> Callable[[float], float]:
        """Return the function of the distance by which one number of a tensor is moved."""
        start = self.base[name]
        index = np.unravel_index(place, start.shape)  # whatever order they have in memory

        def moved(distance: float) -> float:
            values = start.clone()
            values[index] += distance
            return self.value({name: values})

        return moved

    def scale(self, name: str) -> float:
        """Return the size of a tensor's numbers, over which the function changes markedly."""
        size = float(self.base[name].square().mean().sqrt())
        return size if size > 0 else AT_ZERO

    def sizes(self, name: str) -> Tensor:
        """Return the size of each number of a tensor; of zeros that of the tensor."""
        size = self.base[name].abs()
        return torch.where(size > 0, size, self.scale(name))


@dataclass(frozen=True)
class Autograd:
    """What autograd makes of a function.

    Attributes:
        gradients: by the name of a tensor; None where it has none.
        events: what the function did on the way.
        changed: names of the tensors that it changed in place.
    """

    gradients: dict[str, Tensor | None]
    events: list[FunctionEvent]
    changed: list[str]


def by_autograd(point: CheckedPoint) -> Autograd:
    """Return the gradients by autograd.

    Raises:
        RuntimeError: whatever autograd complains about.
    """
    leaves = {name: each.clone().requires_grad_(True) for name, each in point.base.items()}
    given = {name: each.clone() for name, each in leaves.items()}
    outputs, events = watched(lambda: point.subject.outputs(given))
    changed = [name for name, each in given.items() if not same(each.detach(), point.base[name])]
    if not outputs.requires_grad:
        return Autograd(dict.fromkeys(leaves), events, changed)
    total = (point.cotangent.to(outputs.dtype) * outputs).sum()
    try:
        return Autograd(gradients_of(total, leaves), events, changed)
    except RuntimeError as error:
        error.events = events  # pyright: ignore[reportAttributeAccessIssue]
        raise


def gradients_of(total: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """Return the gradients of a number by tensors; None where it does not depend on one."""
    found: Any = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    dense = [each.to_dense() if each is not None and each.is_sparse else each for each in found]
    return dict(zip(leaves, dense, strict=True))


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same numbers; NaN is NaN."""
    return one.shape == other.shape and bool(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True))


@dataclass
class Compared:
    """A tensor's derivatives, number by number.

    Attributes:
        check: what is said of it.
        places: the elements that were checked, as places in the flattened tensor.
        elements: what was found of each.
        gradient: by autograd, flattened; zeros where there is none.
    """

    check: TensorCheck
    places: list[int]
    elements: list[Element]
    gradient: Tensor

    @property
    def undecided(self) -> bool:
        """Whether finite differences are too inexact here to say anything of the larger derivatives."""
        most = UNDECIDED * self.check.largest
        exact = [each.tolerance <= most for each in self.elements if not each.kink and not each.edge]
        return self.check.largest > 0 and bool(exact) and not any(exact)


def compare(
    point: CheckedPoint, name: str, gradient: Tensor | None, left_out: Tensor | None = None
) -> Compared:
    """Return a tensor's derivatives by autograd against finite differences.

    Args:
        point: the function.
        name: of the tensor.
        gradient: by autograd; None where it has none.
        left_out: where its numbers have no gradient on purpose.
    """
    tensor = point.base[name]
    flat = (
        torch.zeros(tensor.numel(), dtype=torch.float64)
        if gradient is None
        else gradient.double().reshape(-1)
    )
    finite = flat[flat.isfinite()]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    scale = point.scale(name)
    draw = stream(0, "data", len(name), tensor.numel())
    free = torch.ones(tensor.shape, dtype=torch.bool) if left_out is None else ~left_out
    places = free.reshape(-1).nonzero()[:, 0].tolist()
    signs = torch.from_numpy(draw.choice([-1.0, 1.0], tensor.numel())).reshape(tensor.shape) * free
    noise = noise_of(point.along(name, signs * point.sizes(name)))
    noise = max(noise, point.precision * float((point.cotangent * point.outputs).norm()) / 2)
    chosen = places if len(places) <= MOST else sorted(draw.choice(places, MOST, replace=False).tolist())

    def element(place: int) -> Element:
        size = max(scale, abs(float(tensor.reshape(-1)[place])))
        estimate = derivative(point.element(name, place), size, noise)
        index = tuple(int(each) for each in np.unravel_index(place, tensor.shape))
        strict = point.subject.kind == OWN_BACKWARD
        return _element(index, float(flat[place]), estimate, largest, strict)

    elements = [element(place) for place in chosen]
    if len(chosen) < len(places) and all(each.ok for each in elements):
        # By the same distance, which the large derivatives decide, and by the same share, which the others decide, too.
        for sizes in (torch.full_like(tensor, scale), point.sizes(name)):
            signs = torch.from_numpy(draw.choice([-1.0, 1.0], tensor.numel()))
            direction = signs * free.reshape(-1) * sizes.reshape(-1)
            found = _search(point, name, flat, direction, places, largest, noise)
            if found is not None:
                chosen.append(found)
                elements.append(element(found))
                break
    worst = max(elements, key=_share, default=_nothing())
    wrong = sum(not each.ok for each in elements)
    check = TensorCheck(name, tuple(tensor.shape), len(elements), wrong, worst, largest)
    return Compared(check, chosen, elements, flat)


def _nothing() -> Element:
    return Element((), 0.0, 0.0, 0.0, 0.0, 0.0, "no element is checked", 0.0, 0.0, 0.0)


def _share(element: Element) -> float:
    """Return a gap as a share of its tolerance."""
    if element.ok:
        return element.gap / element.tolerance if element.gap else 0.0
    share = element.gap / element.tolerance if element.tolerance else math.inf
    return math.inf if math.isnan(share) else share


def _element(
    index: tuple[int, ...], autograd: float, estimate: FiniteDifference, largest: float, strict: bool
) -> Element:
    """Return an element; at a kink only a person's own backward is held to lie between the two slopes."""
    tolerance = (
        SAFETY * estimate.error
        + RELATIVE * max(_finite(autograd), _finite(estimate.value))
        + OF_LARGEST * largest
    )
    why = (
        f"{SAFETY:g} times the estimated error of the difference (truncation {estimate.truncation:.1g}, rounding "
        f"{estimate.rounding:.1g}) plus {RELATIVE:g} of the derivative and {OF_LARGEST:g} of the largest"
    )
    if estimate.edge and math.isfinite(autograd):
        tolerance, why = math.inf, "the function has no value on one side, and so no derivative"
    elif estimate.kink and not strict and math.isfinite(autograd):
        tolerance, why = (
            math.inf,
            "at a kink there is no derivative, and autograd takes one of several slopes",
        )
    return Element(
        index, autograd, estimate.value, estimate.truncation, estimate.rounding, tolerance, why, estimate.left,
        estimate.right, estimate.step, estimate.kink, estimate.edge,
    )  # fmt: skip


def _finite(value: float) -> float:
    return abs(value) if math.isfinite(value) else 0.0


def _search(
    point: CheckedPoint,
    name: str,
    flat: Tensor,
    direction: Tensor,
    places: list[int],
    largest: float,
    noise: float,
) -> int | None:
    """Return an element whose derivative is wrong, found by halving a direction; None if the direction is right."""
    if _agrees(point, name, flat, direction, places, largest, noise):
        return None
    while len(places) > 1:
        half = places[: len(places) // 2]
        places = places[len(half) :] if _agrees(point, name, flat, direction, half, largest, noise) else half
    return places[0]


def _agrees(
    point: CheckedPoint,
    name: str,
    flat: Tensor,
    direction: Tensor,
    places: list[int],
    largest: float,
    noise: float,
) -> bool:
    some = torch.zeros_like(direction)
    some[places] = direction[places]
    shape = point.base[name].shape
    estimate = derivative(point.along(name, some.reshape(shape)), 1.0, noise)
    rounding = RELATIVE * float((flat * some).norm()) + OF_LARGEST * largest * float(some.norm())
    if estimate.edge:
        return True
    low, high = sorted((estimate.left, estimate.right) if estimate.kink else (estimate.value,) * 2)
    tolerance = SAFETY * estimate.error + rounding
    return low - tolerance <= float(flat @ some) <= high + tolerance
