"""How much each decision was worth, and what a reader needs to judge the numbers by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from steepest.compare.effects import Factorial
from steepest.compare.estimates import Difference
from steepest.compare.evidence import Control, Evidence, mean_of, tuning_runs_of
from steepest.compare.result import SPREADS, Effect, Fact
from steepest.evaluate.metrics import MetricInfo, metric_info
from steepest.recipe import SUBJECTS
from steepest.wording import counted


def effects(
    evidence: Evidence,
    rivals: Sequence[Difference] = (),
    against: Sequence[Difference] = (),
    controls: Mapping[Control, Difference] = MappingProxyType({}),
) -> list[Effect]:
    """Return how much each decision was worth on the deciding test metric, largest first.

    Args:
        evidence: the runs and the baselines.
        rivals: the winner minus every other optimizer on the deciding metric.
        against: the winner minus every baseline.
        controls: the winner minus itself at its library's default rate and without a schedule.
    """
    arm, metric = evidence.winner, metric_info(evidence.metric)
    sign = -1 if metric.higher_is_better else 1
    mine = mean_of([evidence.value(record) for record in evidence.final(arm)])
    others = [(mean_of([evidence.value(r) for r in evidence.final(each)]), each.title)
              for each in evidence.setup.arms if each is not arm]  # fmt: skip
    found: list[Effect] = []

    def quoted(title: str) -> str:
        return f"“{title}”" if len(evidence.setup.differing) > 1 and ", " in title else title

    def add(name: str, size: float, text: str, difference: Difference | None = None) -> None:
        if math.isfinite(size):
            found.append(Effect.of(name, size, text, difference))

    compared = {each.second: each for each in (*rivals, *against)}
    standard = evidence.default(arm)
    gained = sign * (mean_of([evidence.value(r) for r in standard]) - mine)
    if arm.tuned and evidence.setup.has_references:
        default = arm.rule.default_rate
        chosen = float(evidence.chosen[arm.id].hyper.lr)
        more = arm.method.beside_rate(evidence.chosen[arm.id])
        with_them = "".join(f", {name}={value}" for name, value in more.items())
        add(
            "tuning" if more else "learning rate",
            gained,
            f"{arm.title} at {chosen:g}{with_them} instead of its library's {default:g}",
            controls.get("default"),
        )
    if evidence.constant():
        size = sign * (mean_of([evidence.value(r) for r in evidence.constant()]) - mine)
        add(
            "schedule",
            size,
            f"{arm.recipe.schedule} instead of a constant rate",
            controls.get("constant"),
        )
    finite = [(sign * (value - mine), name) for value, name in others if math.isfinite(value)]
    if finite:
        size, name = max(finite)
        subject = evidence.setup.differing[0] if len(evidence.setup.differing) == 1 else "arm"
        both = (
            "both tuned"
            if arm.tuned
            else "neither tuned"
            if not any(a.tuned for a in evidence.setup.arms)
            else ""
        )
        worst = f", the worst of the others on the {evidence.tested_on}" if len(finite) > 1 else ""
        chosen_on = "validation" if evidence.held_out else "the training rows"
        text = f"{quoted(arm.title)}, chosen on {chosen_on}, instead of {quoted(name)}{worst}"
        text += f", {both}" if subject == "optimizer" and both else ""
        add(SUBJECTS.get(subject, (subject,))[0], size, text, compared.get(name))
    values = [value for record in evidence.final(arm) if math.isfinite(value := evidence.value(record))]
    if len(values) > 1:
        several = evidence.setup.folds > 1
        runs = f"runs (seeds of {evidence.setup.folds} test sets)" if several else "seeds"
        add(
            SPREADS[several],
            max(values) - min(values),
            f"between the best and the worst of {len(values)} {runs} of {quoted(arm.title)}",
        )
    scores = [(sign * each.test.get(metric.name, math.nan), each) for each in evidence.baselines]
    scores = [(value, each) for value, each in scores if math.isfinite(value)]
    if scores:
        value, best = min(scores, key=lambda pair: pair[0])
        text = f"{quoted(arm.title)} instead of {best.title}, the best baseline on the {evidence.tested_on}"
        add("network", value - sign * mine, text, compared.get(best.title))
    return sorted(found, key=lambda effect: -effect.size)


def trust(
    evidence: Evidence,
    test_rows: int,
    rivals: Sequence[Difference] = (),
    against: Sequence[Difference] = (),
    factorial: Factorial | None = None,
) -> list[Fact]:
    """Return what a reader needs to judge the numbers by.

    Args:
        evidence: the runs.
        test_rows: how many there are.
        rivals: the winner against every other optimizer on the deciding metric.
        against: the winner against every baseline on it.
        factorial: main effects and interactions, where there are any.
    """
    each = " per test set" if evidence.setup.folds > 1 else ""
    facts = [Fact(label=f"seeds{each}", value=str(len(evidence.setup.seeds)))]
    tuned = [tuning_runs_of(evidence, arm) for arm in evidence.setup.arms if arm.tuned]
    if tuned:
        spread = f"{min(tuned)}" if min(tuned) == max(tuned) else f"{min(tuned)} to {max(tuned)}"
        differing = evidence.setup.differing or ["optimizer"]
        subject = SUBJECTS[differing[0]][0] if len(differing) == 1 else "arm"
        facts.append(Fact(label=f"tuning runs per {subject}", value=spread))
    pilots = sum(each.key.phase == "pilot" for each in evidence.history.values())
    runs = f"{len(evidence.history) - pilots:,}"
    facts.append(Fact(label="runs", value=f"{runs}, and {counted(pilots, 'pilot run')}" if pilots else runs))
    if evidence.setup.folds > 1:
        kind = "folds" if evidence.kind == "folds" else "repeated splits"
        facts.append(Fact(label="test sets", value=f"{evidence.setup.folds} {kind}"))
    held = "" if evidence.held_out else " (nothing held out)"
    facts.append(Fact(label=evidence.tested_on, value=f"{test_rows:,}{held}"))
    return facts + how_sure(metric_info(evidence.metric), rivals, families(rivals, against, factorial))


FEWEST_SEEDS = 5
"""With fewer runs than this the t quantile is so large that little can be detected."""


def families(
    rivals: Sequence[Difference], against: Sequence[Difference] = (), factorial: Factorial | None = None
) -> str:
    """Return how many comparisons are corrected for together, family by family; empty where none has a p-value.

    Args:
        rivals: differences between arms on one metric.
        against: differences of arms from baselines on it.
        factorial: main effects and interactions.

    Example:
        >>> one = Difference(first="a", second="b", metric="log_loss", over="both", mean=1.0, low=0.0, high=2.0, n=5,
        ...                  told_apart=False, p=0.05, p_adjusted=0.15, comparisons=3)
        >>> families([one], [one])
        '3 between arms, 3 with baselines'
    """
    pairs = [each for effect in factorial.effects for each in effect.pairs] if factorial else []
    crossed = [each.difference for each in factorial.interactions] if factorial else []
    kinds = (
        (rivals, "between arms"), (against, "with baselines"), (pairs, "between levels"), (crossed, "of interactions"),
    )  # fmt: skip
    known = [([each for each in found if each.ends is not None], what) for found, what in kinds]
    return ", ".join(f"{found[0].comparisons:,} {what}" for found, what in known if found)


def how_sure(metric: MetricInfo, rivals: Sequence[Difference], corrected: str = "") -> list[Fact]:
    """Return the smallest difference that would have been seen, how many comparisons, and what is uncertain.

    The first is that from the nearest rival, corrected for the number of comparisons, with probability 0.8: rivals that
    are far off may vary far more. Two seeds or test sets detect next to nothing, which is said beside it.

    Args:
        metric: the deciding metric.
        rivals: the winner against the other arms on it.
        corrected: the families of comparisons; by default that of the rivals.

    Example:
        >>> found = Difference(first="a", second="b", metric="log_loss", over="both", mean=1.0, low=0.0, high=2.0,
        ...                    n=5, told_apart=False, visible=1.5, seed_share=0.25)
        >>> [(each.label, each.value) for each in how_sure(metric_info("log_loss"), [found])]
        [('smallest detectable difference', '1.5'), ('comparisons corrected for', '1 between arms'),
         ('share of variance', 'seeds 25 %, test rows 75 %')]
    """
    facts: list[Fact] = []
    sizes = [
        (abs(each.mean), each.visible)
        for each in rivals
        if each.visible is not None and math.isfinite(each.visible)
    ]
    if sizes:
        nearest = min(sizes)[1]
        scale, unit = (100.0, " points") if metric.percent else (1.0, "")
        value = f"{float(f'{nearest * scale:.2g}'):,g}{unit}"
        count, what = min((each.sets, "test sets") if each.sets > 1 else (each.n, "seeds") for each in rivals)
        if count == 2:
            value += f" (2 {what} detect nothing smaller: use {FEWEST_SEEDS} or more)"
        facts.append(Fact(label="smallest detectable difference", value=value))
    if corrected := corrected or families(rivals):
        facts.append(Fact(label="comparisons corrected for", value=corrected))
    shares = [each.seed_share for each in rivals if each.seed_share is not None]
    if shares:
        share = round(100 * float(np.median(shares)))
        runs = "seeds and training sets" if any(each.sets > 1 for each in rivals) else "seeds"
        facts.append(Fact(label="share of variance", value=f"{runs} {share} %, test rows {100 - share} %"))
    return facts
