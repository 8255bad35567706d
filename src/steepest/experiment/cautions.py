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
    """Return a note for each procedure that is compared without its control, and one where their lengths differ."""
    made = {arm.procedure: make_procedure(arm.procedure) for arm in wanted}
    there = {each.text for each in made.values()}
    found = [
        f"{each.title} is compared without its control of equal length: add --procedure {_quoted(each.control)}."
        for each in made.values()
        if make_procedure(each.control).text not in there
    ]
    lengths = {each.title: each.length for each in made.values()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{title} {length:g}" for title, length in lengths.items())
        found.append(f"procedures have different lengths, in those of one run of train: {said}.")
    return [Note("info", text) for text in found]


def _quoted(text: str) -> str:
    return f"'{text}'" if "(" in text else text
