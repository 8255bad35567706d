"""Rows without a label: a file whose rows a student learns of its teacher, beside the training rows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import Dataset, Note, Part
from steepest.data.sources.contract import Source
from steepest.data.sources.rows import Encoded, Pipeline
from steepest.errors import DataError
from steepest.files import reachable
from steepest.prediction.model import BATCH_ROWS
from steepest.prediction.seen import hashed
from steepest.wording import counted


def with_unlabelled(dataset: Dataset, pipeline: Pipeline, source: Source, file: str) -> Dataset:
    """Return a dataset with the rows of a file as unlabelled ones, prepared as new rows are.

    Rows that equal a validation or test row in all inputs are left out; their numbers in the file are
    ``rows["unlabelled"]``.

    Args:
        dataset: the data.
        pipeline: what was learned from its training rows.
        source: where it is from.
        file: the path.

    Raises:
        DataError: the file is not there, is the data itself, cannot be read, or no row of it is left.
    """
    _check_other(file, source)
    batches = list[Encoded]()
    numbers, read = list[Tensor](), 0
    for batch in pipeline.transform_batches(file, BATCH_ROWS):
        batches.append(batch)
        numbers.append(read + torch.from_numpy(batch.kept.to_numpy().astype(np.int64)))
        read += batch.rows
    rows = torch.cat(numbers) if numbers else torch.zeros(0, dtype=torch.int64)
    if not len(rows):
        raise DataError(f"the preparation keeps no row of {file}", hint="give unlabelled= another file.")
    doubles = {**dataset.doubles}
    if all(each.doubles for each in batches) and "train" in doubles:
        doubles["unlabelled"] = _part([each.doubles for each in batches], doubles["train"])
    part = _part([each.inputs for each in batches], dataset.train)
    made = replace(
        dataset,
        unlabelled=part,
        doubles=doubles,
        rows={**dataset.rows, "unlabelled": rows},
        provenance={**dataset.provenance, "unlabelled": file},
    )
    held = [dataset.validation, dataset.test] if dataset.held_out else []
    known = np.concatenate([hashed(each.inputs) for each in held if len(each)] or [np.zeros(0, np.uint32)])
    new = ~np.isin(hashed(part.inputs), known)
    if not new.any():
        raise DataError(
            f"every row of {file} equals a validation or test row in all inputs",
            hint="give unlabelled= a file of other rows: a student must not learn from those that it is judged on.",
        )
    notes = [Note("info", f"{counted(int(new.sum()), 'unlabelled row')} from {file} for students.")]
    if left_out := int((~new).sum()):
        made = only_unlabelled(made, torch.from_numpy(np.flatnonzero(new)))
        what = "equals a validation or test row" if left_out == 1 else "equal validation or test rows"
        text = f"{left_out:,} of the {counted(len(rows), 'row')} of {file} {what} in all inputs: left out."
        notes.append(Note("warning", text))
    assert made.unlabelled is not None
    told = json.dumps([dataset.fingerprint, content_of(made.unlabelled)])
    return replace(
        made,
        notes=(*dataset.notes, *notes),
        fingerprint=hashlib.sha256(told.encode()).hexdigest()[:32],
    )


def only_unlabelled(dataset: Dataset, kept: Tensor) -> Dataset:
    """Return a dataset with some of its unlabelled rows.

    Args:
        dataset: the data.
        kept: their places, int64.
    """
    doubles = {**dataset.doubles}
    if "unlabelled" in doubles:
        doubles["unlabelled"] = doubles["unlabelled"].take(kept)
    return replace(
        dataset,
        unlabelled=None if dataset.unlabelled is None else dataset.unlabelled.take(kept),
        doubles=doubles,
        rows={**dataset.rows, "unlabelled": dataset.rows["unlabelled"][kept]},
    )


def content_of(part: Part | None) -> str:
    """Return a hash of the tensors of a part.

    Example:
        >>> content_of(None), len(content_of(Part((torch.zeros(1, 1),), torch.zeros(1))))
        ('', 64)
    """
    if part is None:
        return ""
    digest = hashlib.sha256()
    for each in part.tensors:
        digest.update(f"{each.dtype} {tuple(each.shape)}".encode())
        digest.update(each.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _part(inputs: list[tuple[Tensor, ...]], like: Part) -> Part:
    """Return rows with zeros in the place of their target."""
    joined = tuple(torch.cat(each) for each in zip(*inputs, strict=True))
    return Part(joined, torch.zeros((len(joined[0]), *like.target.shape[1:]), dtype=like.target.dtype))


def _check_other(file: str, source: Source) -> None:
    path = reachable(Path(file).expanduser())
    if not path.exists():
        raise DataError(
            f"the file of unlabelled rows {file!r} does not exist",
            hint="give its path from here, in quotes: unlabelled='more.csv'.",
        )
    others: list[Any] = [*source.sources]
    for each in others:
        own = Path(each).expanduser() if isinstance(each, str | Path) else None
        if own is not None and own.exists() and own.samefile(path):
            raise DataError(
                f"the unlabelled rows {file!r} are the data itself",
                hint="give a file of other rows.",
            )
