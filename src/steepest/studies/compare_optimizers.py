"""Does the best optimizer depend on the rate at which all are compared?

The published experiment trains 784-100-100-10 on 500 digits by SGD, momentum 0.9 and RMSprop (α 0.8) at one rate,
2e-3. Here each also runs at the best of a grid of rates, and its robustness is measured: over how many decades of the
rate its training loss is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, StudyColumn, gaps, mean_text
from steepest.studies.base.rates import GOOD_TEXT, by_rate, good_decades, good_text, ranked, sweeping, swept
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size

COMPONENTS = {
    "compare-optimizers": {
        "object": "CompareOptimizers",
        "what": "is RMSprop best, or only at this rate?",
        "minutes": {"quick": 0.5, "default": 3.0, "full": 10.0},
        "tflop": {"quick": 0.2, "default": 2.0, "full": 10.0},
        "yours": "compare data.csv --target y -o sgd,momentum,rmsprop --sweep",
    }
}

RATE, SWEPT = 2e-3, "rates"
RULES = {"SGD": "sgd", "momentum": "heavy-ball(momentum=0.9)", "RMSprop": "rmsprop(alpha=0.8)"}
NET, BATCH, STEPS, ROWS = "mlp(hidden=[100,100], activation=relu)", 25, 200, 500


class CompareOptimizers(Study):
    """SGD, momentum and RMSprop at one rate, and at their best ones."""

    name = "compare-optimizers"
    question = "Which of SGD, momentum and RMSprop is best, at one rate and at its own best?"
    source = "tutorial on optimization techniques; curves at one rate, 2e-3, no numbers"
    headlines: ClassVar = {
        "same": "At the published rate {order} is the order, from the lowest log loss; at their best rates {tuned}, "
        "and {words}. "
        "Good rates span {robust}.",
        "other": "The order at the published rate, {order}, is not that at the best rates, {tuned}: {words}. Good "
        "rates span "
        "{robust}.",
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
        first, second = sorted(RULES, key=lambda name: sum(tuned[name]))[:2]
        gap, slow = gaps([(tuned[first], tuned[second]), (at["RMSprop"], at["SGD"])])
        words = (
            f"{first} and {second} are not told apart ({gap.text(percent=False, digits=3)})"
            if gap.verdict == "same"
            else f"{first} is better than {second} by {gap.text(percent=False, digits=3)}"
        )
        return Answer(
            "same" if ranked(at) == ranked(tuned) else "other",
            {
                "order": ranked(at),
                "tuned": ranked(tuned),
                "words": words,
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
            [by_rate(found, list(RULES), SWEPT)],
            [
                f"{GOOD_TEXT} The runs are short, {STEPS} steps: a rate that is too low for them may be good in "
                f"longer ones.",
            ],
        )


def _at(rule: str, rate: float) -> str:
    name, _, rest = rule.partition("(")
    return f"{name}(lr={rate:g}, {rest}" if rest else f"{name}(lr={rate:g})"
