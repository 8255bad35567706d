"""Pruning: masks as torch has them, zeros that stay zeros under every rule, and neurons that can leave."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from steepest import optim
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.objectives import make_objective
from steepest.objectives.target import NumberTarget
from steepest.optim import make_rule, make_spec
from steepest.optim.method import GradientMethod
from steepest.procedures import make_procedure
from steepest.procedures.pruning import Pruning
from steepest.regularizers import read_regularizers
from steepest.rng import stream, torch_stream
from steepest.schedules import make_schedule
from steepest.sweep.stages import check_stages
from steepest.train.compiled import CompiledMethod
from steepest.train.masks import apply_masks, hidden_neurons, masks_of, prunable
from steepest.train.problem import SupervisedProblem
from steepest.train.program import flat, step_of, trace

ROWS, STEPS = 24, 4
RULES = [name for name in optim.registry.entries if getattr(make_spec(name), "is_rule", False)]


def net(norm: bool = False) -> nn.Sequential:
    with torch_stream(3, "init"):
        layers: list[nn.Module] = [nn.Linear(6, 8, bias=not norm)]
        layers += [nn.BatchNorm1d(8)] if norm else []
        layers += [nn.Sigmoid(), nn.Linear(8, 5), nn.ReLU(), nn.Dropout(0.2), nn.Linear(5, 1)]
        return nn.Sequential(*layers).double()


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: each.detach().clone() for name, each in model.state_dict().items()}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.77])
def test_masks_are_those_of_torch(share: float) -> None:
    model, layered, whole = net(), net(), net()
    for each in layered:
        if isinstance(each, nn.Linear):
            torch_prune.l1_unstructured(each, "weight", share)
    linear = [(each, "weight") for each in whole if isinstance(each, nn.Linear)]
    torch_prune.global_unstructured(linear, pruning_method=torch_prune.L1Unstructured, amount=share)
    for scope, other in (("layer", layered), ("network", whole)):
        masks = masks_of(model, weights_of(model), Pruning(share, share, scope), 0)
        for name, mask in masks.items():
            assert torch.equal(mask, other.state_dict()[f"{name}_mask"].to(mask)), (scope, name)


def test_the_last_layer_has_a_share_of_its_own() -> None:
    model = net()
    for scope in ("layer", "network"):
        masks = masks_of(model, weights_of(model), Pruning(0.5, 0.2, scope), 0)
        assert int((masks["5.weight"] == 0).sum()) == 1
        assert sum(int((masks[name] == 0).sum()) for name in ("0.weight", "2.weight")) == 44


def test_a_random_mask_has_the_same_shares_by_layer() -> None:
    model = net()
    sizes = Pruning(0.6, 0.6, "network")
    chosen = masks_of(model, weights_of(model), sizes, 0)
    one, same, other = (
        masks_of(model, weights_of(model), Pruning(0.6, 0.6, "network", shuffled=True), seed)
        for seed in (0, 0, 1)
    )
    for name, mask in chosen.items():
        assert mask.sum() == one[name].sum()
        assert torch.equal(one[name], same[name])
    assert any(not torch.equal(chosen[name], one[name]) for name in chosen)
    assert any(not torch.equal(other[name], one[name]) for name in chosen)


def problem(model: nn.Module, pruning: Pruning, regularizer: str = "none") -> tuple[SupervisedProblem, Part]:
    draw = stream(0, "data", 8)
    part = Part(
        (torch.from_numpy(draw.standard_normal((ROWS, 6))),), torch.from_numpy(draw.standard_normal(ROWS))
    )
    made = SupervisedProblem(
        model, make_objective("squared", NumberTarget()), regularizers=read_regularizers(regularizer)
    )
    made.masks = masks_of(model, weights_of(model), pruning, 0)
    apply_masks(model, made.masks)
    return made, part


def zeros_stay(
    model: nn.Module, masks: dict[str, torch.Tensor], given: dict[str, torch.Tensor] | None
) -> bool:
    values = {**dict(model.named_parameters()), **(given or {})}
    return all(bool((values[name][mask == 0] == 0).all()) for name, mask in masks.items())


@pytest.mark.parametrize("name", RULES)
def test_what_is_pruned_is_zero_at_every_step(name: str) -> None:
    """With momentum, decay, a penalty, clipping and averages; a rule that averages itself is refused."""
    spec = make_spec(name)
    if spec.refuses("update") or spec.refuses("gradient"):
        with pytest.raises(OptionError, match=r"cannot train under"):
            check_stages(make_procedure("prune(0.5)"), spec)
        return
    check_stages(make_procedure("prune(0.5)"), spec)
    options = {each: 0.1 for each in ("weight_decay",) if each in type(spec).Hyper.model_fields}
    model = net()
    made, part = problem(model, Pruning(0.5, 0.5), "l2(0.1) + ema(0.5)")
    rule = make_rule(name).with_options(**options)
    method = GradientMethod(rule, make_schedule("constant", STEPS), clip=1.0)
    state = method.init(made)
    before = weights_of(model)
    feed = made.feed(part, BatchPlan(ROWS, 8, 0), 0)
    for step in range(STEPS):
        list(method.steps(made, state, feed, step, 1))
        assert zeros_stay(model, dict(made.masks), method.evaluation_parameters(state))
    assert any(not torch.equal(before[key], value) for key, value in weights_of(model).items())


@pytest.mark.parametrize("unit", ["weight", "neuron"])
def test_a_traced_step_is_the_eager_step(unit: str) -> None:
    found: list[dict[str, torch.Tensor]] = []
    for kind in (GradientMethod, CompiledMethod):
        model = net(norm=True).train()
        made, part = problem(model, Pruning(0.5, 0.5, unit=unit), "max-norm(1) + ema(0.5)")
        feed = made.feed(part, BatchPlan(ROWS, 8, 0), 0)
        method = kind(make_rule("adam(lr=0.1, weight_decay=0.1)"), make_schedule("constant", STEPS), clip=0.5)
        state = method.init(made)
        if kind is GradientMethod:
            list(method.steps(made, state, feed, 0, STEPS))
        else:
            changing = method.prepared(made, state, feed, 0, STEPS)
            graph = trace(state.program, state.state, step_of(changing, 0, "cpu")).graph
            with torch.no_grad():
                for step in range(STEPS):
                    graph(*flat(state.state, step_of(changing, step, "cpu")))
        assert zeros_stay(model, dict(made.masks), None)
        found.append(weights_of(model))
    for name, value in found[0].items():
        assert torch.allclose(found[1][name], value, rtol=1e-9, atol=1e-11), name


def test_the_norm_that_is_clipped_is_that_of_what_is_left() -> None:
    model, plain = net().eval(), net().eval()
    made, part = problem(model, Pruning(0.7, 0.7))
    apply_masks(plain, made.masks)
    method = GradientMethod(make_rule("sgd(lr=0.1)"), make_schedule("constant", STEPS), clip=1e-3)
    state = method.init(made)
    feed = made.feed(part, BatchPlan(ROWS, 8, 0), 0)
    list(method.steps(made, state, feed, 0, 1))
    batch = feed.batch(0)
    ((plain(*batch.inputs)[:, 0] - batch.target) ** 2).mean().backward()
    for name, each in plain.named_parameters():
        each.grad.mul_(made.masks.get(name, 1.0))
    torch.nn.utils.clip_grad_norm_(plain.parameters(), 1e-3)
    for (name, each), own in zip(plain.named_parameters(), model.parameters(), strict=True):
        assert torch.allclose(each - 0.1 * each.grad, own, rtol=1e-12, atol=0), name


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("scope", ["layer", "network"])
def test_pruned_neurons_change_nothing_when_they_leave(norm: bool, scope: str) -> None:
    """Also with a sigmoid, whose value at 0 is not 0."""
    model = net(norm)
    masks = masks_of(model, weights_of(model), Pruning(0.5, 0.5, scope, "neuron"), 0)
    apply_masks(model, masks)
    model.eval()
    inputs = torch.from_numpy(stream(0, "data", 9).standard_normal((7, 6)))
    first = model[1:3] if norm else model[1:2]
    kept = [(masks[each.out] != 0).any(0) for each in hidden_neurons(model)]
    assert sum(int((~each).sum()) for each in kept) == round(0.5 * 13 - (scope == "layer") * 0.5)
    hidden = first(model[0](inputs))[:, kept[0]]
    two, last = model[-4], model[-1]
    hidden = torch.relu(hidden @ two.weight[kept[1]][:, kept[0]].T + two.bias[kept[1]])
    assert torch.allclose(hidden @ last.weight[:, kept[1]].T + last.bias, model(inputs), rtol=1e-12)


def test_a_layer_keeps_a_neuron() -> None:
    model = net()
    for scope in ("layer", "network"):
        masks = masks_of(model, weights_of(model), Pruning(0.99, 0.99, scope, "neuron"), 0)
        assert all((masks[each.out] != 0).any() for each in hidden_neurons(model))


def test_only_what_is_trained_is_pruned() -> None:
    model = net()
    model[0].weight.requires_grad_(False)
    assert prunable(model) == ["2.weight", "5.weight"]
    assert [each.into for each in hidden_neurons(model)] == ["2.weight"]


METHODS = [name for name in optim.registry.entries if name not in RULES]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_accepted_or_refused_by_name(name: str) -> None:
    spec = make_spec(name)
    for text in ("prune(0.5)", "lottery(0.5, 2)"):
        if spec.refuses("update") or spec.refuses("gradient"):
            with pytest.raises(OptionError, match=f"{spec.called} cannot train under"):
                check_stages(make_procedure(text), spec)
        else:
            check_stages(make_procedure(text), spec)
