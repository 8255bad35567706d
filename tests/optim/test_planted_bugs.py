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
from tests.optim.cases import CASES, Case
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


def test_at_least_ten_bugs_are_planted() -> None:
    assert len(MUTANTS) >= 10
