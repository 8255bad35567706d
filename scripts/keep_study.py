"""Keep the answers of finished studies for the documentation: python scripts/keep_study.py runs/dropout …

Each becomes ``docs/studies/NAME.json`` (``NAME-full.json`` for the published size): the answer in today's words and its
checks, its table, its figures with few digits, and version, date, machine, seeds, images and a hash of the arms.
``scripts/write_reference.py`` shows them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from steepest.studies.base.keeping import kept_answer, kept_text
from steepest.studies.base.making import finished

KEPT = Path(__file__).parent.parent / "docs" / "studies"


def keep(folder: str, to: Path = KEPT) -> Path:
    """Write the answer of a study's folder and return the file.

    Raises:
        FolderError: the folder holds no finished study.
    """
    finished(folder)  # in today's words
    kept = kept_answer(folder)
    to.mkdir(exist_ok=True)
    path = to / f"{kept['name']}{'' if kept['size'] == 'default' else '-' + kept['size']}.json"
    path.write_text(kept_text(kept), encoding="utf-8")
    return path


if __name__ == "__main__":
    for each in sys.argv[1:]:
        keep(each)
