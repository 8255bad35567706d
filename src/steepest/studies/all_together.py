"""Which regularizer matters most, what are all of them worth together, and what is left of that with infinite data?

The published experiments compare regularizers on different images, nets and rates, and ask which one matters most, and
what all do together. Here every one is added alone to the same net on the same 250 images, and all together; the gains
are measured again with more images, of all ten classes of Fashion-MNIST, which has more than the faces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.studies.base.data import StudyData, all_clothes, three_classes
from steepest.studies.base.found import Found, Gap, StudyColumn, gaps, mean
from steepest.studies.base.shapes import (
    IN_SAMPLE,
    NEW_BEST,
    NEW_LAST,
    SOURCE,
    WIDE,
    both_ways,
    protocol,
    watched,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, by_size
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "all-together": {
        "object": "AllTogether",
        "what": "which regularizer is worth most, and with more data?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 120.0},
        "tflop": {"quick": 1.0, "default": 20.0, "full": 2000.0},
        "yours": (
            "compare data.csv --target y -o adam --regularizer none --regularizer dropout "
            "--regularizer 'l2(1e-4)' --regularizer label-smoothing --regularizer 'dropout + "
            "l2(1e-4) + label-smoothing'"
        ),
    }
}

NONE, TOGETHER, STOPPED = "none", "all together", "early stopping"
ALONE = {
    "augment": "augment(crop=2, rotation=10)",
    "dropout": "dropout(0.3)",
    STOPPED: "early-stopping(5)",
    "elastic-net": "elastic-net(0.0001)",
    "ema": "ema",
    "gradient-noise": "gradient-noise(0.01)",
    "l1": "l1(0.0001)",
    "l2": "l2(0.001)",
    "label-noise": "label-noise(0.1)",
    "label-smoothing": "label-smoothing(0.1)",
    "max-norm": "max-norm(3.0)",
    "mixup": "mixup(0.2)",
    "swa": "swa",
    "weight-decay": "weight-decay(0.01)",
}
"""Each at a usual strength."""
APART = (STOPPED, "elastic-net", "swa")
"""What is not among all together: it ends a run, is the sum of two others, or averages where another one does."""
ROWS, EPOCHS, RATE = 250, 100, 0.01


class AllTogether(Study):
    """Fourteen regularizers alone and eleven of them together, from 30 to 16,000 images, or to 54,000 with --full."""

    name = "all-together"
    question = (
        "Which regularizer is worth most, what are all worth together, and what is left with infinite data?"
    )
    source = SOURCE
    headlines: ClassVar = {
        "more": "All regularizers together are worth {together} on new images with {rows} images; alone, "
        "{ranking}. {more}",
        "same": "All regularizers together are not told apart from none with {rows} images ({together}); alone, "
        "{ranking}. {more}",
        "less": "All regularizers together harm with {rows} images ({together}); alone, {ranking}. {more}",
    }

    def data(self, size: Size) -> StudyData:
        """Return all classes of Fashion-MNIST, or the bundled digits."""
        return three_classes(bundled=True) if size == "quick" else all_clothes()

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return all arms with 250 images, and some of them with fewer and more."""
        del data
        alone = {**ALONE, "augment": by_size(size, "augment(crop=1)", ALONE["augment"], ALONE["augment"])}
        texts = {
            NONE: "none",
            **alone,
            TOGETHER: " + ".join(text for name, text in alone.items() if name not in APART),
        }
        every = both_ways(size, {name: {"regularizer": text} for name, text in texts.items()}, rate=RATE)
        some = every if size == "full" else [each for each in every if each.arm.name in (NONE, TOGETHER)]
        seeds, watching = (3, 10, 10), watched("InSample")
        rows = by_size(size, 100, ROWS, ROWS)
        found = {MAIN: Comparing(every, _protocol(size, rows, seeds), watching)}
        for amount in by_size(size, (30, 250), SOME, AMOUNTS):
            found[_part(amount)] = Comparing(some, _protocol(size, amount, seeds), watching)
        return found

    def columns(self) -> Sequence[StudyColumn]:
        """Return in-sample beside out-of-sample."""
        return [IN_SAMPLE, NEW_LAST, NEW_BEST]

    def answer(self, found: Found) -> Answer:
        """Return the ranking of gains, and what is left of that of all together with more data."""
        names = [*ALONE, TOGETHER]
        accuracy = {name: _accuracy(found, name) for name in (NONE, *names)}
        worth = dict(zip(names, gaps([(accuracy[name], accuracy[NONE]) for name in names]), strict=True))
        ranked = sorted(names, key=lambda name: -worth[name].mean)
        amounts = sorted((_rows(found, of), of) for of in found.comparisons)
        by_data = [
            _differences(_accuracy(found, TOGETHER, of), _accuracy(found, NONE, of)) for _, of in amounts
        ]
        measured = gaps([(each, [0.0] * len(each)) for each in by_data])
        limit = at_infinity([count for count, _ in amounts], by_data)
        fitted, together = (100 * mean(found.last_logged(FITTED, name)) for name in (NONE, TOGETHER))
        fewest = mean(found.last_logged(FITTED, NONE, amounts[0][1]))
        best = next(name for name in ranked if name != TOGETHER)
        more = [name for name in ALONE if worth[name].verdict == "more"]
        ranking = (
            f"{best} is worth most ({worth[best].text()})"
            if worth[best].verdict == "more"
            else f"none is told apart from nothing (most: {best}, {worth[best].text()})"
        )
        last = f"{amounts[-1][0]:,} images {worth_text(measured[-1])}"
        return Answer(
            worth[TOGETHER].verdict,
            {
                "together": worth[TOGETHER].text(),
                "rows": f"{_rows(found, MAIN):,}",
                "ranking": ranking,
                "more": f"With them {together:.0f} % of the training images are learned in as many epochs, without "
                f"{fitted:.0f} %. With {last}; {limit_text(limit)}.",
            },
            [
                Beside(
                    what="which regularizer matters most?",
                    published="asked, not answered",
                    measured="; ".join(f"{name}: {worth[name].text()}" for name in ranked),
                ),
                Beside(
                    what="which are told apart from none?",
                    published="asked, not answered",
                    measured=", ".join(more) or "none of them",
                ),
                Beside(
                    what="all together, by amount of data",
                    published="asked, not answered",
                    measured="; ".join(
                        f"{count:,}: {gap.text()}" for (count, _), gap in zip(amounts, measured, strict=True)
                    ),
                ),
                Beside(
                    what="with infinite data",
                    published="asked, not answered",
                    measured=limit_text(limit),
                ),
            ],
            [
                Check(
                    what=f"without a regularizer, {amounts[0][0]:,} training images are learned",
                    passed=fewest > 0.95,
                    found=f"{100 * fewest:.1f} %",
                ),
                Check(
                    what="every run is finite",
                    passed=all(
                        math.isfinite(each)
                        for of in found.comparisons
                        for arm in found.arms(of)
                        for each in found.values("accuracy", arm.title, "last", of)
                    ),
                    found="by arm, seed and amount of data",
                ),
            ],
            [_drawing([count for count, _ in amounts], measured)],
            [
                "Strengths are usual ones, the same for every amount of data, and not tuned; with --full, rates are "
                "tuned for each. Early stopping is judged by its best weights, the others by their last ones. All "
                f"together are all but {', '.join(APART)}; input noise is for columns of numbers.",
                "The value with infinite data is a + b / nᵖ for p = ½ and p = ¼, fitted by seed from 100 images on; "
                "where the two do not agree, the data does not say. It is of as many epochs with and without them, in "
                "which not everything is trained to its end.",
            ],
        )


AMOUNTS = (30, 1000, 4000, 16_000, 54_000)
SOME = (30, 1000, 16_000)
"""Those of the default size."""


def _protocol(size: Size, rows: int, seeds: tuple[int, int, int]) -> dict[str, object]:
    """Return the options with so many images: fewer epochs where they are many steps."""
    epochs = max(4, min(EPOCHS, round(EPOCHS * 1000 / rows))) if size != "full" or rows <= 4000 else 30
    return protocol(size, rows, by_size(size, 40, epochs, epochs), seeds, model=WIDE)


def _part(rows: int) -> str:
    return f"{rows}-images"


def _rows(found: Found, of: str) -> int:
    """Return how many images the runs of a comparison were trained on."""
    return int(found.arms(of)[0].factors["train_rows"].removeprefix("run:"))


def _accuracy(found: Found, name: str, of: str = MAIN) -> list[float]:
    return found.values("accuracy", name, "best" if name == STOPPED else "last", of)


def _differences(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(first, second, strict=True)]


def at_infinity(amounts: Sequence[int], gains: Sequence[Sequence[float]], least: int = 100) -> list[Gap]:
    r"""Return what gains tend to with ever more images, by two laws; nothing where there are too few amounts.

    The gain of each seed is fitted by :math:`a + b\,n^{-p}` with least squares, for p = ½ and p = ¼; a is the value
    with infinite data, and its interval is over seeds.

    Args:
        amounts: numbers n of images.
        gains: of each seed, at each amount.
        least: the least n that counts, because a law of large n does not hold for small ones.

    Example:
        >>> ns = [100, 1000, 10_000]
        >>> gains = [[0.02 + draw + n**-0.5 for draw in (-0.001, 0.0, 0.001)] for n in ns]
        >>> half, quarter = at_infinity(ns, gains)
        >>> round(half.mean, 4), half.verdict
        (0.02, 'more')
    """
    some = [(n, each) for n, each in zip(amounts, gains, strict=True) if n >= least]
    if len(some) < 3:
        return []
    values = np.array([each for _, each in some])
    ends: list[tuple[Sequence[float], Sequence[float]]] = []
    for power in (0.5, 0.25):
        design = np.array([[1.0, n**-power] for n, _ in some])
        found = np.linalg.lstsq(design, values, rcond=None)[0][0].tolist()
        ends.append((found, [0.0] * len(found)))
    return gaps(ends)


def limit_text(limit: Sequence[Gap]) -> str:
    """Return what two laws say of infinite data, in words.

    Example:
        >>> limit_text([])
        'what infinite data leaves cannot be told from so few amounts'
        >>> limit_text([Gap(-0.08, -0.09, -0.07, 5), Gap(-0.1, -0.11, -0.09, 5)])[:75]
        'extrapolated to infinite data, they cost 8.0 [7.0, 9.0] points by a law in '
    """
    if not limit:
        return "what infinite data leaves cannot be told from so few amounts"
    half, quarter = limit
    if half.verdict == quarter.verdict != "same":
        both = f"{worth_text(half)} by a law in 1/√n and {_size(quarter).text()} by one in 1/∜n"
        return f"extrapolated to infinite data, {both}"
    both = f"{half.text()} by a law in 1/√n, {quarter.text()} by one in 1/∜n"
    if half.verdict == quarter.verdict:
        return f"extrapolated to infinite data, they are not told apart from none ({both})"
    return f"extrapolated to infinite data, two laws disagree ({both})"


def worth_text(gap: Gap) -> str:
    """Return what regularizers gain or cost, in words.

    Example:
        >>> worth_text(Gap(-0.097, -0.103, -0.09, 5)), worth_text(Gap(0.002, -0.01, 0.014, 5))
        ('they cost 9.7 [9.0, 10.3] points', 'they are not told apart from none (0.2 [−1.0, 1.4] points)')
    """
    if gap.verdict == "same":
        return f"they are not told apart from none ({gap.text()})"
    return f"they {'gain' if gap.verdict == 'more' else 'cost'} {_size(gap).text()}"


def _size(gap: Gap) -> Gap:
    return gap if gap.mean >= 0 else Gap(-gap.mean, -gap.high, -gap.low, gap.n)


def _drawing(amounts: Sequence[int], measured: Sequence[Gap]) -> Drawing:
    low = [each.mean if math.isnan(each.low) else each.low for each in measured]
    high = [each.mean if math.isnan(each.high) else each.high for each in measured]
    return Drawing(
        title="What all regularizers together are worth by amount of data",
        x="training images",
        y="gain on new images, points",
        lines=[
            FigureLine(
                name="all together − none",
                x=[float(each) for each in amounts],
                y=[100 * each.mean for each in measured],
                low=[100 * each for each in low],
                high=[100 * each for each in high],
            )
        ],
        logarithmic=True,
        ticks={f"{each:,}": float(each) for each in amounts},
        caption="Paired differences over seeds with intervals that hold together with 95 % probability.",
    )
