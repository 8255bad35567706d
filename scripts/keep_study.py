"""Keep the answers of finished studies for the documentation: python scripts/keep_study.py runs/dropout …

Each becomes ``docs/studies/NAME.json``: size, data, answer and checks. ``scripts/write_reference.py`` shows them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from steepest.api import Result

KEPT = Path(__file__).parent.parent / "docs" / "studies"


def keep(folder: str) -> Path:
    """Write the answer of a study's folder and return the file."""
    found = Result.load(folder).comparison.study
    if found is None:
        raise SystemExit(f"{folder} holds no finished study")
    KEPT.mkdir(exist_ok=True)
    path = KEPT / f"{found.name}.json"
    kept = found.model_dump(include={"name", "size", "data", "answer", "checks"})
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    for each in sys.argv[1:]:
        keep(each)
