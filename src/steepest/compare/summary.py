"""From the evidence of a finished experiment to the pure data that table, CSV and report show."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.compare.assemble import (
    arm_entries,
    arm_row,
    band,
    baseline_row,
    rate_curve,
    shown_metrics,
    watching,
)
from steepest.compare.differences import between, standings
from steepest.compare.estimates import Difference
from steepest.compare.evidence import Control, Evidence, against_controls, compared, main_effects
from steepest.compare.fits import Fits, Optimum
from steepest.compare.limits import TUNING_DOUBTED, TUNING_FAILED, Limits, limits, restricted
from steepest.compare.moved import ArmPath
from steepest.compare.rated import RatedComparison
from steepest.compare.reaching import how_soon
from steepest.compare.recommended import recommended
from steepest.compare.result import (
    INPUTS,
    SELECTION,
    ClassLine,
    Comparison,
    Fact,
    Kind,
    Pictures,
    Row,
    better_first,
)
from steepest.compare.searched import arm_search
from steepest.compare.sizes import NetworkSize
from steepest.compare.worth import effects, trust
from steepest.compare.written import WrittenTexts
from steepest.components import grammar
from steepest.data.dataset import Dataset
from steepest.evaluate.metrics import metric_info
from steepest.evaluate.rowwise import BY_ROW
from steepest.finetuning import FULL
from steepest.optim.selection import shown_rates
from steepest.recipe import EVALUATIONS, ExecutionPlan, Experiment, Precision
from steepest.regularizers import NONE
from steepest.schedules import length_text
from steepest.sweep.arms import PLAIN, PlannedArm
from steepest.sweep.plan import finals
from steepest.sweep.planned import PlannedRun
from steepest.sweep.planner import make_planner
from steepest.version import version
from steepest.wording import counted, in_blocks, significant

REGRESSIONS = ("logistic-regression", "pixel-logistic", "linear-regression")
"""Baselines that a headline always mentions."""


@dataclass(frozen=True)
class Findings:
    """What the summary needs besides the runs.

    Attributes:
        rows: of each arm (by its id) and seed, what each test row gave (``loss``, ``correct``); None if it diverged.
        baseline_rows: the same by baseline title, of each test set.
        control_rows: the same of the winner's controls: at its library's default rate, and without a schedule.
        predicted: the class codes of the winner's best model of each test set on the test rows, or None.
        truth: the true ones, in the same order.
        weights: of these rows, or None.
        test_rows: how many test rows there are.
        sizes: rows of each part (``training``, ``validation``, ``test``) for each test set.
        decided: what was decided for the user, as (what, how).
        optima: how far each arm's network is above the exact optimum of its training loss, where that is known.
        fits: the curves of a curve's arms.
        network_sizes: how large the saved network of every arm is, where one of them is pruned.
        pictures: of images, what the winner gets wrong.
        rated: of ratings, measures by user and of rankings, and what is drawn of them.
        paths: how the weights of every arm moved, where they were kept.
        texts: of texts, what networks write, and measures on another text.
        parameters: how many parameters each cell's model has, in words.
    """

    rows: Mapping[str, Sequence[Mapping[str, Tensor] | None]]
    baseline_rows: Mapping[str, Sequence[Mapping[str, Tensor]]]
    control_rows: Mapping[Control, Sequence[Mapping[str, Tensor] | None]]
    predicted: Tensor | None
    truth: Tensor
    weights: Tensor | None
    test_rows: int
    sizes: Mapping[str, Sequence[int]]
    decided: Sequence[tuple[str, str]]
    optima: Sequence[Optimum]
    network_sizes: Sequence[NetworkSize]
    fits: Fits | None
    pictures: Pictures | None
    rated: RatedComparison | None
    parameters: Mapping[str, str]
    paths: Sequence[ArmPath] = ()
    texts: WrittenTexts | None = None


@dataclass(frozen=True)
class Altered:
    """Which arms were trained on altered data.

    Attributes:
        of_winner: what was altered for the winner, or nothing.
        ahead: titles of the arms with altered data that are ahead of the winner on validation.
        all_are: whether every arm has altered data.
    """

    of_winner: str
    ahead: Sequence[str]
    all_are: bool


@dataclass(frozen=True)
class Summary:
    """What a comparison found, before it is put in words.

    Attributes:
        comparison: everything but its sentences and warnings.
        rivals: the winner minus every other arm, by metric.
        against: the winner minus every baseline, on the deciding metric.
        reference: title of the regression that is always mentioned.
        limits: what restricts the claims.
        no_effects: why there are no main effects, where several factors vary.
        altered: which arms were trained on altered data.
    """

    comparison: Comparison
    rivals: dict[str, list[Difference]]
    against: list[Difference]
    reference: str
    limits: Limits
    no_effects: str
    altered: Altered


def summarize(
    experiment: Experiment, dataset: Dataset, evidence: Evidence, findings: Findings, plan: ExecutionPlan
) -> Summary:
    """Return everything that a comparison found."""
    metrics = shown_metrics(evidence.metrics)
    metric = metrics[0]
    winner = evidence.winner
    arms, has_default = evidence.setup.arms, evidence.setup.has_references

    def row_of(arm: PlannedArm, kind: Kind) -> Row:
        return arm_row(evidence, arm, kind, plan.cells[arm.cell].timings)

    tuned = better_first((row_of(arm, "arm") for arm in arms), metric)
    default = better_first((row_of(arm, "default") for arm in arms if has_default), metric)
    constant = [row_of(winner, "constant")] if evidence.constant() else []
    baselines = better_first((baseline_row(evidence, each) for each in evidence.baselines), metric)
    names = [row.name for row in tuned]
    rivals, against, pairs, outer = _differences(evidence, findings, names)
    every = [*tuned, *default, *constant, *baselines]
    reference = next((b.title for b in evidence.baselines if b.name in REGRESSIONS), "")
    classes, confusion = _classes(dataset, findings)
    bounds = limits(evidence, experiment.protocol, plan, outer)
    every = [_flagged(row, bounds) for row in every]
    found_effects, why_none = main_effects(evidence, findings.rows, metric.name)
    controls = against_controls(evidence, findings.rows[winner.id], findings.control_rows, metric.name)
    factors = tuple(evidence.setup.differing) or ("optimizer",)
    use = recommended(evidence, against[metric.name], trained=findings.predicted is not None)
    own = experiment.data.reader or "table"
    found = Comparison(
        title=experiment.name,
        sentence="",
        task=dataset.task,
        target=dataset.target,
        metric=metric.name,
        positive=winner.recipe.positive or "",
        metrics=metrics,
        winner=winner.title,
        rows=every,
        differences=[each for name in rivals for each in (*rivals[name], *against[name])],
        pairs=[*pairs, *outer],
        standings=standings(names, metric.name, pairs, outer),
        effects=restricted(effects(evidence, rivals[metric.name], against[metric.name], controls), bounds),
        curves=[band(evidence, arm) for arm in arms],
        rates=[rate_curve(evidence, arm) for arm in arms if arm.tuned],
        classes=classes,
        confusion=confusion,
        weight=experiment.data.weight or "",
        held_out=evidence.held_out,
        optima=list(findings.optima),
        sizes=list(findings.network_sizes),
        planner=str(make_planner(evidence.setup.planner)),
        reached=how_soon(
            {arm.title: evidence.final(arm) for arm in arms},
            metric_info(metric.name),
            experiment.protocol.reach,
            len(dataset.classes),
        ),
        searches=[arm_search(evidence, arm) for arm in arms if arm.tuned],
        fits=findings.fits,
        pictures=findings.pictures,
        rated=findings.rated,
        texts=findings.texts,
        paths=list(findings.paths),
        watching=watching(evidence, experiment.protocol.watch, dataset),
        results_on=_weighted_rows("test" if evidence.held_out else "training", experiment),
        curves_on=_weighted_rows("validation" if evidence.held_out else "training", experiment),
        selection=SELECTION if evidence.held_out else NOTHING_HELD_OUT,
        trust=trust(
            evidence, findings.test_rows, rivals[metric.name], against[metric.name], found_effects
        ),
        own_source=own if grammar.parse(own).is_reference else "",
        new_rows=dataset.words.new_rows,
        scoring=dataset.words.scoring,
        data=_data(dataset, experiment, findings.sizes),
        preparation=[Fact(label=note.kind, value=note.text) for note in dataset.notes if note.kind == "info"],
        recipe=_recipe(experiment, evidence, findings),
        environment=environment(plan),
        arms=arm_entries(evidence),
        factors=list(factors),
        factorial=found_effects,
        test_sets=evidence.setup.folds,
        test_kind=evidence.kind,
        test_share=evidence.test_share if evidence.setup.folds > 1 else 0.0,
        recommended=use,
        phases=_phases(evidence),
    )  # fmt: skip
    altered = Altered(
        of_winner="" if findings.predicted is None else winner.variant.altered,
        ahead=[arm.title for arm in evidence.ahead_of_winner if not winner.variant.altered],
        all_are=all(arm.variant.altered for arm in arms),
    )
    return Summary(found, rivals, against[metric.name], reference, bounds, why_none, altered)


def _differences(
    evidence: Evidence, findings: Findings, names: Sequence[str]
) -> tuple[dict[str, list[Difference]], dict[str, list[Difference]], list[Difference], list[Difference]]:
    """Return by metric the winner against the others and against the baselines; on the deciding one, everybody."""
    metric, winner = evidence.metric, evidence.winner.title
    whole = next((name for name in evidence.metrics if name in BY_ROW), metric)
    wanted = [metric, *([] if metric in BY_ROW else [whole]), "accuracy"]
    rivals: dict[str, list[Difference]] = {}
    against: dict[str, list[Difference]] = {}
    found = {
        name: _on_seeds(compared(evidence, findings.rows, findings.baseline_rows, name), evidence.held_out)
        for name in dict.fromkeys(each for each in wanted if each in evidence.metrics)
    }
    for name, (pairs, outer) in found.items():
        turned = [between(pairs, winner, other, name) for other in names if other != winner]
        rivals[name] = [each for each in turned if each is not None]
        against[name] = [each for each in outer if each.first == winner]
    return rivals, against, *found[metric]


def _on_seeds(
    found: tuple[list[Difference], list[Difference]], held_out: bool
) -> tuple[list[Difference], list[Difference]]:
    """Return the differences; where nothing is held out, one from a baseline has no interval for that reason."""
    pairs, outer = found
    if held_out:
        return found
    return pairs, [
        each.model_copy(update={"reason": "nothing was held out"}) if each.reason else each for each in outer
    ]


def _classes(dataset: Dataset, findings: Findings) -> tuple[list[ClassLine], list[list[int | float]]]:
    predicted = findings.predicted
    if predicted is None or not dataset.shape.classes:
        return [], []
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support  # slow to import

    truth, labels = findings.truth.cpu().numpy(), list(range(len(dataset.classes)))
    guess = predicted.cpu().numpy()
    weights = None if findings.weights is None else findings.weights.double().cpu().numpy()
    how: Any = {"labels": labels, "zero_division": 0.0, "sample_weight": weights}
    scores: Any = precision_recall_fscore_support(truth, guess, **how)
    counts = np.bincount(truth, minlength=len(labels)).tolist()
    lines = [
        ClassLine(label=label, rows=rows, precision=float(p), recall=float(r), f1=float(f))
        for label, rows, p, r, f in zip(dataset.classes, counts, *scores[:3], strict=True)
    ]
    return lines, confusion_matrix(truth, guess, labels=labels, sample_weight=weights).tolist()


def _weighted_rows(part: str, experiment: Experiment) -> str:
    weight = experiment.data.weight
    return f"the {part} rows" + ("" if weight is None else f", weighted by {weight}")


NOTHING_HELD_OUT = (
    "Nothing was held out: results are those of the last weights of each run on the training rows, on which the winner "
    "is chosen too, and claim nothing about new rows."
)


def _flagged(row: Row, bounds: Limits) -> Row:
    """Return an optimizer's row with a flag if its tuning failed or is doubted."""
    flags = [
        flag
        for flag, names in ((TUNING_FAILED, bounds.mistuned), (TUNING_DOUBTED, bounds.doubted))
        if row.kind == "arm" and row.name in names
    ]
    return row.model_copy(update={"flags": [*row.flags, *flags]}) if flags else row


def _data(dataset: Dataset, experiment: Experiment, sizes: Mapping[str, Sequence[int]]) -> list[Fact]:
    facts = [
        Fact(label="source", value=experiment.data.source or "a frame in memory"),
        Fact(label="target", value=f"{dataset.target} ({dataset.task})"),
        Fact(label=INPUTS, value=dataset.words.inputs),
        *[
            Fact(label=f"{name} rows", value=rows_of_sets(found))
            for name, found in sizes.items()
            if dataset.held_out or name == "training"
        ],
        Fact(
            label="split",
            value=f"{experiment.data.split}, split seed {experiment.data.split_seed}"
            if dataset.held_out
            else f"{experiment.data.split}: nothing held out",
        ),
        *([Fact(label="weights of rows", value=experiment.data.weight)] if experiment.data.weight else []),
    ]
    if dataset.shape.cardinalities:
        text = ", ".join(f"{name} ({codes:,})" for name, codes in dataset.shape.cardinalities.items())
        facts.append(Fact(label="categorical columns (codes)", value=text))
    if dataset.shape.others:
        text = ", ".join(f"{each.name} ({each.kind} {list(each.size)})" for each in dataset.shape.others)
        facts.append(Fact(label="inputs", value=text))
    elif dataset.shape.continuous:
        facts.append(
            Fact(label="continuous columns", value=", ".join(in_blocks(list(dataset.shape.continuous))))
        )
    sized = [each for each in dataset.shape.others if len(each.size) > 1]
    facts += [Fact(label=each.name, value=" × ".join(map(str, each.size))) for each in sized]
    if dataset.classes:
        facts.append(Fact(label="classes", value=f"{len(dataset.classes)}: {', '.join(dataset.classes)}"))
    return [*facts, Fact(label="fingerprint", value=dataset.fingerprint)]


def rows_of_sets(sizes: Sequence[int]) -> str:
    """Return the number of rows of a part, of all test sets where there are several.

    Example:
        >>> rows_of_sets([1200]), rows_of_sets([500, 500]), rows_of_sets([1203, 1202, 1203])
        ('1,200', '500 per test set', '1,202 to 1,203 per test set')
    """
    low, high = min(sizes), max(sizes)
    found = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return found if len(sizes) == 1 else f"{found} per test set"


def _inside(arms: Sequence[PlannedArm]) -> list[Fact]:
    """Return what differs from parameter to parameter, and how gradients are computed, where it is not as usual."""
    found: list[Fact] = []
    ways = dict.fromkeys(arm.recipe.finetune for arm in arms)
    if {*ways} != {""}:
        found.append(Fact(label="fine-tuned", value="; ".join(each or FULL for each in ways)))
    for label, name, usual in (
        ("learning rates", "rates", ""),
        ("fixed parameters", "freeze", ""),
        ("micro-batches", "accumulate", 1),
        ("seconds of training", "max_seconds", None),
        ("evaluations of a run", "evaluations", EVALUATIONS),
    ):
        values = dict.fromkeys(getattr(arm.recipe, name) for arm in arms)
        if {*values} != {usual}:
            found.append(
                Fact(label=label, value="; ".join(shown_rates(f"{each or NONE}") for each in values))
            )
    return found


UNITS = {"seconds": "seconds of training", "gradients": "gradient evaluations"}
"""Units in which runs are equally long, in words; the others are their own."""


def _equal(experiment: Experiment, arms: Sequence[PlannedArm]) -> list[Fact]:
    """Return in which unit runs are equally long, where it is not the usual one or makes a difference."""
    equal = experiment.protocol.equal
    if equal == "epochs" and len({arm.per_epoch for arm in arms}) == 1:
        return []
    return [Fact(label="runs are equal in", value=UNITS.get(equal, equal))]


def _model_text(arm: PlannedArm, findings: Findings) -> str:
    """Return an arm's model, how it is fine-tuned where a part of it is, and how many parameters are trained."""
    tuned = f", fine-tuned {arm.recipe.finetune}" if arm.recipe.finetune else ""
    return f"{arm.recipe.model}{tuned}, {findings.parameters[arm.cell]}"


def _recipe(experiment: Experiment, evidence: Evidence, findings: Findings) -> list[Fact]:
    arms, recipe = evidence.setup.arms, evidence.winner.recipe
    models = dict.fromkeys(_model_text(arm, findings) for arm in arms)
    schedules = dict.fromkeys(arm.recipe.schedule for arm in arms)
    procedures = dict.fromkeys(arm.factors.get("procedure", PLAIN) for arm in arms)
    losses = dict.fromkeys(arm.factors.get("loss", "") for arm in arms)
    regularizers = dict.fromkeys(_regularized(arm, evidence) for arm in arms)
    tested = (
        "those with the best validation metric of each run" if evidence.held_out else "the last of each run"
    )
    precisions = dict.fromkeys(PRECISIONS[arm.recipe.precision] for arm in arms)
    return [
        Fact(label="model", value="; ".join(models)),
        *[Fact(label=what, value=how) for what, how in findings.decided],
        *_equal(experiment, arms),
        *([Fact(label="training loss", value="; ".join(losses))] if {*losses} != {""} else []),
        *([Fact(label="regularizer", value="; ".join(regularizers))] if {*regularizers} != {NONE} else []),
        *_inside(arms),
        Fact(label="schedule", value="; ".join(map(length_text, schedules))),
        *([Fact(label="procedure", value="; ".join(procedures))] if {*procedures} != {PLAIN} else []),
        Fact(label="class weights", value=str(experiment.protocol.class_weights)),
        Fact(label="clipping", value="none" if recipe.clip is None else f"norm {recipe.clip:g}"),
        Fact(label="numerical precision", value="; ".join(precisions)),
        Fact(label="tested weights", value=tested),
    ]  # fmt: skip


def _regularized(arm: PlannedArm, evidence: Evidence) -> str:
    """Return the regularizers of an arm, with the mean penalty of the weights that were tested."""
    penalties = [each.penalty for each in evidence.final(arm) if each.penalty is not None]
    found = (
        f" (penalty of the tested weights {significant(sum(penalties) / len(penalties), 3)})"
        if penalties
        else ""
    )
    chosen = evidence.chosen[arm.id].regularizer  # with the strengths that were tuned
    return f"{chosen or arm.recipe.regularizer or NONE}{', tuned' if chosen else ''}{found}"


PRECISIONS: dict[Precision, str] = {
    "float32": "float32",
    "float64": "float64: training, weights and evaluation",
    "tf32": "float32, matrix products in training with TF32's 11 significant bits",
    "bf16": "float32, matrix products in training of factors rounded to bfloat16's 8 significant bits",
}


def environment(plan: ExecutionPlan) -> list[Fact]:
    """Return what the runs were computed with."""
    device = torch.cuda.get_device_name() if plan.device.startswith("cuda") else platform.machine()
    cells = plan.cells.values()
    threads = " or ".join(
        dict.fromkeys("1 thread" if each.threads == 1 else f"{each.threads} threads" for each in cells)
    )
    how = dict.fromkeys(f"{each.executor}, {'compiled' if each.compiled else 'eager'}" for each in cells)
    return [
        Fact(label="steepest", value=version()),
        Fact(label="torch", value=torch.__version__),
        Fact(label="Python", value=platform.python_version()),
        Fact(
            label="machine",
            value=f"{device}, {counted(os.cpu_count() or 1, 'core')}, {threads} used",
        ),
        Fact(label="execution", value="; ".join(how)),
    ]


def _phases(evidence: Evidence) -> dict[str, float]:
    clocks = [record.clocks for record in evidence.history.values()]
    total = {
        "training": sum(each.train for each in clocks),
        "evaluation": sum(each.evaluate for each in clocks),
        "compilation": sum(each.compile for each in clocks),
        "baselines": sum(each.seconds for each in evidence.baselines),
    }
    return {name: value for name, value in total.items() if value > 0}


def best_run(evidence: Evidence, arm: PlannedArm, fold: int) -> PlannedRun | None:
    """Return the run of an arm on one test set whose validation metric is best, or None if every run failed."""
    runs = evidence.in_sets(finals(evidence.setup, arm, evidence.chosen))[fold]
    losses = [evidence.setup.loss(record) for record in evidence.of(runs)]
    best = min(range(len(runs)), key=lambda i: losses[i])
    return runs[best] if math.isfinite(losses[best]) else None
