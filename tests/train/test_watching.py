"""What is watched of a run equals an independent version, and changes nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from steepest.data.table import read_table
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Recipe
from steepest.record.schema import Record, RunKey
from steepest.rng import stream
from steepest.train.loop import train
from steepest.train.stack import StackedRun, train_stack


def _data():
    draw = np.random.default_rng(0)
    shop = draw.integers(0, 40, 400)
    x = draw.normal(size=400)
    y = (x + shop / 20 + draw.normal(size=400) > 1).astype(int)
    return read_table(
        {"x": x, "shop": [f"s{each}" for each in shop], "y": [f"c{each}" for each in y]}, target="y"
    ).dataset()


DATA = _data()


def _recipe(regularizer: str = "") -> Recipe:
    return Recipe(
        data=DATA.fingerprint,
        model="embedding-mlp(hidden=(8,), dropout=0.2)",
        optimizer="adam",
        schedule="constant",
        steps=30,
        batch_size=16,
        metric="log_loss",
        regularizer=regularizer,
    )


def _run(watch: tuple[str, ...], *, rows: tuple[str, ...] = (), seed: int = 0, regularizer: str = ""):
    recipe = _recipe(regularizer)
    key = RunKey(name="adam", recipe=recipe.id, seed=seed, phase="final")
    method = GradientMethod(make_rule("adam(lr=0.01)"), lambda step: 1.0, by_rows=rows)
    return train(DATA, recipe, key, method, evaluations=3, read_test=True, watch=watch)


@pytest.mark.parametrize("rows", [(), ("embeddings.0.weight",)])
def test_runs_have_the_same_bits_with_and_without(rows: tuple[str, ...]) -> None:
    plain, watched = _run((), rows=rows), _run(("all",), rows=rows)
    assert plain.record.watched is None
    assert all(torch.equal(plain.weights[name], watched.weights[name]) for name in plain.weights)
    assert [each.validation for each in plain.record.curve] == [
        each.validation for each in watched.record.curve
    ]
    assert plain.record.test == watched.record.test


def test_the_values_are_those_of_numpy_and_plain_torch() -> None:
    found = _run(("all",))
    record, watched = found.record, found.record.watched
    assert watched is not None
    place = next(i for i, each in enumerate(record.curve) if each.step == record.best_step)
    from steepest.models import build_model

    net = build_model(_recipe().model, DATA.shape, seed=0).eval()
    net.load_state_dict(found.weights)
    named = dict(net.named_parameters())
    assert watched.parameters == list(named)
    for i, each in enumerate(named.values()):
        values = each.detach().numpy().astype(np.float64)
        assert watched.l1[place][i] == pytest.approx(np.abs(values).sum(), rel=1e-12)
        assert watched.l2[place][i] == pytest.approx(np.linalg.norm(values), rel=1e-12)
    part = DATA.train.take(torch.from_numpy(stream(0, "watching").permutation(len(DATA.train))))
    logits = net(*part.inputs)
    loss = torch.nn.functional.cross_entropy(logits, part.target)
    assert watched.training[place]["log_loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert watched.training_rows == len(DATA.train)
    net.zero_grad()
    few = part.map(lambda each: each[:256])
    torch.nn.functional.cross_entropy(net(*few.inputs), few.target).backward()
    for i, each in enumerate(named.values()):
        assert watched.gradient[place][i] == pytest.approx(float(each.grad.double().norm()), rel=1e-5)
    assert watched.gradient_rows == min(256, len(DATA.train))


def test_tables_by_rows_are_watched_as_whole_ones() -> None:
    whole, rows = _run(("all",)).record.watched, _run(("all",), rows=("embeddings.0.weight",)).record.watched
    assert whole is not None
    assert rows is not None
    for name in ("l1", "l2", "gradient"):
        assert np.allclose(getattr(whole, name), getattr(rows, name), rtol=1e-4), name


def test_runs_of_a_stack_are_watched_as_alone() -> None:
    def member(seed: int) -> StackedRun:
        key = RunKey(name="adam", recipe=_recipe().id, seed=seed, phase="final")
        return StackedRun(DATA, _recipe(), key, GradientMethod(make_rule("adam(lr=0.01)"), lambda step: 1.0))

    found = train_stack([member(0), member(1)], evaluations=3, compiling=False, watch=("norms", "gradients"))
    for seed, each in enumerate(found):
        alone = _run(("all",), seed=seed).record.watched
        assert each.record.watched is not None
        assert alone is not None
        assert each.record.watched.training == []
        assert np.allclose(each.record.watched.l2, alone.l2, rtol=1e-3)
        assert np.allclose(each.record.watched.gradient, alone.gradient, rtol=1e-2)


def test_averaged_weights_are_those_that_are_watched() -> None:
    found = _run(("norms",), regularizer="ema(0.9)")
    watched = found.record.watched
    assert watched is not None
    place = next(i for i, each in enumerate(found.record.curve) if each.step == found.record.best_step)
    norms = [float(found.weights[name].double().norm()) for name in watched.parameters]
    assert watched.l2[place] == pytest.approx(norms, rel=1e-12)


def test_a_record_keeps_them_and_the_calibration() -> None:
    record = _run(("all",)).record
    assert record.calibration is not None
    again = Record.model_validate_json(record.model_dump_json())
    assert again.watched == record.watched
    assert again.calibration is not None
    assert again.calibration.temperature == record.calibration.temperature
    assert record.calibration.before.log_loss == pytest.approx(record.test["log_loss"], rel=1e-12)
    assert math.isclose(sum(record.calibration.before.width.rows), len(DATA.test))


class Rounded(torch.nn.Module):
    """A model that has no derivatives in evaluation mode."""

    def __init__(self, shape) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, shape.outputs)

    def forward(self, codes, numbers):
        return self.layer(numbers) if self.training else self.layer(numbers).detach()


def test_a_model_without_derivatives_in_evaluation_mode_goes_on_and_says_so() -> None:
    recipe = _recipe().model_copy(update={"model": "mine"})
    key = RunKey(name="adam", recipe=recipe.id, seed=0, phase="final")
    method = GradientMethod(make_rule("adam(lr=0.01)"), lambda step: 1.0)
    found = train(DATA, recipe, key, method, model=Rounded, evaluations=3, watch=("all",)).record
    assert found.outcome == "finished"
    assert found.watched is not None
    assert found.watched.gradient == []
    assert "does not require grad" in found.watched.no_gradient
    assert len(found.watched.l2) == len(found.curve)
