"""The shipped suites, as a user subclasses them: they pass what is right and fail what is wrong."""

from __future__ import annotations

import pytest
import torch

import steepest.optim
from steepest.testing import OptimizerConformance, RuleConformance


class TestTorchAdam(OptimizerConformance):
    make = staticmethod(lambda params: torch.optim.Adam(params, lr=0.05))


class TestTorchLBFGS(OptimizerConformance):
    make = staticmethod(lambda params: torch.optim.LBFGS(params, lr=0.5))
    steps = 10
    closure = True

    test_no_gradient_means_no_move = None  # LBFGS flattens all parameters and treats no gradient as zeros


class TestOurQuickprop(OptimizerConformance):
    make = staticmethod(lambda params: steepest.optim.Quickprop(params, lr=0.02))

    test_a_rate_of_zero_in_a_group_stops_it = None  # the rate is that of the gradient's share alone


class TestOurScheduleFree(OptimizerConformance):
    make = staticmethod(lambda params: steepest.optim.ScheduleFreeSGD(params, lr=0.1))


class TestOurRule(RuleConformance):
    rules = ("adagrad", "adagrad(lr_decay=0.1, weight_decay=0.1)")
    lr = 0.3


class Forgetful(torch.optim.SGD):
    """An optimizer that loses its momentum when it is saved, moves what has no gradient, and returns nothing."""

    def state_dict(self):
        return {**super().state_dict(), "state": {}}

    def step(self, closure=None):
        super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    if param.grad is None:
                        param.add_(1e-3)


@pytest.mark.parametrize(
    "check", ["test_it_resumes", "test_no_gradient_means_no_move", "test_it_returns_the_closures_loss"]
)
def test_a_broken_optimizer_is_found(check: str) -> None:
    class Suite(OptimizerConformance):
        make = staticmethod(lambda params: Forgetful(params, lr=0.01, momentum=0.9))

    with pytest.raises(AssertionError):
        getattr(Suite(), check)()


def test_an_optimizer_that_does_not_optimize_is_found() -> None:
    class Suite(OptimizerConformance):
        make = staticmethod(lambda params: torch.optim.SGD(params, lr=1e-9))

    with pytest.raises(AssertionError, match="the loss went from"):
        Suite().test_it_solves_a_parabola()


def test_an_unused_option_is_found() -> None:
    """Without a variant that has momentum, dampening and nesterov cannot matter."""

    class Suite(RuleConformance):
        rules = ("sgd",)

    with pytest.raises(AssertionError, match="changes the path"):
        Suite().test_every_option_matters()
