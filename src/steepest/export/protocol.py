"""How a comparison was made, in sentences for a paper's appendix: all of it read from what the folder keeps."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steepest.compare.estimates import Difference
from steepest.compare.result import INPUTS, Comparison, Fact, Row
from steepest.compare.summary import UNITS
from steepest.data.dataset import InWords, Task, has_classes
from steepest.data.split_rule import SplitRule
from steepest.objectives import loss_title
from steepest.recipe import DEFAULT_PLANNER, Experiment
from steepest.record.schema import Record
from steepest.report import format as show
from steepest.report.digits import digits_of
from steepest.report.factors import factor_cells, subject, title_of
from steepest.report.main_effects import effect_text, interaction_text
from steepest.report.sentences import families_of
from steepest.report.view import beside_text, metric_of
from steepest.report.words import capital, listed
from steepest.wording import two_digits


@dataclass(frozen=True)
class Section:
    """One heading with its sentences."""

    title: str
    text: str


def protocol(comparison: Comparison, experiment: Experiment, records: Sequence[Record]) -> list[Section]:
    """Return the protocol, a section for each part of it; what was not done has no sentence.

    Args:
        comparison: the stored result.
        experiment: the stored configuration.
        records: every run in the journal.
    """
    sections = [
        Section("Data", _data(comparison, experiment)),
        Section("Preparation", _preparation(comparison, experiment)),
        Section("Arms", _arms(comparison, experiment)),
        Section("Model", _model(comparison)),
        Section("Training", _training(comparison, experiment, records)),
        Section("Tuning", _tuning(comparison, records)),
        Section("Seeds and selection", _selection(comparison, records)),
        Section("Baselines", _baselines(comparison)),
        Section("Statistics", _statistics(comparison)),
        Section("Software and machine", _software(comparison, records)),
    ]
    return [each for each in sections if each.text]


def to_text(comparison: Comparison, sections: Sequence[Section], width: int = 96) -> str:
    """Return the protocol as plain text, the first sentence of the report on top."""
    wrapper = textwrap.TextWrapper(
        width, break_on_hyphens=False
    )  # a name such as inverse-time stays in one piece
    parts = [wrapper.fill(show.printable(comparison.sentence))]
    parts += [wrapper.fill(f"{each.title}. {show.printable(each.text)}") for each in sections]
    return "\n\n".join(parts) + "\n"


def _data(comparison: Comparison, experiment: Experiment) -> str:
    options = experiment.data
    source = Path(options.source).name if options.source else "a table in memory"
    facts = _facts(comparison.data)
    kind = f"a {comparison.task} target"
    if comparison.classes:
        kind += f" with {len(comparison.classes)} classes"
    inputs = facts.get(INPUTS, InWords().inputs)
    said = [
        f"{comparison.target} ({kind}) was predicted from {inputs} "
        f"{'of' if inputs == InWords().inputs else 'in'} {source}."
    ]
    rows = [
        f"{facts[f'{name} rows']} for {name}"
        for name in ("training", "validation", "test")
        if f"{name} rows" in facts
    ]
    said += [f"The rows: {_list(rows)}."] if rows else []
    files = [(name, getattr(options, name)) for name in ("validation", "test")]
    own = [f"the {name} rows came from {Path(value).name}" for name, value in files if isinstance(value, str)]
    if len(own) < len(files):
        seed = f" (seed {options.split_seed})" if comparison.held_out else ""
        said.append(f"The split was {_split(options.split, comparison.task)}{seed}.")
    if comparison.test_sets > 1:
        said.append(
            f"The {comparison.test_sets} test sets have runs of their own. The saved network is trained on the rows "
            "that are not for its validation, by the winner's recipe."
        )
    said += [f"{capital(_list(own))}."] if own else []
    if options.weight is not None:
        said.append(f"Rows were weighted by {options.weight} in losses, metrics and baselines.")
    said += (
        [f"Data and preparation have the fingerprint {facts['fingerprint']}."]
        if "fingerprint" in facts
        else []
    )
    return " ".join(said)


def _arms(comparison: Comparison, experiment: Experiment) -> str:
    """Return what was compared, where that is not optimizers alone."""
    cells = factor_cells(comparison)
    if not cells.names:
        return " ".join([*_data_variants(comparison, ()), *_equal_length(experiment, ())])
    levels = {
        name: list(dict.fromkeys(each[place] for each in cells.values.values()))
        for place, name in enumerate(cells.names)
    }
    whole = math.prod(map(len, levels.values())) == len(comparison.arms)
    told = [f"{title_of(name)} ({', '.join(values)})" for name, values in levels.items()]
    how = "all combinations of " if whole and len(levels) > 1 else "which differ in "
    many = subject(comparison).many
    said = [f"{len(comparison.arms)} {many} were compared, {how}{_list(told)}."]
    said += _data_variants(comparison, levels)
    said += _equal_length(experiment, levels)
    return " ".join(said)


def _equal_length(experiment: Experiment, varying: Collection[str]) -> list[str]:
    """Return in which unit runs are equally long, where that makes a difference."""
    equal = experiment.protocol.equal
    if not {"batch_size", "train_rows"} & {*varying} and equal not in ("seconds", "gradients"):
        return []
    return [f"All of them had runs of equal length in {UNITS.get(equal, equal)}."]


def _data_variants(comparison: Comparison, varying: Collection[str]) -> list[str]:
    """Return what holds where the data varies, or is a variant in every arm."""
    said: list[str] = []
    for name, text in DATA_VARIANTS.items():
        values = {arm.factors.get(name, USUAL[name]) for arm in comparison.arms}
        if name in varying:
            said.append(text)
        elif len(values) == 1 and values != {USUAL[name]} and name != "prepare":
            said.append(f"{capital(title_of(name))}: {values.pop()}. {text}")
    return said


USUAL = {"train_rows": "all", "labels": "none", "prepare": "", "numbers": "standard"}
"""The data as it is."""

DATA_VARIANTS = {
    "train_rows": "Fewer training rows are a part of the same training rows; validation and test rows are the same.",
    "labels": "Only training labels were changed; results are on the true labels of validation and test rows.",
    "prepare": "Every preparation has the same validation and test rows.",
    "numbers": "Networks get numbers in an encoding that is learned from the training rows.",
}
"""What holds where the data varies."""


def _split(split: str, task: Task) -> str:
    rule = SplitRule.parse(split)
    several = {"folds": f"{rule.sets}-fold, ", "repeats": f"repeated {rule.sets} times, "}.get(
        rule.several, ""
    )
    if rule.kind == "group":
        return f"{several}random by {rule.column}: all rows of one {rule.column} are in one part"
    if rule.refits is not None:
        rows = "all rows" if rule.tested_too else "all but the test rows"
        return f"none: trained on {rows} of another split ({_split(str(rule.refits), task)})"
    if not rule.held_out:
        return "none: nothing was held out"
    if rule.kind == "time":
        return f"by {rule.column}: the latest rows are the test rows"
    stratified = rule.kind == "stratified" or (rule.kind == "auto" and has_classes(task))
    return several + ("random, stratified by class" if stratified else "random")


def _preparation(comparison: Comparison, experiment: Experiment) -> str:
    steps = experiment.data.prepare
    if isinstance(steps, str):
        said = [
            f"The table was prepared by the steps in {Path(steps).name}; what they learn comes from the training rows."
        ]
    elif steps:
        names = [str(each.get("use", "a step")) for each in steps]
        said = [f"The table was prepared by {_list(names)}; what they learn comes from the training rows."]
    else:
        said = []
    return " ".join([*said, *[_sentence(_without_options(each.value)) for each in comparison.preparation]])


def _without_options(text: str) -> str:
    """Leave out what a note advises to type."""
    text = re.sub(r" \([^()]*--[a-z][^()]*\)", "", text)
    return "; ".join(each for each in text.split("; ") if " --" not in each and not each.startswith("--"))


def _model(comparison: Comparison) -> str:
    model = _facts(comparison.recipe).get("model")
    return f"{model}." if model else ""


def _training(comparison: Comparison, experiment: Experiment, records: Sequence[Record]) -> str:
    facts, options = _facts(comparison.recipe), experiment.protocol
    said: list[str] = []
    final = [each for each in records if each.key.phase == "final"]
    stopped = [each for each in final if each.outcome == "stopped early"]
    if stopped:
        steps = _span([each.curve[-1].step for each in stopped], "step")
        said.append(
            f"Runs were planned for {_span([each.steps for each in final], 'step')}; {len(stopped)} of {len(final)} "
            f"stopped early, with their last evaluation after {steps}."
        )
    elif final:
        ends = [each.curve[-1].epoch for each in final if each.curve and each.outcome == "finished"]
        epochs = f" ({_span(ends, 'epoch')})" if ends else ""
        said.append(f"Each run took {_span([each.steps for each in final], 'step')}{epochs}.")
    said += _losses(comparison, facts)
    if "length" in facts:
        said.append(f"Length: {facts['length']}.")
    if options.minutes is not None:
        said.append(f"The comparison had a time budget of {options.minutes:g} minutes.")
    if "batch size" in facts:
        said.append(f"Rows a step: {facts['batch size']}.")
    said.append(f"Schedule of the learning rate: {facts.get('schedule', options.schedule)}.")
    if options.watch:
        said.append(f"Recorded at every evaluation besides: {listed(list(options.watch))}.")
    said += [f"{text}: {facts[label]}." for label, text in OF_RUNS.items() if label in facts]
    if "seconds of training" in facts:
        said.append(f"Runs ended at the first evaluation after {facts['seconds of training']} s of training.")
    said.append(
        "Gradients were not clipped."
        if options.clip is None
        else f"Gradients were clipped to a norm of {options.clip:g}."
    )
    if options.precision != "float32":
        said.append(f"Precision: {facts.get('numerical precision', options.precision)}.")
    if has_classes(comparison.task):
        weights = options.class_weights
        text = (
            "no class weights"
            if weights == "none"
            else f"class weights {weights if isinstance(weights, str) else _pairs(weights)}"
        )
        said.append(f"The loss had {text}.")
    used = [row.settings for row in comparison.rows if row.kind == "arm" and row.settings]
    if used:
        several = subject(comparison).many != "optimizers"
        what = f"{capital(subject(comparison).many)} with all their settings" if several else OPTIMIZERS
        said.append(f"{what}: {'; '.join(used)}.")
    return " ".join(said)


OF_RUNS = {
    "regularizer": "Regularizers",
    "callbacks": "Callbacks during runs",
    "learning rates": "Multipliers of the learning rate",
    "fine-tuned": "Part of the model that was trained",
    "fixed parameters": "Parameters that are not trained",
    "procedure": "Procedures",
    "micro-batches": "Micro-batches of a batch",
    "evaluations of a run": "Evaluations of the validation rows in a run",
}
"""Facts about runs, by their label, and how a sentence about each begins."""


def _losses(comparison: Comparison, facts: dict[str, str]) -> list[str]:
    """Return the training loss, of each arm where it varies."""
    what, arms = subject(comparison), list[tuple[str, str]]()
    for arm in comparison.arms:
        if "loss" in arm.factors:
            arms.append((loss_title(arm.factors["loss"]), what.name(arm.title)))
    losses = list(dict.fromkeys(loss for loss, _ in arms))
    if not losses:
        return [f"The training loss was {facts['training loss']}."] if "training loss" in facts else []
    if len(losses) == 1:
        return [f"The training loss was {losses[0]}."]
    of = {loss: _list([arm for found, arm in arms if found == loss]) for loss in losses}
    return [f"Training losses: {'; '.join(f'{loss}: {names}' for loss, names in of.items())}."]


OPTIMIZERS = "Optimizers with all their hyperparameters"


def _tuning(comparison: Comparison, records: Sequence[Record]) -> str:
    tuned = [row for row in comparison.rows if row.kind == "arm" and row.tuned]
    given = [row for row in comparison.rows if row.kind == "arm" and not row.tuned]
    defaults = [row for row in comparison.rows if row.kind == "default"]
    said: list[str] = []
    if tuned:
        title = metric_of(comparison, comparison.metric).title
        names = _list([subject(comparison).name(row.name) for row in tuned])
        curves = [each for each in comparison.rates if any(row.name == each.name for row in tuned)]
        beside = {each.name: list(each.chosen_at) for each in curves if each.chosen_at}
        what = "Hyperparameters" if beside else "The learning rate"
        said.append(
            f"{what} of {names} {'were' if beside else 'was'} chosen by {title} on the validation rows."
        )
        own = comparison.planner if comparison.planner not in ("", DEFAULT_PLANNER, "sobol") else ""
        said += [f"For {name}, {_list(more)} {'were' if len(more) > 1 else 'was'} tuned beside the learning rate"
                 f"{'' if own else ', on a Sobol design'}." for name, more in beside.items()]  # fmt: skip
        said += [f"Trials were drawn, and went on to longer runs, by the planner {own}."] if own else []
        scans, fulls = [each.scan for each in curves], [each.full for each in curves]
        kind = "trial" if beside else "rate"
        if any(scans):
            spread = _span([len(each) for each in scans if each], kind)
            said.append(
                f"A scan tried {spread} each{'' if beside else _spacing(scans)}, with runs of "
                f"{_length(records, 'scan')}."
            )
        if any(fulls) and not any(each.whole for each in curves):
            spread = _span([len(each) for each in fulls if each], kind)
            said.append(f"Of these, the best {spread} ran for {_length(records, 'full')}.")
        seeds = sorted({each.key.seed for each in records if each.key.phase in ("scan", "full")})
        seed = f", with run seed {_list([str(each) for each in seeds])}" if seeds else ""
        on = ", on the training and validation rows of the first test set" if comparison.test_sets > 1 else ""
        said.append(f"Each had {_span([row.trials for row in tuned], 'tuning run')}{seed}{on}.")
        said.append(f"Chosen: {_rates(comparison, tuned)}.")
        said += [f"For {each.name}, with {beside_text(each.chosen_at)}." for each in curves if each.chosen_at]
        if any(each.sweep for each in curves):
            said.append("Every learning rate of the scan also ran with every run seed at full length.")
    if given:
        said.append(f"Not tuned, with the rate that was given: {_rates(comparison, given)}.")
    if defaults:
        said.append(
            f"Each {subject(comparison).one} also ran at its library's default rate ({_rates(comparison, defaults)})."
        )
    return " ".join(said)


def _rates(comparison: Comparison, rows: Sequence[Row]) -> str:
    what = subject(comparison)
    return _list([f"{what.name(row.name)} {show.rate(row.lr)}" for row in rows])


def _length(records: Sequence[Record], phase: str) -> str:
    steps = [each.steps for each in records if each.key.phase == phase]
    whole = max((each.steps for each in records if each.key.phase == "final"), default=0)
    if not steps:
        return "an unknown length"
    share = 100 * max(steps) / whole if whole else 100.0
    return _span(steps, "step") + (f" ({show.number(share, 0)}% of the whole length)" if share < 99.5 else "")


def _spacing(scans: Iterable[Sequence[tuple[float, float]]]) -> str:
    ratios = [
        after / before
        for scan in scans
        for (before, _), (after, _) in zip(sorted(scan), sorted(scan)[1:], strict=False)
        if before > 0
    ]
    if not ratios or max(ratios) / min(ratios) > 1.1:
        return ""
    return f", a factor of {two_digits(sum(ratios) / len(ratios))} apart"


def _selection(comparison: Comparison, records: Sequence[Record]) -> str:
    seeds = sorted({each.key.seed for each in records if each.key.phase == "final"})
    said: list[str] = []
    if seeds:
        one_by_one = seeds == list(range(seeds[0], seeds[0] + len(seeds))) and len(seeds) > 2
        shown = f"{seeds[0]} to {seeds[-1]}" if one_by_one else _list([str(each) for each in seeds])
        said.append(
            f"Every {subject(comparison).one} ran with {_count(len(seeds), 'run seed')} ({shown}), the same for all; a "
            "seed draws the initial weights, the order of the rows and dropout."
        )
    said.append(f"The deciding metric was {metric_of(comparison, comparison.metric).title}.")
    if comparison.positive:
        said.append(f"The positive class was {comparison.positive}.")
    said.append(comparison.selection)
    failed = [
        f"{row.name} {row.outcome}"
        for row in comparison.rows
        if row.kind in ("arm", "default") and row.outcome != "finished"
    ]
    if failed:
        said.append(f"Not every run finished: {_list(failed)}; means are over the others.")
    return " ".join(said)


def _baselines(comparison: Comparison) -> str:
    rows = [row for row in comparison.rows if row.kind == "baseline"]
    told = [f"{row.name} ({row.settings})" if row.settings else row.name for row in rows]
    return f"On the same rows: {'; '.join(told)}." if rows else ""


OVER = {
    "seeds": "paired by run seed (Student's t)",
    "rows": "paired by test row (Student's t, with two further rows as far out as the farthest)",
    "both": "paired by run seed and by test row (the t intervals of both joined in quadrature; the seeds' variance "
    "pooled over the comparisons where the test rows are most of it)",
    "sets": "paired by test set (Student's t over test sets, corrected for the overlap of their training sets)",
    "both sets": "paired by test set, run seed and test row (the t intervals over runs, which differ in training set "
    "and seed, and over test rows, joined in quadrature)",
}


def _statistics(comparison: Comparison) -> str:
    said: list[str] = []
    rows = [row for row in comparison.rows if row.kind == "arm"]
    if any(row.seeds * comparison.test_sets > 1 for row in rows):
        said.append(
            "Values are means over the run seeds with 95% t intervals."
            if comparison.test_sets == 1
            else "Values are means over the test sets, of the means over their run seeds, with 95% t intervals over "
            "the test sets, corrected for the overlap of their training sets."
        )
    what = subject(comparison)
    used: dict[str, list[Difference]] = {}
    lacking: dict[str, list[Difference]] = {}
    for each in comparison.differences:
        if each.ends is None:
            lacking.setdefault(each.reason or "no spread is known", []).append(each)
        else:
            over = "both sets" if each.over == "both" and each.sets > 1 else each.over
            used.setdefault(over, []).append(each)
    for over, found in used.items():
        pairs = list(dict.fromkeys(what.name(each.second) for each in found))
        said.append(
            f"The differences of {what.name(found[0].first)} to {_list(pairs)} are {OVER[over]}, with 95% intervals."
        )
    for reason, found in lacking.items():
        pairs = list(dict.fromkeys(what.name(each.second) for each in found))
        said.append(
            f"The differences of {what.name(found[0].first)} to {_list(pairs)} have no interval ({reason})."
        )
    families = families_of(comparison)
    if families and any(each.comparisons > 1 for each in comparison.differences):
        said.append(
            f"Their p-values are corrected within each metric and family of comparisons (Holm); these are {families}."
        )
    said += _main_effects(comparison)
    facts = _facts(comparison.trust)
    visible = facts.get("smallest detectable difference", facts.get("smallest visible difference"))
    if visible:
        metric = metric_of(comparison, comparison.metric)
        said.append(
            f"A true difference in {metric.title} of {visible} between the winner and the arm nearest to it would have "
            "been detected with a probability of 80 %."
        )
    return " ".join(said)


def _main_effects(comparison: Comparison) -> list[str]:
    found = comparison.factorial
    if found is None:
        return []
    metric = metric_of(comparison, found.metric)
    written = digits_of(comparison, metric)
    pairs = sum(len(effect.pairs) for effect in found.effects)
    told = [f"{title_of(each.factor)}: {effect_text(each, written)}" for each in found.effects]
    said = [
        "A main effect is the difference of two levels of a factor, averaged over all combinations of the other "
        f"factors with equal weights; its p-value is corrected for all {pairs} pairs of levels (Holm). "
        f"{capital('; '.join(told))}."
    ]
    return said if found.largest is None else [*said, interaction_text(found.largest, written)]


def _software(comparison: Comparison, records: Sequence[Record]) -> str:
    facts = [f"{each.label} {each.value}" for each in comparison.environment]
    said = [f"{', '.join(facts)}."] if facts else []
    if records:
        seconds = sum(each.clocks.train for each in records)
        said.append(f"{_count(len(records), 'run')} took {show.seconds(seconds)} of training.")
    return " ".join(said)


def _facts(facts: Sequence[Fact]) -> dict[str, str]:
    return {each.label: each.value for each in facts}


def _span(values: Sequence[float], unit: str) -> str:
    """Return ``7 rates`` or ``7 to 8 rates``."""
    low, high = (_round(each) for each in (min(values), max(values)))
    return f"{low} {unit}{'' if low == '1' else 's'}" if low == high else f"{low} to {high} {unit}s"


def _round(value: float) -> str:
    return show.count(value) if isinstance(value, int) else show.number(value, 2).rstrip("0").rstrip(".")


def _count(number: int, unit: str) -> str:
    return f"{show.count(number)} {unit}{'' if number == 1 else 's'}"


def _pairs(weights: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in weights.items())


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentence(text: str) -> str:
    whole = text.rstrip(". ") + "."
    column_first = re.match(r"\S+(: \d| is a date)", whole)
    return whole if column_first else capital(whole)
