"""Train, prune small weights or neurons, and train what is left."""

from __future__ import annotations

from steepest.procedures.procedure import POINTS, Point, Procedure, Stage
from steepest.procedures.pruning import (
    SCOPES,
    UNITS,
    Pruning,
    Scope,
    Unit,
    check_count,
    check_one_of,
    check_share,
)

COMPONENTS = {
    "prune": {
        "object": "prune",
        "what": "train, prune small weights or neurons, train what is left",
    }
}


def prune(
    sparsity: float = 0.9,
    steps: int = 1,
    *,
    at: float = 0.5,
    output: float = 1.0,
    scope: Scope = "layer",
    unit: Unit = "weight",
    point: Point = "best",
) -> Procedure:
    r"""Train for a share of the length, then prune by magnitude, at once or in steps, and train on after each.

    After step k of n the share :math:`s_k = s\,(1 - (1 - k/n)^3)` of the weights is pruned: many at first, when most
    are superfluous, and few in the end. What is pruned is exactly 0 at every later step: gradients are masked before
    clipping, and weights after the update, so that neither momentum nor decay revives them. Only the weights of layers
    are pruned, not biases, norms or embeddings. Optimizer and schedule begin anew after every pruning.

    The control of equal length is ``train``: as many steps without pruning.

    Hidden neurons are pruned where layers follow each other: in an ``nn.Sequential``, so in ``mlp``, in
    ``embedding-mlp``, and as channels of convolutions in ``cnn``. A model of your own says so by ``layers_in_order``,
    a tuple of the names of its parts. They leave the saved model of ours, whose widths are then those that are left.

    Args:
        sparsity: share of the weights, or of the hidden neurons, that are 0 in the end, from 0 to below 1.
        steps: prunings, each followed by an equal part of the rest of the length.
        at: share of the length before the first pruning, above 0 and below 1.
        output: how much of ``sparsity`` the last layer gets, from 0 to 1; its neurons are never pruned.
        scope: whether weights are compared within their ``layer``, or over the whole ``network``.
        unit: ``weight``, or ``neuron``: a hidden neuron goes with all weights into and out of it, by the 2-norm of what
            leads into it, and leaves the saved model.
        point: the weights that are pruned and trained on: ``best`` on the validation rows, or ``last``.

    Source: Han, Pool, Tran & Dally, Learning both Weights and Connections for Efficient Neural Networks, NeurIPS 2015;
    the steps are those of Zhu & Gupta, To prune, or not to prune, 2017.

    Raises:
        OptionError: an option is out of range.

    Example:
        >>> [(round(each.share, 3), each.prune.sparsity if each.prune else 0.0) for each in prune(0.8, 2).stages]
        [(0.5, 0.0), (0.25, 0.7), (0.25, 0.8)]
    """
    sparsity, steps = check_share("sparsity", sparsity), check_count("steps", steps)
    at, output = check_share("at", at, above=True), check_share("output", output, whole=True)
    check_one_of("scope", scope, SCOPES)
    check_one_of("unit", unit, UNITS)
    check_one_of("point of prune", point, POINTS)
    stages = [Stage(at)]
    for step in range(1, steps + 1):
        reached = round(sparsity * (1 - (1 - step / steps) ** 3), 12)
        pruning = Pruning(reached, output * reached, scope, unit)
        stages.append(Stage((1 - at) / steps, point, prune=pruning))
    return Procedure(tuple(stages))
