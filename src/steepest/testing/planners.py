"""The suite for whoever writes a planner, to subclass in a test file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from steepest.errors import SteepestError
from steepest.recipe import Recipe
from steepest.record.schema import Record
from steepest.rng import stream
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import contestants
from steepest.sweep.contract import TUNED
from steepest.sweep.expected import expected_runs
from steepest.sweep.plan import next_runs, tuning
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.planner import Planner, check_lengths, make_planner, planner_of
from steepest.sweep.setup import Setup

CELL = "cell"
STEPS = 360
BEST = {"sgd": -1.0, "adam": -3.0}
"""The logarithms of the best rates at full length."""
MOST = 1_000
"""Rounds after which a planner is taken to have no end."""


class PlannerConformance:
    """The suite for a planner of your own: subclass it in a test file and pytest runs every check.

    It tunes two optimizers without training anything: a run's result is a bowl over the logarithm of its rate, whose
    bottom moves with the length of the run, and far up it diverges. Every answer of the planner is checked, too, as in
    a comparison.

    Attributes:
        planners: its specifications, such as ``mine.py:Half``, between them with the options that matter.
        tune: what is tuned besides the rates, as for ``--tune``; the suite tries both with and without it.
        refused: specifications of it with values that it should refuse.

    Example:
        >>> class TestMine(PlannerConformance):
        ...     planners = ("halving", "halving(2)")
        ...     refused = ("halving(11)",)
        >>> TestMine().test_ends_with_the_best()
        >>> TestMine().test_refuses()
    """

    planners: Sequence[str] = ()
    tune: Sequence[str] = ("adam: eps=1e-8..1e-4",)
    refused: Sequence[str] = ()

    def _setups(self) -> list[Setup]:
        return [_setup(each, tune) for each in self.planners for tune in ((), tuple(self.tune))]

    def test_says_what_it_does(self) -> None:
        """Its lengths ascend to the full one, and a plan has words for it."""
        for made in self._setups():
            check_lengths(made)

    def test_ends_with_the_best(self) -> None:
        """It comes to an end, and chooses the best of what ran at full length, or of the longest runs."""
        for made in self._setups():
            history, _ = _played(made)
            for arm in made.arms:
                found = tuning(made, arm, history)
                assert found.chosen is not None, f"{made.planner} chose nothing for {arm.title}"
                some = found.full or [trial.runs[-1] for trial in found.trials]
                best = min(made.loss(history[identity(run)]) for run in some)
                mine = made.loss(history[identity(found.run)]) if found.run else math.nan
                assert mine == best, f"{made.planner} chose a loss of {mine} where one is {best}"

    def test_tries_as_many_for_everyone(self) -> None:
        """All arms have as many trials, but for those beyond an edge, and no point twice; a trial's runs get longer."""
        for made in self._setups():
            history, _ = _played(made)
            found = [tuning(made, arm, history) for arm in made.arms]
            counts = [len(each.trials) - each.further for each in found]
            assert len(set(counts)) == 1, f"{made.planner} tries {counts} points"
            for each in found:
                points = [run.recipe.optimizer for run in each.scan]
                assert len(set(points)) == len(points), f"{made.planner} tries a point twice"
                for trial in each.trials:
                    lengths = [run.length for run in trial.runs]
                    assert lengths == sorted(set(lengths)), (
                        f"{made.planner} has a trial of the lengths {lengths}"
                    )

    def test_follows_from_the_results(self) -> None:
        """The same trials come of the same results: in any order of runs, and after an interruption."""
        for made in self._setups():
            whole, runs = _played(made)
            for order in (1, 2):
                again, _ = _played(replace(made), order)
                assert again.keys() == whole.keys(), f"{made.planner} draws by the order in which runs end"
            part = {identity(run): whole[identity(run)] for run in runs[: len(runs) // 2]}
            resumed, _ = _played(replace(made), history=part)
            assert resumed.keys() == whole.keys(), f"{made.planner} goes on otherwise after an interruption"

    def test_keeps_nothing(self) -> None:
        """What was asked before changes no answer."""
        for made in self._setups():
            history, runs = _played(made)
            for cut in range(0, len(runs), 5):
                part = {identity(run): history[identity(run)] for run in runs[:cut]}
                found, fresh = (
                    [identity(run) for run in next_runs(each, part)] for each in (made, replace(made))
                )
                assert found == fresh, f"{made.planner} remembers results that are not in the history"

    def test_knows_what_is_to_come(self) -> None:
        """As many runs follow as it says beforehand; fewer only where what is drawn depends on results."""
        for made in self._setups():
            planned = sum(run.phase in TUNED for run in expected_runs(made, {}))
            history, runs = _played(made)
            further = sum(tuning(made, arm, history).further for arm in made.arms)
            count = sum(run.key.phase in TUNED for run in runs) - further
            exact = planner_of(made).drawn_at_once
            assert count == planned if exact else count <= planned, (
                f"{made.planner}: {count} of {planned} runs"
            )

    def test_refuses(self) -> None:
        """Values out of range are errors that carry a hint."""
        for text in self.refused:
            try:
                make_planner(text)
            except SteepestError:
                continue
            raise AssertionError(f"{text} is not refused")

    def test_is_a_planner(self) -> None:
        """It is made from its text, the same one every time."""
        assert self.planners, "no planner is given"
        for text in self.planners:
            made = make_planner(text)
            assert isinstance(made, Planner)
            assert made == make_planner(text), f"{text} is another planner every time"


def arms_of(
    texts: Sequence[object],
    tune: Sequence[str] = (),
    *,
    schedule: str = "cosine",
    per_epoch: int = 500,
    **more: object,
) -> tuple[PlannedArm, ...]:
    """Return an arm for each optimizer, on one model and without any data."""
    recipe = Recipe.model_validate(
        {
            "data": "d", "model": "linear", "optimizer": "", "schedule": schedule, "steps": 1, "batch_size": 8,
            "metric": "log_loss", **more,
        }
    )  # fmt: skip
    return tuple(
        PlannedArm(
            method=who, recipe=recipe, factors={"optimizer": who.name}, per_epoch=per_epoch, cell=CELL,
            folds=("d",), label=who.name,
        )
        for who in contestants(texts, tune)  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def _setup(planner: str, tune: Sequence[str]) -> Setup:
    arms = arms_of(tuple(BEST), tune)
    lengths = dict.fromkeys((arm.id for arm in arms), STEPS)
    return Setup(arms, (0, 1), "log_loss", False, lengths=lengths, planner=planner)


def _loss(run: PlannedRun) -> float:
    hyper, length = run.rule.hyper, run.recipe.steps / STEPS
    away = math.log10(float(hyper.lr)) - BEST[run.rule.called] + 0.3 * math.log10(length)
    beside = 0.05 * abs(math.log10(getattr(hyper, "eps", 1e-6)) + 6)
    return math.nan if away > 1.2 else away**2 + beside + 0.1 / length


def _played(
    made: Setup, order: int | None = None, history: History | None = None
) -> tuple[dict[tuple[str, int], Record], list[PlannedRun]]:
    """Carry a plan out, run by run; with an order, the next one is any of those that can be made."""
    known, runs, draw = dict(history or {}), list[PlannedRun](), stream(order or 0, "data")
    while some := next_runs(made, known, ahead=order is not None):
        assert len(runs) < MOST, f"{made.planner} has no end"
        run = some[0 if order is None else int(draw.integers(len(some)))]
        loss = _loss(run)
        values = {"log_loss": loss}
        known[identity(run)] = Record(
            key=run.key,
            lr=float(run.rule.hyper.lr),
            steps=run.recipe.steps,
            outcome="diverged" if math.isnan(loss) else "finished",
            best=values,
            test=values if run.read_test else {},
        )
        runs.append(run)
    return known, runs
