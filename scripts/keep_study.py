"""Keep the answers of finished studies for the documentation: python scripts/keep_study.py runs/dropout …

Each becomes ``docs/studies/NAME.json`` (``NAME-full.json`` for the published size): the answer in today's words and its
checks, its table, its figures with few digits, and version, date, machine, seeds, images, and hashes of the arms and of
the study's code, which is that which the study was begun with. ``scripts/write_gallery.py`` shows them.

Where the file of a study was changed in a way that leaves its answer as it is, as by another name of a function,
``python scripts/keep_study.py --same-answer dropout`` says so in the stored answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from steepest.studies.base.code import code_hash
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


def accept(name: str, to: Path = KEPT) -> list[Path]:
    """Write into the stored answers of a study that its code of now gives the same, and return their files."""
    code, files = code_hash(type(make_study(name))), sorted(to.glob(f"{name}*.json"))
    found = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in files]
    own = [(path, kept) for path, kept in found if kept["name"] == name]
    for path, kept in own:
        kept["made"]["code"] = code
        path.write_text(kept_text(kept), encoding="utf-8")
    return [path for path, _ in own]


if __name__ == "__main__":
    same = sys.argv[1] == "--same-answer"
    for each in sys.argv[1 + same :]:
        (accept if same else keep)(each)
