"""Everything that is decided before anything is trained: what runs, how long, on what, in how much time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Note
from steepest.data.table import Table
from steepest.errors import OptionError
from steepest.evaluate.judging import Judging, judge
from steepest.evaluate.metrics import metric_info
from steepest.models import ModelBuilder, build_model, count_parameters
from steepest.recipe import (
    Execution,
    Experiment,
    Fitted,
    Protocol,
    Recipe,
    stable_hash,
)
from steepest.report.format import seconds as duration
from steepest.schedules import make_schedule
from steepest.sweep.advice import advice
from steepest.sweep.bench import Bench
from steepest.sweep.contestants import Contestant, contestants
from steepest.sweep.decide import (
    PILOT_STEPS,
    check_one_gradient,
    class_weights,
    equal_lengths,
    explain_batch_size,
    pilot,
)
from steepest.sweep.estimate import fit_budget
from steepest.sweep.machine import cores, processor
from steepest.sweep.methods import Expectation
from steepest.sweep.observer import Observer
from steepest.sweep.plan import Setup
from steepest.sweep.rows import check_rows
from steepest.sweep.runner import Runner
from steepest.sweep.timing import choose_device, choose_execution, with_times
from steepest.sweep.trials import check_equal_trials
from steepest.train.compiled import Programs
from steepest.train.problem import about_outputs, check_model, check_precision
from steepest.wording import counted

LEAST_SHARE = 0.5
"""Share of a budget that the networks get, however long the baselines took."""

LONG = 1_000_000
"""Steps of a run that every schedule fits; whether it fits the runs that are made is seen when they are planned."""


@dataclass(frozen=True)
class Decision:
    """Everything that follows from the configuration and the data, before anything is trained."""

    experiment: Experiment
    dataset: Dataset
    who: tuple[Contestant, ...]
    judging: Judging
    recipe: Recipe
    batch_size: int
    how_batch: str
    parameters: int
    model: ModelBuilder | None
    execution: Execution
    of: Mapping[str, str]
    programs: Programs = field(default_factory=Programs)

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return BatchPlan(len(self.dataset.train), self.batch_size, 0).batches_per_epoch

    def measured(
        self, began: Execution | None, observer: Observer | None = None, *, compiles: bool = True
    ) -> Decision:
        """Return this with the execution plan: the folder's, the configuration's, or one that is measured now."""
        observer = observer or Observer()
        stored = began or begin_execution(self.experiment.execution)
        changed = "" if stored is None else stored.changed(self.of)
        if stored is not None and changed:
            observer.say(f"steps  measured anew, because {changed}")
            options = stored.options(self.experiment.execution)
            stored = begin_execution(Execution.model_validate(options))
        device = stored.device if stored else choose_device()
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)
        check_precision(self.recipe.precision, device)  # again: a folder's device may be another
        programs = Programs(announce=observer.stage)
        bench = Bench(self.dataset.to(device), self.recipe, self.model, device, programs)
        if stored is None or "executor" not in stored.model_fields_set:
            stored = choose_execution(bench, stored)
        stored = stored.model_copy(update={"of": self.of})
        protocol = self.experiment.protocol
        work = Expectation(
            per_epoch=self.per_epoch,
            epochs=protocol.epochs,
            seconds=None if protocol.minutes is None else 60.0 * protocol.minutes,
            epochs_trained=protocol.scan_rates / 4 + protocol.full_rates + 2 * protocol.seeds,
            optimizers=len(self.who),
        )
        execution = with_times(stored, bench, self.who, work, observer.say, compiles=compiles)
        return replace(self, execution=execution, programs=programs)

    def setup(self, fitted: Fitted) -> Setup:
        """Return the setup at a length, with the trials and seeds that were fitted to the budget."""
        protocol = self.experiment.protocol
        steps = max(1, round(fitted.epochs * self.per_epoch))
        seeds = protocol.seeds if fitted.seeds is None else min(fitted.seeds, protocol.seeds)
        return Setup(
            contestants=self.who,
            recipe=self.recipe.model_copy(update={"steps": steps}),
            seeds=tuple(protocol.seed + i for i in range(seeds)),
            grid=protocol.learning_rates,
            higher_is_better=self.judging.metric.higher_is_better,
            lengths=equal_lengths(self.who, steps, protocol.equal, self.execution),
            scan_rates=fitted.scan_rates or protocol.scan_rates,
            full_rates=fitted.full_rates or protocol.full_rates,
        )


def decide(
    experiment: Experiment,
    table: Table,
    model: ModelBuilder | None,
    optimizers: Sequence[Any] | None,
    observer: Observer,
) -> Decision:
    """Read the data and decide what is trained; nothing is written and nothing is trained.

    Raises:
        SteepestError: the data, an option or the model cannot be used.
    """
    protocol = experiment.protocol
    who = contestants(optimizers or experiment.optimizers, protocol.tune)
    check_equal_trials(who, protocol.learning_rates, protocol.scan_rates)
    make_schedule(protocol.schedule, LONG)
    asked = experiment.execution
    if asked is not None and not asked.torch:
        asked = begin_execution(asked)  # the plan of a folder that was begun is checked with the folder
    device = "auto" if asked is None else asked.device
    check_precision(protocol.precision, choose_device() if device == "auto" else device)
    if protocol.metric is not None:
        metric_info(protocol.metric)
    observer.stage("reading")
    dataset = table.dataset()
    observer.say(data_text(dataset))
    _say(observer, dataset.notes)
    judging = judge(dataset, protocol.metric, protocol.positive)
    for what, how in judging.decided:
        observer.say(f"       {what}: {how}")
    dataset = replace(dataset, positive=judging.positive)
    batch_size, how_batch = explain_batch_size(protocol, len(dataset.train))
    net = build_model(model or str(experiment.model.spec), dataset.shape)
    check_model(net, dataset)
    notes = (*judging.notes, *about_outputs(net, dataset), *advice(who, protocol.schedule, net))
    _say(observer, notes)
    dataset = replace(dataset, notes=(*dataset.notes, *notes))
    if protocol.equal == "gradients":
        check_one_gradient(who, net)
    if experiment.execution is not None and experiment.execution.rows == "on":
        check_rows(net, dataset, [each.rule for each in who])
    recipe = Recipe(
        data=dataset.fingerprint,
        model=str(experiment.model.spec) if model is None else f"callable {_name(model)}",
        optimizer="",
        schedule=protocol.schedule,
        steps=1,
        batch_size=batch_size,
        clip=protocol.clip,
        precision=protocol.precision,
        class_weights=class_weights(dataset, protocol.class_weights),
        metric=judging.metric.name,
        positive=None if judging.positive is None else dataset.classes[judging.positive],
    )
    execution = Execution.model_validate({})
    parameters = count_parameters(net)
    decision = Decision(
        experiment, dataset, who, judging, recipe, batch_size, how_batch, parameters, model, execution,
        _measured_for(net, recipe),
    )  # fmt: skip
    if protocol.epochs is not None and protocol.minutes is None and protocol.equal != "seconds":
        decision.setup(Fitted(epochs=protocol.epochs, why="given")).check_schedule()
    return decision


def fit_length(decision: Decision, protocol: Protocol, runner: Runner, started: float) -> Fitted:
    """Return the length, trials and seeds: given, found by a pilot, or what fits into the minutes."""
    if protocol.epochs is not None:
        epochs, why = protocol.epochs, f"{counted(protocol.epochs, 'epoch')}, given"
    else:
        most = PILOT_STEPS
        if protocol.minutes is not None:
            pace = decision.execution.seconds_a_step
            most = max(1, int(0.15 * protocol.minutes * 60 / (sum(pace.values()) / len(pace))))
        epochs, how = pilot(runner, decision.recipe, decision.per_epoch, protocol.seed, most)
        why = f"{counted(epochs, 'epoch')} ({how})"
    if protocol.minutes is None:
        return Fitted(epochs=epochs, why=why)
    budget = protocol.minutes * 60
    left = budget - (time.perf_counter() - started)
    if left < LEAST_SHARE * budget:
        why += f"; data, timing and baselines took {duration(budget - left)}, so this takes longer than was asked for"
        left = LEAST_SHARE * budget
    return within(decision, epochs, left, why)


def within(decision: Decision, epochs: float, seconds: float, why: str) -> Fitted:
    """Return the length, trials and seeds with which a comparison of so many epochs fits into some seconds."""
    found = fit_budget(
        lambda length: decision.setup(Fitted(epochs=length, why="")),
        epochs,
        decision.per_epoch,
        decision.execution,
        seconds,
    )
    lost = f"to fit the time: {'; '.join(found.given_up)}" if found.given_up else ""
    return Fitted(
        epochs=found.epochs,
        seeds=len(found.setup.seeds),
        scan_rates=found.setup.scan_rates,
        full_rates=found.setup.full_rates,
        why="; ".join(each for each in (why, lost) if each),
    )


def asked_for(protocol: Protocol, recipe: Recipe) -> str:
    """Return what the length was decided from: where it is the same, a folder's decision stands."""
    asked: dict[str, Any] = {"epochs": protocol.epochs, "minutes": protocol.minutes}
    if protocol.minutes is not None:
        asked |= {name: getattr(protocol, name) for name in ("seeds", "scan_rates", "full_rates")}
    if protocol.epochs is None:
        asked["pilot of"] = recipe.id
    return ", ".join(f"{name} {value}" for name, value in asked.items())


def _measured_for(net: nn.Module, recipe: Recipe) -> dict[str, str]:
    """Return what an execution plan belongs to, besides the optimizers."""
    shapes = [f"{name} {tuple(each.shape)}" for name, each in net.named_parameters()]
    return {
        "model": recipe.model,
        "shapes": stable_hash(shapes)[:12],
        "batch size": str(recipe.batch_size),
        "precision": recipe.precision,
        "machine": f"{processor()} with {cores()} cores",
    }


def data_text(dataset: Dataset) -> str:
    """Return the data in one line."""
    rows = sum(len(part) for part in (dataset.train, dataset.validation, dataset.test))
    what = f"{len(dataset.classes)} classes" if dataset.classes else "a number"
    columns = f"{len(dataset.shape.cardinalities)} categorical, {len(dataset.shape.continuous)} continuous"
    return f"data   {rows:,} rows · {columns} · {dataset.target}: {what} · {len(dataset.test):,} test"


def begin_execution(given: Execution | None) -> Execution | None:
    """Return the execution plan that an experiment's file asks for, with this version of torch; None if none.

    Raises:
        OptionError: the device is not there.
    """
    if given is None:
        return None
    if given.device == "auto":
        given = given.model_copy(update={"device": choose_device()})
    if not device_is_there(given.device):
        raise OptionError(
            f"there is no device {given.device!r} here",
            hint="`steepest doctor` shows what there is; leave the device out, and it is chosen.",
        )
    return given.model_copy(update={"torch": torch.__version__})


def device_is_there(name: str) -> bool:
    try:
        torch.zeros(1, device=name).item()  # "meta" has no values
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True


def _say(observer: Observer, notes: Sequence[Note]) -> None:
    for note in notes:
        observer.say(f"{'warning: ' if note.kind == 'warning' else '       '}{note.text}")


def _name(model: ModelBuilder) -> str:
    return f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', type(model).__qualname__)}"
