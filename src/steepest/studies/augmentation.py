"""Does augmentation help on new images, and what do more images do?

The published experiment trains 3072-124-64-3 on 250 images that are flipped, left to right and upside down, each with a
probability of 0.1, for 250 epochs by SGD (rate 1e-3, momentum 0.99), and draws it beside a net trained on 100 images
without, so that flips and further images are mixed. Here both are compared on 100, 250 and thousands of images; kinds
of changes are compared on 250.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, gaps, mean
from steepest.studies.base.shapes import (
    IN_SAMPLE,
    NEW_BEST,
    NEW_LAST,
    RAISED_BY,
    SOURCE,
    WIDE,
    both_ways,
    by_amount,
    line,
    protocol,
    raised_note,
    watched,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, by_size
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "augmentation": {
        "object": "Augmentation",
        "what": "does augmentation help, and what do more images do?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 20.0, "full": 400.0},
        "yours": (
            "compare photos/ --model cnn -o adam --regularizer none --regularizer "
            "'augment(flip=0.5)' --train-rows 250 --train-rows all"
        ),
    }
}

PLAIN, FLIPS = "no augmentation", "flips with 0.1"
ARMS: dict[str, dict[str, str]] = {
    PLAIN: {},
    FLIPS: {"regularizer": "augment(flip=0.1, vertical=0.1)"},
    "left to right with 0.5": {"regularizer": "augment(flip=0.5)"},
    "shifts": {"regularizer": "augment(crop=2)"},
}
FEWER = "With the most images there are 20 epochs, which are more steps than 250 epochs of 250 images."
ROWS, EPOCHS = 250, 250
SMALL, MANY = "few-images", "many-images"


class Augmentation(Study):
    """Flips and shifts on 250 images, and flips and none on 100 and on thousands."""

    name = "augmentation"
    question = "Does augmentation help on new images, and what do more images do?"
    source = SOURCE
    headlines: ClassVar = {
        "more": "Augmentation helps with {rows} images: the "
        "published flips are {flips} on new images, {best}: {other}; "
        "more images {more}: {rows} instead of {fewest} are {data}, {count} are {all}.",
        "same": "The published flips are not told apart from no augmentation with {rows} "
        "images ({flips} on new images, "
        "{best}: {other}); more images {more}: {rows} instead of {fewest} are {data}, {count} are {all}.",
        "less": "The published flips harm with {rows} images ({flips} on new images, {best}: {other}); more images "
        "{more}: {rows} instead of {fewest} are {data}, {count} are {all}.",
    }
    short: ClassVar = dict.fromkeys(
        headlines, "On {rows} images the flips are worth {flips}; {rows} images instead of {fewest}, {data}."
    )

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return every change on 250 images, and the published one against none on 100 and on thousands."""
        del data
        rows = by_size(size, 200, ROWS, ROWS)
        epochs, seeds, watching = by_size(size, 60, EPOCHS, EPOCHS), (5, 10, 10), watched("InSample")
        every = both_ways(size, ARMS, rate=0.001, momentum=0.99, published=[FLIPS], raised=RAISED_BY)
        two = [each for each in every if each.arm.name in (PLAIN, FLIPS)]
        few, many = by_size(size, 10, 100, 100), by_size(size, 250, 10_000, 13_000)
        return {
            MAIN: Comparing(every, protocol(size, rows, epochs, seeds, model=WIDE), watching),
            SMALL: Comparing(two, protocol(size, few, epochs, seeds, model=WIDE), watching),
            MANY: Comparing(
                two,
                protocol(size, many, by_size(size, 60, 20, EPOCHS), seeds, model=WIDE),
                watching,
            ),
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return in-sample beside out-of-sample."""
        return [IN_SAMPLE, NEW_LAST, NEW_BEST]

    def answer(self, found: Found) -> Answer:
        """Return what flips are worth at each amount of data, and what further images are worth."""
        kinds = [name for name in ARMS if name not in (PLAIN, FLIPS)]
        at = {
            (name, of): found.values("accuracy", name, "last", of) for of in found.comparisons
            for name in (PLAIN, FLIPS)
        }  # fmt: skip
        further = [(found.values("accuracy", name, "last"), at[PLAIN, MAIN]) for name in kinds]
        flips, few, all_, data, much, mixed, whole, *others = gaps(
            [
                (at[FLIPS, MAIN], at[PLAIN, MAIN]),
                (at[FLIPS, SMALL], at[PLAIN, SMALL]),
                (at[FLIPS, MANY], at[PLAIN, MANY]),
                (at[PLAIN, MAIN], at[PLAIN, SMALL]),
                (at[PLAIN, MANY], at[PLAIN, MAIN]),
                (at[FLIPS, MAIN], at[PLAIN, SMALL]),
                (at[PLAIN, MANY], at[PLAIN, SMALL]),
                *further,
            ]
        )
        [alone] = gaps([(at[PLAIN, MANY], at[PLAIN, SMALL])])
        best = max(range(len(kinds)), key=lambda place: others[place].mean)
        rows = {of: _rows(found, of) for of in found.comparisons}
        fitted = {
            text: mean(found.last_logged(FITTED, name, of))
            for text, name, of in (
                ("few", PLAIN, SMALL),
                ("none", PLAIN, MAIN),
                *((each, each, MAIN) for each in kinds),
            )
        }
        hardest = min(kinds, key=lambda name: fitted[name])
        helps = {"more": "help", "same": "make no difference that is told apart", "less": "harm"}
        return Answer(
            flips.verdict,
            {
                "rows": str(rows[MAIN]),
                "flips": flips.text(),
                "best": kinds[best],
                "other": others[best].text(),
                "fewest": str(rows[SMALL]),
                "more": helps[whole.verdict],
                "data": data.text(),
                "count": f"{rows[MANY]:,}",
                "all": f"{much.text()} more",
            },
            [
                Beside(
                    what=f"flips on {rows[MAIN]} images against none on {rows[SMALL]}",
                    published="better, as a curve",
                    measured=f"{mixed.text()}, of which flips {flips.text()} and further images {data.text()}",
                    reason="250 flipped images stand beside 100 plain ones there",
                ),
                Beside(
                    what="flips, by amount of data",
                    published="not shown",
                    measured=f"{rows[SMALL]}: {few.text()}; {rows[MAIN]}: {flips.text()}; "
                    f"{rows[MANY]:,}: {all_.text()}",
                ),
                Beside(
                    what="what do more images do?",
                    published="asked, not answered",
                    measured=f"{rows[MAIN]} − {rows[SMALL]}: {data.text()}; "
                    f"{rows[MANY]:,} − {rows[MAIN]}: {much.text()}",
                ),
                Beside(
                    what="other changes",
                    published="not shown",
                    measured="; ".join(
                        f"{name}: {gap.text()}" for name, gap in zip(kinds, others, strict=True)
                    ),
                ),
            ],
            [
                Check(
                    what=f"without augmentation, {rows[SMALL]} training images are learned",
                    passed=fitted["few"] > 0.95,
                    found=f"{100 * fitted['few']:.1f} %",
                ),
                Check(
                    what=f"{rows[MANY]:,} images are better than {rows[SMALL]}",
                    passed=alone.verdict == "more",
                    found=f"{alone.text()}, this difference alone",
                ),
            ],
            [_drawing(found, rows)],
            [
                "Differences between amounts of data are paired by seed, which gives the start.",
                f"Of the {rows[MAIN]} training images, {100 * fitted['none']:.1f} % are learned without augmentation, "
                f"and {100 * fitted[hardest]:.1f} % with {hardest}: what is harder to learn is not trained to its end "
                "in as many epochs.",
                *([FEWER] if found.size == "default" else []),
                *([raised_note()] if found.size == "quick" else []),
            ],
        )


def _rows(found: Found, of: str) -> int:
    """Return how many images the runs of a comparison were trained on."""
    amount = found.arms(of)[0].factors["train_rows"]
    return int(amount.removeprefix("run:"))


def _drawing(found: Found, rows: Mapping[str, int]) -> Drawing:
    amounts = sorted((count, of) for of, count in rows.items())
    return by_amount(
        [line(found, name, [(float(count), name, of) for count, of in amounts]) for name in (PLAIN, FLIPS)]
    )
