"""Every row of the table through every generic test."""

from __future__ import annotations

import inspect

import pytest
import torch

from steepest.optim import make_rule, names, registry
from steepest.testing import rules as checks
from steepest.testing.against import equals_a_textbook, equals_a_twin
from tests.optim.cases import BY_RULE, CASES, Case

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
each_rule = pytest.mark.parametrize("kind", list(BY_RULE), ids=lambda kind: kind.__name__)


def against_the_textbook(case: Case, rule=None) -> None:
    """Hold update and slots against the textbook version, step by step from shared state."""
    equals_a_textbook(
        rule or case.rule, case.reference, case.start, whole=case.whole, tolerance=case.textbook
    )


@each_case
def test_equals_the_textbook(case: Case) -> None:
    against_the_textbook(case)


def against_torch(case: Case, dtype: torch.dtype, rule=None) -> None:
    tolerance = case.float64 if dtype == torch.float64 else case.float32
    options = {"leave_out": case.leave_out, "dtype": dtype, "tolerance": tolerance}
    equals_a_twin(rule or case.rule, case.torch, case.torch_options, **options)


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


@pytest.mark.parametrize(
    "text", [case.text for case in CASES if case.text.startswith("schedule-free")], ids=lambda text: text
)
def test_schedule_free_evaluates_the_average(text: str) -> None:
    """What is evaluated is the paper's weighted average of the base sequence, with and without a schedule."""
    rule = make_rule(text)
    param, gradients = checks.recorded(steps=20)
    slots = rule.start(param)
    carry, total, average = dict(rule.carry), 0.0, torch.zeros_like(param)
    h = rule.hyper
    largest = 0.0
    for t, gradient in enumerate(gradients, start=1):
        m = 1.0 - t / 40
        c, carry = rule.coefficients(t, m, carry)
        param, slots = rule.update(gradient, param, slots, c)
        largest = max(largest, h.lr * m * (min(t / h.warmup_steps, 1.0) if h.warmup_steps else 1.0))
        weight = t**h.r * largest**h.weight_lr_power
        total, average = total + weight, average + weight * slots["z"]
        found = rule.evaluation_parameters(param, slots, c)
        torch.testing.assert_close(found, average / total, rtol=1e-11, atol=1e-11)


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
