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

    # torch's LBFGS flattens all parameters by views, treats no gradient as zeros, and loses them in a copy.
    test_no_gradient_means_no_move = None
    test_layouts_do_not_matter = None
    test_a_copy_goes_on_alike = None


RATES = {
    "adadelta": 10.0,
    "adafactor": 0.3,
    "adagrad": 0.3,
    "heavy-ball": 0.005,
    "momentum": 0.005,
    "nesterov": 0.005,
    "sgd": 0.05,
    "schedule-free-sgd": 0.1,
    "rprop": 0.01,
    "quickprop": 0.02,
    "delta-bar-delta": 0.02,
}
"""Rates for a parabola whose curvature is between 1 and 10; 0.05 for the rest."""
CHECKS = [name for name in dir(OptimizerConformance) if name.startswith("test_")]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", steepest.optim.names())
def test_each_of_our_optimizers_conforms(name: str, check: str) -> None:
    kind = getattr(steepest.optim, steepest.optim.class_name(name))

    class Suite(OptimizerConformance):
        make = staticmethod(lambda params: kind(params, lr=RATES.get(name, 0.05)))

    getattr(Suite(), check)()


def plain_adagrad(w, g, s, t, m, *, lr, lr_decay, weight_decay, eps, **rest):
    g = g + weight_decay * w
    total = s["sum"] + g**2
    return w - m * lr / (1 + (t - 1) * lr_decay) * g / (total**0.5 + eps), {"sum": total}


class TestOurRule(RuleConformance):
    rules = ("adagrad", "adagrad(lr_decay=0.1, weight_decay=0.1)")
    lr = 0.3
    textbook = staticmethod(plain_adagrad)
    start = staticmethod(lambda w, hyper: {"sum": 0.0})
    twin = torch.optim.Adagrad


@pytest.mark.parametrize("check", ["test_equals_the_textbook", "test_equals_the_twin"])
def test_the_wrong_rule_is_found(check: str) -> None:
    """It keeps the contract in every other way."""

    class Suite(RuleConformance):
        rules = ("adagrad(eps=1e-3)",)
        textbook = staticmethod(lambda w, g, s, t, m, **h: plain_adagrad(w, g, s, t, m, **{**h, "eps": 1e-2}))
        twin = torch.optim.RMSprop
        leave_out = ("lr_decay", "initial_accumulator_value")

    with pytest.raises(AssertionError, match="parameter"):
        getattr(Suite(), check)()


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
