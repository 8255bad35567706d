"""The result in a terminal, and as comma-separated values."""

from __future__ import annotations

import csv
import io
import itertools
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from steepest.compare.assemble import OUT_OF_TIME
from steepest.compare.estimates import Estimate
from steepest.compare.limits import TUNING_DOUBTED, TUNING_FAILED
from steepest.compare.result import Comparison, Metric, Row, better_first
from steepest.report import format as show
from steepest.report.digits import digits_of, from_winner
from steepest.report.levels import LevelColumns, effects_table, level_columns, wrapped
from steepest.report.marks import RECOMMENDED, key, mark
from steepest.report.reached import in_terminal
from steepest.report.sentences import about_others, notes
from steepest.report.view import UNBROKEN, deciding_first, metric_of
from steepest.report.watched import reported_epochs
from steepest.wording import memory_text

_NAME, _HEAD = 15, 20
_LONGEST, _SHORT = 60, 10
_MOST = 400
"""Characters of a name that are shown, in lines below each other; the end may be what distinguishes it."""
_LEVELS = (13, 9, 6)
"""Characters of a column of levels, narrower where a terminal is."""
_WIDE = Console(file=io.StringIO(), width=1_000)
"""Where a table is measured."""


@dataclass(frozen=True)
class _Columns:
    """Which columns a table has beside the names and the deciding metric.

    Attributes:
        other: another metric, or None.
        compared: the difference from the winner.
        rates: the rate and the range of good ones, a baseline's time.
    """

    other: Metric | None
    compared: bool
    rates: bool = True


def comparison_table(comparison: Comparison, width: int = 80) -> RenderableType:
    """Return the result for a terminal of so many columns: a line for each arm and baseline, the sentence.

    The row whose model is recommended has the dot; where that is a baseline, the winner has a hollow one. The deciding
    metric comes first, then the paired difference from the winner with its 95 % interval, one more metric (that which
    the sentence advises, if it does), the rate and the range of rates that are as good. Where several factors vary,
    each has a column, and main effects follow the table. What :func:`notes` says stands below it.

    Example:
        >>> from rich.console import Console
        >>> from steepest.compare.result import Metric
        >>> loss = Estimate(mean=1.464, low=1.462, high=1.466, n=5)
        >>> row = Row(kind="arm", name="adam", lr=1e-3, good_range=32.0, metrics={"log_loss": loss})
        >>> shown = Metric(name="log_loss", title="log loss", higher_is_better=False)
        >>> result = Comparison(title="t", sentence="Adam wins.", metric="log_loss", winner="adam",
        ...                     rows=[row], metrics=[shown])
        >>> Console(width=80, force_terminal=False).print(comparison_table(result))
          log loss ↓   rate  range
        ● adam  1.464 ±.002   1e-3  32×
          ● winning optimizer, chosen on the validation rows
        Adam wins.
    """
    metric = metric_of(comparison, comparison.metric)
    arms = better_first((row for row in comparison.rows if row.kind == "arm"), metric)
    baselines = better_first((row for row in comparison.rows if row.kind == "baseline"), metric)
    shown = [*arms, *baselines]
    sentence = Text(show.printable(comparison.sentence))
    if not shown:
        return sentence
    table, columns = _fitting(comparison, shown, width)
    said = notes(comparison, intervals=columns.compared)
    below: list[RenderableType] = [Text(show.printable(each), style="dim") for each in said]
    if marks := key(comparison, shown):
        below.insert(0, Text(f"  {marks}", style="dim"))
    if epochs := reported_epochs(comparison):
        below.append(Text(epochs, style="dim"))
    if comparison.factorial is not None:
        below.append(effects_table(comparison.factorial, digits_of(comparison, metric)))
    below += in_terminal(comparison)
    finished = [row for row in arms if row.outcome == "finished"]
    after = about_others(metric, [columns.other] if columns.other else comparison.metrics[:2], finished)
    first = (
        [Text(show.printable(f"warning: {comparison.outdated}"), style="yellow")]
        if comparison.outdated
        else []
    )
    return Group(*first, table, *below, sentence, *(Text(each, style="dim") for each in after))


def _fitting(comparison: Comparison, shown: Sequence[Row], width: int) -> tuple[Table, _Columns]:
    """Return the table with as many columns as a terminal has room for, and which these are.

    Another metric, such as accuracy, stays before the rates and before differences, which the report has as well. Names
    get the room that is left. Levels are wrapped more narrowly where the deciding metric alone has no room.
    """
    metric, other = (*deciding_first(comparison), None)[:2]
    assert metric is not None
    compared = any(from_winner(comparison, row.name, metric.name) for row in shown)
    choices = [
        _Columns(other, compared),
        *([_Columns(other, compared, rates=False)] if other else []),
        *([_Columns(other, compared=False, rates=rates) for rates in (True, False)] if other else []),
        _Columns(None, compared),
        _Columns(None, compared=False),
        _Columns(None, compared=False, rates=False),
    ]
    for widest, columns in itertools.product(_LEVELS, choices):
        levels = level_columns(comparison, widest)
        longest = levels.width if levels else _NAME
        spare = width - _WIDE.measure(_table(comparison, shown, longest, levels, columns)).maximum
        if spare >= 0:
            longest += 0 if levels else min(spare, _LONGEST - longest)
            found = _table(comparison, shown, longest, levels, columns)
            while longest > _NAME and levels is None and _WIDE.measure(found).maximum > width:
                longest -= 1  # with more room a name may be broken behind a longer part
                found = _table(comparison, shown, longest, levels, columns)
            return found, columns
    levels, columns = level_columns(comparison, _LEVELS[-1]), choices[-1]
    return _table(comparison, shown, levels.width if levels else _NAME, levels, columns), columns


def _table(
    comparison: Comparison, shown: Sequence[Row], longest: int, levels: LevelColumns | None, columns: _Columns
) -> Table:
    """Return the lines of arms and baselines with names of so many characters."""
    metric = metric_of(comparison, comparison.metric)
    metrics = [metric, *([columns.other] if columns.other else [])]
    names = [_name(row, longest, levels, mark=mark(comparison, row)) for row in shown]
    head = "" if levels is None else "\n".join(f"  {line}" for line in levels.head.split("\n"))
    rates = max([4, *(len(show.rate(row.lr)) for row in shown if row.kind == "arm")])
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(head, no_wrap=True, min_width=max(len(each.split("\n")[0]) for each in names))
    table.add_column(_head(metric), no_wrap=True)
    if columns.compared:
        winner = show.printable(comparison.winner)
        winner = winner if len(winner) <= _SHORT else "the winner"
        table.add_column(f"difference from\n{winner} [95 % CI]", no_wrap=True)
    for each in metrics[1:]:
        table.add_column(_head(each), no_wrap=True)
    if columns.rates:
        table.add_column(f"{'rate':<{rates}}  range", overflow="fold")
    written = [(each, digits_of(comparison, each)) for each in metrics]
    for row, name in zip(shown, names, strict=True):
        cells = [Text(digits.value(row.metrics.get(each.name), tight=True)) for each, digits in written]
        if columns.compared:
            found = written[0][1].gap(from_winner(comparison, row.name, metric.name), sign=True, tight=True)
            cells.insert(1, Text(" ".join(each for each in found if each)))
        if columns.rates:
            cells.append(_remark(row, rates))
        style = "bold" if name.startswith(RECOMMENDED) else "dim" if row.kind == "baseline" else ""
        table.add_row(Text(name), *cells, style=style)
    return table


COSTS = ("train_seconds", "cpu_seconds", "peak_memory", "gradients", "products", "forwards")
"""What a run costs, the last columns of ``results.csv``."""
PACE = "tokens_a_second"
"""The column before them where texts are trained on."""


def to_csv(comparison: Comparison) -> str:
    """Return ``results.csv``: a line for each arm, each optimizer at its library default, and each baseline.

    Columns: ``kind`` (``arm``, ``default``, ``baseline``), ``name``, a column for each factor where more than the
    optimizer differs, ``lr`` (these are empty for baselines), ``seeds`` (runs), ``outcome`` (``finished``, ``diverged 2
    of 5``, …); then for each metric its mean on the test rows over the seeds, and ``_low`` and ``_high``, the ends of
    its 95 % interval (empty where there is none, as for a single run); of texts ``tokens_a_second``, scored tokens for
    a second of training; then ``train_seconds`` and ``cpu_seconds``,
    means of one run, ``peak_memory`` in bytes, that of the run that needed most, and ``gradients``, ``products`` and
    ``forwards``, mean gradient evaluations of one run with the curvature products and forward passes among them. What
    is not a number is empty.

    Example:
        >>> from steepest.compare.result import Metric
        >>> one = Estimate(mean=0.5, n=1)
        >>> row = Row(kind="baseline", name="mean", metrics={"rmse": one}, train_seconds=2.0)
        >>> shown = Metric(name="rmse", title="RMSE", higher_is_better=False)
        >>> some = Comparison(title="t", sentence="s", metric="rmse", winner="", rows=[row], metrics=[shown])
        >>> head, line = to_csv(some).splitlines()
        >>> head.partition(",train")[0]
        'kind,name,lr,seeds,outcome,rmse,rmse_low,rmse_high'
        >>> line
        'baseline,mean,,1,finished,0.5,,,2.0,,,,,'
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [each.name for each in comparison.metrics]
    scores = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    factors = comparison.factors if set(comparison.factors) - {"optimizer"} else []
    arms = {arm.title: arm.factors for arm in comparison.arms}
    tokens = [PACE] if any(row.tokens_a_second is not None for row in comparison.rows) else []
    writer.writerow(["kind", "name", *factors, "lr", "seeds", "outcome", *scores, *tokens, *COSTS])
    for row in comparison.rows:
        if row.kind == "constant":
            continue
        cells: list[str] = []
        for name in names:
            value = row.metrics.get(name)
            cells += ["", "", ""] if value is None else _ends(value)
        lr = "" if row.lr is None else _exact(row.lr)
        values = arms.get(row.name, {}) if row.kind != "baseline" else {}
        levels = [values.get(name, "") for name in factors]
        costs = [_cost(getattr(row, each)) for each in (*tokens, *COSTS)]
        many = [row.seeds, row.outcome, *cells, *costs]
        writer.writerow([row.kind, row.name, *levels, lr, *many])
    return file.getvalue()


def _cost(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else _exact(value)


def _exact(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def _ends(value: Estimate) -> list[str]:
    return [_exact(value.mean), *(["", ""] if value.ends is None else map(_exact, value.ends))]


def _head(metric: Metric) -> str:
    arrow = "↑" if metric.higher_is_better else "↓"
    lines = textwrap.wrap(f"{show.printable(metric.title)}{UNBROKEN}{arrow}", _HEAD)
    return "\n".join(lines).replace(UNBROKEN, " ")


def _name(row: Row, width: int, levels: LevelColumns | None, *, mark: str) -> str:
    lines = wrapped(show.shorten(show.printable(row.name), _MOST), width)
    if levels is not None and row.kind == "arm":
        lines = list(levels.lines.get(row.name, lines))
    if row.kind == "arm" and row.untuned:
        lines.append(row.untuned)
    lines += [flag for flag in (TUNING_FAILED, TUNING_DOUBTED, OUT_OF_TIME) if flag in row.flags]
    lines += [row.cut] if row.cut else []
    if row.outcome != "finished":
        lines += textwrap.wrap(show.printable(row.outcome), width)
    return f"{mark} " + "\n  ".join(lines)


def _remark(row: Row, width: int) -> Text:
    if row.kind == "baseline":
        whole = f"{row.train_seconds:.0f} s" if 0.5 <= row.train_seconds < 9.5 else "<1 s"
        took = show.seconds(row.train_seconds) if row.train_seconds >= 9.5 else whole
        text = f"baseline, {took if row.parameter_bytes is None else memory_text(row.parameter_bytes)}"
    else:
        text = f"{show.rate(row.lr):<{width}}  {show.factor(row.good_range)}"
    return Text(text)
