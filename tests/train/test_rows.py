"""Training with row-wise tables is training densely: the same losses, weights and metrics."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from steepest.data.dataset import Part
from steepest.data.table import read_table
from steepest.errors import OptionError
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.optim.tables import RowTables, embedding
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.train.loop import train
from steepest.train.problem import SupervisedProblem

MODEL = "embedding-mlp(hidden=(8,))"
TABLES = ("embeddings.0.weight",)


@pytest.fixture(scope="module")
def data():
    """Two columns of codes, one of them with many, most of them rare."""
    draw = stream(3, "data", 77)
    rows = 3_000
    block = np.minimum((draw.pareto(0.7, rows) * 5).astype(int), 900)
    kind = draw.integers(0, 4, rows)
    effect = draw.standard_normal(901)[block] + 0.5 * kind
    frame = pl.DataFrame({
        "block": [f"b{each}" for each in block],
        "kind": [f"k{each}" for each in kind],
        "size": draw.standard_normal(rows),
        "yes": np.where(effect + draw.standard_normal(rows) > 0.7, "yes", "no"),
    })  # fmt: skip
    return read_table(frame, target="yes").dataset()


def run(data, text, tables=(), *, steps=150, model=None, evaluations=5, **changes):
    rule = make_rule(text)
    recipe = Recipe(data=data.fingerprint, model=MODEL, optimizer=whole_spec(rule), schedule="cosine", steps=steps,
                    batch_size=16, metric="log_loss", **changes)  # fmt: skip
    key = RunKey(name=rule.called, recipe=recipe.id, seed=0, phase="final")
    method = GradientMethod(rule, make_schedule("cosine", steps), recipe.clip, tables)
    return train(
        data, recipe, key, method, model=model, evaluations=evaluations, metrics=("accuracy",), read_test=True
    )


@pytest.mark.parametrize(
    ("text", "bitwise", "clip"),
    [
        ("sgd(lr=0.3)", True, None),
        ("adagrad(lr=0.05)", True, None),
        ("quickprop(lr=0.05)", True, None),
        ("nadam", True, None),
        ("schedule-free-adamw", True, None),
        ("adam(lr=3e-3)", False, None),
        ("adamw(lr=3e-3)", False, 0.1),
        ("momentum(lr=0.03)", False, 0.5),
        ("rmsprop", False, None),
    ],
)
def test_a_run_by_rows_is_the_dense_run(data, text: str, bitwise: bool, clip: float | None) -> None:
    dense, rows = run(data, text, clip=clip), run(data, text, TABLES, clip=clip)
    assert rows.record.test.keys() == dense.record.test.keys()
    losses = [[point.validation["log_loss"] for point in each.record.curve] for each in (dense, rows)]
    assert losses[0][-1] < losses[0][0]
    assert losses[1] == (losses[0] if bitwise else pytest.approx(losses[0], abs=1e-5))
    assert list(rows.weights) == list(dense.weights)
    for name, weight in dense.weights.items():
        if bitwise:
            assert torch.equal(rows.weights[name], weight), name
        else:
            assert torch.allclose(rows.weights[name].float(), weight.float(), atol=1e-4, rtol=1e-3), name
    assert dense.test_row_losses is not None
    assert torch.allclose(rows.test_row_losses, dense.test_row_losses, atol=0 if bitwise else 1e-3)


def test_both_tables_and_a_padding_row(data) -> None:
    def padded(shape):
        net = build_model(MODEL, shape)
        net.embeddings[0].padding_idx = 1
        net.embeddings[1].padding_idx = 2
        return net

    both = ("embeddings.0.weight", "embeddings.1.weight")
    dense, rows = (run(data, "sgd(lr=0.3)", tables, model=padded, steps=40) for tables in ((), both))
    start = padded(data.shape).state_dict()
    assert all(torch.equal(rows.weights[name], dense.weights[name]) for name in dense.weights)
    assert not torch.equal(dense.weights[both[1]], start[both[1]])
    assert build_model(MODEL, data.shape).embeddings[0].padding_idx is None


class VectorsAndBiases(nn.Module):
    """Two parameters for one column: the codes of ``block`` look up a vector and a bias."""

    def __init__(self, shape) -> None:
        super().__init__()
        codes = list(shape.cardinalities.values())
        self.vectors, self.biases = nn.Embedding(codes[0], 3), nn.Embedding(codes[0], shape.outputs)
        self.kinds = nn.Embedding(codes[1], 3)
        self.head = nn.Linear(3 + len(shape.continuous), shape.outputs)
        self.tables = {"block": ("vectors.weight", "biases.weight"), "kind": "kinds.weight"}

    def forward(self, categorical, continuous):
        products = self.vectors(categorical[:, 0]) * self.kinds(categorical[:, 1])
        return self.head(torch.cat([products, continuous], 1)) + self.biases(categorical[:, 0])


VECTORS_AND_BIASES = ("vectors.weight", "biases.weight")


@pytest.mark.parametrize("text", ["sgd(lr=0.3)", "adam(lr=3e-3)"])
def test_one_column_may_be_looked_up_in_several_tables(data, text: str) -> None:
    dense, rows = (run(data, text, tables, model=VectorsAndBiases) for tables in ((), VECTORS_AND_BIASES))
    start = build_model(VectorsAndBiases, data.shape).state_dict()
    for name, weight in dense.weights.items():
        assert not torch.equal(weight, start[name]), name
        assert torch.allclose(rows.weights[name], weight, atol=1e-5, rtol=1e-3), name


def test_watching_changes_nothing(data) -> None:
    rare, often = (run(data, "adam(lr=3e-3)", TABLES, evaluations=n) for n in (1, 40))
    assert rare.record.test_last == often.record.test_last


def test_a_step_by_rows_leaves_the_table_alone_but_for_its_rows(data) -> None:
    net = build_model(MODEL, data.shape)
    problem = SupervisedProblem(
        net, make_objective("", target_of(data)), columns=tuple(data.shape.cardinalities)
    )
    method = GradientMethod(make_rule("adam"), make_schedule("constant", 9), by_rows=TABLES)
    state = method.init(problem)
    assert state.tables is not None
    assert state.tables.past.executor == "closed form"
    before = net.state_dict()[TABLES[0]].clone()
    batch = data.train.take(torch.arange(8))
    for _ in range(3):
        method.step(problem, state, batch)
    touched = torch.unique(batch.inputs[0][:, 0])
    changed = (net.state_dict()[TABLES[0]] != before).any(1).nonzero().squeeze(1)
    assert torch.equal(changed, touched)
    assert dict(net.named_parameters())[TABLES[0]].grad is None


def test_a_model_without_tables_names_no_codes(data) -> None:
    net = nn.Linear(2, 2)
    assert (
        SupervisedProblem(net, make_objective("", target_of(data)), columns=("block",)).codes(data.train)
        == {}
    )
    assert isinstance(data.train, Part)


def tied() -> nn.Module:
    model = nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    return model


@pytest.mark.parametrize(
    ("model", "name", "fact"),
    [
        (nn.Sequential(nn.Embedding(4, 2, max_norm=1.0)), "0.weight", "max_norm"),
        (nn.Sequential(nn.Embedding(4, 2, scale_grad_by_freq=True)), "0.weight", "scale_grad_by_freq"),
        (nn.Sequential(nn.Embedding(4, 2, sparse=True)), "0.weight", "sparse gradients"),
        (tied(), "0.weight", "tied to '1.weight'"),
        (nn.Sequential(nn.Linear(4, 2)), "0.weight", "not the weight of an nn.Embedding"),
        (nn.Sequential(nn.Embedding(4, 2)), "1.weight", "not the weight of an nn.Embedding"),
    ],
)
def test_tables_that_cannot_be_executed_by_rows_are_named(model: nn.Module, name: str, fact: str) -> None:
    with pytest.raises(OptionError, match=fact):
        embedding(model, name)


def test_a_rule_that_couples_elements_is_refused() -> None:
    with pytest.raises(OptionError, match="muon couples"):
        RowTables(nn.Sequential(nn.Embedding(4, 2)), ["0.weight"], make_rule("muon"), lambda step: 1.0)
