"""Optimizers from elsewhere by one grammar."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from steepest.errors import MissingExtraError, OptionError
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.rng import torch_stream
from steepest.schedules import make_schedule

MINE = '''
import torch
from pydantic import Field
from steepest.optim.rule import Hyper, Rule


class MyOpt(torch.optim.Optimizer):
    """Signs only."""

    def __init__(self, params, beta, lr=0.05):
        if not 0 <= beta < 1:
            raise ValueError(f"bad beta {beta}")
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad.sign(), alpha=-group["lr"])


class Moded(MyOpt):
    """Evaluates at the half of where it trains."""

    def train(self):
        self._twice(2.0)

    def eval(self):
        self._twice(0.5)

    @torch.no_grad()
    def _twice(self, factor):
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(factor)


class Wants(MyOpt):
    """Has a closure by name only: it cannot do without."""

    def step(self, closure=None):
        if closure is None:
            raise RuntimeError("I need a closure")
        loss = closure()
        super().step()
        return loss


class Breaks(MyOpt):
    """Fails at its third step."""

    taken = 0

    def step(self, closure=None):
        self.taken += 1
        if self.taken == 3:
            raise KeyError("momentum")
        super().step()


class OfAModel(MyOpt):
    """Takes the model in the place of its parameters."""

    def __init__(self, model, lr=0.05):
        super().__init__([p for _, p in model.named_parameters()], 0.5, lr)


class Counts(MyOpt):
    """Reads its parameters as a list of tensors, which groups are not, and compiles its update."""

    def __init__(self, params, lr=0.05):
        params = list(params)
        self.elements = sum(p.numel() for p in params)
        super().__init__(params, 0.5, lr)

    def step(self, closure=None):
        if not torch.compiler.is_compiling():
            self.move = torch.compile(self._move, fullgraph=True)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, group["lr"])

    @torch.no_grad()
    def _move(self, p, lr):
        # Compiled, this would stop at the print; uncompiled it is plain Python.
        print("moved", end="")
        p.add_(p.grad.sign(), alpha=-lr)


class MyHyper(Hyper):
    lr: float = Field(default=0.1, ge=0.0, description="learning rate")


class MyRule(Rule[MyHyper]):
    """Plain descent."""

    name, title, citation, Hyper, grid_centre = "my-rule", "Mine", "nobody, 2000", MyHyper, 0.1
    idle = "still"

    def slots(self):
        return {}

    def coefficients(self, step, multiplier, carry):
        return {"lr": self.hyper.lr * multiplier}, carry

    def update(self, grad, param, slots, c):
        return param - grad * c["lr"], {}


NOTHING = 3
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


class Fit:
    """A problem for the loop's method."""

    def __init__(self) -> None:
        with torch_stream(0, "init"):
            self.model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        with torch_stream(0, "data"):
            self.inputs = torch.randn(32, 4)

    def loss(self, batch):
        return (self.model(self.inputs) - self.inputs.sum(1, keepdim=True)).square().mean()


def train(text: str, steps: int = 30, schedule: str = "cosine") -> tuple[Fit, list[float], float]:
    fit = Fit()
    method = GradientMethod(make_rule(text), make_schedule(schedule, steps))
    state = method.init(fit)
    infos = [method.step(fit, state, None) for _ in range(steps)]
    return fit, [info.loss for info in infos], sum(info.gradients for info in infos)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("adamax", "torch:Adamax"),
        ("sgd(lr=0.1, momentum=0.9)", "torch:SGD(lr=0.1, momentum=0.9)"),
        ("nadam", "torch.optim:NAdam"),
        ("adafactor(lr=0.001)", "torch:Adafactor(lr=0.001)"),
    ],
)
def test_a_foreign_twin_takes_the_same_way(ours: str, theirs: str) -> None:
    one, other = train(ours)[1], train(theirs)[1]
    assert one == pytest.approx(other, rel=1e-4)
    assert other[-1] < other[0]


def test_a_closure_is_given_to_whom_it_is_needed_and_every_gradient_counts() -> None:
    _, losses, gradients = train("torch:LBFGS(max_iter=5)", steps=4, schedule="constant")
    assert losses[-1] < 0.1 * losses[0]
    assert gradients > 4


def test_an_optimizer_and_a_rule_of_ones_own(mine: Path) -> None:
    rule = make_rule(f"{mine}:MyOpt(beta=0.5)")
    assert (rule.hyper.lr, rule.centre, rule.given) == (0.05, 0.05, {"beta"})
    assert rule.with_lr(0.2).hyper.lr == 0.2
    losses = train(f"{mine}:MyOpt(beta=0.5)")[1]
    assert losses[-1] < losses[0]
    assert train(f"{mine}:MyRule(lr=0.05)")[1] == train("sgd(lr=0.05)")[1]


def test_an_optimizer_with_modes_is_evaluated_where_it_says(mine: Path) -> None:
    param = torch.nn.Parameter(torch.tensor([4.0]))
    optimizer = make_rule(f"{mine}:Moded(beta=0.5)").optimizer([param])
    assert optimizer.evaluation_parameters()[param].item() == 2.0
    assert param.item() == 4.0


@pytest.mark.parametrize("kind", ["Wants(beta=0.5)", "OfAModel", "Counts"])
def test_what_an_optimizer_asks_for_it_gets(mine: Path, kind: str) -> None:
    """A closure, the model, a list of tensors; and on a CPU nothing waits for a compiler."""
    losses = train(f"{mine}:{kind}")[1]
    assert losses[-1] < losses[0]


def test_a_step_that_fails_says_whose_it_is(mine: Path) -> None:
    with pytest.raises(OptionError) as caught:
        train(f"{mine}:Breaks(beta=0.5)")
    assert "Breaks failed at its step 3: KeyError: 'momentum'" in caught.value.fact
    assert "-o" in caught.value.hint


def test_an_error_in_the_closure_is_the_callers_own() -> None:
    param = torch.nn.Parameter(torch.ones(2))
    optimizer = make_rule("torch:LBFGS").optimizer([param])

    def closure():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        optimizer.step(closure)


def test_a_rate_at_the_grids_centre_is_given_to_a_constructor_without_one() -> None:
    """Its own default may mean something else, such as a rate that follows the parameters."""
    from steepest.optim.foreign import foreign

    class Own(torch.optim.SGD):
        def __init__(self, params, lr=None):
            super().__init__(params, 0.5 if lr is None else lr)

    rule = foreign(Own, "own")()
    assert rule.centre == 1e-3
    assert rule.with_lr(1e-3).optimizer([torch.nn.Parameter(torch.ones(2))]).param_groups[0]["lr"] == 1e-3


def test_a_name_with_colons_is_printed_as_it_stands() -> None:
    from steepest.report.console import ProgressObserver

    console = ProgressObserver().console
    with console.capture() as caught:
        console.print("pytorch_optimizer:SOAP: rates")
    assert caught.get().strip() == "pytorch_optimizer:SOAP: rates"


def test_torchs_hooks_run_once_a_step() -> None:
    param = torch.nn.Parameter(torch.ones(2))
    optimizer = make_rule("torch:Adamax").optimizer([param])
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    param.grad = torch.ones(2)
    optimizer.step()
    optimizer.step()
    assert calls == [1, 1]


def test_a_rate_that_is_not_there_is_not_tuned() -> None:
    class Rateless(torch.optim.SGD):
        def __init__(self, params):
            super().__init__(params, lr=0.1)

    from steepest.optim.foreign import foreign

    assert "lr" in foreign(Rateless, "rateless")().given


def test_a_foreign_run_resumes(mine: Path) -> None:
    def fresh(values: torch.Tensor):
        param = torch.nn.Parameter(values.clone())
        return param, make_rule("torch:Adamax").optimizer([param], schedule=make_schedule("linear", 10))

    def run(param, optimizer, first: int, last: int) -> None:
        for step in range(first, last):
            param.grad = torch.full((3,), 1.0 + step)
            optimizer.step()

    whole, optimizer = fresh(torch.ones(3))
    run(whole, optimizer, 0, 10)
    half, first = fresh(torch.ones(3))
    run(half, first, 0, 4)
    rest, second = fresh(half.detach())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(rest, second, 4, 10)
    assert torch.equal(whole, rest)


def test_muon_gives_embeddings_and_the_output_layer_to_adamw() -> None:
    model = torch.nn.ModuleDict(
        {"table": torch.nn.Embedding(5, 4), "hidden": torch.nn.Linear(4, 4), "out": torch.nn.Linear(4, 2)}
    )
    optimizer = make_rule("muon").optimizer(model)
    for param in model.parameters():
        param.grad = torch.ones_like(param)
    optimizer.step()
    plain = {name for name, p in model.named_parameters() if "exp_avg_sq" in optimizer.state[p]}
    assert plain == {"table.weight", "hidden.bias", "out.weight", "out.bias"}


@pytest.mark.parametrize(
    ("text", "error", "fact", "hint"),
    [
        ("{mine}:MyOpt", OptionError, "needs a value for 'beta'", "MyOpt(beta=…); its arguments are"),
        ("{mine}:MyOpt(beta=2)", OptionError, "bad beta 2", "its arguments are"),
        ("{mine}:MyOpt(beta=0.5, gamma=1)", OptionError, "'gamma'", "beta"),
        ("{mine}:NOTHING", OptionError, "NOTHING", "derives from torch.optim.Optimizer"),
        ("{mine}:Absent", OptionError, "Absent", "must exist"),
        ("nowhere.py:MyOpt", OptionError, "nowhere.py", "path"),
        ("torch:Adamix", OptionError, "Adamix", "must exist"),
        ("torch:SGD(lr=-1)", OptionError, "-1", "its arguments are"),
        ("torch:SGD(lr=0.1, nesterov=True)", OptionError, "Nesterov", "its arguments are"),
        ("heavyball:PSGDKron", MissingExtraError, "heavyball", "pip install heavyball"),
    ],
)
def test_mistakes_are_named_with_their_cure(mine: Path, text: str, error, fact: str, hint: str) -> None:
    if "heavyball" in text:
        from importlib.util import find_spec

        if find_spec("heavyball"):
            pytest.skip("heavyball is installed, so nothing is missing")
    with pytest.raises(error) as caught:
        make_rule(text.format(mine=mine))
    assert fact in caught.value.fact
    assert hint in caught.value.hint
