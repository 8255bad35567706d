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

from steepest.errors import MissingExtraError, OptionError
from steepest.record.schema import Record
from steepest.report.progress import plan_text
from steepest.rng import stream
from steepest.sweep.contestants import contestants, regularized
from steepest.sweep.expected import expected_runs
from steepest.sweep.plan import next_runs, tuning
from steepest.sweep.planned import PlannedRun, identity
from steepest.sweep.planner import check_drawn_at_once, make_planner, planner_of, registry
from steepest.sweep.planners.halving import Halving
from steepest.sweep.setup import Setup
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


@pytest.mark.parametrize("tune", [(), TUNE], ids=["rates", "two axes"])
@pytest.mark.parametrize("planner", PLANNERS)
def test_all_arms_get_as_many_trials_and_no_point_twice(planner: str, tune: tuple[str, ...]) -> None:
    made = setup(planner, tune=tune)
    history, runs = play(made)
    found = {arm.title: tuning(made, arm, history) for arm in made.arms}
    counts = {len(each.trials) - each.further for each in found.values()}
    assert counts == {14 if tune else 7}
    for each in found.values():
        points = [str(trial.runs[0].rule) + trial.runs[0].recipe.optimizer for trial in each.trials]
        assert len(set(points)) == len(points)
        lengths_of = [[run.length for run in trial.runs] for trial in each.trials]
        assert all(some == sorted(some) for some in lengths_of)
        assert each.run is not None
        assert each.run.length == 1.0
        best = min(each.full, key=lambda run: made.loss(history[identity(run)]))
        assert each.chosen is best.rule
        assert [trial.cut for trial in each.trials] == [trial.runs[-1].length < 1.0 for trial in each.trials]
    tuned = Counter(run.key.name for run in runs if run.key.phase in ("scan", "full"))
    assert tuned == {name: len({identity(run) for run in each.runs}) for name, each in found.items()}


@pytest.mark.parametrize("planner", PLANNERS)
def test_the_trials_follow_from_the_results_and_not_from_their_order(planner: str) -> None:
    whole, _ = play(setup(planner, tune=TUNE))
    for order in (1, 2):
        history, runs = play(setup(planner, tune=TUNE), order)
        assert history.keys() == whole.keys()
        cut = len(runs) // 3 * order
        left = dict(list(history.items())[:cut])  # what a killed process leaves
        again = setup(planner, tune=TUNE)
        while some := next_runs(again, left):
            left |= {identity(run): record(run) for run in some}
        assert left.keys() == whole.keys()


@pytest.mark.parametrize("planner", PLANNERS)
def test_what_is_kept_between_calls_changes_nothing(planner: str) -> None:
    made = setup(planner)
    history, runs = play(made)
    for cut in range(0, len(runs), 5):
        part = {identity(run): history[identity(run)] for run in runs[:cut]}
        assert keys(next_runs(made, part)) == keys(next_runs(replace(made), part))
    other = dict(history)
    changed = next(identity(run) for run in runs if run.key.phase == "scan")
    other[changed] = history[changed].model_copy(update={"best": {"log_loss": -1.0}})
    assert keys(next_runs(made, other)) == keys(next_runs(replace(made), other))
    assert next_runs(made, history) == []


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
