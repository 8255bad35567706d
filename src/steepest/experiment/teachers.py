"""Saved networks as teachers: their answers for the training rows of other datasets, joined by the rows' numbers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.dataset import Dataset, Note, Part, Shape, has_classes
from steepest.data.pipeline import TablePipeline
from steepest.data.sources.contract import Source
from steepest.data.sources.ratings import RatingsPipeline
from steepest.data.sources.rows import Pipeline
from steepest.errors import DataError, FolderError, ModelError, OptionError
from steepest.evaluate.outputs import predict
from steepest.experiment.unlabelled import content_of, only_unlabelled
from steepest.files import reachable
from steepest.objectives.target import target_of
from steepest.prediction.about import BASELINE
from steepest.prediction.answered import answered
from steepest.prediction.model import BATCH_ROWS, TrainedModel
from steepest.prediction.seen import parted
from steepest.procedures.teaching import SavedTeacher
from steepest.record.store import Folder, command
from steepest.sweep.making import thread_count
from steepest.wording import counted, first_few

CLOSE = 1e-5
"""Two values of one row's target, in standard deviations, may differ by so much: they have 32 bits."""


@dataclass(frozen=True)
class TeacherOutputs:
    """What a network says of the rows of one file.

    Attributes:
        outputs: of the rows that its preparation keeps, in the order and the unit of the network, ``[N, K]``.
        places: of every row of the file its place among them, -1 where the preparation leaves it out.
        wanted: the true target of the rows, as the network reads it: codes or standardised values; NaN where unknown.
        seen: hash and counts of the rows, as :func:`~steepest.prediction.seen.parted` takes them; 0 where unknown.
    """

    outputs: Tensor
    places: NDArray[np.int64]
    wanted: NDArray[np.float64]
    seen: NDArray[np.uint32]


class LoadedTeacher:
    """A saved network that answers rows of a source.

    Args:
        saved: where it is.

    Raises:
        FolderError: there is no such folder, or no network in it, or it is damaged.
        ModelError: it is a baseline, or of the user's own code.
        OptionError, UnknownNameError: the comparison has no such arm.
    """

    def __init__(self, saved: SavedTeacher) -> None:
        self.saved, self.model = saved, _loaded(saved)
        digest = hashlib.sha256()
        for name, values in sorted(self.model.net.state_dict().items()):
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        self.weights = digest.hexdigest()
        told = json.dumps([self.weights, self.model.pipeline.to_dict()], sort_keys=True, default=str)
        self.digest = hashlib.sha256(told.encode()).hexdigest()
        self._files: dict[int | str, TeacherOutputs] = {}

    def teach(self, dataset: Dataset, pipeline: Pipeline, source: Source) -> Dataset:
        """Return a dataset with the network's outputs for its training rows, and an identity that says whose they are.

        Raises:
            DataError: the rows cannot be joined.
            OptionError: it predicts something else, or was trained on rows that are test rows here.
        """
        self._check_same_question(dataset, pipeline)
        if dataset.draw is not None:
            raise OptionError(
                f"{self._called} answers a fixed set of training rows, but they are drawn anew for each run seed",
                hint="leave 'run:' out of --train-rows.",
            )
        with thread_count(1):
            outputs, trained = self._answers_of(dataset, source)
        if not bool(torch.isfinite(outputs).all()):
            raise DataError(f"{self._called} has outputs that are no finite numbers", hint="train it again.")
        if trained:
            raise OptionError(
                f"{self._called} was trained or chosen on {trained:,} of the "
                f"{counted(len(dataset.test), 'test row')}: what it knows of them would leak into the student",
                hint="split as its comparison did (the same file, --split and --split-seed), or train another "
                "teacher on these training rows.",
            )
        identity, dropped = [dataset.fingerprint, self.digest], 0
        if dataset.unlabelled is not None:
            with thread_count(1):
                dataset, dropped = self._answers_unlabelled(dataset)
            identity.append(content_of(dataset.unlabelled))
        told = json.dumps(identity, sort_keys=True)
        return replace(
            dataset,
            train=replace(dataset.train, answers=outputs),
            notes=(*dataset.notes, *self._notes(dataset, trained, dropped)),
            provenance={**dataset.provenance, "teacher": {"of": str(self.saved), "weights": self.weights}},
            fingerprint=hashlib.sha256(told.encode()).hexdigest()[:32],
        )

    @property
    def _called(self) -> str:
        return f"the teacher in {self.saved}"

    def _notes(self, dataset: Dataset, trained: int | None, dropped: int) -> list[Note]:
        rows = counted(len(dataset.train), "training row")
        known = (
            " and has learned from none of the test rows" if trained is not None and dataset.held_out else ""
        )
        found = [
            Note(
                "info",
                f"{self._called} is {self.model.title} (weights {self.weights[:12]}): it answers {rows}{known}.",
            )
        ]
        if dropped:
            text = f"leaves out {counted(dropped, 'unlabelled row')} by its own preparation: its student has the others"
            found.append(Note("warning", f"{self._called} {text}."))
        if trained is None:
            text = "does not say on which rows it was trained: if test rows are among them, its students are flattered"
            found.append(Note("warning", f"{self._called} {text}."))
        return found

    def _check_same_question(self, dataset: Dataset, pipeline: Pipeline) -> None:
        about = self.model.about
        if type(self.model.pipeline) is not type(pipeline) or about.shape.takes != dataset.shape.takes:
            raise OptionError(
                f"{self._called} takes {about.shape.takes}, but the data has {dataset.shape.takes}",
                hint="take a teacher of data of the same kind.",
            )
        if about.target != dataset.target or about.shape.task != dataset.task:
            raise OptionError(
                f"{self._called} predicts {about.target!r} ({about.shape.task}), but the target is "
                f"{dataset.target!r} ({dataset.task})",
                hint="take a teacher of the same target.",
            )
        if {*about.classes} != {*dataset.classes}:
            other = sorted({*about.classes} ^ {*dataset.classes})
            raise OptionError(
                f"{self._called} has other classes than the data: {first_few(other)} is in one of the two only",
                hint="take a teacher of the same classes.",
            )

    def _answers_of(self, dataset: Dataset, source: Source) -> tuple[Tensor, int | None]:
        """Return the outputs for the training rows, and on how many test rows it was trained or chosen, if known."""
        held_out = dataset.held_out and len(dataset.test) > 0
        model, seen = self.model, self.model.seen
        if not isinstance(
            model.pipeline, TablePipeline | RatingsPipeline
        ):  # arrays: the rows are as they were read
            if _sizes(model.about.shape) != _sizes(dataset.shape):
                raise OptionError(
                    f"{self._called} takes {_sizes(model.about.shape)}, but the data has {_sizes(dataset.shape)}",
                    hint="read the data in the size of the teacher's.",
                )
            outputs = predict(model.net, _inputs_for(model.net, dataset.true_train))
            trained = None if seen is None else 0
            if seen is not None and held_out:
                test = dataset.test
                known = (*test.inputs, self._target_as_there(test.target, dataset))
                trained = int(parted(seen.look_up(known), seen.origin)[0].sum())
            return self._as_here(outputs, dataset), trained
        answers = self._file(source.sources[0], 0, dataset)
        mine = self._placed(answers, dataset.rows["train"])
        if left_out := int((mine < 0).sum()):
            raise DataError(
                f"{self._called} leaves out {left_out:,} of the {len(mine):,} training rows by its own preparation",
                hint="take a teacher that keeps them, or leave them out here, too (--prepare).",
            )
        self._check_rows(answers.wanted[mine], dataset)
        trained = None if seen is None else 0
        if seen is not None and held_out:
            own = source.options.test
            file = self._file(own, 1, dataset) if isinstance(own, str) else answers
            places = self._placed(file, dataset.rows["test"])
            found = file.seen[places[places >= 0]]
            trained = int(parted(found, seen.origin)[0].sum()) if len(found) else 0
        return self._as_here(answers.outputs[torch.from_numpy(mine)], dataset), trained

    def _answers_unlabelled(self, dataset: Dataset) -> tuple[Dataset, int]:
        """Return the dataset with answers for its unlabelled rows, joined by row number, and how many it leaves out."""
        part, dropped = dataset.unlabelled, 0
        if part is None:
            return dataset, 0
        if isinstance(self.model.pipeline, TablePipeline | RatingsPipeline):
            file = dataset.provenance["unlabelled"]
            answers = self._file(file, file, dataset)
            places = self._placed(answers, dataset.rows["unlabelled"])
            kept = torch.from_numpy(np.flatnonzero(places >= 0))
            dropped = len(part) - len(kept)
            if not len(kept):
                raise DataError(
                    f"{self._called} leaves out all rows of {file} by its own preparation",
                    hint="take a teacher that keeps them, or leave the file out.",
                )
            if dropped:
                dataset = only_unlabelled(dataset, kept)
            outputs = answers.outputs[torch.from_numpy(places[kept.numpy()])]
        else:
            wide = dataset.doubles.get("unlabelled", part)
            outputs = predict(self.model.net, _inputs_for(self.model.net, wide))
        outputs = self._as_here(outputs, dataset)
        if not bool(torch.isfinite(outputs).all()):
            raise DataError(
                f"{self._called} has outputs for the unlabelled rows that are no finite numbers",
                hint="look for extreme values in the file.",
            )
        assert dataset.unlabelled is not None
        return replace(dataset, unlabelled=replace(dataset.unlabelled, answers=outputs)), dropped

    def _placed(self, answers: TeacherOutputs, rows: Tensor) -> NDArray[np.int64]:
        numbers = rows.numpy()
        if len(numbers) and numbers.max() >= len(answers.places):
            raise DataError(
                f"{self._called} reads {counted(len(answers.places), 'row')} where the data has a row number "
                f"{int(numbers.max()):,}",
                hint="read the file as the teacher's comparison did.",
            )
        return answers.places[numbers]

    def _file(self, file: Any, key: int | str, dataset: Dataset) -> TeacherOutputs:
        """Return what the network says of a file, which is read once."""
        if key in self._files:
            return self._files[key]
        model, scale = self.model, self.model.about.target_scale
        target = target_of(dataset)
        outputs: list[Tensor] = []
        places: list[NDArray[np.int64]] = []
        wanted: list[NDArray[np.float64]] = []
        seen: list[NDArray[np.uint32]] = []
        kept = 0
        for batch in model.pipeline.transform_batches(file, BATCH_ROWS):
            count = len(batch.kept)
            at = np.full(batch.rows, -1, dtype=np.int64)
            at[batch.kept.to_numpy()] = kept + np.arange(count)
            places.append(at)
            kept += count
            if not count:
                continue
            outputs.append(predict(model.net, batch.inputs_for(model.net)))
            true = np.full(count, np.nan)
            known = answered(batch, target, model.classes, mean=scale.mean, sd=scale.sd)
            hashes = np.zeros((count, 4), dtype=np.uint32)
            if known is not None:
                true[known.there.numpy()] = known.wanted.double().numpy()
                if model.seen is not None:
                    hashes[known.there.numpy()] = model.seen.look_up(known.values)
            wanted.append(true)
            seen.append(hashes)
        if not outputs:
            raise DataError(f"{self._called} keeps no row of the data", hint="take another teacher.")
        found = TeacherOutputs(
            torch.cat(outputs),
            np.concatenate(places),
            np.concatenate(wanted),
            np.concatenate(seen),
        )
        self._files[key] = found
        return found

    def _target_as_there(self, target: Tensor, dataset: Dataset) -> Tensor:
        """Return values of the target as the network's own comparison encoded them."""
        about = self.model.about
        if dataset.classes:
            return torch.tensor([about.classes.index(each) for each in dataset.classes])[target]
        mine, here = about.target_scale, dataset.target_scale
        return (
            target
            if mine == here
            else ((target.double() * here.sd + here.mean - mine.mean) / mine.sd).float()
        )

    def _as_here(self, outputs: Tensor, dataset: Dataset) -> Tensor:
        """Return outputs in the order of the dataset's classes, or in its unit of the target."""
        about = self.model.about
        if dataset.classes:
            return outputs[:, [about.classes.index(each) for each in dataset.classes]].float()
        mine, here = about.target_scale, dataset.target_scale
        return ((outputs.double() * mine.sd + mine.mean - here.mean) / here.sd).float()

    def _check_rows(self, wanted: NDArray[np.float64], dataset: Dataset) -> None:
        """Raise a ``DataError`` if the network reads another target in a training row than the data has there."""
        about, true = self.model.about, dataset.true_train.target.double().cpu().numpy()
        if has_classes(dataset.task):
            codes = np.array([about.classes.index(each) for each in dataset.classes])
            other = (wanted != codes[true.astype(np.int64)]) & np.isfinite(wanted)
        else:
            mine, here = about.target_scale, dataset.target_scale
            there = (wanted * mine.sd + mine.mean - here.mean) / here.sd
            other = np.abs(there - true) > CLOSE * np.maximum(1.0, np.abs(true))
        if other.any():
            raise DataError(
                f"{self._called} reads another {dataset.target!r} in {int(other.sum()):,} of the {len(other):,} "
                "training rows",
                hint="give it the file that it knows, or another with the same meaning of the target.",
            )


def _sizes(shape: Shape) -> str:
    return ", ".join(f"{each.kind} {list(each.size)}" for each in shape.fields)


def _inputs_for(net: torch.nn.Module, part: Part) -> tuple[Tensor, ...]:
    precise = any(each.dtype == torch.float64 for each in net.parameters())
    return part.wide().inputs if precise else part.inputs


def _loaded(saved: SavedTeacher) -> TrainedModel:
    """Return the network of a folder."""
    folder = reachable(saved.folder)
    where = Path(folder).as_posix()
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise FolderError(
            f"the teacher's folder {where!r} {what}",
            hint="name the --out folder of a finished comparison, or a model such as 'mlp(hidden=(256, 256))'.",
        )
    if (folder / "experiment.toml").is_file() and not (folder / "model" / "model.json").is_file():
        raise FolderError(
            f"the comparison in {where!r} is not finished: it has no network to teach",
            hint=f"run `{command('resume', Folder(folder).path)}`.",
        )
    own = folder / "model" if not saved.arm and (folder / "model").is_dir() else folder
    try:
        model = TrainedModel.load(own, arm=saved.arm or None)
    except ModelError as error:
        if "is not run unasked" not in error.fact:
            raise
        raise ModelError(
            f"the teacher in {saved} has a model of your own, whose code is not run for a teacher",
            hint="train it in the procedure, by its reference: distil('nets.py:Net'); or take an arm of another model.",
        ) from error
    if model.about.model.startswith(BASELINE):
        raise ModelError(
            f"the teacher in {saved} is {model.title}, which is no network",
            hint="name the folder of the comparison: its best network is taken.",
        )
    return model
