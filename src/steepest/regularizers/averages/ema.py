"""An exponential moving average of the weights."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from steepest.regularizers import ON, Coefficients, On, WeightRegularizer

COMPONENTS = {
    "ema": {
        "object": "EMA",
        "what": "a moving average of the weights is evaluated and saved",
        "groups": ["average"],
    }
}


class EMA(WeightRegularizer):
    r"""An exponential moving average of the weights, which is evaluated and saved in their place.

    .. math:: \bar w_t = \frac{1 - \beta}{1 - \beta^t} \sum_{i=1}^{t} \beta^{t-i} w_i

    over the weights :math:`w_i` after each update: the sum of all shares is 1 from the first step on, and the first
    weights have no share. Training itself goes on with :math:`w_t`. Running statistics of batch norm are averaged,
    too, with the same shares.

    Args:
        decay: β, from 0 up to but not 1; about 1/(1−β) steps count.
        on: the parameters that are averaged: by default all.

    Source: Polyak & Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; Tarvainen & Valpola, Mean
    teachers are better role models, NIPS 2017.
    """

    name = "ema"
    bibtex = """
@article{polyak1992acceleration,
  author = {Polyak, Boris T. and Juditsky, Anatoli B.},
  title = {Acceleration of Stochastic Approximation by Averaging},
  journal = {{SIAM} Journal on Control and Optimization},
  volume = {30},
  pages = {838--855},
  year = {1992},
}
@inproceedings{tarvainen2017mean,
  author = {Tarvainen, Antti and Valpola, Harri},
  title = {Mean teachers are better role models: Weight-averaged consistency targets improve semi-supervised
    deep learning results},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2017},
}
"""

    decay: float = Field(0.99, ge=0.0, lt=1.0, description="β, a number from 0 up to but not 1")
    on: On = Field("all", description=ON)

    def coefficients(self, step: int) -> dict[str, float]:
        """The share of the newest weights."""
        return {"share": (1 - self.decay) / (1 - self.decay ** (step + 1))}

    def averaged(self, average: Tensor, weight: Tensor, c: Coefficients) -> Tensor:
        """Return the average with the newest weights."""
        return average + (weight - average) * c["share"]
