"""Results on several data sets in words and cells: the headline, the table of results, the table of comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steepest.compare.across import (
    Contest,
    SetResults,
    SuiteResults,
    Tally,
    contests,
    friedman,
    mean_rank,
    ranks,
    smallest_differences,
)
from steepest.compare.estimates import Difference
from steepest.compare.result import Row
from steepest.report import format as show
from steepest.report.digits import Digits, digits
from steepest.report.words import listed
from steepest.wording import counted, significant

FAILED = "failed"


@dataclass(frozen=True)
class ResultCell:
    """A mean over seeds with half the width of its interval.

    Attributes:
        text: of it; ``failed`` where a run failed.
        mean: for sorting; None where there is none.
        best: whether no mean on the set is better.
        lr: the chosen rate, as text.
        stored: whether it comes with the package.
        why: why the arm failed.
    """

    text: str
    mean: float | None
    best: bool
    lr: str
    stored: bool
    why: str = ""


@dataclass(frozen=True)
class ResultLine:
    """An arm's results on all data sets, with the mean of its ranks."""

    name: str
    mine: bool
    cells: list[ResultCell]
    rank: float

    @property
    def rank_text(self) -> str:
        """The mean rank as text."""
        return f"{self.rank:.1f}"


@dataclass(frozen=True)
class ContestCell:
    """A comparison on one data set as texts."""

    verdict: str
    amount: str
    interval: str
    p: str
    reason: str


@dataclass(frozen=True)
class ContestLine:
    """An arm against one other on all data sets."""

    second: str
    cells: list[ContestCell]
    tally: Tally


def written(of: SetResults) -> Digits:
    """Return how the deciding metric of a data set is written, with digits that suit the means of all arms."""
    name = of.metric.name
    means = ((arm.name, of.mean(arm.name)) for arm in of.arms)
    return digits(
        of.metric,
        [Row(kind="arm", name=arm, metrics={name: mean}) for arm, mean in means if mean is not None],
    )


def head(of: SetResults) -> str:
    """Return a data set with its metric, such as ``flights: log loss ↓``."""
    metric = of.metric
    return f"{of.name}: {metric.title}{', %' if metric.percent else ''} {'↑' if metric.higher_is_better else '↓'}"


def result_lines(results: SuiteResults) -> list[ResultLine]:
    """Return a line for each arm, the best mean rank first."""
    placed, columns = ranks(results), [_column(each, results.names) for each in results.sets]
    lines = [
        ResultLine(name, name in results.mine, [column[place] for column in columns], mean_rank(placed[name]))
        for place, name in enumerate(results.names)
    ]
    return sorted(lines, key=lambda line: line.rank)


def _column(of: SetResults, names: Sequence[str]) -> list[ResultCell]:
    form, higher = written(of), of.metric.higher_is_better
    means = {name: mean.mean for name in names if (mean := of.mean(name)) is not None}
    best = (max if higher else min)(means.values(), default=math.nan)
    cells: list[ResultCell] = []
    for name in names:
        arm, mean = of.arm(name), of.mean(name)
        cells.append(
            ResultCell(
                text=FAILED if mean is None else form.value(mean, tight=True),
                mean=means.get(name),
                best=means.get(name) == best,
                lr=show.rate(arm.lr) if arm is not None else show.MISSING,
                stored=arm is not None and arm.stored,
                why="" if arm is None or mean is not None else arm.failed,
            )
        )
    return cells


def contest_lines(results: SuiteResults) -> dict[str, list[ContestLine]]:
    """Return the comparisons of each arm that the suite is run for, a line for each other arm."""
    found = contests(results)
    forms = {each.name: written(each) for each in results.sets}
    return {
        first: [
            ContestLine(
                second,
                [_contest_cell(each, forms[each.set]) for each in mine],
                Tally.of(mine),
            )
            for second in results.others
            if (mine := [each for each in found if (each.first, each.second) == (first, second)])
        ]
        for first in results.mine
    }


def _contest_cell(found: Contest, form: Digits) -> ContestCell:
    if not math.isfinite(found.mean):
        return ContestCell(found.verdict, "", "", "", found.reason)
    ends = {"low": found.low, "high": found.high} if math.isfinite(found.p) else {}
    gap = Difference.model_validate(
        {"first": found.first, "second": found.second, "metric": "", "over": "seeds", "mean": found.mean, "n": found.n,
         "told_apart": found.verdict in ("win", "loss"), **ends}
    )  # fmt: skip
    amount, interval = form.gap(gap, sign=True, tight=True)
    p = show.probability(found.p_adjusted) if math.isfinite(found.p_adjusted) else ""
    return ContestCell(found.verdict, amount, interval, p, found.reason)


def tallies(results: SuiteResults) -> dict[str, Tally]:
    """Return wins, ties and losses of each arm that the suite is run for, over all comparisons."""
    found = contests(results)
    return {name: Tally.of([each for each in found if each.first == name]) for name in results.mine}


def tally_text(tally: Tally) -> str:
    """Return wins, ties and losses in words.

    Example:
        >>> tally_text(Tally(win=1, tie=2)), tally_text(Tally(loss=3, untested=1))
        ('1 win, 2 ties and 0 losses', '0 wins, 0 ties, 3 losses and 1 untested')
    """
    parts = [counted(tally.win, "win"), counted(tally.tie, "tie"), counted(tally.loss, "loss", "losses")]
    parts += [f"{tally.untested} untested"] if tally.untested else []
    return listed(parts)


def sentence(results: SuiteResults) -> str:
    """Return how often each arm that the suite is run for won, was not told apart, and lost."""
    found, placed = tallies(results), ranks(results)
    others, sets = counted(len(results.others), "optimizer"), counted(len(results.sets), "data set")
    said = [
        f"{name}: {tally_text(tally)} against {others} on {sets}; mean rank {mean_rank(placed[name]):.1f} of "
        f"{len(results.names)}."
        for name, tally in found.items()
    ]
    return " ".join(said)


def caution(results: SuiteResults) -> str:
    """Return what wins, ties and losses mean, and how many comparisons they are corrected for."""
    tested = sum(math.isfinite(each.p) for each in contests(results))
    seeds = max((len(arm.seeds) for each in results.sets for arm in each.arms), default=0)
    if not tested:
        return f"No two arms could be tested against each other, with {counted(seeds, 'seed')} each."
    return (
        f"Paired t tests over {counted(seeds, 'seed')}, corrected for {counted(tested, 'comparison')} (Holm, 5 %). A "
        f"tie is no proof that two are equal. {visible_text(results)} Intervals are over seeds, on the test rows at "
        "hand."
    )


def visible_text(results: SuiteResults) -> str:
    """Return which differences the suite can tell apart on each data set."""
    found = smallest_differences(results)
    amounts = [
        f"{significant(found[each.name] * written(each).scale, 2)}{' points' if each.metric.percent else ''} on "
        f"{each.name}"
        for each in results.sets
        if each.name in found
    ]
    return f"A true difference is detected 4 times in 5 (median over pairs) from {listed(amounts)}."


def rank_text(results: SuiteResults) -> str:
    """Return what Friedman's test says of the ranks; nothing of fewer than three data sets."""
    p = friedman(results)
    if math.isnan(p):
        return ""
    many = len(results.sets)
    apart = "are not all alike" if p < 0.05 else "are not told apart"
    return f"By their ranks on {many} data sets, the arms {apart} (Friedman's test, p {show.probability(p)})."


def suite_text(results: SuiteResults) -> RenderableType:
    """Return a suite for a terminal: results, wins, ties and losses, remarks, and the headline."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("arm", overflow="fold")
    for each in results.sets:
        table.add_column(head(each).replace(": ", "\n"), justify="right", no_wrap=False)
    table.add_column("mean\nrank", justify="right")
    for line in result_lines(results):
        cells = [
            Text(f"{each.text}{'' if each.stored else '*'}", style="bold" if each.best else "")
            for each in line.cells
        ]
        table.add_row(Text(line.name, style="bold" if line.mine else ""), *cells, line.rank_text)
    parts: list[RenderableType] = [table]
    if any(not each.stored for line in result_lines(results) for each in line.cells) and any(
        each.stored for line in result_lines(results) for each in line.cells
    ):
        parts.append(Text("* trained here; the others are stored results", style="dim"))
    for name, lines in contest_lines(results).items():
        against = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        against.add_column(f"{name} against", overflow="fold")
        for each in results.sets:
            against.add_column(each.name, justify="right")
        against.add_column("win/tie/loss", justify="right")
        for line in lines:
            tally = line.tally
            cells = [Text(cell.verdict, style=_STYLES.get(cell.verdict, "dim")) for cell in line.cells]
            against.add_row(line.second, *cells, f"{tally.win}/{tally.tie}/{tally.loss}")
        parts += [Text(), against]
    failures = [
        f"{each.name}: {arm.name}: {arm.failed}" for each in results.sets for arm in each.arms if arm.failed
    ]
    parts += [Text(), *(Text(f"failed: {show.printable(each)}", style="yellow") for each in failures)]
    said = [caution(results), rank_text(results), *results.remarks]
    parts += [Text(show.printable(each), style="dim") for each in said if each]
    return Group(*parts, Text(show.printable(sentence(results))))


_STYLES = {"win": "green", "loss": "red"}
