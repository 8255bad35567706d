"""How long a training step takes, measured in rounds, so that a busy moment of the machine slows all alike."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset
from steepest.errors import StepError
from steepest.models import ModelBuilder, build_model, count_parameters
from steepest.optim.held import HeldLoss
from steepest.optim.method import Method
from steepest.optim.selection import freeze
from steepest.optim.spec import MethodSpec
from steepest.recipe import Execution, Recipe
from steepest.record.schema import Record, RunKey
from steepest.sweep.clock import MEASURING_SHARE
from steepest.sweep.contestants import whole_spec
from steepest.sweep.making import thread_count
from steepest.sweep.methods import difference, make_method
from steepest.train.causes import ended_by
from steepest.train.compiled import Programs
from steepest.train.feed import Feed
from steepest.train.inputs import block
from steepest.train.loop import train
from steepest.train.problem import SupervisedProblem, problem_of, products, wide

K = TypeVar("K")

ROUNDS, LEAST_ROUNDS = 7, 3
"""Every way of making steps is timed once in each round."""
MOST_SECONDS = 6.0
"""After so long, no round beyond the least begins."""
MUCH_SECONDS = 10.0
"""After so long, none begins at all: what takes so long is not decided by a busy moment."""
SLOW_STEP = 1.0
"""Seconds of a step from which one alone is a block, and one warms up for it."""
SLOWEST_STEP = 3.0
"""Seconds of a first step from which it is the block itself: what it takes more than others is a small share."""
SLOW_LOOK = 5.0
"""Seconds of a run with one step and one look from which it is the measurement, and is not repeated."""
LOOK_SHARE = 1 / 3
"""What reading some rows takes, as a share of a training step on as many, about."""
LOOK_SECONDS = 2.0
"""Where a look would take longer, it reads the first rows only, for about so long, and its time is scaled up."""
WARM_UP = 3
"""Steps before the first block; the first step makes what an optimizer keeps."""
BLOCK_STEPS, BLOCK_SECONDS = 10, 0.1
"""A block of eager steps ends at the earlier of the two."""
CUDA_BLOCKS = 4
"""There, all blocks of compiled steps but the first are prepared while the device works."""
MOST_KEPT = 50_000_000
"""Numbers in the models that are kept between rounds; larger ones are made again."""
LOOKS = 6
"""Steps of a run that reads the validation rows after each of them, where that is soon done."""
CHECKED = 8
"""Steps in which a compiled program is held against eager steps."""


def in_rounds(
    blocks: Mapping[K, Callable[[], float]], rounds: int = ROUNDS, share: float = 1.0
) -> dict[K, list[float]]:
    """Return what each block takes in every round, timed in turn, in the order of the rounds.

    Args:
        blocks: each returns the seconds that it took.
        rounds: at most.
        share: of the usual seconds, after which no round begins; the first one is always made.
    """
    found: dict[K, list[float]] = {name: [] for name in blocks}
    started = time.perf_counter()
    for done in range(rounds):
        taken = time.perf_counter() - started
        if done and taken > share * (MOST_SECONDS if done >= LEAST_ROUNDS else MUCH_SECONDS):
            break
        for name, block_of in blocks.items():
            found[name].append(block_of())
    return found


def interleaved(
    blocks: Mapping[K, Callable[[], float]], rounds: int = ROUNDS, share: float = 1.0
) -> dict[K, float]:
    """Return the lower quartile of what each block takes, timed in turn, round after round.

    Args:
        blocks: each returns the seconds that it took.
        rounds: at most.
        share: of the usual seconds, after which no round begins.

    Example:
        >>> slow_at_first = iter([5.0, 1.2, 1.0, 1.1, 1.0, 1.3, 1.0])
        >>> interleaved({"a": lambda: next(slow_at_first), "b": lambda: 2.0})
        {'a': 1.0, 'b': 2.0}
    """
    found = in_rounds(blocks, rounds, share)
    return {name: sorted(values)[(len(values) - 1) // 4] for name, values in found.items()}


def share_within(minutes: float | None, methods: Sequence[int]) -> float:
    """Return the share of the usual time that each measurement gets, so that all take a part of a time budget.

    Args:
        minutes: the budget, or None.
        methods: how many optimizers each of the cells has: in a cell rows, threads and eager steps are timed, and
            every compiled step.

    Example:
        >>> share_within(None, [4]), share_within(60.0, [4]), share_within(1.0, [3])
        (1.0, 1.0, 0.15)
    """
    if minutes is None:
        return 1.0
    measurements = sum(3 + each for each in methods)
    return min(1.0, MEASURING_SHARE * 60.0 * minutes / (MUCH_SECONDS * measurements))


@dataclass(frozen=True)
class Way:
    """A way of making steps.

    Attributes:
        rule: the optimizer at a rate.
        execution: threads, and the tables that are executed by rows.
        compiled: whether a step is one program.
    """

    rule: MethodSpec[Any]
    execution: Execution
    compiled: bool = False


@dataclass
class _Begun:
    """A run whose steps are timed."""

    problem: SupervisedProblem
    method: Method
    state: Any
    feed: Feed
    done: int = 0
    seconds: float = 0.0

    def make(self, count: int) -> list[float]:
        """Make some steps and return their losses."""
        losses: list[float] = []
        started = time.perf_counter()
        try:
            for info in self.method.steps(self.problem, self.state, self.feed, self.done, count):
                losses.append(info.loss)
                self.done += 1
        finally:
            self.seconds += time.perf_counter() - started
        return losses


@dataclass(frozen=True)
class Bench:
    """What is timed: some steps on the data at hand, on a device.

    Attributes:
        dataset: on the device.
        recipe: model, batch size, clipping and class weights.
        model: the user's own model, or None.
        device: where.
        programs: the compiled steps of the model on this dataset.
        share: of the usual time that a measurement takes at most, where a time budget is short.
    """

    dataset: Dataset
    recipe: Recipe
    model: ModelBuilder | None
    device: str
    programs: Programs = field(default_factory=Programs)
    share: float = 1.0

    def steps(self, ways: Mapping[K, Way], rounds: int = ROUNDS) -> dict[K, float]:
        """Return the seconds of a training step in some ways, infinity where the memory does not suffice.

        Args:
            ways: each is timed in every round.
            rounds: at most; with one, no model is made twice.

        Raises:
            StepError: the first step fails in one of them.
        """
        if rounds == 1:
            return interleaved({name: _Timed(self, way, keep=False) for name, way in ways.items()}, 1)
        return interleaved(self._timed(ways), rounds, self.share)

    def rounds(self, ways: Mapping[K, Way]) -> dict[K, list[float]]:
        """Return the seconds of a training step in some ways in every round, in which each was timed once.

        Raises:
            StepError: the first step fails in one of them.
        """
        return in_rounds(self._timed(ways), share=self.share)

    def _timed(self, ways: Mapping[K, Way]) -> dict[K, Callable[[], float]]:
        keep = len(ways) * count_parameters(self.network()) <= MOST_KEPT
        return {name: _Timed(self, way, keep) for name, way in ways.items()}

    def evaluations(self, way: Way) -> dict[str, float]:
        """Return the seconds of a product and of a forward pass as multiples of a gradient's, where a step has some."""
        with thread_count(way.execution.threads), products(self.recipe.precision):
            run = self.begin(way)
            made = run.method.evaluations(run.problem, run.state, run.feed)
            if not made:
                return {}
            held = HeldLoss(run.problem, run.feed.batch(0), partial(run.feed.randomness, 0))
            weights = [each for each in run.problem.model.parameters() if each.requires_grad]
            calls = {
                "gradient": (1.0, lambda: torch.autograd.grad(held(), weights, allow_unused=True)),
                **made,
            }
            blocks = {kind: partial(self._evaluated, *call) for kind, call in calls.items()}
            seconds = interleaved(blocks, share=self.share)
        return {kind: seconds[kind] / seconds["gradient"] for kind in made}

    def _evaluated(self, count: float, call: Callable[[], object]) -> float:
        """Return the seconds of one of the evaluations that a call makes."""
        alone = self._calls(1, call)  # not counted: the others have used the caches
        times = max(1, min(BLOCK_STEPS, int(BLOCK_SECONDS / max(alone, 1e-9))))
        return self._calls(times, call) / (times * count)

    def _calls(self, times: int, call: Callable[[], object]) -> float:
        started = time.perf_counter()
        for _ in range(times):
            call()
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - started

    def network(self) -> nn.Module:
        """Return a new model on the device."""
        recipe = self.recipe
        net = build_model(self.model or recipe.model, self.dataset.shape, finetune=recipe.finetune)
        return freeze(wide(net, self.dataset, recipe.precision)[0].to(self.device), recipe.freeze)

    def begin(self, way: Way) -> _Begun:
        """Return a run at its start."""
        net, recipe = self.network(), self.recipe.model_copy(update={"schedule": "constant"})
        problem = problem_of(net, self.dataset, recipe)
        method = make_method(way.rule, recipe, way.execution, self.programs, compiled=way.compiled)
        part = self.dataset.training(0)
        part = part.wide() if recipe.precision == "float64" else part
        feed = problem.feed(part, BatchPlan(len(part), recipe.batch_size, 0), 0)
        return _Begun(problem, method, method.init(problem), feed)

    def ready(self, way: Way) -> float:
        """Return the seconds until the first step can be made: what compiling takes, where that has to be done.

        They are those of the processor where that is less, the compiler's own included: what a busy machine takes would
        be remembered as what compiling takes.

        Raises:
            StepError: that step fails.
        """
        started, worked = time.perf_counter(), _worked()
        try:
            with thread_count(way.execution.threads), products(self.recipe.precision):
                self.begin(way).make(1)
        except Exception as error:
            _, reason = ended_by(error, "at step 1", self.recipe.batch_size)
            raise _unable(way.rule, reason) from error
        waited, worked = time.perf_counter() - started, _worked() - worked
        return waited if sys.platform == "win32" else min(waited, worked)

    def same(self, rule: MethodSpec[Any], execution: Execution) -> float:
        """Return by how much losses and buffers after compiled steps differ from those after eager ones."""
        found: list[list[float]] = []
        for compiled in (False, True):
            with thread_count(execution.threads), products(self.recipe.precision):
                run = self.begin(Way(rule, execution, compiled))
                losses = run.make(CHECKED)
            buffers = run.problem.model.buffers()
            found.append(
                losses + [float(each.double().norm()) for each in buffers if each.is_floating_point()]
            )
        return difference(*found)

    def evaluation(self, way: Way, a_step: float = 0.0, *, once: bool = False) -> tuple[float, float]:
        """Return the seconds of reading the validation rows once, and what a run takes beside steps and readings.

        Args:
            way: how steps are made.
            a_step: the seconds of one, where they are known: with slow steps only some of the rows are read.
            once: whether one run with one step is the measurement, however soon it is done.
        """
        rows = len(self.dataset.validation)
        fewer = self._fewer_rows(a_step)
        bench = self if fewer >= rows else self._with_validation_rows(fewer)
        first, look, rest = bench._looked(way, 1)
        if first < self.share * SLOW_LOOK and not once:
            found = [bench._looked(way, LOOKS) for _ in range(3)]
            look, rest = min(each[1] for each in found), min(each[2] for each in found)
        return look * rows / min(fewer, rows), max(rest, 0.0)

    def _fewer_rows(self, a_step: float) -> int:
        """Return how many validation rows are read in about :data:`LOOK_SECONDS`, at least a batch of them."""
        a_row = LOOK_SHARE * a_step / self.recipe.batch_size
        rows = len(self.dataset.validation)
        return max(self.recipe.batch_size, int(LOOK_SECONDS / a_row)) if a_row * rows > LOOK_SECONDS else rows

    def _with_validation_rows(self, count: int) -> Bench:
        part = self.dataset.validation
        some = part.take(torch.arange(count, device=part.target.device))
        return replace(self, dataset=replace(self.dataset, validation=some))

    def _looked(self, way: Way, looks: int) -> tuple[float, float, float]:
        """Return the seconds of a run, of one of its looks, and of what is neither a look nor a step."""
        started = time.perf_counter()
        made = self._run(way, looks)
        whole, clocks = time.perf_counter() - started, made.clocks
        look = clocks.evaluate / len(made.curve)
        return whole, look, whole - clocks.train - clocks.compile - clocks.evaluate

    def _run(self, way: Way, looks: int) -> Record:
        changes = {"steps": looks, "optimizer": whole_spec(way.rule), "schedule": "constant"}
        recipe = self.recipe.model_copy(update=changes)
        key = RunKey(name="timing", recipe=recipe.id, seed=0, phase="pilot")
        method = make_method(way.rule, recipe, way.execution, self.programs, compiled=way.compiled)
        with thread_count(way.execution.threads):
            return train(
                self.dataset, recipe, key, method, model=self.model, evaluations=looks, device=self.device
            ).record


class _Timed:
    """A way of making steps, timed in blocks."""

    def __init__(self, bench: Bench, way: Way, keep: bool) -> None:
        self.bench = bench
        self.way = way
        self.keep = keep
        self.begun: _Begun | None = None

    def __call__(self) -> float:
        """Return the seconds of a step in one block of them; infinity where the memory does not suffice.

        A block that an error ends counts as far as it came.
        """
        try:
            with thread_count(self.way.execution.threads), products(self.bench.recipe.precision):
                return self._block()
        except Exception as error:
            run, self.begun = self.begun, None
            done = run.done if run else 0
            outcome, reason = ended_by(error, f"at step {done + 1}", self.bench.recipe.batch_size)
            if outcome == "out of memory":
                return math.inf
            if run is None or not done:
                raise _unable(self.way.rule, reason) from error
            return run.seconds / done

    def _block(self) -> float:
        run, first = self.begun, 0.0
        if run is None:
            run = self.begun = self.bench.begin(self.way)
            first = _seconds(run, 1)
            if first < SLOW_STEP:
                run.make(WARM_UP - 1)
        alone = first if first >= SLOWEST_STEP else _seconds(run, 1)
        count = (
            1 if alone >= SLOW_STEP else self._steps(alone)
        )  # shorter: the other ways have used the caches
        seconds = alone if alone >= SLOW_STEP else _seconds(run, count)
        if not self.keep:
            self.begun = None
        return seconds / count

    def _steps(self, alone: float) -> int:
        """Return how many steps a block has, from what one takes; compiled ones are prepared in blocks."""
        if not self.way.compiled:
            return max(1, min(BLOCK_STEPS, int(BLOCK_SECONDS / max(alone, 1e-9))))
        blocks = CUDA_BLOCKS if self.bench.device.startswith("cuda") else 1
        return blocks * block(self.bench.recipe.batch_size, row_bytes=self.bench.dataset.train.row_bytes)


def _unable(rule: MethodSpec[Any], reason: str) -> StepError:
    said = reason if reason.startswith(rule.called) else f"{rule.called} fails {reason}"
    return StepError(
        said, hint="no run can start: fix the cause of the error, or leave the optimizer out of -o."
    )


def _seconds(run: _Begun, count: int) -> float:
    started = time.perf_counter()
    run.make(count)
    return time.perf_counter() - started


def _worked() -> float:
    """Return the seconds of a processor that this process has used, and those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
