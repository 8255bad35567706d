r"""The idle steps of Adam and AdamW: their sum is an integral over a measure that all rows share.

For every step :math:`s` the weights :math:`A_k` of a few fixed points (see :mod:`steepest.optim.interpolation`) stand
in a float64 table. Each training step adds one term to its last J entries; the terms die geometrically, so any
schedule works and older entries are final. At catch-up a row's move is a sum over the points; two points share a
division,

.. math::
    \frac{A_1}{r + e_1} + \frac{A_2}{r + e_2} = \frac{P\,r + Q}{(r + e_1)(r + e_2)}, \qquad
    r = \sqrt v,\; e_k = \epsilon \hat x_k,\; P = A_1 + A_2,\; Q = A_1 e_2 + A_2 e_1.

AdamW's decay multiplies what earlier steps have moved: every term is weighted with the product of the later
factors, :math:`\prod_{i>t} (1 - \eta_i \lambda)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from steepest.optim.idle import ClosedForm, RowNumbers, Series, Steps, per_row
from steepest.optim.interpolation import Array, Grid, Sizes
from steepest.optim.rule import Coefficients, Slots

SMALLEST_EPS = 1e-15
"""Products of two smaller ones are lost in float32."""
LARGEST_DECAY = 1e-3
"""Where a step takes more than this share of the weight, the terms no longer die as the betas say."""


class AdamIdle(ClosedForm):
    """The idle steps of Adam, and of AdamW where there is a decay.

    Args:
        betas: shares kept of both averages.
        eps: ε, above 0.
        plan: terms and points for the betas.
    """

    def __init__(self, betas: tuple[float, float], eps: float, plan: Sizes) -> None:
        self.betas, self.eps, self.plan = betas, eps, plan
        self.grid = Grid.of(*betas, plan)
        self.table = Series(plan.points)
        self.logs = Series(1)
        """Logarithms of the products of all factors of decay."""
        self._basis: tuple[float, Array] = (math.nan, np.empty(0))

    def extend(self, step: int, c: Coefficients) -> bool:
        """Add the step's term to the tables of the rows that may still move."""
        root = c["eps"] / self.eps
        rate, kept = c["lr"] / root, c["keep"]
        if not (kept >= 1.0 - 10.0 * LARGEST_DECAY and rate >= 0.0):
            return False
        log = self.logs.values[0, step - 1] + math.log(kept)
        self.logs.begin(step, (log,))
        self.table.begin(step, (0.0,) * self.plan.points)
        low = max(0, step - self.plan.terms)
        terms = slice(step - low - 1, None, -1)  # idle steps j of the rows last updated at low … step − 1
        if self._basis[0] != root:
            self._basis = (
                root,
                self.grid.basis(math.log(root) + self.grid.stretch) * self.grid.points[:, None],
            )
        weight = rate * self.grid.decay[terms]
        logs = self.logs.values[0, low:step]
        if logs[0] != log:
            weight = weight * np.exp(logs - log)
        self.table.values[:, low:step] += self._basis[1][:, terms] * weight
        if not low:
            self.table.values[:, 0] = 0.0  # never updated: the averages are 0
        return True

    def known(self, last: Steps) -> Array:
        """Return the weights of the points, [points, n]."""
        return self.table.values[:, last]

    def columns(self, known: Array, last: Steps, now: Steps | int) -> Array:
        """Return decay, both averages' shares, and P and Q of each pair of points."""
        logs = self.logs.values[0]
        idle = now - last
        shares = [np.exp(logs[now] - logs[last]), *(np.power(beta, idle) for beta in self.betas)]
        first, second = known[::2], known[1::2]
        e = self.eps * self.grid.points[:, None]
        return np.concatenate([shares, first + second, first * e[1::2] + second * e[::2]])

    def apply(self, param: torch.Tensor, slots: Slots, columns: RowNumbers) -> tuple[torch.Tensor, Slots]:
        """Return the parameter moved and decayed, and both averages faded."""
        kept, share1, share2 = (per_row(each, param) for each in columns[:3])
        mean, square = slots["exp_avg"], slots["exp_avg_sq"]
        root = torch.sqrt(square)
        pairs = self.plan.points // 2
        e = self.eps * self.grid.points
        total = torch.zeros_like(root)
        for k in range(pairs):
            top = root * per_row(columns[3 + k], root) + per_row(columns[3 + pairs + k], root)
            total = total + top / ((root + float(e[2 * k])) * (root + float(e[2 * k + 1])))
        moved = (param - total * mean) * kept
        return moved, {**slots, "exp_avg": mean * share1, "exp_avg_sq": square * share2}

    def arrays(self) -> dict[str, Array]:
        """The weights of the points and the decays, by step."""
        return {"table": self.table.kept(), "logs": self.logs.kept()}

    def restore(self, arrays: Mapping[str, Array], step: int) -> None:
        """Take them back."""
        self.table.put(arrays["table"], step)
        self.logs.put(arrays["logs"], step)
