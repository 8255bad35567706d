"""An experiment from its configuration to its folder: decide, run what is missing, summarize, write."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Any

import torch

from steepest import forks
from steepest.compare.assemble import Evidence
from steepest.compare.limits import too_short
from steepest.compare.result import Comparison
from steepest.components.identity import of_network
from steepest.components.references import looking
from steepest.data.dataset import Dataset
from steepest.data.table import Table, read_table
from steepest.errors import OptionError
from steepest.evaluate.outputs import predict
from steepest.experiment.budget import check_minutes, settle
from steepest.experiment.folder import (
    check_folder,
    joined,
    with_whole_paths,
    write_results,
)
from steepest.experiment.settings import Decision, decide
from steepest.models import ModelBuilder, build_model
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from steepest.prediction.sameness import outputs_of
from steepest.prediction.seen import SeenRows
from steepest.recipe import (
    Experiment,
    experiment_toml,
)
from steepest.record.store import TEST_PREDICTIONS, Folder
from steepest.report.format import seconds as duration
from steepest.report.headline import too_short as short_text
from steepest.report.summary import Findings, best_seed, summarize
from steepest.sweep.baselines import baseline_rows, budget_within, complete_baselines, save_baselines
from steepest.sweep.estimate import plan_seconds, plan_text
from steepest.sweep.methods import steps_text
from steepest.sweep.observer import Observer
from steepest.sweep.plan import chosen_rules, finals, taking_part, winner
from steepest.sweep.rows import rows_text
from steepest.sweep.runner import Runner
from steepest.wording import counted


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
            hint='add source = "table.csv"; a comparison of a frame in memory can only be continued in Python.',
        )
    table = read_table(source, **options)
    _ = table.target
    return table


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
        FolderError: the folder belongs to other data, was begun by an earlier version of steepest, with another
            version of torch or on another device, is in use by another process, or cannot be written.
        SteepestError: the data, an option or the model cannot be used; then nothing was written.
    """
    forks.check()
    started = time.perf_counter()
    folder.check_format()
    with looking(folder.sources_of):
        experiment, optimizers = joined(folder, experiment, optimizers, observer, model)
        decision = decide(experiment, table, model, optimizers, observer)
        check_folder(folder, experiment, decision.dataset, decision.of)
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
    # another process may have begun it in between
    began = check_folder(folder, experiment, decision.dataset, decision.of)
    decision = decision.measured(began, observer)
    check_minutes(decision)
    experiment = experiment.model_copy(update={"execution": decision.execution})
    folder.write("experiment.toml", experiment_toml(with_whole_paths(experiment)))
    folder.begin(decision.dataset.fingerprint, decision.dataset.name)
    for of, code in decision.codes:
        folder.keep_code(of, code.name, code.digest, code.sources)

    dataset, metrics, protocol = decision.dataset, decision.judging.metrics, experiment.protocol
    runner = Runner(
        dataset.to(decision.execution.device),
        folder,
        metrics,
        decision.model,
        decision.execution.threads,
        observer,
        decision.execution.device,
        execution=decision.execution,
        programs=decision.timed.bench.programs,
    )
    if told := rows_text(decision.execution, decision.who):
        observer.say(told)
    baselines = complete_baselines(
        folder,
        dataset,
        metrics=metrics,
        class_weights=decision.recipe.class_weights,
        seed=protocol.seed,
        observer=observer,
        threads=decision.execution.threads,
        budget=budget_within(protocol.minutes),
    )
    decision = settle(decision, runner, started)
    fitted = decision.length
    experiment = experiment.model_copy(update={"execution": decision.execution})
    folder.write("experiment.toml", experiment_toml(with_whole_paths(experiment)))
    if told := steps_text(decision.execution, decision.who):
        observer.say(told)
    setup = decision.setup(fitted)
    setup.check_schedule()
    observer.say(
        f"length {fitted.why}: {counted(setup.recipe.steps, 'step')} of "
        f"{counted(decision.batch_size, 'row')} ({decision.how_batch})"
    )
    if setup.recipe.precision != "float32":
        observer.say(f"       matrix products in training: {setup.recipe.precision}")
    spent = sum(each.seconds for each in baselines)
    if short := too_short(setup, protocol, decision.execution, spent):
        observer.say(f"warning: {short_text(short)}")
    history = folder.history()
    left = plan_seconds(setup, decision.execution, history)
    how_long = f"about {duration(left)}" if left else "nothing left to run"
    observer.say(f"plan   {plan_text(setup, history)}, {how_long}")
    history = runner.complete(setup, decision.execution)
    observer.stage("writing the report")
    history = taking_part(setup, history)
    evidence = Evidence(setup, history, chosen_rules(setup, history), baselines, metrics)
    told = [
        ("length", f"{fitted.why}: {counted(setup.recipe.steps, 'step')}"),
        ("batch size", f"{decision.batch_size}, {decision.how_batch}"),
        *decision.judging.decided,
    ]
    save_baselines(folder, baselines, dataset, table.pipeline)
    findings, network = _findings(runner, dataset, evidence, table, told, decision.parameters)
    comparison = summarize(experiment, dataset, evidence, findings, decision.execution).model_copy(
        update={"runs": [f"{recipe}-{seed}" for recipe, seed in history]}
    )
    _write_test_predictions(folder, comparison, dataset, table, network)
    write_results(folder, comparison)
    return comparison


def _write_test_predictions(
    folder: Folder, comparison: Comparison, dataset: Dataset, table: Table, network: TrainedModel | None
) -> None:
    """Keep what the recommended model predicts for the test rows, with their numbers and targets."""
    saved = folder.path / comparison.saved_model
    model = network if comparison.saved_model == "model" else TrainedModel.load(saved)
    if model is None:
        folder.remove(TEST_PREDICTIONS)
        return
    rows = len(dataset.test)
    predicted = model.table_of(predict(model.net, dataset.test.inputs), torch.arange(rows), rows)
    buffer = io.BytesIO()
    table.test_rows.hstack(predicted).write_parquet(buffer)
    folder.write(TEST_PREDICTIONS, buffer.getvalue())


def _findings(
    runner: Runner,
    dataset: Dataset,
    evidence: Evidence,
    table: Table,
    decided: list[tuple[str, str]],
    parameters: int,
) -> tuple[Findings, TrainedModel | None]:
    """Save the best network and return it, if there is one, beside what the summary needs."""
    best = evidence.winner
    runs = finals(evidence.setup, best, evidence.chosen[best.name])
    predicted = network = None
    seed = best_seed(evidence)
    if seed is not None:
        text = evidence.setup.recipe.model
        net = build_model(runner.model or text, dataset.shape, seed=seed)
        net.load_state_dict(runner.weights(next(run for run in runs if run.key.seed == seed)))
        own = "model" in evidence.setup.recipe.code
        about = About(
            model=text,
            shape=dataset.shape,
            classes=dataset.classes,
            target=dataset.target,
            target_scale=dataset.target_scale,
            trained=_trained(evidence, seed),
            code=of_network(net) if own else "",
            outputs=outputs_of(net, dataset.shape) if own else (),
        )
        network = TrainedModel(net, about, table.pipeline, SeenRows.of(dataset))
        network.save(runner.folder.path / "model")
        outputs = predict(net, dataset.test.inputs)
        predicted = outputs.argmax(1) if dataset.task == "classification" else outputs.squeeze(1)
    found = Findings(
        rows={
            who.name: [
                runner.test_rows(run) if evidence.of([run])[0].test else None
                for run in finals(evidence.setup, who, evidence.chosen[who.name])
            ]
            for who in evidence.setup.contestants
        },
        baseline_rows={each.title: baseline_rows(runner.folder, each) for each in evidence.baselines},
        predicted=predicted,
        decided=decided,
        folder=runner.folder.path,
        parameters=parameters,
    )
    return found, network


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
        "positive": evidence.setup.recipe.positive,
    }
