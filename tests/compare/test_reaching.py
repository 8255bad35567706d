"""When a target is reached: the median over runs, where one that never does is later than any."""

from __future__ import annotations

import math

import pytest

from steepest.compare.reaching import ArmReached, Reached, how_soon, when_reached
from steepest.errors import OptionError
from steepest.evaluate.metrics import metric_info
from steepest.evaluate.reachable import reachable_target
from steepest.recipe import Reach
from steepest.record.schema import CurvePoint, Record, RunKey
from steepest.report import reached
from steepest.report.html import render_html
from tests.report.example import rent


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
        name="fast", reached=3, runs=3, step=10, epoch=0.5, gradients=20, seconds=10, timed=1, best=1
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
    assert [each.model_copy(update={"best": -(each.best or 0)}) for each in found.arms] == other.arms


def test_one_arm_has_no_target() -> None:
    assert when_reached({"fast": FAST}, "rmse", higher=False) is None
    assert when_reached({"fast": FAST, "failed": [run(0, math.nan)]}, "rmse", higher=False) is None


def test_a_given_target_needs_no_second_arm_and_may_be_reached_by_none() -> None:
    found = when_reached({"fast": FAST}, "rmse", higher=False, target=2)
    assert found is not None
    assert (found.given, found.target, found.arms[0].step) == (True, 2, 10)
    never = when_reached({"fast": FAST}, "rmse", higher=False, target=0.5)
    assert never is not None
    assert (never.arms[0].reached, never.arms[0].step, never.arms[0].best) == (0, None, 1)


@pytest.mark.parametrize("reached", range(5))
def test_there_is_a_median_only_where_more_than_half_of_the_runs_reach_it(reached: int) -> None:
    runs = [run(i, 9, 1 if i < reached else 8, 8, 8) for i in range(4)]
    found = when_reached({"a": runs}, "rmse", higher=False, target=1)
    assert found is not None
    assert (found.arms[0].reached, found.arms[0].step) == (reached, 10 if 2 * reached > 4 else None)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("95", "the target 95 is no value of accuracy"),
        ("accuracy=0", "every network reaches"),
        ("log-loss=-0.1", "which is at least 0"),
        ("rmse=2", "runs are not evaluated by RMSE"),
        ("f1=0.5", "runs are not evaluated by positive F1"),
    ],
)
def test_what_no_run_or_every_run_reaches_is_refused(text: str, fact: str) -> None:
    wanted = Reach.read(text)
    assert wanted is not None
    with pytest.raises(OptionError, match=fact):
        reachable_target(wanted, ["accuracy", "log_loss"], 2)


@pytest.mark.parametrize("text", ["nan", "inf", "=3", "accuracy", "accuracy=", "a b", "accuracy==x"])
def test_a_target_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="is no value of a metric"):
        Reach.read(text)


def test_a_target_of_another_metric_names_it() -> None:
    runs = {"fast": [run(0, 9, 2, 1, 1)]}
    assert how_soon(runs, metric_info("rmse"), "rmse=2", 0) == how_soon(runs, metric_info("rmse"), "2.0", 0)
    found = how_soon(runs, metric_info("mae"), "rmse=2", 0)
    assert found is not None
    assert (found.metric, found.arms[0].step) == ("rmse", 10)


def test_the_table_begins_with_the_soonest_and_explains_what_is_missing() -> None:
    found = when_reached({"slow": SLOW, "middle": MIDDLE, "fast": FAST}, "rmse", higher=False)
    assert found is not None
    comparison = rent().model_copy(update={"reached": found})
    assert [name for name, _ in reached.lines(comparison)] == ["fast", "middle", "slow"]
    assert "A dash: half" in reached.caption(comparison)
    assert "no time" not in reached.caption(comparison)
    arms = [each.model_copy(update={"seconds": None, "timed": 0}) for each in found.arms]
    shared = comparison.model_copy(update={"reached": found.model_copy(update={"arms": arms})})
    assert "There is no time of slow" not in reached.caption(shared)
    assert "There is no time of middle and fast" in reached.caption(shared)


@pytest.mark.parametrize("given", [False, True])
def test_a_table_of_nothing_but_dashes_is_not_shown(given: bool) -> None:
    missed = [ArmReached(name=name, reached=1, runs=3) for name in "ab"]
    comparison = rent().model_copy(update={"reached": Reached(target=1.0, arms=missed, given=given)})
    assert reached.lines(comparison) == []
    page = render_html(comparison)
    assert ('id="reached"' in page) == ("do more than half of the runs reach it." in page) == given
    assert "runs that reached it" not in page
