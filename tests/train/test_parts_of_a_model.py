"""Learning rates by role and name, fixed parameters, gradient accumulation: in every executor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steepest.data.dataset import Dataset
from steepest.data.table import read_table
from steepest.errors import OptionError, UnknownNameError
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod, RuleMethod
from steepest.optim.selection import freeze, multipliers, rates_text, read_rates, selected
from steepest.recipe import ExecutionOptions, Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep import rows
from steepest.sweep.bench import Bench
from steepest.sweep.timing import choose_execution
from steepest.train.compiled import CompiledMethod, Programs
from steepest.train.finished import Finished
from steepest.train.loop import train
from steepest.train.problem import problem_of
from tests.train.steps import without_compiling

MODEL = "embedding-mlp(hidden=[6], dropout=0.0)"
STEPS = 25


@pytest.fixture(scope="module")
def data() -> Dataset:
    draw = torch.Generator().manual_seed(0)
    plan = torch.randint(0, 9, (240,), generator=draw)
    x = torch.randn(240, generator=draw)
    y = (x + 0.3 * plan + torch.randn(240, generator=draw) > 1.2).long()
    columns = {"plan": [f"p{each}" for each in plan.tolist()], "x": x.tolist()}
    return read_table(
        {**columns, "y": ["no" if each == 0 else "yes" for each in y.tolist()]}, target="y"
    ).dataset()


def recipe(data: Dataset, **more: Any) -> Recipe:
    given = {"model": MODEL, "optimizer": "", "schedule": "cosine", "steps": STEPS, "batch_size": 24,
             "metric": "log_loss", "precision": "float64"}  # fmt: skip
    return Recipe(data=data.fingerprint, **{**given, **more})


def made(data: Dataset, of: Recipe, kind: type[RuleMethod] = GradientMethod, rule: str = "adam(lr=0.05)",
         model: Any = None, **more: Any) -> Finished:  # fmt: skip
    method = kind(make_rule(rule), make_schedule("cosine", STEPS), of.clip, rates=of.rates,
                  accumulate=of.accumulate, **more)  # fmt: skip
    key = RunKey(name="x", recipe=of.id, seed=3, phase="final")
    return train(data, of, key, method, evaluations=2, keep_last=True, model=model)


def last(found: Finished) -> dict[str, Tensor]:
    assert found.record.outcome == "finished", found.record.reason
    assert found.last is not None
    return found.last


def distance(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    return max(float((first[name] - second[name]).detach().abs().max()) for name in first)


TABLE = "embeddings.0.weight"


# --- rates ------------------------------------------------------------------------------------------------


def test_names_select_by_role_and_by_pattern() -> None:
    net = nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    assert selected(net, "embeddings") == ["0.weight"]
    assert selected(net, "norms") == ["2.weight", "2.bias"]
    assert selected(net, "biases") == ["1.bias", "3.bias"]
    assert selected(net, "head") == ["3.weight", "3.bias"]
    assert selected(net, "[13].weight") == ["1.weight", "3.weight"]
    assert multipliers(net, "weights=2, head=10, biases=1") == {
        "1.weight": 2.0, "3.weight": 10.0,
    }  # fmt: skip
    with pytest.raises(UnknownNameError, match="unknown parameter or role 'embedings'") as raised:
        selected(net, "embedings")
    assert "did you mean 'embeddings'" in str(raised.value)


@pytest.mark.parametrize("text", ["head", "head=", "head=-1", "head=0", "=3", "head=inf", "head=x"])
def test_a_wrong_rate_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="not a role or name with a multiplier above 0"):
        read_rates(text)
    assert rates_text("none") == ""


@pytest.mark.parametrize(
    "rule", ["sgd(lr=0.2)", "adam(lr=0.05)", "adamw(lr=0.05, weight_decay=0.1)", "rprop(lr=0.01)"]
)
def test_rates_are_those_of_torch_groups(data: Dataset, rule: str) -> None:
    """A group with a multiplier is a group of torch's with another learning rate, where the rate is a factor."""
    of = recipe(data, rates="embeddings=0.1, head=10")
    net = build_model(MODEL, data.shape, seed=3).double()
    problem = problem_of(net, data.wide(), of)
    method = GradientMethod(make_rule(rule), lambda step: 0.5, rates=of.rates)
    state = method.init(problem)
    lr = float(make_rule(rule).hyper.lr)
    ways = {"embeddings": 0.1, "head": 10.0}
    twin = build_model(MODEL, data.shape, seed=3).double()
    others = problem_of(twin, data.wide(), recipe(data))
    groups = {factor: [dict(twin.named_parameters())[name] for name in selected(net, what)]
              for what, factor in ways.items()}  # fmt: skip
    chosen = {id(each) for some in groups.values() for each in some}
    rest = [each for each in twin.parameters() if id(each) not in chosen]
    optimizers = [
        make_rule(rule).optimizer(some, schedule=lambda step, factor=factor: 0.5 * factor)
        for factor, some in [(1.0, rest), *groups.items()]
    ]
    assert lr > 0
    batch = data.wide().train.take(torch.arange(24))
    for _ in range(4):
        method.step(problem, state, batch)
        twin.zero_grad()
        others.loss(batch).backward()
        for each in optimizers:
            each.step()
    assert distance(dict(net.named_parameters()), dict(twin.named_parameters())) == 0


def test_a_multiplier_of_sgd_is_its_learning_rate() -> None:
    net = nn.Linear(2, 1)
    before = net.weight.detach().clone()
    method = GradientMethod(make_rule("sgd(lr=0.5)"), lambda step: 1.0, rates="weights=0.1")

    class Problem:
        model = net

        def loss(self, batch: Any) -> Tensor:
            return net.weight.sum() + net.bias.sum() + 0.0 * batch

    problem: Any = Problem()
    method.step(problem, method.init(problem), 1.0)
    assert net.weight.detach() == pytest.approx((before - 0.05).numpy())


@pytest.fixture(params=["traced", pytest.param("compiled", marks=pytest.mark.slow)])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled methods execute their graph as it was traced, which has what the test is about, or a real program."""
    if request.param == "traced":
        without_compiling(monkeypatch)


@pytest.mark.parametrize("rule", ["adam(lr=0.05)", "sgd(lr=0.2)"])
def test_rates_by_rows_and_compiled_are_those_of_the_dense_run(
    data: Dataset, program: None, rule: str
) -> None:
    of = recipe(data, rates="embeddings=0.1, head=10", clip=1.0)
    dense = last(made(data, of, rule=rule))
    assert distance(last(made(data, of, rule=rule, by_rows=(TABLE,))), dense) < 1e-9
    assert distance(last(made(data, of, CompiledMethod, rule, by_rows=(TABLE,))), dense) < 1e-9
    plain = last(made(data, recipe(data, clip=1.0), rule=rule))
    assert distance(plain, dense) > 1e-3


def test_a_foreign_optimizer_has_groups_with_other_rates(data: Dataset) -> None:
    of = recipe(data, rates="head=10")
    assert distance(last(made(data, of, rule="torch:Adam(lr=0.05)")), last(made(data, of))) < 1e-9


# --- fixed parameters -------------------------------------------------------------------------------------


class Normed(nn.Module):
    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.first = nn.Linear(
            shape.inputs_width if hasattr(shape, "inputs_width") else len(shape.continuous), 5
        )
        self.norm = nn.BatchNorm1d(5)
        self.last = nn.Linear(5, shape.outputs)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        return self.last(self.norm(self.first(continuous)).relu())


@pytest.mark.parametrize("how", ["dense", "by rows", "compiled"])
def test_what_is_fixed_does_not_move(data: Dataset, program: None, how: str) -> None:
    of = recipe(data, freeze="head")
    kind = CompiledMethod if how == "compiled" else GradientMethod
    by_rows = (TABLE,) if how == "by rows" else ()
    found = last(made(data, of, kind, "adamw(lr=0.05, weight_decay=0.5)", by_rows=by_rows))
    start = build_model(MODEL, data.shape, seed=3).double().state_dict()
    head = selected(build_model(MODEL, data.shape), "head")
    assert all(torch.equal(found[name], start[name]) for name in head)
    assert all(not torch.equal(found[name], start[name]) for name in start if name not in head)


@pytest.mark.parametrize("kind", [GradientMethod, CompiledMethod])
def test_a_fixed_norm_keeps_its_statistics(data: Dataset, program: None, kind: type[RuleMethod]) -> None:
    def moved(text: str) -> bool:
        found = last(made(data, recipe(data, freeze=text), kind, model=Normed))
        return not torch.equal(found["norm.running_mean"], torch.zeros(5).double())

    assert moved("first.*")
    assert moved("norm.bias")
    assert not moved("norms")


@pytest.mark.parametrize("kind", [GradientMethod, CompiledMethod])
def test_what_fine_tuning_leaves_out_does_not_move(
    data: Dataset, program: None, kind: type[RuleMethod]
) -> None:
    found = last(made(data, recipe(data, finetune="last(1)"), kind, "adamw(lr=0.05, weight_decay=0.5)"))
    start = build_model(MODEL, data.shape, seed=3, finetune="last(1)").double()
    trained = {name for name, each in start.named_parameters() if each.requires_grad}
    assert 0 < len(trained) < len([*start.parameters()])
    for name, each in start.named_parameters():
        assert torch.equal(found[name], each) == (name not in trained)


@pytest.mark.parametrize("part", [{"freeze": "embeddings"}, {"finetune": "last(1)"}])
def test_tables_that_are_fixed_are_not_chosen_to_be_executed_by_rows(
    data: Dataset, monkeypatch: pytest.MonkeyPatch, part: dict[str, str]
) -> None:
    monkeypatch.setattr(rows, "ROWS_A_BATCH", 0)
    monkeypatch.setattr(rows, "LARGE_TABLE", 0)
    asked = ExecutionOptions(threads=1, workers=1, compile="off")
    chosen = [
        rows.choose_tables(Bench(data, of, None, "cpu", Programs()).network(), data, 2, "auto", "cpu")
        for of in (recipe(data), recipe(data, **part))
    ]
    assert chosen == [(TABLE,), ()]
    bench = Bench(data, recipe(data, **part), None, "cpu", Programs())
    assert choose_execution(bench, asked).executor == "dense"


@pytest.mark.parametrize("kind", [GradientMethod, CompiledMethod])
def test_a_norm_that_fine_tuning_leaves_out_keeps_its_statistics(
    data: Dataset, program: None, kind: type[RuleMethod]
) -> None:
    found = last(made(data, recipe(data, finetune="head"), kind, model=Normed))
    assert torch.equal(found["norm.running_mean"], torch.zeros(5).double())


def test_nothing_left_to_train_is_refused() -> None:
    with pytest.raises(OptionError, match="leaves nothing to train"):
        freeze(nn.Linear(2, 1), "weights, biases")
    with pytest.raises(UnknownNameError, match="'layers"):
        freeze(nn.Linear(2, 1), "layers.*")


# --- accumulation -----------------------------------------------------------------------------------------


class Unnormed(nn.Module):
    """An embedding that may be executed by rows, without batch norm, which differs with the rows of a batch."""

    def __init__(self, shape: Any) -> None:
        super().__init__()
        [(column, count)] = shape.cardinalities.items()
        self.table = nn.Embedding(count, 4)
        self.out = nn.Linear(4 + len(shape.continuous), shape.outputs)
        self.tables = {column: "table.weight"}

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        return self.out(torch.cat([self.table(categorical[:, 0]).tanh(), continuous], 1))


@pytest.mark.parametrize("count", [2, 5, 24])
@pytest.mark.parametrize("rows", [(), ("table.weight",)])
def test_accumulated_gradients_are_those_of_the_large_batch(
    data: Dataset, count: int, rows: tuple[str, ...]
) -> None:
    weights = torch.linspace(0.2, 3.0, len(data.train))
    weighted = replace(data, train=replace(data.train, weights=weights / weights.mean()))
    for of in (recipe(data, clip=0.5), recipe(data, class_weights=(1.0, 3.0))):
        for each in (data, weighted):
            once = made(each, of, model=Unnormed, by_rows=rows)
            parts = made(each, of.model_copy(update={"accumulate": count}), model=Unnormed, by_rows=rows)
            assert distance(last(parts), last(once)) < 1e-12
            assert parts.record.curve[-1].train_loss == pytest.approx(
                once.record.curve[-1].train_loss, abs=1e-12
            )


def test_dropout_is_drawn_anew_for_every_micro_batch(data: Dataset) -> None:
    of = recipe(data, model="embedding-mlp(hidden=[6], dropout=0.5)")
    parts = of.model_copy(update={"accumulate": 2})
    assert distance(last(made(data, of)), last(made(data, parts))) > 1e-6
    assert distance(last(made(data, parts)), last(made(data, parts))) == 0


def test_new_fields_of_a_recipe_leave_its_id(data: Dataset) -> None:
    plain = recipe(data)
    for change in (
        {"rates": "head=2.0"},
        {"freeze": "head"},
        {"finetune": "head"},
        {"accumulate": 2},
        {"max_seconds": 1.0},
    ):
        assert plain.model_copy(update=change).id != plain.id
