"""What the runs of a folder record, and who is told of them, as its ``experiment.toml`` says it.

Options such as ``--watch`` act on runs while they are made and change none of their numbers. Finished runs are not made
again, so nothing comes of such an option for them, and that is said.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection

from steepest.recipe import Experiment, flag_of, load_tree, validate_experiment
from steepest.record.schema import Phase
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.train.watching import expanded


def as_recorded(folder: Folder, experiment: Experiment, watching: Collection[str] = ()) -> Experiment:
    """Return an experiment that says of such options what the finished runs of its folder have.

    Args:
        folder: of the experiment.
        experiment: what is asked for in it.
        watching: the texts of its callbacks that only watch.
    """
    path = folder.path / "experiment.toml"
    phases = {each.key.phase for each in folder.records()}
    if not path.is_file() or not phases:
        return experiment
    before = validate_experiment(load_tree(path), where=str(path))
    had, asked = before.protocol, experiment.protocol
    seen = [each for each in asked.callbacks if each not in watching or each in had.callbacks]
    update: dict[str, object] = {"callbacks": tuple(seen)} if len(seen) < len(asked.callbacks) else {}
    if "final" in phases:
        update |= {"watch": had.watch, "keep_path": had.keep_path}
    execution = experiment.execution
    if execution.track != before.execution.track:
        execution = execution.model_copy(update={"track": before.execution.track})
    return experiment.model_copy(update={"protocol": asked.model_copy(update=update), "execution": execution})


def going_on(folder: Folder, experiment: Experiment, observer: Observer) -> Experiment:
    """Return an experiment that watches and keeps what the finished runs of its folder have, where it names nothing.

    Otherwise the runs that are added would lack what the others have, and the folder would say that none has it.

    Args:
        folder, experiment: as for :func:`as_recorded`.
        observer: is told what is taken over.
    """
    before, asked = as_recorded(folder, experiment).protocol, experiment.protocol
    update = {
        name: getattr(before, name)
        for name in ("watch", "keep_path")
        if getattr(before, name) and not getattr(asked, name)
    }
    if not update:
        return experiment
    texts = [f"{flag_of(name)} {of if isinstance(of, str) else ','.join(of)}" for name, of in update.items()]
    observer.say(f"       {' and '.join(texts)}: as in the finished runs of this folder")
    return experiment.model_copy(update={"protocol": asked.model_copy(update=update)})


def to_be_recorded(
    folder: Folder,
    experiment: Experiment,
    coming: Collection[Phase],
    observer: Observer,
    watching: Collection[str] = (),
) -> Experiment:
    """Return an experiment that says what its runs have when all are finished, and warn of what finished ones lack.

    Args:
        folder, experiment, watching: as for :func:`as_recorded`.
        coming: the purposes of the runs that are still to be made, which have what is asked for; reported runs alone
            are watched and have paths.
        observer: is told the warning.
    """
    kept = as_recorded(folder, experiment, watching)
    before, asked = kept.protocol, experiment.protocol
    reported: list[str] = []
    if set(expanded(asked.watch)) - set(expanded(before.watch)):
        reported.append(f"{flag_of('watch')} {','.join(asked.watch)}")
    if asked.keep_path not in ("", before.keep_path):
        reported.append(f"{flag_of('keep_path')} {asked.keep_path}")
    every = [
        f"{flag_of(name)} {shlex.quote(each)}"
        for name, had, now in (
            ("track", kept.execution.track, experiment.execution.track),
            ("callbacks", before.callbacks, asked.callbacks),
        )
        for each in now
        if each not in had
    ]
    for lacking, later in ((reported, "final" in coming), (every, bool(coming))):
        if lacking:
            has = "has" if len(lacking) == 1 else "have"
            where = "on finished runs, but on those to come" if later else "on finished runs"
            observer.say(
                f"warning: {' and '.join(lacking)} {has} no effect {where}; give another --out to make all anew"
            )
    if not coming:
        return kept
    if "final" in coming:
        return experiment
    update = {"watch": before.watch, "keep_path": before.keep_path}
    return experiment.model_copy(update={"protocol": asked.model_copy(update=update)})
