"""Training losses: against slow float64 definitions, their optima, and their place in a comparison."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import steepest as st
from steepest.errors import OptionError, UnknownNameError
from steepest.objectives import loss_text, make_objective, read_objective, registry
from steepest.objectives.target import ClassTarget, NumberTarget
from steepest.recipe import Recipe
from steepest.rng import stream
from steepest.testing import ObjectiveConformance


def _softmax(row):
    shifted = np.exp(row - row.max())
    return shifted / shifted.sum()


def _huber(error, delta=1.0):
    return 0.5 * error**2 if abs(error) <= delta else delta * (abs(error) - 0.5 * delta)


SLOW = {
    "cross-entropy": lambda o, y: -np.log(_softmax(o)[y]),
    "squared": lambda o, y: (o[0] - y) ** 2,
    "absolute": lambda o, y: abs(o[0] - y),
    "huber": lambda o, y: _huber(o[0] - y),
    "huber(0.3)": lambda o, y: _huber(o[0] - y, 0.3),
    "reconstruction": lambda o, y: sum((a - b) ** 2 for a, b in zip(o, y, strict=True)) / len(y),
    "next-token": lambda o, y: -np.mean([np.log(_softmax(row)[at]) for row, at in zip(o, y, strict=True)]),
    "quantile(0.9)": lambda o, y: 0.9 * (y - o[0]) if y >= o[0] else 0.1 * (o[0] - y),
}


def _rows(classes: int):
    draw = stream(5, "data", classes)
    outputs = draw.standard_normal((40, max(1, classes)))
    target = draw.integers(0, classes, 40) if classes else draw.standard_normal(40)
    return outputs, target


class TestLosses(ObjectiveConformance):
    losses = tuple(SLOW)
    refused = ("huber(0)", "quantile(1)", "quantile(0)")
    textbook = staticmethod(lambda loss, outputs, target: SLOW[_case(loss)](outputs, target))


def _case(loss) -> str:
    return next(text for text in SLOW if read_objective(text) == loss)


def test_every_loss_has_a_case():
    assert {text.partition("(")[0] for text in SLOW} == set(registry.names())


@pytest.mark.parametrize("text", SLOW)
def test_made_up_inputs_are_what_a_loss_takes(text):
    """A loss for each row, with a gradient, and the same numbers every time."""
    objective = read_objective(text)
    outputs, target = objective.made_up(stream(0, "data"))
    losses = objective.losses(outputs.requires_grad_(), target)
    assert tuple(losses.shape) == (len(outputs),)
    [gradient] = torch.autograd.grad(losses.sum(), outputs)
    assert bool(gradient.isfinite().all())
    assert bool(gradient.any())
    assert torch.equal(objective.made_up(stream(0, "data"))[0], outputs)


def test_weights_of_classes_divide_by_their_sum():
    outputs, target = _rows(3)
    weights = np.array([1.0, 2.0, 0.5])
    losses = [SLOW["cross-entropy"](o, y) for o, y in zip(outputs, target, strict=True)]
    expected = (weights[target] * losses).sum() / weights[target].sum()
    arguments = torch.tensor(outputs), torch.tensor(target), torch.tensor(weights)
    loss = read_objective("cross-entropy")
    assert float(loss.class_weighted(*arguments)) == pytest.approx(expected)
    assert float(super(type(loss), loss).class_weighted(*arguments)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "optimum"),
    [
        ("squared", np.mean),
        ("absolute", np.median),
        ("quantile(0.9)", lambda values: np.quantile(values, 0.9)),
    ],
)
def test_the_optimum_of_a_constant(text, optimum):
    values = stream(1, "data", 0).exponential(size=1001)
    grid = np.linspace(0, 5, 20_001)
    loss = read_objective(text)
    found = [
        float(loss.loss(torch.full((1001, 1), each), torch.tensor(values)))
        for each in grid[:: len(grid) // 400]
    ]
    assert grid[:: len(grid) // 400][int(np.argmin(found))] == pytest.approx(optimum(values), abs=0.02)


@pytest.mark.parametrize(
    ("text", "target", "fact"),
    [
        ("squared", ClassTarget(3), "'squared' is for regression"),
        ("cross-entropy", NumberTarget(), "'cross-entropy' is for classification"),
        ("huber(0)", NumberTarget(), "delta is 0"),
        ("quantile", NumberTarget(), "quantile lacks its q"),
        ("huber(1, 2)", NumberTarget(), "huber has 1 options"),
        ("steepest.rng:stream", NumberTarget(), "is no loss"),
    ],
)
def test_what_cannot_be(text, target, fact):
    with pytest.raises(OptionError, match=fact):
        make_objective(text, target)


def test_unknown_names_have_the_nearest():
    with pytest.raises(UnknownNameError, match="absolute"):
        read_objective("absolut")


def test_the_default_loss_leaves_a_recipe_its_identity():
    plain = Recipe(data="d", model="m", optimizer="adam", schedule="cosine", steps=9, batch_size=8)
    assert plain.model_copy(update={"loss": ""}).id == plain.id
    assert plain.model_copy(update={"loss": "absolute"}).id != plain.id


OWN = """
from steepest.objectives import Objective


class Own(Objective):
    name = "own"
    serves = "regression"
    power: float = 2.0

    def losses(self, outputs, target):
        return (outputs.squeeze(1) - target).abs() ** self.power
"""


def test_losses_are_compared(tmp_path, monkeypatch):
    draw = stream(2, "data", 0)
    x = draw.standard_normal(600)
    rows = {"x": x, "y": 2 * x + draw.exponential(size=600)}
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    options = {"target": "y", "optimizers": "adam(lr=0.01)", "seeds": 2, "epochs": 1, "hidden": (8,)}
    result = st.compare(rows, loss=["", "squared", "quantile(0.9)", "own.py:Own"], out="run", **options)
    names = ["squared loss", "quantile(0.9) loss", "own.py:Own(power=2.0) loss"]
    assert result.arms["title"].to_list() == names
    assert result.comparison.factors == ["loss"]
    guesses = {name: st.load("run", arm=name).predict(rows).table["prediction"].mean() for name in names}
    assert guesses["quantile(0.9) loss"] > guesses["squared loss"]
    assert guesses["own.py:Own(power=2.0) loss"] == pytest.approx(guesses["squared loss"], rel=1e-3)
    grown = st.compare(rows, loss="absolute", out="run", **options)
    assert grown.arms["title"].to_list() == [*names, "absolute loss"]
    assert grown.arms["id"].to_list()[:3] == result.arms["id"].to_list()


def test_texts_are_written_in_one_way():
    assert loss_text("Huber(delta=1)") == "huber(1.0)"


BROKEN = """
import torch
from steepest.objectives import Objective


class Broadcast(Objective):
    name = "broadcast"
    serves = "regression"

    def losses(self, outputs, target):
        return (outputs - target).square()


class Scalar(Broadcast):
    def losses(self, outputs, target):
        return (outputs.squeeze(1) - target).square().mean()


class Detached(Broadcast):
    def losses(self, outputs, target):
        return (outputs.detach().squeeze(1) - target).square()


class Failing(Broadcast):
    def losses(self, outputs, target):
        return outputs @ target


class Vector(Broadcast):
    def losses(self, outputs, target):
        return (outputs.squeeze(1) - target).square()

    def loss(self, outputs, target, weights=None):
        return self.losses(outputs, target)
"""


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("Broadcast", r"losses of 8 rows by 'broken.py:Broadcast' have the shape \[8, 8\], not \[8\]"),
        ("Scalar", r"have the shape \[\], not \[8\]"),
        ("Vector", r"the loss of 8 rows by .* has the shape \[8\], not \[\]"),
        ("Detached", "has no gradient with respect to the outputs"),
        ("Failing", "fails on 8 rows: RuntimeError"),
    ],
)
def test_a_loss_that_is_none_of_each_row_is_refused_before_anything_is_trained(
    tmp_path, monkeypatch, name, fact
):
    """A difference of [B, 1] and [B] is [B, B]: nothing fails, and the network learns the mean."""
    (tmp_path / "broken.py").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    rows = {"x": [i / 60 for i in range(60)], "y": [i * 0.1 + i % 3 for i in range(60)]}
    with pytest.raises(OptionError, match=fact):
        st.compare(rows, target="y", optimizers="sgd", loss=f"broken.py:{name}", out="run")
