"""A network that predicts a class, as scikit-learn's estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin

from steepest.errors import DataError, OptionError
from steepest.models import ModelBuilder
from steepest.sklearn.base import Estimator, Floats
from steepest.sklearn.errors import value_errors
from steepest.sklearn.rows import Array
from steepest.train.callback import Callback

LEAST_CLASSES = 2


class SteepestClassifier(ClassifierMixin, Estimator):
    r"""A network that predicts a class, trained by one recipe of :func:`steepest.compare`.

    The default training loss of a batch is the weighted mean of the rows' log losses,
    :math:`\sum_i w_i c_{y_i} (-\log p_{i, y_i}) / \sum_i w_i c_{y_i}`, where :math:`p_i` are the softmax of the
    network's outputs, :math:`w_i` the weights of rows and :math:`c_k` those of classes. With the same recipe, seed and
    split, the network is that of a comparison to the last bit.

    Parameters that are None have the default that :func:`steepest.plan` has, except for ``epochs``. They are checked by
    ``fit``; one that would have no effect is an error.

    Args:
        model: the network: a specification such as ``"mlp(hidden=[64])"``, or a callable that takes the dataset's shape
            and returns an ``nn.Module``.
        optimizer: a name or specification, a ``torch.optim.Optimizer`` class, or a rule from :func:`steepest.rule`.
        learning_rate: above 0; None for the default of the optimizer's library, such as 0.001 of Adam.
        tune: True chooses the learning rate on held-out rows, as a comparison does: seven rates √10 apart on a
            quarter of the steps, the best three at full length, with a seed of their own. A text, or a list of them,
            tunes another hyperparameter as well: ``"eps=1e-8..1e-4"``.
        learning_rates: the rates that ``tune`` tries.
        tuning_rates: their number.
        tuning_finalists: how many of them run at full length.
        epochs: passes over the training rows, above 0; None for 20, or for as many as make 200 steps.
        batch_size: rows of a step, at least 2, or ``"all"``; None for a number that fits the rows.
        schedule: the multiplier of the learning rate over the run, such as ``"constant"``; None for ``"cosine"``.
        loss: the training loss; None for cross-entropy.
        regularizer: such as ``"l2(1e-4) + input-noise(0.1)"``; a strength that is not given is tuned with ``tune``,
        else
            the default.
        rates: multipliers of the learning rate by role or name of parameters, such as ``"embeddings=0.1"``.
        freeze: parameters that are not trained, such as ``"embeddings"``.
        clip: largest 2-norm of the gradient, above 0.
        accumulate: micro-batches in which the gradient of a batch is computed, at least 1.
        precision: ``"float32"``, ``"float64"``, ``"bf16"``, or on a CUDA device ``"tf32"``.
        procedure: the runs that training consists of, such as ``"continue(0.5)"``.
        hidden: widths of the hidden layers of the default model.
        dropout: probability of dropout on its embeddings, from 0 to below 1.
        embedding: widths of its embeddings by column.
        numbers: what the network makes of numbers, such as ``"quantile"`` or ``"piecewise"``.
        class_weight: ``"balanced"`` for :math:`c_k = N / (K n_k)`, or weights above 0 by class; others have 1.
        validation_fraction: the share of rows that is held out, between 0 and 1; the weights of the best evaluation on
            them are kept. None holds out 0.1 where ``tune`` or ``early_stopping`` need it, else nothing: the last
            weights are kept.
        early_stopping: the number of evaluations without an improvement after which training ends, at least 1; a run
            has about 20. True for 5, False for the full length.
        metric: what decides on the held-out rows; None for the log loss.
        positive: the positive class, for a metric of two classes that depends on it; None for the rarer one.
        max_seconds: of training, after which it ends; such a fit cannot be repeated exactly.
        callbacks: objects derived from :class:`steepest.Callback`, or texts such as ``"mine.py:Plateau(patience=3)"``.
        categorical: columns of categories, by name or place, also of an array.
        continuous: columns of numbers, by name or place.
        text: columns of free text, by name or place, of whose words numbers are made.
        decode: one-hot columns to make one column of categories of, by a pattern such as ``"Soil_Type_*"``, or
            ``"none"``; None for all that are found in a frame, and for none in an array of numbers.
        missing: further texts that mean a missing value.
        min_count: categories with fewer training rows count as unknown.
        prepare: preparation steps: a TOML file, or a list of steps.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``, which is also the default.
        threads: of a training step on the CPU. Small steps are slower on several.
        random_state: seed of the run and of the held-out rows; a whole number from 0, a ``RandomState``, or None for
            another one each time.

    Attributes:
        classes_: the classes, ascending ``[K]``.
        n_features_in_: columns of ``X``.
        feature_names_in_: their names, where all of them are texts.
        model_: the network as a :class:`steepest.TrainedModel`, to save it, or to look at its layers.
        learning_rate_: the learning rate; None for an optimizer that has none.
        learning_rates_: the rates that the first stage of tuning tried, ascending; empty without tuning.
        tuning_results_: with tuning, its runs as lists: ``learning_rate``, ``optimizer``, ``steps``, and the value of
            the deciding metric on the held-out rows, NaN where a run diverged.
        epochs_: the length of the run.
        record_: the record of the run, with its curve.
        notes_: what was decided about the rows, and what may be wrong with them, as sentences.

    Raises:
        ValueError: by ``fit``, where rows or a parameter cannot be used. Where the library says why, it is also
            its own error (:class:`steepest.SteepestError`), with a hint.

    Example:
        >>> import numpy as np
        >>> draw = np.random.Generator(np.random.PCG64(0))
        >>> X = draw.normal(size=(200, 2))
        >>> y = np.where(X[:, 0] > X[:, 1], "up", "down")
        >>> estimator = SteepestClassifier("mlp(hidden=[8])", learning_rate=0.03, epochs=10, random_state=0)
        >>> estimator.fit(X, y).score(X, y) > 0.9
        True
        >>> estimator.classes_.tolist(), estimator.predict_proba(X[:3]).shape
        (['down', 'up'], (3, 2))
        >>> SteepestClassifier(learning_rates=[0.1]).fit(X, y)
        Traceback (most recent call last):
        ...
        steepest.sklearn.errors.ParameterError: learning_rates has no effect: nothing is tuned
        Hint: give tune=True.
    """

    _task = "classification"
    _classifies = True

    classes_: Array

    def __init__(
        self,
        model: str | ModelBuilder | None = None,
        *,
        optimizer: Any = "adam",
        learning_rate: float | None = None,
        tune: bool | str | Sequence[str] = False,
        learning_rates: Sequence[float] | None = None,
        tuning_rates: int | None = None,
        tuning_finalists: int | None = None,
        epochs: float | None = None,
        batch_size: int | Literal["all"] | None = None,
        schedule: str | None = None,
        loss: str | None = None,
        regularizer: str | None = None,
        rates: str | None = None,
        freeze: str | None = None,
        clip: float | None = None,
        accumulate: int | None = None,
        precision: str | None = None,
        procedure: str | None = None,
        hidden: Sequence[int] | None = None,
        dropout: float | None = None,
        embedding: Mapping[str, int] | None = None,
        numbers: str | None = None,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        validation_fraction: float | None = None,
        early_stopping: bool | int = False,
        metric: str | None = None,
        positive: Any = None,
        max_seconds: float | None = None,
        callbacks: Sequence[Callback | str] = (),
        categorical: Sequence[str | int] = (),
        continuous: Sequence[str | int] = (),
        text: Sequence[str | int] = (),
        decode: Sequence[str] | None = None,
        missing: Sequence[str] | None = None,
        min_count: int | None = None,
        prepare: Any = None,
        device: str | None = None,
        threads: int = 1,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            model, optimizer=optimizer, learning_rate=learning_rate, tune=tune, learning_rates=learning_rates,
            tuning_rates=tuning_rates, tuning_finalists=tuning_finalists, epochs=epochs, batch_size=batch_size,
            schedule=schedule, loss=loss, regularizer=regularizer, rates=rates, freeze=freeze, clip=clip,
            accumulate=accumulate, precision=precision, procedure=procedure, hidden=hidden, dropout=dropout,
            embedding=embedding, numbers=numbers, validation_fraction=validation_fraction,
            early_stopping=early_stopping, metric=metric, max_seconds=max_seconds, callbacks=callbacks,
            categorical=categorical, continuous=continuous, text=text, decode=decode, missing=missing,
            min_count=min_count, prepare=prepare, device=device, threads=threads, random_state=random_state,
        )  # fmt: skip
        self.class_weight = class_weight
        self.positive = positive

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on some rows, at the constant rate ``learning_rate_``.

        The first call learns the preparation from its rows, and draws the weights, unless ``fit`` has done so. Between
        calls the optimizer keeps its state; after ``fit``, and in an estimator that was pickled, it begins anew.
        ``epochs`` and ``schedule`` are those of ``fit``; nothing is held out, watched or tuned here, and parameters
        that ask for it are refused where ``fit`` was not called.

        Args:
            X: as for ``fit``; categories that the first rows did not have count as unknown.
            y: the class of each row, ``[N]``.
            classes: all classes that will come; needed on the first call.
            sample_weight: as for ``fit``, divided by their mean over this call.

        Raises:
            ValueError: as by ``fit``; ``classes`` are missing on the first call, or others later.

        Example:
            >>> import numpy as np
            >>> draw = np.random.Generator(np.random.PCG64(0))
            >>> estimator = SteepestClassifier("linear", learning_rate=0.1, random_state=0)
            >>> for _ in range(4):
            ...     X = draw.normal(size=(100, 2))
            ...     estimator = estimator.partial_fit(X, X[:, 0] > 0, classes=[False, True])
            >>> estimator.predict([[1.0, 0.0], [-1.0, 0.0]]).tolist()
            [True, False]
        """
        with value_errors():
            if not hasattr(self, "_trained"):
                if classes is None:
                    raise OptionError(
                        "classes must be passed on the first call to partial_fit",
                        hint="give all classes: classes=np.unique(y) of the whole target.",
                    )
                found = np.unique(np.asarray(classes))
                if len(found) < LEAST_CLASSES:
                    raise OptionError(
                        f"classes={classes!r} has fewer than two classes",
                        hint="give all classes that will come.",
                    )
                self.classes_ = found
            elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
                raise OptionError(
                    f"classes={classes!r} is not the same as on the first call",
                    hint="leave it out after that.",
                )
        return self._pass(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row ``[N]``, of equally probable ones the first.

        Raises:
            ValueError: as by ``predict_proba``.
        """
        codes = self.predict_proba(X).argmax(1)
        return self.classes_[codes]

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class ``[N, K]``, in the order of ``classes_``.

        Raises:
            NotFittedError: nothing was trained.
            ValueError: the rows have other columns than those of the fit, or the preparation leaves some of them out.
        """
        table = self._table_of(X)
        return table.select(f"p_{name}" for name in self.model_.classes).to_numpy()

    def predict_log_proba(self, X: Any) -> Floats:
        """Return the natural logarithm of each probability ``[N, K]``; of 0 it is −∞."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _options_of_task(self) -> dict[str, Any]:
        """Return the options that a target of classes has."""
        if self.positive is not None and self.metric is None:
            raise OptionError(
                f"positive={self.positive!r} has no effect: no metric is given that depends on it",
                hint="leave it out, or give such a metric, as metric='f1'.",
            )
        given = {"class_weights": self.class_weight, "positive": self.positive}
        return {name: value for name, value in given.items() if value is not None}

    def _encoded(self, answers: Array, weights: Array | None, *, first_pass: bool) -> tuple[Array, Array]:
        """Return the codes of the classes, those of rows that count for nothing aside, and the classes."""
        counts = np.ones(len(answers), bool) if weights is None else weights > 0
        if not first_pass:
            self.classes_ = np.unique(answers[counts])
        there = np.unique(answers[counts])
        if len(there) < (1 if first_pass else LEAST_CLASSES):
            only = f"one class only, {there.tolist()[0]!r}," if len(there) else "no class"
            more = "rows that count" if first_pass else "rows of two classes or more"
            raise DataError(f"y has {only} in the rows that count", hint=f"give {more}.")
        codes = np.zeros(len(answers), np.int64)
        codes[counts] = self._codes(answers[counts])
        return codes, self.classes_

    def _codes(self, answers: Array) -> Array:
        """Return the codes of classes."""
        known = np.isin(answers, self.classes_)
        if not known.all():
            odd = answers[~known].tolist()[0]
            raise DataError(
                f"y has the class {odd!r}, which is not one of the {len(self.classes_)} known ones",
                hint=f"known: {', '.join(map(str, self.classes_[:20]))}.",
            )
        return np.searchsorted(self.classes_, answers).astype(np.int64)
