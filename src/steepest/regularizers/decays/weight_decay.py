"""Decoupled weight decay."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from steepest.regularizers import Coefficients, Moment, WeightRegularizer

COMPONENTS = {
    "weight-decay": {
        "object": "WeightDecay",
        "what": "weights are scaled down before each update (decoupled)",
        "groups": ["decay"],
    }
}


class WeightDecay(WeightRegularizer):
    r"""Weights are scaled down before each update, apart from the gradient: decoupled decay.

    .. math:: w \leftarrow (1 - \eta_t \lambda)\, w

    with the learning rate :math:`\eta_t` of the step, schedule included. So ``adam`` with ``weight-decay(λ, on=all)``
    is
    ``adamw`` with ``weight_decay=λ``, and any rule can be had with such a decay. With ``sgd`` without momentum it is
    what
    ``weight_decay=λ`` and ``l2(λ/2)`` are; with momentum or with scaled gradients, as in ``adam``, it is not. It is no
    part of the gradient and so is not clipped. A weight without a gradient does not decay.

    An optimizer whose own ``weight_decay`` is not 0 decays its weights as well. On embeddings every row decays in every
    step, so that their tables are updated densely, not by rows; ``adamw`` has a closed form for them.

    Args:
        strength: λ, from 0 on.
        on: the parameters that decay: by default the weights of layers, not embeddings, biases and norms. The
            ``weight_decay`` of ``adamw`` acts on all parameters.

    This is torch's form of the paper's: there λ is multiplied by the schedule alone.

    Source: Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019.

    Example:
        >>> import torch
        >>> decay = WeightDecay(strength=0.5)
        >>> decay.decayed(torch.tensor([2.0]), decay.numbers(Moment(0, rate=0.1))).tolist()
        [1.899999976158142]
    """

    name = "weight-decay"
    strength_of = "strength"
    strengths = (1e-4, 1.0)
    by_rate = True
    bibtex = """
@inproceedings{loshchilov2019decoupled,
  author = {Loshchilov, Ilya and Hutter, Frank},
  title = {Decoupled Weight Decay Regularization},
  booktitle = {International Conference on Learning Representations},
  year = {2019},
}
"""

    strength: float = Field(0.01, ge=0.0, allow_inf_nan=False, description="λ, a number from 0 on")

    def numbers(self, at: Moment) -> dict[str, float]:
        """What is kept of a weight in the step."""
        return {"kept": 1.0 - at.rate * self.strength}

    @property
    def inside(self) -> str:
        """All but the strength, which is in the numbers."""
        return str(self.model_copy(update={"strength": 1.0}))

    def decayed(self, weight: Tensor, c: Coefficients) -> Tensor:
        """Return the weight scaled down."""
        return weight * c["kept"]
