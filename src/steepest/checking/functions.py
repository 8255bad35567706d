"""The check of a function: its gradient, its precision in 32 bits, and whether it is continuous."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Sequence
from dataclasses import replace

import torch

from steepest.checking.causes import WrongGradient, of_error, why
from steepest.checking.gradients import (
    AT_ZERO,
    Autograd,
    CheckedPoint,
    by_autograd,
    compare,
    gradients_of,
    same,
)
from steepest.checking.inputs import shown
from steepest.checking.jumps import jumps
from steepest.checking.matrices import matrices_of
from steepest.checking.notes import notes_on, padding, second
from steepest.checking.result import Fault, GradientCheck
from steepest.checking.subject import CheckedFunction
from steepest.checking.watching import DigitLoss

WRONG = 1e-3
"""The error of a gradient in 32 bits, as a share of the largest effect of a tensor, above which its digits are lost."""


def check_function(subject: CheckedFunction) -> GradientCheck:
    """Return what is right and wrong with a function's derivatives.

    Example:
        >>> from steepest.checking.subject import open_subject
        >>> found = check_function(open_subject("huber(0.5)"))
        >>> found.ok, [(each.name, each.checked) for each in found.tensors]
        (True, [('outputs', 4), ('target', 4)])
    """
    with _one_thread():
        return _checked(subject)


@contextlib.contextmanager
def _one_thread() -> Generator[None]:
    """Let torch use one thread: several would wait for each other at every one of thousands of small evaluations."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _checked(subject: CheckedFunction) -> GradientCheck:
    point = CheckedPoint.of(subject)
    about = GradientCheck(
        title=subject.title,
        kind=subject.kind,
        inputs=f"{shown(subject.inputs)} ({subject.inputs_from})" if subject.inputs else "none",
        outputs=point.outputs.numel(),
        value=float(point.cotangent @ point.outputs),
    )
    fault = _early(point)
    if fault is not None:
        return replace(about, faults=(fault,))
    try:
        autograd = by_autograd(point)
    except RuntimeError as error:
        return replace(about, faults=(of_error(error, subject.inputs),))
    point.changes = bool(autograd.changed)
    point.precision = max((each.precision for each in autograd.events), default=0.0)
    notes = list(subject.notes)
    left_out = padding(subject.module, notes)
    compared = {
        name: compare(point, name, autograd.gradients[name], left_out.get(name)) for name in point.base
    }
    faults = [
        why(WrongGradient(point, autograd, compared, name))
        for name, each in compared.items()
        if not each.check.ok
    ]
    faults = _once(faults)
    if not faults:
        faults += [*jumps(point, autograd.events), *_narrow(point, autograd)]
    notes += notes_on(point, autograd, compared)
    smooth = not any(element.kink or element.edge for each in compared.values() for element in each.elements)
    narrow = any(each.kind == "narrow" for each in autograd.events)
    matrices = matrices_of(point, left_out) if smooth and not narrow and not faults else None
    notes += second(matrices) if matrices is not None else []
    if matrices is not None and matrices.first_bad is not None:
        matrices = None
    tensors = tuple(each.check for each in compared.values())
    return replace(about, tensors=tensors, faults=tuple(faults), notes=tuple(notes), matrices=matrices)


def _once(faults: Sequence[Fault]) -> list[Fault]:
    """Return faults without those that blame the same line for the same thing."""
    found: dict[tuple[str, str], Fault] = {}
    for each in faults:
        place = each.where or ("" if each.cause == "swapped" else each.tensor)
        found.setdefault((each.cause, place), each)
    return list(found.values())


def _early(point: CheckedPoint) -> Fault | None:
    """Return what makes a comparison of derivatives meaningless."""
    if not bool(point.outputs.isfinite().all()):
        bad = point.outputs[~point.outputs.isfinite()][0]
        return Fault(
            "not a number",
            "",
            f"the function returns {float(bad):g} at its inputs",
            "check it at other inputs.",
        )
    again = point.subject.outputs({name: each.clone() for name, each in point.base.items()}).detach().double()
    if not same(again, point.outputs):
        return Fault(
            "random",
            "",
            f"two evaluations at the same point differ by {float((again - point.outputs).abs().max()):.3g}: the "
            "function draws random numbers, or remembers something",
            "draw from torch's default generator, which is held here, or give the random numbers as an input.",
        )
    return None


def _narrow(point: CheckedPoint, autograd: Autograd) -> list[Fault]:
    """Return the fault that the gradient has few right digits in 32 bits, as a network is trained."""
    rounded = {name: each.float().double() for name, each in point.base.items()}
    subject = point.subject
    if any(each.kind == "narrow" for each in autograd.events):
        return []
    try:
        wide = by_autograd(CheckedPoint(subject, rounded, point.cotangent, point.outputs, point.changes))
        leaves = {name: each.float().requires_grad_(True) for name, each in rounded.items()}
        outputs = subject.outputs({name: each.clone() for name, each in leaves.items()})
        total = (point.cotangent.to(outputs.dtype) * outputs).sum()
        some = gradients_of(total, leaves)
    except RuntimeError:
        return []
    sizes = {name: float(each.square().mean().sqrt()) or AT_ZERO for name, each in rounded.items()}
    effects = {
        name: float(each.double().abs().max()) * sizes[name]
        for name, each in wide.gradients.items()
        if each is not None and each.numel()
    }
    largest = max(effects.values(), default=0.0)
    worst, error = "", 0.0
    for name, narrow in some.items():
        right = wide.gradients[name]
        if right is None or narrow is None or not narrow.numel():
            continue
        gap = float((narrow.double() - right).abs().max()) * sizes[name]
        share = gap / largest if largest > 0 else 0.0
        if not share <= error:
            worst, error = name, share
    if error <= WRONG:
        return []
    with DigitLoss() as lost:
        subject.outputs({name: each.clone() for name, each in rounded.items()})
    return [_digits(worst, error, lost)]


def _digits(name: str, error: float, watch: DigitLoss) -> Fault:
    lost = watch.found
    right = "is not finite" if not math.isfinite(error) else f"is wrong by {error:.2g} of its size"
    head = f"in 64 bits the gradient is right, in 32 bits that of {name} {right}"
    cancelled = max((each for each in lost if not each.absorbed), key=lambda each: each.digits, default=None)
    absorbed = max((each for each in lost if each.absorbed), key=lambda each: each.digits, default=None)
    if watch.largest > torch.finfo(torch.float32).max:
        return Fault(
            "float32 overflow",
            name,
            f"{head}: a number on the way is larger than 3.4e38",
            "use the functions that avoid it: log_softmax, logsumexp, softplus, logsigmoid.",
        )
    if cancelled is not None and (absorbed is None or cancelled.digits >= 3):
        a, b = cancelled.operands
        return Fault(
            "float32 cancellation",
            name,
            f"{head}: {a:.9g} {cancelled.operation} {_signed(b)} = {cancelled.result:.6g} cancels "
            f"{cancelled.digits:.0f} of the 7 digits of 32 bits",
            "rewrite the difference: expm1, log1p, (x - x.mean()).square().mean() for a variance, a - b as (a² - b²) / "
            "(a + b).",
            cancelled.where,
        )
    if absorbed is not None:
        a, b = absorbed.operands
        return Fault(
            "float32 cancellation",
            name,
            f"{head}: {a:.9g} {absorbed.operation} {_signed(b)} leaves nothing of the smaller number in 32 bits",
            "use log1p(x) for log(1 + x), or add small numbers first.",
            absorbed.where,
        )
    return Fault(
        "float32 rounding", name, f"{head}, by rounding errors that add up", "compute this part in float64."
    )


def _signed(value: float) -> str:
    return f"({value:.9g})" if value < 0 else f"{value:.9g}"
