"""Metrics of predictions, by name: pure functions of the outputs and the targets, without state.

An evaluation sees all its rows at once, so nothing is accumulated and nothing can be left over from the
evaluation before it. Counts, curves and errors come from the functional interface of torchmetrics; the
logarithms are taken in float64.

Averages over classes (``macro``) are over the classes that the evaluated rows contain: a class without a
row has no recall, and counting it as 0 or as 1 would change the metric with the split. A class that is
never predicted has precision and F1 of 0.
"""

from __future__ import annotations

import functools
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional import (
    mean_absolute_error,
    mean_squared_error,
    r2_score,
)
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from steepest.data.dataset import TargetScale, Task
from steepest.errors import OptionError, unknown_name
from steepest.registry import Registry

COMPONENTS: dict[str, dict[str, Any]] = {
    "log-loss": {"object": "log_loss", "groups": ["classification"], "title": "log loss"},
    "accuracy": {"object": "accuracy", "groups": ["classification"], "title": "accuracy", "percent": True},
    "balanced-accuracy": {
        "object": "balanced_accuracy",
        "groups": ["classification"],
        "title": "balanced accuracy",
        "percent": True,
    },
    "precision": {
        "object": "precision",
        "groups": ["classification"],
        "title": "precision (macro)",
        "percent": True,
    },
    "recall": {"object": "recall", "groups": ["classification"], "title": "recall (macro)", "percent": True},
    "f1": {"object": "f1", "groups": ["classification"], "title": "F1 (macro)", "percent": True},
    "top-3": {"object": "top_k", "groups": ["classification"], "title": "top-3 accuracy", "percent": True},
    "roc-auc": {
        "object": "roc_auc",
        "groups": ["classification"],
        "title": "ROC AUC (macro)",
        "higher": True,
    },
    "average-precision": {
        "object": "average_precision",
        "groups": ["classification"],
        "title": "average precision (macro)",
        "higher": True,
    },
    "brier": {"object": "brier", "groups": ["classification"], "title": "Brier score"},
    "rmse": {"object": "rmse", "groups": ["regression"], "title": "RMSE"},
    "mae": {"object": "mae", "groups": ["regression"], "title": "MAE"},
    "r2": {"object": "r2", "groups": ["regression"], "title": "R²", "higher": True},
}

registry = Registry("metric", "steepest.evaluate.metrics")

_TOP = re.compile(r"^top-([1-9]\d*)$")


@dataclass(frozen=True)
class MetricInfo:
    """How a metric is named, shown and compared.

    Attributes:
        name: the key of its value, in snake case (``log_loss``).
        title: how it is written for a reader.
        task: the task that it measures.
        higher_is_better: whether a larger value is the better one.
        percent: whether it is a share that reads best as a percentage.
    """

    name: str
    title: str
    task: Task
    higher_is_better: bool
    percent: bool = False


@dataclass(frozen=True)
class ClassOutputs:
    """Predictions of classes on N rows with what several metrics need of them.

    Attributes:
        log_probabilities: float64 ``[N, K]``.
        target: class codes, int64 ``[N]``.
        k: how many classes ``top_k`` looks at.
    """

    log_probabilities: Tensor
    target: Tensor
    k: int = 3

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return self.log_probabilities.shape[1]

    @functools.cached_property
    def probabilities(self) -> Tensor:
        """Probabilities, float64 ``[N, K]``, from 0 to 1."""
        return self.log_probabilities.exp().clamp(max=1.0)

    @functools.cached_property
    def labels(self) -> Tensor:
        """The most probable class of each row, int64 ``[N]``; the first of equals."""
        return self.log_probabilities.argmax(dim=1)

    @functools.cached_property
    def present(self) -> Tensor:
        """Which classes the rows contain, bool ``[K]``."""
        return torch.bincount(self.target, minlength=self.classes) > 0


@dataclass(frozen=True)
class ValueOutputs:
    """Predictions of a number on N rows, on the original scale: float64 ``[N]`` each."""

    values: Tensor
    target: Tensor


def metric_info(name: str) -> MetricInfo:
    """Return how a metric is named, shown and compared; ``top-K`` exists for every K from 1.

    Args:
        name: kebab case or snake case.

    Raises:
        UnknownNameError: there is no such metric; the nearest names are in the hint.

    Example:
        >>> metric_info("roc-auc").higher_is_better, metric_info("log_loss").higher_is_better
        (True, False)
        >>> metric_info("top_5").title
        'top-5 accuracy'
    """
    canonical, _ = _canonical(name)
    about = COMPONENTS["top-3" if _TOP.match(canonical) else canonical]
    percent = bool(about.get("percent", False))
    return MetricInfo(
        name=canonical.replace("-", "_"),
        title=f"{canonical} accuracy" if _TOP.match(canonical) else about["title"],
        task=about["groups"][0],
        higher_is_better=percent or bool(about.get("higher", False)),
        percent=percent,
    )


def metric_names(task: Task, classes: int | None = None) -> list[str]:
    """Return the keys of a task's metrics, the default one first.

    Args:
        task: ``classification`` or ``regression``.
        classes: number of classes; where given, top-3 is left out unless there are more than three.

    Example:
        >>> metric_names("regression")
        ['rmse', 'mae', 'r2']
    """
    return [
        name.replace("-", "_")
        for name, about in COMPONENTS.items()
        if task in about["groups"] and not (name == "top-3" and classes is not None and classes <= 3)
    ]


def default_metric(task: Task) -> str:
    """Return the metric that decides unless another is asked for: log loss or RMSE.

    Example:
        >>> default_metric("classification")
        'log_loss'
    """
    return "log_loss" if task == "classification" else "rmse"


def evaluate(
    outputs: Tensor,
    target: Tensor,
    *,
    task: Task,
    classes: int,
    names: Sequence[str],
    scale: TargetScale | None = None,
) -> dict[str, float]:
    """Return metrics of outputs against targets, by snake-case name in the order of ``names``.

    Args:
        outputs: logits or log-probabilities ``[N, K]``, or standardised values ``[N]`` or ``[N, 1]``.
        target: class codes (int64 ``[N]``) or standardised values (``[N]``).
        task: ``classification`` or ``regression``.
        classes: K, the number of classes; ignored for regression.
        names: the metrics, kebab case or snake case.
        scale: how the target was standardised; regression is measured on the original scale.

    Returns:
        one float for each name. All are NaN if an output is NaN or infinite (a run that diverged), except
        that a log-probability may be minus infinity.

    Raises:
        UnknownNameError: a metric does not exist.
        OptionError: a metric belongs to the other task, there are no rows, or shapes do not fit.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
        >>> found = evaluate(logits, torch.tensor([0, 1, 1]), task="classification", classes=2,
        ...                  names=["log-loss", "accuracy"])
        >>> {name: round(value, 3) for name, value in found.items()}
        {'log_loss': 0.794, 'accuracy': 0.667}
    """
    infos = [metric_info(name) for name in names]
    for info in infos:
        if info.task != task:
            raise OptionError(
                f"the metric {info.name!r} measures {info.task}, but the task is {task}",
                hint=f"choose one of {', '.join(metric_names(task))}.",
            )
    _check_shapes(outputs, target, task, classes)
    if bool(torch.isnan(outputs).any()) or bool((outputs == math.inf).any()):
        return {info.name: math.nan for info in infos}
    found: dict[str, float] = {}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torchmetrics warns of absent classes; they are handled here
        if task == "classification":
            rows = ClassOutputs(_log_probabilities(outputs), target.detach())
            for info in infos:
                function, k = _function(info.name)
                found[info.name] = float(
                    function(rows if k is None else ClassOutputs(rows.log_probabilities, rows.target, k))
                )
        else:
            values = ValueOutputs(*_original(outputs, target, scale or TargetScale()))
            for info in infos:
                found[info.name] = float(_function(info.name)[0](values))
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


def log_loss(rows: ClassOutputs) -> Tensor:
    """Return the mean negative logarithm of the probability of the true class, in nats; from 0."""
    return functional.nll_loss(rows.log_probabilities, rows.target)


def accuracy(rows: ClassOutputs) -> Tensor:
    """Return the share of rows whose most probable class is the true one; from 0 to 1."""
    return multiclass_accuracy(rows.labels, rows.target, rows.classes, average="micro", validate_args=False)


def balanced_accuracy(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the share of its rows that are recognised (= recall)."""
    return recall(rows)


def precision(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the share of right ones among its predictions."""
    each = multiclass_precision(rows.labels, rows.target, rows.classes, average="none", validate_args=False)
    return each[rows.present].double().mean()


def recall(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the share of its rows that are recognised."""
    each = multiclass_recall(rows.labels, rows.target, rows.classes, average="none", validate_args=False)
    return each[rows.present].double().mean()


def f1(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the harmonic mean of its precision and recall."""
    each = multiclass_f1_score(rows.labels, rows.target, rows.classes, average="none", validate_args=False)
    return each[rows.present].double().mean()


def top_k(rows: ClassOutputs) -> Tensor:
    """Return the share of rows whose true class is among the k most probable; 1 where k >= K."""
    if rows.k >= rows.classes:
        return torch.ones(())
    return multiclass_accuracy(
        rows.probabilities, rows.target, rows.classes, average="micro", top_k=rows.k, validate_args=False
    )


def roc_auc(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the area under its one-against-the-rest ROC curve.

    It is 0.5 where only one class is present: there is nothing to rank.
    """
    if int(rows.present.sum()) < 2:
        return torch.tensor(0.5)
    each = multiclass_auroc(
        rows.probabilities, rows.target, rows.classes, average="none", validate_args=False
    )
    return each[rows.present].mean()


def average_precision(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of its average precision (step-wise, one against the rest)."""
    each = multiclass_average_precision(
        rows.probabilities, rows.target, rows.classes, average="none", validate_args=False
    )
    return each[rows.present].mean()


def brier(rows: ClassOutputs) -> Tensor:
    """Return the mean over rows of the squared distance of the probabilities to the one-hot truth; 0 to 2.

    Source: Brier, Verification of forecasts expressed in terms of probability, 1950 (all classes summed).
    """
    truth = functional.one_hot(rows.target, rows.classes).to(torch.float64)
    return (rows.probabilities - truth).square().sum(dim=1).mean()


def rmse(rows: ValueOutputs) -> Tensor:
    """Return the square root of the mean squared error, in the target's units."""
    return mean_squared_error(rows.values, rows.target, squared=False)


def mae(rows: ValueOutputs) -> Tensor:
    """Return the mean absolute error, in the target's units."""
    return mean_absolute_error(rows.values, rows.target)


def r2(rows: ValueOutputs) -> Tensor:
    """Return the share of the target's variance that is explained; at most 1.

    A target that is constant on the evaluated rows gives 1 for exact predictions and else 0.
    """
    if len(rows.target) < 2 or bool((rows.target == rows.target[0]).all()):
        return torch.equal(rows.values, rows.target) * torch.ones(())
    return r2_score(rows.values, rows.target)


def _canonical(name: str) -> tuple[str, int | None]:
    canonical = name.strip().lower().replace("_", "-")
    top = _TOP.match(canonical)
    if top:
        return canonical, int(top.group(1))
    if canonical not in COMPONENTS:
        raise unknown_name("metric", name, COMPONENTS)
    return canonical, None


def _function(name: str) -> tuple[Callable[[Any], Tensor], int | None]:
    canonical, k = _canonical(name)
    return globals()["top_k" if k is not None else COMPONENTS[canonical]["object"]], k


def _log_probabilities(outputs: Tensor) -> Tensor:
    return functional.log_softmax(_float64(outputs), dim=1)


def _original(outputs: Tensor, target: Tensor, scale: TargetScale) -> tuple[Tensor, Tensor]:
    values = _float64(outputs).reshape(-1) * scale.sd + scale.mean
    return values, _float64(target).reshape(-1) * scale.sd + scale.mean


def _float64(values: Tensor) -> Tensor:
    values = values.detach()
    return (values.cpu() if values.device.type == "mps" else values).to(torch.float64)


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
