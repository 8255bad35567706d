"""One recipe, trained in this process: what a comparison does with an arm, without a folder.

Data, recipe, tuning and runs are those of a comparison, so the numbers are its numbers, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from steepest import forks
from steepest.api import Plan
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Part
from steepest.data.sources.rows import Pipeline
from steepest.errors import ModelError
from steepest.experiment.devices import usable_device
from steepest.experiment.settings import Settings, decide
from steepest.models import ModelBuilder, build_model
from steepest.optim.method import Method
from steepest.optim.spec import MethodSpec
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from steepest.recipe import Execution, Recipe, RunLength
from steepest.record.schema import Record
from steepest.regularizers.check import moves_tables
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import whole_spec
from steepest.sweep.defaults import LEAST_STEPS
from steepest.sweep.making import Maker, Task, thread_count
from steepest.sweep.methods import make_method
from steepest.sweep.observer import Observer
from steepest.sweep.plan import chosen_rules, tuning
from steepest.sweep.planned import PlannedRun, identity
from steepest.sweep.planner import check_lengths
from steepest.sweep.rows import choose_tables
from steepest.sweep.runner import failed_before
from steepest.sweep.setup import Setup
from steepest.sweep.stages import Use
from steepest.train.causes import ended_by
from steepest.train.compiled import Programs
from steepest.train.finished import Finished
from steepest.train.masks import masks_of_zeros
from steepest.train.problem import SupervisedProblem, problem_of, products, wide
from steepest.train.weights import KeptWeights, as_precise

LEAST_EPOCHS = 20
"""The length of a run that nobody chose, unless it has too few steps."""


def default_epochs(per_epoch: int) -> int:
    """Return the length of a run in epochs, from the steps of an epoch.

    Example:
        >>> default_epochs(6), default_epochs(1000)
        (34, 20)
    """
    return max(LEAST_EPOCHS, -(-LEAST_STEPS // per_epoch))


@dataclass(frozen=True)
class Trained:
    """A trained network, and what is needed to train it further.

    Attributes:
        model: the network with its pipeline.
        recipe: how it was trained.
        rule: the optimizer at its rate.
        builder: the user's own model, or None.
        seed: the run seed.
        execution: where and by how many threads.
        notes: what a person should know of the data.
        record: of the run; None before anything was trained.
        trials: the tuning runs, those of the first stage first.
        rates: the learning rates that the first stage tried, ascending.
        epochs: the length of the run.
    """

    model: TrainedModel
    recipe: Recipe
    rule: MethodSpec[Any]
    builder: ModelBuilder | None
    seed: int
    execution: Execution
    notes: tuple[str, ...]
    record: Record | None = None
    trials: tuple[tuple[Recipe, Record], ...] = ()
    rates: tuple[float, ...] = ()
    epochs: float = 0.0

    def with_weights(self, weights: Mapping[str, Tensor]) -> Trained:
        """Return this with other weights of the network."""
        about = self.model.about
        recipe = self.recipe
        net = build_model(self.builder or recipe.model, about.shape, seed=self.seed, finetune=recipe.finetune)
        as_precise(net, weights).load_state_dict(weights)
        return replace(self, model=TrainedModel(net, about, self.model.pipeline))


@dataclass
class OneRecipe:
    """A plan with one arm, about to be trained.

    Attributes:
        made: the plan.
        threads: of a training step, one by default: small steps are slower on several.
    """

    made: Plan
    threads: int = 1
    settings: Settings = field(init=False)
    execution: Execution = field(init=False)

    def __post_init__(self) -> None:
        """Read the data and decide what is trained."""
        forks.check()
        made = self.made
        self.settings = decide(made.experiment, made.table, made.given, Observer())
        device = usable_device(made.experiment.execution.device)
        self.data = self.dataset.to(device)
        tables: tuple[str, ...] = ()
        recipe, net = (
            self.arm.recipe,
            build_model(
                self.arm.model or self.arm.recipe.model,
                self.dataset.shape,
                finetune=self.arm.recipe.finetune,
            ),
        )
        if not moves_tables(recipe.regularizer):
            tables = choose_tables(net, self.dataset, recipe.batch_size, "auto", device)
        how = {"device": device, "threads": self.threads, "executor": "rows" if tables else "dense"}
        self.execution = Execution.model_validate({**how, "tables": tables, "compile": "off"})

    @property
    def arm(self) -> PlannedArm:
        """The only arm."""
        return self.settings.arms[0]

    @property
    def dataset(self) -> Dataset:
        """Its data."""
        return self.settings.datasets[self.arm.folds[0]]

    @property
    def seed(self) -> int:
        """The run seed."""
        return self.made.experiment.protocol.seed

    def untrained(self) -> Trained:
        """Return the network with the weights that the seed draws."""
        arm = self.arm
        rule = arm.method.at({})
        recipe = arm.recipe.model_copy(
            update={"optimizer": whole_spec(rule), "schedule": "constant", "start": None}
        )
        net = build_model(
            arm.model or recipe.model, self.dataset.shape, seed=self.seed, finetune=recipe.finetune
        )
        net, _ = wide(net, self.dataset, recipe.precision)
        dense = self.execution.model_copy(update={"executor": "dense", "tables": ()})
        return self._trained(rule, recipe, dense, None).with_weights(net.state_dict())

    def trained(self) -> Trained:
        """Train the network, its rate tuned before where nobody gave one.

        Raises:
            ModelError: the run fails; the message says where and why.
        """
        epochs = self.made.experiment.protocol.epochs or default_epochs(self.arm.per_epoch)
        setup = self.settings.setup(RunLength(epochs=epochs, why="given"))
        check_lengths(setup)
        runs = _Runs(self.data, self.execution, setup)
        chosen, tried = runs.tuned()
        run = _last(setup, setup.arms[0], chosen, self.seed)
        finished = runs.make(run)
        record = finished.record
        if record.failed:
            raise ModelError(
                f"training ended as {record.outcome!r}: {record.reason}",
                hint="give a lower learning_rate, or let tune=True choose one.",
            )
        found = self._trained(run.rule, run.recipe, self.execution, record)
        found = replace(found, epochs=epochs, trials=tuple(runs.trials), rates=tried)
        return found.with_weights(finished.weights)

    def _trained(
        self, rule: MethodSpec[Any], recipe: Recipe, execution: Execution, record: Record | None
    ) -> Trained:
        arm, data = self.arm, self.dataset
        known: dict[str, Any] = {
            "arm": arm.title,
            "factors": dict(arm.factors),
            "optimizer": arm.method.name,
            "lr": float(rule.hyper.lr),
            "rule": recipe.optimizer,
            "regularizer": recipe.regularizer,
            "seed": self.seed,
            "held_out": data.held_out,
            "positive": recipe.positive,
        }
        if record is not None:
            known |= {"steps": record.steps, "best_step": record.best_step, "recipe": recipe.id}
            known["validation"] = record.best
        about = About(
            model=recipe.model,
            shape=data.shape,
            classes=data.classes,
            target=data.target,
            target_scale=data.target_scale,
            trained=known,
        )
        pipeline: Pipeline = self.settings.datasets.pipeline(data.fingerprint)
        model = TrainedModel(torch.nn.Identity(), about, pipeline)
        notes = tuple(each.text for each in self.settings.dataset.notes)
        return Trained(model, recipe, rule, arm.model, self.seed, execution, notes, record)


@dataclass
class _Runs:
    """Makes the runs of a setup in this process, one by one, and keeps what they leave."""

    data: Dataset
    execution: Execution
    setup: Setup
    history: dict[tuple[str, int], Record] = field(default_factory=dict[tuple[str, int], Record])
    trials: list[tuple[Recipe, Record]] = field(default_factory=list[tuple[Recipe, Record]])
    _kept: dict[tuple[str, int], Finished] = field(default_factory=dict[tuple[str, int], Finished])

    def tuned(self) -> tuple[dict[str, MethodSpec[Any]], tuple[float, ...]]:
        """Return the chosen rule of each stage, and the rates that were tried for the last one, from runs of a seed."""
        setup = self.setup
        while len(chosen := chosen_rules(setup, self.history)) < len(setup.stages):
            for stage in setup.stages:
                for run in tuning(setup, stage, self.history).missing:
                    self.trials.append((run.recipe, self.make(run).record))
        return chosen, tuning(setup, setup.arms[0], self.history).rates

    def make(self, run: PlannedRun) -> Finished:
        """Make a run, after those whose weights it starts from."""
        if identity(run) in self._kept:
            return self._kept[identity(run)]
        weights: dict[Use, Mapping[str, torch.Tensor]] = {}
        for use, (source, point) in run.sources.items():
            there = self.make(source).at(point)
            if there is not None:
                weights[use] = there
        task = Task(run, self.execution, (), run.recipe.evaluations, weights)
        found = failed_before(run, self.history)
        found = found or Maker(Observer().say).make(task, self.data, lambda _: None)
        self.history[identity(run)] = found.record
        if run.arm.inner or run.key.phase == "refit":
            self._kept[identity(run)] = found
        return found


def _last(setup: Setup, arm: PlannedArm, chosen: Mapping[str, MethodSpec[Any]], seed: int) -> PlannedRun:
    """Return the run that is wanted, which reads no test rows, after the stages before it."""
    parent = None if arm.parent is None else _last(setup, arm.parent, chosen, seed)
    return setup.make(arm, chosen[arm.id], "refit", seed, parent=parent)


class Learner:
    """Trains a network further, one pass over some rows at a time; its optimizer remembers the passes before.

    Args:
        trained: the network, as it is to begin.
        data: a dataset with any rows.
    """

    def __init__(self, trained: Trained, data: Dataset) -> None:
        recipe = trained.recipe
        net = build_model(
            trained.builder or recipe.model, data.shape, seed=trained.seed, finetune=recipe.finetune
        )
        net, data = wide(net, data, recipe.precision)
        net.load_state_dict(trained.model.net.state_dict())
        self.trained = trained
        self.problem: SupervisedProblem = problem_of(net.to(trained.execution.device), data, recipe)
        if recipe.prune:
            self.problem.masks = masks_of_zeros(net)
        self.method: Method = make_method(
            trained.rule, recipe, trained.execution, Programs(), compiled=False, schedule=lambda _: 1.0
        )
        self.state: Any = self.method.init(self.problem)
        self.steps = 0

    def learn(self, part: Part, batch_size: int) -> Trained:
        """Return the network after a pass over the rows, each seen once but for those that fill no batch.

        Raises:
            ModelError: a step fails, or its loss is not finite.
        """
        trained, recipe = self.trained, self.trained.recipe
        part = (part.wide() if recipe.precision == "float64" else part).to(trained.execution.device)
        plan = BatchPlan(len(part), min(batch_size, len(part)), trained.seed)
        done, count = 0, plan.batches_per_epoch
        passes = -(
            -self.steps // count
        )  # whole ones, so that this one begins with the first batch of another
        feed = self.problem.feed(part, plan, trained.seed, passes * count)
        with contextlib.ExitStack() as stack:
            stack.enter_context(thread_count(trained.execution.threads))
            stack.enter_context(products(recipe.precision))
            try:
                for info in self.method.steps(self.problem, self.state, feed, 0, count):
                    done += 1
                    if not torch.isfinite(torch.tensor(info.loss)):
                        raise FloatingPointError(f"the loss is {info.loss}")
            except Exception as error:
                _, reason = ended_by(error, f"at step {done + 1} of this call", plan.batch_size)
                raise ModelError(
                    f"training failed: {reason}", hint="mend the cause, or give a lower learning_rate."
                ) from error
        self.steps = passes * count + count
        return trained.with_weights(KeptWeights(self.problem.model, self.method, self.state).weights())
