"""By how much does batch norm widen the range of good learning rates?

The published experiment trains 784-128-10 and 784-128-64-32-32-10 with and without batch norm by SGD (rate 0.01,
momentum 0.9), with dropout 0.5 before the output in all but the plain shallow net, so that it mixes the two. Here
batch norm and dropout are crossed, at seven rates and three scales of the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar

from steepest.compare.studied import Beside, Check
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, gaps, mean, times
from steepest.studies.base.lecture import (
    DEEP,
    GOOD,
    LECTURE,
    MODULE,
    RATE,
    SEVEN,
    SHALLOW,
    LectureStudy,
    cut_off,
    decades,
    highest,
    known,
    lecture_protocol,
    lowest,
    net_text,
    plain,
    right,
)
from steepest.studies.base.rates import by_rate
from steepest.studies.base.shapes import IN_SAMPLE, NEW_LAST
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm, by_size
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "batch-norm": {
        "object": "BatchNorm",
        "what": "by how much does batch norm widen the range of good rates?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 240.0},
        "tflop": {"quick": 0.5, "default": 12.0, "full": 400.0},
        "yours": (
            "compare data.csv --target y -o momentum --model 'mlp(norm=none)' --model "
            "'mlp(norm=batch)' --sweep"
        ),
    }
}

SCALES = (1 / 3, 1.0, 3.0)
SCALE_NAMES = {1 / 3: "start ⅓", 1.0: "start 1", 3.0: "start 3"}
DROPOUT = 0.5
FIXED = "published-rate"
_TOP = {"more": "is higher", "same": "is not told apart", "less": "is lower"}
_START = {"more": "more on", "same": "as far as is shown no less on", "less": "less on"}
_NEW = {"more": "rises", "same": "is not told apart", "less": "falls"}


class BatchNorm(LectureStudy):
    """With and without batch norm and dropout, at seven rates and three scales of the start."""

    name = "batch-norm"
    question = "By how much does batch norm widen the range of good learning rates, and what else does it do?"
    source = f"{LECTURE}, its part on batch norm; it draws no figure and prints no numbers"
    headlines: ClassVar = {
        "more": "Batch norm widens the range of good rates: by {least}{width} decades ({dropout} with dropout); "
        "{rest}.",
        "same": "That batch norm widens the range of good rates is not shown: {width} decades ({dropout} with "
        "dropout); {rest}.",
        "less": "Batch norm narrows the range of good rates: by {width} decades ({dropout} with dropout); {rest}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return all rates of the deep net, and both nets at the published rate."""
        del data
        arms = [
            StudyArm(
                Arm(
                    optimizer="momentum",
                    name=_name(norm, share, scale),
                    model=net_text(DEEP, norm=norm, dropout=share, scale=scale),
                ),
                "tuned",
            )
            for scale, share, norm in product(SCALES, (0.0, DROPOUT), (False, True))
            if size != "quick" or scale == 1 or not share
        ]
        seeds = (3, 4, 5)
        options = lecture_protocol(size, seeds, sweep=True, full_rates=1)
        options["learning_rates"] = by_size(size, SEVEN[1::2], SEVEN, SEVEN)
        fixed = [
            StudyArm(
                Arm(
                    optimizer=f"momentum(lr={RATE:g})",
                    name=f"{net}: {_name(norm, share)}",
                    model=net_text(hidden, norm=norm, dropout=share),
                ),
                "published" if share or (net == "shallow" and not norm) else "corrected",
            )
            for (net, hidden), share, norm in product(
                (("shallow", SHALLOW), ("deep", DEEP)), (0.0, DROPOUT), (False, True)
            )
        ]
        watching = [f"{MODULE}:FittedAtEnd"]
        return {
            MAIN: Comparing(arms, options, watching),
            FIXED: Comparing(fixed, lecture_protocol(size, seeds), watching),
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return the range of good rates, and accuracy at the rate that was chosen."""
        return [
            StudyColumn("good rates, decades", _decades, percent=False, digits=2),
            StudyColumn("log10 of highest", _highest, percent=False, digits=2),
            StudyColumn("lowest loss", _lowest, percent=False, digits=3),
            IN_SAMPLE,
            NEW_LAST,
        ]

    def answer(self, found: Found) -> Answer:
        """Return by how much batch norm widens the range, and whether the other claims hold."""
        plain_net, normed = _name(False, 0.0), _name(True, 0.0)
        spreads = [[_spread(each) for each in _by_start(found, norm)] for norm in (True, False)]
        gap_of = {
            "width": (decades(found, normed), decades(found, plain_net)),
            "dropout": (decades(found, _name(True, DROPOUT)), decades(found, _name(False, DROPOUT))),
            "top": known(highest(found, normed), highest(found, plain_net)),
            "start": (spreads[0], spreads[1]),
            "new": (right(found, normed), right(found, plain_net)),
            "shrinks": known(_optimism(found, normed), _optimism(found, plain_net)),
            "common": (decades(found, normed, [plain_net]), decades(found, plain_net, [normed])),
        } | {
            _width_at(scale): (
                decades(found, _name(True, 0.0, scale)),
                decades(found, _name(False, 0.0, scale)),
            )
            for scale in SCALES
            if scale != 1
        }
        gap: dict[str, Gap] = {}
        for names in (("width", "dropout", "top"), ("start", "new", "shrinks"), _OTHERS):
            pairs = [gap_of[name] for name in names]
            gap |= dict(zip(names, gaps(pairs), strict=True))
        wide = [arm.title for arm in found.arms() if cut_off(found, arm.title)]
        learns = [mean(found.last_logged(FITTED, name)) for name in (plain_net, normed)]
        return Answer(
            gap["width"].verdict,
            {
                "least": "at least " if normed in wide and plain_net not in wide else "",
                "width": plain(gap["width"]),
                "dropout": plain(gap["dropout"]),
                "rest": "; ".join(
                    (
                        f"the highest good rate {_TOP[gap['top'].verdict]} ({times(gap['top'])} as high)",
                        f"the loss depends {_START[gap['start'].verdict]} the scale of the start "
                        f"({plain(gap['start'], 3)} in its range over three)",
                        f"at chosen rates, accuracy on new images {_NEW[gap['new'].verdict]} "
                        f"({gap['new'].text()})",
                    )
                ),
            },
            [
                Beside(
                    what="highest good rate, batch norm against none",
                    published="batch norm allows larger rates",
                    measured=times(gap["top"]),
                ),
                Beside(
                    what="decades of good rates, batch norm − none",
                    published="not measured",
                    measured="; ".join(
                        [f"start 1: {plain(gap['width'])}"]
                        + [f"{SCALE_NAMES[s]}: {plain(gap[_width_at(s)])}" for s in SCALES if s != 1]
                        + [f"start 1, by the lowest loss of both: {plain(gap['common'])}"]
                    ),
                ),
                Beside(
                    what="range of the lowest loss over three starts, batch norm − none",
                    published="batch norm lessens the sensitivity to the start",
                    measured=plain(gap["start"], 3),
                ),
                Beside(
                    what="in-sample minus new images, batch norm − none",
                    published="batch norm adds noise that regularises",
                    measured=f"{gap['shrinks'].text()}; on new images {gap['new'].text()}",
                ),
                Beside(
                    what="the published arms at rate 0.01, right on new images",
                    published="batch norm is added together with dropout 0.5",
                    measured=_mixed(found),
                ),
            ],
            [
                Check(
                    what="at the chosen rate and torch's start, both nets learn",
                    passed=min(learns) > 0.9,
                    found=f"{100 * learns[0]:.1f} % without batch norm, {100 * learns[1]:.1f} % with it",
                )
            ],
            [by_rate(found, [_name(norm, 0.0, scale) for norm, scale in product((False, True), SCALES)])],
            [
                f"A rate is good where the validation loss is at most {GOOD:g} times the lowest of the same arm and "
                "seed, if that is below half the loss of guessing; between rates the loss is interpolated. The "
                "intervals of the range and of its end hold together, and so do those of the other statements; a "
                "failed run counts as guessing.",
                f"The range reaches an end of the grid, so that it is wider still, with {'; '.join(wide)}."
                if wide
                else "No range reaches an end of the grid.",
            ],
        )


def _width_at(scale: float) -> str:
    return f"width, {SCALE_NAMES[scale]}"


_OTHERS = (*(_width_at(scale) for scale in SCALES if scale != 1), "common")


def _name(norm: bool, dropout: float, scale: float = 1.0) -> str:
    text = ("batch norm" if norm else "none") + (f", dropout {dropout:g}" if dropout else "")
    return text if scale == 1 else f"{text}, {SCALE_NAMES[scale]}"


def _decades(found: Found, of: str, arm: str) -> list[float]:
    return decades(found, arm, (), of)


def _highest(found: Found, of: str, arm: str) -> list[float]:
    return highest(found, arm, of)


def _lowest(found: Found, of: str, arm: str) -> list[float]:
    return lowest(found, arm, of)


def _by_start(found: Found, norm: bool) -> list[list[float]]:
    """Return the lowest losses of every seed, at each start."""
    losses = [lowest(found, _name(norm, 0.0, scale)) for scale in SCALES]
    return [list(each) for each in zip(*losses, strict=True)]


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _optimism(found: Found, name: str) -> list[float]:
    """Return how much better a network is on its training images than on new ones."""
    new = found.values("accuracy", name, "last")
    return [one - other for one, other in zip(found.last_logged(FITTED, name), new, strict=True)]


def _mixed(found: Found) -> str:
    """Return what batch norm and dropout do at the published rate, apart and together, on each net."""
    nets = ("shallow", "deep")

    def new(net: str, norm: bool, dropout: float) -> list[float]:
        return right(found, f"{net}: {_name(norm, dropout)}", FIXED)

    pairs = [(new(net, *one), new(net, False, 0.0)) for net in nets for one in _WAYS]
    measured = iter(gaps(pairs))
    return "; ".join(
        f"{net}: " + ", ".join(f"{text} {next(measured).text()}" for text in _WAYS.values()) for net in nets
    )


_WAYS = {(True, 0.0): "batch norm", (False, DROPOUT): "dropout", (True, DROPOUT): "both"}
