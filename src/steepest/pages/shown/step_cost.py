"""The time of a step by its number of points: a fixed cost, and then so much for every point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steepest.pages.content import Choice, Content, Exercise, PageControl, TableColumn
from steepest.pages.page import Shown, made_with, stored_numbers, text
from steepest.studies.step_cost import PASSES, POINTS, fitted, step_seconds

COMPONENTS = {
    "step-cost": {
        "object": "StepCostPage",
        "what": "the time of a step by its points, forward and backward",
    }
}

NET = "100 units"
"""Which network the exercises are of."""
ALL = POINTS[-1]


class StepCostPage(Shown):
    """Measured times of forward and backward passes of three networks, with the fitted lines."""

    def content(self) -> Content:
        """Return the page; the numbers are those of the study."""
        nets: Mapping[str, Mapping[str, Any]] = stored_numbers("step-cost")["measured"]
        names = [f"layers of {name}" if "," in name else f"a layer of {name}" for name in nets]
        lines = [fitted(each) for each in nets.values()]
        return Content(
            title="What a step costs",
            question="What does a step cost by the number of its points?",
            about=(
                "A step of gradient descent passes some digits of MNIST forward through a network with one or two "
                "hidden layers, and the error backward. The times are of one thread’s processor, the lowest of five, "
                f"for {len(POINTS)} numbers of points from 1 to {ALL:,}; the slider goes to the nearest.",
                "The fitted line is a fixed cost and so much for every point: "
                + "; ".join(
                    f"{name} {text(1e3 * fixed, 2)} ms + {text(1e6 * slope, 2)} µs a point (R² {r2:.3f})"
                    for name, (fixed, slope, r2) in zip(nets, lines, strict=True)
                )
                + ". It is fitted to relative errors, so that few points count as much as many. Another machine has "
                "other numbers.",
            ),
            controls=(
                PageControl(
                    name="points", label="points of a step", low=0, high=4.7, step=0.1, default=2, log=True
                ),
                PageControl(
                    name="pass", label="what is timed", kind="choice", default="both",
                    options=(
                        Choice(value="both", label="forward and backward"),
                        Choice(value="forward", label="forward alone"),
                        Choice(value="backward", label="backward alone"),
                    ),
                ),
                PageControl(
                    name="axes", label="axes of the first figure", kind="choice", default="log",
                    options=(
                        Choice(value="log", label="logarithmic"), Choice(value="linear", label="linear, from 0"),
                    ),
                ),
            ),
            view="step-cost",
            data={
                "points": POINTS, "all": ALL, "nets": [
                    {"name": name, "fixed": fixed, "slope": slope, **{way: each[way] for way in PASSES}}
                    for name, each, (fixed, slope, _) in zip(names, nets.values(), lines, strict=True)
                ],
            },
            columns=(
                TableColumn(key="points", title="points", digits=6),
                *(TableColumn(key=f"net{k}", title=f"{name}, ms") for k, name in enumerate(nets)),
                *(TableColumn(key=f"all{k}", title=f"{name}, s for {ALL:,}") for k, name in enumerate(nets)),
            ),
            exercises=self.exercises(nets[NET]),
            source=made_with("step-cost"),
        )  # fmt: skip

    def exercises(self, net: Mapping[str, Any]) -> tuple[Exercise, ...]:
        """Return the exercises, with what the times of a network with one layer answer."""
        fixed, slope, _ = fitted(net)
        step = dict(zip(POINTS, step_seconds(net), strict=True))
        backward = dict(zip(POINTS, net["backward"], strict=True))
        forward = dict(zip(POINTS, net["forward"], strict=True))
        more = backward[ALL] > forward[ALL]
        return (
            Exercise(
                question=f"With a layer of {NET}, 100 points are 100 times as many as one. How many times as long does "
                "their step take?",
                answer=f"A step on one point takes {text(1e3 * step[1])} ms, and most of that is fixed; one on 1,000 "
                f"points takes {text(step[1000] / step[1], 2)} times as long.",
                value=step[100] / step[1],
                within=0.25,
                show={"points": 2.0},
            ),
            Exercise(
                question=f"With a layer of {NET}: at how many points of a step do the points together cost as much as "
                "what is fixed?",
                answer=f"The fixed cost is {text(1e3 * fixed, 2)} ms and a point costs {text(1e6 * slope, 2)} µs.",
                value=fixed / slope,
                unit="points",
                within=0.3,
                show={"points": 1.3},
            ),
            Exercise(
                question="The published figure has linear axes that begin at 0. Can the fixed cost be read from it?",
                answer=f"It is that of {text(fixed / slope, 2)} of {ALL:,} points: less than the width of a line.",
                options=(Choice(value="yes", label="yes"), Choice(value="no", label="no")),
                right="no" if fixed / slope < 0.002 * ALL else "yes",
                show={"axes": "linear"},
            ),
            Exercise(
                question=f"On {ALL:,} points, which pass takes longer with a layer of {NET}?",
                answer=f"Forward {text(1e3 * forward[ALL])} ms, backward {text(1e3 * backward[ALL])} ms. The gradient "
                "by the inputs of the first layer is not needed, so that the backward pass of such a small network "
                "multiplies matrices about as often as the forward pass.",
                options=(
                    Choice(value="forward", label="the forward pass"),
                    Choice(value="backward", label="the backward pass"),
                ),
                right="backward" if more else "forward",
                show={"pass": "backward", "points": 4.7},
            ),
            Exercise(
                question=f"All {ALL:,} points are passed once, in steps of 1,000 points or of {ALL:,}, with a layer of "
                f"{NET}. How many times as long do steps of 1,000 take?",
                answer=f"Steps of one point would take {text(step[1] * ALL / step[ALL], 2)} times as long as one on "
                "all: what counts is to leave the region of the fixed cost, not to have the largest step.",
                value=step[1000] * (ALL / 1000) / step[ALL],
                within=0.25,
                show={"points": 3.0},
            ),
        )  # fmt: skip
