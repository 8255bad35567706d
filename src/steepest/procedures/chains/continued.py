"""Train, then train on from its weights."""

from __future__ import annotations

from steepest.errors import unknown_name
from steepest.procedures.procedure import POINTS, Point, Procedure, Stage
from steepest.procedures.pruning import check_share

COMPONENTS = {
    "continue": {
        "object": "continued",
        "what": "train, then train on from its weights with a fresh optimizer",
    }
}


def continued(at: float = 0.5, *, point: Point = "best") -> Procedure:
    """Train for a share of the length, then train on from its weights for the rest.

    The second stage has a learning rate, an optimizer state and a schedule of its own; it sees the batches that one
    plain run would see after the same number of steps. With ``point="last"``, a constant schedule and an optimizer
    without state at the same rate, it is that plain run.

    Args:
        at: share of the length after which the second stage starts, above 0 and below 1.
        point: the weights it starts from: ``best`` on the validation rows, or ``last``.

    Raises:
        OptionError: ``at`` or ``point`` is out of range.

    Example:
        >>> continued(0.25, point="last").stages
        (Stage(share=0.25, start=None), Stage(share=0.75, start='last'))
    """
    at = check_share("at", at, above=True)
    if point not in POINTS:
        raise unknown_name("point of continue", str(point), POINTS)
    return Procedure((Stage(at), Stage(1.0 - at, point)))
