"""An arm of a comparison once its data is known: one way of training, and the runs that it consists of."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from steepest.data.variants import Variant
from steepest.errors import OptionError
from steepest.models import ModelBuilder
from steepest.optim.spec import MethodSpec
from steepest.procedures import Stage
from steepest.recipe import FACTOR, Control, Recipe, stable_hash
from steepest.regularizers import read_regularizers
from steepest.sweep.contestants import Contestant
from steepest.train.callback import Callback, see_all_runs

ALL_ROWS, TRUE_LABELS, PLAIN = "all", "none", "train"
"""The neutral values of ``train_rows``, ``labels`` and ``procedure``."""


@dataclass(frozen=True)
class PlannedArm:
    """One way of training in the comparison.

    Attributes:
        method: the optimizer, with what is tuned.
        recipe: a recipe whose optimizer and length are replaced for each run; its data is that of the first fold.
        factors: the value of each factor, as text.
        per_epoch: steps per epoch.
        cell: what the time of its steps depends on, besides the optimizer: key of an execution plan.
        folds: fingerprints of the data of each fold; the one dataset where there are no folds.
        final: fingerprint of the data that the saved model is trained on, where there are folds.
        weights: class weights of each of these datasets, where there are several and classes are weighted.
        label: what distinguishes it from the other arms of the comparison.
        levels: its value of each factor in which arms differ, as people read it.
        name, control: the user's own name for it, and what it was added for; or nothing.
        model: the callable that builds its model, or None.
        parent: the arm whose runs give its first weights, or None.
        point: which weights of the parent's run: ``best`` or ``last``.
        share: its length, in lengths of a plain run.
        stage: what it does with the runs before it.
        kept: shares of its runs after which later stages need its weights.
        inner: whether it is a stage of other arms, which is not compared itself.
        callbacks: what watches its runs or changes them.
        trained: weights of its model that are trained.
    """

    method: Contestant
    recipe: Recipe
    factors: Mapping[str, str]
    per_epoch: int
    cell: str
    folds: tuple[str, ...]
    final: str = ""
    weights: Mapping[str, tuple[float, ...] | None] = field(default_factory=lambda: MappingProxyType({}))
    label: str = ""
    levels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    name: str = ""
    control: Control = ""
    model: ModelBuilder | None = None
    parent: PlannedArm | None = None
    point: str = "best"
    share: float = 1.0
    stage: Stage = field(default_factory=lambda: Stage(1.0))
    kept: tuple[float, ...] = ()
    inner: bool = False
    callbacks: tuple[Callback, ...] = ()
    trained: int = 0

    @functools.cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that change with any factor; the name and the label have no part in it."""
        told = {**self.factors, "code": self.recipe.code, "optimizer code": self.method.code}
        for name, factor in FACTOR.items():
            if factor.later and not getattr(self.recipe, name):
                told.pop(name, None)
            elif factor.since and told.get(name) == factor.since:
                del told[name]
        return stable_hash(told)[:12]

    @property
    def title(self) -> str:
        """How it is called: its name, or what distinguishes it."""
        return self.name or self.label

    @property
    def variant(self) -> Variant:
        """Its training rows and their labels."""
        return Variant(self.factors.get("train_rows", ALL_ROWS), self.factors.get("labels", TRUE_LABELS))

    @property
    def rule(self) -> MethodSpec[Any]:
        """Its update rule at its default or given rate."""
        return self.method.rule

    @property
    def least_gradients(self) -> float:
        """The gradients that a step costs at least."""
        return self.rule.least_gradients(self.trained, self.recipe.batch_size)

    def check_budget(self, gradients: int) -> None:
        """Raise an ``OptionError`` if its first step alone exceeds the gradients of its shortest run."""
        least = math.ceil(self.least_gradients)
        if least > gradients:
            raise OptionError(
                f"the first step of {self.method.name} alone costs {least:,} gradients ({self.trained:,} weights, "
                f"{self.recipe.batch_size:,} rows), and its shortest run has {gradients:,}",
                hint=f"give at least {math.ceil(least / gradients)} times the epochs, take a smaller model, or "
                "compare by --equal seconds.",
            )

    def check_steps_are_known(self, equal: str) -> None:
        """Raise an ``OptionError`` if a regularizer goes by the share of a run whose number of steps nobody knows.

        Args:
            equal: what the arms have alike: epochs, steps, seconds or gradients.
        """
        timed = equal == "seconds" or self.recipe.max_seconds is not None
        if not timed and (equal != "gradients" or self.rule.fixed_cost):
            return
        for each in read_regularizers(self.recipe.regularizer):
            if each.by_share:
                counted = "seconds" if timed else "gradients"
                raise OptionError(
                    f"{each} begins after a share of a run's steps, and nobody knows how many steps of "
                    f"{self.method.name} a number of {counted} makes",
                    hint="compare by --equal epochs or steps, or take ema, which begins at once.",
                )

    @property
    def tuned(self) -> bool:
        """Whether anything is tuned."""
        return self.method.tuned

    @property
    def stays(self) -> bool:
        """Whether its runs are made in this process one by one: its callbacks are here, or their length is a time."""
        return see_all_runs(self.callbacks) or self.recipe.max_seconds is not None

    @property
    def chain(self) -> tuple[PlannedArm, ...]:
        """The arms whose runs it consists of, the first one first, itself last."""
        return (*(self.parent.chain if self.parent else ()), self)

    def steps_of(self, whole: int) -> int:
        """Return the steps of its runs where the runs of the chain have ``whole`` steps together."""
        before = sum(each.share for each in self.chain[:-1]) if self.parent else 0.0
        return max(1, round((before + self.share) * whole) - round(before * whole))

    def labelled(self, label: str, levels: Mapping[str, str]) -> PlannedArm:
        """Return this with a label and the levels of its factors; its stages are called by it, too."""
        mine, count, parent = replace(self, label=label, levels=levels), len(self.chain), None
        for number, each in enumerate(self.chain[:-1], 1):
            stage = f"{mine.title}, stage {number} of {count}"
            parent = replace(each, label=stage, name="", parent=parent)
        return replace(mine, parent=parent)
