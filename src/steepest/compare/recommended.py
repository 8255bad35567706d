"""Which model a comparison recommends for use: the best network, or a baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.compare.estimates import Difference
from steepest.compare.evidence import Evidence
from steepest.evaluate.metrics import metric_info


def recommended(evidence: Evidence, against: Sequence[Difference], *, trained: bool) -> str:
    """Return the name of the row whose model is recommended; empty where there is none.

    Where baselines are ahead of the winner on the test rows by a detectable difference, it is that of them which is
    best on validation: the test rows decide only whether the network is needed. Else it is the best on validation of
    the winner, whose value is the mean over its seeds, and those baselines that it is not ahead of by a detectable
    difference; where no rows are held out, it is the winner. If every run of every optimizer failed, it is the best
    baseline on validation. A baseline that is not saved cannot be used, and one
    without a finite value on the test rows is not recommended.

    Args:
        evidence: the runs and the baselines.
        against: the winner minus each baseline, on the deciding metric.
        trained: whether the winner has a network.
    """
    winner = evidence.winner.title
    better = {each.better for each in against if each.told_apart}
    beaten = {each.second for each in against if each.told_apart and each.better == winner}
    sign = -1.0 if metric_info(evidence.metric).higher_is_better else 1.0
    known = {
        each.title: sign * each.validation.get(evidence.metric, math.nan)
        for each in evidence.baselines
        if each.saved and math.isfinite(each.test.get(evidence.metric, math.nan))
    }
    costs = {title: cost for title, cost in known.items() if math.isfinite(cost)}
    ahead = {title: cost for title, cost in costs.items() if title in better}
    mine = evidence.on_validation(evidence.final(evidence.winner))
    if not trained:
        candidates = costs
    elif ahead or mine is None:
        candidates = ahead
    else:
        candidates = {
            title: cost for title, cost in costs.items() if title not in beaten and cost < sign * mine
        }
    return min(candidates, key=lambda title: candidates[title]) if candidates else winner if trained else ""
