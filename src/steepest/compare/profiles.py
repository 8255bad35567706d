r"""Performance profiles: on which share of several experiments an arm is within a factor of the best.

With the cost :math:`c_{e,a}` of arm *a* in experiment *e*, and :math:`r_{e,a} = c_{e,a} / \min_b c_{e,b}`, the profile
of an arm is :math:`\rho_a(\tau) = |\{e : r_{e,a} \le \tau\}| / |\{e\}|` (Dolan & Moré, *Benchmarking optimization
software with performance profiles*, Mathematical Programming 2002).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def cost(value: float, *, higher: bool) -> float:
    """Return a result as a cost: itself where less is better, what is lacking to 1 where more is; infinity if failed.

    Example:
        >>> cost(0.25, higher=False), cost(0.75, higher=True), cost(float("nan"), higher=True)
        (0.25, 0.25, inf)
    """
    if math.isnan(value):
        return math.inf
    return 1.0 - value if higher else value


def ratios(costs: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return by what factor each arm is above the best one of each experiment.

    Args:
        costs: of each experiment, the cost of each arm; arms that an experiment lacks are left out, and experiments
            whose best cost is not above 0, or infinite.

    Example:
        >>> ratios([{"sgd": 2.0, "adam": 1.0}, {"sgd": 3.0, "adam": 6.0, "lion": 1.0}])
        {'sgd': [2.0, 1.0], 'adam': [1.0, 2.0]}
    """
    if not costs:
        return {}
    names = [name for name in costs[0] if all(name in each for each in costs)]
    found: dict[str, list[float]] = {name: [] for name in names}
    for each in costs:
        best = min((each[name] for name in names), default=math.inf)
        if 0 < best < math.inf:
            for name in names:
                found[name].append(each[name] / best)
    return found


def profile(factors: Sequence[float]) -> list[tuple[float, float]]:
    """Return the steps of a profile: factors at which it rises, with the share of the experiments from there on.

    Args:
        factors: of one arm, one for each experiment.

    Example:
        >>> profile([2.0, 1.0, 1.0, float("inf")])
        [(1.0, 0.5), (2.0, 0.75)]
    """
    known = sorted({each for each in factors if math.isfinite(each)})
    return [(each, sum(other <= each for other in factors) / len(factors)) for each in known]
