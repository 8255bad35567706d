"""Whose steps are compiled: what gets most of the comparison done, reckoned with times that are given here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from steepest.optim import make_rule
from steepest.recipe import Execution, Recipe
from steepest.sweep import clock as clocks
from steepest.sweep import machine
from steepest.sweep import timing as module
from steepest.sweep.bench import Way
from steepest.sweep.clock import Patience
from steepest.sweep.compiling import Prospect, Work, choose, with_choice
from steepest.sweep.contestants import contestants
from steepest.sweep.estimate import fit_budget
from steepest.sweep.setup import Setup
from steepest.sweep.timing import StepTimings
from steepest.train.aot import NoCompilerError, NotCachedError
from steepest.train.compiled import Programs
from steepest.train.program import NotTraceableError
from tests.sweep.arms import CELL, arms_of, lengths

NAMES = ("adam", "adamw", "momentum", "sgd")
PLAN = Execution(device="cpu").timed(seconds_an_evaluation=0.008, seconds_a_run=0.01)


def work(
    seconds: float | None, *, epochs: float = 8.0, per_epoch: int = 500, seeds: int = 5, names=NAMES
) -> Work:
    arms = arms_of(names)

    def build(length: float, execution: Execution) -> Setup:
        del execution
        steps = max(1, round(length * per_epoch))
        return Setup(arms, tuple(range(seeds)), "log_loss", False, lengths(arms, steps))

    return Work(build, lambda execution: {CELL: execution}, CELL, epochs, per_epoch, seconds)


def everyone(eager: float, compiled: float, wait: float, names=NAMES) -> dict[str, Prospect]:
    return dict.fromkeys(names, Prospect(eager, compiled, wait))


def lost(given: Mapping[str, Prospect], chosen: tuple[str, ...], wanted: Work) -> tuple[str, ...]:
    """Return what is given up with a choice."""
    execution = with_choice(PLAN, given, chosen)
    wait = sum(given[name].wait for name in chosen)
    assert wanted.seconds is not None
    return fit_budget(
        lambda epochs: wanted.build(epochs, execution), wanted.epochs, wanted.per_epoch, {CELL: execution},
        wanted.seconds - wait,
    ).given_up  # fmt: skip


def test_the_demo_is_compiled_and_nothing_is_cut() -> None:
    given = everyone(2.0e-3, 0.23e-3, 14.0)
    three_minutes = work(150.0)
    chosen = choose(given, PLAN, three_minutes)
    assert sorted(chosen) == sorted(NAMES)
    assert lost(given, chosen, three_minutes) == ()
    assert "2.31 instead of 8 epochs" in lost(given, (), three_minutes)


def test_two_minutes_for_twelve_epochs_are_better_spent_with_a_compiler() -> None:
    given = everyone(2.0e-3, 0.3e-3, 12.0)
    two_minutes = work(100.0, epochs=12.0)
    chosen = choose(given, PLAN, two_minutes)
    assert sorted(chosen) == sorted(NAMES)
    compiled, eager = (fit_length(given, names, two_minutes) for names in (chosen, ()))
    assert compiled > 1.9 * eager


def fit_length(given, chosen, wanted: Work) -> float:
    execution = with_choice(PLAN, given, chosen)
    wait = sum(given[name].wait for name in chosen)
    return fit_budget(
        lambda epochs: wanted.build(epochs, execution), wanted.epochs, wanted.per_epoch, {CELL: execution},
        wanted.seconds - wait,
    ).epochs  # fmt: skip


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (everyone(2e-3, 0.3e-3, 60.0), work(100.0)),  # the compiler takes all of the time
        (everyone(2e-3, 0.3e-3, 12.0), work(None, epochs=0.5)),  # it saves less than twice what it takes
        (everyone(2e-3, 0.3e-3, math.inf), work(None)),
        (everyone(2e-3, math.inf, 12.0), work(None)),
        (everyone(2e-3, 2.5e-3, 12.0), work(None)),
        (everyone(2e-3, 2.5e-3, 0.0), work(None)),
    ],
)
def test_steps_are_eager_where_compiling_does_not_pay(given, wanted) -> None:
    assert choose(given, PLAN, wanted) == ()


@pytest.mark.parametrize("seconds", [None, 40.0, 1e6])
def test_what_is_in_the_cache_is_used_whatever_the_time(seconds) -> None:
    given = {**everyone(2e-3, 0.3e-3, 1e5), "sgd": Prospect(1e-3, 0.3e-3, 0.0)}
    assert choose(given, PLAN, work(seconds)) == ("sgd",)


def test_only_the_slow_steps_are_compiled_where_time_is_short() -> None:
    given = everyone(0.3e-3, 0.2e-3, 15.0)
    given["adamw"] = Prospect(9e-3, 0.3e-3, 15.0)
    assert choose(given, PLAN, work(120.0)) == ("adamw",)
    assert choose(given, PLAN, work(None)) == ("adamw",)


def test_without_a_limit_compiling_must_save_twice_what_it_takes() -> None:
    steps = work(None).steps(with_choice(PLAN, everyone(2e-3, 1e-3, 0), ()))["sgd"]
    saved = steps * 1e-3
    for factor, chosen in ((1.9, ()), (2.1, ("sgd",))):
        given = {**everyone(2e-3, 2e-3, 0.0), "sgd": Prospect(2e-3, 1e-3, saved / factor)}
        assert choose(given, PLAN, work(None)) == chosen


def test_the_first_program_may_take_longer() -> None:
    given = everyone(2e-3, 1e-3, 12.0)
    assert choose(given, PLAN, work(None)) == NAMES
    assert choose(given, PLAN, work(None), more_at_first=1e4) == ()


def test_of_many_optimizers_few_choices_are_reckoned_through(monkeypatch) -> None:
    names = tuple(str(make_rule(f"adam(eps={(i + 1) / 8})")) for i in range(40))
    given = {name: Prospect(2e-3, 0.3e-3, 12.0) for name in names}
    reckoned: list[int] = []
    real = Work.done

    def counted(self: Work, execution: Execution, wait: float) -> tuple[float, float, float]:
        reckoned.append(len(execution.compiled))
        return real(self, execution, wait)

    monkeypatch.setattr(Work, "done", counted)
    assert len(choose(given, PLAN, work(900.0, names=names))) == 40
    assert reckoned == [0, 5, 10, 15, 20, 25, 30, 35, 40]


# --- with a bench ----------------------------------------------------------------------------------------------


@dataclass
class FakeBench:
    """Steps, programs and a clock that were thought out."""

    eager: dict[str, float]
    compiled: dict[str, float]
    takes: float = 10.0
    cached: tuple[str, ...] = ()
    broken: dict[str, Exception] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=dict)
    now: float = 0.0
    made: list[str] = field(default_factory=list)
    share: float = 1.0
    programs: Programs = field(default_factory=Programs)
    recipe: Recipe = field(
        default_factory=lambda: Recipe(
            data="d", model="m", optimizer="", schedule="constant", steps=1, batch_size=64
        )
    )

    def ready(self, way: Way) -> float:
        name = way.rule.called
        if name in self.broken:
            raise self.broken[name]
        if name in self.cached or name in self.made:
            return 0.1
        if self.programs.only_cached:
            raise NotCachedError("it is not there", hint="compile it.")
        seconds = self.takes * (2.5 if not self.made else 1.0)
        self.made.append(name)
        self.now += seconds
        return seconds

    def steps(self, ways: Mapping, rounds: int = 0) -> dict:
        del rounds
        return {
            key: (self.compiled if way.compiled else self.eager)[way.rule.called] for key, way in ways.items()
        }

    def same(self, rule, execution) -> float:
        del execution
        return self.apart.get(rule.called, 1e-6)

    def evaluation(self, way: Way, a_step: float = 0.0, *, once: bool = False) -> tuple[float, float]:
        del way, a_step, once
        return 0.008, 0.01


@pytest.fixture(autouse=True)
def _there_is_a_compiler(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(module, "compiler", lambda: "/usr/bin/g++")
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path))


def steps_of(bench: FakeBench, names=NAMES, **asked) -> StepTimings:
    execution = PLAN.model_copy(update=asked)
    return StepTimings(bench, execution, {name: make_rule(name) for name in names}, dict(bench.eager))


def fake(**changes) -> FakeBench:
    return replace(
        FakeBench(dict.fromkeys(NAMES, 2e-3), dict.fromkeys(NAMES, 0.25e-3)), **changes
    )  # fmt: skip


def test_programs_are_made_one_after_the_other_and_remembered() -> None:
    bench = fake()
    steps = steps_of(bench)
    chosen = steps.choose(lambda: work(200.0 - bench.now))
    assert chosen == NAMES
    assert sorted(bench.made) == sorted(NAMES)
    assert machine.compile_seconds("first cpu") == [25.0]
    assert machine.compile_seconds("cpu") == [10.0, 10.0, 10.0]
    settled = steps.settled(chosen)
    assert settled.compiled == NAMES
    assert settled.timings.seconds_a_step == bench.compiled
    assert steps_of(fake()).waits() == (25.0, 10.0)


def test_the_rest_is_not_compiled_where_the_first_took_far_longer_than_expected() -> None:
    bench = fake(takes=40.0)
    chosen = steps_of(bench).choose(lambda: work(180.0 - bench.now))
    assert len(bench.made) == 1
    assert chosen == tuple(bench.made)


def test_the_rest_is_not_compiled_where_the_first_saved_little() -> None:
    bench = fake(compiled=dict.fromkeys(NAMES, 1.9e-3))
    assert len(steps_of(bench).choose(lambda: work(None))) == len(bench.made) == 1


def test_only_some_may_be_compiled_now() -> None:
    bench = fake()
    chosen = steps_of(bench).choose(lambda: work(200.0 - bench.now), only=("adam",))
    assert bench.made == ["adam"]
    assert "adam" in chosen


def test_a_dry_run_compiles_nothing_and_finds_what_is_there() -> None:
    bench = fake(cached=("sgd",))
    steps = steps_of(bench)
    chosen = steps.choose(lambda: work(200.0), compiles=False)
    assert chosen == NAMES
    assert bench.made == []
    assert steps.compiled == {"sgd": 0.25e-3}
    assert steps.settled(chosen).timings.seconds_a_step["adam"] == pytest.approx(0.25e-3)  # as sgd's


def test_what_cannot_be_compiled_runs_eagerly_and_says_why() -> None:
    broken = {
        "adamw": NotTraceableError("it draws random numbers", hint="."),
        "momentum": NoCompilerError("g++ failed", hint="."),
    }
    bench = fake(broken=broken, apart={"sgd": 0.5})
    steps = steps_of(bench, compile="on")
    assert steps.choose(lambda: work(None)) == ("adam",)
    assert steps.faults == {"momentum"}
    assert {name: steps.why_eager(name) for name in NAMES} == {
        "adam": "",
        "adamw": "it draws random numbers",
        "momentum": "g++ failed",
        "sgd": "compiled steps differ from eager ones by 0.5 of the loss",
    }


def test_slower_compiled_steps_are_taken_only_where_they_are_asked_for() -> None:
    slower = dict.fromkeys(NAMES, 3e-3)
    assert steps_of(fake(cached=NAMES, compiled=slower)).choose(lambda: work(None)) == ()
    assert steps_of(fake(cached=NAMES, compiled=slower), compile="on").choose(lambda: work(None)) == NAMES


@pytest.mark.parametrize(
    ("asked", "there", "why"),
    [
        ({"compile": "off"}, "g++", "as requested"),
        ({"device": "mps"}, "g++", "steps are compiled on CPUs and CUDA devices, not on 'mps'"),
        (
            {"device": "mps", "compile": "on"},
            "g++",
            "steps are compiled on CPUs and CUDA devices, not on 'mps'",
        ),
        ({}, None, "there is no C++ compiler (g++)"),
        ({"compile": "on"}, None, "there is no C++ compiler (g++)"),
    ],
)
def test_where_nothing_can_be_compiled_nothing_is(monkeypatch, asked, there, why) -> None:
    monkeypatch.setattr(module, "compiler", lambda: there)
    bench = fake()
    steps = steps_of(bench, **asked)
    assert steps.choose(lambda: work(None)) == ()
    assert bench.made == []
    assert steps.why_eager("adam") == why


def test_a_cuda_device_without_triton_captures_without_compiling(monkeypatch) -> None:
    monkeypatch.setattr(module, "compiler", lambda: None)
    bench = fake(takes=2.0)
    steps = steps_of(bench, device="cuda:0")
    monkeypatch.setattr(module, "has_triton", lambda: False)
    assert steps.waits() == (module.LOAD_SECONDS, module.LOAD_SECONDS)
    assert steps.choose(lambda: work(None)) == NAMES
    monkeypatch.setattr(module, "has_triton", lambda: True)
    assert steps_of(fake(), device="cuda").waits()[0] > module.LOAD_SECONDS


def test_what_is_decided_stays() -> None:
    bench = fake()
    execution = PLAN.timed(seconds_a_step=dict.fromkeys(NAMES, 1e-3)).model_copy(
        update={"compiled": ("sgd",)}
    )
    steps = StepTimings.measured(bench, execution, contestants(NAMES))
    assert steps.settled(steps.choose(lambda: work(None))) == execution
    assert bench.made == []


# --- with a time budget ----------------------------------------------------------------------------------------


class FakeAhead:
    """Other processes that compile one step after the other, by the clock of the bench."""

    places = 1

    def __init__(self, bench: FakeBench, takes: float, fails: tuple[str, ...] = ()) -> None:
        self.bench, self.takes, self.fails = bench, takes, fails
        self.took: dict[tuple[int, str], float] = {}
        self.queue: list[tuple[int, str]] = []
        self.tried: set[tuple[int, str]] = set()
        self.ready = math.inf

    def begin(self, bench: FakeBench, ways) -> None:
        del bench
        for key, _ in ways:
            if key not in self.tried:
                self.tried.add(key)
                self.queue.append(key)
                self.ready = min(self.ready, self.bench.now + self.takes)

    def makes(self, key: tuple[int, str]) -> bool:
        return key in self.took or self.queue[:1] == [key]

    @contextmanager
    def in_all_places(self):
        yield

    def first_of(self, keys, patient):
        while True:
            found = next((key for key in keys if key in self.took or key not in self.queue), None)
            if found is not None or not patient():
                return found
            self.bench.now += 1.0
            if self.bench.now >= self.ready:
                key = self.queue.pop(0)
                if key[1] not in self.fails:
                    self.bench.made.append(key[1])
                    self.took[key] = self.takes
                self.ready = self.bench.now + self.takes if self.queue else math.inf


def with_patience(monkeypatch, bench: FakeBench, most: float) -> Patience:
    monkeypatch.setattr(clocks, "time", SimpleNamespace(perf_counter=lambda: bench.now))
    return Patience(most)


@pytest.mark.parametrize(("takes", "ready"), [(8.0, 4), (12.0, 3), (21.0, 1), (90.0, 0)])
def test_steps_that_are_not_compiled_after_a_share_of_the_budget_are_eager(monkeypatch, takes, ready) -> None:
    """It was waited for the last compiler, for twice the budget."""
    bench = fake()
    steps = steps_of(bench)
    steps.ahead = FakeAhead(bench, takes)
    patience = with_patience(monkeypatch, bench, 40.0)
    chosen = steps.choose(lambda: work(200.0 - bench.now), patience=patience)
    assert len(chosen) == ready
    assert bench.now <= 41.0
    assert set(steps.late) == set(NAMES) - set(chosen)
    settled = steps.settled(chosen)
    assert settled.compiled == chosen
    assert {name: settled.timings.seconds_a_step[name] for name in steps.late} == dict.fromkeys(
        steps.late, 2e-3
    )


def test_what_is_ready_after_patience_has_ended_is_taken_and_nothing_is_waited_for(monkeypatch) -> None:
    bench = fake()
    steps = steps_of(bench)
    steps.ahead = ahead = FakeAhead(bench, 30.0)
    patience = with_patience(monkeypatch, bench, 25.0)
    assert steps.choose(lambda: work(200.0 - bench.now), only=("adam",), patience=patience) == NAMES[1:]
    assert steps.late == ("adam",)
    bench.made.append("adam")  # during the pilot
    ahead.took[ahead.queue.pop(0)] = 30.0
    before = bench.now
    assert steps.choose(lambda: work(200.0 - bench.now), patience=patience) == ("adam",)
    assert bench.now - before < 1.0


def test_nothing_is_begun_that_is_expected_to_take_longer_than_it_is_waited_for(monkeypatch) -> None:
    for more in ({}, {"compiles": False}):
        bench = fake()
        steps = steps_of(bench)
        steps.ahead = FakeAhead(bench, 5.0)
        patience = with_patience(monkeypatch, bench, 19.0)  # the first takes 20 s where nothing is known
        assert steps.choose(lambda: work(200.0), patience=patience, **more) == ()
        assert bench.made == steps.ahead.queue == []


@pytest.mark.parametrize(("most", "made"), [(60.0, True), (31.0, False)])
def test_what_no_other_process_can_compile_is_compiled_here_where_there_is_time(
    monkeypatch, most, made
) -> None:
    bench = fake()
    steps = steps_of(bench)
    steps.ahead = FakeAhead(bench, 10.0, fails=("momentum",))
    patience = with_patience(monkeypatch, bench, most)
    steps.choose(lambda: work(300.0 - bench.now), patience=patience)
    assert ("momentum" in bench.made) == made
    assert bench.now <= most + 1.0


def test_steps_that_have_to_be_compiled_are_waited_for(monkeypatch) -> None:
    bench = fake()
    patience = with_patience(monkeypatch, bench, 1.0)
    assert steps_of(bench, compile="on").choose(lambda: work(200.0), patience=patience) == NAMES
