"""Fits the baselines of a task and measures them as a model is measured."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from steepest.components import grammar
from steepest.components.prefixes import meant_by, prefix_of
from steepest.components.registry import Registry
from steepest.data.dataset import Dataset, Part, Shape, Task
from steepest.errors import OptionError, first_line
from steepest.evaluate.baselines._contract import Baseline, BaselineModel, is_table
from steepest.evaluate.baselines._estimators import estimator_baseline
from steepest.evaluate.metrics import evaluate, metric_info
from steepest.evaluate.outputs import outputs_on
from steepest.evaluate.rowwise import other_values
from steepest.objectives.target import target_of
from steepest.record.meter import Meter
from steepest.threads import library_threads
from steepest.version import installed, version

registry = Registry("baseline", "steepest.evaluate.baselines")

BUDGET = 20.0
"""How much work a baseline may take by default, in seconds of one core of a laptop."""

NONE = "none"
"""What is asked for where there shall be no baselines."""

_ORDER = (
    "uniform", "unigram", "bigram", "base", "majority", "mean", "mean-image", "pca", "biases", "item-knn",
    "least-squares", "least-absolute", "logistic-regression", "pixel-logistic", "linear-regression",
)  # fmt: skip


@dataclass(frozen=True)
class BaselineResult:
    """One baseline on one dataset.

    Attributes:
        name: its registered name.
        title: how it is written for a reader.
        settings: what was chosen, and from what, in words.
        validation: metrics on the validation rows by snake-case name.
        test: metrics on the test rows.
        test_row_losses: log loss or squared error (original scale) of each test row, float64 ``[N]``.
        test_values: values by row of further metrics, as ``rowwise.other_values`` returns them.
        test_outputs: log-probabilities ``[N, K]`` or standardised values ``[N, 1]``, float64.
        seconds: of fitting, the choice of settings included.
        cpu_seconds, peak_memory: of the same, as :class:`~steepest.record.meter.Meter` measures them.
        model: what it predicts with; one that is no ``BaselineModel`` cannot be saved.
        outcome: ``finished`` or ``not converged``.
        cut: how much of its tuning was made, where the work limit left some out; else empty.
        parameter_bytes: of a network, what its parameters take; None of any other.
    """

    name: str
    title: str
    settings: str
    validation: dict[str, float]
    test: dict[str, float]
    test_row_losses: Tensor
    test_values: dict[str, Tensor]
    test_outputs: Tensor
    seconds: float
    cpu_seconds: float
    peak_memory: int | None
    model: nn.Module
    outcome: str = "finished"
    cut: str = ""
    parameter_bytes: int | None = None


def baseline_names(dataset: Dataset, asked: Sequence[str] = ()) -> list[str]:
    """Return the names of the baselines that serve this dataset, the simplest first, or of those that are asked for.

    Some are usual for a part of what they serve only, and must be asked for elsewhere: those of tables for ratings.

    Args:
        dataset: the data.
        asked: registered names, references such as ``sklearn:Ridge(alpha=2)``, or ``none`` alone.

    Raises:
        UnknownNameError: there is no such baseline.
        OptionError: a baseline does not serve this dataset, or is asked for twice.
    """
    names = [name for name in registry.names(dataset.task) if registry.load(name).serves(dataset)]
    names.sort(key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    if not asked:
        return [name for name in names if registry.load(name).usual(dataset)]
    if list(asked) == [NONE]:
        return []
    found: list[str] = []
    for text in asked:
        spec = grammar.parse(text)
        if spec.is_reference and not prefix_of(spec.name):
            raise OptionError(
                f"unknown baseline {text!r}",
                hint=f"{meant_by(*spec.name.rsplit(':', 1))}a reference is to a class of scikit-learn: sklearn:Ridge.",
            )
        name = str(spec) if spec.is_reference else registry.entry(spec.name).name
        if spec.is_reference and is_table(dataset):
            estimator_baseline(spec, dataset.task)
        elif name not in names:
            raise OptionError(
                f"the baseline {name!r} does not serve {dataset.task} on these inputs",
                hint=f"choose from {', '.join(names)}.",
            )
        elif spec.arguments or spec.options:
            _configured(spec)
            name = str(spec)
        if name in found:
            raise OptionError(f"the baseline {name!r} is given twice", hint="give it once.")
        found.append(name)
    return found


def run_baselines(
    dataset: Dataset,
    *,
    names: Sequence[str] | None = None,
    seed: int,
    metrics: Sequence[str] | None = None,
    class_weights: Tensor | None = None,
    progress: Callable[[str], None] | None = None,
    threads: int = 1,
    budget: float = BUDGET,
    device: str = "cpu",
) -> list[BaselineResult]:
    """Fit the baselines, choose their settings on validation and read the test rows once.

    Args:
        dataset: any device; the work is done on the CPU, except that of networks.
        names: registered names or references; all that serve the dataset unless given.
        seed: for what is random in them.
        metrics: what is measured, the metric that decides first; the task's default one unless given.
        class_weights: weight of each class in the training loss ``[K]``, as the networks get it.
        progress: called with a baseline's title before it is fitted.
        threads: of the libraries below; on a busy machine more than one can be many times slower.
        budget: how much work a baseline that could take hours may take, in seconds of one core of a laptop.
        device: where networks are evaluated.

    Returns:
        one result for each name, in their order.

    Raises:
        UnknownNameError: there is no such baseline.
        OptionError: a baseline does not serve this dataset.
    """
    chosen = baseline_names(dataset, names or ())
    target = target_of(dataset)
    asked = list(metrics) if metrics else [target.metric]
    cpu = counting(dataset.to("cpu"), dataset.training(seed).to("cpu"))
    chosen_on = "on validation" if cpu.held_out else "on the training rows"
    found: list[BaselineResult] = []
    for name in chosen:
        baseline = _baseline(name, dataset.task)
        if progress is not None:
            progress(baseline.title)
        with (
            library_threads(threads),
            warnings.catch_warnings(),
        ):  # which loads the libraries: no part of a fit
            warnings.simplefilter("ignore")  # what matters is in the settings and the outcome
            started, meter = time.perf_counter(), Meter()
            fitted = baseline.fit(
                cpu, seed=seed, metric=metric_info(asked[0]).name, class_weights=class_weights, budget=budget
            )
            seconds, cost = time.perf_counter() - started, (meter.cpu_seconds, meter.peak_memory)
        judged = cpu.wide() if cpu.doubles else cpu
        if baseline.network:
            judged = judged.to(device)
            fitted.model.to(device)
        test, validation = judged.test, judged.validation
        outputs = outputs_on(fitted.model, test, target)
        found.append(
            BaselineResult(
                name=name,
                title=baseline.title,
                settings=fitted.settings.replace("on validation", chosen_on),
                validation=evaluate(
                    outputs_on(fitted.model, validation, target),
                    validation.target,
                    target,
                    asked,
                    validation.weights,
                ),
                test=evaluate(outputs, test.target, target, asked, test.weights),
                test_row_losses=target.row_losses(outputs, test.target),
                test_values=other_values(outputs, test.target, target, asked, test.weights),
                test_outputs=outputs,
                seconds=seconds,
                cpu_seconds=cost[0],
                peak_memory=cost[1],
                model=fitted.model,
                outcome=fitted.outcome,
                cut=fitted.cut,
                parameter_bytes=fitted.parameter_bytes,
            )
        )
    return found


def counting(dataset: Dataset, train: Part) -> Dataset:
    """Return a dataset with the training rows that count: all, or those with a weight above 0."""
    if train.weights is None or bool((train.weights > 0).all()):
        return replace(dataset, train=train)
    kept = (train.weights > 0).nonzero().flatten()
    doubles = {name: part.take(kept) if name == "train" else part for name, part in dataset.doubles.items()}
    return replace(dataset, train=train.take(kept), doubles=doubles)


def restore(name: str, shape: Shape, arrays: Mapping[str, Tensor]) -> BaselineModel:
    """Return a fitted baseline from its arrays.

    Raises:
        UnknownNameError: there is no such baseline.
        ValueError: the arrays are damaged or are of other data.
    """
    model = _baseline(name, shape.task).model
    if model is None:
        raise ValueError(f"{name} is not saved")
    return model(shape, arrays)


def identity(name: str, **settings: object) -> str:
    """Return what a fit depends on, as a short text: where it is the same, a kept fit can be used.

    Args:
        name: the baseline.
        settings: everything else that goes into it: data, seed, metrics, class weights, budget.
    """
    versions = {library: installed(library) for library in ("scikit-learn", "scipy", "numpy")}
    choices = "" if prefix_of(name) else _configured(grammar.parse(name)).choices
    parts = {"name": name, "choices": choices, **settings, **versions, "steepest": version()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def title_of(name: str, task: Task) -> str:
    """Return how a baseline is written for a reader.

    Example:
        >>> title_of("logistic-regression", "classification")
        'logistic regression'
    """
    return _baseline(name, task).title


def is_network(name: str) -> bool:
    """Return whether a baseline is a network, which is evaluated where runs are.

    Example:
        >>> is_network("bigram"), is_network("base(model='hf:gpt2')")
        (False, True)
    """
    return not prefix_of(name) and _configured(grammar.parse(name)).network


def _baseline(name: str, task: Task) -> Baseline:
    return (
        estimator_baseline(grammar.parse(name), task) if prefix_of(name) else _configured(grammar.parse(name))
    )


def _configured(spec: grammar.Spec) -> Baseline:
    """Return a registered baseline with options."""
    made: Baseline = registry.load(spec.name)
    if not (spec.arguments or spec.options):
        return made
    if made.configured is None:
        raise OptionError(f"the baseline {spec.name!r} has no options", hint=f"write {spec.name}.")
    try:
        return made.configured(*spec.arguments, **spec.options)
    except TypeError as error:
        raise OptionError(
            f"the baseline {str(spec)!r} cannot be made: {first_line(error)}",
            hint="see steepest list baselines.",
        ) from error
