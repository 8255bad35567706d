"""Small and large networks from starts near to each other, with the noise as published and relative to the weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.pages.content import Choice, Content, Exercise, PageControl, TableColumn
from steepest.pages.page import Shown, made_with, stored_numbers, text
from steepest.studies.base.found import mean
from steepest.studies.overparameterisation import (
    KINDS,
    LARGE,
    MANY,
    MOST,
    NETS,
    NOISE,
    RATE,
    RATES,
    ROWS,
    SMALL,
    STARTS,
    STEPS,
    arm_name,
    weights_of,
)

COMPONENTS = {
    "overparameterisation": {
        "object": "OverparameterisationPage",
        "what": "small and large networks from starts near to each other",
    }
}

PIXELS = 784
FIGURES = {"linear": "Linear model", **{net: f"Network {net}" for net in NETS if NETS[net]}}
PUBLISHED, RELATIVE = KINDS


def losses(net: str, kind: str, rate: float) -> list[list[float | None]]:
    """Return the losses of every start of a network, with a kind of noise and a rate."""
    each: dict[str, Any] = stored_numbers("overparameterisation")["measured"][arm_name(net, kind)]
    return each["loss"][each["rates"].index(rate)]


def stored_steps() -> list[int]:
    """Return after which steps losses are stored."""
    return next(iter(stored_numbers("overparameterisation")["measured"].values()))["steps"]


def ends(net: str, kind: str, rate: float = RATE, steps: int = STEPS, starts: int = STARTS) -> list[float]:
    """Return the losses of the first starts after so many steps."""
    at = stored_steps().index(steps)
    return [math.nan if (loss := run[at]) is None else loss for run in losses(net, kind, rate)[:starts]]


def spread(values: list[float]) -> float:
    """Return the sd of losses as a share of their mean."""
    return float(np.std(values, ddof=1) / np.mean(values))


class OverparameterisationPage(Shown):
    """Training losses by step, of four networks from up to ten starts each."""

    def content(self) -> Content:
        """Return the page; the numbers are those of the study."""
        factor = NOISE * math.sqrt(3 * PIXELS)
        return Content(
            title="Does the start matter less to a larger network?",
            question="Does it matter less where a larger network starts?",
            about=(
                f"One start is perturbed several times, and every copy learns the same {ROWS} digits of MNIST by "
                f"gradient descent on all of them. As published, {NOISE:g} × normal is added to every weight. That is "
                f"{text(factor, 2)} times the sd of the first weights, so that the starts are not near to each other, "
                f"and larger networks "
                f"begin at larger outputs. The other noise is {NOISE:g} times the sd of each layer’s own weights.",
                "A linear model is the control: its loss is convex, and all starts lead to one valley. Stored are "
                f"{len(RATES)} rates, {MANY} starts and the loss after every tenth step; other settings go to the "
                "nearest.",
            ),
            controls=(
                PageControl(
                    name="noise", label="noise of the starts", kind="choice", default=PUBLISHED,
                    options=(
                        Choice(value=PUBLISHED, label=f"{PUBLISHED}, as published"),
                        Choice(value=RELATIVE, label=f"{RELATIVE} of a layer’s weights"),
                    ),
                ),
                PageControl(name="lr", label="learning rate", low=-3, high=0, step=0.1, default=-1.3, log=True),
                PageControl(name="steps", label="steps", low=50, high=MOST, step=5, default=STEPS),
                PageControl(name="starts", label="starts", low=5, high=MANY, default=STARTS),
                PageControl(name="top", label="loss axis up to", low=0.1, high=3, step=0.1, default=3),
            ),
            view="overparameterisation",
            data={
                "rates": RATES, "steps": stored_steps(), "nets": [
                    {
                        "name": FIGURES[net], "parameters": weights_of(PIXELS, NETS[net]),
                        "loss": {kind: [losses(net, kind, rate) for rate in RATES] for kind in KINDS},
                    }
                    for net in NETS
                ],
            },
            columns=(
                TableColumn(key="step", title="step"),
                *(
                    TableColumn(key=f"{key}{k}", title=f"{net}: {title}")
                    for k, net in enumerate(NETS)
                    for key, title in (("mean", "mean"), ("low", "lowest"), ("high", "highest"))
                ),
            ),
            exercises=self.exercises(),
            source=made_with("overparameterisation"),
        )  # fmt: skip

    def exercises(self) -> tuple[Exercise, ...]:
        """Return the exercises, with what the stored runs answer."""
        published = {net: ends(net, PUBLISHED) for net in NETS}
        relative = {net: ends(net, RELATIVE) for net in NETS}
        high = {net: [ends(net, kind, RATES[-1]) for kind in KINDS] for net in (SMALL, LARGE)}
        long = {net: ends(net, RELATIVE, steps=MOST) for net in NETS}
        begun = {net: mean(ends(net, PUBLISHED, steps=0)) for net in NETS}
        nets = tuple(Choice(value=net, label=FIGURES[net]) for net in NETS)
        factor = NOISE * math.sqrt(3 * PIXELS)
        both = (Choice(value="yes", label="yes"), Choice(value="no", label="no"))
        return (
            Exercise(
                question=f"{NOISE:g} × normal is added to weights that are uniform in ±1/√{PIXELS}. How many times "
                "the sd of these weights is it?",
                answer=f"The loss before the first step is {text(begun[SMALL], 2)} with the network {SMALL} and "
                f"{text(begun[LARGE], 2)} with {LARGE}; guessing has {text(math.log(10))}.",
                value=factor,
                within=0.15,
                show={"noise": PUBLISHED, "steps": 50},
            ),
            Exercise(
                question=f"With the published noise, rate {RATE:g} and {STEPS} steps: which network ends lowest?",
                answer="; ".join(f"{net}: {ranged(published[net])}" for net in NETS) + ".",
                options=nets,
                right=min(published, key=lambda net: mean(published[net])),
                show={"noise": PUBLISHED, "top": 1.0},
            ),
            Exercise(
                question=f"The network {LARGE} ends at {text(mean(published[LARGE]), 2)} then. Where does it end with "
                "noise relative to its weights?",
                answer="; ".join(f"{net}: {ranged(relative[net])}" for net in NETS)
                + ". A large part of the advantage was the scale of the start, not the size.",
                value=mean(relative[LARGE]),
                within=0.25,
                show={"noise": RELATIVE, "top": 1.0},
            ),
            Exercise(
                question=f"With relative noise: do the starts of {LARGE} end nearer together than those of {SMALL}, "
                "as a share of their mean loss?",
                answer="Sd as a share of the mean: "
                + "; ".join(f"{net} {text(100 * spread(each), 2)} %" for net, each in relative.items())
                + f". After {MOST} steps: "
                + "; ".join(f"{net} {text(100 * spread(each), 2)} %" for net, each in long.items())
                + ".",
                options=both,
                right="yes" if spread(relative[LARGE]) < spread(relative[SMALL]) else "no",
                show={"noise": RELATIVE, "top": 0.5},
            ),
            Exercise(
                question=f"At the largest rate, {RATES[-1]:g}, with relative noise: which of {SMALL} and {LARGE} ends "
                "lower?",
                answer="; ".join(
                    f"{net}: {ranged(each[1])}, with the published noise {ranged(each[0])}"
                    for net, each in high.items()
                )
                + ".",
                options=tuple(each for each in nets if each.value in high),
                right=min(high, key=lambda net: mean(high[net][1])),
                show={"noise": RELATIVE, "lr": 0, "top": 2.5},
            ),
        )  # fmt: skip


def ranged(values: list[float]) -> str:
    """Return from the lowest to the highest loss.

    Example:
        >>> ranged([0.5, 0.123456])
        '0.123 to 0.5'
    """
    return f"{text(min(values))} to {text(max(values))}"
