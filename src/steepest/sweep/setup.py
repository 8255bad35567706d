"""What is decided of a comparison before its first tuned run, and the runs that follow from it."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from steepest.optim.spec import MethodSpec
from steepest.recipe import DEFAULT_PLANNER, Recipe, varying
from steepest.record.schema import Phase, Record, RunKey
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import Contestant, whole_spec
from steepest.sweep.planned import PlannedRun
from steepest.sweep.stages import FIELDS, uses_of
from steepest.sweep.trials import several_axes, trials

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
        planner: how the trials of an arm are drawn and how long they run, see :mod:`steepest.sweep.planner`.
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
    planner: str = DEFAULT_PLANNER

    @property
    def tuning_seed(self) -> int:
        """The run seed of pilot, scan and full runs."""
        return self.seeds[0] + TUNING_SEED

    @functools.cached_property
    def memo(self) -> dict[Hashable, Any]:
        """What was computed of this setup and need not be again, by what it depends on.

        Nothing in it can be seen from outside but the time that is saved: whoever keeps something here also keeps what
        it was computed from, and compares that first.
        """
        return {}

    @functools.cached_property
    def methods(self) -> tuple[Contestant, ...]:
        """The optimizers of the arms, each once with the same strengths to tune."""
        return tuple({arm.method.key: arm.method for arm in self.arms}.values())

    @functools.cached_property
    def scan_fraction(self) -> float:
        """The share of the steps that a scan has: all where strengths are tuned, since overfitting comes late."""
        return 1.0 if any(arm.method.strengths for arm in self.arms) else SCAN_FRACTION

    @functools.cached_property
    def trial_counts(self) -> Mapping[str, int]:
        """The number of first trials of every optimizer that is tuned, by its key."""
        return trials(self.methods, self.grid, self.scan_rates)

    @functools.cached_property
    def several_axes(self) -> bool:
        """Whether an optimizer has several axes."""
        return several_axes(self.methods, self.grid, self.scan_rates)

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
        length: float = 1.0,
        **changes: object,
    ) -> PlannedRun:
        """Return a run of ``arm`` with ``rule``, which has its rate and everything else that is tuned.

        Args:
            arm: the arm.
            rule: its optimizer.
            phase: its purpose.
            seed: the run seed.
            fold: its test set.
            parent: the run of the stage before it.
            length: its length, in full lengths of the arm.
            changes: other values of its recipe.
        """
        before = () if parent is None else tuple(run.key.recipe for run in parent.line)
        steps = self.steps_at(arm, length)
        of = (arm.id, steps, length, whole_spec(rule), rule.regularizer, fold, before, *changes.items())
        known = self.memo.get(of)
        if known is None:
            recipe = self._recipe(arm, rule, fold, parent, length, changes)
            known = self.memo[of] = (recipe, recipe.id)
        recipe, name = known
        key = RunKey(name=arm.title, recipe=name, seed=seed, phase=phase)
        return PlannedRun(key, recipe, rule, phase in TESTED and not arm.inner, arm, parent, length=length)

    def _recipe(
        self,
        arm: PlannedArm,
        rule: MethodSpec[Any],
        fold: int,
        parent: PlannedRun | None,
        length: float,
        changes: Mapping[str, object],
    ) -> Recipe:
        update = {
            "optimizer": whole_spec(rule),
            "steps": self.steps_at(arm, length),
            "data": arm.folds[fold],
            "max_seconds": most_seconds(arm, length),
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
        return recipe

    def steps_at(self, arm: PlannedArm, length: float) -> int:
        """Return the steps of a run of an arm whose length is a number of full ones."""
        return self.steps(arm) if length == 1.0 else max(1, round(self.steps(arm) * length))


def most_seconds(arm: PlannedArm, length: float = 1.0) -> float | None:
    """Return the seconds of training after which a run of an arm ends: its part of those that a whole run gets.

    Args:
        arm: the arm.
        length: of the run, in full lengths.
    """
    whole = arm.recipe.max_seconds
    return None if whole is None else whole * arm.share * length
