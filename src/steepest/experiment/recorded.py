"""What the runs of a folder record besides their curves, as its ``experiment.toml`` says it."""

from __future__ import annotations

from steepest.recipe import Experiment, flag_of, load_tree, validate_experiment
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.train.watching import expanded


def as_recorded(folder: Folder, experiment: Experiment) -> Experiment:
    """Return an experiment that says of watched values and paths what the finished runs of its folder have.

    Args:
        folder: of the experiment.
        experiment: what is asked for in it.
    """
    path = folder.path / "experiment.toml"
    if not path.is_file() or all(each.key.phase != "final" for each in folder.records()):
        return experiment
    before = validate_experiment(load_tree(path), where=str(path)).protocol
    update = {"watch": before.watch, "keep_path": before.keep_path}
    protocol = experiment.protocol.model_copy(update=update)
    return experiment.model_copy(update={"protocol": protocol})


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


def to_be_recorded(folder: Folder, experiment: Experiment, coming: bool, observer: Observer) -> Experiment:
    """Return an experiment that says what its runs have when all are finished, and warn of what finished ones lack.

    Finished runs are not made again, so what they did not watch and keep cannot be had from them.

    Args:
        folder, experiment: as for :func:`as_recorded`.
        coming: whether reported runs are still to be made, which record what is asked for.
        observer: is told the warning.
    """
    kept = as_recorded(folder, experiment)
    before, asked = kept.protocol, experiment.protocol
    lacking: list[str] = []
    if set(expanded(asked.watch)) - set(expanded(before.watch)):
        lacking.append(f"{flag_of('watch')} {','.join(asked.watch)}")
    if asked.keep_path not in ("", before.keep_path):
        lacking.append(f"{flag_of('keep_path')} {asked.keep_path}")
    if lacking:
        has = "has" if len(lacking) == 1 else "have"
        where = "on finished runs, but on those to come" if coming else "on finished runs"
        observer.say(
            f"warning: {' and '.join(lacking)} {has} no effect {where}; give another --out to make all anew"
        )
    return experiment if coming else kept
