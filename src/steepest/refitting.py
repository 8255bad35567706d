"""``refit``: the chosen way of training, once more on all rows."""

from __future__ import annotations

from pathlib import Path

from steepest.api import Plan, Result
from steepest.components.held import holding
from steepest.errors import FolderError
from steepest.experiment.again import Length, is_one_run, refit_experiment
from steepest.experiment.folder import check_unchanged
from steepest.experiment.run import open_data
from steepest.prediction.about import read_about
from steepest.recipe import load_tree, validate_experiment
from steepest.record.arms import arm_model, find_arm
from steepest.record.store import Folder
from steepest.report.words import listed
from steepest.sweep.observer import Observer
from steepest.wording import counted


def refit(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    arm: str | None = None,
    test_rows: bool = False,
    observer: Observer | None = None,
) -> Result:
    """Train the chosen arm of a finished comparison anew on its training and validation rows, and save the network.

    Settings are those that were tuned. The length is the median, over the seeds, of the epochs after which the
    validation rows were best; the learning rate follows the first part of its schedule until there. What the
    preparation learns is learned from all these rows. There is no result on new rows: that of the comparison is the
    estimate. The folder is that of a comparison with one run, which ``load``, ``predict`` and ``export`` take.

    Args:
        folder: of the comparison.
        out: the folder to write (default: the first one's name with ``-refit``).
        arm: the name, label or id of an arm (default: the best network's).
        test_rows: train on the test rows, too.
        observer: receives the progress (default: a progress bar on the terminal).

    Raises:
        FolderError: the comparison is not finished, its data has changed since, or ``out`` holds another one.
        OptionError: the arm is not known, or was not trained on all training rows with true labels.
        ModelError: no network of the arm is kept.
    """
    opened = Folder.open(folder)
    opened.check_format()
    result = Result.load(folder)
    about = read_about(opened.path / ("model" if arm is None else arm_model(opened, arm)))
    entry = find_arm(str(about.trained["arm"]), result.comparison.arms)
    runs = set(entry.runs)
    finals = [
        each
        for each in opened.records()
        if each.key.phase == "final" and f"{each.key.recipe}-{each.key.seed}" in runs
    ]
    length = Length.of(finals) if is_one_run(about) else None
    target = Path(out) if out is not None else opened.path.with_name(f"{opened.path.name}-refit")
    if target.resolve() == opened.path.resolve():
        raise FolderError(f"{str(target)!r} is the comparison itself", hint="give --out another folder.")
    advised = result.comparison.recommended
    path = opened.path / "experiment.toml"
    with opened.finding_code(stored=True), holding():
        check_unchanged(opened, open_data(validate_experiment(load_tree(path), where=str(path))))
        experiment, left_out = refit_experiment(opened, about, length, name=target.name, tested_too=test_rows)
        if observer is not None:
            if result.comparison.outdated:
                observer.say(f"warning: {result.comparison.outdated}")
            observer.say(f"refit  {entry.title}: {_length_text(length)}")
            if left_out:
                observer.say(f"       without {listed(left_out)}: no rows are held out to stop by")
            if arm is None and result.comparison.saved_model != "model":
                observer.say(
                    f"warning: the comparison recommends the baseline {advised!r}, "
                    f"in {opened.recommended.as_posix()}; refit trains its best network"
                )
        source = open_data(experiment)
        plan = Plan(source, experiment.model_copy(update={"data": source.options}))
        return plan.run(target, observer=observer)


def _length_text(length: Length | None) -> str:
    if length is None:
        return "as long as in the comparison"
    of = f"the median best epoch of {counted(length.runs, 'run')}"
    return f"{counted(length.epochs, 'epoch')}, {of if length.share < 1 else 'as in the comparison'}"
