"""The squared weights as a penalty."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from steepest.regularizers import Penalty

COMPONENTS = {"l2": {"object": "L2", "what": "λ Σ w² added to the loss", "groups": ["penalty"]}}


class L2(Penalty):
    r"""The sum of the squared weights as a penalty.

    .. math:: L + \lambda \sum_i w_i^2

    Its gradient is :math:`2 \lambda w`, so without clipping ``l2(λ, on=all)`` is what ``weight_decay=2λ`` is in
    ``sgd``, ``adam`` and other optimizers whose decay is part of the gradient. A penalty is clipped with the gradient,
    weight decay is not. The decoupled decay of ``adamw`` is no penalty.

    Args:
        strength: λ, from 0 on; tuned where it is not given.
        on: the parameters that count: by default the weights of layers, not embeddings, biases and norms. An
            optimizer's ``weight_decay`` acts on all parameters.

    Source: Hoerl & Kennard, Ridge Regression, Technometrics 1970; Krogh & Hertz, A Simple Weight Decay Can Improve
    Generalization, NIPS 1991.

    Example:
        >>> L2(strength=0.1).penalty({"w": torch.tensor([[1.0, 2.0]])}).item()
        0.5
    """

    name = "l2"
    strengths = (1e-6, 1e-1)
    bibtex = """
@article{hoerl1970ridge,
  author = {Hoerl, Arthur E. and Kennard, Robert W.},
  title = {Ridge Regression: Biased Estimation for Nonorthogonal Problems},
  journal = {Technometrics},
  volume = {12},
  pages = {55--67},
  year = {1970},
}
@inproceedings{krogh1991simple,
  author = {Krogh, Anders and Hertz, John A.},
  title = {A Simple Weight Decay Can Improve Generalization},
  booktitle = {Advances in Neural Information Processing Systems},
  pages = {950--957},
  year = {1991},
}
"""

    strength: float = Field(1e-4, ge=0.0, allow_inf_nan=False, description="λ, a number from 0 on")

    def unscaled(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return Σ w²."""
        return torch.stack([each.square().sum() for each in weights.values()]).sum()
