"""Are the printed losses on Covertype what the notebook's code gives, in the first epoch and where its log is cut?

The published networks put a softmax in front of a loss that reads logits. Their losses are printed for the first epoch
and for epoch 38 of 50, of one run of each. Here both are trained as written, on all rows, with several seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.experiment.given import Arm
from steepest.studies.base.bands import band
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, ends, gaps, mean, mean_text
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm, by_size
from steepest.studies.base.tables import catalog_rows, kept_table
from steepest.studies.covertype import (
    BASE,
    CROSSED,
    EPOCH_STEPS,
    FLOOR,
    LOSS,
    PUBLISHED,
    PUBLISHED_EPOCHS,
    TARGET,
    WIDTHS,
    WITHIN,
    CovertypeStudy,
    generated,
)

COMPONENTS = {
    "covertype-published": {
        "object": "CovertypePublished",
        "what": "are the printed losses on Covertype those of the code as written?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 0.1, "default": 0.6, "full": 6.0},
        "yours": "compare data.csv --target y --model wide-deep --model deep-cross -o adam --seeds 5",
    }
}

NETS = {BASE: "{raw}", CROSSED: "{raw}, beside=cross"}
"""The two networks whose losses are printed."""


class CovertypePublished(CovertypeStudy):
    """The two networks whose losses are printed, as written, on all rows."""

    name = "covertype-published"
    question = "Are the printed losses on Covertype those of the code as written, and in the same order?"
    source = "a course notebook of 2025, tutorial on Covertype; losses of two networks in epochs 1 and 38"
    headlines: ClassVar = {
        "less": "The printed losses are those of the code as written: minus them, those here are {farthest}. {order}",
        "same": "Minus the printed losses, those here are {farthest}; later ones need --full. {order}",
        "more": "Not all printed losses are within 0.008 of those of the code as written: minus them, those here are "
        "{farthest}. "
        "{order}",
    }
    sizes_differ = "The last printed loss is that of epoch 38, which only --full reaches."

    def data(self, size: Size) -> StudyData:
        """Return all rows of Covertype, or with ``quick`` generated ones of the same columns."""
        split = {"test": 0.15, "validation": 0.01}
        if size == "quick":
            options = {"target": TARGET, "task": "classification", "categorical": [*WIDTHS], **split}
            return kept_table(
                "covertype-like", "generated", "generated rows like Covertype's", generated(), options
            )
        frame, options, _ = catalog_rows("covertype")
        return kept_table("covertype", "covertype", "Covertype", frame, {**options, **split})

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return both networks at the published rate."""
        del data
        arms = [
            StudyArm(
                Arm(
                    name=name,
                    model=f"steepest.studies.covertype:TutorialNet({net.format(raw='raw=true, softmax=true')})",
                    optimizer="adam(lr=1e-3)",
                ),
                "published",
            )
            for name, net in NETS.items()
        ]
        options = {
            "numbers": "standard",
            "batch_size": 265,
            "epochs": by_size(size, 6, 2, PUBLISHED_EPOCHS),
            "seeds": by_size(size, 3, 5, 3),
        }
        return {MAIN: Comparing(arms, options, ["steepest.studies.covertype:LossAndRecall"])}

    def columns(self) -> Sequence[StudyColumn]:
        """Return the training loss of the first and of the last epoch, and what is right on new rows."""
        return [
            StudyColumn("loss, epoch 1", _first, percent=False, digits=4),
            StudyColumn("loss, last epoch", _last, percent=False, digits=4),
            StudyColumn(
                "right on new rows", lambda found, of, arm: found.values("accuracy", arm, "last", of)
            ),
        ]

    def answer(self, found: Found) -> Answer:
        """Return how far the printed losses are from those of the code as written, and in which order they end."""
        whole = found.size == "full"
        first, last = ({name: of(found, MAIN, name) for name in NETS} for of in (_first, _last))
        apart = {name: mean(values) - PUBLISHED[name][0] for name, values in first.items()}
        later = {name: mean(values) - PUBLISHED[name][1] for name, values in last.items()}
        near = all(abs(each) <= WITHIN for each in (*apart.values(), *(later.values() if whole else ())))
        lower = sum(one < other for one, other in zip(last[CROSSED], last[BASE], strict=True))
        [gap] = gaps([(last[CROSSED], last[BASE])])
        compared = found.size != "quick"
        beside = [
            Beside(
                what=f"mean loss, {name}: first epoch, {'epoch 38' if whole else 'last epoch'}",
                published=f"{PUBLISHED[name][0]:.4f}, {PUBLISHED[name][1]:.4f} in epoch {PUBLISHED_EPOCHS}",
                measured=", ".join(mean_text(of[name], percent=False, digits=4) for of in (first, last)),
                reason=_reason(found, name, last[name]),
            )
            for name in NETS
        ]
        checks = [
            Check(
                what=f"no loss of a softmax is below {FLOOR:.3f}",
                passed=min(map(min, last.values())) >= FLOOR,
                found=f"the lowest is {min(map(min, last.values())):.3f}",
            )
        ]
        if compared:
            checks.append(
                Check(
                    what=f"{'losses of epochs 1 and 38' if whole else 'first losses'} as published, to {WITHIN}",
                    passed=near,
                    found=_farthest(apart, later if whole else {}),
                )
            )
        return Answer(
            ("less" if near else "more") if whole else "same",
            {
                "farthest": _farthest(apart, later if whole else {}),
                "order": f"Deep & cross ends below the deep network with {lower} of {len(last[BASE])} seeds "
                f"({gap.text(percent=False, digits=4)}).",
            },
            beside,
            checks,
            [_by_epoch(found)],
            [
                f"Losses of an epoch are means over its batches, {EPOCH_STEPS:,} of them in the published run, which "
                "keeps no validation rows: here 1 % of the rows are, so that an epoch is as much shorter."
            ],
        )


def _first(found: Found, of: str, arm: str) -> list[float]:
    return [curve[0][1] for curve in found.logged(LOSS, arm, of)]


def _last(found: Found, of: str, arm: str) -> list[float]:
    return [curve[-1][1] for curve in found.logged(LOSS, arm, of)]


def _farthest(first: Mapping[str, float], last: Mapping[str, float]) -> str:
    """Return how far means are from the printed losses, the farthest first.

    Example:
        >>> _farthest({"deep": -0.0051, "wide": 0.0062}, {})
        '+0.0062 (wide, epoch 1), −0.0051 (deep, epoch 1)'
    """
    apart = [(value, name, 1) for name, value in first.items()]
    apart += [(value, name, PUBLISHED_EPOCHS) for name, value in last.items()]
    apart.sort(key=lambda each: -abs(each[0]))
    return ", ".join(f"{value:+.4f} ({name}, epoch {epoch})" for value, name, epoch in apart).replace(
        "-", "−"
    )


def _reason(found: Found, name: str, last: Sequence[float]) -> str:
    if found.size == "quick":
        return "generated rows"
    if found.size == "default":
        return f"{round(found.logged(LOSS, name)[0][-1][0]):,} steps here, {EPOCH_STEPS * PUBLISHED_EPOCHS:,} there"
    if abs(mean(last) - PUBLISHED[name][1]) <= WITHIN:
        return ""
    low, high = band(last)
    return f"one run there; a seed gives {low:.4f} … {high:.4f}"


def _by_epoch(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    for name in NETS:
        curves = found.logged(LOSS, name)
        values = [ends([each[i][1] for each in curves]) for i in range(min(map(len, curves)))]
        y, low, high = (list(each) for each in zip(*values, strict=True))
        lines.append(FigureLine(name=name, x=[float(i + 1) for i in range(len(y))], y=y, low=low, high=high))
    for name, (first, last) in PUBLISHED.items():
        x = [1.0, float(PUBLISHED_EPOCHS)] if found.size == "full" else [1.0]
        lines.append(FigureLine(name=f"{name}: printed", x=x, y=[first, last][: len(x)], joined=False))
    return Drawing(
        title="Training loss by epoch, and the printed ones",
        x="epoch",
        y="mean loss of the batches",
        lines=lines,
        caption="Means over seeds with 95 % intervals. The printed losses are of one run of each network.",
    )
