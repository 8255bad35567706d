"""A time budget is kept: what cannot end in time is not begun, all arms have the same seeds, and it is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import steepest as st
from steepest.api import resume
from steepest.errors import OptionError
from steepest.experiment.budget import with_minutes
from steepest.recipe import load_tree
from steepest.record.schema import Record
from steepest.record.store import Folder
from steepest.report.progress import left_out
from steepest.sweep.cuts import parts
from steepest.sweep.deadline import SLOWEST, Deadline, largest_part
from steepest.sweep.estimate import Cells, plan_seconds, run_seconds
from steepest.sweep.expected import Expected
from steepest.sweep.observer import Observer
from steepest.sweep.plan import finals, next_runs, tuning
from steepest.sweep.setup import Setup
from tests.sweep import test_plan
from tests.sweep.arms import CELL
from tests.sweep.test_plan import setup
from tests.sweep.test_procedures import setup as procedures_of

TEXTS = ("sgd(lr=0.1)", "adam(lr=0.001)")
PACE = {"sgd": 0.001, "adam": 0.003, TEXTS[0]: 0.001, TEXTS[1]: 0.003}
TIMES = {CELL: test_plan.TIMES[CELL].timed(seconds_a_step=PACE, seconds_an_evaluation=0.01)}


def played(
    made: Setup, seconds: float, pace: float = 1.0, times: Cells = TIMES
) -> tuple[dict[tuple[str, int], Record], float]:
    """Make the runs that end in time by a made-up clock, on which they take what is expected, times a pace."""
    history: dict[tuple[str, int], Record] = {}
    gone = [0.0]
    deadline = Deadline(lambda: seconds - gone[0])
    while (part := deadline.part(made, times, history)) and (runs := next_runs(part, history)):
        run = runs[0]
        gone[0] += pace * run_seconds(times, Expected(run.arm, run.key.phase, run.expected_steps))
        test = {"log_loss": 1.0} if run.read_test else {}
        history[run.key.recipe, run.key.seed] = Record(
            key=run.key, lr=0.1, steps=run.recipe.steps, outcome="finished", best={"log_loss": 1.0}, test=test
        )
    return history, gone[0]


def changing(seconds: float, made: Setup, paces: Callable[[int], float]) -> dict[tuple[str, int], Record]:
    """Make the runs that end in time where the pace of each depends on how many there were before it."""
    history: dict[tuple[str, int], Record] = {}
    gone = [0.0]
    deadline = Deadline(lambda: seconds - gone[0])
    while (part := deadline.part(made, TIMES, history)) and (runs := next_runs(part, history)):
        run = runs[0]
        spent = run_seconds(TIMES, Expected(run.arm, run.key.phase, run.expected_steps, length=run.length))
        gone[0] += paces(len(history)) * spent
        history[run.key.recipe, run.key.seed] = Record(
            key=run.key, lr=0.1, steps=run.recipe.steps, outcome="finished", best={"log_loss": 1.0},
            test={"log_loss": 1.0} if run.read_test else {},
        )  # fmt: skip
    return history


def five(*texts: str, **options: Any) -> Setup:
    return replace(setup(*(texts or TEXTS), seeds=5, **options), by_seed=True)


def test_parts_have_all_arms_with_the_same_seeds_before_any_arm_is_missing() -> None:
    found = [(len(each.arms), len(each.seeds), each.has_references) for each in parts(five())]
    assert found == [
        (2, 5, True), (2, 5, False), (2, 4, False), (2, 3, False), (2, 2, False), (2, 1, False), (1, 1, False),
    ]  # fmt: skip


def test_tuning_is_left_out_before_seeds_and_seeds_before_arms() -> None:
    found = [
        (len(each.arms), len(each.seeds), each.scan_rates, each.full_rates)
        for each in parts(five("sgd", "adam"))
    ]
    assert found[:6] == [(2, 5, 7, 3), (2, 5, 7, 3), (2, 5, 5, 2), (2, 5, 3, 1), (2, 5, 3, 0), (2, 4, 7, 3)]
    assert found[-5:] == [(2, 1, 3, 0), (1, 1, 7, 3), (1, 1, 5, 2), (1, 1, 3, 1), (1, 1, 3, 0)]
    procedures = replace(procedures_of("train", "lottery(0.5, 1)", optimizer="adam", seeds=5), by_seed=True)
    assert {each.full_rates for each in parts(procedures)} == {3, 2, 1}, (
        "a stage starts from a run at full length"
    )


def test_all_arms_are_there_where_the_whole_tuning_takes_longer_than_the_budget() -> None:
    """Some arms were tuned to the end, and the others left out."""
    made = five("sgd", "adam")
    tuned = replace(made, only_arms=True, seeds=made.seeds[:1])
    history, _ = played(made, 0.7 * plan_seconds(tuned, TIMES, {}))
    part = largest_part(made, TIMES, history, 0.0)
    assert part is not None
    assert len(part.arms) == 2
    assert not next_runs(part, history)
    assert part.full_rates < made.full_rates
    assert left_out(made, part)[1].startswith("the tuning beyond ")


def test_with_enough_time_everything_is_made() -> None:
    made = five()
    history, _ = played(made, 1e9)
    assert largest_part(made, TIMES, history, 0.0) == made
    assert left_out(made, made) == []
    assert not next_runs(made, history)


@pytest.mark.parametrize("share", [0.9, 0.7, 0.5, 0.3, 0.15])
@pytest.mark.parametrize("texts", [TEXTS, ("sgd", "adam")])
def test_a_budget_is_kept_and_all_arms_have_the_same_seeds(texts: tuple[str, ...], share: float) -> None:
    made = five(*texts)
    seconds = share * plan_seconds(made, TIMES, {})
    history, gone = played(made, seconds)
    longest = max(run_seconds(TIMES, Expected(arm, "final", made.steps(arm))) for arm in made.arms)
    assert gone <= seconds + longest
    part = largest_part(made, TIMES, history, 0.0)
    if part is None:  # the tuning alone takes longer
        assert texts != TEXTS
        assert seconds < plan_seconds(list(parts(made))[-1], TIMES, {})
        return
    assert not next_runs(part, history)
    counts = Counter((each.key.name, each.key.seed) for each in history.values() if each.key.phase == "final")
    for arm in part.arms:
        assert all(counts[arm.title, seed] for seed in part.seeds)
    assert part != made
    assert left_out(made, part)


@pytest.mark.parametrize("share", [0.9, 0.6, 0.35])
@pytest.mark.parametrize("optimizer", ["adam", "adam(lr=0.01)"])
def test_stages_of_procedures_are_not_made_for_children_that_are_left_out(
    optimizer: str, share: float
) -> None:
    """A chain is complete for its seeds, and no stage is there whose child was not made, but what tuning tried."""
    procedures = ("train", "lottery(0.5, 1)", "prune(0.5, steps=1)")
    made = replace(procedures_of(*procedures, optimizer=optimizer, seeds=5), by_seed=True)
    times = {CELL: TIMES[CELL].timed(seconds_a_step={stage.method.name: 0.002 for stage in made.stages},
                                     seconds_an_evaluation=0.01)}  # fmt: skip
    seconds = share * plan_seconds(made, times, {})
    history, gone = played(made, seconds, times=times)
    longest = max(run_seconds(times, Expected(arm, "final", made.steps(arm))) for arm in made.stages)
    assert gone <= seconds + longest
    part = largest_part(made, times, history, 0.0)
    assert part is not None
    assert part != made
    assert not next_runs(part, history)
    wanted = {
        (run.key.recipe, run.key.seed)
        for arm in part.arms
        for last in finals(part, arm, {stage.id: tuning(part, stage, history).chosen for stage in arm.chain})
        for run in last.line
    }
    assert wanted <= history.keys()
    reported = {each for each, record in history.items() if record.key.phase == "final"}
    of_seeds = {seed for _, seed in wanted}
    begun = {each for each in reported - wanted if each[1] not in of_seeds}
    assert len(begun) <= len(made.stages), "of the seed in which time was up, and of no other"
    assert len({seed for _, seed in begun}) <= 1


def test_reported_runs_go_seed_by_seed() -> None:
    made = five()
    runs = next_runs(made, {})
    seeds = [run.key.seed for run in runs]
    assert [(run.key.name, run.key.seed) for run in runs[:4]] == [
        (name, seed) for seed in (0, 1) for name in TEXTS
    ]
    phases = [run.key.phase for run in runs]
    assert phases == sorted(phases, key=["final", "default"].index)
    assert [run.key.seed for run in next_runs(replace(made, by_seed=False), {})] != seeds


def test_runs_that_are_slower_than_expected_leave_seeds_out() -> None:
    made = five()
    seconds = 1.2 * plan_seconds(made, TIMES, {})
    history, gone = played(made, seconds, pace=3.0)
    part = largest_part(made, TIMES, history, 0.0)
    assert part is not None
    assert 0 < len(part.seeds) < 5
    assert SLOWEST > 3.0
    assert gone <= 1.1 * seconds


def test_a_forecast_that_was_too_slow_is_corrected_before_a_seed_has_a_rate() -> None:
    """The tuning that the first forecast gave up was never taken up again, however fast the runs were."""
    made = five("sgd", "adam")
    seconds = 0.6 * plan_seconds(made, TIMES, {})
    first = Deadline(lambda: seconds).part(made, TIMES, {})
    assert first is not None
    assert (first.scan_rates, first.full_rates) != (made.scan_rates, made.full_rates)
    history, gone = played(made, seconds, pace=0.5)
    assert gone < seconds
    assert not next_runs(made, history)


def test_runs_that_were_slow_at_first_only_cost_nothing_in_the_end() -> None:
    """What the first runs took beside their steps was held against all that came after them."""
    made = five("sgd", "adam")
    seconds = 1.5 * plan_seconds(made, TIMES, {})
    history = changing(seconds, made, lambda before: 6.0 if before < 4 else 0.8)
    part = largest_part(made, TIMES, history, 0.0)
    assert part is not None
    assert (part.scan_rates, part.full_rates, len(part.seeds)) == (made.scan_rates, made.full_rates, 5)
    assert part.has_references


@pytest.mark.parametrize("share", [0.35, 0.5, 0.7, 0.9])
def test_tuning_is_the_same_for_all_arms_and_is_not_gone_on_with_after_a_seed(share: float) -> None:
    made = five("sgd", "adam")
    history = changing(share * plan_seconds(made, TIMES, {}), made, lambda before: 2.0 if before < 5 else 0.3)
    phases = [each.key.phase for each in history.values()]
    assert "final" in phases
    assert not {"scan", "full"} & set(phases[phases.index("final") :])
    part = largest_part(made, TIMES, history, 0.0)
    assert part is not None
    assert len(part.arms) == 2
    one, other = (tuning(part, arm, history) for arm in part.arms)
    assert (len(one.scan), len(one.full)) == (len(other.scan), len(other.full))


def test_what_is_left_out_is_named() -> None:
    made = five()
    _, five_seeds, _, three, two, _, one = parts(made)
    assert left_out(made, five_seeds) == ["the runs at library defaults and without a schedule"]
    assert left_out(made, three) == [
        "2 of 5 seeds of all arms (3 and 4)", "the runs at library defaults and without a schedule",
    ]  # fmt: skip
    assert left_out(made, two)[0] == "3 of 5 seeds of all arms (2, 3 and 4)"
    assert left_out(made, one)[0] == f"arm {made.arms[1].title}"


class Listening(Observer):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def for_some_runs(count: int) -> Callable[[object], Callable[[], float]]:
    """Return a clock on which time is up after so many decisions, besides that of the plan."""
    asked = iter([1e6] * (count + 1))
    return lambda clock: lambda: next(asked, 0.0)


@pytest.mark.parametrize(
    ("runs", "arms", "seeds", "said"),
    [
        (1, 1, 1, "arm adam(lr=0.02), 2 of 3 seeds of all arms (1 and 2) and the runs at library defaults"),
        (3, 2, 1, "2 of 3 seeds of all arms (1 and 2) and the runs at library defaults"),
        (6, 2, 3, "the runs at library defaults and without a schedule;"),
        (4, 2, 2, "1 of 3 seeds of all arms (2) and the runs at library defaults"),
    ],
)
def test_a_comparison_ends_with_what_is_complete_and_goes_on_with_the_same_length(
    churn_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runs: int,
    arms: int,
    seeds: int,
    said: str,
) -> None:
    options: dict[str, Any] = {
        "minutes": 5, "epochs": 2, "seeds": 3, "model": "linear", "baseline": "none", "compile": "off", "device": "cpu",
        "workers": 1,
    }  # fmt: skip
    made = st.plan(churn_csv, target="churned", optimizers=["sgd(lr=0.1)", "adam(lr=0.02)"], **options)
    monkeypatch.setattr("steepest.experiment.run.time_left", for_some_runs(runs))
    told = Listening()
    result = made.run(tmp_path / "x", observer=told)
    [warning] = [each for each in told.said if "is used up" in each]
    assert warning.startswith(f"warning: the time budget of 5 minutes is used up, which leaves out {said}")
    rows = [row for row in result.comparison.rows if row.kind == "arm"]
    assert [row.seeds for row in rows] == [seeds] * arms
    assert any(said in each for each in result.comparison.warnings)
    lost = "Left out, as not expected to end within the time budget of 5 minutes: adam(lr=0.02)."
    assert (lost in result.comparison.sentence) == (arms == 1)
    assert len(Folder(tmp_path / "x").records()) == runs
    length = load_tree(tmp_path / "x" / "experiment.toml")["plan"]["length"]
    monkeypatch.undo()
    again = resume(tmp_path / "x", minutes=20, observer=told)
    assert load_tree(tmp_path / "x" / "experiment.toml")["plan"]["length"] == length
    assert not any("is used up" in each for each in again.comparison.warnings)
    assert "Left out" not in again.comparison.sentence
    assert [row.seeds for row in again.comparison.rows if row.kind == "arm"] == [3, 3]


def test_how_much_of_the_budget_is_used_is_said_where_the_rest_was_not_expected_to_fit(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said that the budget was used up, while half of it was left."""
    made = st.plan(
        churn_csv, target="churned", optimizers=["sgd(lr=0.1)"], minutes=5, epochs=2, seeds=2, model="linear",
        baseline="none", compile="off", device="cpu", workers=1,
    )  # fmt: skip
    asked = iter([1e6, 1e6, 1e6])
    monkeypatch.setattr("steepest.experiment.run.time_left", lambda clock: lambda: next(asked, 1e-9))
    told = Listening()
    made.run(tmp_path / "x", observer=told)
    [warning] = [each for each in told.said if "which leaves out" in each]
    assert re.match(
        r"warning: [\d.]+ m?s of the time budget of 5 minutes are used, and what is missing", warning
    )
    assert not any("used up" in each for each in told.said)


def test_without_a_budget_more_minutes_are_refused(churn_csv: Path, tmp_path: Path) -> None:
    made = st.plan(
        churn_csv, target="churned", optimizers=["sgd(lr=0.1)"], epochs=1, seeds=1, baseline="none", compile="off",
        device="cpu",
    )  # fmt: skip
    with pytest.raises(OptionError, match="minutes=2 has no effect"):
        with_minutes(made.experiment, 2.0)


def test_where_no_arm_is_complete_it_says_how_to_go_on(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steepest.experiment.run.time_left", for_some_runs(0))
    made = st.plan(
        churn_csv, target="churned", optimizers=["sgd(lr=0.1)"], minutes=5, epochs=1, seeds=1, baseline="none",
        compile="off", device="cpu",
    )  # fmt: skip
    with pytest.raises(OptionError, match="5 minutes is used up, and no arm is complete") as caught:
        made.run(tmp_path / "x", observer=Observer())
    assert "--minutes N` goes on with the 0 runs" in caught.value.hint
