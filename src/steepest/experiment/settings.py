"""Everything that is decided from the configuration and the data alone: what runs, on what, in which batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from steepest.components.identity import with_shapes
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Note
from steepest.data.encode import INDICATOR
from steepest.data.table import Table
from steepest.errors import OptionError
from steepest.evaluate.judging import Judging, judge
from steepest.evaluate.metrics import metric_info
from steepest.models import ModelBuilder, build_model, count_parameters
from steepest.recipe import (
    Execution,
    Experiment,
    Recipe,
    RunLength,
    stable_hash,
)
from steepest.schedules import make_schedule
from steepest.sweep.advice import advice
from steepest.sweep.bench import Bench
from steepest.sweep.codes import Codes, codes_of
from steepest.sweep.contestants import Contestant, contestants
from steepest.sweep.defaults import (
    class_weights,
    equal_lengths,
    explain_batch_size,
)
from steepest.sweep.machine import cores, processor
from steepest.sweep.observer import Observer
from steepest.sweep.plan import Setup
from steepest.sweep.rows import check_rows
from steepest.sweep.timing import Steps, choose_device, choose_execution
from steepest.sweep.trials import check_equal_trials, check_sweep
from steepest.sweep.unused import without_effect
from steepest.train.compiled import Programs
from steepest.train.problem import about_outputs, check_model, check_precision
from steepest.wording import counted

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
    codes: Codes
    of: Mapping[str, str]
    steps: Steps | None = None

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return BatchPlan(len(self.dataset.train), self.batch_size, 0).batches_per_epoch

    def measured(self, began: Execution | None, observer: Observer) -> Decision:
        """Return this with the execution plan so far: the folder's, the configuration's, or one that is measured now.

        Whose steps are compiled, and how long the runs are, is decided by :mod:`steepest.experiment.budget`.
        """
        stored = began or begin_execution(self.experiment.execution)
        changed = "" if stored is None else stored.changed(self.of)
        if stored is not None and changed:
            observer.say(f"steps  measured again because {changed}")
            options = stored.options(self.experiment.execution)
            stored = begin_execution(Execution.model_validate(options))
        device = stored.device if stored else choose_device()
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)
        check_precision(self.recipe.precision, device)  # again: a folder's device may be another
        bench = Bench(
            self.dataset.to(device), self.recipe, self.model, device, Programs(announce=observer.stage)
        )
        if stored is None or "executor" not in stored.model_fields_set:
            stored = choose_execution(bench, stored)
        stored = _without_edited(stored, self.of).model_copy(update={"of": {**stored.of, **self.of}})
        steps = Steps.measured(bench, stored, self.who)
        return replace(self, execution=steps.execution, steps=steps)

    @property
    def timed(self) -> Steps:
        """The steps of :meth:`measured`."""
        if self.steps is None:
            raise ValueError("the steps have not been timed")
        return self.steps

    @property
    def length(self) -> RunLength:
        """The length of :func:`steepest.experiment.budget.settle`."""
        if self.execution.fitted is None:
            raise ValueError("the length has not been decided")
        return self.execution.fitted

    def setup(self, fitted: RunLength) -> Setup:
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
            sweep=protocol.sweep,
            by_gradients=protocol.equal == "gradients",
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
    if protocol.sweep:
        check_sweep(who)
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
    notes = (
        *judging.notes,
        *about_outputs(net, dataset),
        *advice(who, protocol.schedule, net, batch_size=batch_size, rows=len(dataset.train)),
    )
    notes += without_effect(experiment.model, dataset.shape)
    _say(observer, notes)
    dataset = replace(dataset, notes=(*dataset.notes, *notes))
    if experiment.execution is not None and experiment.execution.rows == "on":
        check_rows(net, dataset, [each.rule for each in who])
    codes = codes_of(who, model or str(experiment.model.spec), protocol.schedule)
    for kind, each in codes:
        if each.why:
            observer.say(f"warning: {kind} cannot be identified: {each.why}; its runs cannot be reused")
    who = tuple(replace(each, code=codes.optimizers[each.name].digest) for each in who)
    shapes = [[name, list(each.shape)] for name, each in net.named_parameters()]
    code = {"model": with_shapes(codes.model, shapes), "schedule": codes.schedule.digest}
    code = {kind: digest for kind, digest in code.items() if digest}
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
        code=code,
    )
    execution = Execution.model_validate({})
    parameters = count_parameters(net)
    decision = Decision(
        experiment, dataset, who, judging, recipe, batch_size, how_batch, parameters, model, execution,
        codes, _measured_for(net, recipe, codes),
    )  # fmt: skip
    if protocol.epochs is not None and protocol.minutes is None and protocol.equal != "seconds":
        decision.setup(RunLength(epochs=protocol.epochs, why="given")).check_schedule()
    return decision


def _without_edited(execution: Execution, of: Mapping[str, str]) -> Execution:
    """Return a plan without what it says of the optimizers whose code is another now."""
    edited = {name.removeprefix("code of ") for name, now in of.items() if execution.of.get(name, now) != now}
    times = {name: each for name, each in execution.seconds_a_step.items() if name not in edited}
    compiled = tuple(name for name in execution.compiled if name not in edited)
    return execution.model_copy(update={"seconds_a_step": times, "compiled": compiled})


def _measured_for(net: nn.Module, recipe: Recipe, codes: Codes) -> dict[str, str]:
    """Return what an execution plan belongs to."""
    shapes = [f"{name} {tuple(each.shape)}" for name, each in net.named_parameters()]
    return {
        "model": recipe.model,
        "shapes": stable_hash(shapes)[:12],
        "batch size": str(recipe.batch_size),
        "precision": recipe.precision,
        "machine": f"{processor()} with {cores()} cores",
        **({"code": recipe.code["model"]} if "model" in recipe.code else {}),
        **{f"code of {name}": each.digest for name, each in codes.optimizers.items() if each.digest},
    }


def data_text(dataset: Dataset) -> str:
    """Return the data in one line."""
    rows = sum(len(part) for part in (dataset.train, dataset.validation, dataset.test))
    what = f"{len(dataset.classes)} classes" if dataset.classes else "a number"
    names = dataset.shape.continuous
    gaps = sum(each.endswith(INDICATOR) and each.removesuffix(INDICATOR) in names for each in names)
    columns = f"{len(dataset.shape.cardinalities)} categorical, {len(names) - gaps} continuous"
    columns += f" (+{counted(gaps, 'missing-value indicator')})" if gaps else ""
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
            hint="`steepest doctor` lists the devices; without --device, one is chosen automatically.",
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
        where = " steepest describe prints the step." if note.step else ""
        observer.say(f"{'warning: ' if note.kind == 'warning' else '       '}{note.text}{where}")


def _name(model: ModelBuilder) -> str:
    return f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', type(model).__qualname__)}"
