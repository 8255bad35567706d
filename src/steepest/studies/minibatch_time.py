"""Which batch size brings the loss below 0.5 first, in seconds?

The published experiment trains 784-100-100-10 by gradient descent at rate 5e-3 with batches of 20, 250 and 1,000 for
2.5, 5 and 10 seconds, and asks for a rate for each size that keeps the loss below 0.5 within 5 seconds. Here every
size runs at several rates from several starts, and the loss of held images is taken off the clock. Seconds are of the
processor, on one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch.nn.functional import cross_entropy

from steepest.compare.studied import Beside, Check, Drawing, FigureLine, StudyRow
from steepest.optim import make_rule
from steepest.rng import stream
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, Gap, StudyColumn, gaps, headed
from steepest.studies.base.plain import Rows, loss_of, network, standardised
from steepest.studies.base.study import Answer, Measurement, Size, Study, by_size
from steepest.threads import library_threads

COMPONENTS = {
    "minibatch-time": {
        "object": "MinibatchTime",
        "what": "which batch size is below a loss of 0.5 first?",
        "minutes": {"quick": 0.4, "default": 5.0, "full": 15.0},
        "tflop": {"quick": 0.0, "default": 0.0, "full": 0.0},
        "yours": ("compare data.csv --target y -o momentum --batch-size 32 --batch-size 256 --equal seconds"),
    }
}

SIZES = (20, 250, 1000)
RATE, AIM = 5e-3, 0.5
HIDDEN = (100, 100)
SLACK = 1.02
"""A look so many times as late as a budget still counts as at it: a look waits for the end of a step."""
HELD, LOOKS, STARTS = 1000, 40, 3
"""Held images, how often they are looked at in a run, and runs of each size and rate."""


class MinibatchTime(Study):
    """Gradient descent by batches of three sizes, for seconds instead of steps."""

    name = "minibatch-time"
    question = "Which batch size brings the loss below 0.5 first, in seconds?"
    source = "tutorial on optimization techniques; a rate for each size is left to the reader"
    headlines: ClassVar = {
        "met": "Every size has a rate that keeps the loss below 0.5 within {within} s: {rates}. {first} At the "
        "published rate, "
        "5e-3, {published}.",
        "unmet": "Within {within} s not every size has a rate that keeps the loss below 0.5: {rates}. {first} At "
        "the published "
        "rate, 5e-3, {published}.",
    }

    def data(self, size: Size) -> StudyData:
        """Return the digits: with ``quick`` bundled ones, else those of MNIST."""
        return all_digits(bundled=size == "quick")

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return the runs of each size and rate: as long as published at the published rate, else half as long."""
        rates = by_size(
            size, (RATE, 0.05, 0.5), (RATE, 0.016, 0.05, 0.16, 0.5), (RATE, 0.016, 0.05, 0.16, 0.5, 1.6)
        )
        _, within, most = budgets(size)
        return {
            _name(batch, rate): _runs(batch, rate, most if rate == RATE else within)
            for batch in SIZES
            for rate in rates
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return the loss at the first two budgets, and when it stays below the aim."""
        return headed("loss at ¼", "at ½ of the time", f"below {AIM:g} from, s", "steps a second")

    def rows(self, found: Found) -> Sequence[StudyRow]:
        """Return a row for the runs of each size and rate."""
        first, within, _ = budgets(found.size)
        rows: list[StudyRow] = []
        for name, each in found.measured.items():
            at = [_shown(_mean([loss_at(run, budget) for run in each["runs"]])) for budget in (first, within)]
            cells = [*at, _shown(_mean(_times(each))), f"{_speed(each):,.0f}"]
            rows.append(
                StudyRow(name=name, way="published" if each["rate"] == RATE else "tuned", cells=cells)
            )
        return rows

    def answer(self, found: Found) -> Answer:
        """Return the best rate of each size, and whether a size is first."""
        _, within, most = budgets(found.size)
        best = {size: min(_of(found, size), key=lambda each: _mean(_times(each))) for size in SIZES}
        seconds = {size: _mean(_times(each)) for size, each in best.items()}
        published = {size: next(each for each in _of(found, size) if each["rate"] == RATE) for size in SIZES}
        losses = ", ".join(
            f"{_shown(_mean([loss_at(run, within) for run in each['runs']]))} for {size}"
            for size, each in published.items()
        )
        rates = "; ".join(
            f"{size} images at {each['rate']:g} from {_shown(seconds[size])} s on"
            if math.isfinite(seconds[size])
            else f"{size} images at none"
            for size, each in best.items()
        )
        return Answer(
            "met" if max(max(_times(each)) for each in best.values()) <= within else "unmet",
            {
                "within": f"{within:g}",
                "rates": rates,
                "first": _first(best, within / LOOKS),
                "published": f"the loss after {within:g} s is {losses}",
            },
            [
                Beside(
                    what=f"rates that keep the loss below {AIM:g} within {within:g} s, in every run",
                    published="left to the reader; drawn at 5e-3",
                    measured="; ".join(f"{size}: {_good(found, size, within)}" for size in SIZES),
                ),
                Beside(
                    what=f"loss at the published rate after {most:g} s",
                    published="drawn",
                    measured="; ".join(
                        f"{size}: {_shown(_mean([loss_at(run, most) for run in each['runs']]))}"
                        for size, each in published.items()
                    ),
                ),
            ],
            [
                Check(
                    what=f"a size has a rate that keeps the loss below {AIM:g} within {within:g} s",
                    passed=min(seconds.values()) <= within,
                    found=rates,
                ),
                Check(
                    what="in as many seconds a small batch makes more steps",
                    passed=_speed(published[SIZES[0]]) > _speed(published[SIZES[-1]]),
                    found=f"{_speed(published[SIZES[0]]):,.0f} a second of {SIZES[0]} images, "
                    f"{_speed(published[SIZES[-1]]):,.0f} of {SIZES[-1]:,}",
                ),
            ],
            [_drawing(found, best)],
            [
                f"Means of {STARTS} starts and orders. The loss is that of held images, looked at {LOOKS} times a run, "
                f"every {within / LOOKS:g} s at tuned rates, off the clock: shorter times are not told apart. The "
                "budgets are "
                + " / ".join(f"{each:g}" for each in budgets(found.size))
                + (" s, a 25th of the published ones." if found.size == "quick" else " s, as published."),
            ],
        )


def budgets(size: str) -> tuple[float, float, float]:
    """Return the budgets in seconds.

    Example:
        >>> budgets("default"), budgets("quick")
        ((2.5, 5.0, 10.0), (0.1, 0.2, 0.4))
    """
    return (0.1, 0.2, 0.4) if size == "quick" else (2.5, 5.0, 10.0)


def below(each: Mapping[str, Any]) -> float:
    """Return the seconds after which the loss stays below the aim; infinite where it does not.

    Example:
        >>> below({"seconds": [0, 1, 2, 3], "loss": [2.0, 0.4, 0.6, 0.4]})
        3
    """
    found = math.inf
    for second, loss in zip(reversed(each["seconds"]), reversed(each["loss"]), strict=True):
        if loss is None or loss >= AIM:
            break
        found = second
    return found


def _name(batch: int, rate: float) -> str:
    return f"{batch} images, rate {rate:g}"


def _runs(batch: int, rate: float, most: float) -> Measurement:
    def made(data: StudyData) -> dict[str, Any]:
        x, y = standardised(data)
        order = torch.from_numpy(stream(0, "data").permutation(len(x)))
        count = min(HELD, len(x) // 4)
        held, rest = (x[order[:count]], y[order[:count]]), (x[order[count:]], y[order[count:]])
        with library_threads(1):
            runs = [_run(held, rest, batch, rate, most, seed) for seed in range(STARTS)]
        return {"batch": batch, "rate": rate, "runs": runs}

    return made


def _run(held: Rows, rest: Rows, batch: int, rate: float, most: float, seed: int) -> dict[str, Any]:
    """Return the number of steps, and at every look at the held images the seconds, the steps and their loss.

    A run whose loss is no number any more ends there.
    """
    net = network(rest[0].shape[1], HIDDEN, seed)
    rule = make_rule(f"sgd(lr={rate!r})").optimizer(net.parameters())
    clock, steps, seconds, at, losses = 0.0, 0, list[float](), list[int](), list[float | None]()
    batches = stream(seed, "order")
    while (clock < most or not seconds) and None not in losses:
        if clock >= len(losses) * most / LOOKS:
            seconds.append(clock)
            at.append(steps)
            losses.append(loss_of(net, held))
        started = time.process_time()
        for _ in range(max(1, 100 // batch)):
            rows = torch.from_numpy(batches.integers(0, len(rest[0]), batch))
            rule.zero_grad()
            cross_entropy(net(rest[0][rows]), rest[1][rows]).backward()
            rule.step()
            steps += 1
        clock += time.process_time() - started
    return {
        "steps": steps,
        "seconds": [*seconds, clock],
        "at": [*at, steps],
        "loss": [*losses, loss_of(net, held)],
    }


def _of(found: Found, size: int) -> list[Mapping[str, Any]]:
    return [each for each in found.measured.values() if each["batch"] == size]


def _times(each: Mapping[str, Any]) -> list[float]:
    return [below(run) for run in each["runs"]]


def _speed(each: Mapping[str, Any]) -> float:
    return sum(run["steps"] for run in each["runs"]) / sum(run["seconds"][-1] for run in each["runs"])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def loss_at(run: Mapping[str, Any], budget: float) -> float:
    """Return the loss at the last look up to a budget; infinite where it is no number."""
    at = [loss for second, loss in zip(run["seconds"], run["loss"], strict=True) if second <= SLACK * budget]
    return math.inf if at[-1] is None else at[-1]


def _good(found: Found, size: int, within: float) -> str:
    rates = [f"{each['rate']:g}" for each in _of(found, size) if max(_times(each)) <= within]
    return ", ".join(rates) or "none of those tried"


def _first(best: Mapping[int, Mapping[str, Any]], look: float) -> str:
    """Return which size is first at its best rate, as far as the intervals over starts tell.

    Args:
        best: the runs of every size at its best rate.
        look: seconds between two looks.
    """
    met = sorted(
        (each for each in best.values() if math.isfinite(max(_times(each)))),
        key=lambda each: _mean(_times(each)),
    )
    if len(met) < 2:
        return ""
    logs = [[math.log10(max(second, 1e-3)) for second in _times(each)] for each in met]
    found: list[Gap] = gaps([(logs[0], each) for each in logs[1:]])
    alike = [each["batch"] for each, gap in zip(met[1:], found, strict=True) if gap.verdict == "same"]
    slower = [each["batch"] for each, gap in zip(met[1:], found, strict=True) if gap.verdict == "less"]
    first = met[0]["batch"]
    if not alike:
        return f"Batches of {first} are first."
    told = f"; {' and '.join(map(str, slower))} is slower" if slower else ""
    which = ", ".join(map(str, sorted([first, *alike])))
    return f"Which of {which} is first is not told apart (looks are {look:g} s apart){told}."


def _shown(value: float) -> str:
    return "–" if math.isinf(value) else f"{value:.3g}"


def _drawing(found: Found, best: Mapping[int, Mapping[str, Any]]) -> Drawing:
    lines: list[FigureLine] = []
    for size in SIZES:
        for rate in dict.fromkeys((RATE, best[size]["rate"])):
            run = found.measured[_name(size, rate)]["runs"][0]
            points = [(x, y) for x, y in zip(run["seconds"], run["loss"], strict=True) if y is not None]
            lines.append(
                FigureLine(name=_name(size, rate), x=[x for x, _ in points], y=[y for _, y in points])
            )
    return Drawing(
        title="Loss by seconds of training",
        x="seconds of the processor",
        y="log loss of held images",
        lines=lines,
        logarithmic_y=True,
        caption=f"The first start, at the published rate and at the one that is below {AIM:g} first.",
    )
