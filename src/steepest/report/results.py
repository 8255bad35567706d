"""The tables of results as plain values: texts and marks, no HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from steepest.compare.estimates import Estimate
from steepest.compare.result import Comparison, Metric, Row, better_first
from steepest.optim.held import FORWARD, PRODUCT
from steepest.report import format as show
from steepest.report.digits import digits_of, from_winner
from steepest.report.factors import subject, title_of, varying
from steepest.report.marks import is_recommended, is_winner
from steepest.report.sentences import notes
from steepest.report.theme import styles
from steepest.report.view import UNBROKEN, deciding_first, finite, metric_of
from steepest.report.words import capital, cell_text
from steepest.wording import memory_text


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    best: bool = False
    number: bool = True


@dataclass(frozen=True)
class ResultsLine:
    """One line of the table of results."""

    name: str
    kind: str
    cells: list[Cell]
    shown: str = ""
    levels: list[str] = field(default_factory=list)
    winner: bool = False
    recommended: bool = False
    colour: str | None = None
    label: str = ""
    badges: list[str] = field(default_factory=list)
    settings: str = ""


@dataclass(frozen=True)
class ResultsTable:
    """A table of results.

    Attributes:
        head: the headings of the columns of numbers.
        groups: lines by the title of their group.
        first: the heading of the first column.
        factors: the headings of the columns of factors after it, where several vary.
        further: what has no room beside it: the other metrics and the last weights; None if there is nothing.
    """

    head: list[str]
    groups: list[tuple[str, list[ResultsLine]]]
    first: str = "name"
    factors: list[str] = field(default_factory=list)
    further: ResultsTable | None = None


def table(comparison: Comparison) -> ResultsTable:
    """Return every row: the deciding metric, its difference from the winner, one more metric, and how it was trained.

    The best value of a column among all rows is marked.
    """
    metrics = deciding_first(comparison)
    head = [_heading(each) for each in metrics[:1]]
    columns = [_scores(comparison, each) for each in metrics[:1]]
    if any(each.metric == comparison.metric for each in comparison.differences):
        winner = "the winner" if varying(comparison) else comparison.winner
        head.append(f"difference from {winner} [95{UNBROKEN}%{UNBROKEN}CI]")
        columns.append(lambda row: Cell(_difference(comparison, row)))
    head += [_heading(each) for each in metrics[1:2]]
    columns += [_scores(comparison, each) for each in metrics[1:2]]
    head += ["rate", "good range", "training", "tuning runs", "seeds"]
    columns += [
        lambda row: Cell(show.rate(row.lr)),
        lambda row: Cell(show.factor(row.good_range)),
        lambda row: Cell(show.seconds(row.train_seconds)),
        lambda row: Cell(show.count(row.trials) if row.trials else show.MISSING),
        lambda row: Cell(show.count(row.seeds)),
    ]
    names = names_of(comparison)
    return ResultsTable(
        head,
        _groups(comparison, columns, names),
        names.first,
        names.titles,
        _further(comparison, metrics, names),
    )


@dataclass(frozen=True)
class ArmNames:
    """How arms are named in a table: by one column, or by one for each factor that varies.

    Attributes:
        first: the heading of the first column.
        factors: the factors that have columns of their own after it.
        shown: what stands in the first column, by the arm's title.
        levels: what stands in the others.
    """

    first: str = "name"
    factors: tuple[str, ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict[str, str])
    levels: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def titles(self) -> list[str]:
        """The headings of the columns of factors."""
        return [title_of(each) for each in self.factors]

    def of(self, row: Row) -> tuple[str, list[str]]:
        """Return what stands in the first column and in those of the factors."""
        known = row.kind == "arm" and row.name in self.levels
        return (
            (self.shown[row.name], self.levels[row.name]) if known else (row.name, [""] * len(self.factors))
        )


def names_of(comparison: Comparison) -> ArmNames:
    """Return how arms are named; an arm with a name of its own makes a first column of names."""
    factors = varying(comparison)
    if not factors:
        return ArmNames()
    named = any(arm.name for arm in comparison.arms)
    first, rest = ("name", factors) if named else (title_of(factors[0]), factors[1:])
    texts = {
        arm.title: {name: cell_text(name, arm.levels[name]) for name in factors} for arm in comparison.arms
    }
    return ArmNames(
        first,
        tuple(rest),
        {title: title if named else each[factors[0]] for title, each in texts.items()},
        {title: [each[name] for name in rest] for title, each in texts.items()},
    )


def as_html(comparison: Comparison) -> str:
    """Return the table as plain HTML for a notebook, the recommended model in bold."""
    shown = table(comparison)
    bold = ' style="font-weight:bold"'

    def cells(texts: Iterable[str], kind: str = "td") -> str:
        return "".join(f"<{kind}>{html.escape(each)}</{kind}>" for each in texts)

    def row(line: ResultsLine) -> str:
        name = " ".join(filter(None, [line.shown, line.label and f"({line.label})", *line.badges]))
        texts = [name, *line.levels, *(cell.text for cell in line.cells)]
        return f"<tr{bold if line.recommended else ''}>{cells(texts)}</tr>"

    rows = "".join(row(line) for _, lines in shown.groups for line in lines)
    head = cells([shown.first if shown.factors else "", *shown.factors, *shown.head], "th")
    below = "".join(f"<p>{html.escape(each)}</p>" for each in notes(comparison))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{below}"


def _further(comparison: Comparison, metrics: Sequence[Metric], names: ArmNames) -> ResultsTable | None:
    """Return what has no room in the first table: metrics, the deciding one with the last weights, and costs."""
    head = [_heading(each) for each in metrics[2:]]
    columns = [_scores(comparison, each) for each in metrics[2:]]
    if any(comparison.metric in row.last for row in comparison.rows):
        deciding = metrics[0]
        written = digits_of(comparison, deciding)
        head.append(f"{deciding.title}, last weights")
        columns.append(lambda row: Cell(written.value(row.last.get(deciding.name))))
    if any(row.tokens_a_second is not None for row in comparison.rows):
        head.append("training tokens a second")
        columns.append(
            lambda row: Cell(show.count(round(row.tokens_a_second)) if row.tokens_a_second else show.MISSING)
        )
    if any(row.cpu_seconds is not None for row in comparison.rows):
        head.append("processor time")
        columns.append(
            lambda row: Cell(show.seconds(math.nan if row.cpu_seconds is None else row.cpu_seconds))
        )
    if any(row.peak_memory is not None for row in comparison.rows):
        head.append("peak memory")
        columns.append(lambda row: Cell(memory_text(row.peak_memory)))
    if several_gradients(comparison):
        head += GRADIENTS
        columns += [
            lambda row: Cell(show.evaluations(row.gradients)),
            lambda row: Cell(show.evaluations(row.products)),
            lambda row: Cell(show.evaluations(row.forwards)),
        ]
    return (
        ResultsTable(head, _groups(comparison, columns, names), names.first, names.titles) if head else None
    )


GRADIENTS = ["gradient evaluations", "curvature products", "forward passes"]
"""Headings of what a run evaluates, where a step of some method takes more than one gradient."""


def several_gradients(comparison: Comparison) -> bool:
    """Return whether a step of some method takes more than one gradient.

    Example:
        >>> from steepest.compare.result import Band
        >>> def after(gradients):
        ...     at = {"step": [0, 5], "epoch": [0.0, 1.0], "seconds": [0.0, 1.0], "gradients": gradients}
        ...     band = Band(name="sam(adam)", metric="rmse", mean=[2, 1], low=[2, 1], high=[2, 1], **at)
        ...     return Comparison(title="t", sentence="s", metric="rmse", winner="", rows=[], metrics=[], curves=[band])
        >>> several_gradients(after([0.0, 10.0])), several_gradients(after([0.0, 5.0]))
        (True, False)
    """
    return any(band.gradients and band.gradients[-1] != band.step[-1] for band in comparison.curves)


def evaluations_note(comparison: Comparison) -> str:
    """Return what products and forward passes cost by count and by time, for the arms that make some.

    Example:
        >>> row = Row(kind="arm", name="newton", products=60.0, gradients_a_product=2.34, forwards=0.0)
        >>> evaluations_note(Comparison(title="t", sentence="s", metric="rmse", winner="", rows=[row], metrics=[]))
        'newton: a product is 2 gradients by count, 2.3 by time.'
    """
    kinds = (
        ("a product", PRODUCT, "products", "gradients_a_product"),
        ("a forward pass", FORWARD, "forwards", "gradients_a_forward"),
    )
    lines: list[str] = []
    for row in comparison.rows:
        told = [
            f"{what} is {count:.2g} gradients by count, {getattr(row, times):.2g} by time"
            for what, count, made, times in kinds
            if row.kind == "arm" and getattr(row, made) and getattr(row, times) is not None
        ]
        lines += [f"{row.name}: {'; '.join(told)}."] if told else []
    return " ".join(lines)


Column = Callable[[Row], Cell]


def _groups(
    comparison: Comparison, columns: Sequence[Column], names: ArmNames
) -> list[tuple[str, list[ResultsLine]]]:
    deciding = metric_of(comparison, comparison.metric)
    look = styles(comparison)

    def line(row: Row) -> ResultsLine:
        shown, levels = names.of(row)
        badges = [] if row.outcome == "finished" else [row.outcome]
        badges += [row.untuned] if row.kind == "arm" and row.untuned else []
        badges += [] if row.parameter_bytes is None else [memory_text(row.parameter_bytes)]
        return ResultsLine(
            name=row.name,
            kind=row.kind,
            shown=shown,
            levels=levels,
            cells=[column(row) for column in columns],
            winner=is_winner(comparison, row),
            recommended=is_recommended(comparison, row),
            colour=look[row.name].css if row.name in look and row.kind != "baseline" else None,
            label={"default": "library default", "constant": "no schedule"}.get(row.kind, ""),
            badges=list(dict.fromkeys([*badges, *row.flags, *([row.cut] if row.cut else [])])),
            settings=row.settings,
        )

    optimizers: list[ResultsLine] = []
    followers = [row for row in comparison.rows if row.kind in ("default", "constant")]
    for row in better_first((row for row in comparison.rows if row.kind == "arm"), deciding):
        optimizers.append(line(row))
        optimizers += [line(each) for each in followers if each.name == row.name]
    shown_names = {each.name for each in optimizers}
    optimizers += [line(each) for each in followers if each.name not in shown_names]
    baselines = better_first((row for row in comparison.rows if row.kind == "baseline"), deciding)
    groups = [
        (capital(subject(comparison).many), optimizers),
        ("Baselines", [line(row) for row in baselines]),
    ]
    return [group for group in groups if group[1]]


def _heading(metric: Metric) -> str:
    unit = f",{UNBROKEN}%" if metric.percent else ""
    return f"{metric.title}{unit}{UNBROKEN}{'↑' if metric.higher_is_better else '↓'}"


def _scores(comparison: Comparison, metric: Metric) -> Column:
    written = digits_of(comparison, metric)
    best = _best([row.metrics[metric.name] for row in comparison.rows if metric.name in row.metrics], metric)

    def cell(row: Row) -> Cell:
        value = row.metrics.get(metric.name)
        return Cell(written.value(value), best=value is not None and value.mean == best)

    return cell


def _best(values: Iterable[Estimate], metric: Metric) -> float:
    means = [each.mean for each in values if finite(each.mean)]
    if not means:
        return math.nan
    return max(means) if metric.higher_is_better else min(means)


def _difference(comparison: Comparison, row: Row) -> str:
    deciding = metric_of(comparison, comparison.metric)
    found = None
    if row.kind in ("arm", "baseline"):
        found = from_winner(comparison, row.name, deciding.name)
    return " ".join(each for each in digits_of(comparison, deciding).gap(found, sign=True) if each)
