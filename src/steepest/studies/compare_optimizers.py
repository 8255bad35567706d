"""Does the best optimizer depend on the rate at which all are compared?

The published experiment trains 784-100-100-10 on 500 digits by SGD, momentum 0.9 and RMSprop (α 0.8) at one rate,
2e-3. Here each also runs at the best of a grid of rates, and its robustness is measured: over how many decades of the
rate its validation loss is good. The published sliders (batch size, rate, up to 500 steps) are answered by training
losses on a grid of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.experiment.given import Arm
from steepest.optim import make_rule
from steepest.rng import stream
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, StudyColumn, gaps, mean, mean_text
from steepest.studies.base.plain import Rows, loss_of, network, standardised
from steepest.studies.base.rates import (
    GOOD_TEXT,
    by_rate,
    first_text,
    good_decades,
    good_text,
    sweeping,
    swept,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Measurement, Size, Study, StudyArm, by_size
from steepest.threads import library_threads

COMPONENTS = {
    "compare-optimizers": {
        "object": "CompareOptimizers",
        "what": "is RMSprop best, or only at this rate?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 10.0},
        "tflop": {"quick": 0.2, "default": 2.0, "full": 10.0},
        "yours": "compare data.csv --target y -o sgd,momentum,rmsprop --sweep",
    }
}

RATE, SWEPT = 2e-3, "rates"
RULES = {"SGD": "sgd", "momentum": "heavy-ball(momentum=0.9)", "RMSprop": "rmsprop(alpha=0.8)"}
HIDDEN, BATCH, STEPS, ROWS = (100, 100), 25, 200, 500
NET = f"mlp(hidden={[*HIDDEN]}, activation=relu)"
SIZES, MOST, EVERY, STARTS = (25, 100, 250), 500, 10, 3
"""Batch sizes whose training losses are measured at every rate; steps, how often, and from how many starts."""
LEAST = 1e-5
"""The lowest loss that a figure shows: below it, 32 bits count little."""
GRID = tuple(sorted({RATE, *(10 ** (half / 2) for half in range(-10, 1))}))


class CompareOptimizers(Study):
    """SGD, momentum and RMSprop at one rate, and at their best ones."""

    name = "compare-optimizers"
    question = "Which of SGD, momentum and RMSprop is best, at one rate and at its own best?"
    source = "tutorial on optimization techniques; curves at one rate, 2e-3, no numbers"
    headlines: ClassVar = {
        "stays": "Lowest in log loss at the published rate, 2e-3, is {first}, and so it is at the best rate of each "
        "({gap} beside {second}). Good rates span {robust}.",
        "falls": "Lowest in log loss at the published rate, 2e-3, is {first}; at the best rate of each it is behind "
        "{second} ({gap}). Good rates span {robust}.",
        "open": "Lowest in log loss at the published rate, 2e-3, is {first}; at the best rate of each it is not told "
        "apart from {second} ({gap}). Good rates span {robust}.",
    }

    def data(self, size: Size) -> StudyData:
        """Return the digits: with ``quick`` bundled ones, else those of MNIST."""
        return all_digits(bundled=size == "quick")

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the rules at the published rate, and those with every rate of a grid."""
        fixed = [
            StudyArm(Arm(name=f"{name}, 2e-3", optimizer=_at(rule, RATE)), "published")
            for name, rule in RULES.items()
        ]
        options = {
            "model": NET,
            "train_rows": f"run:{ROWS}",
            "batch_size": BATCH,
            "epochs": STEPS // (ROWS // BATCH),
            "seeds": by_size(size, 3, 5, 10),
        }
        del data
        return {
            MAIN: Comparing(fixed, options),
            SWEPT: Comparing(swept(RULES), {**options, **sweeping(size)}),
        }

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return the training losses of all rules by batch size and rate."""
        batches = by_size(size, (25, 250), SIZES, SIZES)
        rates = by_size(size, (RATE, 0.03, 0.3), GRID, GRID)
        starts = by_size(size, 1, STARTS, STARTS)
        return {f"batches of {each}": _curves(each, rates, starts) for each in batches}

    def columns(self) -> Sequence[StudyColumn]:
        """Return the log loss and accuracy on new digits, and how wide the good rates are."""
        return [
            StudyColumn(
                "log loss, new",
                lambda found, of, arm: found.values("log_loss", arm, "best", of),
                percent=False,
                digits=3,
            ),
            StudyColumn("accuracy, new", lambda found, of, arm: found.values("accuracy", arm, "best", of)),
            StudyColumn(
                "decades of good rates",
                lambda found, of, arm: good_decades(found, arm, of),
                percent=False,
                digits=1,
            ),
        ]

    def answer(self, found: Found) -> Answer:
        """Return both orders, and over how many decades each rule is good."""
        at = {name: found.values("log_loss", f"{name}, 2e-3") for name in RULES}
        tuned = {name: found.values("log_loss", name, of=SWEPT) for name in RULES}
        first = min(RULES, key=lambda name: sum(at[name]))
        second = min((name for name in RULES if name != first), key=lambda name: sum(tuned[name]))
        gap, slow = gaps([(tuned[first], tuned[second]), (at["RMSprop"], at["SGD"])])
        return Answer(
            {"less": "stays", "more": "falls", "same": "open"}[gap.verdict],
            {
                "first": first_text(at),
                "second": second,
                "gap": gap.text(percent=False, digits=3),
                "robust": "; ".join(f"{name}: {good_text(found, name, SWEPT)}" for name in RULES),
            },
            [
                Beside(
                    what="log loss on new digits at rate 2e-3",
                    published="RMSprop far below SGD and momentum (a figure of training losses)",
                    measured="; ".join(
                        f"{name} {mean_text(each, percent=False, digits=3)}" for name, each in at.items()
                    ),
                    reason="training losses there, new digits here",
                ),
                Beside(
                    what="the same at the best rate of each",
                    published="not shown",
                    measured="; ".join(
                        f"{name} {mean_text(each, percent=False, digits=3)}" for name, each in tuned.items()
                    ),
                ),
                Beside(
                    what=f"lowest training loss after {MOST} steps, each rule at its best rate",
                    published="left to the reader: sliders for batch size, rate and steps",
                    measured="; ".join(f"{name}: {_lowest(each)}" for name, each in found.measured.items()),
                ),
            ],
            [
                Check(
                    what="at rate 2e-3 RMSprop is better than SGD",
                    passed=slow.verdict == "less",
                    found=slow.text(percent=False, digits=3),
                ),
                Check(
                    what="no rule is worse at its best rate than at 2e-3 by more than half of the interval",
                    passed=all(gaps([(tuned[name], at[name])])[0].verdict != "more" for name in RULES),
                    found="; ".join(f"{name} {sum(tuned[name]) / sum(at[name]):.2f} times" for name in RULES),
                ),
            ],
            [by_rate(found, list(RULES), SWEPT), *(_drawing(each) for each in found.measured.values())],
            [
                f"{GOOD_TEXT} The runs are short, {STEPS} steps: a rate that is too low for them may be good in "
                f"longer ones.",
                f"Training losses by batch size are of other runs: {MOST} steps on the same 500 digits.",
            ],
        )


def _at(rule: str, rate: float) -> str:
    name, _, rest = rule.partition("(")
    return f"{name}(lr={rate:g}, {rest}" if rest else f"{name}(lr={rate:g})"


def _curves(batch: int, rates: Sequence[float], starts: int) -> Measurement:
    def made(data: StudyData) -> dict[str, Any]:
        x, y = standardised(data)
        chosen = torch.from_numpy(stream(0, "data").permutation(len(x))[:ROWS])
        rows = x[chosen], y[chosen]
        with library_threads(1):
            losses = [
                [[_descent(rows, _at(rule, rate), batch, seed) for seed in range(starts)] for rate in rates]
                for rule in RULES.values()
            ]
        steps = [*range(0, MOST + 1, EVERY)]
        return {"batch": batch, "rules": [*RULES], "rates": [*rates], "steps": steps, "loss": losses}

    return made


def _descent(rows: Rows, rule: str, batch: int, seed: int) -> list[float | None]:
    """Return the loss on all rows before the first step and after every tenth; None once it is no number."""
    net = network(rows[0].shape[1], HIDDEN, seed)
    optimizer = make_rule(rule).optimizer(net.parameters())
    orders = stream(seed, "order")
    losses, order = [loss_of(net, rows)], np.empty(0, dtype=np.int64)
    for step in range(1, MOST + 1):
        if len(order) < batch:
            order = orders.permutation(len(rows[0]))
        now, order = torch.from_numpy(order[:batch]), order[batch:]
        optimizer.zero_grad()
        cross_entropy(net(rows[0][now]), rows[1][now]).backward()
        optimizer.step()
        if step % EVERY == 0:
            losses.append(loss_of(net, rows))
            if losses[-1] is None:
                return losses + [None] * ((MOST - step) // EVERY)
    return losses


def _ends(each: Mapping[str, Any]) -> dict[str, dict[float, list[float]]]:
    """Return the last losses of the starts by rule and rate, without rates at which one failed."""
    return {
        rule: {
            rate: [run[-1] for run in runs]
            for rate, runs in zip(each["rates"], by_rates, strict=True)
            if None not in [run[-1] for run in runs]
        }
        for rule, by_rates in zip(each["rules"], each["loss"], strict=True)
    }


def _lowest(each: Mapping[str, Any]) -> str:
    """Return the rate of every rule at which its mean loss ends lowest, with that loss."""
    words: list[str] = []
    for rule, losses in _ends(each).items():
        rate = min(losses, key=lambda one: mean(losses[one]))
        loss = mean(losses[rate])
        words.append(f"{rule} {f'{loss:.2g}' if loss >= LEAST else f'below {LEAST:g}'} at {rate:.2g}")
    return ", ".join(words)


def _drawing(each: Mapping[str, Any]) -> Drawing:
    lines = [
        FigureLine(
            name=rule,
            x=[*losses],
            y=[max(mean(one), LEAST) for one in losses.values()],
            low=[max(min(one), LEAST) for one in losses.values()],
            high=[max(*one, LEAST) for one in losses.values()],
        )
        for rule, losses in _ends(each).items()
    ]
    return Drawing(
        title=f"Training loss after {MOST} steps, batches of {each['batch']}",
        x="learning rate",
        y="log loss of the training digits",
        lines=lines,
        logarithmic=True,
        logarithmic_y=True,
        caption="Means of the starts, bars from the lowest to the highest; without rates at which one failed. "
        f"What is below {LEAST:g} is drawn there.",
    )
