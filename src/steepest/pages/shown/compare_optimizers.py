"""SGD, momentum and RMSprop at one rate and each at its best, by batch size, rate and steps."""

from __future__ import annotations

from typing import Any

from steepest.pages.content import Choice, Content, Exercise, PageControl, TableColumn
from steepest.pages.page import Shown, made_with, stored_numbers, text
from steepest.studies.base.found import mean
from steepest.studies.compare_optimizers import BATCH, GRID, LEAST, MOST, RATE, RULES, SIZES, STARTS, STEPS

COMPONENTS = {
    "compare-optimizers": {
        "object": "CompareOptimizersPage",
        "what": "SGD, momentum, RMSprop at one rate or each at its best",
    }
}

Losses = dict[str, dict[float, list[list[float | None]]]]


def by_batch() -> dict[int, Losses]:
    """Return the losses of every start by batch size, rule and rate."""
    return {
        each["batch"]: {
            rule: dict(zip(each["rates"], by_rate, strict=True))
            for rule, by_rate in zip(each["rules"], each["loss"], strict=True)
        }
        for each in stored_numbers("compare-optimizers")["measured"].values()
    }


def after(losses: Losses, rule: str, steps: int) -> dict[float, float]:
    """Return the mean loss of the starts of a rule by rate, without rates at which one diverged."""
    at = stored_steps().index(steps)
    found: dict[float, float] = {}
    for rate, runs in losses[rule].items():
        ends = [loss for run in runs if (loss := run[at]) is not None]
        if len(ends) == len(runs):
            found[rate] = mean(ends)
    return found


def stored_steps() -> list[int]:
    """Return after which steps losses are stored."""
    first: dict[str, Any] = next(iter(stored_numbers("compare-optimizers")["measured"].values()))
    return first["steps"]


def best(losses: Losses, steps: int) -> dict[str, tuple[float, float]]:
    """Return of every rule the rate with the lowest mean loss after so many steps, and that loss."""
    found = {rule: after(losses, rule, steps) for rule in losses}
    return {rule: min(each.items(), key=lambda pair: pair[1]) for rule, each in found.items()}


def compared(one: float, other: float) -> str:
    """Return whether a rate is higher than another, the same or lower."""
    return "the same" if one == other else "higher" if one > other else "lower"


class CompareOptimizersPage(Shown):
    """Training losses of three rules on 500 digits, by step and by rate."""

    def content(self) -> Content:
        """Return the page; the numbers are those of the study."""
        found = by_batch()
        return Content(
            title="Three optimizers at one rate, or each at its own",
            question="Is RMSprop best, or only at this rate?",
            about=(
                "A network 784-100-100-10 learns 500 digits of MNIST by SGD, momentum (0.9) and RMSprop (α 0.8). As "
                f"published, all three have the rate {RATE:g}. Move the rate, or give each rule its own.",
                f"Stored are {len(GRID)} rates, batches of {SIZES[0]}, {SIZES[1]} and {SIZES[2]}, and the loss on all "
                f"500 digits after every tenth step, from {STARTS} starts; other settings go to the nearest. These are "
                "training losses: how the rules do on new digits is in the study.",
            ),
            controls=(
                PageControl(
                    name="rates", label="rates", kind="choice", default="one",
                    options=(
                        Choice(value="one", label="one for all: the slider"),
                        Choice(value="best", label="each rule’s best after these steps"),
                    ),
                ),
                PageControl(name="lr", label="learning rate", low=-5, high=0, step=0.1, default=-2.7, log=True),
                PageControl(name="batch", label="batch size", low=25, high=250, step=5, default=BATCH),
                PageControl(name="steps", label="steps", low=50, high=MOST, step=5, default=STEPS),
                PageControl(name="top", label="loss axis up to", low=0.1, high=2.5, step=0.1, default=2.5),
            ),
            view="compare-optimizers",
            data={
                "rules": [*RULES], "rates": [*GRID], "batches": [*found], "steps": stored_steps(), "starts": STARTS,
                "least": LEAST,
                "sizes": [{"loss": [[*each.values()] for each in losses.values()]} for losses in found.values()],
            },
            columns=(
                TableColumn(key="step", title="step"),
                *(TableColumn(key=f"rule{k}", title=f"{rule}: loss") for k, rule in enumerate(RULES)),
            ),
            exercises=self.exercises(found),
            source=made_with("compare-optimizers"),
        )  # fmt: skip

    def exercises(self, found: dict[int, Losses]) -> tuple[Exercise, ...]:
        """Return the exercises, with what the stored runs answer."""
        losses, large = found[BATCH], found[SIZES[-1]]
        rules = tuple(Choice(value=rule, label=rule) for rule in RULES)
        published = {rule: after(losses, rule, STEPS)[RATE] for rule in RULES}
        short, long, broad = best(losses, STEPS), best(losses, MOST), best(large, MOST)
        order = sorted(RULES, key=lambda rule: long[rule][1])
        return (
            Exercise(
                question=f"At the published rate, {RATE:g}, after {STEPS} steps on batches of {BATCH}: which rule has "
                "the lowest loss?",
                answer="; ".join(f"{rule} {text(each)}" for rule, each in published.items())
                + ". RMSprop divides the gradient by its size, so that its steps at one rate are the longest.",
                options=rules,
                right=min(published, key=lambda rule: published[rule]),
                show={"lr": -2.7},
            ),
            Exercise(
                question=f"Which of the stored rates is best for SGD after {STEPS} steps?",
                answer=f"It is {text(short['SGD'][0] / RATE, 2)} times the published one. Loss: "
                f"{text(short['SGD'][1])}, against {text(published['SGD'])} at {RATE:g}.",
                value=short["SGD"][0],
                within=0.02,
                show={"rates": "best"},
            ),
            Exercise(
                question="Each rule at its own best rate: how many times as high as RMSprop’s rate is that of SGD, "
                f"after {STEPS} steps?",
                answer="; ".join(f"{rule} {text(rate)}" for rule, (rate, _) in short.items())
                + ". A comparison at one rate compares three rules at three distances from their best ones.",
                value=short["SGD"][0] / short["RMSprop"][0],
                within=0.7,
                show={"rates": "best"},
            ),
            Exercise(
                question=f"Each at its best rate, {MOST} steps: which rule has the lowest mean training loss?",
                answer="; ".join(f"{rule} {text(long[rule][1])} at {text(long[rule][0])}" for rule in order)
                + f". Means of {STARTS} starts, on digits that all have seen.",
                options=rules,
                right=order[0],
                show={"rates": "best", "steps": MOST, "top": 0.1},
            ),
            Exercise(
                question=f"With batches of {SIZES[-1]} instead of {BATCH} and {MOST} steps: is the best stored rate of "
                "SGD higher, the same or lower?",
                answer="; ".join(
                    f"{rule}: {text(long[rule][0])} with {BATCH}, {text(broad[rule][0])} with {SIZES[-1]}"
                    for rule in RULES
                )
                + ". Rates half a decade apart show large changes only.",
                options=tuple(Choice(value=each, label=each) for each in ("higher", "the same", "lower")),
                right=compared(broad["SGD"][0], long["SGD"][0]),
                show={"rates": "best", "batch": SIZES[-1], "steps": MOST},
            ),
        )  # fmt: skip
