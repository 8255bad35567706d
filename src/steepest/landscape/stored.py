"""A stored run: its network, its data and its training loss, from the folder of a comparison."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from steepest.components import grammar
from steepest.components.identity import of_reference
from steepest.components.references import not_unasked
from steepest.data.dataset import Dataset, Part
from steepest.errors import FolderError, ModelError, OptionError, SteepestError
from steepest.finetuning import hold_rest, no_curvature
from steepest.mapping.opened import dataset_of, opened
from steepest.models import ModelBuilder
from steepest.objectives import loss_text, make_objective
from steepest.objectives.target import target_of
from steepest.optim.selection import freeze
from steepest.prediction.model import TrainedModel
from steepest.prediction.sameness import check_reference
from steepest.procedures.procedure import Stage, make_procedure
from steepest.recipe import Precision, load_tree, validate_experiment
from steepest.recipe.factors import NOTHING
from steepest.record.schema import Record
from steepest.record.store import Folder
from steepest.rng import stream
from steepest.sweep.defaults import class_weights
from steepest.train.masks import masks_of_zeros
from steepest.train.problem import SupervisedProblem, wide


@dataclass(frozen=True)
class StoredRun:
    """A run whose weights are kept.

    Attributes:
        folder: of the comparison.
        model: its network with the best-validation weights, in evaluation mode, and what is known of it.
        seed: the run seed.
        dataset: what it was trained on, in the bits of its weights.
        problem: the network with its training loss on labels, without penalties; with what pruning holds at zero.
        split_seed: of the comparison.
        loss_code: the identity of the training loss's code where that is the user's own.
    """

    folder: Path
    model: TrainedModel
    seed: int
    dataset: Dataset
    problem: SupervisedProblem
    split_seed: int
    loss_code: str = ""

    @property
    def net(self) -> nn.Module:
        """The network."""
        return self.problem.model

    @property
    def title(self) -> str:
        """The arm and the seed."""
        return f"{self.arm}, seed {self.seed}"

    @property
    def arm(self) -> str:
        """The title of the arm."""
        trained = self.model.about.trained
        return str(trained.get("arm", trained.get("optimizer", self.model.about.model)))

    @property
    def recipe(self) -> str:
        """The id of the recipe."""
        return str(self.model.about.trained.get("recipe", ""))

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The trainable parameters by name, tied ones once."""
        return {name: each.detach() for name, each in self.net.named_parameters() if each.requires_grad}

    @property
    def buffers(self) -> dict[str, Tensor]:
        """The buffers by name, such as batch norm's running statistics."""
        return {name: each.detach() for name, each in self.net.named_buffers()}

    @property
    def masks(self) -> Mapping[str, Tensor]:
        """What a pruned run held at zero, by parameter: 1 where a number stays; nothing of any other run."""
        return self.problem.masks

    @property
    def pruned(self) -> int:
        """How many numbers are held at zero."""
        return sum(int((each == 0).sum()) for each in self.masks.values())

    @cached_property
    def taught(self) -> bool:
        """Whether it learnt of a teacher, whose part of the loss is left out."""
        return any(each.taught for each in _stages(self.model))

    @cached_property
    def record(self) -> Record | None:
        """What the journal knows of the run, or None."""
        return Folder(self.folder).history().get((self.recipe, self.seed))

    def rows(self, part: str = "train", most: int | None = None) -> Part:
        """Return rows of a part; of more than ``most``, a sample without replacement by the split seed.

        Args:
            part: ``train``, ``validation`` or ``test``. The training rows are those of the run's seed, with the
                labels that it was trained on.
            most: how many, at least 1; None for all.

        Raises:
            OptionError: there is no such part, or it is empty.
        """
        if part not in PARTS:
            raise OptionError(f"there are no {part!r} rows", hint=f"choose from {', '.join(PARTS)}.")
        found: Part = self.dataset.training(self.seed) if part == "train" else getattr(self.dataset, part)
        if not len(found):
            raise OptionError(f"the comparison has no {part} rows", hint="take the training rows.")
        if most is not None and most < 1:
            raise OptionError(f"a sample of {most} rows", hint="give at least 1.")
        if most is None or most >= len(found):
            return found
        order = stream(self.split_seed, "landscape", PARTS.index(part)).permutation(len(found))[:most]
        return found.take(torch.from_numpy(order).sort().values)


PARTS = ("train", "validation", "test")
"""The parts of the data."""


def open_run(
    folder: str | Path,
    *,
    arm: str | None = None,
    seed: int | None = None,
    model: str | ModelBuilder | None = None,
    source: str | None = None,
    loss: str | None = None,
) -> StoredRun:
    """Return a run of a finished comparison.

    Args:
        folder: of a comparison, for the network of its winner; or of one of its networks.
        arm: its name, label or id, for its network.
        seed: the run seed; by default that whose weights are kept, the best on validation.
        model: the user's own model, again, as for :func:`steepest.load`.
        source: the user's own source, again.
        loss: the user's own training loss, again, as ``mine.py:Focal``.

    Raises:
        FolderError: there is no finished comparison, or the weights of the seed are not kept.
        ModelError: what is named is a baseline, or no network of the arm is kept.
        OptionError: the arm or the loss is not that of the comparison.
        DataError: the data cannot be opened.
    """
    found = opened(folder, arm, model, source)
    if isinstance(found.source, SteepestError):
        raise found.source
    path = found.folder / "experiment.toml"
    experiment = validate_experiment(load_tree(path), where=str(path))
    loaded = found.model if seed is None else _of_seed(found.folder, found.model, seed)
    factors: dict[str, str] = dict(loaded.about.trained.get("factors") or {})
    data = dataset_of(loaded, found.source)
    precision = cast("Precision", factors.get("precision", "float32"))
    net, data = wide(loaded.net, data, precision)
    hold_rest(net, factors.get("finetune", ""))
    frozen = factors.get("freeze", NOTHING)
    freeze(net, "" if frozen == NOTHING else frozen)
    target = target_of(data)
    pruned = any(each.prune for each in _stages(loaded))
    with Folder(found.folder).finding_code():
        text, loss_code = training_loss(factors.get("loss", ""), loss, found.folder)
        objective = make_objective(text, target)
    problem = SupervisedProblem(
        net.eval(),
        objective,
        class_weights(data, experiment.protocol.class_weights),
        tuple(data.shape.cardinalities),
        precision,
        target=target,
    )
    problem.masks = masks_of_zeros(net) if pruned else {}
    problem.no_curvature = no_curvature(loaded.about.finetune)
    trained_with = int(loaded.about.trained.get("seed", 0))
    split_seed = experiment.data.split_seed
    return StoredRun(found.folder, loaded, trained_with, data, problem, split_seed, loss_code)


def training_loss(known: str, given: str | None, folder: Path) -> tuple[str, str]:
    """Return the specification of the training loss, and the identity of its code; the user's own is given again.

    Args:
        known: what the run was trained on; empty for the default.
        given: the user's own, again.
        folder: of the comparison.

    Raises:
        ModelError: it is not given, or its code or settings are not those of the run.
        OptionError: it is given, and the run had none of the user's own.
    """
    own = bool(known) and grammar.parse(known).is_reference
    if own and given is None:
        raise not_unasked(f"the training loss {known!r} is your own code", "loss", repr(known))
    if given is not None and not own:
        raise OptionError(
            f"the loss {given!r} is given, but the run was trained on {known or 'the default one'}",
            hint="leave --loss out.",
        )
    if not own or given is None:
        return known, ""
    code = of_reference(grammar.parse(given).name)
    settings = [grammar.parse(each).options for each in (known, loss_text(given))]
    check_reference(code, Folder(folder), "loss", known, same=settings[0] == settings[1])
    return given, code.digest


def _stages(model: TrainedModel) -> tuple[Stage, ...]:
    """Return the stages of a network's procedure; none of a procedure of the user's own, which is not run unasked."""
    text = str((model.about.trained.get("factors") or {}).get("procedure", ""))
    return () if not text or grammar.parse(text).is_reference else make_procedure(text).stages


def _of_seed(folder: Path, kept: TrainedModel, seed: int) -> TrainedModel:
    """Return the network of another seed of the same arm."""
    about = kept.about
    if int(about.trained.get("seed", 0)) == seed:
        return kept
    recipe = str(about.trained.get("recipe", ""))
    store, name = Folder(folder), f"checkpoints/{recipe}-{seed}"
    if not store.has_tensors(name):
        seeds = sorted(key for of, key in store.history() if of == recipe)
        known = f"the seed {seed} was not run" if seed not in seeds else f"seed {seed} left no weights"
        raise FolderError(
            f"{known}: of {about.trained.get('arm', 'this arm')!r} the weights of seed "
            f"{about.trained.get('seed', 0)} are kept, the best on validation",
            hint="leave --seed out, or compare another arm.",
        )
    weights = store.read_tensors(name)
    return with_weights(kept, weights, seed)


def with_weights(kept: TrainedModel, weights: Mapping[str, Tensor], seed: int) -> TrainedModel:
    """Return the same network with other weights and buffers.

    Raises:
        ModelError: they do not fit the network.
    """
    net = copy.deepcopy(kept.net)
    try:
        net.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise ModelError(
            f"the weights of seed {seed} do not fit the network: {error}", hint="choose another seed."
        ) from None
    trained: dict[str, Any] = {**kept.about.trained, "seed": seed}
    return TrainedModel(net, replace(kept.about, trained=trained), kept.pipeline, kept.seen, kept.temperature)
