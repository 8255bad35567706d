"""Results of a suite's optimizers that come with the package: one small file for each size."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError

from steepest.compare.across import ArmOnSet
from steepest.errors import FolderError
from steepest.record.schema import Frozen
from steepest.studies.base.keeping import kept_text
from steepest.sweep.machine import cores, processor
from steepest.version import version

STORED = Path(__file__).parents[1] / "stored"


class StoredArm(Frozen):
    """What one optimizer gave on one data set.

    Attributes:
        optimizer: with every hyperparameter but the rate, as a specification.
        settings, code: what identifies it, see :mod:`steepest.suites.base.identity`.
        found: its results.
    """

    optimizer: str
    settings: str
    code: str
    found: ArmOnSet


class StoredSet(Frozen):
    """What the optimizers gave on one data set.

    Attributes:
        fingerprint: of its data, as prepared and split.
        arms: by name.
    """

    fingerprint: str
    arms: dict[str, StoredArm]


class StoredSuite(Frozen):
    """The stored results of a suite.

    Attributes:
        suite, version, size: which suite.
        made: versions, machine and date.
        sets: by name.
    """

    suite: str
    version: int
    size: str
    made: dict[str, str]
    sets: dict[str, StoredSet] = Field(default_factory=dict)

    def why_not(self, name: str, of: str, fingerprint: str, settings: str, code: str) -> str:
        """Return why the result of an arm on a set is not what would be computed now; nothing where it is.

        Args:
            name: of the set.
            of: the arm.
            fingerprint, settings, code: as they are now.
        """
        found = self.sets.get(name)
        arm = None if found is None else found.arms.get(of)
        if found is None or arm is None:
            return "no result is stored"
        if found.fingerprint != fingerprint:
            return "its data is not that of the stored result"
        if arm.settings != settings:
            return "its settings are not those of the stored result"
        if arm.code != code:
            return "its code has changed since the result was stored"
        return ""


def stored_file(suite: str, size: str, folder: Path = STORED) -> Path:
    """Return where the results of a suite are.

    Example:
        >>> stored_file("standard", "quick").name, stored_file("standard", "default").name
        ('standard-quick.json', 'standard.json')
    """
    return folder / f"{suite}{'' if size == 'default' else f'-{size}'}.json"


def stored_text(suite: StoredSuite) -> str:
    """Return the content of the file with the results of a suite; runs that diverged have none for a value."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, list):
            return [plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        return None if isinstance(value, float) and math.isnan(value) else value

    return kept_text(plain(suite.model_dump(mode="json")))


def read_stored(suite: str, version: int, size: str, folder: Path = STORED) -> StoredSuite | None:
    """Return the stored results of a suite, None where there are none of this version.

    Raises:
        FolderError: the file is damaged.
    """
    path = stored_file(suite, size, folder)
    if not path.is_file():
        return None
    try:
        found = StoredSuite.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise FolderError(
            f"cannot read {path.as_posix()!r}: {str(error).splitlines()[0]}",
            hint="install steepest again, or make it again: scripts/keep_suite.py.",
        ) from None
    return found if found.version == version else None


def made_here() -> dict[str, str]:
    """Return versions, machine and date.

    Example:
        >>> sorted(made_here())
        ['cores', 'date', 'machine', 'python', 'steepest', 'torch']
    """
    return {
        "steepest": version(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": processor(),
        "cores": str(cores()),
        "date": date.today().isoformat(),
    }


def differences(
    stored: Mapping[str, str], names: Sequence[str] = ("steepest", "torch", "machine")
) -> list[str]:
    """Return in what the making of stored results differs from here, in words.

    Example:
        >>> differences({**made_here(), "torch": "1.0"})[0][:26]
        'torch 1.0 there and torch '
    """
    here = made_here()
    return [
        f"{name} {stored.get(name, 'unknown')} there and {name} {here[name]} here"
        for name in names
        if stored.get(name) != here[name]
    ]
