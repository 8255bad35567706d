"""From options to a plan: what ``compare`` and ``memory`` have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steepest.cli.flags import given
from steepest.errors import DataError
from steepest.recipe import THE_FLAGS, load_tree, validate_experiment

if TYPE_CHECKING:
    from steepest.api import Plan

EXPERIMENTS = (".toml", ".json")
"""How the files of experiments end."""


@contextlib.contextmanager
def finding_code(source: str) -> Generator[None]:
    """Find the user's code that an experiment file refers to, where this is in the folder of a comparison."""
    from steepest.record.store import Folder

    folder = Folder(Path(source).parent) if Path(source).suffix in EXPERIMENTS else None
    if folder is None or folder.home is None:
        yield
        return
    with folder.finding_code(stored=True):
        yield


def planned(
    source: str,
    optimizers: list[str] | None,
    flags: Mapping[str, Any],
    folder: Callable[[str], Path] | None = None,
) -> Plan:
    """Return the plan of a table, of a data set's name or of an experiment file, with options that override it.

    Args:
        source: what is named on the command line.
        optimizers: those of ``-o``.
        flags: the other options.
        folder: returns from the name of the experiment where it is made, if it is.

    Raises:
        SteepestError: an option, the file or the data cannot be used.
    """
    tree: dict[str, Any] = {"data": {"source": source}}
    if Path(source).suffix == ".json" and flags.get("reader") == "text":
        raise DataError(
            f"{source!r} is JSON in one piece, and texts are read from lines of JSON",
            hint='write one object a line, {"text": "…"}, into a file that ends in .jsonl.',
        )
    if Path(source).suffix in EXPERIMENTS:
        tree = load_tree(source)
    asked = given(flags)
    for section in ("data", "model", "protocol", "factors", "execution"):
        tree[section] = {**dict(tree.get(section, {})), **asked.get(section, {})}
    if optimizers:
        tree["optimizers"] = optimizers
    tree.setdefault("name", Path(str(tree["data"].get("source") or source)).name.split(".")[0])
    experiment = validate_experiment(tree, where=source if source.endswith(".toml") else THE_FLAGS)

    from steepest.api import Plan
    from steepest.experiment.given import with_default_model
    from steepest.experiment.growing import arms_in
    from steepest.experiment.run import open_data
    from steepest.record.store import Folder
    from steepest.sweep.unused import check_used

    table = open_data(experiment)
    experiment = with_default_model(experiment, table)
    plan = Plan(table, experiment.model_copy(update={"data": table.options}))
    named = [*asked.get("model", {}), *asked.get("protocol", {}), *(["optimizers"] if optimizers else [])]
    beside = [] if folder is None else arms_in(Folder(folder(plan.experiment.name)), plan.given)
    check_used(plan.experiment, named, plan.arms, beside)
    return plan
