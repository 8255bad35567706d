"""Reports of finished comparisons, written again from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steepest.compare.result import Comparison
from steepest.errors import OptionError
from steepest.experiment.folder import load_comparison, store_results
from steepest.experiment.reached import reaching
from steepest.experiment.sides import side_of
from steepest.record.store import Folder
from steepest.report.side_by_side import Side


def write_report(
    folder: Folder, out: str | Path | None = None, reach: float | str | None = None
) -> tuple[Comparison, Path]:
    """Write ``report.html`` again from the stored results; return these and the path.

    Args:
        folder: of a finished comparison.
        out: another file.
        reach: another target for how soon arms reach it, or ``auto``, see :func:`steepest.experiment.reached.reaching`;
            without ``out`` it is stored in the folder's ``results.json``, too.

    Raises:
        FolderError: the folder contains no finished comparison, or the file cannot be written.
        OptionError: the target is none.
    """
    comparison = load_comparison(folder)
    if reach is not None:
        comparison = reaching(folder, comparison, reach)
    from steepest.report.html import write_report as write_page  # slow to import

    path = write_page(comparison, folder.path / "report.html" if out is None else out)
    if reach is not None and out is None:
        store_results(folder, comparison)
    return comparison, path


def opened_sides(folders: Sequence[str | Path]) -> list[Side]:
    """Return several finished comparisons, as they are shown side by side.

    Raises:
        FolderError: a folder contains no finished comparison.
        OptionError: a folder is given twice.
    """
    sides = [side_of(Folder.open(each)) for each in folders]
    for place, each in enumerate(folders):
        if Path(each).resolve() in [Path(other).resolve() for other in folders[:place]]:
            raise OptionError(f"the folder {str(each)!r} is named twice", hint="name each folder once.")
    return sides


def write_side_by_side(sides: Sequence[Side], out: str | Path) -> Path:
    """Write one page with several finished comparisons side by side and return its path.

    Optimizers of two comparisons are compared if both used the same data and test rows and share run seeds; otherwise
    the page says why not.

    Raises:
        FolderError: ``out`` cannot be written.
    """
    from steepest.report.side_by_side import write_sides  # slow to import

    return write_sides(sides, out)
