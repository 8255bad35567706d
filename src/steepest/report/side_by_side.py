"""Several comparisons on one page: who won in each, what was different, and what may be compared across them.

Two comparisons are held against each other only where they had the same data, the same split and so the same test
rows, and run seeds in common: then runs of one seed are pairs. Elsewhere the page says why not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup
from numpy.typing import ArrayLike

from steepest.compare.differences import family
from steepest.compare.estimates import Difference
from steepest.compare.result import Comparison, Fact, best_chosen
from steepest.compare.scores import Scores, scores
from steepest.evaluate.metrics import is_positive
from steepest.files import write_with_folder
from steepest.recipe import Experiment
from steepest.report import format as show
from steepest.report import profiled, theme
from steepest.report.contrasts import Contrast, contrasts
from steepest.report.digits import digits_of
from steepest.report.factors import subject
from steepest.report.html import embedded_json, own, plotly_script, policy, style, template
from steepest.report.setting_words import FINGERPRINT, SAID_BY, words_of
from steepest.report.view import RankingFigure, metric_of, ranking
from steepest.report.words import listed
from steepest.wording import counted

LONGEST = 80


@dataclass(frozen=True)
class SeedScores:
    """What one seed gave: its test metrics, and what each test row gave (``loss``, for classes ``correct``)."""

    test: Mapping[str, float]
    rows: Mapping[str, ArrayLike] = field(default_factory=dict[str, ArrayLike])


@dataclass(frozen=True)
class Side:
    """One comparison of the page.

    Attributes:
        label: how it is called here, such as its folder.
        comparison: its result.
        experiment: its configuration.
        fingerprint: the hash of its data, preparation and split; empty if unknown.
        runs: of each optimizer, what each seed gave.
    """

    label: str
    comparison: Comparison
    experiment: Experiment
    fingerprint: str
    runs: Mapping[str, Mapping[int, SeedScores]] = field(default_factory=dict[str, Mapping[int, SeedScores]])


@dataclass(frozen=True)
class OverviewRow:
    """One line of the first table: the best network by validation, and what the comparison recommends for use."""

    label: str
    title: str
    network: str
    use: str
    metric: str
    value: str
    baseline: str
    rows: str
    runs: str


@dataclass(frozen=True)
class Across:
    """Two comparisons: what may be compared and came out, or why nothing may be."""

    first: str
    second: str
    reason: str = ""
    metric: str = ""
    lines: list[Contrast] = field(default_factory=list[Contrast])
    same: list[str] = field(default_factory=list[str])


def render_sides(sides: Sequence[Side]) -> str:
    """Return the page.

    Args:
        sides: two comparisons or more, in the order in which they are shown; names may contain anything.
    """
    sides = labelled(sides)
    script, comparisons = own("report.js"), [each.comparison for each in sides]
    prints, look = [each.fingerprint for each in sides], theme.shared_styles(comparisons)
    found = profiled.profiles(comparisons, prints)
    library = plotly_script() if found else ""
    return template("side_by_side.html.j2").render(
        title=" · ".join(each.label for each in sides),
        sentence=sentence(sides),
        remarks=remarks(sides),
        overviews=[overview(each) for each in sides],
        over=spans(sides),
        rankings=[_ranked(each, look) for each in sides],
        unlike=unlike(sides),
        labels=[each.label for each in sides],
        changed=configuration(sides),
        across=[across(one, other) for one, other in itertools.combinations(sides, 2)],
        style=Markup(style()),
        script=Markup(script),
        profiles=found,
        same_data=same_data(sides) if found else "",
        within=profiled.WITHIN,
        profile_chips=profiled.chips(found, look) if found else [],
        library=Markup(library),
        policy=policy([each for each in (library, script) if each]),
        data=Markup(
            embedded_json(
                {
                    "figures": {"profiles": profiled.figure(found, look=look)} if found else {},
                    "dark": theme.dark_for_light(),
                }
            )
        ),
    )


def write_sides(sides: Sequence[Side], path: str | Path) -> Path:
    """Write the page atomically and return its path.

    Raises:
        FolderError: the file cannot be written.
    """
    return write_with_folder(path, render_sides(sides))


def labelled(sides: Sequence[Side]) -> list[Side]:
    """Return the sides without the beginning that all labels share."""
    parts = [Path(each.label).parts for each in sides]
    columns = zip(*[each[:-1] for each in parts], strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))
    return [
        Side(
            Path(*own_parts[shared:]).as_posix(),
            each.comparison,
            each.experiment,
            each.fingerprint,
            each.runs,
        )
        for each, own_parts in zip(sides, parts, strict=True)
    ]


def sentence(sides: Sequence[Side]) -> str:
    """Return who was best where, one clause for a winner that all share, and what predict uses instead of it."""
    used = {each.label: each.comparison.recommended or each.comparison.winner for each in sides}
    if all(used[each.label] == each.comparison.winner for each in sides):
        return _chosen(sides, "Validation chose")
    first = _chosen(sides, "Of the networks, validation chose")
    if len(set(used.values())) == 1:
        count = "both" if len(sides) == 2 else f"all {len(sides)}"
        return f"{first} Predict uses {next(iter(used.values()))} in {count}."
    where: dict[str, list[str]] = {}
    for each in sides:
        network = used[each.label] == each.comparison.winner
        where.setdefault("the network" if network else used[each.label], []).append(each.label)
    said = "; ".join(f"{name} in {listed(labels)}" for name, labels in where.items())
    return f"{first} Predict uses {said}."


def _chosen(sides: Sequence[Side], opening: str) -> str:
    """Return which networks validation chose where."""
    winners = {each.comparison.winner for each in sides}
    metrics = {each.comparison.metric for each in sides}
    if len(winners) == 1:
        title = metric_of(sides[0].comparison, sides[0].comparison.metric).title
        on = f" on {title}" if len(metrics) == 1 else ""
        count = "both" if len(sides) == 2 else f"all {len(sides)}"
        of = len(profiled.once([each.fingerprint for each in sides]))
        of_data = f" of {'one data set' if of == 1 else counted(of, 'data set')}" if of < len(sides) else ""
        return f"{opening} {next(iter(winners))} in {count} comparisons{of_data}{on}."
    shown = [
        f"{each.comparison.winner} in {each.label}"
        + (f" ({metric_of(each.comparison, each.comparison.metric).title})" if len(metrics) > 1 else "")
        for each in sides
    ]
    return f"{opening} {listed(shown)}."


def remarks(sides: Sequence[Side]) -> list[str]:
    """Return what a reader must know before comparing numbers across the columns."""
    said = [f"{each.label}: {each.comparison.outdated}." for each in sides if each.comparison.outdated]
    if _of_different_data(sides):
        return [*said, "They are of different data: a value of one says nothing about a value of another."]
    sizes = {each.label: _fact(each.comparison.data, "training rows") for each in sides}
    if len(set(sizes.values())) > 1:
        shown = listed([f"{name} {rows or 'an unknown number of'}" for name, rows in sizes.items()])
        said.append(
            f"Their numbers of training rows differ: {shown}. A better value may be due to the larger table."
        )
    if len({each.comparison.metric for each in sides}) > 1:
        shown = listed(
            [f"{each.label} {metric_of(each.comparison, each.comparison.metric).title}" for each in sides]
        )
        said.append(f"Their deciding metrics differ: {shown}.")
    if len({each.fingerprint for each in sides}) > 1 or not all(each.fingerprint for each in sides):
        said.append(
            "Not all have the same test rows: values on different rows do not show which way of training is better."
        )
    return said


def _of_different_data(sides: Sequence[Side]) -> bool:
    return len({(each.comparison.target, each.comparison.task) for each in sides}) == len(sides)


def same_data(sides: Sequence[Side]) -> str:
    """Return which comparisons do not count beside others of the same data, or nothing."""
    count = profiled.once([each.fingerprint for each in sides])
    texts = [
        f"{each.label} (as {next(sides[i].label for i in count if sides[i].fingerprint == each.fingerprint)})"
        for place, each in enumerate(sides)
        if place not in count
    ]
    if not texts:
        return ""
    return f"Of comparisons of the same data and split the first one counts; left out: {listed(texts)}."


def unlike(sides: Sequence[Side]) -> str:
    """Return why no two of three or more can be compared, where each predicts something else; else nothing."""
    if len(sides) < 3 or not _of_different_data(sides):
        return ""
    targets = [f"{each.comparison.target} ({each.comparison.task}) in {each.label}" for each in sides]
    return f"Not comparable: they predict different things, {listed(targets)}."


def spans(sides: Sequence[Side]) -> str:
    """Return what the intervals of values are over."""
    several = [each.comparison.test_sets > 1 for each in sides]
    if all(several):
        return "test sets"
    return "seeds; over test sets where there are several" if any(several) else "seeds"


def overview(side: Side) -> OverviewRow:
    """Return the line of one comparison."""
    found = side.comparison
    metric = metric_of(found, found.metric)
    mine = next((row for row in found.rows if row.kind == "arm" and row.name == found.winner), None)
    value = mine.metrics.get(metric.name) if mine else None
    written = digits_of(found, metric)
    baselines = best_chosen((row for row in found.rows if row.kind == "baseline"), metric)
    rows = [_fact(found.data, f"{name} rows") for name in ("training", "test")]
    return OverviewRow(
        label=side.label,
        title=found.title,
        network=found.winner,
        use=found.recommended,
        metric=f"{metric.title}{', %' if metric.percent else ''} {'↑' if metric.higher_is_better else '↓'}",
        value=written.value(value),
        baseline=f"{baselines[0].name} {written.value(baselines[0].metrics[metric.name])}"
        if baselines and metric.name in baselines[0].metrics
        else show.MISSING,
        rows=_joined(rows),
        runs=subject(found).runs(mine.seeds) if mine else show.MISSING,
    )


def _joined(rows: Sequence[str]) -> str:
    """Return numbers of rows in one text, with what they are all of at its end."""
    of = " per test set"
    shared = of if all(each.endswith(of) for each in rows) else ""
    return " / ".join(each.removesuffix(shared) or show.MISSING for each in rows) + shared


def _ranked(side: Side, look: Mapping[str, theme.Style]) -> tuple[str, str, RankingFigure]:
    found = ranking(side.comparison, look)
    return side.label, f"{found.title} on {side.comparison.results_on}: {side.label}", found


def configuration(sides: Sequence[Side]) -> list[tuple[str, list[str]]]:
    """Return what differs between the comparisons, in words: (name, value of each).

    The execution plan is left out, which has the timings of one machine; its decisions are among the facts. A setting
    is left out where a fact says the same, or more.
    """
    trees = [
        _flat(each.experiment.model_dump(mode="json", exclude={"execution", "name", "plan"}))
        for each in sides
    ]
    found = [
        {fact.label: fact.value for fact in [*each.data, *each.recipe, *each.environment]}
        for each in (side.comparison for side in sides)
    ]

    def differing(many: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
        names = dict.fromkeys(name for each in many for name in each)
        values = {name: [each.get(name, show.MISSING) for each in many] for name in names}
        return {name: each for name, each in values.items() if len(set(each)) > 1}

    facts = differing(found)
    said = {setting for fact, settings in SAID_BY.items() if fact in facts for setting in settings}
    settings = {name: each for name, each in differing(trees).items() if name not in said}
    shown = {words_of(name): each for name, each in settings.items()}
    shown |= {name: each for name, each in facts.items() if name not in (*shown, FINGERPRINT)}
    return [(name, [show.shorten(each, LONGEST) for each in values]) for name, values in shown.items()]


def _flat(tree: Mapping[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = _shown(value)
    return found


def _shown(value: Any) -> str:
    if value is None or value in ([], {}, ()):
        return show.MISSING
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def across(one: Side, other: Side) -> Across:
    """Return the differences between two comparisons: of the two winners, and of each optimizer that both have."""
    reason = why_not(one, other)
    if reason:
        return Across(one.label, other.label, reason)
    metric = one.comparison.metric
    pairs = _pairs(one, other)
    same = [pair for pair in pairs if _is_same(one.runs[pair[0]], other.runs[pair[1]], metric)]
    found = corrected_differences(one, other, leave_out=same)
    stand_in = one.comparison.model_copy(update={"differences": found, "pairs": [], "winner": ""})
    groups = contrasts(stand_in)
    return Across(
        first=one.label,
        second=other.label,
        metric=metric_of(one.comparison, metric).title,
        lines=[line for _, lines in groups for line in lines],
        same=[a if a == b else f"{a} in {one.label} and {b} in {other.label}" for a, b in same],
    )


def _pairs(one: Side, other: Side) -> list[tuple[str, str]]:
    """Return the two winners, and every arm of one name that both have."""
    pairs = [(one.comparison.winner, other.comparison.winner), *((name, name) for name in one.runs)]
    return [each for each in dict.fromkeys(pairs) if each[0] in one.runs and each[1] in other.runs]


def why_not(one: Side, other: Side) -> str:
    """Return why two comparisons cannot be held against each other, or nothing if they can."""
    a, b = one.comparison, other.comparison
    if (a.target, a.task) != (b.target, b.task):
        return f"they predict different things: {a.target} ({a.task}) and {b.target} ({b.task})"
    if max(a.test_sets, b.test_sets) > 1:
        counts = [f"{each.test_sets} test set{'s' if each.test_sets > 1 else ''}" for each in (a, b)]
        return (
            f"they have {listed(counts)}: only comparisons on one test set each are held against each other"
        )
    if not one.fingerprint or one.fingerprint != other.fingerprint:
        rows = [_fact(each.data, "test rows") for each in (a, b)]
        sizes = f" ({rows[0]} and {rows[1]})" if all(rows) and rows[0] != rows[1] else ""
        trees = [_flat(each.experiment.data.model_dump(mode="json"), "data.") for each in (one, other)]
        names = dict.fromkeys(name for tree in trees for name in tree)
        changed = [words_of(name) for name in names if len({tree.get(name) for tree in trees}) > 1]
        what = f" ({', '.join(changed)})" if changed else ""
        return f"data, preparation or split differ{what}, so the test rows{sizes} differ"
    if a.metric != b.metric:
        return f"their deciding metrics differ: {a.metric} and {b.metric}"
    if is_positive(a.metric) and a.positive != b.positive:
        return f"their positive classes differ: {a.positive} and {b.positive}"
    seeds = [{seed for runs in each.runs.values() for seed in runs} for each in (one, other)]
    if len(seeds[0] & seeds[1]) < 2:
        shown = listed([", ".join(map(str, sorted(each))) or "none" for each in seeds])
        return f"they have fewer than two run seeds in common ({shown}), so their runs cannot be paired"
    return ""


def _is_same(mine: Mapping[int, SeedScores], theirs: Mapping[int, SeedScores], metric: str) -> bool:
    """Whether every seed in common gave exactly the same: then these are the same runs, and nothing was measured."""
    seeds = set(mine) & set(theirs)
    return bool(seeds) and all(mine[each].test.get(metric) == theirs[each].test.get(metric) for each in seeds)


def corrected_differences(
    one: Side, other: Side, leave_out: Sequence[tuple[str, str]] = ()
) -> list[Difference]:
    """Return first − second for the two winners and for each optimizer that both have, corrected together (Holm).

    Args:
        one, other: two comparisons on the same test rows.
        leave_out: pairs that gave the same in both.
    """
    metric = one.comparison.metric
    made = [
        (one, first, other, second)
        for first, second in _pairs(one, other)
        if (first, second) not in leave_out
    ]
    found = [(seeds, each) for each in made if len(seeds := _in_common(*each)) > 1]
    return family([(_scores(one, first, seeds, metric), _scores(other, second, seeds, metric))
                   for seeds, (one, first, other, second) in found])  # fmt: skip


def _in_common(one: Side, first: str, other: Side, second: str) -> list[int]:
    return sorted(set(one.runs[first]) & set(other.runs[second]))


def _scores(side: Side, name: str, seeds: Sequence[int], metric: str) -> Scores:
    runs = [side.runs[name][seed] for seed in seeds]
    values, kept = [each.test.get(metric, math.nan) for each in runs], [each.rows or None for each in runs]
    return scores(f"{name} in {side.label}", metric, values, kept)


def _fact(facts: Sequence[Fact], label: str) -> str:
    return next((each.value for each in facts if each.label == label), "")
