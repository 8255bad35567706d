"""How soon the arms of a finished comparison reach another target, from the curves that its folder has."""

from __future__ import annotations

from steepest.compare.reaching import how_soon
from steepest.compare.result import Comparison
from steepest.errors import FolderError
from steepest.evaluate.metrics import metric_info
from steepest.record.schema import Record
from steepest.record.store import Folder, command

CHOSEN = "auto"
"""What is given in the place of a target to have it chosen from what the arms reach."""


def reaching(folder: Folder, comparison: Comparison, reach: float | str) -> Comparison:
    """Return a finished comparison with another target; no run is made.

    Args:
        folder: of the comparison.
        comparison: its results.
        reach: the target as the option ``reach`` says it, or ``auto``.

    Raises:
        FolderError: the results are of an earlier version, or runs are missing in the journal.
        OptionError: runs are not evaluated by its metric, or that has no such value.
    """
    records = {f"{each.key.recipe}-{each.key.seed}": each for each in folder.records()}
    runs: dict[str, list[Record]] = {
        arm.title: [records[run] for run in arm.reported if run in records] for arm in comparison.arms
    }
    if not runs or any(len(runs[arm.title]) < max(len(arm.reported), 1) for arm in comparison.arms):
        raise FolderError(
            f"the results in {folder.path.as_posix()!r} do not say which runs are reported, as those of earlier "
            "versions",
            hint=f"`{command('resume', folder.path)}` writes them again, without new runs where it is finished.",
        )
    classes = 2 if comparison.positive else len(comparison.classes)
    asked = "" if reach == CHOSEN else str(reach)
    found = how_soon(runs, metric_info(comparison.metric), asked, classes)
    return comparison.model_copy(update={"reached": found})
