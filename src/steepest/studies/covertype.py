"""What does a softmax in front of cross-entropy cost, and do wide and cross layers help on Covertype?

The published networks pass their outputs through a softmax and then into cross-entropy, which takes another one, and
read numbers as they are, elevations in metres beside slopes in degrees. With seven classes the loss of a softmax can
not go below log(1 + 6/e) = 1.165, and where it is saturated it is 2.165 minus the accuracy: a line that the published
losses lie on. Here each of the two is mended alone, and wide and cross layers are compared with both mended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.data.dataset import Shape
from steepest.errors import unknown_name
from steepest.experiment.given import Arm
from steepest.models.columns import embeddings_of
from steepest.models.deep_cross import CrossMatrix
from steepest.models.layers import hidden_layers
from steepest.rng import stream
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Curve, Found, StudyColumn, ends, gaps, mean, mean_text
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.studies.base.tables import catalog_rows, kept_table
from steepest.train.callback import Callback, View

COMPONENTS = {
    "covertype": {
        "object": "CovertypeStudy",
        "what": "softmax before the loss; wide and cross layers",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 120.0},
        "tflop": {"quick": 0.1, "default": 3.0, "full": 60.0},
        "yours": (
            "compare data.csv --target y -o adam --model embedding-mlp --model wide-deep --model deep-cross"
        ),
    }
}

NUMBERS: Mapping[str, tuple[float, float]] = {
    "Elevation": (2959.365, 279.985),
    "Aspect": (155.657, 111.914),
    "Slope": (14.104, 7.488),
    "Horizontal_Distance_To_Hydrology": (269.428, 212.549),
    "Vertical_Distance_To_Hydrology": (46.419, 58.295),
    "Horizontal_Distance_To_Roadways": (2350.147, 1559.255),
    "Hillshade_9am": (212.146, 26.770),
    "Hillshade_Noon": (223.319, 19.769),
    "Hillshade_3pm": (142.528, 38.275),
    "Horizontal_Distance_To_Fire_Points": (1980.291, 1324.195),
}
"""Mean and standard deviation of each column over all 581,012 rows, to undo standard scores."""
AREAS, SOILS, KINDS = 4, 40, 7
WIDTHS = {"Wilderness_Area": 2, "Soil_Type": 6}
"""Widths of the published embeddings, ⌊√n⌋."""
TARGET = "Cover_Type"
FLOOR = math.log(1 + (KINDS - 1) / math.e)
"""The loss of a softmax that is sure and right, fed into cross-entropy; of one that is sure and wrong it is 1 more."""
EPOCH_STEPS, PUBLISHED_EPOCHS = 1862, 38
"""Steps of a published epoch, and the epoch at which its log is cut."""
PUBLISHED = {"as written": (1.4863, 1.4074), "deep & cross, as written": (1.4716, 1.3922)}
"""The printed losses of the first epoch and of epoch 38."""
WITHIN = 0.008
BASE, LOGITS, SCALED, BOTH = "as written", "as written, logits", "as written, scaled", "logits, scaled"
CROSSED, WIDE = "deep & cross, as written", "wide & deep, as written"
ONE_HOT, EMBEDDED, STRONG = "wide one-hot", "wide embedded", "strong recipe"
LAYERS = {each: f"{each} cross layer{'s' if each > 1 else ''}" for each in range(1, 5)}
LOSS, RECALL = "mean training loss of the epoch", "recall of class"


class TutorialNet(nn.Module):
    """The published networks: hidden layers with batch norm and dropout, beside a wide part or cross layers.

    Args:
        shape: of the data.
        beside: ``none``, ``wide-one-hot``, ``wide-embedded`` (inputs that go to the output as they are, normalised by
            batch norm), or ``cross`` (cross layers, each with batch norm behind it).
        layers: of the cross.
        raw: whether numbers are read in their units.
        softmax: whether outputs are probabilities, which a loss of logits reads as logits.
    """

    mean: Tensor
    sd: Tensor

    def __init__(
        self,
        shape: Shape,
        *,
        beside: str = "none",
        layers: int = 2,
        raw: bool = False,
        softmax: bool = False,
    ) -> None:
        super().__init__()
        if beside not in ("none", "wide-one-hot", "wide-embedded", "cross"):
            raise unknown_name(
                "part beside the hidden layers", beside, ("none", "wide-one-hot", "wide-embedded", "cross")
            )
        self.beside, self.softmax = beside, softmax
        self.codes = list(shape.cardinalities.values())
        self.embeddings = embeddings_of(shape, WIDTHS)
        mean, sd = (torch.tensor([NUMBERS[each][i] for each in shape.continuous]) for i in (0, 1))
        self.register_buffer("mean", mean if raw else torch.zeros(len(mean)))
        self.register_buffer("sd", sd if raw else torch.ones(len(sd)))
        width = sum(WIDTHS.values()) + len(mean)
        self.deep = nn.Sequential(*hidden_layers(width, (32, 32), "relu", "batch", 0.1))
        wide = {"wide-one-hot": sum(self.codes) + len(mean), "none": 0}.get(beside, width)
        crosses = layers if beside == "cross" else 0
        self.crosses = nn.ModuleList(CrossMatrix(width, 0) for _ in range(crosses))
        self.norms = nn.ModuleList(nn.BatchNorm1d(wide) for _ in range(crosses or min(wide, 1)))
        self.head = nn.Linear(32 + wide, shape.outputs)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return outputs ``[B, K]``: logits, or with ``softmax`` probabilities in their place."""
        numbers = continuous * self.sd + self.mean
        vectors = [each(categorical[:, i]) for i, each in enumerate(self.embeddings)]
        first = torch.cat([*vectors, numbers], 1)
        read = [self.deep(first)]
        if self.beside == "cross":
            crossed = first
            for cross, norm in zip(self.crosses, self.norms, strict=True):
                crossed = norm(cross(first, crossed))
            read.insert(0, crossed)
        elif self.beside == "wide-embedded":
            read.insert(0, self.norms[0](first))
        elif self.beside == "wide-one-hot":
            hot = [
                nn.functional.one_hot(categorical[:, i], size).to(numbers.dtype)
                for i, size in enumerate(self.codes)
            ]
            read.insert(0, self.norms[0](torch.cat([*hot, numbers], 1)))
        outputs = self.head(torch.cat(read, 1))
        return outputs.softmax(1) if self.softmax else outputs


class LossAndRecall(Callback):
    """Logs the mean of the batches' losses of every epoch, and at the end the recall of each class on the test rows."""

    only_watches = by_run = True

    def __init__(self) -> None:
        self._sums: dict[Any, tuple[float, int]] = {}

    def at_batch(self, view: View) -> None:
        """Add a loss, and log the mean where an epoch ends."""
        total, count = self._sums.get(view.key, (0.0, 0))
        self._sums[view.key] = total + view.loss, count + 1
        if view.epoch + 1e-9 >= math.floor(view.epoch + 1e-9) > view.epoch - 0.5 * view.epoch / view.step:
            total, count = self._sums.pop(view.key)
            view.log(LOSS, total / count)

    def at_end(self, view: View) -> None:
        """Log the recalls, of the last weights."""
        self._sums.pop(view.key, None)
        rows = view.test_rows()
        with torch.no_grad():
            right = view.model()(*rows.inputs).argmax(1) == rows.target
        for code in range(KINDS):
            mine = rows.target == code
            if bool(mine.any()):
                view.log(f"{RECALL} {code + 1}", float(right[mine].double().mean()))


class CovertypeStudy(Study):
    """The published networks as written, each fault mended alone, and wide and cross layers with both mended."""

    name = "covertype"
    question = "What does a softmax in front of cross-entropy cost, and do wide and cross layers help?"
    source = "a course notebook of 2025, tutorial on Covertype; losses of two networks, accuracies in words"
    headlines: ClassVar = {
        "more": "A softmax in front of cross-entropy costs accuracy: without it {logits}, with scaled inputs instead "
        "{scaled}, with both {both}. {beside}",
        "same": "A softmax in front of cross-entropy is not shown to cost accuracy: without it {logits}, with scaled "
        "inputs instead {scaled}, with both {both}. {beside}",
        "less": "A softmax in front of cross-entropy does not cost accuracy: without it {logits}, with scaled inputs "
        "instead {scaled}, with both {both}. {beside}",
    }

    def data(self, size: Size) -> StudyData:
        """Return the rows: all of Covertype, a tenth of them, or with ``quick`` generated ones of the same columns."""
        split = {"test": 0.15, "validation": 0.05}
        if size == "quick":
            options = {"target": TARGET, "task": "classification", "categorical": [*WIDTHS], **split}
            return kept_table(
                "covertype-like", "generated", "generated rows like Covertype's", generated(), options
            )
        frame, options, everything = catalog_rows("covertype", None if size == "full" else 58_101)
        text = "Covertype" if size == "full" else f"Covertype, a sample of its {everything:,} rows"
        return kept_table("covertype", "covertype", text, frame, {**options, **split})

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return all arms at the published rate, and with ``full`` the mended ones with tuned rates."""
        del data
        nets = {
            BASE: {"raw": True, "softmax": True},
            WIDE: {"beside": "wide-embedded", "raw": True, "softmax": True},
            CROSSED: {"beside": "cross", "raw": True, "softmax": True},
            LOGITS: {"raw": True},
            SCALED: {"softmax": True},
            BOTH: {},
            ONE_HOT: {"beside": "wide-one-hot"},
            EMBEDDED: {"beside": "wide-embedded"},
        } | {name: {"beside": "cross", "layers": each} for each, name in LAYERS.items()}
        arms = [
            StudyArm(
                Arm(name=name, model=_net(options), optimizer="adam(lr=1e-3)"),
                "published" if name in (BASE, WIDE, CROSSED) else "corrected",
            )
            for name, options in nets.items()
        ]
        strong = Arm(
            name=STRONG,
            model="embedding-mlp(hidden=[256, 128], dropout=0)",
            numbers="piecewise",
            optimizer="adamw(lr=3e-3)",
            schedule="cosine",
        )
        arms.append(StudyArm(strong, "corrected"))
        if size == "full":
            arms += [
                StudyArm(Arm(name=f"{name}, tuned", model=_net(nets[name]), optimizer="adam"), "tuned")
                for name in (BASE, BOTH)
            ]
        options = {
            "numbers": "standard",
            "batch_size": 265,
            "epochs": by_size(size, 15, 11, PUBLISHED_EPOCHS),
            "seeds": by_size(size, 3, 5, 5),
        }
        return {MAIN: Comparing(arms, options, ["steepest.studies.covertype:LossAndRecall"])}

    def columns(self) -> Sequence[StudyColumn]:
        """Return the training loss of the first and of the last epoch, and what holds on new rows."""
        return [
            StudyColumn("loss, epoch 1", _first, percent=False, digits=3),
            StudyColumn("loss, last", _last, percent=False, digits=3),
            StudyColumn(
                "right on new rows", lambda found, of, arm: found.values("accuracy", arm, "last", of)
            ),
            StudyColumn("mean recall", lambda found, of, arm: found.values("recall", arm, "last", of)),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what the two faults cost, and whether anything beside the hidden layers helps."""
        accuracy = {arm.title: found.values("accuracy", arm.title, "last") for arm in found.arms()}
        logits, scaled, both = gaps([(accuracy[each], accuracy[BASE]) for each in (LOGITS, SCALED, BOTH)])
        parts = (ONE_HOT, EMBEDDED, *LAYERS.values())
        beside = dict(zip(parts, gaps([(accuracy[each], accuracy[BOTH]) for each in parts]), strict=True))
        most, one = accuracy[LAYERS[4]], accuracy[LAYERS[1]]
        [degree] = gaps([(most, one)])
        better = [name for name, gap in beside.items() if gap.verdict == "more"]
        helped = (
            f"Beside the mended network {', '.join(f'{name} {beside[name].text()}' for name in better)}"
            if better
            else "Neither a wide part nor cross layers are shown to help the mended network"
        )
        rows = [
            Beside(
                what=f"loss, {name}: first epoch, epoch {PUBLISHED_EPOCHS}",
                published=f"{first:.4f}, {last:.4f}",
                measured=_losses(found, name),
                reason=_shorter(found, name),
            )
            for name, (first, last) in PUBLISHED.items()
        ]
        low, _, _ = ends(accuracy[BASE])
        rows += [
            Beside(
                what="accuracy as written: deep, wide & deep, deep & cross",
                published="about 75 %, 79 %, 75 % (80.7 % and 78.0–80.7 % in another version)",
                measured=", ".join(f"{mean_text(accuracy[each])} %" for each in (BASE, WIDE, CROSSED)),
                reason=_shorter(found, BASE),
            ),
            Beside(
                what="loss of a softmax fed into cross-entropy",
                published=f"at least log(1 + 6/e) = {FLOOR:.3f}; 2.165 − accuracy where it is saturated",
                measured=f"{mean_text(found.values('log_loss', BASE, 'last'), percent=False, digits=3)} on new rows, "
                f"where the line has {1 + FLOOR - low:.3f}",
            ),
            Beside(
                what="4 − 1 cross layers, right on new rows",
                published="more layers are products of a higher degree; no experiment shows what that is worth",
                measured=degree.text(),
            ),
            Beside(
                what="wide part: one-hot, embedded; against none",
                published="the text says one-hot, the code embeds",
                measured=f"{beside[ONE_HOT].text()}, {beside[EMBEDDED].text()}",
            ),
        ]
        return Answer(
            logits.verdict,
            {
                "logits": logits.text(),
                "scaled": scaled.text(),
                "both": both.text(),
                "beside": f"{helped}; the strong recipe is right on {mean_text(accuracy[STRONG])} %, "
                f"as written {mean_text(accuracy[BASE])} %.",
            },
            rows,
            _checks(found),
            [_line(found), _by_epoch(found), _recalls(found)],
            [
                f"Losses of an epoch are means over its batches. A published epoch has {EPOCH_STEPS:,} steps; what "
                "stands beside its first one is the mean over as many steps here, or over all where there are fewer. "
                "Recall is of the last weights on test rows. Numbers as they are: standard scores times the standard "
                "deviation of each column, plus its mean, over all rows of Covertype.",
            ],
        )


def _net(options: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name}={str(value).lower()}" for name, value in options.items())
    return f"steepest.studies.covertype:TutorialNet({given})"


def _epochs(found: Found, arm: str, place: int) -> list[float]:
    """Return the mean training loss of an epoch, of every seed."""
    return [curve[place][1] if curve else math.nan for curve in found.logged(LOSS, arm)]


def _first(found: Found, of: str, arm: str) -> list[float]:
    del of
    return _epochs(found, arm, 0)


def _last(found: Found, of: str, arm: str) -> list[float]:
    del of
    return _epochs(found, arm, -1)


def _early(curve: Curve) -> float:
    """Return the mean training loss over the steps of a published epoch.

    Example:
        >>> _early([(1000, 1.5), (2000, 1.3), (3000, 1.1)])
        1.4
    """
    steps = max(1, round(EPOCH_STEPS / curve[0][0]))
    return mean([value for _, value in curve[:steps]])


def _losses(found: Found, name: str) -> str:
    curves = found.logged(LOSS, name)
    early, last = [_early(each) for each in curves], _epochs(found, name, -1)
    return f"{mean_text(early, percent=False, digits=4)}, {mean_text(last, percent=False, digits=4)}"


def _shorter(found: Found, name: str) -> str:
    """Return by how many steps a run is shorter than the published one; nothing if it is not."""
    steps, published = round(found.logged(LOSS, name)[0][-1][0]), EPOCH_STEPS * PUBLISHED_EPOCHS
    return "" if steps >= published else f"the last of {steps:,} steps, not of {published:,}"


def _checks(found: Found) -> list[Check]:
    lowest = min(min(value for _, value in curve) for name in (BASE, WIDE, CROSSED, SCALED) for curve in
                 found.logged(LOSS, name))  # fmt: skip
    base, crossed = (_epochs(found, each, -1) for each in (BASE, CROSSED))
    lower = sum(one < other for one, other in zip(crossed, base, strict=True))
    checks = [
        Check(
            what=f"no training loss of a softmax is below {FLOOR:.3f}",
            passed=lowest >= FLOOR,
            found=f"the lowest is {lowest:.3f}",
        ),
        Check(
            what="as written, deep & cross ends at a lower training loss than the deep network with most seeds",
            passed=2 * lower > len(base),
            found=f"with {lower} of {len(base)}",
        ),
    ]
    if found.size == "full":
        for name, (first, last) in PUBLISHED.items():
            early = mean([_early(each) for each in found.logged(LOSS, name)])
            late = mean(_epochs(found, name, -1))
            checks.append(
                Check(
                    what=f"{name}: both published losses within {WITHIN}",
                    passed=abs(early - first) <= WITHIN and abs(late - last) <= WITHIN,
                    found=f"{early - first:+.4f}, {late - last:+.4f}",
                )
            )
    return checks


def _line(found: Found) -> Drawing:
    """Return validation loss against accuracy over the first run of each softmax, with the line of saturated ones."""
    lines = [FigureLine(name="2.165 − accuracy", x=[0.3, 1.0], y=[FLOOR + 0.7, FLOOR])]
    for name in (BASE, CROSSED, SCALED):
        points = [each.validation for each in found.records(name)[0].curve[1:]]
        lines.append(
            FigureLine(
                name=name, x=[each["accuracy"] for each in points], y=[each["log_loss"] for each in points]
            )
        )
    return Drawing(
        title="A softmax in front of cross-entropy: loss by accuracy",
        x="right on validation rows",
        y="validation loss",
        lines=lines,
        caption="The first seed of each arm, from evaluation to evaluation. A softmax that is sure lies on the line, "
        "whose right end is the least loss that there can be.",
    )


def _by_epoch(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    for name in (BASE, CROSSED, SCALED, LOGITS, BOTH, STRONG):
        curves = found.logged(LOSS, name)
        values = [ends([each[i][1] for each in curves]) for i in range(min(map(len, curves)))]
        y, low, high = (list(each) for each in zip(*values, strict=True))
        lines.append(FigureLine(name=name, x=[float(i + 1) for i in range(len(y))], y=y, low=low, high=high))
    least = [1.0, float(len(lines[0].x))]
    lines.append(FigureLine(name="floor of a softmax", x=least, y=[FLOOR, FLOOR]))
    return Drawing(
        title="Training loss by epoch",
        x="epoch",
        y="mean loss of the batches",
        lines=lines,
        caption="Means over seeds with 95 % intervals. Losses with and without a softmax in front are of other units.",
    )


def _recalls(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    for name in (BASE, LOGITS, SCALED, BOTH, STRONG):
        values = [ends(found.last_logged(f"{RECALL} {code}", name), 100) for code in range(1, KINDS + 1)]
        y, low, high = (list(each) for each in zip(*values, strict=True))
        lines.append(
            FigureLine(name=name, x=[float(each) for each in range(1, KINDS + 1)], y=y, low=low, high=high)
        )
    return Drawing(
        title="Recall by class",
        x="cover type",
        y="recall on new rows, %",
        lines=lines,
        ticks={str(each): float(each) for each in range(1, KINDS + 1)},
        caption="Means over seeds with 95 % intervals. Types 1 and 2 are 85 % of the rows, type 4 is 0.5 %.",
    )


def generated(rows: int = 4_000) -> pl.DataFrame:
    """Return rows with the columns of Covertype whose class depends on some of them: nothing else is like Covertype.

    Example:
        >>> made = generated(500)
        >>> made.shape, made["Cover_Type"].n_unique()
        ((500, 13), 7)
    """
    draw = stream(0, "data")
    z = draw.standard_normal((rows, len(NUMBERS)))
    area = np.clip(np.rint(1.5 + z[:, 0] + 0.5 * draw.standard_normal(rows)), 0, AREAS - 1).astype(int)
    soil = np.clip(np.rint(20 + 9 * z[:, 0] + 4 * draw.standard_normal(rows)), 0, SOILS - 1).astype(int)
    scores = np.column_stack([z, z[:, 0] * z[:, 1], z[:, 0] ** 2]) @ draw.standard_normal(
        (len(NUMBERS) + 2, KINDS)
    )
    scores += draw.standard_normal((AREAS, KINDS))[area] + draw.standard_normal((SOILS, KINDS))[soil]
    kinds = (scores + draw.gumbel(size=(rows, KINDS))).argmax(1) + 1
    numbers = {
        name: np.rint(mean + sd * z[:, i]).astype(int) for i, (name, (mean, sd)) in enumerate(NUMBERS.items())
    }
    return pl.DataFrame({**numbers, "Wilderness_Area": area, "Soil_Type": soil, TARGET: kinds})
