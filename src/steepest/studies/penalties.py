"""What do L1, L2 and elastic-net penalties do at which strength?

The published experiment trains 150 epochs by SGD (rate 5e-3, momentum 0.99), without a penalty and with L1 on 30
images, with L2 and elastic net on 100 others, all at strength 0.1, so that they cannot be compared. Here all arms
have the same 100 images, and strengths cover five decades up to 1, or seven with --full. A penalty acts on the weights
of layers, there on biases too; elastic net is the mean of the other two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, gaps, mean, mean_text
from steepest.studies.base.shapes import (
    IN_SAMPLE,
    NEW_BEST,
    NEW_LAST,
    SOURCE,
    WIDE,
    accuracy_by,
    both_ways,
    line,
    protocol,
    watched,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, by_size
from steepest.studies.base.watching import FITTED, NORM_1, NORM_2

COMPONENTS = {
    "penalties": {
        "object": "Penalties",
        "what": "what do L1, L2, elastic net do, at which strength?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 5.0, "full": 80.0},
        "yours": (
            "compare data.csv --target y -o momentum --regularizer none --regularizer 'l1(1e-4)' "
            "--regularizer 'l2(1e-4)' --regularizer 'elastic-net(1e-4)'"
        ),
    }
}

DECADES = tuple(10.0**each for each in range(-7, 1))
NONE, KINDS = "none", ("l1", "l2", "elastic-net")
ROWS, EPOCHS, PUBLISHED = 100, 150, 0.1


class Penalties(Study):
    """L1, L2 and elastic net up to a strength of 1 on the same 100 images."""

    name = "penalties"
    question = "What do L1, L2 and elastic-net penalties do on new images, and at which strength?"
    source = SOURCE
    headlines: ClassVar = {
        "more": "A penalty helps on new images at a strength that is chosen on validation: {worth}. At the "
        "published strength of 0.1, L1 {collapse}.",
        "same": "No penalty is shown to help on new images, at strengths that are chosen on validation: {worth}. At "
        "the published strength of 0.1, L1 {collapse}.",
        "less": "Penalties harm on new images even at strengths that are chosen on validation: {worth}. At the"
        " published strength of 0.1, L1 {collapse}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return one comparison of every strength."""
        del data
        decades = by_size(size, (*DECADES[1:-1:2], PUBLISHED), DECADES[2:], DECADES)
        texts = {NONE: "none"} | {
            _name(kind, each): f"{kind}({each:g})" for kind in KINDS for each in dict.fromkeys(decades)
        }
        arms = both_ways(
            size, {name: {"regularizer": text} for name, text in texts.items()}, rate=0.005, momentum=0.99
        )
        options = protocol(size, ROWS, EPOCHS, (3, 10, 20), model=WIDE)
        return {MAIN: Comparing(arms, options, watched("Norms"))}

    def columns(self) -> Sequence[StudyColumn]:
        """Return in-sample beside out-of-sample, and the norms."""
        return [
            IN_SAMPLE,
            NEW_LAST,
            NEW_BEST,
            StudyColumn("L1 norm", lambda found, of, arm: found.last_logged(NORM_1, arm, of), False, 0),
            StudyColumn("L2 norm", lambda found, of, arm: found.last_logged(NORM_2, arm, of), False, 2),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what each penalty is worth at the strength that validation chooses."""
        chosen = {kind: min(_there(found, kind), key=lambda name: _loss(found, name)) for kind in KINDS}
        accuracy = {name: found.values("accuracy", name, "last") for name in (NONE, *chosen.values())}
        worth = dict(
            zip(KINDS, gaps([(accuracy[chosen[kind]], accuracy[NONE]) for kind in KINDS]), strict=True)
        )
        verdicts = {each.verdict for each in worth.values()}
        verdict = "more" if "more" in verdicts else "less" if verdicts == {"less"} else "same"
        strongest = _name("l1", PUBLISHED)
        collapsed = max(found.last_logged(FITTED, strongest)) < 0.5
        norms = [mean(found.last_logged(NORM_2, name)) for name in (NONE, _name("l2", PUBLISHED))]
        return Answer(
            verdict,
            {
                "worth": ", ".join(f"{chosen[kind]} {worth[kind].text()}" for kind in KINDS),
                "collapse": "leaves a constant prediction"
                if collapsed
                else "does not collapse to a constant",
            },
            [
                Beside(
                    what=f"L1 at {PUBLISHED:g}, right on the training images",
                    published="collapses to the constant predictor",
                    measured=f"{mean_text(found.last_logged(FITTED, strongest))} %",
                ),
                Beside(
                    what="advised strengths",
                    published="0.1 … 0.9, 1, 2, 5",
                    measured=f"best on validation: {', '.join(chosen.values())}",
                ),
                Beside(
                    what="elastic net",
                    published="λ₁ Σ |w| + λ₂ Σ w², both 0.1, on other images",
                    measured="elastic-net(λ): λ Σ (|w| + w²) / 2, on the same images",
                ),
                Beside(
                    what="L2 as weight decay",
                    published="λ Σ w², whose derivative in the text lacks the 2",
                    measured="gradient 2 λ w: λ is weight_decay=2λ of SGD",
                ),
            ],
            [
                Check(
                    what="L1 at 0.1 collapses: at most 50 % right on the training images",
                    passed=collapsed,
                    found=f"at most {100 * max(found.last_logged(FITTED, strongest)):.1f} %",
                ),
                Check(
                    what="the L2 norm of the weights is smaller with L2 at 0.1 than without",
                    passed=norms[1] < norms[0],
                    found=f"{norms[1]:.3g} against {norms[0]:.3g}",
                ),
            ],
            [_drawing(found)],
            [
                "Strengths are chosen by the validation log loss of the last weights; all differences hold "
                "together. Rates are the published ones; with --full, they are tuned for each strength, too.",
            ],
        )


def _name(kind: str, strength: float) -> str:
    return f"{kind} {strength:g}"


def _there(found: Found, kind: str) -> list[str]:
    """Return the arms of a penalty at the published rate, from the weakest to the strongest."""
    names = {arm.title for arm in found.arms()}
    return [name for each in DECADES if (name := _name(kind, each)) in names]


def _loss(found: Found, name: str) -> float:
    return mean(found.validation("log_loss", name, "last"))


def _drawing(found: Found) -> Drawing:
    lines = [
        line(found, kind, [(float(name.rpartition(" ")[2]), name, MAIN) for name in _there(found, kind)])
        for kind in KINDS
    ]
    span = (lines[0].x[0], lines[0].x[-1])
    none = line(found, NONE, [(each, NONE, MAIN) for each in span])
    return accuracy_by("strength", [none, *lines], by="the strength of the penalty")
