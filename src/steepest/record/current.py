"""Whether the results in a folder answer what is asked for in it now.

A finished comparison may be asked for more: other arms, seeds or options, in the same folder. Until their runs are
finished, its results are those of what was asked for before, which ``results.json`` says by an identity.
"""

from __future__ import annotations

import json

from steepest.errors import SteepestError
from steepest.recipe import load_tree, stable_hash
from steepest.record.store import Folder, command

COMPUTED = ("plan", "execution")
"""The sections of ``experiment.toml`` that say how runs are computed, and not which."""


def identity(folder: Folder) -> str:
    """Return the identity of what is asked for in a folder: its configuration, and the user's code.

    Raises:
        SteepestError: ``experiment.toml`` or the journal cannot be read.
    """
    tree = load_tree(folder.path / "experiment.toml")
    return stable_hash(
        [{name: value for name, value in tree.items() if name not in COMPUTED}, folder.codes()]
    )


def outdated(folder: Folder, stored: str | None) -> str:
    """Return a warning where the results are not those of what is asked for now, else nothing.

    Args:
        folder: of the comparison.
        stored: the identity in its results; results of earlier versions have none, and count as current.

    Raises:
        SteepestError: as :func:`identity`.
    """
    if not stored or stored == identity(folder):
        return ""
    return (
        "these results are those of an earlier configuration; what was asked for since then is not finished: "
        f"`{command('resume', folder.path)}` goes on with it"
    )


def warning_of(folder: Folder) -> str:
    """Return what :func:`outdated` says of the results that a folder has, nothing where they cannot be read."""
    try:
        stored = json.loads((folder.path / "results.json").read_text(encoding="utf-8"))
        return outdated(folder, stored.get("experiment"))
    except (OSError, ValueError, AttributeError, SteepestError):
        return ""
