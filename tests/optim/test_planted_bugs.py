"""The suite is worth its name: every planted bug makes at least one generic test fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from steepest.optim.rules.adam import Adam, AdamW
from steepest.optim.rules.delta_bar_delta import DeltaBarDelta
from steepest.optim.rules.quickprop import Quickprop
from steepest.optim.rules.rmsprop import RMSprop
from steepest.optim.rules.sgd import SGD
from steepest.testing import rules as checks
from tests.optim.cases import BY_RULE, CASES, Case
from tests.optim.test_rules import against_the_textbook, against_torch


class WrongBiasCorrection(Adam):
    def coefficients(self, step, multiplier, carry):
        return super().coefficients(step + 1, multiplier, carry)


class SwappedBetas(Adam):
    def coefficients(self, step, multiplier, carry):
        c, carry = super().coefficients(step, multiplier, carry)
        return {**c, "beta1": c["beta2"], "beta2": c["beta1"]}, carry


class MissingEps(Adam):
    def coefficients(self, step, multiplier, carry):
        c, carry = super().coefficients(step, multiplier, carry)
        return {**c, "eps": 0.0}, carry


class Ascends(SGD):
    def coefficients(self, step, multiplier, carry):
        c, carry = super().coefficients(step, multiplier, carry)
        return {**c, "lr": -c["lr"]}, carry


class StaleSlot(Adam):
    def update(self, grad, param, slots, c):
        new, new_slots = super().update(grad, param, slots, c)
        return new, {**new_slots, "exp_avg_sq": slots["exp_avg_sq"]}


class CoupledDecay(AdamW):
    decoupled = False


class ForgetsTheSchedule(RMSprop):
    def coefficients(self, step, multiplier, carry):
        return super().coefficients(step, 1.0, carry)


class ScaledStepInTheSlot(Quickprop):
    def update(self, grad, param, slots, c):
        new, new_slots = super().update(grad, param, slots, c)
        return new, {**new_slots, "last_step": new - param}


class GrowsWithoutLimit(Quickprop):
    def coefficients(self, step, multiplier, carry):
        c, carry = super().coefficients(step, multiplier, carry)
        return {**c, "shrink": 1.0}, carry


class ComparesWithTheNewAverage(DeltaBarDelta):
    def update(self, grad, param, slots, c):
        mean = slots["grad_avg"] * c["theta"] + grad * c["rest"]
        new, new_slots = super().update(grad, param, {**slots, "grad_avg": mean}, c)
        return new, {**new_slots, "grad_avg": mean}


class MovesWithTheOldRate(DeltaBarDelta):
    def update(self, grad, param, slots, c):
        _, new_slots = super().update(grad, param, slots, c)
        return param - slots["rate"] * grad * c["multiplier"], new_slots


class WritesInPlace(SGD):
    def update(self, grad, param, slots, c):
        new, new_slots = super().update(grad, param, slots, c)
        for name, value in new_slots.items():
            slots[name].copy_(value)
        return new, new_slots


class ClaimsToBeStill(SGD):
    @property
    def idle(self):
        return "still"


class ReadsItsRecord(SGD):
    def update(self, grad, param, slots, c):
        return super().update(grad, param, slots, {**c, "lr": self.hyper.lr})


class CouplesElements(RMSprop):
    def update(self, grad, param, slots, c):
        return super().update(grad - 1e-9 * grad.mean(), param, slots, c)


class ForgetsToCentre(RMSprop):
    def update(self, grad, param, slots, c):
        without = {name: value * 0 if name == "grad_avg" else value for name, value in slots.items()}
        return super().update(grad, param, without, c)


MUTANTS = [
    each for kind in (SGD, Adam, AdamW, RMSprop, Quickprop, DeltaBarDelta) for each in kind.__subclasses__()
]
MUTANTS = [each for each in MUTANTS if each.__module__ == __name__]


def failures(case: Case, rule) -> Iterator[str]:
    """Give the names of the generic tests that this rule fails on a row, quick ones first."""

    def against_torch_double(each):
        if case.torch:
            against_torch(case, torch.float64, each)

    tests = {
        "textbook": lambda each: against_the_textbook(case, each),
        "torch": against_torch_double,
        **checks.CHECKS,
        "parabola": lambda each: checks.solves_a_parabola(each, case.lr),
    }
    for name, test in tests.items():
        try:
            test(rule)
        except AssertionError:
            yield name


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.__name__)
def test_a_planted_bug_is_found(mutant) -> None:
    sane = mutant.__bases__[0]
    cases = [case for case in CASES if type(case.rule) is sane]
    found = (name for case in cases for name in failures(case, mutant(**case.rule.hyper.model_dump())))
    assert next(found, None), f"no generic test notices {mutant.__name__}"


def test_a_bug_free_copy_is_not_accused() -> None:
    class Copy(Adam):
        pass

    case = next(case for case in CASES if case.text == "adam")
    assert list(failures(case, Copy(**case.rule.hyper.model_dump()))) == []


UNUSED = {
    "Adam.keep": "its decay is coupled",
    "AMSGrad.keep": "its decay is coupled",
    "AdamW.weight_decay": "its decay is decoupled",
    "ScheduleFreeSGD.reach": "it belongs to the evaluation, see test_schedule_free_evaluates_the_average",
    "ScheduleFreeAdamW.reach": "it belongs to the evaluation",
}
"""Coefficients that no step reads."""


def planted(kind) -> Iterator[tuple[str, type]]:
    """Give copies of a rule: one scalar a tenth too large, one slot left as it was, or a carry that stands."""
    cases = BY_RULE[kind]
    scalars = {name for case in cases for name in case.rule.coefficients(2, 0.7, dict(kind.carry))[0]}
    slots = {name for case in cases for name in case.rule.slots()}

    def wrong(name):
        class Wrong(kind):
            def coefficients(self, step, multiplier, carry):
                c, carry = super().coefficients(step, multiplier, carry)
                return {**c, **({name: c[name] * 1.1 + 1e-6} if name in c else {})}, carry

        return Wrong

    def stale(name):
        class Stale(kind):
            def update(self, grad, param, slots, c):
                new, new_slots = super().update(grad, param, slots, c)
                return new, {**new_slots, **({name: slots[name]} if name in slots else {})}

        return Stale

    def stands(name):
        class Stands(kind):
            def coefficients(self, step, multiplier, carry):
                c, new = super().coefficients(step, multiplier, carry)
                return c, {**new, name: carry[name]}

        return Stands

    yield from ((f"{kind.__name__}.{name}", wrong(name)) for name in sorted(scalars))
    yield from ((f"{kind.__name__}[{name}]", stale(name)) for name in sorted(slots))
    yield from ((f"{kind.__name__} carry {name}", stands(name)) for name in kind.carry)


def survives(case: Case, kind) -> bool:
    try:
        against_the_textbook(case, kind(**case.rule.hyper.model_dump()))
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("kind", list(BY_RULE), ids=lambda kind: kind.__name__)
def test_every_scalar_slot_and_carry_is_watched(kind) -> None:
    """Whichever of them goes wrong, a row of the table notices against the textbook."""
    unseen = {name for name, mutant in planted(kind) if all(survives(case, mutant) for case in BY_RULE[kind])}
    assert unseen == {name for name in UNUSED if name.partition(".")[0] == kind.__name__}


def test_at_least_ten_bugs_are_planted() -> None:
    assert len(MUTANTS) >= 10
