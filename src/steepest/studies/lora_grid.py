"""Which of LoRA's factors matter: rank, α, dropout, rate, weight decay, batch size, layers?

The published tutorial asks to vary rank, α, dropout, rate and weight decay one at a time. Here seven factors with two
levels each are crossed in a fractional factorial of 16 arms: four vary freely, and three are products of three others
(dropout of rank, α and rate; decay of α, rate and batch; layers of rank, α and batch), so that no main effect is mixed
with another one or with an interaction of two factors.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine, StudyRow
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, gaps
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm, by_size
from steepest.studies.base.tuned import FineTuningStudy, after, before, before_after

COMPONENTS = {
    "lora-grid": {
        "object": "LoraGrid",
        "what": "which of LoRA's seven factors change the loss, and how much",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 20.0, "full": 500.0},
        "yours": "compare my-texts.txt --kind text --model hf:my-model -o adamw "
        "--finetune 'lora(4)' --finetune 'lora(16)'",
    }
}

LEVELS: Mapping[str, tuple[Any, Any]] = {
    "rank": (4, 16),
    "α": (8, 32),
    "rate": (1e-3, 4e-3),
    "batch size": (4, 16),
    "dropout": (0.0, 0.1),
    "weight decay": (0.0, 0.1),
    "layers": ("q, k, v", "all linear"),
}
"""The factors with their low and high levels; of the layers, few and many."""
SIGNS: tuple[int, int] = (-1, 1)
PRODUCTS = {"dropout": ("rank", "α", "rate"), "weight decay": ("α", "rate", "batch size"),
            "layers": ("rank", "α", "batch size")}  # fmt: skip
"""Factors whose level is the product of others' signs."""


def design() -> list[dict[str, int]]:
    """Return the signs of each arm's levels, −1 for low and 1 for high.

    Example:
        >>> arms = design()
        >>> len(arms), all(sum(arm[name] for arm in arms) == 0 for name in LEVELS)
        (16, True)
        >>> pairs = itertools.combinations(LEVELS, 2)
        >>> all(sum(arm[a] * arm[b] * arm[c] for arm in arms) == 0 for a, b in pairs for c in {*LEVELS} - {a, b})
        True
    """
    free = [name for name in LEVELS if name not in PRODUCTS]
    found: list[dict[str, int]] = []
    for signs in itertools.product(SIGNS, repeat=len(free)):
        arm: dict[str, int] = dict(zip(free, signs, strict=True))
        for name, (a, b, c) in PRODUCTS.items():
            arm[name] = arm[a] * arm[b] * arm[c]
        found.append(arm)
    return found


def called(arm: Mapping[str, int]) -> str:
    """Return the name of an arm: its high levels."""
    return ", ".join(name for name in LEVELS if arm[name] > 0) or "all low"


class LoraGrid(FineTuningStudy):
    """Seven factors in 16 arms, and the main effect of each."""

    name = "lora-grid"
    question = "Which of LoRA's factors matter: rank, α, dropout, rate, weight decay, batch size, layers?"
    source = "a course notebook of 2025, tutorial on LoRA: vary rank, α, dropout, rate and decay; no numbers"
    headlines: ClassVar = {
        "some": "The loss per token on new text changes with {most}. Not shown to matter here: {others}.",
        "none": "No factor is shown to change the loss per token on new text; the largest effect is that of {most}.",
    }

    def data(self, size: Size) -> StudyData:
        """Return WikiText, or with ``quick`` made-up words."""
        characters, test = by_size(size, (4_000, 2_000), (20_000, 8_000), (1_000_000, 100_000))
        return self.text(size, "wikitext", characters, test)

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the 16 arms."""
        del data
        arms: list[StudyArm] = []
        for arm in design():
            value = {name: LEVELS[name][sign > 0] for name, sign in arm.items()}
            targets = f", targets='{self.attention}'" if arm["layers"] < 0 else ""
            made = Arm(
                name=called(arm),
                finetune=f"lora({value['rank']}, {value['α']}, dropout={value['dropout']}{targets})",
                optimizer=f"adamw(lr={value['rate']:g}, weight_decay={value['weight decay']})",
                batch_size=value["batch size"],
            )
            arms.append(StudyArm(made, "corrected"))
        options = {"model": self.start(size), "epochs": 1, "seeds": by_size(size, 2, 3, 3), "clip": 1.0}
        return {MAIN: Comparing(arms, options)}

    def columns(self) -> Sequence[StudyColumn]:
        """Return losses and perplexities before and after."""
        return before_after()

    def rows(self, found: Found) -> Sequence[StudyRow]:
        """Return a row for the effect of each factor."""
        shown = {name: each.text(percent=False, digits=3) for name, each in _effects(found).items()}
        return [
            StudyRow(
                name=f"effect of {name}: {LEVELS[name][1]} against {LEVELS[name][0]}",
                way="corrected",
                cells=["", text, "", ""],
            )
            for name, text in shown.items()
        ]

    def answer(self, found: Found) -> Answer:
        """Return the effects, the largest first."""
        effects = _effects(found)
        ordered = sorted(effects, key=lambda name: -abs(effects[name].mean))
        matter = [name for name in ordered if effects[name].verdict != "same"]
        shown = {
            name: f"{name} ({LEVELS[name][0]} → {LEVELS[name][1]}: {each.text(percent=False, digits=3)})"
            for name, each in effects.items()
        }
        first = before(found, MAIN, called(design()[0]))[0]
        last = [
            sum(after(found, MAIN, called(arm))) / len(after(found, MAIN, called(arm))) for arm in design()
        ]
        best = min(design(), key=lambda arm: last[design().index(arm)])
        return Answer(
            "some" if matter else "none",
            {
                "most": ", ".join(shown[name] for name in matter or ordered[:1]),
                "others": ", ".join(name for name in ordered if name not in matter) or "none of the rest",
            },
            [
                Beside(
                    what=f"{name}: {low} → {high}",
                    published="asked, not measured",
                    measured=f"{effects[name].text(percent=False, digits=3)} in loss per token",
                )
                for name, (low, high) in LEVELS.items()
            ],
            [
                Check(
                    what="every arm learns",
                    passed=max(last) < first,
                    found=f"from {first:.3f} to {min(last):.3f} … {max(last):.3f}",
                )
            ],
            [_drawing(effects)],
            [
                "The effect of a factor is the mean of its 8 arms with the high level minus that of the 8 with the low "
                "one, paired by seed, in loss per token on the test text; intervals hold together. An interaction of "
                "two factors is mixed with other such ones, so none is reported. A batch of 16 takes a quarter of the "
                f"steps of one of 4 on the same text. The best of the 16 arms has high: {called(best)}.",
            ],
        )


def _effects(found: Found) -> dict[str, Gap]:
    """Return the main effect of each factor, with intervals that hold together."""
    losses = {called(arm): after(found, MAIN, called(arm)) for arm in design()}

    def means(name: str, sign: int) -> list[float]:
        some = [losses[called(arm)] for arm in design() if arm[name] == sign]
        return [sum(each) / len(each) for each in zip(*some, strict=True)]

    return dict(zip(LEVELS, gaps([(means(name, 1), means(name, -1)) for name in LEVELS]), strict=True))


def _drawing(effects: Mapping[str, Gap]) -> Drawing:
    names = sorted(effects, key=lambda name: effects[name].mean)
    x = [float(place) for place in range(len(names))]
    line = FigureLine(
        name="high minus low level",
        x=x,
        y=[effects[name].mean for name in names],
        low=[effects[name].low for name in names],
        high=[effects[name].high for name in names],
        joined=False,
    )
    return Drawing(
        title="Main effects on the loss per token",
        x="factor",
        y="change of the loss per token",
        lines=[line, FigureLine(name="none", x=[x[0], x[-1]], y=[0.0, 0.0])],
        ticks={
            name.removeprefix("weight ").removesuffix(" size"): at for name, at in zip(names, x, strict=True)
        },
        caption="Means over seeds with intervals that hold together with 95 %. Below 0 the high level is better.",
    )
