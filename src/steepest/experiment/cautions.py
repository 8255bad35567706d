"""What a person should know of how arms are compared, besides their data and models."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.data.dataset import Note
from steepest.experiment.data import Datasets
from steepest.procedures import make_procedure
from steepest.sweep.arms import Arm, Wanted

UNEVEN = 1.1
"""Test sets whose numbers of training rows differ by such a factor are said to be uneven."""


def uneven(arm: Arm, datasets: Datasets) -> list[Note]:
    """Return a note if test sets leave clearly different numbers of rows to train on."""
    rows = [datasets.training_rows(each) for each in arm.folds]
    if max(rows) < UNEVEN * min(rows):
        return []
    text = (
        f"the test sets leave {min(rows):,} to {max(rows):,} training rows, and every one gets as many steps: "
        f"an epoch is that of the first, with {rows[0]:,}."
    )
    return [Note("info", text)]


def lacking_controls(wanted: Sequence[Wanted]) -> list[Note]:
    """Return a note for each procedure that is compared without its control."""
    made = {arm.procedure: make_procedure(arm.procedure) for arm in wanted}
    there = {each.text for each in made.values()}
    return [
        Note(
            "info",
            f"{each.title} is compared without its control of equal length: add --procedure {each.control}.",
        )
        for each in made.values()
        if each.control not in there
    ]
