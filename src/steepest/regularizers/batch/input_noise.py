"""Gaussian noise on the continuous inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pydantic import Field

from steepest.data.dataset import Part
from steepest.regularizers import Regularizer

COMPONENTS = {
    "input-noise": {
        "object": "InputNoise",
        "what": "Gaussian noise on continuous inputs, anew in every step",
        "groups": ["batch"],
    }
}


class InputNoise(Regularizer):
    r"""Gaussian noise on the continuous inputs of a batch.

    .. math:: x_{ij} \leftarrow x_{ij} + \sigma \varepsilon_{ij}, \qquad \varepsilon_{ij} \sim N(0, 1)

    The noise is drawn anew in every step and in training only; categories stay as they are, while indicators of missing
    values are numbers and get noise, too. For a small
    :math:`\sigma` and squared errors it acts as a penalty on the slope of the outputs, :math:`\sigma^2 \|\partial o /
    \partial x\|^2`.

    Args:
        sd: its standard deviation, in those of the column over the training rows, above 0.

    Source: Bishop, Training with Noise is Equivalent to Tikhonov Regularization, Neural Computation 1995.
    """

    name = "input-noise"
    strength_of = "sd"
    strengths = (0.01, 1.0)
    bibtex = """
@article{bishop1995training,
  author = {Bishop, Christopher M.},
  title = {Training with Noise is Equivalent to {Tikhonov} Regularization},
  journal = {Neural Computation},
  volume = {7},
  pages = {108--116},
  year = {1995},
}
"""

    sd: float = Field(
        0.1,
        gt=0.0,
        allow_inf_nan=False,
        description="a number above 0, in standard deviations of each column",
    )

    def batch(self, part: Part, draw: np.random.Generator) -> Part:
        """Return the batch with noise on its numbers."""
        return replace(part, inputs=tuple(self._noisy(each, draw) for each in part.inputs))

    def _noisy(self, values: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
        if not values.is_floating_point():
            return values
        noise = torch.from_numpy(draw.standard_normal(tuple(values.shape)))
        return values + self.sd * noise.to(values)
