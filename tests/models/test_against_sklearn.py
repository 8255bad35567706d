"""``mlp`` against scikit-learn's network: copied start, the same batches, no penalty."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neural_network import MLPClassifier, MLPRegressor

from steepest.data.dataset import Part, Shape, TargetScale
from steepest.evaluate.outputs import predict
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of_shape
from steepest.optim import make_rule
from steepest.rng import stream
from steepest.train.problem import SupervisedProblem

ROWS, BATCH, HIDDEN, RATE = 24, 8, (7, 5), 0.05


def theirs(kind, options, values, target, rate):
    """Return scikit-learn's network after one pass over the rows in order."""
    how = {"alpha": 0.0, "batch_size": BATCH, "shuffle": False, "random_state": 3, "learning_rate_init": rate}
    net = kind(hidden_layer_sizes=HIDDEN, **how, **options)
    known = {"classes": np.arange(3)} if kind is MLPClassifier else {}
    return net.partial_fit(values, target, **known)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("classes", [True, False], ids=["classes", "a number"])
@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("sgd", {"solver": "sgd", "momentum": 0.0}),
        ("adam", {"solver": "adam"}),
    ],
)
def test_the_loss_after_a_step_is_scikit_learns(rule, options, classes, activation):
    shape = Shape("classification" if classes else "regression", {}, ("a", "b", "c"), 3 if classes else 1)
    draw = stream(0, "data", 93)
    values = draw.standard_normal((ROWS, 3))
    target = draw.integers(0, 3, ROWS) if classes else draw.standard_normal(ROWS)
    kind = MLPClassifier if classes else MLPRegressor
    options = {**options, "activation": activation}

    net = build_model(f"mlp(hidden={HIDDEN}, activation={activation})", shape).double()
    start = theirs(kind, options, values, target, 1e-300)  # a step that moves nothing
    layers = [each for each in net.layers if isinstance(each, torch.nn.Linear)]
    with torch.no_grad():
        for layer, weight, bias in zip(layers, start.coefs_, start.intercepts_, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T))
            layer.bias.copy_(torch.from_numpy(bias))
    goal = target_of_shape(shape, TargetScale())
    problem = SupervisedProblem(net.train(), make_objective("", goal), precision="float64", target=goal)
    # scikit-learn's squared error has a factor of a half, so SGD at half the rate makes its step
    rate = RATE / 2 if rule == "sgd" and not classes else RATE
    optimizer = make_rule(f"{rule}(lr={rate})").optimizer(net.parameters())
    codes = torch.zeros(BATCH, 0, dtype=torch.long)
    for first in range(0, ROWS, BATCH):
        some = slice(first, first + BATCH)
        batch = Part((codes, torch.from_numpy(values[some])), torch.from_numpy(target[some]))
        optimizer.zero_grad()
        problem.loss(batch).backward()
        optimizer.step()

    right = theirs(kind, options, values, target, RATE)
    outputs = predict(net, (torch.zeros(ROWS, 0, dtype=torch.long), torch.from_numpy(values)))
    found = goal.row_losses(outputs, torch.from_numpy(target)).mean().item()

    def loss_of(other):
        if classes:
            return -np.log(other.predict_proba(values)[np.arange(ROWS), target]).mean()
        return np.square(other.predict(values) - target).mean()

    assert abs(loss_of(start) - loss_of(right)) > 1e-3, "the steps change the loss"
    assert found == pytest.approx(loss_of(right), abs=1e-6)
    if rule == "sgd":
        for layer, weight, bias in zip(layers, right.coefs_, right.intercepts_, strict=True):
            assert np.allclose(layer.weight.detach().numpy().T, weight, rtol=0, atol=1e-12)
            assert np.allclose(layer.bias.detach().numpy(), bias, rtol=0, atol=1e-12)
