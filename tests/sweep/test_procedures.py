"""Runs that start from runs: the plan's order, the weights that are handed on, and what happens when one fails."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from steepest.errors import OptionError
from steepest.procedures import make_procedure
from steepest.record.schema import Record
from steepest.sweep.expected import expected_runs
from steepest.sweep.plan import finals, next_runs, starts, tuning
from steepest.sweep.setup import Setup
from steepest.sweep.stages import in_stages
from tests.sweep.arms import arms_of, lengths

BOTH = ("train", "continue(0.3)")


def setup(*procedures: str, optimizer: str = "adam", whole: int = 101, seeds: int = 2) -> Setup:
    """Return the setup of one optimizer under procedures."""
    [arm] = arms_of([optimizer])
    arms = []
    for text in procedures:
        made = make_procedure(text)
        own = type(arm)(
            **{**vars(arm), "factors": {**arm.factors, "procedure": made.text}, "label": made.title}
        )
        arms.append(in_stages(own, made).labelled(made.title, {"procedure": made.title}))
    every = [stage for each in arms for stage in each.chain]
    return Setup(tuple(arms), tuple(range(seeds)), "log_loss", False, lengths=lengths(every, whole))


def play(made: Setup, failed=lambda run: False):
    """Carry out the plan with a made-up value; return the history, the runs and the expected steps at the start."""
    history, runs, before = {}, [], expected_runs(made, {})
    while batch := next_runs(made, history):
        for run in batch:
            identity = (run.key.recipe, run.key.seed)
            assert identity not in history
            if run.parent is not None:
                whose = (run.parent.key.recipe, run.parent.key.seed)
                assert whose in history, "a run was planned before the run that it starts from"
                for source, point in run.sources.values():
                    needed = (source.key.recipe, source.key.seed, point)
                    assert needed in starts(made, history), "weights that it needs were not kept"
                    assert source.key.seed == run.key.seed
            bad = failed(run) or (run.parent is not None and history[whose].failed)
            loss = math.nan if bad else (math.log10(float(run.rule.hyper.lr)) + 3) ** 2
            history[identity] = Record(
                key=run.key, lr=float(run.rule.hyper.lr), steps=run.recipe.steps,
                outcome="failed" if bad else "finished", best={"log_loss": loss},
                test={"log_loss": loss} if run.read_test and not bad else {},
            )  # fmt: skip
            runs.append(run)
    assert expected_runs(made, history) == []
    assert starts(made, history) == set()
    return history, runs, before


def test_a_procedure_makes_as_many_steps_as_its_control() -> None:
    made = setup(*BOTH)
    _, runs, before = play(made)
    steps = {title: Counter() for title in ("train", "continue(0.3)")}
    for run in runs:
        for each in steps:
            if run.key.name.startswith(each):
                steps[each][run.key.phase] += run.recipe.steps
    assert steps["train"]["full"] == steps["continue(0.3)"]["full"] == 3 * 101
    assert steps["train"]["final"] == steps["continue(0.3)"]["final"] == 2 * 101
    assert sum(run.steps for run in before) == sum(run.recipe.steps for run in runs)
    assert Counter(run.phase for run in before) == Counter(run.key.phase for run in runs)


def test_stages_are_tuned_one_after_the_other_from_the_chosen_run() -> None:
    made = setup("continue(0.3)")
    history, runs, _ = play(made)
    [arm] = made.arms
    first, second = (tuning(made, each, history) for each in arm.chain)
    assert first.run is not None
    assert {run.parent.key.recipe for run in (*second.scan, *second.full)} == {first.run.key.recipe}
    assert {run.recipe.start for run in second.scan} == {(first.run.recipe.id, "best")}
    assert {run.key.seed for run in second.scan} == {made.tuning_seed}
    chosen = {arm.id: second.chosen, arm.chain[0].id: first.chosen}
    assert [run.parent.key.seed for run in finals(made, arm, chosen)] == [0, 1]
    assert not any(run.read_test for run in runs if run.arm.inner)
    assert Counter((run.key.phase, run.arm.inner) for run in runs) == {
        ("scan", True): 7, ("full", True): 3, ("final", True): 2,
        ("scan", False): 7, ("full", False): 3, ("final", False): 2,
    }  # fmt: skip


def test_procedures_that_begin_alike_share_their_first_stage() -> None:
    made = setup("continue(0.3)", "continue(0.3, point=last)")
    _, runs, before = play(made)
    assert Counter(run.arm.inner for run in runs) == {True: 12, False: 24}
    assert len(before) == len(runs)


def test_a_ticket_needs_its_mask_and_the_weights_to_which_it_goes_back() -> None:
    made = setup("lottery(0.5, 2, rewind=0.1)", "lottery(0.5, 2, rewind=0.1, ticket=redrawn)")
    _, runs, before = play(made)
    assert len(runs) == len(before) == 4 * 12  # the trainings before the last one are shared
    last = next(run for run in runs if not run.arm.inner and run.key.phase == "final")
    first, second, _ = last.line
    assert last.recipe.start == (first.recipe.id, "after 0.1")
    assert last.recipe.masked == (second.recipe.id, "last")
    assert first.marks == {"after 0.1": last.before} == {"after 0.1": round(0.1 * first.recipe.steps)}
    redrawn = next(run for run in runs if not run.arm.inner and run.recipe.draw and run.key.phase == "final")
    assert (redrawn.recipe.start, redrawn.before, redrawn.recipe.draw) == (None, 0, "another")


def test_what_one_arm_ends_with_and_another_goes_on_from_is_one_run() -> None:
    """It reads the test rows for the one, and hands its weights on to the other, in whatever order they are listed."""
    nested = ["lottery(0, 0, each=1)", "lottery(0.5, 1, each=1)", "lottery(0.75, 2, each=1, rewind=0.1)",
              "lottery(0.75, 2, each=1)"]  # fmt: skip
    for order in (nested, nested[::-1]):
        made = setup(*order, optimizer="adam(lr=0.01)")
        _, runs, before = play(made)
        assert len(runs) == len(before) == 2 * 5
        dense = [run for run in runs if len(run.line) == 1]
        assert all(run.read_test and run.hands_on and run.marks == {"after 0.1": 10} for run in dense)
        ends = [run for run in runs if run.recipe.prune == "magnitude(0.75)"]
        assert not any(run.hands_on for run in ends)


def test_a_procedure_of_another_length_is_that_much_longer() -> None:
    made = setup("train", "lottery(0.5, 2, each=2)", "train-for(6)")
    _, runs, before = play(made)
    final = Counter()
    for run in runs:
        final[run.key.name.partition(", stage")[0]] += run.recipe.steps * (run.key.phase == "final")
    assert sorted(final.values()) == [2 * 101, 2 * 606, 2 * 606]
    assert sum(run.steps for run in before) == sum(run.recipe.steps for run in runs)


def test_a_stage_that_fails_fails_its_children_once() -> None:
    made = setup(*BOTH)
    history, runs, _ = play(
        made, failed=lambda run: run.arm.inner and run.key.phase == "final" and run.key.seed == 1
    )
    last = [run for run in runs if run.key.name == "continue(0.3)" and run.key.phase == "final"]
    assert [history[run.key.recipe, run.key.seed].failed for run in last] == [False, True]


def test_a_first_stage_that_always_fails_ends_the_plan() -> None:
    history, runs, _ = play(setup(*BOTH), failed=lambda run: run.arm.inner)
    assert all(
        history[run.key.recipe, run.key.seed].failed for run in runs if run.arm.chain[0] is not run.arm
    )


@pytest.mark.parametrize(
    "text", ["continue(0)", "continue(1.0)", "continue(at=x)", "continue(point=first)", "contin"]
)
def test_a_procedure_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"\nHint: "):
        make_procedure(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prune('0.9')", "sparsity='0.9' is not a number from 0 to below 1"),
        ("prune(x)", "sparsity='x' is not a number from 0 to below 1"),
        ("prune(2)", "sparsity must be from 0 to below 1, not 2.0"),
        ("lottery(0.5, 0)", "lottery: rounds=0 prunes nothing, but sparsity=0.5 is given"),
        ("prune(0.9, 0)", "steps must be a whole number of at least 1, not 0"),
        ("prune(0.9, at=0)", "at must be above 0 and below 1, not 0.0"),
        ("prune(0.9, output=2)", "output must be from 0 to 1, not 2.0"),
        ("continue(0)", "at must be above 0 and below 1, not 0.0"),
        ("continue(x)", "at='x' is not a number above 0 and below 1"),
        ("distil('linear', x)", "alpha='x' is not a number from 0 to 1"),
        ("prune(sparsty=0.9)", "prune has no option 'sparsty'\nHint: did you mean 'sparsity'?"),
    ],
)
def test_a_wrong_option_is_named_with_its_range(text: str, said: str) -> None:
    with pytest.raises(OptionError) as found:
        make_procedure(text)
    assert str(found.value).startswith(said)
