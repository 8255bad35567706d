"""Momentum on two parameters of a digit classifier, whose loss is exactly a sum over 500 digits."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from steepest.optim import make_rule
from steepest.pages.content import Choice, Content, Exercise, PageControl, TableColumn
from steepest.pages.page import Shown, stored_numbers, text
from steepest.tracing.walks import walks

COMPONENTS = {
    "momentum": {
        "object": "Momentum",
        "what": "two parameters of a digit classifier, momentum or none",
    }
}

START = (2.5, 3.7)
AIM = 1e-6
"""How near the optimum both parameters have to come."""
WITHIN = 100
STEPS, RATE, SHARE = 300, -1.0, 0.9
MOST_RATE, MOST_STEPS = 0.7, 500
SWEPT = 150
"""Iterations in which the fastest momentum is looked for."""
BOX = (-4.0, 4.0)
ACROSS = 30
SHARES = tuple(round(0.01 * i, 2) for i in range(100))


@functools.cache
def digits() -> dict[str, Tensor]:
    """Return what is stored of the 500 digits, by name, each [500]."""
    stored = stored_numbers("momentum")
    return {name: torch.tensor(each, dtype=torch.float64) for name, each in stored.items()}


def losses(points: Tensor) -> Tensor:
    """Return the mean cross-entropy of the digits at points (weight, bias) [R, 2], as [R]."""
    d = digits()
    first, second = d["first"] + points[:, :1] * d["pixel"], d["second"] + points[:, 1:]
    total = torch.logaddexp(torch.logaddexp(first, second), d["rest"].expand_as(first))
    own = torch.where(d["kind"] == 0, first, torch.where(d["kind"] == 7, second, d["own"]))
    return (total - own).mean(1)


@functools.cache
def optimum() -> tuple[list[float], list[float]]:
    """Return the minimum, by Newton's method from zero, and the eigenvalues of the Hessian there, in rising order."""
    w = torch.zeros(2, dtype=torch.float64)
    for _ in range(20):
        gradient, hessian = _derivatives(w)
        w = w - torch.linalg.solve(hessian, gradient)
    return w.tolist(), torch.linalg.eigvalsh(_derivatives(w)[1]).tolist()


def _derivatives(w: Tensor) -> tuple[Tensor, Tensor]:
    """Return gradient and Hessian of the loss at a point."""
    at = w.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(losses(at[None])[0], at, create_graph=True)
    rows = [torch.autograd.grad(each, at, retain_graph=True)[0] for each in gradient]
    return gradient.detach(), torch.stack(rows)


def distances(rate: float, shares: Sequence[float], steps: int) -> Tensor:
    """Return |w − w*| of each parameter, for each momentum, before the first and after every step [R, steps + 1, 2]."""
    rules = [make_rule(f"heavy-ball(lr={rate!r}, momentum={each!r})") for each in shares]
    return (walks(rules, losses, START, steps) - torch.tensor(optimum()[0], dtype=torch.float64)).abs()


def met(distance: Tensor) -> list[int | None]:
    """Return for each path after how many steps both parameters are first nearer than the aim; None if never.

    Example:
        >>> met(torch.tensor([[[1.0, 1.0], [1e-7, 1e-7]], [[1.0, 1.0], [1e-7, 1.0]]]))
        [1, None]
    """
    near = (distance < AIM).all(2)
    return [int(each.int().argmax()) if bool(each.any()) else None for each in near]


class Momentum(Shown):
    """Gradient descent and momentum on two free parameters of a linear digit classifier, beside Newton's optimum."""

    def content(self) -> Content:
        """Return the page; the answers are computed by the package's rule ``heavy-ball``."""
        point, (least, most) = optimum()
        data: dict[str, Any] = {name: each.tolist() for name, each in digits().items()}
        data |= {"start": START, "optimum": point, "eigenvalues": [least, most]}
        data |= {"loss": float(losses(torch.tensor([point], dtype=torch.float64))[0])}
        data |= {"box": BOX, "across": ACROSS, "aim": AIM, "within": WITHIN}
        return Content(
            title="Momentum on two parameters",
            question="What does momentum change, and how much of it is good?",
            about=(
                "A linear classifier of digits has 7,850 parameters. Here 7,848 of them stay as they were drawn, and "
                "two are free: the weight of pixel 378 for the digit 0, and the bias of the digit 7. The loss is the "
                "cross-entropy of 500 digits. Gradient descent follows the gradient; momentum keeps a share β of its "
                "last step: v ← βv − η∇J, w ← w + v.",
                f"The aim: both parameters nearer than 10⁻⁶ to the optimum within {WITHIN} iterations. The valley is "
                f"mild, {most / least:.2f} times steeper in one direction than in the other, so momentum has little "
                "to gain here; networks are far steeper in some directions than in others.",
            ),
            controls=(
                PageControl(
                    name="lr",
                    label="learning rate η",
                    low=-3,
                    high=MOST_RATE,
                    step=0.1,
                    default=RATE,
                    log=True,
                ),
                PageControl(name="beta", label="momentum β", low=0, high=1, step=0.01, default=SHARE),
                PageControl(name="steps", label="iterations", low=50, high=MOST_STEPS, step=5, default=STEPS),
            ),
            view="momentum",
            data=data,
            columns=(
                TableColumn(key="step", title="iteration"),
                TableColumn(key="plain_loss", title="descent: loss", digits=7),
                TableColumn(key="plain_w", title="descent: |w − w*|"),
                TableColumn(key="plain_b", title="descent: |b − b*|"),
                TableColumn(key="loss", title="momentum: loss", digits=7),
                TableColumn(key="w", title="momentum: |w − w*|"),
                TableColumn(key="b", title="momentum: |b − b*|"),
            ),
            exercises=self.exercises(),
            source="Data: 500 images of MNIST, of which five numbers each are in this file.",
        )

    def exercises(self) -> tuple[Exercise, ...]:
        """Return the exercises, with what the optimizer answers."""
        first = distances(10**RATE, (0.0, SHARE), STEPS)
        at_end = first[:, -1, 0].tolist()
        rate = 10**MOST_RATE
        sweep = met(distances(rate, SHARES, SWEPT))
        reached = {share: each for share, each in zip(SHARES, sweep, strict=True) if each is not None}
        best = min(reached, key=lambda share: reached[share])
        half, plain = reached[0.5], reached[0.0]
        most = max(share for share, each in reached.items() if each <= WITHIN)
        least = min(share for share, each in reached.items() if each <= WITHIN)
        rates = PageControl(name="lr", label="", low=-3, high=MOST_RATE, step=0.1, default=RATE)
        return (
            Exercise(
                question=f"At η = 0.1, how far from its optimum is the weight after {STEPS} iterations of gradient "
                f"descent? It starts {first[0, 0, 0]:.2f} away.",
                answer=f"Momentum {SHARE:g} comes as near as {text(at_end[1], 2)} with the same rate.",
                value=at_end[0],
                within=0.15,
                show={"lr": RATE, "beta": SHARE, "steps": STEPS},
            ),
            Exercise(
                question=f"At the largest rate, η = {rate:.3g}, and β = 0.5: after how many iterations is the aim met?",
                answer=f"Gradient descent with the same rate takes {plain}: momentum is {plain / half:.1f} times as "
                "fast, which is little because the valley is mild.",
                value=half,
                unit="iterations",
                show={"lr": rates.high, "beta": 0.5, "steps": 120},
            ),
            Exercise(
                question=f"Which β is fastest at the largest rate, η = {rate:.3g}?",
                answer=f"It takes {reached[best]} iterations. The aim is met within {WITHIN} for β from {least:g} to "
                f"{most:g}; with more momentum the path swings around the optimum.",
                value=best,
                show={"lr": rates.high, "beta": best, "steps": 120},
            ),
            Exercise(
                question="What happens at β = 1?",
                answer="The velocity is never damped: like a ball without friction, the path swings past the optimum "
                "again and again.",
                options=(
                    Choice(value="fast", label="it is fastest"),
                    Choice(value="diverges", label="it leaves the surface"),
                    Choice(value="swings", label="it swings for ever"),
                ),
                right="swings",
                show={"lr": RATE, "beta": 1, "steps": MOST_STEPS},
            ),
        )
