"""Everything that is decided from the configuration and the data alone: which arms, on what, in which batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from steepest.compare.folds import SetKind
from steepest.components.identity import with_shapes
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Note
from steepest.data.numbers import STANDARD
from steepest.data.sources.contract import Source
from steepest.errors import OptionError
from steepest.evaluate import baselines
from steepest.evaluate.baselines.base import with_bases
from steepest.evaluate.judging import Judging, judge
from steepest.evaluate.metrics import metric_info
from steepest.experiment.adapters import about_start, check_adapters
from steepest.experiment.cautions import few_to_tune_on, lacking_controls, uneven
from steepest.experiment.cells import TimedCell, cell_of, stages_apart, with_arm, without_edited
from steepest.experiment.controls import added_controls, without_small
from steepest.experiment.data import Datasets, check_encodes
from steepest.experiment.devices import usable_device
from steepest.experiment.emptied import foreseen
from steepest.experiment.meaning import meaning_of, same_because
from steepest.experiment.titles import labelled_arms
from steepest.experiment.watched import check_watched
from steepest.finetuning import FULL
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim.derivatives import size_of
from steepest.optim.selection import freeze, multipliers
from steepest.optim.small import trainable
from steepest.procedures import make_procedure
from steepest.recipe import WHOLE_BATCH, Execution, ExecutionPlan, Experiment, Protocol, Recipe, RunLength
from steepest.regularizers.check import about_regularizers, check_method, check_regularizers, check_taught
from steepest.report.progress import data_text
from steepest.schedules import LONG, make_schedule
from steepest.sweep.advice import advice
from steepest.sweep.arms import PlannedArm
from steepest.sweep.bench import Bench, share_within
from steepest.sweep.codes import Codes, codes_of, kept_libraries
from steepest.sweep.contestants import Contestant
from steepest.sweep.defaults import class_weights, equal_lengths, explain_batch_size
from steepest.sweep.observer import Observer
from steepest.sweep.planner import check_drawn_at_once, check_lengths, make_planner
from steepest.sweep.rows import about_rows, check_rows
from steepest.sweep.setup import Setup
from steepest.sweep.sites import described, nodes_of
from steepest.sweep.stages import (
    check_finalists,
    check_stages,
    check_teachable,
    check_teachers,
    check_unlabelled,
    in_stages,
    of_teacher,
    plain_run_of,
)
from steepest.sweep.stages import check_model as check_stages_of
from steepest.sweep.timing import MANY_CELLS, StepTimings, choose_execution, workers_for
from steepest.sweep.tracking import make_tracker
from steepest.sweep.trials import check_equal_trials, check_sweep
from steepest.sweep.unused import without_effect
from steepest.sweep.wanted import Objects, Wanted, texts_of, wanted_arms
from steepest.train.compiled import Programs
from steepest.train.doubts import about_outputs, check_model, check_objective
from steepest.train.problem import check_precision, problem_of, table_columns
from steepest.wording import counted


@dataclass(frozen=True)
class Settings:
    """Everything that follows from the configuration and the data, before anything is trained.

    Attributes:
        experiment: the configuration.
        datasets: by fingerprint: those of the arms in each test set, and that of the saved model.
        notes: what a person should know of the experiment's own data.
        arms: the arms.
        judging: what the comparison is judged by.
        how_batch: how the batch size was chosen.
        timed_cells: what is measured apart.
        codes: the identity of what the user wrote.
        plan: the execution plan so far.
        steps: the timed steps of each cell.
    """

    experiment: Experiment
    datasets: Datasets
    notes: tuple[Note, ...]
    arms: tuple[PlannedArm, ...]
    judging: Judging
    how_batch: str
    timed_cells: Mapping[str, TimedCell]
    codes: Codes
    plan: ExecutionPlan = field(default_factory=lambda: ExecutionPlan.model_validate({}))
    steps: Mapping[str, StepTimings] = field(default_factory=dict[str, StepTimings])

    @property
    def dataset(self) -> Dataset:
        """The experiment's own data, of its first test set, with all notes."""
        return replace(self.datasets.first, notes=self.notes)

    @property
    def per_epoch(self) -> int:
        """The fewest steps an epoch of any arm."""
        return min(arm.per_epoch for arm in self.arms)

    @property
    def length(self) -> RunLength:
        """The length of :func:`steepest.experiment.budget.settle`."""
        if self.plan.length is None:
            raise ValueError("the length has not been decided")
        return self.plan.length

    @property
    def test_sets(self) -> tuple[SetKind, float]:
        """How several test sets came about, and the share of the training and test rows that one of them has."""
        rule, data = self.datasets.source.options.split_rule, self.datasets.first
        kind: SetKind = "repeats" if rule.several == "repeats" else "folds"
        if self.datasets.sets == 1:
            return kind, 0.0
        rows = len(data.train) + len(data.validation) + len(data.test)
        return kind, len(data.test) / rows

    @property
    def batch_text(self) -> str:
        """The batch sizes in words, with the steps of an epoch."""
        steps = list(dict.fromkeys(arm.per_epoch for arm in self.arms))
        an_epoch = (
            counted(steps[0], "step")
            if len(steps) == 1
            else f"{min(steps):,} to {counted(max(steps), 'step')}"
        )
        return f"{self.how_batch}; {an_epoch} per epoch"

    @property
    def programs(self) -> dict[tuple[str, str], Programs]:
        """The compiled steps of each cell, on the data that they were timed on."""
        return {
            (key, self.timed_cells[key].arm.folds[0]): each.bench.programs for key, each in self.steps.items()
        }

    @property
    def runs(self) -> int:
        """How many runs there are, at least."""
        protocol = self.experiment.protocol
        tuning = protocol.scan_rates + protocol.full_rates
        return sum(protocol.seeds * len(arm.folds) + arm.tuned * tuning for arm in self.arms)

    def execution(self, arm: PlannedArm) -> Execution:
        """Return how the steps of an arm are computed."""
        return self.plan.cells[arm.cell]

    def planned(self, cells: Mapping[str, Execution]) -> Settings:
        """Return this with other execution plans of its cells."""
        plan = self.plan.model_copy(update={"cells": {**self.plan.cells, **cells}})
        return replace(self, plan=plan)

    def measured(self, began: ExecutionPlan | None, observer: Observer) -> Settings:
        """Return this with timed steps: the folder's plan where it belongs to the same, else measured now.

        Whose steps are compiled, and how long the runs are, is decided by :mod:`steepest.experiment.budget`.
        """
        asked = self.experiment.execution
        device = began.device if began else usable_device(asked.device)
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)
        for arm in self.arms:
            check_precision(arm.recipe.precision, device)  # again: a folder's device may be another
        plan = began or ExecutionPlan.model_validate({})
        libraries = kept_libraries(plan.libraries, self.codes.libraries)
        plan = plan.model_copy(update={"torch": torch.__version__, "libraries": libraries, "device": device})
        cells, steps = dict[str, Execution](), dict[str, StepTimings]()
        protocol, nodes = self.experiment.protocol, nodes_of(asked.workers, self.codes.run_libraries)
        decides = asked.compile != "off" or protocol.equal == "seconds" or protocol.minutes is not None
        once = len(self.timed_cells) >= MANY_CELLS and not decides
        share = share_within(protocol.minutes, [len(cell.methods) for cell in self.timed_cells.values()])
        for key, cell in self.timed_cells.items():
            known = plan.cells.get(key)
            changed = "" if known is None else known.changed(cell.of)
            if changed:
                observer.say(f"steps  measured again because {changed}")
                known = None
            arm = cell.arm
            data = self.datasets[arm.folds[0]].to(device)
            bench = Bench(data, arm.recipe, arm.model, device, Programs(announce=observer.stage), share)
            if known is None:
                known = choose_execution(bench, asked, self.runs, nodes)
            else:  # in which process a run is made is no matter of its numbers
                known = known.model_copy(update={"workers": workers_for(device, known.threads, asked, nodes)})
            known = without_edited(known, cell.of).model_copy(update={"of": {**known.of, **cell.of}})
            steps[key] = StepTimings.measured(bench, known, cell.methods, once=once)
            cells[key] = steps[key].execution
        for line in described(nodes, max((each.workers for each in cells.values()), default=1)):
            observer.say(line)
        plan = plan.model_copy(update={"cells": {**plan.cells, **cells}})
        return replace(self, plan=plan, steps=steps)

    def setup(self, length: RunLength) -> Setup:
        """Return the setup at a length, with the trials and seeds that were fitted to the budget."""
        protocol = self.experiment.protocol
        seeds = protocol.seeds if length.seeds is None else min(length.seeds, protocol.seeds)
        return Setup(
            arms=self.arms,
            seeds=tuple(protocol.seed + i for i in range(seeds)),
            metric=self.judging.metric.name,
            higher_is_better=self.judging.metric.higher_is_better,
            lengths=equal_lengths(
                self.arms, length.epochs, protocol.equal, self.plan.cells, length.run_seconds
            ),
            grid=protocol.learning_rates,
            scan_rates=length.scan_rates or protocol.scan_rates,
            full_rates=length.full_rates or protocol.full_rates,
            sweep=protocol.sweep,
            planner=protocol.planner,
            by_gradients=protocol.equal == "gradients",
            by_seed=protocol.minutes is not None,
            only_arms=not protocol.references,
            refit=self.datasets.source.options.split_rule.refits is not None,
        )


def decide(experiment: Experiment, source: Source, given: Objects, observer: Observer) -> Settings:
    """Read the data and decide what is trained; nothing is written and nothing is trained.

    Raises:
        SteepestError: the data, an option or the model cannot be used.
    """
    protocol = experiment.protocol
    wanted = wanted_arms(experiment, given)
    _check_options(experiment, wanted)
    check_encodes(source, wanted)
    observer.stage("reading")
    datasets = Datasets(source)
    dataset = datasets.first
    for arm in wanted:
        check_teachable(make_procedure(arm.procedure), dataset.task)
    observer.say(data_text(dataset, datasets.sets))
    _say(observer, dataset.notes)
    if source.default_model and {arm.model for arm in wanted} == {source.default_model}:
        observer.say(f"       model: {source.default_model}; --model names another, see steepest list models")
    baselines.baseline_names(
        dataset, with_bases(protocol.baseline, ((each.model, each.finetune) for each in wanted))
    )
    metric, why = _metric(protocol, wanted, dataset)
    judging = judge(dataset, metric, protocol.positive, protocol.reach)
    judging = replace(
        judging, decided=(*judging.decided, *([("metric", f"{judging.metric.title}, {why}")] if why else []))
    )
    for what, how in judging.decided:
        observer.say(f"       {what}: {how}")
    codes = codes_of(wanted, protocol.planner)
    for kind, each in codes:
        if each.why:
            observer.say(f"warning: {kind} cannot be identified: {each.why}; its runs cannot be reused")
    datasets.with_positive(judging.positive)
    notes = list(judging.notes)
    arms: dict[str, PlannedArm] = {}
    cells: dict[str, TimedCell] = {}
    for arm in wanted:
        made, net = _arm(arm, experiment, datasets, judging, codes)
        meaning = meaning_of(made, net)
        twin = arms.get(meaning)
        if twin is not None:
            observer.say(f"       {made.method.name}: {same_because(twin, made)}, so two of its arms are one")
        arms[meaning] = made if twin is None else _merged(twin, made)
        notes += _arm_notes(experiment, wanted, arm, made, net, datasets[made.folds[0]])
        for stage, model in [(made, net), *stages_apart(made, datasets)]:
            cells[stage.cell] = with_arm(cells.get(stage.cell), stage, model)
    notes = [each for each in notes if each not in dataset.notes]
    notes += [*lacking_controls(wanted), *few_to_tune_on(wanted, datasets)]
    notes += uneven(next(iter(arms.values())), datasets)
    notes += without_effect(experiment.model, dataset.shape)
    labelled = tuple(labelled_arms(list(arms.values())))
    _say_parts(observer, labelled, cells)
    notes = list(dict.fromkeys([*notes, *added_controls(labelled), *without_small(wanted, datasets)]))
    _say(observer, notes)
    how = explain_batch_size(wanted, len(dataset.train))
    settings = Settings(experiment, datasets, (*dataset.notes, *notes), labelled, judging, how, cells, codes)
    if protocol.epochs is not None and protocol.minutes is None and protocol.equal != "seconds":
        check_lengths(settings.setup(RunLength(epochs=protocol.epochs, why="given")))
    return settings


def _check_options(experiment: Experiment, wanted: Sequence[Wanted]) -> None:
    """Refuse what can be seen to be wrong before the data is read."""
    protocol, methods = experiment.protocol, _methods(wanted)
    check_equal_trials(methods, protocol.learning_rates, protocol.scan_rates)
    planner = make_planner(protocol.planner)
    planner.check([each for each in methods if each.tuned])
    if protocol.sweep:
        check_sweep(methods)
        check_drawn_at_once(planner)
    for text in experiment.execution.track:
        make_tracker(text)
    for arm in wanted:
        check_method(arm.regularizer, arm.optimizer.rule, arm.rates)
        procedure = make_procedure(arm.procedure)
        check_stages(procedure, arm.optimizer.rule)
        check_teachers(procedure)
        check_taught(arm.regularizer, procedure)
        check_unlabelled(procedure, arm, protocol.accumulate)
        check_finalists(arm, protocol.full_rates)
    for schedule in dict.fromkeys(arm.schedule for arm in wanted):
        make_schedule(schedule, LONG)  # whether it fits the runs that are made is seen when they are planned
    device = usable_device(experiment.execution.device)
    for precision in dict.fromkeys(arm.precision for arm in wanted):
        check_precision(precision, device)  # pyright: ignore[reportArgumentType]
    if protocol.metric is not None:
        metric_info(protocol.metric)


def _metric(protocol: Protocol, wanted: Sequence[Wanted], dataset: Dataset) -> tuple[str | None, str]:
    """Return the metric that decides, and why if it was chosen: the training loss, where nothing is held out."""
    losses = {arm.loss for arm in wanted}
    if protocol.metric is not None or dataset.held_out or losses == {""} or len(losses) > 1:
        return protocol.metric, ""
    metric = make_objective(losses.pop(), target_of(dataset)).metric
    return (metric, "the training loss, as nothing is held out") if metric else (None, "")


def _methods(wanted: Sequence[Wanted]) -> list[Contestant]:
    """Return the optimizers of arms, each once with the same strengths to tune."""
    return list({arm.optimizer.key: arm.optimizer for arm in wanted}.values())


def _arm_notes(
    experiment: Experiment,
    wanted: Sequence[Wanted],
    arm: Wanted,
    made: PlannedArm,
    net: nn.Module,
    data: Dataset,
) -> list[Note]:
    """Return what a person should know of an arm's data and model, once for all arms that have both in common."""
    alike = [each for each in wanted if replace(each, optimizer=arm.optimizer, name=arm.name) == arm]
    if alike[0] is not arm:
        return []
    check_model(net, data)
    if experiment.execution.rows == "on":
        check_rows(net, data, [each.optimizer.rule for each in alike], arm.regularizer)
    said = [*about_start(arm, data), *about_regularizers(arm.regularizer, net, data)]
    problem = problem_of(net, data, made.recipe)
    for each in alike:
        each.optimizer.rule.check(problem)
    made.check_steps_are_known(experiment.protocol.equal)
    size, rows = made.recipe.batch_size, len(data.train)
    advised = advice(_methods(alike), arm.schedule, net, batch_size=size, rows=rows)
    densely = about_rows(net, data, made.recipe, experiment.execution)
    pruned = foreseen(arm.procedure, net)
    return [*data.notes, *about_outputs(net, data), *said, *advised, *densely, *pruned]


def _arm(
    wanted: Wanted, experiment: Experiment, datasets: Datasets, judging: Judging, codes: Codes
) -> tuple[PlannedArm, nn.Module]:
    """Return an arm on its data, without a label, and its model."""
    folds, final = datasets.of(wanted)
    data = datasets[folds[0]]
    rows = min(datasets.training_rows(each) for each in folds)
    batch_size = datasets.batch_size(wanted)
    whole = wanted.batch_size == WHOLE_BATCH
    if batch_size > rows and not whole:
        raise OptionError(
            f"the batch size {batch_size} of the arm {wanted.name or wanted.optimizer.name!r} is larger than its "
            f"{rows} training rows",
            hint=f"give a batch size of at most {rows}, such as --batch-size {datasets.default_batch_size(wanted)}.",
        )
    accumulate = experiment.protocol.accumulate
    if accumulate > batch_size:
        raise OptionError(
            f"--accumulate {accumulate} divides a batch of {counted(batch_size, 'row')} into more parts than rows",
            hint=f"give at most {batch_size}, or a larger batch: --batch-size is the rows of all micro-batches.",
        )
    net = freeze(build_model(wanted.model, data.shape, finetune=wanted.finetune), wanted.freeze)
    multipliers(net, wanted.rates)
    shapes = [[name, list(each.shape)] for name, each in net.named_parameters()]
    code = {
        "model": with_shapes(codes.of["model"][wanted.model_text], shapes),
        "schedule": codes.of["schedule"][wanted.schedule].digest,
    }
    objective, default = make_objective(wanted.loss, target_of(data)), target_of(data).loss
    check_objective(objective, wanted.loss or default, data)
    code["callbacks"] = codes.callbacks.digest
    if wanted.model_text in codes.weights:
        code["weights"] = codes.weights[wanted.model_text].digest
    loss = "" if wanted.loss == default else wanted.loss
    if loss:
        code["loss"] = codes.of["loss"][wanted.loss].digest
    if wanted.regularizer:
        check_regularizers(
            wanted.regularizer, net, data, tuple(table_columns(net, tuple(data.shape.cardinalities)))
        )
        check_watched(wanted.regularizer, data)
        code["regularizer"] = codes.of["regularizer"][wanted.regularizer].digest
    recipe = Recipe(
        data=folds[0],
        model=wanted.model_text,
        optimizer="",
        schedule=wanted.schedule,
        steps=1,
        batch_size=batch_size,
        clip=experiment.protocol.clip,
        precision=wanted.precision,  # pyright: ignore[reportArgumentType]
        class_weights=class_weights(data, experiment.protocol.class_weights),
        metric=judging.metric.name,
        positive=None if judging.positive is None else data.classes[judging.positive],
        code={kind: digest for kind, digest in code.items() if digest},
        loss=loss,
        regularizer=wanted.regularizer,
        rates=wanted.rates,
        freeze=wanted.freeze,
        finetune=wanted.finetune,
        accumulate=accumulate,
        max_seconds=experiment.protocol.max_seconds,
        evaluations=experiment.protocol.evaluations,
    )
    method = replace(wanted.optimizer, code=codes.of["optimizer"][wanted.optimizer.name].digest)
    arm = PlannedArm(
        method=method,
        recipe=recipe,
        factors={
            **texts_of(wanted),
            "batch_size": WHOLE_BATCH if whole else str(batch_size),
            "loss": loss or default,
            **({} if data.shape.numbers else {"numbers": STANDARD}),
        },
        per_epoch=BatchPlan(len(data.train), batch_size, 0).batches_per_epoch,
        cell=cell_of(recipe, data.shape),
        folds=folds,
        final=final,
        weights=_weights(experiment, datasets, (*folds, final)) if final else {},
        name=wanted.name,
        control=wanted.control,
        model=None if isinstance(wanted.model, str) else wanted.model,
        callbacks=tuple(each for _, each in wanted.callbacks),
        trained=size_of(trainable(net)),
    )
    procedure = make_procedure(wanted.procedure)
    check_adapters(wanted, procedure, net, data)
    check_stages_of(procedure, net, classes=bool(data.shape.classes))
    with of_teacher(procedure):
        others = {
            text: _arm(plain_run_of(wanted, text), experiment, datasets, judging, codes)[0]
            for text in procedure.models
        }
    return in_stages(arm, procedure, others), net


def _merged(one: PlannedArm, same: PlannedArm) -> PlannedArm:
    if one.name and same.name and one.name != same.name:
        raise OptionError(
            f"the arms {one.name!r} and {same.name!r} are the same", hint="leave one of the two out."
        )
    return replace(one, name=one.name or same.name, control=one.control and same.control)


def _say_parts(observer: Observer, arms: Sequence[PlannedArm], cells: Mapping[str, TimedCell]) -> None:
    """Say how many parameters each way of fine-tuning trains, where a part of a model is trained."""
    if not any(arm.recipe.finetune for arm in arms):
        return
    models = {arm.recipe.model for arm in arms}
    for text in dict.fromkeys(
        f"{arm.recipe.finetune or FULL}: {cells[arm.cell].parameters_text}"
        + (f" ({arm.recipe.model})" if len(models) > 1 else "")
        for arm in arms
    ):
        observer.say(f"       fine-tuning {text}")


def _weights(
    experiment: Experiment, datasets: Datasets, names: Sequence[str]
) -> dict[str, tuple[float, ...] | None]:
    """Return the class weights of each test set, which are those of its own training rows; nothing without weights."""
    wanted = experiment.protocol.class_weights
    return {} if wanted == "none" else {name: class_weights(datasets[name], wanted) for name in names}


def _say(observer: Observer, notes: Sequence[Note]) -> None:
    for note in notes:
        where = " steepest describe prints the step." if note.step else ""
        observer.say(f"{'warning: ' if note.kind == 'warning' else '       '}{note.text}{where}")
