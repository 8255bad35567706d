"""Times are measured in rounds: what slows the machine for a while slows no optimizer alone."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch

from steepest.data.table import read_table
from steepest.experiment.settings import decide
from steepest.optim import make_rule
from steepest.recipe import Execution
from steepest.sweep import bench as module
from steepest.sweep import machine as machine_facts
from steepest.sweep import processes, timing
from steepest.sweep.bench import LEAST_ROUNDS, ROUNDS, Bench, Way, interleaved
from steepest.sweep.observer import Observer
from steepest.waiting import CHOSEN_BY


class Machine:
    """A clock that only the blocks move, on a machine that is busy at first."""

    def __init__(self, busy_until: float, slower: float = 4.0) -> None:
        self.now = 0.0
        self.busy_until = busy_until
        self.slower = slower
        self.order: list[str] = []

    def block(self, name: str, seconds: float) -> Callable[[], float]:
        def run() -> float:
            self.order.append(name)
            taken = seconds * (self.slower if self.now < self.busy_until else 1.0)
            self.now += taken
            return taken

        return run


@pytest.mark.parametrize("busy_until", [0.0, 1.0, 9.0, 100.0])
def test_a_busy_machine_makes_no_difference_between_optimizers(monkeypatch, busy_until: float) -> None:
    machine = Machine(busy_until)
    monkeypatch.setattr(module.time, "perf_counter", lambda: 0.0)
    names = ("adam", "adamw", "momentum")
    found = interleaved({name: machine.block(name, 0.5) for name in names})
    assert len(set(found.values())) == 1
    assert found["adam"] == (2.0 if busy_until == 100.0 else 0.5)
    assert machine.order == [*names] * ROUNDS


def test_a_single_short_moment_is_no_measurement(monkeypatch) -> None:
    """One block that was by chance far too fast is not the time: the lowest of seven is not taken."""
    lucky: Iterator[float] = iter([1.0, 1.1, 0.1, 1.0, 1.2, 1.0, 1.1])
    assert interleaved({"a": lambda: next(lucky)}) == {"a": 1.0}


@pytest.mark.parametrize(("seconds", "rounds"), [(2.0, LEAST_ROUNDS), (4.0, 2), (8.0, 1)])
def test_slow_steps_are_timed_in_fewer_rounds(monkeypatch, seconds: float, rounds: int) -> None:
    machine = Machine(0.0)
    monkeypatch.setattr(module.time, "perf_counter", lambda: machine.now)
    interleaved({"a": machine.block("a", seconds), "b": machine.block("b", seconds)})
    assert machine.order == ["a", "b"] * rounds


@pytest.mark.parametrize(("share", "rounds"), [(1.0, ROUNDS), (0.3, LEAST_ROUNDS), (0.1, 2), (0.01, 1)])
def test_a_short_time_budget_leaves_fewer_rounds(monkeypatch, share: float, rounds: int) -> None:
    machine = Machine(0.0)
    monkeypatch.setattr(module.time, "perf_counter", lambda: machine.now)
    interleaved({"a": machine.block("a", 0.4), "b": machine.block("b", 0.4)}, share=share)
    assert machine.order == ["a", "b"] * rounds


@pytest.fixture(scope="module")
def bench(churn) -> Bench:
    import steepest as st

    plan = st.plan(read_table(churn, target="churned"), hidden=(4,), batch_size=32)
    settings = decide(plan.experiment, plan.table, plan.given, Observer())
    return Bench(settings.dataset, settings.arms[0].recipe, None, "cpu")


def test_real_steps_are_timed_in_turn_and_go_on(bench: Bench, monkeypatch) -> None:
    made: list[tuple[str, int, int]] = []
    real = module._Begun.make

    def watched(self, count: int) -> list[float]:
        made.append((self.method.rule.called, self.done, count))
        return real(self, count)

    monkeypatch.setattr(module._Begun, "make", watched)
    for name in ("BLOCK_SECONDS", "MOST_SECONDS"):
        monkeypatch.setattr(module, name, 1e9)
    ways = {name: Way(make_rule(name), Execution()) for name in ("sgd", "adam")}
    found = bench.steps(ways)
    assert all(seconds > 0 for seconds in found.values())
    blocks = [name for name, _, count in made if count > module.WARM_UP]
    assert blocks == ["sgd", "adam"] * ROUNDS
    for name in ways:
        steps = [(first, count) for called, first, count in made if called == name]
        assert all(first + count == after for (first, count), (after, _) in itertools.pairwise(steps))


def test_a_step_of_seconds_is_a_block(bench: Bench, monkeypatch) -> None:
    """One step warms up, the next one is the measurement; a run that takes long is looked at once."""
    made: list[int] = []
    real = module._Begun.make
    monkeypatch.setattr(module._Begun, "make", lambda self, count: made.append(count) or real(self, count))
    monkeypatch.setattr(module, "SLOW_STEP", 0.0)
    monkeypatch.setattr(module, "SLOW_LOOK", 0.0)
    way = Way(make_rule("sgd"), Execution())
    assert bench.steps({"sgd": way})["sgd"] > 0
    assert made == [1] * (1 + ROUNDS)
    runs: list[int] = []
    run = Bench._run
    monkeypatch.setattr(Bench, "_run", lambda self, way, looks: runs.append(looks) or run(self, way, looks))
    look, rest = bench.evaluation(way)
    assert runs == [1]
    assert look > 0
    assert rest >= 0


def test_of_many_cells_each_is_timed_in_one_block_of_steps(bench: Bench, monkeypatch) -> None:
    """15 steps instead of 99: those that warm up, one block, and a run of one step that reads the validation rows."""
    made: list[int] = []
    real, run = module._Begun.make, Bench._run
    monkeypatch.setattr(module._Begun, "make", lambda self, count: made.append(count) or real(self, count))
    monkeypatch.setattr(Bench, "_run", lambda self, way, looks: made.append(looks) or run(self, way, looks))
    for name in ("BLOCK_SECONDS", "MOST_SECONDS"):
        monkeypatch.setattr(module, name, 1e9)
    way, counts = {"sgd": Way(make_rule("sgd"), Execution())}, []
    for rounds in (ROUNDS, 1):
        made.clear()
        assert bench.steps(way, rounds)["sgd"] > 0
        assert bench.evaluation(way["sgd"], once=rounds == 1)[0] > 0
        counts.append(sum(made))
    assert counts == [99, 15]


def test_the_slowest_steps_are_timed_once_each(bench: Bench, monkeypatch) -> None:
    """Where even the first step takes seconds, it is the measurement: there is no other."""
    made: list[int] = []
    real = module._Begun.make
    monkeypatch.setattr(module._Begun, "make", lambda self, count: made.append(count) or real(self, count))
    for name in ("SLOW_STEP", "SLOWEST_STEP", "MUCH_SECONDS"):
        monkeypatch.setattr(module, name, 0.0)
    assert bench.steps({"sgd": Way(make_rule("sgd"), Execution())})["sgd"] > 0
    assert made == [1]


def test_with_slow_steps_only_some_validation_rows_are_read(bench: Bench, monkeypatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(
        Bench,
        "_looked",
        lambda self, way, looks: (read.append(len(self.dataset.validation)), (9.0, 2.0, 0.5))[1],
    )
    rows = len(bench.dataset.validation)
    way = Way(make_rule("sgd"), Execution())
    assert bench.evaluation(way) == (2.0, 0.5)
    look, rest = bench.evaluation(way, a_step=1e6)  # not even a batch in the time: a batch is read
    assert read == [rows, bench.recipe.batch_size]
    assert look == pytest.approx(2.0 * rows / bench.recipe.batch_size)
    assert rest == 0.5


def test_large_models_are_made_again_in_every_round(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 10)
    monkeypatch.setattr(module, "MOST_SECONDS", 1e9)
    begun: list[str] = []
    real = Bench.begin
    monkeypatch.setattr(Bench, "begin", lambda self, way: begun.append(way.rule.called) or real(self, way))
    bench.steps({name: Way(make_rule(name), Execution()) for name in ("sgd", "adam")})
    assert begun == ["sgd", "adam"] * ROUNDS


def test_what_does_not_fit_into_memory_takes_for_ever(bench: Bench, monkeypatch) -> None:
    real = module._Begun.make

    def scarce(self, count: int) -> list[float]:
        if self.method.rule.called == "adam":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, count)

    monkeypatch.setattr(module._Begun, "make", scarce)
    found = bench.steps({name: Way(make_rule(name), Execution()) for name in ("sgd", "adam")})
    assert found["sgd"] < found["adam"] == float("inf")


def _threads_measured(bench: Bench, monkeypatch, one: list[float], two: list[float]) -> int:
    """Return how many threads are chosen where the rounds take so long."""
    net = bench.network()
    monkeypatch.setattr(timing, "cores", lambda: 2)
    monkeypatch.setattr(Bench, "rounds", lambda self, ways: dict(zip(ways, (one, two), strict=True)))
    return timing._threads(bench, net, Execution(), make_rule("adam"))


@pytest.mark.parametrize(
    ("one", "two", "chosen", "kept"),
    [
        ([1.0] * 7, [0.6] * 7, 2, True),
        ([1.0] * 7, [0.6] * 6 + [3.0], 2, True),
        ([1.0] * 7, [0.8] * 7, 1, True),
        # something else needed the processor while one thread was timed in most rounds
        ([2.0] * 4 + [1.0] * 3, [0.9] * 7, 1, False),
        ([2.0] * 2 + [1.0], [0.9] * 3, 1, False),
    ],
)
def test_two_threads_are_chosen_only_where_the_rounds_agree(
    bench: Bench, monkeypatch, tmp_path, one, two, chosen, kept
) -> None:
    """A lower quartile of busy rounds once chose two threads, on which steps took minutes under load."""
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path))
    assert _threads_measured(bench, monkeypatch, one, two) == chosen
    assert bool(machine_facts.known()) == kept


def test_how_threads_wait_is_part_of_what_is_remembered_of_them(bench: Bench, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path))
    for name in CHOSEN_BY:
        monkeypatch.delenv(name, raising=False)
    assert _threads_measured(bench, monkeypatch, [1.0] * 7, [0.6] * 7) == 2
    assert _threads_measured(bench, monkeypatch, [1.0] * 7, [0.9] * 7) == 2  # it is remembered
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert _threads_measured(bench, monkeypatch, [1.0] * 7, [0.9] * 7) == 1


@pytest.mark.parametrize(
    ("name", "value"), [("", ""), ("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "9")]
)
def test_our_processes_wait_asleep_unless_the_user_says_otherwise(tmp_path, monkeypatch, name, value) -> None:
    for each in CHOSEN_BY:
        monkeypatch.delenv(each, raising=False)
    if name:
        monkeypatch.setenv(name, value)
    expected = {name: value} if name else {"OMP_WAIT_POLICY": "passive"}
    said = subprocess.run(
        [sys.executable, "-c", SHOWN], env={**os.environ}, capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout) == expected
    given: list[dict[str, str]] = []

    class Started:
        def __init__(self, *args, env, **more) -> None:
            given.append(env)

    monkeypatch.setattr(processes.subprocess, "Popen", Started)
    processes.Processes(tmp_path).start()
    assert {key: given[0][key] for key in CHOSEN_BY if key in given[0]} == expected


SHOWN = """
import json, os, sys
import steepest.__main__ as started
import steepest.cli
steepest.cli.main = lambda: print(
    json.dumps({each: os.environ[each] for each in CHOSEN if each in os.environ}),
    *["too late"] * ("torch" in sys.modules),
)
CHOSEN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
started.main()
"""
"""Prints what the command line's environment says when a command begins."""
