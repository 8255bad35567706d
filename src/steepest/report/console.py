"""Progress on the terminal: one bar with an honest time left, lines above it for decisions and results."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from steepest.record.schema import Record
from steepest.report import format as fmt
from steepest.sweep.observer import Observer, Tried
from steepest.wording import counted, length_text


def hanging(text: str, console: Console, indent: int) -> str:
    """Return a line wrapped for a terminal, where it goes on indented; as it is where it goes elsewhere.

    Example:
        >>> print(hanging("plan   two optimizers", Console(width=20, force_terminal=True), 7))
        plan   two
               optimizers
        >>> print(hanging("plan   two optimizers", Console(width=20, force_terminal=False), 7))
        plan   two optimizers
    """
    if not console.is_terminal:
        return text
    return textwrap.fill(
        text, max(console.width, 20), subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def where(rate: float, tried: Tried) -> str:
    """Return whether the chosen rate is inside those that were tried, and if not, why these were not extended.

    Example:
        >>> where(0.03, Tried(lowest=1e-3, highest=0.03, best=0.01, most=3))
        ', at the edge of 1e-3…0.03 (not extended: 0.01 was best on a quarter of the steps)'
        >>> where(0.01, Tried(lowest=1e-3, highest=0.03, best=0.01, most=3))
        ', inside 1e-3…0.03'
    """
    if tried.lowest == tried.highest:
        return ""
    ends = f"{fmt.rate(tried.lowest)}…{fmt.rate(tried.highest)}"
    if tried.lowest < rate < tried.highest:
        return f", inside {ends}"
    if not tried.most:
        why = "not extended: only grids around a documented centre are, and only if all optimizers have one"
    elif tried.best != rate:
        more = " further" if tried.further else ""
        why = f"not extended{more}: {fmt.rate(tried.best)} was best {length_text(tried.shortest)}"
    else:
        why = f"extended by {counted(tried.further, 'rate')}, the most that any optimizer gets"
    return f", at the edge of {ends} ({why})"


class ProgressObserver(Observer):
    """Shows the work of a comparison.

    Args:
        console: where to; standard error if left out, so that standard output stays clean.
        verbose: also a line for each run.
    """

    def __init__(self, console: Console | None = None, *, verbose: bool = False) -> None:
        self.console = console or Console(stderr=True, emoji=False, force_jupyter=False)
        self.verbose = verbose
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeLeft(),
            console=self.console,
            transient=True,
            refresh_per_second=4,
            disable=not self.console.is_terminal,
        )
        self.task = self.progress.add_task("starting", total=None)
        self.done = 0.0

    def __enter__(self) -> ProgressObserver:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def stage(self, title: str) -> None:
        """Show what is being done."""
        self.progress.update(self.task, description=fmt.shorten(fmt.printable(title), 38).ljust(38))
        if not self.console.is_terminal and not title.startswith("reading"):
            self.console.print(f"  {fmt.printable(title)}", markup=False, highlight=False)

    def advance(self, work: float) -> None:
        """Move the bar."""
        self.done += work
        self.progress.update(self.task, completed=self.done)

    def remaining(self, work: float) -> None:
        """Set what is left."""
        self.progress.update(self.task, total=self.done + work)

    def tuned(
        self,
        name: str,
        rate: float,
        tried: Tried,
        trials: int,
        beside: Mapping[str, Any],
    ) -> None:
        """Say which rate an optimizer got, and what else was tuned."""
        inside = f"best {fmt.rate(rate)}{'' if beside else where(rate, tried)}"
        inside += "".join(f", {other} {value}" for other, value in beside.items())
        self.say(f"tune   {name}: {inside}, {counted(trials, 'trial')}")

    def run(self, record: Record) -> None:
        """Say what deserves a line: a run that failed, as a warning unless it diverged while rates were tried."""
        key = record.key
        if record.failed:
            tries = key.phase in ("pilot", "scan", "full", "sweep") and record.outcome == "diverged"
            what = f"{key.name} at {fmt.rate(record.lr)} {record.outcome} ({key.phase}): {record.reason}"
            self.say(what if tries else f"warning: {what}")
        elif self.verbose and record.best:
            metric, value = next(iter(record.best.items()))
            text = f"{metric} {value:.4f}" if math.isfinite(value) else "no value"
            self.say(f"{key.name} at {fmt.rate(record.lr)}, seed {key.seed} ({key.phase}): {text}")

    def say(self, text: str) -> None:
        """Print a line above the bar; on a terminal it is wrapped under its own beginning."""
        style = "yellow" if text.startswith("warning: ") else "dim"
        shown = hanging(f"  {fmt.printable(text)}", self.console, 9)
        self.console.print(Text(shown, style=style), soft_wrap=True)


class TimeLeft(ProgressColumn):
    """The time left, from the pace of the last minutes; nothing until there is something to go by."""

    max_refresh = 1.0

    def __init__(self, window: float = 180.0) -> None:
        super().__init__()
        self.window = window
        self.seen: list[tuple[float, float]] = []

    def render(self, task: Task) -> Text:
        """Return the time left as text."""
        now = time.monotonic()
        if not self.seen or task.completed > self.seen[-1][1]:
            self.seen.append((now, task.completed))
        while len(self.seen) > 2 and now - self.seen[0][0] > self.window:
            self.seen.pop(0)
        if task.total is None or len(self.seen) < 2 or now - self.seen[0][0] < 5:
            return Text("")
        pace = (self.seen[-1][1] - self.seen[0][1]) / (now - self.seen[0][0])
        left = (task.total - task.completed) / pace if pace > 0 else math.nan
        return Text(f"{fmt.seconds(left)} left" if math.isfinite(left) and left > 0 else "", style="cyan")
