"""Full fine-tuning, LoRA or a frozen base: which wins at equal tuning, on how much text?

Adapters are said to need less text than full fine-tuning, which has more parameters to fit. Here every way gets its own
tuned rate on every share of the training rows, with the same trials, and is judged on the same new text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, ends, gaps
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm, by_size
from steepest.studies.base.tuned import FineTuningStudy, after, before, before_after, from_to

COMPONENTS = {
    "full-lora-frozen": {
        "object": "FullLoraFrozen",
        "what": "full, LoRA or all but a block frozen, on how much text?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 20.0, "full": 500.0},
        "yours": "compare my-texts.txt --kind text --model hf:my-model -o adamw --finetune full --finetune 'lora(8)' "
        "--finetune 'last(1)' --train-rows 0.1 --train-rows all",
    }
}

FULL, LORA, FROZEN = "full", "LoRA", "frozen but the last block"
WAYS = {FULL: "full", LORA: "lora(8)", FROZEN: "last(1)"}


def shares(size: Size) -> list[int]:
    """Return the numbers of training rows."""
    return by_size(size, [16, 64], [16, 48, 144], [64, 512, 4096])


def arm_name(way: str, rows: int) -> str:
    """Return the name of an arm."""
    return f"{way}, {rows:,} rows"


class FullLoraFrozen(FineTuningStudy):
    """Three ways on three numbers of rows, each with its rate tuned."""

    name = "full-lora-frozen"
    question = "Full fine-tuning, LoRA or a frozen base: which wins at equal tuning, on how much text?"
    source = "said in many tutorials: adapters need less text; no published numbers are held against it"
    headlines: ClassVar = {
        "less": "On {few} rows LoRA is better than full fine-tuning, {small} in loss per token; on {many} rows "
        "{large}. {frozen}",
        "same": "On {few} rows LoRA and full fine-tuning are not told apart, {small} in loss per token; on {many} rows "
        "{large}. {frozen}",
        "more": "On {few} rows LoRA is worse than full fine-tuning, {small} in loss per token; on {many} rows "
        "{large}. {frozen}",
    }

    def data(self, size: Size) -> StudyData:
        """Return plays of Shakespeare, or with ``quick`` made-up words."""
        characters, test = by_size(size, (8_000, 2_000), (60_000, 8_000), (1_000_000, 60_000))
        return self.text(size, "shakespeare", characters, test)

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return every way on every number of rows: at one rate with ``quick``, else tuned."""
        del data
        fixed = {FULL: "adamw(lr=1e-3)", LORA: "adamw(lr=3e-3)", FROZEN: "adamw(lr=3e-3)"}
        quick = size == "quick"
        arms = [
            StudyArm(
                Arm(
                    name=arm_name(name, rows),
                    finetune=way,
                    optimizer=fixed[name] if quick else "adamw",
                    train_rows=f"run:{rows}",
                ),
                "corrected" if quick else "tuned",
            )
            for rows in shares(size)
            for name, way in WAYS.items()
        ]
        options: dict[str, Any] = {
            "model": self.start(size),
            "batch_size": 8,
            "epochs": by_size(size, 2, 3, 3),
            "seeds": by_size(size, 2, 3, 3),
            "schedule": "cosine",
        }
        return {MAIN: Comparing(arms, options)}

    def columns(self) -> Sequence[StudyColumn]:
        """Return losses and perplexities before and after."""
        return before_after()

    def answer(self, found: Found) -> Answer:
        """Return which way is best on each number of rows."""
        rows = shares("full") + shares("default") + shares("quick")
        known = sorted(
            {each for each in rows if any(arm.title == arm_name(FULL, each) for arm in found.arms())}
        )
        last = {(way, each): after(found, MAIN, arm_name(way, each)) for way in WAYS for each in known}
        pairs = [(way, each) for each in known for way in (LORA, FROZEN)]
        found_gaps = dict(
            zip(pairs, gaps([(last[way, each], last[FULL, each]) for way, each in pairs]), strict=True)
        )
        shown = {key: each.text(percent=False, digits=3) for key, each in found_gaps.items()}
        few, many = known[0], known[-1]
        first = before(found, MAIN, arm_name(FULL, few))[0]
        mean = {key: sum(each) / len(each) for key, each in last.items()}
        return Answer(
            found_gaps[LORA, few].verdict,
            {
                "few": f"{few:,}",
                "many": f"{many:,}",
                "small": shown[LORA, few],
                "large": shown[LORA, many],
                "frozen": f"All frozen but the last block, against full fine-tuning: {shown[FROZEN, few]} on {few:,} "
                f"rows, {shown[FROZEN, many]} on {many:,}.",
            },
            [
                Beside(
                    what=f"{each:,} rows: {way} minus full",
                    published="not measured",
                    measured=f"{shown[way, each]} in loss per token",
                )
                for way, each in pairs
            ]
            + [
                Beside(
                    what=f"{many:,} rows: perplexity before → after",
                    published="not measured",
                    measured="; ".join(f"{way} {from_to(found, arm_name(way, many))}" for way in WAYS),
                )
            ],
            [
                Check(
                    what="more rows help every way",
                    passed=all(mean[way, many] < mean[way, few] for way in WAYS),
                    found="; ".join(f"{way} {mean[way, few]:.3f} → {mean[way, many]:.3f}" for way in WAYS),
                ),
                Check(
                    what="on most rows every way is better than the base",
                    passed=all(mean[way, many] < first for way in WAYS),
                    found=f"{max(mean[way, many] for way in WAYS):.3f} against {first:.3f}",
                ),
            ],
            [_drawing(last, known, first)],
            [
                "Rows are drawn anew for each seed, the same ones for all ways. Differences are of the loss per token "
                "on the test text, paired by seed; a negative one is a lower loss than that of full fine-tuning.",
            ],
        )


def _drawing(last: Mapping[tuple[str, int], Sequence[float]], rows: Sequence[int], first: float) -> Drawing:
    lines: list[FigureLine] = []
    for way in WAYS:
        y, low, high = (list(each) for each in zip(*(ends(last[way, each]) for each in rows), strict=True))
        lines.append(FigureLine(name=way, x=[float(each) for each in rows], y=y, low=low, high=high))
    lines.append(FigureLine(name="base", x=[float(rows[0]), float(rows[-1])], y=[first, first]))
    return Drawing(
        title="Loss per token on new text by how much is trained on",
        x="training rows",
        y="loss per token",
        lines=lines,
        logarithmic=True,
        caption="Means over seeds with 95 % intervals, each way with its rate tuned on each number of rows.",
    )
