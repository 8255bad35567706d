"""Whether several runs are made at a time: on made-up times of steps, never much slower than one after the other."""

from __future__ import annotations

import heapq
import itertools

import pytest

from steepest.data.table import read_table
from steepest.recipe import Execution, ExecutionOptions, Recipe
from steepest.record.schema import Record
from steepest.sweep import machine as this_machine
from steepest.sweep import timing
from steepest.sweep.bench import Bench
from steepest.sweep.estimate import SHARED, START_SECONDS, at_a_time, plan_seconds, run_seconds
from steepest.sweep.expected import Expected
from steepest.sweep.plan import next_runs
from steepest.sweep.planned import PlannedRun, identity
from steepest.sweep.setup import Setup
from tests.sweep.arms import CELL, arms_of, lengths

TEXTS = ("sgd", "adam", "momentum", "rmsprop")


def setup(texts: tuple[str, ...], seeds: int, steps: int = 400, **more: object) -> Setup:
    arms = arms_of(texts)
    return Setup(arms, tuple(range(seeds)), "log_loss", False, lengths=lengths(arms, steps), **more)


def cells(step: float, workers: int, **more: float) -> dict[str, Execution]:
    times = {"seconds_a_step": dict.fromkeys(TEXTS, step), "seconds_an_evaluation": 0.01, **more}
    return {CELL: Execution(workers=workers).timed(**times)}


def record(run: PlannedRun) -> Record:
    loss = abs(hash((run.key.name, float(run.rule.hyper.lr), run.key.seed))) % 1000 / 1000
    values = {"best": {"log_loss": loss}, "test": {"log_loss": loss} if run.read_test else {}}
    return Record(key=run.key, lr=float(run.rule.hyper.lr), steps=1, outcome="finished", **values)


def played(made: Setup, plans: dict[str, Execution], together: int) -> float:
    """Return the seconds until the last run has ended: the next run begins wherever a process is free."""
    history: dict[tuple[str, int], Record] = {}
    now, going, count = (START_SECONDS if together > 1 else 0.0), [], itertools.count()

    def seconds(run: PlannedRun) -> float:
        return run_seconds(plans, Expected(run.arm, run.key.phase, run.recipe.steps))

    while True:
        busy = {identity(run) for _, _, run in going}
        waiting = [run for run in next_runs(made, history, ahead=together > 1) if identity(run) not in busy]
        if not waiting and not going:
            return now
        for run in waiting:
            if together > 1 and len(going) < together and not made.is_timed(run):
                heapq.heappush(going, (now + seconds(run) / SHARED, next(count), run))
        if going:
            now, _, run = heapq.heappop(going)
        else:
            run = waiting[0]
            now += seconds(run)
        history[identity(run)] = record(run)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(this_machine, "memory", lambda: (64 * 10**9, 32 * 10**9))


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("workers", [2, 4, 16])
@pytest.mark.parametrize("step", [1e-6, 1e-4, 1e-3, 1e-2, 1.0])
def test_what_is_chosen_is_never_much_slower_than_one_at_a_time(count, workers, step):
    made, plans = setup(TEXTS[:count], seeds=3), cells(step, workers)
    one, together = played(made, plans, 1), at_a_time(made, plans, {})
    took = played(made, plans, together)
    assert took <= 1.1 * one
    assert took == pytest.approx(plan_seconds(made, plans, {}), rel=0.5)


def test_long_comparisons_gain_nearly_as_much_as_there_are_cores():
    made, plans = setup(TEXTS, seeds=5), cells(1e-2, 2)
    assert played(made, plans, 1) / played(made, plans, 2) > 1.6


def test_short_ones_are_made_one_at_a_time_unless_more_are_asked_for():
    made, plans = setup(TEXTS, seeds=3), cells(1e-6, 2, seconds_an_evaluation=1e-3)
    assert at_a_time(made, plans, {}) == 1
    assert at_a_time(made, plans, {}, asked=2) == 2
    assert at_a_time(made, cells(1.0, 1), {}) == 1


def test_workers_that_are_asked_for_take_their_start():
    made, plans = setup(TEXTS, seeds=3), cells(1e-6, 2, seconds_an_evaluation=1e-3)
    assert plan_seconds(made, plans, {}) < START_SECONDS < plan_seconds(made, plans, {}, asked="ray")
    alone = cells(1e-6, 1, seconds_an_evaluation=1e-3)
    assert plan_seconds(made, alone, {}, asked=1) == plan_seconds(made, alone, {})


def test_processes_have_room_in_memory(monkeypatch):
    made, plans = setup(TEXTS, seeds=3), cells(1.0, 16)
    assert at_a_time(made, plans, {}) == 16
    monkeypatch.setattr(this_machine, "memory", lambda: (8 * 10**9, 3 * 10**9))
    assert at_a_time(made, plans, {}) == 3
    monkeypatch.setattr(this_machine, "memory", lambda: None)
    assert at_a_time(made, plans, {}) == 16


def test_the_timed_run_of_an_arm_is_not_one_at_its_default_rate():
    """Where the default rate is the best one, a run serves both; the one that is timed stays alone."""
    made = setup(("adam",), seeds=2, grid=(1e-3,))
    history: dict[tuple[str, int], Record] = {}
    phases: list[str] = []
    while runs := next_runs(made, history, ahead=True):
        phases.append(runs[0].key.phase)
        history[identity(runs[0])] = record(runs[0])
    assert "default" not in phases
    assert phases.count("final") == 2


def test_memory_for_one_process_leaves_all_cores_to_it(monkeypatch):
    """The plan's time, the threads and the number of processes are those of the machine as it is."""
    data = read_table({"x": [0.5, 0.1, 0.3, 0.9] * 40, "y": ["a", "b", "a", "b"] * 40}, target="y").dataset()
    recipe = Recipe(data=data.fingerprint, model="linear", optimizer="sgd", schedule="constant", steps=20,
                    batch_size=16, metric="log_loss")  # fmt: skip
    bench = Bench(data, recipe, None, "cpu")
    monkeypatch.setattr(timing, "cores", lambda: 4)
    monkeypatch.setattr(timing, "_threads", lambda *_: 4)
    asked = ExecutionOptions.model_validate({})
    found = {}
    for room in (4, 2, 1):
        monkeypatch.setattr(timing, "with_room", lambda most, room=room: min(most, room))
        chosen = timing.choose_execution(bench, asked, runs=100)
        found[room] = chosen.threads, chosen.workers
    assert found == {4: (1, 4), 2: (1, 2), 1: (4, 1)}
    three = ExecutionOptions.model_validate({"workers": 3})
    assert timing.choose_execution(bench, three, runs=100).workers == 3
