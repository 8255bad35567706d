"""Checks of gradients as lines of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.checking.result import Element, Fault, GradientCheck, TensorCheck
from steepest.wording import counted

MOST = 40
"""Tensors that are shown; of more, the wrong ones and the first."""


def lines(check: GradientCheck) -> list[str]:
    """Return a check as lines for a terminal: every tensor with its worst element, then faults and notes."""
    found = [f"{check.title} ({check.kind}) at {check.inputs}"]
    if check.outputs > 1:
        found.append(
            f"{check.outputs:,} outputs: what is differentiated is a random combination of them, {check.value:.6g}"
        )
    else:
        found.append(f"value {check.value:.10g}")
    if check.tensors:
        shown = list(check.tensors)
        if len(shown) > MOST:
            shown = [each for each in shown if not each.ok][:MOST] or shown[:MOST]
        head = ("", "worst at", "autograd", "differences", "gap", "tolerance", "")
        found += ["", *aligned([head, *(_row(each) for each in shown)], between="  ")]
        if len(shown) < len(check.tensors):
            found.append(f"  and {len(check.tensors) - len(shown)} more tensors")
        worst = [each for each in check.tensors if not each.ok] or [
            each for each in check.tensors if each.checked and math.isfinite(each.worst.tolerance)
        ]
        if worst:
            found += ["", f"tolerance of {worst[0].name}: {worst[0].worst.why}"]
    for fault in check.faults:
        found += ["", *_fault(fault)]
    for part in (check.matrices, check.timing):
        if part is not None:
            found += ["", *part.lines()]
    if check.notes:
        found += ["", *(f"note: {each}" for each in check.notes)]
    checked = sum(each.checked for each in check.tensors)
    agree = f"no fault: {counted(checked, 'derivative')} of {counted(len(check.tensors), 'tensor')} agree"
    several = ", ".join(dict.fromkeys(each.cause for each in check.faults))
    return [*found, "", agree if check.ok else f"{counted(len(check.faults), 'fault')}: {several}"]


def _row(check: TensorCheck) -> tuple[str, ...]:
    worst = check.worst
    size = math.prod(check.shape)
    some = "" if check.checked >= size else f" ({check.checked} of {size:,})"
    where = f"[{', '.join(map(str, worst.index))}]" if worst.index else ""
    verdict = "agree" if check.ok else f"{check.wrong} of {check.checked} wrong"
    if not check.checked:
        return f"{check.name}{some}", where, *("–",) * 4, "nothing to check"
    return (
        f"{check.name}{some}",
        where,
        f"{worst.autograd:.8g}",
        f"{worst.difference:.8g}",
        f"{worst.gap:.2g}",
        _tolerance(worst),
        ("edge" if worst.edge else "kink") if (worst.kink or worst.edge) and check.ok else verdict,
    )


def _tolerance(element: Element) -> str:
    return "–" if math.isinf(element.tolerance) else f"{element.tolerance:.2g}"


def _fault(fault: Fault) -> list[str]:
    of = f" in the derivative by {fault.tensor}" if fault.tensor else ""
    where = f", {fault.where}" if fault.where else ""
    return [f"fault: {fault.cause}{of}{where}", f"  {fault.text}", f"  Cure: {fault.cure}"]


def aligned(rows: Sequence[tuple[str, ...]], between: str = "   ") -> list[str]:
    """Return rows as lines with columns under each other.

    Example:
        >>> aligned([("a", "long"), ("bc", "d")])
        ['  a    long', '  bc   d']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + between.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
