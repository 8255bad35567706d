r"""The idle steps of Adam and AdamW: their sum is an integral over a measure that all rows share.

For every step :math:`s` the first 2n moments of the measure (see :mod:`steepest.optim.quadrature`) stand in a
float64 table. Each training step adds one term to its last K entries; the terms die geometrically, so any
schedule works and older entries are final. At catch-up the Gauss rule gives a row's move in n divisions.

In the first steps the bias corrections change so fast that more nodes are needed than moments could carry:
there the rule is built from the points of the measure themselves, and kept once it is final.

AdamW's decay multiplies what earlier steps have moved: every term is weighted with the product of the later
factors, :math:`\prod_{i>t} (1 - \eta_i \lambda)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from steepest.optim.idle import ClosedForm, Series, Steps, column
from steepest.optim.quadrature import Array, Grid, Plan, from_moments, from_points, tidied
from steepest.optim.rule import Coefficients, Slots

SMALLEST_EPS = 1e-30
"""A smaller ε is lost in float32, and the sum with it."""
LARGEST_DECAY = 1e-3
"""Where a step takes more than this share of the weight, the terms no longer die as the betas say."""

_RATE, _ROOT, _LOG, _CENTRE, _UNIT = range(5)


class AdamIdle(ClosedForm):
    """The idle steps of Adam, and of AdamW where there is a decay.

    Args:
        betas: shares kept of both averages.
        eps: ε, above 0.
        plan: terms and nodes for the betas.
    """

    def __init__(self, betas: tuple[float, float], eps: float, plan: Plan) -> None:
        self.betas, self.eps, self.plan = betas, eps, plan
        self.grid = Grid.of(*betas, plan.terms)
        self.moments = Series(2 * plan.nodes)
        self.steps = Series(5)
        self.steps.begin(0, (0.0, 0.0, 0.0, *self._frame(0)))
        self.early: dict[int, tuple[Array, Array]] = {}
        """Coefficients of the first steps that are final."""

    def extend(self, step: int, c: Coefficients) -> bool:
        """Add the step's term to the moments of the rows that may still move."""
        root = c["eps"] / self.eps
        rate, kept = c["lr"] / root, c["keep"]
        if not (kept >= 1.0 - 10.0 * LARGEST_DECAY and rate >= 0.0):
            return False
        log = self.steps.values[_LOG, step - 1] + math.log(kept)
        self.steps.begin(step, (rate, root, log, *self._frame(step)))
        self.moments.begin(step, (0.0,) * len(self.moments.values))
        low = max(0, step - self.plan.terms)
        terms = slice(step - low - 1, None, -1)  # idle steps j of the rows last updated at low … step − 1
        weight = rate * self.grid.decay[terms]
        logs = self.steps.values[_LOG, low:step]
        if logs[0] != log:
            weight = weight * np.exp(logs - log)
        centre, unit = self.steps.values[_CENTRE:, low:step]
        place = self.grid.beyond[terms] / ((root * self.grid.stretch[terms] + centre) * unit)
        for moment in self.moments.values:
            moment[low:step] += weight
            weight = weight * place
        return True

    def advance(self, param: torch.Tensor, slots: Slots, last: Steps, now: int) -> tuple[torch.Tensor, Slots]:
        """Return the parameter moved and decayed, and both averages faded."""
        mean, square = slots["exp_avg"], slots["exp_avg_sq"]
        logs = self.steps.values[_LOG]
        kept = logs[now] - logs[last]
        if kept.any():
            param = param * column(np.exp(kept), param)
        weighted = mean * column(np.exp(kept), mean) if kept.any() else mean
        idle = now - last
        faded = {
            "exp_avg": mean * column(np.power(self.betas[0], idle), mean),
            "exp_avg_sq": square * column(np.power(self.betas[1], idle), square),
        }
        root = torch.sqrt(square)
        early = (last < self.plan.begin) & (last > 0)
        param = param.clone()
        for chosen, find in ((~early, self._from_moments), (early, self._from_points)):
            if chosen.all():
                return param - self._sum(*find(last, now), root).mul_(weighted), faded
            if chosen.any():
                at = torch.from_numpy(np.flatnonzero(chosen))
                param[at] -= self._sum(*find(last[chosen], now), root[at]).mul_(weighted[at])
        return param, faded

    def _sum(self, alpha: Array, b: Array, root: torch.Tensor) -> torch.Tensor:
        """Return the Gauss rule for every element of rows with the square roots ``root`` [r, …]."""
        eps = self.eps
        means = [column(each, root) for each in alpha]
        spreads = [column(each, root) for each in b]
        # Where the root is 0 and ε·u vanishes in the element's precision, the average is 0 as well.
        tiny = torch.finfo(root.dtype).tiny
        inside = means[-1]
        for k in range(len(alpha) - 2, -1, -1):
            bottom = (inside * eps).add(root).clamp_(min=tiny)
            inside = means[k] - (spreads[k + 1] * eps).div(bottom)
        return (inside * spreads[0]).div((inside * eps).add_(root).clamp_(min=tiny))

    def _from_moments(self, last: Steps, now: int) -> tuple[Array, Array]:
        """Return the recurrence coefficients of each row, [nodes, r], from the table."""
        distinct, back = np.unique(last, return_inverse=True)
        alpha, b = from_moments(self.moments.values[:, distinct], (now - distinct).astype(np.float64))
        centre, unit = self.steps.values[_CENTRE:, distinct]
        b[1:] *= unit**2
        low, high = self._support(distinct, now)
        alpha, b = tidied(centre + unit * alpha, b, low, high)
        b[0, distinct == 0] = 0.0  # never updated: the averages are 0
        return alpha[:, back], b[:, back]

    def _from_points(self, last: Steps, now: int) -> tuple[Array, Array]:
        """Return the same from the measure itself, [start_nodes, r]."""
        distinct, back = np.unique(last, return_inverse=True)
        missing = np.array([step for step in distinct.tolist() if step not in self.early], dtype=np.int64)
        fresh: dict[int, tuple[Array, Array]] = {}
        if len(missing):
            there = missing[:, None] + np.arange(1, self.plan.terms + 1)
            inside = there <= now
            there = np.minimum(there, now)
            rate, root, logs = self.steps.values[:3, there]
            decayed = np.exp(self.steps.values[_LOG, missing][:, None] - logs)
            weights = np.where(inside, rate * decayed * self.grid.decay, 0.0)
            points = root * self.grid.stretch
            alpha, b = from_points(weights, points, self.plan.start_nodes)
            alpha, b = tidied(alpha, b, *self._support(missing, now))
            fresh = {step: (alpha[:, i], b[:, i]) for i, step in enumerate(missing.tolist())}
            self.early.update({step: fresh[step] for step in fresh if now - step >= self.plan.terms})
        found = [fresh[step] if step in fresh else self.early[step] for step in distinct.tolist()]
        return np.stack([each[0] for each in found], 1)[:, back], np.stack([each[1] for each in found], 1)[
            :, back
        ]

    def _support(self, last: Steps, now: int) -> tuple[Array, Array]:
        """Return the least and the largest point of the measures."""
        roots = self.steps.values[_ROOT]
        idle = np.clip(now - last, 1, self.plan.terms)
        first, end = np.minimum(last + 1, now), np.minimum(last + idle, now)
        return roots[first] * self.grid.stretch[0], roots[end] * self.grid.stretch[idle - 1]

    def _frame(self, step: int) -> tuple[float, float]:
        centre, unit = self.grid.frame(np.array([float(step)]))
        return float(centre[0]), float(unit[0])

    def arrays(self) -> dict[str, Array]:
        """The moments, and rates, roots and decays by step."""
        return {"moments": self.moments.kept(), "steps": self.steps.kept()}

    def restore(self, arrays: Mapping[str, Array], step: int) -> None:
        """Take them back; what was found from points is found again, with the same bits."""
        self.moments.put(arrays["moments"], step)
        self.steps.put(arrays["steps"], step)
        self.early = {}
