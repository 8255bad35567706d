"""Which comparisons there are below a folder, what is known of them, and what of them can go.

A folder is one of ours if it has an ``experiment.toml`` and a journal that begins as ours do, or a ``study.json`` that
names a study. Nothing else is deleted. Listed is also, as damaged, what has both files and a journal that cannot be
read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from steepest.errors import FolderError, SteepestError
from steepest.files import TEMPORARY
from steepest.finetuning.frozen import FROZEN, unused
from steepest.record.current import outdated
from steepest.record.lock import is_held
from steepest.record.store import ARMS, BASELINES, NETWORKS, PARTS, STUDY, SUITE, Folder, saved_model

State = Literal["finished", "unfinished", "under way", "damaged"]
WORKERS = ".workers"
"""Folder with the data for other processes, while they run."""


NAMED = ("optimizer", "model", "loss", "regularizer", "schedule", "finetune", "procedure")
"""Factors whose values have a name by which a comparison is looked for."""


@dataclass(frozen=True)
class FoundRun:
    """A comparison's folder.

    Attributes:
        path: where it is.
        state: ``unfinished`` is what can be resumed, also beside results of what was asked for before; ``damaged`` what
            cannot be read.
        title: of its experiment.
        study: the study that it is of, or nothing.
        suite: the suite whose own folder it is, or nothing; its data sets are comparisons in it, which are not counted.
        metric: the deciding metric; only of finished ones, as what follows.
        winner: the arm whose network is the best; value: its mean on the test rows, None where it has none.
        recommended: whose model the comparison predicts with: the winner's, or that of a baseline;
            recommended_value: its mean.
        arms, runs: how many there are; of runs those that are recorded.
        named: the titles of all arms, and their optimizers, models and other factors.
        changed: when its journal was written last, in seconds since 1970.
        size: of all files, in bytes.
    """

    path: Path
    state: State
    title: str = ""
    study: str = ""
    suite: str = ""
    metric: str = ""
    winner: str = ""
    value: float | None = None
    recommended: str = ""
    recommended_value: float | None = None
    arms: int = 0
    named: frozenset[str] = frozenset()
    runs: int = 0
    changed: float = 0.0
    size: int = 0


@dataclass(frozen=True)
class Removable:
    """What can go of one comparison.

    Attributes:
        run: the comparison's folder.
        why: what these files are.
        files: the files; folders that are left empty go, too.
        size: of the files, in bytes.
    """

    run: Path
    why: str
    files: tuple[Path, ...] = field(repr=False)
    size: int


def is_ours(path: Path, *, damaged: bool = False) -> bool:
    """Return whether a folder is that of a comparison or a study.

    Args:
        path: the folder.
        damaged: also where its journal cannot be read, or is empty, so that it does not say whose it is.
    """
    try:
        if _study(path):
            return True
        if not (path / "experiment.toml").is_file():
            return False
        journal = Folder(path).journal
        lost = damaged and journal.path.is_file() and journal.is_empty
        return lost or journal.first("data") is not None
    except FolderError:
        return damaged
    except (OSError, ValueError):
        return False


def run_folders(places: Sequence[Path], *, damaged: bool = False, suites: bool = False) -> Iterator[Path]:
    """Yield the folders of comparisons at or below some places, in alphabetical order; links are not followed.

    Args:
        places: the folders.
        damaged: as for :func:`is_ours`.
        suites: also the folders of finished suites themselves, before those of their data sets.

    Raises:
        FolderError: a place is no folder.
    """
    for place in places:
        if not place.is_dir():
            raise FolderError(
                f"there is no folder {place.as_posix()!r}",
                hint="name a folder that holds comparisons, such as one that --out named.",
            )
        for at, folders, files in os.walk(place):
            folders.sort()
            if suites and SUITE in files and _named(Path(at) / SUITE, "suite"):
                yield Path(at)
            elif ("experiment.toml" in files or STUDY in files) and is_ours(Path(at), damaged=damaged):
                folders.clear()
                yield Path(at)


def look_at(path: Path) -> FoundRun:
    """Return what is known of a comparison's folder, or of a suite's."""
    if suite := _named(path / SUITE, "suite"):
        own = [each for each in path.iterdir() if each.is_file() and not each.is_symlink()]
        about = {"changed": (path / SUITE).stat().st_mtime, "size": sum(each.stat().st_size for each in own)}
        return FoundRun(path, "finished", title=path.name, suite=suite, **about)
    folder = Folder(path)
    journal = folder.journal.path
    changed = journal.stat().st_mtime if journal.is_file() else path.stat().st_mtime
    about: dict[str, Any] = {
        "changed": changed,
        "size": sum(each.stat().st_size for each in _files(path)),
        "study": _study(path),
        "title": path.name,
    }
    try:
        begun = folder.journal.first("data")
        about["title"] = str((begun or {}).get("name") or path.name)
        about["runs"] = len(folder.journal.read("run"))
        if begun is None and (path / "experiment.toml").is_file():
            raise ValueError("the journal has no beginning")
        results = json.loads((path / "results.json").read_text(encoding="utf-8"))
        state: State = "unfinished" if outdated(folder, results.get("experiment")) else "finished"
        about |= _found(results) if state == "finished" else {}
    except FileNotFoundError:
        state = "unfinished"
    except (SteepestError, OSError, ValueError, KeyError, TypeError, AttributeError):
        state = "damaged"
    return FoundRun(path, "under way" if is_held(path) else state, **about)


def _found(results: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a finished comparison."""
    winner, metric = str(results["winner"]), str(results["metric"])
    rows = [each for each in results["rows"] if each["kind"] in ("arm", "baseline")]
    models = {each["name"]: str(each.get("model") or "") for each in rows if each["kind"] == "baseline"}
    advised = str(results.get("recommended") or "")
    used = ("arm", winner) if saved_model(advised, winner, models) == "model" else ("baseline", advised)
    means = {
        (each["kind"], each["name"]): (each.get("metrics") or {}).get(metric, {}).get("mean") for each in rows
    }
    return {
        "metric": metric,
        "winner": winner,
        "value": means.get(("arm", winner)),
        "recommended": used[1],
        "recommended_value": means.get(used),
        "arms": sum(each["kind"] in ("arm", "optimizer") for each in results["rows"]),
        "named": frozenset(
            str(each)
            for arm in results.get("arms", [])
            for each in (arm["title"], *(value for name, value in arm["factors"].items() if name in NAMED))
        ),
        **({"title": str(results["title"])} if results.get("title") else {}),
    }


def removable(path: Path, *, checkpoints: bool = False, unfinished: bool = False) -> list[Removable]:
    """Return what can go of a comparison's folder; nothing while a process is working in it.

    Args:
        path: the folder.
        checkpoints: also weights and rows of finished comparisons, which are made again where they are needed.
        unfinished: everything of ours in a comparison without results.
    """
    if is_held(path):
        return []
    finished, begun = _has_results(path), (path / "results.json").exists()
    found = [("left by a process that was killed", _leftovers(path))]
    if finished:
        starts = [each for each in _files(path / "checkpoints") if each.name.startswith("start-")]
        found.append(("weights that no run starts from any more", starts))
        if checkpoints:
            kept = [each for name in ("checkpoints", "rows") for each in _files(path / name)]
            kept = [each for each in kept if each.suffix == ".safetensors" and each not in starts]
            ours = {*_files(path / FROZEN)}  # no link, nor what one leads to
            kept += [each for each in unused(path, NETWORKS) if each in ours]
            found.append(("weights and rows that can be made again", kept))
    elif unfinished and not begun:
        left = set(found[0][1])
        found.append(("of a comparison without results", [each for each in _own(path) if each not in left]))
    some = [(why, tuple(files)) for why, files in found if files]
    return [Removable(path, why, files, sum(each.stat().st_size for each in files)) for why, files in some]


def remove(what: Removable) -> None:
    """Delete the files, and the folders that they leave empty.

    Raises:
        FolderError: a file cannot be deleted.
    """
    try:
        for each in what.files:
            each.unlink(missing_ok=True)
        above = {folder for each in what.files for folder in each.parents if what.run in folder.parents}
        still = (what.run / "experiment.toml").exists()
        if not still:  # then those that were always empty go, too
            above |= {what.run / name for name in FOLDERS if (what.run / name).is_dir()}
        for folder in sorted(above, key=lambda each: -len(each.parts)):
            always = still and folder.parent == what.run and folder.name in PARTS
            if not always and not folder.is_symlink() and not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise FolderError(
            f"cannot delete {str(error.filename)!r}: {(error.strerror or str(error)).lower()}",
            hint="give yourself the right to write there.",
        ) from None


FILES = (
    "experiment.toml", "journal.jsonl", "curves.arrow", "results.csv", "results.json", "report.html", STUDY,
)  # fmt: skip
"""Our files in a comparison's folder itself."""
FOLDERS = (*PARTS, ARMS, BASELINES, FROZEN, "model", "source", "paths", WORKERS)
"""Our folders there."""


SUFFIXES = (".safetensors", ".json", ".parquet")
"""What our files there end with; the folder ``source`` has copies of code."""


def _has_results(path: Path) -> bool:
    """Return whether a comparison has results of what is asked for in it now."""
    try:
        results = json.loads((path / "results.json").read_text(encoding="utf-8"))
        return not outdated(Folder(path), results.get("experiment"))
    except (OSError, ValueError, AttributeError, SteepestError):
        return False


def _own(path: Path) -> list[Path]:
    """Return the files that we write to a comparison's folder, and no other."""
    own = [each for each in (path / name for name in FILES) if each.is_file() and not each.is_symlink()]
    for name in FOLDERS:
        own += [each for each in _files(path / name) if each.suffix in SUFFIXES or name == "source"]
    return own


def _leftovers(path: Path) -> list[Path]:
    half = [each for each in _files(path) if each.name.startswith(".") and each.name.endswith(TEMPORARY)]
    inside = [each for each in half if each.parent == path or each.relative_to(path).parts[0] in FOLDERS]
    return [*inside, *(each for each in _files(path / WORKERS) if each not in inside)]


def _files(path: Path) -> list[Path]:
    """Return the files below a folder, without links and what they lead to."""
    if path.is_symlink():
        return []
    return [
        Path(at) / name
        for at, _, names in os.walk(path)
        for name in sorted(names)
        if not (Path(at) / name).is_symlink()
    ]


def _study(path: Path) -> str:
    return _named(path / STUDY, "study")


def _named(file: Path, key: str) -> str:
    """Return the name that a file has under a key; nothing where there is none."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8")).get(key, ""))
    except (OSError, ValueError, AttributeError):
        return ""
