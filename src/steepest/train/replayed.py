"""The method whose steps a CUDA device makes without the host: one is captured as a graph, and replayed.

What steps need is put on the device for a block of them at once. A counter on the device says which of them is next, so
a replay is told nothing; the losses are read once for the whole block, and while the device makes its steps the host
prepares the next block. On a CPU the same is done without capturing, which is how the tests see it.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx

from steepest.optim.method import Feed as AnyFeed
from steepest.optim.method import Problem, StepInfo
from steepest.train.ahead import block, blocks
from steepest.train.compiled import CompiledMethod, CompiledState, numbers_drawn
from steepest.train.compiler import NoCompilerError, NotCachedError, Run
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem
from steepest.train.program import Changing, Traced, flat_changing, flat_state, step_of

WARM_UPS = 3
"""Steps before a graph is captured, in which libraries choose their kernels; what they change is put back."""


@dataclass
class ReplayedState(CompiledState):
    """A run under way.

    Attributes:
        replay: makes its steps, from the first block on.
    """

    replay: Replay | None = None


class ReplayedMethod(CompiledMethod):
    """A rule, each step one program that the device replays."""

    def init(self, problem: Problem) -> ReplayedState:
        """Return the state of a new run."""
        return ReplayedState(**vars(super().init(problem)))

    def steps(
        self, problem: Problem, state: CompiledState, feed: AnyFeed, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make ``count`` steps from step ``first`` on."""
        own, supervised = cast("Feed", feed), cast("SupervisedProblem", problem)
        each_block = blocks(own.plan.size, first, count)
        coming = (self.prepared(supervised, state, own, *which) for which in each_block)
        changing = next(coming, None)
        while changing is not None:
            losses = self._started(cast("ReplayedState", state), changing, block(own.plan.size))
            changing = next(coming, None)  # while the device makes the steps
            for loss in losses.tolist():
                yield StepInfo(loss)

    def _started(self, state: ReplayedState, changing: Changing, most: int) -> Tensor:
        if state.replay is None:
            device = changing.batch.target.device
            run = self.program(state, step_of(changing, 0, device))
            started = time.perf_counter()
            state.replay = Replay(run, flat_state(state.state), flat_changing(changing), most)
            state.seconds += time.perf_counter() - started
        return state.replay.start(flat_changing(changing))

    def memory(self, problem: SupervisedProblem, state: CompiledState, feed: Feed) -> Tensor:
        """Return new memory, from which the device can copy while the next block is prepared."""
        if state.bits is None:
            state.bits = torch.empty(block(feed.plan.size), numbers_drawn(problem, feed), dtype=torch.int16)
        return torch.empty_like(state.bits, pin_memory=feed.part.target.device.type == "cuda")

    def made(self, traced: Traced, threads: int) -> Run:
        """Return a graph as a program, its operations joined into few kernels where Triton is there."""
        del threads
        if self.programs.only_cached:
            raise NotCachedError("the step was not compiled", hint="compile it with --compile on.")
        return joined(traced.graph) if has_triton() else plain(traced.graph)


class Replay:
    """Steps of one run, each a replay of the first.

    Args:
        run: the program of a step.
        state: the tensors that it changes in place; they stay where they are.
        example: what some steps need, with them as the first dimension.
        most: the largest number of steps that are started at once.

    Raises:
        NoCompilerError: the step cannot be captured.

    Example:
        >>> weight = torch.zeros(2)
        >>> def step(tensors):
        ...     weight, rate = tensors
        ...     return [weight.add_(rate).sum()]
        >>> replay = Replay(step, [weight], [torch.ones(1, 2)], most=3)
        >>> replay.start([torch.tensor([[1.0, 0.0], [0.0, 5.0]])]).tolist(), weight.tolist()
        ([1.0, 6.0], [1.0, 5.0])
    """

    def __init__(self, run: Run, state: list[Tensor], example: Sequence[Tensor], most: int) -> None:
        device = state[0].device
        self._run, self._state = run, state
        self._given = [
            torch.empty((most, *each.shape[1:]), dtype=each.dtype, device=device) for each in example
        ]
        self._at = torch.zeros(1, dtype=torch.int64, device=device)
        self._losses = torch.zeros(most, dtype=torch.float64, device=device)
        self._put(example)
        try:
            self._again = self._captured() if device.type == "cuda" else self._step
        except Exception as error:
            raise NoCompilerError(
                f"the step cannot be captured: {type(error).__name__}: {str(error).splitlines()[0][:300]}",
                hint="begin anew with --compile off.",
            ) from error

    def start(self, steps: Sequence[Tensor]) -> Tensor:
        """Let some steps be made and return their losses, float64, without waiting for them."""
        count = len(steps[0])
        self._put(steps)
        for _ in range(count):
            self._again()
        return self._losses[:count].clone()

    def _put(self, steps: Sequence[Tensor]) -> None:
        for own, each in zip(self._given, steps, strict=True):
            own[: len(each)].copy_(each, non_blocking=True)
        self._at.zero_()

    def _step(self) -> None:
        with torch.no_grad():
            now = [each.index_select(0, self._at).squeeze(0) for each in self._given]
            loss = self._run([*self._state, *now])[0]
            self._losses.index_copy_(0, self._at, loss.reshape(1).to(torch.float64))
            self._at.add_(1)

    def _captured(self) -> Callable[[], None]:
        before = [each.clone() for each in self._state]
        here, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(here)
        try:
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    self._at.zero_()
                    self._step()
            here.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._step()
        finally:
            for own, each in zip(self._state, before, strict=True):
                own.copy_(each)
            self._at.zero_()
        return graph.replay


def has_triton() -> bool:
    """Return whether Inductor can make kernels for a CUDA device."""
    return importlib.util.find_spec("triton") is not None


def plain(graph: fx.GraphModule) -> Run:
    """Return a graph as a program, operation by operation."""
    return lambda tensors: [graph(*tensors)]


def joined(graph: fx.GraphModule) -> Run:
    """Return a graph as a program of few kernels, which Inductor makes at the first call."""
    made: Any = torch.compile(graph, fullgraph=True, dynamic=False)
    return lambda tensors: [made(*tensors)]
