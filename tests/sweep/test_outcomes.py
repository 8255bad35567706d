"""A plan's number of runs is that of the runs that are then made, whatever their results are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from steepest.record.schema import Record
from steepest.report.progress import plan_text
from steepest.rng import stream
from steepest.sweep.outcomes import RunCount, run_count
from steepest.sweep.plan import next_runs
from steepest.sweep.planned import PlannedRun, identity
from steepest.sweep.setup import Setup
from tests.sweep.arms import arms_of, lengths
from tests.sweep.test_procedures import setup as of_procedures


def setup(*texts: str, seeds: int = 3, tune=(), schedule: str = "cosine", **more: Any) -> Setup:
    arms = arms_of(texts, tune, schedule=schedule)
    return Setup(arms, tuple(range(seeds)), "log_loss", False, lengths=lengths(arms, 100), **more)


SETUPS = {
    "the demo": setup("default", seeds=5),
    "one optimizer": setup("adam", seeds=1),
    "a fixed rate beside": setup("sgd", "adam", "rmsprop(lr=0.02)"),
    "a fixed rate that is the default of another arm": setup("adam", "adam(lr=0.001)"),
    "no finalists": setup("sgd", "adam", full_rates=0),
    "one finalist": setup("sgd", "adam", full_rates=1),
    "a sweep": setup("sgd", "adam", sweep=True),
    "several axes": setup("sgd", "adam", tune=["adam: eps=1e-8..1e-4"]),
    "rates for all": setup("sgd", "adam", grid=(0.001, 0.01, 0.1)),
    "one rate": setup("adam", "sgd", scan_rates=1),
    "two rates": setup("adam", "sgd", scan_rates=2, seeds=1),
    "halving": setup("adam", "sgd", planner="halving(3)"),
    "no schedule": setup("adam", "sgd", schedule="constant"),
    "no references": setup("adam", "sgd", only_arms=True),
    "procedures that share a stage": of_procedures("train", "continue(0.5)"),
    "three procedures": of_procedures("train", "prune(0.5)", "continue(0.5)"),
}


def play(made: Setup, value) -> tuple[dict[tuple[str, int], Record], list[dict[tuple[str, int], Record]]]:
    """Carry a plan out; return the history, and what it was after every batch of runs."""
    made, history, then = replace(made), {}, []
    while batch := next_runs(made, history):
        for run in batch:
            loss = {"log_loss": value(run)}
            history[identity(run)] = Record(
                key=run.key, lr=float(run.rule.hyper.lr), steps=run.recipe.steps, outcome="finished",
                best=loss, test=loss if run.read_test else {},
            )  # fmt: skip
        then.append(dict(history))
    return history, then


def results(seed: int):
    """Return made-up results: noise, or a bowl whose bottom is anywhere, for each arm."""
    draw = stream(seed, "data")
    bottom: dict[str, float] = {}
    bowl = bool(draw.integers(2))

    def value(run: PlannedRun) -> float:
        noise = float(draw.random())
        if not bowl:
            return noise
        at = bottom.setdefault(run.arm.id, float(draw.uniform(-6, 1.5)))
        return abs(math.log10(float(run.rule.hyper.lr)) - at) + 1e-3 * noise

    return value


@pytest.mark.parametrize("name", SETUPS)
def test_every_outcome_is_in_the_range_that_the_plan_says(name: str) -> None:
    made = SETUPS[name]
    count = run_count(made, {})
    assert count.least is not None
    assert count.most is not None
    assert count.least <= count.expected <= count.most
    for seed in range(8):
        history, _ = play(made, results(seed))
        assert count.least <= len(history) <= count.most
        done = len(history)
        assert run_count(made, history) == RunCount(done, done, done, done)


def test_the_range_narrows_while_runs_are_made_and_has_the_end_in_it() -> None:
    made = SETUPS["the demo"]
    history, then = play(made, results(1))
    widths: list[int] = []
    for so_far in then:
        count = run_count(made, so_far)
        assert count.least is not None
        assert count.most is not None
        assert count.least <= len(history) <= count.most
        widths.append(count.most - count.least)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0


def test_the_extremes_are_reached() -> None:
    made = setup("sgd", "adam", seeds=3)
    count = run_count(made, {})
    always_higher, _ = play(made, lambda run: -float(run.rule.hyper.lr))
    assert len(always_higher) == count.most
    best = {"sgd": 0.1, "adam": 1e-3}  # that of Adam is its default, that of SGD far from its own
    saved, _ = play(
        made, lambda run: abs(math.log10(float(run.rule.hyper.lr)) - math.log10(best[run.rule.called]))
    )
    assert len(saved) == count.least


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("the demo", "→ 85 runs (70 to 97: fewer where a tuned rate is the library's default, more where a best rate "),
        ("a fixed rate that is the default of another arm", "− 3 that serve twice → 19 runs (16 to 22: "),
        ("procedures that share a stage", "→ 36 runs (up to 45: more where a best rate is at an edge of its grid)"),
        ("rates for all", "→ 27 runs (at least 21: fewer where a tuned rate is the library's default)"),
        ("one rate", "→ 16 runs"),
    ],
)  # fmt: skip
def test_the_plan_says_on_what_the_number_depends(name: str, text: str) -> None:
    assert text in plan_text(SETUPS[name], {})


def test_a_finished_plan_has_one_number_and_adds_up() -> None:
    made = SETUPS["the demo"]
    for seed in range(4):
        history, _ = play(made, results(seed))
        head, _, tail = plan_text(made, history).partition(" → ")
        assert tail == f"{len(history)} runs, {len(history)} already done"
        numbers = [
            int(each.split(" ")[0]) for each in head.partition(") + ")[2].replace(" − ", " + -").split(" + ")
        ]
        assert 4 * (7 + 3 + 5 + 5) + sum(numbers) == len(history)
