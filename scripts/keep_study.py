"""Keep the answers of finished studies for the documentation: python scripts/keep_study.py runs/dropout …

Each becomes ``docs/studies/NAME.json`` (``NAME-full.json`` for the published size): the answer in today's words and its
checks, its table, its figures with few digits, and version, date, machine, seeds, images, and hashes of the arms and of
the study's code.
``scripts/write_reference.py`` shows them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from steepest.studies.base.folder import read_study
from steepest.studies.base.keeping import kept_answer, kept_text
from steepest.studies.base.making import finished, make_study

KEPT = Path(__file__).parent.parent / "docs" / "studies"


def keep(folder: str, to: Path = KEPT) -> Path:
    """Write the answer of a study's folder and return the file.

    Raises:
        FolderError: the folder holds no finished study.
    """
    finished(folder)  # in today's words
    begun = read_study(Path(folder))
    assert begun is not None
    kept = kept_answer(folder, type(make_study(begun.study)))
    to.mkdir(exist_ok=True)
    path = to / f"{kept['name']}{'' if kept['size'] == 'default' else '-' + kept['size']}.json"
    path.write_text(kept_text(kept), encoding="utf-8")
    return path


if __name__ == "__main__":
    for each in sys.argv[1:]:
        keep(each)
