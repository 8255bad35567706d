"""A trained model with everything that prediction needs: weights, preparation, encoders, classes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steepest import grammar
from steepest.data.dataset import Shape, TargetScale
from steepest.data.pipeline import DAMAGE
from steepest.data.preparation import StepReport
from steepest.data.read import is_streamed, reading, source_name
from steepest.data.table import TablePipeline
from steepest.data.unforeseen import Unforeseen
from steepest.errors import FolderError, ModelError, first_line
from steepest.evaluate.baselines import restore
from steepest.evaluate.predictions import predict
from steepest.files import cannot_write, check_apart, reachable, write_atomically
from steepest.identity import of_network
from steepest.models import ModelBuilder, build_model, count_parameters
from steepest.record.store import SOURCE, Folder, command
from steepest.train.weights import load_once, once
from steepest.train.writing import writing_tables

FORMAT = 1
BASELINE = "baseline "
"""How the model's description begins where it is a baseline; its registered name follows."""

T = TypeVar("T")

BATCH_ROWS = 1 << 18
"""Rows of a table that are read, encoded and predicted at a time; a multiple of every batch of the model."""


class _Counts:
    """What is read off the counts of values without a counterpart in training."""

    unforeseen: Unforeseen

    @property
    def unknown(self) -> Mapping[str, int]:
        """How many values of each column were not seen in training; they got the unknown code."""
        return self.unforeseen.unknown

    @property
    def missing(self) -> Mapping[str, int]:
        """How many values are missing of each column that had all of them in training."""
        return self.unforeseen.missing

    @property
    def unreadable(self) -> Mapping[str, int]:
        """How many texts of each column of dates are no dates; they count as missing."""
        return self.unforeseen.unreadable

    @property
    def warnings(self) -> tuple[str, ...]:
        """The same as lines."""
        return self.unforeseen.lines


@dataclass(frozen=True)
class Predictions(_Counts):
    """What a model says of new rows.

    Attributes:
        table: a row for each row of the input, in its order: ``prediction``, for classes also
            ``probability`` and one column ``p_CLASS`` for each; null where preparation filtered a row out.
        unforeseen: values that had no counterpart in training.
        left_out: rows that preparation filtered out.
        reports: what each step of the preparation did.
    """

    table: pl.DataFrame
    unforeseen: Unforeseen
    left_out: int
    reports: tuple[StepReport, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What preparation did, as lines."""
        return tuple(report.text for report in self.reports)


@dataclass(frozen=True)
class Written(_Counts):
    """What was written of the predictions of new rows.

    Attributes:
        rows: how many.
        unforeseen, left_out, notes: as in ``Predictions``.
    """

    rows: int
    unforeseen: Unforeseen
    left_out: int
    notes: tuple[str, ...]


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Return the predictions of batches as one.

    Example:
        >>> one = Predictions(pl.DataFrame({"prediction": [0.5]}), Unforeseen({"plan": 1}), 0)
        >>> joined([one, one]).table.height, joined([one, one]).unknown
        (2, {'plan': 2})
    """
    if len(parts) == 1:
        return parts[0]
    unforeseen = sum((each.unforeseen for each in parts), Unforeseen())
    reports: list[StepReport] = []
    for same in zip(*(each.reports for each in parts), strict=False):
        rows = sum(each.rows for each in same)
        reports.append(
            StepReport(same[0].step, f"{same[0].step}: {rows:,} changed, filled or left out", rows)
        )
    tables = pl.concat([each.table for each in parts])
    return Predictions(tables, unforeseen, sum(each.left_out for each in parts), tuple(reports))


@dataclass(frozen=True)
class About:
    """What a saved model says of itself, besides its weights; ``code`` identifies a network of the user's own."""

    model: str
    shape: Shape
    classes: tuple[str, ...]
    target: str
    target_scale: TargetScale
    trained: Mapping[str, Any]
    code: str = ""


class TrainedModel:
    """A model that predicts from raw rows.

    Args:
        net: the network with its weights.
        about: what it predicts and how it was made.
        pipeline: from raw rows to the network's inputs.
    """

    def __init__(self, net: nn.Module, about: About, pipeline: TablePipeline) -> None:
        self.net = net.eval()
        self.about = about
        self.pipeline = pipeline

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels in the order of the probabilities' columns; empty for regression."""
        return self.about.classes

    @property
    def title(self) -> str:
        """What predicts, for a reader: a baseline's name, or the network's optimizer."""
        about = self.about.trained
        if self.about.model.startswith(BASELINE):
            return f"{about.get('title', self.about.model.removeprefix(BASELINE))} (baseline)"
        return f"a network trained by {about['optimizer']}" if "optimizer" in about else self.about.model

    def predict(self, rows: Any) -> Predictions:
        """Return predictions for new rows.

        Args:
            rows: a path or a frame; the target may be absent.

        Raises:
            DataError: the rows cannot be read or a column is missing.
        """
        return self._with_all(rows, lambda parts: joined(list(parts)))

    def predict_batches(
        self, rows: Any, *, batch_rows: int = BATCH_ROWS, sure: bool = True
    ) -> Iterator[Predictions]:
        """Yield what ``predict`` returns for ``batch_rows`` rows at a time, so that a file may exceed the memory.

        Args:
            rows: a path or a frame; the target may be absent.
            batch_rows: rows of the source at a time; not a multiple of 65,536 cuts the model's batches elsewhere
                and may change the last bits.
            sure: see ``data.read.scan``; if false, a ``PolarsError`` may come after some batches.

        Raises:
            DataError: the rows cannot be read or a column is missing.
        """
        for encoded in self.pipeline.transform_batches(rows, batch_rows, sure=sure):
            kept = torch.from_numpy(np.array(encoded.kept, dtype=np.int64))
            table = self._table(self._outputs(encoded.inputs), kept, encoded.rows)
            yield Predictions(table, encoded.unforeseen, encoded.rows - len(kept), encoded.reports)

    def write_predictions(self, rows: Any, out: str | Path) -> Written:
        """Predict new rows and write the predictions, batch by batch; ``out`` is there when it is whole.

        Args:
            rows: a path or a frame; the target may be absent.
            out: a file that ends in .csv, .parquet, .feather or .arrow.

        Raises:
            DataError: the rows cannot be read or a column is missing.
            OptionError: predictions cannot be written in this format.
            FolderError: the file cannot be written, or is the one with the rows.
        """
        check_apart(out, rows)

        def written(found: Iterator[Predictions]) -> Written:
            count, about = 0, list[Predictions]()
            with writing_tables(out) as write:
                for each in found:
                    write(each.table)
                    count += each.table.height
                    about.append(replace(each, table=each.table.clear()))
            whole = joined(about)
            return Written(count, whole.unforeseen, whole.left_out, whole.notes)

        return self._with_all(rows, written)

    def _with_all(self, rows: Any, take: Callable[[Iterator[Predictions]], T]) -> T:
        """Take all batches; if a row far down is of another type than the first ones, again with sure types."""
        if not is_streamed(rows):
            return take(self.predict_batches(rows, batch_rows=BATCH_ROWS))
        with contextlib.suppress(pl.exceptions.PolarsError):
            return take(self.predict_batches(rows, batch_rows=BATCH_ROWS, sure=False))
        with reading(source_name(rows)):
            return take(self.predict_batches(rows, batch_rows=BATCH_ROWS))

    def _outputs(self, inputs: tuple[Tensor, ...]) -> Tensor:
        if len(inputs[0]):
            return predict(self.net, inputs)
        return torch.zeros(0, self.about.shape.outputs)  # the preparation left every row of the batch out

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        """Return the probability of each class for new rows, ``[N, K]``; NaN for rows that were filtered out.

        Raises:
            ModelError: the target is a number.
            DataError: the rows cannot be read or a column is missing.
        """
        if not self.classes:
            raise ModelError(f"{self.about.target!r} is a number, it has no classes", hint="use predict.")
        return self.predict(rows).table.select(f"p_{name}" for name in self.classes).to_numpy()

    def _table(self, outputs: Tensor, kept: Tensor, rows: int) -> pl.DataFrame:
        def whole(values: Tensor) -> NDArray[np.float64]:
            full = np.full((rows, *values.shape[1:]), np.nan)
            full[kept.numpy()] = values.numpy()
            return full

        if not self.classes:
            scale = self.about.target_scale
            values = whole(outputs.double().squeeze(1) * scale.sd + scale.mean)
            return pl.DataFrame({"prediction": pl.Series(values).fill_nan(None)})
        probabilities = whole(torch.softmax(outputs.double(), 1))
        there = np.zeros(rows, dtype=bool)
        there[kept.numpy()] = True
        best = np.where(there, np.nan_to_num(probabilities).argmax(1), 0)
        columns: dict[str, Any] = {
            "prediction": [self.classes[i] if ok else None for i, ok in zip(best, there, strict=True)],
            "probability": pl.Series(probabilities[np.arange(rows), best]).fill_nan(None),
        }
        columns |= {f"p_{name}": probabilities[:, i] for i, name in enumerate(self.classes)}
        return pl.DataFrame(columns, schema_overrides={"prediction": pl.String})

    def save(self, folder: str | Path) -> Path:
        """Write ``model.safetensors``, ``model.json`` and ``pipeline.json`` into ``folder``; weights last.

        Raises:
            FolderError: the folder cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        about = {
            "format": FORMAT,
            "model": self.about.model,
            "task": self.about.shape.task,
            "cardinalities": [[name, codes] for name, codes in self.about.shape.cardinalities.items()],
            "continuous": list(self.about.shape.continuous),
            "outputs": self.about.shape.outputs,
            "classes": list(self.classes),
            "target": self.about.target,
            "target_mean": self.about.target_scale.mean,
            "target_sd": self.about.target_scale.sd,
            "parameters": count_parameters(self.net),
            "trained": dict(self.about.trained),
            **({"code": self.about.code} if self.about.code else {}),
        }
        self.pipeline.save(folder / "pipeline.json")
        write_atomically(folder / "model.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        weights = once(self.net.state_dict())
        write_atomically(folder / "model.safetensors", safetensors.torch.save(weights))
        return folder

    @classmethod
    def load(cls, folder: str | Path, *, model: str | ModelBuilder | None = None) -> TrainedModel:
        """Read a saved model.

        Args:
            folder: a model's folder, or an experiment's for the best network in it.
            model: the user's own model as a reference or a callable. A saved model never runs code by itself:
                if it was made from a reference, the reference must be given again.

        Raises:
            FolderError: there is no model, or a file of it is missing or damaged.
            ModelError: the model is the user's own and was not given, or the weights do not fit it.
        """
        folder = reachable(folder)
        if (folder / "model").is_dir():
            folder = folder / "model"
        about = _read_about(folder)
        build = _builder(about.model, folder, model)
        try:
            pipeline = TablePipeline.load(folder / "pipeline.json")
        except FolderError as error:
            raise FolderError(error.fact, hint=_again(folder)) from error
        if pipeline.shape != about.shape or pipeline.classes != about.classes:
            raise FolderError(
                f"model.json and pipeline.json in {str(folder)!r} are not of the same model",
                hint=_again(folder),
            )
        try:
            arrays = safetensors.torch.load((folder / "model.safetensors").read_bytes())
            if build is None:
                net = restore(about.model.removeprefix(BASELINE), about.shape, arrays)
            else:
                net = build_model(build, about.shape)
                _check_code(net, about, folder)
                load_once(net, arrays)
        except (OSError, safetensors.SafetensorError, ValueError) as error:
            raise _damaged(folder / "model.safetensors", error) from None
        except RuntimeError as error:
            raise ModelError(
                f"the weights in {str(folder)!r} do not fit the model {about.model!r}: {first_line(error)}",
                hint="give the model that was trained.",
            ) from None
        return cls(net, about, pipeline)


def _check_code(net: nn.Module, about: About, folder: Path) -> None:
    """Complain about a network that does something else than the one that was trained."""
    if about.code and of_network(net) != about.code:
        raise ModelError(
            f"the code of {about.model.removeprefix('callable ')!r} is not what the model in {str(folder)!r} "
            "was trained with",
            hint=_as_trained(folder, about.model),
        )


def _as_trained(folder: Path, model: str) -> str:
    """Return how to go on with the code that a model was trained with, which its folder keeps."""
    run = Folder(folder.parent)
    kept = run.path / SOURCE / run.codes().get("model", "none")
    where, _, name = model.rpartition(":")
    files = [each for each in sorted(kept.rglob("*.py")) if each.name == Path(where).name]
    if files:
        return f"give the code that it was trained with, which is kept: --model {f'{files[0].as_posix()}:{name}'!r}."
    more = f" Its source is kept in {kept.as_posix()!r}." if kept.is_dir() else ""
    return f"give the code that it was trained with, or train again.{more}"


def _builder(built_from: str, folder: Path, given: str | ModelBuilder | None) -> str | ModelBuilder | None:
    """Return what builds a saved network, None for a baseline."""
    if built_from.startswith(BASELINE):
        return None
    own = built_from.startswith("callable ") or grammar.parse(built_from).is_reference
    if own and given is None:
        reference = built_from.removeprefix("callable ")
        how = "as model= in Python, or as --model FILE.py:NAME"
        if reference == built_from:
            how = f"--model {reference!r}, or model= in Python"
        raise ModelError(
            f"the model in {str(folder)!r} was built by {reference!r}, which is not run unasked",
            hint=f"give it again: {how}, if you trust it.",
        )
    return given if own else built_from


def built_from(folder: Path) -> str | None:
    """Return what the network in an experiment's folder was built from, None if it has none.

    The default model's name if it is damaged.
    """
    if not (folder / "model").is_dir():
        return None
    try:
        return _read_about(folder / "model").model
    except FolderError:
        return "embedding-mlp"


def _read_about(folder: Path) -> About:
    path = folder / "model.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise FolderError(
                f"{str(path)!r} has format {stored['format']}", hint=f"this version reads format {FORMAT}."
            )
        shape = Shape(
            stored["task"],
            {name: int(codes) for name, codes in stored["cardinalities"]},
            tuple(stored["continuous"]),
            int(stored["outputs"]),
        )
        scale = TargetScale(float(stored["target_mean"]), float(stored["target_sd"]))
        classes = tuple(stored["classes"])
        for each in (stored["model"], stored["target"], *classes):
            if not isinstance(each, str):
                raise TypeError(f"{each!r} is not a text")
        return About(
            stored["model"],
            shape,
            classes,
            stored["target"],
            scale,
            stored["trained"],
            str(stored.get("code", "")),
        )
    except FileNotFoundError:
        raise FolderError(
            f"there is no model in {str(folder)!r}", hint="name the --out folder of a finished comparison."
        ) from None
    except (OSError, *DAMAGE) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> FolderError:
    return FolderError(
        f"cannot read {str(path)!r}: {error}",
        hint=_again(path.parent),
    )


def _again(folder: Path) -> str:
    """Return how a model gets whole again."""
    for run in (folder.parent, folder.parent.parent):  # RUN/model, RUN/baselines/NAME
        if (run / "experiment.toml").is_file():
            return f"run `{command('resume', run)}`: it writes the model again."
    return "fetch the model's folder again, or train again."
