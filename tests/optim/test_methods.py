"""Methods that are no rules: they keep their contract, take torch's way, and are found by name."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import torch

from steepest import optim
from steepest.errors import OptionError, UnknownNameError
from steepest.optim import make_rule, make_spec
from steepest.optim.methods import l_bfgs
from steepest.optim.methods.l_bfgs import LBFGS
from steepest.optim.spec import MethodSettings
from steepest.testing import MethodConformance

METHODS = {
    "l-bfgs": (
        "l-bfgs(max_iter=4)",
        "l-bfgs(max_iter=6, line_search_fn=None, lr=0.5, history_size=3)",
        "l-bfgs(max_iter=8, max_eval=5, tolerance_grad=0.01, tolerance_change=0.001)",
    ),
    "hessian-free": (
        "hessian-free(cg_iterations=8)",
        "hessian-free(cg_iterations=20, preconditioner=fisher, ratio=damped, lr=0.8, damping=0.1)",
    ),
    "levenberg-marquardt": (
        "levenberg-marquardt",
        "levenberg-marquardt(damping=1e-6, lr=0.9, tries=6)",
        "levenberg-marquardt(damping=0.1, scaling=true)",
    ),
    "newton": (
        "newton",
        "newton(damping=0.1, lr=0.5, line_search=false)",
        "newton(lr=30)",
    ),
    "sam": ("sam(lr=0.1, rho=0.1)", "sam(adam(lr=0.1, betas=(0.8, 0.9)), rho=0.2, adaptive=true)"),
    "asam": ("asam(lr=0.1)", "asam(sgd(lr=0.1), eta=0.1)"),
}
"""A row for every method: variants between which every option matters."""
CHECKS = [name for name in dir(MethodConformance) if name.startswith("test_")]
NAMES = [name for name in optim.registry.names() if name not in optim.names()]


def test_every_method_has_a_row():
    assert set(METHODS) == set(NAMES)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", METHODS)
def test_each_of_our_methods_conforms(name: str, check: str) -> None:
    class Suite(MethodConformance):
        methods = METHODS[name]

    getattr(Suite(), check)()


class Drawn:
    """A problem of one vector."""

    def __init__(self, function: Any, start: list[float]) -> None:
        self.function = function
        self.model = torch.nn.ParameterDict(
            {"w": torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))}
        )
        self.evaluated = 0

    def loss(self, batch: Any) -> torch.Tensor:
        del batch
        self.evaluated += 1
        return self.function(self.model["w"])


class NoRows:
    def batch(self, step: int) -> None:
        return None

    def randomness(self, step: int) -> Any:
        return nullcontext()


def steps(text: str, problem: Drawn, count: int) -> list[Any]:
    method = make_spec(text).make(MethodSettings(lambda step: 1.0))
    return list(method.steps(problem, method.init(problem), NoRows(), 0, count))


def rosenbrock(w: torch.Tensor) -> torch.Tensor:
    return (100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum()


@pytest.mark.parametrize(
    "options", ["", "max_iter=7, history_size=5", "line_search_fn=None, lr=1e-3, max_iter=9"]
)
def test_it_takes_torchs_way(options: str) -> None:
    start = [-1.2, 1.0, -0.5, 0.8]
    problem = Drawn(rosenbrock, start)
    infos = steps(f"l-bfgs({options})", problem, 5)
    w = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    given = make_spec(f"l-bfgs({options})").hyper.model_dump()
    theirs = torch.optim.LBFGS([w], **given)
    count = []

    def closure() -> torch.Tensor:
        theirs.zero_grad()
        loss = rosenbrock(w)
        loss.backward()
        count.append(1)
        return loss

    for info in infos:
        before = len(count)
        assert info.loss == float(theirs.step(closure).detach())
        assert info.gradients == len(count) - before
    assert torch.equal(w, problem.model["w"])
    assert problem.evaluated == len(count)


def test_it_finds_rosenbrocks_minimum_as_scipys_does() -> None:
    problem = Drawn(rosenbrock, [-1.2, 1.0])
    infos = steps("l-bfgs(tolerance_change=0)", problem, 5)
    expected = scipy.optimize.minimize(
        scipy.optimize.rosen, [-1.2, 1.0], jac=scipy.optimize.rosen_der, method="L-BFGS-B"
    )
    assert expected.success
    assert problem.model["w"].tolist() == pytest.approx([1.0, 1.0], abs=1e-4)
    assert expected.x == pytest.approx([1.0, 1.0], abs=1e-4)
    assert sum(info.gradients for info in infos) < 3 * expected.nfev


def test_a_quadratic_of_six_dimensions_takes_few_iterations() -> None:
    bend = torch.from_numpy(np.logspace(0, 2, 6))
    problem = Drawn(lambda w: 0.5 * (bend * w**2).sum(), [1.0] * 6)
    steps("l-bfgs(max_iter=30)", problem, 1)
    assert float(problem.function(problem.model["w"]).detach()) < 1e-6 * float(0.5 * bend.sum())


def test_a_method_is_no_rule_and_in_no_group_of_rules() -> None:
    assert "l-bfgs" not in optim.names("all")
    assert optim.names("second-order") == ["hessian-free", "l-bfgs", "levenberg-marquardt", "newton"]
    with pytest.raises(OptionError, match="l-bfgs is no rule"):
        make_rule("l-bfgs")
    with pytest.raises(UnknownNameError, match="l-bfg"):
        make_spec("l-bfg")
    assert not hasattr(optim, "LBFGS")


@pytest.mark.parametrize("written", ["None", "none", "'none'"])
def test_no_line_search_is_written_as_none(written: str) -> None:
    assert make_spec(f"l-bfgs(line_search_fn={written})").hyper.line_search_fn is None


def test_a_method_of_ones_own_is_found_by_reference(tmp_path) -> None:
    (tmp_path / "mine.py").write_text(
        "from steepest.optim.methods.l_bfgs import LBFGS\n\n"
        "class Short(LBFGS):\n"
        "    '''Two iterations.'''\n"
        "    name = 'short'\n"
    )
    spec = make_spec(f"{tmp_path / 'mine.py'}:Short(max_iter=2)")
    assert (spec.hyper.max_iter, spec.given, spec.own_class.__name__) == (2, {"max_iter"}, "Short")


class ForgetsTheBuffers(l_bfgs.HeldLoss):
    def within(self):
        return self.randomness()


class CountsOne(l_bfgs.HeldLoss):
    count = 1.0


class EvaluatesForNothing(l_bfgs.HeldLoss):
    def value(self):
        with torch.no_grad():
            return float(self.problem.loss(self.batch))

    def __call__(self):
        self.value()
        return super().__call__()


class DrawsAnew(l_bfgs.HeldLoss):
    def __init__(self, problem, batch, randomness) -> None:
        super().__init__(problem, batch, nullcontext)


@pytest.mark.parametrize(
    ("bug", "check"),
    [
        (ForgetsTheBuffers, "test_the_function_is_held_within_a_step"),
        (DrawsAnew, "test_the_same_start_gives_the_same_bits"),
        (CountsOne, "test_every_gradient_is_counted"),
        (EvaluatesForNothing, "test_every_gradient_is_counted"),
    ],
)
def test_planted_bugs_are_found(bug: Any, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l_bfgs, "HeldLoss", bug)

    class Suite(MethodConformance):
        methods = (LBFGS(max_iter=4),)

    with pytest.raises(AssertionError):
        getattr(Suite(), check)()
