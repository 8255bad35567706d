"""Where the pages work: the folder that keeps everything, the data that was given, and the comparison under way.

There is one workplace a process. The server sets it before the first page, and every page, which runs in a thread of
its own, finds it here; so two windows show the same comparison.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steepest.errors import FolderError
from steepest.play import choices
from steepest.play.job import WatchedComparison

FOLDER = Path("runs/play")


@dataclass
class Workplace:
    """A folder with the comparisons and hypotheses of the pages.

    Attributes:
        folder: the folder; a comparison has a folder in it.
        data: what the command line was given.
        base: the working folder, whose tables are offered.
        job: the comparison that was started last.
    """

    folder: Path = FOLDER
    data: str | None = None
    base: Path = field(default_factory=Path.cwd)
    job: WatchedComparison | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def running(self) -> bool:
        """Whether a comparison runs."""
        return self.job is not None and self.job.running

    def offered(self) -> list[str]:
        """Return the data that can be chosen: what was given, the catalog's, and the tables of the working folder."""
        given = [self.data] if self.data else []
        found = [*given, choices.DEFAULT, *choices.data_sets(), *choices.files(self.base)]
        return list(dict.fromkeys(found))

    def kept(self) -> dict[str, bool]:
        """Return the comparisons in the folder by name, with whether each is finished, the latest first."""
        found = [each.parent for each in self.folder.glob("*/experiment.toml")]
        found.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        return {each.name: (each / "report.html").is_file() for each in found}

    def free_name(self, data: str) -> str:
        """Return a name that no comparison has.

        Example:
            >>> Workplace(Path("nowhere")).free_name("tables/my churn.csv")
            'my-churn-1'
        """
        stem = "".join(sign if sign.isalnum() else "-" for sign in Path(data).name.split(".")[0])[:40].strip(
            "-"
        )
        number = 1
        while (self.folder / f"{stem or 'run'}-{number}").exists():
            number += 1
        return f"{stem or 'run'}-{number}"

    def start(self, name: str, data: str, options: dict[str, Any]) -> WatchedComparison:
        """Start a comparison.

        Args:
            name: of its folder.
            data: one of those that are offered.
            options: of :func:`steepest.plan`; what names code or a file is refused.

        Raises:
            SteepestError: a choice is not allowed, or another comparison runs.
        """
        data = choices.check_data(data, self.base, self.data)
        for key in ("optimizers", "model"):
            for each in options.get(key, ()):
                choices.registered(each)
        return self._started(self.folder / choices.run_name(name), data, options)

    def go_on(self, name: str) -> WatchedComparison:
        """Go on with a comparison that was stopped.

        Raises:
            FolderError: the folder has no such comparison, or another one runs.
        """
        if name not in self.kept():
            raise FolderError(f"there is no comparison {name!r}", hint="choose one from the list.")
        return self._started(self.folder / name, None, {})

    def _started(self, out: Path, data: str | None, options: dict[str, Any]) -> WatchedComparison:
        with self._lock:
            if self.running:
                raise FolderError("a comparison runs already", hint="stop it, or wait until it has ended.")
            self.job = WatchedComparison.start(out, data, options)
            return self.job

    def close(self) -> WatchedComparison | None:
        """Stop what runs, wait for it, and return it; None if nothing ran."""
        job = self.job if self.running else None
        if job is not None:
            job.stop(wait=True)
        return job


_here: list[Workplace] = []


def workplace() -> Workplace:
    """Return the workplace of this process."""
    if not _here:
        _here.append(Workplace())
    return _here[0]


def open_workplace(place: Workplace) -> Workplace:
    """Make a workplace that of this process, and return it."""
    _here[:] = [place]
    return place
