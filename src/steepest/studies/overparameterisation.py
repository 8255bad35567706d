"""Does it matter less where a larger network starts?

The published experiment perturbs one start by 0.2 × normal seven times, trains networks with 10, 20-20 and 100-100
hidden units on 500 digits by 150 steps of gradient descent at rate 0.05, and shows that larger ones end closer
together and lower. 0.2 × normal is ten times the first layer's weights of MNIST (sd 0.021), so that the starts are
not close to each other and a wide network also begins at a larger scale. Here the same noise is also taken relative
to the weights' own sd, a linear model is the convex control, and the price is counted: parameters, seconds and the
gap between training and new digits. The published sliders (rate, up to 500 steps, up to 10 starts) are answered with
``full`` by losses on a grid of rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.data.dataset import Shape
from steepest.experiment.given import Arm
from steepest.models.mlp import MLP
from steepest.rng import stream
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, StudyColumn, ends, gaps, mean_text
from steepest.studies.base.plain import Rows, network, standardised
from steepest.studies.base.study import MAIN, Answer, Comparing, Measurement, Size, Study, StudyArm, by_size
from steepest.studies.base.watching import LOSS
from steepest.threads import library_threads

COMPONENTS = {
    "overparameterisation": {
        "object": "Overparameterisation",
        "what": "does the start matter less to a larger network?",
        "minutes": {"quick": 0.5, "default": 3.0, "full": 10.0},
        "tflop": {"quick": 0.1, "default": 2.0, "full": 6.0},
        "yours": (
            "compare data.csv --target y -o momentum --model 'mlp(hidden=[10])' --model "
            "'mlp(hidden=[100,100])' --seeds 10"
        ),
    }
}

NEARBY = "steepest.studies.overparameterisation:Nearby"
NOISE, ROWS, STEPS, RATE, STARTS = 0.2, 500, 150, 0.05, 7
NETS: dict[str, tuple[int, ...]] = {"linear": (), "10": (10,), "20, 20": (20, 20), "100, 100": (100, 100)}
MORE: dict[str, tuple[int, ...]] = {"100": (100,), "20, 20, 20, 20": (20, 20, 20, 20)}
"""Width and depth apart from each other, with ``full``."""
KINDS = {"0.2 × normal": False, "0.2 × sd": True}
"""What is added to the start: as published, and relative to the weights of each layer."""
RATES = (0.001, 0.01, 0.05, 0.2, 1.0)
MOST, EVERY, MANY = 500, 10, 10
"""Rates, steps and starts of the grid of losses, and after how many steps a loss is kept."""
START = 2021
PUBLISHED = {"10": "0.47–0.82", "20, 20": "0.34–0.44", "100, 100": "0.010–0.017"}
SMALL, LARGE = "10", "100, 100"


class Nearby(MLP):
    r"""A multilayer perceptron that begins near one start, the same for all seeds.

    .. math:: w_0 = u + \nu\, s\, \varepsilon, \qquad u \sim U(\pm 1/\sqrt{n}),\ \varepsilon \sim N(0, 1)

    Args:
        shape: the dataset's shape.
        hidden: widths of the hidden layers.
        noise: ν; ε is drawn by the run seed, u is not.
        relative: s is the sd of u in each layer, 1/√(3n); else 1.

    Example:
        >>> from steepest.data.dataset import InputField
        >>> shape = Shape("classification", {}, (), 2, (InputField("x", "values", (9,)),))
        >>> same = [Nearby(shape, hidden=(), noise=0.0).layers[-1].weight for _ in range(2)]
        >>> torch.equal(*same)
        True
    """

    def __init__(
        self, shape: Shape, *, hidden: Sequence[int] = (10,), noise: float = NOISE, relative: bool = False
    ) -> None:
        super().__init__(shape, hidden=hidden, activation="relu")
        draw = torch.Generator().manual_seed(START)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                bound = 1 / math.sqrt(layer.in_features)
                scale = noise * (bound / math.sqrt(3) if relative else 1.0)
                with torch.no_grad():
                    for each in layer.parameters():
                        each.uniform_(-bound, bound, generator=draw)
                        each.add_(torch.randn(each.shape), alpha=scale)


class Overparameterisation(Study):
    """Networks of several sizes from seven starts near to each other."""

    name = "overparameterisation"
    question = "Does it matter less where a larger network starts, and what does the size cost?"
    source = "tutorial on optimization techniques; curves of seven starts each, no numbers"
    headlines: ClassVar = {
        "less": "With the published noise the network 100-100 ends lower than the network 10 ({wide} against "
        "{narrow}), "
        "but that noise is {factor} times the sd of its first weights: relative to them it ends at {rwide} against "
        "{rnarrow}, {words}. "
        "Starts spread by {spread} of the mean. It costs {price}.",
        "more": "With the published noise the network 100-100 ends higher than the network 10 ({wide} against "
        "{narrow}); with "
        "noise relative to the weights at {rwide} against {rnarrow}, {words}. Starts spread by {spread} of the "
        "mean. It "
        "costs {price}.",
        "same": "With the published noise the networks 100-100 and 10 are not told apart ({wide} against {narrow}); "
        "with noise "
        "relative to the weights {rwide} against {rnarrow}, {words}. Starts spread by {spread} of the mean. It "
        "costs {price}.",
    }

    def data(self, size: Size) -> StudyData:
        """Return the digits: with ``quick`` bundled ones, else those of MNIST."""
        return all_digits(bundled=size == "quick")

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return one comparison of all networks with both kinds of noise; a seed is a start."""
        del data
        arms = [
            StudyArm(
                Arm(
                    name=arm_name(net, kind),
                    model=f"{NEARBY}(hidden={list(hidden)}, relative={str(relative).lower()})",
                    optimizer=f"sgd(lr={RATE})",
                ),
                "corrected" if relative else "published",
            )
            for net, hidden in _nets(size).items()
            for kind, relative in KINDS.items()
        ]
        options = {
            "train_rows": str(ROWS),
            "batch_size": "all",
            "epochs": STEPS,
            "seeds": by_size(size, 5, STARTS, 20),
        }
        return {MAIN: Comparing(arms, options, ["steepest.studies.base.watching:InSample"])}

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return with ``full`` the losses of every network by kind of noise, rate and start."""
        if size != "full":
            return {}
        return {
            arm_name(net, kind): _curves(NETS[net], relative=KINDS[kind]) for net in NETS for kind in KINDS
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return how low the networks end, how far apart, and what they cost."""
        return [
            StudyColumn("training loss", _loss, percent=False, digits=4),
            StudyColumn(
                "lowest", lambda found, of, arm: [min(_loss(found, of, arm))], percent=False, digits=4
            ),
            StudyColumn(
                "highest", lambda found, of, arm: [max(_loss(found, of, arm))], percent=False, digits=4
            ),
            StudyColumn("new − training loss", _gap, percent=False, digits=2),
            StudyColumn("parameters", _size, percent=False, digits=0),
            StudyColumn("CPU seconds", _seconds, percent=False, digits=2),
        ]

    def answer(self, found: Found) -> Answer:
        """Return whether size or the scale of the start does it."""
        published, relative = KINDS
        losses = {name: [math.log10(each) for each in _loss(found, MAIN, name)] for name in _names(found)}
        wide, corrected = gaps(
            [(losses[arm_name(LARGE, kind)], losses[arm_name(SMALL, kind)]) for kind in (published, relative)]
        )
        words = {"less": "which is lower too", "more": "which is higher", "same": "which is not told apart"}
        return Answer(
            wide.verdict,
            {
                "wide": _mean(found, LARGE, published),
                "narrow": _mean(found, SMALL, published),
                "rwide": _mean(found, LARGE, relative),
                "rnarrow": _mean(found, SMALL, relative),
                "words": words[corrected.verdict],
                "factor": f"{NOISE * math.sqrt(3 * found.data.pixels):.2g}",
                "spread": f"{_spread(found, LARGE, relative):.0%} against {_spread(found, SMALL, relative):.0%}",
                "price": _price(found),
            },
            [
                Beside(
                    what="final training losses of the starts, 0.2 × normal",
                    published="; ".join(f"{net}: {said}" for net, said in PUBLISHED.items())
                    + (" (on MNIST)" if found.size == "quick" else ""),
                    measured="; ".join(f"{net}: {_range(found, net, published)}" for net in PUBLISHED),
                ),
                Beside(
                    what="the same, 0.2 × the sd of the weights",
                    published="“very close at the beginning”",
                    measured="; ".join(f"{net}: {_range(found, net, relative)}" for net in NETS),
                    reason="0.2 × normal, as it was published, is ten times the first layer's weights",
                ),
                Beside(
                    what="convex control: a linear model, spread of its starts",
                    published="not shown",
                    measured=f"{_spread(found, 'linear', published):.0%} with 0.2 × normal, "
                    f"{_spread(found, 'linear', relative):.1%} relative",
                ),
            ],
            self._checks(found),
            [_drawing(found)],
            [
                "A seed is a start: digits and the unperturbed start are the same for all. The spread is the sd of "
                "the final "
                "losses as a share of their mean. New digits are test images; a gap is their log loss above the "
                "training loss.",
            ],
        )

    @staticmethod
    def _checks(found: Found) -> list[Check]:
        published, relative = KINDS
        checks = [
            Check(
                what="the starts of the convex control end nearer together than those of the network 10",
                passed=_spread(found, "linear", relative) < _spread(found, SMALL, relative),
                found=f"{_spread(found, 'linear', relative):.1%} against {_spread(found, SMALL, relative):.1%}",
            )
        ]
        if found.size != "quick":
            means = [sum(_loss(found, MAIN, arm_name(net, published))) for net in PUBLISHED]
            checks.append(
                Check(
                    what="with the published noise larger networks end lower",
                    passed=means == sorted(means, reverse=True),
                    found="; ".join(f"{net}: {_mean(found, net, published)}" for net in PUBLISHED),
                )
            )
        return checks


def _curves(hidden: Sequence[int], *, relative: bool) -> Measurement:
    def made(data: StudyData) -> dict[str, Any]:
        x, y = standardised(data)
        chosen = torch.from_numpy(stream(0, "data").permutation(len(x))[:ROWS])
        rows = x[chosen], y[chosen]
        with library_threads(1):
            losses = [descents(rows, nearby(x.shape[1], hidden, relative=relative), rate) for rate in RATES]
        return {"rates": [*RATES], "steps": [*range(0, MOST + 1, EVERY)], "loss": losses}

    return made


def nearby(width: int, hidden: Sequence[int], *, relative: bool, starts: int = MANY) -> list[Tensor]:
    """Return weights and biases of starts near to each other, drawn as by :class:`Nearby`: ``[starts, …]`` each.

    Args:
        width: numbers of a row.
        hidden: widths of the hidden layers.
        relative: the noise is relative to the sd of a layer's weights.
        starts: how many.
    """
    draws = [torch.Generator().manual_seed(START + 1 + each) for each in range(starts)]
    found: list[Tensor] = []
    for layer in network(width, hidden, START):
        if isinstance(layer, nn.Linear):
            scale = NOISE / math.sqrt(3 * layer.in_features) if relative else NOISE
            for each in layer.parameters():
                noise = torch.stack([torch.randn(each.shape, generator=draw) for draw in draws])
                found.append(each.detach() + scale * noise)
    return found


def descents(rows: Rows, starts: Sequence[Tensor], rate: float, most: int = MOST) -> list[list[float | None]]:
    """Return the loss of every start by step of gradient descent on all rows; None once it is no number.

    Args:
        rows: images and labels.
        starts: weights and biases of the layers in turn, ``[S, …]`` each: the starts are descended from at once.
        rate: of learning.
        most: steps.
    """
    count = len(starts[0])
    weights = [(each.mT if each.dim() == 3 else each[:, None]).clone() for each in starts]
    weights[0] = weights[0].movedim(0, 1).flatten(1)  # the first layer of all starts is one product
    for each in weights:
        each.requires_grad_(True)
    labels = rows[1].repeat(count)
    losses: list[list[float | None]] = [[] for _ in range(count)]
    for step in range(most + 1):
        h = (rows[0] @ weights[0]).unflatten(1, (count, -1)).movedim(1, 0) + weights[1]
        for weight, bias in zip(weights[2::2], weights[3::2], strict=True):
            h = torch.bmm(h.relu(), weight) + bias
        each = cross_entropy(h.flatten(0, 1), labels, reduction="none").unflatten(0, (count, -1)).mean(1)
        if step % EVERY == 0:
            for known, loss in zip(losses, each.tolist(), strict=True):
                known.append(loss if math.isfinite(loss) else None)
        gradients = torch.autograd.grad(each.sum(), weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= rate * gradient
    return losses


def _nets(size: str) -> dict[str, tuple[int, ...]]:
    return {**NETS, **MORE} if size == "full" else NETS


def arm_name(net: str, kind: str) -> str:
    """Return the title of a network with a kind of noise."""
    return f"{net}; {kind}"


def _names(found: Found) -> list[str]:
    return [arm_name(net, kind) for net in _nets(found.size) for kind in KINDS]


def _loss(found: Found, of: str, arm: str) -> list[float]:
    return found.last_logged(LOSS, arm, of)


def _gap(found: Found, of: str, arm: str) -> list[float]:
    """Return how far the log loss on new digits is above the training loss, at the end."""
    new = found.values("log_loss", arm, "last", of)
    return [test - loss for test, loss in zip(new, _loss(found, of, arm), strict=True)]


def _seconds(found: Found, of: str, arm: str) -> list[float]:
    """Return the mean seconds of a processor of a run, with its evaluations, where they were measured."""
    rows = (each for each in found.comparisons[of].rows if each.kind == "arm" and each.name == arm)
    return [each.cpu_seconds for each in rows if each.cpu_seconds is not None]


def weights_of(pixels: int, hidden: Sequence[int]) -> int:
    """Return the number of parameters of a network with ten outputs.

    Example:
        >>> weights_of(784, (100, 100))
        89610
    """
    return sum((before + 1) * after for before, after in pairwise([pixels, *hidden, 10]))


def _parameters(found: Found, arm: str) -> float:
    """Return the number of parameters of an arm's network."""
    return float(weights_of(found.data.pixels, _nets(found.size)[arm.split(";")[0]]))


def _size(found: Found, of: str, arm: str) -> list[float]:
    del of
    return [_parameters(found, arm)]


def _mean(found: Found, net: str, kind: str) -> str:
    return mean_text(_loss(found, MAIN, arm_name(net, kind)), percent=False, digits=3)


def _range(found: Found, net: str, kind: str) -> str:
    losses = _loss(found, MAIN, arm_name(net, kind))
    return f"{min(losses):.3g}–{max(losses):.3g}"


def _spread(found: Found, net: str, kind: str) -> float:
    losses = _loss(found, MAIN, arm_name(net, kind))
    return float(np.std(losses, ddof=1) / np.mean(losses))


def _price(found: Found) -> str:
    small, large = (arm_name(net, "0.2 × sd") for net in (SMALL, LARGE))
    seconds = [sum(_seconds(found, MAIN, name)) for name in (small, large)]
    new = [mean_text(_gap(found, MAIN, name), percent=False, digits=2) for name in (small, large)]
    return (
        f"{_parameters(found, large) / _parameters(found, small):.0f} times the parameters, "
        f"{seconds[1] / seconds[0]:.1f} times "
        f"the seconds of a processor, and a gap to new digits of {new[1]} against {new[0]}"
    )


def _drawing(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    nets = [*_nets(found.size)]
    for kind in KINDS:
        values = [ends(_loss(found, MAIN, arm_name(net, kind))) for net in nets]
        lines.append(
            FigureLine(
                name=kind,
                x=[float(place) for place in range(len(nets))],
                y=[each[0] for each in values],
                low=[min(_loss(found, MAIN, arm_name(net, kind))) for net in nets],
                high=[max(_loss(found, MAIN, arm_name(net, kind))) for net in nets],
                joined=False,
            )
        )
    return Drawing(
        title="Final training loss by size",
        x="hidden units, and parameters",
        y="training loss",
        lines=lines,
        logarithmic_y=True,
        ticks={f"{net}: {_parameters(found, net):,.0f}": float(place) for place, net in enumerate(nets)},
        caption="Means of the starts, and bars from the lowest to the highest.",
    )
