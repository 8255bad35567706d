"""The public functions: plan a comparison, run it, and use its result."""

from __future__ import annotations

import html
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from steepest import forks
from steepest.compare.effects import Factorial
from steepest.compare.estimates import Difference
from steepest.compare.lookup import difference_of
from steepest.compare.result import Comparison
from steepest.components import grammar
from steepest.components.held import holding
from steepest.data.catalog import is_name
from steepest.data.sources.contract import Source
from steepest.errors import FolderError, OptionError
from steepest.experiment.budget import with_minutes
from steepest.experiment.folder import load_comparison
from steepest.experiment.given import (
    Arm,
    arms_of,
    given_callbacks,
    given_models,
    models_of,
    opened,
    own_models,
    place_value,
    text_of,
    with_default_model,
)
from steepest.experiment.preview import Preview, preview
from steepest.experiment.reached import reaching
from steepest.experiment.run import complete, open_data
from steepest.models import ModelBuilder
from steepest.prediction.about import built_from
from steepest.prediction.model import TrainedModel
from steepest.recipe import (
    CLEARER_NAMES,
    SUBJECTS,
    Experiment,
    load_tree,
    validate_experiment,
    varying,
    with_workers,
)
from steepest.record.arms import find_arm
from steepest.record.store import Folder
from steepest.sweep.contestants import contestants, tune_texts
from steepest.sweep.labels import is_factorial
from steepest.sweep.observer import Observer
from steepest.sweep.unused import check_used
from steepest.sweep.wanted import NOTHING_GIVEN, Objects, Wanted, callable_name, texts_of, wanted_arms
from steepest.train.callback import Callback
from steepest.wording import counted, plain_text


def plan(
    data: Source | Any,
    *,
    target: str | None = None,
    optimizers: Sequence[Any] | str | None = None,
    model: str | ModelBuilder | Sequence[str | ModelBuilder] | None = None,
    arms: Sequence[Arm] | None = None,
    name: str | None = None,
    callbacks: Sequence[Callback | str] = (),
    **options: Any,
) -> Plan:
    """Return a plan: a complete comparison that has not run yet.

    Args:
        data: a table from :func:`read_table`, or anything that it accepts (then together with ``target``).
        target: the column to predict, if ``data`` is not a table yet; a data set of the catalog has one.
        optimizers: names, specifications (``"quickprop(max_growth=1.5)"``) or groups (``"classic"``); also
            ``torch.optim.Optimizer`` classes, rules from :func:`steepest.rule`, and :func:`steepest.tune`.
        model: a specification, a reference (``"nets.py:MyNet"``), or a callable that takes the dataset's
            :class:`~steepest.data.dataset.Shape` and returns an ``nn.Module``; a list compares several.
        arms: a list of arms, instead of all combinations of the values of options.
        name: the experiment's name.
        callbacks: objects derived from :class:`steepest.Callback`, or texts such as ``"mine.py:Plateau(patience=3)"``.
        options: any option of the protocol or the model: ``metric``, ``positive``, ``seeds``, ``seed``, ``epochs``,
            ``batch_size``, ``schedule``, ``learning_rates``, ``class_weights``, ``baseline``, ``clip``, ``hidden``,
            ``dropout``, ``embedding``; or of the execution: ``device``, ``threads``, ``embedding_rows``, ``compile``.
            Several values of ``loss``, ``schedule``, ``batch_size``, ``precision``, ``train_rows``, ``labels`` or
            ``procedure`` as a list are compared, in all combinations. Where ``data`` is not open yet, those of
            :func:`read_table`, such as ``split`` or ``prepare``.

    Raises:
        OptionError: an option does not exist or a value is not allowed.

    Example:
        >>> from steepest.data.table import read_table
        >>> data = read_table({"x": [0.5, 0.1, 0.3] * 40, "y": ["a", "b", "a"] * 40}, target="y")
        >>> plan(data, optimizers=["adam(lr=0.01)"], seeds=2, epochs=1).experiment.protocol.seeds
        2
    """
    table = opened(data, target, options, models_of(model, arms))
    tree: dict[str, Any] = {"data": {}, "model": {}, "protocol": {}, "factors": {}}
    asked = [CLEARER_NAMES.get(key, key) for key in options]
    objects: dict[str, Any] = {}
    for key, value in zip(asked, options.values(), strict=True):
        if asked.count(key) > 1:
            names = " and ".join(each for each in options if CLEARER_NAMES.get(each, each) == key)
            raise OptionError(f"{names} are the same option", hint="give one of the two.")
        place_value(tree, key, value)
    tree["data"] = table.options.model_dump()
    builder = model if callable(model) else None
    if isinstance(model, list | tuple):
        place_value(tree, "model", [text_of(each, callable_name, objects) for each in model])
    elif isinstance(model, str):
        tree["model"]["model"] = model
    given = grammar.split(optimizers) if isinstance(optimizers, str) else list(optimizers or ["default"])
    tree["optimizers"] = given
    if not all(isinstance(each, str) for each in given):
        who = contestants(given)
        tree["optimizers"] = [each.name for each in who]
        protocol = tree.setdefault("protocol", {})
        more = protocol.get("tune", ())
        protocol["tune"] = [*tune_texts(who), *([more] if isinstance(more, str) else more)]
    if arms is not None:
        if optimizers is not None:
            raise OptionError("optimizers and arms are both given", hint="give each arm its optimizer.")
        tree["arms"] = [each.options(objects) for each in arms_of(arms)]
    source = table.options.source
    tree["name"] = name or (Path(source).name.split(".")[0] if source else "table")
    texts, own = given_callbacks(callbacks)
    if texts:
        tree["protocol"]["callbacks"] = texts
    objects_given = Objects(tuple(given) if arms is None else None, builder, objects, own)
    made = Plan(table, with_default_model(validate_experiment(tree), table, objects_given), objects_given)
    check_used(made.experiment, asked, made.arms)
    return made


def compare(
    data: Source | Any, out: str | Path | None = None, *, yes: bool = False, **options: Any
) -> Result:
    """Plan and run a comparison: :func:`plan` followed by :meth:`Plan.run`.

    Args:
        data: as for :func:`plan`.
        out: the folder (default: ``runs/NAME``).
        yes: as for :meth:`Plan.run`.
        options: as for :func:`plan`.
    """
    return plan(data, **options).run(out, yes=yes)


def load(
    folder: str | Path,
    *,
    model: str | ModelBuilder | None = None,
    arm: str | None = None,
    source: str | None = None,
) -> TrainedModel:
    """Return the model that a comparison recommends, ready to predict from raw rows.

    This is the best network, or a baseline that is ahead of it by a detectable difference.

    Args:
        folder: the folder of a comparison, or of one of its models: ``RUN/model`` (the best network) or
            ``RUN/baselines/NAME``.
        model: the user's own model again, if the network is to be loaded and was built by it.
        arm: the name, label or id of an arm of the comparison, for its network instead of the recommended model.
        source: the source of the user's own, again, if the data was opened by one.

    Raises:
        FolderError: there is no model in it.
        ModelError: the user's own model is needed and not given, or given and not what is loaded; or no network of the
            arm is kept.
        OptionError: the comparison has no such arm.
    """
    return TrainedModel.load(folder, model=model, arm=arm, source=source)


@dataclass(frozen=True)
class Plan:
    """A comparison that can be run.

    Attributes:
        table: the data.
        experiment: the complete configuration.
        given: what was given as Python objects instead of texts.
    """

    table: Source
    experiment: Experiment
    given: Objects = NOTHING_GIVEN

    @property
    def arms(self) -> tuple[Wanted, ...]:
        """The arms of the comparison."""
        return wanted_arms(self.experiment, self.given)

    def preview(self, out: str | Path | None = None, *, observer: Observer | None = None) -> Preview:
        """Return the planned runs and their expected time, from some timed steps; nothing is trained or written.

        Args:
            out: as for :meth:`run`; finished runs in the folder are not repeated.
            observer: receives messages about automatic choices (default: none).

        Raises:
            FolderError: the folder belongs to another experiment.
        """
        return preview(self.experiment, self.table, self._folder(out), observer or Observer(), self.given)

    def run(
        self,
        out: str | Path | None = None,
        *,
        observer: Observer | None = None,
        yes: bool = False,
        earlier: str | Path | None = None,
    ) -> Result:
        """Make every run that the folder lacks, and write results, models and report.

        Args:
            out: the folder (default: ``runs/NAME``). Runs that it already has are kept.
            observer: receives the progress (default: a progress bar on the terminal).
            yes: make more than 1,000 runs without an error.
            earlier: the folder of another comparison; its fitted baselines are taken over where data and settings are
                the same.

        Raises:
            OptionError: there are more than 1,000 runs to make, and ``yes`` is not given.
            FolderError: the folder belongs to another experiment or cannot be written.
            DataError: the table came through a pipe, so that an interrupted comparison could not be resumed.
        """
        folder = self._folder(out)
        with holding():
            if observer is None:
                from steepest.report.console import ProgressObserver

                with ProgressObserver() as shown:
                    comparison = self._complete(folder, shown, yes, earlier)
            else:
                comparison = self._complete(folder, observer, yes, earlier)
            return Result(folder, comparison, own_models(self.arms))

    def _folder(self, out: str | Path | None) -> Folder:
        return Folder(out or Path("runs") / self.experiment.name)

    def _complete(
        self, folder: Folder, observer: Observer, yes: bool, earlier: str | Path | None
    ) -> Comparison:
        self.table.check_lasting()
        before = None if earlier is None else Folder.open(earlier)
        return complete(self.experiment, self.table, folder, observer, self.given, yes=yes, earlier=before)

    def __str__(self) -> str:
        arms = self.arms
        texts = [texts_of(arm) for arm in arms]
        factors = varying(texts)
        what = ", ".join(dict.fromkeys(arm.name or arm.optimizer.name for arm in arms))
        if set(factors) - {"optimizer"}:
            counts = (counted(len({each[name] for each in texts}), *SUBJECTS[name]) for name in factors)
            how = " × ".join(counts) if is_factorial(texts, factors) else what
            what = f"{counted(len(arms), 'arm')} ({how})"
        protocol = self.experiment.protocol
        length = (
            "as many epochs as a pilot finds"
            if protocol.epochs is None
            else counted(protocol.epochs, "epoch")
        )
        source = self.experiment.data.source or "a frame"
        schedule = "" if "schedule" in factors else f", {arms[0].schedule} schedule"
        return f"compare {what} on {source}: {counted(protocol.seeds, 'seed')}, {length}{schedule}"

    def __repr__(self) -> str:
        return f"Plan({self})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>"


@dataclass(frozen=True)
class Result:
    """The result of a comparison.

    Attributes:
        folder: the folder with all files.
        comparison: the result as plain data.
        models: the user's own models, by their texts in the configuration, where the result is of a comparison that was
            just run with them.
    """

    folder: Folder
    comparison: Comparison
    models: Mapping[str, str | ModelBuilder] = field(default_factory=dict[str, str | ModelBuilder])

    @classmethod
    def load(cls, folder: str | Path) -> Result:
        """Return the result in an experiment's folder.

        Raises:
            FolderError: the folder contains no finished comparison.
        """
        opened = Folder.open(folder)
        return cls(opened, load_comparison(opened))

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def sentence(self) -> str:
        """The headline: which model to use, by how much it is better, and whether the optimizer matters."""
        return self.comparison.sentence

    @property
    def table(self) -> pl.DataFrame:
        """One row per arm (of optimizers also at their defaults) and per baseline, as in ``results.csv``."""
        forks.check()
        return pl.read_csv(self.folder.path / "results.csv", infer_schema_length=None)

    @property
    def arms(self) -> pl.DataFrame:
        """One row per arm: its id, its title, and its value of every factor.

        Empty in folders of earlier formats.
        """
        forks.check()
        factors = list(dict.fromkeys(name for arm in self.comparison.arms for name in arm.factors))
        rows = [
            {"id": arm.id, "title": arm.title, **{name: arm.factors.get(name, "") for name in factors}}
            for arm in self.comparison.arms
        ]
        return pl.DataFrame(rows, schema=dict.fromkeys(["id", "title", *factors], pl.String))

    @property
    def effects(self) -> Factorial | None:
        """The main effect of every factor on the deciding metric with its interval, and the interactions.

        None where the arms are not all combinations of the values of at least two factors, or a seed is too few; where
        several factors vary, a warning of the report says why.
        """
        return self.comparison.factorial

    @property
    def by_user(self) -> pl.DataFrame:
        """Of ratings, a row per arm and baseline: errors as means over users, NDCG and recall; else no rows."""
        rated = self.comparison.rated
        return pl.DataFrame([each.model_dump() for each in rated.scores] if rated else [])

    @property
    def best(self) -> TrainedModel:
        """The recommended model: the winner's seed with the best validation metric, or a baseline."""
        network = built_from(self.folder.path) if self.comparison.saved_model == "model" else None
        return load(self.folder.path, model=self.models.get(network or ""))

    def arm(self, name: str, *, model: str | ModelBuilder | None = None) -> TrainedModel:
        """Return the network of an arm: that of its seed with the best validation metric.

        Args:
            name: the arm's name, label or id.
            model: the user's own model again, as for :func:`load`; not needed for the result of :meth:`Plan.run`.

        Raises:
            OptionError: the comparison has no such arm.
            ModelError: no network of it is kept, or the user's own model is needed and not given.
        """
        entry = find_arm(name, self.comparison.arms) if self.comparison.arms else None
        known = None if entry is None else self.models.get(entry.factors.get("model", ""))
        return load(self.folder.path, arm=name if entry is None else entry.id, model=model or known)

    def embedding(self, field: str) -> pl.DataFrame:
        """Return the vectors that the best network has learned for a field, see :meth:`TrainedModel.embedding`."""
        own = self.models.get(built_from(self.folder.path) or "")
        return load(self.folder.path / "model", model=own).embedding(field)

    @property
    def report(self) -> Path:
        """The report's file."""
        return self.folder.path / "report.html"

    def reached(self, reach: float | str | None = None) -> pl.DataFrame:
        """Return how soon the arms reach a value of a metric on the validation rows.

        One row per arm: how many of its ``runs`` with the chosen setting ``reached`` it; ``step``, ``epoch``,
        ``gradients`` and ``seconds`` of training of the median run, empty unless more than half did (of the seconds, of
        the ``timed`` runs that were made while no other was); and its ``best`` value.

        Args:
            reach: the value, of the deciding metric, or as ``"accuracy=0.95"``; by default the one of the report.

        Raises:
            OptionError: runs are not evaluated by the metric, or it has no such value.
            FolderError: the results are of an earlier version.
        """
        forks.check()
        found = self.comparison if reach is None else reaching(self.folder, self.comparison, reach)
        arms = [] if found.reached is None else found.reached.arms
        return pl.DataFrame([each.model_dump() for each in arms], infer_schema_length=None)

    def difference(self, first: str, second: str, metric: str | None = None) -> Difference:
        """Return ``first - second`` on a test metric with its 95 % interval and corrected p-value.

        For the deciding metric, the interval accounts for seed and test-row variation, and the p-value is corrected for
        all pairs of arms, or for every arm against every baseline. For other metrics that the report does not show, the
        interval is over seeds (or test sets) alone, without correction; against a baseline there is none.

        Args:
            first: title of an arm in the table (an optimizer's name), its label or its id; or the name of a baseline.
            second: that of another.
            metric: by default the deciding one; with two classes, ``f1`` is that of the positive class.

        Raises:
            UnknownNameError: a name or the metric is not in the table.
        """
        return difference_of(self.comparison, first, second, metric)

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from steepest.report.text import comparison_table

        yield comparison_table(self.comparison, options.max_width)

    def __str__(self) -> str:
        return plain_text(self, shutil.get_terminal_size(fallback=(100, 24)).columns)

    def __repr__(self) -> str:
        return f"Result({self.folder.path.as_posix()!r}): {self.comparison.sentence}"

    def _repr_html_(self) -> str:
        from steepest.report.results import as_html

        return f"<p>{html.escape(self.comparison.sentence)}</p>{as_html(self.comparison)}"


def resume(
    folder: str | Path,
    *,
    observer: Observer,
    model: ModelBuilder | Sequence[ModelBuilder] | None = None,
    callbacks: Sequence[Callback] = (),
    minutes: float | None = None,
    workers: int | str | None = None,
) -> Result:
    """Go on with the comparison in a folder: what is done is kept, what is missing is run.

    Args:
        folder: the folder.
        observer: who is told.
        minutes: the time budget from now on, where there is one (by default as long again); the length of runs stays.
        workers: how many runs are made at a time from now on, or in which cluster; by default as before.
        model: the callable that builds the model, where the comparison was given one; several as a list.
        callbacks: those that the comparison was given.

    Raises:
        FolderError: the folder holds no experiment, or was begun by an earlier version.
        OptionError: its data was a frame in memory, which a folder cannot read again, or it has no time budget.
    """
    opened = Folder.open(folder)
    opened.check_format()
    path = opened.path / "experiment.toml"
    experiment = with_workers(validate_experiment(load_tree(path), where=str(path)), workers)
    if minutes is not None:
        experiment = with_minutes(experiment, minutes)
    source = experiment.data.source
    if source is not None and not _is_there(source):
        raise FolderError(
            f"the data of {opened.path.as_posix()!r} is no longer at {source!r}",
            hint=f"put it back, or write where it is now into {str(path)!r}: source = …",
        )
    source_data = open_data(experiment)
    with opened.finding_code(stored=True), holding():
        given = replace(given_models(model), callbacks=given_callbacks(callbacks)[1])
        comparison = complete(experiment, source_data, opened, observer, given, yes=True)  # agreed before
        return Result(opened, comparison, own_models(wanted_arms(experiment, given)))


def _is_there(path: str) -> bool:
    if is_name(path):
        return True
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a zero byte, no home
        return False
