"""What is kept of a finished study for the documentation: its answer, small figures, and what it was made with."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from steepest.api import Result
from steepest.compare.studied import Drawing, FigureLine, FigureSurface
from steepest.errors import FolderError
from steepest.studies.base.code import code_hash
from steepest.studies.base.folder import read_study
from steepest.studies.base.identity import folder_experiments, folder_hash
from steepest.studies.base.measured import MEASURED, read_answer
from steepest.studies.base.study import Study

POINTS, LEAST = 1500, 25
"""Points of all lines of a kept figure together, and those that each of its lines may have at least."""
SIDE = 30
"""Places along a side of a kept surface; images keep every pixel."""
DIGITS = 5

_NUMBERS = re.compile(r"\[\n[\d\s.,eE+-]+\]")
_POINT = re.compile(r"\.0(?=[,\]])")


def kept_answer(folder: str | Path, study: type[Study]) -> dict[str, Any]:
    """Return what the documentation keeps of a finished study: its answer and figures, and what it was made with.

    What it was made with changes with its arms, with its images and how they are opened, and with its code, so that a
    stored answer can be told from one of today. Runs are vouched for by the code that the folder was begun with: the
    hash is that of today's only where that is what makes them today.

    Args:
        folder: of the study.
        study: whose answer it is.

    Raises:
        FolderError: the folder holds no finished study.
    """
    path = Path(folder)
    kept = read_study(path)
    if (alone := read_answer(path)) is not None:
        found, facts = alone.studied, {each.label: each.value for each in alone.environment}
        made = max(each.stat().st_mtime for each in path.glob(f"{MEASURED}/*.json"))
    else:
        comparison = Result.load(path).comparison
        found, facts = comparison.study, {each.label: each.value for each in comparison.environment}
        made = (path / "journal.jsonl").stat().st_mtime
    if kept is None or kept.data is None or found is None:
        raise FolderError(
            f"{path.as_posix()!r} holds no finished study", hint="name the --out folder of steepest study."
        )
    same = kept.code == code_hash(study, "measurements")
    seeds = sorted({each.protocol.seeds for each in folder_experiments(path).values()})
    return {
        **found.model_dump(include={"name", "size", "data", "answer", "checks"}),
        **({"short": found.short} if found.short else {}),
        "made": {
            **{name: facts[name] for name in ("steepest", "torch", "Python", "machine")},
            "date": date.fromtimestamp(made).isoformat(),
            **({"seeds": seeds} if seeds else {}),
            "images": {"digest": kept.data.digest, "pixels": kept.data.pixels, "options": kept.data.options},
            "arms": folder_hash(path),
            "code": code_hash(study) if same else kept.code,
        },
        **found.model_dump(include={"beside", "notes", "columns", "rows"}),
        "drawings": [small_drawing(each).model_dump(exclude_defaults=True) for each in found.drawings],
    }


def kept_text(kept: Mapping[str, Any]) -> str:
    r"""Return a kept answer as JSON, lists of numbers in one line.

    Example:
        >>> kept_text({"name": "a", "x": [1.0, 0.25]})
        '{\n "name": "a",\n "x": [1,0.25]\n}\n'
    """
    text = json.dumps(kept, indent=1, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda found: _POINT.sub("", "".join(found[0].split())), text) + "\n"


def small_drawing(drawing: Drawing) -> Drawing:
    """Return a figure with fewer numbers of fewer digits, which looks the same at the size of a picture in a text.

    Points that are not finite are left out, and all intervals of a line where one of them has no finite end. Images
    keep every pixel, in whole percent of the largest.

    Example:
        >>> line = FigureLine(name="a", x=[0.0, 1.0], y=[1 / 3, math.nan])
        >>> small_drawing(Drawing(title="", x="", y="", lines=[line])).lines
        [FigureLine(name='a', x=[0.0], y=[0.33333], low=[], high=[], joined=True)]
    """
    most = max(LEAST, POINTS // max(len(drawing.lines), 1))
    surface = drawing.surface
    return drawing.model_copy(
        update={
            "lines": [_small_line(each, most, drawing.logarithmic) for each in drawing.lines],
            "surface": None if surface is None else _small_surface(surface),
            "ticks": {text: _short(at) for text, at in drawing.ticks.items()},
        }
    )


def _small_line(line: FigureLine, most: int, logarithmic: bool) -> FigureLine:
    known = [
        place for place, at in enumerate(zip(line.x, line.y, strict=True)) if all(map(math.isfinite, at))
    ]
    kept = [known[place] for place in _spread([line.x[each] for each in known], most, logarithmic)]

    known = all(math.isfinite(some[each]) for some in (line.low, line.high) if some for each in kept)
    names = ("x", "y", "low", "high") if known else ("x", "y")
    values = {name: getattr(line, name) for name in names}
    update = {name: [_short(some[each]) for each in kept] if some else [] for name, some in values.items()}
    update = {"low": [], "high": [], **update}
    return line.model_copy(update=update)


def _spread(x: Sequence[float], most: int, logarithmic: bool) -> list[int]:
    """Return at most so many places, evenly spread over them or, with a logarithmic axis, over x; both ends stay.

    Example:
        >>> _spread(range(100), 3, False), _spread([*range(101)], 4, True), _spread([5.0], 3, True)
        ([0, 50, 99], [0, 1, 10, 100], [0])
    """
    if len(x) <= most:
        return [*range(len(x))]
    if logarithmic and [*x] == sorted(x) and x[-1] > 0:
        first = next(place for place, each in enumerate(x) if each > 0)
        wanted = np.geomspace(x[first], x[-1], most - (first > 0))
        found = np.abs(np.subtract.outer(wanted, np.asarray(x, dtype=float))).argmin(1).tolist()
        return sorted({0, *found})
    return sorted({*np.linspace(0, len(x) - 1, most).round().astype(int).tolist()})


def _small_surface(surface: FigureSurface) -> FigureSurface:
    if surface.pixels:
        largest = max(abs(each) for row in surface.z for each in row) or 1.0
        z = [[float(round(100 * each / largest)) for each in row] for row in surface.z]
        return surface.model_copy(update={"name": f"{surface.name}, % of the largest", "z": z})
    rows, columns = (_spread(each, SIDE, False) for each in (surface.y, surface.x))
    return surface.model_copy(
        update={
            "x": [_short(surface.x[each]) for each in columns],
            "y": [_short(surface.y[each]) for each in rows],
            "z": [[_short(surface.z[row][column]) for column in columns] for row in rows],
        }
    )


def _short(value: float) -> float:
    """Return a number with few significant digits."""
    return float(f"{value:.{DIGITS}g}")
