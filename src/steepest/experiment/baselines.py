"""The baselines of a comparison, fitted for every test set, and for the saved models where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from steepest.components import grammar
from steepest.data.dataset import Dataset
from steepest.data.variants import Variant
from steepest.evaluate.baselines import NONE, baseline_names
from steepest.experiment.settings import Settings
from steepest.models import baselines_of
from steepest.record.schema import BaselineRecord
from steepest.record.store import Folder
from steepest.sweep.baselines import budget_within, complete_baselines, save_baselines
from steepest.sweep.defaults import class_weights
from steepest.sweep.observer import Observer


@dataclass(frozen=True)
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

    def on_test_sets(self) -> list[list[BaselineRecord]]:
        """Return the record of each baseline on each test set."""
        datasets = self.settings.datasets
        title = f"baselines on {datasets.sets} test sets" if datasets.sets > 1 else ""
        if title:
            self.observer.stage(title)
        return [
            self._on(
                datasets[datasets.fingerprint(Variant(), fold)], sets=datasets.sets, together=bool(title)
            )
            for fold in range(datasets.sets)
        ]

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
        refitted = self._on(judged, sets=1, together=True, asked=again)
        records = [each.model_copy(update={"test": {}}) for each in refitted]
        save_baselines(self.folder, records, data, datasets.pipeline(name))

    def _on(
        self, data: Dataset, *, sets: int, together: bool = False, asked: Sequence[str] = ()
    ) -> list[BaselineRecord]:
        protocol = self.settings.experiment.protocol
        return complete_baselines(
            self.folder,
            data,
            metrics=self.metrics,
            class_weights=class_weights(data, protocol.class_weights),
            seed=protocol.seed,
            observer=self.observer,
            announced=together,
            asked=asked or protocol.baseline or self._suited(data),
            threads=max(each.threads for each in self.settings.plan.cells.values()),
            budget=budget_within(protocol.minutes) / sets,
        )

    def _suited(self, data: Dataset) -> list[str]:
        """Return the baselines that serve the data, those that models declare as theirs with their options."""
        own = baselines_of(arm.model or arm.recipe.model for arm in self.settings.arms)
        names = {grammar.parse(each).name for each in own}
        return [*(each for each in baseline_names(data) if each not in names), *own]
