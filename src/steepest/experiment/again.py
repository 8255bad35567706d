"""A network of a finished comparison, trained again with all that was chosen for it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steepest.components import grammar
from steepest.data.split_rule import REFIT, REFIT_ALL, SplitRule
from steepest.errors import FolderError, OptionError
from steepest.prediction.about import About
from steepest.recipe import CALLABLE, ArmOptions, Experiment, load_tree, validate_experiment
from steepest.record.schema import Record
from steepest.record.store import Folder
from steepest.regularizers import NONE, regularizers_in
from steepest.train.callback import read_callback

PLAIN = "train"
"""The procedure of one run."""

_CHOSEN = ("tune", "sweep", "minutes", "learning_rates", "schedule", "batch_size", "precision")
"""What the protocol says for arms that are not tuned yet."""


def arm_as_trained(about: About, procedure: str, name: str) -> dict[str, Any]:
    """Return the arm of a trained network by another procedure, with all that was chosen for it: nothing is tuned.

    Raises:
        FolderError: the network was saved before it told its whole rule.
    """
    trained = about.trained
    if "rule" not in trained:
        raise FolderError(
            "the saved network does not say with which rule it was trained: an older version saved it",
            hint="make the comparison again in another folder, then give that.",
        )
    known = {*ArmOptions.model_fields} - {"optimizer", "name", "procedure", "regularizer"}
    factors = {key: value for key, value in trained["factors"].items() if key in known and value}
    if str(factors.get("batch_size", "")).isdigit():
        factors["batch_size"] = int(factors["batch_size"])
    chosen = {"optimizer": trained["rule"], "regularizer": trained["regularizer"] or NONE}
    return {**factors, **chosen, "procedure": procedure, "name": name}


def experiment_again(
    folder: Path,
    arms: Sequence[Mapping[str, Any]],
    name: str,
    *,
    data: Mapping[str, Any] | None = None,
    protocol: Mapping[str, Any] | None = None,
) -> Experiment:
    """Return the experiment of a comparison's folder with other arms, which are not tuned, in its length.

    Args:
        folder: of the comparison.
        arms: as :func:`arm_as_trained` returns them.
        name: what the experiment is called.
        data, protocol: options that are others.
    """
    path = folder / "experiment.toml"
    tree = load_tree(str(path))
    options, length = dict(tree.get("protocol", {})), dict(tree.pop("plan", {})).get("length", {})
    for each in _CHOSEN:
        options.pop(each, None)
    if options.get("epochs") is None:
        options["epochs"] = length.get("epochs")
    for each in ("optimizers", "factors"):
        tree.pop(each, None)
    if SplitRule.parse(str(tree["data"].get("split", "auto"))).several == "folds":
        tree["data"].pop("test", None)  # a folder's file has every default, and folds have no share
    tree |= {
        "arms": [dict(each) for each in arms],
        "data": {**tree["data"], **(data or {})},
        "protocol": {**options, **(protocol or {})},
        "name": name,
    }
    return validate_experiment(tree, where=str(path))


@dataclass(frozen=True)
class Length:
    """How long a network is trained again.

    Attributes:
        epochs: the length in epochs: the median over runs of those after which the validation rows were best.
        share: the median over runs of the share of their planned length that was used up there, by which schedules go.
        runs: how many runs it is of.
    """

    epochs: float
    share: float
    runs: int

    @classmethod
    def of(cls, records: Sequence[Record]) -> Length:
        """Return the length that finished runs of an arm found.

        Raises:
            FolderError: there is no such run.

        Example:
            >>> from steepest.record.schema import CurvePoint, RunKey
            >>> curve = [CurvePoint(step=10 * i, epoch=2.0 * i, seconds=0, gradients=0, train_loss=0, validation={})
            ...          for i in range(5)]
            >>> key = RunKey(name="adam", recipe="a", seed=0, phase="final")
            >>> Length.of([Record(key=key, lr=0.1, steps=120, outcome="stopped early", curve=curve, best_step=30)])
            Length(epochs=6.0, share=0.25, runs=1)
        """
        found = [each for each in records if not each.failed and each.best_step and each.curve]
        if not found:
            raise FolderError(
                "no run of this arm finished better than it began, so its length is not known",
                hint="choose another arm.",
            )
        best = statistics.median(_epoch(each, each.best_step) for each in found)
        share = statistics.median(_share(each) for each in found)
        return cls(round(best, 4), min(1.0, round(share, 4)), len(found))


def _epoch(record: Record, step: int) -> float:
    return min(record.curve, key=lambda point: abs(point.step - step)).epoch


def _share(record: Record) -> float:
    """Return how much of its planned length a run had used up at its best step."""
    return record.best_step / record.steps if record.best_share is None else record.best_share


def is_one_run(about: About) -> bool:
    """Return whether a network was trained by one run, and not by a procedure of several."""
    return (about.trained["factors"].get("procedure") or PLAIN) == PLAIN


def refit_experiment(
    folder: Folder, about: About, length: Length | None, *, name: str, tested_too: bool = False
) -> tuple[Experiment, list[str]]:
    """Return the experiment that trains a network of a comparison anew on more rows, and what it leaves out.

    That is what ends runs: there are no validation rows left to stop by, and the length is known.

    Args:
        folder: of the comparison.
        about: the network.
        length: how long it is trained; None for the full length of a procedure of several runs.
        name: what the experiment is called.
        tested_too: whether the test rows are trained on, too.

    Raises:
        OptionError: the network was not trained on rows, labels or by a procedure that can be had again.
    """
    trained = about.trained
    arm = arm_as_trained(about, trained["factors"].get("procedure") or PLAIN, str(trained["arm"]))
    _check(arm, folder.path)
    regularizers = regularizers_in(arm["regularizer"])
    kept = [text for text, each in regularizers.items() if "length" not in each.places]
    arm["regularizer"] = " + ".join(kept) or NONE
    if length is not None and length.share < 1 and arm["schedule"] != "constant":
        shape = grammar.parse(arm["schedule"])
        arm["schedule"] = str(grammar.Spec("beginning", (shape,), {"share": length.share}))
    tree = load_tree(str(folder.path / "experiment.toml"))
    options = tree.get("protocol", {})
    callbacks = list(options.get("callbacks", ()))
    watching = [each for each in callbacks if ":" in each and read_callback(each).only_watches]
    left_out = [text for text in regularizers if text not in kept]
    left_out += [f"the callback {each}" for each in callbacks if each not in watching]
    if length is not None and options.get("max_seconds") is not None:
        left_out.append(f"--max-seconds {options['max_seconds']:g}")
    split = str(tree["data"].get("split", "auto"))
    if not SplitRule.parse(split).held_out:
        raise OptionError(
            f"the networks of {folder.path.as_posix()!r} were trained on all rows already (--split {split})",
            hint="predict with them.",
        )
    experiment = experiment_again(
        folder.path,
        [arm],
        name,
        data={"split": f"{REFIT_ALL if tested_too else REFIT}:{split}"},
        protocol={
            **({} if length is None else {"epochs": length.epochs, "max_seconds": None}),
            "callbacks": watching,
            "seed": about.trained["seed"],
            "seeds": 1,
            "baseline": ["none"],
            "equal": "epochs",
            "controls": False,
        },
    )
    return experiment, left_out


def _check(arm: Mapping[str, Any], path: Path) -> None:
    """Complain about an arm that cannot be trained on all rows from a folder alone."""
    fewer = arm.get("train_rows", "all")
    for name, neutral in (("train_rows", "all"), ("labels", NONE)):
        if arm.get(name, neutral) != neutral:
            what = f"on {fewer} training rows" if name == "train_rows" else f"with the labels {arm[name]!r}"
            raise OptionError(
                f"the arm was trained {what}, so there is no training on all rows to repeat",
                hint=f"choose an arm of all rows and true labels: steepest refit {path.as_posix()} --arm NAME.",
            )
    if str(arm.get("model", "")).startswith(CALLABLE):
        raise OptionError(
            f"the model {str(arm['model']).removeprefix(CALLABLE)!r} was given as an object, which a folder cannot "
            "build again",
            hint="name it as FILE.py:NAME in the comparison, then refit that.",
        )
