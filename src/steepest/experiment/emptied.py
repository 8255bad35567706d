"""Layers of which pruning leaves no weight: nothing gets through them, so that the network answers by its biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from steepest.compare.sizes import NetworkSize
from steepest.data.dataset import Note
from steepest.procedures import make_procedure
from steepest.sweep.arms import PlannedArm
from steepest.sweep.observer import Observer
from steepest.train.masks import masks_of, prunable
from steepest.wording import counted, first_few


def foreseen(procedure: str, net: nn.Module) -> list[Note]:
    """Return a note for a procedure that is known to empty layers: where weights are compared within their layer.

    Args:
        procedure: its specification.
        net: of any weights.

    Example:
        >>> [said] = foreseen("prune(0.9)", nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1)))
        >>> said.text
        'prune(0.9, 1) prunes every weight of 0 (4 weights), 2 (4 weights), at a sparsity of 90 %: ...'
    """
    last = [each.prune for each in make_procedure(procedure).stages if each.prune is not None][-1:]
    if not last or last[0].scope == "network":
        return []
    names = prunable(net)
    masks = masks_of(net, net.state_dict(), replace(last[0], shuffled=False), 0)
    empty = {name: masks[name].numel() for name in names if name in masks and not masks[name].any()}
    return _notes(procedure, empty)


def emptied(
    sizes: Sequence[NetworkSize], arms: Sequence[PlannedArm], known: Sequence[Note], observer: Observer
) -> list[Note]:
    """Return a note for every procedure that has emptied layers of a saved network, and say those that are new.

    Args:
        sizes: of the saved networks, by the titles of arms.
        arms: of the comparison.
        known: the notes that there are.
        observer: who is told.
    """
    procedures = {arm.title: arm.factors["procedure"] for arm in arms if arm.recipe.prune}
    found = [
        note
        for size in sizes
        if size.arm in procedures
        for note in _notes(
            procedures[size.arm],
            {each.name: each.count for each in size.layers if each.zeros == each.count > 0},
        )
    ]
    new = [each for each in dict.fromkeys(found) if each not in known]
    for each in new:
        observer.say(f"warning: {each.text}")
    return new


def _notes(procedure: str, empty: Mapping[str, int]) -> list[Note]:
    """Return the note of some layers, with how many weights they have, or none of none."""
    if not empty:
        return []
    made = make_procedure(procedure)
    pruning = [each.prune for each in made.stages if each.prune is not None][-1]
    named = [f"{name.removesuffix('.weight')} ({counted(count, 'weight')})" for name, count in empty.items()]
    shares = sorted({pruning.sparsity, pruning.output or pruning.sparsity})
    them = "it" if len(named) == 1 else "them"
    return [
        Note(
            "warning",
            f"{made.title} prunes every weight of {first_few(named)}, at a sparsity of "
            f"{' and '.join(f'{100 * each:g} %' for each in shares)}: nothing gets through {them} but biases. "
            "Prune fewer weights.",
        )
    ]
