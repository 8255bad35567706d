"""An experiment from its configuration to its folder: decide, run what is missing, summarize, write."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import torch

from steepest import grammar, optim
from steepest.compare.assemble import Evidence
from steepest.compare.result import Comparison
from steepest.data.dataset import Dataset
from steepest.data.options import TableOptions
from steepest.data.table import Table, read_table
from steepest.errors import FolderError, OptionError
from steepest.evaluate.baselines import run_baselines
from steepest.evaluate.metrics import default_metric, metric_info, metric_names
from steepest.evaluate.predictions import predict
from steepest.models import ModelBuilder, build_model, count_parameters
from steepest.recipe import Execution, Experiment, Recipe, experiment_toml, load_tree, validate_experiment
from steepest.record.schema import BaselineRecord
from steepest.record.store import Folder, curves_frame
from steepest.report.html import render_html
from steepest.report.summary import Findings, best_seed, summarize
from steepest.report.text import to_csv
from steepest.schedules import make_schedule
from steepest.sweep.decide import choose_execution, class_weights, explain_batch_size, pilot
from steepest.sweep.observer import Observer
from steepest.sweep.plan import Contestant, Setup, chosen_rates, finals, winner
from steepest.sweep.runner import Runner
from steepest.train.problem import check_model
from steepest.train.trained import About, TrainedModel


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


def contestants(texts: Sequence[str]) -> tuple[Contestant, ...]:
    """Return the optimizers that names, specifications and groups stand for, each once, in their order.

    Raises:
        UnknownNameError: there is no such optimizer or group.
        OptionError: a hyperparameter does not exist or is out of range.

    Example:
        >>> [(who.name, who.tuned) for who in contestants(["default", "adam(lr=0.01)"])]
        [('adam', True), ('adamw', True), ('momentum', True), ('sgd', True), ('adam(lr=0.01)', False)]
    """
    found: dict[str, Contestant] = {}
    for text in (each for joined in texts for each in grammar.split(joined)):
        spec = grammar.parse(text)
        names = optim.names(spec.name) if spec.name in (*optim.registry.groups(), "all") else [text]
        for name in names:
            rule = optim.make_rule(name)
            found.setdefault(str(rule), Contestant(str(rule), rule, "lr" not in rule.given))
    if not found:
        raise OptionError("no optimizer is named", hint="name some, such as -o sgd,adam.")
    return tuple(found.values())


def complete(
    experiment: Experiment,
    table: Table,
    folder: Folder,
    observer: Observer,
    model: ModelBuilder | None = None,
) -> Comparison:
    """Run what the folder lacks and write everything; return the comparison.

    Raises:
        FolderError: the folder belongs to other data or cannot be written.
        SteepestError: the data, an option or the model cannot be used; then nothing was written.
    """
    who = contestants(experiment.optimizers)
    make_schedule(experiment.protocol.schedule, 1)
    if experiment.protocol.metric is not None:
        metric_info(experiment.protocol.metric)
    observer.stage("reading", 0)
    dataset = table.dataset()
    for note in dataset.notes:
        observer.say(f"{'warning: ' if note.kind == 'warning' else ''}{note.text}")
    metric = metric_info(experiment.protocol.metric or default_metric(dataset.task))
    if metric.task != dataset.task:
        raise OptionError(
            f"the metric {metric.name!r} is for {metric.task} but {dataset.target!r} is a {dataset.task} target",
            hint=f"choose one of {', '.join(metric_names(dataset.task))}.",
        )
    metrics = tuple(dict.fromkeys((metric.name, *metric_names(dataset.task, len(dataset.classes)))))
    batch_size, how_batch = explain_batch_size(experiment.protocol, len(dataset.train))
    net = build_model(model or str(experiment.model.spec), dataset.shape)
    check_model(net, dataset)
    parameters = count_parameters(net)
    recipe = Recipe(
        data=dataset.fingerprint,
        model=str(experiment.model.spec) if model is None else f"callable {_name(model)}",
        optimizer="",
        schedule=experiment.protocol.schedule,
        steps=1,
        batch_size=batch_size,
        clip=experiment.protocol.clip,
        class_weights=class_weights(dataset, experiment.protocol.class_weights),
        metric=metric.name,
    )
    stored = check_folder(folder, experiment, dataset)
    folder.make()
    execution = stored or experiment.execution or choose_execution(dataset, recipe, model)
    experiment = experiment.model_copy(update={"execution": execution})
    folder.write("experiment.toml", experiment_toml(experiment))
    _identify(folder, dataset)

    on_device = dataset.to(execution.device)
    runner = Runner(on_device, folder, metrics, model, execution.threads, observer, execution.device)
    seeds = tuple(experiment.protocol.seed + i for i in range(experiment.protocol.seeds))
    baselines = _baselines(folder, dataset, metrics, recipe, experiment.protocol.seed, observer)
    per_epoch = max(1, len(dataset.train) // min(batch_size, len(dataset.train)))
    if experiment.protocol.epochs is None:
        epochs, told = pilot(runner, recipe, per_epoch, seeds[0])
        steps = epochs * per_epoch
    else:
        steps = max(1, round(experiment.protocol.epochs * per_epoch))
        told = f"{experiment.protocol.epochs:g} epochs, given"
    decided = [("length", f"{told}: {steps:,} steps"), ("batch size", f"{batch_size}, {how_batch}")]
    for what, how in decided:
        observer.say(f"{what}: {how}")
    setup = Setup(
        contestants=who,
        recipe=recipe.model_copy(update={"steps": steps}),
        seeds=seeds,
        grid=experiment.protocol.learning_rates,
        higher_is_better=metric.higher_is_better,
    )
    history = runner.complete(setup)
    observer.stage("writing the report", 0)
    evidence = Evidence(setup, history, chosen_rates(setup, history), baselines, metrics)
    findings = _findings(runner, dataset, evidence, table, decided, parameters)
    comparison = summarize(experiment, dataset, evidence, findings, execution)
    write_results(folder, comparison)
    return comparison


def check_folder(folder: Folder, experiment: Experiment, dataset: Dataset) -> Execution | None:
    """Return the execution plan of a folder that was begun, None for a new one.

    Raises:
        FolderError: the folder belongs to other data or to another preparation, or is not an experiment's.
    """
    path = folder.path / "experiment.toml"
    if not path.is_file():
        if folder.path.is_dir() and any(folder.path.iterdir()):
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
    return began.execution


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
            hint=f"run `steepest resume {folder.path.as_posix()}`.",
        ) from None
    except (OSError, ValueError) as error:
        raise FolderError(
            f"cannot read {str(path)!r}: {error}",
            hint=f"run `steepest resume {folder.path.as_posix()}` to write it again.",
        ) from None


def _identify(folder: Folder, dataset: Dataset) -> None:
    if not any(event.get("event") == "data" for event in folder.journal.read()):
        folder.journal.append({"event": "data", "data": dataset.fingerprint, "name": dataset.name})


def _changed(before: TableOptions, now: TableOptions) -> str:
    names = [name for name in TableOptions.model_fields if getattr(before, name) != getattr(now, name)]
    if not names:
        return "the file's content has changed"
    told = [f"{name} was {getattr(before, name)!r} and is {getattr(now, name)!r}" for name in names[:3]]
    return "; ".join(told)


def _baselines(
    folder: Folder, dataset: Dataset, metrics: tuple[str, ...], recipe: Recipe, seed: int, observer: Observer
) -> list[BaselineRecord]:
    wanted = f"{metrics[0]} {recipe.class_weights}"
    done = [event for event in folder.journal.read() if event.get("event") == "baseline"]
    found = [BaselineRecord.model_validate(each["record"]) for each in done if each["settings"] == wanted]
    if found:
        return found
    weights = (
        None if recipe.class_weights is None else torch.tensor(recipe.class_weights, dtype=torch.float64)
    )
    results = run_baselines(
        dataset,
        seed=seed,
        metrics=metrics,
        class_weights=weights,
        progress=lambda title: observer.stage(f"baseline: {title}", 0),
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
        folder.write_tensors(f"rows/{each.name}", {"loss": each.test_row_losses.cpu()})
        records.append(record)
    for record in records:
        folder.journal.append(
            {"event": "baseline", "settings": wanted, "record": record.model_dump(mode="json")}
        )
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
    finite = [run for run in runs if math.isfinite(evidence.setup.loss(evidence.of([run])[0]))]
    losses = [runner.row_losses(run).double() for run in finite]
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
        rows=torch.stack(losses).mean(0) if losses else None,
        baseline_rows={
            each.title: runner.folder.read_tensors(f"rows/{each.name}")["loss"] for each in evidence.baselines
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
