"""Which of the published recommenders is best once dropout does what it says, and does Adam end worse than momentum?

Lecture notes train a dot product, a dot product with biases and a small network of embeddings on 100,004 ratings. The
network calls its dropout as a function, without saying whether it trains: in the torch of that time this did nothing,
and in today's it drops three of four numbers when it predicts, too. Here all three are measured, with seeds, beside
four variants that the notes suggest, restarts of the rate, and momentum, Adam and AdamW with equal tuning.

With some seeds the network predicts one number for everything, to the end, as all do in their first steps. Such runs
are counted, and left out of means and differences.

Some of a random fifth of the ratings are of films that no training row has. Without a mean or biases, the dot product
can say nothing of them: what it predicts for them decides a good part of its error, and that is measured, too.
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
from steepest.data.dataset import Part, Shape
from steepest.experiment.given import Arm
from steepest.models.dot import Dot
from steepest.models.looked_up import LookedUp
from steepest.rng import stream, torch_stream
from steepest.studies.base.bands import agrees
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Curve, Found, Gap, StudyColumn, ends, gaps, mean_text
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.studies.base.tables import catalog_rows, kept_table
from steepest.train.callback import Callback, View

COMPONENTS = {
    "movielens": {
        "object": "MovieLensStudy",
        "what": "does Adam end worse than momentum on ratings?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 0.1, "default": 0.5, "full": 3.0},
        "yours": (
            "compare ratings.csv --user userId --item movieId --rating rating --model dot --model "
            "dot-bias -o momentum,adam,adamw"
        ),
    }
}

NAME = "movielens-small-2016"
USER, ITEM, RATING = "userId", "movieId", "rating"
SHARE = 0.75
"""The published dropout, of the vectors and of the hidden units."""
THREE, NETS, OPTIMIZERS = "three-epochs", "networks", "optimizers"
DOT, OFF = "dot product", "net (dropout off)"
PROPER, LEFT_ON = "proper dropout", "dropout left on"
LIBRARY, BIASES, COSINE = "library (2 cycles)", "dot product and biases", "library (one cosine)"
LESS, UNEQUAL, DEEPER, DECAYED = "less dropout", "unequal widths", "two hidden layers", "more decay"
PUBLISHED = {
    (MAIN, DOT): (1.645, 1.306, 1.230, 1.147, 1.135, 1.129),
    (MAIN, OFF): (1.106, 0.827, 0.799, 0.791, 0.788, 0.787),
    (THREE, LIBRARY): (0.80873, 0.77714, 0.76338),
    (THREE, BIASES): (0.837, 0.818, 0.810),
}
"""Mean squared errors on 20 % of the ratings, by epoch."""
ERROR, ON = "squared error on new ratings", "squared error on new ratings, dropout left on"
KNOWN, NEW, ZERO = "squared error, known", "squared error, new", "squared error, new ones as zero"
"""Of ratings whose user and film are in training rows, of the others, and of all if new ones have the vector zero."""
SHARE_NEW, SPREAD = "share of ratings of new users or films", "standard deviation of predictions"
LEARNED = 0.05
"""A run whose predictions have a smaller standard deviation than this, in stars, predicts one number for everything."""
TRIALS = 5
"""Trials of a rate by default, doubled where a decay is tuned with it."""
FIRST = 0.05
"""The notes' factors begin uniform from 0 to this."""


class NotesDot(Dot):
    """The dot product of the notes: no mean, and what is new has the factors of a start.

    The tables of the notes have a row for every user and film of all ratings, so that those that no training row has
    keep the factors with which they began.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, start=FIRST, mean=False)
        with torch.no_grad():
            for each in (self.users, self.items):
                each.weight[0].uniform_(0.0, FIRST)


def left_on(model: nn.Module, rows: Part) -> Tensor:
    """Return predictions ``[N, 1]`` with dropout, by masks that are the same every time."""
    for each in model.modules():
        if isinstance(each, nn.Dropout):
            each.train()
    try:
        with torch.no_grad(), torch_stream(0, "watching"):
            return model(*rows.inputs)
    finally:
        model.eval()


class ErrorByEpoch(Callback):
    """Logs the mean squared error on the test ratings at the end of every epoch, and at the end what it is made of."""

    only_watches = by_run = True

    def at_evaluation(self, view: View) -> None:
        """Log it, with dropout left on as well where there is some, if an epoch ends here."""
        if abs(view.epoch - round(view.epoch)) > 1e-6:
            return
        model, rows = view.model(), view.test_rows()
        view.log(ERROR, float(_errors(_predicted(model, rows), rows).mean()))
        if any(isinstance(each, nn.Dropout) and each.p for each in model.modules()):
            view.log(ON, float(_errors(left_on(model, rows), rows).mean()))

    def at_end(self, view: View) -> None:
        """Log the errors of the last weights by whether users and films are known, and how predictions scatter."""
        model, rows = view.model(), view.test_rows()
        outputs = _predicted(model, rows)
        errors, new = _errors(outputs, rows), (rows.inputs[0] == 0).any(1)
        view.log(SPREAD, float(outputs.std()))
        view.log(SHARE_NEW, float(new.double().mean()))
        view.log(KNOWN, float(errors[~new].mean()))
        if bool(new.any()):
            view.log(NEW, float(errors[new].mean()))
        with torch.no_grad():
            for each in model.modules():
                if isinstance(each, LookedUp):
                    each.weight[0] = 0.0
        view.log(ZERO, float(_errors(_predicted(model, rows), rows).mean()))


def _predicted(model: nn.Module, rows: Part) -> Tensor:
    with torch.no_grad():
        return model(*rows.inputs)


def _errors(outputs: Tensor, rows: Part) -> Tensor:
    """Return the squared error of every rating, ``[N]``."""
    return (outputs.flatten().double() - rows.target.flatten().double()) ** 2


class MovieLensStudy(Study):
    """The four published runs, three kinds of dropout, four variants, restarts, and three optimizers tuned alike."""

    name = "movielens"
    question = "Which published recommender is best, what does its dropout do, and does Adam end worse than momentum?"
    source = (
        "lecture notes on collaborative filtering, 100,004 ratings of MovieLens; validation losses by epoch"
    )
    headlines: ClassVar = {
        "more": "Adam ends worse than momentum where both are tuned alike: {adam} in squared error; "
        "{decoupled}. {dropout}",
        "same": "Adam is not told apart from momentum where both are tuned alike: {adam} in squared error; "
        "{decoupled}. {dropout}",
        "less": "Adam ends better than momentum where both are tuned alike: {adam} in squared error; "
        "{decoupled}. {dropout}",
    }

    def data(self, size: Size) -> StudyData:
        """Return the ratings, all of them, or with ``quick`` generated ones."""
        options = {"user": USER, "item": ITEM, "rating": RATING, "test": 0.2, "validation": 0.01}
        if size == "quick":
            return kept_table(
                "ratings-like", "generated", "generated ratings of low rank", generated(), options
            )
        frame, _, _ = catalog_rows(NAME)
        text = "MovieLens small of 2016, 671 users and 9,066 films"
        return kept_table(NAME, NAME, text, frame.select(USER, ITEM, RATING), options)

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the published runs of six epochs and of three, the network's variants, and the tuned optimizers."""
        del data
        shared = {"batch_size": 64, "metric": "mse", "baseline": "none"}
        watching = ["steepest.studies.movielens:ErrorByEpoch"]
        bias, adam = "dot-bias(mean=false, start=0.05)", "adam(lr=1e-2, weight_decay=2e-4)"
        six = [
            _arm(
                MAIN,
                DOT,
                "steepest.studies.movielens:NotesDot",
                "momentum(lr=0.1, weight_decay=1e-5)",
                HALVES,
            ),
            _arm(MAIN, OFF, _net(dropout=0.0), SLOW, HALVES),
        ]
        three = [
            _arm(THREE, LIBRARY, bias, adam, "sgdr(cycles=2, multiplier=2)"),
            _arm(THREE, COSINE, bias, adam, "cosine"),
            _arm(THREE, BIASES, "dot-bias(mean=false)", "momentum(lr=0.1, weight_decay=2e-4)", "constant"),
        ]
        nets = [
            _arm(NETS, OFF, _net(dropout=0.0), SLOW, HALVES),
            _arm(NETS, PROPER, _net(dropout=SHARE, hidden_dropout=SHARE), SLOW, HALVES),
            _arm(NETS, LESS, _net(dropout=0.05, hidden_dropout=0.05), SLOW, HALVES),
            _arm(NETS, UNEQUAL, _net(dropout=0.0, factors=[30, 70]), SLOW, HALVES),
            _arm(NETS, DEEPER, _net(dropout=0.0, hidden=[20, 10]), SLOW, HALVES),
            _arm(NETS, DECAYED, _net(dropout=0.0), SLOW.replace("5e-4", "2e-3"), HALVES),
        ]
        tuned = [
            StudyArm(Arm(name=name, model=bias, optimizer=name, schedule="cosine"), "tuned")
            for name in DECAYS
        ]
        tuning = {
            "tune": [f"{name}: weight_decay={span}" for name, span in DECAYS.items()],
            "validation": 0.05,
            "scan_rates": by_size(size, TRIALS, TRIALS, 7),
            "full_rates": by_size(size, 2, 2, 3),
        }
        return {
            MAIN: Comparing(six, {**shared, "epochs": 6, "seeds": by_size(size, 3, 4, 10)}, watching),
            THREE: Comparing(three, {**shared, "epochs": 3, "seeds": by_size(size, 3, 3, 10)}, watching),
            NETS: Comparing(
                nets,
                {**shared, "epochs": by_size(size, 3, 3, 6), "seeds": by_size(size, 3, 4, 10)},
                watching,
            ),
            OPTIMIZERS: Comparing(
                tuned,
                {**shared, **tuning, "epochs": by_size(size, 3, 2, 3), "seeds": by_size(size, 3, 3, 10)},
                watching,
            ),
        }

    def made_of(self, arm: str) -> Sequence[str]:
        """Return the second row of proper dropout: the same networks where dropout is left on."""
        return (LEFT_ON,) if arm == PROPER else ()

    def columns(self) -> Sequence[StudyColumn]:
        """Return how many runs learn, and their mean squared error on new ratings, at the end of known films, too."""
        return [
            StudyColumn("runs that learn", _learning, percent=False, digits=0),
            StudyColumn("MSE, epoch 1", _after_one, percent=False, digits=3),
            StudyColumn("MSE, end", _end, percent=False, digits=3),
            StudyColumn("known films", _known, percent=False, digits=3),
            StudyColumn("RMSE, end", _root, percent=False, digits=3),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what tuning alike says of Adam, and what dropout does."""
        ended = {name: _end(found, OPTIMIZERS, name) for name in DECAYS}
        adam, decoupled = gaps([(ended[each], ended["momentum"]) for each in ("adam", "adamw")])
        first = [_after_one(found, OPTIMIZERS, each) for each in ("adam", "momentum")]
        [early] = gaps([(first[0], first[1])])
        off = _end(found, NETS, OFF)
        changed = [(_end(found, NETS, each), off) for each in CHANGED]
        kinds = dict(zip(CHANGED, gaps(changed), strict=True))
        [restarts] = gaps([(_end(found, THREE, LIBRARY), _end(found, THREE, COSINE))])
        better = [name for name in VARIANTS if kinds[name].verdict == "less"]
        rows = [
            Beside(
                what=f"{name}: MSE by epoch",
                published=", ".join(f"{each:.3f}" for each in values),
                measured=_by_epoch(found, of, name),
                reason=_why(found, of, name, values),
            )
            for (of, name), values in PUBLISHED.items()
        ]
        rows += [
            Beside(
                what="the dot product's MSE at the end, and what films without a training rating cost it",
                published="1.129; such films keep the factors they began with",
                measured=_new_films(found),
            ),
            Beside(
                what="runs of the net that predict one number for everything, dropout off",
                published="1.106 after an epoch: the error of one number",
                measured=_stuck(found),
            ),
            Beside(
                what=f"the net's dropout of {SHARE}: off, proper, left on",
                published="off, as it ran then: 0.787; a call without training= is always on today",
                measured=", ".join(
                    mean_text(_end(found, NETS, each), percent=False, digits=3)
                    for each in (OFF, PROPER, LEFT_ON)
                ),
            ),
            Beside(
                what="four variants − the net with dropout off",
                published="suggested, not run",
                measured=", ".join(f"{name} {_said(kinds[name])}" for name in VARIANTS),
            ),
            Beside(
                what="restarts (1 + 2 epochs) − one cosine of 3 epochs",
                published="2 cycles with multiplier 2",
                measured=_said(restarts),
            ),
            Beside(
                what="Adam − momentum after an epoch, tuned alike",
                published="Adam is much faster",
                measured=_said(early),
            ),
            Beside(
                what="Adam − momentum, AdamW − momentum at the end, tuned alike",
                published="Adam ends worse; AdamW mends it",
                measured=f"{_said(adam)}, {_said(decoupled)}",
                reason="said in passing there; here rates and decays of all three are tuned",
            ),
        ]
        return Answer(
            adam.verdict,
            {
                "adam": _said(adam),
                "decoupled": f"AdamW {_said(decoupled)}",
                "dropout": f"The published network's dropout of {SHARE} {_HARMS[kinds[PROPER].verdict]} where it acts "
                f"in training alone ({_said(kinds[PROPER])}), and {_HARMS[kinds[LEFT_ON].verdict]} "
                f"where it is left on ({_said(kinds[LEFT_ON])}); of the suggested variants "
                f"{' and '.join(better) if better else 'none'} {'are' if len(better) > 1 else 'is'} shown to help.",
            },
            rows,
            _checks(found),
            [_drawing(found)],
            [
                "Errors are of the last weights on the 20 % of the ratings that are held out, over the seeds that "
                f"learn: a run whose predictions scatter by less than {LEARNED} stars predicts one number. Another "
                "1 % is left out of training to be watched, so that 79 % are learned from, not 80 %; where rates "
                "and decays are chosen, 5 %. Ratings are drawn at random: nothing here is about new users. Dropout "
                "and the variants are compared after 3 epochs, with --full after the published 6. Momentum, Adam and "
                "AdamW have as many trials of rates and decays each, on the dot product with biases; intervals of "
                "comparisons hold together within a line.",
            ],
        )


SLOW, HALVES = "momentum(lr=0.01, weight_decay=5e-4)", "step(factor=0.1, period=0.5)"
DECAYS = {"momentum": "1e-5..1e-3", "adam": "1e-5..1e-3", "adamw": "1e-2..1"}
"""Ranges of weight decay; AdamW's is multiplied by the rate and not divided by the gradient's size."""
VARIANTS = (LESS, UNEQUAL, DEEPER, DECAYED)
CHANGED = (PROPER, LEFT_ON, *VARIANTS)
_HARMS = {"more": "harms", "same": "is not shown to harm", "less": "helps"}


def _checks(found: Found) -> list[Check]:
    runs = [
        value
        for of in found.comparisons
        for each in found.arms(of)
        for value in found.last_logged(ERROR, each.title, of)
    ]
    finite = sum(map(math.isfinite, runs))
    checks = [
        Check(
            what="every run ends with a finite error",
            passed=finite == len(runs),
            found=f"{finite} of {len(runs)}",
        )
    ]
    if found.size != "quick":  # in which the network does not learn in time
        left, proper = (_end(found, NETS, each) for each in (LEFT_ON, PROPER))
        pairs = [
            (one, other)
            for one, other in zip(left, proper, strict=True)
            if math.isfinite(one) and math.isfinite(other)
        ]
        checks.append(
            Check(
                what="dropout that is left on predicts worse than the same dropout in training alone, with every seed "
                "that learns",
                passed=bool(pairs) and all(one > other for one, other in pairs),
                found=" against ".join(mean_text(each, percent=False, digits=3) for each in (left, proper)),
            )
        )
    return checks


def _net(**options: Any) -> str:
    given = ", ".join(f"{name}={str(value).replace(' ', '')}" for name, value in options.items())
    return f"embedding-net({given})"


def _arm(of: str, name: str, model: str, optimizer: str, schedule: str) -> StudyArm:
    return StudyArm(
        Arm(name=name, model=model, optimizer=optimizer, schedule=schedule),
        "published" if (of, name) in PUBLISHED else "corrected",
    )


def _learns(found: Found, of: str, arm: str) -> list[bool]:
    """Return of every seed whether its predictions differ from each other."""
    trained = PROPER if arm == LEFT_ON else arm
    return [spread >= LEARNED for spread in found.last_logged(SPREAD, trained, of)]


def _curves(found: Found, of: str, arm: str) -> list[Curve]:
    """Return the error by epoch of every seed; none of one that predicts one number."""
    trained, name = (PROPER, ON) if arm == LEFT_ON else (arm, ERROR)
    learns = _learns(found, of, arm)
    return [
        curve if each else [] for curve, each in zip(found.logged(name, trained, of), learns, strict=True)
    ]


def _learning(found: Found, of: str, arm: str) -> list[float]:
    return [float(sum(_learns(found, of, arm)))]


def _after_one(found: Found, of: str, arm: str) -> list[float]:
    return [curve[0][1] if curve else math.nan for curve in _curves(found, of, arm)]


def _end(found: Found, of: str, arm: str) -> list[float]:
    return [curve[-1][1] if curve else math.nan for curve in _curves(found, of, arm)]


def _root(found: Found, of: str, arm: str) -> list[float]:
    return [math.sqrt(each) for each in _end(found, of, arm)]


def _known(found: Found, of: str, arm: str) -> list[float]:
    if arm == LEFT_ON:
        return []
    learns = _learns(found, of, arm)
    return [
        each if own else math.nan for each, own in zip(found.last_logged(KNOWN, arm, of), learns, strict=True)
    ]


def _stuck(found: Found) -> str:
    six, three = (_learns(found, of, OFF) for of in (MAIN, NETS))
    epochs = {of: round(found.records(OFF, of)[0].curve[-1].epoch) for of in (MAIN, NETS)}
    return (
        f"{six.count(False)} of {len(six)} after {epochs[MAIN]} epochs, {three.count(False)} of {len(three)} after "
        f"{epochs[NETS]}"
    )


def _new_films(found: Found) -> str:
    share, *errors = (found.last_logged(name, DOT) for name in (SHARE_NEW, ERROR, KNOWN, NEW, ZERO))
    error, known, new, zero = (mean_text(each, percent=False, digits=3) for each in errors)
    return (
        f"{error} with such factors; {known} on known films, {new} on the {mean_text(share)} % of ratings of new ones; "
        f"{zero} if new ones are predicted as 0"
    )


def _said(gap: Gap) -> str:
    return gap.text(percent=False, digits=3)


def _why(found: Found, of: str, name: str, published: Sequence[float]) -> str:
    """Return where a published run is none that a further seed may give; nothing where it is one in every epoch."""
    if found.size == "quick":
        return "generated ratings"
    curves = [each for each in _curves(found, of, name) if each]
    if len(curves) < 2:
        return ""
    seeds = [[value for _, value in each] for each in zip(*curves, strict=True)]
    apart = [not agrees(*each) for each in zip(published, seeds, strict=True)]
    if not any(apart):
        return "within what one seed gives"
    epochs = " and ".join(str(epoch + 1) for epoch, each in enumerate(apart) if each)
    stuck = ", where it still predicted one number" if name == OFF and epochs == "1" else ""
    end = "" if apart[-1] else "; in the end within what one seed gives"
    return f"one run there, apart in epoch {epochs}{stuck}{end}"


def _by_epoch(found: Found, of: str, name: str) -> str:
    curves = [each for each in _curves(found, of, name) if each]
    epochs = [[value for _, value in each] for each in zip(*curves, strict=True)]
    return ", ".join(mean_text(each, percent=False, digits=3) for each in epochs) or "no run learns"


def _drawing(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    for of, name in (*PUBLISHED, (NETS, PROPER), (NETS, LEFT_ON)):
        curves = [each for each in _curves(found, of, name) if each]
        if not curves:
            continue
        values = [ends([value for _, value in each]) for each in zip(*curves, strict=True)]
        y, low, high = (list(each) for each in zip(*values, strict=True))
        lines.append(FigureLine(name=name, x=[float(i + 1) for i in range(len(y))], y=y, low=low, high=high))
    return Drawing(
        title="Error on new ratings by epoch",
        x="epoch",
        y="mean squared error",
        lines=lines,
        caption="Means over the seeds that learn, with 95 % intervals. Rates of the dot product and of the nets fall "
        "to a tenth after half of their epochs.",
    )


def generated(users: int = 80, items: int = 120, ratings: int = 3_000) -> pl.DataFrame:
    """Return ratings from 0.5 to 5 by a mean, biases and two factors, with noise.

    Example:
        >>> made = generated()
        >>> made.shape, made["rating"].min(), made["rating"].max()
        ((3000, 3), 0.5, 5.0)
    """
    draw = stream(0, "data")
    pairs = draw.permutation(users * items)[:ratings]
    user, item = pairs // items, pairs % items
    taste, kind = draw.standard_normal((users, 3)), draw.standard_normal((items, 3))
    score = 3.4 + 0.4 * taste[user, 0] + 0.5 * kind[item, 0] + 0.4 * (taste[user, 1:] * kind[item, 1:]).sum(1)
    noisy = np.clip(np.rint(2 * (score + 0.7 * draw.standard_normal(ratings))) / 2, 0.5, 5.0)
    return pl.DataFrame({USER: user + 1, ITEM: item + 1, RATING: noisy})
