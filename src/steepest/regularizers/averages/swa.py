"""Stochastic weight averaging."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, lerp

from steepest.regularizers import ON, Coefficients, Moment, On, WeightRegularizer

COMPONENTS = {
    "swa": {
        "object": "SWA",
        "what": "the mean of the last weights is evaluated and saved",
        "groups": ["average"],
    }
}


class SWA(WeightRegularizer):
    r"""The mean of the weights of the last part of the run, which is evaluated and saved in their place.

    .. math:: \bar w_t = \frac{1}{t - s} \sum_{i=s+1}^{t} w_i, \qquad s = \lfloor \text{start} \cdot T \rfloor

    over the weights :math:`w_i` after each update, of T steps; up to step s + 1 the weights themselves are evaluated.
    Training
    goes on with :math:`w_t`. The paper averages once an epoch and keeps a high or cyclical rate; the mean over all
    steps
    includes those, and a schedule such as ``--schedule 'wsd'`` or ``constant`` keeps the rate.

    Running statistics of batch norm belong to other weights than the mean, so they are estimated anew for every
    evaluation after step s + 1: means over up to 10,000 training rows, in their order, in batches of the run's size.
    That takes
    about a third of the time of as many rows in training.

    Args:
        start: the share of the run after which the mean begins, from 0 up to but not 1.
        on: the parameters that are averaged: by default all.

    Source: Izmailov, Podoprikhin, Garipov, Vetrov & Wilson, Averaging Weights Leads to Wider Optima and Better
    Generalization, UAI 2018.

    Example:
        >>> swa = SWA(start=0.5)
        >>> [round(swa.numbers(Moment(step, length=6))["share"], 2) for step in range(6)]
        [1.0, 1.0, 1.0, 1.0, 0.5, 0.33]
    """

    name = "swa"
    bibtex = """
@inproceedings{izmailov2018averaging,
  author = {Izmailov, Pavel and Podoprikhin, Dmitrii and Garipov, Timur and Vetrov, Dmitry and Wilson, Andrew Gordon},
  title = {Averaging Weights Leads to Wider Optima and Better Generalization},
  booktitle = {Conference on Uncertainty in Artificial Intelligence},
  year = {2018},
}
"""

    by_share = True

    start: float = Field(0.75, ge=0.0, lt=1.0, description="a share of the run, from 0 up to but not 1")
    on: On = Field("all", description=ON)

    def numbers(self, at: Moment) -> dict[str, float]:
        """The share of the newest weights."""
        if at.length is None:
            raise ValueError("the length of the run is not given")
        counted = at.step - int(self.start * at.length)
        return {"share": 1.0 / (counted + 1) if counted > 0 else 1.0}

    def restates(self, at: Moment) -> bool:
        """Whether the mean is of more than one step."""
        return self.numbers(at)["share"] < 1.0

    def averaged(self, average: Tensor, weight: Tensor, c: Coefficients) -> Tensor:
        """Return the mean with the newest weights."""
        share = c["share"]
        return lerp(average, weight, share.to(average.dtype) if isinstance(share, Tensor) else share)
