"""What does momentum change on two free parameters of a digit classifier?

The published experiment frees the weight of one pixel for one class and the bias of another in a linear softmax
classifier of 500 digits, starts at (2.5, 3.7) and follows gradient descent and momentum, v ← βv − η∇J, w ← w + v, for
300 steps at η = 0.1 and β = 0.9. Its aim is to be nearer than 1e-6 to the optimum of Newton's method within 100
iterations. Here both are also tuned within the published ranges of the sliders. Nothing is drawn, so that nothing has
an interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from steepest.compare.studied import Beside, Check, Drawing, FigureLine, FigureSurface, StudyRow
from steepest.optim import make_rule
from steepest.studies.base.data import StudyData, all_digits, drawn_images
from steepest.studies.base.found import Found, StudyColumn, headed
from steepest.studies.base.study import Answer, Measurement, Size, Study, by_size
from steepest.tracing.walks import Losses, walks

COMPONENTS = {
    "momentum": {
        "object": "MomentumStudy",
        "what": "what does momentum change on two parameters?",
        "minutes": {"quick": 0.3, "default": 0.5, "full": 2.0},
        "tflop": {"quick": 0.0, "default": 0.0, "full": 0.0},
        "yours": "compare data.csv --target y -o sgd,momentum --sweep",
    }
}

START = (2.5, 3.7)
RATE, SHARE, STEPS = 0.1, 0.9, 300
AIM, WITHIN, MOST = 1e-6, 100, 150
"""How near both parameters have to come, in how many iterations, and in how many it is looked for."""
RATES = tuple(round(10 ** (-3 + 0.1 * place), 10) for place in range(38))
"""Those of the published slider, from 1e-3 to 5."""
MEAN, SD = 0.1306604762738429, 0.3081078038564622
"""Of the pixels of all training images of MNIST, from 0 to 1."""
FREE = {784: 378, 64: 27}
"""The pixel whose weight for the class 0 is free, by the number of pixels. The free bias is that of the class 7."""
PUBLISHED = {"optimum": (-1.26281, 0.028946), "eigenvalues": (0.02412, 0.09354)}
PUBLISHED_LOSS = 2.425684


class MomentumStudy(Study):
    """Gradient descent and momentum beside Newton's method on a loss of two numbers."""

    name = "momentum"
    question = "What does momentum change on two free parameters of a digit classifier?"
    source = "tutorial on optimization techniques, 500 digits of MNIST; settings and an aim, no numbers"
    tasks: ClassVar = (
        "On the page of `steepest page momentum`, find a rate and a momentum that meet the aim in fewer iterations.",
        "What happens to both paths at a rate above 2 divided by the largest curvature?",
    )
    headlines: ClassVar = {
        "more": "At the published rate momentum ends nearer to the optimum, {near} against {far} after {steps} "
        "steps. With "
        "both tuned within the published ranges it meets the aim in {momentum} iterations and gradient descent in "
        "{descent}: {times} times as fast, as the curvatures differ only {condition}-fold.",
        "less": "With both tuned within the published ranges, momentum needs {momentum} iterations and gradient "
        "descent "
        "{descent}; at the published rate they end {near} and {far} away after {steps} steps.",
        "same": "With both tuned within the published ranges, momentum is as fast as gradient descent ({momentum} "
        "iterations); at the published rate they end {near} and {far} away after {steps} steps.",
    }
    short: ClassVar = dict.fromkeys(
        headlines,
        "Tuned within the published ranges, momentum meets the aim in {momentum} iterations and gradient descent in "
        "{descent}.",
    )

    def data(self, size: Size) -> StudyData:
        """Return 500 digits: with ``quick`` bundled ones, else those that were published, drawn with replacement."""
        if size == "quick":
            return replace(all_digits(bundled=True), text="500 of the digits of scikit-learn (8 × 8 pixels)")
        draw = np.random.RandomState(2021)
        text = "500 digits of MNIST, drawn with replacement"
        return drawn_images("mnist", draw.choice(60_000, 500), text)

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return Newton's optimum, both paths, and the iterations to the aim by rate and momentum."""
        shares = [
            round(by_size(size, 0.1, 0.05, 0.01) * place, 2) for place in range(by_size(size, 10, 20, 100))
        ]
        return {
            "optimum": optimum_of,
            "paths": paths_of,
            "iterations": lambda data: iterations_of(data, shares),
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return where each way of descent ends, and in how many iterations it meets the aim."""
        return headed("rate", "momentum", "weight, away", "bias, away", "iterations to the aim")

    def rows(self, found: Found) -> Sequence[StudyRow]:
        """Return both as published and tuned."""
        ends = found.measured["paths"]["distance"]
        rows = [
            StudyRow(
                name=name,
                way="published",
                cells=[
                    f"{RATE:g}",
                    f"{share:g}",
                    *(f"{each:.3g}" for each in ends[name][-1]),
                    _met(ends[name]),
                ],
            )
            for name, share in (("gradient descent", 0.0), ("momentum", SHARE))
        ]
        for name, alone in (("gradient descent, tuned", True), ("momentum, tuned", False)):
            rate, share, count = fastest(found, alone=alone)
            cells = [f"{rate:.3g}", f"{share:g}", "< 1e-6", "< 1e-6", _count(count)]
            rows.append(StudyRow(name=name, way="tuned", cells=cells))
        return rows

    def answer(self, found: Found) -> Answer:
        """Return by how much momentum is faster."""
        ends = {name: each[-1] for name, each in found.measured["paths"]["distance"].items()}
        *_, descent = fastest(found, alone=True)
        rate, share, momentum = fastest(found, alone=False)
        least, most = found.measured["optimum"]["eigenvalues"]
        verdict = "more" if momentum < descent else "same" if momentum == descent else "less"
        return Answer(
            verdict,
            {
                "near": f"{max(ends['momentum']):.2g}",
                "far": f"{max(ends['gradient descent']):.2g}",
                "steps": str(STEPS),
                "momentum": _count(momentum),
                "descent": _count(descent),
                "times": f"{descent / momentum:.1f}",
                "condition": f"{most / least:.1f}",
            },
            self._beside(found),
            self._checks(found),
            [_distances(found), _paths(found), _map(found)],
            [
                f"Tuned: rates from {RATES[0]:g} to {RATES[-1]:.2g} by tenths of a decade, momentum from 0; the "
                f"fastest is "
                f"rate {rate:.3g} with momentum {share:g}. The distance is of the parameter that is farther away.",
                *(
                    [
                        "With --quick the digits are bundled ones of 64 pixels, so that the published numbers "
                        "cannot come out."
                    ]
                    if found.size == "quick"
                    else []
                ),
            ],
        )

    def _beside(self, found: Found) -> list[Beside]:
        optimum = found.measured["optimum"]
        least, most = optimum["eigenvalues"]
        published = found.size != "quick"
        at = found.measured["iterations"]["at"]
        plain, half = at["0"], at["0.5"]
        return [
            Beside(
                what="optimum by Newton's method (weight, bias), its loss",
                published="(−1.26281, 0.028946), 2.425684" if published else "of other digits",
                measured=f"({optimum['at'][0]:.5f}, {optimum['at'][1]:.6f}), {optimum['loss']:.6f}, in "
                f"{optimum['steps']} steps from (0, 0)".replace("-", "−"),
            ),
            Beside(
                what="eigenvalues of the Hessian, condition number",
                published="0.02412, 0.09354, 3.88" if published else "of other digits",
                measured=f"{least:.5f}, {most:.5f}, {most / least:.2f}",
            ),
            Beside(
                what=f"the aim, nearer than 1e-6 within {WITHIN} iterations",
                published="to be met by choosing rate and momentum",
                measured=f"at rate {RATES[-1]:.2g}: momentum 0.5 in {_count(half)}, "
                f"gradient descent in {_count(plain)}",
            ),
        ]

    def _checks(self, found: Found) -> list[Check]:
        optimum = found.measured["optimum"]
        ends = {name: each[-1] for name, each in found.measured["paths"]["distance"].items()}
        *_, momentum = fastest(found, alone=False)
        checks = [
            Check(
                what="Newton's gradient is 0 at the optimum",
                passed=optimum["gradient"] < 1e-12,
                found=f"{optimum['gradient']:.1e}",
            ),
            Check(
                what=f"momentum can meet the aim within {WITHIN} iterations",
                passed=momentum <= WITHIN,
                found=f"in {_count(momentum)}",
            ),
        ]
        if found.size == "quick":
            return checks
        at = found.measured["iterations"]["at"]
        return [
            *checks,
            Check(
                what="optimum, loss and eigenvalues to the printed digits",
                passed=np.allclose(optimum["at"], PUBLISHED["optimum"], rtol=0, atol=6e-6)
                and abs(optimum["loss"] - PUBLISHED_LOSS) < 6e-7
                and np.allclose(optimum["eigenvalues"], PUBLISHED["eigenvalues"], rtol=0, atol=6e-6),
                found=f"({optimum['at'][0]:.5f}, {optimum['at'][1]:.6f}), {optimum['loss']:.6f}".replace(
                    "-", "−"
                ),
            ),
            Check(
                what="after 300 steps gradient descent is 0.459 and 0.0957 away, momentum 5.0e-4 and 1.7e-5",
                passed=[f"{each:.3g}" for each in ends["gradient descent"]] == ["0.459", "0.0957"]
                and [f"{each:.1e}" for each in ends["momentum"]] == ["5.0e-04", "1.7e-05"],
                found="; ".join(f"{name} {each[0]:.3g}, {each[1]:.3g}" for name, each in ends.items()),
            ),
            Check(
                what="at rate 5 the aim is met in 50 iterations with momentum 0.5 and in 116 without",
                passed=(at["0.5"], at["0"]) == (50, 116),
                found=f"{_count(at['0.5'])} and {_count(at['0'])}",
            ),
        ]


def problem_of(data: StudyData) -> Losses:
    """Return the loss of the two free parameters: points (weight, bias) [R, 2] give losses [R], in float64.

    The other weights are those of ``torch.nn.Linear`` after ``torch.manual_seed(2021)``.
    """
    with np.load(data.path) as file:
        pixels, labels = file["x_train"][:500], file["y_train"][:500].astype(int)
    flat = torch.tensor(pixels.reshape(len(pixels), -1) / 255.0)
    mean, sd = (MEAN, SD) if flat.shape[1] == 784 else (float(flat.mean()), float(flat.std(correction=0)))
    x, y = (flat - mean) / sd, torch.tensor(labels)
    draw, bound = torch.Generator().manual_seed(2021), 1 / math.sqrt(x.shape[1])
    weight = torch.empty(10, x.shape[1]).uniform_(-bound, bound, generator=draw).double()
    bias = torch.empty(10).uniform_(-bound, bound, generator=draw).double()
    pixel = FREE[x.shape[1]]
    weight[0, pixel] = bias[7] = 0.0
    logits = x @ weight.T + bias
    own, rest = logits[torch.arange(len(y)), y], logits[:, [1, 2, 3, 4, 5, 6, 8, 9]].logsumexp(1)

    def losses(points: Tensor) -> Tensor:
        zero, seven = logits[:, 0] + points[:, :1] * x[:, pixel], logits[:, 7] + points[:, 1:]
        total = torch.logaddexp(torch.logaddexp(zero, seven), rest.expand_as(zero))
        return (total - torch.where(y == 0, zero, torch.where(y == 7, seven, own))).mean(1)

    return losses


def optimum_of(data: StudyData) -> dict[str, Any]:
    """Return the minimum by Newton's method from (0, 0), with the eigenvalues of the Hessian there."""
    losses = problem_of(data)

    def loss(point: Tensor) -> Tensor:
        return losses(point[None])[0]

    w, steps = torch.zeros(2, dtype=torch.float64), 0
    while True:
        gradient, hessian = torch.func.grad(loss)(w), torch.func.jacrev(torch.func.grad(loss))(w)
        if float(gradient.norm()) < 1e-14 or steps == 50:
            break
        w, steps = w - torch.linalg.solve(hessian, gradient), steps + 1
    values = torch.linalg.eigvalsh(hessian).tolist()
    return {
        "at": w.tolist(), "loss": float(loss(w)), "gradient": float(gradient.norm()), "steps": steps,
        "eigenvalues": values,
    }  # fmt: skip


def descend(losses: Losses, rates: Sequence[float], shares: Sequence[float], steps: int) -> Tensor:
    """Return the points of the heavy ball for every pair of a rate and a momentum: [R, steps + 1, 2].

    Args:
        losses: of points.
        rates, shares: R rates and momenta.
        steps: how many.
    """
    rules = [
        make_rule(f"heavy-ball(lr={rate!r}, momentum={share!r})")
        for rate, share in zip(rates, shares, strict=True)
    ]
    return walks(rules, losses, START, steps)


def paths_of(data: StudyData) -> dict[str, Any]:
    """Return both paths as published, with the distances of both parameters, and a grid of losses around them."""
    losses, best = problem_of(data), torch.tensor(optimum_of(data)["at"], dtype=torch.float64)
    both = descend(losses, [RATE, RATE], [0.0, SHARE], STEPS)
    names = ("gradient descent", "momentum")
    side = torch.linspace(-4, 4, 30, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    heights = losses(grid).reshape(30, 30).T
    return {
        "path": dict(zip(names, both.tolist(), strict=True)),
        "distance": dict(zip(names, (both - best).abs().tolist(), strict=True)),
        "side": side.tolist(),
        "losses": heights.tolist(),
    }


def iterations_of(data: StudyData, shares: Sequence[float]) -> dict[str, Any]:
    """Return after how many iterations both parameters are nearer than the aim; 0 where they are not in time.

    ``grid`` has a row for each momentum with a number for each rate; ``at`` has the highest rate without and with
    momentum 0.5.
    """
    losses, best = problem_of(data), torch.tensor(optimum_of(data)["at"], dtype=torch.float64)

    def counts(rates: Sequence[float], with_: Sequence[float]) -> list[int]:
        near = ((descend(losses, rates, with_, MOST) - best).abs() < AIM).all(2)
        return [int(each.int().argmax()) if bool(each.any()) else 0 for each in near]

    pairs = [(rate, share) for share in shares for rate in RATES]
    found = counts([rate for rate, _ in pairs], [share for _, share in pairs])
    rows = [found[place : place + len(RATES)] for place in range(0, len(found), len(RATES))]
    plain, half = counts([RATES[-1]] * 2, [0.0, 0.5])
    return {"shares": list(shares), "grid": rows, "at": {"0": plain, "0.5": half}}


def fastest(found: Found, *, alone: bool) -> tuple[float, float, float]:
    """Return the rate and the momentum that meet the aim first, and in how many iterations; infinite where none does.

    Args:
        found: the numbers.
        alone: without momentum.
    """
    iterations = found.measured["iterations"]
    met = [
        (count or math.inf, rate, share)
        for share, row in zip(iterations["shares"], iterations["grid"], strict=True)
        for rate, count in zip(RATES, row, strict=True)
        if not alone or share == 0.0
    ]
    count, rate, share = min(met)
    return rate, share, count


def _count(count: float) -> str:
    return f"over {MOST}" if not count or math.isinf(count) else f"{count:.0f}"


def _met(distances: Sequence[Sequence[float]]) -> str:
    """Return the first iteration at which both parameters are nearer than the aim."""
    return next((str(step) for step, both in enumerate(distances) if max(both) < AIM), f"over {STEPS}")


def _distances(found: Found) -> Drawing:
    lines = [
        FigureLine(name=name, x=[float(step) for step in range(len(each))], y=[max(both) for both in each])
        for name, each in found.measured["paths"]["distance"].items()
    ]
    return Drawing(
        title="Distance to the optimum by iteration",
        x="iteration",
        y="distance of the farther parameter",
        lines=lines,
        logarithmic_y=True,
        caption=f"Rate {RATE:g}; momentum {SHARE:g}.",
    )


def _paths(found: Found) -> Drawing:
    paths = found.measured["paths"]
    lines = [
        FigureLine(name=name, x=[each[0] for each in path], y=[each[1] for each in path])
        for name, path in paths["path"].items()
    ]
    best = found.measured["optimum"]["at"]
    lines.append(FigureLine(name="optimum", x=[best[0]], y=[best[1]], joined=False))
    return Drawing(
        title="The loss of two parameters, and both paths",
        x="weight",
        y="bias",
        lines=lines,
        surface=FigureSurface(name="loss", x=paths["side"], y=paths["side"], z=paths["losses"]),
        caption=f"From (2.5, 3.7), {STEPS} steps.",
    )


def _map(found: Found) -> Drawing:
    iterations = found.measured["iterations"]
    lines: list[FigureLine] = []
    for share in (0.0, 0.3, 0.5, 0.7, 0.9):
        place = min(range(len(iterations["shares"])), key=lambda at: abs(iterations["shares"][at] - share))
        met = [(rate, count) for rate, count in zip(RATES, iterations["grid"][place], strict=True) if count]
        if met:
            name = f"momentum {iterations['shares'][place]:g}"
            lines.append(
                FigureLine(name=name, x=[rate for rate, _ in met], y=[float(count) for _, count in met])
            )
    return Drawing(
        title="Iterations to the aim by rate",
        x="learning rate",
        y="iterations",
        lines=lines,
        logarithmic=True,
        caption=f"Where it is met within {MOST} iterations.",
    )
