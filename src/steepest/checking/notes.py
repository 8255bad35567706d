"""What is worth knowing of a check that is no fault."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steepest.checking.gradients import Autograd, CheckedPoint, Compared
from steepest.checking.matrices import Matrices
from steepest.checking.result import indexed
from steepest.wording import counted, first_few

UNLIKE = 1e9
"""Of outputs whose sizes are further apart, the small ones are below the rounding errors of the large ones."""


def padding(module: nn.Module | None, notes: list[str]) -> dict[str, Tensor]:
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


def notes_on(point: CheckedPoint, autograd: Autograd, compared: dict[str, Compared]) -> list[str]:
    """Return notes on a check: what has no influence, where there is no derivative, what cannot be seen."""
    notes = _unlike(point)
    unused = [
        name
        for name, each in compared.items()
        if each.check.ok and autograd.gradients[name] is None and each.check.worst.difference == 0
    ]
    if unused:
        notes.append(f"without influence on the result here: {first_few(unused)}")
    for name, each in compared.items():
        notes += _rough(name, each)
    narrow = [each for each in autograd.events if each.kind == "narrow"]
    if narrow:
        notes.append(
            f"{narrow[0].what} leaves few digits of 64 bits ({narrow[0].where}): finite differences are less exact "
            "for it"
        )
    return notes


def _unlike(point: CheckedPoint) -> list[str]:
    """Return a note where the outputs are of sizes so unlike that the small ones vanish in the combination."""
    sizes = (point.cotangent * point.outputs).abs()
    sizes = sizes[sizes > 0]
    if len(sizes) < 2 or float(sizes.max()) < UNLIKE * float(sizes.min()):
        return []
    return [
        f"outputs are of unlike size, up to {float(point.outputs.abs().max()):.2g}: a wrong derivative of the small "
        "ones does not show beside the large ones; check them alone, too"
    ]


def _rough(name: str, compared: Compared) -> list[str]:
    """Return notes on where a function is not differentiable, or cannot be checked."""
    notes: list[str] = []
    kinks = [each for each in compared.elements if each.kink and each.ok]
    if kinks:
        first = kinks[0]
        notes.append(
            f"not differentiable near here: {counted(len(kinks), 'element')} of {name} at a kink or within "
            f"{first.step:.0e} of it: at {indexed(name, first.index)} the slope is {first.left:.4g} from the left and "
            f"{first.right:.4g} from the right; autograd has {first.autograd:.4g}"
        )
    edges = [each for each in compared.elements if each.edge and each.ok]
    if edges:
        notes.append(
            f"not differentiable here: {counted(len(edges), 'element')} of {name} at the edge of where the function "
            f"has values, such as {indexed(name, edges[0].index)}; not checked there"
        )
    if compared.undecided:
        worst = max(compared.elements, key=lambda each: abs(each.autograd))
        notes.append(
            f"not decided: at {indexed(name, worst.index)} autograd has {worst.autograd:.4g}, and finite differences "
            f"have {worst.difference:.4g} with an error of up to {worst.tolerance:.1g}: rounding errors of the "
            "function hide its derivative; check it at other inputs, or without its large terms"
        )
    return notes


def second(matrices: Matrices) -> list[str]:
    """Return the note that second derivatives are wrong or not finite, where they are."""
    if matrices.first_bad is not None:
        return [
            f"second derivatives are not shown: the Hessian has {matrices.first_bad:g} here, as of a root or a power "
            "at 0; Newton's method and penalties on gradients would not work"
        ]
    if matrices.right:
        return []
    return [
        "the gradient is right, but its derivative is not, which Newton's method and penalties on gradients need: u·Hv "
        f"is {matrices.by_product:.6g} by autograd and {matrices.by_difference:.6g} ± {matrices.tolerance:.1g} by "
        "differences of the gradient; in backward, use only arguments and results of forward as ctx.saved_tensors has "
        "them, and operations that can be differentiated"
    ]
