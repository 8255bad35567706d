"""Every pair of parts works together or is refused by name; all pairs are made from the registries.

A new regularizer, optimizer or procedure is covered without a row here, unless its defaults change nothing in a few
steps.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import pytest
import torch

from steepest.data.batches import BatchPlan
from steepest.data.dataset import InputField, Part, Shape
from steepest.errors import OptionError
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import ClassTarget, NumberTarget
from steepest.optim import make_spec
from steepest.optim import registry as optimizers
from steepest.optim.method import GradientMethod
from steepest.optim.rule import Rule
from steepest.optim.spec import MethodSettings
from steepest.procedures import make_procedure
from steepest.procedures import registry as procedures
from steepest.procedures.pruning import Pruning
from steepest.regularizers import read_regularizers, registry
from steepest.regularizers.applied import attach
from steepest.regularizers.check import check_method, check_taught
from steepest.regularizers.strengths import at_defaults
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.sweep.stages import check_stages
from steepest.train.masks import apply_masks, masks_of
from steepest.train.problem import SupervisedProblem
from steepest.train.weights import KeptWeights
from tests.train.steps import TABLES, distance, eager, in_float64, one_program, run, table, without_compiling
from tests.train.test_stack import alone, close, stacked

STEPS, ROWS, CLASSES = 3, 24, 3
STRONGER = {
    "augment": "augment(flip=0.5)",
    "elastic-net": "elastic-net(0.1)",
    "input-noise": "input-noise(10)",
    "l1": "l1(0.1)",
    "l2": "l2(0.1)",
    "label-noise": "label-noise(0.5)",
    "max-norm": "max-norm(0.3)",
    "swa": "swa(0.3)",
    "early-stopping": "early-stopping(1)",
}
"""Those that do nothing in a few steps at their defaults, some only to rules that go by signs."""
TEACHER = {"distil": "distil('mlp(hidden=(4,))')"}
NAMES = sorted(registry.names())
METHODS = sorted(optimizers.names())
PROCEDURES = [TEACHER.get(each, each) for each in sorted(procedures.names())]


def text_of(name: str) -> str:
    return at_defaults(STRONGER.get(name, name))


def acts(name: str) -> bool:
    """Return whether a regularizer acts in steps, not on the length of a run alone."""
    return set(read_regularizers(text_of(name))[0].places) != {"length"}


def joined(*names: str) -> str:
    return " + ".join(map(text_of, names)) or "none"


@cache
def data(kind: str) -> tuple[Shape, Part, Any]:
    """Return images of classes, or rows of numbers with a number to predict."""
    draw = stream(0, "data", 11)
    if kind == "classes":
        images = torch.from_numpy(draw.uniform(0, 255, (ROWS, 1, 4, 4)))
        field = InputField("image", "image", (1, 4, 4), mean=(127.0,), sd=(74.0,))
        shape = Shape("classification", {}, (), CLASSES, (field,))
        return shape, Part((images,), torch.from_numpy(draw.integers(0, CLASSES, ROWS))), ClassTarget(CLASSES)
    shape = Shape("regression", {}, ("a", "b", "c"), 1, (InputField("x", "values", (3,)),))
    numbers = torch.from_numpy(draw.standard_normal((ROWS, 3)))
    return shape, Part((numbers,), torch.from_numpy(draw.standard_normal(ROWS))), NumberTarget()


@cache
def trained(method: str, regularizer: str, kind: str, pruned: bool = False) -> torch.Tensor:
    """Return all weights that are evaluated after some steps."""
    shape, rows, target = data(kind)
    net = build_model("mlp(hidden=(4,))", shape).double().train()
    made = read_regularizers(regularizer)
    attach(made, net, rows)
    problem = SupervisedProblem(
        net, make_objective("", target), None, regularizers=made, target=target, length=STEPS, precision="float64"
    )  # fmt: skip
    if pruned:
        problem.masks = masks_of(net, net.state_dict(), Pruning(0.5, 0.5), 0)
        apply_masks(net, problem.masks)
    spec = make_spec(method)
    spec.check(problem)
    schedule = make_schedule("constant", STEPS)
    maker: Any = (
        GradientMethod(spec, schedule) if isinstance(spec, Rule) else spec.make(MethodSettings(schedule))
    )
    state = maker.init(problem)
    feed = problem.feed(rows, BatchPlan(ROWS, 8, 0), 0)
    list(maker.steps(problem, state, feed, 0, STEPS))
    weights = KeptWeights(net, maker, state).weights()
    for name, mask in problem.masks.items():
        assert not weights[name][mask == 0].any(), (
            f"{method}, {regularizer}: pruned weights of {name} are not zero"
        )
    return torch.cat([weights[name].flatten() for name, _ in net.named_parameters()])


def refusal(call: Any, *args: Any) -> str:
    """Return the error of a check, which has a cure; empty if there is none."""
    try:
        call(*args)
    except OptionError as error:
        found = error
    else:
        return ""
    assert found.hint, found.fact
    return found.fact


@pytest.mark.parametrize("method", METHODS)
def test_a_regularizer_acts_under_a_method_or_is_refused(method: str) -> None:
    """A refusal names both; where there is none, a few steps are others than without the regularizer."""
    spec = make_spec(method)
    kind = "classes" if not refused(method, "classes") else "numbers"
    for name in NAMES:
        text = text_of(name)
        if fact := refusal(check_method, text, spec):
            assert method in fact, fact
            assert text in fact, fact
            continue
        if kind == "numbers" and name in ("augment", "label-smoothing"):
            continue  # of images and classes, which the method does not take
        changed = not torch.equal(trained(method, text, kind), trained(method, "none", kind))
        assert changed is acts(name), f"{text} under {method}"


@cache
def refused(method: str, kind: str) -> bool:
    try:
        trained(method, "none", kind)
    except OptionError:
        return True
    return False


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(NAMES, 2)))
def test_two_regularizers_act_together_or_are_refused(one: str, other: str) -> None:
    """The steps differ from those with either of the two alone."""
    if fact := refusal(read_regularizers, joined(one, other)):
        assert text_of(one) in fact, fact
        assert text_of(other) in fact, fact
        return
    both = trained("sgd(lr=0.1)", joined(one, other), "classes")
    assert torch.isfinite(both).all()
    for name, rest in ((one, other), (other, one)):
        changed = not torch.equal(both, trained("sgd(lr=0.1)", text_of(rest), "classes"))
        assert changed is acts(name), f"{text_of(name)} beside {text_of(rest)}"


@pytest.mark.parametrize("method", METHODS)
def test_a_procedure_is_planned_or_refused_under_every_method(method: str) -> None:
    for text in PROCEDURES:
        made = make_procedure(text)
        if fact := refusal(check_stages, made, make_spec(method)):
            assert method in fact, fact
            assert made.title in fact, fact


@pytest.mark.parametrize("name", NAMES)
def test_a_regularizer_in_the_stages_of_procedures(name: str) -> None:
    """Pruned weights stay zero under every regularizer, which acts on the others; what mixes rows has no teacher."""
    text = text_of(name)
    for each in PROCEDURES:
        made = make_procedure(each)
        if fact := refusal(check_taught, text, made):
            assert text in fact, fact
            assert made.text in fact, fact
    for method in ("sgd(lr=0.1, momentum=0.9)", "adam(lr=0.01)"):
        changed = not torch.equal(
            trained(method, text, "classes", pruned=True), trained(method, "none", "classes", pruned=True)
        )
        assert changed is acts(name), f"{text} under pruning and {method}"


NO_IMAGES = [each for each in NAMES if each not in ("augment", "mixup") and acts(each)]
COVERING = [joined(each, NO_IMAGES[(place + 1) % len(NO_IMAGES)]) for place, each in enumerate(NO_IMAGES)]
"""A dozen pairs that have every regularizer of tables twice."""


@pytest.mark.parametrize("text", COVERING)
def test_pairs_in_one_program_by_rows_and_stacked(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One program, tables by rows where the pair leaves them alone, and stacked runs are eager dense runs."""
    if refusal(read_regularizers, text):
        pytest.skip("two of one place are refused, as is tested above")
    graphs = without_compiling(monkeypatch)
    rows = in_float64(table())
    how: dict[str, Any] = {"regularizer": text, "model": "embedding-mlp(hidden=(4,), dropout=0.0)"}
    right = run(rows, eager("adam(lr=0.01)", clip=0.5, steps=6), steps=6, **how)
    alone_on = all("embeddings" not in each.roles for each in read_regularizers(text))
    for make in (eager, one_program):
        tables = TABLES if alone_on else ()
        found = run(rows, make("adam(lr=0.01)", clip=0.5, tables=tables, steps=6), steps=6, **how)
        assert distance(found.weights, right) <= 1e-8
    assert graphs
    who = ((0, "adam(lr=0.01)"), (1, "adam(lr=0.1)"))
    options: dict[str, Any] = {"precision": "float64", **how, "steps": 6}
    for one, other in zip(stacked(table(), *who, **options), alone(table(), *who, **options), strict=True):
        close(one, other, 1e-8)
