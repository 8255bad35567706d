"""By which number should weights be chosen: training loss, validation loss or validation accuracy?

The published tutorial compares networks by their training loss and shows accuracy and validation loss beside it. Here
every run keeps all three at every evaluation, and the loss and accuracy on test digits of the weights that each would
choose are compared, with clean labels and with a part of them wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from torch.nn.functional import cross_entropy

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Curve, Found, StudyColumn, gaps, mean_text
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.studies.base.watching import LOSS
from steepest.train.callback import Callback, View

COMPONENTS = {
    "metric-choice": {
        "object": "MetricChoice",
        "what": "choose weights by training loss, validation loss or accuracy?",
        "minutes": {"quick": 0.5, "default": 3.0, "full": 10.0},
        "tflop": {"quick": 0.1, "default": 2.0, "full": 10.0},
        "yours": "compare data.csv --target y -o adam,momentum --metric accuracy",
    }
}

HELD_LOSS, HELD_RIGHT, NEW_LOSS, NEW_RIGHT = (
    "validation loss",
    "validation accuracy",
    "test loss",
    "test accuracy",
)
LABELS = {"clean labels": "none", "20 % wrong": "noise(0.2, draw=run)"}
RULES: dict[str, tuple[str, Callable[[Sequence[float]], float]]] = {
    "training loss": (LOSS, min),
    "validation loss": (HELD_LOSS, min),
    "validation accuracy": (HELD_RIGHT, max),
}
"""What weights are chosen by, and how; of equal ones the first."""


class EveryLoss(Callback):
    """Logs at every evaluation the losses and accuracies on training, validation and test rows."""

    only_watches = by_run = True

    def at_evaluation(self, view: View) -> None:
        """Log them."""
        view.log(LOSS, float(cross_entropy(view.training_outputs(), view.training_rows().target)))
        view.log(HELD_LOSS, view.values["log_loss"])
        view.log(HELD_RIGHT, view.values["accuracy"])
        rows = view.test_rows()
        outputs = view.model()(*rows.inputs).detach()
        view.log(NEW_LOSS, float(cross_entropy(outputs, rows.target)))
        view.log(NEW_RIGHT, float((outputs.argmax(1) == rows.target).double().mean()))


class MetricChoice(Study):
    """Weights chosen by three numbers, judged on test digits."""

    name = "metric-choice"
    question = (
        "By which number should weights be chosen: training loss, validation loss or validation accuracy?"
    )
    source = "tutorial on optimization techniques; the training loss chooses, no test digits"
    headlines: ClassVar = {
        "more": "Chosen by the training loss, weights have a higher log loss on test digits than chosen by the "
        "validation loss: "
        "{train} with wrong labels, {clean} with clean ones. {accuracy}",
        "same": "On test digits, weights chosen by the training loss and by the validation loss are not told apart "
        "in log loss: "
        "{train} with wrong labels, {clean} with clean ones. {accuracy}",
        "less": "Chosen by the training loss, weights have a lower log loss on test digits than chosen by the "
        "validation loss: "
        "{train} with wrong labels, {clean} with clean ones. {accuracy}",
    }

    def data(self, size: Size) -> StudyData:
        """Return the digits: with ``quick`` bundled ones, else those of MNIST."""
        return all_digits(bundled=size == "quick")

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the same network on clean and on partly wrong labels."""
        del data
        arms = [
            StudyArm(Arm(name=name, labels=labels, optimizer="adam(lr=1e-3)"), "corrected")
            for name, labels in LABELS.items()
        ]
        options = {
            "model": "mlp(hidden=[100,100], activation=relu)",
            "train_rows": "run:500",
            "batch_size": 25,
            "epochs": by_size(size, 30, 40, 100),
            "seeds": by_size(size, 5, 10, 30),
        }
        return {MAIN: Comparing(arms, options, ["steepest.studies.metric_choice:EveryLoss"])}

    def columns(self) -> Sequence[StudyColumn]:
        """Return the log loss on test digits by what chose the weights."""
        return [
            *(
                StudyColumn(f"test loss, by {name}", _by(name, NEW_LOSS), percent=False, digits=3)
                for name in RULES
            ),
            *(StudyColumn(f"test accuracy, by {name}", _by(name, NEW_RIGHT)) for name in RULES),
        ]

    def answer(self, found: Found) -> Answer:
        """Return which choice is best on test digits."""
        clean, wrong = LABELS
        loss = {arm: {name: _by(name, NEW_LOSS)(found, MAIN, arm) for name in RULES} for arm in LABELS}
        right = {name: _by(name, NEW_RIGHT)(found, MAIN, wrong) for name in RULES}
        by_train, by_loss, by_right = RULES
        harm, clean_harm, other = gaps(
            [
                (loss[wrong][by_train], loss[wrong][by_loss]),
                (loss[clean][by_train], loss[clean][by_loss]),
                (loss[wrong][by_right], loss[wrong][by_loss]),
            ]
        )
        [accuracy] = gaps([(right[by_right], right[by_loss])])
        words = {
            "same": "are not told apart in accuracy there",
            "more": "are right more often there",
            "less": "are right less often there",
        }[accuracy.verdict]
        return Answer(
            harm.verdict,
            {
                "train": harm.text(percent=False, digits=3),
                "clean": clean_harm.text(percent=False, digits=3),
                "accuracy": f"Weights chosen by validation accuracy {words} ({accuracy.text()}), with a log loss of "
                f"{other.text(percent=False, digits=3)} beside the validation loss.",
            },
            [
                Beside(
                    what=f"test loss with {arm}",
                    published="not shown",
                    measured="; ".join(
                        f"by {name} {mean_text(values, percent=False, digits=3)}"
                        for name, values in each.items()
                    ),
                )
                for arm, each in loss.items()
            ],
            [
                Check(
                    what="the training loss chooses later weights than the validation loss, with wrong labels",
                    passed=_mean(_steps(found, wrong, by_train)) > _mean(_steps(found, wrong, by_loss)),
                    found=f"step {_mean(_steps(found, wrong, by_train)):.0f} "
                    f"against {_mean(_steps(found, wrong, by_loss)):.0f}",
                )
            ],
            [_drawing(found, wrong)],
            [
                "Differences are paired by seed; a positive one is a higher log loss. The validation digits are not "
                "those of the test."
            ],
        )


def _by(name: str, what: str) -> Callable[[Found, str, str], list[float]]:
    """Return a column: a number of the weights that another number chose, by seed."""
    chooses, best = RULES[name]

    def values(found: Found, of: str, arm: str) -> list[float]:
        pairs = zip(found.logged(chooses, arm, of), found.logged(what, arm, of), strict=True)
        return [dict(judged)[_chosen(choosing, best)] for choosing, judged in pairs]

    return values


def _chosen(curve: Curve, best: Callable[[Sequence[float]], float]) -> int:
    """Return the first step at which a curve is best."""
    target = best([value for _, value in curve])
    return next(step for step, value in curve if value == target)


def _steps(found: Found, arm: str, name: str) -> list[float]:
    chooses, best = RULES[name]
    return [float(_chosen(curve, best)) for curve in found.logged(chooses, arm)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _drawing(found: Found, arm: str) -> Drawing:
    lines: list[FigureLine] = []
    for name in (LOSS, HELD_LOSS, NEW_LOSS):
        curves = found.logged(name, arm)
        steps = [step for step, _ in curves[0]]
        values = [_mean([dict(curve)[step] for curve in curves]) for step in steps]
        lines.append(FigureLine(name=name, x=[float(step) for step in steps], y=values))
    return Drawing(
        title="Losses by step, 20 % of the labels wrong",
        x="step",
        y="log loss",
        lines=lines,
        logarithmic_y=True,
        caption="Means over seeds. The training loss is that on the labels as they are given, wrong ones included.",
    )
