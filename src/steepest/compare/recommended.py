"""Which model a comparison recommends for use: the best network, or a baseline that is ahead of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.compare.estimates import Difference
from steepest.compare.evidence import Evidence
from steepest.evaluate.metrics import metric_info


def recommended(evidence: Evidence, against: Sequence[Difference], *, trained: bool) -> str:
    """Return the name of the row whose model is recommended; empty where there is none.

    It is the winner, unless baselines are ahead of it on the test rows by a detectable difference, or every run of
    every optimizer failed: then it is that baseline of those which is best on validation, because the test rows
    decide only whether the network is needed. A baseline that is not saved cannot be used.

    Args:
        evidence: the runs and the baselines.
        against: the winner minus each baseline, on the deciding metric.
        trained: whether the winner has a network.
    """
    winner = evidence.winner.title
    ahead = {each.better for each in against if each.told_apart} - {winner}
    sign = -1.0 if metric_info(evidence.metric).higher_is_better else 1.0
    costs = {
        each.title: sign * each.validation.get(evidence.metric, math.nan)
        for each in evidence.baselines
        if each.saved and (each.title in ahead or not trained)
    }
    costs = {title: cost for title, cost in costs.items() if math.isfinite(cost)}
    return min(costs, key=lambda title: costs[title]) if costs else winner if trained else ""
