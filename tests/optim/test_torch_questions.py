"""The questions that torch's own generic optimizer tests ask (its ``test/test_optim.py``), each with our answer.

A row names the question as torch does and where it is answered here for every registered optimizer: a check of
the shipped suite, a generic test of this folder, or a reason why it does not arise.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import steepest.optim as optim
from steepest.errors import OptionError
from steepest.optim import class_name, names
from steepest.testing import OptimizerConformance
from steepest.testing.rules import CHECKS
from tests.optim import test_dense, test_integrations

each_optimizer = pytest.mark.parametrize("name", [class_name(name) for name in names()])


class Absent(str):
    """Why a question does not arise."""


ANSWERS: dict[str, str] = {
    "forloop_goes_right_direction": "test_it_solves_a_parabola",
    "forloop_goes_right_direction (non-contiguous)": "test_layouts_do_not_matter",
    "forloop_goes_right_direction_multigpu": Absent(
        "a parameter is updated on its own device by tensor operations"
    ),
    "param_group_with_lrscheduler_goes_right_direction": "test_an_lr_scheduler_drives_it",
    "param_groups_lr": "test_groups_have_their_own_values",
    "param_groups_weight_decay": "test_a_group_may_have_its_own_decay",
    "add_param_group": "test_groups_may_be_added",
    "duplicate_params_across_param_groups": "test_a_parameter_given_twice_is_refused",
    "duplicate_params_in_one_param_group": "test_a_parameter_twice_in_a_group_is_warned_of",
    "empty parameter group, empty tensor": "test_an_empty_group_is_fine",
    "tensor_lr": "test_a_tensor_as_learning_rate_is_its_number",
    "tensor_lr (changed in place)": "test_a_tensor_as_learning_rate_may_be_changed_in_place",
    "step_is_noop_when_params_have_no_grad": "test_no_gradient_means_no_move",
    "step_is_noop_for_zero_grads": "idle_is_true",
    "maximize": "test_maximize_climbs",
    "non_empty_state": "test_state_follows_the_dtype_and_survives_load",
    "mixed_device_dtype": "test_dtypes_may_be_mixed_in_a_group",
    "set_default_dtype": "test_the_default_dtype_does_not_matter",
    "optimizer_can_be_printed": "test_it_can_be_printed",
    "errors": "test_mistakes_are_named_with_their_cure",
    "state_dict_deterministic": "test_its_state_is_the_same_each_time",
    "save_load_equality_with_weights_only": "test_it_resumes",
    "can_load_older_state_dict": "test_a_state_without_newer_options_is_loaded",
    "can_load_from_to_named_state_dict": "test_named_and_nameless_states_are_exchanged",
    "load_nontensor_step": "test_state_moves_between_torch_and_here",
    "state_dict_with_cuda_params": "test_state_follows_the_dtype_and_survives_load",
    "state_dict round trip across dtypes": "test_its_state_fits_another_dtype",
    "step_pre_hook, step_post_hook": "test_hooks_run_once_a_step",
    "step_all_hooks": "test_hooks_for_all_optimizers_run",
    "state_dict_pre_hook, _post_hook, load_state_dict_pre_hook, _post_hook": "test_hooks_run_once_a_step",
    "deepcopy_copies_all_public_attrs": "test_a_copy_goes_on_alike",
    "pickle": "test_copies_and_pickles_go_on_alike",
    "closure": "test_it_returns_the_closures_loss",
    "grad_scaling_autocast": "test_mixed_precision_with_a_gradient_scaler",
    "complex, complex_2d": "test_complex_is_refused",
    "rosenbrock_sparse": "test_sparse_is_refused",
    "foreach_matches_forloop": "executes_alike",
    "foreach_large_tensor, peak_memory_foreach": Absent(
        "there is one executor, not one for each implementation"
    ),
    "fused_matches_forloop, fused_does_not_step_if_foundinf": Absent("there is no fused option; see errors"),
    "capturable, differentiable": Absent("there are no such options; asked for, they are refused by name"),
}
"""The question, and the name of what answers it."""


def test_every_answer_exists() -> None:
    here = {*dir(OptimizerConformance), *CHECKS, *vars(test_dense), *vars(test_integrations), *globals()}
    missing = {question: name for question, name in ANSWERS.items() if not isinstance(name, Absent)}
    assert {name for name in missing.values() if name not in here} == set()


def parameter(dtype: torch.dtype = torch.float64, grad: float = 0.5) -> torch.nn.Parameter:
    param = torch.nn.Parameter(torch.tensor([[1.0, -2.0, 3.0]], dtype=dtype))
    param.grad = torch.full_like(param, grad)
    return param


@each_optimizer
def test_a_group_may_have_its_own_decay(name: str) -> None:
    kind = getattr(optim, name)
    if "weight_decay" not in kind.rule_type.Hyper.model_fields:
        pytest.skip("it has no decay")
    plain, decayed, alone = parameter(), parameter(), parameter()
    both = kind([{"params": [plain], "weight_decay": 0.0}, {"params": [decayed], "weight_decay": 0.3}])
    one = kind([alone], weight_decay=0.3)
    for _ in range(3):
        both.step()
        one.step()
    assert torch.equal(decayed, alone)
    assert not torch.equal(decayed, plain)


@each_optimizer
def test_a_parameter_twice_in_a_group_is_warned_of(name: str) -> None:
    param = parameter()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        getattr(optim, name)([param, param])


@each_optimizer
def test_a_tensor_as_learning_rate_may_be_changed_in_place(name: str) -> None:
    kind = getattr(optim, name)
    rate = torch.tensor(0.25)
    ours, theirs = parameter(), parameter()
    with_tensor, with_number = kind([ours], lr=rate), kind([theirs], lr=0.25)
    for value in (0.25, 0.125):
        rate.fill_(value)
        with_number.param_groups[0]["lr"] = value
        with_tensor.step()
        with_number.step()
    assert torch.equal(ours, theirs)


@each_optimizer
def test_dtypes_may_be_mixed_in_a_group(name: str) -> None:
    kind = getattr(optim, name)
    dtypes = [torch.float32, torch.float64, torch.bfloat16]
    together, alone = [parameter(dtype) for dtype in dtypes], [parameter(dtype) for dtype in dtypes]
    optimizers = [kind(together), *[kind([each]) for each in alone]]
    for _ in range(3):
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(together, alone, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


@each_optimizer
def test_the_default_dtype_does_not_matter(name: str) -> None:
    first = parameter()
    getattr(optim, name)([first]).step()
    torch.set_default_dtype(torch.float64)
    try:
        second = parameter()
        getattr(optim, name)([second]).step()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(first, second)


@each_optimizer
def test_a_state_without_newer_options_is_loaded(name: str) -> None:
    """What a group lacks is taken from the optimizer that loads it."""
    kind = getattr(optim, name)
    first, second = parameter(), parameter()
    saved = kind([first])
    saved.step()
    state = copy.deepcopy(saved.state_dict())
    for group in state["param_groups"]:
        for key in [each for each in group if each not in ("params", "lr")]:
            del group[key]
    second.data.copy_(first)
    loaded = kind([second])
    loaded.load_state_dict(state)
    saved.step()
    loaded.step()
    assert torch.equal(first, second)


@each_optimizer
@pytest.mark.parametrize("named_first", [True, False])
def test_named_and_nameless_states_are_exchanged(name: str, named_first: bool) -> None:
    kind = getattr(optim, name)
    params = [parameter() for _ in range(2)]
    one = kind([("weight", params[0])] if named_first else [params[0]])
    other = kind([params[1]] if named_first else [("weight", params[1])])
    one.step()
    params[1].data.copy_(params[0])
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    one.step()
    other.step()
    assert torch.equal(*params)


@each_optimizer
def test_hooks_for_all_optimizers_run(name: str) -> None:
    calls: list[str] = []
    handles = [
        register_optimizer_step_pre_hook(lambda *_: calls.append("before")),
        register_optimizer_step_post_hook(lambda *_: calls.append("after")),
    ]
    try:
        getattr(optim, name)([parameter()]).step()
    finally:
        for handle in handles:
            handle.remove()
    assert calls == ["before", "after"]


@each_optimizer
def test_complex_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match="is complex") as caught:
        getattr(optim, name)([torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))])
    assert "view_as_real" in caught.value.hint


@each_optimizer
def test_sparse_is_refused(name: str) -> None:
    """And nothing has moved when it is."""
    table, weight = torch.nn.Embedding(4, 2, sparse=True), parameter(torch.float32)
    before = weight.detach().clone()
    optimizer = getattr(optim, name)([weight, *table.parameters()])
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(OptionError, match="sparse gradient") as caught:
        optimizer.step()
    assert "sparse=False" in caught.value.hint
    assert torch.equal(weight, before)


@each_optimizer
@pytest.mark.parametrize("option", ["foreach", "fused", "capturable", "differentiable"])
def test_options_of_torchs_implementations_are_refused_by_name(name: str, option: str) -> None:
    with pytest.raises(OptionError, match=option) as caught:
        getattr(optim, name)([parameter()], **{option: True})
    assert "lr" in caught.value.hint
