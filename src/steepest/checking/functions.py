"""The check of a function: its gradient, its precision in 32 bits, and whether it is continuous."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from steepest.checking.causes import Case, of_error, why
from steepest.checking.differences import noise_of
from steepest.checking.gradients import (
    AT_ZERO,
    Autograd,
    Compared,
    Point,
    by_autograd,
    compare,
    gradients_of,
    same,
)
from steepest.checking.inputs import shown
from steepest.checking.matrices import Matrices, matrices_of
from steepest.checking.result import Fault, GradientCheck, indexed
from steepest.checking.subject import Subject
from steepest.checking.watching import DigitLoss, Event
from steepest.rng import stream
from steepest.wording import counted, first_few

LINES = 3
PIECES = 64
"""A line through the point is looked at in so many pieces."""
HALVINGS = 45
JUMP = 1e-3
"""A jump is at least this share of what the function varies along the line."""
WRONG = 1e-3
"""The error of a gradient in 32 bits, as a share of the largest effect of a tensor, above which its digits are lost."""


def check_function(subject: Subject) -> GradientCheck:
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


def _checked(subject: Subject) -> GradientCheck:
    point = Point.of(subject)
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
    notes: list[str] = []
    left_out = _padding(subject.module, notes)
    compared = {
        name: compare(point, name, autograd.gradients[name], left_out.get(name)) for name in point.base
    }
    faults = [
        why(Case(point, autograd, compared, name)) for name, each in compared.items() if not each.check.ok
    ]
    faults = _once(faults)
    if not faults:
        faults += [*_jumps(point, autograd.events), *_narrow(point, autograd)]
    notes += _notes(autograd, compared)
    smooth = not any(element.kink for each in compared.values() for element in each.elements)
    narrow = any(each.kind == "narrow" for each in autograd.events)
    matrices = matrices_of(point, left_out) if smooth and not narrow and not faults else None
    if matrices is not None and not matrices.right:
        notes.append(_second(matrices))
    tensors = tuple(each.check for each in compared.values())
    return replace(about, tensors=tensors, faults=tuple(faults), notes=tuple(notes), matrices=matrices)


def _second(matrices: Matrices) -> str:
    return (
        "the gradient is right, but its derivative is not, which Newton's method and penalties on gradients need: u·Hv "
        f"is {matrices.by_product:.6g} by autograd and {matrices.by_difference:.6g} ± {matrices.tolerance:.1g} by "
        "differences of the gradient; in backward, use only arguments and results of forward as "
        "ctx.saved_tensors has them, and operations that can be differentiated"
    )


def _once(faults: Sequence[Fault]) -> list[Fault]:
    """Return faults without those that blame the same line for the same thing."""
    found: dict[tuple[str, str], Fault] = {}
    for each in faults:
        place = each.where or ("" if each.cause == "swapped" else each.tensor)
        found.setdefault((each.cause, place), each)
    return list(found.values())


def _early(point: Point) -> Fault | None:
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


def _padding(module: nn.Module | None, notes: list[str]) -> dict[str, Tensor]:
    """Return where parameters have no gradient on purpose: the rows of padding in embeddings."""
    found: dict[str, Tensor] = {}
    for name, each in module.named_modules() if module is not None else ():
        if isinstance(each, nn.Embedding | nn.EmbeddingBag) and each.padding_idx is not None:
            where = torch.zeros(each.weight.shape, dtype=torch.bool)
            where[each.padding_idx] = True
            weight = f"{name}.weight" if name else "weight"
            found[weight] = where
            notes.append(
                f"{weight}[{each.padding_idx}] is padding, which has no gradient on purpose: left out"
            )
    return found


def _notes(autograd: Autograd, compared: dict[str, Compared]) -> list[str]:
    notes: list[str] = []
    unused = [
        name
        for name, each in compared.items()
        if each.check.ok and autograd.gradients[name] is None and each.check.worst.difference == 0
    ]
    if unused:
        notes.append(f"without influence on the result here: {first_few(unused)}")
    for name, each in compared.items():
        kinks = [element for element in each.elements if element.kink and element.ok]
        if kinks:
            first = kinks[0]
            notes.append(
                f"{counted(len(kinks), 'element')} of {name} at a kink: at {indexed(name, first.index)} the slope is "
                f"{first.left:.4g} from the left and {first.right:.4g} from the right; autograd has "
                f"{first.autograd:.4g}"
            )
    narrow = [each for each in autograd.events if each.kind == "narrow"]
    if narrow:
        notes.append(
            f"{narrow[0].what} makes 32 bits of 64 ({narrow[0].where}): finite differences are less exact for it"
        )
    return notes


def _jumps(point: Point, events: list[Event]) -> list[Fault]:
    """Return the fault that the function is not continuous, where a line through the point crosses a jump."""
    draw = stream(0, "data", 1)
    for _ in range(LINES):
        directions = {
            name: torch.from_numpy(draw.normal(size=tuple(each.shape))) * point.scale(name)
            for name, each in point.base.items()
        }

        def along(t: float, directions: dict[str, Tensor] = directions) -> float:
            return point.value({name: point.base[name] + each * t for name, each in directions.items()})

        found = _jump(along)
        if found is not None:
            at, before, after = found
            steps = [each for each in events if each.kind == "step"]
            where = steps[0].where if steps else ""
            by = f"; {steps[0].what} is constant but for jumps" if steps else ""
            return [
                Fault(
                    "not differentiable",
                    "",
                    f"the function jumps from {before:.6g} to {after:.6g} on a line through the point, at {at:.3g} of "
                    f"the tensors' size{by}: no gradient sees that",
                    "make the branch or the rounding continuous in training, as by a sigmoid in place of a comparison.",
                    where,
                )
            ]
    return []


def _jump(along: Callable[[float], float]) -> tuple[float, float, float] | None:
    """Return where a function of one number jumps between -1 and 1, and the values on both sides."""
    places = [-1 + 2 * i / PIECES for i in range(PIECES + 1)]
    values = [along(t) for t in places]
    if not all(map(math.isfinite, values)):
        return None
    first = max(range(PIECES), key=lambda i: abs(values[i + 1] - values[i]))
    low, high, below, above = places[first], places[first + 1], values[first], values[first + 1]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        value = along(middle)
        if abs(value - below) > abs(above - value):
            high, above = middle, value
        else:
            low, below = middle, value
    height = abs(above - below)
    if height <= JUMP * (max(values) - min(values)) or height <= 1e6 * noise_of(along):
        return None
    return low, below, above


def _narrow(point: Point, autograd: Autograd) -> list[Fault]:
    """Return the fault that the gradient has few right digits in 32 bits, as a network is trained."""
    rounded = {name: each.float().double() for name, each in point.base.items()}
    subject = point.subject
    if any(each.kind == "narrow" for each in autograd.events):
        return []
    try:
        wide = by_autograd(Point(subject, rounded, point.cotangent, point.outputs, point.changes))
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
