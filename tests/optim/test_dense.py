"""What torch asks of any optimizer, row by row, on one rule of each kind."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest
import torch

import steepest.optim as optim
from steepest.errors import OptionError, UnknownNameError
from steepest.optim import class_name, make_rule, names
from steepest.schedules import cosine

OPTIMIZERS = [class_name(name) for name in names()]
each_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def parameter(values=(1.0, -2.0, 3.0), grad=(0.5, -0.1, 0.2), dtype=torch.float64) -> torch.nn.Parameter:
    param = torch.nn.Parameter(torch.tensor(values, dtype=dtype).reshape(1, -1))
    param.grad = None if grad is None else torch.tensor(grad, dtype=dtype).reshape(1, -1)
    return param


@each_optimizer
def test_is_a_torch_optimizer_with_its_own_signature(name: str) -> None:
    kind = getattr(optim, name)
    assert issubclass(kind, torch.optim.Optimizer)
    assert "lr" in inspect.signature(kind).parameters
    assert "Args:" in kind.__doc__
    assert kind.__name__ == name
    assert getattr(optim, name) is kind


@each_optimizer
def test_a_parameter_without_gradient_is_skipped(name: str) -> None:
    moving, resting = parameter(), parameter(grad=None)
    optimizer = getattr(optim, name)([moving, resting])
    before = resting.detach().clone()
    optimizer.step()
    assert torch.equal(resting, before)
    assert not optimizer.state.get(resting)
    assert optimizer.state[moving]["step"] == 1


@each_optimizer
def test_no_gradient_is_not_a_zero_gradient(name: str) -> None:
    """A parameter that starts to get gradients late is at its own first step then."""
    late, fresh = parameter(grad=None), parameter()
    optimizer, other = getattr(optim, name)([late]), getattr(optim, name)([fresh])
    for _ in range(3):
        optimizer.step()
    late.grad = fresh.grad.clone()
    optimizer.step()
    other.step()
    assert torch.equal(late, fresh)


@each_optimizer
def test_a_closure_is_called_once_with_gradients_on_and_its_loss_returned(name: str) -> None:
    param = parameter(grad=None)
    optimizer = getattr(optim, name)([param])
    calls = []

    def closure():
        optimizer.zero_grad()
        loss = param.square().sum()
        loss.backward()
        calls.append(torch.is_grad_enabled())
        return loss

    assert optimizer.step(closure).item() == pytest.approx(14.0)
    assert calls == [True]


@each_optimizer
def test_maximize_climbs(name: str) -> None:
    down, up = parameter(), parameter(grad=(-0.5, 0.1, -0.2))
    first, second = getattr(optim, name)([down]), getattr(optim, name)([up], maximize=True)
    for _ in range(3):
        first.step()
        second.step()
    assert torch.equal(down, up)


@each_optimizer
def test_groups_have_their_own_values(name: str) -> None:
    alone, grouped, other = parameter(), parameter(), parameter()
    default = inspect.signature(getattr(optim, name)).parameters["lr"].default
    single = getattr(optim, name)([alone], lr=default * 0.5)
    several = getattr(optim, name)([{"params": [grouped], "lr": default * 0.5}])
    several.add_param_group({"params": [other]})
    for _ in range(3):
        single.step()
        several.step()
    assert torch.equal(alone, grouped)
    assert not torch.equal(grouped, other)


@pytest.mark.parametrize("made", [list, iter])
def test_groups_given_to_two_optimizers_keep_each_its_own_rate(made) -> None:
    groups = [{"params": made([parameter()])}, {"params": made([parameter()]), "lr": 0.1}]
    first, second = optim.SGD(groups, lr=0.01), optim.SGD(groups, lr=0.5)
    for optimizer, rate in ((first, 0.01), (second, 0.5)):
        assert [group["lr"] for group in optimizer.param_groups] == [rate, 0.1]
        assert [len(group["params"]) for group in optimizer.param_groups] == [1, 1]
    assert "momentum" not in groups[0]


@each_optimizer
def test_a_tensor_as_learning_rate_is_its_number(name: str) -> None:
    plain, tensor = parameter(), parameter()
    first = getattr(optim, name)([plain], lr=0.25)
    second = getattr(optim, name)([tensor], lr=torch.tensor(0.25))
    for _ in range(3):
        first.step()
        second.step()
    assert torch.equal(plain, tensor)


@each_optimizer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_state_follows_the_dtype_and_survives_load(name: str, dtype: torch.dtype) -> None:
    param = parameter(dtype=dtype)
    optimizer = getattr(optim, name)([param])
    optimizer.step()
    slots = [each for each in optimizer.state[param].values() if isinstance(each, torch.Tensor)]
    assert all(each.dtype == dtype for each in slots)
    other = parameter(dtype=torch.float64)
    second = getattr(optim, name)([other])
    second.load_state_dict(optimizer.state_dict())
    assert second.state[other]["step"] == 1
    second.step()
    assert bool(torch.isfinite(other).all())


@each_optimizer
def test_copies_and_pickles_go_on_alike(name: str) -> None:
    param = parameter()
    optimizer = getattr(optim, name)([param])
    optimizer.step()
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):  # noqa: S301
        copied = twin.param_groups[0]["params"][0]
        copied.grad = param.grad.clone()
        twin.step()
        ahead = copy.deepcopy(optimizer)
        ahead.param_groups[0]["params"][0].grad = param.grad.clone()
        ahead.step()
        assert torch.equal(copied, ahead.param_groups[0]["params"][0])


@each_optimizer
def test_an_empty_parameter_and_an_empty_group_are_fine(name: str) -> None:
    empty = torch.nn.Parameter(torch.empty(0))
    empty.grad = torch.empty(0)
    param = parameter(dtype=torch.float32)
    optimizer = getattr(optim, name)([{"params": []}, {"params": [empty, param]}])
    optimizer.step()
    assert empty.numel() == 0


@each_optimizer
def test_layouts_do_not_matter(name: str) -> None:
    values, grad = torch.randn(4, 6, generator=torch.manual_seed(0)), torch.ones(4, 6)
    straight = torch.nn.Parameter(values.clone())
    across = torch.nn.Parameter(values.t().contiguous().t())
    assert not across.is_contiguous()
    first, second = getattr(optim, name)([straight]), getattr(optim, name)([across])
    for _ in range(3):
        straight.grad, across.grad = grad.clone(), grad.t().contiguous().t()
        first.step()
        second.step()
    torch.testing.assert_close(straight, across, rtol=0, atol=0)


@each_optimizer
def test_a_pure_schedule_scales_the_applied_step(name: str) -> None:
    plain, halved = parameter(), parameter()
    start = plain.detach().clone()
    getattr(optim, name)([plain]).step()
    getattr(optim, name)([halved], schedule=lambda _: 0.5).step()
    torch.testing.assert_close((halved - start) * 2, plain - start, rtol=1e-9, atol=1e-15)


@each_optimizer
def test_a_torch_scheduler_and_a_pure_schedule_agree(name: str) -> None:
    pure, scheduled = parameter(), parameter()
    first = getattr(optim, name)([pure], schedule=lambda step: 0.5**step)
    second = getattr(optim, name)([scheduled])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(second, gamma=0.5)
    for _ in range(5):
        first.step()
        second.step()
        scheduler.step()
    torch.testing.assert_close(pure, scheduled, rtol=1e-12, atol=1e-14)


def test_a_schedule_together_with_a_torch_scheduler_is_an_error() -> None:
    param = parameter()
    optimizer = optim.Adam([param], schedule=cosine(10))
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    with pytest.raises(OptionError, match="both change the learning rate"):
        optimizer.step()


def test_the_schedule_goes_on_after_a_restart() -> None:
    param, other = parameter(), parameter()
    optimizer = optim.SGD([param], lr=1.0, schedule=lambda step: 1.0 if step == 0 else 0.0)
    optimizer.step()
    resumed = optim.SGD([other], lr=1.0, schedule=lambda step: 1.0 if step == 0 else 0.0)
    resumed.load_state_dict(optimizer.state_dict())
    before = other.detach().clone()
    resumed.step()
    assert torch.equal(other, before)


def test_state_moves_between_torch_and_here() -> None:
    ours, theirs = parameter(), parameter()
    first, second = torch.optim.Adam([theirs]), optim.Adam([ours])
    first.step()
    second.step()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    first.step()
    second.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    first.load_state_dict(copy.deepcopy(second.state_dict()))
    first.step()
    second.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_many_small_tensors_at_different_steps_stay_apart() -> None:
    """Parameters that joined late have their own bias correction though they are updated together."""
    early, late = parameter(), parameter(grad=None)
    optimizer = optim.Adam([early, late], lr=0.1)
    optimizer.step()
    late.grad = early.grad.clone()
    optimizer.step()
    alone = parameter()
    optim.Adam([alone], lr=0.1).step()
    assert torch.equal(late, alone)


@pytest.mark.parametrize(
    ("make", "fact", "hint"),
    [
        (lambda: make_rule("adm"), "'adm'", "did you mean 'adam'"),
        (lambda: make_rule("adam(beta=0.9)"), "'beta'", "known: lr, betas"),
        (lambda: make_rule("adam(lr=-1)"), "lr=-1", "greater than or equal to 0"),
        (lambda: make_rule("adam(betas=(0.9, 1.0))"), "betas=(0.9, 1.0)", "less than 1"),
        (lambda: make_rule("adam(lr=fast)"), "lr='fast'", "valid number"),
        (lambda: make_rule("sgd(0.1, lr=0.2)"), "'lr' twice", "by position or by name"),
        (lambda: make_rule("sgd(nesterov=true)"), "nesterov", "momentum above 0"),
        (lambda: make_rule("sgd(1,2,3,4,True,6,7)"), "not 7", "lr, momentum"),
        (lambda: optim.Adam([parameter()], lr=-1.0), "lr=-1.0", "greater than or equal to 0"),
        (lambda: optim.Adam([parameter()], fused=True), "'fused'", "known: lr, betas"),
        (lambda: optim.Adam([parameter()], 1, 2, 3, 4, 5, 6), "not 6", "lr, betas"),
        (lambda: optim.Adam([parameter()], 0.1, lr=0.1), "'lr' twice", "by position or by name"),
        (lambda: optim.SGD([{"params": [parameter()], "lr": -2.0}]), "lr=-2.0", "greater than"),
        (lambda: names("fast"), "'fast'", "classic"),
        (
            lambda: optim.Adam([torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))]),
            "complex",
            "view_as_real",
        ),
    ],
)
def test_mistakes_are_named_with_their_cure(make, fact: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        make()
    assert fact in caught.value.fact
    assert hint in caught.value.hint


def test_a_sparse_gradient_is_refused() -> None:
    table = torch.nn.Embedding(4, 2, sparse=True)
    optimizer = optim.Adam(table.parameters())
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(OptionError, match="sparse gradient") as caught:
        optimizer.step()
    assert "sparse=False" in caught.value.hint


def test_a_refused_group_leaves_the_optimizer_as_it_was() -> None:
    optimizer = optim.Adam([parameter()])
    with pytest.raises(OptionError):
        optimizer.add_param_group({"params": [parameter()], "lr": -1.0})
    assert len(optimizer.param_groups) == 1
    optimizer.step()


def test_given_values_are_remembered_and_changed_ones_are_not_given() -> None:
    rule = make_rule("momentum(lr=0.5)")
    assert rule.given == {"lr"}
    assert rule.called == "momentum"
    assert make_rule("momentum").given == frozenset()
    assert make_rule("momentum").with_lr(0.2).given == frozenset()
    assert str(rule) == "momentum(lr=0.5)"
    assert make_rule(rule) is rule
    assert make_rule("Delta_Bar_Delta").called == "delta-bar-delta"


def test_groups_of_names() -> None:
    assert names("default") == ["adam", "adamw", "momentum", "sgd"]
    assert names("classic") == sorted(
        [*names("default"), "nesterov", "adagrad", "rmsprop", "quickprop", "delta-bar-delta"]
    )
    assert names("all") == names()
    with pytest.raises(UnknownNameError):
        names("none")


def test_delta_bar_delta_and_quickprop_take_the_published_arguments() -> None:
    assert list(inspect.signature(optim.Quickprop).parameters)[:3] == ["params", "lr", "max_growth"]
    assert inspect.signature(optim.Quickprop).parameters["max_growth"].default == 1.75
    assert list(inspect.signature(optim.DeltaBarDelta).parameters)[:6] == [
        "params", "lr", "kappa", "phi", "theta", "max_lr",
    ]  # fmt: skip
    assert inspect.signature(optim.DeltaBarDelta).parameters["max_lr"].default is None


def test_quickprop_keeps_the_step_before_the_multiplier() -> None:
    """A constant half keeps every step at half of the unscaled one; in the slot it would compound."""
    half, whole = parameter(), parameter()
    first, second = optim.Quickprop([half], schedule=lambda _: 0.5), optim.Quickprop([whole])
    start = half.detach().clone()
    for step in range(6):
        half.grad = whole.grad = torch.full((1, 3), 1.0 + 0.1 * step, dtype=torch.float64)
        first.step()
        second.step()
    torch.testing.assert_close((half - start) * 2, whole - start, rtol=1e-12, atol=0)
    assert torch.equal(first.state[half]["last_step"], second.state[whole]["last_step"])
