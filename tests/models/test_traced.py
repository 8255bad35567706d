"""The training step of every model as one program: which can be traced, and that compiled steps are the eager ones."""

from __future__ import annotations

import pytest

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Shape
from steepest.models import build_model, registry
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.schedules import make_schedule
from steepest.testing import ModelConformance
from steepest.testing.models import CURVES, IMAGES, RECONSTRUCTED, ROWS, SHAPES, _part, _problem
from steepest.train import aot
from steepest.train.aot import compiler
from steepest.train.compiled import CompiledMethod

CANNOT: dict[str, str] = {}
"""Models whose step cannot be traced, with a part of the reason that ``--compile on`` gives. At present all can."""

RATINGS = Shape("regression", {"user": 5, "item": 40}, (), 1, bounds=(0.5, 5.0))
SMALL = {
    "wide-deep": "wide-deep(hidden=(8,), crosses=(('colour', 'shop'),), buckets=50)",
    "deep-cross": "deep-cross(hidden=(8,))",
    "tabm": "tabm(k=3, hidden=(8,))",
}
"""What is traced and compiled where that is not the model without options."""
IN_EVERY_TEST = ("tabm",)
"""What is compiled in every test run, beside the ``embedding-mlp`` of ``tests/train``; the others take minutes."""


def shape_of(name: str) -> Shape:
    """Return a shape of the data that a model is for."""
    entry = registry.entry(name)
    takes = entry.more.get("takes", ["codes, values"])
    if entry.more.get("ratings"):
        return RATINGS
    if entry.more.get("task") == "reconstruction":
        return RECONSTRUCTED[0]
    return {"codes, values": SHAPES[0], "values": CURVES[0], "image": IMAGES[0]}[takes[0]]


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names())
def test_the_step_of_every_model_can_be_traced_or_says_why_not(name: str) -> None:
    """As the suites of ``test_models.py`` hold for these and other options."""

    class TestIt(ModelConformance):
        models = (SMALL.get(name, name),)
        shapes = (shape_of(name),)
        eager = CANNOT.get(name, "")

    TestIt().test_a_step_can_be_one_program()


def losses_of(name: str, kind: type[GradientMethod] | type[CompiledMethod]) -> list[float]:
    shape = shape_of(name)
    problem = _problem(build_model(SMALL.get(name, name), shape, seed=1).train(), shape)
    method = kind(make_rule("adam(lr=0.01)"), make_schedule("constant", 4))
    state = method.init(problem)
    feed = problem.feed(_part(shape), BatchPlan(ROWS, 8, 0), 0)
    return [info.loss for info in method.steps(problem, state, feed, 0, 4)]


@pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in IN_EVERY_TEST else pytest.mark.slow)
        for name in registry.names()
        if name not in CANNOT
    ],
)
def test_compiled_steps_are_the_eager_ones(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path))
    monkeypatch.setattr(aot, "_loaded", {})
    eager = losses_of(name, GradientMethod)
    assert len(set(eager)) == 4
    assert losses_of(name, CompiledMethod) == pytest.approx(eager, rel=1e-4)
    assert [*tmp_path.rglob("*")], "nothing was compiled"
