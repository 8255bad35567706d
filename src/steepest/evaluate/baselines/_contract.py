"""What a baseline is: fitted on the training rows, chosen on validation, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steepest.data.dataset import Dataset, Part, Shape
from steepest.evaluate.metrics import evaluate, metric_info
from steepest.evaluate.outputs import outputs_on
from steepest.objectives.target import target_of

Array = NDArray[np.float64]


class BaselineModel(nn.Module):
    """A fitted baseline as named arrays: called and saved like a network.

    It is called with the inputs of a part and returns log-probabilities ``[N, K]`` or standardised values ``[N, 1]``
    in float64. Its arrays are buffers, so ``state_dict`` holds all of it.

    Args:
        shape: of the data that it was fitted on.
        arrays: as a fit or a saved ``state_dict`` gives them.

    Raises:
        ValueError: the arrays are not those of such a baseline on such data.
    """

    arrays: ClassVar[Mapping[str, torch.dtype]] = {}
    """The names and types of its arrays, besides ``counts``: of every class the training rows, int64 ``[K]``, or the
    sum of their weights, float64."""

    def __init__(self, shape: Shape, arrays: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.shape = shape
        counts = torch.float64 if "counts" in arrays and arrays["counts"].is_floating_point() else torch.int64
        wanted = {**self.arrays, **({"counts": counts} if self.shape.classes else {})}
        if set(arrays) != set(wanted):
            raise ValueError(f"arrays {', '.join(sorted(arrays))} instead of {', '.join(sorted(wanted))}")
        for name, value in arrays.items():
            self.register_buffer(name, value)
            require(value.dtype == wanted[name], name, self)
        if self.shape.classes:
            counts = self.array("counts")
            require(counts.shape == (shape.outputs,) and bool((counts >= 0).all()), "counts", self)
        self.check()

    def check(self) -> None:
        """Raise a ``ValueError`` if the arrays do not fit the shape or each other."""

    def array(self, name: str) -> Tensor:
        """Return one of its arrays."""
        return self.get_buffer(name)

    def numpy(self, name: str) -> NDArray[np.generic]:
        """Return one of its arrays for NumPy."""
        return self.get_buffer(name).numpy()

    @property
    def present(self) -> int:
        """How many classes have training rows; 1 for regression."""
        return int((self.array("counts") > 0).sum()) if self.shape.classes else 1

    def decoded(self, outputs: Tensor) -> Tensor:
        """Return log-probabilities of all classes, given logits of those with training rows; or the values.

        A class without a training row gets the probability 1 / (N + K), as by adding one row to every class;
        without it one test row of such a class would make the log loss infinite.
        """
        if not self.shape.classes:
            return outputs
        counts = self.array("counts")
        absent = int((counts == 0).sum())
        share = 1.0 / float(counts.sum() + len(counts))
        full = outputs.new_full((len(outputs), len(counts)), float(np.log(share)))
        full[:, counts > 0] = torch.log_softmax(outputs, 1) + float(np.log1p(-absent * share))
        return full


def require(fits: bool, name: str, model: BaselineModel) -> None:
    """Raise a ``ValueError`` that names an array if it does not fit."""
    if not fits:
        array = model.array(name)
        kind = f"{str(array.dtype).removeprefix('torch.')} {list(array.shape)}"
        raise ValueError(f"the array {name!r} ({kind}) does not fit the data or the other arrays")


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted baseline.

    Attributes:
        model: what it predicts with; one that is no ``BaselineModel`` cannot be saved.
        settings: what was chosen, and from what, in words.
        outcome: ``finished`` or ``not converged``.
        cut: how much of its tuning was made, where the work limit left some out; else empty.
        parameter_bytes: of a network, what its parameters take; None of any other.
    """

    model: nn.Module
    settings: str
    outcome: str = "finished"
    cut: str = ""
    parameter_bytes: int | None = None


def is_table(dataset: Dataset) -> bool:
    """Whether a model is called with a table's inputs, codes and continuous columns."""
    inputs = dataset.train.inputs
    return not dataset.shape.others and len(inputs) == 2 and all(each.dim() == 2 for each in inputs)


def is_unrated(dataset: Dataset) -> bool:
    """Whether a dataset is not of ratings, whose ids a baseline of tables would take for categories."""
    return dataset.shape.bounds is None


def always(dataset: Dataset) -> bool:
    """Any dataset."""
    del dataset
    return True


class FitBaseline(Protocol):
    """Fits a baseline.

    Args:
        dataset: on the CPU; settings are chosen on its validation part, its test part is not touched.
        seed: for what is random in it.
        metric: the metric on validation that decides.
        class_weights: weight of each class in the loss ``[K]``, or None.
        budget: how much work it may take, in seconds of one core of the machine that the work was measured on.
    """

    def __call__(
        self, dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
    ) -> FittedBaseline: ...


@dataclass(frozen=True)
class Baseline:
    """A baseline by name.

    Attributes:
        title: how it is written for a reader.
        fit: fits it.
        model: what a fit is kept in; None if it cannot be kept.
        choices: what its settings are chosen from: where it changes, a kept fit is of no use.
        serves: whether it can be fitted to a dataset with its kind of target, whatever that holds.
        usual: whether it is fitted to a dataset that it serves where no baselines are named.
        configured: returns it with options; None where it has none.
        network: whether it is a network, which is evaluated on the device of the runs.
    """

    title: str
    fit: FitBaseline
    model: type[BaselineModel] | None
    choices: str = ""
    serves: Callable[[Dataset], bool] = is_table
    usual: Callable[[Dataset], bool] = always
    configured: Callable[..., Baseline] | None = None
    network: bool = False


def class_counts(dataset: Dataset) -> NDArray[Any]:
    """Return the number of training rows of each class, or the sum of their weights, ``[K]``."""
    weights = train_weights(dataset)
    return np.bincount(dataset.train.target.numpy(), weights, minlength=dataset.shape.outputs)


def train_weights(dataset: Dataset, class_weights: Tensor | None = None) -> Array | None:
    """Return the weights of the training rows, ``[N]``: of the rows times of their classes; None if neither has any."""
    return loss_weights(dataset.train, class_weights)


def loss_weights(part: Part, class_weights: Tensor | None) -> Array | None:
    """Return the weights of the rows of a part in the same way."""
    found = None if part.weights is None else part.weights.double().numpy()
    if class_weights is None:
        return found
    of_class = class_weights.double().cpu().numpy()[part.target.numpy()]
    return of_class if found is None else of_class * found


def validation_cost(dataset: Dataset, model: BaselineModel, metric: str) -> float:
    """Return a metric on the validation rows as a cost: lower is better."""
    return cost_of(outputs_on(model, dataset.validation, target_of(dataset)), dataset, metric)


def cost_of(outputs: Tensor, dataset: Dataset, metric: str) -> float:
    """Return a metric of outputs for the validation rows as a cost: lower is better."""
    part = dataset.validation
    found = evaluate(outputs, part.target, target_of(dataset), [metric], part.weights)
    value = next(iter(found.values()))
    return -value if metric_info(metric).higher_is_better else value
