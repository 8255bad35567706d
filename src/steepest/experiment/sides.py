"""A finished comparison as one side of a page with several."""

from __future__ import annotations

from steepest.experiment.folder import load_comparison
from steepest.recipe import load_tree, validate_experiment
from steepest.record.store import Folder
from steepest.report.side_by_side import SeedScores, Side


def side_of(folder: Folder) -> Side:
    """Return what a page with several comparisons needs of one."""
    comparison = load_comparison(folder)
    tree = load_tree(folder.path / "experiment.toml")
    rates = {row.name: row.lr for row in comparison.rows if row.kind == "arm"}
    runs: dict[str, dict[int, SeedScores]] = {}
    taking_part = set(comparison.runs)
    names = {run: arm.title for arm in comparison.arms for run in arm.runs}
    for record in folder.records():
        run = f"{record.key.recipe}-{record.key.seed}"
        if taking_part and run not in taking_part:  # with other code, say
            continue
        title = names.get(run, record.key.name)
        if record.key.phase == "final" and record.lr == rates.get(title):
            name = f"rows/{run}"
            rows = folder.read_tensors(name) if folder.has_tensors(name) else {}
            kept = {key: value.double().numpy() for key, value in rows.items()}
            runs.setdefault(title, {})[record.key.seed] = SeedScores(record.test, kept)
    return Side(
        label=folder.path.as_posix(),
        comparison=comparison,
        experiment=validate_experiment(tree, where="experiment.toml"),
        fingerprint=folder.data,
        runs=runs,
    )
