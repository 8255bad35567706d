"""Metrics of many rows at once.

An evaluation sees all its rows at once, so nothing is accumulated and nothing can be left over from the
evaluation before it. Everything is computed in float64; curves are scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from steepest.errors import OptionError
from steepest.evaluate.metrics._names import (
    MetricInfo,
    by_row_function,
    canonical_name,
    is_positive,
    meant,
    metric_info,
    metric_names,
    registry,
)
from steepest.objectives.decoded import ClassOutputs
from steepest.objectives.target import Decoded, Target, diverged


def evaluate(
    outputs: Tensor, target: Tensor, of: Target, names: Sequence[str], weights: Tensor | None = None
) -> dict[str, float]:
    """Return metrics of outputs against targets, by snake-case name in the order of ``names``.

    Args:
        outputs: logits or log-probabilities ``[N, K]``, or standardised values ``[N]`` or ``[N, 1]``.
        target: class codes (int64 ``[N]``) or standardised values (``[N]``).
        of: what is predicted; numbers are measured on the original scale.
        names: the metrics, kebab case or snake case.
        weights: how much each row counts ``[N]``, at least 0; a weight of 2 is the same as the row twice.

    Returns:
        one float for each name. All are NaN if an output is NaN or infinite (a run that diverged), except
        that a log-probability may be minus infinity.

    Raises:
        UnknownNameError: a metric does not exist.
        OptionError: a metric belongs to the other task or needs to know the positive class, there are no rows, or
            shapes do not fit.

    Example:
        >>> from steepest.objectives.target import ClassTarget
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
        >>> found = evaluate(logits, torch.tensor([0, 1, 1]), ClassTarget(2), ["log-loss", "accuracy"])
        >>> {name: round(value, 3) for name, value in found.items()}
        {'log_loss': 0.794, 'accuracy': 0.667}
    """
    infos = [metric_info(name) for name in names]
    for info in infos:
        _check_metric(info, of)
    of.check(outputs, len(target))
    if diverged(outputs):
        return {info.name: math.nan for info in infos}
    found: dict[str, float] = {}
    with torch.no_grad():
        rows = of.decoded(outputs, target, weights)
        for info in infos:
            canonical, k = canonical_name(info.name)
            found[info.name] = float(registry.load("top-3" if k else canonical)(_looked_at(rows, k)))
    return found


def values_by_row(
    outputs: Tensor, target: Tensor, of: Target, names: Sequence[str], weights: Tensor | None = None
) -> dict[str, Tensor]:
    """Return a value for each row, whose mean is the metric.

    These are the values of means over rows (Brier score, top-k), and jackknife pseudo-values of the others (F1, ROC
    AUC, R², …): their variance over N is that of the metric. With weights they are those of the infinitesimal jackknife
    for all metrics: the metric, plus N times a row's weight times the metric's derivative with respect to that weight.

    Args:
        outputs, target, of, names, weights: as for :func:`evaluate`.

    Source: Jaeckel, The infinitesimal jackknife, Bell Laboratories, 1972; Efron, The Jackknife, the Bootstrap and Other
    Resampling Plans, chapter 6, 1982.

    Returns:
        float64 ``[N]`` by snake-case name; without the metrics that have no such values, and empty for a diverged run.

    Example:
        >>> from steepest.objectives.target import ClassTarget
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
        >>> found = values_by_row(logits, torch.tensor([0, 1, 1, 0]), ClassTarget(2), ["recall"])
        >>> found["recall"].tolist()
        [1.25, 1.25, -0.25, -0.25]
    """
    of.check(outputs, len(target))
    if diverged(outputs):
        return {}
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        rows = of.decoded(outputs, target, weights)
        for info in map(metric_info, names):
            canonical, k = canonical_name(info.name)
            registered = "top-3" if k else canonical
            function = by_row_function(registered)
            if function is None:
                continue
            looked_at = _looked_at(rows, k)
            found[info.name] = (
                function(looked_at) if weights is None else _weighted(registry.load(registered), looked_at)
            )
    return found


def _weighted(metric: Callable[[Any], Tensor], rows: Decoded) -> Tensor:
    """Return the values by row of a metric of weighted rows, whose mean it is, as it depends on ratios alone."""
    assert rows.weights is not None
    with torch.enable_grad():
        weights = rows.weights.clone().requires_grad_()
        value = metric(replace(rows, weights=weights))
        if not value.requires_grad:
            return torch.full_like(rows.weights, float(value))
        [slope] = torch.autograd.grad(value, weights)
    return value.detach() + len(weights) * rows.weights * slope


def _looked_at(rows: Decoded, k: int | None) -> Decoded:
    """Return the rows for a metric that looks at the ``k`` most probable classes."""
    return replace(rows, k=k) if k is not None and isinstance(rows, ClassOutputs) else rows


def _check_metric(info: MetricInfo, of: Target) -> None:
    if info.task != of.task:
        raise OptionError(
            f"the metric {info.name!r} measures {info.task}, but the task is {of.task}",
            hint=f"choose one of {', '.join(metric_names(of.task, of.classes))}.",
        )
    meant(info.name, of.classes)
    if is_positive(info.name) and of.positive is None:
        raise OptionError(
            f"the metric {info.name!r} needs to know which class is the positive one",
            hint="pass positive=, the code of the class.",
        )
