"""A loaded state is the optimizer's own and fits its parameters; float16 parameters are updated in float32."""

from __future__ import annotations

import copy

import pytest
import torch

import steepest.optim as optim
from steepest.errors import OptionError
from steepest.optim import class_name, names

each_optimizer = pytest.mark.parametrize("name", [class_name(name) for name in names()])


def parameters(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[torch.nn.Parameter]:
    draw = torch.Generator().manual_seed(0)
    made = [torch.nn.Parameter(torch.randn(*shape, generator=draw).to(dtype)) for shape in shapes]
    for param in made:
        param.grad = torch.randn(*param.shape, generator=draw).to(dtype)
    return made


@each_optimizer
def test_two_optimizers_do_not_share_a_loaded_state(name: str) -> None:
    (one,) = parameters((3, 2))
    first = getattr(optim, name)([one])
    first.step()
    twin = torch.nn.Parameter(one.detach().clone())
    second = getattr(optim, name)([twin])
    second.load_state_dict(first.state_dict())
    before = copy.deepcopy(second.state_dict()["state"])
    first.step()
    for key, value in second.state_dict()["state"][0].items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(before[0][key])), key


@each_optimizer
@pytest.mark.parametrize("order", [(1, 0), (1, 0, 2)])
def test_a_state_of_parameters_in_another_order_is_refused_and_nothing_is_loaded(
    name: str, order: tuple[int, ...]
) -> None:
    params = parameters(*[(2, 3), (4,), (3, 2)][: len(order)])
    saved = getattr(optim, name)(params)
    saved.step()
    if not any(isinstance(each, torch.Tensor) for each in saved.state[params[0]].values()):
        pytest.skip("it remembers nothing of a parameter")
    other = getattr(optim, name)([params[place] for place in order])
    other.step()
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(OptionError, match="does not fit a parameter of the shape") as caught:
        other.load_state_dict(saved.state_dict())
    assert "in the order in which they were saved" in str(caught.value)
    assert str(other.state_dict()) == str(before)
    other.step()
    assert all(bool(torch.isfinite(param).all()) for param in params)


@pytest.mark.parametrize("shape", [(2, 2), (3,)])
def test_named_parameters_of_one_shape_in_another_order_are_refused(shape: tuple[int, ...]) -> None:
    params = parameters(shape, shape)
    named = [("first", params[0]), ("second", params[1])]
    saved = optim.Adam(named)
    saved.step()
    other = optim.Adam(named[::-1])
    with pytest.raises(
        OptionError, match="parameter 1 of the loaded state is 'first', and here it is 'second'"
    ):
        other.load_state_dict(saved.state_dict())
    assert not other.state
    assert other.param_groups[0]["param_names"] == ["second", "first"]
    wrapped = optim.Adam([(f"module.{name}", param) for name, param in named])
    wrapped.load_state_dict(saved.state_dict())
    assert torch.equal(wrapped.state[params[0]]["exp_avg"], saved.state[params[0]]["exp_avg"])


@each_optimizer
def test_float16_parameters_stay_finite_at_zero_and_small_gradients(name: str) -> None:
    """ε = 1e-8 and the square of a gradient of 1e-4 are 0 in float16, and 0/0 or 1/0 end a run."""
    whole, half = parameters((3, 2)), parameters((3, 2), dtype=torch.float16)
    wide, narrow = getattr(optim, name)(whole), getattr(optim, name)(half)
    with torch.no_grad():
        whole[0].copy_(half[0])
    for scale in (0.0, 1e-4, 1e-4, 0.0):
        half[0].grad = torch.full_like(half[0], scale)
        whole[0].grad = half[0].grad.float()
        wide.step()
        narrow.step()
    assert half[0].dtype == torch.float16
    torch.testing.assert_close(half[0].float(), whole[0].detach(), rtol=4e-3, atol=4e-3)


@each_optimizer
def test_a_float16_run_resumes_with_the_same_bits(name: str) -> None:
    runs: list[torch.nn.Parameter] = []
    for stops in (False, True):
        (param,) = parameters((3, 2), dtype=torch.float16)
        optimizer = getattr(optim, name)([param])
        for step in range(6):
            param.grad = torch.full_like(param, 1e-4 * (step % 3))
            if stops and step == 3:
                saved = copy.deepcopy(optimizer.state_dict())
                optimizer = getattr(optim, name)([param])
                optimizer.load_state_dict(saved)
            optimizer.step()
        runs.append(param)
    assert torch.equal(*runs)
