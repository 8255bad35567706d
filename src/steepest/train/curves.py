"""When the validation rows of a run are read, and what its curve says."""

from __future__ import annotations

from steepest.record.schema import CurvePoint


def evaluation_steps(steps: int, per_epoch: int, evaluations: int) -> set[int]:
    """Return the steps after which the validation rows are read: evenly spaced ones, and up to as many epochs' ends.

    Example:
        >>> sorted(evaluation_steps(10, 4, 5))
        [2, 4, 6, 8, 10]
    """
    even = {max(1, round(steps * (i + 1) / evaluations)) for i in range(evaluations)}
    epochs = range(per_epoch, steps + 1, per_epoch)
    return even | (set(epochs) if len(epochs) <= evaluations else set()) | {steps}


def overfits(curve: list[CurvePoint], best_step: int, name: str, higher_is_better: bool) -> bool:
    """Return whether validation became worse after its best while the training loss went on falling.

    It needs more than an epoch: before that, every row is seen for the first time.
    """
    last = curve[-1]
    best = next(point for point in curve if point.step == best_step)
    values = best.validation[name], last.validation[name]
    lost = values[0] - values[1] if higher_is_better else values[1] - values[0]
    return last.epoch > 1 and lost > 0.01 * abs(values[0]) and last.train_loss < best.train_loss
