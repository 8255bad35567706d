"""What fits into the minutes, and what is said of it: with step times that are given here."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

import steepest as st
from steepest.compare.limits import too_short
from steepest.errors import OptionError
from steepest.experiment import budget as module
from steepest.experiment.budget import about, decided, expected, fit_length, follows_from, outgrown, settle
from steepest.experiment.cautions import shortness
from steepest.experiment.enough import Outlook
from steepest.experiment.settings import Settings, decide
from steepest.recipe import Execution, Protocol, RunLength
from steepest.record.schema import CurvePoint, Record
from steepest.record.store import Folder
from steepest.sweep import clock as clocks
from steepest.sweep.baselines import budget_within
from steepest.sweep.bench import Bench
from steepest.sweep.clock import Clock
from steepest.sweep.estimate import slowed
from steepest.sweep.observer import Observer
from steepest.sweep.timing import StepTimings
from steepest.wording import counted

TIMES = {"adam": 2e-3, "sgd": 1e-3}


class Ends(st.Callback):
    """Could end a run."""


class FakeBench(Bench):
    """Steps that take what they are said to take, and no programs."""

    def steps(self, ways, rounds=0):
        del rounds
        return {key: TIMES[way.rule.called] for key, way in ways.items()}

    def evaluation(self, way, a_step=0.0, *, once=False):
        del way, a_step, once
        return 0.005, 0.002


def decision(churn, **options) -> Settings:
    """Return settings on 480 rows in batches of 2, 240 steps an epoch, whose steps have been timed."""
    options = {"optimizers": ["adam", "sgd"], "batch_size": 2, "hidden": (4,), "device": "cpu"} | options
    options.setdefault("compile", "off")
    plan = st.plan(churn, target="churned", **options)
    made = decide(plan.experiment, plan.table, plan.given, Observer())
    [(key, cell)] = made.timed_cells.items()
    bench = FakeBench(made.dataset, cell.arm.recipe, None, "cpu")
    steps = StepTimings.measured(bench, Execution(compile=plan.experiment.execution.compile), cell.methods)
    return replace(made.planned({key: steps.execution}), steps={key: steps})


def only(made: Settings) -> Execution:
    [found] = made.plan.cells.values()
    return found


def steps_of(made: Settings) -> int:
    [found] = set(made.setup(made.length).lengths.values())
    return found


def settled_times(made: Settings) -> Settings:
    return made.planned({key: steps.settled(()) for key, steps in made.steps.items()})


class FakeRunner:
    """Makes a pilot that is best after some epochs."""

    def __init__(self, folder: Folder, best: int = 3) -> None:
        self.folder, self.observer, self.best = folder, Observer(), best
        self.cells: dict[str, Execution] = {}
        self.made: list[int] = []

    def make(self, run, history, *, evaluations: int) -> Record:
        del history
        self.made.append(evaluations)
        per_epoch = run.recipe.steps // evaluations
        ran, outcome = min(evaluations, self.best + 5), "finished"
        if ran < evaluations:
            outcome = "stopped early"
        curve = [
            CurvePoint(step=i * per_epoch, epoch=i, seconds=0, gradients=0, train_loss=0, validation={})
            for i in range(ran + 1)
        ]
        best = min(ran, self.best) * per_epoch
        return Record(
            key=run.key, lr=1e-3, steps=run.recipe.steps, outcome=outcome, curve=curve, best_step=best
        )


@pytest.fixture
def runner(tmp_path) -> FakeRunner:
    return FakeRunner(Folder(tmp_path / "folder"))


NOW = 5000.0


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch) -> None:
    monkeypatch.setattr(clocks, "time", SimpleNamespace(perf_counter=lambda: NOW))


def started(seconds_ago: float) -> float:
    return NOW - seconds_ago


# --- the length ------------------------------------------------------------------------------------------------


def test_where_everything_fits_nothing_is_cut_and_nothing_is_said_to_take_longer(churn, runner) -> None:
    made = settle(decision(churn, minutes=30, epochs=4), runner, started(5.0))
    assert made.length.why == "4 epochs, given"
    assert (made.length.epochs, made.length.seeds, made.length.scan_rates) == (4, 5, 7)
    assert steps_of(made) == 960


CHANGED: dict[str, tuple[dict[str, object], str]] = {
    "more arms": ({"optimizers": ["sgd", "adam"]}, "to 1 arm, not to 2"),
    "another arm": ({"optimizers": ["adam"]}, "to other arms"),
    "more arms with references": (
        {"references": True, "optimizers": ["sgd", "adam"]},
        "to 1 arm, not to 2 and with other values of --references",
    ),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_length_that_was_fitted_to_something_else_says_so(churn, runner, name) -> None:
    more, said = CHANGED[name]
    options = {"minutes": 0.5, "epochs": 40, "optimizers": ["sgd"], "references": False}
    first = settle(decision(churn, **options), runner, started(0.0))
    assert outgrown(first, {}, 100.0) == ""
    other = decision(churn, **{**options, **more})
    other = replace(other, plan=other.plan.model_copy(update={"length": first.length}))
    other = settle(other, runner, started(0.0))
    assert other.length == first.length
    found = outgrown(other, {}, 10.0)
    assert found.startswith(f"the folder's length was fitted {said}; expected to take ")
    assert found.endswith(" instead of 30 s")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "about"),
        ({"regularizer": "l2(1e-4)"}, "about"),
        ({"regularizer": "l2(1e-4) + early-stopping(3)"}, "at most about"),
        ({"max_seconds": 1.0}, "about"),
        ({"callbacks": [Ends()]}, "at most about"),
    ],
)
def test_a_plan_says_where_runs_may_be_shorter(churn, options, said) -> None:
    assert about(decision(churn, epochs=1, **options)) == said


def test_slow_baselines_alone_are_no_reason_to_say_that_it_takes_longer(churn, runner) -> None:
    """More than half of the time is gone, and the rest is enough: it will end in time."""
    made = settle(decision(churn, minutes=5, epochs=1), runner, started(200.0))
    assert made.length.why == "1 epoch, given"
    assert made.length.seeds == 5


def test_what_is_expected_to_take_longer_says_by_how_much(churn, runner) -> None:
    made = settle(decision(churn, minutes=2, epochs=40), runner, started(110.0))
    assert "to fit the time budget: " in made.length.why
    assert made.length.why.endswith(
        "everything before training took 1 min 50 s, so the comparison is expected to take 2 min 53 s instead of 2 min"
    )


@pytest.mark.parametrize(("seeds", "left"), [(5, 3), (3, 3), (2, 2), (1, 1)])
def test_no_budget_leaves_fewer_than_three_seeds_unless_fewer_are_wanted(churn, runner, seeds, left) -> None:
    made = settle(decision(churn, minutes=0.2, epochs=40, seeds=seeds), runner, started(0.0))
    assert made.length.seeds == left
    assert len(made.setup(made.length).seeds) == left


def test_minutes_that_are_too_few_are_refused_before_anything_ran(churn) -> None:
    with pytest.raises(
        OptionError, match=r"a time budget of 0.01 minutes is too short for 2 optimizers"
    ) as caught:
        Outlook.of(decision(churn, minutes=0.01)).check()
    enough = float(caught.value.hint.split("(--minutes ")[1].split(")")[0])
    Outlook.of(decision(churn, minutes=enough)).check()
    Outlook.of(decision(churn)).check()


@pytest.mark.parametrize("busier", [1.0, 1.4])
@pytest.mark.parametrize(
    ("minutes", "gone", "baselines"), [(0.01, 0.0, 0.0), (0.3, 8.0, 5.0), (1, 60.0, 10.0)]
)
def test_minutes_that_a_hint_names_pass_every_rule_also_where_the_machine_is_busier(
    churn, runner, minutes, gone, baselines, busier
) -> None:
    """They were refused with a larger number, accepted with another one, and called too short with a third."""
    try:
        outlook = Outlook.of(decision(churn, minutes=minutes), started(gone), baselines)
        outlook.check()
        said = outlook.warning
        assert said.startswith(f"{counted(minutes, 'minute')} will not be enough")
    except OptionError as error:
        said = error.hint or ""
    enough = float(said.split("--minutes ")[1].split()[0].strip("),"))
    made = decision(churn, minutes=enough)
    cells = slowed(made.plan.cells, busier)
    steps = {
        key: replace(
            each, execution=cells[key], eager={name: busier * took for name, took in each.eager.items()}
        )
        for key, each in made.steps.items()
    }
    made = replace(made.planned(cells), steps=steps)
    Outlook.of(made, started(busier * gone), busier * baselines).check()
    longer = budget_within(enough) / budget_within(minutes)
    assert Outlook.of(made, started(busier * gone), busier * baselines * longer).warning == ""
    runner.best = 50
    found = settle(made, runner, started(busier * gone), lambda: busier * baselines * longer)
    assert too_short(found.setup(found.length), made.experiment.protocol, found.plan) is None


def test_less_tuning_goes_first_then_length_then_seeds(churn, runner) -> None:
    kept: list[tuple[int, int, int, bool]] = []
    for minutes in (30, 1.36, 1.0, 0.3, 0.15):
        made = settle(decision(churn, minutes=minutes, epochs=6), runner, started(0.0)).length
        kept.append((made.scan_rates or 0, made.full_rates or 0, made.seeds or 0, made.epochs == 6))
    assert kept == [(7, 3, 5, True), (5, 2, 5, True), (5, 2, 5, False), (5, 2, 3, False), (3, 1, 3, False)]


def test_a_comparison_that_has_begun_is_not_refused_afterwards(churn, runner) -> None:
    """Its times have turned out longer: the smallest one is made, and that it takes longer is said."""
    made = settled_times(decision(churn, minutes=0.1, epochs=4))
    slow = {name: 100 * seconds for name, seconds in only(made).timings.seconds_a_step.items()}
    made = made.planned({key: only(made).timed(seconds_a_step=slow) for key in made.timed_cells})
    fitted = fit_length(made, RunLength(epochs=4, why="4 epochs"), Clock(6.0, started(0.0)))
    assert set(made.setup(fitted).lengths.values()) == {20}
    assert "is expected to take" in fitted.why


# --- the pilot -------------------------------------------------------------------------------------------------


def test_a_pilot_finds_the_length(churn, runner) -> None:
    made = settle(decision(churn), runner, started(0.0))
    assert made.length.epochs == 3
    assert (
        made.length.why
        == "3 epochs (a pilot run of Adam at its default rate ran 8 epochs and was best after 3)"
    )
    assert runner.cells == made.plan.cells


def test_a_pilot_gets_a_share_of_the_time_at_the_pace_of_adam(churn, runner) -> None:
    runner.best = 50
    made = settle(decision(churn, minutes=0.5), runner, started(0.0))
    an_epoch = 240 * TIMES["adam"] + 0.005
    assert runner.made == [int(module.PILOT_SHARE * 30 / an_epoch)]
    assert "was still improving after 9 epochs, the limit of the time budget" in made.length.why


def test_where_not_even_an_epoch_fits_there_is_no_pilot(churn, runner) -> None:
    made = settle(decision(churn, minutes=0.05, seeds=1), runner, started(0.0))
    assert runner.made == []
    assert made.length.why.startswith("1 epoch (the time budget is too short for a pilot run)")


def test_where_no_time_is_left_for_a_pilot_a_typical_length_is_assumed(churn, runner) -> None:
    """Reading and measuring took half of the time already."""
    made = settle(decision(churn, minutes=5), runner, started(160.0))
    assert runner.made == []
    assert made.length.why == "5 epochs (assumed: no time was left for a pilot run)"


# --- the folder ------------------------------------------------------------------------------------------------


def test_what_a_folder_has_decided_stands(churn, runner) -> None:
    made = settle(decision(churn, minutes=3, epochs=4), runner, started(0.0))
    again = replace(decision(churn, minutes=3, epochs=4), plan=made.plan)
    [(key, steps)] = again.steps.items()
    again = replace(
        again, steps={key: StepTimings.measured(steps.bench, only(made), again.timed_cells[key].methods)}
    )
    assert decided(again) == made.length
    assert settle(again, runner, started(1e6)).plan == made.plan
    more = decision(churn, minutes=40, epochs=4)
    assert decided(replace(more, plan=made.plan)) == made.length
    for other in ({"minutes": 3, "epochs": 5}, {"epochs": 4}):
        assert decided(replace(decision(churn, **other), plan=made.plan)) is None


COUNTED_AS: dict[str, object] = {
    "seeds": 6, "scan_rates": 5, "full_rates": 2, "sweep": True, "planner": "halving", "learning_rates": [0.1, 0.01],
    "equal": "steps", "max_seconds": 9.0, "evaluations": 150, "clip": 1.0, "accumulate": 2,
}  # fmt: skip
OF_PILOTS: dict[str, object] = {
    "seed": 7, "metric": "accuracy", "positive": "no", "batch_size": 4, "precision": "float64",
    "class_weights": "balanced",
}  # fmt: skip
NO_BEARING = {"schedule", "callbacks", "watch", "keep_path", "reach", "controls"}
"""Pilots have their own schedule, callbacks and controls are part of arms, and nothing reckons with the rest."""


def test_all_of_the_protocol_has_its_bearing_on_the_length_declared() -> None:
    named = {"epochs", *module.COUNTED, *module.STANDS, *OF_PILOTS, *NO_BEARING}
    assert named - {module.ARMS, "split", "workers"} == {*Protocol.model_fields}
    assert {*COUNTED_AS} == {*module.COUNTED}


@pytest.mark.parametrize(("options", "changed"), [({"minutes": 3, "epochs": 4}, COUNTED_AS), ({}, OF_PILOTS)])
def test_a_length_is_decided_anew_where_it_would_be_another(churn, runner, options, changed) -> None:
    options = {**options, "references": False}
    made = settle(decision(churn, **options), runner, started(0.0))
    for name, value in changed.items():
        other = decision(churn, **{**options, name: value})
        assert decided(replace(other, plan=made.plan)) is None, name
    for name, value in {**COUNTED_AS, "references": True, "reach": 0.9}.items():
        other = decision(churn, **{"epochs": 4, name: value})
        length = RunLength(epochs=4, follows=follows_from(decision(churn, epochs=4)))
        assert decided(replace(other, plan=other.plan.model_copy(update={"length": length}))) == length, name


def test_the_length_of_a_folder_of_an_earlier_version_stands(churn) -> None:
    now = decision(churn, minutes=3, epochs=4, planner="halving")
    stored = {
        "epochs": 4.0,
        "asked": "epochs 4.0, minutes 3.0, seeds 5, scan_rates 7, full_rates 3",
        "fitted": {**{"--tune": "()", "--equal": "epochs"}, "arms": follows_from(now)["arms"]},
    }
    length = RunLength.model_validate(stored)
    assert decided(replace(now, plan=now.plan.model_copy(update={"length": length}))) == length
    for name, value in {"seeds": 6, "sweep": True, "equal": "steps"}.items():
        other = decision(churn, **{"minutes": 3, "epochs": 4, name: value})
        assert decided(replace(other, plan=other.plan.model_copy(update={"length": length}))) is None, name


# --- a dry run -------------------------------------------------------------------------------------------------


def test_a_dry_run_reckons_as_the_comparison_does(churn, runner) -> None:
    made = decision(churn, minutes=3, epochs=12)
    _, fitted, known, wait = expected(made)
    real = settle(decision(churn, minutes=3, epochs=12), runner, started(0.0)).length
    assert (known, wait) == (True, 0.0)
    assert fitted.epochs == pytest.approx(real.epochs, rel=0.01)
    assert (fitted.seeds, fitted.scan_rates) == (real.seeds, real.scan_rates)
    _, fitted, known, _ = expected(decision(churn, minutes=3))
    assert not known
    assert fitted.why.startswith("chosen by a pilot run; 20 epochs assumed here; to fit the time budget: ")


def test_a_dry_run_counts_the_wait_for_the_compiler(churn, monkeypatch) -> None:
    monkeypatch.setattr("steepest.sweep.timing.compiler", lambda: "/usr/bin/g++")
    monkeypatch.setattr(StepTimings, "_make", lambda self, name, only_cached=False: None)
    made = decision(churn, minutes=5, epochs=40, compile="auto")
    found, fitted, _, wait = expected(made)
    assert only(found).compiled == ("adam", "sgd")
    assert wait == 30.0  # the first takes 20 s where nothing is known, another one half of that
    eager = expected(decision(churn, minutes=5, epochs=40))[1]
    assert fitted.epochs > eager.epochs


# --- what a budget is at least ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "gone", "baselines", "said"),
    [
        (1, 5.0, 5.0, ""),
        # 18 s of the first minute, 10 s of baselines, 9 s of a pilot, at most, and 3 s afterwards leave less than half
        (1, 18.0, 10.0, "1 minute may not be enough: it can take about 70 s, with 30 s of training; "
                        "--minutes 3 is expected to suffice"),
        (1, 22.0, 10.0, "1 minute will not be enough: the least is about 65 s, with 30 s of training; "
                        "--minutes 3 is expected to suffice"),
        (1, 60.0, 10.0, "1 minute will not be enough: the least is about 1 min 43 s, with 30 s of training; "
                        "--minutes 6 is expected to suffice"),
        (30, 60.0, 20.0, ""),
    ],
)  # fmt: skip
def test_a_budget_that_cannot_be_kept_is_said_beforehand(churn, minutes, gone, baselines, said) -> None:
    made = decision(churn, minutes=minutes)
    assert Outlook.of(made, started(gone), baselines).warning == said


def test_baselines_that_are_still_fitted_count_in_what_a_comparison_takes(churn, runner) -> None:
    made = settle(decision(churn, minutes=1, epochs=40), runner, started(20.0), lambda: 20.0)
    assert made.length.why.endswith(
        "; everything before training took 20 s and the baselines take 20 s more, so the comparison is expected to "
        "take 73 s instead of 60 s"
    )


@pytest.mark.parametrize("minutes", [0.1, 0.15])
def test_terminal_and_report_name_the_same_minutes(churn, runner, minutes: float) -> None:
    made = decision(churn, minutes=minutes)
    outlook = Outlook.of(made, started(4.0), 3.0)
    found = settle(made, runner, started(4.0), lambda: 3.0)
    setup = found.setup(found.length)
    plan = found.plan.model_copy(update={"length": outlook.noted(found.length, setup)})
    protocol = made.experiment.protocol
    enough = f"--minutes {outlook.suggested:g} is expected to suffice"
    assert enough in outlook.warning
    assert f": {enough}, with another --out" in shortness(setup, protocol, plan)  # of the terminal
    short = too_short(setup, protocol, plan)  # of the report
    assert short is not None
    assert short.enough == outlook.suggested
    part = too_short(replace(setup, arms=setup.arms[:1]), protocol, plan)
    assert part is not None
    assert part.enough is None, "it took longer than the number was reckoned with"
