"""What the values of arms mean on their data, so that the same in other words is seen to be the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from steepest.data.numbers import STANDARD
from steepest.data.sources.contract import Source
from steepest.errors import SteepestError
from steepest.experiment.data import Datasets
from steepest.finetuning import structural_text
from steepest.models import build_model
from steepest.objectives.target import target_of
from steepest.optim.selection import freeze, meant
from steepest.recipe import stable_hash, varying
from steepest.regularizers import regularizer_meant
from steepest.sweep.arms import ALL_ROWS, TRUE_LABELS, PlannedArm
from steepest.sweep.meaning import model_meant, schedule_meant
from steepest.sweep.wanted import Wanted

_TEXTS: Mapping[str, Callable[[str], str]] = {
    "model": model_meant,
    "regularizer": regularizer_meant,
    "schedule": schedule_meant,
}
_DATA = ("train_rows", "labels", "prepare", "numbers")
_PARAMETERS = ("finetune", "rates", "freeze")


class Meaning:
    """What values of factors mean on data, which is read only where that depends on it.

    Optimizers and procedures are written in one way by :func:`steepest.sweep.wanted.texts_of`.
    """

    factors = (*_TEXTS, *_DATA, "batch_size", "loss", *_PARAMETERS)
    """The factors whose values can be written in several ways; the batch size depends on those before it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @functools.cached_property
    def _datasets(self) -> Datasets:
        return Datasets(self._source)

    def same(self, arm: Wanted, factor: str, other: Any) -> bool:
        """Return whether another value of a factor means the same as that of an arm."""
        return self._of(arm, factor) == self._of(replace(arm, **{factor: other}), factor)

    def _of(self, arm: Wanted, factor: str) -> Any:
        value = arm.value(factor)
        try:
            if factor in _TEXTS:
                return _TEXTS[factor](value) if isinstance(value, str) else value
            if factor == "loss":
                return value or target_of(self._datasets.first).loss
            if factor in _PARAMETERS:
                shape = self._datasets.first.shape
                net = freeze(build_model(arm.model, shape, finetune=arm.finetune), arm.freeze)
                return meant(net, arm.rates), structural_text(arm.finetune)
            if factor == "batch_size":
                return self._datasets.batch_size(replace(arm, batch_size=value))
            plain = replace(arm, train_rows=ALL_ROWS, labels=TRUE_LABELS, prepare="", numbers=STANDARD)
            varied = self._datasets.variant(replace(plain, **{factor: value}))
            return self._datasets.fingerprint(varied, 0)
        except SteepestError:  # it cannot be made, which is said where it is to be
            return value


def meaning_of(arm: PlannedArm, net: nn.Module) -> str:
    """Return what is the same for two arms that differ in their texts only."""
    recipe = arm.recipe
    model = recipe.model if arm.model else model_meant(recipe.model)
    schedule = schedule_meant(recipe.schedule)
    factors = {
        **arm.factors,
        "model": model,
        "regularizer": regularizer_meant(recipe.regularizer),
        "schedule": schedule,
        "batch_size": recipe.batch_size,
    }
    for name in ("numbers", "train_rows", "labels", "prepare", *_PARAMETERS):
        del factors[name]
    adapter = [each] if (each := structural_text(recipe.finetune)) else []
    return stable_hash([factors, meant(net, recipe.rates), arm.folds, recipe.code, arm.method.code, *adapter])


def same_because(one: PlannedArm, other: PlannedArm) -> str:
    """Return why two arms are the same."""
    differing = varying([one.factors, other.factors])
    if not differing:
        return f"the default batch size is {one.recipe.batch_size}"
    texts = (f"{name} {one.factors[name]!r} and {other.factors[name]!r}" for name in differing)
    return f"{' and '.join(texts)} mean the same"
