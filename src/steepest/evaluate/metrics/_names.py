"""How metrics are named, shown and compared."""

from __future__ import annotations

import functools
import importlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from steepest.components.registry import Registry
from steepest.data.dataset import Task
from steepest.errors import OptionError, unknown_name
from steepest.objectives.target import TARGETS, NumberTarget

registry = Registry("metric", "steepest.evaluate.metrics")

_ORDER = (
    "log-loss",
    "accuracy",
    "positive-average-precision",
    "positive-f1",
    "positive-precision",
    "positive-recall",
    "roc-auc",
    "balanced-accuracy",
    "top-3",
    "brier-score",
    "ece",
    "average-precision",
    "f1",
    "precision",
    "recall",
    "rmse",
    "r2",
    "mae",
    "mse",
    "pixel-mse",
    "pixel-rmse",
    "pixel-mae",
    "token-loss",
    "perplexity",
    "bits-per-byte",
    "word-perplexity",
    "token-accuracy",
)
_TOP = re.compile(r"^top-([1-9]\d*)$")
_MACRO, _POSITIVE = "macro-", "positive-"


@dataclass(frozen=True)
class MetricInfo:
    """How a metric is named, shown and compared.

    Attributes:
        name: the key of its value, in snake case (``log_loss``).
        title: how it is written for a reader.
        task: the task that it measures.
        higher_is_better: whether a larger value is the better one.
        percent: whether it is a share that reads best as a percentage.
        by_class: whether it weighs classes, so that a class with few rows makes it uncertain.
        mean: whether it is a mean over rows of values that they have by themselves, or the root of one: of parts of the
            rows the sums of weights, and of weights times values, can then be added. Others need all rows at once.
        exponential: whether it is the exponential of a mean, whose interval is then that of the mean, exponentiated.
        least, most: the ends of the range of its values.
    """

    name: str
    title: str
    task: Task
    higher_is_better: bool
    percent: bool = False
    by_class: bool = False
    mean: bool = False
    exponential: bool = False
    least: float = -math.inf
    most: float = math.inf


_RETIRED = {"brier": MetricInfo("brier", "Brier score", "classification", False)}
"""Metrics that older folders hold and that are no longer computed."""


def metric_info(name: str) -> MetricInfo:
    """Return how a metric is named, shown and compared; ``top-K`` exists for every K from 1.

    Args:
        name: kebab case or snake case; ``macro-f1`` (and so on) is another name of ``f1``.

    Raises:
        UnknownNameError: there is no such metric; the nearest names are in the hint.

    Example:
        >>> metric_info("roc-auc").higher_is_better, metric_info("log_loss").higher_is_better
        (True, False)
        >>> metric_info("top_5").title, metric_info("macro-f1").name
        ('top-5 accuracy', 'f1')
    """
    canonical = _kebab(name)
    if canonical in _RETIRED:
        return _RETIRED[canonical]
    canonical, k = canonical_name(name)
    about = _about("top-3" if k is not None else canonical)
    percent = bool(about.get("percent", False))
    least, most = about["range"]
    return MetricInfo(
        name=canonical.replace("-", "_"),
        title=about["title"] if k is None else f"{canonical} accuracy",
        task=about["groups"][0],
        higher_is_better=percent or bool(about.get("higher", False)),
        percent=percent,
        by_class=bool(about.get("by_class", False)),
        mean="mean_of" in about,
        exponential=bool(about.get("exponential", False)),
        least=-math.inf if least is None else least,
        most=math.inf if most is None else most,
    )


def meant(name: str, classes: int) -> MetricInfo:
    """Return the metric that a user means: of two classes, ``f1`` is that of the positive one, as is ``precision``.

    Args:
        name: as for ``metric_info``.
        classes: how many the target has; 0 for a number.

    Raises:
        UnknownNameError: there is no such metric.
        OptionError: it is one of the positive class, and there are not two classes; or it is no longer computed.

    Example:
        >>> meant("f1", 2).name, meant("f1", 3).name, meant("macro-f1", 2).name
        ('positive_f1', 'f1', 'f1')
    """
    canonical = _kebab(name)
    if classes == 2 and f"{_POSITIVE}{canonical}" in registry.entries:
        canonical = f"{_POSITIVE}{canonical}"
    if canonical in _RETIRED:
        raise OptionError(
            f"the metric {name!r} is no longer computed: for two classes it was twice scikit-learn's Brier score",
            hint="use brier-score.",
        )
    info = metric_info(canonical)
    if is_positive(info.name) and classes != 2:
        what = f"has {classes:,}" if classes else "is a number"
        instead = f"{_MACRO}{canonical.removeprefix(_POSITIVE)}" if classes else NumberTarget.metric
        raise OptionError(
            f"the metric {info.name!r} describes the positive one of two classes, but the target {what}",
            hint=f"use {instead}.",
        )
    return info


def is_positive(name: str) -> bool:
    """Whether a metric's value depends on which class is the positive one.

    Example:
        >>> is_positive("positive_f1"), is_positive("f1")
        (True, False)
    """
    return _kebab(name).startswith(_POSITIVE)


def metric_names(task: Task, classes: int | None = None, *, on_request: bool = True) -> list[str]:
    """Return the keys of a task's metrics, the default one first.

    Args:
        task: ``classification``, ``regression``, ``reconstruction`` or ``language``.
        classes: number of classes; top-3 is left out where there are no more than three, and those of the positive
            class where there are not two.
        on_request: whether metrics are among them that are measured only where they are asked for.

    Example:
        >>> metric_names("regression")
        ['rmse', 'r2', 'mae', 'mse']
    """
    names = sorted(
        registry.names(task), key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER)
    )
    return [
        name.replace("-", "_")
        for name in names
        if not (name == "top-3" and classes is not None and classes <= 3)
        and not (is_positive(name) and classes != 2)
        and (on_request or not _about(name).get("on_request", False))
    ]


def default_metric(task: Task) -> str:
    """Return the default metric of a task: log loss, RMSE, the MSE of pixels or the loss per token.

    Example:
        >>> default_metric("classification")
        'log_loss'
    """
    return TARGETS[task].metric


def canonical_name(name: str) -> tuple[str, int | None]:
    """Return a metric's registered name, and the K of ``top-K``."""
    canonical = _kebab(name)
    top = _TOP.match(canonical)
    if top:
        return canonical, int(top.group(1))
    plain = canonical.removeprefix(_MACRO)
    if plain != canonical and f"{_POSITIVE}{plain}" in registry.entries:
        canonical = plain
    if canonical not in registry.entries:
        if canonical.endswith("-by-user") or canonical.startswith(("ndcg", "recall@")):
            raise OptionError(
                f"the metric {name!r} needs all rows of a user, so no run is judged by it",
                hint="use rmse, mse or mae; reports of ratings have RMSE and MAE by user, NDCG and recall.",
            )
        macro = [f"{_MACRO}{each[len(_POSITIVE) :]}" for each in registry.entries if is_positive(each)]
        raise unknown_name("metric", name, [*registry.entries, *macro])
    return canonical, None


def by_row_function(canonical: str) -> Callable[[Any], Tensor] | None:
    """Return the function that gives a metric's value for each row, or None if it has none of its own."""
    about = _about(canonical)
    return (
        mean_of(canonical)
        if not about.get("root", False) and "mean_of" in about
        else _function(canonical, "by_row")
    )


def mean_of(canonical: str) -> Callable[[Any], Tensor] | None:
    """Return the function of the values ``[N]`` whose mean, or the root of whose mean, a metric is; else None."""
    return _function(canonical, "mean_of")


def _function(canonical: str, kind: str) -> Callable[[Any], Tensor] | None:
    name = _about(canonical).get(kind)
    return None if name is None else getattr(importlib.import_module(registry.entry(canonical).module), name)


@functools.cache
def _about(canonical: str) -> Mapping[str, Any]:
    return importlib.import_module(registry.entry(canonical).module).COMPONENTS[canonical]


def _kebab(name: str) -> str:
    return name.strip().lower().replace("_", "-")
