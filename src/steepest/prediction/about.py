"""The description of a saved model, ``model.json``: read, and compared with the model that is given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from torch import nn

from steepest.components import grammar
from steepest.components.prefixes import prefix_of
from steepest.components.references import not_unasked
from steepest.data.dataset import InputField, Shape, TargetScale
from steepest.data.sources.rows import DAMAGE
from steepest.errors import FolderError, ModelError
from steepest.finetuning import held_by
from steepest.models import ModelBuilder
from steepest.prediction.sameness import Outputs
from steepest.recipe import CALLABLE
from steepest.record.store import command

FORMAT = 1
BASELINE = "baseline "
"""How the model's description begins where it is a baseline; its registered name follows."""


@dataclass(frozen=True)
class About:
    """What a saved model says of itself, besides its weights.

    A network of the user's own is identified by ``code`` and by its ``outputs`` on made-up rows.
    """

    model: str
    shape: Shape
    classes: tuple[str, ...]
    target: str
    target_scale: TargetScale
    trained: Mapping[str, Any]
    code: str = ""
    outputs: Outputs = ()

    def stored(self, parameters: int) -> dict[str, Any]:
        """Return plain JSON values, of which :func:`read_about` makes the same again, with the number of parameters."""
        return {
            "format": FORMAT,
            "model": self.model,
            "task": self.shape.task,
            "cardinalities": [[name, codes] for name, codes in self.shape.cardinalities.items()],
            "continuous": list(self.shape.continuous),
            "outputs": self.shape.outputs,
            **({"fields": [asdict(each) for each in self.shape.others]} if self.shape.others else {}),
            **({"bounds": list(bounds)} if (bounds := self.shape.bounds) else {}),
            "classes": list(self.classes),
            "target": self.target,
            "target_mean": self.target_scale.mean,
            "target_sd": self.target_scale.sd,
            "parameters": parameters,
            "trained": dict(self.trained),
            **({"network": self.code} if self.code else {}),
            **({"outputs_on_made_up_rows": self.outputs} if self.outputs else {}),
        }

    @property
    def finetune(self) -> str:
        """Which part of it was trained, as a way of fine-tuning; empty where nothing is said."""
        return str((self.trained.get("factors") or {}).get("finetune", ""))

    def held(self, net: nn.Module) -> set[str]:
        """Return the names of the parameters of the network that training left as they were."""
        return held_by(net, self.finetune, str((self.trained.get("factors") or {}).get("freeze", "")))


def builder(built_from: str, folder: Path, given: str | ModelBuilder | None) -> str | ModelBuilder | None:
    """Return what builds a saved network, None for a baseline.

    Raises:
        ModelError: the user's own model is needed and is not given, or one is given and is not needed.
    """
    baseline = built_from.startswith(BASELINE)
    named = grammar.parse(built_from) if not baseline and not built_from.startswith(CALLABLE) else None
    own = built_from.startswith(CALLABLE) or (
        named is not None and named.is_reference and not prefix_of(named.name)
    )
    if own and given is None:
        reference = built_from.removeprefix(CALLABLE)
        named = reference == built_from
        how, keyword = (
            (repr(reference), f"model={reference!r}")
            if named
            else ("FILE.py:NAME", "the same callable as model=")
        )
        raise not_unasked(f"the model in {str(folder)!r} was built by {reference!r}", "model", how, keyword)
    if not own and given not in (None, built_from):
        name = given if isinstance(given, str) else getattr(given, "__qualname__", type(given).__qualname__)
        network = (
            f", or name the network's folder: {(folder.parents[1] / 'model').as_posix()}" if baseline else ""
        )
        raise ModelError(
            f"the model {name!r} is given, but the one in {str(folder)!r} is {'the ' if baseline else ''}{built_from}",
            hint=f"leave --model out{network}.",
        )
    return None if baseline else given if own else built_from


def built_from(folder: Path) -> str | None:
    """Return what the network in an experiment's folder was built from, None if it has none.

    The default model's name if it is damaged.
    """
    if not (folder / "model").is_dir():
        return None
    try:
        return read_about(folder / "model").model
    except FolderError:
        return "embedding-mlp"


def read_about(folder: Path) -> About:
    """Read ``model.json``.

    Raises:
        FolderError: there is no model, or the file is damaged or of another format.
    """
    path = folder / "model.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise FolderError(
                f"{str(path)!r} has format {stored['format']}", hint=f"this version reads format {FORMAT}."
            )
        shape = Shape(
            stored["task"],
            {name: int(codes) for name, codes in stored["cardinalities"]},
            tuple(stored["continuous"]),
            int(stored["outputs"]),
            tuple(_field(**each) for each in stored.get("fields", ())),
            _bounds(stored.get("bounds")),
        )
        scale = TargetScale(float(stored["target_mean"]), float(stored["target_sd"]))
        classes = tuple(stored["classes"])
        for each in (stored["model"], stored["target"], *classes):
            if not isinstance(each, str):
                raise TypeError(f"{each!r} is not a text")
        trained = stored["trained"]
        _check_trained(trained)
        return About(
            stored["model"],
            shape,
            classes,
            stored["target"],
            scale,
            trained,
            str(stored.get("network", "")),
            tuple(tuple(map(float, each)) for each in stored.get("outputs_on_made_up_rows", ())),
        )
    except NotADirectoryError:
        raise FolderError(
            f"{str(folder)!r} is a file", hint="name the --out folder of a finished comparison."
        ) from None
    except FileNotFoundError:
        raise FolderError(
            f"there is no model in {str(folder)!r}", hint="name the --out folder of a finished comparison."
        ) from None
    except (OSError, *DAMAGE) as error:
        raise damaged(path, error) from None


def _field(
    name: str,
    kind: str,
    size: list[int],
    columns: list[str],
    mean: Sequence[float] = (),
    sd: Sequence[float] = (),
) -> InputField:
    scale = (tuple(map(float, each)) for each in (mean, sd))
    return InputField(str(name), str(kind), tuple(map(int, size)), tuple(map(str, columns)), *scale)


def _bounds(stored: Sequence[float] | None) -> tuple[float, float] | None:
    if stored is None:
        return None
    low, high = map(float, stored)
    return low, high


def _check_trained(trained: Any) -> None:
    """Raise a ``TypeError`` if what is kept of the training is not of the types that are read."""
    if not isinstance(trained, dict):
        raise TypeError(f"trained is {trained!r}, not a table")
    fields = cast("dict[str, Any]", trained)
    test: Any = fields.get("test") or {}
    fits = {
        "seed": isinstance(fields.get("seed", 0), int),
        "temperature": isinstance(fields.get("temperature", 1.0), float)
        and fields.get("temperature", 1.0) > 0,
        "positive": isinstance(fields.get("positive"), str | None),
        "validation": isinstance(fields.get("validation") or {}, dict),
        "test": isinstance(test, dict) and all(isinstance(each, int | float) for each in test.values()),
    }
    for name, does in fits.items():
        if not does:
            raise TypeError(f"trained has the {name} {fields.get(name)!r}")


def damaged(path: Path, error: Exception) -> FolderError:
    """Return the error for a file of a model that cannot be read."""
    return FolderError(
        f"cannot read {str(path)!r}: {error}",
        hint=again(path.parent),
    )


def again(folder: Path) -> str:
    """Return how to restore a damaged model."""
    for run in (folder.parent, folder.parent.parent):  # RUN/model, RUN/baselines/NAME
        if (run / "experiment.toml").is_file():
            return f"run `{command('resume', run)}`: it writes the model again."
    return "fetch the model's folder again, or train again."
