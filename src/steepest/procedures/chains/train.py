"""One plain run."""

from __future__ import annotations

from steepest.procedures.procedure import Procedure, Stage

COMPONENTS = {"train": {"object": "train", "what": "one run, from weights drawn anew"}}


def train() -> Procedure:
    """Train once, from weights drawn anew; the control of other procedures.

    Example:
        >>> train().stages
        (Stage(share=1.0, start=None),)
    """
    return Procedure((Stage(1.0),))
