"""What do L1 and L2 penalties do at which strength?

The published experiment trains 150 epochs by SGD (rate 5e-3, momentum 0.99), without a penalty and with L1 on 30
images, with L2 and elastic net on 100 others, all at strength 0.1, so that they cannot be compared. Here all arms
have the same 100 images, and strengths cover seven decades. A penalty acts on the weights of layers, there on biases
too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, Line
from steepest.experiment.given import Arm
from steepest.studies.base.found import Column, Found, ends, gaps, mean, mean_text
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.studies.base.watching import FITTED, NORM_1, NORM_2

COMPONENTS = {
    "penalties": {
        "object": "Penalties",
        "what": "what do L1 and L2 do, at which strength?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 5.0, "full": 80.0},
    }
}

DECADES = tuple(10.0**each for each in range(-7, 0))
NONE, KINDS = "none", ("l1", "l2")
ROWS, EPOCHS, PUBLISHED = 100, 150, 0.1


class Penalties(Study):
    """L1 and L2 from 1e-7 to 0.1 on the same 100 images."""

    name = "penalties"
    question = "What do L1 and L2 penalties do on new images, and at which strength?"
    source = (
        "lecture on regularisation, animal faces of 32 × 32 pixels; it shows curves and prints no numbers"
    )
    headlines: ClassVar = {
        "more": "A penalty helps on new images at a strength that is chosen on validation: {l1}, {l2}. At the "
        "published strength of 0.1, L1 {collapse}.",
        "same": "No penalty is told apart from none on new images, at strengths that are chosen on validation: "
        "{l1}, {l2}. At the published strength of 0.1, L1 {collapse}.",
        "less": "Penalties harm on new images even at strengths that are chosen on validation: {l1}, {l2}. At the"
        " published strength of 0.1, L1 {collapse}.",
    }

    def comparisons(self, size: Size) -> Mapping[str, Comparing]:
        """Return one comparison of every strength."""
        decades = by_size(size, DECADES[1::2] + DECADES[-1:], DECADES, DECADES)
        optimizer = "momentum(lr=0.005, momentum=0.99)"
        texts = {NONE: "none"} | {
            _name(kind, each): f"{kind}({each:g})" for kind in KINDS for each in dict.fromkeys(decades)
        }
        arms = [
            StudyArm(Arm(optimizer=optimizer, regularizer=text, name=name), "corrected")
            for name, text in texts.items()
        ]
        if size == "full":
            arms += [
                StudyArm(
                    Arm(optimizer="momentum(momentum=0.99)", regularizer=text, name=f"{name}, tuned"), "tuned"
                )
                for name, text in texts.items()
            ]
        options = {
            "model": "mlp(hidden=[124,64], activation=leaky-relu)",
            "train_rows": f"run:{ROWS}",
            "batch_size": "all",
            "epochs": EPOCHS,
            "seeds": by_size(size, 3, 5, 10),
        }
        return {MAIN: Comparing(arms, options, ["steepest.studies.base.watching:Norms"])}

    def columns(self) -> Sequence[Column]:
        """Return in-sample beside out-of-sample, and the norms."""
        return [
            Column("in-sample", lambda found, of, arm: found.last_logged(FITTED, arm, of)),
            Column("new images, last", lambda found, of, arm: found.values("accuracy", arm, "last", of)),
            Column("new images, best", lambda found, of, arm: found.values("accuracy", arm, "best", of)),
            Column("L1 norm", lambda found, of, arm: found.last_logged(NORM_1, arm, of), False, 0),
            Column("L2 norm", lambda found, of, arm: found.last_logged(NORM_2, arm, of), False, 2),
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
                **{kind: f"{chosen[kind]} {worth[kind].text()}" for kind in KINDS},
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
                    measured=f"best on validation: {' and '.join(chosen.values())}",
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
                "Strengths are chosen by the validation log loss of the last weights; none has no strength. "
                "Rates are the published ones, not tuned for each strength, but with --full.",
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
    none = ends(found.values("accuracy", NONE, "last"), 100)
    lines = [
        Line(name=NONE, x=[DECADES[0], DECADES[-1]], y=[none[0]] * 2, low=[none[1]] * 2, high=[none[2]] * 2)
    ]
    for kind in KINDS:
        names = _there(found, kind)
        points = [ends(found.values("accuracy", name, "last"), 100) for name in names]
        y, low, high = (list(each) for each in zip(*points, strict=True))
        lines.append(Line(name=kind, x=[float(name.split()[1]) for name in names], y=y, low=low, high=high))
    return Drawing(
        title="Accuracy on new images by the strength of the penalty",
        x="strength",
        y="right on new images, %",
        lines=lines,
        logarithmic=True,
        caption="Means over seeds with 95 % intervals; weights after the last step.",
    )
