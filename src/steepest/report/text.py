"""The result in a terminal, and as comma-separated values."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from steepest.compare.estimates import Estimate
from steepest.compare.limits import TUNING_FAILED
from steepest.compare.result import Comparison, Metric, Row, better_first
from steepest.report import format as show
from steepest.report.digits import digits_of, from_winner
from steepest.report.levels import LevelColumns, effects_table, level_columns, wrapped
from steepest.report.sentences import notes
from steepest.report.view import UNBROKEN, is_winner, metric_of

_NAME, _HEAD = 15, 20
_LONGEST, _SHORT = 60, 10
_ALL, _COMPARED = 78, 64
"""Columns that a terminal needs for another metric, and for the difference from the winner."""
_WIDE = Console(file=io.StringIO(), width=1_000)
"""Where a table is measured."""
_BESIDES = 65
"""Columns that the numbers take beside the names."""


def comparison_table(comparison: Comparison, width: int = 80) -> RenderableType:
    """Return the result for a terminal of so many columns: a line for each arm and baseline, the sentence.

    The winner has the dot. The deciding metric comes first, then the paired difference from the winner
    with its 95 % interval, one more metric, the rate and the range of rates that are as good. Where
    several factors vary, each has a column, and main effects follow the table. What :func:`notes` says stands below it.

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
        Adam wins.
    """
    metric = metric_of(comparison, comparison.metric)
    levels = level_columns(comparison)
    spare = 0 if levels is None else max(levels.width - _NAME, 0)
    others = [each for each in comparison.metrics if each.name != metric.name and width - spare >= _ALL]
    arms = better_first((row for row in comparison.rows if row.kind == "arm"), metric)
    baselines = better_first((row for row in comparison.rows if row.kind == "baseline"), metric)
    shown = [*arms, *baselines]
    compared = width - spare >= _COMPARED and any(
        from_winner(comparison, row.name, metric.name) for row in shown
    )
    longest = levels.width if levels else max(_NAME, min(width - _BESIDES, _LONGEST))
    names = {id(row): _name(row, longest, levels, mark=is_winner(comparison, row)) for row in shown}
    head = "" if levels is None else "\n".join(f"  {line}" for line in levels.head.split("\n"))
    table = _table(comparison, shown, names, head, [metric, *others[:1]], compared=compared)
    for some, gaps in (([metric], compared), ([metric], False)):  # digits may need more than columns have
        if _WIDE.measure(table).maximum > width:
            table = _table(comparison, shown, names, head, some, compared=gaps)
    sentence = Text(show.printable(comparison.sentence))
    if not shown:
        return sentence
    below: list[RenderableType] = [Text(show.printable(each), style="dim") for each in notes(comparison)]
    if comparison.factorial is not None:
        below.append(effects_table(comparison.factorial, digits_of(comparison, metric)))
    return Group(table, *below, sentence)


def _table(
    comparison: Comparison,
    shown: Sequence[Row],
    names: Mapping[int, str],
    head: str,
    metrics: Sequence[Metric],
    *,
    compared: bool,
) -> Table:
    """Return the lines of arms and baselines with one or two metrics, and the difference from the winner or not."""
    metric, *_ = metrics
    rates = max([4, *(len(show.rate(row.lr)) for row in shown if row.kind == "arm")])
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(
        head, no_wrap=True, min_width=max((len(each.split("\n")[0]) for each in names.values()), default=0)
    )
    table.add_column(_head(metric), no_wrap=True)
    if compared:
        winner = show.printable(comparison.winner)
        winner = winner if len(winner) <= _SHORT else "the winner"
        table.add_column(f"difference from\n{winner} [95 % CI]", no_wrap=True)
    for each in metrics[1:]:
        table.add_column(_head(each), no_wrap=True)
    table.add_column(f"{'rate':<{rates}}  range", overflow="fold")
    columns = [(each, digits_of(comparison, each)) for each in metrics]
    for row in shown:
        cells = [Text(written.value(row.metrics.get(each.name), tight=True)) for each, written in columns]
        if compared:
            found = columns[0][1].gap(from_winner(comparison, row.name, metric.name), sign=True, tight=True)
            cells.insert(1, Text(" ".join(each for each in found if each)))
        style = "bold" if names[id(row)].startswith("●") else "dim" if row.kind == "baseline" else ""
        table.add_row(Text(names[id(row)]), *cells, _remark(row, rates), style=style)
    return table


COSTS = ("train_seconds", "cpu_seconds", "peak_memory")
"""What a run costs, the last columns of ``results.csv``."""


def to_csv(comparison: Comparison) -> str:
    """Return ``results.csv``: a line for each arm, each optimizer at its library default, and each baseline.

    Columns: ``kind`` (``arm``, ``default``, ``baseline``), ``name``, a column for each factor where more than the
    optimizer differs, ``lr`` (these are empty for baselines), ``seeds`` (runs), ``outcome`` (``finished``, ``diverged 2
    of 5``, …); then for each metric its mean on the test rows over the seeds, and ``_low`` and ``_high``, the ends of
    its 95 % interval (empty where there is none, as for a single run); then ``train_seconds`` and ``cpu_seconds``,
    means of one run, and ``peak_memory`` in bytes, that of the run that needed most. What is not a number is empty.

    Example:
        >>> from steepest.compare.result import Metric
        >>> one = Estimate(mean=0.5, n=1)
        >>> row = Row(kind="baseline", name="mean", metrics={"rmse": one}, train_seconds=2.0)
        >>> shown = Metric(name="rmse", title="RMSE", higher_is_better=False)
        >>> print(to_csv(Comparison(title="t", sentence="s", metric="rmse", winner="", rows=[row],
        ...                         metrics=[shown])))
        kind,name,lr,seeds,outcome,rmse,rmse_low,rmse_high,train_seconds,cpu_seconds,peak_memory
        baseline,mean,,1,finished,0.5,,,2.0,,
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [each.name for each in comparison.metrics]
    scores = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    factors = comparison.factors if set(comparison.factors) - {"optimizer"} else []
    arms = {arm.title: arm.factors for arm in comparison.arms}
    writer.writerow(["kind", "name", *factors, "lr", "seeds", "outcome", *scores, *COSTS])
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
        cost = ["" if each is None else _exact(each) for each in (row.train_seconds, row.cpu_seconds)]
        memory = "" if row.peak_memory is None else row.peak_memory
        many = [row.seeds, row.outcome, *cells, *cost, memory]
        writer.writerow([row.kind, row.name, *levels, lr, *many])
    return file.getvalue()


def _exact(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def _ends(value: Estimate) -> list[str]:
    return [_exact(value.mean), *(["", ""] if value.ends is None else map(_exact, value.ends))]


def _head(metric: Metric) -> str:
    arrow = "↑" if metric.higher_is_better else "↓"
    lines = textwrap.wrap(f"{show.printable(metric.title)}{UNBROKEN}{arrow}", _HEAD)
    return "\n".join(lines).replace(UNBROKEN, " ")


def _name(row: Row, width: int, levels: LevelColumns | None, *, mark: bool) -> str:
    lines = wrapped(show.shorten(show.printable(row.name), _LONGEST), width)
    if levels is not None and row.kind == "arm":
        lines = list(levels.lines.get(row.name, lines))
    if row.kind == "arm" and not row.tuned:
        lines.append("not tuned")
    if TUNING_FAILED in row.flags:
        lines.append(TUNING_FAILED)
    if row.outcome != "finished":
        lines += textwrap.wrap(show.printable(row.outcome), width)
    return f"{'●' if mark else ' '} " + "\n  ".join(lines)


def _remark(row: Row, width: int) -> Text:
    if row.kind == "baseline":
        whole = f"{row.train_seconds:.0f} s" if 0.5 <= row.train_seconds < 9.5 else "<1 s"
        text = f"baseline, {show.seconds(row.train_seconds) if row.train_seconds >= 9.5 else whole}"
    else:
        text = f"{show.rate(row.lr):<{width}}  {show.factor(row.good_range)}"
    return Text(text)
