"""A largest norm for the incoming weights of every unit."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from steepest.regularizers import Coefficients, WeightRegularizer

COMPONENTS = {
    "max-norm": {
        "object": "MaxNorm",
        "what": "units with large incoming weights are scaled down to a norm",
        "groups": ["update"],
    }
}


class MaxNorm(WeightRegularizer):
    r"""A largest 2-norm of the incoming weights of every output unit.

    .. math:: w_u \leftarrow w_u \min\left(1, \frac{c}{\|w_u\|_2}\right)

    after each update, where :math:`w_u` is a row of a layer's weight: what leads into one unit, or into one channel of
    a convolution. Dropout is often used with values of c from 3 to 4.

    Args:
        norm: c, above 0.
        on: the parameters that are scaled: by default the weights of layers. A row of an embedding is its vector.

    Source: Srebro & Shraibman, Rank, Trace-Norm and Max-Norm, COLT 2005; Hinton et al., Improving neural networks by
    preventing co-adaptation of feature detectors, 2012.

    Example:
        >>> MaxNorm(norm=5.0).updated(torch.tensor([[3.0, 4.0], [6.0, 8.0]]), {}).tolist()
        [[3.0, 4.0], [3.0, 4.0]]
    """

    name = "max-norm"
    strength_of = "norm"
    strengths = (0.5, 8.0)
    bibtex = """
@inproceedings{srebro2005rank,
  author = {Srebro, Nathan and Shraibman, Adi},
  title = {Rank, Trace-Norm and Max-Norm},
  booktitle = {Conference on Learning Theory},
  pages = {545--560},
  year = {2005},
}
@misc{hinton2012improving,
  author = {Hinton, Geoffrey E. and Srivastava, Nitish and Krizhevsky, Alex and Sutskever, Ilya
    and Salakhutdinov, Ruslan R.},
  title = {Improving neural networks by preventing co-adaptation of feature detectors},
  howpublished = {arXiv:1207.0580},
  year = {2012},
}
"""

    norm: float = Field(3.0, gt=0.0, allow_inf_nan=False, description="the largest norm, a number above 0")

    def updated(self, weight: Tensor, c: Coefficients) -> Tensor:
        """Return the weight with rows of at most this norm."""
        del c
        norms = torch.linalg.vector_norm(weight.flatten(1), dim=1) if weight.dim() > 1 else weight.abs()
        factor = (self.norm / norms.clamp(min=torch.finfo(weight.dtype).tiny)).clamp(max=1.0)
        return weight * factor.reshape(-1, *[1] * (weight.dim() - 1))
