"""What the classifier and the regressor have in common: from parameters and rows to one recipe of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from steepest.api import Plan, plan
from steepest.data.dataset import Dataset, Part
from steepest.data.table import read_table
from steepest.errors import DataError, OptionError
from steepest.models import ModelBuilder
from steepest.regularizers import without_ends
from steepest.regularizers.strengths import at_defaults
from steepest.sklearn.errors import value_errors
from steepest.sklearn.rows import (
    WEIGHT,
    Array,
    TrainingTable,
    frame_from,
    free_name,
    target_from,
    weights_from,
)
from steepest.sklearn.training import Learner, OneRecipe, Trained
from steepest.sweep.contestants import contestant, rates_only, regularized
from steepest.sweep.defaults import default_batch_size
from steepest.train.callback import Callback

Floats = NDArray[np.float64]

VALIDATION_FRACTION = 0.1
"""The share of rows that is held out where something is chosen on them and no share is given."""
TUNING = ("learning_rates", "tuning_rates", "tuning_finalists")
"""Options of the tuning of learning rates."""
PLANNED = (
    "batch_size", "schedule", "epochs", "loss", "regularizer", "rates", "freeze", "clip", "accumulate", "precision",
    "procedure", "numbers", "hidden", "dropout", "embedding", "metric", "max_seconds", "device", *TUNING,
)  # fmt: skip
"""Parameters that are options of :func:`steepest.plan`, by the same name."""
READ = ("missing", "min_count", "decode", "prepare")
"""Parameters that are options of :func:`steepest.read_table`, by the same name."""
OF_FIT = ("procedure", "metric", "max_seconds", "callbacks", "validation_fraction", "early_stopping", "tune")
"""Parameters that have no effect where nothing but ``partial_fit`` is called."""


class Estimator(BaseEstimator):
    """What the classifier and the regressor have in common."""

    _task: ClassVar[str]
    _classifies: ClassVar[bool] = False

    n_features_in_: int
    model_: Any
    _trained: Trained
    _columns: list[str]

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
        validation_fraction: float | None = None,
        early_stopping: bool | int = False,
        metric: str | None = None,
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
        self.model = model
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.tune = tune
        self.learning_rates = learning_rates
        self.tuning_rates = tuning_rates
        self.tuning_finalists = tuning_finalists
        self.epochs = epochs
        self.batch_size = batch_size
        self.schedule = schedule
        self.loss = loss
        self.regularizer = regularizer
        self.rates = rates
        self.freeze = freeze
        self.clip = clip
        self.accumulate = accumulate
        self.precision = precision
        self.procedure = procedure
        self.hidden = hidden
        self.dropout = dropout
        self.embedding = embedding
        self.numbers = numbers
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.metric = metric
        self.max_seconds = max_seconds
        self.callbacks = callbacks
        self.categorical = categorical
        self.continuous = continuous
        self.text = text
        self.decode = decode
        self.missing = missing
        self.min_count = min_count
        self.prepare = prepare
        self.device = device
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the preparation of rows from them, and train a network.

        Args:
            X: a Polars, pandas or Arrow frame, whose columns are used as in a comparison; or an array ``[N, D]``, whose
                numbers are used as numbers. Missing values are allowed, infinite ones are not.
            y: the target of each row, ``[N]``.
            sample_weight: how much each row counts in the loss, ``[N]``, numbers from 0; rows with 0 are left out, the
                others divided by their mean.

        Raises:
            ValueError: the rows, or a parameter, cannot be used. Where the library says why, it is also its
                own error (:class:`steepest.SteepestError`), with a hint.
        """
        with value_errors():
            made = self._plan(X, y, sample_weight, first_pass=False)
            self._take(OneRecipe(made, self.threads).trained())
        self.__dict__.pop("_learner", None)
        return self

    def _pass(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """Train on some rows for one epoch, at a constant rate."""
        with value_errors():
            if not hasattr(self, "_trained"):
                self._check_one_pass()
                made = self._plan(X, y, sample_weight, first_pass=True)
                begun = OneRecipe(made, self.threads)
                self._learner = Learner(begun.untrained(), begun.dataset)
                part = begun.dataset.train
            else:
                part = self._part(X, y, sample_weight)
                if not hasattr(self, "_learner"):
                    self._learner = Learner(self._trained, _dataset(self._trained, part))
            self._take(self._learner.learn(part, self._batch(len(part))))
        return self

    def _take(self, trained: Trained) -> None:
        """Set the attributes that tell what was trained."""
        self._trained, self.model_ = trained, trained.model
        self.notes_ = trained.notes
        self.learning_rate_ = float(trained.rule.hyper.lr) if "lr" in trained.rule.axes else None
        if trained.record is None:
            return
        self.record_ = trained.record
        self.epochs_ = trained.epochs
        self.learning_rates_ = trained.rates
        if trained.trials:
            metric = trained.recipe.metric
            self.tuning_results_ = {
                "learning_rate": [record.lr for _, record in trained.trials],
                "optimizer": [recipe.optimizer for recipe, _ in trained.trials],
                "steps": [record.steps for _, record in trained.trials],
                metric: [
                    math.nan if record.failed else record.best.get(metric, math.nan)
                    for _, record in trained.trials
                ],
            }
        else:
            self.__dict__.pop("tuning_results_", None)

    # --- from parameters to a plan -------------------------------------------------------------------------

    def _plan(self, X: Any, y: Any, sample_weight: Any, *, first_pass: bool) -> Plan:
        """Return the plan of one arm on the rows."""
        seed, held_out = self._seed(), 0.0 if first_pass else self._held_out
        table = self._table(X, y, sample_weight, seed=seed, held_out=held_out, first_pass=first_pass)
        options: dict[str, Any] = {name: _plain(getattr(self, name)) for name in PLANNED}
        options = {name: value for name, value in options.items() if value is not None}
        if first_pass:
            options |= {"epochs": 1, "schedule": "constant"}
            if self.batch_size not in (None, "all"):
                options["batch_size"] = min(int(self.batch_size or 0), len(table.make(None)[0].train))
        elif (patience := _plain(self.early_stopping)) is not False:
            ends = "early-stopping" if patience is True else f"early-stopping({patience})"
            options["regularizer"] = " + ".join(each for each in (self.regularizer, ends) if each)
        if options.get("regularizer") and not self._tunes:
            options["regularizer"] = at_defaults(options["regularizer"])
        if not isinstance(_plain(self.tune), bool):
            options["tune"] = self.tune
        return plan(
            table,
            optimizers=[self._optimizer()],
            model=self.model,
            name=type(self).__name__,
            callbacks=list(self.callbacks),
            seeds=1,
            seed=seed,
            **options,
            **self._options_of_task(),
        )

    def _options_of_task(self) -> dict[str, Any]:
        return {}

    @property
    def _held_out(self) -> float:
        """The share of rows that something is chosen on, 0 for none."""
        if self.validation_fraction is not None:
            if not 0 < self.validation_fraction < 1:
                raise OptionError(
                    f"validation_fraction is {self.validation_fraction!r}",
                    hint="give a share of the rows between 0 and 1, or None.",
                )
            return self.validation_fraction
        ends = bool(self.regularizer) and without_ends(str(self.regularizer)) != str(self.regularizer)
        if self._tunes or _plain(self.early_stopping) is not False or ends:
            return VALIDATION_FRACTION
        if self.metric is not None:
            raise OptionError(
                f"metric={self.metric!r} has no effect: no rows are held out on which it would choose",
                hint=f"leave it out, or give a validation_fraction such as {VALIDATION_FRACTION:g}.",
            )
        return 0.0

    @property
    def _tunes(self) -> bool:
        return _plain(self.tune) is not False

    def _optimizer(self) -> Any:
        """Return the optimizer: with its rate, or as it is where that is tuned."""
        who = regularized(contestant(self.optimizer), self.regularizer or "")
        if self._tunes:
            if self.learning_rate is not None:
                raise OptionError(
                    f"learning_rate={self.learning_rate!r} has no effect: tune chooses it",
                    hint="leave one of the two out.",
                )
            if not who.tuned and isinstance(_plain(self.tune), bool):
                raise OptionError(
                    f"tune=True has no effect: nothing is left to tune of {who.name!r}",
                    hint="leave its rate out of optimizer, or leave tune out.",
                )
            return self.optimizer
        useless = next((name for name in TUNING if getattr(self, name) is not None), None)
        if useless is not None or any(axis.size > 1 for axis in rates_only(who).axes):
            what = f"{useless} has" if useless else f"the values to try of {who.name!r} have"
            raise OptionError(f"{what} no effect: nothing is tuned", hint="give tune=True.")
        rule = who.at({})
        if "lr" not in rule.axes:
            if self.learning_rate is not None:
                raise OptionError(
                    f"learning_rate={self.learning_rate!r} has no effect: {who.name} has no learning rate",
                    hint="leave it out.",
                )
            return self.optimizer
        if who.fixed_rate:
            if self.learning_rate is not None:
                raise OptionError(
                    f"learning_rate={self.learning_rate!r} has no effect: the rate of {who.name!r} is given",
                    hint="give it once.",
                )
            return self.optimizer
        given = rule.given | {"lr"}
        rule = rule.with_lr(rule.default_rate if self.learning_rate is None else self.learning_rate)
        rule.given = given
        return rule

    def _check_one_pass(self) -> None:
        """Refuse what has an effect on ``fit`` only, where that is never called."""
        for name in OF_FIT:
            value = getattr(self, name)
            if value:
                raise OptionError(
                    f"{name}={value!r} has no effect on partial_fit, which trains for one epoch at a constant rate",
                    hint="leave it out, or call fit first.",
                )

    def _batch(self, rows: int) -> int:
        """Return the rows of a step of ``partial_fit``, of which a call has so many."""
        if self.batch_size == "all":
            return rows
        return min(int(self.batch_size or default_batch_size(rows)), rows)

    def _seed(self) -> int:
        """Return the seed of the split and of the run."""
        given = self.random_state
        if isinstance(given, int | np.integer):
            return int(given)
        return int(check_random_state(given).randint(2**31 - 1))

    # --- from rows to a table ------------------------------------------------------------------------------

    def _table(
        self, X: Any, y: Any, sample_weight: Any, *, seed: int, held_out: float, first_pass: bool
    ) -> TrainingTable:
        frame, numbers = frame_from(self, X, reset=True)
        answers = target_from(self, y, frame.height, classes=self._classifies)
        weights = weights_from(sample_weight, frame)
        values, labels = self._encoded(answers, weights, first_pass=first_pass)
        target = free_name(str(getattr(y, "name", None) or "y"), frame.columns)
        frame = frame.with_columns(pl.Series(target, values))
        options: dict[str, Any] = {name: getattr(self, name) for name in READ}
        if weights is not None:
            options["weight"] = free_name(WEIGHT, frame.columns)
            frame = frame.with_columns(pl.Series(options["weight"], weights))
        categorical, continuous = self._named(self.categorical), self._named(self.continuous)
        text = self._named(self.text)
        if numbers and self.decode is None:  # those of an array stay what they are
            options["decode"] = "none"
        held = {"validation": held_out, "split_seed": seed} if held_out else {"split": "none"}
        table = read_table(
            frame,
            target=target,
            task=self._task,
            categorical=categorical,
            continuous=[
                *continuous,
                *(each for each in numbers if each not in {*categorical, *continuous, *text}),
            ],
            text=text,
            **held,
            **options,
        )
        return TrainingTable.of(table, labels, first_pass=first_pass)

    def _encoded(self, answers: Array, weights: Array | None, *, first_pass: bool) -> tuple[Array, Array]:
        """Return the target as it is put into the table, and the classes that it has codes of."""
        del weights, first_pass
        return answers, np.empty(0)

    def _named(self, columns: Sequence[str | int]) -> list[str]:
        """Return the names of columns, of which each is given by its name or its place."""
        given = [_plain(each) for each in ([columns] if isinstance(columns, str) else columns)]
        names = self._columns
        beyond = [each for each in given if isinstance(each, int) and not 0 <= each < len(names)]
        if beyond:
            raise OptionError(
                f"there is no column {beyond[0]}", hint=f"give a place from 0 to {len(names) - 1}, or a name."
            )
        return [names[each] if isinstance(each, int) else each for each in given]

    def _part(self, X: Any, y: Any, sample_weight: Any) -> Part:
        """Return rows for more training, prepared as the first ones were."""
        frame, _ = frame_from(self, X, reset=False)
        answers = target_from(self, y, frame.height, classes=self._classifies)
        weights = weights_from(sample_weight, frame)
        encoded = self.model_.pipeline.transform(frame)
        kept = np.asarray(encoded.kept)
        target = self._codes(answers[kept])
        part = Part(encoded.inputs, torch.from_numpy(target))
        if weights is None:
            return part
        mine = weights[kept]
        there = np.flatnonzero(mine > 0)
        if not len(there):
            raise DataError("no row has a weight above 0", hint="correct sample_weight.")
        scaled = torch.from_numpy((mine[there] / mine[there].mean()).astype(np.float32))
        part = part.take(torch.from_numpy(there))
        return Part(part.inputs, part.target, scaled)

    def _codes(self, answers: Array) -> Array:
        """Return targets as a network learns them."""
        scale = self.model_.about.target_scale
        return ((answers - scale.mean) / scale.sd).astype(np.float32)

    def _table_of(self, X: Any) -> pl.DataFrame:
        """Return the predictions of rows with everything beside them, one for each row.

        Raises:
            DataError: the preparation leaves out a row.
        """
        check_is_fitted(self, "model_")
        with value_errors():
            frame, _ = frame_from(self, X, reset=False)
            found = self.model_.predict(frame)
            if found.left_out:
                raise DataError(
                    f"the preparation leaves out {found.left_out} of {frame.height} rows, which have no prediction",
                    hint="leave filter steps out of prepare, and filter the rows before.",
                )
            return found.table

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the state of the optimizer between two calls of ``partial_fit``."""
        state = dict(cast("dict[str, Any]", super().__getstate__()))
        state.pop("_learner", None)
        return state

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn may expect: missing values are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _dataset(trained: Trained, part: Part) -> Dataset:
    """Return rows as a dataset that says what a network was trained for."""
    about = trained.model.about
    return Dataset(
        name="rows", target=about.target, train=part, validation=part, test=part, shape=about.shape,
        classes=about.classes, target_scale=about.target_scale,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """Return a number of NumPy, as searches give them, as Python's."""
    return value.item() if isinstance(value, np.generic) else value
