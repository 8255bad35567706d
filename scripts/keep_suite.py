"""Make and store the results of a suite's optimizers: python scripts/keep_suite.py standard --quick …

All optimizers of the suite are trained on all of its data sets of the size, in ``runs/keep-NAME-SIZE`` unless
``--out`` names another folder (the same command goes on with it), and their results are written to
``src/steepest/suites/stored``: rate, validation and test metrics of every seed, what identifies data, settings and
code, versions and machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from steepest.report.console import ProgressObserver
from steepest.suites.base.making import make_suite, plan_suite, to_store
from steepest.suites.base.stored import STORED, stored_file, stored_text


def keep(name: str, size: str, out: Path, to: Path = STORED) -> Path:
    """Train a suite's optimizers, store their results, and return the file."""
    planned = plan_suite(list(make_suite(name).optimizers), name, size=size, again=True)
    with ProgressObserver() as observer:
        planned.run(out, observer=observer)
    path = stored_file(name, size, to)
    path.write_text(stored_text(to_store(planned, out)), encoding="utf-8")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    size = "quick" if given.quick else "default"
    print(keep(given.name, size, given.out or Path("runs") / f"keep-{given.name}-{size}"))
