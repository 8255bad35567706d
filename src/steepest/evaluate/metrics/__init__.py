"""Metrics of predictions, by name: pure functions of the outputs and the targets, without state."""

from steepest.evaluate.metrics._names import (
    MetricInfo,
    default_metric,
    is_positive,
    meant,
    metric_info,
    metric_names,
    registry,
)
from steepest.evaluate.metrics._run import evaluate, values_by_row

__all__ = [
    "MetricInfo",
    "default_metric",
    "evaluate",
    "is_positive",
    "meant",
    "metric_info",
    "metric_names",
    "registry",
    "values_by_row",
]
