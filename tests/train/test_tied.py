"""A model that uses a weight twice is trained, stored once, and is the same after loading."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

import steepest as st
from steepest.data.dataset import Shape
from steepest.data.table import read_table
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.train.loop import train


class Tied(nn.Module):
    """Two layers with one weight; with ``view`` a buffer sees a part of its memory."""

    def __init__(self, shape: Shape, *, view: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(len(shape.continuous), 6)
        self.second, self.third = nn.Linear(6, 6), nn.Linear(6, 6)
        self.third.weight = self.second.weight
        self.out = nn.Linear(6, shape.outputs)
        if view:
            self.register_buffer("corner", self.second.weight.detach()[:2])

    def forward(self, codes: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return self.out(self.third(self.second(self.first(values).tanh()).tanh()).tanh())


@pytest.mark.parametrize("view", [False, True])
def test_saved_and_loaded_it_has_the_same_state_and_predictions(churn, tmp_path: Path, view: bool) -> None:
    table = read_table(churn, target="churned")
    data = table.dataset()

    def builder(shape: Shape) -> nn.Module:
        return Tied(shape, view=view)

    net = build_model(builder, data.shape, seed=3)
    about = About("callable Tied", data.shape, data.classes, data.target, data.target_scale, {})
    saved = TrainedModel(net, about, table.pipeline)
    saved.save(tmp_path)
    stored = safetensors.torch.load((tmp_path / "model.safetensors").read_bytes())
    assert set(net.state_dict()) - set(stored) == {"third.weight"}
    loaded = TrainedModel.load(tmp_path, model=builder)
    assert loaded.net.third.weight is loaded.net.second.weight
    found = loaded.net.state_dict()
    assert set(found) == set(net.state_dict())
    assert all(torch.equal(value, found[name]) for name, value in net.state_dict().items())
    assert loaded.predict(churn).table.equals(saved.predict(churn).table)


@pytest.mark.parametrize("optimizer", ["sgd(lr=0.1)", "schedule-free-adamw(lr=0.01)"])
def test_both_names_keep_the_weights_to_evaluate(churn, optimizer: str) -> None:
    """Schedule-Free evaluates with other weights than it trains; a tied weight has them under both names."""
    data = read_table(churn, target="churned").dataset()
    recipe = Recipe(
        data="d",
        model="Tied",
        optimizer=optimizer,
        schedule="constant",
        steps=20,
        batch_size=32,
        metric="log_loss",
    )
    key = RunKey(name=optimizer, recipe=recipe.id, seed=0, phase="final")
    method = GradientMethod(make_rule(optimizer), lambda step: 1.0)
    done = train(data, recipe, key, method, model=Tied, evaluations=2, metrics=("log_loss",), read_test=True)
    assert torch.equal(done.weights["second.weight"], done.weights["third.weight"])
    at_best = next(each for each in done.record.curve if each.step == done.record.best_step)
    net = build_model(Tied, data.shape)
    net.load_state_dict(done.weights)
    with torch.no_grad():
        logits = net.eval()(*data.validation.inputs)
    loss = float(nn.functional.cross_entropy(logits, data.validation.target))
    assert loss == pytest.approx(at_best.validation["log_loss"], rel=1e-5)


@pytest.mark.parametrize("compile_", ["off", pytest.param("on", marks=pytest.mark.slow)])
def test_a_comparison_ends_with_a_model_that_predicts(churn, tmp_path: Path, compile_: str) -> None:
    options = {"optimizers": ["adam(lr=0.01)"], "seeds": 1, "epochs": 1, "compile": compile_}
    result = st.compare(read_table(churn, target="churned"), tmp_path / "out", model=Tied, **options)
    assert result.best.predict_proba(churn).shape == (600, 2)
