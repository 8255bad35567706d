"""The plan is a pure function of the finished runs: equal tuning for all, nothing twice, and it ends."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from steepest.errors import OptionError
from steepest.recipe import Execution
from steepest.record.schema import Record
from steepest.report.console import where
from steepest.report.progress import plan_text
from steepest.sweep.contestants import contestants, parse_values, regularized, tune, whole_spec
from steepest.sweep.defaults import equal_lengths
from steepest.sweep.estimate import EXTENSIONS, fit_budget, plan_seconds
from steepest.sweep.expected import expected_runs
from steepest.sweep.plan import chosen_rules, next_runs, tuning, winner
from steepest.sweep.planned import identity
from steepest.sweep.planner import trial_run
from steepest.sweep.setup import Setup
from steepest.sweep.space import Range, rate_grid
from steepest.sweep.told import tried
from steepest.sweep.trials import EXTRA_RATES, check_equal_trials, check_sweep, trials
from tests.sweep.arms import CELL, arms_of, lengths


def setup(*texts, seeds: int = 3, schedule: str = "cosine", grid=None, tune=(), **more) -> Setup:
    arms = arms_of(texts, tune, schedule=schedule)
    more = {"lengths": lengths(arms, 100)} | more
    return Setup(arms, tuple(range(seeds)), "log_loss", False, grid=grid, **more)


def play(made: Setup, value) -> tuple[dict, list]:
    """Carry the plan out with a made-up validation value for each run."""
    history, runs = {}, []
    while batch := next_runs(made, history):
        before = expected_runs(made, history)
        for run in batch:
            assert (run.key.recipe, run.key.seed) not in history
            loss = value(run)
            history[run.key.recipe, run.key.seed] = Record(
                key=run.key, lr=float(run.rule.hyper.lr), steps=run.recipe.steps,
                outcome="diverged" if math.isnan(loss) else "finished",
                best={"log_loss": loss}, test={"log_loss": loss} if run.read_test else {},
            )  # fmt: skip
            runs.append(run)
        assert len(before) >= len(batch)
        assert sum(run.steps for run in before) >= sum(run.recipe.steps for run in batch)
    assert expected_runs(made, history) == []
    return history, runs


def rates(made: Setup, history) -> dict[str, float]:
    titles = {arm.id: arm.title for arm in made.arms}
    return {titles[name]: float(rule.hyper.lr) for name, rule in chosen_rules(made, history).items()}


def bowl(best: dict[str, float]):
    return lambda run: (math.log10(float(run.rule.hyper.lr)) - math.log10(best[run.key.name])) ** 2


def test_everyone_gets_the_same() -> None:
    made = setup("sgd", "adam")
    history, runs = play(made, bowl({"sgd": 0.1, "adam": 1e-3}))
    counts = Counter((run.key.name, run.key.phase) for run in runs)
    for name in ("sgd", "adam"):
        assert counts[name, "scan"] == 7
        assert counts[name, "full"] == 3
        assert counts[name, "final"] == 3
    assert counts["sgd", "default"] == 3
    assert counts["adam", "default"] == 0  # Adam's default is its best rate: the same runs serve both rows
    assert sum(counts[name, "constant"] for name in ("sgd", "adam")) == 3
    assert rates(made, history) == {"sgd": 0.1, "adam": 0.001}
    assert {run.recipe.steps for run in runs if run.key.phase == "scan"} == {25}


@pytest.mark.parametrize(
    ("best", "extra"), [(1e-3, 0), (10**-4.5, 1), (1e-5, 2), (1e-9, EXTRA_RATES), (1e3, EXTRA_RATES)]
)
def test_an_edge_extends_the_grid_with_the_same_allowance(best: float, extra: int) -> None:
    _, runs = play(setup("adam"), bowl({"adam": best}))
    grid = sorted({run.rule.hyper.lr for run in runs if run.key.phase == "scan"})
    assert len(grid) == 7 + extra
    assert all(b / a == pytest.approx(10**0.5, rel=0.01) for a, b in itertools.pairwise(grid))


def test_strengths_are_tuned_at_full_length_with_as_many_trials_for_all() -> None:
    plain, fixed = setup("sgd"), setup("sgd(lr=0.1)")
    for base, count in ((plain, 14), (fixed, 7)):
        texts = ("", "l1", "dropout(0.5) + l2(on=all)")
        arms = tuple(
            replace(
                arm, method=regularized(arm.method, text), recipe=arm.recipe.model_copy(update={"regularizer": text}),
                factors={**arm.factors, "regularizer": text}, label=text or "none",
            )
            for arm in base.arms
            for text in texts
        )  # fmt: skip
        made = replace(base, arms=arms, lengths=lengths(arms, 100))

        def value(run: Any) -> float:
            strength = next(iter(run.rule.strengths.values()), 1e-5)
            return abs(math.log10(strength / 3e-4)) + abs(math.log10(run.rule.hyper.lr))

        history, runs = play(made, value)
        scans = [run for run in runs if run.key.phase in ("scan", "full")]
        assert {run.recipe.steps for run in scans} == {100}
        counts = Counter(run.key.name for run in scans)
        tuned = texts[1:] if base is fixed else texts
        assert counts == {text or "none": count for text in tuned}
        chosen = chosen_rules(made, history)
        for arm in arms:
            finals = [run for run in runs if run.key.name == arm.label and run.key.phase == "final"]
            [text] = {run.recipe.regularizer for run in finals}
            assert text == (chosen[arm.id].regularizer or "")
            best = min((run for run in scans if run.key.name == arm.label), key=value, default=None)
            assert best is None or best.recipe.regularizer == text
        assert not next_runs(made, history)


def test_quarter_and_full_may_disagree() -> None:
    def value(run):
        right = 1e-3 if run.key.phase == "scan" else 3e-4
        return (math.log10(run.rule.hyper.lr) - math.log10(right)) ** 2

    made = setup("adam")
    history, _ = play(made, value)
    assert rates(made, history) == {"adam": 0.000316}


EDGES = [
    (1e-3, 1e-3, {}, ", inside 3.2e-5…0.032"),
    (0.01, 1.0, {}, ", at the edge of 3.2e-5…0.032 (not extended: 0.01 was best on a quarter of the steps)"),
    (0.1, 1e-9, {}, ", inside 3.2e-5…0.32"),
    (0.1, 1.0, {}, ", at the edge of 3.2e-5…0.32 (not extended further: 0.1 was best on a quarter of the steps)"),
    (1e3, 1e3, {}, ", at the edge of 3.2e-5…1 (extended by 3 rates, the most that any optimizer gets)"),
    (
        1e3, 1e3, {"grid": (0.1, 0.01)},
        ", at the edge of 0.01…0.1 (not extended: only grids around a documented centre are, and only if all "
        "optimizers have one)",
    ),
    (1e3, 1e3, {"grid": (0.1,)}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("scanned", "full", "more", "said"), EDGES)
def test_it_is_said_why_a_rate_at_the_edge_did_not_extend_the_grid(scanned, full, more, said) -> None:
    def value(run):
        right = scanned if run.key.phase == "scan" else full
        return (math.log10(run.rule.hyper.lr) - math.log10(right)) ** 2

    made = setup("adam", **more)
    history, _ = play(made, value)
    found = tuning(made, made.arms[0], history)
    told = where(float(found.chosen.hyper.lr), tried(found)) if found.scan else ""
    assert told == said


def test_a_given_rate_is_not_tuned() -> None:
    _, runs = play(setup("adam(lr=0.02)"), lambda run: 1.0)
    assert {run.key.phase for run in runs} == {"final", "default", "constant"}
    assert {run.rule.hyper.lr for run in runs if run.key.phase == "final"} == {0.02}


def test_divergence_loses_but_ends() -> None:
    made = setup("sgd", "adam")
    history, runs = play(made, lambda run: math.nan if run.key.name == "sgd" else 1.0 + run.rule.hyper.lr)
    assert winner(made, chosen_rules(made, history), history).title == "adam"
    assert sum(run.key.name == "sgd" and run.key.phase == "scan" for run in runs) == 7  # no edge to follow


FAILURES = [  # how many of five seeds fail, what the others reach; who wins
    ({"adam": 5, "sgd": 1}, {"adam": 0.1, "sgd": 0.9}, "sgd"),
    ({"adam": 1, "sgd": 0}, {"adam": 0.1, "sgd": 0.9}, "sgd"),
    ({"adam": 1, "sgd": 2}, {"adam": 0.9, "sgd": 0.1}, "adam"),
    ({"adam": 2, "sgd": 2}, {"adam": 0.9, "sgd": 0.1}, "sgd"),
    ({"adam": 0, "sgd": 0}, {"adam": 0.9, "sgd": 0.1}, "sgd"),
    ({"adam": 5, "sgd": 5}, {"adam": 0.1, "sgd": 0.1}, "adam"),
]


@pytest.mark.parametrize(("failed", "loss", "best"), FAILURES)
def test_fewer_failed_seeds_win_and_then_the_mean_of_the_others(failed, loss, best) -> None:
    """Both places in the list, so that coming first decides nothing but a tie."""
    for names in (("adam", "sgd"), ("sgd", "adam")):
        made = setup(*names, seeds=5)

        def value(run):
            lost = run.key.phase == "final" and run.key.seed < failed[run.key.name]
            return math.nan if lost else loss[run.key.name]

        history, _ = play(made, value)
        expected = names[0] if min(failed.values()) == 5 else best
        assert winner(made, chosen_rules(made, history), history).title == expected


def test_tuning_has_its_own_seed_and_test_is_read_by_reported_runs_only() -> None:
    made = setup("adam")
    _, runs = play(made, bowl({"adam": 1e-3}))
    reported = {run.key.seed for run in runs if run.read_test}
    assert reported == set(made.seeds)
    assert not reported & {run.key.seed for run in runs if not run.read_test}


def test_more_optimizers_and_seeds_run_only_what_is_new() -> None:
    values = bowl({"adam": 1e-3, "sgd": 0.1})
    history, _ = play(setup("adam", seeds=2), values)
    runs, larger = [], setup("adam", "sgd", seeds=3)
    while batch := next_runs(larger, history):
        for run in batch:
            runs.append(run)
            loss = values(run)
            history[run.key.recipe, run.key.seed] = Record(
                key=run.key, lr=run.rule.hyper.lr, steps=1, outcome="finished", best={"log_loss": loss},
                test={"log_loss": loss},
            )  # fmt: skip
    adam = [(run.key.phase, run.key.seed) for run in runs if run.key.name == "adam"]
    assert all(seed == 2 for phase, seed in adam if phase != "constant")


def test_no_schedule_no_constant_runs() -> None:
    _, runs = play(setup("adam", schedule="constant"), bowl({"adam": 1e-3}))
    assert "constant" not in {run.key.phase for run in runs}


def test_grid_is_given_to_everyone() -> None:
    _, runs = play(setup("adam", "sgd", grid=(1e-3, 1e-2)), bowl({"adam": 3e-3, "sgd": 3e-3}))
    scans = {run.rule.hyper.lr for run in runs if run.key.phase == "scan"}
    assert {1e-3, 1e-2} <= scans
    assert rate_grid(0.1, 3) == [0.0316, 0.1, 0.316]


def test_further_hyperparameters_get_equal_trials() -> None:
    made = setup("sgd", "adam", tune=["eps=1e-8,1e-4"])
    target = {"sgd": 0.1, "adam": 1e-3}

    def value(run):
        off = 1.0 if run.key.name == "adam" and run.rule.hyper.eps != 1e-4 else 0.0
        return bowl(target)(run) + off

    history, runs = play(made, value)
    counts = Counter((run.key.name, run.key.phase) for run in runs)
    assert counts["sgd", "scan"] == counts["adam", "scan"] == 14
    assert counts["sgd", "full"] == counts["adam", "full"] == 3
    chosen = chosen_rules(made, history)
    assert chosen[made.arms[1].id].hyper.eps == 1e-4
    tried = [run.rule.hyper for run in runs if (run.key.name, run.key.phase) == ("adam", "scan")]
    right = [hyper.lr for hyper in tried if hyper.eps == 1e-4]
    assert chosen[made.arms[1].id].hyper.lr == min(right, key=lambda rate: abs(math.log10(rate) + 3))
    assert {run.rule.hyper.eps for run in runs if run.key.name == "adam" and run.read_test} >= {1e-4}


def test_values_of_an_optimizer_whose_rate_is_given() -> None:
    _, runs = play(setup("adam(lr=0.01)", tune=["eps=1e-8,1e-4"]), lambda run: run.rule.hyper.eps)
    assert [(run.rule.hyper.lr, run.rule.hyper.eps) for run in runs if run.key.phase == "scan"] == [
        (0.01, 1e-8),
        (0.01, 1e-4),
    ]
    assert {run.rule.hyper.eps for run in runs if run.key.phase == "final"} == {1e-8}


@pytest.mark.parametrize(
    ("optimizers", "tune", "grid", "told"),
    [
        ("sgd,adam(lr=0.1)", ["eps=1,2,3,4,5"], None, r"7 for sgd, 5 for adam\(lr=0.1\)"),
        ("sgd,adam(lr=0.1)", ["eps=1,2"], (0.1, 0.2, 0.3), r"3 for sgd, 2 for adam\(lr=0.1\)"),
        ("momentum,adam(lr=0.1)", ["eps=1,2,3", "momentum=0.8..0.95"], None, r"14 for momentum, 3 for adam"),
        ("adam(lr=0.1),rmsprop(lr=0.1)", ["adam: eps=1,2", "rmsprop: eps=1,2,3"], None, "2 for adam.*, 3 for rmsprop"),
    ],
)  # fmt: skip
def test_unequal_tuning_is_refused(optimizers, tune, grid, told) -> None:
    with pytest.raises(OptionError, match=told) as caught:
        check_equal_trials(contestants(optimizers.split(","), tune), grid, 7)
    assert "give a range" in caught.value.hint


@pytest.mark.parametrize(
    ("optimizers", "tune", "grid"),
    [
        ("sgd,adam", [], None),
        ("sgd,adam", ["adam: eps=1e-8,1e-6,1e-4"], None),
        ("sgd,adam,momentum", ["adam: eps=1,2", "momentum: momentum=0.8,0.85,0.9,0.95"], None),
        ("sgd,adam,momentum", ["adam: eps=1e-8..1; betas=(0.9,0.99),(0.8,0.9)", "lr=1e-5..1e-1"], None),
        ("sgd,adam,momentum", ["adam: lr=1e-5..1e-1"], None),
        ("sgd,adam,momentum", ["adam: lr=1e-5,1e-4,1e-3,1e-2,0.1,1,10,100"], None),
        ("sgd,schedule-free-sgd", ["warmup_steps=0..30"], None),
        ("sgd,adam(lr=0.1)", [], (0.1, 0.01)),
        ("sgd,adam(lr=0.1)", ["eps=1,2"], (0.1, 0.01)),
        ("sgd,adam(lr=0.1)", ["eps=1,2,3,4,5,6,7,8"], None),
        ("sgd,adam(lr=0.1)", ["eps=1e-8..1e-4"], None),
        ("sgd,adam", ["adam: eps=1e-8,1e-6,1e-4"], (0.1, 0.01)),
        ("sgd,adam", ["adam: eps=1e-8..1"], (0.1,)),
        ("adam(lr=0.1),momentum(lr=0.1)", ["eps=1,2,3"], None),
        ("sgd,adam", ["eps=1e-8,1e-8"], (0.1, 0.01, 0.1)),
    ],
)
def test_what_is_not_refused_is_tuned_equally(optimizers, tune, grid) -> None:
    who = contestants(optimizers.split(","), tune)
    check_equal_trials(who, grid, 7)
    worst = setup(*optimizers.split(","), tune=tune, grid=grid)
    _, runs = play(worst, lambda run: run.rule.hyper.lr)  # the lowest is best, as far down as a scan may go
    counts = Counter((run.key.name, run.key.phase) for run in runs if run.key.phase in ("scan", "full"))
    for phase in ("scan", "full"):
        assert len({counts[each.name, phase] for each in who if each.tuned}) == 1
    if max(len(each.axes) for each in who):  # no grid of rates is extended beside what cannot be
        assert {counts[each.name, "scan"] for each in who if each.tuned} == set(trials(who, grid, 7).values())


def test_a_single_value_for_a_given_rate_is_no_tuning_and_is_not_dropped() -> None:
    made = setup("adam(lr=0.01)", tune=["eps=1e-4"])
    history, runs = play(made, lambda run: 1.0)
    assert {run.key.phase for run in runs} == {"final", "default", "constant"}
    assert chosen_rules(made, history)[made.arms[0].id].hyper.eps == 1e-4
    assert not tuning(made, made.arms[0], history).scan


def test_tune_takes_classes_and_combines() -> None:
    import torch

    who = contestants([tune(torch.optim.NAdam, momentum_decay=[0.0, 0.1], weight_decay=Range(0, 0.1))])
    assert who[0].name == "NAdam"
    assert [(axis.name, axis.kind, axis.centre) for axis in who[0].axes] == [
        ("momentum_decay", "choice", 0.0), ("weight_decay", "linear", 0.0)
    ]  # fmt: skip
    with pytest.raises(OptionError, match="are the text"):
        tune("adam", eps="1e-8..1e-4")


@pytest.mark.parametrize("tune", [(), ("eps=1e-8..1e-4",)], ids=["rates", "several axes"])
def test_runs_that_a_longer_tuning_may_come_to_are_not_said_to_be_of_other_settings(
    tune: tuple[str, ...],
) -> None:
    """Seeds of a tuning that a time budget had cut were disowned, and then in the results."""
    texts = ("adam", "adamw") if tune else ("sgd", "adam")
    whole = setup(*texts, tune=tune)
    history, runs = play(replace(whole, scan_rates=3, full_rates=1), lambda run: run.rule.hyper.lr)
    assert any(run.key.phase == "final" for run in runs)
    text = plan_text(whole, history)
    assert "other settings" not in text
    assert re.search(r"; \d+ more in the folder count where tuning comes to their settings$", text)
    other = setup(*texts, tune=tune, lengths=lengths(whole.arms, 60))
    assert f"; {len(history)} in the folder have other settings and are not used" in plan_text(other, history)
    play_on = dict(history)
    while batch := next_runs(whole, play_on):
        for run in batch:
            play_on[identity(run)] = Record(
                key=run.key, lr=float(run.rule.hyper.lr), steps=run.recipe.steps, outcome="finished",
                best={"log_loss": run.rule.hyper.lr}, test={"log_loss": 1.0} if run.read_test else {},
            )  # fmt: skip
    text = plan_text(whole, play_on)
    assert "count where" not in text


def test_the_comparison_of_four_optimizers_makes_the_runs_it_always_made() -> None:
    made = setup("default")
    best = {"sgd": 0.1, "momentum": 0.03, "adam": 1e-3, "adamw": 1e-9}  # the last at the edge
    _, runs = play(made, bowl(best))
    keys = sorted((run.key.name, run.key.phase, run.key.recipe, run.key.seed) for run in runs)
    digest = hashlib.sha256(json.dumps(keys).encode()).hexdigest()
    assert (len(keys), digest[:16]) == (67, "e1f464b50f93b217")


def points(made: Setup, name: str) -> list[str]:
    arm = next(arm for arm in made.arms if arm.method.name == name)
    return [whole_spec(run.rule) for run in tuning(made, arm, {}).scan]


DESIGN = ["adam: eps=1e-8..1e-2; betas=(0.9,0.999),(0.8,0.99),(0.5,0.9); amsgrad=false,true"]


def test_a_design_is_of_one_optimizer_and_one_seed() -> None:
    alone = points(setup("adam", tune=DESIGN), "adam")
    assert alone == points(setup("sgd", "adam", "momentum", tune=[*DESIGN, "momentum=0.8..0.99"]), "adam")
    assert alone == points(setup("adam", tune=DESIGN, seeds=9), "adam")
    swapped = "adam: " + "; ".join(reversed(DESIGN[0].removeprefix("adam: ").split("; ")))
    assert alone == points(setup("adam", tune=[swapped]), "adam")
    other = replace(setup("adam", tune=DESIGN), seeds=(1, 2, 3))
    assert set(alone) & set(points(other, "adam")) == {alone[0]}


@pytest.mark.parametrize("seed", range(5))
def test_a_design_has_the_centre_and_stays_in_range(seed) -> None:
    made = replace(setup("adam", tune=[*DESIGN, "lr=1e-4..1"]), seeds=(seed,))
    hypers = [run.rule.hyper for run in tuning(made, made.arms[0], {}).scan]
    assert len({str(each) for each in hypers}) == 14
    assert (hypers[0].lr, hypers[0].eps, hypers[0].betas) == (1e-3, 1e-8, (0.9, 0.999))
    assert all(1e-4 <= each.lr <= 1 and 1e-8 <= each.eps <= 1e-2 for each in hypers)
    assert {each.betas for each in hypers} == {(0.9, 0.999), (0.8, 0.99), (0.5, 0.9)}
    assert {each.amsgrad for each in hypers} == {False, True}
    for values in ([math.log10(each.lr) for each in hypers], [math.log10(each.eps) for each in hypers]):
        thirds = Counter(
            int(3 * (value - min(values)) / (max(values) - min(values) + 1e-9)) for value in values
        )
        assert min(thirds[third] for third in range(3)) >= 3  # evenly spread


@pytest.mark.parametrize(
    "tuned",
    [(), ("lr=1e-4..1e-1",), ("eps=1e-8..1e-3",), ("warmup_steps=0..40",)],
)
def test_growing_by_an_optimizer_with_several_axes_uses_the_runs_that_are_there(tuned) -> None:
    name = (
        "schedule-free-sgd(lr=0.1)"
        if "warmup" in str(tuned)
        else "adam(lr=0.1)"
        if "eps" in str(tuned)
        else "adam"
    )
    before = points(setup(name, tune=tuned), name)
    after = points(
        setup(name, "momentum", tune=[*tuned, "momentum: momentum=0.8..0.99; nesterov=false,true"]), name
    )
    assert (len(before), len(after), len(set(after))) == (7, 14, 14)
    assert set(before) < set(after)


def test_values_are_the_only_ones_that_are_tried() -> None:
    made = setup("adam", tune=["eps=1e-8,1e-4", "betas=(0.9,0.999),(0.8,0.9)"], grid=(1e-3, 1e-2, 0.1))
    tried = Counter((str(h.eps), h.betas, h.lr) for run in tuning(made, made.arms[0], {}).scan
                    for h in [run.rule.hyper])  # fmt: skip
    every = itertools.product(("1e-08", "0.0001"), ((0.9, 0.999), (0.8, 0.9)), (1e-3, 1e-2, 0.1))
    assert set(tried) == set(every)  # twelve, fewer than fourteen
    drawn = points(setup("adam(lr=0.1)", "sgd", tune=["eps=1,2,3,4,5,6,7,8,9,10"]), "adam(lr=0.1)")
    assert len(set(drawn)) == 7


def test_a_sweep_runs_every_rate_with_every_seed() -> None:
    made = setup("sgd", "adam", sweep=True)
    history, runs = play(made, bowl({"sgd": 0.1, "adam": 10**-4.5}))
    without, _ = play(setup("sgd", "adam"), bowl({"sgd": 0.1, "adam": 10**-4.5}))
    assert rates(made, history) == rates(made, without)
    for arm in made.arms:
        grid = tuning(made, arm, history).rates
        long = [run for run in runs if run.recipe.steps == 100 and run.recipe.schedule == "cosine"]
        full = {(run.rule.hyper.lr, run.key.seed) for run in long if run.key.name == arm.title}
        assert full >= set(itertools.product(grid, made.seeds))
    assert not any(run.read_test for run in runs if run.key.phase == "sweep")
    assert "7 rates × 3 seeds" in plan_text(made, {})
    assert expected_runs(made, {})  # and as many as there will be, but for the extension of Adam's grid
    plain = bowl({"sgd": 0.1, "adam": 1e-3})
    assert len(expected_runs(made, {})) == len(play(made, plain)[1])


@pytest.mark.parametrize(("names", "tune"), [("sgd,adam(lr=0.1)", []), ("sgd,adam", ["eps=1e-8..1"])])
def test_no_sweep_without_a_grid_of_rates(names, tune) -> None:
    with pytest.raises(OptionError, match=r"adam.* has none"):
        check_sweep(contestants(names.split(","), tune))
    check_sweep(contestants(["sgd", "adam"], ["lr=1e-4..1"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [("rho", "cannot read"), ("rho=", "cannot read"), ("rho=0.1", "to none of"), ("adam: lr=1", "there is one rate"),
     ("adam: lr=0..1", "not above 0"),
     ("adam: betas=(2,3),(0.9,0.9)", "not allowed"), ("eps=small", "'small'"), ("eps=1e-4..1e-8", "is empty"),
     ("eps=1e-8..x", "'x'"), ("adam: betas=0.9..0.99", "is not for 'betas'"), ("eps=-1..1", "not allowed"),
     ("adam: amsgrad=0..1", "is not for")],
)  # fmt: skip
def test_values_that_cannot_be_tried(text, said) -> None:
    with pytest.raises(OptionError, match=said):
        contestants(["sgd", "adam"], [text])


def test_values_are_read() -> None:
    assert parse_values("x=true,none,'a b'; y=(1,2)") == ("", {"x": (True, None, "a b"), "y": ((1, 2),)})


TIMES = {CELL: Execution().timed(seconds_a_step={"sgd": 0.001, "adam": 0.003}, seconds_an_evaluation=0.01)}


def test_equal_seconds_gives_equal_time() -> None:
    made = setup("sgd", "adam")
    found = equal_lengths(made.arms, 2, "seconds", TIMES)
    pace = TIMES[CELL].timings.seconds_a_step
    spent = {arm.title: found[arm.id] * pace[arm.title] for arm in made.arms}
    assert spent["sgd"] == pytest.approx(spent["adam"], rel=0.01)
    assert equal_lengths(made.arms, 2, "steps", TIMES) == lengths(made.arms, 1000)
    _, runs = play(setup("sgd", "adam", lengths=found), bowl({"sgd": 0.1, "adam": 1e-3}))
    assert {run.recipe.steps for run in runs if run.key.name == "sgd" and run.key.phase == "final"} == {2000}
    assert {run.recipe.steps for run in runs if run.key.name == "adam" and run.key.phase == "scan"} == {167}


def test_the_plan_counts_what_then_runs() -> None:
    made = setup("sgd", "adam", "rmsprop(lr=0.02)")
    text = plan_text(made, {})
    expected = len(expected_runs(made, {}))
    best = {"sgd": 0.1, "adam": 3.16e-4, "rmsprop(lr=0.02)": 0.02}
    _, runs = play(made, bowl(best))
    assert len(runs) == expected == int(text.split("→ ")[1].split()[0])
    assert text.startswith(
        "3 optimizers × (7 rates at ¼ length + best 3 at full length + 3 seeds + 3 at default), 1 not tuned"
    )


def built(epochs: float, **options) -> Setup:
    options = {"seeds": 5} | options
    made = setup("sgd", "adam", **options)
    return replace(made, lengths=lengths(made.arms, max(1, round(epochs * 500))))


@pytest.mark.parametrize("minutes", [100, 10, 3, 1, 0.5])
def test_a_budget_is_kept_and_used(minutes: float) -> None:
    found = fit_budget(built, 8.0, 500, TIMES, minutes * 60)
    cost = plan_seconds(found.setup, TIMES, {})
    assert cost <= minutes * 60 * 1.01
    wanted = plan_seconds(built(8.0), TIMES, {})
    assert cost >= min(wanted, minutes * 60) * 0.9
    assert bool(found.given_up) == (wanted > minutes * 60)
    assert found.fits


def test_trials_and_length_are_cut_first_and_three_seeds_stay() -> None:
    """Shorter and shorter budgets: what is left never grows, and it goes in the order that is documented."""
    whole = plan_seconds(built(8.0), TIMES, {})
    states = []
    for share in (1.1, 0.8, 0.55, 0.45, 0.3, 0.2, 0.1, 0.05, 0.02, 1e-9):
        found = fit_budget(built, 8.0, 500, TIMES, share * whole)
        states.append(
            (found.epochs / 8.0, found.setup.scan_rates, found.setup.full_rates, len(found.setup.seeds))
        )
        assert found.fits == (share > 0.03)
    assert states[0] == (1.0, 7, 3, 5)
    order = [(7, 3, 5), (5, 2, 5), (5, 2, 3), (3, 1, 3)]  # trials go first, then seeds, and trials again
    assert [order.index(state[1:]) for state in states] == sorted(order.index(state[1:]) for state in states)
    an_epoch = 1 / 8
    for length, *rest in states:
        assert length == 1 or (*rest,) != order[0]  # the length goes with the first trials,
        assert length >= an_epoch or (*rest,) == order[-1]  # and below an epoch when nothing else is left
    assert states[-1][1:] == order[-1]


def test_fewer_than_three_seeds_only_where_they_are_wanted() -> None:
    for wanted in (1, 2, 3, 4):
        found = fit_budget(lambda epochs: built(epochs, seeds=wanted), 8.0, 500, TIMES, 20.0)  # noqa: B023
        assert len(found.setup.seeds) == min(wanted, 3)
        assert not any("seeds" in line for line in found.given_up) or wanted == 4


@pytest.mark.parametrize(
    ("options", "said", "never"),
    [
        ({}, ["3 instead of 7 rates", "the best 1 instead of 3 at full length"], []),
        ({"grid": (0.1, 0.2, 0.3)}, ["the best 1 instead of 3 at full length"], ["rates"]),
        ({"scan_rates": 3}, ["the best 1 instead of 3 at full length"], ["rates"]),
        ({"full_rates": 1}, ["3 instead of 7 rates"], ["full length"]),
        ({"planner": "halving"}, ["3 instead of 7 rates"], ["full length"]),
    ],
)
def test_only_what_was_cut_is_said_to_be_cut(options, said, never) -> None:
    found = fit_budget(lambda epochs: built(epochs, **options), 8.0, 500, TIMES, 20.0)
    for line in said:
        assert line in found.given_up
    for word in never:
        assert not any(word in line for line in found.given_up)


def test_where_nothing_is_tuned_no_trial_is_said_to_be_cut() -> None:
    def build(epochs: float) -> Setup:
        made = setup("sgd(lr=0.1)", seeds=5)
        return replace(made, lengths=lengths(made.arms, max(1, round(epochs * 500))))

    times = {CELL: TIMES[CELL].timed(seconds_a_step={"sgd(lr=0.1)": 0.001})}
    found = fit_budget(build, 8.0, 500, times, 5.0)
    assert [line.split()[-1] for line in found.given_up] == ["epochs", "seeds"]


def test_runs_that_are_short_already_fit_as_they_are() -> None:
    """Ten steps are fewer than the least that a budget leaves, and are no reason to refuse it."""
    found = fit_budget(lambda epochs: built(epochs), 10 / 500, 500, TIMES, 1e6)
    assert found.fits
    assert not found.given_up


def test_an_arm_trained_on_altered_data_wins_only_where_no_other_finished() -> None:
    made = setup("adam", "sgd", "lion", seeds=2)
    altered = {"adam": {"labels": "noise(0.2)"}, "sgd": {"train_rows": "0.1"}, "lion": {"labels": "none"}}
    arms = tuple(replace(arm, factors={**arm.factors, **altered[arm.title]}) for arm in made.arms)
    made = replace(made, arms=arms, lengths=lengths(arms, 40))
    losses = {"adam": 0.1, "sgd": 0.5, "lion": 0.9}
    for failed, best in (([], "lion"), (["lion"], "sgd"), (["lion", "sgd"], "adam")):
        history, _ = play(
            made, lambda run, lost=failed: math.nan if run.key.name in lost else losses[run.key.name]
        )
        assert winner(made, chosen_rules(made, history), history).title == best


def limited(epochs: float, seconds: float = 2.0) -> Setup:
    made = built(epochs)
    arms = [replace(arm, recipe=arm.recipe.model_copy(update={"max_seconds": seconds})) for arm in made.arms]
    return replace(made, arms=tuple(arms))


def test_runs_get_their_part_of_the_seconds() -> None:
    made = limited(8.0)
    arm = made.arms[0]
    assert trial_run(made, arm, arm.rule, 1.0, None, last=True).recipe.max_seconds == 2.0
    assert trial_run(made, arm, arm.rule, 0.25, None).recipe.max_seconds == 0.5
    parts = replace(arm, share=0.25)
    assert trial_run(made, parts, arm.rule, 1.0, None, last=True).recipe.max_seconds == 0.5
    assert trial_run(made, parts, arm.rule, 0.25, None).recipe.max_seconds == 0.125
    plain = built(8.0)
    assert trial_run(plain, plain.arms[0], arm.rule, 0.25, None).recipe.max_seconds is None


def test_a_plan_knows_the_seconds_after_which_runs_end() -> None:
    endless, runs = limited(1e6), expected_runs(limited(1e6), {})
    times = TIMES[CELL].timings
    most = sum(
        (0.5 if each.phase == "scan" else 2.0) * (1 + EXTENSIONS / 7 * (each.phase == "scan"))
        for each in runs
    )
    others = sum(
        times.seconds_a_run + (each.arm.recipe.evaluations + 5) * times.seconds_an_evaluation for each in runs
    )  # at most
    assert most <= plan_seconds(endless, TIMES, {}) <= most + 1.2 * others
    assert plan_seconds(limited(0.01), TIMES, {}) == plan_seconds(built(0.01), TIMES, {})


@pytest.mark.parametrize("share", [1.1, 0.8, 0.5, 0.3])
def test_a_budget_is_kept_and_used_where_runs_have_a_limit(share: float) -> None:
    whole = plan_seconds(limited(1e4), TIMES, {})
    found = fit_budget(limited, 1e4, 500, TIMES, share * whole)
    cost = plan_seconds(found.setup, TIMES, {})
    assert found.fits
    assert min(share, 1.0) * whole * 0.9 <= cost <= share * whole
    assert (found.epochs == 1e4) == (share > 1)
