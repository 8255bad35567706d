"""A rule held against something written by somebody else: a textbook version of one step, or a torch twin.

The other checks of this package ask whether a rule keeps its contract; these ask whether it is the right rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from steepest.optim.rule import Hyper, Rule, Slots
from steepest.testing.rules import recorded

AnyRule = Rule[Hyper]
Textbook = Callable[..., tuple[Any, Mapping[str, Any]]]
"""``textbook(w, g, s, t, m, **hyperparameters)`` → new weight and new state.

``w`` and ``g`` are one weight and its gradient as floats (or whole arrays), ``s`` the state and the running
scalars by name, ``t`` the step from 1, ``m`` the schedule's multiplier.
"""
Start = Callable[[Any, Mapping[str, Any]], Mapping[str, Any]]
"""``start(w, hyperparameters)`` → the state before the first step."""


def equals_a_textbook(
    rule: AnyRule,
    textbook: Textbook,
    start: Start | None = None,
    *,
    whole: bool = False,
    tolerance: float = 1e-12,
) -> None:
    """Hold update, slots and running scalars against a textbook version, under a falling schedule.

    Every step begins from the rule's own state, so that rounding does not add up, with recorded gradients.

    Args:
        rule: what is checked, in float64.
        textbook: one step, written by itself from the paper.
        start: the state before the first step; not checked where left out.
        whole: the textbook version takes whole arrays, because the rule couples elements; matrices that are
            wide and tall and a vector are tried.
        tolerance: relative to each element and to the largest one.

    Raises:
        AssertionError: they differ; the message names the slot and the step.

    Example:
        >>> from steepest.optim import make_rule
        >>> def descent(w, g, s, t, m, *, lr, **rest):
        ...     return w - m * lr * g, {}
        >>> equals_a_textbook(make_rule("sgd"), descent)
    """
    for shape in [(6, 35), (35, 6), (35,)] if whole else [(6, 35)]:
        _on(shape, rule, textbook, start, whole, tolerance)


def _on(
    shape: Sequence[int],
    rule: AnyRule,
    textbook: Textbook,
    start: Start | None,
    whole: bool,
    tolerance: float,
) -> None:
    hyper = rule.hyper.model_dump()
    param, gradients = recorded(shape)
    slots = rule.start(param)
    if start is not None:
        begun = _start(start, param.numpy(), hyper, whole)
        _require(set(slots) == set(begun), f"the slots are {sorted(slots)}, the textbook's {sorted(begun)}")
        for name, value in begun.items():
            same = np.array_equal(slots[name].numpy(), np.broadcast_to(value, slots[name].shape))
            _require(same, f"slot {name!r} starts elsewhere")
    carry = dict(rule.carry)
    for t, gradient in enumerate(gradients, start=1):
        m = 0.5 ** ((t - 1) / 6)
        c, new_carry = rule.coefficients(t, m, carry)
        new, new_slots = rule.update(gradient, param, slots, c)
        expected, state = _step(textbook, param, gradient, slots, carry, t, m, hyper, whole)
        for name, found, right in (
            ("the parameter", new, expected),
            *[(k, new_slots[k], state[k]) for k in slots],
        ):
            floor = tolerance * max(float(np.abs(right).max(initial=0.0)), 1e-12)
            apart = np.abs(found.numpy() - right)
            worst = float((apart - tolerance * np.abs(right)).max(initial=0.0))
            _require(worst <= floor, f"{name} at step {t} is {apart.max(initial=0.0):.3g} from the textbook")
        for name, value in new_carry.items():
            right = float(state[name])
            _require(abs(value - right) <= 1e-12 * abs(right), f"{name} at step {t} is {value}, not {right}")
        param, slots, carry = new, new_slots, new_carry


def _start(start: Start, param: np.ndarray, hyper: Mapping[str, Any], whole: bool) -> Mapping[str, Any]:
    if whole:
        return start(param, hyper)
    each = [start(weight, hyper) for weight in param.ravel().tolist()]
    return {name: np.array([s[name] for s in each]).reshape(param.shape) for name in each[0]}


def _step(
    textbook: Textbook,
    param: torch.Tensor,
    gradient: torch.Tensor,
    slots: Slots,
    carry: Mapping[str, float],
    t: int,
    m: float,
    hyper: Mapping[str, Any],
    whole: bool,
) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Take the textbook's step on arrays, or element by element; running scalars are numbers."""
    if whole:
        held = {name: value.numpy() for name, value in slots.items()}
        return textbook(param.numpy(), gradient.numpy(), {**held, **carry}, t, m, **hyper)
    columns = [value.reshape(-1).tolist() for value in slots.values()]
    states = [dict(zip(slots, values, strict=True)) for values in zip(*columns, strict=True)]
    weights, slopes = param.reshape(-1).tolist(), gradient.reshape(-1).tolist()
    found = [
        textbook(w, g, {**s, **carry}, t, m, **hyper)
        for w, g, s in zip(weights, slopes, states or [{} for _ in weights], strict=True)
    ]
    shape = tuple(param.shape)
    state: dict[str, Any] = {k: np.array([s[k] for _, s in found]).reshape(shape) for k in slots}
    state |= {name: found[0][1][name] for name in carry}
    return np.array([weight for weight, _ in found]).reshape(shape), state


def equals_a_twin(
    rule: AnyRule,
    twin: type[torch.optim.Optimizer],
    options: Mapping[str, Any] | None = None,
    *,
    leave_out: Sequence[str] = (),
    dtype: torch.dtype = torch.float64,
    tolerance: float = 1e-12,
    steps: int = 20,
) -> None:
    """Hold the rule's optimizer against a torch optimizer of the same mathematics, and slots of the same name.

    Args:
        rule: what is checked.
        twin: the other's class; it gets the rule's hyperparameters by name.
        options: arguments of the twin that are called otherwise there.
        leave_out: hyperparameters that the twin does not have.
        dtype: of the parameter.
        tolerance: relative to each element and to the largest one.
        steps: how many.

    Raises:
        AssertionError: they differ.

    Example:
        >>> from steepest.optim import make_rule
        >>> equals_a_twin(make_rule("adagrad(lr=0.1)"), torch.optim.Adagrad)
    """
    start, gradients = recorded(steps=steps, dtype=dtype)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    shared = {name: value for name, value in rule.hyper.model_dump().items() if name not in leave_out}
    mine, other = rule.optimizer([ours]), twin([theirs], **{**shared, **(options or {})})
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        other.step()
        pairs = {"the parameter": (ours.detach(), theirs.detach())}
        for name in rule.start(start):
            if isinstance(other.state[theirs].get(name), torch.Tensor):
                pairs[name] = (mine.state[ours][name], other.state[theirs][name])
        for name, (found, right) in pairs.items():
            floor = tolerance * float(right.abs().max())
            torch.testing.assert_close(
                found, right, rtol=tolerance, atol=floor, msg=lambda text, name=name: f"{name}: {text}"
            )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
