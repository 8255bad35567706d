"""A softmax inside a model for classes is found before training, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import steepest as st
from steepest.models import build_model
from steepest.sweep.observer import Observer
from steepest.train.doubts import about_outputs
from tests.conftest import churn_table


class Net(torch.nn.Module):
    """One layer with something behind it."""

    def __init__(self, shape, end=torch.nn.Identity, zero=False):
        super().__init__()
        self.layer = torch.nn.Linear(len(shape.continuous), shape.outputs)
        self.end = end()
        if zero:
            torch.nn.init.zeros_(self.layer.weight)
            torch.nn.init.zeros_(self.layer.bias)

    def forward(self, categorical, continuous):
        return self.end(self.layer(continuous))


@pytest.fixture(scope="module", params=["plan", "churned"])
def classes(request):
    return st.read_table(churn_table(), target=request.param).dataset()


def test_probabilities_are_found(classes):
    with_softmax = Net(classes.shape, lambda: torch.nn.Softmax(1)).train()
    (found,) = about_outputs(with_softmax, classes)
    assert found.kind == "warning"
    assert found.text.startswith(
        "the outputs of the model are probabilities (none below 0, every row sums to 1)"
    )
    assert with_softmax.training


ENDS = {
    "nothing": torch.nn.Identity,
    "log-probabilities": lambda: torch.nn.LogSoftmax(1),
    "sigmoid": torch.nn.Sigmoid,
    "relu": torch.nn.ReLU,
    "tanh": torch.nn.Tanh,
}


@pytest.mark.parametrize(
    ("end", "zero"),
    [*[(end, False) for end in ENDS], *[(end, True) for end in ENDS if end != "sigmoid"]],
)
def test_other_ends_are_not_taken_for_probabilities(classes, end, zero):
    for seed in range(20):
        torch.manual_seed(seed)
        assert about_outputs(Net(classes.shape, ENDS[end], zero), classes) == []


@pytest.mark.parametrize("name", ["embedding-mlp", "linear"])
def test_our_models_are_not_taken_for_probabilities(classes, name):
    for seed in range(20):
        assert about_outputs(build_model(name, classes.shape, seed=seed), classes) == []


def test_a_number_may_lie_between_0_and_1(churn):
    data = st.read_table(churn, target="minutes").dataset()
    assert about_outputs(Net(data.shape, lambda: torch.nn.Softmax(1)), data) == []
    assert about_outputs(Net(data.shape, torch.nn.Sigmoid), data) == []


def test_it_is_printed_and_in_the_report(churn, tmp_path):
    said: list[str] = []

    class Ears(Observer):
        def say(self, text: str) -> None:
            said.append(text)

    options = {"target": "churned", "optimizers": ["sgd(lr=0.1)"], "seeds": 1, "epochs": 1}
    plan = st.plan(churn, model=lambda shape: Net(shape, lambda: torch.nn.Softmax(1)), **options)
    plan.preview(tmp_path / "x", observer=Ears())
    assert [each for each in said if "return the values before the softmax" in each]
    said.clear()
    result = plan.run(tmp_path / "x", observer=Ears())
    (warning,) = [each for each in said if "return the values before the softmax" in each]
    assert warning.startswith("warning: ")
    assert warning.removeprefix("warning: ") in result.comparison.warnings
    assert "return the values before the softmax" in Path(result.report).read_text()
