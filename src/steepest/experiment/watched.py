"""The metrics that regularizers watch while a run is made."""

from __future__ import annotations

from steepest.data.dataset import Dataset
from steepest.errors import OptionError
from steepest.evaluate.metrics import meant, metric_names
from steepest.regularizers import read_regularizers


def check_watched(text: str, data: Dataset) -> None:
    """Raise an error if a regularizer watches a metric that the data does not have.

    Raises:
        UnknownNameError: there is no such metric.
        OptionError: it is for another task.
    """
    for each in read_regularizers(text):
        if each.watches():
            info = meant(each.watches(), data.shape.classes)
            if info.task != data.task:
                raise OptionError(
                    f"{each} watches {info.title}, a metric of {info.task}, but the target is one of {data.task}",
                    hint=f"choose from {', '.join(metric_names(data.task))}.",
                )
