"""Gaussian noise on the gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from steepest.regularizers import ON, Coefficients, On, WeightRegularizer

COMPONENTS = {
    "gradient-noise": {
        "object": "GradientNoise",
        "what": "Gaussian noise on the gradient, less from step to step",
        "groups": ["gradient"],
    }
}


class GradientNoise(WeightRegularizer):
    r"""Gaussian noise on the gradient whose variance falls with the steps.

    .. math:: g \leftarrow g + N(0, \sigma_t^2), \qquad \sigma_t^2 = \frac{\eta}{(1 + t)^\gamma}

    with :math:`t` from 0. The paper tries η of 0.01, 0.3 and 1.0 and takes γ = 0.55. The noise is added before
    clipping. With numbers for every weight of the model, it is slow where the model is large.

    Args:
        eta: the variance in the first step, above 0.
        gamma: how fast it falls, at least 0; 0 keeps it.
        on: the parameters whose gradients are changed: by default all.

    Source: Neelakantan, Vilnis, Le, Sutskever, Kaiser, Kurach & Martens, Adding Gradient Noise Improves Learning for
    Very Deep Networks, 2015.
    """

    name = "gradient-noise"
    strength_of = "eta"
    strengths = (1e-4, 1.0)
    bibtex = """
@misc{neelakantan2015adding,
  author = {Neelakantan, Arvind and Vilnis, Luke and Le, Quoc V. and Sutskever, Ilya and Kaiser, Lukasz
    and Kurach, Karol and Martens, James},
  title = {Adding Gradient Noise Improves Learning for Very Deep Networks},
  howpublished = {arXiv:1511.06807},
  year = {2015},
}
"""

    eta: float = Field(0.01, gt=0.0, allow_inf_nan=False, description="η, a number above 0")
    gamma: float = Field(0.55, ge=0.0, allow_inf_nan=False, description="γ, a number from 0 on")
    on: On = Field("all", description=ON)

    def coefficients(self, step: int) -> dict[str, float]:
        """The standard deviation of the step."""
        return {"sd": (self.eta / (1 + step) ** self.gamma) ** 0.5}

    def noise(self, draw: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Return standard normal numbers."""
        return draw.standard_normal(count, dtype=np.float32)

    def gradient(self, gradient: Tensor, weight: Tensor, noise: Tensor | None, c: Coefficients) -> Tensor:
        """Return the gradient with noise."""
        del weight
        assert noise is not None
        return gradient + noise * c["sd"]
