"""What the pages say, as Markdown; and what their controls mean."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from steepest.errors import OptionError
from steepest.play import choices
from steepest.play.hypotheses import Hypothesis, Outcome
from steepest.play.job import WatchedComparison
from steepest.play.workplace import Workplace
from steepest.report import format as fmt
from steepest.wording import counted


def options(
    target: str | None,
    optimizers: Sequence[str],
    rates: str,
    models: Sequence[str],
    seeds: float | None,
    epochs: float | None,
) -> dict[str, Any]:
    """Return the options of :func:`steepest.plan` for what was chosen.

    Args:
        target: the column to predict; None where the data knows it.
        optimizers, rates: as for :func:`~steepest.play.choices.arms_of`, the rates as typed.
        models: none for the usual one.
        seeds: how many.
        epochs: 0 for as many as a pilot finds.

    Raises:
        OptionError: a number is missing, or a choice is not allowed.

    Example:
        >>> options(None, ["adam"], "0.1", [], 2, 0)
        {'optimizers': ['adam(lr=0.1)'], 'seeds': 2}
    """
    if seeds is None or epochs is None or seeds < 1 or epochs < 0:
        raise OptionError("seeds or epochs are missing", hint="give at least 1 seed, and 0 or more epochs.")
    made: dict[str, Any] = {
        "optimizers": choices.arms_of(optimizers, choices.rates(rates)),
        "seeds": int(seeds),
    }
    if target is not None:
        made["target"] = target
    if models:
        made["model"] = [choices.registered(each) for each in models]
    if epochs:
        made["epochs"] = int(epochs)
    return made


def seen(place: Workplace) -> tuple[int, int]:
    """Return what changes whenever there is something new to show."""
    return (id(place.job), place.job.version) if place.job else (0, 0)


def phase(place: Workplace) -> tuple[int, str]:
    """Return what changes whenever a comparison begins or ends."""
    return (id(place.job), place.job.state) if place.job else (0, "")


def escaped(text: str) -> str:
    """Return text that Markdown and HTML show as it is.

    Example:
        >>> escaped("a*b <i>")
        'a&#42;b &lt;i&gt;'
    """
    found = html.escape(text, quote=False)
    for sign in "\\*_`[]|#$~!":
        found = found.replace(sign, f"&#{ord(sign)};") if sign != "#" else found
    return found


def progress(job: WatchedComparison | None) -> str:
    """Return where a comparison is."""
    if job is None:
        return "Nothing has been started yet."
    name = f"**{escaped(job.out.name)}**"
    ended = sum(bool(each.outcome) for each in job.curves.values())
    runs = counted(ended, "run")
    match job.state:
        case "running":
            left = f", about {fmt.seconds(job.all - job.done)} left" if job.all > job.done > 0 else ""
            return f"{name}: {escaped(job.stage)} — {job.share:.0%} done{left}; {runs} ended"
        case "stopped" if not (job.out / "experiment.toml").is_file():
            return f"{name}: stopped before the first run; nothing was written."
        case "stopped":
            return f"{name}: stopped after {runs}, which are kept. *Go on* makes those that are missing."
        case "failed":
            return f"{name}: {escaped(job.error)}"
        case "done":
            return f"{name}: {escaped(job.sentence)} [Report]({link(job.out.name)})"


def link(name: str) -> str:
    """Return the address of a report."""
    return f"/kept/{name}/report.html"


def kept(place: Workplace) -> str:
    """Return the comparisons in the folder, as a list with their reports."""
    found = place.kept()
    if not found:
        return f"Comparisons are kept in `{place.folder.as_posix()}`."
    rows = [
        f"- {escaped(name)}: [report]({link(name)})" if done else f"- {escaped(name)}: not finished"
        for name, done in found.items()
    ]
    return "\n".join([f"**Kept in** `{place.folder.as_posix()}`", "", *rows])


def lines(job: WatchedComparison | None) -> str:
    """Return what a comparison said, the latest last."""
    if job is None or not job.lines:
        return "Nothing yet."
    return "\n".join(f"- {escaped(each)}" for each in job.lines)


def number(value: float) -> str:
    """Return a loss with four digits.

    Example:
        >>> number(0.000123456), number(float("inf"))
        ('0.0001235', 'no number')
    """
    return f"{value:.4g}" if value < float("inf") else "no number"


def outcome(of: Outcome, steps: int) -> str:
    """Return what came of a run, in a sentence.

    Example:
        >>> outcome(Outcome(end="reaches the target", first=4, last=0.5, reached=3, rises=0), 10)
        'The loss went from 4 to 0.5 in 10 steps, was at or below the target after step 3, and never rose.'
    """
    reached = (
        f"was at or below the target after step {of.reached}"
        if of.reached is not None
        else "never reached the target"
    )
    rises = f"rose in {counted(of.rises, 'step')}" if of.rises else "never rose"
    return (
        f"The loss went from {number(of.first)} to {number(of.last)} in {counted(steps, 'step')}, "
        f"{reached}, and {rises}."
    )


def table(hypotheses: Sequence[Hypothesis]) -> list[dict[str, str]]:
    """Return the list of hypotheses, the latest first, as rows of a table."""
    return [
        {
            "no.": str(each.number),
            "hypothesis": each.text,
            "of": f"{each.setting.optimizer} on {each.setting.problem}",
            "expected": each.expected,
            "outcome": each.outcome.end if each.outcome else "not run yet",
            "right": {True: "yes", False: "no", None: ""}[each.was_right],
        }
        for each in reversed(hypotheses)
    ]


def score(hypotheses: Sequence[Hypothesis]) -> str:
    """Return how many hypotheses were right.

    Example:
        >>> score([])
        'No hypothesis has been run yet.'
    """
    run = [each for each in hypotheses if each.outcome is not None]
    right = sum(bool(each.was_right) for each in run)
    return (
        f"{right} of {counted(len(run), 'hypothesis', 'hypotheses')} ended as expected."
        if run
        else "No hypothesis has been run yet."
    )


def judgement(of: Hypothesis) -> str:
    """Return a hypothesis beside what came of it, as Markdown."""
    if of.outcome is None:
        return f"Expected: {of.expected}."
    verdict = "**As expected.**" if of.was_right else "**Not as expected.**"
    return (
        f"{verdict} You wrote: “{escaped(of.text)}”\n\nExpected: the loss {of.expected} ({number(of.target)}). "
        f"Outcome: it {of.outcome.end}. {outcome(of.outcome, of.setting.steps)}"
    )


def given(value: float | None) -> float:
    """Return a number that was typed; NaN if none was."""
    return float("nan") if value is None else float(value)


def check_points(points: str, problem: str, place: Workplace) -> None:
    """Raise a ``DataError`` if a curve is to be fitted to points that are not offered."""
    if problem.endswith("through points"):
        choices.check_data(points, place.base, place.data)
