"""An experiment from its configuration to its folder: decide, run what is missing, summarize, write."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Sequence

import polars as pl
import torch

from steepest import forks
from steepest.compare.evidence import Evidence
from steepest.compare.result import Comparison
from steepest.compare.summary import Findings, best_run, summarize
from steepest.components.held import holding
from steepest.components.identity import of_network
from steepest.data.dataset import Note, Shape
from steepest.data.sources.contract import Source
from steepest.data.sources.opening import open_source
from steepest.errors import DataError, OptionError, PreparationError
from steepest.evaluate.outputs import outputs_on
from steepest.experiment.baselines import Baselines
from steepest.experiment.budget import (
    about,
    check_number,
    compile_ahead,
    of_length,
    outgrown,
    settle,
    usually_together,
)
from steepest.experiment.cautions import shortness
from steepest.experiment.controls import with_controls
from steepest.experiment.emptied import emptied
from steepest.experiment.enough import Outlook
from steepest.experiment.fits import optima_and_fits
from steepest.experiment.folder import check_folder, with_whole_paths, write_results
from steepest.experiment.growing import joined
from steepest.experiment.moved import paths_of
from steepest.experiment.pictures import pictures_of
from steepest.experiment.rated import rated_by
from steepest.experiment.recorded import as_recorded, to_be_recorded
from steepest.experiment.settings import Settings, decide
from steepest.experiment.sizes import sizes_of
from steepest.experiment.texts import texts_of
from steepest.experiment.trained import trained
from steepest.experiment.tuning_rows import with_tuning_rows
from steepest.finetuning import finetuned, structural_text
from steepest.models import build_model, implied
from steepest.objectives.target import target_of
from steepest.paths.option import KeepPath
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from steepest.prediction.sameness import outputs_of
from steepest.prediction.seen import SeenRows
from steepest.procedures.pruning import read_pruning
from steepest.recipe import Experiment, experiment_toml
from steepest.record.current import identity
from steepest.record.inventory import WORKERS
from steepest.record.schema import Phase
from steepest.record.store import ARMS, TEST_PREDICTIONS, Folder, command
from steepest.report.format import seconds as duration
from steepest.report.progress import (
    arms_left_out,
    callbacks_text,
    left_out,
    plan_text,
    rows_text,
    steps_of,
    steps_text,
    time_used,
)
from steepest.report.worded import worded
from steepest.report.words import listed
from steepest.sweep.ahead import Ahead
from steepest.sweep.baselines import baseline_models, baseline_rows, take_over
from steepest.sweep.clock import Clock, time_left
from steepest.sweep.complete import complete as carry_out
from steepest.sweep.crew import Crew
from steepest.sweep.deadline import Deadline, largest_part
from steepest.sweep.estimate import at_a_time, plan_seconds
from steepest.sweep.expected import expected_runs
from steepest.sweep.machine import cores, with_room
from steepest.sweep.observer import Observer
from steepest.sweep.plan import chosen_rules, finals, refits, taking_part
from steepest.sweep.planned import History, PlannedRun
from steepest.sweep.planner import check_lengths
from steepest.sweep.runner import Runner
from steepest.sweep.setup import Setup
from steepest.sweep.sites import site_of
from steepest.sweep.tracking import tracked
from steepest.sweep.wanted import NOTHING_GIVEN, Objects
from steepest.train.smaller import what_is_left, without_neurons
from steepest.train.weights import as_precise
from steepest.wording import counted


def open_data(experiment: Experiment) -> Source:
    """Return the experiment's data.

    Raises:
        OptionError: the experiment was made from a frame in memory, or names no target.
    """
    options = experiment.data.model_dump(exclude_unset=True)
    if experiment.plan is not None and experiment.data.split_rule.several:
        options.pop("test", None)  # a folder's file has every default, and folds have no share
    source = options.pop("source", None)
    if source is None:
        raise OptionError(
            "the experiment names no data: [data] has no source",
            hint='add source = "table.csv"; a comparison of a frame in memory can only be continued in Python.',
        )
    opened = open_source(source, **{**options, **implied(experiment.models, options)})
    _ = opened.target
    return opened


def complete(
    experiment: Experiment,
    source: Source,
    folder: Folder,
    observer: Observer,
    given: Objects = NOTHING_GIVEN,
    *,
    yes: bool = False,
    earlier: Folder | None = None,
    alone: bool = False,
) -> Comparison:
    """Run what the folder lacks and write everything; return the comparison.

    Args:
        experiment: the configuration.
        source: the data.
        folder: where to.
        observer: who is told.
        given: what was given as Python objects instead of texts.
        yes: begin however many runs there are.
        earlier: of another comparison, whose fitted baselines are taken over where they are those of this one.
        alone: leave out arms that the folder has and that are not asked for; their runs are kept.

    Raises:
        FolderError: the folder belongs to other data, was begun by an earlier version of steepest, with another
            version of torch or on another device, is in use by another process, or cannot be written.
        SteepestError: the data, an option or the model cannot be used; then nothing was written.
    """
    forks.check()
    started = time.perf_counter()
    folder.check_format()
    with folder.finding_code(), holding():
        if not alone:
            experiment, given = joined(folder, experiment, given, observer, source)
        experiment, source = with_tuning_rows(folder, experiment, source, given, observer)
        experiment, given = with_controls(folder, experiment, source, given, observer)
        settings = decide(experiment, source, given, observer)
        check_folder(folder, experiment, settings.dataset, settings.timed_cells, settings.codes.libraries)
        with folder.held():
            return _carry_out(experiment, folder, observer, settings, started, yes=yes, earlier=earlier)


def _carry_out(
    experiment: Experiment,
    folder: Folder,
    observer: Observer,
    settings: Settings,
    started: float,
    *,
    yes: bool,
    earlier: Folder | None,
) -> Comparison:
    """Do what :func:`complete` says, in a folder that no other process is working in."""
    began = check_folder(
        folder, experiment, settings.dataset, settings.timed_cells, settings.codes.libraries
    )  # another may have begun it
    settings = settings.measured(began, observer)
    fits = Baselines(folder, settings, settings.judging.metrics, observer)
    outlook = Outlook.of(settings, started, fits.to_come())
    outlook.check()
    if not yes:
        check_number(settings, folder.history())
    _write_experiment(folder, as_recorded(folder, experiment, settings.codes.watching), settings)
    folder.begin(settings.dataset.fingerprint, settings.dataset.name)
    for of, code in settings.codes.kept():
        folder.keep_code(of, code.name, code.digest, code.sources)
    if earlier is not None:
        take_over(earlier, folder)

    dataset, metrics = settings.dataset, settings.judging.metrics
    runner = Runner(
        settings.datasets,
        folder,
        metrics,
        tracked(observer, experiment.execution.track, folder.path),
        settings.plan.device,
        cells=settings.plan.cells,
        programs=settings.programs,
        watch=experiment.protocol.watch,
        keep_path=KeepPath.read(experiment.protocol.keep_path),
    )
    for line in rows_text(settings.plan.cells, settings.arms):
        observer.say(line)
    if late := outlook.warning:
        observer.say(f"warning: {late}")
    asked, cells = experiment.execution.workers, settings.plan.cells.values()
    site = site_of(asked, folder.path / WORKERS, max((each.threads for each in cells), default=1))
    with Crew(with_room(cores() - 1), site) as crew:
        runner.meanwhile = lambda: crew.hear(wait=False)  # workers that are done get something to do
        settings, setup, why = _decided(
            experiment, folder, observer, settings, started, runner, fits, crew, outlook
        )
        clock = Clock.of(experiment.protocol, started)
        left = time_left(clock)
        deadline = None if left is None else Deadline(left)
        part = setup if deadline is None else deadline.part(setup, runner.cells, folder.history())
        if part is not None and (lacking := left_out(setup, part)):
            observer.say(f"warning: the time budget is expected to leave out {listed(lacking)}")
        history = carry_out(runner, setup, crew, asked, fits.expected, deadline)
    whole, minutes = setup, experiment.protocol.minutes
    used = "" if left is None else time_used(minutes or 0.0, clock.gone, left())
    setup, late = _in_time(whole, runner, history, minutes, used)
    if late:
        observer.say(f"warning: {late}")
    fitted = fits.on_test_sets()
    observer.stage("writing the report")
    history = taking_part(setup, history)
    evidence = Evidence(
        setup, history, chosen_rules(setup, history), fitted, metrics, *settings.test_sets, dataset.held_out
    )
    decided = [
        ("length", f"{why}: {steps_of(setup)}"),
        ("batch size", settings.how_batch),
        *settings.judging.decided,
        *[("callbacks", ", ".join(each.name for each in own)) for own in [settings.arms[0].callbacks] if own],
    ]
    decided += [("left out", late)] if late else []
    fits.save(fitted)
    findings, network = _findings(runner, settings, evidence, decided)
    summary = summarize(experiment, dataset, evidence, findings, settings.plan)
    built = evidence.winner.recipe.model if findings.predicted is not None else None
    notes = [*dataset.notes, *([Note("warning", late)] if late else [])]
    notes += emptied(findings.network_sizes, settings.arms, notes, observer)
    asked = {"runs": [f"{recipe}-{seed}" for recipe, seed in history], "experiment": identity(folder)}
    lost = arms_left_out(whole, setup, minutes)
    comparison = worded(summary, notes, folder.path, built, lost).model_copy(update=asked)
    _write_test_predictions(folder, comparison, settings, evidence, runner, network)
    write_results(folder, comparison)
    return comparison


def _in_time(
    setup: Setup, runner: Runner, history: History, minutes: float | None, used: str
) -> tuple[Setup, str]:
    """Return what of a comparison is complete, and what a time budget, used as is said, has left out, if it has.

    Raises:
        OptionError: no arm is complete.
    """
    part = setup if minutes is None else largest_part(setup, runner.cells, history, 0.0)
    again = command("resume", runner.folder.path)
    if part is None:
        raise OptionError(
            f"{used}, and no arm is complete",
            hint=f"`{again} --minutes N` goes on with the {counted(len(history), 'run')} that are kept.",
        )
    lacking = left_out(setup, part)
    if not lacking:
        return part, ""
    text = f"{used}, which leaves out {listed(lacking)}"
    return part, f"{text}; `{again}` goes on for as long again, `{again} --minutes N` for longer."


def _decided(
    experiment: Experiment,
    folder: Folder,
    observer: Observer,
    settings: Settings,
    started: float,
    runner: Runner,
    fits: Baselines,
    crew: Crew,
    outlook: Outlook,
) -> tuple[Settings, Setup, str]:
    """Decide whose steps are compiled and how long the runs are, while baselines are fitted; return that, and why."""
    beside = usually_together(settings, folder.history())
    if beside:
        fits.begin(crew)
    compile_ahead(settings, Ahead(crew, with_room(cores())))
    if not beside:
        fits.on_test_sets()
    settings = settle(settings, runner, started, lambda: fits.expected() / max(crew.most, 1))
    settings = of_length(settings, outlook.noted(settings.length, settings.setup(settings.length)))
    length, protocol = settings.length, experiment.protocol
    _write_experiment(folder, as_recorded(folder, experiment, settings.codes.watching), settings)
    for line in steps_text(settings.plan.cells, settings.arms):
        observer.say(line)
    check_lengths(setup := settings.setup(length))
    late = outgrown(settings, folder.history(), time.perf_counter() - started)
    why = "; ".join(each for each in (length.why, late) if each)
    observer.say(f"length {why}: {steps_of(setup)} of {settings.how_batch}")
    for precision in sorted({arm.recipe.precision for arm in setup.arms} - {"float32"}):
        what = "weights and training" if precision == "float64" else "matrix products in training"
        observer.say(f"       {what}: {precision}")
    for line in callbacks_text(settings.arms[0].callbacks):
        observer.say(line)
    if short := shortness(setup, protocol, settings.plan):
        observer.say(f"warning: {short}")
    history, besides = folder.history(), fits.expected()
    watching = settings.codes.watching
    coming: set[Phase] = {each.phase for each in expected_runs(setup, history)}
    _write_experiment(folder, to_be_recorded(folder, experiment, coming, observer, watching), settings)
    asked = experiment.execution.workers
    left = plan_seconds(setup, settings.plan.cells, history, besides, asked)
    how_long = f"{about(settings)} {duration(left)}" if left else "nothing left to run"
    together = at_a_time(setup, settings.plan.cells, history, asked, besides)
    observer.say(f"plan   {plan_text(setup, history, together)}, {how_long}")
    return settings, setup, why


def _write_experiment(folder: Folder, experiment: Experiment, settings: Settings) -> None:
    stored = with_whole_paths(experiment.model_copy(update={"plan": settings.plan}))
    folder.write("experiment.toml", experiment_toml(stored))


def _write_test_predictions(
    folder: Folder,
    comparison: Comparison,
    settings: Settings,
    evidence: Evidence,
    runner: Runner,
    network: TrainedModel | None,
) -> None:
    """Keep what the recommended model predicts for the test rows, with their numbers and targets.

    With several test sets each row is predicted by the model that was trained without it.
    """
    frames: list[pl.DataFrame] = []
    arm, source = evidence.winner, settings.datasets.source
    if network is None and comparison.saved_model == "model":
        folder.remove(TEST_PREDICTIONS)
        return
    for fold, fingerprint in enumerate(arm.folds):
        model, dataset = network, settings.datasets[fingerprint]
        if comparison.saved_model != "model":
            if evidence.setup.folds > 1:
                continue
            model = TrainedModel.load(folder.path / comparison.saved_model)
            dataset = settings.datasets.first
        elif evidence.setup.folds > 1 and (run := best_run(evidence, arm, fold)):
            model = _network(runner, settings, evidence, run)
        if model is None:
            continue
        rows = len(dataset.test)
        outputs = outputs_on(model.net, dataset.test, target_of(dataset))
        predicted = model.table_of(outputs, torch.arange(rows), rows)
        known = source.test_rows
        if "fold" in known.columns:
            known = known.filter(pl.col("fold") == fold)
        frames.append(known.hstack(predicted))
    if not frames:
        folder.remove(TEST_PREDICTIONS)
        return
    buffer = io.BytesIO()
    pl.concat(frames).write_parquet(buffer)
    folder.write(TEST_PREDICTIONS, buffer.getvalue())


def _findings(
    runner: Runner, settings: Settings, evidence: Evidence, decided: list[tuple[str, str]]
) -> tuple[Findings, TrainedModel | None]:
    """Save the best network of each arm and return that of the winner, if there is one, beside the summary's needs."""
    setup, winner = evidence.setup, evidence.winner
    runs = {arm.id: finals(setup, arm, evidence.chosen) for arm in setup.arms}
    network: TrainedModel | None = None
    networks: dict[str, torch.nn.Module] = {}
    sized: dict[str, tuple[str, torch.nn.Module, Shape]] = {}
    for arm in setup.arms:
        run = best_run(evidence, arm, 0)
        if arm is winner and setup.folds > 1:
            [again] = refits(setup, arm, evidence.chosen)
            run = None if evidence.of([again])[0].failed else again
        if (
            run is None
            or (setup.folds > 1 and arm is not winner)
            or (len(setup.arms) == 1 and arm is not winner)
        ):
            continue
        made = _network(runner, settings, evidence, run)
        if arm.recipe.prune:
            decided = [*decided, (f"what is left of {arm.title}", what_is_left(made.net))]
        if any(each.recipe.prune for each in setup.arms):
            sized[arm.title] = f"{run.key.recipe}-{run.key.seed}", made.net, made.about.shape
        if setup.folds == 1:
            networks[arm.title] = made.plain
        if settings.datasets.lacks_rows(run.recipe.data):
            with contextlib.suppress(DataError, PreparationError):  # nor can the model predict this table
                made.recognise(settings.datasets.source.sources)
        if len(setup.arms) > 1:
            made.save(runner.folder.path / ARMS / arm.id, apart=True)
        if arm is winner:
            network = made
            network.save(runner.folder.path / "model")
    outputs, tested = [], []
    for fold, fingerprint in enumerate(winner.folds):
        data = settings.datasets[fingerprint]
        run = best_run(evidence, winner, fold)
        if run is None or network is None:
            continue
        model = network if setup.folds == 1 else _network(runner, settings, evidence, run)
        outputs.append(outputs_on(model.net, data.test, target_of(data)))
        tested.append(data.test)
    weights = [each.weights for each in tested if each.weights is not None]
    predicted = torch.cat(outputs) if outputs else None
    if predicted is not None:
        predicted = target_of(settings.dataset).guess(predicted)

    def by_row(rows: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return rows if settings.dataset.held_out else {}  # which rows they are is no matter of chance

    def rows_of(some: Sequence[PlannedRun]) -> list[dict[str, torch.Tensor] | None]:
        return [by_row(runner.test_rows(run)) if evidence.of([run])[0].test else None for run in some]

    titled = {arm.title: arm for arm in setup.arms}
    optima, fits = optima_and_fits(networks, titled, settings.dataset, setup.seeds[0])
    pictures = None
    if network is not None and len(tested) == 1 == setup.folds:
        rows, data = settings.datasets.source.test_rows, settings.datasets[winner.folds[0]]
        names = rows["file" if "file" in rows.columns else "row"].cast(pl.String).to_list()
        pictures = pictures_of(network.plain, data, outputs[0], names)
    datasets, own = settings.datasets, winner.folds[0]
    comparable = {title: net for title, net in networks.items() if titled[title].folds[0] == own}
    rated = rated_by(
        comparable,
        baseline_models(runner.folder, evidence.fitted[0], datasets[own])
        if own == datasets.first.fingerprint and datasets[own].shape.bounds is not None
        else {},
        winner.title,
        datasets[own],
        datasets.source,
        datasets.pipeline(own),
    )
    found = Findings(
        rows={name: rows_of(some) for name, some in runs.items()},
        baseline_rows={
            each[0].title: [by_row(baseline_rows(runner.folder, one)) for one in each]
            for each in zip(*evidence.fitted, strict=True)
        },
        control_rows={name: rows_of(some) for name, some in evidence.controls.items() if some},
        predicted=predicted,
        truth=torch.cat([each.target for each in tested]) if tested else torch.empty(0),
        weights=torch.cat(weights) if weights else None,
        test_rows=settings.datasets.source.test_rows.height,
        sizes=settings.datasets.sizes(),
        decided=decided,
        optima=optima,
        network_sizes=sizes_of(runner.folder, sized),
        fits=fits,
        pictures=pictures,
        rated=rated,
        texts=texts_of(evidence, networks, settings.datasets, own, runner.observer),
        paths=paths_of(runner.folder, evidence),
        parameters={key: cell.parameters_text for key, cell in settings.timed_cells.items()},
    )
    return found, network


def _network(runner: Runner, settings: Settings, evidence: Evidence, run: PlannedRun) -> TrainedModel:
    """Return the network of a run, ready to predict."""
    arm, data = run.arm, settings.datasets[run.recipe.data]
    weights, model = runner.weights(run), arm.recipe.model
    leaves = bool(arm.recipe.prune) and read_pruning(arm.recipe.prune).unit == "neuron"
    smaller = without_neurons(model, data.shape, weights) if leaves and not arm.model else None
    if smaller is not None:
        model, weights = smaller
    net = build_model(arm.model or model, data.shape, seed=run.key.seed)
    own = "model" in arm.recipe.code
    code = of_network(net) if own else ""
    model = getattr(net, "self_contained", model) if not own else model
    net = finetuned(net, structural_text(arm.recipe.finetune), run.key.seed)
    as_precise(net, weights).load_state_dict(weights)
    about = About(
        model=model,
        shape=data.shape,
        classes=data.classes,
        target=data.target,
        target_scale=data.target_scale,
        trained=trained(evidence, run),
        code=code,
        outputs=outputs_of(net, data.shape) if own else (),
    )
    seen = SeenRows.of(data, seed=run.key.seed)
    return TrainedModel(net, about, settings.datasets.pipeline(run.recipe.data), seen)
