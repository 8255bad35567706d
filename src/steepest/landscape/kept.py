"""Losses that are kept in the folder of a comparison while a slice is measured, so that it goes on where it ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.dataset import Part
from steepest.files import cannot_write
from steepest.landscape.losses import CHUNK, PlaneLosses, Statistics
from steepest.landscape.plane import Plane, Points
from steepest.landscape.stored import StoredRun
from steepest.record.journal import Journal

FOLDER = "landscapes"
"""Where in the folder of a comparison they are."""

VERSION = 1
"""Of how losses are computed: with another one, they are computed anew."""


def kept_losses(
    run: StoredRun,
    plane: Plane,
    points: Points,
    part: Part,
    statistics: Statistics,
    advance: Callable[[int], object],
) -> NDArray[np.float64]:
    """Return the losses at points; those that the folder has are read, and those that it lacks are kept in it.

    They are kept under a hash of all that they depend on. Points are cut into the same chunks always, so that an
    interrupted slice gives the same bits.

    Args:
        run, plane, points, part, statistics: as for :func:`steepest.landscape.losses.measure`.
        advance: is told how many points more there are.

    Raises:
        FolderError: the folder cannot be written.
    """
    journal = Journal(run.folder / FOLDER / f"{identity(run, plane, points, part, statistics)}.jsonl")
    known = {
        int(event["first"]): event["losses"] for event in journal.read() if event.get("event") == "losses"
    }
    losses: PlaneLosses | None = None
    found = np.empty(len(points))
    for first in range(0, len(points), CHUNK):
        some = points[first : first + CHUNK]
        if first not in known:
            losses = losses or PlaneLosses(run.problem, plane, part, statistics)
            known[first] = losses.many(some).tolist()
            _make(journal.path.parent)
            journal.append({"event": "losses", "first": first, "losses": known[first]})
        found[first : first + len(some)] = known[first]
        advance(len(some))
    return found


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None


def identity(run: StoredRun, plane: Plane, points: Points, part: Part, statistics: Statistics) -> str:
    """Return twelve hexadecimal digits that change with all that the losses depend on."""
    digest = hashlib.blake2b(digest_size=6)
    about: dict[str, Any] = {
        "version": VERSION,
        "torch": torch.__version__,
        "model": run.model.about.model,
        "objective": str(run.problem.objective),
        **({"loss code": run.loss_code} if run.loss_code else {}),
        "class_weights": None if run.problem.weights is None else run.problem.weights.tolist(),
        "precision": run.problem.precision,
        "statistics": statistics,
        "names": plane.names,
        "chunk": CHUNK,
    }
    digest.update(json.dumps(about, sort_keys=True).encode())
    tensors: list[Tensor] = [
        *(each for _, each in sorted(run.net.state_dict().items())),
        plane.origin,
        *plane.directions,
        *(each for _, each in sorted(plane.shift.items())),
        *part.tensors,
        torch.from_numpy(np.ascontiguousarray(points)),
    ]
    for each in tensors:
        digest.update(f"{each.dtype} {tuple(each.shape)}".encode())
        digest.update(each.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
