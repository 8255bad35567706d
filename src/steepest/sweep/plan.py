"""Equal tuning as a pure function: from the runs so far to the runs that come next.

Every arm gets seven learning rates √10 apart around its optimizer's documented centre on a quarter of the steps; a
best rate at the edge of the grid extends it, with the same allowance for everyone; the best three run at full
length; the best of them runs with every seed, in every fold. Where an arm consists of several runs, each stage is
tuned like an arm of its own, from the weights of the chosen run of the stage before; a reported run starts from the
run of the stage before with the same seed, in the same fold. Where the arms differ in their optimizer alone, each
also runs at its library default, and the winner without a schedule. Tuning has a run seed of its own, so that the
seeds that are reported have not been selected on, and uses the first fold only.

Where further hyperparameters are tuned, everyone gets twice as many trials: a Sobol design for those with several
axes, a finer grid over the same range for those with one. Grids are then not extended, because designs are not. Where
strengths of regularizers are tuned, all trials have the full length.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from steepest.data.variants import ALL
from steepest.optim.spec import MethodSpec
from steepest.recipe import varying
from steepest.record.schema import Phase, Record, RunKey
from steepest.schedules import make_schedule
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import Contestant, whole_spec
from steepest.sweep.planned import History, PlannedRun
from steepest.sweep.stages import FIELDS, uses_of
from steepest.sweep.trials import Scan, first_scan

SCAN_FRACTION = 0.25
TUNING_SEED = 10_000
"""Added to the first run seed: the seed of the pilot and of tuning."""
TESTED: tuple[Phase, ...] = ("final", "default", "constant")
"""The phases whose runs read the test rows."""


@dataclass(frozen=True)
class Setup:
    """Everything about the comparison that is decided before the first tuned run.

    Attributes:
        arms: what is compared.
        seeds: the run seeds that are reported.
        metric: the deciding metric.
        higher_is_better: whether more of it is better.
        lengths: steps of each arm by its id, those of all stages of a procedure together; also by a stage's id.
        grid: a grid of rates for everyone, or None for each rule's own.
        scan_rates: trials of the first scan; twice as many where an optimizer has several axes.
        full_rates: candidates that run at full length.
        sweep: whether every rate of the grid runs with every seed at full length.
        by_gradients: whether the lengths are numbers of gradients. For those whose step costs one, they are steps.
        by_seed: whether the reported runs of all arms with one seed come before those with the next, and those at
            library defaults last, so that all arms have the same seeds whenever time is up; else those of one arm come
            before those of the next.
        only_arms: whether the runs at library defaults and without a schedule are left out.
        refit: whether the arm is that of a finished comparison, trained once more on all rows, which is the only run.
    """

    arms: tuple[PlannedArm, ...]
    seeds: tuple[int, ...]
    metric: str
    higher_is_better: bool
    lengths: Mapping[str, int]
    grid: tuple[float, ...] | None = None
    scan_rates: int = 7
    full_rates: int = 3
    sweep: bool = False
    by_gradients: bool = False
    by_seed: bool = False
    only_arms: bool = False
    refit: bool = False

    @property
    def tuning_seed(self) -> int:
        """The run seed of pilot, scan and full runs."""
        return self.seeds[0] + TUNING_SEED

    @property
    def methods(self) -> tuple[Contestant, ...]:
        """The optimizers of the arms, each once with the same strengths to tune."""
        return tuple({arm.method.key: arm.method for arm in self.arms}.values())

    @functools.cached_property
    def scan_fraction(self) -> float:
        """The share of the steps that a scan has: all where strengths are tuned, since overfitting comes late."""
        return 1.0 if any(arm.method.strengths for arm in self.arms) else SCAN_FRACTION

    @functools.cached_property
    def differing(self) -> tuple[str, ...]:
        """The factors in which the arms differ."""
        return tuple(varying([arm.factors for arm in self.arms]))

    @functools.cached_property
    def stages(self) -> tuple[PlannedArm, ...]:
        """The arms and the stages that they start from, which come first; a stage that several have, once."""
        return tuple({each.id: each for arm in self.arms for each in arm.chain}.values())

    def is_timed(self, run: PlannedRun) -> bool:
        """Whether a run is the one of its arm whose seconds are shown: no other is made at the same time."""
        first = run.recipe.data == run.arm.folds[0] and run.key.seed == self.seeds[0]
        return run.key.phase == "final" and first

    @property
    def has_references(self) -> bool:
        """Whether the library's defaults, and the winner without a schedule, run beside the arms."""
        if self.only_arms or self.refit:
            return False
        return set(self.differing) <= {"optimizer"} and not any(arm.parent for arm in self.arms)

    @property
    def folds(self) -> int:
        """Test sets of each arm."""
        return len(self.arms[0].folds)

    @property
    def shortest(self) -> int:
        """Steps of the arm with the fewest."""
        return min(self.lengths[arm.id] for arm in self.arms)

    def steps(self, arm: PlannedArm) -> int:
        """Return the full length of the runs of an arm, or of a stage."""
        return arm.steps_of(self.lengths[arm.id])

    def loss(self, record: Record) -> float:
        """Return the best validation value of a run, smaller being better; infinity where there is none."""
        value = record.best.get(self.metric, math.nan)
        if record.failed or math.isnan(value):
            return math.inf
        return -value if self.higher_is_better else value

    def make(
        self,
        arm: PlannedArm,
        rule: MethodSpec[Any],
        phase: Phase,
        seed: int,
        *,
        fold: int = 0,
        parent: PlannedRun | None = None,
        **changes: object,
    ) -> PlannedRun:
        """Return a run of ``arm`` with ``rule``, which has its rate and everything else that is tuned."""
        update = {
            "optimizer": whole_spec(rule),
            "steps": self.steps(arm),
            "data": arm.folds[fold],
            "max_seconds": most_seconds(arm, phase, self.scan_fraction),
            **({"regularizer": rule.regularizer} if rule.regularizer else {}),
            **changes,
        }
        if arm.weights:
            update["class_weights"] = arm.weights[str(update["data"])]
        if parent is not None:
            before = parent.line
            update |= {
                FIELDS[use]: (before[at].recipe.id, point) for use, (at, point) in uses_of(arm).items()
            }
        recipe = arm.recipe if "schedule" not in changes else arm.recipe.scheduled(str(changes["schedule"]))
        if arm.method.code:
            update["code"] = {**recipe.code, "optimizer": arm.method.code}
        recipe = recipe.model_copy(update=update)
        if self.by_gradients and rule.gradients_a_step != 1:
            most = math.ceil(recipe.steps / rule.gradients_a_step) if rule.fixed_cost else recipe.steps
            recipe = recipe.model_copy(update={"gradients": float(recipe.steps), "steps": most})
        key = RunKey(name=arm.title, recipe=recipe.id, seed=seed, phase=phase)
        return PlannedRun(key, recipe, rule, phase in TESTED and not arm.inner, arm, parent)

    def scan(self, arm: PlannedArm, rule: MethodSpec[Any], parent: PlannedRun | None = None) -> PlannedRun:
        """Return the run of a candidate on a quarter of the steps."""
        return self.make(arm, rule, "scan", self.tuning_seed, parent=parent, steps=self.scan_steps(arm))

    def scan_steps(self, arm: PlannedArm) -> int:
        """Return the length of a scan."""
        return max(1, round(self.steps(arm) * self.scan_fraction))

    def check_lengths(self) -> None:
        """Refuse a schedule that does not fit the shortest run, and a first step that exceeds a budget of gradients.

        Raises:
            OptionError: one does, such as ``join(linear, constant, at=1000)`` in a run of 500 steps.
        """
        for arm in self.stages:
            length = self.scan_steps(arm) if arm.tuned else self.steps(arm)
            make_schedule(arm.recipe.schedule, length)
            if self.by_gradients:
                arm.check_budget(length)

    def full(self, arm: PlannedArm, rule: MethodSpec[Any], parent: PlannedRun | None = None) -> PlannedRun:
        """Return the tuning run of a candidate at full length."""
        return self.make(arm, rule, "full", self.tuning_seed, parent=parent)

    def trials(self, arm: PlannedArm) -> Scan:
        """Return the first trials of an arm."""
        return first_scan(arm.method, self.methods, self.grid, self.scan_rates, self.seeds[0])


def most_seconds(arm: PlannedArm, phase: Phase, scan_fraction: float = SCAN_FRACTION) -> float | None:
    """Return the seconds of training after which a run of an arm ends: its part of those that a whole run gets."""
    whole = arm.recipe.max_seconds
    return None if whole is None else whole * arm.share * (scan_fraction if phase == "scan" else 1.0)


@dataclass(frozen=True)
class Tuning:
    """How far the tuning of an arm is.

    Attributes:
        rates: the rates of the scan so far, ascending.
        scan: a run for each trial.
        full: the candidates at full length; empty while the scan is not complete.
        missing: what has to run next.
        chosen: the best candidate, once nothing is missing.
        run: its run at full length.
    """

    rates: tuple[float, ...]
    scan: tuple[PlannedRun, ...]
    full: tuple[PlannedRun, ...]
    missing: tuple[PlannedRun, ...]
    chosen: MethodSpec[Any] | None
    run: PlannedRun | None = None


def tuning(setup: Setup, arm: PlannedArm, history: History) -> Tuning:
    """Return how far the tuning of an arm is, from the finished runs alone.

    Nothing is missing, and nothing chosen, while that of the stage before it is not complete.
    """
    if not arm.tuned:
        return Tuning((), (), (), (), arm.method.at({}))
    parent = None if arm.parent is None else tuning(setup, arm.parent, history).run
    if arm.parent is not None and parent is None:
        return Tuning((), (), (), (), None)
    first = setup.trials(arm)
    rules, allowance = list(first.rules), first.extra
    while True:
        scan = [setup.scan(arm, rule, parent) for rule in rules]
        rates = tuple(sorted({float(rule.hyper.lr) for rule in rules}))
        missing = missing_runs(scan, history)
        if missing:
            return Tuning(rates, tuple(scan), (), tuple(missing), None)
        losses = [setup.loss(_of(run, history)) for run in scan]
        order = sorted(range(len(scan)), key=lambda i: losses[i])
        finite = math.isfinite(losses[order[0]])
        wider = first.beyond(arm.method, rules, rules[order[0]]) if finite else None
        if wider is None or not allowance:
            break
        allowance -= 1
        rules = sorted([*rules, wider], key=lambda rule: float(rule.hyper.lr))
    full = [setup.full(arm, rules[i], parent) for i in order[: setup.full_rates]]
    missing = missing_runs(full, history)
    if missing:
        return Tuning(rates, tuple(scan), tuple(full), tuple(missing), None)
    best_run = min(full, key=lambda run: setup.loss(_of(run, history)))
    return Tuning(rates, tuple(scan), tuple(full), (), best_run.rule, best_run)


Chosen = Mapping[str, MethodSpec[Any]]
"""The tuned rule of each arm and of each stage, by its id."""


def at_seed(
    setup: Setup,
    arm: PlannedArm,
    chosen: Chosen,
    phase: Phase,
    seed: int,
    *,
    fold: int = 0,
    rule: MethodSpec[Any] | None = None,
) -> PlannedRun:
    """Return the run of ``arm`` with one of the seeds that are reported; the stages before it have the same seed.

    Args:
        setup: the comparison's setup.
        arm: the arm.
        chosen: the tuned rules.
        phase: its purpose; with ``refit``, the data are the rows of all folds.
        seed: the run seed.
        fold: its test set.
        rule: its rule where it is not the tuned one.
    """
    refit = phase == "refit"
    parent = None
    if arm.parent is not None:
        parent = at_seed(setup, arm.parent, chosen, "refit" if refit else "final", seed, fold=fold)
    changes = {"data": arm.final} if refit else {}
    return setup.make(arm, rule or chosen[arm.id], phase, seed, fold=fold, parent=parent, **changes)


def finals(setup: Setup, arm: PlannedArm, chosen: Chosen) -> list[PlannedRun]:
    """Return the reported runs of ``arm``: one for each fold and seed."""
    return [
        at_seed(setup, arm, chosen, "final", seed, fold=fold)
        for fold in range(setup.folds)
        for seed in setup.seeds
    ]


def sweeps(setup: Setup, arm: PlannedArm, found: Tuning, chosen: Chosen) -> list[PlannedRun]:
    """Return the runs of every rate with every seed, where they are wanted; those at the chosen rate are the finals."""
    if not setup.sweep or arm.inner:
        return []
    return [
        at_seed(setup, arm, chosen, "sweep", seed, rule=run.rule)
        for run in found.scan
        for seed in setup.seeds
    ]


def defaults(setup: Setup, arm: PlannedArm) -> list[PlannedRun]:
    """Return the runs of ``arm`` at its library's default rate, one for each seed; none if more than that differs."""
    if not setup.has_references:
        return []
    rule = arm.rule.with_lr(arm.rule.default_rate)
    return [
        setup.make(arm, rule, "default", seed, fold=fold)
        for fold in range(setup.folds)
        for seed in setup.seeds
    ]


def constants(setup: Setup, arm: PlannedArm, rule: MethodSpec[Any]) -> list[PlannedRun]:
    """Return the runs of the winner without a schedule, one for each seed; none if there was no schedule."""
    if not setup.has_references or arm.recipe.schedule == "constant":
        return []
    return [
        setup.make(arm, rule, "constant", seed, fold=fold, schedule="constant")
        for fold in range(setup.folds)
        for seed in setup.seeds
    ]


def refits(setup: Setup, arm: PlannedArm, chosen: Chosen) -> list[PlannedRun]:
    """Return the run of the winner on the training rows of all folds, whose model is saved; none without folds."""
    if not arm.final:
        return []
    return [at_seed(setup, arm, chosen, "refit", setup.seeds[0])]


def winner(setup: Setup, chosen: Chosen, history: History) -> PlannedArm:
    """Return the arm whose network is for use: the first on validation of those trained on the data as given.

    Arms with altered labels or fewer training rows show what these cost. One of them is for use only where no run of
    the others finished; then true labels come before all rows.
    """

    def place(arm: PlannedArm) -> tuple[bool, bool, bool, tuple[int, float]]:
        found, data = on_validation(setup, arm, chosen, history), arm.variant
        return math.isinf(found[1]), bool(data.labels), data.train_rows != ALL, found

    return min(setup.arms, key=place)


def on_validation(setup: Setup, arm: PlannedArm, chosen: Chosen, history: History) -> tuple[int, float]:
    """Return by what arms are ranked: the number of failed runs, then the mean validation loss of the others."""
    losses = [setup.loss(_of(run, history)) for run in finals(setup, arm, chosen)]
    finished = [each for each in losses if math.isfinite(each)]
    return len(losses) - len(finished), sum(finished) / len(finished) if finished else math.inf


def next_runs(setup: Setup, history: History, *, ahead: bool = False) -> list[PlannedRun]:
    """Return the runs that can be made now; an empty list when the comparison is complete.

    The answer depends on the setup and on the finished runs alone, so a comparison that was interrupted, or
    that gets more arms or seeds, goes on with exactly what is missing.

    Args:
        setup: the comparison's setup.
        history: the finished runs.
        ahead: go on to the reported runs of arms whose tuning is complete while that of others is not.
    """
    found = {arm.id: tuning(setup, arm, history) for arm in setup.stages}
    missing = missing_runs((run for each in found.values() for run in each.missing), history)
    if missing and not ahead:
        return missing
    chosen = complete_of(found)
    reported = [run for run in _reported(setup, found, chosen) if run.arm.id in chosen]
    missing = missing_runs([*missing, *reported], history)
    if not missing:
        missing = missing_runs(last_runs(setup, chosen, history), history)
    return [run for run in missing if run.parent is None or _is_in(run.parent, history)]


def chosen_rules(setup: Setup, history: History) -> dict[str, MethodSpec[Any]]:
    """Return the tuned rule of every arm and stage whose tuning is complete, by its id."""
    return complete_of({arm.id: tuning(setup, arm, history) for arm in setup.stages})


def starts(setup: Setup, history: History) -> set[tuple[str, int, str]]:
    """Return the weights that runs to come start from, as far as they are there: recipe id, seed and point."""
    if all(arm.parent is None for arm in setup.arms):
        return set()
    found = {arm.id: tuning(setup, arm, history) for arm in setup.stages}
    chosen = complete_of(found)
    needed: list[tuple[PlannedRun, str]] = []
    for arm in setup.stages:
        for place, point in uses_of(arm).values() if found[arm.id].chosen is None else ():
            above = found[arm.chain[place].id]
            needed += [(run, point) for run in ((above.run,) if above.run else above.full)]
    coming = [run for each in found.values() for run in each.missing]
    if len(chosen) == len(found):
        reported = _reported(setup, found, chosen)
        coming += reported if missing_runs(reported, history) else last_runs(setup, chosen, history)
    needed += [source for run in missing_runs(coming, history) for source in run.sources.values()]
    return {(run.recipe.id, run.key.seed, point) for run, point in needed if _is_in(run, history)}


def taking_part(setup: Setup, history: History) -> dict[tuple[str, int], Record]:
    """Return the runs of a history that belong to a comparison, and the pilot; a folder may hold others."""
    found = {arm.id: tuning(setup, arm, history) for arm in setup.stages}
    chosen = complete_of(found)
    runs = [run for each in found.values() for run in (*each.scan, *each.full)]
    runs += _reported(setup, found, chosen)
    if len(chosen) == len(found) and not missing_runs(_reported(setup, found, chosen), history):
        runs += last_runs(setup, chosen, history)
    pilots = {each: record for each, record in history.items() if record.key.phase == "pilot"}
    known = ((run.key.recipe, run.key.seed) for run in runs)
    return pilots | {each: history[each] for each in known if each in history}


def complete_of(found: Mapping[str, Tuning]) -> dict[str, MethodSpec[Any]]:
    """Return the chosen rules of tunings that are complete."""
    return {name: each.chosen for name, each in found.items() if each.chosen is not None}


def _reported(setup: Setup, found: Mapping[str, Tuning], chosen: Chosen) -> list[PlannedRun]:
    """Return the runs with the reported seeds of all arms and stages, as far as their rules are chosen."""
    known = [arm for arm in setup.stages if all(each.id in chosen for each in arm.chain)]
    runs = [run for arm in known for run in finals(setup, arm, chosen)]
    runs += [run for arm in setup.arms for run in defaults(setup, arm)]
    runs += [run for arm in setup.stages for run in sweeps(setup, arm, found[arm.id], chosen)]
    if not setup.by_seed:
        return runs
    return sorted(runs, key=lambda run: (run.key.phase == "default", run.key.seed))


def last_runs(setup: Setup, chosen: Chosen, history: History) -> list[PlannedRun]:
    """Return the runs that are made of the winner alone."""
    best = winner(setup, chosen, history)
    again = [run for stage in best.chain for run in refits(setup, stage, chosen)]
    return [*again, *constants(setup, best, chosen[best.id])]


def _is_in(run: PlannedRun, history: History) -> bool:
    return (run.key.recipe, run.key.seed) in history


def missing_runs(runs: Iterable[PlannedRun], history: History) -> list[PlannedRun]:
    """Return the runs that a history lacks, or of which it lacks the test rows; each once, for all that it serves."""
    found: dict[tuple[str, int], PlannedRun] = {}
    for run in runs:
        identity = (run.key.recipe, run.key.seed)
        if identity in found:
            found[identity] = found[identity].also(run)
        else:
            found[identity] = run
    return [run for each, run in found.items() if _lacks(run, history.get(each))]


def _lacks(run: PlannedRun, known: Record | None) -> bool:
    return known is None or (run.read_test and not _has_test(known))


def _has_test(record: Record) -> bool:
    return bool(record.test) or record.failed


def _of(run: PlannedRun, history: History) -> Record:
    return history[run.key.recipe, run.key.seed]
