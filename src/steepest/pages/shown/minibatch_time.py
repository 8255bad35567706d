"""Three batch sizes at rates of their own: which is below a loss first, in seconds and in steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from steepest.pages.content import Choice, Content, Exercise, PageControl, TableColumn, Value
from steepest.pages.page import Shown, made_with, stored_numbers, text
from steepest.studies.base.found import mean
from steepest.studies.minibatch_time import AIM, LOOKS, RATE, SIZES, SLACK, STARTS, below, budgets, loss_at

COMPONENTS = {
    "minibatch-time": {
        "object": "MinibatchTimePage",
        "what": "batches of 20, 250, 1,000 by seconds, each at its rate",
    }
}

Runs = list[dict[str, Any]]
_, WITHIN, MOST = budgets("default")


def by_size() -> dict[int, dict[float, Runs]]:
    """Return the stored runs by batch size and rate."""
    found: dict[int, dict[float, Runs]] = {size: {} for size in SIZES}
    for each in stored_numbers("minibatch-time")["measured"].values():
        found[each["batch"]][each["rate"]] = each["runs"]
    return {size: dict(sorted(runs.items())) for size, runs in found.items()}


def seconds_below(runs: Runs) -> float:
    """Return the mean seconds from which the loss stays below the aim; infinite where it does not in every run."""
    return mean([below(each) for each in runs])


class MinibatchTimePage(Shown):
    """The loss of held images by seconds of training, for three batch sizes at several rates."""

    def content(self) -> Content:
        """Return the page; the numbers are those of the study."""
        found = by_size()
        return Content(
            title="Batch size by the clock",
            question="Which batch size brings the loss below 0.5 first, in seconds?",
            about=(
                "A network 784-100-100-10 learns the digits of MNIST by gradient descent with batches of "
                f"{SIZES[0]}, {SIZES[1]} and {SIZES[2]:,}. A small batch makes more steps in a second, and noisier "
                f"ones. As published, all have the rate {RATE:g}; the reader is to find one for each size that keeps "
                f"the loss below {AIM:g} within {WITHIN:g} seconds.",
                f"Stored are {len(found[SIZES[0]])} rates for each size, {STARTS} starts for each; sliders go to the "
                "nearest. Seconds are of one thread’s processor, without the looks at 1,000 held images.",
            ),
            controls=(
                *(
                    PageControl(
                        name=f"lr{size}", label=f"rate, batches of {size:,}", low=-2.3, high=-0.3, step=0.1,
                        default=-2.3, log=True,
                    )
                    for size in SIZES
                ),
                PageControl(
                    name="seconds", label="seconds", low=2.5, high=MOST, step=0.5, default=WITHIN, unit="s"
                ),
                PageControl(
                    name="x", label="axis of the first figure", kind="choice", default="seconds",
                    options=(Choice(value="seconds", label="seconds"), Choice(value="steps", label="steps")),
                ),
            ),
            view="minibatch-time",
            data={
                "aim": AIM, "slack": SLACK, "budgets": budgets("default"), "starts": STARTS, "sizes": [
                    {"batch": size, "rates": [*runs], "runs": [*runs.values()]} for size, runs in found.items()
                ],
            },
            columns=(
                TableColumn(key="look", title="look"),
                *(
                    TableColumn(key=f"{key}{k}", title=f"{size:,}: {title}")
                    for k, size in enumerate(SIZES)
                    for key, title in (("s", "seconds"), ("n", "steps"), ("l", "loss, first start"))
                ),
            ),
            exercises=self.exercises(found),
            source=made_with("minibatch-time"),
        )  # fmt: skip

    def exercises(self, found: dict[int, dict[float, Runs]]) -> tuple[Exercise, ...]:
        """Return the exercises, with what the stored runs answer."""
        small, _, large = SIZES
        speed = {size: steps_a_second(runs[RATE]) for size, runs in found.items()}
        after = {size: mean([loss_at(run, WITHIN) for run in runs[RATE]]) for size, runs in found.items()}
        best = {
            size: min(runs, key=lambda rate, of=runs: seconds_below(of[rate])) for size, runs in found.items()
        }
        first = {size: seconds_below(found[size][best[size]]) for size in SIZES}
        own: dict[str, Value] = {f"lr{size}": log_stop(rate) for size, rate in best.items()}
        least = min(after, key=lambda size: after[size])
        good = {
            size: [rate for rate, each in runs.items() if max(map(below, each)) <= WITHIN]
            for size, runs in found.items()
        }
        return (
            Exercise(
                question=f"How many times as many steps a second do batches of {small} make as batches of {large:,}, "
                f"which have {large // small} times as many images?",
                answer=f"{text(speed[small])} steps against {text(speed[large])}: a step has a fixed cost, and only "
                "beyond it do images count.",
                value=speed[small] / speed[large],
                within=0.25,
                show={"x": "steps"},
            ),
            Exercise(
                question=f"At the published rate, {RATE:g}, for {WITHIN:g} s: with which size is the loss lowest?",
                answer="; ".join(f"{size:,}: {text(loss)}" for size, loss in after.items())
                + ". At one rate for all, the size with the most steps goes farthest.",
                options=tuple(Choice(value=str(size), label=f"{size:,}") for size in SIZES),
                right=str(least),
                show={},
            ),
            *(
                Exercise(
                    question=f"Find a rate for batches of {size:,} that keeps the loss below {AIM:g} within {WITHIN:g} "
                    "s. Which of the stored rates does it first?",
                    answer=f"From {text(first[size])} s on, a mean of {STARTS} starts. Within {WITHIN:g} s, in every "
                    f"start: {listed(good[size])}.",
                    value=best[size],
                    within=0.02,
                    show=own,
                )
                for size in (small, large)
                if math.isfinite(first[size])
            ),
            Exercise(
                question=f"Each size at its best rate: which is the last whose loss stays below {AIM:g}?",
                answer="; ".join(f"{size:,}: {text(each)} s" for size, each in first.items())
                + f". Looks are {WITHIN / LOOKS:g} s apart: a smaller difference cannot be seen.",
                options=tuple(Choice(value=str(size), label=f"{size:,}") for size in SIZES),
                right=str(max(first, key=lambda size: first[size])),
                show={**own, "seconds": 2.5},
            ),
        )  # fmt: skip


def steps_a_second(runs: Runs) -> float:
    """Return the steps of runs by their seconds."""
    return sum(each["steps"] for each in runs) / sum(each["seconds"][-1] for each in runs)


def log_stop(rate: float) -> float:
    """Return the stop of a logarithmic slider that is nearest to a rate.

    Example:
        >>> log_stop(0.016)
        -1.8
    """
    return round(math.log10(rate), 1)


def listed(rates: Sequence[float]) -> str:
    """Return rates in words.

    Example:
        >>> listed([0.05, 0.5]), listed([])
        ('0.05, 0.5', 'none')
    """
    return ", ".join(text(each) for each in rates) or "none"
