"""Does the small network that pruning finds train as well as the large one, and is that due to its first weights?

The course notebook draws Xavier weights, trains 200 epochs on 100 images by SGD (rate 1e-3, momentum 0.9), prunes 40 %
at once, and trains what is left again from its first weights and from torch's own, which have another scale. Here the
control is drawn again from the same distribution, another has a random mask with the same share of each layer, and
pruning goes on to 99 %, at once and in rounds of 20 %. With --full it is the experiment of Frankle & Carbin with
LeNet-300-100 on MNIST: Adam at 1.2e-3, batches of 60, 12,000 steps, rounds of 20 % and of 10 % in the last layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine, Way
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData, mnist
from steepest.studies.base.found import Found, Gap, StudyColumn, ends, gaps, mean, mean_text
from steepest.studies.base.shapes import SOURCE
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size

COMPONENTS = {
    "lottery-ticket": {
        "object": "LotteryTicket",
        "what": "does what pruning leaves train as well, from its first weights?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 40.0},
        "tflop": {"quick": 1.0, "default": 5.0, "full": 100.0},
        "yours": (
            "compare data.csv --target y -o adam --procedure train --procedure 'lottery(0.8)' "
            "--procedure 'lottery(0.8, ticket=redrawn)'"
        ),
    }
}

KEEP = 0.8
"""The share of the weights that a round keeps."""
DENSE, TICKET, AT_ONCE = "dense", "ticket", "at once"
REDRAWN, RANDOM, MIXED = "redrawn", "random mask", "other distribution"
KINDS = {TICKET: "ticket", REDRAWN: "redrawn", RANDOM: "random-mask", MIXED: "mixed"}
ROWS, EPOCHS = 100, 200
HARDLY = 0.9
"""With so much of the training loss of guessing, a network has hardly begun to learn."""
PUBLISHED = 0.4
"""The share that the course notebook prunes, at once."""
LENET = (784 * 300 + 300 * 100, 100 * 10)
"""The weights of LeNet-300-100: those of its hidden layers, and those of its last one."""
ROUNDS, CONTROLLED = range(1, 16), (4, 7, 10, 15)


class LotteryTicket(Study):
    """Winning tickets, iterative and at once, beside three controls."""

    name = "lottery-ticket"
    question = (
        "Does the network that pruning leaves train as well as the dense one from its first weights alone?"
    )
    source = f"{SOURCE}; --full: Frankle & Carbin, The Lottery Ticket Hypothesis, ICLR 2019"
    headlines: ClassVar = {
        "more": "First weights count: with {left} of the weights, the ticket beats the same network drawn again by "
        "{redrawn} and one with a random mask by {random}; against the dense network it is {dense}.{slow}",
        "same": "That first weights count is not shown: with {left} of the weights, the ticket is {redrawn} against "
        "the same network drawn again, {random} against one with a random mask, and {dense} against the dense "
        "network.{slow}",
        "less": "First weights harm: with {left} of the weights, the ticket is {redrawn} against the same network "
        "drawn again, {random} against one with a random mask, and {dense} against the dense network.{slow}",
    }
    short: ClassVar = {
        "more": "First weights count: with {left} of the weights, the ticket beats the same network drawn again by "
        "{redrawn}.",
        "same": "That first weights count is not shown: with {left} of the weights, the ticket is {redrawn} against "
        "the same network drawn again.",
        "less": "First weights harm: with {left} of the weights, the ticket is {redrawn} against the same network "
        "drawn again.",
    }
    sizes_differ = (
        "The default size trains for few steps (200 after every pruning, by SGD), in which a network that is drawn "
        "again has hardly begun to learn: it measures how fast a network learns from its first weights. The published "
        "size trains for 12,000 steps by Adam, after which both have learned: it measures what they reach."
    )

    def data(self, size: Size) -> StudyData:
        """Return MNIST for the published size, else three classes of images."""
        return mnist() if size == "full" else super().data(size)

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return one comparison of all tickets and their controls."""
        del data
        if size == "full":
            return {MAIN: _frankle_carbin()}
        rate = "momentum(lr=0.001)"
        arms = [_arm(DENSE, rate, 0, "corrected")]
        for kind in KINDS:
            way = "published" if kind in (TICKET, MIXED) else "corrected"
            procedure = f"lottery({PUBLISHED}, 1, init=glorot, each=1, ticket={KINDS[kind]})"
            arms.append(StudyArm(Arm(optimizer=rate, procedure=procedure, name=_once(kind)), way))
        for rounds in by_size(size, CONTROLLED[::2], CONTROLLED, CONTROLLED):
            arms += [
                _arm(_name(kind, rounds, size), rate, rounds, "corrected", kind=kind)
                for kind in (TICKET, REDRAWN, RANDOM)
            ]
            at_once = f"lottery({1 - KEEP**rounds!r}, 1, init=glorot, each=1)"
            arms.append(
                StudyArm(
                    Arm(optimizer=rate, procedure=at_once, name=_name(AT_ONCE, rounds, size)), "corrected"
                )
            )
        options = {
            "model": "mlp(hidden=[124,64], activation=leaky-relu)",
            "train_rows": f"run:{ROWS}",
            "batch_size": "all",
            "epochs": by_size(size, 100, EPOCHS, EPOCHS),
            "seeds": by_size(size, 3, 10, 10),
        }
        return {MAIN: Comparing(arms, options)}

    def columns(self) -> Sequence[StudyColumn]:
        """Return accuracy after the last step and at the best one on validation."""
        return [
            StudyColumn(
                "new images", lambda found, of, arm: found.values("accuracy", arm, "last", of), digits=2
            ),
            StudyColumn(
                "new images, best weights",
                lambda found, of, arm: found.values("accuracy", arm, "best", of),
                digits=2,
            ),
            StudyColumn("training loss", lambda found, of, arm: found.training_loss(arm, of), False, 2),
            StudyColumn("weights that are 0", lambda found, of, arm: [found.network_size(arm, of).sparsity]),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what the first weights and the mask are worth, by what is left."""
        size: Size = found.size  # pyright: ignore[reportAssignmentType]
        accuracy = {arm.title: found.values("accuracy", arm.title, "last") for arm in found.arms()}
        levels = [each for each in CONTROLLED if _name(REDRAWN, each, size) in accuracy]

        def against(kind: str, rounds: int) -> tuple[list[float], list[float]]:
            other = DENSE if kind == DENSE else _name(kind, rounds, size)
            return accuracy[_name(TICKET, rounds, size)], accuracy[other]

        kinds = [DENSE, REDRAWN, RANDOM] + [AT_ONCE] * (size != "full")
        more = {
            (kind, each): gap
            for kind in kinds
            for each, gap in zip(levels, gaps([against(kind, each) for each in levels]), strict=True)
        }
        last = levels[-1]
        dense, redrawn, shuffled = (more[kind, last] for kind in (DENSE, REDRAWN, RANDOM))
        fields = {
            "left": f"{_percent(last, size)} %",
            "redrawn": redrawn.text(digits=2),
            "random": shuffled.text(digits=2),
            "dense": dense.text(digits=2),
            "slow": _slow(found, last, size),
        }
        said = {
            kind: ", ".join(
                f"{more[kind, each].text(digits=2)} with {_percent(each, size)} %" for each in levels
            )
            for kind in kinds
        }
        beside = [
            Beside(
                what=f"the ticket minus {'the dense network' if kind == DENSE else f'the control {kind!r}'}",
                published=_SAID[kind],
                measured=said[kind],
            )
            for kind in kinds
        ]
        if size != "full":
            [mixed, alike] = gaps(
                [(accuracy[_once(TICKET)], accuracy[_once(each)]) for each in (MIXED, REDRAWN)]
            )
            beside.insert(
                0,
                Beside(
                    what="40 % pruned at once: the ticket minus weights drawn again",
                    published="drawn against weights of another distribution",
                    measured=f"{mixed.text(digits=2)} against those; {alike.text(digits=2)} against the same one",
                    reason="torch's own weights have another scale than Xavier's",
                ),
            )
        long = by_size(size, "100 epochs", f"{EPOCHS} epochs", "12,000 steps of 60 images")
        return Answer(
            redrawn.verdict, fields, beside, _checks(found, accuracy, more, levels), [_drawing(found, size)],
            [
                "Accuracy is that of the weights after the last step. Differences from one control hold together, in "
                "the headline and in the table alike.",
                f"Every network trains for {long} after every pruning, as long as the dense one.",
            ],
        )  # fmt: skip


_SAID = {
    DENSE: "as good with 21.1 % of the weights and more, and within the noise with 3.6 % (Frankle & Carbin)",
    REDRAWN: "better, the more is pruned (Frankle & Carbin)",
    RANDOM: "not published there",
    AT_ONCE: "rounds find smaller tickets than pruning at once (Frankle & Carbin)",
}


def _slow(found: Found, rounds: int, size: Size) -> str:
    """Return that the network drawn again is not trained to its end, where its training loss is as that of guessing."""
    drawn, own = (mean(found.training_loss(_name(kind, rounds, size))) for kind in (REDRAWN, TICKET))
    guessing = math.log(10 if size == "full" else 3)  # classes
    if drawn < HARDLY * guessing:
        return ""
    return (
        f" Drawn again, it has hardly begun to learn by then (training loss {drawn:.2f}, the ticket's {own:.2f}, that "
        f"of guessing {guessing:.2f}): this is how fast it learns, not what it reaches."
    )


def _checks(
    found: Found,
    accuracy: Mapping[str, list[float]],
    more: Mapping[tuple[str, int], Gap],
    levels: Sequence[int],
) -> list[Check]:
    size: Size = found.size  # pyright: ignore[reportAssignmentType]
    if size != "full":
        kinds = (TICKET, REDRAWN, RANDOM, AT_ONCE)
        zeros = {
            name: abs(1 - _left(each, size) - found.network_size(name).sparsity)
            for each in levels
            for name in (_name(kind, each, size) for kind in kinds)
        }
        farthest = max(zeros, key=lambda name: zeros[name])
        _, low, _ = ends(accuracy[DENSE], 100)
        return [
            Check(
                what="the interval of the dense network is above 50 % of new images, of which guessing has a third",
                passed=low > 50,
                found=f"{mean_text(accuracy[DENSE])} %",
            ),
            Check(
                what="as many weights of the saved networks are 0 as their rounds prune, to 0.5 points",
                passed=zeros[farthest] < 0.005,
                found=f"farthest is {farthest} with {100 * zeros[farthest]:.2f} points",
            ),
            *(
                Check(
                    what=f"the control {kind!r} is nowhere better than the ticket",
                    passed=all(more[kind, each].verdict != "less" for each in levels),
                    found="ticket minus control: "
                    + ", ".join(
                        f"{more[kind, each].text(digits=2)} with {_percent(each, size)} %" for each in levels
                    ),
                )
                for kind in (REDRAWN, RANDOM)
            ),
        ]
    below = [each for each in levels if _left(each) < 0.2]
    texts = ", ".join(f"{more[REDRAWN, each].text(digits=2)} with {_percent(each, size)} %" for each in below)
    return [
        Check(
            what="the dense network is right on about 98 % of the test images",
            passed=abs(mean(accuracy[DENSE]) - 0.98) < 0.005,
            found=f"{mean_text(accuracy[DENSE], digits=2)} %",
        ),
        Check(
            what="with 21.1 % of the weights, the ticket is not worse than the dense network",
            passed=more[DENSE, 7].verdict != "less",
            found=more[DENSE, 7].text(digits=2),
        ),
        Check(
            what="with 3.6 %, it is within the noise of the seeds of the dense network",
            passed=more[DENSE, 15].verdict == "same",
            found=more[DENSE, 15].text(digits=2),
        ),
        Check(
            what="below 20 %, weights drawn again are worse than the ticket's",
            passed=all(more[REDRAWN, each].verdict == "more" for each in below),
            found=texts,
        ),
    ]


def _frankle_carbin() -> Comparing:
    rate = "adam(lr=0.0012)"
    arms = [_arm(DENSE, rate, 0)]
    arms += [_arm(_name(TICKET, rounds), rate, rounds, output=0.5) for rounds in ROUNDS]
    arms += [
        _arm(_name(kind, rounds), rate, rounds, kind=kind, output=0.5)
        for rounds in CONTROLLED
        for kind in (REDRAWN, RANDOM)
    ]
    options = {
        "model": "mlp(hidden=[300,100])",
        "train_rows": "run:48000",
        "batch_size": 60,
        "epochs": 15,  # 12,000 steps
        "seeds": 3,
    }
    return Comparing(arms, options)


def _arm(
    name: str, rate: str, rounds: int, way: Way = "published", *, kind: str = TICKET, output: float = 1.0
) -> StudyArm:
    sparsity = 1 - KEEP**rounds
    more = "" if output == 1.0 else f", output={output}"
    procedure = f"lottery({sparsity!r}, {rounds}, init=glorot, each=1{more}, ticket={KINDS[kind]})"
    return StudyArm(Arm(optimizer=rate, procedure=procedure, name=name), way)


def _left(rounds: int, size: Size = "full") -> float:
    """Return the share of all weights that rounds leave; the last layer of LeNet-300-100 loses half as many."""
    if size != "full":
        return KEEP**rounds
    hidden, last = LENET
    return (hidden * KEEP**rounds + last * (1 - (1 - KEEP) / 2) ** rounds) / (hidden + last)


def _percent(rounds: int, size: Size = "full") -> str:
    return f"{100 * _left(rounds, size):.1f}"


def _name(kind: str, rounds: int, size: Size = "full") -> str:
    return f"{_percent(rounds, size)} % left: {kind}"


def _once(kind: str) -> str:
    return f"60 % left, {AT_ONCE}: {kind}"


def _drawing(found: Found, size: Size) -> Drawing:
    there = {arm.title for arm in found.arms()}
    dense = ends(found.values("accuracy", DENSE, "last"), 100)
    lines: list[FigureLine] = []
    for kind in (TICKET, AT_ONCE, REDRAWN, RANDOM):
        rounds = [each for each in range(20) if _name(kind, each, size) in there]
        if rounds:
            points = [ends(found.values("accuracy", _name(kind, each, size), "last"), 100) for each in rounds]
            y, low, high = (list(each) for each in zip(*points, strict=True))
            lines.append(
                FigureLine(name=kind, x=[100 * _left(each, size) for each in rounds], y=y, low=low, high=high)
            )
    span = [max(max(each.x) for each in lines), min(min(each.x) for each in lines)]
    lines.insert(0, FigureLine(name=DENSE, x=span, y=[dense[0]] * 2, low=[dense[1]] * 2, high=[dense[2]] * 2))
    controlled = [each for each in CONTROLLED if _name(REDRAWN, each, size) in there]
    return Drawing(
        title="Accuracy on new images by what is left",
        x="weights that are left, %",
        y="right on new images, %",
        lines=lines,
        logarithmic=True,
        ticks={_percent(each, size): 100 * _left(each, size) for each in controlled},
        caption="Means over seeds with 95 % intervals; weights after the last step. Ticket: rounds of pruning, and the "
        "first weights again; redrawn: other weights of the same distribution; random mask: as many weights of each "
        "layer at random.",
    )
