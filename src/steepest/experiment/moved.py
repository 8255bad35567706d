"""How the weights of the compared arms moved, as far as their runs kept a path."""

from __future__ import annotations

from steepest.compare.evidence import Evidence
from steepest.compare.moved import ArmPath, arm_path
from steepest.record.store import Folder
from steepest.sweep.paths import path_file, read_path
from steepest.sweep.plan import finals

LARGEST = 200_000_000
"""Bytes of a path up to which it is read for the report, that of 50 million weights × points."""


def paths_of(folder: Folder, evidence: Evidence) -> list[ArmPath]:
    """Return how the weights of every arm moved in its first run that finished and kept its path.

    Args:
        folder: of the comparison.
        evidence: its runs.
    """
    found: list[ArmPath] = []
    for arm in evidence.setup.arms:
        for run in finals(evidence.setup, arm, evidence.chosen):
            name = path_file(run.key)
            [record] = evidence.of([run])
            if record.failed or not folder.has_tensors(name) or folder.tensor_bytes(name) > LARGEST:
                continue
            path = read_path(folder, run.key)
            known = None if path is None else arm_path(arm.title, run.key.seed, path)
            if known is not None:
                found.append(known)
                break
    return found
