"""Every model with every loss on every kind of data: it takes a step, or is refused with a cure.

All are from the registries: a new model or loss is covered without a row here.
"""

from __future__ import annotations

from functools import cache

import pytest
import torch

from steepest.data.batches import BatchPlan
from steepest.data.dataset import InputField, Part, Shape, TargetScale
from steepest.errors import SteepestError
from steepest.models import build_model, registry
from steepest.objectives import make_objective
from steepest.objectives import registry as losses
from steepest.objectives.target import ClassTarget, ImageTarget, NumberTarget, Target, TokenTarget
from steepest.optim import make_spec
from steepest.optim.method import GradientMethod
from steepest.optim.rule import Rule
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.train.problem import SupervisedProblem

ROWS, CLASSES, CODES = 16, 3, 4
KINDS = ("table", "curve", "images", "ratings", "text")
TARGETS = ("classes", "numbers", "images", "tokens")
BOUNDS = {"ratings": (0.0, 5.0)}
SERVED = {"table": 7, "curve": 6, "images": 4, "ratings": 8, "text": 1}
"""How many models take each kind of data, at least."""


@cache
def data(kind: str, of: str) -> tuple[Shape, Part, Target] | None:
    """Return rows of a kind with a target, and None where there are none such."""
    draw = stream(0, "data", 3)
    numbers = torch.from_numpy(draw.standard_normal((ROWS, 2))).float()
    codes = torch.from_numpy(draw.integers(0, CODES, (ROWS, 2)))
    image = torch.from_numpy(draw.integers(0, 256, (ROWS, 1, 8, 8))).to(torch.uint8)
    tokens = torch.from_numpy(draw.integers(0, CODES, (ROWS, 6)))
    inputs = {
        "table": (codes, numbers),
        "curve": (numbers[:, :1],),
        "images": (image,),
        "ratings": (codes,),
        "text": (tokens,),
    }
    fields: dict[str, tuple[InputField, ...]] = {
        "table": (),
        "curve": (InputField("x", "values", (1,), ("x",)),),
        "images": (InputField("image", "image", (1, 8, 8), mean=(127.0,), sd=(74.0,)),),
        "ratings": (),
        "text": (InputField("tokens", "tokens", (5,)),),
    }
    targets: dict[str, Target] = {
        "classes": ClassTarget(CLASSES),
        "numbers": NumberTarget(),
        "images": ImageTarget((1, 8, 8), TargetScale(127.0, 74.0)),
        "tokens": TokenTarget(5, CODES),
    }
    target = targets[of]
    if (of == "images" and kind != "images") or (kind, of) == ("ratings", "classes"):
        return None
    if (of == "tokens") is not (kind == "text"):
        return None
    if of == "tokens":
        inputs["text"] = (tokens[:, :-1],)
    if of == "images":
        wanted: torch.Tensor = image
    elif of == "tokens":
        wanted = tokens[:, 1:]
    elif of == "classes":
        wanted = torch.from_numpy(draw.integers(0, CLASSES, ROWS))
    else:
        wanted = torch.from_numpy(draw.standard_normal(ROWS)).float()
    columns = {"a": CODES, "b": CODES} if kind in ("table", "ratings") else {}
    continuous = ("c", "d") if kind == "table" else ()
    outputs = {"classes": CLASSES, "numbers": 1, "images": 64, "tokens": CODES}[of]
    shape = Shape(target.task, columns, continuous, outputs, fields[kind], bounds=BOUNDS.get(kind))
    if kind == "ratings":
        inputs["ratings"] = (codes, numbers[:, :0])
    return shape, Part(inputs[kind], wanted), target


def moved(model: str, loss: str, kind: str, of: str) -> float:
    """Return how far one step takes the weights of a model."""
    found = data(kind, of)
    assert found is not None
    shape, rows, target = found
    net = build_model(model, shape)
    before = torch.cat([each.detach().flatten().clone() for each in net.parameters()])
    problem = SupervisedProblem(net, make_objective(loss, target), None, target=target, length=1)
    rule = make_spec("sgd(lr=0.1)")
    assert isinstance(rule, Rule)
    method = GradientMethod(rule, make_schedule("constant", 1))
    state = method.init(problem)
    list(method.steps(problem, state, problem.feed(rows, BatchPlan(ROWS, 8, 0), 0), 0, 1))
    after = torch.cat([each.detach().flatten() for each in net.parameters()])
    assert torch.isfinite(after).all()
    return float((after - before).norm())


def stepped(model: str, loss: str, kind: str, of: str) -> tuple[str, float]:
    """Return why a model takes no step, with a cure, or how far it goes."""
    try:
        return "", moved(model, loss, kind, of)
    except SteepestError as error:
        found = error
    assert found.hint, found.fact
    return found.fact, 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", sorted(registry.names()))
def test_a_model_takes_a_step_for_every_loss_or_is_refused(model: str, kind: str) -> None:
    for of in TARGETS:
        if data(kind, of) is None:
            continue
        for loss in sorted(losses.names()):
            fact, far = stepped(model, loss, kind, of)
            assert (far > 0.0) is not bool(fact)
            assert not fact or model in fact or loss in fact, fact


def test_the_kinds_of_data_are_those_that_models_declare() -> None:
    """Or a kind that every model refuses by mistake would pass above."""
    for kind in KINDS:
        loss = ("next-token", kind, "tokens") if kind == "text" else ("squared", kind, "numbers")
        served = sum(not stepped(model, *loss)[0] for model in registry.names())
        assert served >= SERVED[kind], kind
