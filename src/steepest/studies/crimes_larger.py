"""What do wider embeddings, more layers and more dropout do to the published network of Chicago's crimes?

The published notebook trains a larger network three times: with "Quickprop" (gradient descent at 0.01), with more
dropout on the embeddings, and with Adam. It differs from the smaller one in width and depth at once. Here width, depth
and dropout are crossed, so that each has an effect of its own, with seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.data.dataset import Shape
from steepest.experiment.given import Arm
from steepest.models.embedding_mlp import EmbeddingMLP
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, gaps, mean, mean_text
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm, by_size
from steepest.studies.crimes import METRICS, TAKEN, CrimesStudy, fewer

COMPONENTS = {
    "crimes-larger": {
        "object": "CrimesLarger",
        "what": "width, depth and embedding dropout of the published network",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 0.2, "default": 2.0, "full": 10.0},
        "yours": (
            "compare data.csv --target y -o sgd --model 'embedding-mlp(dropout=0.1)' --model "
            "'embedding-mlp(dropout=0.5)'"
        ),
    }
}

WIDTHS = {"narrow": 128, "wide": 600}
"""Widths of the embedding of blocks of houses."""
DEPTHS = {"2 layers": (128, 64), "4 layers": (256, 128, 64, 32)}
DROPOUTS = (0.1, 0.5)
SGD, ADAM = "sgd(lr=0.01)", "adam(lr=1e-3)"
PUBLISHED = {
    "narrow, 2 layers, 0.1": (1.5016, 1.4739, 46.505, 21.49, 11.22, 10.38),
    "wide, 4 layers, 0.1": (1.5076, 1.4761, 46.388, 18.24, 11.25, 10.29),
    "wide, 4 layers, 0.5": (1.5297, 1.4881, 46.300, 19.06, 11.08, 10.10),
    "narrow, 2 layers, 0.1, Adam": (1.4883, 1.4682, 46.360, 21.55, 11.08, 10.27),
    "wide, 4 layers, 0.1, Adam": (1.4937, 1.4698, 46.475, 18.83, 11.22, 10.28),
}
"""Training loss, validation loss, accuracy, macro precision, recall and F1 in percent."""
FACTORS = ("width", "depth", "dropout")
SAYS = {"width": "wide − narrow", "depth": "4 − 2 layers", "dropout": "0.5 − 0.1 dropout"}


class CrimesNet(EmbeddingMLP):
    """The published network with a width of the embedding of blocks.

    Args:
        shape: of the data.
        block: width of the embedding of the column Block.
        hidden: widths of the layers.
        dropout: of embedded values.
    """

    def __init__(self, shape: Shape, *, block: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__(shape, hidden=hidden, dropout=dropout, embedding={"Block": block})


class CrimesLarger(CrimesStudy):
    """Two widths by two depths by two dropouts with gradient descent, and the published networks with Adam."""

    name = "crimes-larger"
    question = "What do width, depth and embedding dropout do to the published network of Chicago's crimes?"
    source = "a notebook of March 2021 on 7,260,345 crimes, one epoch, three runs of a larger network"
    headlines: ClassVar = {
        "some": "On the loss on new rows, {effects}.",
        "none": "On the loss on new rows no effect is told apart from none: {effects}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the eight networks with gradient descent, and two of them with Adam."""
        del data
        arms = [
            StudyArm(
                Arm(
                    name=name,
                    model=f"steepest.studies.crimes_larger:CrimesNet(block={WIDTHS[width]}, "
                    f"hidden={[*DEPTHS[depth]]}, dropout={dropout})",
                    optimizer=ADAM if adam else SGD,
                ),
                "published" if name in PUBLISHED else "corrected",
            )
            for adam in (False, True)
            for width, depth, dropout in product(WIDTHS, DEPTHS, DROPOUTS)
            if (name := _name(width, depth, dropout, adam=adam)) in PUBLISHED or not adam
        ]
        options = {"batch_size": 64, "epochs": 1, "seeds": by_size(size, 3, 5, 5)}
        return {MAIN: Comparing(arms, options, ["steepest.studies.crimes:TrainingLoss"])}

    def columns(self) -> Sequence[StudyColumn]:
        """Return the losses and scores of the published table."""
        return super().columns()[1:7]

    def answer(self, found: Found) -> Answer:
        """Return the main effects on the loss on new rows, and the published runs beside those here."""
        effects: dict[str, Gap] = dict(
            zip(FACTORS, gaps([_pair(found, factor) for factor in FACTORS]), strict=True)
        )
        apart = [each for each in effects.values() if each.verdict != "same"]
        return Answer(
            "some" if apart else "none",
            {
                "effects": "; ".join(
                    f"{SAYS[factor]} {gap.text(percent=False, digits=4)}" for factor, gap in effects.items()
                )
            },
            [
                *(
                    Beside(
                        what=f"{name}: training and validation loss; accuracy, macro P, R, F1",
                        published=f"{train:.4f}, {loss:.4f}; {', '.join(f'{each:g}' for each in scores)} %",
                        measured=_row(found, name),
                        reason=fewer(found),
                    )
                    for name, (train, loss, *scores) in PUBLISHED.items()
                ),
                Beside(
                    what="larger − smaller network: loss on new rows by gradient descent, by Adam",
                    published="0.0022, 0.0016 (one run each)",
                    measured=", ".join(
                        each.text(percent=False, digits=4)
                        for each in gaps([_larger(found, suffix) for suffix in ("", ", Adam")])
                    ),
                ),
            ],
            [
                Check(
                    what="every run is finite",
                    passed=not any(each.failed for arm in found.arms() for each in found.records(arm.title)),
                    found="by network and seed",
                )
            ],
            [_drawing(effects)],
            [
                "An effect is the difference of means over the four networks with gradient descent that have the one "
                "value and the four that have the other, by seed, with a 95 % interval for all three together. The "
                "width is that of the embedding of blocks of houses: 128 or 600.",
            ],
        )


def _name(width: str, depth: str, dropout: float, *, adam: bool = False) -> str:
    return f"{width}, {depth}, {dropout}{', Adam' if adam else ''}"


def _losses(found: Found, name: str) -> list[float]:
    return found.values("log_loss", name, "last")


def _pair(found: Found, factor: str) -> tuple[list[float], list[float]]:
    """Return the means of the arms with the second and with the first value of a factor, of every seed."""
    place = FACTORS.index(factor)
    wanted = ("wide", "4 layers", DROPOUTS[1])[place]
    groups: tuple[list[list[float]], list[list[float]]] = ([], [])
    for chosen in product(WIDTHS, DEPTHS, DROPOUTS):
        groups[chosen[place] != wanted].append(_losses(found, _name(*chosen)))
    first, other = ([mean(each) for each in zip(*group, strict=True)] for group in groups)
    return first, other


def _larger(found: Found, suffix: str) -> tuple[list[float], list[float]]:
    return _losses(found, f"wide, 4 layers, 0.1{suffix}"), _losses(found, f"narrow, 2 layers, 0.1{suffix}")


def _row(found: Found, name: str) -> str:
    scores = ", ".join(mean_text(found.values(each, name, "last")) for each in METRICS)
    losses = (found.last_logged(TAKEN, name), _losses(found, name))
    first, second = (mean_text(each, percent=False, digits=4) for each in losses)
    return f"{first}, {second}; {scores} %"


def _drawing(effects: Mapping[str, Gap]) -> Drawing:
    places = {SAYS[factor]: float(i) for i, factor in enumerate(effects)}
    values = [(gap.mean, gap.low, gap.high) for gap in effects.values()]
    y, low, high = (list(each) for each in zip(*values, strict=True))
    return Drawing(
        title="What each change does to the loss on new rows",
        x="change",
        y="difference of log losses",
        lines=[
            FigureLine(name="effect", x=[*places.values()], y=y, low=low, high=high, joined=False),
            FigureLine(name="none", x=[-0.5, len(places) - 0.5], y=[0.0, 0.0]),
        ],
        ticks=places,
        caption="Means over seeds with 95 % intervals that hold together. Below 0 the change helps.",
    )
