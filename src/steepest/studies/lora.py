"""What do published settings of LoRA reach on WikiText, and what does padding each line cost?

The published notebook adapts q, k, v (and an ``o_proj`` that its model does not have) with rank 8, α 32 and dropout
0.05, at a rate of 2e-4 and batches of two lines, each padded or cut to 128 tokens; a third of the lines are empty, and
a batch of two of those has no token to score. It prints how many parameters are trained, and computes the perplexity
afterwards only. Here the loss on the test text is measured before and after, with lines and with packed rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine, Way
from steepest.data.texts.reading import read_documents
from steepest.errors import OptionError
from steepest.experiment.given import Arm
from steepest.models import build_model, count_parameters
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, ends, gaps
from steepest.studies.base.study import MAIN, Answer, Comparing, Measurement, Size, StudyArm, by_size
from steepest.studies.base.texts import STORIES
from steepest.studies.base.tuned import FineTuningStudy, after, before, before_after, from_to, shape_of

COMPONENTS = {
    "lora": {
        "object": "LoraStudy",
        "what": "LoRA as published on WikiText, on padded lines and packed",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 20.0, "full": 500.0},
        "yours": "compare my-texts.txt --kind text --model hf:my-model -o adamw --finetune full --finetune 'lora(8)'",
    }
}

PUBLISHED, ALL, FASTER, TUNED = "as published", "all linear layers", "rate 2e-3", "as published, rate tuned"
PACKED = "packed"
WRONG = "a name that no layer has"
RATE = 2e-4
EMPTY_SHARE = 0.35
"""Of the published lines."""


class LoraStudy(FineTuningStudy):
    """The published adapters, adapters of all linear layers, and a higher rate, on padded lines and on packed rows."""

    name = "lora"
    question = "What do published settings of LoRA reach on WikiText, and what does padding each line cost?"
    source = (
        "a course notebook of 2025, tutorial on fine-tuning with LoRA (125 million parameters, WikiText-2)"
    )
    headlines: ClassVar = {
        "less": "As published, LoRA takes the perplexity of {base} on new text from {padded} by {text} in padded "
        "lines, {gap} in loss per token. {rate} {packed}",
        "same": "As published, LoRA is not shown to change the perplexity of {base} on new text, {padded} by {text} in "
        "padded lines, {gap} in loss per token. {rate} {packed}",
        "more": "As published, LoRA takes the perplexity of {base} on new text up, from {padded} by {text} in padded "
        "lines, {gap} in loss per token. {rate} {packed}",
    }

    def data(self, size: Size) -> StudyData:
        """Return WikiText, or with ``quick`` made-up words."""
        characters, test = by_size(size, (8_000, 4_000), (30_000, 10_000), (2_800_000, 200_000))
        return self.text(size, "wikitext", characters, test)

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the arms on padded lines, and again on packed rows."""
        del data
        adapter = f"lora(8, 32, dropout=0.05, targets='{self.attention}')"
        ways: dict[str, tuple[str, float, Way]] = {
            PUBLISHED: (adapter, RATE, "published"),
            ALL: ("lora(8, 32, dropout=0.05)", RATE, "corrected"),
            FASTER: (adapter, 10 * RATE, "corrected"),
        }
        arms = [
            StudyArm(Arm(name=name, finetune=text, optimizer=f"adamw(lr={rate:g})"), way)
            for name, (text, rate, way) in ways.items()
        ]
        if size == "full":
            arms.append(StudyArm(Arm(name=TUNED, finetune=adapter, optimizer="adamw"), "tuned"))
        options: dict[str, Any] = {
            "model": self.start(size),
            "batch_size": 2,
            "clip": 1.0,
            "epochs": 1,
            "seeds": by_size(size, 2, 3, 3),
        }
        return {
            MAIN: Comparing(arms, {**options, "layout": "lines"}),
            PACKED: Comparing(arms, {**options, "layout": "packed"}),
        }

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return what a wrong name of a layer leads to, how much is trained, and how many lines are empty."""
        return {
            WRONG: lambda data: self._refused(size, data),
            "parameters": lambda data: self._trained(size, data),
            "lines": _lines,
        }

    def _trained(self, size: Size, data: StudyData) -> dict[str, Any]:
        """Return how many parameters the base has, and how many of them the published adapters train."""
        shape, start = shape_of(data), self.start(size)
        tuned = build_model(start, shape, finetune=f"lora(8, 32, targets='{self.attention}')")
        return {"base": count_parameters(build_model(start, shape)), "trained": count_parameters(tuned)}

    def _refused(self, size: Size, data: StudyData) -> dict[str, Any]:
        """Return what is said where one of the names is that of no layer, as in the published list."""
        wrong = f"{self.attention},no_such_proj"
        try:
            build_model(self.start(size), shape_of(data), finetune=f"lora(8, 32, targets='{wrong}')")
        except OptionError as error:
            return {"names": wrong, "said": error.fact.partition("': ")[2] or error.fact.rpartition('": ')[2]}
        return {"names": wrong, "said": ""}

    def _base_text(self, parameters: int, size: str) -> str:
        """Return what the arms begin with: its name, its parameters, and what it was trained on where that is known."""
        known = {
            "quick": ("a small network", ", trained on made-up words"),
            "model": (Path(self.model).name, ""),
        }
        name, trained = known.get(
            "model" if self.model else size, (STORIES, ", trained on children's stories")
        )
        return f"{name} ({parameters:,} parameters{trained})"

    def columns(self) -> Sequence[StudyColumn]:
        """Return losses and perplexities before and after, and the steps."""
        steps = StudyColumn(
            "steps", lambda found, of, arm: [float(each.steps) for each in found.records(arm, of)], False, 0
        )
        return [*before_after(), steps]

    def answer(self, found: Found) -> Answer:
        """Return what the published settings change, and what packing does to that."""
        changes = {
            (of, arm): (after(found, of, arm), before(found, of, arm))
            for of in (MAIN, PACKED)
            for arm in (PUBLISHED, ALL, FASTER)
        }
        found_gaps = dict(zip(changes, gaps([*changes.values()]), strict=True))
        own, faster = found_gaps[MAIN, PUBLISHED], found_gaps[MAIN, FASTER]
        lines, sizes = found.measured["lines"], found.measured["parameters"]
        refused = found.measured[WRONG]
        steps = {of: found.records(PUBLISHED, of)[0].steps for of in (MAIN, PACKED)}
        shown = {key: each.text(percent=False, digits=3) for key, each in found_gaps.items()}
        return Answer(
            own.verdict,
            {
                "base": self._base_text(sizes["base"], str(found.size)),
                "text": _amount(found.data.text),
                "padded": from_to(found, PUBLISHED).partition(" (")[0].replace("→", "to"),
                "gap": shown[MAIN, PUBLISHED],
                "rate": f"At ten times the rate it is {shown[MAIN, FASTER]}.",
                "packed": f"On packed rows, in {steps[PACKED]:,} instead of {steps[MAIN]:,} steps, it is "
                f"{shown[PACKED, PUBLISHED]}, and at ten times the rate {shown[PACKED, FASTER]}.",
            },
            [
                Beside(
                    what="perplexity on padded lines",
                    published="after training only, as the exponential of a mean of batches' losses",
                    measured=from_to(found, PUBLISHED),
                ),
                Beside(
                    what="perplexity on packed rows",
                    published="not measured",
                    measured=from_to(found, PUBLISHED, PACKED),
                ),
                Beside(
                    what="empty lines",
                    published=f"{EMPTY_SHARE:.0%} of the lines; a batch of two of them has the loss NaN",
                    measured=f"{lines['empty'] / lines['lines']:.0%} of {lines['lines']:,}, which are left out",
                ),
                Beside(
                    what="target names",
                    published="one of four names is that of no layer, and nothing says so",
                    measured=refused["said"] or "not refused",
                ),
                Beside(
                    what="trained parameters",
                    published="their number is printed",
                    measured=f"{sizes['trained']:,} beside {sizes['base']:,} of the base",
                ),
            ],
            [
                Check(
                    what="a name that no layer has is refused",
                    passed="no_such_proj" in refused["said"],
                    found=refused["said"] or "accepted",
                ),
                Check(
                    what="no run has a loss that is not finite",
                    passed=not any(
                        each.failed
                        for arm in (PUBLISHED, ALL, FASTER)
                        for of in (MAIN, PACKED)
                        for each in found.records(arm, of)
                    ),
                    found="all finite",
                ),
                Check(
                    what="ten times the rate changes more",
                    passed=abs(faster.mean) > abs(own.mean),
                    found=f"{shown[MAIN, FASTER]} against {shown[MAIN, PUBLISHED]}",
                ),
            ],
            [_curves(found)],
            [
                "Differences are after minus before, by seed; a negative one is a lower loss per token. In padded rows "
                "a token sees its own line only, in packed ones all before it in the row: these losses are of other "
                'questions, and what training changed is compared. The report\'s "another text" is the test text.',
            ],
        )


def _amount(text: str) -> str:
    """Return how much of a text is learned from.

    Example:
        >>> _amount("WikiText: 29,088 characters to learn from, 9,492 test characters")
        '29,088 characters of WikiText'
    """
    name, _, counts = text.partition(": ")
    return f"{counts.partition(' to learn from')[0]} of {name}"


def _lines(data: StudyData) -> dict[str, Any]:
    """Return how many lines the training text has, and how many of them are empty."""
    read = read_documents(data.path.as_posix(), field=None, layout="lines")
    return {"lines": read.lines, "empty": read.empty_lines}


def _curves(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    for of, called in ((MAIN, "padded"), (PACKED, PACKED)):
        for arm in (PUBLISHED, FASTER):
            curves = [each.curve for each in found.records(arm, of)]
            points = [
                ends([each[place].validation["token_loss"] for each in curves])
                for place in range(min(map(len, curves)))
            ]
            y, low, high = (list(each) for each in zip(*points, strict=True))
            x = [curves[0][place].epoch for place in range(len(y))]
            lines.append(FigureLine(name=f"{called}, {arm}", x=x, y=y, low=low, high=high))
    return Drawing(
        title="Loss per token on validation text",
        x="epoch",
        y="loss per token",
        lines=lines,
        caption="Means over seeds with 95 % intervals. Losses of padded and of packed rows are of other questions.",
    )
