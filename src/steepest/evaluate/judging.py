"""What a comparison is judged by: the deciding metric, the positive class, and which metrics are shown first."""

from __future__ import annotations

from dataclasses import dataclass

from steepest.data.dataset import Dataset, Note, class_totals
from steepest.data.target import known_class
from steepest.errors import OptionError
from steepest.evaluate.metrics import MetricInfo, meant, metric_info, metric_names
from steepest.evaluate.reachable import reachable_target
from steepest.objectives.target import target_of
from steepest.recipe import Reach

MAJORITY = 0.8
"""Above this share of the largest class, accuracy hardly shows what was learned."""


@dataclass(frozen=True)
class Judging:
    """How results are judged.

    Attributes:
        metric: the deciding one.
        metrics: the keys of all, the deciding one first, then the one that is shown beside it.
        positive: code of the positive class, where there are two.
        decided: what was decided and how, for a reader.
        notes: what a reader should know of the classes.
    """

    metric: MetricInfo
    metrics: tuple[str, ...]
    positive: int | None = None
    decided: tuple[tuple[str, str], ...] = ()
    notes: tuple[Note, ...] = ()


def judge(
    dataset: Dataset, metric: str | None = None, positive: str | None = None, reach: str = ""
) -> Judging:
    """Decide what is judged by.

    Args:
        dataset: its training rows say which class is the rarer one, and whether one of them prevails.
        metric: the deciding metric as the user names it; the task's default if left out.
        positive: label of the positive class; the rarer of two if left out, of equals the last one.
        reach: the value that runs are to reach, as the option says it.

    Raises:
        UnknownNameError: there is no such metric or no such class.
        OptionError: the metric does not serve the task, or a positive class is named and there are not two classes; or
            no run can reach the value, or every one does.

    Example:
        >>> from steepest.data.table import read_table
        >>> data = read_table({"x": [0.1, 0.2, 0.3] * 40, "y": ["ham", "spam", "ham"] * 40}, target="y").dataset()
        >>> found = judge(data, metric="f1")
        >>> found.metric.name, data.classes[found.positive]
        ('positive_f1', 'spam')
    """
    classes = len(dataset.classes)
    info = metric_info(target_of(dataset).metric) if metric is None else meant(metric, classes)
    if info.task != dataset.task:
        raise OptionError(
            f"the metric {info.name!r} is for {info.task} but {dataset.target!r} is a {dataset.task} target",
            hint=f"choose one of {', '.join(metric_names(dataset.task, classes))}.",
        )
    if target := Reach.read(reach):
        reachable_target(target, list(dict.fromkeys((info.name, *target_of(dataset).watched))), classes)
    unmeasured = target_of(dataset).unmeasured
    parts = {"validation": dataset.validation, "test": dataset.test}
    for part, rows in parts.items() if metric is not None and dataset.held_out else ():
        if why := target_of(dataset).undefined(info.name, rows):
            raise OptionError(
                f"--metric {metric} says nothing of the {part} text: {why}",
                hint="choose another metric, such as token-loss"
                + ("." if info.name in unmeasured else "; bits-per-byte compares tokenizers, too."),
            )
    decided: list[tuple[str, str]] = []
    if metric is not None and metric_info(metric).name != info.name:
        plain = metric_info(metric).name.replace("_", "-")
        decided.append(
            (
                "metric",
                f"{info.title}: with two classes, {plain} is that of the positive class and macro-{plain} the mean of "
                "both",
            )
        )
    code, how = _positive(dataset, positive)
    if code is not None:
        decided.append(("positive class", how))
    second, notes = _beside(dataset)
    names = dict.fromkeys((info.name, *second, *metric_names(dataset.task, classes, on_request=False)))
    return Judging(info, tuple(each for each in names if each not in unmeasured), code, tuple(decided), notes)


def _positive(dataset: Dataset, wanted: str | None) -> tuple[int | None, str]:
    if len(dataset.classes) != 2:
        if wanted is None:
            return None, ""
        what = (
            f"has {len(dataset.classes):,} classes" if dataset.classes else f"is {target_of(dataset).called}"
        )
        raise OptionError(
            f"the positive class {wanted!r} is named, but {dataset.target!r} {what}",
            hint="leave --positive out: it is for two classes.",
        )
    if wanted is not None:
        wanted = known_class(wanted, dataset.classes)
    counts = _counts(dataset)
    code = dataset.classes.index(wanted) if wanted is not None else 0 if counts[0] < counts[1] else 1
    share = f"{counts[code] / sum(counts):.1%} of the {_rows(dataset)}"
    if wanted is not None:
        return code, f"{wanted}, given ({share})"
    why = "the last of two equally frequent ones" if counts[0] == counts[1] else "the rarer one"
    return code, f"{dataset.classes[code]}, {why} ({share}; --positive names the other)"


def _beside(dataset: Dataset) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return the metric that is shown beside the deciding one where a class prevails, and a note of that."""
    if not dataset.shape.classes:
        return (), ()
    counts = _counts(dataset)
    most = max(counts)
    share = most / sum(counts)
    if share <= MAJORITY:
        return (), ()
    name = "positive_average_precision" if len(counts) == 2 else "balanced_accuracy"
    label = dataset.classes[counts.index(most)]
    text = (
        f"{share:.1%} of the {_rows(dataset)} are {label!r}: a model that always predicts {label!r} has that accuracy, "
        f"so look at {metric_info(name).title} instead."
    )
    return (name,), (Note("warning", text),)


def _rows(dataset: Dataset) -> str:
    return "training rows" if dataset.train.weights is None else "training rows by weight"


def _counts(dataset: Dataset) -> list[float]:
    return class_totals(dataset.train, len(dataset.classes)).tolist()
