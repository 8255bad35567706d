"""One data set of a suite: which arms it has, what is stored of them, and what its folder has already."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from steepest.api import Plan, plan
from steepest.compare.across import ArmOnSet, SetResults
from steepest.compare.assemble import shown_metrics
from steepest.components.held import holding
from steepest.data.sources.contract import Source
from steepest.errors import SteepestError
from steepest.experiment.given import Arm
from steepest.experiment.preview import Preview, preview
from steepest.experiment.run import complete
from steepest.experiment.settings import Settings, decide
from steepest.recipe import RunLength
from steepest.record.schema import Outcome, Record
from steepest.record.store import Folder
from steepest.suites.base.identity import code_hash, settings_hash
from steepest.suites.base.sets import training
from steepest.suites.base.stored import StoredArm, StoredSet, StoredSuite
from steepest.suites.base.suite import EXECUTION, Suite, SuiteSet
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import contestant, whole_spec
from steepest.sweep.observer import Observer
from steepest.sweep.plan import finals, tuning
from steepest.sweep.planned import History, identity
from steepest.sweep.setup import Setup
from steepest.sweep.wanted import DEFAULT_ARM_OPTIMIZER
from steepest.wording import counted

DIVERGED: Outcome = "diverged"
TUNING = ("tuning_rates", "tuning_finalists")
"""Options that are refused where nothing is tuned."""


@dataclass(frozen=True)
class SetWork:
    """What is to be done on one data set.

    Attributes:
        chosen: the data set.
        source: its data, opened.
        options: how its arms are trained.
        settings: everything that is decided of all arms.
        arms: those that take part, by their ids, in order.
        mine: the ids of those that the suite is run for.
        refused: of arms that cannot be trained on it, why, by name.
        stored: the stored results that are what would be computed now, by the arms' ids.
        why: why those of the others are not used, by name; empty where none are stored for the set at all.
    """

    chosen: SuiteSet
    source: Source
    options: Mapping[str, Any]
    settings: Settings
    arms: Mapping[str, Arm]
    mine: Sequence[str]
    refused: Mapping[str, str]
    stored: Mapping[str, ArmOnSet] = field(default_factory=dict[str, ArmOnSet])
    why: Mapping[str, str] = field(default_factory=dict[str, str])

    @functools.cached_property
    def setup(self) -> Setup:
        """All arms together, which share the number of trials."""
        return self.settings.setup(RunLength(epochs=float(self.options["epochs"]), why="given"))

    @property
    def fingerprint(self) -> str:
        """Of its data."""
        return self.settings.dataset.fingerprint

    def name_of(self, arm: PlannedArm) -> str:
        """Return what an arm is called on all data sets."""
        return arm.name or arm.method.name

    def lacking(self, history: History) -> list[Arm]:
        """Return the arms that have neither a stored result nor all of their runs in a history."""
        setup = self.setup
        done = {arm.id for arm in setup.arms if arm.id in self.stored or found(setup, arm, history)}
        return [arm for name, arm in self.arms.items() if name not in done]

    @property
    def trained(self) -> list[Arm]:
        """The arms that have no stored result."""
        return [arm for name, arm in self.arms.items() if name not in self.stored]

    def plan(self, arms: Sequence[Arm]) -> Plan:
        """Return a comparison of some arms."""
        return _planned(self.source, arms, {**self.options, "name": self.chosen.name})

    def preview(self, folder: Folder, observer: Observer | None) -> Preview:
        """Return what would be trained in a folder, and how long that takes."""
        made = self.plan(self.trained)
        return preview(made.experiment, made.table, folder, observer or Observer(), made.given, alone=True)

    def train(self, arms: Sequence[Arm], folder: Folder, observer: Observer) -> None:
        """Make the runs of some arms that a folder lacks.

        What else the folder has is kept and takes no part: with another arm, all might get another number of trials.

        Raises:
            SteepestError: an arm cannot be trained.
        """
        made = self.plan(arms)
        complete(made.experiment, made.table, folder, observer, made.given, yes=True, alone=True)

    def results(self, history: History, failed: Mapping[str, str], folder: str) -> SetResults:
        """Return the results on the data set.

        Args:
            history: the finished runs of its folder.
            failed: of arms that could not be trained, why, by name.
            folder: the folder, relative to the page; empty where nothing was trained.
        """
        setup, metric = self.setup, self.settings.judging.metric.name
        arms: list[ArmOnSet] = []
        for arm in setup.arms:
            name, mine = self.name_of(arm), arm.id in self.mine
            here = found(setup, arm, history)
            if here is not None:
                made = here.model_copy(update={"why": self.why.get(name, "")})
            else:
                made = self.stored.get(arm.id) or ArmOnSet(
                    name=name, failed=failed.get(name, "it did not finish")
                )
            arms.append(made.model_copy(update={"name": name, "mine": mine}))
        arms += [ArmOnSet(name=name, mine=True, failed=why) for name, why in self.refused.items()]
        data = self.settings.dataset
        steps = setup.steps(setup.arms[0])
        facts = {
            "rows": " / ".join(f"{len(part):,}" for part in (data.train, data.validation, data.test)),
            "model": self.settings.arms[0].recipe.model,
            "epochs": f"{self.options['epochs']:g}",
            "batch size": str(setup.arms[0].recipe.batch_size),
            "steps": f"{steps:,}",
        }
        what = (
            f"{data.target}, {counted(len(data.classes), 'class', 'classes')}"
            if data.classes
            else data.target
        )
        [shown] = shown_metrics([metric])
        return SetResults(
            name=self.chosen.name,
            what=what,
            own=self.chosen.own,
            metric=shown,
            facts=facts,
            arms=arms,
            folder=folder,
        )

    def to_store(self, history: History, ours: Sequence[str]) -> StoredSet:
        """Return the finished results of some arms, by their names, as they come with the package.

        Those of which a run failed are not among them, unless it diverged, as it would anywhere.
        """
        setup, kept = self.setup, dict[str, StoredArm]()
        for arm in setup.arms:
            name = self.name_of(arm)
            made = found(setup, arm, history) if name in ours else None
            if made is not None and (not made.failed or made.failed.startswith(DIVERGED)):
                kept[name] = StoredArm(
                    optimizer=whole_spec(arm.method.at({})),
                    settings=settings_hash(setup, arm),
                    code=code_hash(arm),
                    found=made,
                )
        return StoredSet(fingerprint=self.fingerprint, arms=kept)


def found(setup: Setup, arm: PlannedArm, history: History) -> ArmOnSet | None:
    """Return what the finished runs of a folder say of an arm; None where some are lacking."""
    tuned = tuning(setup, arm, history)
    if tuned.chosen is None:
        return None
    records: list[Record] = []
    for run in finals(setup, arm, {arm.id: tuned.chosen}):
        record = history.get(identity(run))
        if record is None or not (record.test or record.failed):
            return None
        records.append(record)
    names = dict.fromkeys(name for each in records for name in each.test)
    judged = dict.fromkeys(name for each in records for name in each.best)
    bad = [each for each in records if each.failed]
    names, judged = names or {setup.metric: None}, judged or {setup.metric: None}
    return ArmOnSet(
        name=arm.name or arm.method.name,
        lr=records[0].lr,
        tuned=arm.tuned,
        trials=len(tuned.trials),
        seeds=[each.key.seed for each in records],
        test={
            name: [math.nan if r.failed else r.test.get(name, math.nan) for r in records] for name in names
        },
        validation={
            name: [math.nan if r.failed else r.best.get(name, math.nan) for r in records] for name in judged
        },
        failed=f"{bad[0].outcome} {len(bad)} of {len(records)}: {bad[0].reason}" if bad else "",
    )


def work_on(
    suite: Suite,
    chosen: SuiteSet,
    source: Source,
    mine: Sequence[Arm],
    *,
    stored: StoredSuite | None,
    seeds: int,
    seed: int = 0,
    again: bool = False,
) -> SetWork:
    """Return what is to be done on a data set.

    Args:
        suite: of which it is.
        chosen: the data set.
        source: its data, opened.
        mine: the arms that the suite is run for.
        stored: the results that come with the package, or None.
        seeds, seed: how many run seeds each arm has, and the first.
        again: use no stored result.

    Raises:
        SteepestError: none of the arms can be trained on it; the reason is that of the first.
    """
    options = {**suite.protocol(), **training(chosen.options), **EXECUTION, "seeds": seeds, "seed": seed}
    refused: dict[str, str] = {}
    errors: list[SteepestError] = []
    arms: dict[str, Arm] = {}
    names: list[str] = []
    for arm in mine:
        try:
            [planned] = _decided(source, [arm], options).arms
        except SteepestError as error:
            errors.append(error)
            refused[called(arm)] = error.fact
        else:
            arms.setdefault(planned.id, arm)
            names.append(planned.id)
    if errors and not names:
        raise errors[0]
    ours = [Arm(optimizer=each) for each in suite.optimizers]
    for arm, planned in zip(ours, _decided(source, ours, options).arms, strict=True):
        arms.setdefault(planned.id, arm)
    settings = _decided(source, [*arms.values()], options)
    made = SetWork(chosen, source, options, settings, arms, names, refused)
    return _with_stored(made, stored, seeds) if stored is not None and not (again or chosen.own) else made


def called(arm: Arm) -> str:
    """Return what an arm is called on all data sets.

    Example:
        >>> called(Arm(optimizer="adam(lr=1e-3)")), called(Arm(name="mine"))
        ('adam(lr=0.001)', 'mine')
    """
    return arm.name or contestant(DEFAULT_ARM_OPTIMIZER if arm.optimizer is None else arm.optimizer).name


def _planned(source: Source, arms: Sequence[Arm], options: Mapping[str, Any]) -> Plan:
    """Return a comparison of arms that may have values of their own for what the suite sets for all."""
    shared = {each.name for each in fields(Arm)} & options.keys() - {"name"}
    own = [
        replace(arm, **{name: options[name] for name in shared if getattr(arm, name) is None}) for arm in arms
    ]
    tuned = any(contestant(DEFAULT_ARM_OPTIMIZER if a.optimizer is None else a.optimizer).tuned for a in own)
    without = shared if tuned else {*shared, *TUNING}
    return plan(source, arms=own, **{name: value for name, value in options.items() if name not in without})


def _decided(source: Source, arms: Sequence[Arm], options: Mapping[str, Any]) -> Settings:
    made = _planned(source, arms, options)
    with holding():
        return decide(made.experiment, made.table, made.given, Observer())


def _with_stored(work: SetWork, stored: StoredSuite, seeds: int) -> SetWork:
    """Return this with the stored results that are what would be computed now."""
    setup, usable, why = work.setup, dict[str, ArmOnSet](), dict[str, str]()
    of = stored.sets.get(work.chosen.name)
    for arm in setup.arms:
        name = work.name_of(arm)
        kept = None if of is None else of.arms.get(name)
        if kept is None:
            if of is not None and arm.id not in work.mine:
                why[name] = "no result is stored"
            continue
        reason = stored.why_not(
            work.chosen.name, name, work.fingerprint, settings_hash(setup, arm), code_hash(arm)
        )
        if not reason and len(kept.found.seeds) < seeds:
            reason = f"the stored result has {counted(len(kept.found.seeds), 'seed')}"
        if reason:
            why[name] = reason
            continue
        usable[arm.id] = _first(kept.found, seeds)
    return replace(work, stored=usable, why=why)


def _first(kept: ArmOnSet, seeds: int) -> ArmOnSet:
    """Return a stored result with its first seeds."""
    cut = {
        of: {name: values[:seeds] for name, values in getattr(kept, of).items()}
        for of in ("test", "validation")
    }
    lost = any(math.isnan(value) for values in cut["test"].values() for value in values)
    more = {"stored": True, "seeds": kept.seeds[:seeds], "failed": kept.failed if lost else ""}
    return kept.model_copy(update={**more, **cut})


def folder_of(out: Path, chosen: SuiteSet) -> Folder:
    """Return the folder of a data set's runs."""
    return Folder(out / chosen.name)
