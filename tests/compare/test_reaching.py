"""When a target is reached: the median over runs, where one that never does is later than any."""

from __future__ import annotations

import math

import pytest

from steepest.compare.reaching import ArmReached, when_reached
from steepest.record.schema import CurvePoint, Record, RunKey


def run(seed: int, *values: float, shared: bool = False) -> Record:
    """Return a run that was evaluated every 10 steps, each of which took a second."""
    curve = [
        CurvePoint(
            step=10 * i,
            epoch=i / 2,
            seconds=10.0 * i,
            gradients=20.0 * i,
            train_loss=0.0,
            validation={"rmse": value},
        )
        for i, value in enumerate(values)
    ]
    key = RunKey(name="a", recipe="r", seed=seed, phase="final")
    outcome = "diverged" if math.isnan(values[-1]) else "finished"
    return Record(
        key=key, lr=0.1, steps=30, outcome=outcome, curve=curve, best={"rmse": min(values)}, shared=shared
    )


FAST = [run(0, 9, 2, 1, 1), run(1, 9, 9, 1, 1, shared=True), run(2, 9, 2, 1, 1, shared=True)]
MIDDLE = [run(0, 9, 8, 3, 2), run(1, 9, 8, 3, 4, shared=True), run(2, 9, 2, 3, 3, shared=True)]
SLOW = [run(0, 9, 9, 9, 8), run(1, 9, math.nan), run(2, 9, 9, 9, 6)]


def test_it_is_the_median_and_what_never_comes_is_late() -> None:
    found = when_reached({"fast": FAST, "middle": MIDDLE, "slow": SLOW}, "rmse", higher=False)
    assert found is not None
    assert found.target == pytest.approx((2 + 3 + 2) / 3)
    fast, middle, slow = found.arms
    assert fast == ArmReached(
        name="fast", reached=3, runs=3, step=10, epoch=0.5, gradients=20, seconds=10, timed=1
    )
    assert (middle.reached, middle.step, middle.seconds) == (2, 30, 30)
    assert (slow.reached, slow.step, slow.seconds, slow.timed) == (0, None, None, 3)


def test_of_a_metric_of_which_more_is_better_too() -> None:
    def turned(runs: list[Record]) -> list[Record]:
        return [
            each.model_copy(
                update={
                    "best": {"rmse": max(-p.validation["rmse"] for p in each.curve)},
                    "curve": [
                        p.model_copy(update={"validation": {"rmse": -p.validation["rmse"]}})
                        for p in each.curve
                    ],
                }
            )
            for each in runs
        ]

    runs = {"fast": FAST, "middle": MIDDLE, "slow": SLOW[:1]}
    found = when_reached({name: turned(each) for name, each in runs.items()}, "rmse", higher=True)
    other = when_reached(runs, "rmse", higher=False)
    assert found is not None
    assert other is not None
    assert found.target == -other.target
    assert found.arms == other.arms


def test_one_arm_has_no_target() -> None:
    assert when_reached({"fast": FAST}, "rmse", higher=False) is None
    assert when_reached({"fast": FAST, "failed": [run(0, math.nan)]}, "rmse", higher=False) is None
