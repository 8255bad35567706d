"""Which descent on the absolute error ends nearest the exact optimum?

The published experiment fits lines and parabolas to a hundred points with one outlier by the absolute error, and shows
five descents: the line and the parabola by all points at once, the parabola by SGD and by Adam in batches of 10, and a
polynomial of degree 12 by Adam. Here each is held against the exact optimum of its own model, by linear programming;
the three that draw batches, which were shown for one draw, are repeated for hundreds; and the same rules are compared
with tuned rates at equal epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from steepest.compare.fits import Optimum
from steepest.compare.studied import Beside, Check, Drawing, FigureLine, FigureSurface, StudyRow
from steepest.experiment.given import Arm
from steepest.objectives.exact import least_squares
from steepest.optim import make_rule
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.studies.base.data import StudyData, kept_curve
from steepest.studies.base.found import Found, StudyColumn, ends, gaps, mean_text
from steepest.studies.base.study import MAIN, Answer, Comparing, Measurement, Size, Study, StudyArm, by_size
from steepest.train.callback import Callback, View

COMPONENTS = {
    "losses": {
        "object": "LossesStudy",
        "what": "which descent ends nearest the least absolute error?",
        "minutes": {"quick": 0.5, "default": 3.0, "full": 10.0},
        "tflop": {"quick": 0.001, "default": 0.001, "full": 0.01},
        "yours": (
            "compare points.csv --x x --y y --model 'polynomial(2)' --loss absolute -o sgd,momentum,adam"
        ),
    }
}

EPOCHS = 500
LINE, PARABOLA = "line, all points", "parabola, all points"
SGD, ADAM, HIGH = "parabola, SGD", "parabola, Adam", "degree 12, Adam"
HARMONIC, STAIRS = "inverse-time(period=1)", "inverse-time(period=10, stairs=true)"
ARMS: dict[str, tuple[int, str, str, str, float]] = {
    LINE: (1, "sgd(lr=6)", "all", HARMONIC, 0.1),
    PARABOLA: (2, "sgd(lr=10)", "all", HARMONIC, 1.0),
    SGD: (2, "sgd(lr=1)", "10", STAIRS, 0.04),
    ADAM: (2, "adam(lr=0.1)", "10", "constant", 0.2),
    HIGH: (12, "adam(lr=0.01)", "10", "constant", 1.0),
}
"""Degree, optimizer, batch, schedule, and share of the 500 epochs, as published."""
PUBLISHED = {LINE: "1.20895", PARABOLA: "0.71724", SGD: "0.73056", ADAM: "0.73774", HIGH: "0.53779"}
COEFFICIENTS = {LINE: ("(−0.27328, 3.48178)", 5), PARABOLA: ("(1.0397, 3.1892, −3.9294)", 4)}
"""Where the two that draw nothing ended, and the digits that were printed."""
DRAWN = (SGD, ADAM, HIGH)
DRAWS = 300
"""Of the batches of each descent that draws them."""
LOSS, FIRST, SECOND = "absolute error", "intercept", "slope"


class Descent(Callback):
    """Logs the mean absolute error on all points, and the first two coefficients, at steps that lie evenly in log."""

    only_watches = by_run = True

    def _log(self, view: View) -> None:
        rows = view.training_rows()
        off = view.training_outputs().double().flatten() - rows.target.double().flatten()
        view.log(LOSS, float(off.abs().mean()))
        first, second = view.weights()["coefficients"][:2].tolist()
        view.log(FIRST, first)
        view.log(SECOND, second)

    def at_begin(self, view: View) -> None:
        """Log the start."""
        self._log(view)

    def at_batch(self, view: View) -> None:
        """Log after a step, if it is one of them."""
        if view.step < 10 or int(10 * math.log10(view.step)) > int(10 * math.log10(view.step - 1)):
            self._log(view)

    def at_end(self, view: View) -> None:
        """Log the end."""
        self._log(view)


class LossesStudy(Study):
    """Five published descents on the absolute error, and the same rules tuned, against the exact optimum."""

    name = "losses"
    question = "Which descent on the absolute error ends nearest the exact optimum?"
    source = "lecture notes on loss functions and gradient descent; five descents, of which two draw nothing"
    tasks: ClassVar = (
        "On the page of `steepest page losses`, move the outlier. Which of the fits follows it, and why?",
    )
    headlines: ClassVar = {
        "more": "As published, Adam ends farther from the exact optimum of the parabola than descent by all points: "
        "{adam} above it against {descent}. {fair}",
        "less": "As published, Adam ends nearer the exact optimum of the parabola than descent by all points: {adam} "
        "above it against {descent}. {fair}",
        "same": "As published, Adam and descent by all points are not told apart on the parabola: {adam} above the "
        "exact optimum against {descent}. {fair}",
    }

    def data(self, size: Size) -> StudyData:
        """Return the points: y = 1 + 3x − 4x² and noise, of which the first was moved to (−1.5, 10)."""
        del size
        draw = np.random.RandomState(42)
        x = np.sort(2 * draw.rand(100) - 1)
        y = 1 + 3 * x - 4 * x**2 + 0.7 * draw.randn(100)
        x[0], y[0] = -1.5, 10.0
        text = "100 points of y = 1 + 3x − 4x² with noise, of which one is an outlier"
        return kept_curve("curve", "NumPy's legacy generator, seed 42", text, x, y)

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the published descents, and by default the three of the parabola with tuned rates at 500 epochs."""
        del data
        arms = [StudyArm(_arm(name, *each), "published") for name, each in ARMS.items()]
        if size != "quick":
            for name in (PARABOLA, SGD, ADAM):
                degree, optimizer, batch, schedule, _ = ARMS[name]
                open_ = optimizer.partition("(")[0]
                arms.append(StudyArm(_arm(f"{name}, tuned", degree, open_, batch, schedule, 1.0), "tuned"))
        options = {
            "epochs": EPOCHS,
            "seeds": by_size(size, 3, 8, 20),
            "precision": "float64",
            "metric": "mae",
            "baseline": "none",
        }
        return {MAIN: Comparing(arms, options, ["steepest.studies.losses:Descent"])}

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return the three descents that draw batches, each for many draws at once."""
        del size
        return {"draws": _draws}

    def columns(self) -> Sequence[StudyColumn]:
        """Return the loss and how far it is above the exact optimum."""
        return [
            StudyColumn("absolute error", _loss, percent=False, digits=5),
            StudyColumn("above the optimum", _gap, percent=False, digits=6),
        ]

    def rows(self, found: Found) -> Sequence[StudyRow]:
        """Return the three that draw batches again, over all draws."""
        return [
            StudyRow(
                name=f"{name}, {DRAWS} draws",
                way="published",
                cells=[
                    mean_text(values, percent=False, digits=digits)
                    for values, digits in ((found.measured["draws"][name], 5), (_drawn_gap(found, name), 6))
                ],
            )
            for name in DRAWN
        ]

    def answer(self, found: Found) -> Answer:
        """Return which descent ends nearer, as published and tuned."""
        gap = {each.title: _gap(found, MAIN, each.title) for each in found.arms()}
        many = _drawn_gap(found, ADAM)
        [first] = gaps([(many, [gap[PARABOLA][0]] * len(many))])
        return Answer(
            first.verdict,
            {
                "adam": f"{mean_text(many, percent=False, digits=6)} ({DRAWS} draws of batches)",
                "descent": mean_text(gap[PARABOLA], percent=False, digits=6),
                "fair": _fair(gap),
            },
            self._beside(found),
            self._checks(found),
            [_by_step(found), _surface(found, squared=False), _surface(found, squared=True), _high(found)],
            [
                "Nothing is held out: the question is how low the training loss is. The three descents that draw "
                "batches were published for one draw without a seed, and one draw says little: how far Adam ends at a "
                "constant rate depends on where its last steps jump to.",
            ],
        )

    def _beside(self, found: Found) -> list[Beside]:
        x, y = points(found.data)
        line = least_squares(np.vander(x, 2, increasing=True), y)
        assert line is not None
        off = y - np.vander(x, 2, increasing=True) @ line
        start = np.sign(-y)
        rows = [
            Beside(
                what="least squares: intercept and slope; MSE, absolute error",
                published="(−0.26650, 2.64187); 3.91816, 1.27320",
                measured=f"{_vector(line, 5)}; {(off**2).mean():.5f}, {np.abs(off).mean():.5f}",
            ),
            Beside(
                what="absolute error at zero, and its gradient",
                published="1.9383, (−0.1400, −0.4201)",
                measured=f"{np.abs(y).mean():.4f}, {_vector([start.mean(), (start * x).mean()], 4)}",
            ),
        ]
        for name, said in PUBLISHED.items():
            best = _optimum(found, name)
            values = _loss(found, MAIN, name)
            if name in DRAWN:
                low, middle, high = _band(found, name)
                farther = {each: _farther(found, each) for each in (name, _replaced(name))}
                measured = (
                    f"median {middle:.5f}, 95 % of {DRAWS} draws within {low:.5f} … {high:.5f}; as high as published: "
                    f"{farther[name]} draws, {farther[_replaced(name)]} where points are drawn with replacement"
                )
            else:
                at, digits = COEFFICIENTS[name]
                said = f"{said} at {at}"
                measured = f"{values[0]:.5f} at {_vector(best.coefficients, digits)}"
            rows.append(Beside(what=name, published=said, measured=measured))
        high = _optimum(found, HIGH)
        rows.append(
            Beside(
                what="degree 12 between −1.5 and the next point",
                published="not shown",
                measured=f"the exact fit reaches {_extreme(x, high.exact):.3g}, "
                f"that of Adam {_extreme(x, high.coefficients):.3g}",
            )
        )
        return rows

    def _checks(self, found: Found) -> list[Check]:
        checks: list[Check] = []
        for name, (at, digits) in COEFFICIENTS.items():
            best, values = _optimum(found, name), _loss(found, MAIN, name)
            checks.append(
                Check(
                    what=f"{name}: the published loss and coefficients to their last digits, at every seed",
                    passed={f"{each:.5f}" for each in values} == {PUBLISHED[name]}
                    and _vector(best.coefficients, digits) == at,
                    found=f"{values[0]:.7f}, {best.gap:.2g} above the optimum",
                )
            )
        for name in DRAWN:
            farther = _farther(found, name)
            checks.append(
                Check(
                    what=f"{name}: the published loss is one that a draw of batches gives",
                    passed=0.01 * DRAWS <= farther <= 0.99 * DRAWS,
                    found=f"{farther} of {DRAWS} draws end at {PUBLISHED[name]} or higher",
                )
            )
        least = min(min(_gap(found, MAIN, each.title)) for each in found.arms())
        checks.append(
            Check(
                what="no descent ends below the exact optimum",
                passed=least >= 0,
                found=f"the lowest is {least:.2g} above it",
            )
        )
        return checks


def points(data: StudyData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of the curve, [100] each."""
    frame = pl.read_csv(data.path)
    return frame["x"].to_numpy(), frame["y"].to_numpy()


def _arm(name: str, degree: int, optimizer: str, batch: str, schedule: str, share: float) -> Arm:
    return Arm(
        name=name,
        model=f"polynomial({degree})",
        optimizer=optimizer,
        batch_size="all" if batch == "all" else int(batch),
        schedule=schedule,
        loss="absolute",
        procedure="train" if share == 1.0 else f"train-for({share:g})",
    )


def _optimum(found: Found, arm: str) -> Optimum:
    return next(each for each in found.comparisons[MAIN].optima if each.arm == arm)


def _loss(found: Found, of: str, arm: str) -> list[float]:
    """Return the loss of every seed; what nothing is drawn for differs by rounding only, and is rounded."""
    return [round(each, 12) for each in found.last_logged(LOSS, arm, of)]


def _gap(found: Found, of: str, arm: str) -> list[float]:
    least = _optimum(found, arm).least
    return [each - least for each in _loss(found, of, arm)]


def _drawn_gap(found: Found, arm: str) -> list[float]:
    least = _optimum(found, arm).least
    return [each - least for each in found.measured["draws"][arm]]


def _band(found: Found, arm: str) -> tuple[float, float, float]:
    """Return the median of the draws and the ends of the middle 95 % of them, in rising order."""
    low, middle, high = np.percentile(found.measured["draws"][arm], [2.5, 50, 97.5])
    return float(low), float(middle), float(high)


def _farther(found: Found, name: str) -> int:
    """Return how many draws end at the published loss or higher."""
    said = float(PUBLISHED[name.removesuffix(_replaced(""))])
    return sum(each >= said for each in found.measured["draws"][name])


def _replaced(name: str) -> str:
    return f"{name}, with replacement"


def _draws(data: StudyData) -> dict[str, list[float]]:
    """Return where the three descents end for many draws of their batches, a row of coefficients for each."""
    x, y = points(data)
    ended: dict[str, list[float]] = {}
    for name in DRAWN:
        ended[name] = _ended(x, y, name, replace=False)
        ended[_replaced(name)] = _ended(x, y, name, replace=True)
    return ended


def _ended(x: NDArray[np.float64], y: NDArray[np.float64], name: str, *, replace: bool) -> list[float]:
    degree, optimizer, batch, schedule, share = ARMS[name]
    design = torch.from_numpy(np.vander(x, degree + 1, increasing=True).copy())
    target = torch.tensor(y)
    weights = torch.zeros(DRAWS, degree + 1, dtype=torch.float64, requires_grad=True)
    steps = round(share * EPOCHS) * (len(x) // int(batch))
    rule = make_rule(optimizer).optimizer([weights], schedule=make_schedule(schedule, steps))
    draw, every = stream(0, "order"), np.tile(np.arange(len(x)), (DRAWS, 1))
    for _ in range(round(share * EPOCHS)):
        order = draw.integers(0, len(x), every.shape) if replace else draw.permuted(every, axis=1)
        for rows in torch.from_numpy(order).split(int(batch), dim=1):
            off = (design[rows] * weights[:, None]).sum(2) - target[rows]
            rule.zero_grad()
            off.abs().mean(1).sum().backward()
            rule.step()
    return (weights.detach() @ design.T - target).abs().mean(1).tolist()


def _fair(gap: Mapping[str, Sequence[float]]) -> str:
    """Return what the same three rules do with tuned rates at equal epochs, as a sentence."""
    names = {name: f"{name}, tuned" for name in (PARABOLA, SGD, ADAM)}
    if names[ADAM] not in gap:
        return (
            "They had 500 epochs and 100; the default size compares them at equal epochs, with tuned rates."
        )
    [fair] = gaps([(gap[names[ADAM]], gap[names[PARABOLA]])])
    words = {"more": "farther away than", "less": "nearer than", "same": "not told apart from"}[fair.verdict]
    shown = {name: mean_text(gap[each], percent=False, digits=6) for name, each in names.items()}
    return (
        f"With tuned rates and 500 epochs each, Adam ends {words} descent by all points: {shown[ADAM]} against "
        f"{shown[PARABOLA]}, and SGD {shown[SGD]}."
    )


def _vector(values: Sequence[float] | NDArray[np.float64], digits: int) -> str:
    return f"({', '.join(f'{each:.{digits}f}' for each in values)})".replace("-", "−")


def _extreme(x: NDArray[np.float64], coefficients: Sequence[float]) -> float:
    """Return the value of largest size of a polynomial between the first two points."""
    values = np.polynomial.polynomial.polyval(np.linspace(x[0], x[1], 400), coefficients)
    return float(values[np.abs(values).argmax()])


def _by_step(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    for arm in found.arms():
        least = _optimum(found, arm.title).least
        curves = found.logged(LOSS, arm.title)
        steps = [step for step, _ in curves[0] if step > 0]
        values = [ends([dict(curve)[step] - least for curve in curves]) for step in steps]
        shown = [(step, max(value[0], 1e-9)) for step, value in zip(steps, values, strict=True)]
        lines.append(
            FigureLine(name=arm.title, x=[float(step) for step, _ in shown], y=[y for _, y in shown])
        )
    return Drawing(
        title="Distance to the exact optimum by step",
        x="step",
        y="absolute error above the optimum",
        lines=lines,
        logarithmic=True,
        logarithmic_y=True,
        caption="Means over seeds; each descent against the optimum of its own model, by linear programming.",
    )


def _surface(found: Found, *, squared: bool) -> Drawing:
    x, y = points(found.data)
    design = np.vander(x, 2, increasing=True)
    first, second = np.linspace(-3, 2.5, 56), np.linspace(-1, 6, 71)
    off = y - (first[None, :, None] * design[:, 0] + second[:, None, None] * design[:, 1])
    z = (off**2).mean(2) if squared else np.abs(off).mean(2)
    path = [[value for _, value in found.logged(name, LINE)[0]] for name in (FIRST, SECOND)]
    line = least_squares(design, y)
    assert line is not None
    exact = _optimum(found, LINE).exact
    lines = [
        FigureLine(name="least absolute error", x=[exact[0]], y=[exact[1]], joined=False),
        FigureLine(name="least squares", x=[float(line[0])], y=[float(line[1])], joined=False),
    ]
    if not squared:
        lines.insert(0, FigureLine(name="descent by all points, lr 6/(i + 1)", x=path[0], y=path[1]))
    return Drawing(
        title=f"The {'mean squared' if squared else 'mean absolute'} error of lines",
        x="intercept",
        y="slope",
        lines=lines,
        surface=FigureSurface(
            name="MSE" if squared else "absolute error",
            x=first.tolist(),
            y=second.tolist(),
            z=z.tolist(),
        ),
        caption="The outlier moves the least squares; along the valley of the absolute error the gradient jumps.",
    )


def _high(found: Found) -> Drawing:
    x, y = points(found.data)
    grid = np.linspace(x[0], x[-1], 300)
    high = _optimum(found, HIGH)
    inside = np.abs(y).max() * 2
    lines = [FigureLine(name="points", x=x.tolist(), y=y.tolist(), joined=False)]
    parabola = _optimum(found, PARABOLA).exact
    fits = {"degree 12, exact": high.exact, HIGH: high.coefficients, "parabola, exact": parabola}
    for name, coefficients in fits.items():
        values = np.polynomial.polynomial.polyval(grid, coefficients)
        near = np.abs(values) <= inside
        lines.append(FigureLine(name=name, x=grid[near].tolist(), y=values[near].tolist()))
    return Drawing(
        title="Degree 12 between −1.5 and the next point",
        x="x",
        y="y",
        lines=lines,
        caption=f"No point lies between −1.5 and −{-x[1]:.3f}. What leaves ±{inside:.0f} is cut off.",
    )
