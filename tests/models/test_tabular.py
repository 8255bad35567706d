"""Networks for tables against independent versions in plain torch: the same outputs, losses and steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from steepest.data.dataset import InputField, Part, Shape, TargetScale
from steepest.errors import ModelError, UnknownNameError
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of_shape
from steepest.optim import make_rule
from steepest.optim.roles import roles_of
from steepest.rng import stream
from steepest.train.problem import SupervisedProblem

CLASSES = Shape("classification", {"plan": 3, "town": 6, "day": 4}, ("age", "pay"), 3)
NUMBER = Shape("regression", {"plan": 3, "town": 6, "day": 4}, ("age", "pay"), 1)
ROWS = 40


def rows(shape: Shape, seed: int = 0) -> Part:
    """Return made-up rows in 64 bits."""
    draw = stream(seed, "data", 91)
    codes = [draw.integers(0, count, ROWS) for count in shape.cardinalities.values()]
    values = torch.from_numpy(draw.standard_normal((ROWS, len(shape.continuous))))
    inputs = (torch.from_numpy(np.stack(codes, 1)), values) if codes else (values,)
    target = target_of_shape(shape).made_up(ROWS, draw)
    return Part(inputs, target.double() if target.is_floating_point() else target)


def moved(text: str, shape: Shape) -> nn.Module:
    """Return a model in 64 bits whose parameters are all away from their start."""
    net = build_model(text, shape, seed=2).double()
    draw = stream(4, "data", 92)
    with torch.no_grad():
        for each in net.parameters():
            each += 0.3 * torch.from_numpy(draw.standard_normal(tuple(each.shape)))
    return net


def problem_of(net: nn.Module, shape: Shape, weights=None) -> SupervisedProblem:
    target = target_of_shape(shape, TargetScale())
    objective = make_objective("", target)
    made = SupervisedProblem(net, objective, weights, tuple(shape.cardinalities), "float64", target=target)
    net.train()
    return made


def same_steps(net: nn.Module, plain, named, shape: Shape) -> None:
    """Hold the model's outputs and some steps of gradient descent against those of a plain function.

    Args:
        net: the model.
        plain: of a dictionary of tensors by name and the inputs, gives the outputs in training.
        named: the model's parameters by the names that the plain function uses.
    """
    problem = problem_of(net, shape)
    other = {name: each.detach().clone().requires_grad_() for name, each in named.items()}
    assert {id(each) for each in named.values()} == {id(each) for each in net.parameters()}
    for step in range(3):
        batch = rows(shape, step)
        loss = problem.loss(batch)
        outputs = plain(other, *batch.inputs)
        target = batch.target
        again = (
            functional.cross_entropy(outputs, target)
            if shape.classes
            else (outputs.squeeze(1) - target).square().mean()
        )
        assert float(loss.detach()) == pytest.approx(float(again.detach()), rel=1e-11)
        mine = torch.autograd.grad(loss, list(named.values()))
        theirs = torch.autograd.grad(again, list(other.values()))
        for name, one, two in zip(named, mine, theirs, strict=True):
            assert torch.allclose(one, two, rtol=1e-9, atol=1e-12), name
            assert bool(one.any()), f"{name} has no gradient"
        with torch.no_grad():
            for one, two, grad in zip(named.values(), other.values(), theirs, strict=True):
                one -= 0.1 * grad
                two -= 0.1 * grad


def one_hot(codes, size):
    return functional.one_hot(codes, size).double()


def normed(values, weight, bias):
    mean, var = values.mean(0), values.var(0, unbiased=False)
    return (values - mean) / (var + 1e-5).sqrt() * weight + bias


@pytest.mark.parametrize("shape", [CLASSES, NUMBER], ids=["classes", "a number"])
def test_wide_deep_is_its_formula(shape):
    text = "wide-deep(crosses=(('plan', 'town'), ('plan', 'day', 'town')), hidden=(5, 4), dropout=0.0)"
    net = moved(text, shape)
    sizes = list(shape.cardinalities.values())
    deep, wide = net.deep, net.wide
    named = {f"vectors {i}": each.weight for i, each in enumerate(deep.embeddings)}
    named |= {f"wide {i}": each.weight for i, each in enumerate(wide.embeddings)}
    for i, (norm, linear, _) in enumerate(deep.blocks):
        named |= {f"scale {i}": norm.weight, f"shift {i}": norm.bias, f"matrix {i}": linear.weight}
    named |= {"head": deep.head.weight, "bias": deep.head.bias}

    def plain(p, codes, values):
        columns = [one_hot(codes[:, i], size) for i, size in enumerate(sizes)]
        plan, town, day = columns
        pair = torch.einsum("bi,bj->bij", plan, town).flatten(1)
        triple = torch.einsum("bi,bj,bk->bijk", plan, day, town).flatten(1)
        linear = sum(x @ p[f"wide {i}"] for i, x in enumerate([*columns, pair, triple]))
        h = torch.cat([*(x @ p[f"vectors {i}"] for i, x in enumerate(columns)), values], 1)
        for i in range(2):
            h = (normed(h, p[f"scale {i}"], p[f"shift {i}"]) @ p[f"matrix {i}"].T).clamp(min=0)
        return linear + h @ p["head"].T + p["bias"]

    same_steps(net, plain, named, shape)


def test_an_embedded_wide_part_is_vectors_times_one_matrix():
    net = moved("wide-deep(wide=2, crosses=(('plan', 'town'),), hidden=(), dropout=0.0)", CLASSES)
    codes, values = rows(CLASSES).inputs
    columns = [one_hot(codes[:, i], size) for i, size in enumerate((3, 6, 4))]
    columns.append(torch.einsum("bi,bj->bij", columns[0], columns[1]).flatten(1))
    vectors = sum(x @ each.weight for x, each in zip(columns, net.wide.embeddings, strict=True))
    wanted = vectors @ net.wide.head.weight.T + net.deep(codes, values)
    assert torch.allclose(net(codes, values), wanted)


def test_the_wide_part_begins_at_zero_so_that_combinations_without_rows_add_nothing():
    shape = Shape("classification", {"plan": 3, "town": 6}, ("age",), 2)
    net = build_model("wide-deep(crosses=(('plan', 'town'),), dropout=0.0)", shape).double()
    batch = rows(shape)
    known = batch.inputs[0].clone()
    known[:, 1] = known[:, 0]  # pairs on the diagonal alone
    batch = Part((known, batch.inputs[1]), batch.target)
    problem = problem_of(net, shape)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        problem.loss(batch).backward()
        optimizer.step()
    cross = net.wide.embeddings[2].weight.reshape(3, 6, 2)
    seen = torch.zeros(3, 6, dtype=torch.bool)
    seen[known[:, 0], known[:, 1]] = True
    assert bool((cross[~seen] == 0).all())
    assert bool((cross[seen] != 0).any(1).all())


def test_crosses_of_too_many_combinations_are_hashed_evenly():
    shape = Shape("classification", {"block": 1000, "beat": 100}, (), 2)
    net = build_model("wide-deep(crosses=(('block', 'beat'),), buckets=500)", shape)
    codes = torch.cartesian_prod(torch.arange(1000), torch.arange(100))
    crossed = net.with_derived(codes)
    assert torch.equal(crossed, net.with_derived(crossed))
    counts = torch.bincount(crossed[:, 2], minlength=500).double()
    assert counts.shape == (500,)  # 200 each, if even
    assert counts.min() > 120
    assert counts.max() < 280
    # those that share a bucket with block 7 share it with various others, not with one block at all beats
    mine = crossed[crossed[:, 0] == 7][:, 2]
    other = crossed.reshape(1000, 100, 3)[:, :, 2]
    assert int((other == mine).sum(1)[torch.arange(1000) != 7].max()) < 10


@pytest.mark.parametrize(
    ("text", "shape", "fact"),
    [
        ("wide-deep", Shape("regression", {}, ("age",), 1), "no column holds any"),
        ("wide-deep(crosses=(('plan',),))", CLASSES, "a cross of 'plan'"),
        ("wide-deep(crosses=('plan', 'town'))", CLASSES, "a cross of 'plan'"),
        ("wide-deep(crosses=(('plan', 'plan'),))", CLASSES, "a cross of 'plan' and 'plan'"),
        ("wide-deep(crosses=(('plan', 'town'), ('plan', 'town')))", CLASSES, "plan × town is given twice"),
        ("wide-deep(wide=0)", CLASSES, "wide is 0"),
        ("wide-deep(wide=onehot)", CLASSES, "wide is 'onehot'"),
        ("wide-deep(buckets=0)", CLASSES, "buckets is 0"),
        ("deep-cross(layers=-1)", CLASSES, "-1 cross layers"),
        ("deep-cross(layers=0, hidden=())", CLASSES, "neither cross layers nor hidden ones"),
        ("deep-cross(cross=vector, rank=2)", CLASSES, "a rank of 2 for vectors"),
        ("deep-cross(rank=50)", CLASSES, "a rank of 50 for matrices of 12 × 12"),
        ("tabm(k=0)", CLASSES, "k is 0"),
    ],
)
def test_options_out_of_range_are_refused(text, shape, fact):
    with pytest.raises(ModelError) as error:
        build_model(text, shape)
    assert fact in error.value.fact


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("wide-deep(crosses=(('plan', 'twn'),))", "town"),
        ("deep-cross(cross=matrx)", "matrix"),
        ("deep-cross(structure=staked)", "stacked"),
    ],
)
def test_unknown_names_are_answered_with_known_ones(text, known):
    with pytest.raises(UnknownNameError) as error:
        build_model(text, CLASSES)
    assert known in error.value.hint


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("kind", ["cross=vector", "cross=matrix", "rank=3"])
def test_deep_cross_is_its_formula(kind, structure):
    net = moved(f"deep-cross(layers=3, {kind}, structure={structure}, hidden=(5, 4))", CLASSES)
    named = {f"vectors {i}": each.weight for i, each in enumerate(net.columns.embeddings)}
    for i, each in enumerate(net.cross):
        parts = {"w": each.weight, "b": each.bias} if kind == "cross=vector" else {}
        if kind == "cross=matrix":
            parts = {"w": each.linear[0].weight, "b": each.linear[0].bias}
        if kind == "rank=3":
            parts = {"v": each.linear[0].weight, "w": each.linear[1].weight, "b": each.linear[1].bias}
        named |= {f"{name} {i}": value for name, value in parts.items()}
    for i in (0, 1):
        named |= {f"matrix {i}": net.deep[2 * i].weight, f"shift {i}": net.deep[2 * i].bias}
    named |= {"head": net.head.weight, "bias": net.head.bias}

    def plain(p, codes, values):
        columns = [one_hot(codes[:, i], size) for i, size in enumerate((3, 6, 4))]
        first = torch.cat([*(x @ p[f"vectors {i}"] for i, x in enumerate(columns)), values], 1)
        x = first
        for i in range(3):
            if kind == "cross=vector":
                product = torch.einsum("bi,bj->bij", first, x)  # the outer product of the paper
                x = torch.einsum("bij,jk->bi", product, p[f"w {i}"]) + p[f"b {i}"] + x
            else:
                inner = x @ p[f"v {i}"].T if kind == "rank=3" else x
                x = first * (inner @ p[f"w {i}"].T + p[f"b {i}"]) + x
        h = x if structure == "stacked" else first
        for i in (0, 1):
            h = (h @ p[f"matrix {i}"].T + p[f"shift {i}"]).clamp(min=0)
        end = h if structure == "stacked" else torch.cat([x, h], 1)
        return end @ p["head"].T + p["bias"]

    same_steps(net, plain, named, CLASSES)


def members_of(net) -> list[dict[str, torch.Tensor]]:
    """Return every member of a TabM with two hidden layers as a network of its own, by plain matrices."""
    first, _, second, _, last = net.layers
    found = []
    for i in range(net.members):
        one = {"head": last.weight[i].T, "bias": last.bias[i]}
        for place, each in enumerate((first, second)):
            one[f"matrix {place}"] = torch.diag(each.s[i]) @ each.weight @ torch.diag(each.r[i])
            one[f"shift {place}"] = each.bias[i]
        found.append(one)
    return found


def outputs_of(net, member, codes, values):
    vectors = [each.weight[codes[:, i]] for i, each in enumerate(net.columns.embeddings)]
    h = torch.cat([*vectors, values], 1)
    for place in (0, 1):
        h = (h @ member[f"matrix {place}"].T + member[f"shift {place}"]).clamp(min=0)
    return h @ member["head"].T + member["bias"]


@pytest.mark.parametrize("weights", [None, (1.0, 3.0, 0.5)], ids=["", "weights of classes"])
@pytest.mark.parametrize("of_rows", [False, True], ids=["", "weights of rows"])
def test_tabm_is_trained_on_the_mean_of_the_losses_of_networks(weights, of_rows):
    net = moved("tabm(k=4, hidden=(5, 4), dropout=0.0)", CLASSES)
    batch = rows(CLASSES)
    if of_rows:
        batch = Part(batch.inputs, batch.target, torch.linspace(0.1, 2.0, ROWS, dtype=torch.float64))
    loss = problem_of(net, CLASSES, weights).loss(batch)
    by_row = torch.ones(ROWS, dtype=torch.float64) if batch.weights is None else batch.weights
    if weights is not None:
        by_row = by_row * torch.tensor(weights, dtype=torch.float64)[batch.target]
    each = [
        (functional.cross_entropy(outputs_of(net, one, *batch.inputs), batch.target, reduction="none") * by_row).sum()
        / by_row.sum()
        for one in members_of(net)
    ]  # fmt: skip
    again = torch.stack(each).mean()
    assert len({round(value.item(), 6) for value in each}) == 4
    assert float(loss.detach()) == pytest.approx(float(again.detach()), rel=1e-12)
    for name, parameter in net.named_parameters():
        mine, theirs = (torch.autograd.grad(x, parameter, retain_graph=True)[0] for x in (loss, again))
        assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-13), name


def test_tabm_predicts_averaged_probabilities():
    net = moved("tabm(k=4, hidden=(5, 4), dropout=0.0)", CLASSES).eval()
    inputs = rows(CLASSES).inputs
    wanted = torch.stack([outputs_of(net, one, *inputs).softmax(1) for one in members_of(net)]).mean(0)
    assert torch.allclose(net(*inputs).softmax(1), wanted, rtol=1e-12)
    assert torch.allclose(net(*inputs).exp(), wanted, rtol=1e-12), "they are log-probabilities"


def test_tabm_predicts_averaged_numbers():
    net = moved("tabm(k=4, hidden=(5, 4), dropout=0.0)", NUMBER)
    batch = rows(NUMBER)
    numbers = torch.stack([outputs_of(net, one, *batch.inputs) for one in members_of(net)])
    assert torch.allclose(net.eval()(*batch.inputs), numbers.mean(0), rtol=1e-12)
    loss = problem_of(net, NUMBER).loss(batch)
    wanted = (numbers.squeeze(2) - batch.target).square().mean()
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-12)
    of_the_mean = (numbers.mean(0).squeeze(1) - batch.target).square().mean()
    assert float(loss.detach()) > float(of_the_mean.detach()) + 0.01, "members have losses of their own"


def test_tabm_begins_as_the_paper_says():
    net = build_model("tabm(k=200, hidden=(8, 8), dropout=0.0)", CLASSES, seed=1)
    first, _, second, _, last = net.layers
    assert set(first.r.unique().tolist()) == {-1.0, 1.0}
    assert abs(first.r.mean().item()) < 0.1
    for each in (first.s, second.r, second.s):
        assert bool((each == 1).all())
    for each in (first, second):
        assert bool((each.bias == each.bias[0]).all()), "members begin with one bias"
    bound = 1 / math.sqrt(8)
    assert bool((last.weight.abs() <= bound).all())
    assert last.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    roles = roles_of(net)
    assert {roles[f"layers.{i}.{name}"] for i in (0, 2) for name in "rs"} == {"norms"}
    assert {roles[f"layers.{i}.bias"] for i in (0, 2, 4)} == {"biases"}
    assert {roles[f"layers.{i}.weight"] for i in (0, 2, 4)} == {"weights"}


def test_the_vectors_of_members_are_no_matrices_to_muon():
    net = build_model("tabm(k=4, hidden=(8, 8))", CLASSES)
    names = {id(each): name for name, each in net.named_parameters()}
    matrices, rest = (
        {names[id(each)] for each in group["params"]} for group in make_rule("muon").groups(net)
    )
    assert {name for name in matrices if dict(net.named_parameters())[name].dim() == 2} == {
        "layers.0.weight",
        "layers.3.weight",
    }
    assert {f"layers.{i}.{name}" for i in (0, 3) for name in ("r", "s", "bias")} <= rest


@pytest.mark.parametrize(
    "shape",
    [CLASSES, NUMBER, Shape("regression", {}, ("x", "y"), 1, (InputField("x", "values", (2,)),))],
    ids=["classes", "a number", "arrays"],
)
def test_tabm_with_one_member_is_the_mlp(shape):
    options = "hidden=(6, 4), activation=gelu, dropout=0.0"
    one, other = (build_model(f"{name}({options})", shape, seed=5).double() for name in ("tabm", "mlp"))
    assert one.members == 32
    one = build_model(f"tabm(k=1, {options})", shape, seed=5).double()
    assert one.state_dict().keys() == other.state_dict().keys()
    losses = []
    for net in (one, other):
        problem, optimizer = problem_of(net, shape), torch.optim.Adam(net.parameters(), 0.01)
        found = []
        for step in range(4):
            optimizer.zero_grad()
            loss = problem.loss(rows(shape, step))
            loss.backward()
            optimizer.step()
            found.append(float(loss.detach()))
        losses.append(found)
    assert losses[0] == losses[1]
    inputs = rows(shape).inputs
    assert torch.equal(one.eval()(*inputs), other.eval()(*inputs))
