"""What a person should know of how arms are compared, besides their data and models."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.compare.limits import too_short
from steepest.data.dataset import Note
from steepest.experiment.data import Datasets
from steepest.experiment.tuning_rows import FEW
from steepest.procedures import make_procedure
from steepest.recipe import ExecutionPlan, Protocol
from steepest.report.claims import too_short as short_text
from steepest.report.words import Subject
from steepest.sweep.arms import PlannedArm
from steepest.sweep.setup import Setup
from steepest.sweep.wanted import Wanted
from steepest.wording import first_few

UNEVEN = 1.1
"""Test sets whose numbers of training rows differ by such a factor are said to be uneven."""


NAMED = 2
"""So many procedures are named in a note before the rest is counted."""


def uneven(arm: PlannedArm, datasets: Datasets) -> list[Note]:
    """Return a note if test sets leave clearly different numbers of rows to train on."""
    rows = [datasets.training_rows(each) for each in arm.folds]
    if max(rows) < UNEVEN * min(rows):
        return []
    text = (
        f"the test sets leave {min(rows):,} to {max(rows):,} training rows, and every one gets as many steps: "
        f"an epoch is that of the first, with {rows[0]:,}."
    )
    return [Note("info", text)]


def few_to_tune_on(wanted: Sequence[Wanted], datasets: Datasets) -> list[Note]:
    """Return a note if strengths of regularizers are tuned on few validation rows, where differences are small."""
    tuned = dict.fromkeys(axis.name for arm in wanted for axis in arm.optimizer.strengths)
    data = datasets.first
    rows = len(data.validation)
    if not tuned or rows >= FEW or not data.held_out:
        return []
    more = " Give --validation a larger share." if rows + len(data.train) >= 2 * FEW else ""
    return [
        Note(
            "warning",
            f"the strengths of {', '.join(tuned)} are tuned on {rows:,} validation rows alone.{more}",
        )
    ]


def shortness(setup: Setup, protocol: Protocol, plan: ExecutionPlan) -> str:
    """Return that runs are too short to compare anything, and the time budget that would do; else nothing.

    Args:
        setup, protocol, plan: as for :func:`steepest.compare.limits.too_short`.
    """
    short = too_short(setup, protocol, plan)
    return "" if short is None else short_text(short, Subject(setup.differing or ("optimizer",)).topics)


def lacking_controls(wanted: Sequence[Wanted]) -> list[Note]:
    """Return a note for each control that procedures are compared without, and one where their lengths differ."""
    made = {arm.procedure: make_procedure(arm.procedure) for arm in wanted}
    there = {each.text for each in made.values()}
    lacking: dict[str, list[str]] = {}
    lengths: dict[float, list[str]] = {}
    for each in made.values():
        lengths.setdefault(each.length, []).append(each.title)
        if make_procedure(each.control).text not in there:
            lacking.setdefault(each.control, []).append(each.title)
    found = [
        f"{first_few(titles, NAMED)} {'is' if len(titles) == 1 else 'are'} compared without "
        f"{'its' if len(titles) == 1 else 'their'} control of equal length: add --procedure {_quoted(control)}."
        for control, titles in lacking.items()
    ]
    if len(lengths) > 1:
        said = ", ".join(f"{first_few(titles, NAMED)} {length:g}" for length, titles in lengths.items())
        found.append(f"procedures have different lengths, in those of one run of train: {said}.")
    return [Note("info", text) for text in found]


def _quoted(text: str) -> str:
    return f"'{text}'" if "(" in text else text
