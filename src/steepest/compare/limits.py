"""What restricts the claims of a comparison: runs too short, networks that learned nothing, tuning that failed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steepest.compare.assemble import GOOD_RANGE
from steepest.compare.estimates import Difference
from steepest.compare.evidence import Evidence
from steepest.compare.intervals import paired_t
from steepest.compare.result import SPREADS, TOO_SHORT, Effect
from steepest.evaluate.metrics import metric_info
from steepest.recipe import ExecutionPlan, Protocol
from steepest.record.schema import Record
from steepest.sweep.arms import PlannedArm
from steepest.sweep.estimate import ENOUGH_STEPS
from steepest.sweep.setup import Setup

ENOUGH_SEEDS = 5
"""With fewer, an interval over seeds is too wide to say that a network is no better than a constant."""
TUNING_FAILED, TUNING_DOUBTED = "tuning failed", "default rate may be better"
"""The flags of a row whose optimizer is better at its library default rate: detectably so, and with every seed only."""
CONSTANTS = ("majority", "mean")
"""The baselines that predict the same for every row."""


@dataclass(frozen=True)
class Short:
    """Runs that are too short to compare optimizers.

    Attributes:
        steps, epochs: their length.
        minutes: the time budget that cut them, or None where the length was given.
        enough: minutes that are expected to suffice; None where no number was told, or it has proved to be too small.
    """

    steps: int
    epochs: float
    minutes: float | None = None
    enough: float | None = None


@dataclass(frozen=True)
class Limits:
    """What restricts the claims of a comparison.

    Attributes:
        short: the runs are too short.
        untrained: most runs were best before their first step.
        unbeaten: title of the constant baseline that no network beats by a detectable difference.
        mistuned: optimizers whose library default rate is detectably better on validation than the tuned one.
        doubted: optimizers whose default rate is better with every seed, too few for an interval that excludes zero.
    """

    short: Short | None = None
    untrained: bool = False
    unbeaten: str = ""
    mistuned: Sequence[str] = ()
    doubted: Sequence[str] = ()

    @property
    def silent(self) -> bool:
        """Whether nothing may be claimed about optimizers."""
        return self.short is not None or self.untrained or bool(self.unbeaten)


NO_LIMITS = Limits()
"""Nothing restricts the claims."""


def limits(
    evidence: Evidence, protocol: Protocol, plan: ExecutionPlan, outer: Sequence[Difference]
) -> Limits:
    """Return what restricts the claims.

    Args:
        evidence: the runs and the baselines.
        protocol: what was asked for.
        plan: has the length of the runs.
        outer: every optimizer minus every baseline on the deciding metric.
    """
    tuning = {arm.title: mistuned(evidence, arm) for arm in evidence.setup.arms}
    return Limits(
        short=too_short(evidence.setup, protocol, plan),
        untrained=_untrained(evidence),
        unbeaten=_unbeaten(evidence, outer),
        mistuned=[title for title, flag in tuning.items() if flag == TUNING_FAILED],
        doubted=[title for title, flag in tuning.items() if flag == TUNING_DOUBTED],
    )


def restricted(effects: Sequence[Effect], bounds: Limits) -> list[Effect]:
    """Return effects of which none is detectable that runs are too short to show.

    What a network is worth beside a baseline, and the spread of seeds, stay: they are measured whatever the length is.

    Example:
        >>> short = Limits(short=Short(steps=20, epochs=0.1))
        >>> [found] = restricted([Effect(name="optimizer", size=1.0, text="adam", detected=True)], short)
        >>> found.detected, found.reason
        (None, 'the runs are too short')
    """
    if bounds.short is None:
        return list(effects)
    kept = ("network", *SPREADS)
    doubted = {"detected": None, "reason": TOO_SHORT}
    return [each if each.name in kept else each.model_copy(update=doubted) for each in effects]


def is_short(epochs: float, steps: int) -> bool:
    """Return whether runs have less than an epoch and fewer than 1,000 steps."""
    return epochs < 1 and steps < ENOUGH_STEPS


def too_short(setup: Setup, protocol: Protocol, plan: ExecutionPlan) -> Short | None:
    """Return how short the runs are if they have less than an epoch and fewer than 1,000 steps, otherwise None.

    Args:
        setup: has the steps.
        protocol: what was asked for.
        plan: has the length of the runs.
    """
    fitted, steps = plan.length, setup.shortest
    if fitted is None or not is_short(fitted.epochs, steps):
        return None
    cut = protocol.minutes is not None and (protocol.epochs is None or fitted.epochs < protocol.epochs)
    if not cut or protocol.minutes is None:
        return Short(steps, fitted.epochs)
    arms = int(fitted.follows.get("arms", "0").partition(" ")[0])
    late = arms > len(setup.arms)  # time was up before all were complete: it took longer than was measured
    return Short(steps, fitted.epochs, protocol.minutes, None if late else fitted.enough)


def mistuned(evidence: Evidence, arm: PlannedArm) -> str:
    """Return the flag of an optimizer that is better on validation at its library default rate; else nothing.

    Its tuning failed if more of the tuned runs failed, or if the mean over the seeds is better and its paired 95 %
    interval excludes zero. It is doubted where the default is better with every seed and by more than 1 %.
    """
    if not arm.tuned or not evidence.setup.has_references:
        return ""
    tuned, default = evidence.final(arm), evidence.default(arm)
    failed = sum(each.failed for each in tuned), sum(each.failed for each in default)
    if failed[0] != failed[1]:
        return TUNING_FAILED if failed[0] > failed[1] else ""
    return tuning_flag(_losses(evidence, default), _losses(evidence, tuned))


def tuning_flag(default: Sequence[float], tuned: Sequence[float]) -> str:
    """Return the flag by the losses of the default rate and those of the tuned one, paired by seed.

    Example:
        >>> tuning_flag([1.0, 1.1], [1.5, 1.4]), tuning_flag([1.0, 1.1], [1.001, 1.101])
        ('default rate may be better', '')
        >>> tuning_flag([1.0, 1.1, 1.2], [1.3, 1.4, 1.51])
        'tuning failed'
        >>> tuning_flag([1.0, 1.1, 1.2], [1.3, 1.0, 1.25]), tuning_flag([1.0], [2.0])
        ('', '')
    """
    found = paired_t(default, tuned)
    if found.n < 2 or not found.mean < 0:
        return ""
    if found.high < 0:
        return TUNING_FAILED
    pairs = [(a, b) for a, b in zip(default, tuned, strict=True) if math.isfinite(a) and math.isfinite(b)]
    size = abs(sum(b for _, b in pairs) / len(pairs))
    return TUNING_DOUBTED if all(a < b for a, b in pairs) and -found.mean > GOOD_RANGE * size else ""


def _losses(evidence: Evidence, records: Sequence[Record]) -> list[float]:
    return [evidence.setup.loss(each) for each in records]


def _untrained(evidence: Evidence) -> bool:
    records = [each for arm in evidence.setup.arms for each in evidence.final(arm) if not each.failed]
    return 2 * sum(each.best_step == 0 for each in records) > len(records)


def _unbeaten(evidence: Evidence, outer: Sequence[Difference]) -> str:
    """Return the title of the constant baseline if no network beats it, by a detectable difference or on average."""
    title = next((each.title for each in evidence.baselines if each.name in CONSTANTS), "")
    higher = metric_info(evidence.metric).higher_is_better
    found = [each for each in outer if each.second == title and math.isfinite(each.mean)]
    beaten = any(
        (each.mean > 0) == higher and each.mean != 0 and (each.told_apart or each.ends is None)
        for each in found
    )
    return title if found and not beaten else ""
