"""How sensitive are optimizers to the learning rate, and which is best for how much tuning?

The published claim is that adaptive rules need less tuning. Six rules run with every rate of a grid and every seed at
full length. Out of the same runs follows the ranking by tuning budget: a budget of k rates is a random choice of k
rates of the grid, of which the best on the validation digits is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, StudyColumn, gaps, mean, mean_text
from steepest.studies.base.rates import (
    GOOD_TEXT,
    GUESS,
    budgeted,
    by_rate,
    first_text,
    good_decades,
    good_text,
    is_inside,
    sweeping,
    swept,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, by_size

COMPONENTS = {
    "sensitivity": {
        "object": "SensitivityStudy",
        "what": "which optimizer needs the least tuning of its rate?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 20.0},
        "tflop": {"quick": 0.3, "default": 5.0, "full": 30.0},
        "yours": "compare data.csv --target y -o sgd,momentum,adagrad,rmsprop,adam --sweep",
    }
}

RULES = {
    "SGD": "sgd",
    "momentum": "momentum",
    "RMSprop": "rmsprop",
    "Adagrad": "adagrad",
    "Adam": "adam",
    "Rprop": "rprop",
}
PLAIN, ADAPTIVE = ("SGD", "momentum"), ("RMSprop", "Adagrad", "Adam")
MOST = 7
"""Rates of the largest budget."""


class SensitivityStudy(Study):
    """Six rules by learning rate, with every seed."""

    name = "sensitivity"
    question = "How sensitive are optimizers to the learning rate, and which is best for how much tuning?"
    source = (
        "tutorial on optimization techniques and lecture notes: adaptive rules are said to need less tuning"
    )
    headlines: ClassVar = {
        "wider": "Adaptive rules have wider ranges of good rates than {plain}: {ranges}. {rest}",
        "mixed": "That adaptive rules need less tuning is not shown of all of them: {told}. Good rates span "
        "{ranges}. {rest}",
    }

    def data(self, size: Size) -> StudyData:
        """Return the digits: with ``quick`` bundled ones, else those of MNIST."""
        return all_digits(bundled=size == "quick")

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the rules with every rate of a grid."""
        options = {
            "model": "mlp(hidden=[32])",
            "train_rows": f"run:{by_size(size, 500, 1000, 2000)}",
            "batch_size": 50,
            "epochs": by_size(size, 8, 10, 15),
            "seeds": by_size(size, 3, 5, 10),
        }
        rules = {name: rule for name, rule in RULES.items() if size != "quick" or name != "Rprop"}
        del data
        return {MAIN: Comparing(swept(rules), {**options, **sweeping(size)})}

    def columns(self) -> Sequence[StudyColumn]:
        """Return the log loss at the best rate, and the good range."""
        return [
            StudyColumn(
                "log loss, new",
                lambda found, of, arm: found.values("log_loss", arm, "best", of),
                percent=False,
                digits=3,
            ),
            StudyColumn(
                "decades of good rates",
                lambda found, of, arm: good_decades(found, arm, of),
                percent=False,
                digits=1,
            ),
            StudyColumn(
                "loss with 1 rate",
                lambda found, of, arm: budgeted(found, arm, 1, of),
                percent=False,
                digits=3,
            ),
            StudyColumn(
                "with 3 rates", lambda found, of, arm: budgeted(found, arm, 3, of), percent=False, digits=3
            ),
        ]

    def answer(self, found: Found) -> Answer:
        """Return the good ranges, and the ranking by budget."""
        names = [each.title for each in found.arms()]
        decades = {name: good_decades(found, name) for name in names}
        plain = max(PLAIN, key=lambda name: mean(decades[name]))
        wider = dict(zip(ADAPTIVE, gaps([(decades[name], decades[plain]) for name in ADAPTIVE]), strict=True))
        best = {name: found.values("log_loss", name) for name in names}
        at = {count: {name: budgeted(found, name, count) for name in names} for count in range(1, MOST + 1)}
        winners = {count: first_text(each) for count, each in at.items()}
        learned = {name: GUESS - mean(best[name]) for name in names}
        return Answer(
            "wider" if all(each.verdict == "more" for each in wider.values()) else "mixed",
            {
                "plain": plain,
                "told": f"beside {plain}, their ranges of good rates are wider by "
                + ", ".join(f"{each.text(percent=False)} ({name})" for name, each in wider.items())
                + " decades",
                "ranges": ", ".join(f"{name} {good_text(found, name)}" for name in names),
                "rest": f"Lowest with one rate at random: {winners[1]}; with {MOST} rates: {winners[MOST]}; on new "
                f"digits at their best rates: {first_text(best)}.",
            },
            [
                Beside(
                    what="decades of good rates",
                    published="adaptive rules need less tuning",
                    measured="; ".join(
                        f"{name} {mean_text(each, percent=False)}" for name, each in decades.items()
                    ),
                ),
                Beside(
                    what="log loss on new digits at the best rates",
                    published="not shown",
                    measured="; ".join(
                        f"{name} {mean_text(each, percent=False, digits=3)}" for name, each in best.items()
                    ),
                ),
                Beside(
                    what="best by the number of rates that are tried",
                    published="not shown",
                    measured=", ".join(f"{count}: {name}" for count, name in winners.items()),
                ),
            ],
            [
                Check(
                    what="at its best rate, every rule gains more than half of what there is over guessing",
                    passed=min(learned.values()) > GUESS / 2,
                    found="; ".join(f"{name} {each:.2f} of {GUESS:.2f}" for name, each in learned.items()),
                ),
                Check(
                    what="the best rate of every rule is inside its grid",
                    passed=all(is_inside(found, name) for name in names),
                    found=", ".join(name for name in names if not is_inside(found, name))
                    or "none at an edge",
                ),
            ],
            [by_rate(found, names), _by_budget(at)],
            [
                f"{GOOD_TEXT} Rates that are tried are a random choice of the grid: who knows where a rule's rates "
                "lie does better.",
            ],
        )


def _by_budget(at: Mapping[int, Mapping[str, Sequence[float]]]) -> Drawing:
    lines = [
        FigureLine(name=name, x=[float(count) for count in at], y=[mean(each[name]) for each in at.values()])
        for name in at[1]
    ]
    return Drawing(
        title="Expected loss by tuning budget",
        x="rates that are tried",
        y="log loss of the best, validation digits",
        lines=lines,
        logarithmic_y=True,
        caption="The expectation over random choices of so many rates of the grid; means over seeds.",
    )
