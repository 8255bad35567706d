"""Products with curvature equal the matrices themselves, which torch.func forms another way."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from steepest.curvature import Curvature, blocks, diagonal, jacobian, matrix
from steepest.curvature.backwards import pulled
from steepest.curvature.function import held
from steepest.errors import OptionError
from steepest.objectives import read_objective
from tests.curvature.nets import nets, plain, vectors

CLASSES = torch.tensor([0, 2, 1, 1, 0, 2, 2])
NUMBERS = torch.linspace(-2.0, 2.0, 21, dtype=torch.float64).reshape(7, 3)
LOSSES: dict[str, tuple[Any, Tensor]] = {
    "cross-entropy": (nn.CrossEntropyLoss(), CLASSES),
    "cross-entropy, weighted classes": (
        nn.CrossEntropyLoss(weight=torch.tensor([0.5, 1.0, 3.0]).double()),
        CLASSES,
    ),
    "cross-entropy, a row left out": (nn.CrossEntropyLoss(ignore_index=2), CLASSES),
    "squared": (nn.MSELoss(), NUMBERS),
    "squared, summed": (nn.MSELoss(reduction="sum"), NUMBERS),
    "huber": (nn.HuberLoss(delta=0.7), NUMBERS),
    "bernoulli": (nn.BCEWithLogitsLoss(), (NUMBERS > 0).double()),
    "a function": (lambda outputs, target: ((outputs - target).square() + 1).log().mean(), NUMBERS),
}
KINDS = ("gauss-newton", "hessian", "empirical-fisher")


def dense(net: nn.Module, inputs: Tensor, loss: Callable[[Tensor], Tensor], kind: str) -> Tensor:
    """Return a matrix by torch.func, from a function that has no look-ups with padding and torch's dropout."""
    call = held(net, (inputs,))
    names = [name for name, each in net.named_parameters() if each.requires_grad]
    start = torch.cat([dict(net.named_parameters())[name].detach().reshape(-1) for name in names])

    def outputs(vector: Tensor) -> Tensor:
        sizes = [dict(net.named_parameters())[name].shape for name in names]
        parts = vector.split([size.numel() for size in sizes])
        return call({name: part.reshape(size) for name, part, size in zip(names, parts, sizes, strict=True)})

    if kind == "hessian":
        return torch.autograd.functional.hessian(lambda vector: loss(outputs(vector)), start)
    with torch.no_grad():
        at = outputs(start)
    j: Any = torch.autograd.functional.jacobian(outputs, start)
    if kind == "empirical-fisher":
        slope = torch.autograd.functional.jacobian(loss, at)
        rows = torch.einsum("bk,bkp->bp", slope, j)
        return len(at) * rows.T @ rows
    h: Any = torch.autograd.functional.hessian(loss, at)
    size = at.numel()
    return j.reshape(size, -1).T @ h.reshape(size, size) @ j.reshape(size, -1)


def close(found: Tensor, wanted: Tensor, relative: float = 1e-10) -> bool:
    return float((found - wanted).norm()) <= relative * float(wanted.norm())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", nets())
def test_products_equal_the_matrix(name: str, kind: Any) -> None:
    net, inputs = nets()[name]
    loss, target = LOSSES["cross-entropy"]
    at = Curvature.of(net, loss, inputs, target)
    wanted = dense(net, inputs, lambda outputs: loss(outputs, target), kind)
    assert wanted.norm() > 0
    for v in vectors(at.size, 2):
        assert close(at.product(kind, v), wanted @ v)
    assert close(matrix(at, kind), wanted)
    assert close(diagonal(at, kind), wanted.diagonal())
    first = 0
    for parameter, block in blocks(at, kind).items():
        last = first + len(block)
        assert (block - wanted[first:last, first:last]).norm() <= 1e-10 * wanted.norm(), parameter
        first = last
    assert first == at.size


@pytest.mark.parametrize("kind", ["gauss-newton", "hessian"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_own_curvature(name: str, kind: Any) -> None:
    net, inputs = nets()["norm"]
    loss, target = LOSSES[name]
    at = Curvature.of(net, loss, inputs, target)
    wanted = dense(net, inputs, lambda outputs: loss(outputs, target), kind)
    [v] = vectors(at.size, 1)
    assert close(at.product(kind, v), wanted @ v)
    assert close(matrix(at, kind), wanted)
    gradient = torch.autograd.functional.jacobian(
        lambda vector: loss(held(net, (inputs,))(at.named(vector)), target),
        at.flat(at.parameters).detach(),
    )
    assert close(at.gradient, gradient)


@pytest.mark.parametrize("name", nets())
def test_gauss_newton_is_symmetric_and_nowhere_negative(name: str) -> None:
    net, inputs = nets()[name]
    for loss, target in (LOSSES["cross-entropy"], LOSSES["squared"], LOSSES["huber"]):
        at = Curvature.of(net, loss, inputs, target)
        u, v = vectors(at.size, 2)
        assert float(u @ at.gauss_newton(v)) == pytest.approx(float(v @ at.gauss_newton(u)), rel=1e-10)
        assert float(v @ at.gauss_newton(v)) >= 0
        assert torch.linalg.eigvalsh(matrix(at)).min() > -1e-10


def test_rows_have_weights() -> None:
    net, inputs = nets()["plain"]
    loss = nn.CrossEntropyLoss(reduction="none")
    weights = torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0]).double()
    at = Curvature.of(net, loss, inputs, CLASSES, weights=weights)

    def weighted(outputs: Tensor) -> Tensor:
        return (weights * loss(outputs, CLASSES)).sum() / weights.sum()

    for kind in ("gauss-newton", "hessian"):
        assert close(matrix(at, kind), dense(net, inputs, weighted, kind))
    rows = []
    for row in range(7):
        one = Curvature.of(net, nn.CrossEntropyLoss(), inputs[row : row + 1], CLASSES[row : row + 1])
        rows.append(one.gradient)
    wanted = sum(w * torch.outer(g, g) for w, g in zip(weights, rows, strict=True)) / weights.sum()
    assert close(matrix(at, "empirical-fisher"), wanted)
    with pytest.raises(OptionError, match=r"the loss has the shape \[\]"):
        Curvature.of(net, nn.CrossEntropyLoss(), inputs, CLASSES, weights=weights)


@pytest.mark.parametrize(
    "text", ["cross-entropy", "squared", "huber(0.7)", "reconstruction", "quantile(0.9)", "absolute"]
)
def test_our_losses_have_the_hessian_that_differentiating_twice_gives(text: str) -> None:
    objective = read_objective(text)
    outputs = 2 * NUMBERS if text in ("cross-entropy", "reconstruction") else 2 * NUMBERS[:, :1]
    target = CLASSES if text == "cross-entropy" else NUMBERS if text == "reconstruction" else NUMBERS[:, 2]
    v = torch.ones_like(outputs) + outputs
    if text in ("quantile(0.9)", "absolute"):
        with pytest.raises(OptionError, match="has no curvature: its second derivative is zero"):
            objective.bend(outputs, target, v)
        return
    h: Any = torch.autograd.functional.hessian(lambda o: objective.losses(o, target).sum(), outputs)
    assert close(objective.bend(outputs, target, v), torch.einsum("bkcl,cl->bk", h, v))


@pytest.mark.parametrize("loss", [nn.L1Loss(), functional.l1_loss])
def test_the_absolute_error_is_refused(loss: Any) -> None:
    net, inputs = nets()["plain"]
    with pytest.raises(OptionError, match="the absolute error has no curvature"):
        Curvature.of(net, loss, inputs, NUMBERS)


def test_the_module_stays_as_it_is() -> None:
    net, inputs = nets()["tabular"]
    before = {name: each.clone() for name, each in net.state_dict().items()}
    state = torch.get_rng_state()
    at = Curvature.of(net, nn.CrossEntropyLoss(), inputs, CLASSES)
    at.gauss_newton(torch.ones(at.size, dtype=torch.float64))
    at.hessian(torch.ones(at.size, dtype=torch.float64))
    assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(each.grad is None for each in net.parameters())


def test_only_trainable_parameters_count() -> None:
    net, inputs = nets()["plain"]
    whole = matrix(Curvature.of(net, nn.MSELoss(), inputs, NUMBERS))
    net.get_parameter("0.weight").requires_grad_(False)
    net.register_parameter("unused", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    at = Curvature.of(net, nn.MSELoss(), inputs, NUMBERS)
    assert list(at.shapes) == ["unused", "0.bias", "2.weight", "2.bias"]
    found = matrix(at)
    assert close(found[2:, 2:], whole[12:, 12:])
    assert not found[:2].any()
    assert not matrix(at, "hessian")[:2].any()


class Backwards(torch.autograd.Function):
    """The cube, differentiable backwards only."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        ctx.save_for_backward(value)
        return value**3

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        [value] = ctx.saved_tensors
        return 3 * value**2 * grads[0]


class Cubed(nn.Module):
    def forward(self, value: Tensor) -> Tensor:
        found: Any = Backwards.apply(value)
        return found


def test_what_has_no_derivative_forwards_is_differentiated_backwards_twice() -> None:
    net = nn.Sequential(nn.Linear(3, 3), Cubed()).double()
    inputs = NUMBERS.roll(1, 0)
    at = Curvature.of(net, nn.MSELoss(), inputs, NUMBERS)
    [v] = vectors(at.size, 1)
    assert close(
        at.gauss_newton(v), dense(net, inputs, lambda o: functional.mse_loss(o, NUMBERS), "gauss-newton") @ v
    )
    assert close(jacobian(at) @ v, at.push(v).reshape(-1))


class Unheld(nn.Module):
    """Draws from a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3).double()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, value: Tensor) -> Tensor:
        return self.layer(value) + torch.randn(3, generator=self.generator).double()


def test_a_module_that_is_no_function_is_refused() -> None:
    with pytest.raises(OptionError, match="two calls of the model at the same parameters differ by"):
        Curvature.of(Unheld(), nn.MSELoss(), NUMBERS, NUMBERS)


def test_a_penalty_adds_its_hessian() -> None:
    net = plain().double()
    parameters = dict(net.named_parameters())

    def penalty(at: Any) -> Tensor:
        return 0.5 * at["0.weight"].pow(4).sum()

    args = held(net, (NUMBERS,)), parameters, lambda outputs: functional.mse_loss(outputs, NUMBERS)
    without, with_it = Curvature(*args), Curvature(*args, penalty=penalty)
    more = torch.zeros(without.size, dtype=torch.float64)
    more[:12] = 6 * net.get_parameter("0.weight").detach().reshape(-1) ** 2
    for kind in ("gauss-newton", "hessian"):
        assert close(matrix(with_it, kind) - matrix(without, kind), torch.diag(more))
    assert close(diagonal(with_it) - diagonal(without), more)
    moved = 0.1 * torch.ones(without.size, dtype=torch.float64)
    there = {name: each + 0.1 for name, each in parameters.items()}
    assert float(with_it.moved(moved) - without.moved(moved)) == pytest.approx(float(penalty(there).detach()))


def test_unknown_matrices_are_refused() -> None:
    net, inputs = nets()["plain"]
    at = Curvature.of(net, nn.MSELoss(), inputs, NUMBERS)
    with pytest.raises(OptionError, match="no curvature is called 'fisher'"):
        matrix(at, "fisher")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["plain", "norm"])
def test_products_equal_curvlinops(name: str, kind: str) -> None:
    curvlinops = pytest.importorskip("curvlinops")
    net, inputs = nets()[name]
    loss, target = nn.CrossEntropyLoss(), CLASSES
    for each in net.modules():
        if isinstance(each, nn.BatchNorm1d):  # curvlinops cannot hold running averages
            each.track_running_stats = False
    if name == "norm" and kind == "empirical-fisher":
        pytest.skip("curvlinops sums over rows one by one, which batch norm makes depend on each other")
    if name == "norm" and kind == "hessian":
        pytest.skip("torch's derivative forwards of batch norm's derivative backwards is not symmetric")
    operator = {
        "gauss-newton": curvlinops.GGNLinearOperator,
        "hessian": curvlinops.HessianLinearOperator,
        "empirical-fisher": curvlinops.EFLinearOperator,
    }[kind]
    parameters = [each for each in net.parameters() if each.requires_grad]
    theirs = operator(net, loss, parameters, [(inputs, target)], check_deterministic=False)
    at = Curvature.of(net, loss, inputs, target)
    for v in vectors(at.size, 2):
        assert close(at.product(kind, v), torch.as_tensor(theirs @ v), 1e-9)  # type: ignore[arg-type]


class Detached(nn.Linear):
    """A network whose outputs have no graph."""

    def forward(self, input):
        return super().forward(input).detach()


@pytest.mark.parametrize(
    ("make", "fact", "hint"),
    [
        (lambda: Curvature.of(nn.Linear(2, 1).requires_grad_(False), nn.MSELoss(), torch.ones(3, 2), torch.ones(3, 1)),
         "there is no parameter", r"requires_grad_\(True\)"),
        (lambda: Curvature.of(Detached(2, 1), nn.MSELoss(), torch.ones(3, 2), torch.ones(3, 1)),
         "the outputs do not depend on the parameters", "detach"),
        (lambda: Curvature.of(nn.Linear(2, 1), nn.MSELoss(), torch.ones(0, 2), torch.ones(0, 1)),
         r"no outputs: their shape is \[0, 1\]", "rows"),
        (lambda: Curvature.of(nn.Linear(2, 1), nn.MSELoss(), torch.ones(3, 2), torch.ones(3, 1)).hessian(torch.ones(4)),
         r"a vector of shape \[4\] for 3 parameters", "at.size"),
    ],
)  # fmt: skip
def test_what_has_no_curvature_is_said(make, fact, hint):
    with pytest.raises(OptionError, match=fact) as caught:
        make()
    assert re.search(hint, caught.value.hint)


def test_many_backward_passes_at_once_where_an_operation_has_no_rule_for_that():
    class Alone(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 3 * x

        @staticmethod
        def backward(ctx, grad):
            return 3 * torch.tensor(grad.tolist())

    w = torch.tensor([1.0, 2.0], requires_grad=True)
    other = torch.tensor([[5.0]], requires_grad=True)
    assert pulled(Alone.apply(w), [w, other], torch.eye(2)).tolist() == [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]]
