"""The folder of a study: an ordinary one, with a file that says which study it is of."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steepest.components.references import begun_in
from steepest.errors import FolderError
from steepest.files import reachable, write_atomically
from steepest.record.store import PARTS, STUDY, Folder, command
from steepest.studies.base.data import StudyData


@dataclass(frozen=True)
class StoredStudy:
    """Which study a folder is of.

    Attributes:
        study: its name.
        size: ``quick``, ``default`` or ``full``.
        data: the images that it was begun with; None in a folder of an earlier version.
        code: the hash of the code that it was begun with, which makes runs and measurements; empty in a folder of an
            earlier version.
        home: the folder in which it was begun, which the path of a study of one's own is relative to; None in a folder
            of an earlier version.
    """

    study: str
    size: str
    data: StudyData | None = None
    code: str = ""
    home: Path | None = None


def default_folder(name: str, size: str) -> Path:
    """Return the folder of a study where none is named.

    Example:
        >>> default_folder("memorisation", "quick").as_posix(), default_folder("dropout", "default").as_posix()
        ('runs/memorisation-quick', 'runs/dropout')
    """
    return Path("runs") / (name if size == "default" else f"{name}-{size}")


def read_study(path: Path) -> StoredStudy | None:
    """Return which study a folder is of; None where it is of none.

    Raises:
        FolderError: the folder's name cannot be looked up, or the file that says it cannot be read.
    """
    file = reachable(path) / STUDY
    if not file.is_file():
        return None
    try:
        stored: Any = json.loads(file.read_text(encoding="utf-8"))
        data = None if stored.get("data") is None else StudyData.of(stored["data"])
        code, home = str(stored.get("code", "")), stored.get("at")
        return StoredStudy(
            str(stored["study"]), str(stored["size"]), data, code, None if home is None else Path(home)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FolderError(
            f"cannot read {file.as_posix()!r}: {error}",
            hint=f"remove it (rm {shlex.quote(file.as_posix())}), or restore it.",
        ) from None


def begin_study(
    path: Path,
    study: str,
    size: str,
    data: StudyData,
    *,
    trains: bool = True,
    measures: bool = False,
    code: str = "",
) -> None:
    """Write into a folder which study it is of, before anything is trained, so that it can be resumed at any time.

    Args:
        path: the folder.
        study, size, data: what is written.
        trains: whether it will hold a comparison.
        measures: whether it has measurements, which are not to be of other code.
        code: the hash of the code that makes runs and measurements.

    Raises:
        FolderError: the folder is of another study, of another size or on other images, its measurements are of other
            code, it is not empty and holds no experiment, or cannot be written.
    """
    kept, name = read_study(path), path.as_posix()
    if kept is not None and (kept.study, kept.size) != (study, size):
        raise FolderError(
            f"{name!r} holds the study {kept.study} of the size {kept.size}, not {study} of the size {size}",
            hint="give --out another folder.",
        )
    if kept is not None and kept.data is not None and kept.data.digest != data.digest:
        raise FolderError(
            f"{name!r} was begun on {kept.data.text}; now it would go on with {data.text}",
            hint=f"`{command('resume', path)}` goes on with the images of the folder; or give --out another folder.",
        )
    if kept is not None and measures:
        check_code(path, kept.code, code)
    folder = Folder(path)
    if kept is None and not folder.untouched and not (path / "experiment.toml").is_file():
        raise FolderError(
            f"{name!r} is not empty and contains no experiment", hint="give --out another folder."
        )
    if kept is None or kept.data is None:
        folder.make(PARTS if trains else ())
        whose = {"study": study, "size": size, "data": data.kept(), **({"code": code} if code else {})}
        whose["at"] = str(begun_in())
        write_atomically(path / STUDY, json.dumps(whose, indent=1) + "\n")


def check_code(path: Path, kept: str, now: str) -> None:
    """Refuse measurements that other code has made: they would be taken for those of the code of now.

    Args:
        path: the folder.
        kept: the hash of the code that the folder was begun with; empty where it is not known.
        now: that of the study; empty where it measures nothing.

    Raises:
        FolderError: they differ.
    """
    if kept and now and kept != now:
        raise FolderError(
            f"the measurements in {path.as_posix()!r} are of other code than the study has now",
            hint="give --out another folder.",
        )


def begun_with(path: Path, now: Callable[[], StudyData]) -> StudyData:
    """Return the images that a study goes on with: those of its folder where it was begun, else those of now.

    Args:
        path: the folder, which may not exist.
        now: returns the images of a new study, which may have to be downloaded.

    Raises:
        FolderError: the images that it was begun with are no longer on this machine.
        DataError: the images of a new study cannot be had.
    """
    kept = read_study(path)
    data = None if kept is None else kept.data
    if data is None:
        return now()
    if data.path.is_file():
        return data
    found = now()
    if found.digest == data.digest:
        return found
    raise FolderError(
        f"{path.as_posix()!r} was begun on {data.text}, which are no longer on this machine "
        f"(file {data.path.name}, from {data.source}); a new study would be made on {found.text}",
        hint=f"restore {data.source} in the folder that STEEPEST_DATA names, or give --out another folder.",
    )
