"""What do the filters of a linear classifier look like?

The published experiment trains a linear softmax classifier on 500 digits for 200 steps, says that its loss starts
near log 10 and ends below 1e-2, and shows the ten rows of its weights as images. Here the start and the digits are
drawn several times at the published and at a higher rate, and how much a filter looks like its class is a number: the
correlation of its weights with the mean image of the class less that of all digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from steepest.compare.studied import Beside, Check, Drawing, FigureSurface, StudyRow
from steepest.optim import make_rule
from steepest.rng import stream
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, StudyColumn, gaps, headed, mean_text
from steepest.studies.base.study import Answer, Measurement, Size, Study

COMPONENTS = {
    "filters": {
        "object": "Filters",
        "what": "do the filters of a linear classifier look like digits?",
        "minutes": {"quick": 0.3, "default": 1.0, "full": 2.0},
        "tflop": {"quick": 0.0, "default": 0.0, "full": 0.0},
        "yours": "compare photos/ --model linear -o adam",
    }
}

ROWS, STEPS, DRAWS, AIM = 500, 200, 7, 1e-2
PUBLISHED, HIGHER = "adam(lr=7e-4)", "adam(lr=5e-3)"
WAYS = {PUBLISHED: "published", HIGHER: "corrected"}


class Filters(Study):
    """The weights of a linear softmax classifier as images, and its loss from start to end."""

    name = "filters"
    question = "What do the filters of a linear classifier look like, and how low does its loss become?"
    source = (
        "tutorial on optimization techniques; the loss is said to start near log 10 and to end below 1e-2"
    )
    headlines: ClassVar = {
        "more": "The loss starts at {start}, {above} log 10 = 2.303; it ends at {published} at the "
        "published rate and at {higher} at 5e-3. What training adds to a filter looks like its class (correlation "
        "{change}), "
        "more so than the filter itself, in which the start remains ({filter}).",
        "same": "The loss starts at {start}, {above} log 10 = 2.303, and ends at {published} at the published rate "
        "and at {higher} "
        "at 5e-3. Filters look like their classes with a correlation of {filter}, what training adds with {change}, "
        "which is "
        "not told apart.",
        "less": "The loss starts at {start}, {above} log 10 = 2.303, and ends at {published} at the published rate "
        "and at {higher} "
        "at 5e-3. Filters look like their classes with a correlation of {filter}, more so than what training adds "
        "({change}).",
    }

    def data(self, size: Size) -> StudyData:
        """Return the digits: with ``quick`` bundled ones, else those of MNIST."""
        return all_digits(bundled=size == "quick")

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return the training by each rate, for all draws of start and digits at once."""
        del size
        return {rule: _training(rule) for rule in WAYS}

    def columns(self) -> Sequence[StudyColumn]:
        """Return the loss, the accuracy on new digits, and how much filters look like classes."""
        return headed(
            "loss, start", "loss, end", "right on new digits, %", "filter ~ class", "change ~ class"
        )

    def rows(self, found: Found) -> Sequence[StudyRow]:
        """Return a row for each rate."""
        return [
            StudyRow(
                name=name,
                way="published" if way == "published" else "corrected",
                cells=[
                    mean_text(each["start"], percent=False, digits=3),
                    mean_text(each["end"], percent=False, digits=4),
                    mean_text(each["right"]),
                    mean_text(each["filter"], percent=False, digits=2),
                    mean_text(each["change"], percent=False, digits=2),
                ],
            )
            for (name, way), each in zip(WAYS.items(), found.measured.values(), strict=True)
        ]

    def answer(self, found: Found) -> Answer:
        """Return whether the filters look like classes."""
        as_published, higher = found.measured[PUBLISHED], found.measured[HIGHER]
        [gap] = gaps([(as_published["change"], as_published["filter"])])
        shown = {
            name: mean_text(as_published[name], percent=False, digits=2) for name in ("filter", "change")
        }
        ends = [mean_text(each["end"], percent=False, digits=4) for each in (as_published, higher)]
        start = mean_text(as_published["start"], percent=False, digits=3)
        mnist = found.size != "quick"
        return Answer(
            gap.verdict,
            {
                "start": start,
                "above": _beside_guess(as_published["start"]),
                "published": ends[0],
                "higher": ends[1],
                **shown,
            },
            [
                Beside(
                    what="loss at the start",
                    published="near log 10 = 2.303",
                    measured=start,
                    reason="the first logits have a variance of about 1/3, half of which is added to log 10",
                ),
                Beside(
                    what=f"loss after {STEPS} steps",
                    published="below 1e-2" if mnist else "below 1e-2 (on MNIST)",
                    measured=f"{ends[0]} at rate 7e-4, {ends[1]} at 5e-3",
                    reason="the rate of the printed text, 7e-4, is too low for so few steps",
                ),
                Beside(
                    what="filters",
                    published="images in which digits are seen",
                    measured=f"correlation with their class {shown['filter']}, "
                    f"of what training added {shown['change']}",
                ),
            ],
            [
                Check(
                    what="the loss at the start is within 0.5 of log 10, in every draw",
                    passed=all(abs(each - math.log(10)) < 0.5 for each in as_published["start"]),
                    found=f"{min(as_published['start']):.3f} to {max(as_published['start']):.3f}",
                ),
                Check(
                    what="at 5e-3 the loss ends lower than at 7e-4, in every draw",
                    passed=all(
                        high < low for high, low in zip(higher["end"], as_published["end"], strict=True)
                    ),
                    found=f"{max(higher['end']):.4f} at most against {min(as_published['end']):.4f} at least",
                ),
                *(
                    [
                        Check(
                            what=f"a loss below {AIM:g} is reached at 5e-3 in {STEPS} steps, and not at 7e-4",
                            passed=max(higher["end"]) < AIM < min(as_published["end"]),
                            found=f"{max(higher['end']):.4f} at most, {min(as_published['end']):.4f} at least",
                        )
                    ]
                    if mnist
                    else []
                ),
            ],
            [
                _images(as_published, "weights", "The filters at rate 7e-4"),
                _images(as_published, "added", "What training added to them"),
            ],
            [f"{DRAWS} draws of the start and of {ROWS} digits; every step takes all of them."],
        )


def _beside_guess(start: Sequence[float]) -> str:
    """Return where the loss at the start is, beside that of guessing."""
    [gap] = gaps([(start, [math.log(10)] * len(start))])
    return {"more": "above", "less": "below", "same": "not told apart from"}[gap.verdict]


def _training(rule: str) -> Measurement:
    def trained(data: StudyData) -> dict[str, Any]:
        with np.load(data.path) as file:
            x, new = (
                torch.tensor(file[name].reshape(len(file[name]), -1) / 255.0, dtype=torch.float32)
                for name in ("x_train", "x_test")
            )
            y, target = (torch.tensor(file[name].astype(int)) for name in ("y_train", "y_test"))
        mean, sd = x.mean(), x.std()
        x, new = (x - mean) / sd, (new - mean) / sd
        chosen = torch.stack(
            [torch.from_numpy(stream(seed, "data").permutation(len(x))[:ROWS]) for seed in range(DRAWS)]
        )
        bound, draw = 1 / math.sqrt(x.shape[1]), torch.Generator().manual_seed(0)
        weight = torch.empty(DRAWS, 10, x.shape[1]).uniform_(-bound, bound, generator=draw).requires_grad_()
        bias = torch.empty(DRAWS, 1, 10).uniform_(-bound, bound, generator=draw).requires_grad_()
        begun, rows, labels = weight.detach().clone(), x[chosen], y[chosen]
        made = make_rule(rule).optimizer([weight, bias])

        def losses() -> Tensor:
            logits = rows @ weight.mT + bias
            return -logits.log_softmax(2).gather(2, labels[:, :, None]).mean((1, 2))

        start = losses().tolist()
        for _ in range(STEPS):
            made.zero_grad()
            losses().sum().backward()
            made.step()
        end, last = losses().tolist(), weight.detach()
        right = ((new @ last.mT + bias.detach()).argmax(2) == target).double().mean(1)
        return {
            "start": start,
            "end": end,
            "right": right.tolist(),
            "filter": _likeness(last, rows, labels),
            "change": _likeness(last - begun, rows, labels),
            "weights": last[0].tolist(),
            "added": (last - begun)[0].tolist(),
        }

    return trained


def _likeness(filters: Tensor, rows: Tensor, labels: Tensor) -> list[float]:
    """Return for every draw the mean correlation of filters [R, 10, D] with class means less the mean of all."""
    found: list[float] = []
    for each, x, y in zip(filters, rows, labels, strict=True):
        means = torch.stack([x[y == digit].mean(0) for digit in range(10)]) - x.mean(0)
        both = [torch.corrcoef(torch.stack([one, mean]))[0, 1] for one, mean in zip(each, means, strict=True)]
        found.append(float(torch.stack(both).mean()))
    return found


def _images(each: Mapping[str, Any], name: str, title: str) -> Drawing:
    """Return the ten rows of weights as images, five beside each other."""
    filters = np.array(each[name])
    side = math.isqrt(filters.shape[1])
    tiles = np.zeros((2 * (side + 1), 5 * (side + 1)))
    for digit, weights in enumerate(filters):
        top, left = digit // 5 * (side + 1), digit % 5 * (side + 1)
        tiles[top : top + side, left : left + side] = weights.reshape(side, side)
    return Drawing(
        title=title,
        x="",
        y="",
        lines=[],
        surface=FigureSurface(
            name="weight",
            x=[float(place) for place in range(tiles.shape[1])],
            y=[float(place) for place in range(tiles.shape[0])],
            z=tiles.round(5).tolist(),
            pixels=True,
        ),
        caption="One draw; classes 0 to 4 above, 5 to 9 below. Red weights speak for the class, blue ones against it.",
    )
