"""Where the path of a run is kept in a folder."""

from __future__ import annotations

from steepest.paths.kept import KeptPath
from steepest.record.schema import RunKey
from steepest.record.store import Folder


def path_file(key: RunKey) -> str:
    """Return where the path of a run is kept in the folder, without the ending."""
    return f"checkpoints/path-{key.recipe}-{key.seed}"


def read_path(folder: Folder, key: RunKey) -> KeptPath | None:
    """Return the path of a run that was kept in a folder, None where there is none."""
    name = path_file(key)
    return KeptPath.restored(*folder.read_tensors_about(name)) if folder.has_tensors(name) else None
