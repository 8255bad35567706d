"""Classifiers and regressors of scikit-learn as baselines, ``sklearn:KNeighborsClassifier(n_neighbors=5)``.

They see one-hot codes and the standardised continuous columns. An estimator is an arbitrary Python object, which only
pickle could keep, so its metrics and what it gives the test rows are kept, and it is not saved as a model.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from steepest import rng
from steepest.components import grammar
from steepest.components.prefixes import resolved
from steepest.data.dataset import Dataset, Shape, has_classes
from steepest.errors import OptionError, first_line
from steepest.evaluate.baselines._contract import Baseline, FittedBaseline, train_weights
from steepest.evaluate.baselines._linear import Design

MOST_DENSE = 1 << 25
"""With more numbers than this, features are given as a sparse matrix."""

NOT_SAVED = "not saved as a model"


@dataclass(frozen=True)
class EstimatorFit:
    """Fits an estimator.

    Args:
        kind: the class.
        spec: as it was named, with its options.
    """

    kind: Any
    spec: grammar.Spec

    def __call__(
        self, dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
    ) -> FittedBaseline:
        """Return the fit on the training rows, with their weights where the estimator takes weights.

        Raises:
            OptionError: the estimator refuses its options or the data, or gives no probabilities.
        """
        del metric, budget
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.utils.validation import has_fit_parameter

        estimator = made(self.kind, self.spec)
        if "random_state" in estimator.get_params() and "random_state" not in self.spec.options:
            estimator.set_params(random_state=rng.seed_for(seed, "baseline") % 2**32)
        weights = train_weights(dataset, class_weights)
        takes = bool(has_fit_parameter(estimator, "sample_weight"))
        given = {"sample_weight": weights} if takes and weights is not None else {}
        target = dataset.train.target.numpy()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                estimator.fit(features(dataset.train.inputs, dataset.shape), target, **given)
                model = EstimatorModel(estimator, dataset.shape, len(target))
                model(*(each[:2] for each in dataset.train.inputs))
            except Exception as error:
                raise OptionError(
                    f"the baseline {self.spec} cannot be fitted: {type(error).__name__}: {first_line(error)}",
                    hint="change its options, or leave it out.",
                ) from error
        settings = ["on one-hot codes and standardised columns", NOT_SAVED]
        if weights is not None and not takes:
            settings.insert(1, "fitted without weights, which it does not take")
        lacks = any(issubclass(each.category, ConvergenceWarning) for each in said)
        return FittedBaseline(model, "; ".join(settings), "not converged" if lacks else "finished")


class EstimatorModel(nn.Module):
    """A fitted estimator, called as a network is.

    Args:
        estimator: of scikit-learn.
        shape: of the data that it was fitted on.
        rows: how many it was fitted on.
    """

    def __init__(self, estimator: Any, shape: Shape, rows: int) -> None:
        super().__init__()
        self.estimator, self.shape, self.rows = estimator, shape, rows

    def forward(self, codes: Tensor, continuous: Tensor) -> Tensor:
        """Return log-probabilities ``[N, K]`` or standardised values ``[N, 1]``, in float64.

        A probability of 0 becomes 1 / (N + K) with N training rows, as if one row had been added to every class; one
        test row could make the log loss infinite.
        """
        x = features((codes, continuous), self.shape)
        if not self.shape.classes:
            return torch.from_numpy(np.asarray(self.estimator.predict(x), np.float64).reshape(-1, 1))
        found = np.zeros((len(codes), self.shape.outputs))
        found[:, self.estimator.classes_] = self.estimator.predict_proba(x)
        found[found == 0.0] = 1.0 / (self.rows + self.shape.outputs)
        return torch.from_numpy(np.log(found / found.sum(1, keepdims=True)))


def features(inputs: tuple[Tensor, ...], shape: Shape) -> Any:
    """Return rows as one-hot codes and continuous columns, ``[N, V + D]``; sparse where that would be large."""
    design = Design.of(inputs, shape)
    if design.continuous.shape[0] * design.columns > MOST_DENSE:
        return sparse.hstack([design.codes, sparse.csr_matrix(design.continuous)], format="csr")
    return np.concatenate([design.codes.toarray(), design.continuous], axis=1)


def made(kind: Any, spec: grammar.Spec) -> Any:
    """Return a new estimator with its options.

    Raises:
        OptionError: it has no such option.
    """
    try:
        return kind(*spec.arguments, **spec.options)
    except TypeError as error:
        raise OptionError(
            f"{spec} cannot be made: {first_line(error)}",
            hint="its options are those of scikit-learn's class.",
        ) from error


def estimator_baseline(spec: grammar.Spec, task: str) -> Baseline:
    """Return the baseline that a reference names.

    Raises:
        OptionError: there is no such class or option, it is for another task, or it gives no probabilities.

    Example:
        >>> estimator_baseline(grammar.parse("sklearn:Ridge(alpha=2)"), "regression").title
        'Ridge(alpha=2)'
    """
    kind = resolved(spec.name, "baseline")
    estimator = made(kind, spec)
    from sklearn.base import is_classifier

    classes = has_classes(task)  # pyright: ignore[reportArgumentType]
    if is_classifier(estimator) != classes:
        what = "classifier" if is_classifier(estimator) else "regressor"
        raise OptionError(f"{spec.name} is a {what}, but the task is {task}", hint="choose another class.")
    if classes and not hasattr(estimator, "predict_proba"):
        raise OptionError(
            f"{spec} gives no probabilities, of which metrics are made",
            hint="choose a classifier with predict_proba, such as sklearn:LogisticRegression.",
        )
    title = str(grammar.Spec(kind.__name__, spec.arguments, spec.options))
    return Baseline(title, EstimatorFit(kind, spec), None, str(spec))
