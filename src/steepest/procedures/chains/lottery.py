"""Lottery tickets: train, prune, put the remaining weights back to their start, and train them again."""

from __future__ import annotations

import math
from typing import Literal, get_args

from steepest.errors import OptionError
from steepest.procedures.procedure import POINTS, Draw, Point, Procedure, Stage
from steepest.procedures.pruning import (
    SCOPES,
    Pruning,
    Scope,
    check_count,
    check_one_of,
    check_share,
)

COMPONENTS = {
    "lottery": {
        "object": "lottery",
        "what": "train, prune, put weights back to their start, train again",
    }
}

Ticket = Literal["ticket", "redrawn", "random-mask", "mixed"]
TICKETS: tuple[Ticket, ...] = get_args(Ticket)
Init = Literal["model", "glorot"]
INITS: tuple[Init, ...] = get_args(Init)


def lottery(
    sparsity: float = 0.9,
    rounds: int = 5,
    *,
    ticket: Ticket = "ticket",
    rewind: float = 0.0,
    output: float = 1.0,
    scope: Scope = "layer",
    init: Init = "model",
    point: Point = "last",
    each: float | None = None,
) -> Procedure:
    r"""Find a subnetwork that trains well from its own first weights: a winning ticket, with its controls.

    Train; prune the smallest weights; put the others back to what they were at the start, or early in the first
    training; train again, and so on. Every round prunes the same share :math:`1 - (1-s)^{1/n}` of the weights that are
    left, so that :math:`s` of them are 0 in the last of n rounds. The last training is what is compared; the same seed
    draws all weights, and the same batches come in the same order. With ``sparsity=0`` it is plain training.

    A ticket is worth something where it beats its controls, which differ in the last training alone and share all
    runs before it:

    - ``redrawn``: the mask, on weights drawn again from the *same* distribution;
    - ``random-mask``: the weights, under a mask that prunes as many weights of each layer at random;
    - ``mixed``, the published control of a lecture: the mask, on weights drawn again from *another* distribution
      (Glorot's instead of the model's own, or the other way round with ``init=glorot``), so that draw and scale
      change at once.

    Args:
        sparsity: share of the weights that are 0 in the last training, from 0 to below 1.
        rounds: prunings; 1 prunes at once, and 0, with ``sparsity=0``, is the dense network from the same start.
        ticket: what the last training starts from: ``ticket``, or a control: ``redrawn``, ``random-mask``, ``mixed``.
        rewind: share of the first training after which the weights were that later ones start from; 0 for the start.
        output: how much of a round's share the last layer is pruned by, from 0 to 1; published is 0.5.
        scope: whether weights are compared within their ``layer``, or over the whole ``network``.
        init: how first weights are drawn: as the ``model`` does, or with ``glorot`` normal with variance
            2 / (inputs + outputs), biases 0.
        point: the weights that are pruned by: ``last``, or ``best`` on the validation rows.
        each: length of every training in lengths of ``train``, above 0; by default all of them together have length 1.
            Published is 1: every ticket trains as long as the dense network.

    Source: Frankle & Carbin, The Lottery Ticket Hypothesis, ICLR 2019; rewinding to an early step is of Frankle,
    Dziugaite, Roy & Carbin, Linear Mode Connectivity and the Lottery Ticket Hypothesis, ICML 2020.

    Raises:
        OptionError: an option is out of range.

    Example:
        >>> found = lottery(0.75, 2, each=1.0)
        >>> found.control, [stage.prune.sparsity if stage.prune else 0.0 for stage in found.stages]
        ('train-for(3.0)', [0.0, 0.5, 0.75])
    """
    sparsity, rounds = check_share("sparsity", sparsity), check_count("rounds", rounds, least=0)
    if not rounds and (sparsity or ticket != "ticket"):
        given = f"sparsity={sparsity!r}" if sparsity else f"ticket={ticket}"
        raise OptionError(
            f"lottery: rounds=0 prunes nothing, but {given} is given",
            hint="give at least one round, or lottery(0, 0) for the dense network.",
        )
    rewind = check_share("rewind", rewind)
    output = check_share("output", output, whole=True)
    check_one_of("scope", scope, SCOPES)
    check_one_of("ticket", ticket, TICKETS)
    check_one_of("init", init, INITS)
    check_one_of("point of lottery", point, POINTS)
    if each is not None and (isinstance(each, bool) or not 0 < each < math.inf):
        raise OptionError(f"lottery: each={each!r} is no length", hint="give a number above 0, such as 1.")
    length = 1.0 if each is None else each * (rounds + 1)
    share = length / (rounds + 1)
    own: Draw = "glorot" if init == "glorot" else ""
    keep = (1 - sparsity) ** (1 / max(rounds, 1))
    stages = [Stage(share, draw=own)]
    for count in range(1, rounds + 1):
        pruned = Pruning(
            round(1 - keep**count, 12),
            round(1 - (1 - output * (1 - keep)) ** count, 12),
            scope,
            shuffled=count == rounds and ticket == "random-mask",
        )
        back, draw = rewind, own
        if count == rounds and ticket in ("redrawn", "mixed"):
            back, draw = 0.0, "another" if (ticket == "redrawn") == (init == "model") else "another glorot"
        stages.append(Stage(share, point, prune=pruned, rewind=back, draw=draw))
    control = "train" if each is None else f"train-for({length!r})"
    return Procedure(tuple(stages), control=control, length=length)
