"""Metrics of many rows at once.

An evaluation sees all its rows at once, so nothing is accumulated and nothing can be left over from the
evaluation before it. Everything is computed in float64; curves are scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from steepest.data.dataset import TargetScale, Task
from steepest.errors import OptionError
from steepest.evaluate.metrics._contract import ClassOutputs, ValueOutputs
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


def evaluate(
    outputs: Tensor,
    target: Tensor,
    *,
    task: Task,
    classes: int,
    names: Sequence[str],
    scale: TargetScale | None = None,
    positive: int | None = None,
) -> dict[str, float]:
    """Return metrics of outputs against targets, by snake-case name in the order of ``names``.

    Args:
        outputs: logits or log-probabilities ``[N, K]``, or standardised values ``[N]`` or ``[N, 1]``.
        target: class codes (int64 ``[N]``) or standardised values (``[N]``).
        task: ``classification`` or ``regression``.
        classes: K, the number of classes; ignored for regression.
        names: the metrics, kebab case or snake case.
        scale: how the target was standardised; regression is measured on the original scale.
        positive: code of the positive class, for the metrics of it.

    Returns:
        one float for each name. All are NaN if an output is NaN or infinite (a run that diverged), except
        that a log-probability may be minus infinity.

    Raises:
        UnknownNameError: a metric does not exist.
        OptionError: a metric belongs to the other task or needs to know the positive class, there are no rows, or
            shapes do not fit.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
        >>> found = evaluate(logits, torch.tensor([0, 1, 1]), task="classification", classes=2,
        ...                  names=["log-loss", "accuracy"])
        >>> {name: round(value, 3) for name, value in found.items()}
        {'log_loss': 0.794, 'accuracy': 0.667}
    """
    infos = [metric_info(name) for name in names]
    for info in infos:
        _check_metric(info, task, classes, positive)
    _check_shapes(outputs, target, task, classes)
    if _diverged(outputs):
        return {info.name: math.nan for info in infos}
    found: dict[str, float] = {}
    with torch.no_grad():
        rows = _rows(outputs, target, task, scale, positive)
        for info in infos:
            canonical, k = canonical_name(info.name)
            if k is None:
                found[info.name] = float(registry.load(canonical)(rows))
            else:
                found[info.name] = float(registry.load("top-3")(replace(rows, k=k)))
    return found


def values_by_row(
    outputs: Tensor,
    target: Tensor,
    *,
    task: Task,
    classes: int,
    names: Sequence[str],
    scale: TargetScale | None = None,
    positive: int | None = None,
) -> dict[str, Tensor]:
    """Return a value for each row, whose mean is the metric, of the metrics that :func:`row_losses` does not give.

    These are the values of means over rows (Brier score, top-k), and jackknife pseudo-values of the others (F1, ROC
    AUC, R², …): their variance over N is that of the metric.

    Args:
        outputs: as for :func:`evaluate`.
        target: as for :func:`evaluate`.
        task: as for :func:`evaluate`.
        classes: as for :func:`evaluate`.
        names: as for :func:`evaluate`.
        scale: as for :func:`evaluate`.
        positive: as for :func:`evaluate`.

    Returns:
        float64 ``[N]`` by snake-case name; without the metrics that have no such values, and empty for a diverged run.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
        >>> found = values_by_row(logits, torch.tensor([0, 1, 1, 0]), task="classification", classes=2,
        ...                       names=["recall"])
        >>> found["recall"].tolist()
        [1.25, 1.25, -0.25, -0.25]
    """
    _check_shapes(outputs, target, task, classes)
    if _diverged(outputs):
        return {}
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        rows = _rows(outputs, target, task, scale, positive)
        for info in map(metric_info, names):
            canonical, k = canonical_name(info.name)
            function = by_row_function("top-3" if k is not None else canonical)
            if function is not None:
                found[info.name] = function(rows if k is None else replace(rows, k=k))
    return found


def row_losses(outputs: Tensor, target: Tensor, task: Task, scale: TargetScale | None = None) -> Tensor:
    """Return each row's loss: log loss, or the squared error on the original scale.

    Its mean is the log loss, or the square of the RMSE; comparisons are paired on it row by row.

    Args:
        outputs: logits or log-probabilities ``[N, K]``, or standardised values ``[N]`` or ``[N, 1]``.
        target: class codes (int64 ``[N]``) or standardised values (``[N]``).
        task: ``classification`` or ``regression``.
        scale: how the target was standardised.

    Returns:
        float64 ``[N]``.

    Example:
        >>> outputs, target = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0])
        >>> row_losses(outputs, target, "regression", TargetScale(mean=5.0, sd=2.0))
        tensor([4., 0.], dtype=torch.float64)
    """
    with torch.no_grad():
        if task == "classification":
            return functional.nll_loss(_log_probabilities(outputs), target.detach(), reduction="none")
        values, truth = _original(outputs, target, scale or TargetScale())
        return (values - truth).square()


def row_correct(outputs: Tensor, target: Tensor) -> Tensor:
    """Return whether each row's most probable class is the true one; the mean is the accuracy.

    Args:
        outputs: logits or log-probabilities ``[N, K]``.
        target: class codes, int64 ``[N]``.

    Returns:
        bool ``[N]``.

    Example:
        >>> row_correct(torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0]))
        tensor([ True, False])
    """
    with torch.no_grad():
        return _log_probabilities(outputs).argmax(dim=1) == target.detach()


def _diverged(outputs: Tensor) -> bool:
    return bool(torch.isnan(outputs).any()) or bool((outputs == math.inf).any())


def _rows(
    outputs: Tensor, target: Tensor, task: Task, scale: TargetScale | None, positive: int | None
) -> Any:
    if task == "classification":
        return ClassOutputs(_log_probabilities(outputs), target.detach(), 1 if positive is None else positive)
    return ValueOutputs(*_original(outputs, target, scale or TargetScale()))


def _log_probabilities(outputs: Tensor) -> Tensor:
    return functional.log_softmax(_float64(outputs), dim=1)


def _original(outputs: Tensor, target: Tensor, scale: TargetScale) -> tuple[Tensor, Tensor]:
    values = _float64(outputs).reshape(-1) * scale.sd + scale.mean
    return values, _float64(target).reshape(-1) * scale.sd + scale.mean


def _float64(values: Tensor) -> Tensor:
    values = values.detach()
    return (values.cpu() if values.device.type == "mps" else values).to(torch.float64)


def _check_metric(info: MetricInfo, task: Task, classes: int, positive: int | None) -> None:
    if info.task != task:
        raise OptionError(
            f"the metric {info.name!r} measures {info.task}, but the task is {task}",
            hint=f"choose one of {', '.join(metric_names(task, classes))}.",
        )
    meant(info.name, classes if task == "classification" else 0)
    if is_positive(info.name) and positive is None:
        raise OptionError(
            f"the metric {info.name!r} needs to know which class is the positive one",
            hint="pass positive=, the code of the class.",
        )


def _check_shapes(outputs: Tensor, target: Tensor, task: Task, classes: int) -> None:
    rows = len(target)
    fits = (
        tuple(outputs.shape) == (rows, classes)
        if task == "classification"
        else tuple(outputs.shape) in ((rows,), (rows, 1))
    )
    if rows == 0 or not fits:
        wanted = f"({rows}, {classes})" if task == "classification" else f"({rows},) or ({rows}, 1)"
        raise OptionError(
            f"outputs of shape {tuple(outputs.shape)} for {rows} rows",
            hint=f"a model's outputs for {task} have the shape {wanted}, with at least one row.",
        )
