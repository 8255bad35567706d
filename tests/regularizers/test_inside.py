"""Dropout and changed targets: each against plain torch, bit for bit where it is the same arithmetic."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from steepest.data.batches import BatchPlan
from steepest.data.dataset import InputField, Part, Shape
from steepest.errors import OptionError, SteepestError
from steepest.experiment.watched import check_watched
from steepest.models import build_model
from steepest.objectives import Objective, make_objective
from steepest.objectives.target import ClassTarget, NumberTarget, Target
from steepest.optim import make_rule, make_spec
from steepest.optim.method import GradientMethod
from steepest.optim.spec import MethodSettings
from steepest.procedures import make_procedure
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.regularizers import read_regularizers
from steepest.regularizers.applied import attach
from steepest.regularizers.check import check_method, check_taught
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.train.dropout import StepDropout
from steepest.train.loop import train
from steepest.train.problem import SupervisedProblem
from tests.train.steps import TABLES, distance, eager, in_float64, one_program, run, table
from tests.train.steps import problem_of as problem_of_table
from tests.train.steps import without_compiling as uncompiled
from tests.train.test_stack import alone, close, stacked

ROWS, STEPS, CLASSES, LR = 40, 12, 3, 0.1
SHAPE = Shape("classification", {}, ("a", "b", "c"), CLASSES, (InputField("x", "values", (3,)),))
NUMBERS = replace(SHAPE, task="regression", outputs=1)
MLP = "mlp(hidden=(6, 5), activation=relu)"


@pytest.fixture(scope="module")
def rows() -> Part:
    draw = stream(0, "data", 21)
    x = torch.from_numpy(draw.standard_normal((ROWS, 3)))
    return Part((x,), torch.from_numpy(draw.integers(0, CLASSES, ROWS)))


@pytest.fixture(scope="module")
def data():
    return in_float64(table())


@pytest.fixture
def graphs(monkeypatch):
    return uncompiled(monkeypatch)


def trained(
    rows: Part,
    text: str,
    model: str = MLP,
    *,
    make: Any = None,
    weights: Any = None,
    objective: Objective | None = None,
    method: Any = None,
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Return weights and losses after some steps with the package's regularizers."""
    classes = not rows.target.is_floating_point()
    target: Target = ClassTarget(CLASSES) if classes else NumberTarget()
    net = build_model(model, SHAPE if classes else NUMBERS).double().train()
    made = read_regularizers(text)
    attach(made, net, rows)
    problem = SupervisedProblem(
        net, objective or make_objective("", target), weights, regularizers=made, target=target,
        length=STEPS, precision="float64",
    )  # fmt: skip
    if method is None:
        method = (make or GradientMethod)(make_rule(f"sgd(lr={LR})"), make_schedule("constant", STEPS))
    state = method.init(problem)
    feed = problem.feed(rows, BatchPlan(len(rows), 8, 0), 0)
    losses = [info.loss for info in method.steps(problem, state, feed, 0, STEPS)]
    return {name: each.detach().clone() for name, each in net.named_parameters()}, losses


def slowly(rows: Part, loss: Any, weights: Any = None) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Return the same by plain torch: ``loss(net, inputs, target, step)`` with a plain optimizer."""
    shape = NUMBERS if rows.target.is_floating_point() else SHAPE
    net = build_model(MLP, shape).double().train()
    optimizer = torch.optim.SGD(net.parameters(), LR)
    plan, losses = BatchPlan(len(rows), 8, 0), []
    for step in range(STEPS):
        at = plan.indices(step)
        optimizer.zero_grad()
        found = loss(net, rows.inputs[0][at], rows.target[at], step)
        found.backward()
        optimizer.step()
        losses.append(found.item())
    return dict(net.named_parameters()), losses


def draws(name: str, step: int) -> np.random.Generator:
    return stream(0, "regularizer", zlib.crc32(name.encode()), step)


def alike(found: Any, right: Any, within: float = 1e-12) -> None:
    assert np.allclose(found[1], right[1], rtol=0, atol=within)
    for name, value in right[0].items():
        assert torch.allclose(found[0][name], value, rtol=0, atol=within), name


def test_dropout_is_that_of_the_model_bit_for_bit(rows: Part) -> None:
    right, plain = (
        trained(rows, "none", "mlp(hidden=(6, 5), activation=relu, dropout=0.5)"),
        trained(rows, "none"),
    )
    found = trained(rows, "dropout(0.5)")
    assert found[1] == right[1] != plain[1]
    for (_, value), (_, own) in zip(found[0].items(), right[0].items(), strict=True):
        assert torch.equal(value, own)


@pytest.mark.parametrize("text", ["dropout(0)", "label-smoothing(0)", "l2(0)", "l1(0)"])
def test_none_of_it_is_plain_training_bit_for_bit(rows: Part, text: str) -> None:
    found, plain = trained(rows, text), trained(rows, "none")
    assert found[1] == plain[1]
    assert all(torch.equal(value, plain[0][name]) for name, value in found[0].items())


def test_dropout_by_layer_and_of_inputs_is_plain_torch(rows: Part) -> None:
    def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
        first, _, second, _, third = net.layers
        with StepDropout(0, step):
            hidden = torch.relu(first(functional.dropout(x, 0.25)))
            hidden = torch.relu(second(functional.dropout(hidden, 0.5)))
            return functional.cross_entropy(third(functional.dropout(hidden, 0.125)), y)

    right = slowly(rows, loss)
    alike(trained(rows, "dropout((0.5, 0.125), inputs=0.25)"), right)


def test_dropout_of_embedded_values_is_the_same_by_rows_in_a_program_and_stacked(data, graphs) -> None:
    text, how = (
        "dropout(0.4, embeddings=0.3, inputs=0.2)",
        {"model": "embedding-mlp(hidden=(6, 5), dropout=0)"},
    )
    right = run(data, eager("adam(lr=0.01)"), regularizer=text, **how)
    assert distance(right.weights, run(data, eager("adam(lr=0.01)"), **how)) > 1e-3
    for make in (eager, one_program):
        found = run(data, make("adam(lr=0.01)", tables=TABLES), regularizer=text, **how)
        assert found.method.tables(found.state) is not None
        assert distance(found.weights, right) <= 1e-8
    who = ((0, "adam(lr=0.01)"), (1, "adam(lr=0.1)"))
    options: dict[str, Any] = {"tables": TABLES, "precision": "float64", "regularizer": text, **how}
    for one, other in zip(stacked(data, *who, **options), alone(data, *who, **options), strict=True):
        close(one, other, 1e-8)


def test_one_program_serves_all_shares_and_strengths(data, graphs) -> None:
    from steepest.train.compiled import CompiledMethod, Programs

    programs, how = Programs(), {"model": "embedding-mlp(hidden=(6,), dropout=0)"}
    for text in ("dropout(0.2) + l2(0.1) + l1(0.1)", "dropout(0.7) + l2(0.01) + l1(0.2)"):
        method = CompiledMethod(make_rule("sgd(lr=0.1)"), make_schedule("constant", 30), programs=programs)
        found = run(data, method, regularizer=text, **how)
        assert (
            distance(found.weights, run(data, eager("sgd(lr=0.1)", "constant"), regularizer=text, **how))
            <= 1e-8
        )
    assert len(graphs) == 1


def test_the_hooks_of_a_run_replace_those_before(rows: Part) -> None:
    net = build_model(MLP, SHAPE).double()
    names = list(net.state_dict())
    for text in ("dropout(0.5, inputs=0.1)", "dropout(0.2)", "none"):
        attach(read_regularizers(text), net, rows)
    assert list(net.state_dict()) == names
    assert not list(net.named_buffers())
    assert not any(each._forward_pre_hooks for each in net.modules())


def test_dropout_is_of_linear_layers_of_any_class(data) -> None:
    """Those of tabm, which hold the weights of all members, are no torch.nn.Linear; its own dropout is the same."""
    how = {"model": "tabm(hidden=(6, 5), k=3, dropout=0.5)"}
    right = run(data, eager("sgd(lr=0.1)"), **how)
    how = {"model": "tabm(hidden=(6, 5), k=3)", "regularizer": "dropout(0.5)"}
    found = run(data, eager("sgd(lr=0.1)"), **how)
    assert found.losses == right.losses


def test_dropout_replaces_that_which_a_model_has_by_default(data) -> None:
    """The run is that of the model without dropout of its own; the next run of the model has it again."""
    how = {"regularizer": "dropout(0.4)"}
    for model in ("embedding-mlp", "tabm", "wide-deep"):
        right = run(data, eager("sgd(lr=0.1)"), model=f"{model}(dropout=0.0, hidden=(6,))", **how)
        found = run(data, eager("sgd(lr=0.1)"), model=f"{model}(hidden=(6,))", **how)
        for value, own in zip(found.weights.values(), right.weights.values(), strict=True):
            assert torch.equal(value, own)
        net = build_model(model, data.shape).double()
        before = str(net)
        [made] = read_regularizers("dropout(0.4)")
        made.check(net, data.train.take(torch.arange(4)), ClassTarget(3))
        assert "replaces the default dropout of the model, 0." in made.about(net, data.train)
        attach([made], net, data.train)
        assert str(net) != before
        attach([], net, data.train)
        assert str(net) == before


@pytest.mark.parametrize(
    ("model", "text", "fact"),
    [
        ("mlp(dropout=0.1)", "dropout(0.5)", "the model has a dropout of its own, 0.1, beside the regularizer"),
        ("linear", "dropout(0.5)", "acts on nothing: no linear layer"),
        (MLP, "dropout((0.1, 0.2, 0.3))", "has 3 shares for 2 layers that take units"),
        (MLP, "dropout(0.1, embeddings=0.1)", "the model embeds nothing"),
        (MLP, "label-noise(1.5)", "has a probability above 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_model_is_refused(rows: Part, model: str, text: str, fact: str) -> None:
    net = build_model(model, SHAPE).double()
    before = [torch.clone(each) for each in net.state_dict().values()]
    with pytest.raises(OptionError, match=fact):
        read_regularizers(text)[0].check(net, rows, ClassTarget(CLASSES))
    assert all(torch.equal(a, b) for a, b in zip(before, net.state_dict().values(), strict=True))


def test_functional_dropout_of_a_model_is_seen(rows: Part) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(3, 4), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(functional.dropout(self.one(x), 0.3, self.training))

    with pytest.raises(OptionError, match=r"dropout of its own, 0\.3"):
        read_regularizers("dropout(0.5)")[0].check(Net().double(), rows, ClassTarget(3))


@pytest.mark.parametrize("how", ["plain", "rows", "classes", "both"])
def test_label_smoothing_is_plain_torch(rows: Part, how: str) -> None:
    weighted = replace(rows, weights=torch.linspace(0.5, 1.5, ROWS, dtype=torch.float64))
    given = weighted if how in ("rows", "both") else rows
    classes = (0.5, 2.0, 1.0) if how in ("classes", "both") else None
    plan = BatchPlan(ROWS, 8, 0)

    def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
        if how == "plain":
            return functional.cross_entropy(net(x), y, label_smoothing=0.3)
        total, count = 0.0, 0.0
        log = functional.log_softmax(net(x), 1)
        for i, row in enumerate(plan.indices(step)):
            for k in range(CLASSES):
                share = 0.7 * float(y[i] == k) + 0.1
                weight = (1.0 if given.weights is None else given.weights[row]) * (classes or (1, 1, 1))[y[i]]
                total, count = total - weight * share * log[i, k], count + weight * share
        return total / count

    found = trained(given, "label-smoothing(0.3)", weights=classes)
    alike(found, slowly(given, loss), 1e-10)


def test_mixup_is_plain_torch(rows: Part) -> None:
    def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
        draw = draws("mixup", step)
        share = draw.beta(0.4, 0.4)
        other = draw.permutation(8)
        out = net(share * x + (1 - share) * x[other])
        return share * functional.cross_entropy(out, y) + (1 - share) * functional.cross_entropy(
            out, y[other]
        )

    alike(trained(rows, "mixup(0.4)"), slowly(rows, loss))


def test_mixup_of_numbers_is_plain_torch(rows: Part) -> None:
    def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
        draw = draws("mixup", step)
        share, other = draw.beta(0.4, 0.4), draw.permutation(8)
        return (
            (net(share * x + (1 - share) * x[other])[:, 0] - share * y - (1 - share) * y[other])
            .square()
            .mean()
        )

    numbers = replace(rows, target=rows.inputs[0].sum(1))
    alike(trained(numbers, "mixup(0.4)"), slowly(numbers, loss))


@pytest.mark.parametrize("classes", [None, (0.5, 2.0, 1.0)], ids=["rows", "rows and classes"])
def test_targets_that_are_mixed_count_by_the_weights_of_their_own_rows(
    rows: Part, classes: tuple[float, ...] | None
) -> None:
    given = replace(rows, weights=torch.linspace(0.1, 1.9, ROWS, dtype=torch.float64))
    plan = BatchPlan(ROWS, 8, 0)

    def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
        draw = draws("mixup", step)
        share, other = draw.beta(0.4, 0.4), draw.permutation(8)
        out = net(share * x + (1 - share) * x[other])
        weights = given.weights[plan.indices(step)]
        weights = weights if classes is None else weights * torch.tensor(classes, dtype=torch.float64)[y]
        one, two = share * weights, (1 - share) * weights[other]
        losses = [functional.cross_entropy(out, each, reduction="none") for each in (y, y[other])]
        return (one * losses[0] + two * losses[1]).sum() / (one + two).sum()

    alike(trained(given, "mixup(0.4)", weights=classes), slowly(given, loss), 1e-10)


def test_label_noise_is_drawn_anew_and_is_plain_torch(rows: Part) -> None:
    seen: list[torch.Tensor] = []

    def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
        draw = draws("label-noise", step)
        other = draw.random(8) < 0.5
        steps = torch.tensor(np.where(other, draw.integers(1, CLASSES, 8), 0))
        seen.append(steps)
        return functional.cross_entropy(net(x), (y + steps) % CLASSES)

    alike(trained(rows, "label-noise(0.5)"), slowly(rows, loss))
    assert len({tuple(each.tolist()) for each in seen}) == STEPS

    def numbers(net: nn.Module, x: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
        noise = torch.tensor(draws("label-noise", step).standard_normal(8))
        return functional.mse_loss(net(x)[:, 0], y + 0.5 * noise)

    given = replace(rows, target=rows.inputs[0].sum(1))
    alike(trained(given, "label-noise(0.5)"), slowly(given, numbers))


def test_all_of_them_together_in_order(rows: Part) -> None:
    """Noise on the labels, then smoothing, then mixing, under dropout."""

    def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, step: int) -> torch.Tensor:
        draw = draws("label-noise", step)
        other = draw.random(8) < 0.2
        y = (y + torch.tensor(np.where(other, draw.integers(1, CLASSES, 8), 0))) % CLASSES
        shares = 0.8 * functional.one_hot(y, CLASSES).double() + 0.2 / CLASSES
        draw = draws("mixup", step)
        share, order = draw.beta(0.3, 0.3), draw.permutation(8)
        x, shares = share * x + (1 - share) * x[order], share * shares + (1 - share) * shares[order]
        first, _, second, _, third = net.layers
        with StepDropout(0, step):
            hidden = torch.relu(second(functional.dropout(torch.relu(first(x)), 0.5)))
            out = third(functional.dropout(hidden, 0.5))
        return -(shares * functional.log_softmax(out, 1)).sum(1).mean()

    text = "mixup(0.3) + label-smoothing(0.2) + dropout(0.5) + label-noise(0.2)"
    alike(trained(rows, text), slowly(rows, loss))


def test_any_loss_of_classes_takes_shares_and_curvature_methods_do(rows: Part) -> None:
    class Own(Objective):
        name = "own"
        serves = "classification"

        def losses(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(outputs, target, reduction="none")

    found = trained(rows, "mixup(0.4) + label-smoothing(0.1)", objective=Own())
    alike(found, trained(rows, "mixup(0.4) + label-smoothing(0.1)"))
    for text in ("hessian-free", "newton(damping=1)", "l-bfgs"):
        for regularizer in ("label-smoothing(0.1)", "dropout(0.3)", "mixup(0.4)"):
            method = make_spec(text).make(MethodSettings(lambda step: 1.0))
            model = "mlp(hidden=(3,))"
            first, again = (trained(rows, regularizer, model, method=method) for _ in range(2))
            assert first[1] == again[1] != trained(rows, "none", model, method=method)[1]


def test_a_program_of_shares_is_the_eager_step(data, graphs) -> None:
    text = "label-smoothing(0.2) + label-noise(0.2)"
    right = run(data, eager("adam(lr=0.01)"), regularizer=text)
    for tables in ((), TABLES):
        found = run(data, one_program("adam(lr=0.01)", tables=tables), regularizer=text)
        assert distance(found.weights, right) <= 1e-8


def test_micro_batches_have_the_loss_of_the_batch(data) -> None:
    together, apart = eager("sgd(lr=0.1)"), eager("sgd(lr=0.1)")
    apart.accumulate = 4
    how: dict[str, Any] = {
        "model": "linear",
        "regularizer": "label-smoothing(0.2)",
        "weights": (0.5, 2.0, 1.0),
    }
    count = problem_of_table(data).model(*data.train.inputs).shape[1]
    how["weights"] = tuple(0.5 + k for k in range(count))
    assert distance(run(data, apart, **how).weights, run(data, together, **how)) <= 1e-12


def test_averaged_weights_get_statistics_of_their_own() -> None:
    """Those of batch norm are what torch's ``update_bn`` gives for the mean of the weights."""
    dataset = in_float64(table())
    recipe = Recipe(
        data="d", model="embedding-mlp(hidden=(4,), dropout=0)", optimizer="sgd(lr=0.5)", schedule="constant", steps=12,
        batch_size=32, metric="log_loss", regularizer="swa(0.5)", precision="float64",
    )  # fmt: skip
    key = RunKey(name="swa", recipe=recipe.id, seed=0, phase="final")
    history: list[dict[str, torch.Tensor]] = []

    class Seen(GradientMethod):
        def step(self, problem, state, *rest):  # type: ignore[no-untyped-def]
            found = super().step(problem, state, *rest)
            history.append({n: p.detach().clone() for n, p in problem.model.named_parameters()})
            return found

    method = Seen(make_rule("sgd(lr=0.5)"), make_schedule("constant", 12))
    last = train(dataset, recipe, key, method, evaluations=2, keep_last=True).last
    assert last is not None
    net = build_model(recipe.model, dataset.shape).double()
    mean = {name: sum(each[name] for each in history[6:]) / 6 for name in history[0]}
    net.load_state_dict(mean, strict=False)
    size = 32
    rows = dataset.train
    whole = [rows.take(torch.arange(i, i + size)) for i in range(0, len(rows) - size + 1, size)]
    norms = [each for each in net.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None
    with torch.no_grad():
        for part in whole:
            net.train()(*part.inputs)
    assert norms
    for name, value in net.state_dict().items():
        assert torch.allclose(last[name].double(), value.double(), rtol=0, atol=1e-10), name


def test_early_stopping_keeps_the_best_weights_of_its_metric() -> None:
    dataset = table()
    for text, metric in (
        ("early-stopping(1)", "log_loss"),
        ("early-stopping(1, metric=accuracy)", "accuracy"),
    ):
        recipe = Recipe(
            data="d", model="mlp(hidden=(8,))", optimizer="adam(lr=0.1)", schedule="constant", steps=100, batch_size=16,
            metric="log_loss", regularizer=text,
        )  # fmt: skip
        method = GradientMethod(make_rule("adam(lr=0.1)"), make_schedule("constant", 100))
        key = RunKey(name="stop", recipe=recipe.id, seed=0, phase="final")
        record = train(dataset, recipe, key, method, evaluations=50).record
        values = [point.validation[metric] for point in record.curve]
        best = max(values) if metric == "accuracy" else min(values)
        assert record.outcome == "stopped early"
        assert record.best[metric] == best == values[-2] != values[-1]
        assert "log_loss" in record.best


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("early-stopping(metric=rmse)", "watches RMSE, a metric of regression"),
        ("early-stopping(metric=nonsense)", "nonsense"),
    ],
)
def test_early_stopping_by_a_metric_that_the_data_does_not_have_is_refused(text: str, fact: str) -> None:
    with pytest.raises(SteepestError, match=fact):
        check_watched(text, table())


def test_what_goes_by_one_rate_is_refused_beside_several() -> None:
    for text in ("weight-decay(0.1)", "l1(0.1, proximal=true)"):
        with pytest.raises(OptionError, match="goes by one learning rate"):
            check_method(text, make_spec("adam"), "embeddings=10")
    check_method("l1(0.1)", make_spec("adam"), "embeddings=10")
    with pytest.raises(OptionError, match=r"ema\(0.99\) and swa\(0.75\) would both be evaluated"):
        read_regularizers("ema + swa")


def test_rows_with_a_teacher_are_not_mixed() -> None:
    with pytest.raises(OptionError, match=r"mixup\(0\.2\) mixes rows, but the teacher"):
        check_taught("mixup(0.2)", make_procedure("distil"))
    check_taught("label-smoothing(0.1)", make_procedure("distil"))
    check_taught("mixup(0.2)", make_procedure("train"))
