"""The plan is a pure function of the finished runs: equal tuning for all, nothing twice, and it ends."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from steepest.optim import make_rule
from steepest.recipe import Recipe
from steepest.record.schema import Record
from steepest.sweep.plan import (
    EXTRA_RATES,
    Contestant,
    Setup,
    chosen_rates,
    expected_steps,
    next_runs,
    rate_grid,
    winner,
)


def setup(*texts: str, seeds: int = 3, schedule: str = "cosine", grid=None) -> Setup:
    who = tuple(Contestant(text, rule := make_rule(text), "lr" not in rule.given) for text in texts)
    recipe = Recipe(
        data="d", model="linear", optimizer="", schedule=schedule, steps=100, batch_size=8, metric="log_loss"
    )
    return Setup(who, recipe, tuple(range(seeds)), grid, higher_is_better=False)


def play(made: Setup, value) -> tuple[dict, list]:
    """Carry the plan out with a made-up validation value for each run."""
    history, runs = {}, []
    while batch := next_runs(made, history):
        before = expected_steps(made, history)
        for run in batch:
            assert (run.key.recipe, run.key.seed) not in history
            loss = value(run)
            history[run.key.recipe, run.key.seed] = Record(
                key=run.key, lr=float(run.rule.hyper.lr), steps=run.recipe.steps,
                outcome="diverged" if math.isnan(loss) else "finished",
                best={"log_loss": loss}, test={"log_loss": loss} if run.read_test else {},
            )  # fmt: skip
            runs.append(run)
        assert before >= sum(run.recipe.steps for run in batch)
    return history, runs


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
    assert chosen_rates(made, history) == {"sgd": 0.1, "adam": 0.001}
    assert {run.recipe.steps for run in runs if run.key.phase == "scan"} == {25}
    assert expected_steps(made, history) <= 300  # only the constant runs cannot be known to be done


@pytest.mark.parametrize(
    ("best", "extra"), [(1e-3, 0), (10**-4.5, 1), (1e-5, 2), (1e-9, EXTRA_RATES), (1e3, EXTRA_RATES)]
)
def test_an_edge_extends_the_grid_with_the_same_allowance(best: float, extra: int) -> None:
    _, runs = play(setup("adam"), bowl({"adam": best}))
    rates = sorted({run.rule.hyper.lr for run in runs if run.key.phase == "scan"})
    assert len(rates) == 7 + extra
    assert all(b / a == pytest.approx(10**0.5, rel=0.01) for a, b in zip(rates, rates[1:], strict=False))


def test_quarter_and_full_may_disagree() -> None:
    def value(run):
        right = 1e-3 if run.key.phase == "scan" else 3e-4
        return (math.log10(run.rule.hyper.lr) - math.log10(right)) ** 2

    made = setup("adam")
    history, _ = play(made, value)
    assert chosen_rates(made, history) == {"adam": 0.000316}


def test_a_given_rate_is_not_tuned() -> None:
    _, runs = play(setup("adam(lr=0.02)"), lambda run: 1.0)
    assert {run.key.phase for run in runs} == {"final", "default", "constant"}
    assert {run.rule.hyper.lr for run in runs if run.key.phase == "final"} == {0.02}


def test_divergence_loses_but_ends() -> None:
    made = setup("sgd", "adam")
    history, runs = play(made, lambda run: math.nan if run.key.name == "sgd" else 1.0 + run.rule.hyper.lr)
    assert winner(made, chosen_rates(made, history), history).name == "adam"
    assert sum(run.key.name == "sgd" and run.key.phase == "scan" for run in runs) == 7  # no edge to follow


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
