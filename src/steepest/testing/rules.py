"""What every rule must do, as checks that raise ``AssertionError`` with the values they got.

Each check takes rules only, makes its own gradients from a fixed stream, and runs in milliseconds. Bitwise
checks of pieces, joins and stacks apply to rules with ``couples = "element"``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

import annotated_types
import torch
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from steepest.errors import OptionError
from steepest.optim.dense import RuleOptimizer
from steepest.optim.rule import Coefficients, Hyper, Rule, Slots, stacked, table
from steepest.optim.spec import MethodSpec
from steepest.rng import stream

AnyRule = Rule[Hyper]
S = TypeVar("S", bound=MethodSpec[Hyper])
SHAPE = (6, 35)


def recorded(
    shape: Sequence[int] = SHAPE, steps: int = 12, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return a parameter and gradients for it: smooth, over four decades, with sign changes and zeros.

    Example:
        >>> param, gradients = recorded((2, 3), steps=4)
        >>> len(gradients), gradients[0].shape
        (4, torch.Size([2, 3]))
    """
    draw = stream(seed, "data", 7)
    param = torch.from_numpy(draw.standard_normal(shape))
    scale = torch.from_numpy(10.0 ** draw.uniform(-3, 1, shape))
    target = torch.from_numpy(draw.standard_normal(shape))
    found: list[torch.Tensor] = []
    where = param.clone()
    for _ in range(steps):
        noise = torch.from_numpy(draw.standard_normal(shape))
        silent = torch.from_numpy(draw.random(shape) < 0.1)
        gradient = scale * (where - target + 0.3 * noise)
        found.append(torch.where(silent, 0.0, gradient).to(dtype))
        where = where - 0.3 * torch.sign(gradient) * torch.from_numpy(draw.random(shape))
    return param.to(dtype), found


def follow(
    rule: AnyRule,
    param: torch.Tensor,
    gradients: Sequence[torch.Tensor],
    rows: Sequence[Coefficients] | None = None,
) -> tuple[torch.Tensor, Slots]:
    """Return parameter and slots after one step for each gradient, without any executor.

    Args:
        rule: whose steps.
        param: where they begin.
        gradients: one for each step.
        rows: the coefficients of the steps, if they are known already.
    """
    slots = rule.start(param)
    for gradient, c in zip(gradients, rows or table(rule, len(gradients)), strict=True):
        param, slots = rule.update(gradient, param, slots, c)
    return param, slots


def pure(rule: AnyRule) -> None:
    """An update changes none of its arguments and gives the same bits twice."""
    param, gradients = recorded()
    slots = rule.start(param)
    carry = dict(rule.carry)
    for step, gradient in enumerate(gradients):
        before = dict(carry)
        c, new_carry = rule.coefficients(step + 1, 0.7, carry)
        _require(carry == before, f"coefficients changed the carry that it was given: {before} to {carry}")
        held = gradient.clone(), param.clone(), {k: v.clone() for k, v in slots.items()}, dict(c)
        first = rule.update(gradient, param, slots, c)
        _require(torch.equal(gradient, held[0]), "update changed the gradient that it was given")
        _require(torch.equal(param, held[1]), "update changed the parameter that it was given")
        _require(_equal(slots, held[2]), "update changed the slots that it was given")
        _require(c == held[3], "update changed the coefficients that it was given")
        second = rule.update(gradient, param, slots, c)
        _require(torch.equal(first[0], second[0]) and _equal(first[1], second[1]), "two calls differ")
        _require(set(first[1]) == set(slots), f"slots {sorted(slots)} became {sorted(first[1])}")
        (param, slots), carry = first, new_carry


def cut_and_join(rule: AnyRule) -> None:
    """An element-wise update gives the same bits on any reshaping and any pieces of a tensor."""
    if rule.couples != "element":
        return
    for dtype in (torch.float32, torch.float64):
        param, gradients = recorded(dtype=dtype)
        rows = table(rule, len(gradients))
        whole, slots = follow(rule, param, gradients, rows)
        flat, _ = follow(rule, param.reshape(-1), [each.reshape(-1) for each in gradients], rows)
        _require(torch.equal(flat.reshape(SHAPE), whole), "a flattened tensor gives other bits")
        for size in (3, 7, 16):
            cuts = [each.reshape(-1).split(size) for each in (param, *gradients)]
            parts = [follow(rule, each[0], each[1:], rows) for each in zip(*cuts, strict=True)]
            joined = torch.cat([part for part, _ in parts]).reshape(SHAPE)
            _require(torch.equal(joined, whole), f"pieces of {size} elements give other bits")
            for name, value in slots.items():
                pieces = torch.cat([each[name] for _, each in parts]).reshape(SHAPE)
                _require(torch.equal(pieces, value), f"slot {name!r} in pieces of {size} has other bits")


def idle_is_true(rule: AnyRule) -> None:
    """What ``idle`` says of a zero gradient is so, and ``advance`` is so many zero gradients."""
    param, gradients = recorded()
    # An exact zero at the start, and one that was never touched, are the states of idle embedding rows.
    gradients = [each.index_fill(0, torch.tensor([0]), 0.0) for each in gradients]
    before, slots = follow(rule, param, gradients)
    rows = table(rule, len(gradients) + 9)[len(gradients) :]
    after, new = rule.update(torch.zeros_like(param), before, slots, rows[0])
    same_param, same_slots = torch.equal(before, after), _equal(slots, new)
    found = "moves" if not same_param else "still" if same_slots else "param_still"
    _require(rule.idle == found, f"idle says {rule.idle!r}, a zero gradient shows {found!r}")
    _require(bool(torch.isfinite(after).all()), "a zero gradient gives a parameter that is not finite")
    expected, expected_slots = before, slots
    for c in rows:
        expected, expected_slots = rule.update(torch.zeros_like(param), expected, expected_slots, c)
    moved, moved_slots = rule.advance(before, slots, rows)
    _close(moved, expected, "advance moves the parameter elsewhere than that many zero gradients")
    for name, value in expected_slots.items():
        _close(moved_slots[name], value, f"advance leaves slot {name!r} elsewhere")


def resumes(rule: AnyRule) -> None:
    """Saved and restored in the middle, a run ends with the bits of an uninterrupted one."""
    shapes = [(6, 35), (35,), (3, 2), (4,)]
    data = [recorded(shape, seed=seed) for seed, shape in enumerate(shapes)]
    halved = _halving

    def fresh(values: Sequence[torch.Tensor]) -> tuple[list[torch.nn.Parameter], RuleOptimizer]:
        params = [torch.nn.Parameter(each.clone()) for each in values]
        return params, rule.optimizer(params, schedule=halved)

    def run(params: Sequence[torch.nn.Parameter], optimizer: RuleOptimizer, first: int, last: int) -> None:
        for step in range(first, last):
            for param, (_, gradients) in zip(params, data, strict=True):
                param.grad = gradients[step].clone()
            optimizer.step()

    params, optimizer = fresh([start for start, _ in data])
    run(params, optimizer, 0, 12)
    halfway, first = fresh([start for start, _ in data])
    run(halfway, first, 0, 5)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed, second = fresh([each.detach() for each in halfway])
    second.load_state_dict(torch.load(file, weights_only=True))
    run(resumed, second, 5, 12)
    for one, other in zip(params, resumed, strict=True):
        _require(torch.equal(one, other), f"a resumed run differs by {(one - other).abs().max():.3g}")


def executes_alike(rule: AnyRule) -> None:
    """The torch optimizer gives the update's own bits, in pieces, joined and uncut."""
    shapes = [(6, 35), (35,), (3, 2), (4,), (300,)]
    data = [recorded(shape, seed=seed, dtype=torch.float32) for seed, shape in enumerate(shapes)]
    expected = [follow(rule, param, gradients) for param, gradients in data]
    for piece, small in ((10**9, 0), (64, 0), (64, 40), (10**9, 10**9), (16, 10**9)):
        params = [torch.nn.Parameter(start.clone()) for start, _ in data]
        optimizer = rule.optimizer(params)
        optimizer.piece, optimizer.small = piece, small
        for step in range(12):
            for param, (_, gradients) in zip(params, data, strict=True):
                param.grad = gradients[step].clone()
            optimizer.step()
        for param, (value, slots) in zip(params, expected, strict=True):
            _require(torch.equal(param, value), f"pieces of {piece}, joined below {small}: other bits")
            for name, slot in slots.items():
                _require(torch.equal(optimizer.state[param][name], slot), f"slot {name!r} has other bits")


def stacks(rule: AnyRule) -> None:
    """R runs at once, each with its own numbers, give the bits of R separate runs."""
    if rule.couples != "element":
        return
    for dtype in (torch.float32, torch.float64):
        rules = [rule, rule.with_lr(rule.hyper.lr * 0.3), *_neighbours(rule)]
        data = [recorded(seed=seed, dtype=dtype) for seed in range(len(rules))]
        apart = [follow(each, *given) for each, given in zip(rules, data, strict=True)]
        param = torch.stack([start for start, _ in data])
        starts = [each.start(start) for each, (start, _) in zip(rules, data, strict=True)]
        slots = {name: torch.stack([each[name] for each in starts]) for name in starts[0]}
        tables = [table(each, 12) for each in rules]
        for step in range(12):
            c = stacked([rows[step] for rows in tables], param)
            gradient = torch.stack([gradients[step] for _, gradients in data])
            param, slots = rule.update(gradient, param, slots, c)
        for number, (value, each) in enumerate(apart):
            _require(torch.equal(param[number], value), f"run {number} of the stack has other bits")
            for name, slot in each.items():
                _require(torch.equal(slots[name][number], slot), f"slot {name!r} of run {number} differs")


def follows_a_schedule(rule: AnyRule) -> None:
    """A multiplier of ½ halves the first step, and a torch ``lr_scheduler`` does what the pure schedule does."""
    start, gradients = recorded()

    def moved(multiplier: float) -> torch.Tensor:
        c, _ = rule.coefficients(1, multiplier, dict(rule.carry))
        return rule.update(gradients[0], start, rule.start(start), c)[0] - start

    whole, half = moved(1.0), moved(0.5)
    apart = float((2 * half - whole).abs().max() / whole.abs().max().clamp(min=1e-300))
    _require(apart < 1e-9, f"with half the multiplier the first step is not half of it, by {apart:.3g}")
    pure, scheduled = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    first, second = rule.optimizer([pure], schedule=lambda step: 0.5**step), rule.optimizer([scheduled])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(second, gamma=0.5)
    for gradient in gradients[:5]:
        pure.grad, scheduled.grad = gradient.clone(), gradient.clone()
        first.step()
        second.step()
        scheduler.step()
    _close(pure.detach(), scheduled.detach(), "a torch lr_scheduler and the same pure schedule go apart")


def solves_a_parabola(rule: AnyRule, lr: float | None = None, steps: int = 400) -> None:
    """With its rate (the grid's centre unless given) and a falling schedule it finds a parabola's bottom."""
    draw = stream(1, "data", 8)
    bend = torch.from_numpy(draw.uniform(0.5, 5.0, (4, 5)))
    target = torch.from_numpy(draw.uniform(-0.3, 0.3, (4, 5)))
    param = torch.nn.Parameter(torch.from_numpy(draw.uniform(-0.3, 0.3, (4, 5))))

    def loss() -> torch.Tensor:
        return (bend * (param - target).square()).sum()

    rated = rule.with_lr(rule.centre if lr is None else lr)
    optimizer = rated.optimizer([param], schedule=lambda step: 1.0 - step / steps)
    start = loss().item()
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    with optimizer.evaluating():
        end = loss().item()
    _require(end < 0.01 * start, f"the loss went from {start:.3g} to {end:.3g} in {steps} steps")


def every_option_matters(rules: Sequence[AnyRule]) -> None:
    """Each hyperparameter changes the path of at least one of the rules, which are variants of one."""
    param, gradients = recorded()
    for name in type(rules[0].hyper).model_fields:
        changed = False
        for rule in rules:
            path = follow(rule, param, gradients)[0]
            changed |= any(
                not torch.equal(path, follow(other, param, gradients)[0])
                for other in other_values(rule, name)
            )
        _require(changed, f"no other value of {name!r} changes the path")


def bad_values_are_refused(rule: MethodSpec[Hyper]) -> None:
    """Each value outside a declared range, and an option that does not exist, gives an error naming it."""
    for name, value in bad_values(type(rule.hyper)):
        try:
            type(rule)(**{name: value})
        except OptionError as error:
            _require(name in str(error) and repr(value) in str(error), f"not named in the message: {error}")
        else:
            _require(False, f"{name}={value!r} was accepted")
    try:
        type(rule)(learning_rat=0.1)
    except OptionError as error:
        _require("learning_rat" in error.fact and "lr" in error.hint, f"no help in the message: {error}")
    else:
        _require(False, "an unknown option was accepted")


CHECKS: dict[str, Callable[[AnyRule], None]] = {
    each.__name__: each
    for each in (
        pure,
        cut_and_join,
        idle_is_true,
        resumes,
        executes_alike,
        stacks,
        follows_a_schedule,
        bad_values_are_refused,
    )
}
"""The checks that need nothing but the rule."""


def bad_values(record: type[BaseModel]) -> list[tuple[str, Any]]:
    """Return, for each hyperparameter, values that its declaration forbids.

    Example:
        >>> class Rates(Hyper):
        ...     pass
        >>> bad_values(Rates)
        [('lr', 'much'), ('lr', nan), ('lr', -0.1)]
    """
    found: list[tuple[str, Any]] = []
    for name, field in record.model_fields.items():
        if isinstance(field.default, bool | str):
            found.append((name, "perhaps"))
        elif isinstance(field.default, tuple):
            parts = [FieldInfo.from_annotation(part) for part in getattr(field.annotation, "__args__", ())]
            for place, part in enumerate(parts):
                before, after = field.default[:place], field.default[place + 1 :]
                found += [(name, (*before, value, *after)) for value in _outside(part)]
        elif isinstance(field.default, float | int) or field.default is None:
            found += [(name, value) for value in ("much", math.nan, *_outside(field))]
    return found


def _outside(field: FieldInfo) -> list[float]:
    found: list[float] = []
    for bound in field.metadata:
        match bound:
            case annotated_types.Ge(ge=limit):
                found.append(float(limit) - 0.1)  # pyright: ignore[reportArgumentType]
            case annotated_types.Gt(gt=limit):
                found.append(float(limit))  # pyright: ignore[reportArgumentType]
            case annotated_types.Le(le=limit):
                found.append(float(limit) + 0.1)  # pyright: ignore[reportArgumentType]
            case annotated_types.Lt(lt=limit):
                found.append(float(limit))  # pyright: ignore[reportArgumentType]
            case _:
                pass
    return found


def other_values(rule: S, name: str) -> list[S]:
    """Return the rule with other values of one hyperparameter, as far as they are allowed."""
    value = getattr(rule.hyper, name)
    if isinstance(value, bool):
        candidates: list[Any] = [not value]
    elif isinstance(value, tuple):
        candidates = [
            (*value[:place], 0.1 if part is None else part * 0.5 + 0.01, *value[place + 1 :])
            for place, part in enumerate(value)
        ]
    elif isinstance(value, str):
        field = type(rule.hyper).model_fields[name]
        candidates = field.examples or _choices(field.annotation)
    else:
        candidates = [0.005, 0.05, 2] if value is None else [value * 0.5, value + 0.05, value * 2 + 1]
    found: list[S] = []
    for each in candidates:
        if each == value:
            continue
        try:
            found.append(rule.with_options(**{name: each}))
        except OptionError:
            continue
    return found


def _choices(annotation: Any) -> list[Any]:
    """Return the literals that a type allows, and None if it does."""
    if annotation is type(None) or not get_args(annotation):
        return [None] if annotation is type(None) else [annotation]
    return [choice for each in get_args(annotation) for choice in _choices(each)]


def _neighbours(rule: AnyRule) -> list[AnyRule]:
    """Return rules of the same structure with other numbers: bools, zeros and None stay as they are."""
    found: list[AnyRule] = []
    for name in type(rule.hyper).model_fields:
        value = getattr(rule.hyper, name)
        if isinstance(value, bool | str) or value is None or value == 0:
            continue
        if isinstance(value, int):
            continue
        found += other_values(rule, name)[:1]
    return found


def _halving(step: int) -> float:
    return 0.5 ** (step / 6)


def _equal(first: Slots, second: Slots) -> bool:
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def _close(found: torch.Tensor, expected: torch.Tensor, message: str) -> None:
    _require(torch.allclose(found, expected, rtol=1e-9, atol=1e-12), message)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
