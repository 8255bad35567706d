"""SAM and ASAM are a rule's steps by the gradient at the worse point, whatever the rule."""

from __future__ import annotations

import copy
import re
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn

from steepest import optim
from steepest.errors import OptionError
from steepest.optim import make_rule, make_spec
from steepest.optim.spec import MethodSettings
from steepest.regularizers.applied import Applied
from steepest.regularizers.around import RegularizedUpdate
from steepest.testing.methods import STEPS, SmallBatches, SmallRegression, run

RULES = ["sgd", "momentum", "adam", "adamw(weight_decay=0.1)", "torch:Adamax", "schedule-free-sgd", "muon"]


def worse(model: nn.Module, loss: Any, rho: float, eta: float | None) -> list[torch.Tensor | None]:
    """Return the gradient at w + ρ T²g / |Tg| of the papers, computed on a copy of the model, number by number."""
    gradient = torch.autograd.grad(loss(model), list(model.parameters()), allow_unused=True)
    scale = [torch.ones_like(w) if eta is None else w.detach().abs() + eta for w in model.parameters()]
    square = sum(float(((t * g) ** 2).sum()) for t, g in zip(scale, gradient, strict=True) if g is not None)
    there = copy.deepcopy(model)
    for w, t, g in zip(there.parameters(), scale, gradient, strict=True):
        if g is not None:
            w.data = w.data + rho * t**2 * g / square**0.5
    return list(torch.autograd.grad(loss(there), list(there.parameters()), allow_unused=True))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("name", "rho", "eta"), [("sam", 0.2, None), ("asam", 0.5, 0.01)])
def test_it_takes_the_papers_steps(rule: str, name: str, rho: float, eta: float | None) -> None:
    fit, slow = SmallRegression(), SmallRegression()
    base = make_rule(rule).with_lr(0.01)
    theirs = base.optimizer(slow.model)
    quoted = repr(rule) if ":" in rule else rule
    run(make_spec(f"{name}({quoted}, lr=0.01, rho={rho})"), fit, parts=3)
    for step in range(STEPS):
        batch = SmallBatches(3).batch(step)
        gradients = worse(
            slow.model, lambda m, b=batch: (m(slow.inputs[b]) - slow.target[b]).square().mean(), rho, eta
        )
        for w, g in zip(slow.model.parameters(), gradients, strict=True):
            w.grad = g
        theirs.step()
    assert torch.allclose(fit.weights(), slow.weights(), rtol=1e-10, atol=1e-12)
    plain = SmallRegression()
    run_plain(plain, base)
    assert not torch.allclose(fit.weights(), plain.weights(), rtol=1e-4)


def run_plain(fit: SmallRegression, base: Any) -> None:
    optimizer = base.optimizer(fit.model)
    for step in range(STEPS):
        optimizer.zero_grad()
        fit.loss(SmallBatches(3).batch(step)).backward()
        optimizer.step()


def test_at_a_size_of_0_it_is_the_rule() -> None:
    fit, plain = SmallRegression(), SmallRegression()
    run(make_spec("sam(adam(lr=0.05), rho=0)"), fit, parts=3)
    run_plain(plain, make_rule("adam(lr=0.05)"))
    assert torch.equal(fit.weights(), plain.weights())


class Sometimes:
    """A problem whose second parameter has a gradient at the weights, but none at the worse point."""

    def __init__(self) -> None:
        self.model = nn.ParameterDict(
            {"a": nn.Parameter(torch.tensor(1.0)), "b": nn.Parameter(torch.tensor(2.0))}
        )
        self.evaluated = 0

    def loss(self, batch: Any) -> torch.Tensor:
        self.evaluated += 1
        a, b = self.model["a"], self.model["b"]
        return a**2 + b**2 if self.evaluated % 2 else a**2


class NoRows:
    def batch(self, step: int) -> None:
        return None

    def randomness(self, step: int) -> Any:
        return nullcontext()


def test_a_weight_without_a_second_gradient_is_put_back() -> None:
    problem = Sometimes()
    method = make_spec("sam(sgd, lr=0.1, rho=1)").make(MethodSettings(lambda step: 1.0))
    [info] = method.steps(problem, method.init(problem), NoRows(), 0, 1)
    assert problem.model["b"].item() == 2.0
    assert problem.model["a"].item() != 1.0
    assert info.gradients == 2


class Pruned:
    """A problem that holds the second of two weights at zero, and keeps the weights that it was evaluated at."""

    def __init__(self) -> None:
        self.model = nn.Linear(2, 1, bias=False)
        self.model.weight.data.copy_(torch.tensor([[1.0, 0.0]]))
        self.seen: list[list[float]] = []

    def loss(self, batch: Any) -> torch.Tensor:
        self.seen.append(self.model.weight.flatten().tolist())
        return (self.model(torch.tensor([[1.0, 3.0]])) - 3).square().sum()

    def losses(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return (loss := self.loss(batch)), loss

    def around(self) -> RegularizedUpdate:
        return RegularizedUpdate(Applied((), self.model), self.model, {"weight": torch.tensor([[1.0, 0.0]])})


class NoDraws(NoRows):
    def draws(self, step: int) -> dict[str, torch.Tensor]:
        return {}


@pytest.mark.parametrize("name", ["sam", "asam"])
def test_the_worse_point_holds_pruned_weights_at_zero(name: str) -> None:
    problem = Pruned()
    method = make_spec(f"{name}(sgd, lr=0.1, rho=0.5)").make(MethodSettings(lambda step: 1.0))
    list(method.steps(problem, method.init(problem), NoDraws(), 0, 1))
    [_, (first, second)] = problem.seen
    assert second == 0.0
    assert first == pytest.approx(0.5, abs=0.01)
    assert problem.model.weight[0, 1] == 0.0


def test_where_the_gradient_is_0_nothing_becomes_nan() -> None:
    problem = Sometimes()
    with torch.no_grad():
        problem.model["a"].zero_()
        problem.model["b"].zero_()
    method = make_spec("asam(momentum)").make(MethodSettings(lambda step: 1.0))
    list(method.steps(problem, method.init(problem), NoRows(), 0, 1))
    assert [each.item() for each in problem.model.values()] == [0.0, 0.0]


def test_the_gradient_that_moves_is_clipped() -> None:
    fit = SmallRegression()
    start = fit.weights()
    method = make_spec("sam(sgd, lr=1.0)").make(MethodSettings(lambda step: 1.0, clip=1e-3))
    list(method.steps(fit, method.init(fit), SmallBatches(), 0, 1))
    assert float((fit.weights() - start).norm()) == pytest.approx(1e-3, rel=1e-5)


def test_its_text_names_what_was_given() -> None:
    for text, again in (
        ("sam", "sam"),
        ("sam(adam)", "sam(adam)"),
        ("sam(rule='adam(lr=0.01)')", "sam(adam, lr=0.01)"),
        ("sam(adam(betas=(0.8, 0.9), lr=0.01), 0.1)", "sam(adam(betas=(0.8, 0.9)), lr=0.01, rho=0.1)"),
        ("asam('torch:Adamax')", "asam('torch:Adamax')"),
    ):
        spec = make_spec(text)
        assert str(spec) == again
        read = make_spec(again)
        assert (read.hyper, read.given) == (spec.hyper, spec.given)
        assert str(spec.with_lr(0.5)) == again.replace("lr=0.01", "lr=0.5")


def test_its_rate_is_the_rules() -> None:
    spec = make_spec("sam(adam)")
    assert (spec.hyper.lr, spec.centre, spec.default_rate) == (0.001, 0.001, 0.001)
    assert "lr" not in spec.given
    assert (make_spec("sam(lion)").centre, make_spec("sam(lion)").default_rate) == (0.0003, 0.0001)
    assert make_spec("sam(adam(lr=0.2))").given == {"rule", "lr"}
    assert "eps=1e-08" in spec.hyper.rule  # a changed default is another recipe


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("sam(l-bfgs)", "sam: rule='l-bfgs' is not allowed: l-bfgs is no rule"),
        ("sam('torch:LBFGS')", "takes several gradients"),
        ("asam(sam)", "asam: rule='sam' is not allowed: sam is no rule"),
        ("sam(sam(adam))", "sam: rule='sam(adam)' is not allowed: sam is no rule"),
        ("sam(3)", "sam: rule=3 is not allowed: it is no optimizer"),
        ("sam(adm)", "unknown optimizer 'adm'"),
        ("sam(adam(lr=0.1), lr=0.2)", "sam got 'lr' twice"),
        ("sam(adam, rule='sgd')", "sam got 'rule' twice"),
    ],
)
def test_what_it_cannot_be_around_is_refused(text: str, fact: str) -> None:
    with pytest.raises(OptionError, match=re.escape(fact)) as error:
        make_spec(text)
    assert error.value.hint


def test_a_users_rule_is_identified_by_its_code(tmp_path) -> None:
    from steepest.sweep.codes import of_optimizer
    from steepest.sweep.contestants import contestant

    path = tmp_path / "mine.py"
    text = (
        "from steepest.optim.rules.sgd import SGD\n\n\nclass Mine(SGD):\n"
        "    '''My own.'''\n\n    name = 'mine'\n    factor = {}\n"
    )
    digests = set()
    for factor in (1, 2):
        path.with_name(f"mine{factor}.py").write_text(text.format(factor))
        who = contestant(f"sam('{tmp_path}/mine{factor}.py:Mine', rho=0.1)")
        digests.add(of_optimizer(who).digest)
    assert len(digests) == 2
    assert "" not in digests
    assert of_optimizer(contestant("sam(adam)")).digest == ""


def test_sam_is_in_no_group_of_rules() -> None:
    assert optim.names("sharpness") == ["asam", "sam"]
    assert not {"sam", "asam"} & set(optim.names("all"))
