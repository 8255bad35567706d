"""One plain run of another length."""

from __future__ import annotations

import math

from steepest.errors import OptionError
from steepest.procedures.procedure import Procedure, Stage

COMPONENTS = {"train-for": {"object": "train_for", "what": "one run of another length: longer or shorter"}}


def train_for(times: float = 2.0) -> Procedure:
    """Train once, ``times`` times as long as the other arms: the control of procedures that are longer.

    Args:
        times: its length in lengths of ``train``, above 0.

    Raises:
        OptionError: ``times`` is not above 0.

    Example:
        >>> train_for(3.0).stages, train_for(3.0).length
        ((Stage(share=3.0, start=None),), 3.0)
    """
    if isinstance(times, bool) or not 0 < times < math.inf:
        raise OptionError(f"train-for: times={times!r} is no length", hint="give a number above 0.")
    return Procedure((Stage(float(times)),), control=f"train-for({float(times)!r})", length=float(times))
