"""One way of training, complete, with an identity."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from steepest.recipe.options import EVALUATIONS, FrozenOptions, Precision


class Recipe(FrozenOptions):
    """One way of training, complete: what a run seed and a dataset turn into weights.

    Attributes:
        data: the dataset's fingerprint.
        model: the model's specification.
        optimizer: the rule's name with every hyperparameter, the learning rate included.
        schedule: the schedule's specification.
        steps: the run's length.
        batch_size: rows a step.
        clip: largest norm of the gradient, or None.
        class_weights: weight of each class in the loss, or None.
        precision: ``float64`` of everything; otherwise of the matrix products in training, while weights, updates and
            evaluation have 32 bits.
        metric: name of the metric that picks the best weights.
        positive: label of the positive class, or None where there are not two classes.
        gradients: the run's length in gradient evaluations where that is what counts, or None; ``steps`` is then the
            largest number of steps that they can make.
        patience: epochs without an improvement after which the run stops, or None for the full length.
        code: the identity of what the user wrote (optimizer, model, schedule, callbacks) and of the files that the
            model begins from (weights); empty where all is ours.
        loss: the training loss; empty for the default one of the target.
        regularizer: what acts inside a step besides the optimizer, in order; empty for nothing.
        rates: multipliers of the learning rate by role or name of parameters; empty for one rate.
        freeze: roles or names of the parameters that are not trained; empty for none.
        finetune: which part of the model is trained, as a way of fine-tuning; empty for all of it.
        accumulate: micro-batches in which the gradient of a batch is computed.
        max_seconds: of training, after which the run ends, or None.
        evaluations: how many times it reads the validation rows, evenly spaced.
        start: the run whose weights it starts from, as its recipe's id and the point (``best``, ``last``); None for
            weights drawn anew.
        draw: how first weights are drawn where that is not the model's own way; empty where it is.
        prune: which weights are held at zero, those that were small in the run ``masked``; empty for none.
        masked: the run whose weights ``prune`` goes by, as its recipe's id and the point.
        taught: how the loss is made of the labels and the answers of the run ``teacher``; empty for the labels alone.
        teacher: the run that answers, as its recipe's id and the point.
    """

    data: str
    model: str
    optimizer: str
    schedule: str
    steps: int
    batch_size: int
    clip: float | None = None
    class_weights: tuple[float, ...] | None = None
    precision: Precision = "float32"
    metric: str = ""
    positive: str | None = None
    gradients: float | None = None
    patience: int | None = None
    code: dict[str, str] = Field(default_factory=dict[str, str])
    loss: str = ""
    regularizer: str = ""
    rates: str = ""
    freeze: str = ""
    finetune: str = ""
    accumulate: int = 1
    max_seconds: float | None = None
    evaluations: int = EVALUATIONS
    start: tuple[str, str] | None = None
    draw: str = ""
    prune: str = ""
    masked: tuple[str, str] | None = None
    taught: str = ""
    teacher: tuple[str, str] | None = None

    def scheduled(self, schedule: str) -> Recipe:
        """Return this recipe with a schedule of steepest's own."""
        return self.without_code("schedule").model_copy(update={"schedule": schedule})

    def without_code(self, kind: str) -> Recipe:
        """Return this recipe without the identity of one kind of code."""
        code = {name: digest for name, digest in self.code.items() if name != kind}
        return self.model_copy(update={"code": code})

    @property
    def length(self) -> int:
        """The length in what counts: gradients where they are given, else steps."""
        return self.steps if self.gradients is None else math.ceil(self.gradients)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that change with any value of the recipe.

        Example:
            >>> a = Recipe(data="d", model="m", optimizer="adam(lr=0.1)", schedule="cosine", steps=9, batch_size=8)
            >>> a.id == a.model_copy().id != a.model_copy(update={"steps": 10}).id
            True
        """
        values = self.model_dump(mode="json")
        for name in NEUTRAL:
            if values[name] == NEUTRAL[name]:
                del values[name]
        return stable_hash(values)[:12]


FROM_THE_BEGINNING: Any = object()
"""In place of a neutral value: recipes have always had the field."""


@dataclass(frozen=True)
class Bearing:
    """What a field of a recipe bears on, besides the result of a run, on which all do.

    Attributes:
        neutral: the value, fixed forever, that leaves the identity as it was before recipes had the field.
        in_time: whether the time of a step depends on it, so that it is part of the key of a cell.
        in_pilot: whether the pilot run that finds the length is trained with it, so that arms that differ in it have
            pilots of their own.
    """

    neutral: Any = FROM_THE_BEGINNING
    in_time: bool = False
    in_pilot: bool = False


BEARINGS: Mapping[str, Bearing] = {
    "data": Bearing(in_pilot=True),  # cells have its shape
    "model": Bearing(in_time=True, in_pilot=True),
    "optimizer": Bearing(),  # times are stored by optimizer; the pilot has its own
    "schedule": Bearing(),
    "steps": Bearing(),
    "batch_size": Bearing(in_time=True, in_pilot=True),
    "clip": Bearing(in_time=True, in_pilot=True),
    "class_weights": Bearing(in_pilot=True),
    "precision": Bearing(in_time=True, in_pilot=True),
    "metric": Bearing(in_pilot=True),
    "positive": Bearing(None, in_pilot=True),
    "gradients": Bearing(None),
    "patience": Bearing(),
    "code": Bearing({}, in_pilot=True),  # each digest goes with its component
    "loss": Bearing("", in_time=True, in_pilot=True),
    "regularizer": Bearing("", in_time=True, in_pilot=True),  # but for what ends a run early
    "rates": Bearing("", in_time=True, in_pilot=True),
    "freeze": Bearing("", in_time=True, in_pilot=True),
    "finetune": Bearing("", in_time=True, in_pilot=True),
    "accumulate": Bearing(1, in_time=True, in_pilot=True),
    "max_seconds": Bearing(None),
    "evaluations": Bearing(20),
    "start": Bearing(None),
    "draw": Bearing(""),
    "prune": Bearing(""),
    "masked": Bearing(None),
    "taught": Bearing(""),
    "teacher": Bearing(None),
}
"""What every field of a recipe bears on."""

NEUTRAL: Mapping[str, Any] = {
    name: each.neutral for name, each in BEARINGS.items() if each.neutral is not FROM_THE_BEGINNING
}
"""Fields that recipes had not from the beginning, with the values that leave the identity as it was."""


def stable_hash(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON as hexadecimal digits."""
    return hashlib.sha256(_CANONICAL(value).encode()).hexdigest()


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode
