"""The pilot: what it says is what happened, and one that time cut short is made again where there is more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from steepest.record.schema import CurvePoint, Record, RunKey
from steepest.sweep.defaults import PILOT_EPOCHS, PILOT_PATIENCE, pilot, pilot_arms, pilot_run, pilot_text
from tests.sweep.arms import arms_of

PER_EPOCH = 500
[ARM] = arms_of(["adam"], per_epoch=PER_EPOCH)


def point(step: int, per_epoch: int = PER_EPOCH) -> CurvePoint:
    return CurvePoint(
        step=step, epoch=step / per_epoch, seconds=0, gradients=step, train_loss=0.5, validation={}
    )


def made(ran: int, best: int, outcome: str = "finished", per_epoch: int = PER_EPOCH) -> Record:
    curve = [point(i * per_epoch, per_epoch) for i in range(ran + 1)]
    key = RunKey(name="pilot", recipe="r", seed=0, phase="pilot")
    steps = ran * per_epoch
    return Record(key=key, lr=1e-3, steps=steps, outcome=outcome, curve=curve, best_step=best * per_epoch)


@pytest.mark.parametrize(
    ("record", "per_epoch", "said"),
    [
        (made(13, 8, "stopped early"), PER_EPOCH, "ran 13 epochs and was best after 8"),
        (made(6, 6), PER_EPOCH, "was still improving after 6 epochs, the limit of the time budget"),
        (made(6, 4), PER_EPOCH, "was best after 4 of 6 epochs, the limit of the time budget"),
        (made(1, 1), PER_EPOCH, "was still improving after 1 epoch, the limit of the time budget"),
        (made(40, 40), PER_EPOCH, "was still improving after 40 epochs, the limit of a pilot run"),
        (made(2, 1, "diverged"), PER_EPOCH, "ended after 2 epochs (diverged) and was best after 1"),
    ],
)  # fmt: skip
def test_what_a_pilot_says(record: Record, per_epoch: int, said: str) -> None:
    assert pilot_text(record, per_epoch) == said


def test_a_hundred_epochs_are_the_most() -> None:
    curve = [point(i, 1) for i in range(PILOT_EPOCHS + 1)]
    record = made(1, 1).model_copy(update={"curve": curve, "best_step": PILOT_EPOCHS})
    assert pilot_text(record, 1) == "was still improving after 100 epochs, the limit of a pilot run"


class FakeRunner:
    """Makes pilots whose validation gets better up to an epoch."""

    def __init__(self, best: int) -> None:
        self.best = best
        self.kept: list[Record] = []
        self.folder = self.observer = self

    def records(self) -> Sequence[Record]:
        return self.kept

    def stage(self, title: str) -> None:
        del title

    def make(self, run, history, *, evaluations: int) -> Record:
        del history
        ran = min(evaluations, self.best + PILOT_PATIENCE)
        per_epoch = run.recipe.steps // evaluations
        outcome = "stopped early" if ran < evaluations else "finished"
        record = made(ran, min(ran, self.best), outcome, per_epoch)
        record = record.model_copy(update={"key": run.key, "steps": run.recipe.steps})
        self.kept.append(record)
        return record


def test_a_pilot_that_time_cut_short_is_made_again_where_there_is_more() -> None:
    runner = FakeRunner(best=9)
    first = pilot(runner, ARM, 0, 6 * PER_EPOCH)
    assert first == (
        6,
        "a pilot run of Adam at its default rate was still improving after 6 epochs, the limit of the time budget",
    )
    assert pilot(runner, ARM, 0, 5 * PER_EPOCH) == first  # it is there already
    second = pilot(runner, ARM, 0)
    assert second == (9, "a pilot run of Adam at its default rate ran 14 epochs and was best after 9")
    assert pilot(runner, ARM, 0, 6 * PER_EPOCH) == second  # the time is no limit to what is known
    assert len(runner.kept) == 2


def test_a_pilot_of_another_recipe_is_not_used() -> None:
    runner = FakeRunner(best=3)
    pilot(runner, ARM, 0)
    for changed in ({"model": "other"}, {"batch_size": 16}, {"precision": "bf16"}):
        pilot(runner, replace(ARM, recipe=ARM.recipe.model_copy(update=changed)), 0)
    pilot(runner, ARM, 1)
    assert len({each.key.recipe for each in runner.kept}) == 4
    assert len(runner.kept) == 5


PILOTED: dict[str, tuple[int, list[dict[str, object]]]] = {
    "what ends runs early": (1, [{"regularizer": ""}, {"regularizer": "early-stopping(1)"}]),
    "what ends runs early, beside others": (
        1,
        [{"regularizer": "l2(0.0001) + early-stopping(1)"}, {"regularizer": "l2(0.0001)"}],
    ),
    "schedules": (1, [{"schedule": "cosine"}, {"schedule": "constant"}]),
    "time": (1, [{"max_seconds": 1.0}, {"max_seconds": None}]),
    "batch sizes": (2, [{"batch_size": 16}, {"batch_size": 256}]),
    "losses": (3, [{"loss": ""}, {"loss": "absolute"}, {"loss": "huber(1.0)"}]),
    "fixed parameters": (2, [{"freeze": ""}, {"freeze": "head"}]),
    "rates": (2, [{"rates": ""}, {"rates": "head=2.0"}]),
    "clipping": (2, [{"clip": None}, {"clip": 1.0}]),
    "data": (2, [{"data": "d"}, {"data": "e"}]),
}


@pytest.mark.parametrize("name", PILOTED)
def test_pilots_do_not_depend_on_the_order_of_arms(name: str) -> None:
    count, changes = PILOTED[name]
    arms = [
        replace(arm, recipe=arm.recipe.model_copy(update=change))
        for change in changes
        for arm in arms_of(["adam", "sgd"])
    ]
    found = [{pilot_run(arm, 0).recipe.id for arm in pilot_arms(some)} for some in (arms, arms[::-1])]
    assert found[0] == found[1]
    assert len(found[0]) == len(pilot_arms(arms)) == count


def test_a_pilot_is_trained_as_an_arm_that_nothing_ends_early() -> None:
    """Its steps are computed as planned for that arm, whose cell has the same regularizers."""
    [plain] = arms_of(["adam"])
    stopping = replace(plain, recipe=plain.recipe.model_copy(update={"regularizer": "early-stopping(1)"}))
    assert pilot_arms([stopping, plain]) == pilot_arms([plain, stopping]) == [plain]
    assert pilot_arms([stopping]) == [stopping]
    assert pilot_run(stopping, 0).recipe == pilot_run(plain, 0).recipe


def test_200_steps_are_the_least() -> None:
    epochs, said = pilot(FakeRunner(best=2), replace(ARM, per_epoch=30), 0)
    assert epochs == 7
    assert (
        said
        == "a pilot run of Adam at its default rate ran 7 epochs and was best after 2, with a minimum of 200 steps"
    )
