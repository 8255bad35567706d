"""Scores of predictions on rows whose target is known, with intervals for other rows of the same kind."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import polars as pl
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from steepest.data.row_weights import Weights
from steepest.data.unforeseen import added
from steepest.errors import unknown_name
from steepest.evaluate import crossed
from steepest.evaluate.metrics import evaluate, metric_info
from steepest.evaluate.rowwise import BY_ROW, RAREST, by_row, other_values, too_few
from steepest.objectives.target import Target
from steepest.objectives.tokens import LARGEST
from steepest.prediction.seen import Origin, parted
from steepest.wording import first_few

LEAST_BLANK = 20
"""So many rows without any value of a column are not taken for rows that lack one each by themselves."""

MOST_OUTPUTS = 1 << 27
"""So many outputs are held for metrics that are no mean over rows; of more rows, these metrics are left out."""


@dataclass(frozen=True)
class Question:
    """What is predicted, and by which metrics predictions are judged.

    Attributes:
        column: the target's name.
        target: what it is.
        metrics: their names, the deciding one first.
        origin: what the model's rows are as a whole, where that was kept.
        weight: the column of weights of rows in training, or None if there was none.
        scoring: how rows are scored where that is a choice, for a reader; else nothing.
    """

    column: str
    target: Target
    metrics: tuple[str, ...]
    origin: Origin | None = None
    weight: str | None = None
    scoring: str = ""

    def without(self, metrics: Collection[str]) -> Question:
        """Return the question without some metrics."""
        return replace(self, metrics=tuple(each for each in self.metrics if each not in metrics))


@dataclass(frozen=True)
class Unscored:
    """How many rows cannot be scored, and why.

    Attributes:
        missing: rows without a value of the target.
        unknown: rows by a class that training did not have.
        unweighed: rows with a known target whose weight is missing or no finite number from 0.
        weightless: rows with a known target and the weight 0.
    """

    missing: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict[str, int])
    unweighed: int = 0
    weightless: int = 0

    def __add__(self, other: Unscored) -> Unscored:
        """Return those of two batches."""
        return Unscored(
            self.missing + other.missing,
            added(self.unknown, other.unknown),
            self.unweighed + other.unweighed,
            self.weightless + other.weightless,
        )


@dataclass(frozen=True)
class Score:
    """A metric of some rows, with the ends of its 95 % interval where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class KnownScores:
    """How well predictions fit the known values of the target.

    The intervals are about other rows of the same kind, not about another training run.

    Attributes:
        target: the column.
        rows: how many are scored: they have a known value and a prediction.
        metrics: the deciding one first; those that weigh classes have an interval if no class has too few rows.
        missing, unknown, unweighed, weightless: rows that are not scored, as in ``Unscored``.
        reason: why no metric has an interval, or empty.
        unrecognised: why training rows among them are not recognised and scored like new ones, or empty.
        seen: how many of the rows with a known value the model was trained or chosen on.
        new: whether the scored rows are the others; false if there are none, so that the scores are too good.
        equal: how many of the scored rows equal a training or validation row and are scored all the same: they are
            test rows, or no more than new rows would be.
        weight: the column of weights of rows in training, or None if there was none.
        weighted: whether the metrics and their intervals are weighted by it: the rows have the column.
        scoring: how rows were scored where that is a choice, such as ``window 128, stride 128``; else nothing.
    """

    target: str
    rows: int
    metrics: tuple[Score, ...]
    missing: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict[str, int])
    reason: str = ""
    seen: int = 0
    new: bool = True
    equal: int = 0
    weight: str | None = None
    weighted: bool = False
    unweighed: int = 0
    weightless: int = 0
    scoring: str = ""
    unrecognised: str = ""

    def __getitem__(self, name: str) -> Score:
        """Return a metric by its name."""
        wanted = metric_info(name).name
        for each in self.metrics:
            if each.name == wanted:
                return each
        raise unknown_name("metric of these rows", name, [each.name for each in self.metrics])

    @property
    def table(self) -> pl.DataFrame:
        """A row for each metric: ``metric``, ``value``, ``low``, ``high``."""
        rows = [(each.name, each.value, each.low, each.high) for each in self.metrics]
        types = {"metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return pl.DataFrame(rows, schema=types, orient="row")


@dataclass(frozen=True)
class Known:
    """Rows with a prediction and a known target.

    Attributes:
        question: what is predicted.
        loss: log loss or squared error of each row, ``[N]``.
        correct: whether the predicted class is the right one, ``[N]``; None for a number.
        outputs: of the model ``[N, K]``, or None if they are too many to be held.
        target: codes or standardised values, ``[N]``.
        found: of each row its hash, and how often it was trained on, tested on and unused, ``[N, 4]``.
        unscored: rows that cannot be scored.
        weights: of each row, above 0, ``[N]``; None where the rows are not weighted.
        places: numbers of what is recognised, the same ones for rows that are parts of one, ``[N]``; None where every
            row is one.
        blank: columns without any value, as in ``Encoded``: no row equals one of training that had a value there.
        counted: how many rows there are, also those without a known target.
    """

    question: Question
    loss: NDArray[np.float64]
    correct: NDArray[np.bool_] | None
    outputs: Tensor | None
    target: Tensor
    found: NDArray[np.uint32]
    unscored: Unscored = field(default_factory=Unscored)
    weights: Weights | None = None
    places: NDArray[np.int64] | None = None
    blank: Mapping[str, bool] = field(default_factory=dict[str, bool])
    counted: int = 0

    @classmethod
    def of(
        cls,
        question: Question,
        outputs: Tensor,
        target: Tensor,
        found: NDArray[np.uint32] | None = None,
        unscored: Unscored | None = None,
        weights: Weights | None = None,
        places: NDArray[np.int64] | None = None,
        blank: Mapping[str, bool] | None = None,
        counted: int = 0,
    ) -> Known:
        """Return rows that can be scored, at most as many as there are outputs and none."""
        found = np.zeros((len(target), 4), dtype=np.uint32) if found is None else found
        loss = question.target.row_losses(outputs, target).numpy()
        right = question.target.row_correct(outputs, target)
        correct = None if right is None else right.numpy()
        return cls(
            question, loss, correct, outputs, target, found, unscored or Unscored(), weights, places, blank or {},
            counted,
        )  # fmt: skip

    @staticmethod
    def joined(parts: Sequence[Known]) -> Known:
        """Return the rows of batches as those of one."""
        outputs = [each.outputs for each in parts if each.outputs is not None]
        correct = [each.correct for each in parts if each.correct is not None]
        few = len(outputs) == len(parts) and sum(each.numel() for each in outputs) <= MOST_OUTPUTS
        weights = [each.weights for each in parts if each.weights is not None]
        places = [each.places for each in parts if each.places is not None]
        return Known(
            parts[0].question,
            np.concatenate([each.loss for each in parts]),
            np.concatenate(correct) if correct else None,
            torch.cat(outputs) if few else None,
            torch.cat([each.target for each in parts]),
            np.concatenate([each.found for each in parts]),
            sum((each.unscored for each in parts), Unscored()),
            np.concatenate(weights) if weights else None,
            np.concatenate(places) if places else None,
            {name: each for name, each in parts[0].blank.items() if all(name in one.blank for one in parts)},
            sum(each.counted for each in parts),
        )

    @property
    def scores(self) -> KnownScores:
        """The metrics of these rows; of those on which the model was not trained, if it was trained on some."""
        seen = equal = np.zeros(len(self.found), dtype=np.bool_)
        if self.question.origin is not None:
            seen, equal = self._parted(self.question.origin)
        count = int(seen.sum())
        new = not 0 < count == len(seen)
        rows = self._but_for(seen) if new and count else self
        n = len(rows.loss)
        reason = (n and too_few("accuracy", n, None)) or ""
        unrecognised = (n and new and self._unrecognised) or ""
        if not new:
            reason = "the model was trained or chosen on these rows"
        metrics = rows._metrics(intervals=new and not unrecognised)
        return KnownScores(
            target=self.question.column,
            rows=n,
            metrics=metrics,
            reason=unrecognised or reason,
            unrecognised=unrecognised,
            seen=count,
            new=new,
            equal=int(equal.sum()),
            weight=self.question.weight,
            weighted=self.weights is not None and self.question.weight is not None,
            scoring=self.question.scoring,
            **asdict(self.unscored),
        )

    @property
    def _unrecognised(self) -> str:
        """Why training rows would not be recognised by their content, or nothing."""
        if self.question.origin is None:
            return "training rows cannot be recognised: the model was saved without hashes of them"
        names = [name for name, lacks in self.blank.items() if lacks or self.counted >= LEAST_BLANK]
        if not names:
            return ""
        return f"training rows cannot be recognised without {first_few(names)}, and may be among these"

    def _parted(self, origin: Origin) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which rows the model was trained or chosen on, and which others equal one; parts as their whole."""
        if self.places is None:
            return parted(self.found, origin)
        _, first, which = np.unique(self.places, return_index=True, return_inverse=True)
        seen, equal = parted(self.found[first], origin)
        return seen[which], equal[which]

    def _but_for(self, rows: NDArray[np.bool_]) -> Known:
        """Return the other rows."""
        kept = torch.from_numpy(~rows)
        return replace(
            self,
            loss=self.loss[~rows],
            correct=None if self.correct is None else self.correct[~rows],
            outputs=None if self.outputs is None else self.outputs[kept],
            target=self.target[kept],
            found=self.found[~rows],
            weights=None if self.weights is None else self.weights[~rows],
            places=None if self.places is None else self.places[~rows],
        )

    def _metrics(self, *, intervals: bool) -> tuple[Score, ...]:
        asked, n = self.question, len(self.loss)
        kept: dict[str, ArrayLike] = {"loss": self.loss}
        if self.correct is not None:
            kept["correct"] = self.correct
        found: list[Score] = []
        others: dict[str, float] = {}
        rest = [name for name in asked.metrics if name not in BY_ROW]
        rarest = weights = None
        if n and self.weights is not None:
            kept["weights"] = self.weights / self.weights.max()
            weights = torch.from_numpy(kept["weights"])
        if n and rest and self.outputs is not None:
            others = evaluate(self.outputs, self.target, asked.target, rest, weights)
            values = other_values(self.outputs, self.target, asked.target, rest, weights)
            kept |= {name: each.numpy() for name, each in values.items()}
            rarest = int(values[RAREST]) if RAREST in values else None
        for name in asked.metrics if n else ():
            by = by_row(name, kept)
            value = others.get(name)
            if name == "r2" and n == 1:  # one row has no variance
                found.append(Score(name, math.nan))
            elif by is not None:
                enough = intervals and too_few(name, n, rarest) is None
                found.append(_score(name, by, value, enough=enough))
            elif value is not None:
                found.append(Score(name, value))
        return tuple(found)


def _score(name: str, values: NDArray[np.float64], exact: float | None, *, enough: bool) -> Score:
    """Return a metric with its interval, which stays where the metric can be; of an exponential, that of its logarithm.

    Args:
        name: of the metric.
        values: by row or group of rows; their mean is the metric.
        exact: the metric, or None if the mean is what there is.
        enough: whether the rows are enough for an interval.
    """
    value = float(values.mean()) if exact is None else exact
    if math.isnan(value) and name == "rmse":  # all errors are zero, where a root has no slope
        return Score(name, 0.0)
    if not enough or not math.isfinite(value):
        return Score(name, value)
    half = float(crossed.half_width(crossed.parts(values[None])))
    if not half > 0:  # rows that are all the same show no spread
        return Score(name, value)
    about = metric_info(name)
    if about.exponential:  # values by row are linear in those of the logarithm
        factor = math.exp(min(half / value, LARGEST))
        return Score(name, value, max(about.least, value / factor), value * factor)
    return Score(name, value, max(about.least, value - half), min(about.most, value + half))
