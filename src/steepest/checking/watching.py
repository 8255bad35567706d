"""What a function does on the way to its result that can spoil derivatives: with the lines of a person's own code."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

from steepest.components.references import is_installed

CUTS = {
    "detach": ".detach()",
    "detach_": ".detach_()",
    "data": ".data",
    "item": ".item()",
    "numpy": ".numpy()",
    "tolist": ".tolist()",
    "__float__": "float(…)",
    "tensor": "torch.tensor(…)",
    "requires_grad_": ".requires_grad_(…)",
    "clone_detached": ".detach()",
}
"""Functions of torch whose results are cut off from the graph."""
STEPS = ("round", "sign", "sgn", "floor", "ceil", "trunc", "fix", "heaviside", "argmax", "argmin", "bucketize", "long",
         "int", "bool", "floor_divide", "gt", "lt", "ge", "le", "__gt__", "__lt__", "__ge__", "__le__", "__floordiv__",
         "searchsorted")  # fmt: skip
"""Functions that are constant but for jumps."""
NARROW = (torch.float32, torch.float16, torch.bfloat16)
NARROWING = {"float": torch.float32, "half": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class FunctionEvent:
    """Something that a function did.

    Attributes:
        kind: ``cut``, ``step``, ``no grad``, ``in place`` or ``narrow``.
        what: the operation as a person writes it.
        where: file and line of the person's code; empty where it has none.
        operation: what autograd calls the operation whose result was changed in place.
        precision: the distance from 1 to the next number of the type that numbers are made narrow to.
    """

    kind: str
    what: str
    where: str
    operation: str = ""
    precision: float = 0.0


def place() -> str:
    """Return the innermost line that belongs to neither torch nor this package, as ``file.py:3``."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith("<") and not is_installed(file):
            return f"{Path(file).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _in_forward() -> bool:
    """Whether a custom autograd function is computing its result, where no gradients are right."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        first = frame.f_code.co_varnames[:1]
        if first and isinstance(frame.f_locals.get(first[0]), FunctionCtx):
            return True
        if frame.f_code.co_name == "apply" and "autograd/function" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


class Watch(TorchFunctionMode):
    """Notes what cuts a graph, changes tensors in place, or is constant but for jumps.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> with Watch() as watch:
        ...     _ = (x.detach() * x).round()
        >>> [(each.kind, each.what) for each in watch.events]
        [('cut', '.detach()'), ('step', 'round')]
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[FunctionEvent] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
        name = _short(func)
        if any(each.requires_grad for each in given) or name == "tensor":
            self._note(name, given, args, kwargs)
        return func(*args, **kwargs)

    def _note(self, name: str, given: list[Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        if name in CUTS:
            if name == "tensor" and not any(_needs(each) for each in args):
                return
            if name == "requires_grad_" and not (
                args[1:2] == (False,) or kwargs.get("requires_grad") is False
            ):
                return
            self._add("cut", CUTS[name])
        elif name in STEPS:
            self._add(
                "step", {"long": ".long()", "int": ".int()", "bool": ".bool()"}.get(name, name.strip("_"))
            )
        elif (dtype := _narrowed(name, given, args, kwargs)) is not None:
            what = f".{name}()" if name in NARROWING else f".{name}({dtype})"
            self._add("narrow", what, precision=torch.finfo(dtype).eps)
        elif _changes(name):
            function = args[0].grad_fn if isinstance(args[0], Tensor) else None
            self._add("in place", name, "" if function is None else function.name())
        elif not torch.is_grad_enabled() and not _in_forward():
            self._add("no grad", "torch.no_grad()")

    def _add(self, kind: str, what: str, operation: str = "", precision: float = 0.0) -> None:
        event = FunctionEvent(kind, what, place(), operation, precision)
        if event not in self.events:
            self.events.append(event)


def _short(func: Any) -> str:
    name = (resolve_name(func) or getattr(func, "__name__", "")).split(".")
    return name[-2] if name[-1] in ("__get__", "__set__") else name[-1]


def _needs(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.requires_grad
    return isinstance(value, list | tuple) and any(_needs(each) for each in value)


def _narrowed(
    name: str, given: list[Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> torch.dtype | None:
    """Return the type that a call makes numbers of 64 bits to; None if it does not."""
    if not given or given[0].dtype != torch.float64:
        return None
    if name in NARROWING:
        return NARROWING[name]
    if name not in ("to", "type"):
        return None
    return next(
        (each for each in (*args, *kwargs.values()) if isinstance(each, torch.dtype) and each in NARROW), None
    )


def _changes(name: str) -> bool:
    if name.startswith("__i") and name.endswith("__") and name not in ("__invert__", "__index__", "__int__"):
        return True
    return name == "__setitem__" or (
        name.endswith("_")
        and not name.endswith("__")
        and not name.startswith("_")
        and name != "requires_grad_"
    )


@dataclass(frozen=True)
class Loss:
    """An operation that loses digits.

    Attributes:
        where: the line of the person's code.
        operation: ``-`` or ``+``.
        operands, result: the values of the element that loses most.
        digits: decimal digits that are lost: the operands' size over the result's, as a power of ten.
        absorbed: whether the smaller operand vanished beside the larger one.
    """

    where: str
    operation: str
    operands: tuple[float, float]
    result: float
    digits: float
    absorbed: bool


class DigitLoss(TorchDispatchMode):
    """Notes where a sum or a difference loses digits: by cancellation, or because a small operand vanishes in 32 bits.

    Attributes:
        found: the operations.
        largest: the largest number on the way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Loss] = []
        self.largest = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func).split(".")[1]
        if isinstance(result, Tensor) and result.is_floating_point() and result.numel():
            self.largest = max(self.largest, float(result.abs().max()))
        if name in ("sub", "rsub", "add", "sub_", "add_") and isinstance(result, Tensor):
            self._note(name, args, kwargs or {}, result)
        return result

    def _note(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> None:
        if not result.is_floating_point() or result.numel() == 0 or name.endswith("_") or "alpha" in kwargs:
            return
        first, second = (torch.as_tensor(each, dtype=result.dtype).expand_as(result) for each in args[:2])
        large, small = torch.maximum(first.abs(), second.abs()), torch.minimum(first.abs(), second.abs())
        ratio = torch.where(result != 0, large / result.abs(), torch.where(large > 0, torch.inf, 1.0))
        ratio = torch.where(small > 0, ratio, 1.0)
        absorbed = (small > 0) & (small < large * torch.finfo(torch.float32).eps)
        for values, is_absorbed in ((ratio, False), (torch.where(absorbed, large / small, 1.0), True)):
            worst = int(values.argmax())
            lost = float(values.reshape(-1)[worst])
            if lost > 1e3:
                pair = float(first.reshape(-1)[worst]), float(second.reshape(-1)[worst])
                digits = min(torch.tensor(lost).log10().item(), 16.0)
                sign = "+" if name == "add" else "-"
                pair = (pair[1], pair[0]) if name == "rsub" else pair
                self.found.append(
                    Loss(place(), sign, pair, float(result.reshape(-1)[worst]), digits, is_absorbed)
                )


def watched(run: Callable[[], Any]) -> tuple[Any, list[FunctionEvent]]:
    """Return what a function returns, and what it did on the way."""
    with Watch() as watch, warnings.catch_warnings(action="ignore"):  # torch warns of what is noted here
        result = run()
    return result, watch.events
