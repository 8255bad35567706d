"""Any two rules on five valleys, from any start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from steepest.optim import make_rule, make_spec, registry
from steepest.pages.content import Choice, Content, Exercise, PageControl, TableColumn
from steepest.pages.page import Shown, text
from steepest.tracing.problem import make_problem
from steepest.tracing.walks import walks

COMPONENTS = {"rules": {"object": "Rules", "what": "any two optimizers on five valleys, from any start"}}

LOW, HIGH, STEP = -5.0, 3.0, 0.25
"""Logarithms of the learning rates that are tried: quarters of decades."""
RATES = tuple(10 ** (LOW + STEP * i) for i in range(round((HIGH - LOW) / STEP) + 1))
STEPS = 60
PORTED = (
    "sgd", "heavy-ball", "adagrad", "rmsprop", "adam", "adamw", "adadelta", "adamax", "nadam", "radam", "lion", "rprop",
    "quickprop", "delta-bar-delta", "schedule-free-sgd", "schedule-free-adamw",
)  # fmt: skip
"""Rules of which ``templates/optimizers.js`` has a port; the tests compare every one with the rule itself."""


@dataclass(frozen=True)
class Valley:
    """A small problem of two numbers, and the part of the plane that is shown: left, right, bottom, top."""

    title: str
    problem: str
    box: tuple[float, float, float, float]
    start: tuple[float, float]
    lowest: float = 0.0

    def losses(self, points: Tensor) -> Tensor:
        """Return the heights at points [R, 2] as [R]; of a problem of one vector their sum, which a walk needs only."""
        problem = make_problem(self.problem)
        names = list(problem.begin())
        if len(names) == 1:
            return problem.loss({names[0]: points}, 0)
        return problem.loss(dict(zip(names, points.unbind(1), strict=True)), 0)

    def heights(self, points: Tensor) -> Tensor:
        """Return the heights at points [R, 2], one by one, as [R]."""
        return torch.stack([self.losses(each[None]).sum() for each in points])


VALLEYS: dict[str, Valley] = {
    "narrow": Valley(
        "narrow: ½(x² + 20y²)", "quadratic((1, 20))", (-2.6, 2.6, -1.9, 1.9), (-2.2, 1.2)
    ),
    "curved": Valley("curved: Rosenbrock’s", "rosenbrock(b=10)", (-2.6, 2.6, -0.8, 3.0), (-1.8, 2.4)),
    "kink": Valley("sharp: |x| + 4|y|", "absolute((1, 4))", (-2.6, 2.6, -1.9, 1.9), (-2.2, 1.3)),
    "saddle": Valley("saddle between two minima", "saddle", (-2.0, 2.0, -1.5, 1.5), (-1.5, 0.01), -0.25),
    "four": Valley("four minima: Himmelblau’s", "himmelblau", (-5.5, 5.5, -5.5, 5.5), (0.0, -0.5)),
}  # fmt: skip


def rules() -> dict[str, Any]:
    """Return every ported optimizer by its registered name: its rule, its hyperparameters and a line about it."""
    found: dict[str, Any] = {}
    for name in registry.names():
        spec = make_spec(name)
        if spec.is_rule and spec.name in PORTED:
            hyper = spec.hyper.model_dump(mode="json")
            if "weight_decay" in hyper:  # it would pull every path to 0, whatever the valley
                hyper["weight_decay"] = 0.0
            found[name] = {"rule": spec.name, "hyper": hyper, "what": registry.entry(name).what}
    return found


def tuned(name: str, valley: Valley, start: Sequence[float], steps: int = STEPS) -> tuple[float, list[float]]:
    """Return the rate whose path stays in the frame and ends lowest, and where it ends.

    Args:
        name: of a ported optimizer.
        valley: where.
        start: from which point.
        steps: how many.
    """
    decay = ", weight_decay=0.0" if "weight_decay" in type(make_rule(name).hyper).model_fields else ""
    paths = walks([make_rule(f"{name}(lr={rate!r}{decay})") for rate in RATES], valley.losses, start, steps)
    left, right, bottom, top = valley.box
    x, y = paths.unbind(2)
    inside = ((left <= x) & (x <= right) & (bottom <= y) & (y <= top)).all(1)
    ends = valley.heights(paths[:, -1]).where(inside, torch.inf)
    best = int(ends.argmin())
    return RATES[best], paths[best, -1].tolist()


class Rules(Shown):
    """Two optimizers side by side on a valley in the plane, each at the best of 33 rates or at the reader's rate."""

    def content(self) -> Content:
        """Return the page; the answers are computed by the package's own rules."""
        known = rules()
        names = tuple(Choice(value=each, label=each) for each in known)
        first = VALLEYS["narrow"]
        rate: dict[str, Any] = {"low": LOW, "high": HIGH, "step": STEP, "default": -2.0, "log": True}
        return Content(
            title="Two optimizers on five valleys",
            question="How do optimizers differ where everything can be seen?",
            about=(
                "Both start at the same point and know nothing but the gradient there. Each takes the best of "
                f"{len(RATES)} learning rates, a quarter of a decade apart: the one that ends lowest without leaving "
                "the frame. Move a rate to choose it yourself.",
                "What two parameters show is true of two parameters: what wins here need not win on a network.",
            ),
            controls=(
                PageControl(
                    name="valley", label="valley", kind="choice", default="narrow",
                    options=tuple(Choice(value=key, label=each.title) for key, each in VALLEYS.items()),
                ),
                PageControl(name="a", label="first optimizer", kind="choice", options=names, default="sgd"),
                PageControl(name="lrA", label="its learning rate", **rate),
                PageControl(name="b", label="second optimizer", kind="choice", options=names, default="momentum"),
                PageControl(name="lrB", label="its learning rate", **rate),
                PageControl(
                    name="rates", label="learning rates", kind="choice", default="best",
                    options=(
                        Choice(value="best", label=f"the best of {len(RATES)} from here"),
                        Choice(value="own", label="as set"),
                    ),
                ),
                PageControl(name="steps", label="steps", low=5, high=300, step=5, default=STEPS),
                PageControl(name="x", label="start x", low=-6, high=6, step=0.01, default=first.start[0]),
                PageControl(name="y", label="start y", low=-6, high=6, step=0.01, default=first.start[1]),
            ),
            view="rules",
            data={
                "rules": known,
                "rates": [LOW, HIGH, STEP],
                "valleys": {
                    key: {"box": each.box, "start": each.start, "lowest": each.lowest, "problem": each.problem}
                    for key, each in VALLEYS.items()
                },
            },
            columns=(
                TableColumn(key="step", title="step"),
                TableColumn(key="x1", title="first: x"), TableColumn(key="y1", title="first: y"),
                TableColumn(key="loss1", title="first: loss"),
                TableColumn(key="x2", title="second: x"), TableColumn(key="y2", title="second: y"),
                TableColumn(key="loss2", title="second: loss"),
            ),
            exercises=self.exercises(),
            source="Optimizers that couple several numbers (adafactor, muon) are not among them.",
        )  # fmt: skip

    def exercises(self) -> tuple[Exercise, ...]:
        """Return the exercises, with what the optimizers answer."""
        return (
            _lowest("narrow", ("sgd", "momentum", "adam")),
            _lowest("kink", ("sgd", "adam", "rprop")),
            _lowest("saddle", ("sgd", "rmsprop", "adagrad"), 15),
            _same("four", ("sgd", "momentum")),
        )


def _lowest(key: str, names: Sequence[str], steps: int = STEPS) -> Exercise:
    """Return the question which optimizer ends lowest, each at its best rate."""
    valley = VALLEYS[key]
    found = {name: tuned(name, valley, valley.start, steps) for name in names}
    ends = {
        name: float(valley.heights(torch.tensor([end], dtype=torch.float64))[0]) - valley.lowest
        for name, (_, end) in found.items()
    }
    order = sorted(names, key=lambda name: ends[name])
    said = ", ".join(f"{name} {text(ends[name], 2)} (rate {text(found[name][0], 2)})" for name in order)
    return Exercise(
        question=f"On the valley “{valley.title}”, each at its best rate: which ends lowest after {steps} steps?",
        answer=f"Loss above the lowest point: {said}.",
        options=tuple(Choice(value=each, label=each) for each in names),
        right=order[0],
        show={
            "valley": key,
            "a": order[0],
            "b": order[1],
            "x": valley.start[0],
            "y": valley.start[1],
            "steps": steps,
        },
    )


def _same(key: str, names: tuple[str, str]) -> Exercise:
    """Return the question whether two optimizers reach the same minimum from one start."""
    valley = VALLEYS[key]
    ends = [tuned(name, valley, valley.start)[1] for name in names]
    same = max(abs(one - two) for one, two in zip(*ends, strict=True)) < 0.5
    places = [f"({text(x)}, {text(y)})" for x, y in ends]
    return Exercise(
        question=f"On the valley “{valley.title}”, from ({text(valley.start[0])}, {text(valley.start[1])}): do "
        f"{names[0]} and {names[1]} end in the same minimum, each at its best rate?",
        answer=f"{names[0]} ends at {places[0]}, {names[1]} at {places[1]}.",
        options=(Choice(value="yes", label="yes"), Choice(value="no", label="no")),
        right="yes" if same else "no",
        show={"valley": key, "a": names[0], "b": names[1], "x": valley.start[0], "y": valley.start[1]},
    )
