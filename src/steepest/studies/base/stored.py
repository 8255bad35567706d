"""The answers of studies that come with the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steepest.api import Result
from steepest.compare.studied import Studied
from steepest.errors import FolderError
from steepest.studies.base.folder import default_folder, read_study
from steepest.studies.base.measured import read_answer
from steepest.studies.base.study import SIZES, Size, Study

_PACKAGED = Path(__file__).parents[1] / "stored"
_SOURCES = Path(__file__).parents[4] / "docs" / "studies"
"""Where the answers are in an installed package, and in its sources."""


@dataclass(frozen=True)
class KnownAnswer:
    """The answer of a study, and where it is from.

    Attributes:
        studied: the answer.
        origin: in words, such as ``runs/dropout``.
    """

    studied: Studied
    origin: str


def known_answer(made: Study, size: Size, folder: str | Path | None = None) -> KnownAnswer | None:
    """Return the answer of a finished study, else the one that comes with the package; None where there is none.

    Of the package's answers one of another size serves where there is none of this one.

    Args:
        made: the study.
        size: of it.
        folder: where it was made; where it is not given, the default one is looked at.

    Raises:
        FolderError: a folder is given, and holds no finished study of this name and size.

    Example:
        >>> from steepest.studies.dropout import DropoutStudy
        >>> found = known_answer(DropoutStudy(), "default", None)
        >>> found is not None and found.studied.question == DropoutStudy.question
        True
    """
    path = Path(folder) if folder is not None else default_folder(made.name, size)
    whose = read_study(path)
    if whose is not None and whose.size == size:
        found = _finished(path)
        if found is not None and found.name == made.name:
            return KnownAnswer(found, path.as_posix())
    if folder is not None:
        raise FolderError(
            f"{path.as_posix()!r} holds no finished study {made.name} of the size {size}",
            hint="finish it with steepest study, or leave --out out for the answer that comes with the package.",
        )
    return next((each for one in (size, *SIZES) if (each := _stored(made, one)) is not None), None)


def _finished(path: Path) -> Studied | None:
    if (alone := read_answer(path)) is not None:
        return alone.studied
    try:
        return Result.load(path).comparison.study
    except FolderError:
        return None


def _stored(made: Study, size: Size) -> KnownAnswer | None:
    name = f"{made.name}{'' if size == 'default' else f'-{size}'}.json"
    file = next((each / name for each in (_PACKAGED, _SOURCES) if (each / name).is_file()), None)
    if file is None:
        return None
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    facts = {key: value for key, value in kept.items() if key in Studied.model_fields}
    own: dict[str, Any] = {"question": made.question, "source": made.source, "columns": [], "rows": []}
    studied = Studied.model_validate(own | facts)
    when = kept["made"]
    return KnownAnswer(
        studied, f"a run of the {kept['size']} size with steepest {when['steepest']}, {when['date']}"
    )
