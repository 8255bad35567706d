"""The usual mistakes in an update, each as a variant of the rule that can be run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from steepest.checking.student import StudentSteps
from steepest.errors import OptionError
from steepest.optim.rule import Hyper, Rule

LATE = 10**7
"""A step at which the bias corrections have ended."""


@dataclass(frozen=True)
class UpdateVariant:
    """A way in which an update differs from its rule.

    Attributes:
        cause: what is wrong, for a person.
        coefficients: changes the scalars of a step.
        old: scalars with which the parameter, but not the averages, is computed.
        step: changes the number of a step.
        start: start values of slots, by name, from the first gradient.
        ascends: whether the step is added.
        accumulates: whether gradients are added up.
        mode: changes operations within the update.
        rule: another rule.
    """

    cause: str
    coefficients: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = ()
    old: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    step: Callable[[int], int] | None = None
    start: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict[str, Any])
    ascends: bool = False
    accumulates: bool = False
    mode: Callable[[dict[str, Any]], TorchFunctionMode] | None = None
    rule: Rule[Hyper] | None = None

    def with_(self, other: UpdateVariant) -> UpdateVariant | None:
        """Return both mistakes in one; None where they exclude each other."""
        for name in ("old", "step", "mode", "rule"):
            if getattr(self, name) is not None and getattr(other, name) is not None:
                return None
        return replace(
            self,
            cause=f"{self.cause}; and {other.cause}",
            coefficients=(*self.coefficients, *other.coefficients),
            old=self.old or other.old,
            step=self.step or other.step,
            start={**self.start, **other.start},
            ascends=self.ascends != other.ascends,
            accumulates=self.accumulates or other.accumulates,
            mode=self.mode or other.mode,
            rule=self.rule or other.rule,
        )


def run_rule(
    rule: Rule[Hyper], start: Tensor, gradients: Tensor, variant: UpdateVariant | None = None
) -> StudentSteps:
    """Return what a rule, or a variant of it, makes of gradients.

    Args:
        rule: the rule.
        start: the parameter before the first step, ``[n]``.
        gradients: of every step, ``[steps, n]``.
        variant: what differs from it.

    Example:
        >>> from steepest.optim import make_rule
        >>> rule = make_rule("sgd(lr=1)")
        >>> run_rule(rule, torch.ones(1), torch.ones(2, 1)).parameters[:, 0].tolist()
        [0.0, -1.0]
        >>> run_rule(rule, torch.ones(1), torch.ones(2, 1), UpdateVariant("", ascends=True)).parameters[:, 0].tolist()
        [2.0, 3.0]
    """
    variant = variant or UpdateVariant("")
    rule = variant.rule or rule
    w = start.clone()
    slots = rule.start(w)
    slots |= {name: make(gradients[0]) for name, make in variant.start.items() if name in slots}
    carry: Mapping[str, float] = dict(rule.carry)
    parameters: list[Tensor] = []
    history: dict[str, list[Tensor]] = {}
    total = torch.zeros_like(start)
    for number, gradient in enumerate(gradients, 1):
        total = total + gradient
        step = number if variant.step is None else variant.step(number)
        c, carry = rule.coefficients(step, 1.0, carry)
        c = dict(c)
        for change in variant.coefficients:
            c = change(c)
        given = total if variant.accumulates else gradient
        new, after = _update(rule, given, w, slots, c, variant)
        if variant.old is not None:
            new, _ = _update(rule, given, w, slots, variant.old(c), variant)
        w = w + (w - new) if variant.ascends else new
        slots = after
        parameters.append(w.clone())
        for name, value in slots.items():
            history.setdefault(name, []).append(value.clone())
    return StudentSteps(torch.stack(parameters), {name: torch.stack(each) for name, each in history.items()})


def _update(
    rule: Rule[Hyper],
    gradient: Tensor,
    w: Tensor,
    slots: Mapping[str, Tensor],
    c: dict[str, Any],
    variant: UpdateVariant,
) -> tuple[Tensor, dict[str, Tensor]]:
    if variant.mode is None:
        new, after = rule.update(gradient, w, dict(slots), c)
    else:
        with variant.mode(c):
            new, after = rule.update(gradient, w, dict(slots), c)
    return new, dict(after)


class _Root(TorchFunctionMode):
    """Puts something in the place of square roots."""

    def __init__(self, instead: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.instead = instead

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if (resolve_name(func) or "").rpartition(".")[2] == "sqrt":
            return self.instead(args[0])
        return func(*args, **(kwargs or {}))


class _Square(TorchFunctionMode):
    """Takes a tensor for its square."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = (resolve_name(func) or "").rpartition(".")[2]
        if name in ("mul", "__mul__") and len(args) > 1 and args[0] is args[1]:
            return args[0].clone()
        return func(*args, **(kwargs or {}))


def variants(rule: Rule[Hyper]) -> Iterator[UpdateVariant]:
    """Yield the usual mistakes that a rule can be written with, the most frequent first."""
    hyper = rule.hyper.model_dump()
    c = dict(rule.coefficients(1, 1.0, dict(rule.carry))[0])
    slots = list(rule.slots())
    yield UpdateVariant("wrong sign: the step is added and not subtracted", ascends=True)
    yield UpdateVariant("gradient not cleared: gradients of earlier steps are added to it", accumulates=True)
    pairs = [
        (kept, rest)
        for rest in c
        for kept in c
        if rest.startswith("rest") and kept != rest and abs(c[kept] + c[rest] - 1) < 1e-12
    ]
    for kept, rest in pairs:
        share = _greek(kept)
        yield UpdateVariant(f"1 − {share} is missing: the new value is added in full", (_set(rest, 1.0),))
        yield UpdateVariant(f"{share} and 1 − {share} are interchanged", (_swap(kept, rest),))
        yield UpdateVariant(f"{share} stands where 1 − {share} should", (_set(rest, c[kept]),))
        yield UpdateVariant(f"1 − {share} stands where {share} should", (_set(kept, c[rest]),))
        yield UpdateVariant(
            f"the step uses the average from before it is updated by 1 − {share}", old=_frozen(kept, rest)
        )
    eps = float(hyper.get("eps", 0.0))
    if eps > 0 and "eps" in c:
        yield UpdateVariant("ε inside the root: √(v + ε) instead of √v + ε", mode=lambda c: _inside(c, eps))
        yield UpdateVariant("ε is missing", (_set("eps", 0.0),))
    yield UpdateVariant("the root is missing: v instead of √v", mode=lambda _: _Root(lambda v: v.clone()))
    yield UpdateVariant("the gradient is not squared in the average", mode=lambda _: _Square())
    for name, value in hyper.items():
        if isinstance(value, bool) and (changed := _changed(rule, name, not value)) is not None:
            yield UpdateVariant(f"it is {rule.name} with {name}={str(not value).lower()}", rule=changed)
    early, late = (rule.coefficients(step, 1.0, dict(rule.carry))[0] for step in (1, LATE))
    if any(early[name] != late[name] for name in early):
        yield UpdateVariant("the bias correction is missing", step=lambda _: LATE)
        yield UpdateVariant(
            "steps are counted from 0 and not from 1", step=lambda step: step - 1 if step > 1 else 1
        )
        yield UpdateVariant("steps are counted from 2 and not from 1", step=lambda step: step + 1)
    for name in slots:
        for what, make in _STARTS.items():
            yield UpdateVariant(f"start value: {name} starts at {what}", start={name: make})
    for name, value in hyper.items():
        for other in _OTHERS.get(name, ()):
            if other != value and (changed := _changed(rule, name, other)) is not None:
                yield UpdateVariant(f"{name} is {other:g} and not {value:g}", rule=changed)


def _changed(rule: Rule[Hyper], name: str, value: Any) -> Rule[Hyper] | None:
    """Return a rule with another hyperparameter; None where that is not allowed beside the others."""
    try:
        return type(rule)(**{**rule.hyper.model_dump(), name: value})
    except OptionError:
        return None


_STARTS: dict[str, Callable[[Tensor], Tensor]] = {
    "1": torch.ones_like,
    "the first gradient": lambda g: g.clone(),
    "the first gradient squared": lambda g: g * g,
    "0": torch.zeros_like,
}
_OTHERS = {
    "alpha": (0.9, 0.95, 0.99, 0.999),
    "rho": (0.9, 0.95, 0.99),
    "momentum": (0.0, 0.5, 0.9, 0.99),
    "eps": (1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3),
}


def _greek(name: str) -> str:
    """Return a share as it is written.

    Example:
        >>> _greek("alpha"), _greek("beta2")
        ('α', 'β₂')
    """
    for plain, written in {"alpha": "α", "beta": "β", "rho": "ρ", "momentum": "μ"}.items():
        name = name.replace(plain, written)
    return name.replace("1", "₁").replace("2", "₂")


def _set(name: str, value: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda c: {**c, name: value}


def _swap(one: str, other: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda c: {**c, one: c[other], other: c[one]}


def _frozen(kept: str, rest: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda c: {**c, kept: 1.0, rest: 0.0}


def _inside(c: dict[str, Any], eps: float) -> TorchFunctionMode:
    """Return what adds ε inside the root and nowhere else; the rule's own ε may be scaled by a bias correction."""
    inside = c["eps"] ** 2 / eps
    c["eps"] = 0.0
    return _Root(lambda v: v.add(inside).pow(0.5))
