"""A trained model with everything that prediction needs: weights, preparation, encoders, classes."""

from __future__ import annotations

import contextlib
import functools
import html
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steepest import forks
from steepest.data.catalog import rows_of
from steepest.data.dataset import Part
from steepest.data.names import plain
from steepest.data.read import is_streamed, reading, source_name
from steepest.data.sources.rows import Encoded, Pipeline
from steepest.data.variants import ALL, NONE, Variant
from steepest.errors import ModelError, OptionError
from steepest.evaluate.calibration import tempered
from steepest.evaluate.metrics import is_positive, metric_info, metric_names
from steepest.evaluate.outputs import outputs_on, predict
from steepest.files import check_apart
from steepest.finetuning import merged, read_finetuning
from steepest.models import ModelBuilder
from steepest.objectives.target import target_of_shape
from steepest.prediction.about import BASELINE, About
from steepest.prediction.answered import Answered, answered
from steepest.prediction.files import read_model, write_model
from steepest.prediction.known import Known, Question
from steepest.prediction.learned import activations_frame, embedding_of, layers_of
from steepest.prediction.predicted import Predictions, Written, beside, joined
from steepest.prediction.seen import SeenRows, hashed_once
from steepest.prediction.table import predictions_table
from steepest.prediction.writing import writing_tables
from steepest.wording import counted, first_few, significant

T = TypeVar("T")

BATCH_ROWS = 1 << 18
"""Rows of a table that are read, encoded and predicted at a time; a multiple of every batch of the model."""


class TrainedModel:
    """A model that predicts from raw rows.

    Args:
        net: the network with its weights.
        about: what it predicts and how it was trained.
        pipeline: from raw rows to the network's inputs.
        seen: the rows on which it was trained and chosen, which are not scored as new ones, and its test rows.
        temperature: by which logits are divided before they are probabilities.
    """

    def __init__(
        self,
        net: nn.Module,
        about: About,
        pipeline: Pipeline,
        seen: SeenRows | None = None,
        temperature: float = 1.0,
    ) -> None:
        self.net = net.eval()
        self.temperature = temperature
        self.about = about
        self.pipeline = pipeline
        self.seen = seen

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels in the order of the probabilities' columns; empty for regression."""
        return self.about.classes

    @property
    def title(self) -> str:
        """What predicts, for a reader: a baseline's name, or the network's optimizer or arm."""
        about = self.about.trained
        if self.about.model.startswith(BASELINE):
            return f"{about.get('title', self.about.model.removeprefix(BASELINE))} (baseline)"
        factors = about.get("factors") or {}
        altered = Variant(factors.get("train_rows", ALL), factors.get("labels", NONE)).altered
        learned = f" (learned from {altered})" if altered else ""
        if about.get("arm", about.get("optimizer")) != about.get("optimizer"):
            return f"the network of the arm {about['arm']!r}{learned}"
        return (
            f"a network trained by {about['optimizer']}{learned}"
            if "optimizer" in about
            else self.about.model
        )

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes as the values that they are in the table, in the order of the probabilities' columns."""
        return self.pipeline.labels.to_numpy()

    def __repr__(self) -> str:
        return f"TrainedModel: {self._sentence}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._sentence)}</p>"

    @property
    def _sentence(self) -> str:
        """What predicts what, from what, and how well."""
        about = self.about
        columns = self.pipeline.required
        what = f"{about.target!r} ({first_few(self.classes) or self._question.target.called})"
        found = next(iter((about.trained.get("test") or {}).items()), None)
        rows = "test" if about.trained.get("held_out", True) else "training"
        score = (
            ""
            if found is None
            else f"; {metric_info(found[0]).title} {significant(found[1], 4)} on the {rows} rows"
        )
        source = f"{counted(len(columns), 'column')} ({first_few(columns)})"
        return f"{self.title} predicts {what} from {source}{score}"

    @functools.cached_property
    def plain(self) -> nn.Module:
        """The network with what adapters add in its own layers; the network itself where it has no adapters."""
        return merged(self.net, self.about.finetune).eval()

    @property
    def base(self) -> nn.Module:
        """The network without its adapters, as training began; a ``ModelError`` where it has none."""
        way = read_finetuning(self.about.finetune)
        if not way.structural:
            raise ModelError(
                f"{self.title} has no adapter: its own weights were trained",
                hint="adapters come from --finetune 'lora(8)' or 'dora(8)'.",
            )
        return way.base(self.net).eval()

    def predict(self, rows: Any, *, keep: str | Sequence[str] = ()) -> Predictions:
        """Return the predicted values of new rows: an array, with the table and the scores beside it.

        Args:
            rows: a path, a frame, or the name of a data set, of which its official test rows are meant if it has some;
                the target may be absent. If it is there, the predictions have scores.
            keep: columns of the rows to carry into the table, such as an identifier.

        Raises:
            DataError: the rows cannot be read, or a column is missing.
            OptionError: a column to be kept has the name of one of the table.
        """
        return self._with_all(rows, lambda parts: joined(list(parts)), keep)

    def predict_batches(
        self, rows: Any, *, batch_rows: int = BATCH_ROWS, keep: str | Sequence[str] = (), sure: bool = True
    ) -> Iterator[Predictions]:
        """Yield what ``predict`` returns for ``batch_rows`` rows at a time, so that a file may exceed the memory.

        Args:
            rows: as for ``predict``.
            keep: as for ``predict``.
            batch_rows: rows of the source at a time; not a multiple of 65,536 cuts the model's batches elsewhere
                and may change the last bits.
            sure: see ``data.read.scan``; if false, a ``PolarsError`` may come after some batches.

        Raises:
            DataError, OptionError: as for ``predict``.
        """
        forks.check()
        rows = rows_of(rows, self.pipeline.kind)
        names = self._kept_names(keep)
        for encoded in self.pipeline.transform_batches(rows, batch_rows, keep=names, sure=sure):
            kept = torch.from_numpy(np.array(encoded.kept, dtype=np.int64))
            outputs = self._outputs(encoded)
            table = self.table_of(outputs, kept, encoded.rows).select(*encoded.carried, pl.all())
            yield Predictions(
                table, encoded.unforeseen, encoded.rows - len(kept), encoded.reports,
                self._known(outputs, encoded),
            )  # fmt: skip

    def write_predictions(self, rows: Any, out: str | Path, *, keep: str | Sequence[str] = ()) -> Written:
        """Predict new rows and write the predictions, batch by batch; ``out`` appears when it is complete.

        Args:
            rows: as for ``predict``.
            keep: as for ``predict``.
            out: a file that ends in .csv, .parquet, .feather or .arrow.

        Raises:
            DataError: the rows cannot be read or a column is missing.
            OptionError: predictions cannot be written in this format, or as for ``predict``.
            FolderError: the file cannot be written, or is the one with the rows.
        """
        check_apart(out, rows)

        def written(found: Iterator[Predictions]) -> Written:
            count, about = 0, list[Predictions]()
            with writing_tables(out) as write:
                for each in found:
                    write(each.table)
                    count += len(each)
                    about.append(
                        Predictions(
                            each.table.clear(), each.unforeseen, each.left_out, each.reports, each.known
                        )
                    )
            unforeseen, left_out, reports, known = beside(about)
            return Written(count, unforeseen, left_out, tuple(each.text for each in reports), known)

        return self._with_all(rows, written, keep)

    def _with_all(
        self, rows: Any, take: Callable[[Iterator[Predictions]], T], keep: str | Sequence[str]
    ) -> T:
        """Take all batches; if a row far down is of another type than the first ones, again with sure types."""
        if not is_streamed(rows):
            return take(self.predict_batches(rows, batch_rows=BATCH_ROWS, keep=keep))
        with contextlib.suppress(pl.exceptions.PolarsError):
            return take(self.predict_batches(rows, batch_rows=BATCH_ROWS, keep=keep, sure=False))
        with reading(source_name(rows)):
            return take(self.predict_batches(rows, batch_rows=BATCH_ROWS, keep=keep))

    def _kept_names(self, keep: str | Sequence[str]) -> list[str]:
        """Return the columns that are kept, once each."""
        names = list(dict.fromkeys(plain(each) for each in ([keep] if isinstance(keep, str) else keep)))
        own = {
            self._question.target.predicted,
            *(["probability"] if self.classes else []),
            *(f"p_{each}" for each in self.classes),
        }
        for name in names:
            if name in own:
                raise OptionError(
                    f"the column {name!r} cannot be kept: the predictions have one of that name",
                    hint="rename it in the rows, or leave it out of --keep.",
                )
        return names

    def _outputs(self, rows: Encoded) -> Tensor:
        inputs = rows.inputs_for(self.net)
        if len(inputs[0]) and rows.wanted is not None:
            return outputs_on(self.net, Part(inputs, rows.wanted), self._question.target)
        if len(inputs[0]):
            return tempered(predict(self.net, inputs), self.temperature)
        return torch.zeros(0, self.about.shape.outputs)  # the preparation left every row of the batch out

    def calibrated(self) -> TrainedModel:
        """Return the same model with probabilities scaled by the temperature that was fitted on the validation rows.

        The predicted classes stay as they are; see :mod:`steepest.evaluate.calibration`.

        Raises:
            ModelError: no temperature was fitted to it.
        """
        found = self.about.trained.get("temperature")
        if found is None:
            known = self.about.trained.get("no_temperature") or "none was fitted on validation rows"
            why = "it predicts no classes" if not self.classes else known
            network = self.about.model.startswith(BASELINE) and bool(self.classes)
            instead = ", or name the network of the comparison instead, RUN/model" if network else ""
            raise ModelError(
                f"{self.title} has no temperature to calibrate with: {why}",
                hint=f"leave --calibrate out{instead}.",
                python=f"do without calibrated(){instead}.",
            )
        return TrainedModel(self.net, self.about, self.pipeline, self.seen, float(found))

    def with_stride(self, stride: int) -> TrainedModel:
        """Return the same model that scores a text in windows which begin so many tokens apart.

        The length of windows is that of training, T tokens. Every token is scored once, from at least T − stride tokens
        before it, but at the start of a text.

        Raises:
            OptionError: it is no model of texts, or the stride is not from 1 to T.
        """
        return TrainedModel(
            self.net, self.about, self.pipeline.with_stride(stride), self.seen, self.temperature
        )

    def _known(self, outputs: Tensor, encoded: Encoded) -> Known | None:
        """Return the rows that can be scored, if the target is there."""
        rows = self._answered(encoded)
        if rows is None:
            return None
        found = None if self.seen is None else self.seen.look_up(rows.values)
        asked = self._question.without(encoded.unmeasured)
        return Known.of(
            asked, outputs[rows.there], rows.wanted, found, rows.unscored, rows.weights, rows.places,
            encoded.blank, encoded.rows,
        )  # fmt: skip

    def _answered(self, encoded: Encoded) -> Answered | None:
        """Return the rows with a known target and weight, or None if there is no target."""
        scale = self.about.target_scale
        return answered(encoded, self._question.target, self.classes, mean=scale.mean, sd=scale.sd)

    def recognise(self, table: Sequence[Any]) -> None:
        """Learn which rows the comparison's table has beside those of the model, which was trained on fewer.

        Args:
            table: its files or frames.

        Raises:
            DataError: the rows cannot be read or a column is missing.
            PreparationError: a step does not fit the rows.
        """
        if self.seen is None:
            return
        parts = (map(self._answered, self.pipeline.transform_batches(part, BATCH_ROWS)) for part in table)
        rows = [
            hashed_once((each.values, each.places) for each in part if each is not None) for part in parts
        ]
        self.seen = self.seen.within(np.concatenate(rows))

    @property
    def _question(self) -> Question:
        about, classes = self.about, self.classes
        positive = about.trained.get("positive") or None
        known = metric_names(about.shape.task, len(classes))
        judged = about.trained.get("test") or about.trained.get("validation") or known
        metrics = [each for each in judged if each in known or each.startswith("top_")]
        code = classes.index(positive) if positive in classes else None
        return Question(
            about.target,
            target_of_shape(self.pipeline.shape, about.target_scale, code),
            tuple(each for each in metrics if positive is not None or not is_positive(each)),
            None if self.seen is None else self.seen.origin,
            self.pipeline.weight,
            self.pipeline.scoring,
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the network's layers, in the order in which they give their outputs."""
        return tuple(layers_of(self.plain, self.about.shape).known)

    def activations(
        self, rows: Any, *, layer: str | None = None, keep: str | Sequence[str] = ()
    ) -> pl.DataFrame:
        """Return the activations of a layer for new rows; the network's outputs and weights stay as they are.

        Args:
            rows: as for ``predict``.
            layer: one of ``layers``; by default the last hidden one.
            keep: columns of the rows to carry along.

        Returns:
            ``row``, the number of the row from 0; the columns that are kept; and the activations ``0`` to ``d-1``.
            Rows that the preparation filters out are not in it.

        Raises:
            UnknownNameError: there is no such layer; those that there are, are in the hint.
            ModelError: no layer is named, and the network has no hidden one.
            DataError: the rows cannot be read, or a column is missing.
        """
        found = layers_of(self.plain, self.about.shape).named(layer)
        return activations_frame(self.plain, found, self.pipeline, rows, keep, BATCH_ROWS)

    def embedding(self, field: str) -> pl.DataFrame:
        """Return the vectors that the network has learned for the categories of a field.

        Args:
            field: a categorical column; of ratings also ``user`` and ``item``.

        Returns:
            a row for each category of the training rows: the category, in a column that is named as the field; of items
            with titles, the ``title``; and the vector ``0`` to ``d-1``.

        Raises:
            UnknownNameError: the field does not exist or has no vectors; those that have are in the hint.
            ModelError: the model has no vectors.
        """
        return embedding_of(self.net, self.pipeline, field, self.title)

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        """Return the probability of each class for new rows, ``[N, K]``, in the order of ``classes_``.

        The rows that were filtered out have NaN.

        Raises:
            ModelError: the target is a number.
            DataError: the rows cannot be read or a column is missing.
        """
        if not self.classes:
            raise ModelError(f"{self.about.target!r} is a number, it has no classes", hint="use predict.")
        return self.predict(rows).table.select(f"p_{name}" for name in self.classes).to_numpy()

    def table_of(self, outputs: Tensor, kept: Tensor, rows: int) -> pl.DataFrame:
        """Return outputs of the model as a table of predictions.

        Args:
            outputs: of the rows that are left, ``[N, K]`` or ``[N, 1]``.
            kept: their numbers among all rows, ``[N]``.
            rows: how many rows there are in all; those that are left out have no prediction.
        """
        return predictions_table(
            self._question.target, self.pipeline.labels, self.classes, outputs, kept, rows
        )

    def save(self, folder: str | Path, *, apart: bool = False) -> Path:
        """Write the weights, ``model.json``, ``pipeline.json`` and hashes of the training rows; the weights last.

        Args:
            folder: where to.
            apart: write parameters that were not trained once for all networks of a comparison, beside ``folder``.

        Raises:
            FolderError: the folder cannot be written.
        """
        return write_model(Path(folder), self.net, self.about, self.pipeline, self.seen, apart)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        model: str | ModelBuilder | None = None,
        arm: str | None = None,
        source: str | None = None,
    ) -> TrainedModel:
        """Read a saved model.

        Args:
            folder: an experiment's for the model that is recommended, the best network or a baseline that is ahead of
                it by a detectable difference; or one of its models: ``RUN/model``, ``RUN/baselines/NAME``.
            model: the user's own model as a reference or a callable. A saved model never runs code by itself:
                if it was built from a reference, the reference must be given again. A file that is not there is taken
                from the experiment's folder, which keeps the code that was trained.
            arm: the name, label or id of an arm of the comparison, for its network instead of the recommended model.
            source: the source of the user's own, again, if the data was opened by one.

        Raises:
            FolderError: there is no model, or a file of it is missing or damaged.
            ModelError: the model is the user's own and was not given, or the weights do not fit it; or it is another
                one than the given one; or no network of the arm is kept.
            OptionError: the comparison has no such arm.
        """
        return cls(*read_model(folder, model, arm, source))
