"""The baselines of a comparison, fitted for every test set, and for the saved models where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from steepest.components import grammar
from steepest.data.dataset import Dataset
from steepest.data.variants import Variant
from steepest.evaluate.baselines import NONE, baseline_names, is_network, title_of
from steepest.evaluate.baselines.base import bases_of, with_bases
from steepest.experiment.settings import Settings
from steepest.models import baselines_of
from steepest.record.schema import BaselineRecord
from steepest.record.store import Folder
from steepest.sweep.baselines import FitJob, Fitting, budget_within, save_baselines
from steepest.sweep.crew import Crew, Reply
from steepest.sweep.defaults import class_weights
from steepest.sweep.observer import Observer

MANY_VALUES = 500_000
"""With so many values in the training rows, the baselines together take as long as their budget, about."""


@dataclass
class Baselines:
    """Fits the baselines of a comparison on the experiment's own data.

    Attributes:
        folder: where the fits are kept.
        settings: has the data.
        metrics: names of the test metrics.
        observer: who is told.
    """

    folder: Folder
    settings: Settings
    metrics: tuple[str, ...]
    observer: Observer
    _going: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])

    def begin(self, crew: Crew) -> None:
        """Let other processes fit those that the folder lacks, or do it here where they cannot."""
        datasets = self.settings.datasets
        for fold in range(datasets.sets):
            data = self._data(fold)
            how = self._fitting(data)
            lacking = how.lacking(self.folder, data)
            if lacking and fold == 0 and datasets.sets > 1:
                self.observer.stage(self._title)
            for name in lacking:
                if how.device != "cpu" and is_network(name):
                    continue  # the device is that of the runs
                if datasets.sets == 1:
                    self.observer.stage(f"baseline: {title_of(name, data.task)}")
                self._going.add((fold, name))
                job = FitJob(how, name)
                crew.put(job, data.fingerprint, data, partial(self._heard, fold, job))

    def expected(self) -> float:
        """Return the seconds that those which were begun and are not done will take, about."""
        going = [self._data(fold) for fold in {fold for fold, _ in self._going}]
        return sum(self._about(each) for each in going)

    def to_come(self) -> float:
        """Return the seconds that those which the folder lacks will take, about."""
        return sum(self._about(data) for how, data in self._sets() if how.lacking(self.folder, data))

    def on_test_sets(self) -> list[list[BaselineRecord]]:
        """Return the record of each baseline on each test set."""
        several = self.settings.datasets.sets > 1
        if several and any(how.lacking(self.folder, data) for how, data in self._sets()):
            self.observer.stage(self._title)
        return [self._on(how, data, announced=several) for how, data in self._sets()]

    def save(self, fitted: Sequence[Sequence[BaselineRecord]]) -> None:
        """Save the baselines as models; those of several test sets are fitted on the rows of the saved model."""
        datasets = self.settings.datasets
        if datasets.sets == 1:
            data = datasets.first
            save_baselines(self.folder, fitted[0], data, datasets.pipeline(data.fingerprint))
            return
        name = datasets.fingerprint(Variant(), None)
        data = datasets[name]
        self.observer.stage("baselines on all rows, for the saved models")
        judged = replace(data, test=data.validation)  # it has no test rows, and a fit is judged on some
        again = [each[0].name for each in zip(*fitted, strict=True) if each[0].saved] or [NONE]
        refitted = self._on(self._fitting(judged, again, 1), judged, announced=True)
        records = [each.model_copy(update={"test": {}}) for each in refitted]
        save_baselines(self.folder, records, data, datasets.pipeline(name))

    def _about(self, data: Dataset) -> float:
        """Return the seconds that the baselines on a test set take together, about."""
        how, rows = self._fitting(data), len(data.test) + len(data.validation)
        looks = sum(self._look(name) for name in how.names if is_network(name)) / max(1, len(data.validation))
        return min(1.0, _values(data) / MANY_VALUES) * how.budget + looks * rows

    def _look(self, name: str) -> float:
        """Return the seconds in which a run evaluates the network that a baseline is."""
        model = grammar.parse(name).options.get("model")
        cells = {arm.cell for arm in self.settings.arms if arm.recipe.model == model}
        times = [self.settings.plan.cells[each].timings for each in cells if each in self.settings.plan.cells]
        return max((each.seconds_an_evaluation or 0.0 for each in times), default=0.0)

    def _data(self, fold: int) -> Dataset:
        datasets = self.settings.datasets
        return datasets[datasets.fingerprint(Variant(), fold)]

    def _sets(self) -> list[tuple[Fitting, Dataset]]:
        sets = map(self._data, range(self.settings.datasets.sets))
        return [(self._fitting(data), data) for data in sets]

    def _fitting(self, data: Dataset, asked: Sequence[str] = (), sets: int | None = None) -> Fitting:
        protocol = self.settings.experiment.protocol
        weights = class_weights(data, protocol.class_weights)
        named = with_bases(protocol.baseline, self._models())
        return Fitting(
            names=tuple(baseline_names(data, asked or named or self._suited(data))),
            metrics=self.metrics,
            class_weights=None if weights is None else tuple(weights),
            seed=protocol.seed,
            threads=max(each.threads for each in self.settings.plan.cells.values()),
            budget=budget_within(protocol.minutes) / (sets or self.settings.datasets.sets),
            device=self.settings.plan.device,
        )

    def _on(self, how: Fitting, data: Dataset, *, announced: bool) -> list[BaselineRecord]:
        return how.records(
            self.folder, data, lambda title: None if announced else self.observer.stage(f"baseline: {title}")
        )

    def _heard(self, fold: int, job: FitJob, reply: Reply) -> None:
        data = self._data(fold)
        if reply.kind == "finished":
            job.how.keep(reply.about, self.folder, data)
        elif reply.kind in ("failed", "gone"):  # here it can be seen why
            if reply.kind == "gone":
                title = title_of(job.name, data.task)
                self.observer.say(
                    f"warning: a worker process ended {reply.about}; {title} is fitted in this process"
                )
            job.how.keep(job.how.fit(job.name, data), self.folder, data)
        if reply.kind in ("finished", "failed", "gone"):
            self._going.discard((fold, job.name))

    @property
    def _title(self) -> str:
        return f"baselines on {self.settings.datasets.sets} test sets"

    def _suited(self, data: Dataset) -> list[str]:
        """Return the baselines that serve the data, those that models declare as theirs with their options."""
        own = baselines_of(arm.model or arm.recipe.model for arm in self.settings.arms)
        names = {grammar.parse(each).name for each in own}
        bases = bases_of(self._models())
        return [*(each for each in baseline_names(data) if each not in names), *own, *bases]

    def _models(self) -> list[tuple[str, str]]:
        """Return the models of the arms that are named by texts, each with its way of fine-tuning."""
        return [(arm.recipe.model, arm.recipe.finetune) for arm in self.settings.arms if not arm.model]


def _values(data: Dataset) -> float:
    return len(data.train) * data.train.row_bytes / 4
