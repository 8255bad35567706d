"""What a study measures without a run of training: numbers that are kept in its folder as soon as they are there."""

from __future__ import annotations

import json
import os
import platform
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from steepest.compare.result import Fact
from steepest.compare.studied import Studied
from steepest.errors import FolderError
from steepest.files import write_atomically
from steepest.record.schema import Frozen
from steepest.studies.base.data import StudyData
from steepest.studies.base.study import Measurement
from steepest.sweep.observer import Observer
from steepest.version import version
from steepest.wording import counted

MEASURED = "measured"
"""The folder of the numbers, a file for each measurement."""
ANSWER = "answer.json"
"""The answer of a study that trains nothing; that of any other stands in the results of its own comparison."""


def measured(
    path: Path, measurements: Mapping[str, Measurement], data: StudyData, observer: Observer | None
) -> dict[str, Mapping[str, Any]]:
    """Return the numbers of all measurements, and measure what the folder lacks.

    Args:
        path: the study's folder.
        measurements: by name.
        data: of the study.
        observer: receives the progress, a unit of work for each measurement (default: a progress bar on the terminal).

    Raises:
        FolderError: a file cannot be read or written.
    """
    if observer is None:
        from steepest.report.console import ProgressObserver

        with ProgressObserver() as shown:
            return measured(path, measurements, data, shown)
    found = {name: read_measured(path, name) for name in measurements}
    observer.remaining(float(sum(each is None for each in found.values())))
    for name, each in found.items():
        if each is None:
            observer.stage(name)
            _file(path, name).parent.mkdir(exist_ok=True)
            text = json.dumps(dict(measurements[name](data)), indent=1, allow_nan=False)
            write_atomically(_file(path, name), text + "\n")
            observer.advance(1.0)
    return {name: each for name in measurements if (each := read_measured(path, name)) is not None}


def read_measured(path: Path, name: str) -> Mapping[str, Any] | None:
    """Return the numbers of one measurement; None where it was not made yet.

    Raises:
        FolderError: its file cannot be read.
    """
    file = _file(path, name)
    if not file.is_file():
        return None
    return _read(file)


def environment() -> list[Fact]:
    """Return the versions and the machine with which something is measured here."""
    return [
        Fact(label="steepest", value=version()),
        Fact(label="torch", value=torch.__version__),
        Fact(label="Python", value=platform.python_version()),
        Fact(label="machine", value=f"{platform.machine()}, {counted(os.cpu_count() or 1, 'core')}"),
    ]


class MeasuredAnswer(Frozen):
    """The answer of a study that trains nothing, as it is stored.

    Attributes:
        studied: the answer.
        environment: versions and machine with which it was measured.
    """

    studied: Studied
    environment: list[Fact]


def read_answer(path: Path) -> MeasuredAnswer | None:
    """Return the answer of a study that trains nothing; None where there is none.

    Raises:
        FolderError: its file cannot be read.
    """
    return MeasuredAnswer.model_validate(_read(path / ANSWER)) if (path / ANSWER).is_file() else None


def write_answer(path: Path, studied: Studied) -> None:
    """Write the answer and the report of a study that trains nothing.

    Raises:
        FolderError: they cannot be written.
    """
    from steepest.report.study_page import study_page  # slow to import

    before = read_answer(path)
    answer = MeasuredAnswer(
        studied=studied, environment=environment() if before is None else before.environment
    )
    write_atomically(path / ANSWER, answer.model_dump_json(indent=1) + "\n")
    write_atomically(path / "report.html", study_page(studied))


def file_name(measurement: str) -> str:
    """Return the name of the file of a measurement, without its suffix.

    Example:
        >>> file_name("20 images, rate 0.5")
        '20-images,-rate-0.5'
    """
    return measurement.replace(" ", "-").replace("/", "-")


def _file(path: Path, name: str) -> Path:
    return path / MEASURED / f"{file_name(name)}.json"


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        name = file.as_posix()
        raise FolderError(
            f"cannot read {name!r}: {error}",
            hint=f"remove it (rm {shlex.quote(name)}), and it is made again.",
        ) from None
