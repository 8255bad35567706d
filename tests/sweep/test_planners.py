"""Planners: equal trials for all arms, nothing drawn twice, the same trials after a kill and in any order of runs."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from pydantic import Field

from steepest.errors import MissingExtraError, OptionError
from steepest.record.schema import Record
from steepest.report.progress import plan_text
from steepest.rng import stream
from steepest.sweep.contestants import contestants, regularized
from steepest.sweep.expected import expected_runs
from steepest.sweep.plan import next_runs, tuning
from steepest.sweep.planned import PlannedRun, identity
from steepest.sweep.planner import (
    PlannedTrial,
    Tuning,
    check_drawn_at_once,
    check_planner,
    make_planner,
    planner_of,
    registry,
    trial_run,
)
from steepest.sweep.planners.grid import Ladder
from steepest.sweep.planners.halving import Halving
from steepest.sweep.setup import Setup
from steepest.testing import PlannerConformance
from tests.sweep.arms import arms_of, lengths

HAS_OPTUNA = importlib.util.find_spec("optuna") is not None
OWN = ("grid", "sobol", "random", "halving", "halving(2)")
OPTUNA = (
    "optuna(tpe)",
    "optuna(tpe, batch=3, pruner=median)",
    "optuna(tpe, pruner=successive-halving)",
    "optuna(random, pruner=hyperband)",
    "optuna(qmc)",
    "optuna(cma-es)",
)
SLOW = "optuna(gp)"
WITHOUT = pytest.mark.skipif(not HAS_OPTUNA, reason="needs optuna")
PLANNERS = [
    *OWN,
    *(pytest.param(each, marks=WITHOUT) for each in OPTUNA),
    pytest.param(SLOW, marks=[WITHOUT, pytest.mark.slow]),  # fits a Gaussian process for each trial
]
OPTIMIZERS, TUNE = ("sgd", "adam"), ("adam: eps=1e-8..1e-4",)


def setup(planner: str, *texts: Any, tune=(), **more: Any) -> Setup:
    arms = arms_of(texts or OPTIMIZERS, tune)
    return Setup(arms, (0, 1), "log_loss", False, lengths=lengths(arms, 360), planner=planner, **more)


def loss(run: PlannedRun) -> float:
    """A bowl in the logarithm of the rate whose bottom moves down with the length of the run; far up it diverges."""
    hyper = run.rule.hyper
    best = {"sgd": -1.0, "adam": -3.0}[run.rule.called] - 0.3 * math.log10(run.recipe.steps / 360)
    away = math.log10(float(hyper.lr)) - best
    if away > 1.2:
        return math.nan
    return away**2 + 0.05 * abs(math.log10(getattr(hyper, "eps", 1e-6)) + 6) + 30 / run.recipe.steps


def record(run: PlannedRun) -> Record:
    value = loss(run)
    return Record(
        key=run.key, lr=float(run.rule.hyper.lr), steps=run.recipe.steps,
        outcome="diverged" if math.isnan(value) else "finished",
        best={"log_loss": value}, test={"log_loss": value} if run.read_test else {},
    )  # fmt: skip


def play(made: Setup, order: int | None = None) -> tuple[dict, list[PlannedRun]]:
    """Carry a plan out, run by run; with an order, the next one is any of those that can be made."""
    history, runs = {}, []
    draw = stream(order or 0, "data")
    while some := next_runs(made, history, ahead=order is not None):
        run = some[0 if order is None else int(draw.integers(len(some)))]
        assert identity(run) not in history
        assert expected_runs(made, history)
        history[identity(run)] = record(run)
        runs.append(run)
    assert expected_runs(made, history) == []
    return history, runs


def keys(runs: list[PlannedRun]) -> list[Any]:
    return [(run.key, run.recipe, run.length) for run in runs]


CHECKS = [name for name in dir(PlannerConformance) if name.startswith("test_")]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("planner", PLANNERS)
def test_a_planner_keeps_the_contract(planner: str, check: str) -> None:
    class Suite(PlannerConformance):
        planners = (planner,)
        refused = ("halving(11)", "optuna(simulated)")

    getattr(Suite(), check)()


class Wrong(Ladder):
    """The grid with one answer that a planner must not give, by its number."""

    name = "wrong"
    how: int = Field(0, description="which")

    def lengths(self, setup: Setup) -> Any:
        return {9: (0.5, 0.25, 1.0), 10: 0.25}.get(self.how, super().lengths(setup))

    def described(self, setup: Setup, trials: str) -> Any:
        return trials if self.how == 11 else super().described(setup, trials)

    def tuning(self, setup: Setup, arm: Any, history: Any, parent: Any) -> Any:
        found = super().tuning(setup, arm, history, parent)
        finished = found.chosen is not None
        first = found.trials[0].runs[0]
        other = next(each for each in setup.arms if each is not arm)
        return {
            0: None,
            1: Tuning(),
            2: replace(found, trials=()),
            3: replace(found, run=None) if finished else found,
            4: replace(found, chosen=None) if finished else found,
            5: replace(found, chosen=found.scan[0].rule, run=found.scan[-1]) if finished else found,
            6: replace(found, trials=(PlannedTrial((setup.make(arm, first.rule, "final", 0),)), *found.trials)),
            7: replace(found, trials=(PlannedTrial((trial_run(setup, other, other.rule, 1.0, None),)), *found.trials)),
            8: replace(found, trials=(*found.trials, PlannedTrial(()))),
            12: replace(found, missing=found.scan) if finished else found,
            13: replace(found, chosen=first.rule) if not finished else found,
            14: replace(found, trials=(PlannedTrial((trial_run(setup, arm, first.rule, 0.1, None),)), *found.trials)),
            15: replace(found, trials=(PlannedTrial((trial_run(setup, arm, first.rule, 1.0, first),)), *found.trials)),
        }.get(self.how, found)  # fmt: skip


SAID = {
    0: "tuning() of sgd returned None",
    1: "tuning() of sgd returned neither runs that are missing nor a choice",
    2: "returned a run as missing that is of no trial",
    3: "returned a choice without a finished run of a trial",
    4: "returned neither runs that are missing nor a choice",
    5: "chose sgd",
    6: "returned a run of sgd for 'final' with the seed 0",
    7: "returned a run of adam",
    8: "returned a trial without runs",
    9: "lengths() returned (0.5, 0.25, 1.0)",
    10: "lengths() returned 0.25",
    11: "described() returned '7 rates'",
    12: "returned runs as missing that are finished",
    13: "returned a choice beside runs that are missing",
    14: "returned a run of 0.1 of the full length, and the shortest of lengths() is 0.25",
    15: "returned a run that starts from another run than the one before it",
}


@pytest.mark.parametrize("how", SAID)
def test_what_a_planner_must_not_return_is_refused(how: int) -> None:
    made = setup("grid")
    made.memo["planner"] = Wrong(how=how)
    with pytest.raises(OptionError) as caught:  # noqa: PT012
        check_planner(planner_of(made), made)
        play(made)
    assert SAID[how] in str(caught.value)
    assert "steepest.testing.PlannerConformance" in caught.value.hint


def test_the_suite_finds_what_a_comparison_cannot_see(tmp_path) -> None:
    """A planner that does not choose the best, and one with fewer trials for one arm than for another."""
    (tmp_path / "mine.py").write_text(ODD)
    for name, check in {
        "Worst": "test_ends_with_the_best",
        "Forgets": "test_tries_as_many_for_everyone",
    }.items():

        class Suite(PlannerConformance):
            planners = (f"{tmp_path / 'mine.py'}:{name}",)

        with pytest.raises(AssertionError):
            getattr(Suite(), check)()


ODD = """
from dataclasses import replace
from steepest.sweep.planners.grid import Ladder

class Worst(Ladder):
    name = "worst"

    def tuning(self, setup, arm, history, parent):
        found = super().tuning(setup, arm, history, parent)
        return found if found.chosen is None else replace(found, chosen=found.full[-1].rule, run=found.full[-1])

class Forgets(Ladder):
    name = "forgets"

    def points(self, setup, arm):
        found = super().points(setup, arm)
        return replace(found, rules=found.rules[: 5 if arm.title == "sgd" else 7])
"""


def test_halving_runs_fewer_and_fewer_for_longer_and_longer() -> None:
    made = setup("halving", "adam")
    history, runs = play(made)
    steps = Counter(run.recipe.steps for run in runs if run.key.phase in ("scan", "full"))
    assert steps == {40: 7, 120: 3, 360: 1}
    [arm] = made.arms
    for longer in (1, 2):
        of = [trial for trial in tuning(made, arm, history).trials if len(trial.runs) >= longer]
        went_on = [trial.runs[longer - 1] for trial in of if len(trial.runs) > longer]
        cut = [trial.runs[longer - 1] for trial in of if len(trial.runs) == longer]
        losses = [[made.loss(history[identity(run)]) for run in some] for some in (went_on, cut)]
        assert max(losses[0]) <= min(losses[1])


@pytest.mark.parametrize("planner", ["grid", "halving(2)", "halving"])
def test_an_extended_grid_has_no_more_trials_at_greater_length(monkeypatch, planner: str) -> None:
    """Adam's best rate is beyond the edge of its grid: it has more trials of the first turn alone."""
    best = {"sgd": -1.0, "adam": 1.0}
    monkeypatch.setattr(
        sys.modules[__name__],
        "loss",
        lambda run: abs(math.log10(float(run.rule.hyper.lr)) - best[run.rule.called]),
    )
    made = setup(planner)
    _, runs = play(made)
    sgd, adam = (
        Counter(run.length for run in runs if run.arm.id == arm.id and run.key.phase in ("scan", "full"))
        for arm in made.arms
    )
    shortest = min(adam)
    assert adam.pop(shortest) > sgd.pop(shortest)
    assert adam == sgd


def test_halving_costs_less_than_the_grid() -> None:
    def steps(planner: str) -> int:
        _, runs = play(setup(planner))
        return sum(run.recipe.steps for run in runs if run.key.phase in ("scan", "full"))

    assert steps("halving") < steps("halving(2)") < steps("grid") == 2 * (7 * 90 + 3 * 360)


@pytest.mark.parametrize("planner", ["grid", "random", pytest.param("optuna(tpe)", marks=WITHOUT)])
def test_without_finalists_the_best_of_the_first_stage_is_taken(planner: str) -> None:
    made = setup(planner, full_rates=0, scan_rates=3)
    history, runs = play(made)
    assert {run.length for run in runs if run.key.phase in ("scan", "full")} == {0.25}
    for arm in made.arms:
        found = tuning(made, arm, history)
        best = min(found.scan, key=lambda run: made.loss(history[identity(run)]))
        assert (found.chosen, found.full) == (best.rule, ())
    assert "full length" not in plan_text(made, {})


def test_random_points_are_spread_over_the_range_of_the_grid() -> None:
    made = setup("random", "adam", scan_rates=200)
    rates = sorted(float(run.rule.hyper.lr) for run in next_runs(made, {}))
    whole = [float(run.rule.hyper.lr) for run in next_runs(setup("grid", "adam", scan_rates=200), {})]
    assert min(whole) <= rates[0] <= rates[-1] <= max(whole)
    shares = [math.log(rate / whole[0]) / math.log(whole[-1] / whole[0]) for rate in rates]
    assert (
        max(abs(share - (i + 0.5) / 200) for i, share in enumerate(shares)) < 0.12
    )  # Kolmogorov: 0.096 at 5 %


@WITHOUT
@pytest.mark.parametrize(
    "sampler", ["tpe", "random", "qmc", "cma-es", pytest.param("gp", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("pruner", ["none", "median", "hyperband"])
def test_a_diverged_trial_is_never_the_best(sampler: str, pruner: str) -> None:
    """Also where every loss is far above 1, and where runs diverge before any has a loss."""
    made = setup(f"optuna({sampler}, pruner={pruner})", "sgd", tune=("lr=1e-4..100",), scan_rates=10)
    history: dict = {}
    while some := next_runs(made, history):
        for run in some:
            found = record(run)
            centre = len(history) < 2  # the first ones
            update = {"best": {"log_loss": 50.0 + found.best["log_loss"]}}
            update |= {"outcome": "diverged", "best": {"log_loss": math.nan}} if centre else {}
            history[identity(run)] = found.model_copy(update=update)
    tuning(made, made.arms[0], history)
    trials = made.memo["optuna", made.arms[0].id].study.trials
    told = [
        value for trial in trials for value in [trial.value, *trial.intermediate_values.values()] if value
    ]
    assert any(math.isinf(value) for value in told)
    assert min(told) > 50.0


@WITHOUT
def test_a_version_that_draws_one_axis_at_random_is_refused(monkeypatch) -> None:
    import optuna

    monkeypatch.setattr(optuna, "__version__", "4.4.0")
    with pytest.raises(MissingExtraError, match=r"optuna 4\.4\.0 draws a single axis at random"):
        make_planner("optuna(cma-es)").check(contestants(["adam"]))
    make_planner("optuna(tpe)").check(contestants(["adam"]))


@WITHOUT
@pytest.mark.parametrize("sampler", ["tpe", "cma-es"])
def test_a_sampler_draws_by_the_results(sampler: str) -> None:
    def drawn(sign: float) -> list[float]:
        made, history = setup(f"optuna({sampler})", "adam", tune=("lr=1e-7..1",), scan_rates=24), {}
        while some := next_runs(made, history):
            for run in some:
                value = sign * abs(math.log10(float(run.rule.hyper.lr)) + 2)
                history[identity(run)] = record(run).model_copy(
                    update={"best": {"log_loss": value}, "outcome": "finished", "test": {"log_loss": 0.0}}
                )
        return [float(trial.runs[0].rule.hyper.lr) for trial in tuning(made, made.arms[0], history).trials]

    near, far = drawn(1.0), drawn(-1.0)
    assert near[:4] == far[:4]  # before results count, drawn two at a time
    away = [sum(abs(math.log10(rate) + 2) for rate in some[4:]) for some in (near, far)]
    assert away[0] < 0.7 * away[1]


@WITHOUT
def test_a_pruner_stops_trials_and_one_has_the_full_length_at_least() -> None:
    made = setup("optuna(tpe, pruner=successive-halving)", "adam", scan_rates=12)
    history, _ = play(made)
    found = tuning(made, made.arms[0], history)
    assert 1 <= len(found.full) < 12
    assert sum(trial.cut for trial in found.trials) == 12 - len(found.full)


@WITHOUT
def test_few_values_are_all_tried_once() -> None:
    made = setup("optuna(tpe)", "adam", grid=(0.1, 0.01, 0.001))
    history, _ = play(made)
    assert tuning(made, made.arms[0], history).rates == (0.001, 0.01, 0.1)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 9, 14, 64, 100])
@pytest.mark.parametrize(
    "planner", ["halving", "halving(2)", "halving(2, 0.001)", "halving(4, 0.25)", "halving(10)"]
)
def test_every_turn_of_halving_cuts_some_until_one_is_left(planner: str, count: int) -> None:
    made = make_planner(planner)
    assert isinstance(made, Halving)
    turns = made.turns(setup(planner), count)
    assert turns[0][1] == count
    assert [some for _, some in turns] == sorted({some for _, some in turns}, reverse=True)
    assert turns[-1][0] == 1.0
    assert turns[0][0] >= made.shortest - 1e-9
    longer = [after[0] / before[0] for before, after in pairwise(turns)]
    assert longer == pytest.approx([made.factor] * len(longer))
    if turns[-1][1] > 1:  # another turn would have been too short
        assert turns[0][0] / made.factor < made.shortest


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize("full_rates", [0, 3])
@pytest.mark.parametrize("strength", ["", "l2"])
def test_a_plan_has_the_tuning_that_there_is(planner: str, full_rates: int, strength: str) -> None:
    made = setup(planner, full_rates=full_rates)
    if strength:
        who = [regularized(each.method, strength) for each in made.arms]
        try:
            make_planner(planner).check(who)
        except OptionError:
            pytest.skip("is refused")
        arms = tuple(replace(arm, method=each) for arm, each in zip(made.arms, who, strict=True))
        made = replace(made, arms=arms, lengths=lengths(arms, 360))
    whole = plan_text(made, {})
    tuned = [run for run in expected_runs(made, {}) if run.phase in ("scan", "full")]
    assert ("full length" in whole) == any(run.length == 1.0 for run in tuned)
    assert whole.startswith(f"2 optimizers × ({max(made.trial_counts.values())} ")


def test_runs_at_the_default_that_are_there_are_not_planned_again() -> None:
    history, runs = play(setup("grid"))
    other = setup("sobol", full_rates=2)
    planned = Counter(run.phase for run in expected_runs(other, history))
    assert planned["default"] == 0 < planned["final"]
    there = identity(next(run for run in runs if run.key.phase == "default"))
    some = {each: record for each, record in history.items() if each != there}
    assert Counter(run.phase for run in expected_runs(other, some))["default"] == 1
    assert Counter(run.phase for run in expected_runs(other, {}))["default"] == 4


@pytest.mark.parametrize(
    ("planner", "text"),
    [
        ("grid", "7 rates at ¼ length + best 3 at full length + "),
        ("halving", "7 rates at 1/9 length + best 3 at ⅓ length + best 1 at full length + "),
        ("optuna(tpe)", "7 rates by Optuna at ¼ length + best 3 at full length + "),
        (
            "optuna(tpe, pruner=median)",
            "7 rates by Optuna at ¼ length, ½ length, full length, unless pruned + ",
        ),
    ],
)
def test_a_plan_says_what_a_planner_does(planner: str, text: str) -> None:
    if planner.startswith("optuna") and not HAS_OPTUNA:
        pytest.skip("needs optuna")
    assert text in plan_text(setup(planner), {})


@pytest.mark.parametrize(
    ("planner", "said"),
    [
        ("halving(1)", "factor is 1"),
        ("halving(shortest=1)", "shortest is 1"),
        ("halving(11)", "1/11 of the full length, which is less than shortest=0.1, so no trial would be cut"),
        ("halving(11)", "give a factor of at most 10, or shortest=0.09."),
        ("halving(64, shortest=0.6)", "Hint: give shortest=0.01."),
        ("optuna(simulated)", "sampler is 'simulated'"),
        ("optuna(pruner=wilcoxon)", "pruner is 'wilcoxon'"),
        ("grit", "did you mean 'grid'"),
    ],
)
def test_a_wrong_option_is_refused(planner: str, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        make_planner(planner)
    assert said in str(caught.value)


def test_strengths_are_not_cut_early() -> None:
    who = [regularized(each, "l2") for each in contestants(["adam"])]
    make_planner("grid").check(who)
    with pytest.raises(OptionError, match="strength of l2"):
        make_planner("halving").check(who)
    with pytest.raises(OptionError, match="draws rates by the results of others"):
        check_drawn_at_once(make_planner("optuna"))


def test_a_library_that_is_lacking_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[optuna\]'"):
        make_planner("optuna").check(contestants(["adam"]))


def test_every_planner_has_a_row_here() -> None:
    tried = {each.partition("(")[0] for each in (*OWN, *OPTUNA)}
    assert set(registry.names()) == tried


def test_one_more_record_has_one_tuning_computed_anew(monkeypatch) -> None:
    made = setup("grid", "sgd", "adam", "rmsprop", "adamw")
    computed: list[str] = []
    planner = planner_of(made)
    tune = type(planner).tuning

    def counted(self: Any, of: Setup, arm: Any, *more: Any) -> Any:
        computed.append(arm.title)
        return tune(self, of, arm, *more)

    monkeypatch.setattr(type(planner), "tuning", counted)
    history: dict = {}
    while some := next_runs(made, history, ahead=True):
        run = some[-1]
        value = Record(
            key=run.key, lr=1.0, steps=1, outcome="finished", best={"log_loss": float(run.rule.hyper.lr)},
            test={"log_loss": 0.0},
        )  # fmt: skip
        history[identity(run)] = value
        computed.clear()
        next_runs(made, history, ahead=True)
        assert len(computed) <= 1
        expected_runs(made, history)
        assert len(computed) <= 1
