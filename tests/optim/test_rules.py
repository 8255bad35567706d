"""Every row of the table through every generic test."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from steepest.optim import make_rule, names, registry
from steepest.testing import rules as checks
from tests.optim.cases import BY_RULE, CASES, Case

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
each_rule = pytest.mark.parametrize("kind", list(BY_RULE), ids=lambda kind: kind.__name__)


def halving(step: int) -> float:
    return 0.5 ** (step / 6)


def against_the_textbook(case: Case, rule=None) -> None:
    """Hold update and slots against the textbook version, step by step from shared state."""
    for shape in [(6, 35), (35, 6), (35,)] if case.whole else [(6, 35)]:
        against_the_textbook_on(shape, case, rule)


def against_the_textbook_on(shape, case: Case, rule) -> None:
    rule = rule or case.rule
    hyper = rule.hyper.model_dump()
    param, gradients = checks.recorded(shape)
    slots = rule.start(param)
    first = textbook_start(case, param.numpy(), hyper)
    assert set(slots) == set(first)
    for name, value in first.items():
        np.testing.assert_array_equal(slots[name].numpy(), value)
    carry = dict(rule.carry)
    for t, gradient in enumerate(gradients, start=1):
        m = halving(t - 1)
        c, new_carry = rule.coefficients(t, m, carry)
        new, new_slots = rule.update(gradient, param, slots, c)
        expected, state = textbook_step(case, param.numpy(), gradient.numpy(), slots, carry, t, m, hyper)
        assert set(new_slots) == set(slots)
        for name, found, right in [("param", new, expected), *[(k, new_slots[k], state[k]) for k in slots]]:
            floor = case.textbook * max(float(np.abs(right).max()), 1e-12)
            np.testing.assert_allclose(found.numpy(), right, rtol=case.textbook, atol=floor, err_msg=name)
        for name, value in new_carry.items():
            assert value == pytest.approx(state[name], rel=1e-12)
        param, slots, carry = new, new_slots, new_carry


def textbook_start(case: Case, param: np.ndarray, hyper) -> dict[str, np.ndarray]:
    if case.whole:
        return case.start(param, hyper)
    each = [case.start(w, hyper) for w in param.ravel().tolist()]
    return {name: np.array([s[name] for s in each]).reshape(param.shape) for name in each[0]}


def textbook_step(case: Case, param, grad, slots, carry, t, m, hyper):
    """Take the textbook's step on whole arrays, or element by element; running scalars are numbers."""
    if case.whole:
        return case.reference(param, grad, {k: v.numpy() for k, v in slots.items()}, t, m, **hyper)
    columns = [slots[name].reshape(-1).tolist() for name in slots]
    states = [dict(zip(slots, values, strict=True)) for values in zip(*columns, strict=True)]
    states = states or [{} for _ in range(param.size)]
    triples = zip(param.ravel().tolist(), grad.ravel().tolist(), states, strict=True)
    found = [case.reference(w, g, {**s, **carry}, t, m, **hyper) for w, g, s in triples]
    state = {name: np.array([s[name] for _, s in found]).reshape(param.shape) for name in slots}
    state |= {name: found[0][1][name] for name in carry}
    return np.array([w for w, _ in found]).reshape(param.shape), state


@each_case
def test_equals_the_textbook(case: Case) -> None:
    against_the_textbook(case)


def against_torch(case: Case, dtype: torch.dtype, rule=None) -> None:
    rule = rule or case.rule
    assert case.torch is not None
    start, gradients = checks.recorded(steps=20, dtype=dtype)
    options = {k: v for k, v in rule.hyper.model_dump().items() if k not in case.leave_out}
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    mine = rule.optimizer([ours])
    other = case.torch([theirs], **{**options, **case.torch_options})
    tolerance = case.float64 if dtype == torch.float64 else case.float32
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        other.step()
        scale = float(theirs.detach().abs().max())
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * scale)
        for name in rule.slots():
            slot = other.state[theirs].get(name)
            if slot is not None:
                floor = tolerance * float(slot.abs().max())
                torch.testing.assert_close(mine.state[ours][name], slot, rtol=tolerance, atol=floor)


with_torch = [case for case in CASES if case.torch]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("case", with_torch, ids=lambda case: case.id)
def test_equals_torch(case: Case, dtype: torch.dtype) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # torch's NAdam keeps its product of momenta in the default dtype
    try:
        against_torch(case, dtype)
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("check", checks.CHECKS.values(), ids=checks.CHECKS)
@each_case
def test_conforms(case: Case, check) -> None:
    check(case.rule)


@each_case
def test_solves_a_parabola(case: Case) -> None:
    checks.solves_a_parabola(case.rule, case.lr)


@each_rule
def test_every_option_matters(kind) -> None:
    checks.every_option_matters([case.rule for case in BY_RULE[kind]])


@pytest.mark.parametrize("case", with_torch, ids=lambda case: case.id)
def test_defaults_are_those_of_torch(case: Case) -> None:
    theirs = inspect.signature(case.torch).parameters
    fields = type(case.rule.hyper).model_fields
    for name, field in fields.items():
        if name in theirs and name not in case.other_defaults and name not in case.torch_options:
            default = theirs[name].default
            if isinstance(default, torch.Tensor):
                default = default.item()
            assert field.default == default or type(case.rule).name == "amsgrad", name


def test_every_registered_name_has_a_row_and_a_citation() -> None:
    covered = {make_rule(case.text).called for case in CASES}
    assert covered == set(names())
    for entry in registry.entries.values():
        kind = entry.load()
        assert kind.citation, entry.name
        assert kind.title, entry.name
        for name, field in kind.Hyper.model_fields.items():
            assert field.description, f"{entry.name}: {name}"
