"""An experiment from its configuration to its folder: decide, run what is missing, summarize, write."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from steepest.compare.assemble import Evidence
from steepest.compare.result import Comparison
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset
from steepest.data.options import TableOptions
from steepest.data.table import Table, read_table
from steepest.errors import FolderError, OptionError
from steepest.evaluate.baselines import run_baselines
from steepest.evaluate.metrics import MetricInfo, default_metric, metric_info, metric_names, row_correct
from steepest.evaluate.predictions import predict
from steepest.models import ModelBuilder, build_model, count_parameters
from steepest.recipe import (
    Execution,
    Experiment,
    Fitted,
    Protocol,
    Recipe,
    experiment_toml,
    load_tree,
    validate_experiment,
)
from steepest.record.schema import BaselineRecord
from steepest.record.store import Folder, command, curves_frame
from steepest.report.format import seconds as duration
from steepest.report.html import render_html
from steepest.report.summary import Findings, best_seed, summarize
from steepest.report.text import to_csv
from steepest.schedules import make_schedule
from steepest.sweep.contestants import Contestant, contestants
from steepest.sweep.decide import PILOT_STEPS, class_weights, equal_lengths, explain_batch_size, pilot
from steepest.sweep.estimate import fit_budget, plan_seconds, plan_text
from steepest.sweep.observer import Observer
from steepest.sweep.plan import Setup, chosen_rules, finals, winner
from steepest.sweep.runner import Runner
from steepest.sweep.timing import Bench, choose_device, choose_execution, with_times
from steepest.train.problem import check_model
from steepest.train.trained import About, TrainedModel

LARGEST_GUESS = 20.0
"""Epochs that a budget is planned with before a pilot has run."""


def open_table(experiment: Experiment) -> Table:
    """Return the experiment's table.

    Raises:
        OptionError: the experiment was made from a frame in memory, or names no target.
    """
    options = experiment.data.model_dump(exclude_unset=True)
    source = options.pop("source", None)
    if source is None:
        raise OptionError(
            "the experiment names no data: [data] has no source",
            hint='add source = "table.csv"; a comparison of a frame in memory goes on from Python.',
        )
    return read_table(source, **options)


def complete(
    experiment: Experiment,
    table: Table,
    folder: Folder,
    observer: Observer,
    model: ModelBuilder | None = None,
    *,
    optimizers: Sequence[Any] | None = None,
) -> Comparison:
    """Run what the folder lacks and write everything; return the comparison.

    Args:
        experiment: the configuration.
        table: the data.
        folder: where to.
        observer: who is told.
        model: the user's own model as a callable.
        optimizers: classes, rules or values to try, where they are not all texts of the experiment.

    Raises:
        FolderError: the folder belongs to other data, was begun with another version of torch or on another
            device, is in use by another process, or cannot be written.
        SteepestError: the data, an option or the model cannot be used; then nothing was written.
    """
    started = time.perf_counter()
    decision = decide(experiment, table, model, optimizers, observer)
    check_folder(folder, experiment, decision.dataset)
    with folder.held():
        return _carry_out(experiment, table, folder, observer, decision, started)


def _carry_out(
    experiment: Experiment,
    table: Table,
    folder: Folder,
    observer: Observer,
    decision: Decision,
    started: float,
) -> Comparison:
    """Do what :func:`complete` says, in a folder that no other process is working in."""
    began = check_folder(folder, experiment, decision.dataset)  # another process may have begun it in between
    decision = decision.measured(began)
    experiment = experiment.model_copy(update={"execution": decision.execution})
    folder.write("experiment.toml", experiment_toml(with_whole_paths(experiment)))
    _identify(folder, decision.dataset)

    dataset, metrics, protocol = decision.dataset, decision.metrics, experiment.protocol
    runner = Runner(
        dataset.to(decision.execution.device),
        folder,
        metrics,
        decision.model,
        decision.execution.threads,
        observer,
        decision.execution.device,
    )
    baselines = _baselines(folder, dataset, metrics, decision.recipe, protocol.seed, observer)
    fitted = decision.execution.fitted
    if fitted is None or fitted.asked != _asked(protocol):
        fitted = _fit(decision, protocol, runner, started).model_copy(update={"asked": _asked(protocol)})
        execution = decision.execution.model_copy(update={"fitted": fitted})
        decision = replace(decision, execution=execution)
        experiment = experiment.model_copy(update={"execution": execution})
        folder.write("experiment.toml", experiment_toml(with_whole_paths(experiment)))
    setup = decision.setup(fitted)
    observer.say(
        f"length {fitted.why}: {setup.recipe.steps:,} steps of {decision.batch_size} rows ({decision.how_batch})"
    )
    history = runner.history()
    left = plan_seconds(setup, decision.execution, history)
    observer.say(f"plan   {plan_text(setup, history)}, about {duration(left)}")
    history = runner.complete(setup, decision.execution)
    observer.stage("writing the report")
    evidence = Evidence(setup, history, chosen_rules(setup, history), baselines, metrics)
    told = [
        ("length", f"{fitted.why}: {setup.recipe.steps:,} steps"),
        ("batch size", f"{decision.batch_size}, {decision.how_batch}"),
    ]
    findings = _findings(runner, dataset, evidence, table, told, decision.parameters)
    comparison = summarize(experiment, dataset, evidence, findings, decision.execution)
    write_results(folder, comparison)
    return comparison


@dataclass(frozen=True)
class Decision:
    """Everything that follows from the configuration and the data, before anything is trained."""

    experiment: Experiment
    dataset: Dataset
    who: tuple[Contestant, ...]
    metric: MetricInfo
    metrics: tuple[str, ...]
    recipe: Recipe
    batch_size: int
    how_batch: str
    parameters: int
    model: ModelBuilder | None
    execution: Execution

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return BatchPlan(len(self.dataset.train), self.batch_size, 0).batches_per_epoch

    def measured(self, began: Execution | None) -> Decision:
        """Return this with the execution plan: the folder's, the configuration's, or one that is measured now."""
        stored = began or begin_execution(self.experiment.execution)
        device = stored.device if stored else choose_device()
        bench = Bench(self.dataset.to(device), self.recipe, self.model, device)
        execution = with_times(stored or choose_execution(bench), bench, self.who)
        return replace(self, execution=execution)

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
            higher_is_better=self.metric.higher_is_better,
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
    make_schedule(protocol.schedule, 1)
    if protocol.metric is not None:
        metric_info(protocol.metric)
    observer.stage("reading")
    dataset = table.dataset()
    observer.say(data_text(dataset))
    for note in dataset.notes:
        observer.say(f"{'warning: ' if note.kind == 'warning' else '       '}{note.text}")
    metric = metric_info(protocol.metric or default_metric(dataset.task))
    if metric.task != dataset.task:
        raise OptionError(
            f"the metric {metric.name!r} is for {metric.task} but {dataset.target!r} is a {dataset.task} target",
            hint=f"choose one of {', '.join(metric_names(dataset.task))}.",
        )
    metrics = tuple(dict.fromkeys((metric.name, *metric_names(dataset.task, len(dataset.classes)))))
    batch_size, how_batch = explain_batch_size(protocol, len(dataset.train))
    net = build_model(model or str(experiment.model.spec), dataset.shape)
    check_model(net, dataset)
    recipe = Recipe(
        data=dataset.fingerprint,
        model=str(experiment.model.spec) if model is None else f"callable {_name(model)}",
        optimizer="",
        schedule=protocol.schedule,
        steps=1,
        batch_size=batch_size,
        clip=protocol.clip,
        class_weights=class_weights(dataset, protocol.class_weights),
        metric=metric.name,
    )
    execution = Execution.model_validate({})
    parameters = count_parameters(net)
    return Decision(
        experiment, dataset, who, metric, metrics, recipe, batch_size, how_batch, parameters, model, execution
    )


def preview(
    experiment: Experiment,
    table: Table,
    observer: Observer,
    model: ModelBuilder | None = None,
    *,
    optimizers: Sequence[Any] | None = None,
) -> str:
    """Return the plan as lines; some steps are timed, nothing is trained to an end and nothing is written.

    Raises:
        SteepestError: the data, an option or the model cannot be used.
    """
    decision = decide(experiment, table, model, optimizers, observer).measured(None)
    protocol = experiment.protocol
    wanted = protocol.epochs or LARGEST_GUESS
    fitted = Fitted(epochs=wanted, why="")
    if protocol.minutes is not None:
        fitted = _within(decision, wanted, protocol.minutes * 60, "")
    setup = decision.setup(fitted)
    seconds = plan_seconds(setup, decision.execution, {})
    lines = [
        f"batch  {decision.batch_size} rows, {decision.how_batch}; {decision.per_epoch:,} steps an epoch",
        f"plan   {plan_text(setup, {})}",
    ]
    if protocol.epochs is None and protocol.minutes is None:
        epoch = (plan_seconds(decision.setup(Fitted(epochs=2.0, why="")), decision.execution, {})
                 - plan_seconds(decision.setup(Fitted(epochs=1.0, why="")), decision.execution, {}))  # fmt: skip
        lines.append(
            f"time   about {duration(epoch)} for each epoch of length, which a pilot will find; baselines come on top"
        )
    else:
        lines += [f"       {fitted.why}"] if fitted.why else []
        lines.append(f"time   about {duration(seconds)}; baselines come on top")
    return "\n".join(lines)


def _asked(protocol: Protocol) -> str:
    """Return what the length was decided from: where it is the same, a folder's decision stands."""
    asked = {"epochs": protocol.epochs, "minutes": protocol.minutes}
    if protocol.minutes is not None:
        asked |= {name: getattr(protocol, name) for name in ("seeds", "scan_rates", "full_rates")}
    return ", ".join(f"{name} {value}" for name, value in asked.items())


def _fit(decision: Decision, protocol: Protocol, runner: Runner, started: float) -> Fitted:
    """Return the length, trials and seeds: given, found by a pilot, or what fits into the minutes."""
    if protocol.epochs is not None:
        epochs, why = protocol.epochs, f"{protocol.epochs:g} epochs, given"
    else:
        most = PILOT_STEPS
        if protocol.minutes is not None:
            pace = decision.execution.seconds_a_step
            most = max(1, int(0.15 * protocol.minutes * 60 / (sum(pace.values()) / len(pace))))
        epochs, how = pilot(runner, decision.recipe, decision.per_epoch, protocol.seed, most)
        why = f"{epochs} epochs ({how})"
    if protocol.minutes is None:
        return Fitted(epochs=epochs, why=why)
    left = protocol.minutes * 60 - (time.perf_counter() - started)
    return _within(decision, epochs, left, why)


def _within(decision: Decision, epochs: float, seconds: float, why: str) -> Fitted:
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


def data_text(dataset: Dataset) -> str:
    """Return the data in one line."""
    rows = sum(len(part) for part in (dataset.train, dataset.validation, dataset.test))
    what = f"{len(dataset.classes)} classes" if dataset.classes else "a number"
    columns = f"{len(dataset.shape.cardinalities)} categorical, {len(dataset.shape.continuous)} continuous"
    return f"data   {rows:,} rows · {columns} · {dataset.target}: {what} · {len(dataset.test):,} test"


def check_folder(folder: Folder, experiment: Experiment, dataset: Dataset) -> Execution | None:
    """Return the execution plan of a folder that was begun, None for a new one.

    Raises:
        FolderError: the folder belongs to other data or to another preparation, or is not an experiment's.
    """
    path = folder.path / "experiment.toml"
    if not path.is_file():
        if not folder.untouched:
            raise FolderError(
                f"{folder.path.as_posix()!r} is not empty and holds no experiment",
                hint="give --out another folder.",
            )
        return None
    began = validate_experiment(load_tree(path), where=str(path))
    known = next((e["data"] for e in folder.journal.read() if e.get("event") == "data"), dataset.fingerprint)
    if known != dataset.fingerprint:
        raise FolderError(
            f"{folder.path.as_posix()!r} was begun with other data: {_changed(began.data, experiment.data)}",
            hint="give --out another folder, or the data that it was begun with.",
        )
    if began.execution is not None:
        _check_execution(began.execution, folder)
    return began.execution


def begin_execution(given: Execution | None) -> Execution | None:
    """Return the execution plan that an experiment's file asks for, with this version of torch; None if none.

    Raises:
        OptionError: the device is not there.
    """
    if given is None:
        return None
    if given.device == "auto":
        given = given.model_copy(update={"device": choose_device()})
    if not _device_is_there(given.device):
        raise OptionError(
            f"there is no device {given.device!r} here",
            hint='write device = "cpu" under [execution], or leave the section out.',
        )
    return given.model_copy(update={"torch": torch.__version__})


def _check_execution(execution: Execution, folder: Folder) -> None:
    """Complain where this process cannot compute the same bits as the runs in the folder."""
    path = folder.path
    fresh = command("compare", path / "experiment.toml", "--out", path.with_name(f"{path.name}-again"))
    if execution.torch and execution.torch != torch.__version__:
        raise FolderError(
            f"{path.as_posix()!r} was begun with torch {execution.torch} and this is torch {torch.__version__}: "
            "their runs may differ in the last digits",
            hint=f"install torch {execution.torch}, or begin a fresh folder: `{fresh}`.",
        )
    if not _device_is_there(execution.device):
        raise FolderError(
            f"{path.as_posix()!r} was begun on the device {execution.device!r}, which is not there",
            hint=f"go on where it is, or take [execution] out of a copy of {path / 'experiment.toml'} "
            "and compare that with another --out.",
        )


def _device_is_there(name: str) -> bool:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True


def with_whole_paths(experiment: Experiment) -> Experiment:
    """Return the experiment with the paths of its data from the root on, so that it can go on from any folder."""
    data = experiment.data
    named = {name: getattr(data, name) for name in ("source", "validation", "test", "prepare")}
    whole = {
        name: str(Path(value).expanduser().absolute())
        for name, value in named.items()
        if isinstance(value, str)
    }
    return experiment.model_copy(update={"data": data.model_copy(update=whole)})


def write_results(folder: Folder, comparison: Comparison) -> None:
    """Write the curves, the results and the report of a finished comparison."""
    buffer = io.BytesIO()
    curves_frame(folder.records()).write_ipc(buffer, compression="zstd")
    folder.write("curves.arrow", buffer.getvalue())
    folder.write("results.csv", to_csv(comparison))
    folder.write("results.json", comparison.model_dump_json(indent=1) + "\n")
    folder.write("report.html", render_html(comparison))


def load_comparison(folder: Folder) -> Comparison:
    """Return the stored comparison of a folder.

    Raises:
        FolderError: it has none yet, or the file is damaged.
    """
    path = folder.path / "results.json"
    try:
        return Comparison.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FolderError(
            f"the comparison in {folder.path.as_posix()!r} is not finished",
            hint=f"run `{command('resume', folder.path)}`.",
        ) from None
    except (OSError, ValueError) as error:
        raise FolderError(
            f"cannot read {str(path)!r}: {error}",
            hint=f"run `{command('resume', folder.path)}` to write it again.",
        ) from None


def _identify(folder: Folder, dataset: Dataset) -> None:
    if not any(event.get("event") == "data" for event in folder.journal.read()):
        folder.journal.append({"event": "data", "data": dataset.fingerprint, "name": dataset.name})


def _changed(before: TableOptions, now: TableOptions) -> str:
    names = [
        name
        for name in TableOptions.model_fields
        if getattr(before, name) != getattr(now, name)
        and not _same_path(getattr(before, name), getattr(now, name))
    ]
    if not names:
        return "the file's content has changed"
    told = [f"{name} was {getattr(before, name)!r} and is {getattr(now, name)!r}" for name in names[:3]]
    return "; ".join(told)


def _same_path(before: Any, now: Any) -> bool:
    return (
        isinstance(before, str) and isinstance(now, str) and Path(before).absolute() == Path(now).absolute()
    )


def _baselines(
    folder: Folder, dataset: Dataset, metrics: tuple[str, ...], recipe: Recipe, seed: int, observer: Observer
) -> list[BaselineRecord]:
    wanted = f"{metrics[0]} {recipe.class_weights}"
    found = folder.baselines(wanted)
    if found and all(folder.has_tensors(f"rows/{each.name}") for each in found):
        return found
    weights = (
        None if recipe.class_weights is None else torch.tensor(recipe.class_weights, dtype=torch.float64)
    )
    results = run_baselines(
        dataset,
        seed=seed,
        metrics=metrics,
        class_weights=weights,
        progress=lambda title: observer.stage(f"baseline: {title}"),
    )
    records: list[BaselineRecord] = []
    for each in results:
        record = BaselineRecord(
            name=each.name,
            title=each.title,
            settings=each.settings,
            validation=each.validation,
            test=each.test,
            seconds=each.seconds,
            outcome=each.outcome,
        )
        rows = {"loss": each.test_row_losses.cpu()}
        if dataset.task == "classification":
            rows["correct"] = row_correct(each.test_outputs.cpu(), dataset.test.target.cpu())
        folder.write_tensors(f"rows/{each.name}", rows)
        records.append(record)
    folder.append_baselines(wanted, records)
    return records


def _findings(
    runner: Runner,
    dataset: Dataset,
    evidence: Evidence,
    table: Table,
    decided: list[tuple[str, str]],
    parameters: int,
) -> Findings:
    best = evidence.winner
    runs = finals(evidence.setup, best, evidence.chosen[best.name])
    predicted = None
    seed = best_seed(evidence)
    if seed is not None:
        text = evidence.setup.recipe.model
        net = build_model(runner.model or text, dataset.shape)
        net.load_state_dict(runner.weights(next(run for run in runs if run.key.seed == seed)))
        about = About(
            model=text,
            shape=dataset.shape,
            classes=dataset.classes,
            target=dataset.target,
            target_scale=dataset.target_scale,
            trained=_trained(evidence, seed),
        )
        TrainedModel(net, about, table.pipeline).save(runner.folder.path / "model")
        outputs = predict(net, dataset.test.inputs)
        predicted = outputs.argmax(1) if dataset.task == "classification" else outputs.squeeze(1)
    return Findings(
        rows={
            who.name: [
                runner.test_rows(run) if evidence.of([run])[0].test else None
                for run in finals(evidence.setup, who, evidence.chosen[who.name])
            ]
            for who in evidence.setup.contestants
        },
        baseline_rows={
            each.title: runner.folder.read_tensors(f"rows/{each.name}") for each in evidence.baselines
        },
        predicted=predicted,
        decided=decided,
        folder=runner.folder.path,
        parameters=parameters,
    )


def _trained(evidence: Evidence, seed: int) -> dict[str, Any]:
    best = winner(evidence.setup, evidence.chosen, evidence.history)
    record = next(each for each in evidence.final(best) if each.key.seed == seed)
    return {
        "optimizer": best.name,
        "lr": record.lr,
        "seed": seed,
        "steps": record.steps,
        "best_step": record.best_step,
        "recipe": record.key.recipe,
        "validation": record.best,
        "test": record.test,
    }


def _name(model: ModelBuilder) -> str:
    return f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', type(model).__qualname__)}"
